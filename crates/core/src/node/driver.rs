//! The task that moves frames between a transport and a replica.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::health::Health;
use super::lane::{Lane, Progress};
use crate::cache::domain::{Applied, Domain, Origin};
use crate::mutation::{self, Mutation};
use crate::protocol::{Counters, Output, PublishId, Replica, State, Warning};
use crate::runtime::{BoxFuture, Runtime};
use crate::target::Group;
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

/// What happened while the driver waited: everything that was ready at one look, so that nothing can keep
/// the rest from being seen.
#[derive(Default)]
struct Round {
    items: Vec<Result<Item, TransportError>>,
    opened: Option<Opened>,
    published: Vec<(PublishId, Result<(), TransportError>)>,
    woken: bool,
    rang: bool,
}

impl Round {
    fn is_empty(&self) -> bool {
        let Self { items, opened, published, woken, rang } = self;
        items.is_empty() && opened.is_none() && published.is_empty() && !woken && !rang
    }
}

/// Runs one replica on one transport: carries out what it asks for, and tells it what happened.
pub(super) struct Driver {
    index: usize,
    replica: Replica,
    lane: Arc<Lane>,
    progress: Progress,
    transport: Arc<dyn Transport>,
    node: Surroundings,
    link: Link,
    publishes: Vec<(PublishId, BoxFuture<Result<(), TransportError>>)>,
    /// The sleep until the replica's next deadline, or an earlier one.
    alarm: Option<(Timestamp, BoxFuture<()>)>,
    /// How many batches were full since the subscription was last found empty.
    full_batches: u32,
    /// What the traces have told of.
    told: Counters,
    span: tracing::Span,
}

/// What the drivers of a node's lanes share.
#[derive(Clone)]
pub(super) struct Surroundings {
    /// Weak: a node that is dropped takes its drivers along.
    pub(super) domain: Weak<Domain>,
    /// The horizon of each lane.
    pub(super) horizons: Arc<[AtomicU64]>,
    pub(super) health: Arc<Health>,
    pub(super) runtime: Arc<dyn Runtime>,
}

impl Driver {
    pub(super) fn new(
        index: usize,
        replica: Replica,
        lane: Arc<Lane>,
        progress: Progress,
        transport: Arc<dyn Transport>,
        node: Surroundings,
    ) -> Self {
        let name = transport.capabilities().name;
        let (namespace, id) = (replica.namespace(), replica.id());
        let span =
            tracing::info_span!("unstale", namespace, node = %id, lane = index, transport = name);
        Self {
            index,
            replica,
            lane,
            progress,
            transport,
            node,
            link: Link::None,
            publishes: Vec::new(),
            alarm: None,
            full_batches: 0,
            told: Counters::default(),
            span,
        }
    }

    /// Runs until the node has left or was dropped.
    pub(super) async fn run(mut self) {
        while self.settle() {
            let round = self.wait().await;
            let full = round.items.len() == BATCH;
            self.tell(round);
            if full {
                // The wait below ignores tokio's budget: other tasks get their turn here.
                tokio::task::yield_now().await;
            }
        }
        self.close().await;
    }

    /// Takes along what the broker keeps for the node, unless it must stop at once.
    async fn close(&mut self) {
        let Link::Open(subscription) = std::mem::replace(&mut self.link, Link::None) else {
            return;
        };
        let stopped = async {
            while !self.lane.is_stopped() {
                self.lane.woken().await;
            }
        };
        tokio::select! {
            biased;
            () = stopped => {}
            () = subscription.close() => {}
        }
    }

    /// Carries out everything that the replica asks for, until it waits; `false` when it is over.
    fn settle(&mut self) -> bool {
        loop {
            let Some(domain) = self.node.domain.upgrade().filter(|_| !self.lane.is_stopped())
            else {
                return false;
            };
            while let Some(output) = self.replica.poll_output() {
                self.carry_out(&domain, output);
            }
            drop(domain);
            self.trace();
            if let Some(status) = self.node.health.publish(self.index, &self.replica) {
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

    /// Tells of what the replica has decided since the last call: it has no way to do so itself.
    fn trace(&mut self) {
        let now = self.replica.counters();
        let told = std::mem::replace(&mut self.told, now);
        let decisions = [
            ("a gap was noticed", told.gaps, now.gaps),
            ("missing frames were requested", told.requests, now.requests),
            ("a gap was not repaired in time", told.gaps_dropped, now.gaps_dropped),
            ("synced by a witness", told.syncs_witnessed, now.syncs_witnessed),
            ("synced by a baseline", told.syncs_adopted, now.syncs_adopted),
            ("synced alone", told.syncs_alone, now.syncs_alone),
            ("answered a sync", told.answers, now.answers),
            ("a frame could not be read", told.unreadable, now.unreadable),
            ("the outbox overflowed", told.outbox_collapses, now.outbox_collapses),
        ];
        for (decision, before, after) in decisions {
            if after > before {
                tracing::debug!(parent: &self.span, count = after - before, "{decision}");
            }
        }
        if now.new_identities > told.new_identities {
            self.span.record("node", tracing::field::display(self.replica.id()));
            tracing::warn!(parent: &self.span, "took a new identity");
        }
    }

    /// Handles a timeout if one is due, and everything that the subscription held by now has been told.
    fn handle_timeout(&mut self) -> bool {
        let now = self.node.runtime.now();
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
                self.alarm = Some((deadline, self.node.runtime.sleep_until(deadline)));
            }
        }
    }

    /// Waits until anything happens. Cancel safe: what was taken is in the round.
    async fn wait(&mut self) -> Round {
        let Self { lane, link, publishes, alarm, .. } = self;
        let mut woken = pin!(lane.woken());
        let mut round = Round::default();
        let look = poll_fn(|context| {
            poll_link(link, context, &mut round);
            publishes.retain_mut(|(id, publish)| match publish.as_mut().poll(context) {
                Poll::Ready(result) => {
                    round.published.push((*id, result));
                    false
                }
                Poll::Pending => true,
            });
            round.woken = woken.as_mut().poll(context).is_ready();
            if let Some((_, sleep)) = alarm {
                round.rang = sleep.as_mut().poll(context).is_ready();
            }
            if round.is_empty() { Poll::Pending } else { Poll::Ready(()) }
        });
        // A budget that is spent would make a full subscription look empty, and let a deadline overtake it.
        tokio::task::unconstrained(look).await;
        round
    }

    fn tell(&mut self, round: Round) {
        let now = self.node.runtime.now();
        self.full_batches = if round.items.len() == BATCH { self.full_batches + 1 } else { 0 };
        if round.rang {
            self.alarm = None;
        }
        self.tell_items(round.items, now);
        match round.opened {
            None => {}
            Some(Ok(subscription)) => {
                tracing::debug!(parent: &self.span, "subscribed");
                let sequencer = subscription.sequencer().cloned();
                self.link = Link::Open(subscription);
                let entropy = self.node.runtime.random_seed();
                self.replica.subscribed(sequencer, entropy, now);
            }
            Some(Err(error)) => self.link_failed(&error, now),
        }
        for (id, result) in round.published {
            if let Err(error) = &result {
                tracing::debug!(parent: &self.span, %error, "a publish failed");
            }
            self.replica.published(id, result, now);
        }
        if round.woken {
            let (interval, timeout) = self.lane.fences();
            self.replica.set_fences(interval, timeout);
            if self.lane.is_leaving() {
                self.replica.leave(now);
            }
            self.replica.wake(self.lane.take_wants_proof(), now);
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
            // One that leaves closes it in order.
            Output::Unsubscribe if self.replica.has_left() => {}
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
                for group in targets.groups() {
                    self.apply(domain, group, origin);
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

    fn apply(&mut self, domain: &Domain, group: &Group, origin: Origin) {
        if domain.apply(group, origin) == Applied::SchemaMismatch
            && let Group::Keys { cache, .. } = group
        {
            let warning = Warning::SchemaMismatch(cache.to_string());
            self.replica.warn(warning, self.node.runtime.now());
        }
    }

    /// The node's horizon is the smallest of its lanes'.
    fn advance(&self, domain: &Domain, horizon: Timestamp) {
        self.node.horizons[self.index].store(horizon.as_nanos(), Ordering::Release);
        let lanes = self.node.horizons.iter().map(|lane| lane.load(Ordering::Acquire));
        let all =
            if mutation::active(Mutation::HorizonIsTheLargest) { lanes.max() } else { lanes.min() };
        let all = Timestamp::from_nanos(all.unwrap_or(0));
        domain.advance_horizon(all);
        self.node.health.advance(all);
    }
}

/// Takes what the subscription holds, up to a batch, or its opening.
fn poll_link(link: &mut Link, context: &mut Context<'_>, round: &mut Round) {
    match link {
        Link::None => {}
        Link::Opening(opening) => {
            if let Poll::Ready(opened) = opening.as_mut().poll(context) {
                *link = Link::None;
                round.opened = Some(opened);
            }
        }
        Link::Open(subscription) => {
            while round.items.len() < BATCH
                && let Poll::Ready(item) = subscription.poll_next(context)
            {
                let ended = item.is_err();
                round.items.push(item);
                if ended {
                    // Nothing may be polled after the end.
                    *link = Link::None;
                    return;
                }
            }
        }
    }
}

/// However the driver ends, by leaving, by being dropped or by a panic of a transport: the node must not go
/// on calling itself live.
impl Drop for Driver {
    fn drop(&mut self) {
        self.lane.set_unaccepted(self.replica.unaccepted());
        self.replica.close(self.node.runtime.now());
        self.node.health.publish(self.index, &self.replica);
        self.span.in_scope(|| tracing::info!("left"));
    }
}
