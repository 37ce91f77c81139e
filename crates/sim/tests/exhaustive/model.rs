//! What can happen, as `stateright` sees it.

use stateright::{Model, Property};

use super::broker::{Budget, State};
use super::frames::{Frame, NODES};
use super::mutants::Mutant;
use super::node::{Node, Synced};
use super::properties;

/// The protocol within some bounds.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) nodes: usize,
    /// Whether it begins with subscribed nodes that hold the entry, or with nodes that have just started.
    pub(crate) warm: bool,
    pub(crate) budget: Budget,
    /// Whether fences are frames, or a round trip of the transport.
    pub(crate) frame_fences: bool,
    /// Whether the broker can lose control frames too.
    pub(crate) lossy_control: bool,
    /// Whether a publish can return later than its echo.
    pub(crate) late_results: bool,
    /// The nodes that meet a frame as soon as the broker accepts it; the others at any time after that.
    pub(crate) prompt: [bool; NODES],
    /// Whether every `Sync` is answered in the end: no deadline of one passes.
    pub(crate) answered: bool,
    pub(crate) mutant: Option<Mutant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The application commits a new version at the source and invalidates the key.
    Write(usize),
    BeginLoad(usize),
    FinishLoad(usize),
    Beacon(usize),
    /// A fence is sent.
    Fence(usize),
    /// The broker accepts the frame of a fence.
    AcceptFence(usize),
    /// The broker accepts the numbered frame in flight.
    Accept {
        node: usize,
        lost_to: Option<usize>,
    },
    /// Its publish returns.
    Published {
        node: usize,
        ok: bool,
    },
    /// Its publish fails before the broker has accepted it.
    Fail(usize),
    /// It is published again.
    Retry(usize),
    /// The broker accepts the control frame in flight, and says so.
    AcceptControl {
        node: usize,
        lost_to: Option<usize>,
    },
    /// The publish of the control frame in flight fails.
    FailControl(usize),
    RetrySync(usize),
    /// The broker accepts a frame whose publish was given up.
    AcceptLate {
        place: usize,
        lost_to: Option<usize>,
    },
    /// The subscription yields its next frame.
    Meet(usize),
    /// The subscription breaks; what it had not yielded is gone.
    Break(usize),
    /// A new subscription is confirmed.
    Subscribe(usize),
    /// Every subscription breaks, and another server orders the channel.
    Restart,
    /// Nobody answered the `Sync` in time.
    SyncAlone(usize),
    Answer {
        node: usize,
        witnessed: bool,
    },
    Request(usize),
    Reply(usize),
    /// Nobody replayed what was missing in time.
    DropForGap(usize),
}

impl Protocol {
    fn node_actions(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        let (it, left) = (&state.nodes[node], &state.left);
        let mut can = |possible: bool, action: Action| {
            if possible {
                actions.push(action);
            }
        };
        let publisher = &it.publisher;
        let up = it.up.as_ref();
        let idle = publisher.sealed.is_none();
        let unsynced = up.filter(|up| up.synced == Synced::Not);
        let answerable = |witnessed: bool| {
            it.pending.iter().any(|pending| pending.after_mark.is_some() == witnessed)
        };
        can(left.writes[node] > 0, Action::Write(node));
        can(
            left.loads[node] > 0 && it.load.is_none() && it.entry.is_none(),
            Action::BeginLoad(node),
        );
        can(it.load.is_some(), Action::FinishLoad(node));
        can(left.beacons[node] > 0 && idle && it.is_synced(), Action::Beacon(node));
        can(left.fences[node] > 0 && it.fence.is_none() && up.is_some(), Action::Fence(node));
        can(it.fence_in_flight.is_some(), Action::AcceptFence(node));
        if let Some(in_flight) = &publisher.in_flight {
            can(in_flight.accepted, Action::Published { node, ok: true });
            can(in_flight.accepted && left.errors > 0, Action::Published { node, ok: false });
            can(!in_flight.accepted && left.errors > 0, Action::Fail(node));
        }
        can(publisher.waits, Action::Retry(node));
        can(!it.control.is_empty() && left.control_errors > 0, Action::FailControl(node));
        can(up.is_some_and(|up| up.retry), Action::RetrySync(node));
        can(!it.stream.is_empty(), Action::Meet(node));
        can(up.is_some() && left.breaks[node] > 0, Action::Break(node));
        can(up.is_none(), Action::Subscribe(node));
        can(
            !self.answered && unsynced.is_some_and(|up| up.echoed.is_some()),
            Action::SyncAlone(node),
        );
        can(answerable(true), Action::Answer { node, witnessed: true });
        can(it.is_synced() && answerable(false), Action::Answer { node, witnessed: false });
        can(it.wants_request(), Action::Request(node));
        can(it.replies.iter().any(|numbers| *numbers != 0), Action::Reply(node));
        can(it.is_synced() && it.vector.open_gap().is_some(), Action::DropForGap(node));
        if publisher.in_flight.as_ref().is_some_and(|it| !it.accepted)
            && let Some(frame) = publisher.frame_in_flight(node as u8)
        {
            let frame = Frame::Numbered(frame);
            let losers = state.losers(&frame);
            actions.extend(losers.map(|lost_to| Action::Accept { node, lost_to }));
        }
        if let Some(frame) = it.control.first() {
            let losers = state.losers(frame).filter(|it| it.is_none() || self.lossy_control);
            actions.extend(losers.map(|lost_to| Action::AcceptControl { node, lost_to }));
        }
    }

    fn meet(&self, state: &mut State, node: usize) {
        state.step(node, self.mutant, |it, step| {
            let frame = it.stream.remove(0);
            it.met(&frame, step);
        });
    }

    fn accept(&self, state: &mut State, node: usize, lost_to: Option<usize>) {
        if let Some(frame) = state.nodes[node].publisher.frame_in_flight(node as u8) {
            state.accept(&Frame::Numbered(frame), lost_to);
        }
        state.step(node, self.mutant, |it, step| {
            if !self.late_results {
                it.head_published(true, step);
            } else if let Some(in_flight) = &mut it.publisher.in_flight {
                in_flight.accepted = true;
            }
        });
    }

    fn control(&self, state: &mut State, node: usize, accepted: Option<Option<usize>>) {
        let frame = state.nodes[node].control[0].clone();
        if let Some(lost_to) = accepted {
            state.accept(&frame, lost_to);
        }
        state.step(node, self.mutant, |it, step| {
            it.control.remove(0);
            it.control_published(&frame, accepted.is_some(), step);
            if accepted.is_none() {
                step.abandoned.push(frame);
            }
        });
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.nodes, self.warm, self.budget)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for node in 0..self.nodes {
            self.node_actions(state, node, actions);
        }
        for (place, frame) in state.late.iter().enumerate() {
            let losers = state.losers(frame).filter(|lost| lost.is_none() || frame.is_numbered());
            actions.extend(losers.map(|lost_to| Action::AcceptLate { place, lost_to }));
        }
        if state.left.restarts > 0 {
            actions.push(Action::Restart);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let mutant = self.mutant;
        match action {
            Action::Write(node) => {
                state.left.writes[node] -= 1;
                state.committed += 1;
                let version = state.committed;
                state.step(node, mutant, |it, step| it.write(version, step));
            }
            Action::BeginLoad(node) => {
                state.left.loads[node] -= 1;
                let committed = state.committed;
                state.step(node, mutant, |it, step| it.begin_load(committed, step));
            }
            Action::FinishLoad(node) => state.step(node, mutant, |it, step| it.finish_load(step)),
            Action::Beacon(node) => {
                state.left.beacons[node] -= 1;
                state.step(node, mutant, Node::publish_beacon);
            }
            Action::Fence(node) => {
                state.left.fences[node] -= 1;
                let frames = self.frame_fences;
                state.step(node, mutant, |it, step| it.send_fence(frames, step));
            }
            Action::AcceptFence(node) => {
                let mut token = None;
                state.step(node, mutant, |it, _| token = it.fence_in_flight.take());
                let owner = node as u8;
                state.accept(&Frame::Fence { owner, token: token? }, None);
            }
            Action::Accept { node, lost_to } => self.accept(&mut state, node, lost_to),
            Action::Published { node, ok } => {
                state.left.errors -= u8::from(!ok);
                state.step(node, mutant, |it, step| it.head_published(ok, step));
            }
            Action::Fail(node) => {
                state.left.errors -= 1;
                state.step(node, mutant, |it, step| {
                    let frame = it.publisher.frame_in_flight(step.me);
                    step.abandoned.extend(frame.map(Frame::Numbered));
                    it.head_published(false, step);
                });
            }
            Action::Retry(node) => state.step(node, mutant, |it, step| {
                it.publisher.waits = false;
                it.publish_numbered(step);
            }),
            Action::AcceptControl { node, lost_to } => {
                self.control(&mut state, node, Some(lost_to));
            }
            Action::FailControl(node) => {
                state.left.control_errors -= 1;
                self.control(&mut state, node, None);
            }
            Action::RetrySync(node) => state.step(node, mutant, |it, step| it.send_sync(step)),
            Action::AcceptLate { place, lost_to } => {
                let frame = state.late.remove(place);
                state.accept(&frame, lost_to);
            }
            Action::Meet(node) => self.meet(&mut state, node),
            Action::Break(node) => {
                state.left.breaks[node] -= 1;
                state.step(node, mutant, Node::disconnect);
            }
            Action::Subscribe(node) => {
                let sequencer = state.sequencer;
                state.step(node, mutant, |it, step| it.subscribed(sequencer, step));
            }
            Action::Restart => {
                state.left.restarts -= 1;
                state.sequencer += 1;
                for node in 0..self.nodes {
                    state.step(node, mutant, Node::disconnect);
                }
            }
            Action::SyncAlone(node) => state.step(node, mutant, |it, step| it.sync_alone(step)),
            Action::Answer { node, witnessed } => {
                state.step(node, mutant, |it, step| it.answer(witnessed, step));
            }
            Action::Request(node) => state.step(node, mutant, |it, step| it.request(step)),
            Action::Reply(node) => state.step(node, mutant, |it, step| it.send_replies(step)),
            Action::DropForGap(node) => {
                state.step(node, mutant, |it, step| it.drop_for_gap(step));
            }
        }
        for node in (0..self.nodes).filter(|node| self.prompt[*node]) {
            while !state.nodes[node].stream.is_empty() {
                self.meet(&mut state, node);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if self.mutant.is_some() {
            // What a mutant breaks must show in what is served: how a rule is broken says nothing.
            return vec![properties::all_of_what_is_served()];
        }
        let mut all = properties::of_what_is_served();
        all.extend(properties::of_the_parts());
        all.extend(properties::reached());
        all
    }
}
