//! The trace of a run: a digest of everything that happened, and a line for each of it where that is wanted.

use std::fmt::Write as _;

use twox_hash::XxHash64;

use super::event::{Event, Place};
use crate::value::{Aim, CacheName};

/// Of two runs of one plan the traces are equal, byte by byte.
#[derive(Debug)]
pub(crate) struct Trace {
    digest: XxHash64,
    lines: Option<String>,
}

impl Trace {
    /// `lines`: whether they are kept, beside their digest.
    pub(crate) fn new(lines: bool) -> Self {
        Self { digest: XxHash64::with_seed(0), lines: lines.then(String::new) }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.clone().finish_digest()
    }

    pub(crate) fn take_lines(&mut self) -> Option<String> {
        self.lines.take()
    }

    pub(crate) fn see(&mut self, event: &Event<'_>, place: Place) {
        let (kind, numbers) = numbers(event);
        for number in [place.at, u64::from(kind as u8)].iter().chain(&numbers) {
            std::hash::Hasher::write_u64(&mut self.digest, *number);
        }
        if let Some(lines) = &mut self.lines {
            line(lines, event, place);
        }
    }
}

/// `finish` of a hasher, under a name that does not need the trait.
trait Finish {
    fn finish_digest(&self) -> u64;
}

impl Finish for XxHash64 {
    fn finish_digest(&self) -> u64 {
        std::hash::Hasher::finish(self)
    }
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Started = 1,
    Stopped,
    Resumed,
    Committed,
    Invalidated,
    Completed,
    Applied,
    Dropped,
    Advanced,
    Looked,
    LoadBegan,
    FoundNothing,
    LoadEnded,
    Read,
    Lost,
    Arrived,
    Unsubscribed,
    MetAgain,
    Accepted,
    Told,
    Phase,
    Reread,
    Clears,
    OtherLanes,
}

fn aim_number(aim: Aim) -> u64 {
    match aim {
        Aim::Key(cache, key) => (key << 8) | cache as u64,
        Aim::Tag(tag) => (tag << 8) | 16,
        Aim::Cache(cache) => 32 | cache as u64,
        Aim::Everything => 64,
    }
}

/// What goes into the digest of an event.
fn numbers(event: &Event<'_>) -> (Kind, [u64; 4]) {
    let row = |node: usize, cache: CacheName, key: u64| [node as u64, cache as u64, key, 0];
    let just = |node: usize| [node as u64, 0, 0, 0];
    match event {
        Event::Started { node } => (Kind::Started, just(*node)),
        Event::Stopped { node, .. } => (Kind::Stopped, just(*node)),
        Event::Resumed { node } => (Kind::Resumed, just(*node)),
        Event::Committed { by, key, version, holders } => {
            let by = by.map_or(u64::MAX, |by| by as u64);
            (Kind::Committed, [by, *key, *version, holders.len() as u64])
        }
        Event::Invalidated { node, key, version, by } => {
            (Kind::Invalidated, [*node as u64, *key, *version, *by as u64])
        }
        Event::Completed { key, version } => (Kind::Completed, [*key, *version, 0, 0]),
        Event::Applied { node, aim } => (Kind::Applied, [*node as u64, aim_number(*aim), 0, 0]),
        Event::Dropped { node } => (Kind::Dropped, just(*node)),
        Event::Advanced { node, horizon, found } => {
            (Kind::Advanced, [*node as u64, horizon.as_nanos(), found.len() as u64, 0])
        }
        Event::Scanned { node, found } | Event::Final { node, found, .. } => {
            let alive = found.iter().filter(|entry| entry.alive).count() as u64;
            (Kind::Looked, [*node as u64, found.len() as u64, alive, 0])
        }
        Event::LoadBegan { node, cache, key, .. } => (Kind::LoadBegan, row(*node, *cache, *key)),
        Event::FoundNothing { node, cache, key, version, .. } => {
            (Kind::FoundNothing, [*node as u64, *cache as u64, *key, *version])
        }
        Event::LoadEnded { node, cache, key } => (Kind::LoadEnded, row(*node, *cache, *key)),
        Event::Read { node, cache, key, how, value, began } => {
            let version = value.as_ref().map_or(0, |value| value.parts[0].version);
            let what = (*cache as u64) | ((*how as u64) << 8) | (version << 16);
            (Kind::Read, [*node as u64, *key, what, began.seq])
        }
        Event::Lost { from, number, .. } => (Kind::Lost, [*from as u64, *number, 0, 0]),
        Event::Arrived { to, number, .. } => (Kind::Arrived, [*to as u64, *number, 0, 0]),
        Event::Unsubscribed { node } => (Kind::Unsubscribed, just(*node)),
        Event::MetAgain { node, changed } => {
            (Kind::MetAgain, [*node as u64, u64::from(*changed), 0, 0])
        }
        Event::Accepted { bytes } => (Kind::Accepted, [*bytes as u64, 0, 0, 0]),
        Event::Size { node, size, limit, .. } => {
            (Kind::Told, [*node as u64, *size as u64, *limit as u64, 0])
        }
        Event::Condition { node, state } => (Kind::Told, [*node as u64, state.len() as u64, 0, 1]),
        Event::Failed { what } => (Kind::Phase, [2, what.len() as u64, 0, 0]),
        Event::Healed => (Kind::Phase, [0; 4]),
        Event::Settled => (Kind::Phase, [1; 4]),
        Event::Listed { by, .. } => (Kind::Told, [*by as u64, 0, 0, 2]),
        Event::OtherLanes { node } => (Kind::OtherLanes, just(*node)),
        Event::Reread { node, hit } => (Kind::Reread, [*node as u64, u64::from(*hit), 0, 0]),
        Event::Clears { node, clears, allowed } => {
            (Kind::Clears, [*node as u64, *clears, *allowed, 0])
        }
    }
}

/// Writes an event as one line of JSON. Looks into caches are left out: they say what other lines imply.
fn line(lines: &mut String, event: &Event<'_>, place: Place) {
    if matches!(
        event,
        Event::Scanned { .. } | Event::Size { .. } | Event::Arrived { .. } | Event::Listed { .. }
    ) {
        return;
    }
    let Place { seq, at } = place;
    let _begun = write!(lines, r#"{{"seq":{seq},"at_ns":{at},"event":""#);
    let begin = lines.len();
    let _written = match event {
        Event::Advanced { node, horizon, .. } => {
            write!(lines, "Advanced {{ node: {node}, horizon: {horizon:?} }}")
        }
        Event::Final { node, found, live } => {
            write!(lines, "Final {{ node: {node}, entries: {}, live: {live} }}", found.len())
        }
        other => write!(lines, "{other:?}"),
    };
    if lines[begin..].contains(|it: char| matches!(it, '"' | '\\') || it.is_control()) {
        let detail = serde_json::Value::from(&lines[begin..]).to_string();
        lines.replace_range(begin.., &detail[1..detail.len() - 1]);
    }
    lines.push_str("\"}\n");
}
