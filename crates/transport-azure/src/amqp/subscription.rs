//! Receives from one subscription of the topic, with receive-and-delete.
//!
//! The service deletes a message when it sends it, so what it sent onto a link that died is lost. A link is
//! therefore never attached again within a subscription: its end is the end of the subscription, and what was
//! missed is found out by the node.

use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use fe2o3_amqp::Receiver;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::Value;
use unstale::runtime::BoxFuture;
use unstale::transport::{
    Item, SequencerId, Subscription, TransportError, TransportErrorKind as Kind,
};

use super::connection::{Connection, Dialer};
use super::failure::Cause;
use super::fencing::Fencing;
use super::message::{self, Received};
use crate::order::{Met, Opener, Order};
use crate::subscriptions::Lease;

/// What it takes to open a subscription.
pub(crate) struct Opening {
    pub(crate) dialer: Dialer,
    pub(crate) sequencer: SequencerId,
    /// Messages that the service may send ahead.
    pub(crate) prefetch: u32,
    pub(crate) opener: Opener,
    /// How long the opening may take to come back.
    pub(crate) timeout: Duration,
}

impl Opening {
    /// Attaches to the subscription and waits until its own opening has come back.
    pub(crate) async fn open(self, mut lease: Lease) -> Result<AmqpSubscription, TransportError> {
        let link = match Link::attach(&self.dialer, lease.name(), self.prefetch).await {
            Err(refused) if refused.vanished => {
                lease.nobody_reads();
                if !lease.recreate().await? {
                    return Err(refused.error);
                }
                Link::attach(&self.dialer, lease.name(), self.prefetch).await
            }
            attached => attached,
        };
        let link = link.map_err(|refused| {
            if !refused.perhaps_attached {
                lease.nobody_reads();
            }
            refused.error
        })?;
        let (link, fencing) = link;
        let order = Order::new(lease.name().to_owned(), self.opener);
        let network = self.dialer.network().clone();
        let mut subscription = AmqpSubscription {
            fencing,
            pull: Some(link.pull()),
            order,
            sequencer: self.sequencer,
            #[cfg(unstale_mutants)]
            resumption: Resumption {
                dialer: self.dialer,
                prefetch: self.prefetch,
                fencing: std::sync::Arc::default(),
            },
            lease,
        };
        let opening = subscription.order.fence(None);
        let opened = async {
            subscription.fencing.send_opening(&opening).await?;
            std::future::poll_fn(|context| subscription.poll_opened(context)).await
        };
        match network.within(self.timeout, "waiting for the opening", opened).await {
            Ok(()) => Ok(subscription),
            Err(error) if error.kind() == Kind::Unreachable => Err(Kind::Unreachable.error(format!(
                "{error}; if this goes on, is subscription `{}` read by another node, or does its filter \
                 keep out what is addressed to it?",
                subscription.lease.name()
            ))),
            Err(error) => Err(error),
        }
    }
}

/// A receiver and its connection.
struct Link {
    // In this order: the connection goes first, with its stream.
    _connection: Connection,
    receiver: Receiver,
    /// Messages that the service may send ahead, and how many have come since it was told so last.
    ///
    /// The library's own renewal of credit counts messages that are settled by us, and these come settled.
    prefetch: u32,
    received: u32,
}

/// Why there is no link.
struct Refused {
    error: TransportError,
    /// There is no such subscription.
    vanished: bool,
    /// The service may have attached it all the same, and take it for alive.
    perhaps_attached: bool,
}

type Pulled = (Option<Link>, Result<Received, Cause>);

impl Link {
    async fn attach(
        dialer: &Dialer,
        name: &str,
        prefetch: u32,
    ) -> Result<(Self, Fencing), Refused> {
        let refused = |error| Refused { error, vanished: false, perhaps_attached: false };
        let mut connection = dialer.open().await.map_err(refused)?;
        let network = dialer.network();
        let address = format!("{}/Subscriptions/{name}", dialer.topic);
        let attach = async {
            let fencing = Fencing::attach(&mut connection.session, &dialer.topic).await;
            let fencing = fencing.map_err(|cause| cause.error("attaching to the topic"))?;
            let attached = Receiver::builder()
                .name("unstale-receiver")
                .source(address)
                .sender_settle_mode(SenderSettleMode::Settled)
                .credit_mode(CreditMode::Manual)
                .attach(&mut connection.session)
                .await;
            Ok(attached.map(|receiver| (receiver, fencing)))
        };
        let doing = format!("attaching to subscription `{name}`");
        match network.within(network.timeout, &doing, attach).await {
            Ok(Ok((receiver, fencing))) => {
                let link = Self { _connection: connection, receiver, prefetch, received: 0 };
                let link = link.grant_credit().await;
                let link = link.map_err(|cause| refused(cause.error(&doing)))?;
                Ok((link, fencing))
            }
            Ok(Err(error)) => {
                let cause = Cause::from(error);
                Err(Refused {
                    error: cause.error(&doing),
                    vanished: cause.is_not_found(),
                    perhaps_attached: !cause.is_from_service(),
                })
            }
            Err(error) => Err(Refused { perhaps_attached: true, ..refused(error) }),
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

/// A confirmed subscription over AMQP.
pub(crate) struct AmqpSubscription {
    /// The wait for the next message; `None` after the end.
    pull: Option<BoxFuture<Pulled>>,
    order: Order,
    fencing: Fencing,
    sequencer: SequencerId,
    #[cfg(unstale_mutants)]
    resumption: Resumption,
    lease: Lease,
}

impl AmqpSubscription {
    fn poll_opened(&mut self, context: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        loop {
            if let (Met::Opened, _) = std::task::ready!(self.poll_message(context))? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_message(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Met, Received), TransportError>> {
        #[cfg(unstale_mutants)]
        self.take_resumed_fencing();
        let Some(pull) = &mut self.pull else {
            return Poll::Ready(Err(Kind::Closed.error("the subscription has ended")));
        };
        if let Err(cause) = self.fencing.poll(context) {
            return self.end(&cause, context);
        }
        let (link, received) = std::task::ready!(pull.as_mut().poll(context));
        self.pull = link.map(Link::pull);
        let message = match received {
            Ok(message) => message,
            Err(cause) => return self.end(&cause, context),
        };
        let fence = message::read_fence(&message);
        let met = self.order.meet(message::sequence_number(&message), fence.as_ref());
        if met.is_err() {
            self.pull = None;
        }
        Poll::Ready(met.map(|met| (met, message)))
    }

    /// What comes of the end of the link.
    fn end(
        &mut self,
        cause: &Cause,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Met, Received), TransportError>> {
        #[cfg(unstale_mutants)]
        if self.resume(cause) {
            return self.poll_message(context);
        }
        let _ = context;
        self.pull = None;
        if cause.is_from_service() {
            self.lease.nobody_reads();
        }
        Poll::Ready(Err(cause.error("receiving")))
    }
}

#[async_trait]
impl Subscription for AmqpSubscription {
    fn sequencer(&self) -> Option<&SequencerId> {
        Some(&self.sequencer)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Item, TransportError>> {
        loop {
            let (met, message) = std::task::ready!(self.poll_message(context))?;
            match met {
                Met::Frame => return Poll::Ready(Ok(Item::Frame(message::into_frame(message)))),
                Met::Fenced(token) => return Poll::Ready(Ok(Item::Fenced(token))),
                Met::Nothing | Met::Opened => {}
            }
        }
    }

    fn fence(&mut self, token: u64) {
        self.fencing.push(self.order.fence(Some(token)));
    }

    async fn close(self: Box<Self>) {
        let Self { pull, lease, .. } = *self;
        // The link goes first.
        drop(pull);
        lease.close().await;
    }
}

/// What the deliberate mistakes of this file need, to attach again behind the node's back.
#[cfg(unstale_mutants)]
struct Resumption {
    dialer: Dialer,
    prefetch: u32,
    /// Of the new link.
    fencing: std::sync::Arc<std::sync::Mutex<Option<Fencing>>>,
}

#[cfg(unstale_mutants)]
impl AmqpSubscription {
    fn take_resumed_fencing(&mut self) {
        let mut resumed =
            self.resumption.fencing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
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
        self.order.forget_last();
        self.fencing = Fencing::none();
        let Resumption { dialer, prefetch, fencing } = &self.resumption;
        let (dialer, prefetch, slot) = (dialer.clone(), *prefetch, fencing.clone());
        let recreation = self.lease.recreation();
        let name = self.lease.name().to_owned();
        self.pull = Some(Box::pin(async move {
            loop {
                if let Some(administration) = &recreation {
                    let _ = administration.create_subscription(&name).await;
                }
                match Link::attach(&dialer, &name, prefetch).await {
                    Ok((link, fencing)) => {
                        *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                            Some(fencing);
                        return link.pull().await;
                    }
                    Err(_) => {
                        let runtime = &dialer.network().runtime;
                        runtime.sleep_until(runtime.now().after(Duration::from_millis(200))).await;
                    }
                }
            }
        }));
        true
    }
}
