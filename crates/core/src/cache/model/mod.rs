//! Model tests: shuttle explores the interleavings of the cache's concurrent code.
//!
//! `cargo test -p unstale --features model --lib model`
//!
//! Every model holds as the code is; and each of the mistakes in [`Mutation`] makes the models fail that are
//! listed for it, which shows that they look at what they are meant to look at.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod dependencies;
mod driver;
mod loads;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::{Config, FailurePersistence, Runner, future, scheduler};

use super::cells::CellTable;
use super::handle::Cache;
use super::key;
use super::testing::{TestNode, WITHIN};
use crate::freshness::Freshness;
use crate::mutation::{self, Mutation};
use crate::target::Target;

/// Schedules that every model passes.
const SCHEDULES: usize = 4_000;
/// Schedules within which a mistake must show; most show within a hundred.
const MUTANT_SCHEDULES: usize = 8_000;
/// Places at which a schedule switches to another thread.
const SWITCHES: usize = 3;
const SEED: u64 = 0x5eed;

type Model = (&'static str, fn());

const MODELS: &[Model] = &[
    ("fill and invalidation", loads::fill_and_invalidation),
    ("fill and received key", loads::fill_and_received_key),
    ("queued load", loads::queued_load_and_invalidation),
    ("batch and invalidation", loads::batch_and_invalidation),
    ("refused fill", loads::refused_fill),
    ("fill and clear", loads::fill_and_clear),
    ("newer fill", loads::newer_fill),
    ("refused read-through", loads::refused_read_through),
    ("overlapping loads", loads::overlapping_loads),
    ("joiner and invalidation", loads::joiner_and_invalidation),
    ("joiner and tag", loads::joiner_and_tag),
    ("abandoned load", loads::abandoned_load),
    ("joiner of an old answer", loads::joiner_of_an_old_answer),
    ("late tag", dependencies::late_tag),
    ("cell freed", dependencies::cell_freed),
    ("nested tag", dependencies::nested_tag),
    ("nested hit and tag", dependencies::nested_hit_and_tag),
    ("nested key", dependencies::nested_key),
    ("nested key and another's tick", dependencies::nested_key_and_another_tick),
    ("nested clear", dependencies::nested_clear),
    ("outer within", dependencies::outer_within),
    ("hit and driver", driver::hit_and_driver),
    ("hit and drop", driver::hit_and_drop),
    ("fill and barrier", driver::fill_and_barrier),
    ("fill and confirmation", driver::fill_and_confirmation),
];

/// Which models notice which mistake.
const MUTANTS: &[(Mutation, &[&str])] = &[
    (
        Mutation::NoFillGuard,
        &[
            "fill and invalidation",
            "fill and received key",
            "joiner and invalidation",
            "queued load",
            "batch and invalidation",
        ],
    ),
    (Mutation::FillVisibleBeforeCheck, &["refused fill"]),
    (Mutation::LateTagNotChecked, &["late tag"]),
    (Mutation::TagWithoutCellForgotten, &["late tag"]),
    (Mutation::JoinVoidedLoad, &["joiner and invalidation"]),
    (Mutation::FlightLandsEarly, &["fill and received key"]),
    (Mutation::NewerLoadDoesNotVoidOlder, &["newer fill"]),
    (Mutation::RefusedFillLeavesOlder, &["refused read-through"]),
    (Mutation::OvertakenHandsOutItsOwn, &["overlapping loads"]),
    (Mutation::NestedTagsForgotten, &["nested tag", "nested hit and tag"]),
    (Mutation::NestedTakesOuterTick, &["nested hit and tag", "nested clear"]),
    (Mutation::NestedKeyNotedLate, &["nested key"]),
    (Mutation::KeyTickBeforeRemoval, &["nested key and another's tick"]),
    (Mutation::NestedIgnoresOuterWithin, &["outer within"]),
    (Mutation::KeysWatchedAskedEarly, &["nested key"]),
    (Mutation::EntryBeforeHorizon, &["hit and driver"]),
    (Mutation::BarrierBeforeHorizon, &["hit and drop"]),
    (Mutation::CellFreedWithHolder, &["cell freed"]),
    (Mutation::ClearNotChecked, &["fill and clear"]),
    (Mutation::JoinerIgnoresAsOf, &["joiner of an old answer"]),
    (Mutation::BarrierNotChecked, &["fill and barrier"]),
    (Mutation::LoadsNotVoided, &["fill and confirmation"]),
];

#[test]
fn every_model_holds() {
    for (_, model) in MODELS {
        check(*model, SCHEDULES);
    }
}

#[test]
fn every_mistake_is_noticed() {
    let hook = std::panic::take_hook();
    // The failures are wanted here: they need not be printed.
    std::panic::set_hook(Box::new(|_| {}));
    let mut survivors = Vec::new();
    for (mutation, models) in MUTANTS {
        for name in *models {
            let model = MODELS.iter().find(|model| model.0 == *name);
            let Some((_, model)) = model else {
                survivors.push(format!("{mutation:?}: there is no model {name:?}"));
                continue;
            };
            let run = || check(*model, MUTANT_SCHEDULES);
            let caught = catch_unwind(AssertUnwindSafe(|| mutation::with(Some(*mutation), run)));
            mutation::with(None, || ());
            match caught.map_err(|payload| message(&*payload)) {
                Err(message) if message.contains("assertion") => {}
                Err(message) => survivors.push(format!("{mutation:?}, {name:?}: {message}")),
                Ok(()) => survivors.push(format!("{mutation:?} is not noticed by {name:?}")),
            }
        }
    }
    std::panic::set_hook(hook);
    assert!(survivors.is_empty(), "{survivors:#?}");
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Runs a model under schedules that switch at a few random places, and under some that switch all the time.
fn check(model: fn(), schedules: usize) {
    let config = || {
        let mut config = Config::new();
        config.failure_persistence = FailurePersistence::None;
        config.stack_size = 1 << 18;
        config
    };
    let few = scheduler::PctScheduler::new_from_seed(SEED, SWITCHES, schedules);
    Runner::new(few, config()).run(model);
    let many = scheduler::RandomScheduler::new_from_seed(SEED, schedules);
    Runner::new(many, config()).run(model);
}

/// A node and the row of a data source that its caches show.
struct World {
    node: TestNode,
    version: AtomicU64,
}

/// The version before and after the one change that each model makes.
const OLD: u64 = 1;
const NEW: u64 = 2;
const KEY: u64 = 7;

impl World {
    fn new() -> Arc<Self> {
        // One of everything: what is not looked at need not be simulated.
        let cells = CellTable::with_capacity(1, 1, 64, 1);
        Arc::new(Self {
            node: TestNode::with_cells(Freshness::Within(WITHIN), cells),
            version: AtomicU64::new(OLD),
        })
    }

    fn cache(&self, name: &str) -> Cache<u64, u64> {
        self.node.cache(name).capacity(8).build().unwrap()
    }

    fn read_source(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn commit(&self) {
        self.version.store(NEW, Ordering::SeqCst);
    }
}

/// Loads the row through a cache.
async fn load(world: &World, cache: &Cache<u64, u64>) -> u64 {
    let loader = |_| async { Ok::<_, Infallible>(world.read_source()) };
    cache.get_or_load(&KEY, loader).await.unwrap()
}

/// Loads the row through a cache, and names a tag after it was read.
async fn load_tagged(world: &World, cache: &Cache<u64, u64>) -> u64 {
    let loader = |cx: super::LoadContext| async move {
        let version = world.read_source();
        cx.tag("tag");
        Ok::<_, Infallible>(version)
    };
    cache.get_or_load(&KEY, loader).await.unwrap()
}

/// What another node says when it invalidates the row.
fn received() -> Target {
    let key = key::encode(&KEY).unwrap();
    Target::Key { cache: "c".into(), schema: key::fingerprint::<u64>(""), key }
}

/// Runs two things at the same time to their ends.
fn beside(
    world: &Arc<World>,
    first: impl FnOnce(&World) + Send + 'static,
    second: impl FnOnce(&World),
) {
    let other = Arc::clone(world);
    let thread = shuttle::thread::spawn(move || first(&other));
    second(world);
    thread.join().unwrap();
}

/// What was superseded is not in the cache, now or at any time from here on.
fn assert_not_old(cache: &Cache<u64, u64>) {
    for _ in 0..3 {
        assert_ne!(cache.get(&KEY), Some(OLD));
    }
}

/// Lets other threads run until a condition holds.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        future::yield_now().await;
    }
}

const LATER: Duration = Duration::from_secs(60);
