//! Targets that wait to be published.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::wire::target_len;
use crate::mutation::{self, Mutation};
use crate::target::Target;

/// The queue between the callers of `invalidate` and the replica that publishes.
///
/// Bounded: on overflow the targets in it collapse to coarser ones, a key to "clear its cache" and a tag,
/// which spans caches, to "clear everything". So it never loses a target and never grows beyond its limits
/// plus what one call brings.
#[derive(Debug)]
pub(crate) struct Outbox {
    limits: Limits,
    queue: Mutex<Queue>,
    /// How many targets wait, and the overflows so far: for the replica, which asks at every step. Written under the
    /// lock.
    waiting: AtomicUsize,
    collapses: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) targets: usize,
    pub(crate) bytes: usize,
    /// The largest target that fits into a frame.
    pub(crate) target_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// Each target with the place that is reached once it is accepted. Places never decrease.
    waiting: VecDeque<(Target, u64)>,
    bytes: usize,
    pushed: u64,
    collapses: u64,
}

impl Outbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
            collapses: AtomicU64::new(0),
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Queues targets; returns the place at which the last of them is accepted.
    pub(crate) fn push(&self, targets: impl IntoIterator<Item = Target>) -> u64 {
        let mut queue = self.queue();
        for target in targets {
            let target = if target_len(&target, None) > self.limits.target_bytes {
                coarser(target)
            } else {
                target
            };
            queue.pushed += 1;
            let place = queue.pushed;
            queue.bytes += target_len(&target, None);
            queue.waiting.push_back((target, place));
            if queue.waiting.len() > self.limits.targets || queue.bytes > self.limits.bytes {
                queue.collapse(self.limits.targets);
            }
        }
        self.publish_sizes(&queue);
        queue.pushed
    }

    fn publish_sizes(&self, queue: &Queue) {
        self.waiting.store(queue.waiting.len(), Ordering::Release);
        self.collapses.store(queue.collapses, Ordering::Release);
    }

    /// Takes as many targets from the front as fit into `max_bytes`, and the place they reach.
    pub(crate) fn take(&self, max_bytes: usize) -> Option<(Vec<Target>, u64)> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue();
        let (mut bytes, mut count) = (0, 0_usize);
        for (index, (target, _)) in queue.waiting.iter().enumerate() {
            let previous = index.checked_sub(1).map(|index| &queue.waiting[index].0);
            bytes += target_len(target, previous);
            if bytes > max_bytes && count > 0 {
                break;
            }
            count += 1;
        }
        let place = queue.waiting.get(count.checked_sub(1)?)?.1;
        let targets: Vec<_> = queue.waiting.drain(..count).map(|(target, _)| target).collect();
        queue.bytes -= targets.iter().map(|target| target_len(target, None)).sum::<usize>();
        self.publish_sizes(&queue);
        Some((targets, place))
    }

    /// How many targets wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often an overflow made targets coarser.
    pub(crate) fn collapses(&self) -> u64 {
        self.collapses.load(Ordering::Acquire)
    }
}

impl Queue {
    fn collapse(&mut self, most: usize) {
        self.collapses += 1;
        if mutation::active(Mutation::OverflowDrops)
            && let Some((oldest, _)) = self.waiting.pop_front()
        {
            self.bytes -= target_len(&oldest, None);
            return;
        }
        // Several tags, or more caches than the limit, end as one target.
        let mut caches: BTreeSet<_> =
            self.waiting.drain(..).map(|(target, _)| coarser(target)).collect();
        if mutation::active(Mutation::TagCollapsesToCaches) && caches.len() > 1 {
            caches.remove(&Target::Everything);
        }
        if caches.contains(&Target::Everything) || caches.len() > most / 2 {
            caches = BTreeSet::from([Target::Everything]);
        }
        // All places so far are reached only when all of these are accepted.
        self.waiting = caches.into_iter().map(|target| (target, self.pushed)).collect();
        self.bytes = self.waiting.iter().map(|(target, _)| target_len(target, None)).sum();
    }
}

/// The smallest target without content of its own that covers this one.
fn coarser(target: Target) -> Target {
    match target {
        Target::Key { cache, .. } | Target::Cache(cache) => Target::Cache(cache),
        Target::Tag(_) | Target::Everything => Target::Everything,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn key(cache: &str, key: &str) -> Target {
        Target::Key { cache: cache.into(), schema: 1, key: Bytes::copy_from_slice(key.as_bytes()) }
    }

    fn outbox(targets: usize) -> Outbox {
        Outbox::new(Limits { targets, bytes: 10_000, target_bytes: 100 })
    }

    fn covers(sent: &Target, wanted: &Target) -> bool {
        sent == wanted
            || *sent == Target::Everything
            || matches!((sent, wanted),
                (Target::Cache(name), Target::Key { cache, .. }) if name == cache)
    }

    #[test]
    fn keys_collapse_to_their_caches_and_tags_to_everything() {
        let outbox = outbox(4);
        outbox.push([key("a", "1"), key("b", "1"), key("a", "2"), key("b", "2"), key("a", "3")]);
        let (targets, place) = outbox.take(1_000).unwrap();
        assert_eq!(targets, [Target::Cache("a".into()), Target::Cache("b".into())]);
        assert_eq!(place, 5);
        outbox.push((0..5).map(|n| if n == 2 { Target::Tag("t".into()) } else { key("a", "1") }));
        assert_eq!(outbox.take(1_000).unwrap(), (vec![Target::Everything], 10));
        assert_eq!(outbox.collapses(), 2);
    }

    #[test]
    fn a_target_that_fits_no_frame_becomes_coarser() {
        let outbox = outbox(4);
        outbox.push([key("a", &"x".repeat(200)), Target::Tag("y".repeat(200).into())]);
        let (targets, _) = outbox.take(1_000).unwrap();
        assert_eq!(targets, [Target::Cache("a".into()), Target::Everything]);
    }

    #[test]
    fn a_take_respects_the_frame_size() {
        let outbox = outbox(100);
        outbox.push((0..10).map(|n| key("cache", &n.to_string())));
        let (targets, place) = outbox.take(24).unwrap();
        assert!(!targets.is_empty() && targets.len() < 10);
        assert_eq!(place, targets.len() as u64);
        // A single target is taken even if it is over the estimate.
        assert_eq!(outbox.take(1).unwrap().0.len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_ever_lost(
            pushes in proptest::collection::vec((0..4_u8, 0..6_u8), 0..60), limit in 2..12_usize,
        ) {
            let outbox = outbox(limit);
            let mut wanted = Vec::new();
            for (cache, n) in pushes {
                let target = match n {
                    5 => Target::Tag(format!("t{cache}").into()),
                    _ => key(&format!("c{cache}"), &n.to_string()),
                };
                wanted.push((target.clone(), outbox.push([target])));
                prop_assert!(outbox.len() <= limit);
            }
            let mut sent = Vec::new();
            let mut reached = 0;
            while let Some((targets, place)) = outbox.take(40) {
                prop_assert!(place >= reached);
                sent.extend(targets);
                reached = place;
                for (target, place) in &wanted {
                    prop_assert!(*place > reached || sent.iter().any(|sent| covers(sent, target)));
                }
            }
            prop_assert_eq!(reached, wanted.len() as u64);
        }
    }
}
