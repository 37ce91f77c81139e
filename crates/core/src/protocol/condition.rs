//! What a replica tells of itself: status, warnings, counters.

use std::time::Duration;

use super::replica::{Link, Replica};
use super::status::{Counters, Reason, State, Status, Warning};
#[cfg(test)]
use super::wire::Numbered;
use crate::time::Timestamp;

impl Replica {
    /// Different warnings kept.
    const MAX_WARNINGS: usize = 16;

    /// Adds a warning that only the driver can know.
    pub(crate) fn warn(&mut self, warning: Warning, now: Timestamp) {
        self.add_warning(warning);
        self.update_status(now);
    }

    pub(super) fn add_warning(&mut self, warning: Warning) {
        if self.warnings.len() < Self::MAX_WARNINGS {
            self.warnings.insert(warning);
        }
    }

    /// When the outstanding fence counts as late, if that is still to come.
    pub(super) fn fence_late_at(&self) -> Option<Timestamp> {
        if self.status.state != State::Live {
            return None;
        }
        Some(self.fences.outstanding_since()?.after(self.fence_late_after()))
    }

    fn fence_late_after(&self) -> Duration {
        (self.config.fence_timeout / 2).max(self.config.fence_interval)
    }

    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn update_status(&mut self, now: Timestamp) {
        let (state, reason) = self.condition(now);
        if state != self.status.state {
            self.status.since = now;
        }
        self.status.state = state;
        self.status.reason = reason;
        let publishing = self.publish_error.clone().map(Warning::Publishing);
        let warnings = || publishing.iter().chain(&self.warnings);
        if !warnings().eq(&self.status.warnings) {
            self.status.warnings = warnings().cloned().collect();
        }
    }

    fn condition(&self, now: Timestamp) -> (State, Option<Reason>) {
        let not_live = if self.was_synced { State::Suspect } else { State::Starting };
        let late = |since: Timestamp| now >= since.after(self.fence_late_after());
        match &self.link {
            Link::Closed => (State::Disconnected, Some(Reason::ShutDown)),
            Link::Down { .. } | Link::Connecting { .. } => {
                let state = if self.was_synced { State::Disconnected } else { State::Starting };
                (state, Some(self.last_error.clone().unwrap_or(Reason::Connecting)))
            }
            Link::Up(up) => {
                let reason = if let Some((theirs, _)) = self.lane_mismatch {
                    Some(Reason::LaneMismatch { ours: self.config.lanes, theirs })
                } else if !up.synced {
                    Some(Reason::Synchronizing)
                } else if self.vector.open_gap().is_some() {
                    Some(Reason::Gap)
                } else if self.unreadable.is_some() {
                    Some(Reason::Unreadable)
                } else if self.fences.outstanding_since().is_some_and(late) {
                    Some(Reason::FenceLate)
                } else {
                    None
                };
                (if reason.is_none() { State::Live } else { not_live }, reason)
            }
        }
    }

    /// The last frame of ours that the broker accepted.
    #[cfg(test)]
    pub(crate) fn last_accepted(&self) -> Numbered {
        (self.publisher.id, self.publisher.accepted)
    }

    /// Every table with its size and its limit.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn sizes(&self) -> [(&'static str, usize, usize); 9] {
        let config = &self.config;
        [
            ("log", self.log.sizes().0, config.max_log_frames),
            ("vector", self.vector.len(), config.max_origins),
            ("own frames", self.publisher.own.len(), config.max_own_frames),
            ("control bytes", self.control_bytes(), 2 * config.max_answer_bytes + 4_096),
            ("answering", self.answering.len(), config.max_pending),
            ("askers", self.answering.askers_kept(), 1_024),
            ("replies", self.replies.len(), config.max_pending),
            ("hearing", self.hearing.len(), 64),
            ("outbox", self.outbox.len(), config.max_outbox_targets),
        ]
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn control_bytes(&self) -> usize {
        self.publisher.control.bytes()
    }
}
