//! The links between nodes and brokers: what turmoil does for us, and what faults are on.

use std::collections::BTreeMap;
use std::time::Duration;

/// How a link is at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Held,
    /// What the host sends is lost.
    DeafOut,
    /// What the host should receive is lost.
    DeafIn,
    Cut,
}

#[derive(Clone, Debug, Default)]
struct Link {
    partitions: u32,
    out: u32,
    inward: u32,
    held: u32,
    delays_ms: Vec<u64>,
    state: State,
}

impl Link {
    fn wanted(&self) -> State {
        match (self.partitions > 0, self.out > 0, self.inward > 0, self.held > 0) {
            (true, ..) | (_, true, true, _) => State::Cut,
            (_, true, ..) => State::DeafOut,
            (_, _, true, _) => State::DeafIn,
            (.., true) => State::Held,
            _ => State::Open,
        }
    }
}

/// What a fault does to a link.
#[derive(Clone, Copy, Debug)]
pub(super) enum Block {
    Both,
    Out,
    In,
    Hold,
}

/// The links of all hosts to all brokers.
pub(super) struct Links {
    brokers: Vec<String>,
    links: BTreeMap<String, Link>,
    usual_ms: (u64, u64),
    jitters_ms: Vec<u64>,
}

impl Links {
    pub(super) fn new(brokers: Vec<String>, usual_ms: (u64, u64)) -> Self {
        Self { brokers, links: BTreeMap::new(), usual_ms, jitters_ms: Vec::new() }
    }

    fn link(&mut self, host: &str) -> &mut Link {
        self.links.entry(host.to_owned()).or_default()
    }

    pub(super) fn block(&mut self, sim: &turmoil::Sim<'_>, host: &str, block: Block, on: bool) {
        let link = self.link(host);
        let count = match block {
            Block::Both => &mut link.partitions,
            Block::Out => &mut link.out,
            Block::In => &mut link.inward,
            Block::Hold => &mut link.held,
        };
        *count = if on { *count + 1 } else { count.saturating_sub(1) };
        let (before, after) = (link.state, link.wanted());
        link.state = after;
        if before == after {
            return;
        }
        for broker in &self.brokers {
            match before {
                State::Open => {}
                State::Held => sim.release(host, broker.as_str()),
                State::DeafOut => sim.repair_oneway(host, broker.as_str()),
                State::DeafIn => sim.repair_oneway(broker.as_str(), host),
                State::Cut => sim.repair(host, broker.as_str()),
            }
            match after {
                State::Open => {}
                State::Held => sim.hold(host, broker.as_str()),
                State::DeafOut => sim.partition_oneway(host, broker.as_str()),
                State::DeafIn => sim.partition_oneway(broker.as_str(), host),
                State::Cut => sim.partition(host, broker.as_str()),
            }
        }
    }

    pub(super) fn delay(&mut self, sim: &turmoil::Sim<'_>, host: &str, latency_ms: u64, on: bool) {
        let usual_ms = self.usual_ms;
        let link = self.link(host);
        add_or_remove(&mut link.delays_ms, latency_ms, on);
        let delay = link.delays_ms.iter().copied().max();
        for broker in &self.brokers {
            match delay {
                Some(ms) => sim.set_link_latency(host, broker.as_str(), Duration::from_millis(ms)),
                None => {
                    sim.set_link_latency(host, broker.as_str(), Duration::from_millis(usual_ms.0));
                    sim.set_link_max_message_latency(
                        host,
                        broker.as_str(),
                        Duration::from_millis(usual_ms.1),
                    );
                }
            }
        }
    }

    pub(super) fn jitter(&mut self, sim: &turmoil::Sim<'_>, most_ms: u64, on: bool) {
        add_or_remove(&mut self.jitters_ms, most_ms, on);
        let most = self.jitters_ms.iter().copied().max().unwrap_or(self.usual_ms.1);
        sim.set_max_message_latency(Duration::from_millis(most));
    }
}

fn add_or_remove(list: &mut Vec<u64>, value: u64, add: bool) {
    if add {
        list.push(value);
    } else if let Some(place) = list.iter().position(|it| *it == value) {
        list.remove(place);
    }
}
