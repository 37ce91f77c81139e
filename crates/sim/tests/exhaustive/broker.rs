//! The whole: nodes, one broker that orders what it accepts, and what has not happened yet.

use std::sync::Arc;

use super::frames::{Frame, NODES, Numbered, bit};
use super::mutants::Mutant;
use super::node::{Entry, Node, Step};

/// How often something may still happen. What is at 0 does not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Commits that each node announces.
    pub(crate) writes: [u8; NODES],
    /// Loads that each node begins.
    pub(crate) loads: [u8; NODES],
    /// Fences that each node sends.
    pub(crate) fences: [u8; NODES],
    /// Beacons that each node publishes.
    pub(crate) beacons: [u8; NODES],
    /// Broken subscriptions of each node.
    pub(crate) breaks: [u8; NODES],
    /// Frames that the broker accepts and silently does not bring to this node.
    pub(crate) losses: [u8; NODES],
    /// Publishes of numbered frames whose result is an error.
    pub(crate) errors: u8,
    /// Publishes of control frames whose result is an error.
    pub(crate) control_errors: u8,
    /// Numbered frames that can be accepted after their publish was given up.
    pub(crate) late: u8,
    /// The same for control frames, frame fences among them.
    pub(crate) late_control: u8,
    /// Restarts of the broker.
    pub(crate) restarts: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) nodes: Vec<Arc<Node>>,
    /// Every numbered frame that the broker accepted.
    pub(crate) order: Vec<Numbered>,
    /// The newest version at the source.
    pub(crate) committed: u8,
    /// Who orders the channel.
    pub(crate) sequencer: u8,
    /// Publishes that nobody waits for and that the broker may still accept.
    pub(crate) late: Vec<Frame>,
    pub(crate) left: Budget,
}

impl State {
    pub(crate) fn new(nodes: usize, warm: bool, left: Budget) -> Self {
        let node = |me| Arc::new(if warm { Node::warm(me as u8) } else { Node::new() });
        Self {
            nodes: (0..nodes).map(node).collect(),
            order: Vec::new(),
            committed: 0,
            sequencer: 0,
            late: Vec::new(),
            left,
        }
    }

    /// Lets one node take a step.
    pub(crate) fn step(
        &mut self,
        node: usize,
        mutant: Option<Mutant>,
        act: impl FnOnce(&mut Node, &mut Step),
    ) {
        let mut step =
            Step { me: node as u8, now: self.order.len() as u8, mutant, abandoned: Vec::new() };
        let it = Arc::make_mut(&mut self.nodes[node]);
        let horizon = it.horizon;
        act(it, &mut step);
        if it.horizon > horizon {
            it.excused = unshown_losses(it, &self.order);
        }
        for frame in step.abandoned {
            let left = &mut self.left;
            let left = if frame.is_numbered() { &mut left.late } else { &mut left.late_control };
            if *left > 0 {
                *left -= 1;
                self.late.push(frame);
                self.late.sort();
            }
        }
    }

    /// The broker accepts a frame, and brings it to every subscriber but one.
    pub(crate) fn accept(&mut self, frame: &Frame, lost_to: Option<usize>) {
        let place = self.order.len() as u8;
        if let Frame::Numbered(numbered) = frame {
            self.order.push(*numbered);
        }
        if let Some(node) = lost_to {
            self.left.losses[node] -= 1;
            if frame.is_numbered() {
                Arc::make_mut(&mut self.nodes[node]).lost |= bit(place);
            }
        }
        for (me, node) in self.nodes.iter_mut().enumerate() {
            if lost_to != Some(me) && hears(node, me, frame) {
                Arc::make_mut(node).stream.push(frame.clone());
            }
        }
    }

    /// Whom the broker could silently fail to bring this frame.
    pub(crate) fn losers(&self, frame: &Frame) -> impl Iterator<Item = Option<usize>> {
        let can_lose =
            |me: &usize| self.left.losses[*me] > 0 && hears(&self.nodes[*me], *me, frame);
        std::iter::once(None).chain((0..self.nodes.len()).filter(can_lose).map(Some))
    }
}

fn hears(node: &Node, me: usize, frame: &Frame) -> bool {
    node.up.as_ref().is_some_and(|up| frame.concerns(me as u8, Some(up.nonce)))
}

/// The silent losses before the horizon that no later frame and no vector has shown to the node yet.
fn unshown_losses(node: &Node, order: &[Numbered]) -> u16 {
    let places = (0_u8..node.horizon).zip(order);
    let unshown = places.filter(|(place, frame)| {
        node.lost & bit(*place) != 0
            && node.vector.origins[usize::from(frame.origin)].known < frame.number
    });
    unshown.fold(0, |mask, (place, _)| mask | bit(place))
}

impl State {
    /// Whether an entry reflects everything in some places of the order.
    pub(crate) fn reflects(&self, entry: Entry, places: impl Fn(u8) -> bool) -> bool {
        let mut frames = (0_u8..).zip(&self.order);
        frames.all(|(place, frame)| !places(place) || frame.version <= entry.version)
    }
}
