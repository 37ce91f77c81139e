//! Many single invalidations at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Member;

/// Tasks that invalidate side by side.
const TASKS: usize = 64;
/// Longer than any flood takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// With so many waiting a writer pauses, as one does that serves requests: at twice as many the outbox overflows.
const WAITING: usize = 32_768;

/// Invalidates keys in about this order, one by one, without waiting for receipts, and waits until all readers have applied them.
///
/// # Panics
/// If that takes far too long, or the outbox overflows: then keys became a clear.
#[expect(clippy::disallowed_methods, reason = "a measurement, in real time")]
pub async fn flood(writer: &Arc<Member>, readers: &[Member], keys: &Arc<[u64]>) -> Duration {
    let before: Vec<u64> = readers.iter().map(Member::heard).collect();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (writer, keys) = (Arc::clone(writer), Arc::clone(keys));
        tasks.spawn(async move {
            for key in keys.iter().skip(task).step_by(TASKS) {
                drop(writer.cache.invalidate(key));
                tokio::task::yield_now().await;
                while writer.node.outbox_len() > WAITING {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    tasks.join_all().await;
    for (reader, before) in readers.iter().zip(before) {
        while reader.heard() - before < keys.len() as u64 {
            assert!(begun.elapsed() < PATIENCE, "not all was heard");
            // Next to nothing of what it takes in all, and no work for the processors that do it.
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }
    let took = begun.elapsed();
    assert_eq!(writer.node.counters().outbox_collapses, 0, "keys became a clear");
    took
}
