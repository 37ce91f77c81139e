//! What a fill costs, beside an insertion into the engine by itself: `cargo bench -p unstale-benches --bench fill`.
//!
//! Every subject stores values that are there already, under keys of its own that are not in the cache: the cache was
//! cleared before, untimed, or holds as many as fit, so that each pushes one out (`full`).
#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks")]

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use foyer_memory::CacheBuilder as FoyerBuilder;
use unstale::{Cache, LoadContext, Loaded};
use unstale_benches::{Bench, CAPACITY, KEYS};

type Value = Arc<str>;

const HOUR: Duration = Duration::from_secs(3600);

/// A cache that is filled.
struct Subject {
    name: String,
    clear: Box<dyn Fn()>,
    /// Stores the values of all keys of this range.
    fill: Box<dyn Fn(std::ops::Range<u64>, &Value)>,
}

impl Subject {
    fn new(
        name: impl Into<String>,
        clear: impl Fn() + 'static,
        fill: impl Fn(u64, &Value) + 'static,
    ) -> Self {
        // The loop is compiled once for every subject, so that no dynamic call is measured.
        let fill = Box::new(move |keys: std::ops::Range<u64>, value: &Value| {
            keys.for_each(|key| fill(key, value));
        });
        Self { name: name.into(), clear: Box::new(clear), fill }
    }
}

/// The floor and the caches that are compared with it, with room for so many entries.
fn subjects(bench: &Bench, group: &str, capacity: u64) -> Vec<Subject> {
    let size = usize::try_from(capacity).expect("a small number");
    let floor = Arc::new(quick_cache::sync::Cache::new(size));
    let moka = moka::sync::Cache::new(capacity);
    let foyer: foyer_memory::Cache<u64, Value> = FoyerBuilder::new(size).build();
    let (cleared_floor, cleared_moka, cleared_foyer) = (floor.clone(), moka.clone(), foyer.clone());
    let mut subjects = vec![
        Subject::new(
            "quick_cache",
            move || cleared_floor.clear(),
            move |key, value| floor.insert(key, value.clone()),
        ),
        Subject::new(
            "moka",
            move || {
                cleared_moka.invalidate_all();
                cleared_moka.run_pending_tasks();
            },
            move |key, value| moka.insert(key, value.clone()),
        ),
        Subject::new(
            "foyer_memory",
            move || cleared_foyer.clear(),
            move |key, value| drop(black_box(foyer.insert(key, value.clone()))),
        ),
    ];
    let cache = |name: &str, expiring: bool| -> Cache<u64, Value> {
        bench.empty(&format!("{group} {name}"), |it| {
            let it = it.capacity(capacity);
            if expiring { it.time_to_live(HOUR) } else { it }
        })
    };
    for tags in [0, 2, 8] {
        let name = format!("begin_fill_tags_{tags}");
        subjects.push(filled(&name, cache(&name, false), tags));
        let name = format!("get_or_load_tags_{tags}");
        subjects.push(loaded(&name, cache(&name, false), tags));
    }
    subjects.push(filled("begin_fill_time_to_live", cache("expiring", true), 0));
    subjects.push(loaded("get_or_load_time_to_live", cache("loaded expiring", true), 0));
    subjects
}

fn clearing(cache: &Cache<u64, Value>) -> impl Fn() + 'static {
    let cache = cache.clone();
    move || drop(cache.clear())
}

/// Tags of different entries overlap, as categories of products do.
fn tag_names(tags: usize) -> Vec<Vec<String>> {
    (0..100).map(|key| (0..tags).map(|tag| format!("{tag}:{key}")).collect()).collect()
}

fn filled(name: &str, cache: Cache<u64, Value>, tags: usize) -> Subject {
    let names = tag_names(tags);
    Subject::new(name, clearing(&cache), move |key, value| {
        let fill = cache.begin_fill(&key);
        names[key as usize % names.len()].iter().for_each(|tag| fill.tag(tag));
        assert!(fill.insert(Loaded::new(value.clone())), "not stored");
    })
}

/// The loader has the value at once, so that nothing but the cache is measured.
fn loaded(name: &str, cache: Cache<u64, Value>, tags: usize) -> Subject {
    let names = tag_names(tags);
    Subject::new(name, clearing(&cache), move |key, value| {
        let tags = &names[key as usize % names.len()];
        let loader = async |context: LoadContext| {
            tags.iter().for_each(|tag| context.tag(tag));
            Ok::<_, Infallible>(value.clone())
        };
        let load = pin!(cache.get_or_load(&key, loader));
        match load.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => drop(black_box(value)),
            Poll::Pending => unreachable!("it has nothing to wait for"),
        }
    })
}

fn fills(criterion: &mut Criterion) {
    let bench = Bench::start();
    let _inside = bench.runtime().enter();
    let value: Value = Arc::from("value");
    for (name, capacity) in [("room", CAPACITY), ("full", KEYS / 10)] {
        let mut group = criterion.benchmark_group(format!("fill/{name}"));
        for subject in subjects(&bench, name, capacity) {
            group.bench_function(&subject.name, |bencher| {
                bencher.iter_custom(|fills| {
                    let mut took = Duration::ZERO;
                    let mut done = 0;
                    while done < fills {
                        if name == "room" {
                            (subject.clear)();
                        }
                        let keys = 0..KEYS.min(fills - done);
                        let start = Instant::now();
                        (subject.fill)(keys.clone(), &value);
                        took += start.elapsed();
                        done += keys.end;
                    }
                    took
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = fills
}
criterion_main!(benches);
