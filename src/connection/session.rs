//! A connection that speaks WebSocket: both directions' decoders, until the end.

use crate::flow::{Direction, PerRole, Role};
use crate::tcp::{Arrival, FlowSpan, FlowStart, FlowSummary};
use crate::websocket::{Decoder, Found, Rule};

use super::closing::{self, Circumstances};
use super::findings::Findings;
use super::handshake_rules::HandshakeFault;
use super::record::{ConnectionRecord, Handshake, RequestFacts, ResponseFacts, Transport, Verdict};

/// What is known of a connection from its opening.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// Its first packet.
    pub(super) first: Arrival,
    /// Which end is the client.
    pub(super) client: Direction,
    pub(super) request: RequestFacts,
    pub(super) response: ResponseFacts,
    pub(super) handshake: Handshake,
    /// The packet that completed the handshake.
    pub(super) established: Option<Arrival>,
    /// Bytes that the capture did not hold before the connection began.
    pub(super) missed_before: u64,
    /// The rules that its heads break.
    pub(super) faults: Vec<HandshakeFault>,
}

impl Opening {
    fn role_of(&self, direction: Direction) -> Role {
        if direction == self.client { Role::Client } else { Role::Server }
    }

    /// What the end of TCP says of this connection; `unknown_tail` as in [`Circumstances`].
    fn circumstances(&self, summary: &FlowSummary, unknown_tail: [Option<Role>; 2]) -> Circumstances {
        Circumstances { end: summary.end.map(|end| (self.role_of(end.sender), end)), unknown_tail }
    }

    /// The record of a connection that began so, without anything that came after.
    fn record(self, start: &FlowStart, span: FlowSpan, verdict: Verdict) -> ConnectionRecord {
        ConnectionRecord {
            first_packet: self.first.packet,
            last_packet: self.first.packet,
            conversation: start.conversation,
            tcp: span,
            opened_at: self.first.time,
            established_at: self.established.map(|at| at.time),
            ended_at: None,
            client: start.key.sender(self.client),
            server: start.key.sender(self.client.opposite()),
            transport: Transport::Tcp,
            sni: None,
            request: self.request,
            response: self.response,
            handshake: self.handshake,
            messages: PerRole::default(),
            payload_bytes: PerRole::default(),
            verdict,
            close_frames: Vec::new(),
            invalid_utf8: Vec::new(),
            invalid_utf8_count: 0,
            violations: Vec::new(),
            violation_count: 0,
            undecodable_messages: 0,
            missed_bytes: 0,
            complete: false,
        }
    }

    /// The record of an attempt that never became a connection. `answer` is the packet that refused it; `missed` counts
    /// the bytes that the TCP connection lacks until the attempt was over.
    pub(super) fn attempt(
        self,
        start: &FlowStart,
        summary: &FlowSummary,
        answer: Option<Arrival>,
        missed: u64,
    ) -> ConnectionRecord {
        let missed_bytes = missed - self.missed_before;
        let violations: Vec<_> = self.faults.iter().map(HandshakeFault::violation).collect();
        let verdict = closing::tcp_verdict(&self.circumstances(summary, [None, None]));
        let mut record = self.record(start, summary.span, verdict);
        record.last_packet = answer.map_or(summary.last_packet, |at| at.packet);
        record.ended_at = answer.map(|at| at.time).or(summary.end.map(|end| end.time));
        record.violation_count = violations.len() as u64;
        record.violations = violations;
        record.missed_bytes = missed_bytes;
        record.complete = record.ended_at.is_some() && missed_bytes == 0;
        record
    }
}

/// A connection that speaks WebSocket.
#[derive(Debug)]
pub(super) struct Session {
    opening: Opening,
    decoders: PerRole<Decoder<Arrival>>,
    findings: Findings,
}

impl Session {
    pub(super) fn new(mut opening: Opening, decoders: PerRole<Decoder<Arrival>>) -> Self {
        let mut findings = Findings::new(opening.established.is_some());
        for HandshakeFault { sender, at, end, rule, detail } in std::mem::take(&mut opening.faults) {
            findings.violation_from(sender, &at, rule, detail, Some(end));
        }
        Self { opening, decoders, findings }
    }

    pub(super) fn data(&mut self, from: Direction, bytes: &[u8], at: &Arrival) {
        let sender = self.opening.role_of(from);
        self.decoders.get_mut(sender).feed(bytes, *at, &mut self.findings.of(sender));
    }

    /// Goes on where a search has found a frame.
    pub(super) fn resume(&mut self, found: Found<Arrival>) {
        let sender = found.sender;
        self.decoders.get_mut(sender).resume(found, &mut self.findings.of(sender));
    }

    pub(super) fn gap(&mut self, from: Direction, length: u64, at: &Arrival) {
        let sender = self.opening.role_of(from);
        self.decoders.get_mut(sender).gap(length, *at, &mut self.findings.of(sender));
    }

    /// Bytes are missing, nobody knows how many.
    pub(super) fn lose_place(&mut self, from: Direction, at: &Arrival) {
        let sender = self.opening.role_of(from);
        self.decoders.get_mut(sender).lose_place(*at, &mut self.findings.of(sender));
    }

    /// `sender` broke a rule that no frame shows.
    pub(super) fn violation(&mut self, from: Direction, at: &Arrival, rule: Rule, detail: impl Into<Box<str>>) {
        self.findings.violation(self.opening.role_of(from), at, rule, detail);
    }

    /// The same, where the peer can react to it: it knows from the sender's stream offset `known` on.
    pub(super) fn violation_from(&mut self, from: Direction, at: &Arrival, rule: Rule, detail: String, known: u64) {
        self.findings.violation_from(self.opening.role_of(from), at, rule, detail, Some(known));
    }

    /// The connection is over; `missed` counts the bytes that the TCP connection lacks.
    pub(super) fn finish(mut self, start: &FlowStart, summary: &FlowSummary, missed: u64) -> ConnectionRecord {
        let at = Arrival { packet: summary.last_packet, time: summary.last_time, acknowledged: None };
        let roles = [Role::Client, Role::Server];
        let unknown_tail = roles.map(|role| Some(role).filter(|role| self.decoders.get(*role).is_lost()));
        for role in roles {
            self.decoders.get_mut(role).end(at, &mut self.findings.of(role));
        }
        let circumstances = self.opening.circumstances(summary, unknown_tail);
        let missed_bytes = missed - self.opening.missed_before;
        let seen_whole = self.opening.handshake != Handshake::Missing && missed_bytes == 0;
        if seen_whole {
            self.judge_closing(&circumstances);
        }
        self.findings.settle();
        let verdict = self.findings.closing.verdict(&circumstances);
        let findings = self.findings;
        let mut record = self.opening.record(start, summary.span, verdict);
        record.last_packet = summary.last_packet;
        record.ended_at = summary.end.map(|end| end.time).or(findings.closing.closed_at().map(|at| at.time));
        record.messages = findings.messages;
        record.payload_bytes =
            PerRole { client: self.decoders.client.payload_bytes(), server: self.decoders.server.payload_bytes() };
        record.close_frames = findings.close_frames;
        record.invalid_utf8 = findings.invalid_utf8;
        record.invalid_utf8_count = findings.invalid_utf8_count;
        record.violations = findings.violations;
        record.violation_count = findings.violation_count;
        record.undecodable_messages = findings.undecodable_messages;
        record.missed_bytes = missed_bytes;
        record.complete = summary.end.is_some() && seen_whole;
        record
    }

    /// A Close frame must be answered (RFC 6455 section 5.5.1), except by an end that fails the connection because of what
    /// the other one sent (section 7.1.7).
    fn judge_closing(&mut self, circumstances: &Circumstances) {
        let Some((role, end)) = self.findings.closing.unanswered_by(circumstances) else { return };
        if !self.findings.blames(role.peer()) {
            let at = Arrival { packet: end.packet, time: end.time, acknowledged: end.acknowledged };
            self.findings.violation(role, &at, Rule::MissingCloseReply, "FIN after the other end's Close frame");
        }
    }
}
