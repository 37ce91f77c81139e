//! What a connection says to what it hears.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::{Buf as _, BytesMut};
use fe2o3_amqp_types::definitions::{AmqpError, Error, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Rejected, TargetArchetype};
use fe2o3_amqp_types::performatives::{
    Attach, Close, Detach, Disposition, End, Flow, Open, Performative,
};
use serde_amqp::from_slice;

use crate::address::Address;
use crate::auth::Grant;
use crate::broker::connections::{ConnectionId, Delivery, Event, LinkId};
use crate::broker::subscription::Settlement;
use crate::options::Rights;
use crate::{Emulator, Refusal};

use super::link::{Intake, Link};
use super::sasl;
use super::session::{LinkFlow, Session, error};
use super::wire::{AMQP, Malformed, RawFrame, SASL, put_frame, take_frame};

const PLAIN_HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
/// The largest frame that the peer may send.
const MAX_FRAME: u32 = 64 * 1024;
const MAX_CHANNEL: u16 = 255;
/// Tokens of one connection; the oldest is forgotten first.
const MAX_GRANTS: usize = 1_000;

/// One side of a connection: ours.
pub(super) struct Endpoint {
    pub(super) emulator: Emulator,
    pub(super) connection: ConnectionId,
    phase: Phase,
    pub(super) grants: Vec<Grant>,
    pub(super) sessions: BTreeMap<u16, Session>,
    /// Where links of the broker are: channel and handle.
    places: BTreeMap<LinkId, (u16, u32)>,
    pub(super) max_frame: usize,
    sign_of_life_every: Option<Duration>,
    pub(super) out: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A protocol header is due; the second one after SASL.
    Header,
    Choice,
    Open,
    Running,
    /// Everything is said.
    Done,
}

impl Endpoint {
    pub(super) fn new(emulator: Emulator, connection: ConnectionId) -> Self {
        Self {
            emulator,
            connection,
            phase: Phase::Header,
            grants: Vec::new(),
            sessions: BTreeMap::new(),
            places: BTreeMap::new(),
            max_frame: 512,
            sign_of_life_every: None,
            out: BytesMut::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    pub(super) fn sign_of_life_every(&self) -> Option<Duration> {
        self.sign_of_life_every
    }

    /// Takes from the broker what there is, as long as less than `full` bytes are unwritten. When to look again;
    /// `None` if the connection is cut.
    pub(super) fn work(
        &mut self,
        now: SystemTime,
        full: usize,
        at_once: usize,
    ) -> Option<Option<SystemTime>> {
        let deadline = {
            let mut broker = self.emulator.broker();
            if broker.is_cut(self.connection) {
                return None;
            }
            broker.tick(self.connection)
        };
        let tokens = self.expire_tokens(now);
        while self.out.len() < full {
            let events = self.emulator.broker().collect(self.connection, at_once);
            if events.is_empty() {
                break;
            }
            for event in events {
                self.tell(event);
            }
            self.flush();
        }
        Some([deadline, tokens].into_iter().flatten().min())
    }

    /// Executes the frames that have come whole.
    pub(super) fn receive(&mut self, inbox: &mut BytesMut) {
        while self.phase != Phase::Done {
            match self.receive_one(inbox) {
                Ok(true) => {}
                Ok(false) => break,
                Err(malformed) => {
                    self.close(Some(Error::new(
                        AmqpError::DecodeError,
                        malformed.to_string(),
                        None,
                    )));
                }
            }
        }
        self.flush();
    }

    /// False if there is nothing whole.
    fn receive_one(&mut self, inbox: &mut BytesMut) -> Result<bool, Malformed> {
        if self.phase == Phase::Header {
            let Some(header) = inbox.first_chunk::<8>().copied() else {
                return Ok(false);
            };
            inbox.advance(8);
            self.receive_header(header);
            return Ok(true);
        }
        let Some(frame) = take_frame(inbox, MAX_FRAME as usize)? else {
            return Ok(false);
        };
        match (self.phase, frame.kind) {
            (Phase::Choice, SASL) => {
                let choice =
                    sasl::choose(&frame, &self.emulator.broker().authority, &mut self.out)?;
                self.phase = if choice.is_ok() { Phase::Header } else { Phase::Done };
                self.grants.extend(choice.ok().flatten());
            }
            (Phase::Open | Phase::Running, AMQP) if frame.performative.is_empty() => {}
            (Phase::Open | Phase::Running, AMQP) => self.receive_frame(&frame)?,
            _ => return Err(Malformed("a frame of the wrong layer")),
        }
        Ok(true)
    }

    fn receive_header(&mut self, header: [u8; 8]) {
        match header {
            PLAIN_HEADER => {
                self.out.extend_from_slice(&PLAIN_HEADER);
                self.phase = Phase::Open;
            }
            SASL_HEADER => {
                self.out.extend_from_slice(&SASL_HEADER);
                sasl::offer(&mut self.out);
                self.phase = Phase::Choice;
            }
            _ => {
                // The way to say which one would do.
                self.out.extend_from_slice(&SASL_HEADER);
                self.phase = Phase::Done;
            }
        }
    }

    fn receive_frame(&mut self, frame: &RawFrame) -> Result<(), Malformed> {
        let performative = from_slice(&frame.performative)
            .map_err(|_| Malformed("a performative with other fields than it has"))?;
        let channel = frame.channel;
        match performative {
            Performative::Open(open) if self.phase == Phase::Open => self.open(&open),
            _ if self.phase == Phase::Open => return Err(Malformed("the connection is not open")),
            Performative::Open(_) => return Err(Malformed("the connection is open")),
            Performative::Close(_) => self.close(None),
            Performative::Begin(begin) => {
                if channel > MAX_CHANNEL || self.sessions.contains_key(&channel) {
                    return Err(Malformed("a channel that cannot begin"));
                }
                self.sessions.insert(channel, Session::new(channel, &begin, &mut self.out));
            }
            Performative::End(_) => self.end(channel),
            // The session may have been ended by us, a moment ago.
            _ if !self.sessions.contains_key(&channel) => {}
            Performative::Attach(attach) => self.attach(channel, attach)?,
            Performative::Flow(flow) => self.flow(channel, &flow),
            Performative::Transfer(transfer) => {
                self.transfer(channel, &transfer, &frame.payload);
            }
            Performative::Disposition(disposition) => self.disposition(channel, &disposition),
            Performative::Detach(detach) => self.detach(channel, &detach),
        }
        Ok(())
    }

    fn open(&mut self, open: &Open) {
        self.phase = Phase::Running;
        self.max_frame = usize::from(open.max_frame_size.clone()).clamp(512, 1 << 20);
        let idle = open.idle_time_out.filter(|milliseconds| *milliseconds > 0);
        self.sign_of_life_every = idle.map(|idle| Duration::from_millis(idle.into()) / 2);
        let ours = self.emulator.idle_timeout().as_millis() / 2;
        let answer = Open {
            container_id: format!("servicebus-emulator-{}", self.connection),
            hostname: None,
            max_frame_size: MAX_FRAME.into(),
            channel_max: MAX_CHANNEL.into(),
            idle_time_out: u32::try_from(ours).ok(),
            outgoing_locales: None,
            incoming_locales: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        put_frame(&mut self.out, AMQP, 0, &answer, &[]);
    }

    fn close(&mut self, error: Option<Error>) {
        if self.phase == Phase::Running {
            put_frame(&mut self.out, AMQP, 0, &Close { error }, &[]);
        }
        self.phase = Phase::Done;
    }

    fn end(&mut self, channel: u16) {
        let Some(session) = self.sessions.remove(&channel) else {
            return;
        };
        for link in session.links.values().filter_map(Link::id) {
            self.emulator.broker().detach(link);
            self.places.remove(&link);
        }
        put_frame(&mut self.out, AMQP, channel, &End { error: None }, &[]);
    }

    fn attach(&mut self, channel: u16, attach: Attach) -> Result<(), Malformed> {
        let Some(session) = self.sessions.get(&channel) else {
            return Ok(());
        };
        let handle = attach.handle.0;
        if session.links.contains_key(&handle) {
            return Err(Malformed("a handle that is in use"));
        }
        let result = self.make_link(&attach);
        let peer_sends = attach.role == Role::Sender;
        let mut answer = Attach {
            role: if peer_sends { Role::Receiver } else { Role::Sender },
            // A client that sends waits for ever if it is not told `first`.
            rcv_settle_mode: if peer_sends {
                ReceiverSettleMode::First
            } else {
                attach.rcv_settle_mode
            },
            unsettled: None,
            incomplete_unsettled: false,
            initial_delivery_count: (!peer_sends).then_some(0),
            max_message_size: Some(self.emulator.broker().quotas.message_bytes as u64),
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
            ..attach
        };
        if result.is_err() {
            answer.source = None;
            answer.target = None;
        }
        put_frame(&mut self.out, AMQP, channel, &answer, &[]);
        let Some(session) = self.sessions.get_mut(&channel) else {
            return Ok(());
        };
        match result {
            Err(refusal) => session.put_expulsion(handle, &refusal, &mut self.out),
            Ok(mut link) => {
                if let Link::Ingest { intake, .. } | Link::TokenRequests { intake } = &mut link {
                    intake.delivery_count = attach.initial_delivery_count.unwrap_or(0);
                    intake.refill();
                    session.put_flow(Some(&LinkFlow::grant(handle, intake)), &mut self.out);
                }
                if let Some(id) = link.id() {
                    self.places.insert(id, (channel, handle));
                }
                session.links.insert(handle, link);
            }
        }
        Ok(())
    }

    /// The link that an attach asks for, if it may.
    fn make_link(&mut self, attach: &Attach) -> Result<Link, Refusal> {
        let count: usize = self.sessions.values().map(|session| session.links.len()).sum();
        let mut broker = self.emulator.broker();
        if count >= broker.quotas.links {
            return Err(Refusal::quota("The connection has as many links as it may have."));
        }
        let target = attach
            .target
            .as_deref()
            .and_then(|TargetArchetype::Target(target)| target.address.clone());
        let source = attach.source.as_ref().and_then(|source| source.address.clone());
        let peer_sends = attach.role == Role::Sender;
        let text = if peer_sends { &target } else { &source };
        let text = text.as_deref().unwrap_or_default();
        let not_found = || Refusal::not_found(text);
        let address = Address::parse(text).ok_or_else(not_found)?;
        let now = broker.now();
        let allows = |rights| {
            let allowed =
                self.grants.iter().any(|grant| grant.allows(rights, &address.path(), now));
            let refusal = || Refusal::unauthorized(format!("No token allows this on '{text}'."));
            if allowed { Ok(()) } else { Err(refusal()) }
        };
        match (&address, peer_sends) {
            (Address::Tokens, true) => Ok(Link::TokenRequests { intake: Intake::default() }),
            (Address::Tokens, false) => Ok(Link::replies(target)),
            (Address::Topic(topic), true) => {
                allows(Rights::SEND)?;
                let id = broker.attach_sender(self.connection, topic)?;
                Ok(Link::Ingest { id, topic: topic.clone(), intake: Intake::default() })
            }
            (Address::Subscription(key), false) => {
                allows(Rights::LISTEN)?;
                let deletes = attach.snd_settle_mode == SenderSettleMode::Settled;
                let id = broker.attach_receiver(self.connection, key, deletes)?;
                Ok(Link::Egress { id, key: key.clone() })
            }
            (Address::Topic(_) | Address::Subscription(_), _) => Err(not_found()),
        }
    }

    fn flow(&mut self, channel: u16, flow: &Flow) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        session.set_window(flow);
        let (seen, credit) = (flow.delivery_count.unwrap_or(0), flow.link_credit.unwrap_or(0));
        let link = flow.handle.as_ref().and_then(|handle| session.links.get_mut(&handle.0));
        match link {
            Some(Link::Egress { id, .. }) => {
                self.emulator.broker().flow(*id, seen, credit, flow.drain);
            }
            Some(Link::TokenReplies { credit: left, delivery_count, .. }) => {
                *left = credit.saturating_sub(delivery_count.wrapping_sub(seen));
            }
            _ => {}
        }
        if flow.echo {
            session.put_flow(None, &mut self.out);
        }
        self.send_replies(channel);
    }

    fn disposition(&mut self, channel: u16, disposition: &Disposition) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        if disposition.role == Role::Sender {
            return;
        }
        let (first, last) = (disposition.first, disposition.last.unwrap_or(disposition.first));
        // The range is the peer's to choose: only what there is in it costs anything.
        let ids: Vec<u32> = match first <= last {
            true => session.unsettled.range(first..=last).map(|(id, _)| *id).collect(),
            false => Vec::new(),
        };
        let settlement = match &disposition.state {
            Some(DeliveryState::Accepted(_)) => Settlement::Complete,
            Some(DeliveryState::Rejected(_)) => Settlement::DeadLetter,
            Some(DeliveryState::Received(_)) => return,
            // Settled without an outcome: whoever did that does not want it.
            Some(DeliveryState::Released(_) | DeliveryState::Modified(_)) | None => {
                Settlement::Abandon
            }
        };
        for id in ids {
            let Some((key, token)) = session.unsettled.remove(&id) else {
                continue;
            };
            let result = self.emulator.broker().settle(&key, token, settlement);
            if disposition.settled {
                continue;
            }
            let state = match result {
                Ok(()) => disposition.state.clone(),
                Err(refusal) => Some(rejected(&refusal)),
            };
            let answer = settled(Role::Sender, id, state);
            put_frame(&mut self.out, AMQP, channel, &answer, &[]);
        }
    }

    fn detach(&mut self, channel: u16, detach: &Detach) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        let handle = detach.handle.0;
        // Otherwise we ended it, and this is the answer.
        if let Some(link) = session.links.remove(&handle) {
            session.forget(handle);
            session.put_detach(handle, detach.closed, &mut self.out);
            if let Some(id) = link.id() {
                self.places.remove(&id);
                self.emulator.broker().detach(id);
            }
        }
    }

    /// Ends a link from our side.
    pub(super) fn expel(&mut self, channel: u16, handle: u32, reason: &Refusal) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        if let Some(link) = session.links.remove(&handle) {
            session.forget(handle);
            session.put_expulsion(handle, reason, &mut self.out);
            if let Some(id) = link.id() {
                self.places.remove(&id);
                self.emulator.broker().detach(id);
            }
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Deliver(delivery) => self.deliver(&delivery),
            Event::Drained { link, delivery_count } => {
                if let Some((channel, handle)) = self.places.get(&link).copied()
                    && let Some(session) = self.sessions.get_mut(&channel)
                {
                    session.drained(handle, delivery_count);
                }
            }
            Event::Detach { link, reason } => {
                if let Some((channel, handle)) = self.places.get(&link).copied() {
                    self.expel(channel, handle, &reason);
                }
            }
            Event::ExpireTokens => {
                self.grants.clear();
                self.expel_orphans();
            }
        }
    }

    fn deliver(&mut self, delivery: &Delivery) {
        let Some((channel, handle)) = self.places.get(&delivery.link).copied() else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        let Some(Link::Egress { key, .. }) = session.links.get(&handle) else {
            return;
        };
        let (key, settled) = (key.clone(), delivery.stamp.lock.is_none());
        let payload = delivery.message.encode(&delivery.stamp);
        let id = session.send(handle, &delivery.token, settled, payload, self.max_frame);
        if !settled {
            session.unsettled.insert(id, (key, delivery.token));
        }
    }

    /// Takes a grant over, in place of one for the same.
    pub(super) fn keep(&mut self, grant: Grant) {
        self.grants.retain(|known| !known.same_scope(&grant));
        if self.grants.len() >= MAX_GRANTS {
            self.grants.remove(0);
        }
        self.grants.push(grant);
    }

    /// Forgets tokens that have expired, with the links that needed them; when the next one expires.
    fn expire_tokens(&mut self, now: SystemTime) -> Option<SystemTime> {
        let count = self.grants.len();
        self.grants.retain(|grant| now < grant.expires_at);
        if self.grants.len() < count {
            self.expel_orphans();
        }
        self.grants.iter().map(|grant| grant.expires_at).min()
    }

    /// Ends the links that no token covers any more.
    fn expel_orphans(&mut self) {
        let mut orphans = Vec::new();
        for (channel, session) in &self.sessions {
            for (handle, link) in &session.links {
                let rights = match link {
                    Link::Ingest { .. } => Rights::SEND,
                    Link::Egress { .. } => Rights::LISTEN,
                    Link::TokenRequests { .. } | Link::TokenReplies { .. } => continue,
                };
                let path = link.address().path();
                if !self.grants.iter().any(|grant| grant.covers(rights, &path)) {
                    orphans.push((*channel, *handle));
                }
            }
        }
        let reason = Refusal::unauthorized("ExpiredToken: the token of this link has expired.");
        for (channel, handle) in orphans {
            self.expel(channel, handle, &reason);
        }
    }

    fn flush(&mut self) {
        for session in self.sessions.values_mut() {
            session.flush(&mut self.out);
        }
    }
}

/// A disposition that settles one delivery.
pub(super) fn settled(role: Role, id: u32, state: Option<DeliveryState>) -> Disposition {
    Disposition { role, first: id, last: None, settled: true, state, batchable: false }
}

pub(super) fn accepted() -> DeliveryState {
    DeliveryState::Accepted(Accepted {})
}

pub(super) fn rejected(refusal: &Refusal) -> DeliveryState {
    DeliveryState::Rejected(Rejected { error: Some(error(refusal)) })
}
