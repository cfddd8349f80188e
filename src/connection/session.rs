//! A connection that speaks WebSocket: both directions' decoders, until the end.

use std::hint;

use crate::flow::{Direction, PerRole, Role, Timestamp};
use crate::tcp::{Arrival, FlowSpan, FlowStart, FlowSummary};
use crate::websocket::{Decoder, Found, Rule};

use super::Hole;
use super::activity::Activity;
use super::closing::{self, Circumstances, Tail};
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
    /// That of a connection of which only this is known yet.
    pub(super) fn begun(first: Arrival, client: Direction, handshake: Handshake) -> Self {
        Self {
            first,
            client,
            request: RequestFacts::default(),
            response: ResponseFacts::default(),
            handshake,
            established: None,
            missed_before: 0,
            faults: Vec::new(),
        }
    }

    /// That of a connection whose request is not in the capture.
    pub(super) fn without_request(start: &FlowStart, client: Direction) -> Self {
        Self::begun(start.first(), client, Handshake::Missing)
    }

    fn role_of(&self, direction: Direction) -> Role {
        if direction == self.client { Role::Client } else { Role::Server }
    }

    const fn direction_of(&self, role: Role) -> Direction {
        match role {
            Role::Client => self.client,
            Role::Server => self.client.opposite(),
        }
    }

    /// What the end of TCP says of this connection.
    fn circumstances(&self, summary: &FlowSummary, tails: PerRole<Tail>) -> Circumstances {
        Circumstances { end: summary.end.map(|end| (self.role_of(end.sender), end)), tails }
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
        let missed_bytes = missed.saturating_sub(self.missed_before);
        let violations: Vec<_> = self.faults.iter().map(HandshakeFault::violation).collect();
        let verdict = closing::tcp_verdict(&self.circumstances(summary, PerRole::default()));
        let mut record = self.record(start, summary.span, verdict);
        record.last_packet = answer.map_or(summary.span.last, |at| at.packet);
        record.ended_at = answer.map(|at| at.time).or(summary.end.map(|end| end.time));
        record.violation_count = violations.len() as u64;
        record.violations = violations;
        record.missed_bytes = missed_bytes;
        record.complete = record.ended_at.is_some() && missed_bytes == 0;
        record
    }
}

/// Whether both directions are in the capture to their end.
fn is_complete(summary: &FlowSummary) -> bool {
    summary.directions.iter().all(|direction| direction.over && direction.claimed <= 1)
}

/// A connection that speaks WebSocket.
#[derive(Debug)]
pub(super) struct Session {
    opening: Opening,
    decoders: PerRole<Decoder<Arrival>>,
    findings: Findings,
    /// The last hole of each direction: the stream offset just after it, and when it was shown.
    last_gap: PerRole<Option<(u64, Timestamp)>>,
    /// What each end had received of the other when it last sent something before its Close frame.
    heard: PerRole<Option<u64>>,
}

impl Session {
    pub(super) fn new(mut opening: Opening, decoders: PerRole<Decoder<Arrival>>) -> Self {
        let mut findings = Findings::new(opening.established.is_some());
        for HandshakeFault { sender, at, end, rule, detail } in std::mem::take(&mut opening.faults) {
            findings.violation_from(sender, &at, rule, detail, Some(end));
        }
        Self { opening, decoders, findings, last_gap: PerRole::default(), heard: PerRole::default() }
    }

    /// Reads a little of whatever the next bytes will need.
    pub(super) fn touch(&self) {
        let (decoders, activity) = (&self.decoders, &self.findings.activity);
        hint::black_box((self.opening.client, self.last_gap.client.is_some(), self.findings.messages.client));
        hint::black_box(activity.last_byte);
        for decoder in [&decoders.client, &decoders.server] {
            hint::black_box((decoder.is_lost(), decoder.payload_bytes()));
        }
        for end in [&activity.ends.client, &activity.ends.server] {
            hint::black_box((end.last_byte, end.last_message.is_some(), end.largest_message.is_some(), end.messages));
        }
    }

    /// What comes next of `from` lies at stream offset `offset`.
    pub(super) fn seek(&mut self, from: Direction, offset: u64) {
        self.decoders.get_mut(self.opening.role_of(from)).seek(offset);
    }

    /// `bytes` of `from` at stream offset `offset`.
    pub(super) fn data(&mut self, from: Direction, offset: u64, bytes: &[u8], at: &Arrival) {
        let sender = self.opening.role_of(from);
        self.findings.activity.bytes(sender, at.time);
        let decoder = self.decoders.get_mut(sender);
        decoder.seek(offset);
        decoder.feed(bytes, *at, &mut self.findings.of(sender));
        if self.findings.closing.close_of(sender).is_none() {
            *self.heard.get_mut(sender) = at.acknowledged;
        }
    }

    /// Goes on where a search has found a frame.
    pub(super) fn resume(&mut self, found: Found<Arrival>) {
        let sender = found.sender;
        self.decoders.get_mut(sender).resume(found, &mut self.findings.of(sender));
    }

    /// Bytes of `from` are missing.
    pub(super) fn gap(&mut self, from: Direction, hole: Hole, at: &Arrival) {
        let sender = self.opening.role_of(from);
        let decoder = self.decoders.get_mut(sender);
        decoder.seek(hole.offset);
        match hole.exact {
            true => decoder.gap(hole.length, *at, &mut self.findings.of(sender)),
            false => decoder.lose_place(hole.length, *at, &mut self.findings.of(sender)),
        }
        let is_lost = decoder.is_lost();
        *self.last_gap.get_mut(sender) = Some((hole.offset + hole.length, at.time));
        self.findings.activity.gap(sender, is_lost);
    }

    /// `sender` broke a rule that no frame shows.
    pub(super) fn violation(&mut self, from: Direction, at: &Arrival, rule: Rule, detail: impl Into<Box<str>>) {
        self.findings.violation(self.opening.role_of(from), at, rule, detail);
    }

    /// The same, where the peer can react to it: it knows from the sender's stream offset `known` on.
    pub(super) fn violation_from(&mut self, from: Direction, at: &Arrival, rule: Rule, detail: String, known: u64) {
        self.findings.violation_from(self.opening.role_of(from), at, rule, detail, Some(known));
    }

    /// What `role` sent last, as far as it could not be decoded.
    fn tail(&self, role: Role, summary: &FlowSummary) -> Tail {
        let decoder = self.decoders.get(role);
        let direction = summary.end_of(self.opening.direction_of(role));
        let end = decoder.offset();
        let later_word = self.heard.get(role.peer()).is_some_and(|heard| heard >= end);
        let last_gap = self.last_gap.get(role).filter(|(gap_end, _)| *gap_end == end && !later_word);
        let heard = last_gap.map(|(_, time)| time);
        Tail {
            start: decoder.lost_since().unwrap_or(end),
            end: end + direction.claimed,
            heard,
            over: direction.over,
            fin: direction.fin,
        }
    }

    /// What the ends did, with what TCP and the handshake add to it.
    fn evidence(&mut self, summary: &FlowSummary) -> Box<Activity> {
        let mut activity = Box::new(std::mem::take(&mut self.findings.activity));
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
        let tails = PerRole { client: self.tail(Role::Client, summary), server: self.tail(Role::Server, summary) };
        for role in [Role::Client, Role::Server] {
            self.decoders.get_mut(role).end(summary.last(), &mut self.findings.of(role));
        }
        let circumstances = self.opening.circumstances(summary, tails);
        let missed_bytes = missed.saturating_sub(self.opening.missed_before);
        let seen_whole = self.opening.handshake != Handshake::Missing && missed_bytes == 0;
        if seen_whole {
            self.judge_closing(&circumstances);
        }
        self.findings.settle(&circumstances);
        let verdict = self.findings.closing.verdict(&circumstances);
        let activity = self.evidence(summary);
        let mut findings = self.findings;
        let mut record = self.opening.record(start, summary.span, verdict);
        record.last_packet = summary.span.last;
        record.ended_at = summary.end.map(|end| end.time).or(findings.closing.closed_at().map(|at| at.time));
        record.activity = Some(activity);
        record.messages = findings.messages;
        record.payload_bytes =
            PerRole { client: self.decoders.client.payload_bytes(), server: self.decoders.server.payload_bytes() };
        record.undecodable_messages = findings.undecodable_messages;
        record.missed_bytes = missed_bytes;
        record.complete = seen_whole && is_complete(summary);
        record.close_frames = std::mem::take(&mut findings.close_frames);
        let faults = findings.into_faults();
        record.invalid_utf8 = faults.invalid_utf8;
        record.invalid_utf8_count = faults.invalid_utf8_count;
        record.violations = faults.violations;
        record.violation_count = faults.violation_count;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_connection_costs_little() {
        assert!(size_of::<Session>() <= 1024, "{}", size_of::<Session>());
    }
}
