//! What will happen, in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;

use crate::plan::FaultKind;
use crate::value::CacheName;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// A node has something to do.
    Wake { node: usize },
    /// A message reaches the broker.
    ToBroker { node: usize, life: u64, message: ToBroker },
    /// An attempt of a node's transport takes too long.
    TimedOut { node: usize, life: u64, attempt: Attempt },
    /// A publish without an owner is accepted after all.
    Zombie { from: usize, frame: Bytes },
    /// A loader reads the source.
    ReadSource { node: usize, life: u64, load: usize },
    /// A loader is done.
    EndLoad { node: usize, life: u64, load: usize },
    /// The application does the op of this number.
    Op { index: usize },
    /// The application reads or writes, as rates say.
    Rate { node: usize, write: bool },
    /// A fault begins.
    Strike { index: usize },
    /// A fault ends.
    Relent { kind: FaultKind },
    /// The old primary is gone.
    Switch,
    /// A process starts (again).
    Start { node: usize, life: u64 },
    /// What the watchdog of a real node does within 50 ms of a resume.
    Watchdog { node: usize, life: u64 },
    /// Conditions are looked at.
    Sample,
    /// The faults are over.
    Heal,
    /// The time to converge is over: first reads.
    Settle,
    /// Reads of what was just read.
    Reread { node: usize, life: u64, cache: CacheName },
}

/// What a node sends.
#[derive(Clone, Debug)]
pub(super) enum ToBroker {
    Subscribe { connection: u64 },
    Fence { connection: u64, token: u64 },
    Publish { connection: u64, id: u64, frame: Bytes },
}

/// What a transport waits for, at most for some seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Subscribe { connection: u64 },
    Publish { id: u64 },
}

/// Happenings by time; of two at the same time the one that was added first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    /// The wakes, which are most of them, and small: time, sequence, node.
    wakes: BinaryHeap<Reverse<(u64, u64, usize)>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    sequence: u64,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl Queue {
    pub(super) fn push(&mut self, at: u64, happening: Happening) {
        self.sequence += 1;
        let sequence = self.sequence;
        match happening {
            Happening::Wake { node } => self.wakes.push(Reverse((at, sequence, node))),
            happening => self.heap.push(Reverse(Entry { at, sequence, happening })),
        }
    }

    pub(super) fn pop(&mut self) -> Option<(u64, Happening)> {
        let next = self.heap.peek().map(|Reverse(entry)| (entry.at, entry.sequence));
        let wake = self.wakes.peek().map(|Reverse((at, sequence, _))| (*at, *sequence));
        if wake.is_some_and(|wake| next.is_none_or(|next| wake < next)) {
            let Reverse((at, _, node)) = self.wakes.pop()?;
            return Some((at, Happening::Wake { node }));
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.happening))
    }
}
