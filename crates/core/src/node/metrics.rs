//! What a node tells through the [`metrics`] facade, once a second.

use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Label, Recorder, Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder,
};

use super::health::Health;
use super::uplink::Router;
use crate::cache::Stats;
use crate::cache::domain::{Domain, Figures};
use crate::protocol::{Counters, State};

/// Where a node's metrics go, if not to the process's own recorder.
pub(super) type SharedRecorder = Arc<dyn Recorder + Send + Sync>;

/// Exports the figures of one node.
pub(super) struct Exporter {
    namespace: String,
    recorder: Option<SharedRecorder>,
    described: bool,
}

impl Exporter {
    pub(super) fn new(namespace: String, recorder: Option<SharedRecorder>) -> Self {
        Self { namespace, recorder, described: false }
    }

    /// Exports all figures as they are.
    pub(super) fn export(&mut self, domain: &Domain, router: &Router, health: &Health) {
        let describe = !std::mem::replace(&mut self.described, true);
        let export = || {
            if describe {
                self::describe();
            }
            self.export_node(domain, router, health);
            for figures in domain.figures() {
                self.export_cache(&figures);
            }
        };
        match &self.recorder {
            Some(recorder) => with_local_recorder(recorder.as_ref(), export),
            None => export(),
        }
    }

    fn export_node(&self, domain: &Domain, router: &Router, health: &Health) {
        let labels = vec![Label::new("namespace", self.namespace.clone())];
        for (name, _, value) in health.counters().metrics() {
            counter!(name, labels.clone()).absolute(value);
        }
        let state = health.status().state;
        for (each, name) in STATES {
            let mut labels = labels.clone();
            labels.push(Label::from_static_parts("state", name));
            gauge!(STATE, labels).set(if each == state { 1.0 } else { 0.0 });
        }
        gauge!(OUTBOX_TARGETS, labels.clone()).set(router.outbox_len() as f64);
        if let Some(age) = domain.proof_age() {
            gauge!(PROOF_AGE, labels).set(seconds(age));
        }
    }

    fn export_cache(&self, figures: &Figures) {
        let labels = vec![
            Label::new("namespace", self.namespace.clone()),
            Label::new("cache", figures.name.to_string()),
        ];
        for (name, _, value) in of_stats(&figures.stats) {
            counter!(name, labels.clone()).absolute(value);
        }
        gauge!(CACHE_ENTRIES, labels.clone()).set(figures.entries as f64);
        gauge!(CACHE_WEIGHT, labels).set(figures.weight as f64);
    }
}

const STATE: &str = "unstale_state";
const OUTBOX_TARGETS: &str = "unstale_outbox_targets";
const PROOF_AGE: &str = "unstale_proof_age_seconds";
const CACHE_ENTRIES: &str = "unstale_cache_entries";
const CACHE_WEIGHT: &str = "unstale_cache_weight";

const STATES: [(State, &str); 4] = [
    (State::Live, "live"),
    (State::Starting, "starting"),
    (State::Suspect, "suspect"),
    (State::Disconnected, "disconnected"),
];

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn describe() {
    let counters = Counters::default().metrics().into_iter();
    for (name, description, _) in counters.chain(of_stats(&Stats::default())) {
        describe_counter!(name, Unit::Count, description);
    }
    describe_gauge!(STATE, "1 for the condition that the node is in, 0 for the others.");
    describe_gauge!(OUTBOX_TARGETS, Unit::Count, "Invalidations that wait for the broker.");
    describe_gauge!(
        PROOF_AGE,
        Unit::Seconds,
        "How long ago the moment is up to which everything is proven to be applied."
    );
    describe_gauge!(CACHE_ENTRIES, Unit::Count, "Entries stored, dead ones included.");
    describe_gauge!(
        CACHE_WEIGHT,
        "The weight of all stored entries, in the unit of the cache's capacity."
    );
}

/// A cache's counters: name, description, value.
fn of_stats(stats: &Stats) -> [(&'static str, &'static str, u64); 12] {
    // Taken apart, so that a new counter cannot be forgotten here.
    let Stats {
        hits,
        misses,
        unproven,
        loads,
        failed_loads,
        timed_out_loads,
        joined_loads,
        refused_fills,
        unshared_loads,
        evictions,
        invalidated_keys,
        clears,
    } = *stats;
    [
        ("unstale_cache_hits_total", "Reads answered from the cache.", hits),
        ("unstale_cache_misses_total", "Reads that were not answered from the cache.", misses),
        (
            "unstale_cache_unproven_total",
            "Misses where an entry was there, but not proven to be fresh enough.",
            unproven,
        ),
        ("unstale_cache_loads_total", "Loads that ran.", loads),
        ("unstale_cache_failed_loads_total", "Loads whose loader failed.", failed_loads),
        (
            "unstale_cache_timed_out_loads_total",
            "Loads cut off by the load time-out.",
            timed_out_loads,
        ),
        (
            "unstale_cache_joined_loads_total",
            "Reads answered by another reader's load.",
            joined_loads,
        ),
        (
            "unstale_cache_refused_fills_total",
            "Results not stored, because something was invalidated meanwhile.",
            refused_fills,
        ),
        (
            "unstale_cache_unshared_loads_total",
            "Loads that ran by themselves and were not stored.",
            unshared_loads,
        ),
        ("unstale_cache_evictions_total", "Entries evicted for capacity.", evictions),
        (
            "unstale_cache_invalidated_keys_total",
            "Keys invalidated, here or by others.",
            invalidated_keys,
        ),
        ("unstale_cache_clears_total", "How often the whole cache was cleared.", clears),
    ]
}
