//! One trial: a row with an old and a new value, and what reads of it return after it was changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::adapter::{Adapter, Instance};
use crate::report::{Outcome, Read};

/// A read that begins this long after the change is over must return the new value.
const LATE: Duration = Duration::from_secs(1);
/// How long a trial is watched.
const WATCHED: Duration = Duration::from_secs(5);
/// From one read to the next.
const PERIOD: Duration = Duration::from_millis(10);
/// After this a read counts as one that gave nothing, and the next one begins.
const READ: Duration = Duration::from_secs(2);

/// A row and its change.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its key, as long as all others: no key is part of another one.
    pub key: String,
    /// Its tag, where tags are what is tried.
    pub tag: Option<String>,
    /// Before the change. No value is part of another one.
    pub old: String,
    /// After it.
    pub new: String,
}

impl Item {
    /// The row of this number.
    pub fn numbered(number: u32, is_tagged: bool) -> Self {
        let key = format!("row{number:06}");
        Self {
            tag: is_tagged.then(|| format!("tag{number:06}")),
            old: format!("<{key} old>"),
            new: format!("<{key} new>"),
            key,
        }
    }

    /// Reads it at `b`.
    pub async fn read(&self, adapter: &Adapter) -> Read {
        match adapter.read(Instance::B, &self.key, self.tag.as_deref(), READ).await {
            Ok(Some(value)) if value == self.old => Read::Old,
            Ok(Some(value)) if value == self.new => Read::New,
            _ => Read::Neither,
        }
    }
}

/// When a fault ended: unknown as long as it lasts.
pub type End = watch::Receiver<Option<Instant>>;

/// A fault that has ended.
pub fn ended(at: Instant) -> End {
    watch::channel(Some(at)).1
}

/// Reads the row again and again at `b`. `since`: when the change was complete, from which it is measured how long reads
/// take to become right; a second after that and after the fault's end, a read decides whether the cache is stale.
pub async fn watch(adapter: Arc<Adapter>, item: Item, since: Instant, end: End) -> Outcome {
    let mut right_after = None;
    let mut late_read = None;
    loop {
        let begun = Instant::now();
        let over = end.borrow().map(|end| end.max(since));
        let is_late = late_read.is_none() && over.is_some_and(|over| begun >= over + LATE);
        let read = timeout(READ, item.read(&adapter)).await.unwrap_or(Read::Neither);
        if is_late {
            late_read = Some(read);
        }
        match read {
            Read::New => right_after = right_after.or(Some(since.elapsed())),
            // It was right by chance, or went back in time.
            Read::Old => right_after = None,
            Read::Neither => {}
        }
        let decided = late_read.filter(|_| right_after.is_some());
        if over.is_some_and(|over| begun >= over + WATCHED) || decided.is_some() {
            // A fault that ends has a late read: it is watched for longer than that.
            return Outcome { late_read: late_read.unwrap_or(Read::Neither), right_after };
        }
        let next = match over {
            Some(over) if right_after.is_some() => over + LATE,
            _ => begun + PERIOD,
        };
        sleep_until(next).await;
    }
}
