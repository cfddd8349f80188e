//! Connections: what the protocol decoders say of one TCP connection, and what follows from it.
//!
//! In come the data, gaps and ends of a TCP connection, out goes a [`ConnectionRecord`] for each WebSocket and each attempt
//! to open one.
//!
//! ```text
//!   Probing ── HTTP ─────────▶ Negotiation ── answer 101 ──▶ Session ──▶ record
//!      │ ▲                          │  └────── refused ─────▶ record, and goes on
//!      │ └──────── CONNECT ─────────┘
//!      ├── PROXY header ──▶ Proxy ──▶ Probing again
//!      └── ClientHello ───▶ Secure: what its records carry is a Connection of its own
//! ```

mod activity;
mod cause;
mod closing;
mod faults;
mod findings;
mod handshake_rules;
mod held;
mod negotiation;
mod packed;
mod probe;
mod proxy;
mod rate;
mod reaction;
mod record;
mod secure;
mod session;
mod split;
mod store;
mod tls_failure;

pub use activity::{Activity, Conduct, SeenMessage, SeenPing};
pub use cause::{Cause, CauseKind};
pub use packed::Packed;
pub use rate::Rate;
pub use record::*;
pub use store::{Block, Place, Store};
pub use tls_failure::TlsFailure;

use std::net::IpAddr;
use std::sync::Arc;

use crate::flow::Direction;
use crate::http;
use crate::limits;
use crate::tcp::{Application, Arrival, FlowStart, FlowSummary, Interest};
use crate::tls::{Random, Secrets, may_be_client_hello};
use crate::websocket::Rule;

use held::HeldContent;
use negotiation::{Negotiation, Outcome};
use probe::Probe;
use proxy::Parsed;
use secure::Secure;
use session::{Opening, Session};

/// What the connections of one shard work with, and where their records go.
#[derive(Debug, Default)]
pub struct Workplace {
    /// The secrets that are known by now.
    pub secrets: Arc<Secrets>,
    /// Connections that are over.
    pub finished: Store,
    /// Those of the TCP connection that is ending.
    records: Vec<ConnectionRecord>,
    /// TLS handshakes that failed.
    pub tls_failures: Vec<TlsFailure>,
    /// Connections whose secrets were not known when they were needed, by the client's random.
    pub locked: Vec<Random>,
}

impl Workplace {
    /// A connection is under keys that are not known.
    fn add_locked(&mut self, random: Option<Random>) {
        let room = limits::TLS_SECRETS.saturating_sub(self.locked.len());
        self.locked.extend(random.into_iter().take(room));
    }
}

/// The protocol stack of one TCP connection.
#[derive(Debug)]
pub struct Connection {
    start: FlowStart,
    stage: Stage,
    /// Bytes of TCP payload that the capture does not hold.
    missed: u64,
    /// Bytes looked at while probing.
    probed: usize,
    /// How far each direction was read, as a stream offset, until a session begins.
    reached: [u64; 2],
    /// What was there before, if there was anything.
    past: Option<Box<Past>>,
}

/// What a TCP connection carried before what it carries now.
#[derive(Debug, Default)]
struct Past {
    /// Attempts that were refused.
    refused: Vec<Refusal>,
    /// The client that a PROXY header names.
    proxied: Option<IpAddr>,
}

/// Bytes that are missing.
#[derive(Clone, Copy, Debug)]
struct Hole {
    /// Where in the stream.
    offset: u64,
    /// How many.
    length: u64,
    /// Whether that is known, not just taken for it.
    exact: bool,
}

#[derive(Debug)]
enum Stage {
    /// What is spoken is not known yet. A connection whose beginning is not in the capture is searched for frames.
    Probing(Option<Box<Probe>>),
    /// A PROXY header, of which these bytes were read.
    Proxy(Vec<u8>),
    Negotiation(Box<Negotiation>),
    Session(Box<Session>),
    /// TLS, and what it carries.
    Secure(Box<Secure>),
    /// Nothing more is to be found, but there are refused attempts to tell.
    Over,
}

#[derive(Debug)]
struct Refusal {
    opening: Opening,
    answer: Arrival,
    /// [`Connection::missed`] at that time.
    missed: u64,
}

impl Application for Connection {
    type Output = Workplace;

    fn new(start: &FlowStart) -> Self {
        Self { start: *start, stage: Stage::Probing(None), missed: 0, probed: 0, reached: [0; 2], past: None }
    }

    fn touch(&self) {
        if let Stage::Session(session) = &self.stage {
            session.touch();
        }
    }

    fn data(
        &mut self,
        from: Direction,
        offset: u64,
        bytes: &[u8],
        at: &Arrival,
        workplace: &mut Workplace,
    ) -> Interest {
        match &mut self.stage {
            Stage::Session(session) => {
                session.data(from, offset, bytes, at);
                Interest::Keep
            }
            Stage::Secure(secure) => secure.data(from, offset, bytes, at, workplace),
            Stage::Probing(_) | Stage::Proxy(_) | Stage::Negotiation(_) | Stage::Over => {
                self.reach(from, offset + bytes.len() as u64);
                self.negotiate(from, offset, bytes, at, self.missed, workplace)
            }
        }
    }

    fn gap(&mut self, from: Direction, offset: u64, length: u64, at: &Arrival, workplace: &mut Workplace) -> Interest {
        if let Stage::Secure(secure) = &mut self.stage {
            self.missed += length;
            return secure.gap(from, offset, length, at, workplace);
        }
        self.lack(from, Hole { offset, length, exact: true }, at);
        Interest::Keep
    }

    fn conflict(&mut self, from: Direction, offset: u64, at: &Arrival) {
        if let Stage::Session(session) = &mut self.stage {
            let detail = format!("bytes from stream offset {offset} on differ from the first copy");
            session.violation(from, at, Rule::ConflictingRetransmission, detail);
        }
    }

    fn finish(self, summary: &FlowSummary, workplace: &mut Workplace) {
        self.end(summary, workplace);
        workplace.records.drain(..).for_each(|record| workplace.finished.push(record));
    }
}

impl Connection {
    /// Nothing more comes: its records are beside those of what it is carried by.
    fn end(mut self, summary: &FlowSummary, workplace: &mut Workplace) {
        let fins = summary.directions.iter().filter(|direction| direction.fin_in_gap).count() as u64;
        self.missed = self.missed.saturating_sub(fins);
        let past = self.past.take().map_or_else(Past::default, |past| *past);
        let (first, proxied) = (workplace.records.len(), past.proxied);
        self.tell(past.refused, summary, workplace);
        for record in workplace.records.iter_mut().skip(first) {
            let told = record.request.forwarded_for.take();
            record.request.forwarded_for = proxied.map(|client| client.to_string().into()).or(told);
        }
    }

    /// The records of what was found.
    fn tell(mut self, refused: Vec<Refusal>, summary: &FlowSummary, workplace: &mut Workplace) {
        let records = &mut workplace.records;
        for refusal in refused {
            let missed = refusal.missed.min(self.missed);
            records.push(refusal.opening.attempt(&self.start, summary, Some(refusal.answer), missed));
        }
        if let Stage::Negotiation(negotiation) = &mut self.stage
            && let Some(session) = negotiation.assume_upgraded(self.missed)
        {
            self.begin(Box::new(session));
        }
        match self.stage {
            Stage::Probing(_) | Stage::Proxy(_) | Stage::Over => {}
            Stage::Negotiation(negotiation) => {
                let opening = negotiation.into_unanswered();
                records.extend(opening.map(|opening| opening.attempt(&self.start, summary, None, self.missed)));
            }
            Stage::Session(session) => records.push(session.finish(&self.start, summary, self.missed)),
            Stage::Secure(secure) => secure.finish(&self.start, summary, self.missed, workplace),
        }
    }

    fn past_mut(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    const fn reach(&mut self, from: Direction, offset: u64) {
        let [low, high] = &mut self.reached;
        match from {
            Direction::FromLow => *low = offset,
            Direction::FromHigh => *high = offset,
        }
    }

    /// From here on it is known to be a WebSocket.
    fn begin(&mut self, mut session: Box<Session>) {
        let [low, high] = self.reached;
        session.seek(Direction::FromLow, low);
        session.seek(Direction::FromHigh, high);
        self.stage = Stage::Session(session);
    }

    /// Missing bytes.
    fn lack(&mut self, from: Direction, hole: Hole, at: &Arrival) {
        self.missed += hole.length;
        self.reach(from, hole.offset + hole.length);
        self.step_over(from, hole, at, self.missed);
    }

    /// Missing bytes, after which the connection lacks `missed`.
    fn step_over(&mut self, from: Direction, hole: Hole, at: &Arrival, missed: u64) {
        match &mut self.stage {
            Stage::Over | Stage::Secure(_) => {}
            Stage::Proxy(_) => self.stage = Stage::Probing(None),
            Stage::Probing(probe) => {
                let found = probe.as_mut().and_then(|probe| probe.gap(from, hole, &self.start));
                if let Some(session) = found {
                    self.begin(Box::new(session));
                }
            }
            Stage::Negotiation(negotiation) => {
                if let Some(session) = negotiation.gap(from, hole, at, missed, &self.start) {
                    self.begin(Box::new(session));
                } else if negotiation.is_lost() {
                    self.stage = Stage::Probing(None);
                }
            }
            Stage::Session(session) => session.gap(from, hole, at),
        }
    }

    /// Bytes before it is known to be a WebSocket; the TCP connection lacked `missed` by then.
    fn negotiate(
        &mut self,
        from: Direction,
        offset: u64,
        bytes: &[u8],
        at: &Arrival,
        missed: u64,
        workplace: &mut Workplace,
    ) -> Interest {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let position = offset + used as u64;
            match &mut self.stage {
                Stage::Over => return Interest::Keep,
                Stage::Session(session) => {
                    session.data(from, position, rest, at);
                    return Interest::Keep;
                }
                Stage::Secure(secure) => return secure.data(from, position, rest, at, workplace),
                Stage::Probing(None) if position == 0 && proxy::parse(rest) != Parsed::No => {
                    self.stage = Stage::Proxy(Vec::new());
                }
                Stage::Proxy(read) => {
                    let before = read.len();
                    read.extend_from_slice(rest);
                    match proxy::parse(read) {
                        Parsed::Incomplete => return Interest::Keep,
                        Parsed::No => return self.give_up(),
                        Parsed::Header { length, client } => {
                            used += length.saturating_sub(before);
                            self.past_mut().proxied = client;
                            self.stage = Stage::Probing(None);
                        }
                    }
                }
                Stage::Probing(_) if may_be_client_hello(rest) => {
                    self.stage = Stage::Secure(Box::new(Secure::new(from, &self.start)));
                }
                Stage::Probing(_) => match self.probe(from, rest) {
                    Some(negotiation) => self.stage = Stage::Negotiation(Box::new(negotiation)),
                    None => return self.not_http(from, position, rest, at),
                },
                Stage::Negotiation(negotiation) => {
                    let (count, outcome) = negotiation.data(from, position, rest, at, &self.start, missed);
                    used += count;
                    if self.follow(outcome, workplace) == Interest::Ignore {
                        return Interest::Ignore;
                    }
                }
            }
        }
        Interest::Keep
    }

    fn follow(&mut self, outcome: Outcome, workplace: &mut Workplace) -> Interest {
        match outcome {
            Outcome::Read => {}
            Outcome::Upgraded(session) => self.begin(session),
            Outcome::Tunnel => self.stage = Stage::Probing(None),
            Outcome::Over => return self.give_up(),
            Outcome::Refused { opening, answer } => {
                let missed = self.missed;
                self.past_mut().refused.push(Refusal { opening: *opening, answer, missed });
                return self.read_held(workplace);
            }
        }
        Interest::Keep
    }

    /// After a refusal, what the client sent behind its request are further requests.
    fn read_held(&mut self, workplace: &mut Workplace) -> Interest {
        let Stage::Negotiation(negotiation) = &mut self.stage else { return Interest::Keep };
        let client = negotiation.client();
        for held in negotiation.take_held() {
            match held.content {
                // What the server sent before its answer was none.
                _ if held.from != client => {}
                HeldContent::Gap(hole) => self.step_over(client, hole, &held.at, held.missed),
                HeldContent::Bytes(bytes) => {
                    let interest = self.negotiate(client, held.offset, &bytes, &held.at, held.missed, workplace);
                    if interest == Interest::Ignore {
                        return Interest::Ignore;
                    }
                }
            }
        }
        Interest::Keep
    }

    /// HTTP, if that is how the first bytes begin.
    fn probe(&self, from: Direction, bytes: &[u8]) -> Option<Negotiation> {
        if http::may_be_request(bytes) {
            Some(Negotiation::new(from))
        } else if http::may_be_response(bytes) {
            Some(Negotiation::new(from.opposite()))
        } else {
            None
        }
    }

    /// A connection that does not begin with HTTP is no WebSocket; one whose beginning is missing may be anywhere.
    fn not_http(&mut self, from: Direction, offset: u64, bytes: &[u8], at: &Arrival) -> Interest {
        if self.begins_in_capture() {
            return self.give_up();
        }
        self.probed += bytes.len();
        let Stage::Probing(probe) = &mut self.stage else { return Interest::Keep };
        let probe = probe.get_or_insert_with(|| Box::new(Probe::new()));
        if let Some(session) = probe.data(from, offset, bytes, at, &self.start) {
            self.begin(Box::new(session));
        } else if self.probed > limits::PROBED_BYTES {
            return self.give_up();
        }
        Interest::Keep
    }

    const fn begins_in_capture(&self) -> bool {
        self.start.syn_seen && self.missed == 0
    }

    /// What was taken for HTTP is not, or nothing was found for long.
    fn give_up(&mut self) -> Interest {
        if !self.begins_in_capture() && self.probed <= limits::PROBED_BYTES {
            self.stage = Stage::Probing(None);
            return Interest::Keep;
        }
        self.stage = Stage::Over;
        if self.past.as_ref().is_some_and(|past| !past.refused.is_empty()) { Interest::Keep } else { Interest::Ignore }
    }
}
