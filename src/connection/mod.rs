//! Connections: what the protocol decoders say of one TCP connection, and what follows from it.
//!
//! In come the data, gaps and ends of a TCP connection, out goes a [`ConnectionRecord`] for each WebSocket and each attempt
//! to open one.
//!
//! ```text
//!             HTTP               answer 101
//!   Probing ───────▶ Negotiation ───────────▶ Session ──▶ record
//!      ▲                │     │
//!      └── CONNECT ─────┘     └── refused ──▶ record, and goes on
//! ```

mod activity;
mod cause;
mod closing;
mod findings;
mod negotiation;
mod probe;
mod rate;
mod record;
mod session;

pub use activity::{Activity, Conduct, SeenMessage, SeenPing};
pub use cause::{Cause, CauseKind};
pub use rate::Rate;
pub use record::*;

use crate::flow::Direction;
use crate::http;
use crate::limits;
use crate::tcp::{Application, Arrival, FlowStart, FlowSummary, Interest};
use crate::websocket::Rule;

use negotiation::{Negotiation, Outcome};
use probe::Probe;
use session::{Opening, Session};

/// The protocol stack of one TCP connection.
#[derive(Debug)]
pub struct Connection {
    start: FlowStart,
    stage: Stage,
    /// Attempts that were refused before.
    refused: Vec<Refusal>,
    /// Bytes of TCP payload that the capture does not hold.
    missed: u64,
    /// Bytes looked at while probing.
    probed: usize,
}

#[derive(Debug)]
enum Stage {
    /// What is spoken is not known yet. A connection whose beginning is not in the capture is searched for frames.
    Probing(Option<Box<Probe>>),
    Negotiation(Box<Negotiation>),
    Session(Box<Session>),
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
    type Output = Vec<ConnectionRecord>;

    fn new(start: &FlowStart) -> Self {
        Self { start: *start, stage: Stage::Probing(None), refused: Vec::new(), missed: 0, probed: 0 }
    }

    fn data(&mut self, from: Direction, offset: u64, bytes: &[u8], at: &Arrival, _: &mut Self::Output) -> Interest {
        if let Stage::Session(session) = &mut self.stage {
            session.data(from, bytes, at);
            return Interest::Keep;
        }
        self.negotiate(from, offset, bytes, at)
    }

    fn gap(&mut self, from: Direction, _: u64, length: u64, at: &Arrival, _: &mut Self::Output) -> Interest {
        self.missed += length;
        match &mut self.stage {
            Stage::Over => {}
            Stage::Probing(probe) => {
                if let Some(probe) = probe {
                    probe.gap(from);
                }
            }
            Stage::Negotiation(negotiation) => {
                negotiation.gap(from, length, at);
                if negotiation.is_lost() {
                    self.stage = Stage::Probing(None);
                }
            }
            Stage::Session(session) => session.gap(from, length, at),
        }
        Interest::Keep
    }

    fn conflict(&mut self, from: Direction, offset: u64, at: &Arrival) {
        if let Stage::Session(session) = &mut self.stage {
            let detail = format!("bytes from stream offset {offset} on differ from the first copy");
            session.violation(from, at, Rule::ConflictingRetransmission, detail);
        }
    }

    fn finish(mut self, summary: &FlowSummary, output: &mut Self::Output) {
        for refusal in self.refused {
            output.push(refusal.opening.attempt(&self.start, summary, Some(refusal.answer), refusal.missed));
        }
        if let Stage::Negotiation(negotiation) = &mut self.stage
            && let Some(session) = negotiation.assume_upgraded(self.missed)
        {
            self.stage = Stage::Session(Box::new(session));
        }
        match self.stage {
            Stage::Probing(_) | Stage::Over => {}
            Stage::Negotiation(negotiation) => {
                let opening = negotiation.into_unanswered();
                output.extend(opening.map(|opening| opening.attempt(&self.start, summary, None, self.missed)));
            }
            Stage::Session(session) => output.push(session.finish(&self.start, summary, self.missed)),
        }
    }
}

impl Connection {
    /// Bytes before it is known to be a WebSocket.
    fn negotiate(&mut self, from: Direction, offset: u64, bytes: &[u8], at: &Arrival) -> Interest {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let position = offset + used as u64;
            match &mut self.stage {
                Stage::Over => return Interest::Keep,
                Stage::Session(session) => {
                    session.data(from, rest, at);
                    return Interest::Keep;
                }
                Stage::Probing(_) => match self.probe(from, rest) {
                    Some(negotiation) => self.stage = Stage::Negotiation(Box::new(negotiation)),
                    None => return self.not_http(from, position, rest, at),
                },
                Stage::Negotiation(negotiation) => {
                    let (count, outcome) = negotiation.data(from, position, rest, at, &self.start, self.missed);
                    used += count;
                    if self.follow(outcome) == Interest::Ignore {
                        return Interest::Ignore;
                    }
                }
            }
        }
        Interest::Keep
    }

    fn follow(&mut self, outcome: Outcome) -> Interest {
        match outcome {
            Outcome::Read => {}
            Outcome::Upgraded(session) => self.stage = Stage::Session(session),
            Outcome::Tunnel => self.stage = Stage::Probing(None),
            Outcome::Over => return self.give_up(),
            Outcome::Refused { opening, answer } => {
                self.refused.push(Refusal { opening: *opening, answer, missed: self.missed });
                return self.read_held();
            }
        }
        Interest::Keep
    }

    /// After a refusal, what the client sent behind its request are further requests.
    fn read_held(&mut self) -> Interest {
        let Stage::Negotiation(negotiation) = &mut self.stage else { return Interest::Keep };
        let client = negotiation.client();
        for (bytes, offset, at) in negotiation.take_held() {
            if self.negotiate(client, offset, &bytes, &at) == Interest::Ignore {
                return Interest::Ignore;
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
            self.stage = Stage::Session(Box::new(session));
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
        if self.refused.is_empty() { Interest::Ignore } else { Interest::Keep }
    }
}
