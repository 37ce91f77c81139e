//! The three measurements, the same for all libraries.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::yield_now;

use crate::library::{Instance, Library, Outcome, Refusal, failed};

/// An invalidation that has not arrived by then never will.
const LIMIT: Duration = Duration::from_secs(10);
/// One read in so many may be none out of the cache: a library may have to look for itself now and then.
const MISSES: u64 = 1_000;

fn names(prefix: &str, count: u64) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}:{number}")).collect()
}

async fn fill(library: &impl Library, instance: Instance, keys: &[String]) -> Outcome {
    for key in keys {
        library.fill(instance, key).await?;
    }
    Ok(())
}

/// Hits in one loop.
pub(crate) async fn hits(library: &impl Library, keys: u64, reads: u64) -> Outcome<Value> {
    let keys = names("hits", keys);
    fill(library, Instance::A, &keys).await?;
    let begun = Instant::now();
    let missed = library.hit(&keys, reads).await?;
    let seconds = begun.elapsed().as_secs_f64();
    if missed > reads / MISSES {
        return Err(failed(format!("{missed} of {reads} reads were no hits")));
    }
    Ok(json!({ "seconds": seconds }))
}

/// From the call of an invalidation at `a` until `b` does not hold the key.
pub(crate) async fn latency(library: &impl Library, rounds: u64) -> Outcome<Value> {
    if let Some(why) = library.lacks_messages() {
        return Err(Refusal::Unsupported(why));
    }
    // A cache in use is never empty.
    let residents = names("resident", 2);
    fill(library, Instance::B, &residents).await?;
    fill(library, Instance::A, &residents).await?;
    let mut micros = Vec::new();
    for key in names("latency", rounds) {
        let key = [key];
        micros.push(until_gone(library, &key).await?.as_secs_f64() * 1e6);
    }
    let warm_up = micros.len() / 10;
    Ok(json!({ "micros": micros.split_off(warm_up) }))
}

/// Many keys that `b` holds.
pub(crate) async fn throughput(library: &impl Library, keys: u64) -> Outcome<Value> {
    if let Some(why) = library.lacks_messages() {
        return Err(Refusal::Unsupported(why));
    }
    let took = until_gone(library, &names("throughput", keys)).await?;
    Ok(json!({ "seconds": took.as_secs_f64() }))
}

async fn until_gone(library: &impl Library, keys: &[String]) -> Outcome<Duration> {
    fill(library, Instance::B, keys).await?;
    let before = library.before();
    let begun = Instant::now();
    library.send(keys);
    while !library.gone(keys, before).await {
        if begun.elapsed() > LIMIT {
            return Err(failed("the invalidation does not arrive"));
        }
        yield_now().await;
    }
    Ok(begun.elapsed())
}
