//! What a hit costs, beside the engine by itself: `cargo bench -p unstale-benches --bench hit`.
//!
//! Every group reads the same keys from each subject. `quick_cache` is the floor; the ratio of another line to
//! it is what the coherence of a hit costs. With two threads the time is that of one read on each.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks and spawns threads")]

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use foyer_memory::CacheBuilder as FoyerBuilder;
use unstale::{Cache, CacheValue, LoadContext};
use unstale_benches::{Bench, CAPACITY, KEYS, hot, raw, uniform, zipf};
use unstale_memory::Hub;

const HOUR: Duration = Duration::from_secs(3600);

type Get = Arc<dyn Fn(&[u64], u64) + Send + Sync>;

/// The floor and the caches that are compared with it, all with the same values.
fn subjects<V: CacheValue>(
    bench: &Bench,
    strict: &Bench,
    value: impl Fn(u64) -> V + Copy,
) -> Vec<(&'static str, Get)> {
    let kind = std::any::type_name::<V>();
    let floor = raw(value);
    let moka = moka::sync::Cache::new(CAPACITY);
    let foyer: foyer_memory::Cache<u64, V> = FoyerBuilder::new(CAPACITY as usize).build();
    for key in 0..KEYS {
        moka.insert(key, value(key));
        foyer.insert(key, value(key));
    }
    let tagged = |tags: usize| bench.cache(&format!("{tags} {kind}"), tags, value, |it| it);
    let expiring = |tags: usize| {
        bench.cache(&format!("ttl {tags} {kind}"), tags, value, |it| it.time_to_live(HOUR))
    };
    let plain = tagged(0);
    let mut subjects = vec![
        ("quick_cache", reads(move |key| floor.get(key))),
        ("moka", reads(move |key| moka.get(key))),
        ("foyer_memory", reads(move |key| foyer.get(key).map(|entry| entry.value().clone()))),
        ("get_or_load", loads(plain.clone(), bench)),
        ("plain", gets(plain)),
        ("strict_suspend", gets(strict.cache(kind, 0, value, |it| it))),
    ];
    let others = [
        ("time_to_live", expiring(0)),
        ("tags_2", tagged(2)),
        ("tags_8", tagged(8)),
        ("time_to_live_tags_2", expiring(2)),
    ];
    subjects.extend(others.map(|(name, cache)| (name, gets(cache))));
    subjects
}

fn gets<V: CacheValue>(cache: Cache<u64, V>) -> Get {
    reads(move |key| cache.get(key))
}

/// The loop is compiled once for every subject, so that no dynamic call is measured.
fn reads<V>(get: impl Fn(&u64) -> Option<V> + Send + Sync + 'static) -> Get {
    Arc::new(move |keys, reads| {
        let mask = keys.len() - 1;
        for index in 0..reads as usize {
            black_box(get(&keys[index & mask]));
        }
    })
}

/// The asynchronous read, which would load what is not there.
fn loads<V: CacheValue>(cache: Cache<u64, V>, bench: &Bench) -> Get {
    let handle = bench.runtime().handle().clone();
    Arc::new(move |keys, reads| {
        let mask = keys.len() - 1;
        handle.block_on(async {
            for index in 0..reads as usize {
                let loader = async |_: LoadContext| -> Result<V, Infallible> {
                    unreachable!("all are there")
                };
                black_box(cache.get_or_load(&keys[index & mask], loader).await)
                    .expect("all are there");
            }
        });
    })
}

/// The time in which each of `threads` threads does `reads` reads.
fn on_threads(threads: usize, get: &Get, keys: &Arc<[u64]>, reads: u64) -> Duration {
    let barrier = Arc::new(Barrier::new(threads));
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let (get, keys, barrier) = (get.clone(), keys.clone(), barrier.clone());
            thread::spawn(move || {
                barrier.wait();
                let start = Instant::now();
                get(&keys, reads);
                start.elapsed()
            })
        })
        .collect();
    let times = threads.into_iter().map(|thread| thread.join().expect("a reader"));
    times.max().unwrap_or_default()
}

fn hits(criterion: &mut Criterion) {
    let bench = Bench::start();
    let strict = Bench::start_with(&Hub::new(), |builder| builder.strict_suspend(true));
    // A number is the least that a value can cost; what is shared costs two locked instructions.
    let shared = subjects(&bench, &strict, |key| Arc::<str>::from(key.to_string()));
    let numbers = subjects(&bench, &strict, |key| key);
    for (value, subjects) in [("arc", shared), ("u64", numbers)] {
        for (pattern, keys) in [("hot", hot()), ("uniform", uniform()), ("zipf", zipf())] {
            for threads in [1, 2] {
                let name = format!("hit/{value}/{pattern}/{threads}");
                let mut group = criterion.benchmark_group(name);
                for (name, get) in &subjects {
                    group.bench_function(*name, |bencher| {
                        bencher.iter_custom(|reads| on_threads(threads, get, &keys, reads));
                    });
                }
                group.finish();
            }
        }
    }
}

/// Reads while another node invalidates other keys of the same cache, 100,000 a second.
fn hits_in_a_stream(criterion: &mut Criterion) {
    const PER_MS: u64 = 100;
    let hub = Hub::new();
    let here = Bench::start_with(&hub, |builder| builder);
    let there = Bench::start_with(&hub, |builder| builder);
    let get = gets(here.cache("rows", 0, |key| Arc::<str>::from(key.to_string()), |it| it));
    let remote: Cache<u64, Arc<str>> = there.empty("rows", |it| it);
    let streaming = Arc::new(AtomicBool::new(false));
    let stopped = Arc::new(AtomicBool::new(false));
    let writer = {
        let (streaming, stopped) = (streaming.clone(), stopped.clone());
        thread::spawn(move || {
            let mut key = KEYS;
            let mut next = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                next += Duration::from_millis(1);
                thread::sleep(next.saturating_duration_since(Instant::now()));
                if streaming.load(Ordering::Relaxed) {
                    for _ in 0..PER_MS {
                        key = if key == 2 * KEYS { KEYS } else { key + 1 };
                        let _ = remote.invalidate(&key);
                    }
                }
            }
        })
    };
    let keys = uniform();
    let mut group = criterion.benchmark_group("hit/arc/stream/1");
    for (name, on) in [("quiet", false), ("invalidations_100k", true)] {
        streaming.store(on, Ordering::Relaxed);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|reads| on_threads(1, &get, &keys, reads));
        });
    }
    group.finish();
    stopped.store(true, Ordering::Relaxed);
    writer.join().expect("the writer");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = hits, hits_in_a_stream
}
criterion_main!(benches);
