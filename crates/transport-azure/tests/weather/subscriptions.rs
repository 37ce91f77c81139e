//! Subscriptions vanish, are shared, and lose what waited in them.

use std::time::Duration;

use unstale_azure::DataPath;
use unstale_servicebus_emulator::{Rule, SubscriptionDescription};

use super::links::three;
use crate::support::{Namespace, TOPIC, USE_KEY, until};
use crate::world::{Setup, World};

const SECOND: Duration = Duration::from_secs(1);

/// A node's subscription is deleted under it: it creates another, and finds out what it missed.
async fn a_subscription_that_vanishes_under_a_live_node(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    let mut world = three(&namespace, 130).await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    let all = namespace.emulator.subscriptions(TOPIC);
    for name in &all {
        namespace.emulator.delete_subscription(TOPIC, name).unwrap();
        workload.next_era();
        world.pass(SECOND / 2).await;
    }
    for instance in &world.nodes {
        instance.live().await;
    }
    workload.finish().await;
    world.heal().await;
    assert!(namespace.emulator.subscriptions(TOPIC).len() >= 3);
    let counted = world.counters();
    for (before, after) in before.iter().zip(&counted) {
        assert!(after.subscription_failures > before.subscription_failures, "{after:?}");
    }
    // The two others were there each time: nobody had to drop anything.
    let clears = |counters: &[unstale::Counters]| counters.iter().map(|it| it.clears).sum::<u64>();
    assert_eq!(clears(&counted), clears(&before));
}

on_each_path!(a_subscription_that_vanishes_under_a_live_node);

/// What waited for a node that was away has expired when it comes back.
async fn messages_expire_during_an_outage(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    let mut world = World::new(131);
    for number in 0..2 {
        let name = format!("given-{number}");
        let description = SubscriptionDescription {
            default_message_time_to_live: Some(SECOND),
            ..SubscriptionDescription::new(&name)
        };
        let rule = Rule::default_rule();
        namespace.emulator.create_subscription_with(TOPIC, description, rule).unwrap();
        let transport = namespace
            .builder()
            .connection_string(namespace.connection_string("use", USE_KEY))
            .subscription(name);
        world.join(transport.build().unwrap(), &Setup::default());
    }
    world.warm().await;
    let before = world.counters();
    let workload = world.begin();
    world.pass(SECOND / 2).await;
    // The writer's connections are cut too; it comes back at once, the reader does not get in.
    let reader = "given-1";
    namespace.emulator.stop_deliveries(TOPIC, reader, true);
    world.pass(3 * SECOND).await;
    namespace.emulator.stop_deliveries(TOPIC, reader, false);
    workload.next_era();
    world.nodes[1].live().await;
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
    let (before, after) = (&before[1], world.nodes[1].node.counters());
    assert!(after.subscription_failures > before.subscription_failures, "{after:?}");
}

on_each_path!(messages_expire_during_an_outage);

/// Two nodes were given one subscription: each gets a part of the messages. Neither may serve what the other
/// one heard of, and both say what is wrong, by name.
async fn two_nodes_on_one_subscription_are_told_so(path: DataPath) {
    let namespace = Namespace::start_on(path).await;
    namespace.emulator.create_subscription(TOPIC, "ours").unwrap();
    let mut world = World::new(132);
    let given = || {
        namespace
            .builder()
            .connection_string(namespace.connection_string("use", USE_KEY))
            .subscription("ours")
            .build()
            .unwrap()
    };
    world.join(given(), &Setup::default());
    world.warm().await;
    let workload = world.begin();
    let first = world.nodes[0].clone();
    let second = world.join(given(), &Setup::default());
    for instance in [first, second] {
        until(&format!("a word of it in the status of {}", instance.name), async || {
            let status = instance.node.status().to_string();
            (status.contains("subscription `ours` is read by another node too")).then_some(())
        })
        .await;
    }
    world.pass(SECOND).await;
    drop(workload);
    world.check();
}

on_each_path!(two_nodes_on_one_subscription_are_told_so);
