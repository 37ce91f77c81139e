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
use unstale_benches::{Bench, KEYS, raw};

/// Keys drawn in advance, so that the generator is not measured; a power of two.
const DRAWN: usize = 1 << 16;

type Get = Arc<dyn Fn(&[u64], u64) + Send + Sync>;

fn subjects(bench: &Bench) -> Vec<(&'static str, Get)> {
    let floor = raw();
    let mut subjects: Vec<(&'static str, Get)> =
        vec![("quick_cache", Arc::new(move |keys, reads| read(keys, reads, |key| floor.get(key))))];
    let caches = [
        ("plain", bench.cache("plain", 0, |cache| cache)),
        (
            "time_to_live",
            bench.cache("ttl", 0, |cache| cache.time_to_live(Duration::from_secs(3600))),
        ),
        ("tags_2", bench.cache("tags_2", 2, |cache| cache)),
        ("tags_8", bench.cache("tags_8", 8, |cache| cache)),
    ];
    for (name, cache) in caches {
        let get: Get = Arc::new(move |keys, reads| read(keys, reads, |key| cache.get(key)));
        subjects.push((name, get));
    }
    subjects
}

/// The loop is compiled once for every subject, so that no dynamic call is measured.
fn read(keys: &[u64], reads: u64, get: impl Fn(&u64) -> Option<u64>) {
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
    let subjects = subjects(&bench);
    for (pattern, keys) in [("hot", hot), ("uniform", uniform)] {
        let mut group = criterion.benchmark_group(format!("{pattern}/1_thread"));
        for (name, get) in &subjects {
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|reads| {
                    let start = Instant::now();
                    get(&keys, reads);
                    start.elapsed()
                });
            });
        }
        group.finish();
        let mut group = criterion.benchmark_group(format!("{pattern}/2_threads"));
        for (name, get) in &subjects {
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|reads| on_two_threads(get, &keys, reads));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = hits
}
criterion_main!(benches);
