//! Invalidating also when the code that wrote is cancelled.

use std::fmt;

use crate::receipt::Receipt;

/// Invalidates when it is dropped: make it before the write is committed, so that a task that is cancelled
/// or panics between commit and invalidation leaves nobody stale.
///
/// An invalidation too many, for a write that did not happen, costs a load and nothing else.
///
/// ```
/// use unstale::{Cache, Node};
/// use unstale_memory::Hub;
///
/// # async fn commit(_id: u64, _price: u32) -> std::io::Result<()> { Ok(()) }
/// async fn set_price(
///     prices: &Cache<u64, u32>,
///     id: u64,
///     price: u32,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     let guard = prices.invalidate_on_drop(&id);
///     commit(id, price).await?; // cancelled, failed or panicked: invalidated all the same
///     guard.invalidate_now().published().await?;
///     Ok(())
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// set_price(&node.cache("prices").build()?, 7, 995).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it invalidates at once if it is not kept until the write is committed"]
pub struct InvalidateGuard {
    invalidate: Option<Box<dyn FnOnce() -> Receipt + Send + Sync>>,
}

impl InvalidateGuard {
    pub(crate) fn new(invalidate: impl FnOnce() -> Receipt + Send + Sync + 'static) -> Self {
        Self { invalidate: Some(Box::new(invalidate)) }
    }

    /// Does nothing when it is dropped: the write did not happen.
    pub fn disarm(mut self) {
        self.invalidate = None;
    }

    /// Invalidates now.
    pub fn invalidate_now(mut self) -> Receipt {
        self.invalidate.take().map_or_else(Receipt::default, |invalidate| invalidate())
    }
}

impl Drop for InvalidateGuard {
    fn drop(&mut self) {
        if let Some(invalidate) = self.invalidate.take() {
            drop(invalidate());
        }
    }
}

impl fmt::Debug for InvalidateGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateGuard").field("armed", &self.invalidate.is_some()).finish()
    }
}
