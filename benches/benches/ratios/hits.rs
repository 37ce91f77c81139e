//! A hit beside `quick_cache`'s, on one thread, and on two that do the same at the same time.

use std::convert::Infallible;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use unstale::{Cache, CacheValue, LoadContext, Runtime, Timestamp, TokioRuntime};
use unstale_benches::{
    Bench, CAPACITY, KEYS, Laden, Report, Subject, cpu_time, hot, is_quick, raw, timed, uniform,
};
use unstale_memory::Hub;

use crate::TURNS;

pub(crate) fn measure(report: &mut Report, wanted: &dyn Fn(&str) -> bool) {
    let bench = Bench::start();
    let strict = Bench::start_with(&Hub::new(), |builder| builder.strict_suspend(true));
    for (pattern, keys) in [("hot", hot()), ("uniform", uniform())] {
        let arc = |key: u64| Arc::<str>::from(key.to_string());
        values(report, wanted, &bench, &strict, &format!("hit/arc/{pattern}"), &keys, arc);
        values(report, wanted, &bench, &strict, &format!("hit/u64/{pattern}"), &keys, |key| key);
    }
}

const LARGE: &str = "quick_cache, entries as large";
const CLOCKED: &str = "quick_cache, entries as large, and a clock";

fn laden<V: CacheValue>(value: impl Fn(u64) -> V) -> Laden<V> {
    let laden = Laden::new(usize::try_from(CAPACITY).expect("a small number"));
    (0..KEYS).for_each(|key| laden.insert(key, value(key)));
    laden
}

fn values<V: CacheValue>(
    report: &mut Report,
    wanted: &dyn Fn(&str) -> bool,
    bench: &Bench,
    strict: &Bench,
    name: &str,
    keys: &Arc<[u64]>,
    value: impl Fn(u64) -> V + Copy,
) {
    if !wanted(name) {
        return;
    }
    let floor = raw(value);
    let moka = moka::sync::Cache::new(CAPACITY);
    (0..KEYS).for_each(|key| moka.insert(key, value(key)));
    let hour = Duration::from_secs(3600);
    let named = |what: &str| format!("{name} {what}");
    let plain = bench.cache(&named("plain"), 0, value, |it| it);
    let expiring = bench.cache(&named("expiring"), 0, value, |it| it.time_to_live(hour));
    let tagged = bench.cache(&named("tagged"), 2, value, |it| it);
    let both = bench.cache(&named("both"), 2, value, |it| it.time_to_live(hour));
    let exact = strict.cache(name, 0, value, |it| it);
    let mut subjects: Vec<(&str, Reads<'_>)> = vec![
        ("quick_cache", reads(keys, move |key| floor.get(key))),
        ("plain", gets(keys, &plain)),
        ("time to live", gets(keys, &expiring)),
        ("2 tags", gets(keys, &tagged)),
        ("time to live and 2 tags", gets(keys, &both)),
        ("strict_suspend", gets(keys, &exact)),
        ("get_or_load", loads(keys, &plain, bench)),
        ("moka", reads(keys, move |key| moka.get(key))),
    ];
    if !is_quick() {
        let (large, clocked) = (laden(value), laden(value));
        let clock: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        // Where the time goes: what any cache would pay that keeps as much with an entry, and asks what time it is.
        subjects.push((LARGE, reads(keys, move |key| large.get(*key))));
        let get = move |key: &u64| {
            let now = clock.upper_now();
            clocked.get(*key).filter(|_| black_box(now) > Timestamp::default())
        };
        subjects.push((CLOCKED, reads(keys, get)));
    }
    let alone: Vec<Subject<'_>> = subjects
        .iter()
        .map(|(name, reads)| (*name, Box::new(reads) as Box<dyn Fn(u64) -> Duration>))
        .collect();
    report.compare(name, &alone, TURNS);
    if is_quick() {
        // Too few turns to say what two processors do to each other.
        return;
    }
    let beside: Vec<Subject<'_>> =
        subjects.iter().map(|(name, reads)| (*name, beside(reads))).collect();
    report.compare(&format!("{name}/2"), &beside, TURNS);
}

/// Reads so often, and says what processor time it took.
type Reads<'a> = Box<dyn Fn(u64) -> Duration + Sync + 'a>;

/// The same while another thread does the same. Processor time has nothing in it of whether the two had a processor
/// each, but what they do to each other is in it only if they had: that is for an idle machine.
fn beside<'a>(reads: &'a Reads<'_>) -> Box<dyn Fn(u64) -> Duration + 'a> {
    /// After so many the other one looks whether it is over.
    const AT_ONCE: u64 = 1_000;
    Box::new(move |count| {
        let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    reads(AT_ONCE);
                    begun.store(true, Ordering::Relaxed);
                }
            });
            while !begun.load(Ordering::Relaxed) {
                spin_loop();
            }
            let took = reads(count);
            over.store(true, Ordering::Relaxed);
            took
        })
    })
}

/// Reads of the keys drawn in advance, round and round.
fn reads<'a, V>(keys: &Arc<[u64]>, get: impl Fn(&u64) -> Option<V> + Sync + 'a) -> Reads<'a> {
    let keys = Arc::clone(keys);
    let mask = keys.len() - 1;
    Box::new(move |count| timed(count, |index| drop(black_box(get(&keys[index as usize & mask])))))
}

fn gets<'a, V: CacheValue>(keys: &Arc<[u64]>, cache: &Cache<u64, V>) -> Reads<'a> {
    let cache = cache.clone();
    reads(keys, move |key| cache.get(key))
}

fn loads<'a, V: CacheValue>(
    keys: &Arc<[u64]>,
    cache: &Cache<u64, V>,
    bench: &'a Bench,
) -> Reads<'a> {
    let (keys, cache) = (Arc::clone(keys), cache.clone());
    let mask = keys.len() - 1;
    Box::new(move |count| {
        bench.runtime().block_on(async {
            let start = cpu_time();
            for index in 0..count as usize {
                let loader =
                    async |_: LoadContext| -> Result<V, Infallible> { unreachable!("it is there") };
                let value = cache.get_or_load(&keys[index & mask], loader).await;
                drop(black_box(value));
            }
            cpu_time() - start
        })
    })
}
