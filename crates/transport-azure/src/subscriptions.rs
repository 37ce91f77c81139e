//! Which subscription of the topic a node reads: one of its own, for as long as it reads it.
//!
//! Two receivers on one subscription split its messages, so a name is lent out once at a time. A name goes back
//! only when it is certain that nobody reads it any more, because the service itself ended the link. A link that
//! just fell silent may live on in the service's eyes, and would go on taking messages: its subscription is
//! given up and deleted, where the transport may create another one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, oneshot};
use unstale::Runtime;
use unstale::transport::{TransportError, TransportErrorKind as Kind};

use crate::management::{Administration, Creation};
use crate::subscription::End;

/// Names that are drawn for one subscription before it is given up.
const CLASHES: u32 = 5;

/// Where subscriptions come from.
#[derive(Debug)]
pub(crate) enum Strategy {
    /// They are created as needed, with names of our own.
    Automatic { administration: Administration, prefix: String },
    /// An operator made these.
    Manual,
}

/// The subscriptions of one transport.
#[derive(Clone, Debug)]
pub(crate) struct Subscriptions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    strategy: Strategy,
    runtime: Arc<dyn Runtime>,
    /// Names that exist and that nobody reads.
    free: Mutex<Vec<String>>,
    topic_checked: OnceCell<()>,
}

impl Subscriptions {
    pub(crate) fn new(strategy: Strategy, names: Vec<String>, runtime: Arc<dyn Runtime>) -> Self {
        Self(Arc::new(Shared {
            strategy,
            runtime,
            free: Mutex::new(names),
            topic_checked: OnceCell::new(),
        }))
    }

    /// A subscription that nobody else reads, created if need be.
    pub(crate) async fn acquire(&self) -> Result<Lease, TransportError> {
        let shared = &self.0;
        let free = shared.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(name) = free {
            return Ok(Lease { name, shared: Arc::clone(shared), certain: false });
        }
        let Strategy::Automatic { administration, prefix } = &shared.strategy else {
            return Err(Kind::Configuration.error(
                "every subscription that was named is in use; name as many as are open at once",
            ));
        };
        shared.topic_checked.get_or_try_init(|| administration.check_topic()).await?;
        for _ in 0..CLASHES {
            let name = format!("{prefix}-{:016x}", shared.runtime.random_seed());
            // One that exists belongs to somebody else: a process that was cloned draws what its twin has drawn.
            if let Some(lease) = create(shared, name).await? {
                return Ok(lease);
            }
        }
        Err(Kind::Unreachable.error("every name that was drawn for a subscription is taken"))
    }
}

/// The right to read a subscription. Dropped, it gives the subscription up.
#[derive(Debug)]
pub(crate) struct Lease {
    name: String,
    shared: Arc<Shared>,
    /// Whether the service has ended the link, so that nobody reads the subscription.
    certain: bool,
}

impl Lease {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether an operator made it, so that its name is used again in any case.
    #[cfg(feature = "rest")]
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.shared.strategy, Strategy::Manual)
    }

    /// Takes note of why nothing more is received.
    pub(crate) fn ended(&mut self, end: &End) {
        self.certain = end.nobody_reads;
    }

    /// What creates the subscription again, for a mistake that does so behind the node's back.
    #[cfg(unstale_mutants)]
    pub(crate) fn recreation(&self) -> Option<Administration> {
        match &self.shared.strategy {
            Strategy::Automatic { administration, .. } => Some(administration.clone()),
            Strategy::Manual => None,
        }
    }

    /// Creates the subscription again under its name, if it has vanished; whether that could be done.
    pub(crate) async fn recreate(&mut self) -> Result<bool, TransportError> {
        let Strategy::Automatic { administration, .. } = &self.shared.strategy else {
            return Ok(false);
        };
        tracing::info!(
            subscription = self.name,
            "the subscription has vanished and is created anew"
        );
        administration.create_subscription(&self.name).await?;
        self.certain = false;
        Ok(true)
    }

    /// Deletes the subscription, if it is one of ours.
    pub(crate) async fn close(mut self) {
        let name = std::mem::take(&mut self.name);
        match &self.shared.strategy {
            Strategy::Automatic { administration, .. } => {
                delete(administration.clone(), name).await;
            }
            Strategy::Manual => self.shared.give_back(name),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        if name.is_empty() {
            // It was closed.
            return;
        }
        match &self.shared.strategy {
            Strategy::Automatic { administration, .. } if !self.certain => {
                let task = delete(administration.clone(), name);
                self.shared.runtime.spawn("unstale-azure-delete", Box::pin(task));
            }
            _ => self.shared.give_back(name),
        }
    }
}

impl Shared {
    fn give_back(&self, name: String) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Strategy::Automatic { administration, .. } = &self.strategy else { return };
        let free = self.free.get_mut().unwrap_or_else(PoisonError::into_inner);
        for name in free.drain(..) {
            let task = delete(administration.clone(), name);
            self.runtime.spawn("unstale-azure-delete", Box::pin(task));
        }
    }
}

/// Creates a subscription; `None` if the name is taken.
///
/// A task does that, to the end: the service may carry out what was asked for when nobody waits for it any more, and
/// then somebody has to delete it.
async fn create(shared: &Arc<Shared>, name: String) -> Result<Option<Lease>, TransportError> {
    let Strategy::Automatic { administration, .. } = &shared.strategy else { return Ok(None) };
    let (administration, owner) = (administration.clone(), Arc::clone(shared));
    let (reply, created) = oneshot::channel();
    let task = async move {
        let created = administration.create_subscription(&name).await.map(|creation| {
            let lease = || Lease { name, shared: owner, certain: false };
            (creation == Creation::Created).then(lease)
        });
        // A lease that nobody takes is dropped, and gives the subscription up.
        drop(reply.send(created));
    };
    shared.runtime.spawn("unstale-azure-create", Box::pin(task));
    created.await.map_err(|_| Kind::Closed.error("the runtime is shut down"))?
}

/// Deletes a subscription as well as that can be done; the service deletes it after a while anyway.
async fn delete(administration: Administration, name: String) {
    if let Err(error) = administration.delete_subscription(&name).await {
        tracing::debug!(%error, subscription = name, "left to be deleted on idle");
    }
}
