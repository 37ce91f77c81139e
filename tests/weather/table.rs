//! The data source: a table whose rows have versions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Long enough that invalidations meet loads in flight, short enough to be no load on the machine.
const LATENCY: Duration = Duration::from_millis(2);

/// Rows `0..rows`, each with the number of commits that it has seen. Reads are linearizable.
pub struct Table {
    versions: Vec<AtomicU64>,
}

impl Table {
    pub fn new(rows: u32) -> Self {
        Self { versions: (0..rows).map(|_| AtomicU64::new(1)).collect() }
    }

    pub fn rows(&self) -> u32 {
        u32::try_from(self.versions.len()).expect("rows are counted in u32")
    }

    /// Commits a new version of a row.
    pub fn commit(&self, row: u32) -> u64 {
        self.versions[row as usize].fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn latest(&self, row: u32) -> u64 {
        self.versions[row as usize].load(Ordering::SeqCst)
    }

    /// Reads a row as a database would: at one moment between the call and the return.
    pub async fn read(&self, row: u32) -> u64 {
        tokio::time::sleep(LATENCY / 2).await;
        let version = self.latest(row);
        tokio::time::sleep(LATENCY / 2).await;
        version
    }
}
