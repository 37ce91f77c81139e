//! Why a target is missed, where it is. What is said here can be read off other rows of the same page.

/// Part of the measure of targets, and what keeps them from being met.
pub(crate) const REASONS: [(&str, &str); 8] = [
    (
        "hit, plain entry",
        "the floor is a lookup between two locked instructions, and with an `Arc` two more. The rows *quick_cache, entries \
         as large* and *…, and a clock* say what any cache pays that keeps as much with an entry and asks what time it \
         is; what ours has beyond is comparing and counting. A locked instruction waits for whatever was stored \
         before, so a clock, which is a call, costs more than its own instructions.",
    ),
    ("hit with `strict_suspend`", "the same with two clocks."),
    (
        "moka's hit",
        "one key again and again is the case that suits moka best: its hit is not much more than six times the *floor* \
         there, which leaves little for whatever a hit does beyond that. With two threads both wait for the same \
         cache line, ours as well as the floor.",
    ),
    (
        "hit with time to live and 2 tags",
        "a tag is a node of the entry's and a cell: with keys that are not hot that is up to four more cache lines, one \
         leading to the next.",
    ),
    (
        "decoding and applying a received key",
        "of a key that is not there the floor is a hash and a cache line. Ours is first read from the frame; then it is \
         asked whether loads of the key are in flight, whether anything depends on it, and whether anybody listens.",
    ),
    (
        "Redis invalidation latency",
        "the transport by itself is as quick as the raw client. A node also gets its own frame back, which a machine of \
         two processors has to deliver meanwhile (*raw redis-rs, own echo*), and hands over to its driver on both sides: \
         *memory latency* is how long that takes without a network.",
    ),
    (
        "keys/s to 8 nodes",
        "what eight receivers do most of the time is to remove, and to remove any key of many waits for memory, in the raw \
         client as here; that our entries are larger hardly matters (*raw, those batches, entries as large*). *Processor a \
         key* is what sender and receivers use of two processors that they share with the server: the raw client \
         makes no targets of 64 tasks' keys, and asks no state machine about a frame.",
    ),
    (
        "idle node on Redis: processor",
        "*bare timers and pings, as many* is a program that does nothing but wake up as often, without any node.",
    ),
];

/// Why targets of this measure are missed.
pub(crate) fn reason(measure: &str) -> &'static str {
    let found = REASONS.iter().find(|(part, _)| measure.contains(part));
    found.map_or("not known.", |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::targets::TARGETS;

    #[test]
    fn reasons_are_about_targets_that_there_are() {
        for (part, _) in REASONS {
            assert!(TARGETS.iter().any(|target| target.measure.contains(part)), "{part}");
        }
        assert_eq!(reason("something else"), "not known.");
    }
}
