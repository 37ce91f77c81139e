//! What a connection says to what it hears.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::{Buf as _, BytesMut};
use fe2o3_amqp_types::definitions::{AmqpError, Error, Role};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Rejected};
use fe2o3_amqp_types::performatives::{Close, Disposition, End, Open, Performative};
use serde_amqp::from_slice;

use crate::auth::Grant;
use crate::broker::connections::{ConnectionId, LinkId};
use crate::{Emulator, Refusal};

use super::link::Link;
use super::sasl;
use super::session::{Session, error};
use super::wire::{AMQP, Malformed, RawFrame, SASL, put_frame, take_frame};

const PLAIN_HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
/// The largest frame that the peer may send.
const MAX_FRAME: u32 = 64 * 1024;
const MAX_CHANNEL: u16 = 255;

/// One side of a connection: ours.
pub(super) struct Endpoint {
    pub(super) emulator: Emulator,
    pub(super) connection: ConnectionId,
    phase: Phase,
    pub(super) grants: Vec<Grant>,
    pub(super) sessions: BTreeMap<u16, Session>,
    /// Where links of the broker are: channel and handle.
    pub(super) places: BTreeMap<LinkId, (u16, u32)>,
    pub(super) max_frame: usize,
    sign_of_life_every: Option<Duration>,
    pub(super) out: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A protocol header is due; the second one after SASL.
    Header,
    Choice,
    Open,
    Running,
    /// Everything is said.
    Done,
}

impl Endpoint {
    pub(super) fn new(emulator: Emulator, connection: ConnectionId) -> Self {
        Self {
            emulator,
            connection,
            phase: Phase::Header,
            grants: Vec::new(),
            sessions: BTreeMap::new(),
            places: BTreeMap::new(),
            max_frame: 512,
            sign_of_life_every: None,
            out: BytesMut::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    pub(super) fn sign_of_life_every(&self) -> Option<Duration> {
        self.sign_of_life_every
    }

    /// Takes from the broker what there is, as long as less than `full` bytes are unwritten. When to look again;
    /// `None` if the connection is cut.
    pub(super) fn work(
        &mut self,
        now: SystemTime,
        full: usize,
        at_once: usize,
    ) -> Option<Option<SystemTime>> {
        let deadline = {
            let mut broker = self.emulator.broker();
            if broker.is_cut(self.connection) {
                return None;
            }
            broker.tick(self.connection)
        };
        let tokens = self.expire_tokens(now);
        while self.out.len() < full {
            let events = self.emulator.broker().collect(self.connection, at_once);
            if events.is_empty() {
                break;
            }
            for event in events {
                self.tell(event);
            }
            self.flush();
        }
        Some([deadline, tokens].into_iter().flatten().min())
    }

    /// Executes the frames that have come whole.
    pub(super) fn receive(&mut self, inbox: &mut BytesMut) {
        while self.phase != Phase::Done {
            match self.receive_one(inbox) {
                Ok(true) => {}
                Ok(false) => break,
                Err(malformed) => {
                    self.close(Some(Error::new(
                        AmqpError::DecodeError,
                        malformed.to_string(),
                        None,
                    )));
                }
            }
        }
        self.flush();
    }

    /// False if there is nothing whole.
    fn receive_one(&mut self, inbox: &mut BytesMut) -> Result<bool, Malformed> {
        if self.phase == Phase::Header {
            let Some(header) = inbox.first_chunk::<8>().copied() else {
                return Ok(false);
            };
            inbox.advance(8);
            self.receive_header(header);
            return Ok(true);
        }
        let Some(frame) = take_frame(inbox, MAX_FRAME as usize)? else {
            return Ok(false);
        };
        match (self.phase, frame.kind) {
            (Phase::Choice, SASL) => {
                let choice =
                    sasl::choose(&frame, &self.emulator.broker().authority, &mut self.out)?;
                self.phase = if choice.is_ok() { Phase::Header } else { Phase::Done };
                self.grants.extend(choice.ok().flatten());
            }
            (Phase::Open | Phase::Running, AMQP) if frame.performative.is_empty() => {}
            (Phase::Open | Phase::Running, AMQP) => self.receive_frame(&frame)?,
            _ => return Err(Malformed("a frame of the wrong layer")),
        }
        Ok(true)
    }

    fn receive_header(&mut self, header: [u8; 8]) {
        match header {
            PLAIN_HEADER => {
                self.out.extend_from_slice(&PLAIN_HEADER);
                self.phase = Phase::Open;
            }
            SASL_HEADER => {
                self.out.extend_from_slice(&SASL_HEADER);
                sasl::offer(&mut self.out);
                self.phase = Phase::Choice;
            }
            _ => {
                // The way to say which one would do.
                self.out.extend_from_slice(&SASL_HEADER);
                self.phase = Phase::Done;
            }
        }
    }

    fn receive_frame(&mut self, frame: &RawFrame) -> Result<(), Malformed> {
        let performative = from_slice(&frame.performative)
            .map_err(|_| Malformed("a performative with other fields than it has"))?;
        let channel = frame.channel;
        match performative {
            Performative::Open(open) if self.phase == Phase::Open => self.open(&open),
            _ if self.phase == Phase::Open => return Err(Malformed("the connection is not open")),
            Performative::Open(_) => return Err(Malformed("the connection is open")),
            Performative::Close(_) => self.close(None),
            Performative::Begin(begin) => {
                if channel > MAX_CHANNEL || self.sessions.contains_key(&channel) {
                    return Err(Malformed("a channel that cannot begin"));
                }
                self.sessions.insert(channel, Session::new(channel, &begin, &mut self.out));
            }
            Performative::End(_) => self.end(channel),
            // The session may have been ended by us, a moment ago.
            _ if !self.sessions.contains_key(&channel) => {}
            Performative::Attach(attach) => self.attach(channel, attach)?,
            Performative::Flow(flow) => self.flow(channel, &flow),
            Performative::Transfer(transfer) => {
                self.transfer(channel, &transfer, &frame.payload);
            }
            Performative::Disposition(disposition) => self.disposition(channel, &disposition),
            Performative::Detach(detach) => self.detach(channel, &detach),
        }
        Ok(())
    }

    fn open(&mut self, open: &Open) {
        self.phase = Phase::Running;
        self.max_frame = usize::from(open.max_frame_size.clone()).clamp(512, 1 << 20);
        let idle = open.idle_time_out.filter(|milliseconds| *milliseconds > 0);
        self.sign_of_life_every = idle.map(|idle| Duration::from_millis(idle.into()) / 2);
        let ours = self.emulator.idle_timeout().as_millis() / 2;
        let answer = Open {
            container_id: format!("servicebus-emulator-{}", self.connection),
            hostname: None,
            max_frame_size: MAX_FRAME.into(),
            channel_max: MAX_CHANNEL.into(),
            idle_time_out: u32::try_from(ours).ok(),
            outgoing_locales: None,
            incoming_locales: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        put_frame(&mut self.out, AMQP, 0, &answer, &[]);
    }

    fn close(&mut self, error: Option<Error>) {
        if self.phase == Phase::Running {
            put_frame(&mut self.out, AMQP, 0, &Close { error }, &[]);
        }
        self.phase = Phase::Done;
    }

    fn end(&mut self, channel: u16) {
        let Some(session) = self.sessions.remove(&channel) else {
            return;
        };
        for link in session.links.values().filter_map(Link::id) {
            self.emulator.broker().detach(link);
            self.places.remove(&link);
        }
        put_frame(&mut self.out, AMQP, channel, &End { error: None }, &[]);
    }

    fn flush(&mut self) {
        for session in self.sessions.values_mut() {
            session.flush(&mut self.out);
        }
    }
}

/// A disposition that settles one delivery.
pub(super) fn settled(role: Role, id: u32, state: Option<DeliveryState>) -> Disposition {
    Disposition { role, first: id, last: None, settled: true, state, batchable: false }
}

pub(super) fn accepted() -> DeliveryState {
    DeliveryState::Accepted(Accepted {})
}

pub(super) fn rejected(refusal: &Refusal) -> DeliveryState {
    DeliveryState::Rejected(Rejected { error: Some(error(refusal)) })
}
