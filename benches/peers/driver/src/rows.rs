//! The data source of libraries that load: rows that the driver changes, and loads that it can hold up.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

/// A loader that waits for its answer: the ticket it gave, and the value that it will get.
pub type Waiting = (Value, String);

#[derive(Default)]
struct Row {
    value: String,
    /// How many loads there were.
    loads: u64,
    /// Whether the next load is to be held.
    armed: bool,
    held: Option<Waiting>,
}

/// All rows.
pub struct Rows {
    rows: Mutex<HashMap<String, Row>>,
    /// Woken at every load.
    loaded: watch::Sender<()>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { rows: Mutex::default(), loaded: watch::channel(()).0 }
    }
}

impl Rows {
    fn rows(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a row.
    pub fn set(&self, key: &str, value: &str) {
        self.rows().entry(key.to_owned()).or_default().value = value.to_owned();
    }

    /// Forgets all rows.
    pub fn clear(&self) {
        self.rows().clear();
    }

    /// How often the row has been loaded.
    pub fn loads(&self, key: &str) -> u64 {
        self.rows().get(key).map_or(0, |row| row.loads)
    }

    /// The next load of this row reads its value and is then held up until [`release`](Self::release).
    pub fn hold_next(&self, key: &str) {
        self.rows().entry(key.to_owned()).or_default().armed = true;
    }

    /// Waits until a load of this row is held up.
    pub async fn held(&self, key: &str) {
        let mut loaded = self.loaded.subscribe();
        let is_held = || self.rows().get(key).is_some_and(|row| row.held.is_some());
        // The sender lives as long as this.
        let _ = loaded.wait_for(|()| is_held()).await;
    }

    /// A loader asks for a row: its answer, unless it is held up.
    pub fn load(&self, key: &str, ticket: Value) -> Option<Waiting> {
        let mut rows = self.rows();
        let row = rows.entry(key.to_owned()).or_default();
        row.loads += 1;
        let waiting = (ticket, row.value.clone());
        let answer = if std::mem::take(&mut row.armed) {
            row.held = Some(waiting);
            None
        } else {
            Some(waiting)
        };
        drop(rows);
        self.loaded.send_replace(());
        answer
    }

    /// The load of this row that was held up, to be answered now.
    pub fn release(&self, key: &str) -> Option<Waiting> {
        let mut rows = self.rows();
        let row = rows.get_mut(key)?;
        row.armed = false;
        row.held.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_load_is_held_with_the_value_that_it_read() {
        let rows = Rows::default();
        rows.set("a", "old");
        rows.hold_next("a");
        assert_eq!(rows.load("a", 1.into()), None);
        rows.held("a").await;
        rows.set("a", "new");
        assert_eq!(rows.load("a", 2.into()), Some((2.into(), "new".to_owned())));
        assert_eq!(rows.release("a"), Some((1.into(), "old".to_owned())));
        assert_eq!((rows.release("a"), rows.loads("a")), (None, 2));
    }
}
