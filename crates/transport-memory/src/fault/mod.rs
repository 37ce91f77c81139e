//! Faults on demand, over any transport.
//!
//! ```
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use unstale::{TokioRuntime, Transport};
//! use unstale_memory::Hub;
//! use unstale_memory::fault::{Faulty, PublishFault};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let transport = Faulty::new(Arc::new(Hub::new().transport()), Arc::new(TokioRuntime::new()));
//! let faults = transport.handle();
//! // `transport` goes to a node, `faults` stays with the test.
//! faults.on_publish(1, PublishFault::AcceptButFail);
//! assert!(transport.publish(Bytes::from_static(b"accepted all the same")).await.is_err());
//! assert_eq!(faults.injected().accepted_but_failed, 1);
//! # }
//! ```

mod handle;
mod state;
mod subscription;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use unstale::transport::{Capabilities, Subscription, TransportError, TransportErrorKind};
use unstale::{Runtime, Transport};

pub use handle::FaultHandle;
pub use state::{Injected, PublishFault};

use state::Shared;
use subscription::FaultySubscription;

/// A decorator that does to any transport what its [`FaultHandle`] says, and nothing until then.
///
/// Faults strike this transport only: another one on the same channel goes on undisturbed. All time comes
/// from the runtime that it is given and nothing is random, so a schedule of faults can be repeated exactly.
pub struct Faulty {
    inner: Arc<dyn Transport>,
    shared: Arc<Shared>,
}

impl Faulty {
    /// `inner` without a fault so far. Delays and late frames run on `runtime`.
    pub fn new(inner: Arc<dyn Transport>, runtime: Arc<dyn Runtime>) -> Self {
        Self { inner, shared: Arc::new(Shared::new(runtime)) }
    }

    /// What switches the faults on and off; any number of them.
    pub fn handle(&self) -> FaultHandle {
        FaultHandle::new(Arc::clone(&self.shared))
    }

    fn accept_later(&self, frame: Bytes, wait: std::time::Duration) {
        let inner = Arc::clone(&self.inner);
        let sleep = self.shared.sleep(wait);
        let late = async move {
            sleep.await;
            // Nobody is told how a late publish ends: its caller was told that it failed.
            let _ = inner.publish(frame).await;
        };
        self.shared.runtime.spawn("late publish", Box::pin(late));
    }
}

#[async_trait]
impl Transport for Faulty {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, TransportError> {
        self.shared.until(|state| !state.silent).await;
        if let Some(kind) = self.shared.refusal(|state| state.refuse_subscribe) {
            return Err(kind.error("injected: subscribing is refused"));
        }
        // From here on a disconnect strikes this subscription, also one that comes before it is confirmed.
        let connection = self.shared.connection();
        let inner = self.inner.subscribe().await?;
        self.shared.until(|state| !state.silent).await;
        let subscription = FaultySubscription::new(inner, Arc::clone(&self.shared), connection);
        Ok(Box::new(subscription))
    }

    async fn publish(&self, frame: Bytes) -> Result<(), TransportError> {
        self.shared.until(|state| !state.publishing_hangs).await;
        let delay = self.shared.publish_delay();
        if !delay.is_zero() {
            self.shared.sleep(delay).await;
        }
        if let Some(kind) = self.shared.refusal(|state| state.refuse_publish) {
            return Err(kind.error("injected: publishing is refused"));
        }
        let failed = || TransportErrorKind::Unreachable.error("injected: the answer was lost");
        match self.shared.fault_of_publish(&frame) {
            None => self.inner.publish(frame).await,
            Some(PublishFault::Lose) => Ok(()),
            Some(PublishFault::Fail) => Err(failed()),
            Some(PublishFault::AcceptButFail) => {
                self.inner.publish(frame).await?;
                Err(failed())
            }
            Some(PublishFault::AcceptLater(wait)) => {
                self.accept_later(frame, wait);
                Err(failed())
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner.capabilities().name)
            .field("injected", &self.handle().injected())
            .finish_non_exhaustive()
    }
}
