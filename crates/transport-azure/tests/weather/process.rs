//! The process of a node dies.

use std::time::Duration;

use unstale::{Cache, Node, State};
use unstale_azure::DataPath;

use super::links::three;
use crate::support::{Namespace, until};
use crate::world::NAMESPACE;

const SECOND: Duration = Duration::from_secs(1);

/// A writer is killed in the middle of a burst: its tasks end wherever they are, and so do its connections. What
/// it completed before is heard by all; nobody waits for the rest.
async fn a_node_is_killed_mid_burst(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    let mut world = three(&namespace, 140).await;
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    let transport = namespace.transport();
    // A runtime of its own, which is gone at once, with all tasks, like a process.
    let process =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (sender, mut completed) = tokio::sync::mpsc::unbounded_channel();
    let (table, rows) = (world.table.clone(), crate::world::COLD..crate::world::ROWS);
    let oracle = world.oracle.clone();
    process.spawn(async move {
        let node = Node::builder(NAMESPACE).transport(transport).build().unwrap();
        let caches: Vec<Cache<u32, u64>> =
            ["bounded", "eventual"].map(|name| node.cache(name).build().unwrap()).into();
        assert!(node.status_stream().reaches(State::Live).await);
        for row in rows.cycle() {
            let version = table.commit(row);
            for cache in &caches {
                cache.invalidate(&row).published().await.unwrap();
            }
            oracle.completed(row, version);
            let _ = sender.send(row);
        }
    });
    until("a hundred completed invalidations", async || (completed.len() >= 100).then_some(()))
        .await;
    process.shutdown_background();
    completed.close();
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
}

on_each_path!(a_node_is_killed_mid_burst);
