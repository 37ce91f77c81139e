//! Looking at nodes: now and then, and at the end.

use std::sync::{Arc, PoisonError};

use unstale::Counters;

use super::node::{Participant, SimNode};
use super::queue::Happening;
use super::world::{SAMPLE_NS, World};
use crate::app::lock;
use crate::history::Event;
use crate::plan::LAST_MS;
use crate::run::{Board, Outcome};

impl World<'_> {
    /// Looks into a node's caches.
    pub(super) fn look(&self, node: usize) {
        let found = match &self.nodes[node].participant {
            Some(Participant::Real { caches, .. }) => caches.found(),
            Some(Participant::Naive(naive)) => naive.found(),
            None => return,
        };
        self.record(&Event::Scanned { node, found: &found });
    }

    pub(super) fn sample(&mut self) {
        self.queue.push(self.now + SAMPLE_NS, Happening::Sample);
        if self.now.is_multiple_of(100 * SAMPLE_NS) {
            self.trim_stream();
        }
        let healing = self.now >= self.plan.heal_ms * 1_000_000;
        if self.watched {
            for node in 0..self.nodes.len() {
                let state = self.nodes[node].state();
                self.board.sample(node, self.now, state, self.nodes[node].counters());
                if healing && state != "live" {
                    self.record(&Event::Condition { node, state });
                }
            }
        }
        if self.now.is_multiple_of(10 * SAMPLE_NS) && self.watched {
            let counters = self.counters();
            self.coverage.credit(self.plan, self.now / 1_000_000, &self.sampled, &counters);
            self.sampled = counters;
            for (node, of) in self.nodes.iter().enumerate() {
                let Some(Participant::Real { manual, .. }) = &of.participant else { continue };
                for (table, size, limit) in manual.sizes() {
                    self.record(&Event::Size { node, table, size, limit });
                }
            }
        }
    }

    /// What all nodes have counted, those that are gone included.
    pub(super) fn counters(&self) -> Counters {
        let all = self.nodes.iter().filter_map(SimNode::counters).chain(self.retired);
        all.reduce(Counters::plus).unwrap_or_default()
    }

    pub(super) fn finish(mut self) -> Outcome {
        self.gather_all();
        let counters = self.counters();
        let converges = self.plan.duration_ms >= self.plan.heal_ms + LAST_MS;
        let allowed = self.plan.clears_allowed();
        for node in 0..self.nodes.len() {
            if let Some(of) =
                self.nodes[node].counters().filter(|_| !self.plan.topology.tiny_tables)
            {
                self.record(&Event::Clears { node, clears: of.clears, allowed });
            }
            let (found, live) = match &self.nodes[node].participant {
                Some(Participant::Real { caches, .. }) => {
                    (caches.found(), self.nodes[node].state() == "live")
                }
                Some(Participant::Naive(naive)) => (naive.found(), true),
                None => continue,
            };
            if converges || self.plan.faults.is_empty() {
                self.record(&Event::Final { node, found: &found, live });
            }
        }
        let mut board = std::mem::replace(&mut self.board, Board::new(0));
        board.commits_ms.clone_from(&lock(&self.history).measures.commits_ms);
        let coverage = std::mem::take(&mut self.coverage);
        // Nodes hold the history too.
        self.nodes.clear();
        let history = Arc::into_inner(self.history)
            .map(|it| it.into_inner().unwrap_or_else(PoisonError::into_inner));
        match history {
            Some(history) => Outcome::new(history, board, coverage, counters),
            None => unreachable!("the nodes are gone, and nobody else has it"),
        }
    }
}
