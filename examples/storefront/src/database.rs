//! The data source: one SQLite file that all instances share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

/// Queries that run at the same time in one instance; others wait their turn without holding a thread.
const READERS: usize = 4;
/// SQLite has one writer at a time. This is how long one waits for those of other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the database did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// SQLite says no.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A query panicked, or the program is coming to its end.
    #[error("a query did not finish")]
    Unfinished,
}

/// Runs queries on threads that may block. Cheap to clone.
///
/// SQLite is synchronous: a query on a task's own thread would stop every other task of that thread, the
/// node's among them.
#[derive(Clone)]
pub(crate) struct Database {
    readers: Arc<Pool>,
    writers: Arc<Pool>,
}

impl Database {
    /// A database at this path, which is created when it is first used. Opens nothing yet.
    pub(crate) fn new(path: &Path) -> Self {
        let pool = |connections| Arc::new(Pool::new(path.to_owned(), connections));
        Self { readers: pool(READERS), writers: pool(1) }
    }

    /// Runs a query and returns what it found. It sees everything that was committed before it began, by any
    /// process: what a loader needs. (A replica that lags would not do.)
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.readers.run(|connection| query(connection)).await
    }

    /// Runs a transaction and commits it, unless `body` fails.
    ///
    /// # Cancel safety
    /// Once begun the transaction runs to its end, also when the caller is gone; what `body` returned is then
    /// dropped *after* the commit.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let transact = |connection: &mut Connection| {
            // Immediate: it waits for other writers now, and does not fail halfway because of them.
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = body(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        self.writers.run(transact).await
    }
}

/// A few connections, opened when they are first needed.
struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    fn new(path: PathBuf, connections: usize) -> Self {
        Self { path, idle: Mutex::default(), permits: Arc::new(Semaphore::new(connections)) }
    }

    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_closed| DatabaseError::Unfinished)?;
        let pool = Arc::clone(self);
        let job = move || {
            let mut connection = pool.take()?;
            let result = job(&mut connection);
            pool.put_back(connection);
            drop(permit);
            result
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(result) => Ok(result?),
            Err(_panicked) => Err(DatabaseError::Unfinished),
        }
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| open(&self.path), Ok)
    }

    fn put_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // With a write-ahead log readers and the writer do not wait for each other, and a commit need not wait for
    // the disk: a power failure may undo the last commits, but leaves the file consistent.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_is_seen_by_other_connections_and_a_failed_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let (database, other) = (Database::new(&path), Database::new(&path));
        let create = "CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1)";
        database.write(move |transaction| transaction.execute_batch(create)).await.unwrap();
        let failed = database.write(|transaction| {
            transaction.execute("UPDATE numbers SET number = 2", ())?;
            transaction.execute("UPDATE nothing SET number = 2", ())
        });
        assert!(matches!(failed.await, Err(DatabaseError::Sqlite(_))));
        let read = other.read(|connection| {
            connection.query_row("SELECT number FROM numbers", (), |row| row.get::<_, i64>(0))
        });
        assert_eq!(read.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_panic_costs_one_query() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(&folder.path().join("test.db"));
        for _ in 0..READERS * 2 {
            let read = database.read(|_| -> rusqlite::Result<()> { panic!("on purpose") });
            assert!(matches!(read.await, Err(DatabaseError::Unfinished)));
        }
        let read = database
            .read(|connection| connection.query_row("SELECT 7", (), |row| row.get::<_, i64>(0)));
        assert_eq!(read.await.unwrap(), 7);
    }
}
