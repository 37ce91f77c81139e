//! What is known about a load while it runs.
//!
//! The future of a loader is polled inside a [`Scope`], which makes its [`LoadContext`] the current one of
//! the thread for the time of the poll. Every read of a cache looks for a current context and notes in it
//! what it read. So dependencies are collected on any executor, but not in tasks that a loader spawns.

use std::cell::{Cell as StdCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use foldhash::quality::FixedState;

use super::cells::{Cell, Dependency};
use super::domain::Shared;
use super::entry::Entry;
use super::waits::LoadId;
use crate::freshness::Demand;
use crate::mutation::{self, Mutation};
use crate::shim::lock;
use crate::shim::sync::Mutex;
use crate::time::Timestamp;

/// Loads inside of loads deeper than this fail.
pub(crate) const MAX_DEPTH: usize = 32;

/// A value built from more than this many cells is not stored.
const MAX_DEPENDENCIES: usize = 16 * 1024;

crate::shim::thread_local! {
    /// Whether there is a current context: all that a hit outside of loads has to look at.
    static INSIDE: StdCell<bool> = const { StdCell::new(false) };
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// A running load: a loader gets one, to name the tags of what it loads.
///
/// Cheap to clone. Using it after the load has ended has no effect.
///
/// ```
/// use std::convert::Infallible;
/// # use unstale::State;
/// use unstale::{Cache, LoadError, Node};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// # node.status_stream().reaches(State::Live).await;
/// let names: Cache<u64, String> = node.cache("names").build()?;
/// let pages: Cache<u64, String> = node.cache("pages").build()?;
/// let name = |_| async { Ok::<_, Infallible>("mug".to_owned()) };
///
/// pages
///     .get_or_load(&3, |load| {
///         let names = &names;
///         async move {
///             load.tag("category:3"); // at any point of the load
///             let name = names.get_or_load(&7, name).await?; // and this is a dependency by itself
///             Ok::<_, LoadError>(format!("<li>{name}"))
///         }
///     })
///     .await?;
/// assert!(pages.contains(&3));
/// let _ = names.invalidate(&7);
/// assert!(!pages.contains(&3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoadContext {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    load: LoadId,
    tick: u64,
    demand: Demand,
    /// The load around this one, which may be of another node.
    parent: Option<Current>,
    /// How many loads are around this one.
    depth: usize,
    collected: Mutex<Collected>,
}

struct Collected {
    as_of: u64,
    dependencies: Vec<Dependency>,
    /// Where in `dependencies` a cell is, by its address; from a few dozen on.
    places: HashMap<usize, usize, FixedState>,
}

/// The load that the calling code is part of.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) context: LoadContext,
    /// Whether what is read becomes a dependency.
    pub(crate) tracked: bool,
}

impl LoadContext {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        load: LoadId,
        tick: u64,
        start: Timestamp,
        demand: Demand,
    ) -> Self {
        let parent = innermost();
        let collected = Collected {
            as_of: start.as_nanos(),
            dependencies: Vec::new(),
            places: HashMap::with_hasher(FixedState::with_seed(0)),
        };
        Self {
            inner: Arc::new(Inner {
                shared: Arc::clone(shared),
                load,
                tick,
                demand,
                depth: parent.as_ref().map_or(0, |parent| parent.context.inner.depth + 1),
                parent,
                collected: Mutex::new(collected),
            }),
        }
    }

    /// The entry that is being loaded is dropped when this tag is invalidated, now or later: a tag that
    /// is invalidated while the load runs keeps its result from being stored, however late it is named.
    pub fn tag(&self, tag: impl AsRef<str>) {
        let dependency = self.inner.shared.tag_dependency(tag.as_ref(), self.inner.tick);
        lock(&self.inner.collected).add(dependency);
    }

    /// [`tag`](Self::tag) for several.
    pub fn tags<T: AsRef<str>>(&self, tags: impl IntoIterator<Item = T>) {
        for tag in tags {
            self.tag(tag);
        }
    }

    pub(crate) fn load(&self) -> LoadId {
        self.inner.load
    }

    pub(crate) fn depth(&self) -> usize {
        self.inner.depth
    }

    /// What a nested read demands: the strictest of the enclosing loads.
    pub(crate) fn demand(&self) -> Demand {
        self.inner.demand
    }

    /// Notes that a key was read; `seen` is the cell's tick from before.
    pub(crate) fn note_key(&self, cell: Arc<Cell>, seen: u64) {
        lock(&self.inner.collected).add(Dependency { cell, seen });
    }

    /// Notes that a cache was read: what it holds and what it does not hold may both end with a clear.
    pub(crate) fn note_cache(&self, clear: &Arc<Cell>) {
        // Not what the cell says now: a clear that has taken its tick may be about to remove what it clears.
        let dependency = Dependency { cell: Arc::clone(clear), seen: self.inner.tick };
        if !mutation::active(Mutation::NestedMissIgnoresClear) {
            lock(&self.inner.collected).add(dependency);
        }
    }

    /// Notes what was found there. `clear` is the cell of the cache it comes from.
    pub(crate) fn note_entry<V>(&self, entry: &Entry<V>, clear: &Arc<Cell>) {
        let mut collected = lock(&self.inner.collected);
        if !mutation::active(Mutation::NestedAsOfForgotten) {
            collected.as_of = collected.as_of.min(entry.stamp.as_of);
        }
        let outer = mutation::active(Mutation::NestedTakesOuterTick);
        let seen = |inner| if outer { self.inner.tick } else { inner };
        collected.add(Dependency { cell: Arc::clone(clear), seen: seen(entry.stamp.tick) });
        if !mutation::active(Mutation::NestedTagsForgotten) {
            for dependency in entry.stamp.dependencies.iter() {
                let Dependency { cell, seen: inner } = dependency.clone();
                collected.add(Dependency { cell, seen: seen(inner) });
            }
        }
    }

    /// Makes this load depend on all that another has read.
    pub(crate) fn absorb(&self, other: &Self) {
        let (as_of, dependencies) = other.collected();
        let mut collected = lock(&self.inner.collected);
        collected.as_of = collected.as_of.min(as_of);
        for dependency in dependencies {
            collected.add(dependency);
        }
    }

    /// The as-of and the dependencies so far.
    pub(crate) fn collected(&self) -> (u64, Vec<Dependency>) {
        let collected = lock(&self.inner.collected);
        (collected.as_of, collected.dependencies.clone())
    }

    /// Polls a future as part of this load.
    pub(crate) fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope {
            current: Current { context: self.clone(), tracked: true },
            future: Box::pin(future),
        }
    }
}

impl Collected {
    fn add(&mut self, dependency: Dependency) {
        const FEW: usize = 16;
        let address = |cell: &Arc<Cell>| Arc::as_ptr(cell) as usize;
        let place = if self.dependencies.len() <= FEW {
            self.dependencies.iter().position(|known| Arc::ptr_eq(&known.cell, &dependency.cell))
        } else {
            self.places.get(&address(&dependency.cell)).copied()
        };
        if let Some(place) = place {
            let known = &mut self.dependencies[place];
            known.seen = known.seen.min(dependency.seen);
            return;
        }
        if self.dependencies.len() >= MAX_DEPENDENCIES {
            // A dependency that never holds keeps the value out of every cache.
            let never = Arc::new(Cell::new(u64::MAX));
            self.dependencies.truncate(1);
            self.dependencies[0] = Dependency { cell: never, seen: 0 };
            self.places.clear();
            return;
        }
        self.dependencies.push(dependency);
        if self.dependencies.len() == FEW + 1 {
            let known = self.dependencies.iter().enumerate();
            self.places = known.map(|(place, known)| (address(&known.cell), place)).collect();
        } else if self.dependencies.len() > FEW {
            let place = self.dependencies.len() - 1;
            self.places.insert(address(&self.dependencies[place].cell), place);
        }
    }
}

impl fmt::Debug for LoadContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadContext").field("load", &self.inner.load).finish_non_exhaustive()
    }
}

/// Whether the calling code is part of any load.
#[inline]
pub(crate) fn is_inside() -> bool {
    INSIDE.with(StdCell::get)
}

/// The innermost load of this node that the calling code is part of.
pub(crate) fn current(shared: &Arc<Shared>) -> Option<Current> {
    let mut found = CURRENT.with(|current| current.borrow().clone())?;
    while !Arc::ptr_eq(&found.context.inner.shared, shared) {
        let outer = found.context.inner.parent.clone()?;
        found = Current { tracked: outer.tracked && found.tracked, context: outer.context };
    }
    Some(found)
}

/// The innermost load of any node that the calling code is part of.
pub(crate) fn innermost() -> Option<Current> {
    if !is_inside() {
        return None;
    }
    CURRENT.with(|current| current.borrow().clone())
}

/// Makes a context the current one until it is dropped.
struct Entered {
    before: Option<Current>,
}

impl Entered {
    fn new(current: Current) -> Self {
        let before = CURRENT.with(|place| place.replace(Some(current)));
        INSIDE.with(|inside| inside.set(true));
        Self { before }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        INSIDE.with(|inside| inside.set(self.before.is_some()));
        let ended = CURRENT.with(|place| place.replace(self.before.take()));
        drop(ended);
    }
}

/// Passes on what a load or fill has read to the load around it, when it ends without an entry that could be
/// noted there: that it failed was computed from something too.
pub(crate) struct PassOn {
    from: LoadContext,
    to: Option<LoadContext>,
}

impl PassOn {
    pub(crate) fn new(from: &LoadContext, to: Option<&Current>) -> Self {
        let to = to.filter(|current| current.tracked).map(|current| current.context.clone());
        Self { from: from.clone(), to }
    }

    /// The entry is noted instead.
    pub(crate) fn disarm(mut self) {
        self.to = None;
    }
}

impl Drop for PassOn {
    fn drop(&mut self) {
        if let Some(to) = &self.to
            && !mutation::active(Mutation::NestedFailureForgotten)
        {
            to.absorb(&self.from);
        }
    }
}

/// Polls a future as part of a load, also when it panics.
pub(crate) struct Scope<F> {
    current: Current,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = Entered::new(self.current.clone());
        self.future.as_mut().poll(context)
    }
}

/// Runs a future inside of a loader whose reads do not become dependencies of what is being loaded.
///
/// What it read can then be invalidated without the outer value going too: only for values that are not
/// part of the result, such as a rate limit or a feature switch. Outside of loaders it does nothing.
///
/// # Cancel safety
/// That of `future`.
pub async fn without_dependencies<F: Future>(future: F) -> F::Output {
    match innermost() {
        None => future.await,
        Some(current) => {
            Scope {
                current: Current { context: current.context, tracked: false },
                future: Box::pin(future),
            }
            .await
        }
    }
}

/// [`without_dependencies`] for synchronous code.
pub fn without_dependencies_sync<T>(body: impl FnOnce() -> T) -> T {
    let _entered = innermost()
        .map(|current| Entered::new(Current { context: current.context, tracked: false }));
    body()
}
