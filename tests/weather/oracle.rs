//! Knows every commit and every completed invalidation, and judges every read.
//!
//! No measuring error is allowed for: the test takes its own time *before* a read begins and *after* an
//! invalidation completed, which both err in favour of the caches, and the caches' coarse clock runs ahead
//! of the true time, never behind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Violations told in full; the others are only counted.
const TOLD: usize = 10;

/// What all nodes must hold to.
pub struct Oracle {
    started: Instant,
    completed: Vec<Mutex<Vec<Completed>>>,
    completions: AtomicU64,
    violations: Mutex<Vec<String>>,
}

/// From `at` on the invalidation of everything older than `version` is complete.
#[derive(Clone, Copy)]
struct Completed {
    at: Instant,
    version: u64,
}

/// One cache of one node, as its readers know it.
pub struct View {
    name: String,
    /// `d` of G3; `None` if the cache promises none.
    bound: Option<Duration>,
    /// By row: the newest version that a read of this cache has returned.
    returned: Vec<AtomicU64>,
    /// By row: the newest version whose invalidation on this node has returned.
    invalidated: Vec<AtomicU64>,
}

impl View {
    pub fn new(name: String, bound: Option<Duration>, rows: u32) -> Self {
        let versions = || (0..rows).map(|_| AtomicU64::new(0)).collect();
        Self { name, bound, returned: versions(), invalidated: versions() }
    }

    /// `invalidate` has returned on this node, for this version.
    pub fn invalidated(&self, row: u32, version: u64) {
        self.invalidated[row as usize].fetch_max(version, Ordering::SeqCst);
    }
}

/// A read that has begun.
pub struct Reading<'a> {
    oracle: &'a Oracle,
    view: &'a View,
    row: u32,
    began: Instant,
    returned: u64,
    invalidated: u64,
}

impl Oracle {
    pub fn new(rows: u32) -> Self {
        Self {
            started: Instant::now(),
            completed: (0..rows).map(|_| Mutex::default()).collect(),
            completions: AtomicU64::new(0),
            violations: Mutex::default(),
        }
    }

    /// `invalidate(..).published().await` returned `Ok`, after this version was committed.
    pub fn completed(&self, row: u32, version: u64) {
        let mut completed = lock(&self.completed[row as usize]);
        // Under the lock, so that the moments are in order.
        let at = Instant::now();
        let newest = completed.last().map_or(0, |last| last.version);
        completed.push(Completed { at, version: version.max(newest) });
        self.completions.fetch_add(1, Ordering::Relaxed);
    }

    /// How many invalidations have completed.
    pub fn completions(&self) -> u64 {
        self.completions.load(Ordering::Relaxed)
    }

    /// The newest version of a row whose invalidation has completed.
    pub fn floor(&self, row: u32) -> u64 {
        lock(&self.completed[row as usize]).last().map_or(0, |last| last.version)
    }

    /// To be called before a read begins.
    pub fn begin<'a>(&'a self, view: &'a View, row: u32) -> Reading<'a> {
        let returned = view.returned[row as usize].load(Ordering::SeqCst);
        let invalidated = view.invalidated[row as usize].load(Ordering::SeqCst);
        Reading { oracle: self, view, row, began: Instant::now(), returned, invalidated }
    }

    fn violated(&self, what: String) {
        lock(&self.violations).push(what);
    }

    /// Everything that was wrong so far, if anything.
    pub fn verdict(&self) -> Result<(), String> {
        let violations = lock(&self.violations);
        if violations.is_empty() {
            return Ok(());
        }
        let told = violations.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>();
        Err(format!("{} violations, first:\n{}", violations.len(), told.join("\n")))
    }
}

impl Reading<'_> {
    /// The read returned this version.
    pub fn returned(self, version: u64) {
        let Self { oracle, view, row, .. } = self;
        if let Some(bound) = view.bound {
            self.check_bound(version, bound);
        }
        let wrong = |guarantee: &str, than: u64| {
            let at = self.began - oracle.started;
            oracle.violated(format!(
                "{guarantee}: {} at {at:?}: row {row} read as {version} after {than}",
                view.name
            ));
        };
        if version < self.invalidated {
            wrong("G1, read your writes", self.invalidated);
        }
        if version < self.returned {
            wrong("G5, monotonic reads", self.returned);
        }
        view.returned[row as usize].fetch_max(version, Ordering::SeqCst);
    }

    fn check_bound(&self, version: u64, bound: Duration) {
        let completed = lock(&self.oracle.completed[self.row as usize]);
        // The newest last: the first one that is old enough says what the read must know.
        let due =
            completed.iter().rev().find(|it| self.began.duration_since(it.at) > bound).copied();
        drop(completed);
        let Some(due) = due.filter(|due| version < due.version) else { return };
        let at = self.began - self.oracle.started;
        let late = self.began - due.at;
        self.oracle.violated(format!(
            "G3, bounded staleness: {} at {at:?}: row {} read as {version}, {late:?} after the \
             invalidation for {} completed",
            self.view.name, self.row, due.version
        ));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(20);

    fn judged(view: &View, judge: impl FnOnce(&Oracle, &View)) -> Result<(), String> {
        let oracle = Oracle::new(1);
        judge(&oracle, view);
        oracle.verdict()
    }

    fn bounded() -> View {
        View::new("bounded".into(), Some(BOUND), 1)
    }

    #[test]
    fn an_old_version_is_allowed_until_the_bound_and_no_longer() {
        let verdict = judged(&bounded(), |oracle, view| {
            oracle.completed(0, 2);
            oracle.begin(view, 0).returned(1);
        });
        assert_eq!(verdict, Ok(()));
        let verdict = judged(&bounded(), |oracle, view| {
            oracle.completed(0, 2);
            std::thread::sleep(BOUND * 2);
            oracle.begin(view, 0).returned(1);
        });
        assert!(verdict.is_err_and(|it| it.contains("G3")));
    }

    #[test]
    fn a_read_is_judged_by_its_beginning() {
        let verdict = judged(&bounded(), |oracle, view| {
            oracle.completed(0, 2);
            let reading = oracle.begin(view, 0);
            std::thread::sleep(BOUND * 2);
            reading.returned(1);
        });
        assert_eq!(verdict, Ok(()));
    }

    #[test]
    fn going_back_is_wrong() {
        let verdict = judged(&bounded(), |oracle, view| {
            oracle.begin(view, 0).returned(2);
            oracle.begin(view, 0).returned(1);
        });
        assert!(verdict.is_err_and(|it| it.contains("G5")));
        let verdict = judged(&bounded(), |oracle, view| {
            view.invalidated(0, 2);
            oracle.begin(view, 0).returned(1);
        });
        assert!(verdict.is_err_and(|it| it.contains("G1")));
    }
}
