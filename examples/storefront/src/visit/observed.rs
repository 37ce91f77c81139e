//! One change, with a reader at every instance who watches it arrive.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::site::Site;
use super::tally::{Readings, Tally};
use crate::Error;
use crate::catalogue::{CategoryId, Change, Product, ProductId};
use crate::shop::FRESHNESS;

/// Reads of the product after it was first seen new: from then on none may be old.
const READS_AFTERWARDS: u32 = 3;
/// A reader who has not seen the new version this long after the promise gives up.
const PATIENCE: Duration = Duration::from_secs(3);

/// When the writer was answered, and whether the invalidation was complete by then.
#[derive(Clone, Copy)]
struct Answered {
    at: Instant,
    published: bool,
}

/// What one reader waits for.
struct Watch {
    site: Site,
    is_writer: bool,
    id: ProductId,
    category: CategoryId,
    /// The version that the change makes.
    version: i64,
    answered: Arc<OnceLock<Answered>>,
}

/// What became of a change.
pub(crate) struct Observed {
    pub(crate) product: Product,
    pub(crate) published: bool,
    /// What the writer waited for.
    pub(crate) put: Duration,
    /// Each instance in turn: from the writer's answer to the end of the first read with the new version.
    /// Zero if that was earlier; `None` if there was none.
    pub(crate) coherent: Vec<Option<Duration>>,
}

/// Changes a product at one instance while every instance is being read from, and adds what the readers saw
/// to the tally.
pub(crate) async fn change(
    sites: &[Site],
    writer: usize,
    id: ProductId,
    change: &Change,
    tally: &mut Tally,
) -> Result<Observed, Error> {
    let old = sites[writer].product(id).await?.value;
    // A product that is not there yet has version 0, so to speak.
    let version = 1 + old.as_ref().map_or(0, |product| product.version);
    let category = change.category.or_else(|| old.map(|product| product.category));
    let category = category.ok_or("a new product needs a category")?;
    // Everybody has the old version in memory, and goes on reading while the change is made.
    for site in sites {
        site.product(id).await?;
        site.page(category).await?;
    }
    let answered = Arc::new(OnceLock::new());

    let mut readers = JoinSet::new();
    for (index, site) in sites.iter().enumerate() {
        let watch = Watch {
            site: site.clone(),
            is_writer: index == writer,
            id,
            category,
            version,
            answered: Arc::clone(&answered),
        };
        readers.spawn(async move { (index, watch.run().await) });
    }
    let reply = sites[writer].put(id, change).await?;
    let (at, put) = (reply.ended, reply.took());
    let (product, published) = (reply.value.product, reply.value.published);
    if product.version != version {
        return Err(format!("somebody else changed product {id}").into());
    }
    let _ = answered.set(Answered { at, published });

    let mut coherent = vec![None; sites.len()];
    while let Some(reader) = readers.join_next().await {
        let (index, readings) = reader?;
        let readings = readings?;
        if let Some(new_at) = readings.new_at {
            tally.coherent(new_at.saturating_duration_since(at), new_at - reply.began);
        }
        coherent[index] = readings.new_at.map(|new_at| new_at.saturating_duration_since(at));
        tally.add(sites[index].number, readings, published);
    }
    Ok(Observed { product, published, put, coherent })
}

impl Watch {
    async fn run(self) -> Result<Readings, Error> {
        let mut readings = Readings::default();
        loop {
            let reply = self.site.product(self.id).await?;
            readings.count(reply.from_memory);
            let version = reply.value.map_or(0, |product| product.version);
            if version >= self.version {
                readings.new_at = Some(reply.ended);
                break;
            }
            // Not stale as such: the message may be on its way. But see what is promised.
            if let Some(answered) = self.answered.get() {
                let age = reply.began.saturating_duration_since(answered.at);
                if self.is_writer && reply.began > answered.at {
                    readings.stale(format!("own write unread after {age:?}"));
                } else if answered.published && age > FRESHNESS {
                    readings.stale(format!("still old {age:?} after the change was complete"));
                }
                if age > FRESHNESS + PATIENCE {
                    return Ok(readings);
                }
            }
        }
        for _ in 0..READS_AFTERWARDS {
            let reply = self.site.product(self.id).await?;
            readings.count(reply.from_memory);
            if reply.value.is_none_or(|product| product.version < self.version) {
                readings.stale("old again after it had been new".into());
            }
        }
        // The page was composed from the product, or names it only now: it must not lag behind.
        let reply = self.site.page(self.category).await?;
        readings.count(reply.from_memory);
        if reply.value.is_none_or(|page| page.version_of(self.id) < self.version) {
            readings.stale(format!("the page of category {} is old", self.category));
        }
        Ok(readings)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use axum::extract::State;
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::{Value, json};

    use super::*;

    /// An instance that lies: what it answers, given the latest version and how many reads there were since
    /// that was written.
    type Lie = fn(version: u64, reads: u64) -> u64;

    #[derive(Clone)]
    struct Liar {
        product: Lie,
        page: Lie,
        version: Arc<AtomicU64>,
        reads: Arc<AtomicU64>,
    }

    fn product(version: u64) -> Value {
        json!({"id": 1, "name": "lamp", "category": 1, "price_cents": 1, "version": version})
    }

    async fn read_product(State(liar): State<Liar>) -> Json<Value> {
        let reads = liar.reads.fetch_add(1, Ordering::SeqCst);
        Json(product((liar.product)(liar.version.load(Ordering::SeqCst), reads)))
    }

    async fn read_page(State(liar): State<Liar>) -> Json<Value> {
        let version = liar.version.load(Ordering::SeqCst);
        Json(json!({"products": [product((liar.page)(version, 0))]}))
    }

    async fn write(State(liar): State<Liar>) -> Json<Value> {
        let version = liar.version.fetch_add(1, Ordering::SeqCst) + 1;
        liar.reads.store(0, Ordering::SeqCst);
        Json(json!({"product": product(version), "published": true}))
    }

    async fn stale_reads(product: Lie, page: Lie) -> u64 {
        // Long unchanged, and read an even number of times since.
        let (version, reads) = (Arc::new(AtomicU64::new(7)), Arc::new(AtomicU64::new(1_000)));
        let routes = Router::new()
            .route("/products/1", get(read_product).put(write))
            .route("/categories/1", get(read_page))
            .with_state(Liar { product, page, version, reads });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sites = [Site::new(1, listener.local_addr().unwrap())];
        let server = tokio::spawn(axum::serve(listener, routes).into_future());
        let mut tally = Tally::default();
        change(&sites, 0, 1, &Change::default(), &mut tally).await.unwrap();
        server.abort();
        tally.stale
    }

    /// What the visit reports is worth something only if it would notice.
    #[tokio::test]
    async fn stale_reads_are_noticed() {
        let honest: Lie = |version, _| version;
        assert_eq!(stale_reads(honest, honest).await, 0);
        // The first reads may have begun before the write was answered, the last of them has not.
        let own_write_unread: Lie = |version, reads| version - u64::from(reads < 100);
        assert!(stale_reads(own_write_unread, honest).await > 50);
        let back_in_time: Lie = |version, reads| version - reads % 2;
        assert!(stale_reads(back_in_time, honest).await > 0);
        let old_page: Lie = |version, _| version - 1;
        assert_eq!(stale_reads(honest, old_page).await, 1);
    }
}
