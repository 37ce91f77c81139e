//! What an invalidation hands back.

use tokio::sync::watch;

/// Says when an invalidation has been accepted by the broker.
///
/// Dropping it is fine: the local caches are already clean and the outbox delivers to the others as soon as
/// the broker can be reached. Await [`published`](Self::published) to know that it has.
///
/// ```
/// use unstale::{Cache, Node};
/// use unstale_memory::Hub;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::builder("shop").transport(Hub::new().transport()).build()?;
/// let prices: Cache<u64, u32> = node.cache("prices").build()?;
///
/// prices.invalidate_many(&[7, 8, 9]).published().await?; // one frame, one wait
/// let _ = prices.invalidate(&7); // told to the others too, but nobody waits for it
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "await `published()` to know that the broker has it, or drop it with `let _ =`"]
pub struct Receipt {
    tickets: Tickets,
}

#[derive(Debug, Default)]
enum Tickets {
    #[default]
    None,
    One(Ticket),
    Many(Vec<Ticket>),
}

/// A place in one lane's outbox.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Resolved once the lane's count of accepted targets reaches this.
    pub(crate) place: u64,
    pub(crate) accepted: watch::Receiver<u64>,
}

impl Receipt {
    /// For a node that publishes nothing for this invalidation.
    #[cfg(test)]
    pub(crate) fn nothing_to_publish() -> Self {
        Self::default()
    }

    pub(crate) fn new(ticket: Ticket) -> Self {
        Self { tickets: Tickets::One(ticket) }
    }

    pub(crate) fn join(tickets: Vec<Ticket>) -> Self {
        Self { tickets: Tickets::Many(tickets) }
    }

    /// Waits until the broker has accepted the invalidation; it is then *completed*.
    ///
    /// While the broker is away this waits for its return. Limit it with a time-out if you must: the
    /// invalidation stays in the outbox all the same.
    ///
    /// # Errors
    /// [`NotPublished`] when the node was shut down or dropped before the broker accepted it.
    ///
    /// # Cancel safety
    /// Cancel safe in the sense above: nothing is withdrawn.
    pub async fn published(self) -> Result<(), NotPublished> {
        match self.tickets {
            Tickets::None => Ok(()),
            Tickets::One(ticket) => ticket.wait().await,
            Tickets::Many(tickets) => {
                for ticket in tickets {
                    ticket.wait().await?;
                }
                Ok(())
            }
        }
    }
}

impl Ticket {
    async fn wait(mut self) -> Result<(), NotPublished> {
        let place = self.place;
        match self.accepted.wait_for(|accepted| *accepted >= place).await {
            Ok(_) => Ok(()),
            Err(_) => Err(NotPublished),
        }
    }
}

/// The node was shut down or dropped before the broker accepted an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node was shut down before the broker accepted the invalidation")]
pub struct NotPublished;
