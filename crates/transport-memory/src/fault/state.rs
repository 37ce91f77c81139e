//! What is wrong at the moment.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use unstale::Runtime;
use unstale::runtime::BoxFuture;
use unstale::transport::{SequencerId, TransportErrorKind};

use crate::lock;

/// What happens to one publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishFault {
    /// `Ok`, but the broker never gets it: silent loss for everyone.
    Lose,
    /// `Err`, and the broker never gets it.
    Fail,
    /// `Err`, although the broker accepts it now.
    AcceptButFail,
    /// `Err` now; the broker accepts it so much later, behind frames that were published meanwhile.
    AcceptLater(Duration),
}

/// How often each fault struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injected {
    /// Frames that were lost on a subscription, counted on each.
    pub lost_on_receive: u64,
    /// Publishes that said `Ok` and were lost.
    pub lost_on_publish: u64,
    /// Publishes that failed and were not accepted.
    pub failed: u64,
    /// Publishes that failed and were accepted at once.
    pub accepted_but_failed: u64,
    /// Publishes that failed and were, or will be, accepted later.
    pub accepted_later: u64,
    /// Subscribes and publishes that were refused.
    pub refused: u64,
    /// Subscriptions that were cut, counted when their reader notices.
    pub disconnected: u64,
}

pub(super) type Predicate = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// A fault for some frames to come.
pub(super) struct Rule<F> {
    pub(super) left: usize,
    pub(super) applies: Predicate,
    pub(super) fault: F,
}

/// The fault of the first rule that applies; that rule has then one use less.
fn strike<F: Copy>(rules: &mut Vec<Rule<F>>, frame: &[u8]) -> Option<F> {
    let at = rules.iter().position(|rule| (rule.applies)(frame))?;
    let rule = &mut rules[at];
    let fault = rule.fault;
    rule.left -= 1;
    if rule.left == 0 {
        rules.remove(at);
    }
    Some(fault)
}

#[derive(Default)]
pub(super) struct State {
    pub(super) on_publish: Vec<Rule<PublishFault>>,
    pub(super) lose_received: Vec<Rule<()>>,
    pub(super) refuse_subscribe: Option<TransportErrorKind>,
    pub(super) refuse_publish: Option<TransportErrorKind>,
    pub(super) publish_delay: Duration,
    pub(super) receive_delay: Duration,
    pub(super) silent: bool,
    pub(super) publishing_hangs: bool,
    pub(super) sequencer: Option<SequencerId>,
    /// How many disconnects there were: a subscription that began before the last one is cut.
    pub(super) disconnects: u64,
    pub(super) injected: Injected,
    /// Who waits for a change, by a number of its own.
    waiting: BTreeMap<u64, Waker>,
    next_waiter: u64,
}

impl State {
    pub(super) fn heal(&mut self) {
        self.on_publish.clear();
        self.lose_received.clear();
        self.refuse_subscribe = None;
        self.refuse_publish = None;
        self.publish_delay = Duration::ZERO;
        self.receive_delay = Duration::ZERO;
        self.silent = false;
        self.publishing_hangs = false;
        self.sequencer = None;
    }
}

/// One transport's faults, shared with its handles and subscriptions.
pub(super) struct Shared {
    pub(super) runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, state: Mutex::default() }
    }

    pub(super) fn sleep(&self, wait: Duration) -> BoxFuture<()> {
        self.runtime.sleep_until(self.runtime.now().after(wait))
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut lock(&self.state))
    }

    /// Changes the state and wakes everyone who waits, so that they look again.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = self.read(|state| {
            change(state);
            std::mem::take(&mut state.waiting)
        });
        waiting.into_values().for_each(Waker::wake);
    }

    /// Resolves when the condition holds.
    pub(super) async fn until(self: &Arc<Self>, condition: impl Fn(&State) -> bool) {
        let waiter = Waiter::new(Arc::clone(self));
        poll_fn(|context| {
            // Registered before the look, so that no change falls in between.
            waiter.register(context);
            if self.read(|state| condition(state)) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(super) fn refusal(
        &self,
        of: impl FnOnce(&State) -> Option<TransportErrorKind>,
    ) -> Option<TransportErrorKind> {
        self.read(|state| {
            let refusal = of(state);
            state.injected.refused += u64::from(refusal.is_some());
            refusal
        })
    }

    pub(super) fn connection(&self) -> u64 {
        self.read(|state| state.disconnects)
    }

    pub(super) fn publish_delay(&self) -> Duration {
        self.read(|state| state.publish_delay)
    }

    pub(super) fn fault_of_publish(&self, frame: &Bytes) -> Option<PublishFault> {
        self.read(|state| {
            let fault = strike(&mut state.on_publish, frame)?;
            let injected = &mut state.injected;
            match fault {
                PublishFault::Lose => injected.lost_on_publish += 1,
                PublishFault::Fail => injected.failed += 1,
                PublishFault::AcceptButFail => injected.accepted_but_failed += 1,
                PublishFault::AcceptLater(_) => injected.accepted_later += 1,
            }
            Some(fault)
        })
    }

    pub(super) fn loses_received(&self, frame: &Bytes) -> bool {
        self.read(|state| {
            let lost = strike(&mut state.lose_received, frame).is_some();
            state.injected.lost_on_receive += u64::from(lost);
            lost
        })
    }
}

/// A place among those who wait for a change; dropping it gives it up.
pub(super) struct Waiter {
    shared: Arc<Shared>,
    number: u64,
}

impl Waiter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let number = shared.read(|state| {
            state.next_waiter += 1;
            state.next_waiter
        });
        Self { shared, number }
    }

    /// Wakes this task at the next change.
    pub(super) fn register(&self, context: &Context<'_>) {
        let waker = context.waker().clone();
        // Dropped after the lock: dropping a waker may run code that comes back here.
        let _replaced = self.shared.read(|state| state.waiting.insert(self.number, waker));
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let _removed = self.shared.read(|state| state.waiting.remove(&self.number));
    }
}
