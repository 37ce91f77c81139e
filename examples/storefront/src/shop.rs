//! The shop: a node, its caches, and the database behind them. This is the file to copy from.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusRecorder;
use serde::Serialize;
use tokio::time::timeout;
use unstale::{
    Cache, ConfigError, Freshness, InvalidateGuard, LoadContext, LoadError, Node, Runtime,
    ShutdownError, Transport,
};

use crate::catalogue::{self, CategoryId, Change, Product, ProductId, Refusal};
use crate::database::{Database, DatabaseError};

/// No read returns anything that was superseded longer ago than this, whatever happens to the network. In good
/// weather it is a matter of milliseconds.
pub(crate) const FRESHNESS: Duration = Duration::from_secs(2);
/// How long a write waits for the broker before it answers without its confirmation.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(1);
/// How long the last invalidations may take when an instance leaves.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);
/// All instances that share a database have the same namespace.
pub(crate) const NAMESPACE: &str = "storefront";

/// Keeps a product that was asked for and is not there from being remembered for ever: anybody can ask for
/// anything.
const ABSENT_TIME_TO_LIVE: Duration = Duration::from_secs(60);

/// A category with its products.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Page {
    id: CategoryId,
    name: String,
    products: Vec<Arc<Product>>,
}

/// What a read found, and where.
pub(crate) struct Answer<T> {
    pub(crate) value: Option<Arc<T>>,
    pub(crate) from: Source,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The cache, or a query that another reader had already begun.
    Memory,
    /// A query of this reader.
    Database,
}

/// What became of a write.
pub(crate) struct Written {
    pub(crate) product: Product,
    /// Whether the broker has confirmed the invalidation. If not it will be delivered as soon as it can be;
    /// until then other instances may answer with the old value for up to [`FRESHNESS`].
    pub(crate) published: bool,
}

/// Why a write failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// One instance's shop.
pub(crate) struct Shop {
    node: Node,
    products: Cache<ProductId, Arc<Product>>,
    pages: Cache<CategoryId, Arc<Page>>,
    database: Database,
    runtime: Arc<dyn Runtime>,
}

impl Shop {
    /// Opens a shop. The broker need not be reachable: until it is, values are cached for [`FRESHNESS`].
    pub(crate) fn open(
        database: Database,
        transport: Arc<dyn Transport>,
        runtime: Arc<dyn Runtime>,
        recorder: Arc<PrometheusRecorder>,
    ) -> Result<Self, ConfigError> {
        let node = Node::builder(NAMESPACE)
            .shared_transport(transport)
            .freshness(Freshness::Within(FRESHNESS))
            .runtime(Arc::clone(&runtime))
            .metrics_recorder(recorder)
            .build()?;
        // No time to live: entries go when they are invalidated, or when room is needed.
        let products = node
            .cache("products")
            .capacity(10_000)
            .absent_time_to_live(ABSENT_TIME_TO_LIVE)
            .build()?;
        let pages =
            node.cache("pages").capacity(500).absent_time_to_live(ABSENT_TIME_TO_LIVE).build()?;
        Ok(Self { node, products, pages, database, runtime })
    }

    /// A product. That it does not exist is remembered like a value, until somebody adds it.
    pub(crate) async fn product(&self, id: ProductId) -> Result<Answer<Product>, LoadError> {
        let mut from = Source::Memory;
        let load = |_| {
            from = Source::Database;
            let database = self.database.clone();
            async move {
                let product = database.read(move |rows| catalogue::product(rows, id)).await?;
                Ok::<_, DatabaseError>(product.map(Arc::new))
            }
        };
        let value = self.products.get_or_load_optional(&id, load).await?;
        Ok(Answer { value, from })
    }

    /// A category with all its products.
    pub(crate) async fn page(&self, id: CategoryId) -> Result<Answer<Page>, LoadError> {
        let mut from = Source::Memory;
        let load = |context: LoadContext| {
            from = Source::Database;
            self.load_page(id, context)
        };
        let value = self.pages.get_or_load_optional(&id, load).await?;
        Ok(Answer { value, from })
    }

    /// Composes a page from the products' cache. What it reads there the page depends on from then on: a change
    /// of any of these products drops the page too, here and everywhere, and nobody had to say so.
    async fn load_page(
        &self,
        id: CategoryId,
        context: LoadContext,
    ) -> Result<Option<Arc<Page>>, PageError> {
        // What the page cannot depend on by reading it: products that are not in the category yet. Whoever puts
        // one in invalidates this tag.
        context.tag(category_tag(id));
        let category = self.database.read(move |rows| catalogue::category(rows, id)).await?;
        let Some(category) = category else {
            return Ok(None);
        };
        let load = |ids: Vec<ProductId>, _| {
            let database = self.database.clone();
            async move {
                let rows = database.read(move |rows| catalogue::products(rows, &ids)).await?;
                let rows = rows.into_iter().map(|product| (product.id, Arc::new(product)));
                Ok::<_, DatabaseError>(rows.collect::<Vec<_>>())
            }
        };
        let products = self.products.get_many_or_load(&category.products, load).await?;
        // One may have moved since its category was read; the page is then dropped in a moment.
        let products =
            products.into_iter().flatten().filter(|product| product.category == id).collect();
        Ok(Some(Arc::new(Page { id, name: category.name, products })))
    }

    /// Changes or adds a product. When it returns no reader of this instance gets the old one, and readers of
    /// the others do not either as soon as they have got the message.
    pub(crate) async fn change(
        &self,
        id: ProductId,
        change: Change,
    ) -> Result<Written, WriteError> {
        // The order matters: first commit, then invalidate, or another instance could read the old row again
        // in between and keep it. The guard is made before, and invalidates when it is dropped. It goes *into*
        // the transaction, which runs to its end even if the client hangs up and this future is dropped: the
        // guard comes out after the commit, to us or to nobody, and the others are told in either case.
        let tag = change.category.map(category_tag);
        let guards = Guards {
            category: tag.map(|tag| self.pages.invalidate_tag_on_drop(tag)),
            product: self.products.invalidate_on_drop(&id),
        };
        let transaction = self.database.write(move |transaction| {
            let changed = catalogue::change(transaction, id, &change)?;
            Ok((changed, guards))
        });
        match transaction.await? {
            (Ok(product), guards) => {
                let published = guards.invalidate().await;
                Ok(Written { product, published })
            }
            (Err(refusal), guards) => {
                guards.disarm();
                Err(refusal.into())
            }
        }
    }

    /// The node, for its status.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Where the node takes its time from.
    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    /// Each cache's name, size and counters.
    pub(crate) fn caches(&self) -> [(&str, usize, unstale::Stats); 2] {
        [
            (self.products.name(), self.products.len(), self.products.stats()),
            (self.pages.name(), self.pages.len(), self.pages.stats()),
        ]
    }

    /// Tells the others what they do not know yet, and leaves.
    pub(crate) async fn close(&self) -> Result<(), ShutdownError> {
        self.node.shutdown(SHUTDOWN_PATIENCE).await
    }
}

/// Invalidates what a write touches, at the latest when it is dropped.
///
/// The page goes first. Over one transport the invalidations of a node arrive in their order: who sees a product
/// that is new in a category finds it on the page, too.
struct Guards {
    category: Option<InvalidateGuard>,
    product: InvalidateGuard,
}

impl Guards {
    /// Invalidates now. Returns whether the broker has confirmed it in good time.
    async fn invalidate(self) -> bool {
        let category = self.category.map(InvalidateGuard::invalidate_now);
        let product = self.product.invalidate_now();
        let published = async {
            product.published().await?;
            match category {
                Some(category) => category.published().await,
                None => Ok(()),
            }
        };
        // A broker that is away must not make writes hang: they are committed, and this instance knows.
        matches!(timeout(PUBLISH_PATIENCE, published).await, Ok(Ok(())))
    }

    /// Nothing was written.
    fn disarm(self) {
        self.product.disarm();
        if let Some(category) = self.category {
            category.disarm();
        }
    }
}

/// Why a page could not be composed.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Products(#[from] LoadError),
}

fn category_tag(id: CategoryId) -> String {
    format!("category:{id}")
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use unstale::{State, TokioRuntime};
    use unstale_memory::Hub;

    use super::*;

    /// Longer than anything here takes on a busy machine. Only a failing test waits for so long.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Two shops over one database, live.
    async fn shops(path: &std::path::Path) -> [Shop; 2] {
        let hub = Hub::new();
        Database::new(path).write(catalogue::fill).await.unwrap();
        let shops = [(), ()].map(|()| {
            let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
            let runtime = Arc::new(TokioRuntime::new());
            let transport = Arc::new(hub.transport());
            Shop::open(Database::new(path), transport, runtime, recorder).unwrap()
        });
        for shop in &shops {
            assert!(shop.node().status_stream().reaches(State::Live).await);
        }
        shops
    }

    async fn version(shop: &Shop, id: ProductId) -> Option<i64> {
        shop.product(id).await.unwrap().value.map(|product| product.version)
    }

    async fn is_on_page(shop: &Shop, page: CategoryId, id: ProductId) -> bool {
        let page = shop.page(page).await.unwrap().value.unwrap();
        page.products.iter().any(|product| product.id == id)
    }

    /// Repeats until it is so.
    async fn until(what: &str, condition: impl AsyncFn() -> bool) {
        let search = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    #[tokio::test]
    async fn a_write_whose_client_hangs_up_reaches_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let shops = shops(&path).await;
        for shop in &shops {
            assert_eq!(version(shop, 5).await, Some(1));
        }
        // The write has begun, and waits for another process's.
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let write = shops[0].change(5, Change { price_cents: Some(1), ..Change::default() });
        tokio::select! {
            biased;
            _ = write => panic!("written in spite of the lock"),
            () = std::future::ready(()) => {}
        }
        // The client has gone. Had that invalidated already, the old row would be cached again here.
        for shop in &shops {
            assert_eq!(version(shop, 5).await, Some(1));
        }
        other.execute_batch("COMMIT").unwrap();
        for shop in &shops {
            until("the new version", async || version(shop, 5).await == Some(2)).await;
        }
    }

    #[tokio::test]
    async fn pages_follow_their_products_and_gain_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = shops(&folder.path().join("shop.db")).await;
        // Product 80 is in category 1 at first.
        for shop in [&here, &there] {
            assert!(is_on_page(shop, 1, 80).await);
            assert!(!is_on_page(shop, 2, 80).await);
            assert_eq!(shop.page(2).await.unwrap().from, Source::Memory);
        }
        let moved = Change { category: Some(2), ..Change::default() };
        assert!(here.change(80, moved).await.unwrap().published);
        assert!(is_on_page(&here, 2, 80).await && !is_on_page(&here, 1, 80).await);
        until("its new page", async || is_on_page(&there, 2, 80).await).await;
        until("its old page", async || !is_on_page(&there, 1, 80).await).await;
    }

    #[tokio::test]
    async fn what_is_not_there_is_remembered_until_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = shops(&folder.path().join("shop.db")).await;
        let id = catalogue::PRODUCTS + 1;
        for shop in [&here, &there] {
            assert_eq!(version(shop, id).await, None);
            assert_eq!(shop.product(id).await.unwrap().from, Source::Memory);
        }
        let incomplete = Change { price_cents: Some(1), ..Change::default() };
        let refused = here.change(id, incomplete).await;
        assert!(matches!(refused, Err(WriteError::Refused(Refusal::Incomplete))));
        // A refused write costs nobody anything.
        assert_eq!(here.product(id).await.unwrap().from, Source::Memory);
        let new = Change { name: Some("new lamp".into()), price_cents: Some(1), category: Some(3) };
        here.change(id, new).await.unwrap();
        assert_eq!(version(&here, id).await, Some(1));
        until("the new product", async || version(&there, id).await == Some(1)).await;
        assert!(is_on_page(&there, 3, id).await);
    }
}
