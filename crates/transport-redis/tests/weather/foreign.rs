//! A publisher without origin and number, a shell or a trigger: its frames are replayed by those who met them, and
//! nothing but the mark rule notices when they are missed.

use std::time::Duration;

use crate::frames::anonymous;
use crate::redis_nodes::CHANNEL;
use crate::support::proxy::Proxy;
use crate::support::{RedisServer, until};
use crate::world::{COLD, World};

const SECOND: Duration = Duration::from_secs(1);
/// A row that the writer leaves alone, and that is invalidated by its tag.
const ROW: u32 = COLD + 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_could_hear_is_dropped() {
    let server = RedisServer::start().await;
    let mut world = World::of_three(100, [(); 3].map(|()| server.url())).await;
    let frame = anonymous(&server, &world.nodes[0], ROW).await;
    let before = world.counters();
    let workload = world.begin();
    for round in 1..=3 {
        for instance in &world.nodes {
            instance.live().await;
        }
        world.pass(SECOND / 2).await;
        let version = world.table.commit(ROW);
        let mut at_once = redis::pipe();
        at_once.atomic().cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub");
        at_once.publish(CHANNEL, &frame[..]);
        let mut connection = server.connection().await;
        let (killed, heard): (u32, u32) =
            at_once.query_async(&mut connection).await.expect("published");
        world.oracle.completed(ROW, version);
        assert_eq!((killed, heard), (3, 0), "round {round}");
        for (instance, before) in world.nodes.iter().zip(&before) {
            until("the next subscription", async || {
                let subscriptions = instance.node.counters().subscriptions;
                (subscriptions == before.subscriptions + round).then_some(())
            })
            .await;
        }
    }
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
    for (instance, before) in world.nodes.iter().zip(&before) {
        let clears = instance.node.counters().clears - before.clears;
        assert_eq!(clears, 3, "clears of {}", instance.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_heard_is_replayed() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let mut world = World::of_three(101, [server.url(), server.url(), proxy.url()]).await;
    let frame = anonymous(&server, &world.nodes[0], ROW).await;
    // Nobody writes meanwhile: the anonymous frame is the only one with targets that was missed.
    let workload = world.begin_reading();
    world.nodes[0].write(0).await;
    world.pass(SECOND / 2).await;
    let before = world.nodes[2].node.counters();
    proxy.accept(false);
    proxy.cut();
    let mut connection = server.connection().await;
    let mut publish = async |payload: &[u8]| -> u32 {
        let command = redis::cmd("PUBLISH").arg(CHANNEL).arg(payload).to_owned();
        command.query_async(&mut connection).await.expect("published")
    };
    until("the cut", async || (publish(b"").await == 2).then_some(())).await;
    let version = world.table.commit(ROW);
    let heard = publish(&frame).await;
    world.oracle.completed(ROW, version);
    assert_eq!(heard, 2);
    world.pass(SECOND).await;
    proxy.accept(true);
    world.nodes[2].live().await;
    world.pass(SECOND / 2).await;
    workload.finish().await;
    world.heal().await;
    let after = world.nodes[2].node.counters();
    assert_eq!(after.syncs_witnessed, before.syncs_witnessed + 1, "{after:?}");
    assert_eq!(after.clears, before.clears, "{after:?}");
}
