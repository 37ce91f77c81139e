//! The README's command for a shell does what the README says.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "a limit for a test that fails")]

use std::time::Duration;

use bytes::Bytes;
use unstale::{Cache, Loaded, Node, State, Transport};
use unstale_memory::Hub;

/// What `printf` prints for the command in the README: what is quoted, its octal escapes resolved.
fn documented_frame() -> Bytes {
    let readme = include_str!("../../../README.md");
    let quoted = readme.split("printf '").nth(1).unwrap().split('\'').next().unwrap();
    let mut parts = quoted.split('\\');
    let mut frame = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (octal, text) = part.split_at(3);
        frame.push(u8::from_str_radix(octal, 8).unwrap());
        frame.extend_from_slice(text.as_bytes());
    }
    frame.into()
}

#[tokio::test]
async fn the_readmes_command_invalidates_a_tag_everywhere() {
    let hub = Hub::new();
    let node = Node::builder("shop").transport(hub.transport()).build().unwrap();
    let cache: Cache<u64, u64> = node.cache("products").build().unwrap();
    assert!(node.status_stream().reaches(State::Live).await);
    for (key, tag) in [(7, "category:7"), (8, "category:8")] {
        assert!(cache.begin_fill(&key).insert(Loaded::new(key).tag(tag)));
    }
    hub.transport().publish(documented_frame()).await.unwrap();
    let gone = async {
        while cache.contains(&7) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert_eq!(cache.get(&8), Some(8));
    assert_eq!(node.counters().ignored, 0);
}
