//! A hit beside `quick_cache`'s.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use unstale::{Cache, CacheValue, LoadContext};
use unstale_benches::{Bench, CAPACITY, KEYS, Report, Subject, cpu_time, hot, raw, timed, uniform};
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
    let subjects: Vec<Subject<'_>> = vec![
        ("quick_cache", reads(keys, move |key| floor.get(key))),
        ("plain", gets(keys, &plain)),
        ("time to live", gets(keys, &expiring)),
        ("2 tags", gets(keys, &tagged)),
        ("time to live and 2 tags", gets(keys, &both)),
        ("strict_suspend", gets(keys, &exact)),
        ("get_or_load", loads(keys, &plain, bench)),
        ("moka", reads(keys, move |key| moka.get(key))),
    ];
    report.compare(name, &subjects, TURNS);
}

/// Reads of the keys drawn in advance, round and round.
fn reads<'a, V>(
    keys: &Arc<[u64]>,
    get: impl Fn(&u64) -> Option<V> + 'a,
) -> Box<dyn Fn(u64) -> Duration + 'a> {
    let keys = Arc::clone(keys);
    let mask = keys.len() - 1;
    Box::new(move |count| timed(count, |index| drop(black_box(get(&keys[index as usize & mask])))))
}

fn gets<'a, V: CacheValue>(
    keys: &Arc<[u64]>,
    cache: &Cache<u64, V>,
) -> Box<dyn Fn(u64) -> Duration + 'a> {
    let cache = cache.clone();
    reads(keys, move |key| cache.get(key))
}

fn loads<'a, V: CacheValue>(
    keys: &Arc<[u64]>,
    cache: &Cache<u64, V>,
    bench: &'a Bench,
) -> Box<dyn Fn(u64) -> Duration + 'a> {
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
