//! How an instance is, for people and for health checks.

use serde_json::{Map, Value, json};
use unstale::Stats;

use crate::shop::Shop;

/// The answer to `GET /status`.
pub(crate) fn of(shop: &Shop) -> Value {
    let node = shop.node();
    let status = node.status();
    let warnings: Vec<_> = status.warnings.iter().map(ToString::to_string).collect();
    let caches = shop.caches().into_iter();
    let caches = caches.map(|(name, entries, stats)| (name.to_owned(), cache(entries, &stats)));
    json!({
        "node": node.id().to_string(),
        "state": format!("{:?}", status.state).to_lowercase(),
        "for_seconds": shop.runtime().now().since(status.since).as_secs_f64(),
        "reason": status.reason.map(|reason| reason.to_string()),
        "warnings": warnings,
        "proof_age_seconds": node.proof_age().map(|age| age.as_secs_f64()),
        "waiting_for_the_broker": node.outbox_len(),
        "counters": node.counters().entries().map(entry).collect::<Map<_, _>>(),
        "caches": caches.collect::<Map<_, _>>(),
    })
}

fn entry((name, count): (&str, u64)) -> (String, Value) {
    (name.to_owned(), count.into())
}

fn cache(entries: usize, stats: &Stats) -> Value {
    json!({
        "entries": entries,
        "hits": stats.hits,
        "misses": stats.misses,
        "unproven": stats.unproven,
        "loads": stats.loads,
        "joined_loads": stats.joined_loads,
        "failed_loads": stats.failed_loads,
        "timed_out_loads": stats.timed_out_loads,
        "refused_fills": stats.refused_fills,
        "unshared_loads": stats.unshared_loads,
        "evictions": stats.evictions,
        "invalidated_keys": stats.invalidated_keys,
        "clears": stats.clears,
    })
}
