//! A connection that speaks HTTP, until one of its requests turns it into a WebSocket.
//!
//! Requests wait in a queue for their answers. What the client sends behind an upgrade request is held back until the
//! answer says whether it is frames or further requests.

use std::collections::VecDeque;

use crate::flow::{Direction, PerRole, Role};
use crate::http::{Body, Malformed, Reader, Request, Response, may_be_response};
use crate::limits;
use crate::tcp::{Arrival, FlowStart};
use crate::websocket::handshake::{Offer, is_agreement, is_upgrade};
use crate::websocket::{Decoder, Extensions, Rule};

use super::Hole;
use super::handshake_rules;
use super::held::{Held, HeldBack, HeldContent};
use super::record::{Handshake, RequestFacts, ResponseFacts};
use super::session::{Opening, Session};

/// HTTP on one connection.
#[derive(Debug)]
pub(super) struct Negotiation {
    client: Direction,
    requests: Reader,
    responses: Reader,
    /// Requests without an answer, oldest first.
    waiting: VecDeque<Waiting>,
    /// What the client sent behind an upgrade request that waits, and what the server sent behind a gap that may hide the
    /// answer.
    held: HeldBack,
    /// The packet in which the current request began, if any did.
    request_began: Option<Arrival>,
    /// No request was seen before the current one.
    first_request: bool,
    /// Answers may have gone by in a gap.
    answer_missing: bool,
}

#[derive(Debug)]
enum Waiting {
    Plain { head: bool, connect: bool },
    Upgrade(Box<Attempt>),
}

/// An upgrade request.
#[derive(Debug)]
struct Attempt {
    opening: Opening,
    offer: Offer,
    /// The client's stream offset just after its head.
    end: u64,
}

/// What became of some bytes.
pub(super) enum Outcome {
    /// They were read.
    Read,
    /// An upgrade request was refused; it is over, and the connection goes on.
    Refused { opening: Box<Opening>, answer: Arrival },
    /// What follows is a WebSocket.
    Upgraded(Box<Session>),
    /// What follows is what a tunnel carries.
    Tunnel,
    /// It is no HTTP, or another protocol was agreed upon.
    Over,
}

impl Negotiation {
    /// A connection on which `client` sends the requests.
    pub(super) fn new(client: Direction) -> Self {
        Self {
            client,
            requests: Reader::default(),
            responses: Reader::default(),
            waiting: VecDeque::new(),
            held: HeldBack::default(),
            request_began: None,
            first_request: true,
            answer_missing: false,
        }
    }

    /// Which end sends the requests.
    pub(super) const fn client(&self) -> Direction {
        self.client
    }

    /// Whether heads are no longer found in either direction, so that an upgrade may have gone by.
    pub(super) const fn is_lost(&self) -> bool {
        self.requests.is_lost() && self.responses.is_lost()
    }

    /// The upgrade request that waits for its answer, if there is one: the capture ends before it.
    pub(super) fn into_unanswered(self) -> Option<Opening> {
        self.waiting.into_iter().find_map(|waiting| match waiting {
            Waiting::Upgrade(attempt) => Some(attempt.opening),
            Waiting::Plain { .. } => None,
        })
    }

    fn waits_for_upgrade(&self) -> bool {
        matches!(self.waiting.back(), Some(Waiting::Upgrade(_)))
    }

    /// `bytes` of `from` at stream offset `offset`. Called again with what was not used until nothing is left.
    pub(super) fn data(
        &mut self,
        from: Direction,
        offset: u64,
        bytes: &[u8],
        at: &Arrival,
        start: &FlowStart,
        missed: u64,
    ) -> (usize, Outcome) {
        let result = if from == self.client {
            if self.waits_for_upgrade() {
                return (bytes.len(), self.hold(from, bytes, offset, at, missed));
            }
            self.request(offset, bytes, at, start, missed)
        } else if self.may_be_upgraded() && !may_be_response(bytes) {
            return (bytes.len(), self.hold(from, bytes, offset, at, missed));
        } else {
            self.response(offset, bytes, at, start)
        };
        result.unwrap_or_else(|Malformed| (bytes.len(), self.malformed(from, at)))
    }

    /// Bytes of `from` are missing, the last of `missed` so far: the WebSocket connection, if they are the rest of an answer
    /// that agrees to it.
    pub(super) fn gap(
        &mut self,
        from: Direction,
        hole: Hole,
        at: &Arrival,
        missed: u64,
        start: &FlowStart,
    ) -> Option<Session> {
        // More than any body has left.
        let length = if hole.exact { hole.length } else { u64::MAX };
        let held = Held { from, offset: hole.offset, content: HeldContent::Gap(hole), at: *at, missed };
        if from != self.client {
            if self.responses.partial_head().starts_with(SWITCHING) {
                return Some(self.upgraded_by_cut_answer(hole, at, start));
            }
            if self.may_be_upgraded() {
                self.held.push(held);
            }
            self.answer_missing |= !self.responses.gap(length);
        } else if self.waits_for_upgrade() {
            self.held.push(held);
        } else {
            self.requests.gap(length);
            self.request_began = None;
        }
        None
    }

    /// Whether the answer to an upgrade request may have gone by, so that what the server sends may be frames.
    fn may_be_upgraded(&self) -> bool {
        self.answer_missing && self.responses.is_lost() && self.waits_for_upgrade()
    }

    fn request(
        &mut self,
        offset: u64,
        bytes: &[u8],
        at: &Arrival,
        start: &FlowStart,
        missed: u64,
    ) -> Result<(usize, Outcome), Malformed> {
        if self.requests.is_between_messages() {
            self.request_began = Some(*at);
        }
        let progress = self.requests.read::<Request>(bytes)?;
        let Some(request) = progress.head else { return Ok((progress.used, Outcome::Read)) };
        self.requests.body(Body::of_request(&request));
        if self.waiting.len() >= limits::HTTP_PIPELINE {
            return Ok((progress.used, Outcome::Over));
        }
        let began = self.request_began.take().unwrap_or(*at);
        let first = if std::mem::take(&mut self.first_request) { start.first() } else { began };
        self.waiting.push_back(if is_upgrade(&request) {
            let (offer, end) = (Offer::of(&request), offset + progress.used as u64);
            let opening = Opening {
                request: RequestFacts::of(&request),
                missed_before: missed,
                faults: handshake_rules::of_request(&offer, at, end),
                ..Opening::begun(first, self.client, Handshake::Unanswered)
            };
            Waiting::Upgrade(Box::new(Attempt { opening, offer, end }))
        } else {
            Waiting::Plain { head: request.method == "HEAD", connect: request.method == "CONNECT" }
        });
        Ok((progress.used, Outcome::Read))
    }

    fn response(
        &mut self,
        offset: u64,
        bytes: &[u8],
        at: &Arrival,
        start: &FlowStart,
    ) -> Result<(usize, Outcome), Malformed> {
        let progress = self.responses.read::<Response>(bytes)?;
        let Some(response) = progress.head else { return Ok((progress.used, Outcome::Read)) };
        let outcome = self.answer(&response, offset + progress.used as u64, at, start);
        Ok((progress.used, outcome))
    }

    /// The head of an answer that ends at stream offset `end`.
    fn answer(&mut self, response: &Response, end: u64, at: &Arrival, start: &FlowStart) -> Outcome {
        if matches!(response.status, 100 | 102..=199) {
            self.responses.body(Body::Length(0));
            return Outcome::Read;
        }
        if is_agreement(response) {
            let session = match self.take_attempt() {
                Some(attempt) if !self.answers_another(&attempt, response) => {
                    self.upgraded(*attempt, response, end, at)
                }
                Some(_) | None => self.upgraded_without_request(response, end, at, start),
            };
            return Outcome::Upgraded(Box::new(session));
        }
        match self.waiting.pop_front() {
            Some(Waiting::Upgrade(attempt)) => {
                self.responses.body(Body::of_response(response, false));
                let mut opening = attempt.opening;
                opening.handshake = if response.status == 101 { Handshake::Invalid } else { Handshake::Refused };
                opening.response = ResponseFacts::of(response);
                opening.faults.extend(handshake_rules::of_refusal(&attempt.offer, response, at, end));
                Outcome::Refused { opening: Box::new(opening), answer: *at }
            }
            Some(Waiting::Plain { connect: true, .. }) if (200..300).contains(&response.status) => Outcome::Tunnel,
            _ if response.status == 101 => Outcome::Over,
            Some(Waiting::Plain { head, .. }) => {
                self.responses.body(Body::of_response(response, head));
                Outcome::Read
            }
            None => {
                self.responses.body(Body::of_response(response, false));
                Outcome::Read
            }
        }
    }

    /// The oldest upgrade request. Requests before it whose answers were not seen are forgotten.
    fn take_attempt(&mut self) -> Option<Box<Attempt>> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().find_map(|waiting| match waiting {
            Waiting::Upgrade(attempt) => Some(attempt),
            Waiting::Plain { .. } => None,
        })
    }

    /// Whether a 101 answers a request that went by in a hole behind that of `attempt`.
    fn answers_another(&self, attempt: &Attempt, response: &Response) -> bool {
        let hole = self.answer_missing || self.held.has_gap();
        hole && handshake_rules::answers_another(&attempt.offer, response)
    }

    fn upgraded(&mut self, attempt: Attempt, response: &Response, end: u64, at: &Arrival) -> Session {
        let judged = handshake_rules::of_agreement(&attempt.offer, response, at, end);
        let mut opening = attempt.opening;
        opening.handshake = judged.handshake;
        opening.faults.extend(judged.faults);
        opening.response = ResponseFacts::of(response);
        opening.established = Some(*at);
        let extensions = Extensions::agreed(&response.fields);
        let decoders = PerRole {
            client: Decoder::new(Role::Client, extensions, attempt.end),
            server: Decoder::new(Role::Server, extensions, end),
        };
        let mut session = Session::new(opening, decoders);
        self.release(&mut session, Some(end));
        session
    }

    /// The answer is 101, and the rest of it is not in the capture.
    fn upgraded_by_cut_answer(&mut self, hole: Hole, at: &Arrival, start: &FlowStart) -> Session {
        let end = hole.offset + hole.length;
        let attempt = self.take_attempt();
        let (client_end, mut opening) = match attempt {
            Some(attempt) => (Some(attempt.end), attempt.opening),
            None => (None, self.opening_without_request(at, start)),
        };
        opening.handshake = Handshake::Missing;
        opening.response.status = Some(101);
        opening.established = Some(*at);
        let client = |offset| match offset {
            Some(offset) => Decoder::new(Role::Client, Extensions::ASSUMED, offset),
            None => Decoder::lost(Role::Client, Extensions::ASSUMED, 0),
        };
        let decoders =
            PerRole { client: client(client_end), server: Decoder::lost(Role::Server, Extensions::ASSUMED, end) };
        let mut session = Session::new(opening, decoders);
        self.release(&mut session, None);
        session
    }

    /// The request is not in the capture, only its answer.
    fn upgraded_without_request(&self, response: &Response, end: u64, at: &Arrival, start: &FlowStart) -> Session {
        let mut opening = self.opening_without_request(at, start);
        opening.response = ResponseFacts::of(response);
        opening.established = Some(*at);
        let extensions = Extensions::agreed(&response.fields);
        let decoders = PerRole {
            client: Decoder::lost(Role::Client, extensions, 0),
            server: Decoder::new(Role::Server, extensions, end),
        };
        Session::new(opening, decoders)
    }

    fn opening_without_request(&self, at: &Arrival, start: &FlowStart) -> Opening {
        let mut opening = Opening::without_request(start, self.client);
        if !self.first_request {
            opening.first = *at;
        }
        opening
    }

    /// Hands what was held back to the decoders. `answer_end` is where the answer ended in the server's stream: a client
    /// that had not received it must not have sent frames (RFC 6455 section 4.1).
    fn release(&mut self, session: &mut Session, answer_end: Option<u64>) {
        let mut told = false;
        for held in self.held.take() {
            let bytes = match held.content {
                HeldContent::Bytes(bytes) => bytes,
                HeldContent::Gap(hole) => {
                    session.gap(held.from, hole, &held.at);
                    continue;
                }
            };
            // What is held was recorded before the answer, but may have been sent after it.
            let unheard = answer_end.is_some_and(|end| held.at.acknowledged.is_some_and(|heard| heard < end));
            let early = unheard && held.from == self.client;
            if early && !std::mem::replace(&mut told, true) {
                let detail = format!("{} bytes before the answer", bytes.len());
                session.violation_from(self.client, &held.at, Rule::FramesBeforeHandshake, detail, held.offset + 1);
            }
            session.data(held.from, held.offset, &bytes, &held.at);
        }
    }

    /// What was held back, which is requests again: the upgrade was refused.
    pub(super) fn take_held(&mut self) -> Vec<Held> {
        self.held.take()
    }

    fn hold(&mut self, from: Direction, bytes: &[u8], offset: u64, at: &Arrival, missed: u64) -> Outcome {
        self.held.push(Held { from, offset, content: HeldContent::Bytes(bytes.into()), at: *at, missed });
        if let Some(session) = self.assume_upgraded(missed) {
            return Outcome::Upgraded(Box::new(session));
        }
        if self.held.is_too_much() { Outcome::Over } else { Outcome::Read }
    }

    /// A connection whose answer is not in the capture, if what was sent behind the request are frames.
    pub(super) fn assume_upgraded(&mut self, missed: u64) -> Option<Session> {
        let answer_lost = self.answer_missing || self.held.is_too_much();
        if !answer_lost || !self.held.are_frames(self.client) {
            return None;
        }
        let attempt = self.take_attempt()?;
        let mut opening = attempt.opening;
        opening.handshake = Handshake::Missing;
        opening.missed_before = opening.missed_before.min(missed);
        let extensions = if attempt.offer.offers_deflate() { Extensions::ASSUMED } else { Extensions::default() };
        let decoders = PerRole {
            client: Decoder::new(Role::Client, extensions, attempt.end),
            server: Decoder::lost(Role::Server, extensions, 0),
        };
        let mut session = Session::new(opening, decoders);
        self.release(&mut session, None);
        Some(session)
    }

    /// What is there is no HTTP. An answer of that kind refuses the oldest upgrade request.
    fn malformed(&mut self, from: Direction, at: &Arrival) -> Outcome {
        let attempt = if from == self.client { None } else { self.take_attempt() };
        match attempt {
            Some(attempt) => {
                let mut opening = attempt.opening;
                opening.handshake = Handshake::Refused;
                Outcome::Refused { opening: Box::new(opening), answer: *at }
            }
            None => Outcome::Over,
        }
    }
}

/// How an answer begins that agrees to another protocol.
const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionRecord;
    use crate::flow::{Endpoint, FlowKey, PacketId, Timestamp};
    use crate::tcp::{DirectionEnd, FlowSummary};
    use crate::websocket::handshake::accept_of;

    const CLIENT: Direction = Direction::FromLow;
    const PACKET: PacketId = PacketId::new(0, 1);

    fn start() -> FlowStart {
        let key = FlowKey::of(Endpoint::from_v4([10, 0, 0, 1], 5000), Endpoint::from_v4([10, 0, 0, 2], 80)).0;
        FlowStart { key, packet: PACKET, time: Timestamp::default(), conversation: PACKET, syn_seen: true }
    }

    fn at(acknowledged: Option<u64>) -> Arrival {
        Arrival { packet: PACKET, time: Timestamp::default(), acknowledged }
    }

    /// What becomes of a frame that is read between request and answer, if its sender had received so much of the answer
    /// as `heard` makes of its length.
    fn early_frame(heard: fn(u64) -> Option<u64>) -> ConnectionRecord {
        let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{fields}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
        );
        let accept = accept_of(b"AAECAwQFBgcICQoLDA0ODw==");
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}Sec-WebSocket-Accept: {accept}\r\n\r\n");
        let frame = [0x81, 0x80, 1, 2, 3, 4];
        let mut negotiation = Negotiation::new(CLIENT);
        let mut data =
            |from, offset: usize, bytes: &[u8], at| negotiation.data(from, offset as u64, bytes, &at, &start(), 0).1;
        assert!(matches!(data(CLIENT, 0, request.as_bytes(), at(Some(0))), Outcome::Read));
        assert!(matches!(data(CLIENT, request.len(), &frame, at(heard(answer.len() as u64))), Outcome::Read));
        let answered = data(CLIENT.opposite(), 0, answer.as_bytes(), at(Some(request.len() as u64)));
        let Outcome::Upgraded(session) = answered else { panic!("the answer agrees") };
        let directions = [DirectionEnd::default(); 2];
        let span = crate::tcp::FlowSpan { first: PACKET, last: PACKET, scopes: [None; 2] };
        let summary = FlowSummary {
            end: None,
            directions,
            repetitions: Default::default(),
            span,
            last_time: Timestamp::default(),
        };
        session.finish(&start(), &summary, 0)
    }

    #[test]
    fn frame_read_before_the_answer_is_early_unless_its_sender_had_the_answer() {
        for heard in [|_| Some(0), |answer| Some(answer - 1)] {
            let early = early_frame(heard);
            assert_eq!(
                early.violations.iter().map(|found| found.rule).collect::<Vec<_>>(),
                [Rule::FramesBeforeHandshake]
            );
            assert_eq!(early.messages.client, 1);
        }
        for heard in [Some, |_| None] {
            let late = early_frame(heard);
            assert_eq!((late.violations, late.messages.client), (Vec::new(), 1));
        }
    }
}
