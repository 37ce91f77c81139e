//! From a seed to a plan.

use super::faults::{Fault, FaultKind, OF_KEPT_SUBSCRIPTIONS};
use super::profile::{Mode, Profile, Request};
use super::{Action, LAST_MS, Means, Op, Plan, Rates, Topology, motifs};
use crate::rng::{skewed, stream, stream_of};

/// Beyond so many nodes the workload is given by rates.
const MOST_LISTED_NODES: usize = 64;
/// Each node reads everything this often.
const SWEEP_MS: usize = 1_500;
/// Nodes and caches are left alone this long: otherwise there is nothing yet that could go wrong.
pub(super) const WARM_UP_MS: u64 = 800;

/// Only with faults of these kinds.
pub(super) fn plan(request: &Request, seed: u64, kinds: &[&str]) -> Plan {
    let topology = topology(request, seed);
    let (heal_ms, duration_ms) = times(request);
    let (workload, rates) = if listed(request, &topology) {
        (workload(&topology, heal_ms, duration_ms, seed), None)
    } else {
        let writers = topology.nodes.min(4);
        (Vec::new(), Some(Rates { writes_per_s: 10.0, reads_per_s: 2.0, writers }))
    };
    let mut faults = match request.profile {
        Profile::Calm => Vec::new(),
        Profile::Rolling => rolling(&topology, heal_ms, seed),
        Profile::Swarm | Profile::Storm => swarm(request.profile, &topology, heal_ms, seed),
    };
    faults.retain(|fault| kinds.contains(&fault.kind.name()));
    if !request.kept_subscriptions {
        faults.retain(|fault| !OF_KEPT_SUBSCRIPTIONS.contains(&fault.kind.name()));
    }
    faults.sort_by_key(|fault| fault.at_ms);
    keep_promises_possible(&mut faults);
    if topology.mode.within().is_none() {
        // Without a bound a fence is sent every 10 s, and only the next one shows that an own frame is missing.
        faults.retain(|it| !matches!(it.kind, FaultKind::LoseAccepted { .. }));
    }
    Plan {
        seed,
        profile: request.profile,
        topology,
        heal_ms,
        duration_ms,
        workload,
        rates,
        faults,
        orderly: false,
    }
}

fn listed(request: &Request, topology: &Topology) -> bool {
    topology.nodes <= MOST_LISTED_NODES
        && matches!(request.profile, Profile::Swarm | Profile::Storm | Profile::Rolling)
}

fn times(request: &Request) -> (u64, u64) {
    let wanted = request.duration.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
    // After the faults: to notice a dead connection, to give up an attempt, to reconnect and to repair.
    let quiet_ms = 8_000;
    match request.profile {
        Profile::Calm => {
            let duration = wanted.unwrap_or(10_000);
            (duration, duration)
        }
        Profile::Storm => (7_000, 7_000 + quiet_ms),
        Profile::Swarm => {
            let duration = wanted.unwrap_or(30_000).max(quiet_ms + 2_000);
            (duration - quiet_ms, duration)
        }
        Profile::Rolling => {
            let heal = wanted.unwrap_or(60_000).max(2_000);
            (heal, heal + quiet_ms)
        }
    }
}

fn topology(request: &Request, seed: u64) -> Topology {
    let mut rng = stream(seed, "topology");
    let calm = matches!(request.profile, Profile::Calm | Profile::Rolling);
    let nodes = rng.usize(3..=6);
    let nodes = request.nodes.unwrap_or(if calm { 16 } else { nodes }).max(1);
    let drawn = match rng.u32(0..20) {
        0..=2 => Mode::Eventual,
        3..=9 => Mode::Within { ms: 500 },
        10..=13 => Mode::Within { ms: 250 },
        14..=16 => Mode::Within { ms: 1_000 },
        _ => Mode::Within { ms: 2_000 },
    };
    let by_profile = match request.profile {
        Profile::Calm => Mode::Within { ms: 5_000 },
        Profile::Rolling => Mode::Within { ms: 500 },
        Profile::Swarm | Profile::Storm => drawn,
    };
    let native = rng.f64() < 0.65;
    let slowest = [600, 2_000, 5_000, 20_000][rng.usize(..4)];
    let drift = |index: u64| stream_of(seed, "drift", index).i64(-20_000..=20_000);
    let topology = Topology {
        nodes,
        mode: request.mode.unwrap_or(by_profile),
        native_fences: request.native_fences.unwrap_or(native || calm),
        authenticated: !calm && rng.f64() < 0.15,
        latency_min_us: 100,
        latency_max_us: if calm { 600 } else { slowest },
        drift_ppm: if calm { Vec::new() } else { (0..nodes as u64).map(drift).collect() },
        // Many, so that what was missed is not soon invalidated for another reason.
        keys: rng.u64(10..=36),
        nested: !calm && rng.f64() < 0.6,
        tiny_tables: !calm && rng.f64() < 0.2,
        source_max_us: [2_000, 10_000, 60_000][rng.usize(..3)],
        broker_buffer_bytes: if rng.f64() < 0.5 { 64 * 1024 } else { 1 << 20 },
        start_within_ms: if calm { 500 } else { 100 },
        mixed_schemas: false,
        short_memory: false,
        lanes: 1,
        lasting_cap_ms: None,
    };
    if calm { Topology { keys: 100, source_max_us: 5_000, ..topology } } else { topology }
}

/// The same workload as a list, with the same number of events in the mean.
pub(super) fn listed_rates(plan: &Plan, rates: Rates) -> Vec<Op> {
    let mut rng = stream(plan.seed, "rates");
    let (topology, mut ops) = (&plan.topology, Vec::new());
    for at_ms in topology.start_within_ms..plan.last_write_ms() {
        for _ in 0..happens(&mut rng, rates.writes_per_s) {
            let node = rates.writer(topology.nodes, &mut rng);
            let key = skewed(&mut rng, topology.keys);
            ops.push(Op { at_ms, node, what: Action::Write { key, by: Means::Key } });
        }
        for _ in 0..happens(&mut rng, rates.reads_per_s * topology.nodes as f64) {
            let (node, key) = (rng.usize(..topology.nodes), skewed(&mut rng, topology.keys));
            ops.push(Op { at_ms, node, what: Action::Read { key } });
        }
    }
    ops
}

/// How often something happens in a millisecond that happens so often in a second.
fn happens(rng: &mut fastrand::Rng, per_s: f64) -> u64 {
    let mean = per_s / 1e3;
    mean as u64 + u64::from(rng.f64() < mean.fract())
}

fn workload(topology: &Topology, heal_ms: u64, duration_ms: u64, seed: u64) -> Vec<Op> {
    let mut rng = stream(seed, "workload");
    let busy = rng.f64() < 0.5;
    let reads_per_s = if busy { 50 } else { 15 };
    let writes_per_s = [1, 3, 8][rng.usize(..3)];
    // All write, or a few do; what one node only reads is lost on nobody else's frames.
    let writers = rng.usize(1..=topology.nodes);
    let mut ops = Vec::new();
    for node in 0..topology.nodes {
        for ms in 20..duration_ms - LAST_MS {
            let rate = if ms < heal_ms { reads_per_s } else { 8 };
            if rng.u64(0..1_000) < rate {
                ops.push(Op { at_ms: ms, node, what: read(&mut rng, topology) });
            }
        }
    }
    // Who holds nothing can miss nothing: now and then each reads all there is.
    for node in 0..topology.nodes {
        for begin_ms in (400..heal_ms.saturating_sub(200)).step_by(SWEEP_MS) {
            let begin_ms = begin_ms + rng.u64(..200);
            for key in 0..topology.keys {
                let what =
                    if rng.bool() { Action::ReadLasting { key } } else { Action::Read { key } };
                ops.push(Op { at_ms: begin_ms + key / 2, node, what });
            }
        }
    }
    for ms in 300..heal_ms {
        if rng.u64(0..1_000) < writes_per_s {
            let key = skewed(&mut rng, topology.keys);
            let by = match rng.u32(0..40) {
                0..=28 => Means::Key,
                29..=37 => Means::Tag,
                38 => Means::Cache,
                _ => Means::Everything,
            };
            let what = Action::Write { key, by };
            ops.push(Op { at_ms: ms, node: rng.usize(..writers), what });
        }
    }
    ops.sort_by_key(|op| op.at_ms);
    ops
}

fn read(rng: &mut fastrand::Rng, topology: &Topology) -> Action {
    let key = skewed(rng, topology.keys);
    match rng.u32(0..10) {
        0..=5 => Action::Read { key },
        6..=7 if topology.nested => Action::ReadPage { key: rng.u64(..topology.keys) },
        _ => Action::ReadLasting { key },
    }
}

/// Each kind of fault exists or not, and then strikes a few times; each from a stream of its own.
fn swarm(profile: Profile, topology: &Topology, heal_ms: u64, seed: u64) -> Vec<Fault> {
    let chance = if profile == Profile::Storm { 0.22 } else { 0.3 };
    let most = if profile == Profile::Storm { 3 } else { 5 };
    let mut faults = Vec::new();
    // Who has heard of other lanes serves nothing for half a minute.
    for name in FaultKind::NAMES.iter().filter(|name| **name != "other-lanes") {
        let mut rng = stream(seed, &format!("fault {name}"));
        if rng.f64() >= chance {
            continue;
        }
        for _ in 0..rng.u32(1..=most) {
            let kind = draw_kind(name, topology, &mut rng);
            let at_ms = rng.u64(WARM_UP_MS..heal_ms - 500);
            faults.push(Fault { at_ms, kind });
        }
    }
    faults.extend(motifs::draw(profile, topology, heal_ms, seed));
    faults.iter_mut().for_each(|fault| clip(fault, heal_ms));
    faults
}

/// One group of nodes after the other, each for two to six seconds, so that at most times some are cut off.
fn rolling(topology: &Topology, heal_ms: u64, seed: u64) -> Vec<Fault> {
    let mut rng = stream(seed, "fault rolling");
    let mut faults = Vec::new();
    let group = (topology.nodes / 4).max(1);
    let mut at_ms = 1_000;
    let mut first = 0;
    while at_ms + 2_500 < heal_ms {
        let for_ms = rng.u64(2_000..6_000).min(heal_ms - at_ms - 1);
        let nodes = (0..group).map(|n| (first + n) % topology.nodes).collect();
        faults.push(Fault { at_ms, kind: FaultKind::Partition { nodes, for_ms } });
        first = (first + group) % topology.nodes;
        at_ms += rng.u64(1_500..3_500);
    }
    faults
}

fn draw_kind(name: &str, topology: &Topology, rng: &mut fastrand::Rng) -> FaultKind {
    let count = topology.nodes;
    let node = rng.usize(..count);
    let key = skewed(rng, topology.keys);
    let for_ms = [rng.u64(20..200), rng.u64(200..1_000), rng.u64(1_000..3_000)][rng.usize(..3)];
    match name {
        "partition" => FaultKind::Partition { nodes: some_nodes(count, rng), for_ms },
        "partition-oneway" => FaultKind::PartitionOneway { node, to_broker: rng.bool(), for_ms },
        "hold" => FaultKind::Hold { node, for_ms },
        "delay" => FaultKind::Delay { node, latency_ms: rng.u64(10..400), for_ms },
        "jitter" => FaultKind::Jitter { most_ms: rng.u64(5..80), for_ms },
        "cut" => FaultKind::Cut { nodes: some_nodes(count, rng) },
        "broker-restart" => FaultKind::BrokerRestart { for_ms: for_ms / 2 },
        "broker-stall" => FaultKind::BrokerStall { for_ms },
        "failover" => FaultKind::Failover { lost: rng.u32(0..4) },
        "demotion" => FaultKind::Demotion,
        "lose-to" => FaultKind::LoseTo { node, frames: rng.u32(1..=3) },
        "lose-accepted" => FaultKind::LoseAccepted { frames: rng.u32(1..=2) },
        "ambiguous" => FaultKind::Ambiguous {
            node,
            frames: rng.u32(1..=3),
            accepted_after_ms: [None, Some(0), Some(rng.u64(1..1_500))][rng.usize(..3)],
        },
        "duplicate" => FaultKind::Duplicate { back: rng.usize(..12) },
        "slow-subscriber" => FaultKind::SlowSubscriber { node, for_ms },
        "crash" => FaultKind::Crash { node, for_ms },
        "clone" => FaultKind::Clone { node, of: (node + 1) % count },
        "pause" => FaultKind::Pause { node, for_ms },
        "suspend" => FaultKind::Suspend { node, for_ms },
        "garbage" => FaultKind::Garbage { bytes: rng.usize(0..300) },
        "newer-version" => FaultKind::NewerVersion { key },
        "anonymous" => FaultKind::Anonymous { key },
        "wrong-credentials" => FaultKind::WrongCredentials { for_ms },
        "cut-publishing" => FaultKind::CutPublishing { node },
        "reject" => FaultKind::Reject { node, frames: rng.u32(1..=2) },
        "lose-answers" => FaultKind::LoseAnswers { node, for_ms },
        "subscription-expiry" => FaultKind::SubscriptionExpiry { node },
        "shared-subscription" => FaultKind::SharedSubscription { node, for_ms },
        "slow-source" => FaultKind::SlowSource { latency_ms: rng.u64(50..900), for_ms },
        "failing-source" => FaultKind::FailingSource { for_ms },
        _ => FaultKind::Burst { node, writes: rng.u32(10..200) },
    }
}

pub(super) fn some_nodes(count: usize, rng: &mut fastrand::Rng) -> Vec<usize> {
    let mut nodes: Vec<_> = (0..count).collect();
    rng.shuffle(&mut nodes);
    // One, some, or all: with all of them there is no witness.
    let len = match rng.u32(0..4) {
        0 => count,
        1 => rng.usize(1..=count),
        _ => 1,
    };
    nodes.truncate(len);
    nodes.sort_unstable();
    nodes
}

/// Ends a fault with the time of faults.
pub(super) fn clip(fault: &mut Fault, heal_ms: u64) {
    fault.at_ms = fault.at_ms.min(heal_ms.saturating_sub(1));
    let most = heal_ms - fault.at_ms;
    match &mut fault.kind {
        FaultKind::Partition { for_ms, .. }
        | FaultKind::PartitionOneway { for_ms, .. }
        | FaultKind::Hold { for_ms, .. }
        | FaultKind::Delay { for_ms, .. }
        | FaultKind::Jitter { for_ms, .. }
        | FaultKind::BrokerRestart { for_ms }
        | FaultKind::BrokerStall { for_ms }
        | FaultKind::SlowSubscriber { for_ms, .. }
        | FaultKind::LoseAnswers { for_ms, .. }
        | FaultKind::SharedSubscription { for_ms, .. }
        | FaultKind::Crash { for_ms, .. }
        | FaultKind::Pause { for_ms, .. }
        | FaultKind::Suspend { for_ms, .. }
        | FaultKind::WrongCredentials { for_ms }
        | FaultKind::SlowSource { for_ms, .. }
        | FaultKind::FailingSource { for_ms } => *for_ms = (*for_ms).min(most),
        FaultKind::Ambiguous { accepted_after_ms: Some(after), .. } => *after = (*after).min(most),
        _ => {}
    }
}

/// Leaves out what nothing is promised for: an origin that dies before it can notice that the broker lost its
/// accepted frame to everybody; and losses after a process was cloned, whose numbers are those of its twin.
fn keep_promises_possible(faults: &mut Vec<Fault>) {
    let is_clone = |it: &Fault| matches!(it.kind, FaultKind::Clone { .. });
    let cloned = faults.iter().find(|it| is_clone(it)).map(|it| it.at_ms);
    faults.retain(|it| {
        let loses = matches!(it.kind, FaultKind::LoseTo { .. } | FaultKind::LoseAccepted { .. });
        !loses || cloned.is_none_or(|cloned| it.at_ms + 1_000 < cloned)
    });
    // That an anonymous frame was lost cannot be noticed.
    let loses =
        |it: &Fault| matches!(it.kind, FaultKind::LoseTo { .. } | FaultKind::LoseAccepted { .. });
    if let Some(first) = faults.iter().find(|it| loses(it)).map(|it| it.at_ms) {
        let foreign = |it: &Fault| {
            matches!(it.kind, FaultKind::Anonymous { .. } | FaultKind::NewerVersion { .. })
        };
        faults.retain(|it| !foreign(it) || it.at_ms < first);
    }
    let losses: Vec<u64> = faults
        .iter()
        .filter(|it| matches!(it.kind, FaultKind::LoseAccepted { .. } | FaultKind::Failover { .. }))
        .map(|it| it.at_ms)
        .collect();
    faults.retain(|it| {
        let kills = matches!(it.kind, FaultKind::Crash { .. } | FaultKind::Clone { .. });
        !kills || is_clone(it) && losses.is_empty() || losses.iter().all(|lost| it.at_ms < *lost)
    });
}
