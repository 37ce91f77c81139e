//! What the application does.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use unstale::{Cache, Fill, Loaded, Lookup};

use super::naive;
use super::node::{Load, Participant, Waiting};
use super::queue::Happening;
use super::world::World;
use crate::app::{Caches, SharedHistory, Source, lock};
use crate::history::{Event, How, Place};
use crate::plan::{Action, Means};
use crate::value::{Aim, CacheName, Part, Value, below, is_absent, tag_name, tag_of};

impl World<'_> {
    pub(super) fn op(&mut self, index: usize) {
        let op = &self.plan.workload[index];
        let node = op.node % self.nodes.len();
        match op.what {
            Action::Read { key } => self.read(node, CacheName::Rows, key),
            Action::ReadLasting { key } => self.read(node, CacheName::Lasting, key),
            Action::ReadPage { key } => self.read(node, CacheName::Pages, key),
            Action::Write { key, by } => self.write(node, key, by),
        }
    }

    pub(super) fn schedule_rates(&mut self) {
        let Some(rates) = self.plan.rates else { return };
        let begin = self.plan.topology.start_within_ms * 1_000_000;
        for write in [true, false] {
            let per_s = if write { rates.writes_per_s } else { rates.reads_per_s };
            if per_s > 0.0 {
                self.queue.push(begin, Happening::Rate { node: 0, write });
            }
        }
    }

    pub(super) fn rate(&mut self, node: usize, write: bool) {
        let Some(rates) = self.plan.rates else { return };
        if write && self.now > self.plan.last_write_ms() * 1_000_000 {
            return;
        }
        let key = crate::rng::skewed(&mut self.rates, self.plan.topology.keys);
        let count = self.nodes.len();
        let (per_s, next) = if write {
            self.write(node, key, Means::Key);
            (rates.writes_per_s, rates.writer(count, &mut self.rates))
        } else {
            self.read(node, CacheName::Rows, key);
            (rates.reads_per_s * count as f64, self.rates.usize(..count))
        };
        // Exponentially distributed: nobody waits for anybody.
        let wait_s = -(1.0 - self.rates.f64()).ln() / per_s;
        let at = self.now + (wait_s * 1e9) as u64;
        self.queue.push(at, Happening::Rate { node: next, write });
    }

    // Reading.

    pub(super) fn read(&mut self, node: usize, cache: CacheName, key: u64) {
        if !self.nodes[node].is_running() {
            return;
        }
        self.catch_up(node);
        let began = lock(&self.history).here();
        let found = match &self.nodes[node].participant {
            Some(Participant::Real { caches, .. }) => {
                match caches.get(cache).map(|it| it.lookup(&key)) {
                    Some(Lookup::Hit(value)) => Some(Some(value)),
                    Some(Lookup::Absent) => Some(None),
                    Some(Lookup::Miss) => None,
                    None => return,
                }
            }
            Some(Participant::Naive(naive)) => naive.get(cache, key).cloned(),
            None => return,
        };
        match found {
            Some(value) => {
                self.record(&Event::Read { node, cache, key, began, how: How::Hit, value });
            }
            // As many as a node lets run for one key.
            None if self.nodes[node].loading(cache, key) >= 2 => {}
            None => self.begin_load(node, cache, key, began),
        }
    }

    fn begin_load(&mut self, node: usize, cache: CacheName, key: u64, read: Place) {
        let fill = match &self.nodes[node].participant {
            Some(Participant::Real { caches, .. }) => {
                caches.get(cache).map(|it| it.begin_fill(&key))
            }
            _ => None,
        };
        let began = self.record(&Event::LoadBegan { node, cache, key, shared: false }).seq;
        let mut rng = self.drawn("loads", node, key << 2 | cache as u64);
        let tag_late = rng.bool();
        if !tag_late && let Some(fill) = fill.as_ref().filter(|_| cache != CacheName::Pages) {
            fill.tag(tag_name(tag_of(key)));
        }
        let load = Load { cache, key, fill, read, began, tag_late, parts: Vec::new() };
        let of = &mut self.nodes[node];
        let place = of.loads.iter().position(Option::is_none).unwrap_or(of.loads.len());
        if place == of.loads.len() {
            of.loads.push(None);
        }
        of.loads[place] = Some(load);
        let life = of.life;
        let most = self.plan.topology.source_max_us * 1_000;
        let slow = self.source.slowness_ms() * 1_000_000;
        let whole = rng.u64(200_000..most.max(300_000)) + slow;
        let read_at = self.now + rng.u64(..whole);
        self.queue.push(read_at, Happening::ReadSource { node, life, load: place });
        self.queue.push(self.now + whole, Happening::EndLoad { node, life, load: place });
    }

    pub(super) fn read_source(&mut self, node: usize, life: u64, load: usize) {
        if self.nodes[node].life != life {
            return;
        }
        self.catch_up(node);
        let Some(Some(load)) = self.nodes[node].loads.get(load) else { return };
        let (cache, key, began) = (load.cache, load.key, load.began);
        let parts = if cache == CacheName::Pages {
            let Some(Participant::Real { caches, .. }) = &self.nodes[node].participant else {
                return;
            };
            let Some(fill) = &load.fill else { return };
            let gather = Gather {
                node,
                keys: self.plan.topology.keys,
                caches,
                source: &self.source,
                history: &self.history,
            };
            let gathered = ready(fill.scope(async { gather.page(key) })).unwrap_or_default();
            gathered.tag(fill);
            for key in gathered.own {
                self.stored.entry(key).or_default().insert(node);
            }
            gathered.parts
        } else {
            vec![Part { cache, key, version: self.source.version(key), began }]
        };
        if let Some(Some(load)) = self.nodes[node]
            .loads
            .iter_mut()
            .find(|it| it.as_ref().is_some_and(|it| it.began == began))
        {
            load.parts = parts;
        }
    }

    pub(super) fn end_load(&mut self, node: usize, life: u64, load: usize) {
        if self.nodes[node].life != life {
            return;
        }
        if self.nodes[node].standing > 0 {
            // The process stands still; its loader goes on with it.
            let again = Happening::EndLoad { node, life, load };
            self.queue.push(self.now + 5_000_000, again);
            return;
        }
        self.catch_up(node);
        let Some(load) = self.nodes[node].loads.get_mut(load).and_then(Option::take) else {
            return;
        };
        let Load { cache, key, fill, read, began, tag_late, parts } = load;
        if self.source.is_failing() || parts.is_empty() {
            drop(fill);
            self.record(&Event::LoadEnded { node, cache, key });
            self.record(&Event::Read {
                node,
                cache,
                key,
                began: read,
                how: How::Failed,
                value: None,
            });
            return;
        }
        let absent = cache != CacheName::Pages && is_absent(parts[0].version);
        if absent {
            let version = parts[0].version;
            self.record(&Event::FoundNothing { node, cache, key, version, began });
        }
        let value = (!absent).then(|| Value { began, parts: parts.into() });
        match fill {
            Some(fill) => {
                if tag_late && cache != CacheName::Pages {
                    fill.tag(tag_name(tag_of(key)));
                }
                fill.insert(value.clone().map_or_else(Loaded::absent, Loaded::new));
            }
            None => {
                if let Some(Participant::Naive(naive)) = &mut self.nodes[node].participant {
                    naive.insert(cache, key, value.clone());
                }
            }
        }
        if cache == CacheName::Rows {
            self.stored.entry(key).or_default().insert(node);
        }
        self.record(&Event::LoadEnded { node, cache, key });
        self.record(&Event::Read { node, cache, key, began: read, how: How::Fill, value });
        if self.watched {
            self.look(node);
        }
    }

    // Writing.

    pub(super) fn write(&mut self, node: usize, key: u64, by: Means) {
        if !self.nodes[node].is_running() {
            return;
        }
        self.catch_up(node);
        let version = self.commit(Some(node), key);
        if self.terms.naive {
            self.naive_write(node, key, version);
            return;
        }
        let Some(Participant::Real { manual, caches, .. }) = &self.nodes[node].participant else {
            return;
        };
        let receipts = match by {
            Means::Key => vec![caches.rows.invalidate(&key), caches.lasting.invalidate(&key)],
            Means::Tag => vec![manual.invalidate_tag(&tag_name(tag_of(key)))],
            Means::KeyAndTag => {
                vec![caches.rows.invalidate(&key), manual.invalidate_tag(&tag_name(tag_of(key)))]
            }
            Means::Cache => vec![caches.rows.clear(), caches.lasting.clear()],
            Means::Everything => vec![manual.clear()],
        };
        self.record(&Event::Invalidated { node, key, version, by });
        let published = Box::pin(async move {
            for receipt in receipts {
                if receipt.published().await.is_err() {
                    return false;
                }
            }
            true
        });
        self.nodes[node].waiting.push(Waiting { published, key, version });
        self.move_node(node);
        // Its next deadline may be another one now.
        self.wake_now(node);
    }

    /// A new version of a row, and who else holds an older one. A follower may turn out to have lost it before.
    pub(super) fn commit(&mut self, by: Option<usize>, key: u64) -> u64 {
        let version = self.source.commit(key);
        let stored = self.stored.entry(key).or_default();
        stored.retain(|node| match &self.nodes[*node].participant {
            Some(Participant::Real { caches, .. }) => caches.holds_older(key, version),
            Some(Participant::Naive(naive)) => naive.holds_older(key, version),
            None => false,
        });
        let holders: Vec<_> = stored.iter().copied().filter(|node| Some(*node) != by).collect();
        self.record(&Event::Committed { by, key, version, holders: &holders });
        version
    }

    fn naive_write(&mut self, node: usize, key: u64, version: u64) {
        let Some(Participant::Naive(naive)) = &mut self.nodes[node].participant else { return };
        naive.apply(Aim::Key(CacheName::Rows, key));
        naive.apply(Aim::Key(CacheName::Lasting, key));
        naive.next_publish += 1;
        let id = naive.next_publish;
        self.record(&Event::Invalidated { node, key, version, by: Means::Key });
        let published = Box::pin(std::future::pending());
        self.nodes[node].waiting.push(Waiting { published, key, version });
        self.publish(node, id, naive::message(key));
    }

    /// A naive publish was answered: what waits for it is complete, or given up. (One waits for each, in order.)
    pub(super) fn naive_published(&mut self, node: usize, _id: u64, ok: bool) {
        if self.nodes[node].waiting.is_empty() {
            return;
        }
        let Waiting { key, version, .. } = self.nodes[node].waiting.remove(0);
        if ok {
            self.record(&Event::Completed { key, version });
        }
    }

    /// Sees which invalidations are complete.
    pub(super) fn complete(&mut self, node: usize) {
        let of = &mut self.nodes[node];
        let Some(Participant::Real { manual, .. }) = &of.participant else { return };
        let accepted = manual.accepted();
        if accepted == of.accepted {
            return;
        }
        of.accepted = accepted;
        let history = Arc::clone(&self.history);
        of.waiting.retain_mut(|waiting| {
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(published) = waiting.published.as_mut().poll(&mut context) else {
                return true;
            };
            if published {
                let (key, version) = (waiting.key, waiting.version);
                lock(&history).record(&Event::Completed { key, version });
            }
            false
        });
    }

    // The last part.

    pub(super) fn settle(&mut self) {
        self.record(&Event::Settled);
        if !self.watched || self.terms.naive {
            return;
        }
        for node in 0..self.nodes.len() {
            for cache in [CacheName::Rows, CacheName::Lasting] {
                for key in 0..self.plan.topology.keys {
                    self.read(node, cache, key);
                }
                let life = self.nodes[node].life;
                let reread = Happening::Reread { node, life, cache };
                self.queue.push(self.now + 700_000_000, reread);
            }
        }
    }

    pub(super) fn reread(&mut self, node: usize, life: u64, cache: CacheName) {
        if self.nodes[node].life != life || !self.nodes[node].is_running() {
            return;
        }
        for key in 0..self.plan.topology.keys {
            let Some(Participant::Real { caches, .. }) = &self.nodes[node].participant else {
                return;
            };
            let found = caches.get(cache).map(|it| it.lookup(&key));
            let hit = !matches!(found, None | Some(Lookup::Miss));
            self.record(&Event::Reread { node, hit });
        }
    }
}

/// Polls a future that has nothing to wait for.
fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Reads of caches inside of a load, at one moment.
struct Gather<'a> {
    node: usize,
    keys: u64,
    caches: &'a Caches,
    source: &'a Source,
    history: &'a SharedHistory,
}

/// What a nested read found: rows, and those of them that it read from the source by itself. What it found in a cache
/// is a dependency already; the others it must name.
#[derive(Default)]
struct Gathered {
    parts: Vec<Part>,
    own: Vec<u64>,
}

impl Gathered {
    fn plus(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.own.extend(other.own);
        self
    }

    fn tag(&self, fill: &Fill<u64, Value>) {
        self.own.iter().for_each(|key| fill.tag(tag_name(tag_of(*key))));
    }
}

impl Gather<'_> {
    fn page(&self, key: u64) -> Gathered {
        let Some((shelves, _)) = &self.caches.nested else { return Gathered::default() };
        let shelf = |key: u64| self.nested(CacheName::Shelves, shelves, key, || self.shelf(key));
        let [first, second] = below(key, self.keys);
        shelf(first).plus(shelf(second))
    }

    fn shelf(&self, key: u64) -> Gathered {
        let [first, second] = below(key, self.keys);
        self.row(first).plus(self.row(second))
    }

    /// Something that is made of other entries.
    fn nested(
        &self,
        name: CacheName,
        cache: &Cache<u64, Value>,
        key: u64,
        make: impl FnOnce() -> Gathered,
    ) -> Gathered {
        if let Lookup::Hit(value) = cache.lookup(&key) {
            return Gathered { parts: value.parts.to_vec(), own: Vec::new() };
        }
        let fill = cache.begin_fill(&key);
        let began = self.load_began(name, key);
        let gathered = ready(fill.scope(async { make() })).unwrap_or_default();
        gathered.tag(&fill);
        fill.insert(Value { began, parts: gathered.parts.clone().into() });
        self.load_ended(name, key);
        gathered
    }

    fn load_began(&self, cache: CacheName, key: u64) -> u64 {
        let began = Event::LoadBegan { node: self.node, cache, key, shared: false };
        lock(self.history).record(&began).seq
    }

    fn load_ended(&self, cache: CacheName, key: u64) {
        lock(self.history).record(&Event::LoadEnded { node: self.node, cache, key });
    }

    fn row(&self, key: u64) -> Gathered {
        let (node, cache, rows) = (self.node, CacheName::Rows, &self.caches.rows);
        let found = match rows.lookup(&key) {
            Lookup::Hit(value) => value.parts.first().copied(),
            Lookup::Absent => {
                let history = lock(self.history);
                history.facts.nodes[node].parts(cache, key, None).first().copied()
            }
            Lookup::Miss => {
                let fill = rows.begin_fill(&key);
                let began = self.load_began(cache, key);
                let part = Part { cache, key, version: self.source.version(key), began };
                fill.tag(tag_name(tag_of(key)));
                let version = part.version;
                if is_absent(version) {
                    let nothing = Event::FoundNothing { node, cache, key, version, began };
                    lock(self.history).record(&nothing);
                    fill.insert_absent();
                } else {
                    fill.insert(Value::row(part));
                }
                self.load_ended(cache, key);
                return Gathered { parts: vec![part], own: vec![key] };
            }
        };
        Gathered { parts: found.into_iter().collect(), own: Vec::new() }
    }
}
