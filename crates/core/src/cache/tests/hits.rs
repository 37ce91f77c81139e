//! The rule of a hit, which is worked out in advance, and the verdict on the entry say the same.

use std::time::Duration;

use proptest::prelude::*;

use crate::Freshness;
use crate::cache::testing::{TestNode, WITHIN};
use crate::cache::{Cache, Loaded};

const KEYS: u64 = 3;
const IDLE: Duration = Duration::from_millis(30);

#[derive(Clone, Debug)]
enum Step {
    Fill {
        key: u64,
        lives_ms: Option<u64>,
        tagged: bool,
    },
    Wait {
        ms: u64,
    },
    Prove,
    Connected,
    InvalidateTag,
    /// Clears, but for what gives the memory back.
    BeginClear,
    DropBefore {
        ms_ago: u64,
    },
    Serve {
        whether: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let ms = || 0..80_u64;
    prop_oneof![
        6 => (0..KEYS, proptest::option::of(ms()), any::<bool>())
            .prop_map(|(key, lives_ms, tagged)| Step::Fill { key, lives_ms, tagged }),
        4 => ms().prop_map(|ms| Step::Wait { ms }),
        2 => Just(Step::Prove),
        2 => Just(Step::Connected),
        1 => Just(Step::InvalidateTag),
        1 => Just(Step::BeginClear),
        1 => ms().prop_map(|ms_ago| Step::DropBefore { ms_ago }),
        1 => any::<bool>().prop_map(|whether| Step::Serve { whether }),
    ]
}

fn freshness() -> impl Strategy<Value = Freshness> {
    prop_oneof![
        Just(Freshness::Within(WITHIN)),
        Just(Freshness::Eventual { cap: None }),
        Just(Freshness::Eventual { cap: Some(WITHIN) }),
    ]
}

fn take(node: &TestNode, caches: &[Cache<u64, u64>], step: &Step) {
    match *step {
        Step::Fill { key, lives_ms, tagged } => {
            for cache in caches {
                let mut loaded = Loaded::new(key);
                if let Some(ms) = lives_ms {
                    loaded = loaded.time_to_live(Duration::from_millis(ms));
                }
                cache.begin_fill(&key).insert(if tagged { loaded.tag("tag") } else { loaded });
            }
        }
        Step::Wait { ms } => node.advance(Duration::from_millis(ms)),
        Step::Prove => node.prove_now(),
        Step::Connected => node.domain.advance_connected(node.now()),
        Step::InvalidateTag => node.domain.shared.apply_tag("tag"),
        Step::BeginClear => {
            for store in caches.iter().map(Cache::store) {
                store.clear.advance(store.shared.next_tick());
            }
        }
        Step::DropBefore { ms_ago } => {
            node.domain.drop_before(node.now().before(Duration::from_millis(ms_ago)));
        }
        Step::Serve { whether } => node.domain.set_serving(whether),
    }
}

proptest! {
    #[test]
    fn the_rule_of_a_hit_is_the_verdict_on_the_entry(
        freshness in freshness(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let node = TestNode::with(freshness);
        let plain = node.cache("plain").build().unwrap();
        let idle = node.cache("idle").time_to_idle(IDLE).build().unwrap();
        let caches = [plain, idle];
        for step in &steps {
            take(&node, &caches, step);
            for (cache, key) in caches.iter().flat_map(|cache| (0..KEYS).map(move |key| (cache, key))) {
                let store = cache.store();
                let Some(entry) = store.engine.peek(&key) else { continue };
                let demand = store.settings.demand;
                let verdict = store.judge(&entry.stamp, &store.shared.moment(demand), demand);
                let (rule, is_served) = (store.hit_rule(), verdict.is_ok());
                let idle_ns = store.settings.idle_ns;
                // An odd key is not accessed by this: it gets idle.
                let admitted = match (idle_ns == u64::MAX, key % 2 == 0 || !is_served) {
                    (true, _) => rule.admits(&entry.stamp),
                    (false, true) => rule.admits_of_idle(&entry.stamp, idle_ns),
                    (false, false) => continue,
                };
                prop_assert_eq!(admitted, is_served, "{:?} of {}", entry, cache.name());
            }
        }
    }
}
