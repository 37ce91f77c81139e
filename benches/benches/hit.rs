//! What a hit costs, beside the engine by itself: `cargo bench -p unstale-benches --bench hit`.
//!
//! Every group reads the same keys from each subject. `quick_cache` is the floor; the ratio of another line to
//! it is what the coherence of a hit costs. With two threads the time is that of one read on each.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks and spawns threads")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use unstale::CacheValue;
use unstale_benches::{Bench, KEYS, raw};

/// Keys drawn in advance, so that the generator is not measured; a power of two.
const DRAWN: usize = 1 << 16;

type Get = Arc<dyn Fn(&[u64], u64) + Send + Sync>;

/// The floor and the caches that are compared with it, all with the same values.
fn subjects<V: CacheValue>(
    bench: &Bench,
    value: impl Fn(u64) -> V + Copy,
) -> Vec<(&'static str, Get)> {
    let kind = std::any::type_name::<V>();
    let floor = raw(value);
    let mut subjects: Vec<(&'static str, Get)> =
        vec![("quick_cache", Arc::new(move |keys, reads| read(keys, reads, |key| floor.get(key))))];
    let hour = Duration::from_secs(3600);
    let tagged = |tags: usize| bench.cache(&format!("{tags} {kind}"), tags, value, |it| it);
    let caches = [
        ("plain", tagged(0)),
        ("time_to_live", bench.cache(&format!("ttl {kind}"), 0, value, |it| it.time_to_live(hour))),
        ("tags_2", tagged(2)),
        ("tags_8", tagged(8)),
    ];
    for (name, cache) in caches {
        let get: Get = Arc::new(move |keys, reads| read(keys, reads, |key| cache.get(key)));
        subjects.push((name, get));
    }
    subjects
}

/// The loop is compiled once for every subject, so that no dynamic call is measured.
fn read<V>(keys: &[u64], reads: u64, get: impl Fn(&u64) -> Option<V>) {
    let mask = keys.len() - 1;
    for index in 0..reads as usize {
        black_box(get(&keys[index & mask]));
    }
}

/// The time in which each of two threads does `reads` reads.
fn on_two_threads(get: &Get, keys: &Arc<[u64]>, reads: u64) -> Duration {
    let barrier = Arc::new(Barrier::new(2));
    let threads: Vec<_> = (0..2)
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
    let mut random = fastrand::Rng::with_seed(7);
    let uniform: Arc<[u64]> = (0..DRAWN).map(|_| random.u64(..KEYS)).collect();
    let hot: Arc<[u64]> = Arc::from([42]);
    // A number is the least that a value can cost; what is shared costs two locked instructions.
    let numbers = subjects(&bench, |key| key);
    let shared = subjects(&bench, |key| Arc::<str>::from(key.to_string()));
    for (value, subjects) in [("u64", numbers), ("arc", shared)] {
        for (pattern, keys) in [("hot", &hot), ("uniform", &uniform)] {
            let mut group = criterion.benchmark_group(format!("{value}/{pattern}/1_thread"));
            for (name, get) in &subjects {
                group.bench_function(*name, |bencher| {
                    bencher.iter_custom(|reads| {
                        let start = Instant::now();
                        get(keys, reads);
                        start.elapsed()
                    });
                });
            }
            group.finish();
            let mut group = criterion.benchmark_group(format!("{value}/{pattern}/2_threads"));
            for (name, get) in &subjects {
                group.bench_function(*name, |bencher| {
                    bencher.iter_custom(|reads| on_two_threads(get, keys, reads));
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = hits
}
criterion_main!(benches);
