//! The service restarts, forgets, throttles.

use std::time::Duration;

use unstale::{State, Warning};
use unstale_azure::DataPath;
use unstale_servicebus_emulator::Refusal;

use super::links::three;
use crate::support::{Namespace, until};

const SECOND: Duration = Duration::from_secs(1);

/// The service is away for a while, and forgets its subscriptions or not.
async fn restart(path: DataPath, seed: u64, forgets: bool) {
    let namespace = Namespace::start_on(path).await;
    let mut world = three(&namespace, seed).await;
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    namespace.emulator.refuse_connections(true);
    if forgets {
        namespace.emulator.restart_empty();
    } else {
        namespace.emulator.restart();
    }
    world.pass(SECOND).await;
    for instance in &world.nodes {
        assert_ne!(instance.node.status().state, State::Live, "{}", instance.name);
    }
    namespace.emulator.refuse_connections(false);
    workload.next_era();
    for instance in &world.nodes {
        instance.live().await;
    }
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
}

async fn a_restart_that_keeps_everything(path: DataPath) {
    restart(path, 120, false).await;
}

on_each_path!(a_restart_that_keeps_everything);

async fn a_restart_that_forgets_subscriptions_and_messages(path: DataPath) {
    restart(path, 121, true).await;
}

on_each_path!(a_restart_that_forgets_subscriptions_and_messages);

/// While the namespace is throttled nothing new is taken. The nodes wait as long as they are told to, say so,
/// and serve nothing that they cannot prove.
async fn throttling(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    let mut world = three(&namespace, 122).await;
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    namespace.emulator.throttle(true);
    let writer = world.nodes[0].clone();
    let throttled = until("a warning of throttling", async || {
        let status = writer.node.status();
        let throttled = |it: &&Warning| it.to_string().contains("throttled");
        status.warnings.iter().find(throttled).map(ToString::to_string)
    });
    assert!(throttled.await.contains("the namespace is throttled"));
    world.pass(2 * SECOND).await;
    namespace.emulator.throttle(false);
    workload.next_era();
    for instance in &world.nodes {
        instance.live().await;
    }
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
}

on_each_path!(throttling);

/// A topic that is full refuses frames for a while: they are published when there is room again.
async fn a_quota_that_is_exhausted_for_a_while(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    let mut world = three(&namespace, 123).await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    let full = Refusal::new("amqp:resource-limit-exceeded", "The topic has reached its size.");
    namespace.emulator.refuse_sends(crate::support::TOPIC, full, 20);
    workload.next_era();
    world.pass(2 * SECOND).await;
    workload.finish().await;
    world.heal().await;
    let failures = |counters: &[unstale::Counters]| -> u64 {
        counters.iter().map(|it| it.publish_failures).sum()
    };
    assert!(failures(&world.counters()) > failures(&before));
}

on_each_path!(a_quota_that_is_exhausted_for_a_while);
