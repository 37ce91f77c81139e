//! Links that come and go, and the tokens that allow them.

use std::time::SystemTime;

use fe2o3_amqp_types::definitions::{ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::TargetArchetype;
use fe2o3_amqp_types::performatives::{Attach, Detach};

use crate::Refusal;
use crate::address::Address;
use crate::auth::Grant;
use crate::options::Rights;

use super::endpoint::Endpoint;
use super::link::{Intake, Link};
use super::session::LinkFlow;
use super::wire::{AMQP, Malformed, put_frame};

/// Tokens of one connection; the oldest is forgotten first.
const MAX_GRANTS: usize = 1_000;

impl Endpoint {
    pub(super) fn attach(&mut self, channel: u16, attach: Attach) -> Result<(), Malformed> {
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

    pub(super) fn detach(&mut self, channel: u16, detach: &Detach) {
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

    /// Takes a grant over, in place of one for the same.
    pub(super) fn keep(&mut self, grant: Grant) {
        self.grants.retain(|known| !known.same_scope(&grant));
        if self.grants.len() >= MAX_GRANTS {
            self.grants.remove(0);
        }
        self.grants.push(grant);
    }

    /// Forgets tokens that have expired, with the links that needed them; when the next one expires.
    pub(super) fn expire_tokens(&mut self, now: SystemTime) -> Option<SystemTime> {
        let count = self.grants.len();
        self.grants.retain(|grant| now < grant.expires_at);
        if self.grants.len() < count {
            self.expel_orphans();
        }
        self.grants.iter().map(|grant| grant.expires_at).min()
    }

    /// Ends the links that no token covers any more.
    pub(super) fn expel_orphans(&mut self) {
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
}
