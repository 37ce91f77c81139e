//! What must hold in every state, and what must be reached in some.

use stateright::Property;

use super::broker::State;
use super::frames::{Frame, bit};
use super::model::Protocol;
use super::node::{GapEnd, Node, Synced};

fn of_every_node(state: &State, holds: impl Fn(&Node, u8) -> bool) -> bool {
    state.nodes.iter().zip(0..).all(|(node, me)| holds(node, me))
}

fn of_some_node(state: &State, holds: impl Fn(&Node) -> bool) -> bool {
    state.nodes.iter().any(|node| holds(node))
}

/// What a reader of the cache could notice.
pub(crate) fn of_what_is_served() -> Vec<Property<Protocol>> {
    SERVED.iter().map(|(name, holds)| Property::always(name, *holds)).collect()
}

/// All of it in one property, so that a search ends at the first state, and thus the nearest, that violates any.
pub(crate) fn all_of_what_is_served() -> Property<Protocol> {
    Property::always("what is served", |model, state| {
        SERVED.iter().all(|(_, holds)| holds(model, state))
    })
}

/// The first property of what is served that a state violates.
pub(crate) fn violated(model: &Protocol, state: &State) -> Option<&'static str> {
    SERVED.iter().find(|(_, holds)| !holds(model, state)).map(|(name, _)| *name)
}

type Holds = fn(&Protocol, &State) -> bool;

const SERVED: [(&str, Holds); 3] = [
    ("horizon soundness", horizon_soundness),
    ("nothing lost across an outage", nothing_lost),
    ("no stale fill", no_stale_fill),
];

fn horizon_soundness(_: &Protocol, state: &State) -> bool {
    of_every_node(state, |node, _| {
        let proved = |place| place < node.horizon && node.excused & bit(place) == 0;
        node.entry.is_none_or(|entry| state.reflects(entry, proved))
    })
}

fn nothing_lost(_: &Protocol, state: &State) -> bool {
    of_every_node(state, |node, _| {
        let (Some(entry), Some(up)) = (node.entry, &node.up) else { return true };
        let missed = |place| place < up.confirmed && node.lost & bit(place) == 0;
        up.synced == Synced::Not || state.reflects(entry, missed)
    })
}

fn no_stale_fill(_: &Protocol, state: &State) -> bool {
    of_every_node(state, |node, _| node.entry.is_none_or(|entry| entry.version >= node.applied))
}

/// The invariants that the documentation of the parts claims.
pub(crate) fn of_the_parts() -> Vec<Property<Protocol>> {
    vec![
        Property::always("covered is reflected", |_, state| {
            of_every_node(state, |node, me| {
                let Some(entry) = node.entry else { return true };
                let covered = |frame: &super::frames::Numbered| {
                    frame.origin != me
                        && node.vector.origins[usize::from(frame.origin)].covered
                            & bit(frame.number)
                            != 0
                };
                state.order.iter().all(|it| !covered(it) || it.version <= entry.version)
            })
        }),
        Property::always("the log is the stream", |_, state| {
            of_every_node(state, |node, _| node.up.is_none() || log_is_the_stream(node, state))
        }),
        Property::always("own frames are consistent", |_, state| {
            of_every_node(state, |node, me| own_frames_are_consistent(node, me, state))
        }),
    ]
}

/// The log is what the broker accepted since the confirmation, without what it lost on the way, what is still
/// on the way, and second meetings.
fn log_is_the_stream(node: &Node, state: &State) -> bool {
    let confirmed = node.up.as_ref().map_or(0, |up| up.confirmed);
    let on_the_way = |frame: &super::frames::Numbered| {
        node.stream.iter().any(|it| matches!(it, Frame::Numbered(it) if it.mark() == frame.mark()))
    };
    let mut log = node.log.iter();
    let mut seen = Vec::new();
    for (place, frame) in (0_u8..).zip(&state.order) {
        let lost = node.lost & bit(place) != 0;
        if place < confirmed
            || lost
            || on_the_way(frame)
            || seen.contains(&(frame.origin, frame.number))
        {
            continue;
        }
        seen.push((frame.origin, frame.number));
        if log.next().is_none_or(|entry| entry.mark != frame.mark()) {
            return false;
        }
    }
    log.next().is_none()
}

/// What counts as accepted was accepted, number after number, and every attempt at a number says the same.
fn own_frames_are_consistent(node: &Node, me: u8, state: &State) -> bool {
    let own = || state.order.iter().filter(|frame| frame.origin == me);
    let mut highest = 0;
    for frame in own() {
        if frame.number > highest + 1 {
            return false;
        }
        highest = highest.max(frame.number);
        let mut others = own().filter(|other| other.number == frame.number);
        if !others.all(|other| (other.version, other.slice) == (frame.version, frame.slice)) {
            return false;
        }
    }
    let publisher = &node.publisher;
    publisher.accepted <= highest
        && highest <= publisher.last_sealed
        && publisher.last_sealed <= publisher.accepted + 1
}

/// Names of what must be reached somewhere, or the properties above hold for want of anything that happens.
pub(crate) const REACHED: [&str; 8] = [
    "a witnessed sync",
    "an adopted sync",
    "a sync alone",
    "a gap is repaired",
    "a gap ends in a drop",
    "a late attempt is accepted after its resend",
    "a hit is served by proof",
    "a loss has not shown",
];

pub(crate) fn reached() -> Vec<Property<Protocol>> {
    let [witnessed, adopted, alone, repaired, dropped, late, hit, unshown] = REACHED;
    vec![
        Property::sometimes(witnessed, |_, state| synced_again(state, Synced::Witnessed)),
        Property::sometimes(adopted, |_, state| synced_again(state, Synced::Adopted)),
        Property::sometimes(alone, |_, state| synced_again(state, Synced::Alone)),
        Property::sometimes(repaired, |_, state| {
            of_some_node(state, |node| node.gap_end == GapEnd::Repaired)
        }),
        Property::sometimes(dropped, |_, state| {
            of_some_node(state, |node| node.gap_end == GapEnd::Dropped)
        }),
        Property::sometimes(late, |_, state: &State| {
            let earlier = |at: usize| &state.order[..at];
            state.order.iter().enumerate().any(|(at, frame)| {
                earlier(at).iter().any(|first| {
                    (first.origin, first.number) == (frame.origin, frame.number)
                        && first.attempt > frame.attempt
                })
            })
        }),
        Property::sometimes(hit, |_, state| {
            of_some_node(state, |node| {
                let proved = node.entry.filter(|entry| node.horizon > entry.as_of);
                proved.is_some_and(|entry| entry.version == state.committed)
            })
        }),
        Property::sometimes(unshown, |_, state| {
            of_some_node(state, |node| {
                node.entry.is_some_and(|entry| {
                    !state.reflects(entry, |place| node.excused & bit(place) != 0)
                })
            })
        }),
    ]
}

fn synced_again(state: &State, how: Synced) -> bool {
    of_some_node(state, |node| {
        node.subscriptions > 1 && node.up.as_ref().is_some_and(|up| up.synced == how)
    })
}
