//! Healthy, faulty, healing: which of these a moment belongs to.

use crate::plan::Plan;

/// What a moment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// No fault is on, and none was for a while.
    Healthy,
    /// A fault is on.
    Faulty,
    /// The last one was over not long ago.
    Healing,
}

impl Phase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Faulty => "faulty",
            Self::Healing => "healing",
        }
    }
}

/// What happens at a moment is felt for this long.
const MOMENT_MS: u64 = 500;
/// To notice, to reconnect, to repair.
const HEALING_MS: u64 = 3_000;

/// The faults of a plan as times.
#[derive(Clone, Debug)]
pub(crate) struct Phases {
    /// Sorted, without overlap, in nanoseconds.
    faulty: Vec<(u64, u64)>,
    heal_ns: u64,
}

impl Phases {
    pub(crate) fn of(plan: &Plan) -> Self {
        let ns = |ms: u64| ms * 1_000_000;
        let mut faulty: Vec<(u64, u64)> = Vec::new();
        for fault in &plan.faults {
            let end = fault.ends_ms().max(fault.at_ms + MOMENT_MS);
            match faulty.last_mut() {
                Some((_, last)) if *last >= ns(fault.at_ms) => *last = ns(end).max(*last),
                _ => faulty.push((ns(fault.at_ms), ns(end))),
            }
        }
        Self { faulty, heal_ns: ns(plan.heal_ms) }
    }

    pub(crate) fn heal_ns(&self) -> u64 {
        self.heal_ns
    }

    pub(crate) fn at(&self, at: u64) -> Phase {
        let begun = self.faulty.partition_point(|(from, _)| *from <= at);
        match begun.checked_sub(1).map(|last| self.faulty[last].1) {
            None => Phase::Healthy,
            Some(end) if at < end => Phase::Faulty,
            Some(end) if at < end + HEALING_MS * 1_000_000 => Phase::Healing,
            Some(_) => Phase::Healthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_belong_to_their_phase() {
        let phases = Phases { faulty: vec![(1_000_000_000, 2_000_000_000)], heal_ns: 0 };
        let at = |ms: u64| phases.at(ms * 1_000_000);
        assert_eq!([at(999), at(1_000), at(1_999)], [Phase::Healthy, Phase::Faulty, Phase::Faulty]);
        assert_eq!(
            [at(2_000), at(4_999), at(5_000)],
            [Phase::Healing, Phase::Healing, Phase::Healthy]
        );
    }
}
