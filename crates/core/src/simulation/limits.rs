//! Small tables.

use crate::protocol::Config;

/// Table sizes of a node, for simulations of their overflow. `None` keeps the node's own.
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
    /// Beacons per second of the whole cluster.
    pub beacons_per_s: Option<u32>,
}

impl Limits {
    pub(crate) fn apply(&self, config: &mut Config) {
        let set = |place: &mut usize, limit: Option<usize>| *place = limit.unwrap_or(*place).max(1);
        set(&mut config.max_outbox_targets, self.outbox_targets);
        set(&mut config.max_log_frames, self.log_frames);
        set(&mut config.max_origins, self.origins);
        set(&mut config.max_own_frames, self.own_frames);
        set(&mut config.max_answer_bytes, self.answer_bytes);
        if let Some(budget) = self.beacons_per_s {
            config.beacon_budget_per_s = budget;
        }
    }
}
