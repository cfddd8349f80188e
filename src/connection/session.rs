//! A connection that speaks WebSocket: both directions' decoders, until the end.

use crate::flow::{Direction, PerRole, Role};
use crate::tcp::{Arrival, FlowSpan, FlowStart, FlowSummary};
use crate::websocket::{Decoder, Found, Rule};

use super::activity::Activity;
use super::closing::{self, Circumstances};
use super::findings::Findings;
use super::record::{ConnectionRecord, Handshake, RequestFacts, ResponseFacts, Verdict};

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
            request: self.request,
            response: self.response,
            handshake: self.handshake,
            messages: PerRole::default(),
            payload_bytes: PerRole::default(),
            verdict,
            cause: None,
            activity: None,
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
        let verdict = closing::tcp_verdict(&self.circumstances(summary, [None, None]));
        let mut record = self.record(start, summary.span, verdict);
        record.last_packet = answer.map_or(summary.last_packet, |at| at.packet);
        record.ended_at = answer.map(|at| at.time).or(summary.end.map(|end| end.time));
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
    pub(super) fn new(opening: Opening, decoders: PerRole<Decoder<Arrival>>) -> Self {
        Self { opening, decoders, findings: Findings::default() }
    }

    pub(super) fn data(&mut self, from: Direction, bytes: &[u8], at: &Arrival) {
        let sender = self.opening.role_of(from);
        self.findings.activity.bytes(sender, at.time);
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
        self.findings.activity.gap(sender, self.decoders.get(sender).is_lost());
    }

    /// `sender` broke a rule that no frame shows.
    pub(super) fn violation(&mut self, from: Direction, at: &Arrival, rule: Rule, detail: impl Into<Box<str>>) {
        self.findings.violation(self.opening.role_of(from), at, rule, detail);
    }

    /// What the ends did, with what TCP and the handshake add to it.
    fn evidence(&mut self, summary: &FlowSummary) -> Activity {
        let mut activity = std::mem::take(&mut self.findings.activity);
        activity.handshake_packet = self.opening.established.map(|at| at.packet);
        activity.end_packet = summary.end.map(|end| end.packet);
        for (direction, repetitions) in [Direction::FromLow, Direction::FromHigh].into_iter().zip(summary.repetitions) {
            let conduct = activity.ends.get_mut(self.opening.role_of(direction));
            conduct.repetitions = repetitions;
            conduct.lost |= self.opening.handshake == Handshake::Missing;
        }
        activity
    }

    /// The connection is over; `missed` counts the bytes that the TCP connection lacks.
    pub(super) fn finish(mut self, start: &FlowStart, summary: &FlowSummary, missed: u64) -> ConnectionRecord {
        let at = Arrival { packet: summary.last_packet, time: summary.last_time, acknowledged: None };
        let roles = [Role::Client, Role::Server];
        let unknown_tail = roles.map(|role| Some(role).filter(|role| self.decoders.get(*role).is_lost()));
        for role in roles {
            self.decoders.get_mut(role).end(at, &mut self.findings.of(role));
        }
        self.findings.settle();
        let verdict = self.findings.closing.verdict(&self.opening.circumstances(summary, unknown_tail));
        let missed_bytes = missed - self.opening.missed_before;
        let seen_whole = self.opening.handshake != Handshake::Missing && missed_bytes == 0;
        let activity = self.evidence(summary);
        let findings = self.findings;
        let mut record = self.opening.record(start, summary.span, verdict);
        record.last_packet = summary.last_packet;
        record.ended_at = summary.end.map(|end| end.time).or(findings.closing.closed_at().map(|at| at.time));
        record.activity = Some(Box::new(activity));
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
}
