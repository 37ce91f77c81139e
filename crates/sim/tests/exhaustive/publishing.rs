//! Publishing: sealing, resending, echoes.

use super::frames::{Frame, Known, Numbered, bit};
use super::mutants::Mutant;
use super::node::{Node, Step};

/// A numbered frame that has its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sealed {
    pub(crate) number: u8,
    pub(crate) version: u8,
    pub(crate) slice: Known,
    pub(crate) attempts: u8,
}

/// A publish of the frame at the head that has not returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InFlight {
    pub(crate) attempt: u8,
    /// Whether it began on the subscription that lives.
    pub(crate) current: bool,
    /// The broker has accepted it; its result is on the way.
    pub(crate) accepted: bool,
    pub(crate) echoed: bool,
}

/// Own echoes that must come before a fence that is sent later returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Echo {
    Numbered(u8),
    Sync,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Publisher {
    pub(crate) last_sealed: u8,
    pub(crate) accepted: u8,
    /// The newest version that waits; 0 for none.
    pub(crate) outbox: u8,
    pub(crate) sealed: Option<Sealed>,
    pub(crate) in_flight: Option<InFlight>,
    /// The last attempt failed, and the next waits for its backoff.
    pub(crate) waits: bool,
    /// What was accepted, by number from 1.
    pub(crate) own: Vec<Sealed>,
    /// A bit for each own number that must go out again.
    pub(crate) resend: u16,
    /// What must come before the fence with this token or a later one.
    pub(crate) echoes: Vec<(Echo, u8)>,
}

impl Publisher {
    fn sealed(&mut self, version: u8, slice: Known) -> Sealed {
        self.last_sealed += 1;
        Sealed { number: self.last_sealed, version, slice, attempts: 0 }
    }

    /// The frame whose publish is in flight.
    pub(crate) fn frame_in_flight(&self, me: u8) -> Option<Numbered> {
        let (sealed, in_flight) = (self.sealed.as_ref()?, self.in_flight.as_ref()?);
        Some(Numbered {
            origin: me,
            number: sealed.number,
            attempt: in_flight.attempt,
            version: sealed.version,
            slice: sealed.slice,
        })
    }

    // mirrors Echoes::met, protocol/publisher.rs
    pub(crate) fn echo_met(&mut self, echo: Echo) {
        self.echoes.retain(|(expected, _)| *expected != echo);
    }
}

impl Node {
    /// The application commits a version and invalidates the key.
    // mirrors Store::invalidate, cache/store.rs
    pub(crate) fn write(&mut self, version: u8, step: &mut Step) {
        self.invalidate(version);
        self.publisher.outbox = version;
        self.publish_numbered(step);
    }

    /// A beacon is due: it is the next frame, since nothing else waits.
    // mirrors Replica::next_numbered, protocol/publishing.rs
    pub(crate) fn publish_beacon(&mut self, step: &mut Step) {
        let slice = self.vector.known_of_met();
        self.publisher.sealed = Some(self.publisher.sealed(0, slice));
        self.publish_numbered(step);
    }

    // mirrors Replica::publish_numbered, protocol/publishing.rs
    // mirrors Replica::next_numbered, protocol/publishing.rs
    // mirrors Replica::seal, protocol/publishing.rs
    pub(crate) fn publish_numbered(&mut self, step: &mut Step) {
        let up = self.up.is_some();
        let publisher = &mut self.publisher;
        if publisher.in_flight.is_some() || publisher.waits {
            return;
        }
        if publisher.sealed.is_none() {
            if up && publisher.resend != 0 {
                let number = publisher.resend.trailing_zeros();
                publisher.resend &= !bit(number);
                publisher.sealed = publisher.own.get(number as usize - 1).cloned();
            } else if publisher.outbox > 0 {
                let version = std::mem::take(&mut publisher.outbox);
                publisher.sealed = Some(publisher.sealed(version, Known::default()));
            }
        }
        let Some(sealed) = &mut publisher.sealed else { return };
        if step.is(Mutant::SealedFrameChanges) && publisher.outbox > 0 {
            sealed.version = std::mem::take(&mut publisher.outbox);
        }
        sealed.attempts += 1;
        publisher.in_flight = Some(InFlight {
            attempt: sealed.attempts,
            current: up,
            accepted: false,
            echoed: false,
        });
    }

    /// The publish at the head returned.
    // mirrors Replica::head_published, protocol/publishing.rs
    pub(crate) fn head_published(&mut self, ok: bool, step: &mut Step) {
        let before_token = self.next_token(step.mutant);
        let publisher = &mut self.publisher;
        let (Some(done), Some(sealed)) = (publisher.in_flight.take(), &publisher.sealed) else {
            return;
        };
        if ok {
            if done.current && !done.echoed {
                publisher.echoes.push((Echo::Numbered(sealed.number), before_token));
            }
            self.head_accepted(step);
        } else if done.echoed {
            self.head_accepted(step);
        } else {
            publisher.waits = true;
        }
    }

    // mirrors Replica::head_accepted, protocol/publishing.rs
    // mirrors OwnFrames::insert, protocol/publisher.rs
    fn head_accepted(&mut self, step: &mut Step) {
        let publisher = &mut self.publisher;
        publisher.in_flight = None;
        publisher.waits = false;
        let Some(sealed) = publisher.sealed.take() else { return };
        publisher.accepted = publisher.accepted.max(sealed.number);
        let place = usize::from(sealed.number) - 1;
        match publisher.own.get_mut(place) {
            Some(old) => *old = sealed,
            None => publisher.own.push(sealed),
        }
        self.publish_numbered(step);
    }

    // mirrors Replica::echo_of_numbered, protocol/publishing.rs
    pub(crate) fn echo_of_numbered(&mut self, number: u8, attempt: u8, step: &mut Step) {
        self.publisher.echo_met(Echo::Numbered(number));
        if self.publisher.sealed.as_ref().is_none_or(|sealed| sealed.number != number) {
            return;
        }
        match &mut self.publisher.in_flight {
            Some(in_flight) if in_flight.attempt == attempt => in_flight.echoed = true,
            in_flight => {
                let cancelled = in_flight.as_ref().is_some_and(|it| !it.accepted);
                let frame = self.publisher.frame_in_flight(step.me).filter(|_| cancelled);
                step.abandoned.extend(frame.map(Frame::Numbered));
                self.head_accepted(step);
            }
        }
    }

    /// Marks for resending what should have been met before this fence. Returns whether there is any.
    // mirrors Echoes::missing, protocol/publisher.rs
    // mirrors Replica::echoes_are_missing, protocol/publishing.rs
    pub(crate) fn resend_missing(&mut self, token: u8) -> bool {
        let mut any = false;
        for (echo, before_token) in &self.publisher.echoes {
            if *before_token <= token {
                any = true;
                if let Echo::Numbered(number) = echo {
                    self.publisher.resend |= bit(*number);
                }
            }
        }
        any
    }

    /// The control frame at the front was published.
    // mirrors Replica::control_published, protocol/publishing.rs
    pub(crate) fn control_published(&mut self, frame: &Frame, ok: bool, step: &Step) {
        let Frame::Sync { nonce, .. } = frame else { return };
        let before_token = self.next_token(step.mutant);
        let Some(up) = self.up.as_mut().filter(|up| up.nonce == *nonce) else { return };
        if ok {
            self.publisher.echoes.push((Echo::Sync, before_token));
        } else {
            // mirrors Replica::retry_sync, protocol/repair.rs
            up.retry = up.echoed.is_none();
        }
    }
}
