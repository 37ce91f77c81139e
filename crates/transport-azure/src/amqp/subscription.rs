//! Receives from one subscription of the topic, with receive-and-delete.
//!
//! The service deletes a message when it sends it, so what it sent onto a link that died is lost. A link is
//! therefore never attached again within a subscription: its end is the end of the subscription, and what was
//! missed is found out by the node.

use std::task::{Context, Poll};

use fe2o3_amqp::Receiver;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::Value;
use unstale::runtime::BoxFuture;
use unstale::transport::TransportError;

use super::connection::{Connection, Dialer};
use super::failure::Cause;
use super::fencing::Fencing;
use super::message;
use crate::order::Fence;
use crate::subscription::{End, Link, Received};
use crate::subscriptions::Lease;

/// Attaches to a subscription.
pub(super) async fn attach(dialer: &Dialer, lease: &Lease, prefetch: u32) -> Result<AmqpLink, End> {
    let link = AmqpLink::attach(dialer, &address(dialer, lease.name()), prefetch).await;
    #[cfg(unstale_mutants)]
    let link = link.map(|link| AmqpLink {
        resumption: Some(Resumption::new(dialer, lease, prefetch)),
        ..link
    });
    link
}

/// Where a subscription of the topic is.
fn address(dialer: &Dialer, name: &str) -> String {
    format!("{}/Subscriptions/{name}", dialer.topic)
}

/// A receiver and its connection.
struct Receiving {
    // In this order: the connection goes first, with its stream.
    _connection: Connection,
    receiver: Receiver,
    /// Messages that the service may send ahead, and how many have come since it was told so last.
    ///
    /// The library's own renewal of credit counts messages that are settled by us, and these come settled.
    prefetch: u32,
    received: u32,
}

type Pulled = (Option<Receiving>, Result<message::Received, Cause>);

impl Receiving {
    async fn attach(dialer: &Dialer, source: &str, prefetch: u32) -> Result<(Self, Fencing), End> {
        let refused = |error| End { error, vanished: false, nobody_reads: true };
        let mut connection = dialer.open().await.map_err(refused)?;
        let network = dialer.network();
        let doing = format!("attaching to `{source}`");
        let attach = async {
            // Before the receiver: when this is refused, nobody reads the subscription.
            let fencing = match Fencing::attach(&mut connection.session, &dialer.topic).await {
                Ok(fencing) => fencing,
                Err(cause) => return Ok(Err(refused(cause.error("attaching to the topic")))),
            };
            let attached = Receiver::builder()
                .name("unstale-receiver")
                .source(source)
                .sender_settle_mode(SenderSettleMode::Settled)
                .credit_mode(CreditMode::Manual)
                .attach(&mut connection.session)
                .await;
            let attached = attached.map_err(|error| end(&Cause::from(error), &doing));
            Ok(attached.map(|receiver| (receiver, fencing)))
        };
        match network.within(network.timeout, &doing, attach).await {
            Ok(Ok((receiver, fencing))) => {
                let link = Self { _connection: connection, receiver, prefetch, received: 0 };
                let link = link.grant_credit().await;
                let link = link.map_err(|cause| End::uncertain(cause.error(&doing)))?;
                Ok((link, fencing))
            }
            Ok(Err(end)) => Err(end),
            Err(error) => Err(End::uncertain(error)),
        }
    }

    async fn grant_credit(mut self) -> Result<Self, Cause> {
        self.received = 0;
        match self.receiver.set_credit(self.prefetch).await {
            Ok(()) => Ok(self),
            Err(error) => Err(Cause::broken(&error)),
        }
    }

    /// Waits for the next message, and gives itself back with it.
    fn pull(mut self) -> BoxFuture<Pulled> {
        Box::pin(async move {
            if self.received >= self.prefetch.div_ceil(2) {
                self = match self.grant_credit().await {
                    Ok(link) => link,
                    Err(cause) => return (None, Err(cause)),
                };
            }
            match self.receiver.recv::<Body<Value>>().await {
                Ok(delivery) => {
                    self.received += 1;
                    (Some(self), Ok(delivery.into_message()))
                }
                Err(error) => (None, Err(Cause::from(error))),
            }
        })
    }
}

/// What comes of the end of a link.
fn end(cause: &Cause, doing: &str) -> End {
    End {
        error: cause.error(doing),
        vanished: cause.is_not_found(),
        nobody_reads: cause.is_from_service(),
    }
}

/// A link over AMQP, with a connection of its own.
pub(crate) struct AmqpLink {
    /// The wait for the next message; `None` after the end.
    pull: Option<BoxFuture<Pulled>>,
    fencing: Fencing,
    #[cfg(unstale_mutants)]
    resumption: Option<Resumption>,
}

impl AmqpLink {
    /// Receives from this address, and sends fences to the topic.
    pub(super) async fn attach(dialer: &Dialer, source: &str, prefetch: u32) -> Result<Self, End> {
        let (receiving, fencing) = Receiving::attach(dialer, source, prefetch).await?;
        Ok(Self {
            pull: Some(receiving.pull()),
            fencing,
            #[cfg(unstale_mutants)]
            resumption: None,
        })
    }

    /// What comes of the end of the connection; `None` if it goes on by mistake.
    fn ended(&mut self, cause: &Cause) -> Option<End> {
        #[cfg(unstale_mutants)]
        if self.resume(cause) {
            return None;
        }
        self.pull = None;
        Some(end(cause, "receiving"))
    }
}

impl Link for AmqpLink {
    async fn send_opening(&mut self, opening: Fence) -> Result<(), TransportError> {
        self.fencing.send_opening(&opening).await
    }

    fn push_fence(&mut self, fence: Fence) {
        self.fencing.push(fence);
    }

    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Result<Received, End>> {
        #[cfg(unstale_mutants)]
        self.take_resumed_fencing();
        if let Err(cause) = self.fencing.poll(context)
            && let Some(end) = self.ended(&cause)
        {
            return Poll::Ready(Err(end));
        }
        let Some(pull) = &mut self.pull else { return Poll::Pending };
        let (receiving, received) = std::task::ready!(pull.as_mut().poll(context));
        self.pull = receiving.map(Receiving::pull);
        match received {
            Ok(message) => Poll::Ready(Ok(Received {
                sequence: message::sequence_number(&message),
                fence: message::read_fence(&message),
                frame: message::into_frame(message),
            })),
            Err(cause) => match self.ended(&cause) {
                Some(end) => Poll::Ready(Err(end)),
                None => self.poll_received(context),
            },
        }
    }

    #[cfg(unstale_mutants)]
    fn take_resumed(&mut self) -> bool {
        self.resumption.as_mut().is_some_and(|it| std::mem::take(&mut it.resumed))
    }
}

/// What the deliberate mistakes of this file need, to attach again behind the node's back.
#[cfg(unstale_mutants)]
struct Resumption {
    dialer: Dialer,
    prefetch: u32,
    subscription: String,
    recreation: Option<crate::Administration>,
    /// Of the new link.
    fencing: std::sync::Arc<std::sync::Mutex<Option<Fencing>>>,
    /// Whether it went on, and nobody was told.
    resumed: bool,
}

#[cfg(unstale_mutants)]
impl Resumption {
    fn new(dialer: &Dialer, lease: &Lease, prefetch: u32) -> Self {
        Self {
            dialer: dialer.clone(),
            prefetch,
            subscription: lease.name().to_owned(),
            recreation: lease.recreation(),
            fencing: std::sync::Arc::default(),
            resumed: false,
        }
    }
}

#[cfg(unstale_mutants)]
impl AmqpLink {
    fn take_resumed_fencing(&mut self) {
        let Some(resumption) = &self.resumption else { return };
        let mut resumed =
            resumption.fencing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(fencing) = resumed.take() {
            self.fencing = fencing;
        }
    }

    /// Goes on with a new link, as if nothing could have been missed.
    fn resume(&mut self, cause: &Cause) -> bool {
        use crate::mutation::{Mutation, active};

        let mistake = if cause.is_not_found() {
            Mutation::RecreatedSubscriptionIsNoGap
        } else {
            Mutation::MessageCompletedBeforeApplied
        };
        if !active(mistake) {
            return false;
        }
        let Some(resumption) = &mut self.resumption else { return false };
        self.fencing = Fencing::none();
        resumption.resumed = true;
        let Resumption { dialer, prefetch, fencing, .. } = resumption;
        let (dialer, prefetch, slot) = (dialer.clone(), *prefetch, fencing.clone());
        let recreation = resumption.recreation.clone();
        let name = resumption.subscription.clone();
        self.pull = Some(Box::pin(async move {
            loop {
                if let Some(administration) = &recreation {
                    let _ = administration.create_subscription(&name).await;
                }
                match Receiving::attach(&dialer, &address(&dialer, &name), prefetch).await {
                    Ok((receiving, fencing)) => {
                        *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                            Some(fencing);
                        return receiving.pull().await;
                    }
                    Err(_) => {
                        let runtime = &dialer.network().runtime;
                        runtime
                            .sleep_until(runtime.now().after(std::time::Duration::from_millis(200)))
                            .await;
                    }
                }
            }
        }));
        true
    }
}
