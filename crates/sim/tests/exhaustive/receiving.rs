//! Receiving: what each frame of the stream does.

use super::frames::{Frame, Numbered, Replayed, bit};
use super::mutants::Mutant;
use super::node::{GapEnd, LogEntry, Node, Step, numbers};
use super::publishing::Echo;

impl Node {
    /// The subscription yielded a frame.
    // mirrors Replica::received, protocol/receiving.rs
    // mirrors Replica::control, protocol/receiving.rs
    // mirrors Replica::step, protocol/replica.rs
    pub(crate) fn met(&mut self, frame: &Frame, step: &mut Step) {
        let gap = self.vector.open_gap().is_some();
        match frame {
            Frame::Numbered(frame) => {
                self.numbered(frame, step);
                if self.is_synced() || step.is(Mutant::MarkMovesUnsynced) {
                    self.move_mark();
                }
            }
            Frame::Fence { token, .. } => self.fenced(*token, step),
            Frame::Sync { from, nonce, mark, sequencer, accepted } => {
                if self.up.as_ref().is_some_and(|up| up.nonce == *nonce) {
                    self.own_sync_met(step);
                } else {
                    self.learn(*from, *accepted, step);
                    self.sync_met(*nonce, mark.as_ref(), *sequencer, step);
                }
            }
            Frame::Replay { from, answer, entries } => {
                if *answer > 0 {
                    self.hearing.push((*from, *answer));
                }
                for entry in entries {
                    self.replayed(entry, step);
                }
                if gap && self.vector.open_gap().is_none() {
                    self.gap_end = GapEnd::Repaired;
                }
            }
            Frame::Synced { from, answer, parts, witnessed, nonces, vector, lost } => {
                // mirrors Hearing::end, protocol/syncing.rs
                let heard = self.hearing.iter().filter(|part| **part == (*from, *answer)).count();
                self.hearing.retain(|part| *part != (*from, *answer));
                if heard == usize::from(*parts) || step.is(Mutant::AnyPartsCount) {
                    self.synced_met(*witnessed, nonces, *vector, *lost, step);
                }
            }
            Frame::Request { missing, .. } => self.request_met(missing, step),
        }
        self.publish_numbered(step);
    }

    // mirrors Replica::numbered, protocol/receiving.rs
    // mirrors Replica::own_numbered, protocol/receiving.rs
    // mirrors Log::meet, protocol/log.rs
    // mirrors Replica::apply, protocol/receiving.rs
    fn numbered(&mut self, frame: &Numbered, step: &mut Step) {
        let first = !self.log_holds(frame.origin, frame.number);
        if first {
            self.log.push(LogEntry { mark: frame.mark(), version: frame.version });
        }
        if frame.origin == step.me {
            self.echo_of_numbered(frame.number, frame.attempt, step);
        } else if first {
            self.vector.meet(frame.origin, frame.number, step.now);
            if frame.version > 0 {
                self.invalidate(frame.version);
            }
            for (origin, number) in numbers(frame.slice) {
                self.learn(origin, number, step);
            }
        }
    }

    // mirrors Log::compare, protocol/log.rs
    pub(crate) fn log_holds(&self, origin: u8, number: u8) -> bool {
        self.log.iter().any(|entry| entry.mark.origin == origin && entry.mark.number == number)
    }

    // mirrors Replica::learn, protocol/receiving.rs
    pub(crate) fn learn(&mut self, origin: u8, number: u8, step: &Step) {
        if origin != step.me {
            self.vector.learn(origin, number, step.now, step.mutant);
        }
    }

    // mirrors Replica::own_sync_met, protocol/receiving.rs
    fn own_sync_met(&mut self, step: &Step) {
        self.publisher.echo_met(Echo::Sync);
        if let Some(up) = &mut self.up {
            up.echoed.get_or_insert(step.now);
        }
    }

    // mirrors Replica::replay, protocol/receiving.rs
    // mirrors Replica::replayed_frame, protocol/receiving.rs
    fn replayed(&mut self, entry: &Replayed, step: &Step) {
        let (origin, number) = (entry.origin, entry.number);
        self.replies[usize::from(origin)] &= !bit(number);
        let known = self.log_holds(origin, number);
        if step.is(Mutant::ReplayEntersLog) && !known {
            let mark = super::frames::Mark { origin, number, attempt: 1 };
            self.log.push(LogEntry { mark, version: entry.version });
        }
        if origin == step.me {
            return;
        }
        self.vector.meet_replayed(origin, number, step.now, step.mutant);
        if !known && entry.version > 0 {
            self.invalidate(entry.version);
        }
    }
}
