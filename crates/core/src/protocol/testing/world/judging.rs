//! What must hold after everything has healed.

use std::time::Duration;

use super::{Node, TINY_ORIGINS, World};
use crate::protocol::wire::Numbered;
use crate::protocol::{Reason, State};

impl World {
    /// G2 and G6: every live node is synced, or has been until just now, as a single fence may be late at any time; and
    /// it holds for every key nothing or the latest version.
    pub(in crate::protocol) fn judge_convergence(&mut self) {
        const JUST_NOW: Duration = Duration::from_millis(1_500);
        for (index, node) in self.nodes.iter().enumerate() {
            let status = node.replica.status();
            let live = status.state == State::Live
                || status.reason == Some(Reason::FenceLate)
                    && self.now.since(status.since) < JUST_NOW;
            if !live && !self.thrashes() {
                self.violations.push(format!("node {index} is not live: {status:?}"));
            }
            for (key, entry) in &node.cache.entries {
                let latest = self.oracle.promised(*key, |frame| self.is_known(frame));
                if entry.version < latest {
                    self.violations.push(format!(
                        "G2: node {index} holds version {} of key {key}, the latest is {latest}",
                        entry.version
                    ));
                }
            }
            if !node.places.is_empty() {
                self.violations.push(format!("node {index}: invalidations never completed"));
            }
        }
    }

    /// Whether its origin lives, or somebody who could tell of it.
    fn is_known(&self, frame: Numbered) -> bool {
        let tells = |node: &Node| node.replica.id() == frame.0 || node.met.tells_of(frame);
        self.nodes.iter().any(tells)
    }

    /// With more origins than the table holds a node forgets them in turn, and each costs a gap and a drop.
    fn thrashes(&self) -> bool {
        self.tuning.tiny_tables && self.nodes.len() > TINY_ORIGINS
    }

    /// Non-vacuity: after everything has healed, what was just loaded is served.
    pub(in crate::protocol) fn judge_service(&mut self) {
        if self.thrashes() {
            return;
        }
        let before = self.hits;
        for _ in 0..2 {
            for node in 0..self.nodes.len() {
                for key in 0..4 {
                    self.read(node, key);
                }
            }
            self.run_for(Duration::from_millis(20));
        }
        let wanted = self.nodes.len() as u64 * 4;
        if self.hits - before < wanted {
            let hits = self.hits - before;
            self.violations.push(format!("only {hits} of {wanted} reads hit after healing"));
        }
    }
}
