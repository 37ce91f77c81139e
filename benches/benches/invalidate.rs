//! What an invalidation costs its caller, beside a removal from the engine by itself:
//! `cargo bench -p unstale-benches --bench invalidate`.
//!
//! The caller applies it to the caches and hands it to the outbox; the node's own thread publishes. Before every round
//! the outbox is drained, untimed: what a full one costs is not measured here.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks")]

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use foyer_memory::CacheBuilder as FoyerBuilder;
use unstale::{Cache, Loaded};
use unstale_benches::{Bench, CAPACITY, KEYS};

/// Invalidations between two preparations.
const ROUND: u64 = 1_000;

const MILLION: u64 = 1_000_000;

/// Waits until the node has published all.
fn drain(bench: &Bench) {
    while bench.node().outbox_len() > 0 {
        std::thread::yield_now();
    }
}

/// Rounds of up to `most` operations: the time without that of the preparation.
fn rounds(
    count: u64,
    most: u64,
    mut prepare: impl FnMut(Range<u64>),
    mut measured: impl FnMut(Range<u64>),
) -> Duration {
    let mut took = Duration::ZERO;
    let mut done = 0;
    while done < count {
        let round = 0..most.min(count - done);
        prepare(round.clone());
        let start = Instant::now();
        measured(round.clone());
        took += start.elapsed();
        done += round.end;
    }
    took
}

fn fill(cache: &Cache<u64, u64>, key: u64) {
    assert!(cache.begin_fill(&key).insert(Loaded::new(key)), "key {key} was not stored");
}

/// One key after the other.
fn keys(criterion: &mut Criterion) {
    let bench = Bench::start();
    let floor = quick_cache::sync::Cache::new(CAPACITY as usize);
    let moka = moka::sync::Cache::new(CAPACITY);
    let foyer: foyer_memory::Cache<u64, u64> = FoyerBuilder::new(CAPACITY as usize).build();
    let ours = bench.cache("rows", 0, |key| key, |it| it);
    for key in 0..KEYS {
        floor.insert(key, key);
        moka.insert(key, key);
        foyer.insert(key, key);
    }
    for (name, first) in [("present", 0), ("absent", 10 * KEYS)] {
        let mut group = criterion.benchmark_group(format!("invalidate/{name}"));
        let filled = |round: Range<u64>| if first == 0 { round } else { 0..0 };
        group.bench_function("quick_cache", |bencher| {
            let prepare = |round| filled(round).for_each(|key| floor.insert(key, key));
            bencher.iter_custom(|count| {
                rounds(count, ROUND, prepare, |round| {
                    round.for_each(|key| {
                        black_box(floor.remove(&(first + key)));
                    });
                })
            });
        });
        group.bench_function("moka", |bencher| {
            let prepare = |round| filled(round).for_each(|key| moka.insert(key, key));
            bencher.iter_custom(|count| {
                rounds(count, ROUND, prepare, |round| {
                    round.for_each(|key| moka.invalidate(&(first + key)));
                })
            });
        });
        group.bench_function("foyer_memory", |bencher| {
            let prepare = |round| filled(round).for_each(|key| drop(foyer.insert(key, key)));
            bencher.iter_custom(|count| {
                rounds(count, ROUND, prepare, |round| {
                    round.for_each(|key| drop(black_box(foyer.remove(&(first + key)))));
                })
            });
        });
        group.bench_function("unstale", |bencher| {
            let prepare = |round| {
                drain(&bench);
                filled(round).for_each(|key| fill(&ours, key));
            };
            bencher.iter_custom(|count| {
                rounds(count, ROUND, prepare, |round| {
                    round.for_each(|key| drop(ours.invalidate(&(first + key))));
                })
            });
        });
        group.finish();
    }
}

/// Many keys that are there in one call.
fn batches(criterion: &mut Criterion) {
    let bench = Bench::start();
    let floor = quick_cache::sync::Cache::new(CAPACITY as usize);
    let ours = bench.cache("rows", 0, |key| key, |it| it);
    let mut group = criterion.benchmark_group("invalidate/batch");
    for count in [1, 100, 10_000] {
        group.throughput(Throughput::Elements(count));
        let keys: Vec<u64> = (0..count).collect();
        group.bench_function(BenchmarkId::new("quick_cache", count), |bencher| {
            bencher.iter_custom(|batches| {
                let prepare = |_| keys.iter().for_each(|key| floor.insert(*key, *key));
                rounds(batches, 1, prepare, |_| {
                    for key in &keys {
                        black_box(floor.remove(key));
                    }
                })
            });
        });
        group.bench_function(BenchmarkId::new("unstale", count), |bencher| {
            bencher.iter_custom(|batches| {
                let prepare = |_| {
                    drain(&bench);
                    keys.iter().for_each(|key| fill(&ours, *key));
                };
                rounds(batches, 1, prepare, |_| drop(ours.invalidate_many(&keys)))
            });
        });
    }
    group.finish();
}

/// A tag that so many entries carry. There is no floor: without tags somebody has to know all the keys.
fn tags(criterion: &mut Criterion) {
    let bench = Bench::start();
    let mut group = criterion.benchmark_group("invalidate/tag");
    for entries in [1, 1_000, MILLION] {
        let tag = format!("of {entries}");
        let cache: Cache<u64, u64> = bench.empty(&tag, |it| it.capacity(2 * entries));
        for key in 0..entries {
            assert!(cache.begin_fill(&key).insert(Loaded::new(key).tag(&tag)), "not stored");
        }
        group.bench_function(BenchmarkId::new("unstale", entries), |bencher| {
            bencher.iter_custom(|count| {
                rounds(
                    count,
                    ROUND,
                    |_| drain(&bench),
                    |round| {
                        round.for_each(|_| drop(bench.node().invalidate_tag(&tag)));
                    },
                )
            });
        });
    }
    group.finish();
}

/// A cache with every key in it. What is dead is reclaimed later; then the floor drops its entries, and we do not.
fn clears(criterion: &mut Criterion) {
    let bench = Bench::start();
    let floor = quick_cache::sync::Cache::new(CAPACITY as usize);
    let ours: Cache<u64, Arc<str>> = bench.empty("rows", |it| it);
    let value: Arc<str> = Arc::from("value");
    let mut group = criterion.benchmark_group("invalidate/clear");
    group.bench_function("quick_cache", |bencher| {
        let prepare = |_| (0..KEYS).for_each(|key| floor.insert(key, value.clone()));
        bencher.iter_custom(|count| rounds(count, 1, prepare, |_| floor.clear()));
    });
    group.bench_function("unstale", |bencher| {
        let prepare = |_| {
            drain(&bench);
            for key in 0..KEYS {
                assert!(ours.begin_fill(&key).insert(value.clone()), "key {key} was not stored");
            }
        };
        bencher.iter_custom(|count| rounds(count, 1, prepare, |_| drop(ours.clear())));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = keys, batches, tags, clears
}
criterion_main!(benches);
