//! A library on the bench: its adapter, a Redis and a proxy of its own, and the rows.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::adapter::{Adapter, Instance, Kind, PATIENCE, Streams};
use crate::case::Means;
use crate::proxy::Proxy;
use crate::redis::{Connection, Server, free_port};
use crate::report::Read;
use crate::rows::Rows;
use crate::trial::Item;

/// How long a library may take until it works again after a fault.
const RECOVERY: Duration = Duration::from_secs(20);
/// How long an invalidation may take until it is tried with another key.
const PROBE: Duration = Duration::from_millis(500);

struct SourceReads {
    loads: u64,
    lookups: u64,
}

/// Starts an adapter whose instances connect to these ports.
pub trait Launch {
    /// Its streams.
    ///
    /// # Errors
    /// When it cannot be started.
    fn launch(&self, a: u16, b: u16) -> io::Result<Streams>;
}

/// What a trial needs.
pub struct Bench<'l> {
    /// The broker.
    pub server: Server,
    /// Between `b` and the broker.
    pub proxy: Proxy,
    /// What loaders read.
    pub rows: Arc<Rows>,
    launcher: &'l dyn Launch,
    adapter: Option<Arc<Adapter>>,
    rows_made: u32,
}

impl<'l> Bench<'l> {
    /// A bench without an adapter yet.
    ///
    /// # Errors
    /// When the server cannot be started.
    pub async fn new(redis_server: &Path, launcher: &'l dyn Launch) -> io::Result<Self> {
        let server = Server::start(redis_server).await?;
        let proxy = Proxy::start(free_port(), server.port()).await?;
        let rows = Arc::default();
        Ok(Self { server, proxy, rows, launcher, adapter: None, rows_made: 0 })
    }

    /// The adapter that runs.
    ///
    /// # Errors
    /// When none does.
    pub fn adapter(&self) -> io::Result<Arc<Adapter>> {
        self.adapter.clone().ok_or_else(|| io::Error::other("no adapter runs"))
    }

    /// A connection of the driver's own.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn redis(&self) -> io::Result<Connection> {
        Connection::open(self.server.port()).await
    }

    /// Replaces the adapter by a new one over an empty Redis.
    ///
    /// # Errors
    /// When it cannot be started, or invalidations do not work in it at all.
    pub async fn renew(&mut self) -> io::Result<()> {
        self.start(self.proxy.port()).await?;
        if self.works().await? {
            return Ok(());
        }
        Err(io::Error::other("a change at `a` does not reach `b`"))
    }

    /// Replaces the adapter by one whose instances both connect to Redis directly: for measurements of speed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn renew_without_proxy(&mut self) -> io::Result<()> {
        self.start(self.server.port()).await
    }

    async fn start(&mut self, b: u16) -> io::Result<()> {
        self.end().await;
        self.proxy.release();
        self.rows.clear();
        self.redis().await?.ask(&["FLUSHALL"]).await?;
        let streams = self.launcher.launch(self.server.port(), b)?;
        self.adapter = Some(Arc::new(Adapter::greet(streams, Arc::clone(&self.rows)).await?));
        Ok(())
    }

    /// Brings the broker and the proxy back, whatever was done to them.
    ///
    /// # Errors
    /// When that fails.
    pub async fn repair(&mut self) -> io::Result<()> {
        if self.redis().await.is_err() {
            self.server.restart().await?;
        }
        self.proxy.release();
        self.proxy.accept().await
    }

    /// Ends the adapter.
    pub async fn end(&mut self) {
        if let Some(adapter) = self.adapter.take().and_then(Arc::into_inner) {
            adapter.end().await;
        }
    }

    /// Waits until a change at `a` is seen at `b`, as it should be between faults; `false` when that takes too long.
    ///
    /// # Errors
    /// When the driver's own connection breaks.
    pub async fn works(&mut self) -> io::Result<bool> {
        let adapter = self.adapter()?;
        let begun = Instant::now();
        while begun.elapsed() < RECOVERY {
            let [item] = &self.make_items(1, Means::Key)[..] else { continue };
            self.write(std::slice::from_ref(item), |item| &item.old).await?;
            if item.read(&adapter).await == Read::Old && self.change(item).await.is_ok() {
                let until = Instant::now() + PROBE;
                while Instant::now() < until {
                    if item.read(&adapter).await == Read::New {
                        return Ok(true);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            // What fails at once is not asked without end.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(false)
    }

    /// Rows that nobody has read yet.
    pub fn make_items(&mut self, count: usize, means: Means) -> Vec<Item> {
        let mut make = || {
            self.rows_made += 1;
            Item::numbered(self.rows_made, means == Means::Tag)
        };
        (0..count).map(|_| make()).collect()
    }

    /// Writes rows around the library.
    ///
    /// # Errors
    /// When the driver's own connection breaks.
    pub async fn write(&self, items: &[Item], value: impl Fn(&Item) -> &str) -> io::Result<()> {
        match self.adapter()?.hello.kind {
            Kind::Loading => items.iter().for_each(|item| self.rows.set(&item.key, value(item))),
            Kind::Tracking => {
                let mut redis = self.redis().await?;
                for item in items {
                    redis.ask(&["SET", &item.key, value(item)]).await?;
                }
            }
        }
        Ok(())
    }

    /// Changes a row as an application does: it writes and invalidates at `a`.
    ///
    /// # Errors
    /// When `a` fails.
    pub async fn change(&self, item: &Item) -> io::Result<()> {
        let adapter = self.adapter()?;
        // A tracking client writes the row itself.
        self.rows.set(&item.key, &item.new);
        let done = adapter.invalidate(&item.key, &item.new, PATIENCE).await;
        done.map(drop).map_err(io::Error::other)
    }

    /// Changes all of them.
    ///
    /// # Errors
    /// When `a` fails, or the driver's own connection breaks.
    pub async fn change_all(&self, items: &[Item], means: Means) -> io::Result<()> {
        let adapter = self.adapter()?;
        let kind = adapter.hello.kind;
        if kind == Kind::Loading {
            self.write(items, |item| &item.new).await?;
        }
        match means {
            Means::Key => {
                for item in items {
                    self.change(item).await?;
                }
                return Ok(());
            }
            Means::Tag => {
                for tag in items.iter().filter_map(|item| item.tag.as_deref()) {
                    adapter.invalidate_tag(tag).await.map_err(io::Error::other)?;
                }
            }
            Means::Clear if adapter.hello.clear => {
                adapter.clear().await.map_err(io::Error::other)?;
            }
            Means::Clear => drop(self.redis().await?.ask(&["FLUSHALL"]).await?),
        }
        if kind == Kind::Tracking {
            self.write(items, |item| &item.new).await?;
        }
        Ok(())
    }

    /// Reads rows at `b` until all are served from its own memory: neither the source nor Redis is asked. A library that
    /// looks into Redis at every read, as it may with tags, is content with the source.
    ///
    /// # Errors
    /// When that does not happen.
    pub async fn hold_at_b(&self, items: &[Item]) -> io::Result<()> {
        self.write(items, |item| &item.old).await?;
        let is_tagged = items.iter().any(|item| item.tag.is_some());
        let begun = Instant::now();
        while begun.elapsed() < RECOVERY {
            let first = self.read_all(items).await?;
            let before = self.source_reads(items).await?;
            let second = self.read_all(items).await?;
            let after = self.source_reads(items).await?;
            let all_old = first.iter().chain(&second).all(|read| *read == Read::Old);
            if all_old && after.loads == before.loads {
                let is_local = after.lookups == before.lookups;
                if is_local || is_tagged {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::other("`b` does not serve from its memory"))
    }

    async fn read_all(&self, items: &[Item]) -> io::Result<Vec<Read>> {
        let mut reads = JoinSet::new();
        for item in items {
            let (item, adapter) = (item.clone(), self.adapter()?);
            reads.spawn(async move { item.read(&adapter).await });
        }
        Ok(reads.join_all().await)
    }

    /// How often these rows were loaded, and how often Redis was asked for anything.
    async fn source_reads(&self, items: &[Item]) -> io::Result<SourceReads> {
        let loads = items.iter().map(|item| self.rows.loads(&item.key)).sum();
        Ok(SourceReads { loads, lookups: self.redis().await?.lookups().await? })
    }

    /// Starts reads at `b` that are to be held up.
    ///
    /// # Errors
    /// When no adapter runs.
    pub fn begin_reads(&self, items: &[Item], reads: &mut JoinSet<()>) -> io::Result<()> {
        for item in items {
            let (item, adapter) = (item.clone(), self.adapter()?);
            reads.spawn(async move {
                // What it returns is up to the library: it began before the change.
                let tag = item.tag.as_deref();
                let _ = adapter.read(Instance::B, &item.key, tag, PATIENCE).await;
            });
        }
        Ok(())
    }
}
