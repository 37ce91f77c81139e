//! Receiving: what each frame of the stream does.

use std::sync::Arc;

use bytes::Bytes;

use super::log::Met;
use super::publisher::{Attempt, Echo, Sent};
use super::replica::{Link, Output, Replica};
use super::status::Warning;
use super::wire::{Body, Header, Ignored, Kept, Received, Replay, Replayed};
use crate::mutation::{self, Mutation};
use crate::node_id::NodeId;
use crate::time::Timestamp;

impl Replica {
    /// The subscription yielded a frame.
    pub(crate) fn frame(&mut self, frame: &Bytes, now: Timestamp) {
        if matches!(self.link, Link::Up(_)) {
            let opened = self.codec.open(frame);
            self.opened(opened.as_ref(), now);
        }
    }

    /// Opens a frame, for every replica of this namespace that has the same keys.
    #[cfg(feature = "simulation")]
    pub(crate) fn open(&self, frame: &Bytes) -> Result<Received, Ignored> {
        self.codec.open(frame)
    }

    /// The subscription yielded a frame that was [opened](super::wire::Codec::open) already.
    pub(crate) fn opened(&mut self, opened: Result<&Received, &Ignored>, now: Timestamp) {
        if !matches!(self.link, Link::Up(_)) {
            return;
        }
        self.counters.frames_received += 1;
        if self.config.has_round_trips() {
            self.fences.heard(now);
        }
        match opened {
            Ok(received) => self.received(received, now),
            Err(ignored) => self.ignored(*ignored),
        }
        self.step(now);
    }

    fn ignored(&mut self, ignored: Ignored) {
        match ignored {
            Ignored::NotOurs | Ignored::ForeignNamespace => self.counters.ignored += 1,
            Ignored::BadMac => {
                self.counters.unauthenticated += 1;
                self.add_warning(Warning::BadSignature);
            }
            Ignored::Unsigned => {
                self.counters.unauthenticated += 1;
                self.add_warning(Warning::UnsignedFrames);
            }
        }
    }

    fn received(&mut self, received: &Received, now: Timestamp) {
        match received.header.origin {
            Some((node, number)) if number > 0 => {
                if node == self.publisher.id {
                    self.own_numbered(received, number, now);
                } else {
                    self.numbered(received, (node, number), now);
                }
                if self.is_synced() || mutation::active(Mutation::MarkMovesUnsynced) {
                    self.move_mark();
                }
            }
            Some((node, _)) if !matches!(received.body, Ok(Body::Targets(_)) | Err(_)) => {
                if let Ok(body) = &received.body {
                    self.control(node, body, now);
                }
            }
            Some(_) => {
                let header = Header { origin: None, ..received.header.clone() };
                let kept = Arc::new(Kept { numbered: None, ..Kept::clone(&received.kept) });
                self.anonymous(&Received { header, kept, ..received.clone() }, now);
            }
            None => self.anonymous(received, now),
        }
    }

    /// A numbered frame of another node.
    fn numbered(&mut self, received: &Received, numbered: (NodeId, u64), now: Timestamp) {
        if self.log.meet(received) == Met::Duplicate {
            self.counters.duplicates += 1;
            return;
        }
        self.vector.meet(numbered, now);
        self.apply(received, Some(numbered.0), now);
    }

    /// An anonymous frame: it is logged and replayed like any other, but has no number.
    fn anonymous(&mut self, received: &Received, now: Timestamp) {
        match &received.body {
            Ok(Body::Targets(_)) | Err(_) if received.header.may_carry_targets => {
                self.log.meet(received);
                self.apply(received, None, now);
                if self.is_synced() && mutation::active(Mutation::AnonymousMakesMark) {
                    self.move_mark();
                }
            }
            _ => self.counters.ignored += 1,
        }
    }

    /// A numbered frame under our own identity.
    fn own_numbered(&mut self, received: &Received, number: u64, now: Timestamp) {
        if self.publisher.has_sealed(number, received) {
            // It was applied here before it was published.
            if !mutation::active(Mutation::OwnEchoNotLogged) {
                self.log.meet(received);
            }
            self.echo_of_numbered(number, Attempt(received.header.attempt), now);
        } else if self.log.meet(received) == Met::Duplicate
            || mutation::active(Mutation::CloneNotNoticed)
        {
            self.counters.duplicates += 1;
        } else {
            // We did not seal this: somebody else has our identity, so numbers prove nothing about either.
            self.add_warning(Warning::ClonedIdentity);
            self.apply(received, None, now);
            self.drop_before(now);
            // Both twins come here, each with the bytes of the other.
            self.stir(received.kept.digest ^ u64::from(received.header.attempt));
            self.reincarnate(now);
        }
    }

    /// Applies the content of a frame that was not met before.
    fn apply(&mut self, received: &Received, origin: Option<NodeId>, now: Timestamp) {
        match &received.body {
            Ok(Body::Targets(targets)) => {
                self.counters.targets_received += targets.len() as u64;
                self.outputs.push_back(Output::Apply { targets: targets.clone(), origin });
            }
            Ok(Body::Beacon { lanes, slice }) => {
                self.compare_lanes(*lanes, now);
                for numbered in self.vector.news(slice) {
                    self.learn(numbered, now);
                }
            }
            Ok(_) => {}
            Err(why) => self.unreadable_frame(*why, received.header.may_carry_targets, now),
        }
    }

    /// Learns that numbers exist; our own we know.
    pub(super) fn learn(&mut self, numbered: (NodeId, u64), now: Timestamp) {
        if numbered.0 != self.publisher.id {
            self.vector.learn(numbered, now);
        }
    }

    fn control(&mut self, node: NodeId, body: &Body, now: Timestamp) {
        let own = node == self.publisher.id;
        match body {
            // The token is ours or nobody's; the identity may have changed since it was sent.
            Body::Fence { token } => self.fenced(*token, now),
            Body::Sync(sync) => {
                if self.up().is_some_and(|up| up.nonce == sync.nonce) {
                    self.own_sync_met(sync.nonce, now);
                } else if !own {
                    if !mutation::active(Mutation::SyncAcceptedNotLearned) {
                        self.learn((node, sync.accepted), now);
                    }
                    self.compare_lanes(sync.lanes, now);
                    self.sync_met(node, sync, now);
                }
            }
            Body::Replay(replay) => {
                if !own {
                    self.replay(node, replay, now);
                }
            }
            Body::Synced(synced) => {
                if own {
                    return;
                }
                self.compare_lanes(synced.lanes, now);
                if let Some(rest) = self.hearing.end(node, synced) {
                    self.synced_met(synced, &rest, now);
                }
            }
            Body::Request(ranges) => {
                if !own {
                    self.request_met(ranges, now);
                }
            }
            // Numbered kinds without a number: malformed.
            Body::Targets(_) | Body::Beacon { .. } | Body::Goodbye => self.counters.ignored += 1,
        }
    }

    fn own_sync_met(&mut self, nonce: u64, now: Timestamp) {
        self.publisher.echoes.met(Echo::Sync(nonce));
        if let Some(in_flight) = &mut self.publisher.control.in_flight
            && in_flight.sent == Sent::Sync(nonce)
        {
            in_flight.echoed = true;
        }
        let deadline = now.after(self.patience(now));
        if let Link::Up(up) = &mut self.link {
            up.deadline.get_or_insert(deadline);
        }
    }

    /// Takes what a replay carries. Nothing of it enters the log: it does not stand where it was accepted.
    fn replay(&mut self, node: NodeId, replay: &Replay, now: Timestamp) {
        self.hearing.part(node, replay, now);
        if replay.answer != 0 {
            let wait = self.config.witness_delay * 2 + self.wait_up_to(self.config.witness_delay);
            self.answering.postpone(now.after(wait));
        }
        // In a crowd most of what is heard are answers to others. Who misses nothing, and is not about to reply to
        // somebody, has met what is in them; what it misses without knowing, the next frame or beacon shows.
        let misses = !self.is_synced() || self.vector.open_gap().is_some();
        let to_others = replay.answer != 0 && !misses && self.replies.is_empty();
        if to_others && self.is_in_crowd(now) {
            return;
        }
        for entry in &replay.entries {
            match entry {
                Replayed::Frame(frame) => self.replayed_frame(frame, now),
                Replayed::Met(numbered) => {
                    self.replies.remove(numbered);
                    if numbered.0 != self.publisher.id {
                        self.vector.meet_replayed(*numbered, now);
                    }
                }
                // Only a whole answer says what its vector is good for.
                Replayed::Known(_) => {}
            }
        }
    }

    fn replayed_frame(&mut self, frame: &Bytes, now: Timestamp) {
        let Ok(received) = self.codec.open(frame) else {
            self.counters.ignored += 1;
            return;
        };
        if matches!(&received.body, Ok(body) if !matches!(body, Body::Targets(_))) {
            return;
        }
        let numbered = received.header.origin.filter(|(_, number)| *number > 0);
        if let Some((node, number)) = numbered {
            self.replies.remove(&(node, number));
            if node == self.publisher.id {
                if self.publisher.has_sealed(number, &received) {
                    return;
                }
            } else {
                let known = self.log.compare(&received) == Met::Duplicate;
                self.vector.meet_replayed((node, number), now);
                if known {
                    return;
                }
            }
        }
        self.counters.replayed += 1;
        self.apply(&received, numbered.map(|(node, _)| node), now);
        if mutation::active(Mutation::ReplayedEntersLog) {
            self.log.meet(&received);
        }
    }
}
