//! Somebody else floods the channel.

use std::time::Duration;

use unstale::Authentication;

use crate::frames::{ENVELOPE, FLAGS, KIND, MAY_CARRY_TARGETS, overhear};
use crate::redis_nodes::{CHANNEL, by_url};
use crate::support::RedisServer;
use crate::world::{NAMESPACE, Setup, World};

const SECOND: Duration = Duration::from_secs(1);
const FLOOD: usize = 20_000;
const BATCH: usize = 100;

/// What is published instead of frames.
struct Flood {
    rng: fastrand::Rng,
    /// Genuine frames, to begin with.
    frames: Vec<Vec<u8>>,
}

impl Flood {
    fn random(&mut self) -> Vec<u8> {
        let length = self.rng.usize(..200);
        (0..length).map(|_| self.rng.u8(..)).collect()
    }

    /// A frame that ends within its envelope.
    fn cut_short(&mut self) -> Vec<u8> {
        let mut frame = self.rng.choice(&self.frames).expect("frames").clone();
        frame.truncate(self.rng.usize(..ENVELOPE));
        frame
    }

    /// A frame of another namespace.
    fn foreign(&mut self) -> Vec<u8> {
        let mut frame = self.rng.choice(&self.frames).expect("frames").clone();
        let place = self.rng.usize(5..5 + NAMESPACE.len());
        frame[place] = b'x';
        frame
    }

    /// A frame of which one bit after the envelope is wrong.
    fn flipped(&mut self) -> Vec<u8> {
        let mut frame = self.rng.choice(&self.frames).expect("frames").clone();
        let place = self.rng.usize(ENVELOPE..frame.len());
        frame[place] ^= 1 << self.rng.u8(..8);
        frame
    }

    /// A frame that names targets, of which one bit is wrong: of its version, origin, number, or targets.
    fn corrupt(&mut self) -> Vec<u8> {
        let frames: Vec<_> =
            self.frames.iter().filter(|frame| frame[FLAGS] & MAY_CARRY_TARGETS != 0).collect();
        let mut frame = (*self.rng.choice(&frames).expect("frames with targets")).clone();
        // Another kind could make it a beacon, which may say that there are more lanes. Whoever is believed
        // that stops all nodes for as long as it takes beacons to prove it wrong, half a minute.
        let before = self.rng.bool() || frame.len() == KIND + 1;
        let place = self.rng.usize(if before { ENVELOPE..KIND } else { KIND + 1..frame.len() });
        frame[place] ^= 1 << self.rng.u8(..8);
        frame
    }
}

/// Runs a flood while the workload goes on; it is over when all of it was published.
async fn flood(
    world: &mut World,
    server: &RedisServer,
    mut next: impl FnMut(&mut Flood) -> Vec<u8>,
) {
    let frames = overhear(server, 100, async {}).await;
    let mut flood = Flood { rng: world.rng.fork(), frames };
    let mut connection = server.connection().await;
    for _ in 0..FLOOD / BATCH {
        let mut batch = redis::pipe();
        for _ in 0..BATCH {
            batch.publish(CHANNEL, next(&mut flood)).ignore();
        }
        let () = batch.query_async(&mut connection).await.expect("published");
        world.pass(Duration::from_millis(10)).await;
    }
}

async fn three(server: &RedisServer, seed: u64, setup: &Setup) -> World {
    let mut world = World::new(seed);
    for _ in 0..3 {
        world.join(by_url(&server.url()), setup);
    }
    world.warm().await;
    world
}

/// What is no frame of ours is counted and costs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_counted_and_ignored() {
    let server = RedisServer::start().await;
    let mut world = three(&server, 80, &Setup::default()).await;
    let before = world.counters();
    let workload = world.begin();
    flood(&mut world, &server, |flood| match flood.rng.u32(..3) {
        0 => flood.random(),
        1 => flood.cut_short(),
        _ => flood.foreign(),
    })
    .await;
    workload.finish().await;
    world.heal().await;
    for (instance, before) in world.nodes.iter().zip(&before) {
        let after = instance.node.counters();
        let name = &instance.name;
        assert!(after.ignored >= before.ignored + FLOOD as u64, "{name}: {after:?}");
        assert_eq!(after.clears, before.clears, "{name}");
        assert_eq!(after.subscription_failures, before.subscription_failures, "{name}");
    }
}

/// With a shared secret, forged frames are counted, named in the status, and cost nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_frames_are_counted_and_ignored() {
    let server = RedisServer::start().await;
    let authentication = Authentication::sign_with(1, "a secret of sufficient length");
    let setup = Setup { authentication: Some(authentication), ..Setup::default() };
    let mut world = three(&server, 81, &setup).await;
    let before = world.counters();
    let workload = world.begin();
    flood(&mut world, &server, Flood::flipped).await;
    workload.finish().await;
    world.heal().await;
    for (instance, before) in world.nodes.iter().zip(&before) {
        let after = instance.node.counters();
        let (name, status) = (&instance.name, instance.node.status());
        assert!(
            after.unauthenticated >= before.unauthenticated + FLOOD as u64,
            "{name}: {after:?}"
        );
        assert_eq!(after.clears, before.clears, "{name}");
        assert!(status.to_string().contains("wrong signature"), "{name}: {status}");
    }
}

/// Without one, who may publish may say anything. What is wrong by one bit costs clears; it is survived, and
/// nothing stale is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrupt_frames_are_survived() {
    let server = RedisServer::start().await;
    let mut world = three(&server, 82, &Setup::default()).await;
    let before = world.counters();
    let workload = world.begin();
    flood(&mut world, &server, Flood::corrupt).await;
    world.pass(SECOND).await;
    workload.finish().await;
    world.heal().await;
    for (instance, before) in world.nodes.iter().zip(&before) {
        let after = instance.node.counters();
        assert!(after.unreadable > before.unreadable, "{}: {after:?}", instance.name);
    }
}
