//! Small tables and short times.

use std::time::Duration;

use crate::protocol::Config;

/// Table sizes and times of a node, for simulations of their overflow and their end. `None` keeps the node's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Targets that wait for the broker.
    pub outbox_targets: Option<usize>,
    /// Frames kept to answer the syncs of others.
    pub log_frames: Option<usize>,
    /// Origins known.
    pub origins: Option<usize>,
    /// Own frames kept to answer requests.
    pub own_frames: Option<usize>,
    /// The largest answer to a sync.
    pub answer_bytes: Option<usize>,
    /// Runs of numbers that one origin may have met out of order.
    pub ranges: Option<usize>,
    /// Beacons per second of the whole cluster.
    pub beacons_per_s: Option<u32>,
    /// The shortest time between two beacons of a node that publishes nothing.
    pub beacon_steady: Option<Duration>,
    /// Origins that advanced within this time are listed in slices.
    pub vector_window: Option<Duration>,
}

impl Limits {
    pub(crate) fn apply(&self, config: &mut Config) {
        let set = |place: &mut usize, limit: Option<usize>| *place = limit.unwrap_or(*place).max(1);
        set(&mut config.max_outbox_targets, self.outbox_targets);
        set(&mut config.max_log_frames, self.log_frames);
        set(&mut config.max_origins, self.origins);
        set(&mut config.max_own_frames, self.own_frames);
        set(&mut config.max_answer_bytes, self.answer_bytes);
        set(&mut config.max_ranges, self.ranges);
        config.beacon_steady = self.beacon_steady.unwrap_or(config.beacon_steady);
        config.vector_window = self.vector_window.unwrap_or(config.vector_window);
        if let Some(budget) = self.beacons_per_s {
            config.beacon_budget_per_s = budget;
        }
    }
}
