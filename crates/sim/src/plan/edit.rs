//! Making plans smaller.

use super::{FaultKind, Op, Plan};

impl FaultKind {
    /// How long it lasts, to be changed; none for what happens at a moment.
    pub(crate) fn lasts_mut(&mut self) -> Option<&mut u64> {
        match self {
            Self::Partition { for_ms, .. }
            | Self::PartitionOneway { for_ms, .. }
            | Self::Hold { for_ms, .. }
            | Self::Delay { for_ms, .. }
            | Self::Jitter { for_ms, .. }
            | Self::BrokerRestart { for_ms }
            | Self::BrokerStall { for_ms }
            | Self::SlowSubscriber { for_ms, .. }
            | Self::LoseAnswers { for_ms, .. }
            | Self::Crash { for_ms, .. }
            | Self::Pause { for_ms, .. }
            | Self::Suspend { for_ms, .. }
            | Self::WrongCredentials { for_ms }
            | Self::SlowSource { for_ms, .. }
            | Self::FailingSource { for_ms } => Some(for_ms),
            Self::Ambiguous { accepted_after_ms, .. } => accepted_after_ms.as_mut(),
            _ => None,
        }
    }

    /// How often it happens, to be changed.
    pub(crate) fn count_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Failover { lost: count }
            | Self::LoseTo { frames: count, .. }
            | Self::LoseAccepted { frames: count }
            | Self::Ambiguous { frames: count, .. }
            | Self::Reject { frames: count, .. }
            | Self::Burst { writes: count, .. } => Some(count),
            _ => None,
        }
    }

    /// The same without this node, those after it moving up. `None`: it concerns nobody else.
    fn without(mut self, gone: usize) -> Option<Self> {
        match &mut self {
            Self::Partition { nodes, .. } | Self::Cut { nodes } => {
                *nodes = nodes.iter().filter_map(|node| moved_up(*node, gone)).collect();
                if nodes.is_empty() {
                    return None;
                }
            }
            Self::Clone { node, of } => {
                *node = moved_up(*node, gone)?;
                *of = moved_up(*of, gone)?;
            }
            Self::PartitionOneway { node, .. }
            | Self::Hold { node, .. }
            | Self::Delay { node, .. }
            | Self::LoseTo { node, .. }
            | Self::Ambiguous { node, .. }
            | Self::CutPublishing { node }
            | Self::Reject { node, .. }
            | Self::LoseAnswers { node, .. }
            | Self::SubscriptionExpiry { node }
            | Self::SharedSubscription { node, .. }
            | Self::SlowSubscriber { node, .. }
            | Self::Crash { node, .. }
            | Self::Pause { node, .. }
            | Self::Suspend { node, .. }
            | Self::Burst { node, .. } => *node = moved_up(*node, gone)?,
            // No node is named. Listed, so that no new kind is forgotten.
            Self::Jitter { .. }
            | Self::BrokerRestart { .. }
            | Self::BrokerStall { .. }
            | Self::Failover { .. }
            | Self::Demotion
            | Self::LoseAccepted { .. }
            | Self::Duplicate { .. }
            | Self::Garbage { .. }
            | Self::NewerVersion { .. }
            | Self::Anonymous { .. }
            | Self::OtherLanes
            | Self::WrongCredentials { .. }
            | Self::SlowSource { .. }
            | Self::FailingSource { .. } => {}
        }
        Some(self)
    }
}

fn moved_up(node: usize, gone: usize) -> Option<usize> {
    (node != gone).then(|| node - usize::from(node > gone))
}

impl Plan {
    /// The same without this node and all that it does, those after it moving up.
    pub(crate) fn without_node(&self, gone: usize) -> Self {
        let mut plan = self.clone();
        plan.topology.nodes -= 1;
        if gone < plan.topology.drift_ppm.len() {
            plan.topology.drift_ppm.remove(gone);
        }
        plan.workload = self
            .workload
            .iter()
            .filter_map(|op| Some(Op { node: moved_up(op.node, gone)?, ..op.clone() }))
            .collect();
        plan.faults = std::mem::take(&mut plan.faults)
            .into_iter()
            .filter_map(|mut fault| {
                fault.kind = fault.kind.without(gone)?;
                Some(fault)
            })
            .collect();
        plan
    }

    /// When the last thing in it is over.
    pub(crate) fn last_ms(&self) -> u64 {
        let faults = self.faults.iter().map(super::Fault::ends_ms);
        faults.chain(self.workload.iter().map(|op| op.at_ms)).max().unwrap_or(0)
    }

    /// The same so much earlier. What lies before that happens at the start.
    pub(crate) fn earlier(&self, by_ms: u64) -> Self {
        let mut plan = self.clone();
        plan.faults.iter_mut().for_each(|it| it.at_ms = it.at_ms.saturating_sub(by_ms));
        plan.workload.iter_mut().for_each(|it| it.at_ms = it.at_ms.saturating_sub(by_ms));
        plan.heal_ms = plan.heal_ms.saturating_sub(by_ms);
        plan.duration_ms = plan.duration_ms.saturating_sub(by_ms);
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Profile, Request};

    #[test]
    fn without_a_node_nobody_names_it() {
        for seed in 0..40 {
            let request = Request { profile: Profile::Storm, ..Request::default() };
            let plan = Plan::draw(&request, seed);
            for gone in 0..plan.topology.nodes {
                let smaller = plan.without_node(gone);
                let count = smaller.topology.nodes;
                assert_eq!(count + 1, plan.topology.nodes);
                assert!(smaller.workload.iter().all(|op| op.node < count));
                let named = smaller.faults.iter().flat_map(|fault| fault.kind.nodes());
                assert!(named.into_iter().all(|node| node < count));
                let of_it = plan.workload.iter().filter(|op| op.node == gone).count();
                assert_eq!(smaller.workload.len() + of_it, plan.workload.len());
            }
        }
    }

    #[test]
    fn nodes_after_the_one_that_is_gone_move_up() {
        let cut = |nodes| FaultKind::Cut { nodes };
        assert_eq!(cut(vec![0, 2, 3]).without(2), Some(cut(vec![0, 2])));
        assert_eq!(cut(vec![2]).without(2), None);
        let twin = FaultKind::Clone { node: 3, of: 0 };
        assert_eq!(twin.clone().without(1), Some(FaultKind::Clone { node: 2, of: 0 }));
        assert_eq!(twin.without(0), None);
        assert_eq!(FaultKind::Demotion.without(0), Some(FaultKind::Demotion));
    }
}
