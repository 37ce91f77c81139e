//! The switches.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use unstale::transport::{SequencerId, TransportErrorKind};

use super::state::{Injected, Predicate, PublishFault, Rule, Shared, State};

/// Switches the faults of one [`Faulty`](super::Faulty) transport. A clone switches the same ones.
///
/// Faults that are counted (`count`) strike the next so many frames and are then used up; of several that
/// apply, the one that was set first strikes. The others last until they are lifted.
/// [`heal`](Self::heal) lifts everything.
#[derive(Clone)]
pub struct FaultHandle {
    shared: Arc<Shared>,
}

impl FaultHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The next `count` frames that a subscription would have yielded are lost to it, silently; a fence still
    /// comes back. Each of several subscriptions uses up the count.
    pub fn lose_received(&self, count: usize) {
        self.lose_received_if(count, |_| true);
    }

    /// Like [`lose_received`](Self::lose_received), of the frames that `applies` says yes to only. It must not
    /// use a handle.
    pub fn lose_received_if(
        &self,
        count: usize,
        applies: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) {
        self.shared.change(|state| add(&mut state.lose_received, count, Box::new(applies), ()));
    }

    /// The next `count` publishes suffer this fault.
    pub fn on_publish(&self, count: usize, fault: PublishFault) {
        self.on_publish_if(count, fault, |_| true);
    }

    /// Like [`on_publish`](Self::on_publish), of the frames that `applies` says yes to only. It must not use
    /// a handle.
    pub fn on_publish_if(
        &self,
        count: usize,
        fault: PublishFault,
        applies: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) {
        self.shared.change(|state| add(&mut state.on_publish, count, Box::new(applies), fault));
    }

    /// Ends all subscriptions now, also silent ones, with what they have not yielded yet. New ones work.
    pub fn disconnect(&self) {
        self.shared.change(|state| state.disconnects += 1);
    }

    /// Refuses every subscribe with an error of this kind; `None` lifts it.
    pub fn refuse_subscribe(&self, kind: Option<TransportErrorKind>) {
        self.shared.change(|state| state.refuse_subscribe = kind);
    }

    /// Refuses every publish with an error of this kind; `None` lifts it.
    pub fn refuse_publish(&self, kind: Option<TransportErrorKind>) {
        self.shared.change(|state| state.refuse_publish = kind);
    }

    /// Every publish that begins from now on reaches the broker this much later. Zero lifts it.
    pub fn delay_publish(&self, delay: Duration) {
        self.shared.change(|state| state.publish_delay = delay);
    }

    /// Every item, the end included, is yielded this long after the inner subscription had it; order stays.
    /// Zero lifts it for items to come. The inner subscription is read ahead meanwhile.
    pub fn delay_receive(&self, delay: Duration) {
        self.shared.change(|state| state.receive_delay = delay);
    }

    /// Nothing comes from the broker any more and nothing fails: subscriptions yield no frame, fence or end,
    /// and a subscribe is not confirmed. When it is lifted, all that comes that was on its way.
    pub fn silence(&self, silent: bool) {
        self.shared.change(|state| state.silent = silent);
    }

    /// Publishes neither arrive nor return. When it is lifted, those still waited for go on.
    pub fn hang_publish(&self, hanging: bool) {
        self.shared.change(|state| state.publishing_hangs = hanging);
    }

    /// Subscriptions that are confirmed from now on claim this sequencer identity; `None` lifts it.
    pub fn pretend_sequencer(&self, identity: Option<SequencerId>) {
        self.shared.change(|state| state.sequencer = identity);
    }

    /// Lifts all faults. What was lost or cut stays so, late publishes still come.
    pub fn heal(&self) {
        self.shared.change(State::heal);
    }

    /// How often each fault struck so far.
    pub fn injected(&self) -> Injected {
        self.shared.read(|state| state.injected)
    }
}

fn add<F>(rules: &mut Vec<Rule<F>>, left: usize, applies: Predicate, fault: F) {
    if left > 0 {
        rules.push(Rule { left, applies, fault });
    }
}

impl fmt::Debug for FaultHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultHandle").field("injected", &self.injected()).finish_non_exhaustive()
    }
}
