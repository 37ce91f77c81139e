//! A session: its links, its numbers, and what waits for its window.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf as _, Bytes, BytesMut};
use fe2o3_amqp_types::definitions::{DeliveryTag, Error, ErrorCondition, Handle};
use fe2o3_amqp_types::performatives::{Begin, Detach, Flow, Transfer};
use serde_amqp::primitives::Symbol;

use crate::Refusal;
use crate::address::SubscriptionKey;
use crate::broker::tokens::Token;

use super::link::{Intake, Link};
use super::wire::{AMQP, put_frame};

/// What we let the peer have on its way: everything is dealt with at once.
const INCOMING_WINDOW: u32 = 1 << 30;
/// Room for a frame's header and its performative.
const FRAME_OVERHEAD: usize = 96;

pub(super) struct Session {
    /// Both directions use the same number.
    channel: u16,
    next_incoming_id: u32,
    next_outgoing_id: u32,
    /// Transfers that the peer takes.
    window: u32,
    next_delivery_id: u32,
    /// By the peer's handle, which is also ours.
    pub(super) links: BTreeMap<u32, Link>,
    /// Deliveries that the peer is to decide on.
    pub(super) unsettled: BTreeMap<u32, (SubscriptionKey, Token)>,
    /// In order. Bound: what the links had credit for.
    pending: VecDeque<Outgoing>,
}

enum Outgoing {
    Transfer(Transfer, Bytes),
    /// A link is drained.
    Drained {
        handle: u32,
        delivery_count: u32,
    },
}

impl Session {
    pub(super) fn new(channel: u16, begin: &Begin, out: &mut BytesMut) -> Self {
        let session = Self {
            channel,
            next_incoming_id: begin.next_outgoing_id,
            next_outgoing_id: 1,
            window: begin.incoming_window,
            next_delivery_id: 0,
            links: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            pending: VecDeque::new(),
        };
        let answer = Begin {
            remote_channel: Some(channel),
            next_outgoing_id: session.next_outgoing_id,
            incoming_window: INCOMING_WINDOW,
            outgoing_window: u32::MAX >> 1,
            handle_max: Handle(255),
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        put_frame(out, AMQP, channel, &answer, &[]);
        session
    }

    /// A transfer has come.
    pub(super) fn count_incoming(&mut self) {
        self.next_incoming_id = self.next_incoming_id.wrapping_add(1);
    }

    /// What the peer says about its window.
    pub(super) fn set_window(&mut self, flow: &Flow) {
        let seen = flow.next_incoming_id.unwrap_or(1);
        let on_its_way = self.next_outgoing_id.wrapping_sub(seen);
        self.window = flow.incoming_window.saturating_sub(on_its_way);
    }

    /// What we say about ours, and about a link.
    pub(super) fn put_flow(&self, link: Option<&LinkFlow>, out: &mut BytesMut) {
        let flow = Flow {
            next_incoming_id: Some(self.next_incoming_id),
            incoming_window: INCOMING_WINDOW,
            next_outgoing_id: self.next_outgoing_id,
            outgoing_window: u32::MAX >> 1,
            handle: link.map(|link| Handle(link.handle)),
            delivery_count: link.map(|link| link.delivery_count),
            link_credit: link.map(|link| link.credit),
            available: None,
            drain: link.is_some_and(|link| link.drain),
            echo: false,
            properties: None,
        };
        put_frame(out, AMQP, self.channel, &flow, &[]);
    }

    /// Ends a link and says why.
    pub(super) fn put_expulsion(&self, handle: u32, reason: &Refusal, out: &mut BytesMut) {
        let detach = Detach { handle: Handle(handle), closed: true, error: Some(error(reason)) };
        put_frame(out, AMQP, self.channel, &detach, &[]);
    }

    /// Agrees to the end of a link, in the way in which the peer ended it.
    pub(super) fn put_detach(&self, handle: u32, closed: bool, out: &mut BytesMut) {
        let detach = Detach { handle: Handle(handle), closed, error: None };
        put_frame(out, AMQP, self.channel, &detach, &[]);
    }

    /// Forgets what was to be sent on a link.
    pub(super) fn forget(&mut self, handle: u32) {
        self.pending.retain(|outgoing| match outgoing {
            Outgoing::Transfer(transfer, _) => transfer.handle.0 != handle,
            Outgoing::Drained { handle: drained, .. } => *drained != handle,
        });
    }

    /// Sends a message, as soon as the window lets it. Its number, which the peer will name.
    pub(super) fn send(
        &mut self,
        handle: u32,
        tag: &[u8],
        settled: bool,
        mut payload: Bytes,
        max_frame: usize,
    ) -> u32 {
        let id = self.next_delivery_id;
        self.next_delivery_id = id.wrapping_add(1);
        let most = max_frame.saturating_sub(FRAME_OVERHEAD).max(1);
        let mut first = true;
        loop {
            let part = payload.split_to(payload.len().min(most));
            let more = payload.has_remaining();
            let transfer = Transfer {
                handle: Handle(handle),
                delivery_id: first.then_some(id),
                delivery_tag: first.then(|| DeliveryTag::from(tag.to_vec())),
                message_format: first.then_some(0),
                settled: Some(settled),
                more,
                rcv_settle_mode: None,
                state: None,
                resume: false,
                aborted: false,
                batchable: false,
            };
            self.pending.push_back(Outgoing::Transfer(transfer, part));
            first = false;
            if !more {
                return id;
            }
        }
    }

    pub(super) fn drained(&mut self, handle: u32, delivery_count: u32) {
        self.pending.push_back(Outgoing::Drained { handle, delivery_count });
    }

    /// Writes what the window lets through.
    pub(super) fn flush(&mut self, out: &mut BytesMut) {
        while let Some(next) = self.pending.pop_front() {
            match next {
                Outgoing::Transfer(transfer, payload) if self.window > 0 => {
                    self.window -= 1;
                    self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
                    put_frame(out, AMQP, self.channel, &transfer, &payload);
                }
                Outgoing::Transfer(..) => {
                    self.pending.push_front(next);
                    return;
                }
                Outgoing::Drained { handle, delivery_count } => {
                    let link = LinkFlow { handle, delivery_count, credit: 0, drain: true };
                    self.put_flow(Some(&link), out);
                }
            }
        }
    }
}

/// What is said about a link.
pub(super) struct LinkFlow {
    pub(super) handle: u32,
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    pub(super) drain: bool,
}

impl LinkFlow {
    /// What the peer may send.
    pub(super) fn grant(handle: u32, intake: &Intake) -> Self {
        Self { handle, delivery_count: intake.delivery_count, credit: intake.credit, drain: false }
    }
}

/// A refusal, as AMQP has it.
pub(super) fn error(refusal: &Refusal) -> Error {
    // Known conditions are encoded as the symbols that they are.
    let condition = ErrorCondition::Custom(Symbol::from(refusal.condition.as_str()));
    Error::new(condition, refusal.description.clone(), None)
}
