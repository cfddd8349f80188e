//! A connection that carries data: hands its segments to both directions' reassemblers, and what comes out, in the order
//! in which it was said, to its application. At the end it tells how each direction ended, as far as the capture shows it.

use std::hint;

use crate::flow::{Direction, PacketId, Timestamp};
use crate::limits;
use crate::packet::{Flags, Segment};

use super::{
    Application, Arrival, DirectionEnd, EndKind, FlowEnd, FlowSpan, FlowStart, FlowSummary, Interest, KnownFin,
    Reassembler, Repetitions, SequenceNumber, Sink,
};

/// A connection with data: its two directions and its application.
pub(super) struct Live<A> {
    directions: [Reassembler; 2],
    repetitions: [Repetitions; 2],
    listener: Listener<A>,
}

/// An application and whether it still wants to be fed.
struct Listener<A> {
    application: A,
    interest: Interest,
}

/// The first FIN or RST that was captured, and what tells whether it was the first that was sent.
#[derive(Clone, Copy)]
pub(super) struct Ending {
    pub(super) end: FlowEnd,
    /// What its sender had received by then; `None` without an ACK.
    heard: Option<SequenceNumber>,
    /// The other end has sent something since.
    answered: bool,
    /// The first RST, this one or a later one.
    reset: Option<Reset>,
    /// Both ends have sent a FIN, and they are in the capture.
    both: bool,
    /// When there was an end of both: a reset, or the second FIN.
    pub(super) over: Option<Timestamp>,
}

/// A RST, and who has said something well after it.
#[derive(Clone, Copy)]
struct Reset {
    sender: Direction,
    sequence: SequenceNumber,
    time: Timestamp,
    sender_goes_on: bool,
}

/// The place of a direction in a pair.
pub(super) const fn index(direction: Direction) -> usize {
    match direction {
        Direction::FromLow => 0,
        Direction::FromHigh => 1,
    }
}

impl<A: Application> Live<A> {
    /// A connection whose directions begin after `initial`, as far as that is known.
    pub(super) fn new(start: &FlowStart, initial: [Option<SequenceNumber>; 2]) -> Self {
        let reassembler =
            |initial: Option<SequenceNumber>| Reassembler::new(initial.unwrap_or_default().plus(1), !start.syn_seen);
        Self {
            directions: initial.map(reassembler),
            repetitions: [Repetitions::default(); 2],
            listener: Listener { application: A::new(start), interest: Interest::Keep },
        }
    }

    /// The direction of this index begins after `initial`: nothing was known of it before.
    pub(super) fn begin(&mut self, direction: usize, initial: SequenceNumber, syn_seen: bool) {
        self.directions[direction] = Reassembler::new(initial.plus(1), !syn_seen);
    }

    /// Whether the application wants more.
    pub(super) const fn interest(&self) -> Interest {
        self.listener.interest
    }

    /// Reads a little of what the next segment will need.
    #[inline]
    pub(super) fn touch(&self) {
        hint::black_box(self.directions[1].is_waiting());
        self.listener.application.touch();
    }

    /// Tells which directions were captured at all, by the networks that they were captured in.
    pub(super) fn set_captured(&mut self, scopes: &[Option<u32>; 2]) {
        for (direction, scope) in self.directions.iter_mut().zip(scopes) {
            direction.set_captured(scope.is_some());
        }
    }

    /// Whether a segment carries bytes that were not handed on yet.
    pub(super) fn is_news(&self, segment: &Segment) -> bool {
        let length = i64::from(segment.payload.end) - i64::from(segment.payload.start);
        let own = &self.directions[index(segment.direction)];
        length > 0 && own.distance_to(SequenceNumber(segment.sequence)) + length > 0
    }

    /// Whether a segment with payload is of a later connection on the same ports, by its numbers. `reset` says that this
    /// one has ended with a RST.
    pub(super) fn is_of_another_connection(&self, segment: &Segment, reset: bool) -> bool {
        let this = index(segment.direction);
        let (own, peer) = (&self.directions[this], &self.directions[1 - this]);
        let sent = own.distance_to(SequenceNumber(segment.sequence));
        let near = sent.unsigned_abs() <= u64::from(limits::STRAGGLER_BYTES);
        let finished = self.directions.iter().all(Reassembler::is_finished);
        if finished || reset {
            // Nothing follows a FIN, but something may have been under way when the RST was sent.
            return !near || (finished && sent > 0);
        }
        if near || !segment.flags.has(Flags::ACK) {
            return false;
        }
        // Where the capture has paused, both numbers may have gone on, but neither goes back or beyond the window.
        let heard = peer.distance_to(SequenceNumber(segment.acknowledgement));
        let possible = -i64::from(limits::STRAGGLER_BYTES)..=limits::WINDOW_BYTES.cast_signed();
        let heard_near = heard.unsigned_abs() <= u64::from(limits::STRAGGLER_BYTES);
        let may_be_this_one = heard_near || (possible.contains(&sent) && possible.contains(&heard));
        !may_be_this_one
    }

    /// Whether a segment is the next one of its direction as a whole, acknowledges what was captured before, and nothing
    /// waits.
    #[inline]
    pub(super) fn is_next(&self, segment: &Segment) -> bool {
        let this = index(segment.direction);
        let (own, peer) = (&self.directions[this], &self.directions[1 - this]);
        segment.cut == 0
            && segment.flags.is_plain_ack()
            && own.is_next(SequenceNumber(segment.sequence))
            && peer.is_settled_before(SequenceNumber(segment.acknowledgement))
    }

    /// Takes a segment for which [`Self::is_next`] holds.
    #[inline]
    pub(super) fn take_next(
        &mut self,
        segment: &Segment,
        payload: &[u8],
        packet: PacketId,
        time: Timestamp,
        output: &mut A::Output,
    ) {
        let this = index(segment.direction);
        self.repetitions[1 - this].count = 0;
        let acknowledged = self.directions[1 - this].offset_of(SequenceNumber(segment.acknowledgement));
        let at = Arrival { packet, time, acknowledged };
        self.directions[this].take_next(payload, &at, &mut self.listener.sink(segment.direction, output));
    }

    /// Any segment.
    pub(super) fn segment(
        &mut self,
        segment: &Segment,
        payload: &[u8],
        packet: PacketId,
        time: Timestamp,
        output: &mut A::Output,
    ) {
        self.note_repetition(segment, payload.len(), time);
        let [low, high] = &mut self.directions;
        let (own, peer) = match segment.direction {
            Direction::FromLow => (low, high),
            Direction::FromHigh => (high, low),
        };
        let (from, to) = (segment.direction, segment.direction.opposite());
        let mut at = Arrival { packet, time, acknowledged: None };
        if segment.flags.has(Flags::ACK) {
            let acknowledgement = SequenceNumber(segment.acknowledgement);
            at.acknowledged = peer.offset_of(acknowledgement);
            peer.acknowledge(acknowledgement, &at, &mut self.listener.sink(to, output));
            own.set_ready(peer.readiness());
        }
        let fin = segment.flags.has(Flags::FIN);
        // What a RST carries is not data of the stream but, at most, a remark (RFC 9293 section 3.10.7.4).
        if !segment.flags.has(Flags::RST) && (!payload.is_empty() || segment.cut > 0 || fin) {
            let first = SequenceNumber(segment.sequence).plus(u32::from(segment.flags.has(Flags::SYN)));
            own.segment(first, payload, segment.cut, fin, &at, &mut self.listener.sink(from, output));
        }
        if own.is_waiting() || peer.is_waiting() {
            self.go_on(&at, output);
        }
    }

    /// Whoever sends anything is there; whoever repeats itself was not answered yet.
    fn note_repetition(&mut self, segment: &Segment, length: usize, time: Timestamp) {
        let this = index(segment.direction);
        self.repetitions[1 - this].count = 0;
        let plain = !(segment.flags.has(Flags::SYN) || segment.flags.has(Flags::FIN) || segment.flags.has(Flags::RST));
        if plain && self.directions[this].is_repetition(SequenceNumber(segment.sequence), length) {
            self.repetitions[this].add(time);
        }
    }

    /// Hands on, of both directions, what the other one has made ready.
    fn go_on(&mut self, at: &Arrival, output: &mut A::Output) {
        let [low, high] = &mut self.directions;
        loop {
            low.set_ready(high.readiness());
            let moved = low.go_on(at, &mut self.listener.sink(Direction::FromLow, output));
            high.set_ready(low.readiness());
            let moved = high.go_on(at, &mut self.listener.sink(Direction::FromHigh, output)) || moved;
            if moved {
                continue;
            }
            if !(low.is_blocked() && high.is_blocked()) {
                return;
            }
            // Each answers the other: these are retransmissions, which acknowledge more than the first copies did.
            low.set_ready(u64::MAX);
            low.go_on(at, &mut self.listener.sink(Direction::FromLow, output));
        }
    }

    /// Nothing more comes. Returns, per direction, the sequence number that would have come next.
    pub(super) fn finish(
        mut self,
        ending: Option<Ending>,
        span: FlowSpan,
        last_time: Timestamp,
        output: &mut A::Output,
    ) -> [SequenceNumber; 2] {
        let at = Arrival { packet: span.last, time: last_time, acknowledged: None };
        self.directions.iter_mut().for_each(Reassembler::expire);
        self.go_on(&at, output);
        for (reassembler, direction) in self.directions.iter_mut().zip([Direction::FromLow, Direction::FromHigh]) {
            reassembler.finish(&at, &mut self.listener.sink(direction, output));
        }
        let next = [0, 1].map(|direction| self.directions[direction].next_sequence());
        if self.listener.interest == Interest::Keep {
            let summary = self.summary(ending, span, last_time);
            self.listener.application.finish(&summary, output);
        }
        next
    }

    /// What is known once both directions are finished.
    fn summary(&self, ending: Option<Ending>, span: FlowSpan, last_time: Timestamp) -> FlowSummary {
        let fins = [Direction::FromLow, Direction::FromHigh].map(|direction| {
            let answered = ending.is_some_and(|ending| !ending.is_reset() && ending.end.sender != direction);
            self.directions[index(direction)].known_fin(answered)
        });
        let cut_off = ending.is_some_and(|ending| ending.is_reset() || ending.other_vanished(last_time));
        let mut directions = fins.map(|fin| {
            let known = fin.is_some_and(KnownFin::is_certain);
            DirectionEnd { over: cut_off || known, fin: known, fin_in_gap: fin.is_some() && !known, claimed: 0 }
        });
        if let Some(reset) = ending.and_then(|ending| ending.reset) {
            let sender = index(reset.sender);
            let distance = self.directions[sender].distance_to(reset.sequence);
            let believed = (0..=limits::WINDOW_BYTES.cast_signed()).contains(&distance);
            directions[sender].claimed = if believed { distance.unsigned_abs() } else { 0 };
        }
        let end = ending.map(|ending| self.first_end(&ending, fins));
        FlowSummary { end, directions, repetitions: self.repetitions, span, last_time }
    }

    /// The first FIN or RST that was sent: the one that was captured first, unless its sender had heard a FIN by then.
    fn first_end(&self, ending: &Ending, fins: [Option<KnownFin>; 2]) -> FlowEnd {
        let other = ending.end.sender.opposite();
        let heard = ending.heard.and_then(|heard| self.directions[index(other)].offset_of(heard));
        match (fins[index(other)], heard) {
            (Some(fin), Some(heard)) if heard > fin.offset() && !ending.both => {
                let perhaps_second = !fin.is_certain();
                let sender = if perhaps_second { ending.end.sender } else { other };
                FlowEnd { sender, kind: EndKind::Fin, perhaps_second, ..ending.end }
            }
            (Some(_) | None, Some(_) | None) => FlowEnd { acknowledged: heard, ..ending.end },
        }
    }
}

impl Ending {
    /// The first one that was captured.
    pub(super) fn new(end: FlowEnd, segment: &Segment) -> Self {
        Self {
            end,
            heard: heard_by(segment),
            answered: false,
            reset: Reset::of(&end, segment),
            both: false,
            over: None,
        }
    }

    /// Whether there was a RST.
    pub(super) const fn is_reset(&self) -> bool {
        self.reset.is_some()
    }

    /// `sender` has sent something that is no RST.
    pub(super) fn heard_from(&mut self, sender: Direction) {
        self.answered |= self.end.sender != sender;
    }

    /// `sender` has sent new bytes. Returns whether the connection has not ended after all: an end that has reset it says
    /// no more, and the other one answers nothing but with a RST. Where they go on, the RST was not the sender's, or did
    /// not fit (RFC 5961 section 3).
    pub(super) fn goes_on(&mut self, sender: Direction, time: Timestamp) -> bool {
        let Some(reset) = &mut self.reset else { return false };
        if time.as_nanos().saturating_sub(reset.time.as_nanos()) <= limits::REORDERED_NANOS {
            return false;
        }
        if sender == reset.sender {
            reset.sender_goes_on = true;
            return false;
        }
        if !reset.sender_goes_on {
            return false;
        }
        self.reset = None;
        self.end.kind == EndKind::Reset
    }

    /// A further FIN or RST; whether it is the other end's.
    pub(super) fn add(&mut self, end: FlowEnd, segment: &Segment) -> bool {
        let other = self.end.sender != end.sender;
        self.answered |= other;
        self.reset = self.reset.or(Reset::of(&end, segment));
        if other && end.kind == EndKind::Fin && self.end.kind == EndKind::Fin {
            self.both = true;
            let length = segment.payload.end - segment.payload.start + segment.cut + 1;
            if self.heard == Some(SequenceNumber(segment.sequence).plus(length)) {
                // The two were recorded in the wrong order.
                (self.end, self.heard) = (end, heard_by(segment));
            }
        }
        other
    }

    /// Whether the end that had not ended is gone: it did not even acknowledge what the other went on to send.
    const fn other_vanished(&self, last_time: Timestamp) -> bool {
        let silence = last_time.as_nanos().saturating_sub(self.end.time.as_nanos());
        !self.answered && silence >= limits::VANISHED_NANOS
    }
}

impl Reset {
    /// The RST that `segment` is, if it is one.
    fn of(end: &FlowEnd, segment: &Segment) -> Option<Self> {
        let sequence = SequenceNumber(segment.sequence);
        let reset = Self { sender: end.sender, sequence, time: end.time, sender_goes_on: false };
        (end.kind == EndKind::Reset).then_some(reset)
    }
}

fn heard_by(segment: &Segment) -> Option<SequenceNumber> {
    segment.flags.has(Flags::ACK).then_some(SequenceNumber(segment.acknowledgement))
}

impl<A: Application> Listener<A> {
    fn sink<'a>(&'a mut self, direction: Direction, output: &'a mut A::Output) -> Feed<'a, A> {
        Feed { listener: self, direction, output }
    }
}

/// Hands what one direction's reassembler finds to the application.
struct Feed<'a, A: Application> {
    listener: &'a mut Listener<A>,
    direction: Direction,
    output: &'a mut A::Output,
}

impl<A: Application> Sink for Feed<'_, A> {
    fn data(&mut self, offset: u64, bytes: &[u8], at: &Arrival) {
        if self.listener.interest == Interest::Keep {
            self.listener.interest = self.listener.application.data(self.direction, offset, bytes, at, self.output);
        }
    }

    fn gap(&mut self, offset: u64, length: u64, at: &Arrival) {
        if self.listener.interest == Interest::Keep {
            self.listener.interest = self.listener.application.gap(self.direction, offset, length, at, self.output);
        }
    }

    fn conflict(&mut self, offset: u64, at: &Arrival) {
        self.listener.application.conflict(self.direction, offset, at);
    }
}
