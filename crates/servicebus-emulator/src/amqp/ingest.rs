//! What comes in on links: messages for topics, and tokens.

use bytes::{Bytes, BytesMut};
use fe2o3_amqp_types::definitions::Role;
use fe2o3_amqp_types::performatives::Transfer;

use crate::broker::SendOutcome;
use crate::{Message, Refusal};

use super::endpoint::{Endpoint, accepted, rejected, settled};
use super::link::{Link, Partial};
use super::session::{LinkFlow, Session};
use super::tokens;
use super::wire::{AMQP, put_frame};

/// Microsoft's format of a message whose sections of data are messages.
const BATCH: u32 = 0x8001_3700;
/// Answers about tokens that wait for credit; older ones are forgotten.
const MAX_REPLIES: usize = 100;

impl Endpoint {
    pub(super) fn transfer(&mut self, channel: u16, transfer: &Transfer, payload: &Bytes) {
        let (message_limit, batch_limit) = {
            let quotas = &self.emulator.broker().quotas;
            (quotas.message_bytes, quotas.batch_bytes)
        };
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        session.count_incoming();
        let handle = transfer.handle.0;
        let Some(Link::Ingest { intake, .. } | Link::TokenRequests { intake }) =
            session.links.get_mut(&handle)
        else {
            // We ended it, and the peer has not heard yet.
            return;
        };
        let partial = intake.partial.get_or_insert_with(|| Partial {
            delivery_id: transfer.delivery_id.unwrap_or(0),
            format: transfer.message_format.unwrap_or(0),
            settled: false,
            bytes: BytesMut::new(),
        });
        partial.settled |= transfer.settled.unwrap_or(false);
        let size = partial.bytes.len() + payload.len();
        let limit = if partial.format == BATCH { batch_limit } else { message_limit };
        if size > limit {
            return self.expel(channel, handle, &Refusal::too_large(size, limit));
        }
        partial.bytes.extend_from_slice(payload);
        if transfer.more && !transfer.aborted {
            return;
        }
        let Some(whole) = intake.partial.take() else {
            return;
        };
        if intake.use_credit() {
            intake.refill();
            let flow = LinkFlow::grant(handle, intake);
            session.put_flow(Some(&flow), &mut self.out);
        }
        if !transfer.aborted {
            self.take_in(channel, handle, whole);
        }
    }

    /// A delivery has come whole.
    fn take_in(&mut self, channel: u16, handle: u32, whole: Partial) {
        let Some(session) = self.sessions.get(&channel) else {
            return;
        };
        let Partial { delivery_id, format, settled: is_settled, bytes } = whole;
        let messages = match format {
            BATCH => Message::decode_batch(bytes.freeze()),
            _ => Message::decode(bytes.freeze()).map(|message| vec![message]),
        };
        let state = match (messages, session.links.get(&handle)) {
            (Err(malformed), _) => {
                rejected(&Refusal::new("amqp:decode-error", malformed.to_string()))
            }
            (Ok(messages), Some(Link::Ingest { topic, .. })) => {
                let topic = topic.clone();
                let outcome =
                    self.emulator.broker().publish(Some(self.connection), &topic, messages);
                match outcome {
                    SendOutcome::Accepted => accepted(),
                    SendOutcome::Refused(refusal) => rejected(&refusal),
                    SendOutcome::Silence => {
                        self.emulator.broker().cut(self.connection);
                        return;
                    }
                }
            }
            (Ok(messages), _) => {
                for request in messages {
                    self.put_token(channel, &request);
                }
                accepted()
            }
        };
        if !is_settled {
            let answer = settled(Role::Receiver, delivery_id, Some(state));
            put_frame(&mut self.out, AMQP, channel, &answer, &[]);
        }
        self.send_replies(channel);
    }

    fn put_token(&mut self, channel: u16, request: &Message) {
        let answer = {
            let broker = self.emulator.broker();
            tokens::answer(request, &broker.authority, broker.now())
        };
        if let Some(grant) = answer.grant {
            self.keep(grant);
        }
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        if let Some(waiting) = session.replies_to(answer.reply_to.as_deref()) {
            waiting.push_back(answer.message);
            while waiting.len() > MAX_REPLIES {
                waiting.pop_front();
            }
        }
    }

    /// Sends the answers for which there is credit.
    pub(super) fn send_replies(&mut self, channel: u16) {
        let Some(session) = self.sessions.get_mut(&channel) else {
            return;
        };
        for (handle, reply) in session.take_replies() {
            session.send(handle, &handle.to_be_bytes(), true, reply, self.max_frame);
        }
    }
}

impl Session {
    /// The link of this address, or any that takes answers.
    fn replies_to(
        &mut self,
        wanted: Option<&str>,
    ) -> Option<&mut std::collections::VecDeque<Bytes>> {
        let takes = |link: &Link, exactly: bool| match link {
            Link::TokenReplies { address, .. } => !exactly || address.as_deref() == wanted,
            _ => false,
        };
        let find = |exactly| self.links.iter().find(|(_, link)| takes(link, exactly));
        let handle = *find(true).or_else(|| find(false))?.0;
        match self.links.get_mut(&handle) {
            Some(Link::TokenReplies { waiting, .. }) => Some(waiting),
            _ => None,
        }
    }

    fn take_replies(&mut self) -> Vec<(u32, Bytes)> {
        let mut replies = Vec::new();
        for (handle, link) in &mut self.links {
            let Link::TokenReplies { credit, delivery_count, waiting, .. } = link else {
                continue;
            };
            while *credit > 0
                && let Some(reply) = waiting.pop_front()
            {
                *credit -= 1;
                *delivery_count = delivery_count.wrapping_add(1);
                replies.push((*handle, reply));
            }
        }
        replies
    }
}
