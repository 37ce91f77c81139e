//! What goes out on links: deliveries, and what their receivers decide.

use fe2o3_amqp_types::definitions::Role;
use fe2o3_amqp_types::messaging::DeliveryState;
use fe2o3_amqp_types::performatives::{Disposition, Flow};

use crate::broker::connections::{Delivery, Event};
use crate::broker::subscription::Settlement;

use super::endpoint::{Endpoint, rejected, settled};
use super::link::Link;
use super::wire::{AMQP, put_frame};

impl Endpoint {
    pub(super) fn flow(&mut self, channel: u16, flow: &Flow) {
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

    pub(super) fn disposition(&mut self, channel: u16, disposition: &Disposition) {
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

    pub(super) fn tell(&mut self, event: Event) {
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
}
