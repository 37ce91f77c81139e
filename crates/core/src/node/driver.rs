//! The task that moves frames between a transport and a replica.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;

use super::health::Health;
use super::lane::{Lane, Progress};
use crate::cache::domain::{Applied, Domain, Origin};
use crate::protocol::{Output, PublishId, Replica, State, Warning};
use crate::runtime::{BoxFuture, Runtime};
use crate::target::Target;
use crate::time::Timestamp;
use crate::transport::{Item, Subscription, Transport, TransportError};

/// Items taken from a subscription before anything else is looked at.
const BATCH: usize = 256;
/// A subscription that always holds more may put off a timeout by this many batches.
const MAX_FULL_BATCHES: u32 = 16;

type Opened = Result<Box<dyn Subscription>, TransportError>;

enum Link {
    None,
    Opening(BoxFuture<Opened>),
    Open(Box<dyn Subscription>),
}

/// What happened while the driver waited.
enum Happened {
    Items(Vec<Result<Item, TransportError>>),
    Opened(Opened),
    Published(PublishId, Result<(), TransportError>),
    Woken,
    Due,
}

/// Runs one replica on one transport: carries out what it asks for, and tells it what happened.
pub(super) struct Driver {
    index: usize,
    replica: Replica,
    lane: Arc<Lane>,
    progress: Progress,
    transport: Arc<dyn Transport>,
    domain: Weak<Domain>,
    horizons: Arc<[AtomicU64]>,
    health: Arc<Health>,
    runtime: Arc<dyn Runtime>,
    link: Link,
    publishes: Vec<(PublishId, BoxFuture<Result<(), TransportError>>)>,
    /// The sleep until the replica's next deadline, or an earlier one.
    alarm: Option<(Timestamp, BoxFuture<()>)>,
    /// How many batches were full since the subscription was last found empty.
    full_batches: u32,
    span: tracing::Span,
}

impl Driver {
    #[expect(clippy::too_many_arguments, reason = "called once, by the builder")]
    pub(super) fn new(
        index: usize,
        replica: Replica,
        lane: Arc<Lane>,
        progress: Progress,
        transport: Arc<dyn Transport>,
        domain: Weak<Domain>,
        horizons: Arc<[AtomicU64]>,
        health: Arc<Health>,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let name = transport.capabilities().name;
        let span =
            tracing::info_span!("unstale", node = %replica.id(), lane = index, transport = name);
        Self {
            index,
            replica,
            lane,
            progress,
            transport,
            domain,
            horizons,
            health,
            runtime,
            link: Link::None,
            publishes: Vec::new(),
            alarm: None,
            full_batches: 0,
            span,
        }
    }

    /// Runs until the node has left or was dropped.
    pub(super) async fn run(mut self) {
        loop {
            if !self.settle() {
                break;
            }
            let happened = self.wait().await;
            self.tell(happened);
        }
        let now = self.runtime.now();
        self.lane.set_unaccepted(self.replica.unaccepted());
        self.replica.close(now);
        self.link = Link::None;
        self.health.publish(self.index, &self.replica);
        self.span.in_scope(|| tracing::info!("left"));
    }

    /// Carries out everything that the replica asks for, until it waits; `false` when it is over.
    fn settle(&mut self) -> bool {
        loop {
            let Some(domain) = self.domain.upgrade().filter(|_| !self.lane.is_stopped()) else {
                return false;
            };
            while let Some(output) = self.replica.poll_output() {
                self.carry_out(&domain, output);
            }
            drop(domain);
            if let Some(status) = self.health.publish(self.index, &self.replica) {
                self.span.in_scope(|| match status.state {
                    State::Live => tracing::info!(%status, "status"),
                    _ => tracing::warn!(%status, "status"),
                });
            }
            if self.replica.has_left() {
                return false;
            }
            if !self.handle_timeout() {
                self.set_alarm(self.replica.next_deadline());
                return true;
            }
        }
    }

    /// Handles a timeout if one is due, and everything that the subscription held by now has been told.
    fn handle_timeout(&mut self) -> bool {
        let now = self.runtime.now();
        let due = self.replica.next_deadline().is_some_and(|deadline| deadline <= now);
        if !due || !self.full_batches.is_multiple_of(MAX_FULL_BATCHES) {
            return false;
        }
        // Once in a round: whatever the replica may do, the subscription is looked at before the next.
        self.full_batches = 1;
        self.replica.handle_timeout(now);
        true
    }

    fn set_alarm(&mut self, deadline: Option<Timestamp>) {
        match (deadline, &self.alarm) {
            (None, _) => self.alarm = None,
            // One that rings early is cheaper than a new one for every frame.
            (Some(deadline), Some((set, _))) if *set <= deadline => {}
            (Some(deadline), _) => {
                self.alarm = Some((deadline, self.runtime.sleep_until(deadline)));
            }
        }
    }

    async fn wait(&mut self) -> Happened {
        let lane = &self.lane;
        tokio::select! {
            biased;
            happened = link_happens(&mut self.link) => happened,
            happened = publish_happens(&mut self.publishes) => happened,
            () = lane.woken() => Happened::Woken,
            () = rings(&mut self.alarm) => Happened::Due,
        }
    }

    fn tell(&mut self, happened: Happened) {
        let now = self.runtime.now();
        // Whatever else happened, the subscription was looked at first and held nothing.
        self.full_batches = match &happened {
            Happened::Items(items) if items.len() == BATCH => self.full_batches + 1,
            _ => 0,
        };
        match happened {
            Happened::Items(items) => self.tell_items(items, now),
            Happened::Opened(Ok(subscription)) => {
                tracing::debug!(parent: &self.span, "subscribed");
                let sequencer = subscription.sequencer().cloned();
                self.link = Link::Open(subscription);
                self.replica.subscribed(sequencer, now);
            }
            Happened::Opened(Err(error)) => self.link_failed(&error, now),
            Happened::Published(id, result) => {
                if let Err(error) = &result {
                    tracing::debug!(parent: &self.span, %error, "a publish failed");
                }
                self.replica.published(id, result, now);
            }
            Happened::Woken => {
                let (interval, timeout) = self.lane.fences();
                self.replica.set_fences(interval, timeout);
                if self.lane.is_leaving() {
                    self.replica.leave(now);
                }
                self.replica.wake(self.lane.take_wants_proof(), now);
            }
            Happened::Due => self.alarm = None,
        }
    }

    fn tell_items(&mut self, items: Vec<Result<Item, TransportError>>, now: Timestamp) {
        for item in items {
            match item {
                Ok(Item::Frame(frame)) => self.replica.frame(&frame, now),
                Ok(Item::Fenced(token)) => self.replica.fenced(token, now),
                Err(error) => self.link_failed(&error, now),
            }
        }
    }

    fn link_failed(&mut self, error: &TransportError, now: Timestamp) {
        tracing::debug!(parent: &self.span, %error, "the subscription failed or ended");
        self.link = Link::None;
        self.replica.subscription_ended(error, now);
    }

    fn carry_out(&mut self, domain: &Domain, output: Output) {
        match output {
            Output::Subscribe => {
                let transport = self.transport.clone();
                self.link = Link::Opening(Box::pin(async move { transport.subscribe().await }));
            }
            Output::Unsubscribe => self.link = Link::None,
            Output::Publish { id, frame } => {
                let transport = self.transport.clone();
                let publish = Box::pin(async move { transport.publish(frame).await });
                self.publishes.push((id, publish));
            }
            Output::CancelPublish(id) => self.publishes.retain(|(other, _)| *other != id),
            Output::Fence(token) => {
                if let Link::Open(subscription) = &mut self.link {
                    subscription.fence(token);
                }
            }
            Output::Apply { targets, origin } => {
                let origin = origin.map_or(Origin::Unknown, Origin::Node);
                for target in &targets {
                    self.apply(domain, target, origin);
                }
            }
            Output::DropBefore(as_of) => {
                tracing::info!(parent: &self.span, ?as_of, "dropping what is older");
                domain.drop_before(as_of);
            }
            Output::VoidLoads => domain.void_loads(),
            Output::AdvanceHorizon(horizon) => self.advance(domain, horizon),
            Output::Accepted(place) => {
                self.progress.send_if_modified(|accepted| {
                    let further = place > *accepted;
                    *accepted = place.max(*accepted);
                    further
                });
            }
            Output::Serve(serving) => domain.set_serving(serving),
        }
    }

    fn apply(&mut self, domain: &Domain, target: &Target, origin: Origin) {
        if domain.apply(target, origin) == Applied::SchemaMismatch
            && let Target::Key { cache, .. } = target
        {
            let warning = Warning::SchemaMismatch(cache.to_string());
            self.replica.warn(warning, self.runtime.now());
        }
    }

    /// The node's horizon is the smallest of its lanes'.
    fn advance(&self, domain: &Domain, horizon: Timestamp) {
        self.horizons[self.index].store(horizon.as_nanos(), Ordering::Release);
        let all = self.horizons.iter().map(|lane| lane.load(Ordering::Acquire)).min();
        let all = Timestamp::from_nanos(all.unwrap_or(0));
        domain.advance_horizon(all);
        self.health.advance(all);
    }
}

/// Resolves when the subscription was opened, or yields: then all that is there, up to a batch.
async fn link_happens(link: &mut Link) -> Happened {
    match link {
        Link::None => pending().await,
        Link::Opening(opening) => Happened::Opened(opening.await),
        Link::Open(subscription) => {
            let mut items = Vec::new();
            poll_fn(|context| {
                while items.len() < BATCH {
                    match subscription.poll_next(context) {
                        Poll::Ready(item) => {
                            let ended = item.is_err();
                            items.push(item);
                            if ended {
                                break;
                            }
                        }
                        Poll::Pending if items.is_empty() => return Poll::Pending,
                        Poll::Pending => break,
                    }
                }
                Poll::Ready(())
            })
            .await;
            Happened::Items(items)
        }
    }
}

async fn publish_happens(
    publishes: &mut Vec<(PublishId, BoxFuture<Result<(), TransportError>>)>,
) -> Happened {
    poll_fn(|context| {
        for place in 0..publishes.len() {
            if let Poll::Ready(result) = publishes[place].1.as_mut().poll(context) {
                let (id, _) = publishes.swap_remove(place);
                return Poll::Ready(Happened::Published(id, result));
            }
        }
        Poll::Pending
    })
    .await
}

async fn rings(alarm: &mut Option<(Timestamp, BoxFuture<()>)>) {
    match alarm {
        Some((_, sleep)) => sleep.await,
        None => pending().await,
    }
}
