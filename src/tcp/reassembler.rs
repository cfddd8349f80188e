//! One direction of a TCP connection: segments in any order to bytes in order.
//!
//! In come segments and the other end's acknowledgements; out go, to a [`Sink`], every byte once and in order, and a gap
//! for every byte that the capture does not hold. Where copies overlap the first one wins, unless it was cut by the snap
//! length; that another copy differs is seen only while the first one waits.
//!
//! ```text
//!    offset 0            next                          FIN
//!    |  handed on        |   hole   | waiting |  hole  |
//! ```
//!
//! A hole that the other end has acknowledged is one of the capture, not of the network. Captures record packets out of
//! order, too, with the acknowledgement before its data: several queues of a network card, several taps. So such a hole
//! is in doubt for the next few packets of the connection ([`limits::REORDERED_PACKETS`],
//! [`limits::REORDERED_NANOS`]), and then becomes a gap. One that was not acknowledged waits until too much waits behind
//! it ([`limits::OUT_OF_ORDER_BYTES`]). At the end every hole is a gap. Bytes that come after they were given up are not
//! used: for what reads them they are as good as missing.
//!
//! What answers something is handed on after it: a segment waits while it acknowledges more of the other direction than
//! was handed on, see [`Reassembler::set_ready`].

use crate::limits;

use super::waiting::{Content, Doubt, Waiting};
use super::{Arrival, SequenceNumber};

/// Where a [`Reassembler`] puts what it finds.
pub trait Sink {
    /// `bytes` follow at stream offset `offset`.
    fn data(&mut self, offset: u64, bytes: &[u8], at: &Arrival);

    /// `length` bytes at stream offset `offset` are not in the capture.
    fn gap(&mut self, offset: u64, length: u64, at: &Arrival);

    /// A later copy of bytes at stream offset `offset` differs from the first.
    fn conflict(&mut self, offset: u64, at: &Arrival);
}

/// One direction's bytes on their way into order.
#[derive(Debug)]
pub struct Reassembler {
    /// The sequence number of the byte at `next`.
    next_sequence: SequenceNumber,
    /// The stream offset of the first byte that was not handed on.
    next: u64,
    /// The stream offset up to which the other end has received everything.
    acknowledged: u64,
    /// The stream offset just after the last byte, once a FIN told it.
    fin: Option<u64>,
    /// Whether the first sequence number was a guess from a segment without data or from an acknowledgement.
    tentative: bool,
    /// Whether any segment of this direction was captured. If not, its bytes need not be waited for.
    captured: bool,
    /// What was last handed on was a hole that an acknowledgement showed.
    after_hole: bool,
    /// Up to which stream offset of the other direction a segment may acknowledge to be handed on.
    ready: u64,
    /// What lies behind the first hole. `None` while nothing does and no hole is in doubt.
    waiting: Option<Box<Waiting>>,
}

/// What is known of a direction's FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownFin {
    /// It is in the capture. Its stream offset.
    Captured(u64),
    /// It is not, but was acknowledged. Its stream offset.
    Acknowledged(u64),
    /// It was most likely acknowledged together with bytes that are not in the capture, and so was told as the last byte
    /// of a gap. Its stream offset.
    InGap(u64),
}

impl KnownFin {
    /// Its stream offset: that of the byte which would have come next.
    #[must_use]
    pub const fn offset(self) -> u64 {
        match self {
            Self::Captured(offset) | Self::Acknowledged(offset) | Self::InGap(offset) => offset,
        }
    }

    /// Whether nothing but a FIN explains what was captured.
    #[must_use]
    pub const fn is_certain(self) -> bool {
        match self {
            Self::Captured(_) | Self::Acknowledged(_) => true,
            Self::InGap(_) => false,
        }
    }
}

impl Reassembler {
    /// A direction whose first byte has sequence number `first`. `tentative` says that this is a guess.
    #[must_use]
    pub const fn new(first: SequenceNumber, tentative: bool) -> Self {
        Self {
            next_sequence: first,
            next: 0,
            acknowledged: 0,
            fin: None,
            tentative,
            captured: true,
            after_hole: false,
            ready: u64::MAX,
            waiting: None,
        }
    }

    /// Tells whether any segment of this direction was captured so far.
    pub const fn set_captured(&mut self, captured: bool) {
        self.captured = captured;
    }

    /// The stream offset of the byte with this sequence number; `None` if that lies before the first byte.
    #[must_use]
    pub fn offset_of(&self, sequence: SequenceNumber) -> Option<u64> {
        self.next.checked_add_signed(sequence.after(self.next_sequence))
    }

    /// Whether everything up to the FIN was handed on.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.fin.is_some_and(|fin| self.next >= fin)
    }

    /// The sequence number of the next byte.
    #[must_use]
    pub const fn next_sequence(&self) -> SequenceNumber {
        self.next_sequence
    }

    /// How many bytes `sequence` lies after the next byte, negative if before.
    #[must_use]
    pub const fn distance_to(&self, sequence: SequenceNumber) -> i64 {
        sequence.after(self.next_sequence)
    }

    /// Whether there is a hole that was acknowledged but may still be filled.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.doubt.is_some())
    }

    /// Whether what follows without a hole waits for the other direction.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.first_waiting() == Some(self.next)
    }

    /// Whether anything waits, or is waited for.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Up to which stream offset the other direction may acknowledge this one to be handed on now: what was handed on,
    /// and a FIN. Everything, if nothing that may be acknowledged is kept back here.
    #[must_use]
    pub fn readiness(&self) -> u64 {
        if self.is_in_doubt() || self.is_blocked() { self.next + 1 } else { u64::MAX }
    }

    /// Sets up to which stream offset of the other direction a segment may acknowledge to be handed on.
    pub const fn set_ready(&mut self, offset: u64) {
        self.ready = offset;
    }

    /// Whether `length` bytes from `sequence` on are a repetition of what was sent before, or a keep-alive, which repeats
    /// one byte or none (RFC 9293 section 3.8.4).
    #[must_use]
    pub fn is_repetition(&self, sequence: SequenceNumber, length: usize) -> bool {
        let distance = sequence.after(self.next_sequence);
        distance < 0 && distance + length as i64 <= 0 && (length > 0 || distance == -1)
    }

    /// Whether `sequence` is that of the next byte, nothing waits, and nothing is known to follow but data.
    #[inline]
    #[must_use]
    pub fn is_next(&self, sequence: SequenceNumber) -> bool {
        sequence == self.next_sequence && self.fin.is_none() && self.is_settled()
    }

    /// Whether everything before `sequence` was handed on, and nothing waits.
    #[inline]
    #[must_use]
    pub fn is_settled_before(&self, sequence: SequenceNumber) -> bool {
        sequence.after(self.next_sequence) <= 0 && self.is_settled()
    }

    const fn is_settled(&self) -> bool {
        self.waiting.is_none() && self.acknowledged <= self.next
    }

    /// The next bytes, where [`Self::is_next`] holds, and nothing of the other direction waits: what [`Self::segment`]
    /// does with them.
    #[inline]
    pub fn take_next(&mut self, bytes: &[u8], at: &Arrival, sink: &mut impl Sink) {
        self.ready = u64::MAX;
        if !bytes.is_empty() {
            self.tentative = false;
            self.hand_on(bytes, 0, at, sink);
        }
    }

    /// A segment whose payload begins at `sequence` with `bytes`, after which the capture lacks `cut` more.
    pub fn segment(
        &mut self,
        sequence: SequenceNumber,
        bytes: &[u8],
        cut: u32,
        fin: bool,
        at: &Arrival,
        sink: &mut impl Sink,
    ) {
        let distance = sequence.after(self.next_sequence);
        if distance > limits::WINDOW_BYTES.cast_signed() {
            return;
        }
        let end = distance + bytes.len() as i64 + i64::from(cut);
        // One that lies before bytes that were seen is a stray.
        if fin && self.fin.is_none() && end >= 0 {
            self.fin = self.next.checked_add_signed(end);
            self.acknowledged = self.acknowledged.min(self.fin.unwrap_or(u64::MAX));
        }
        if end > 0 {
            let (offset, bytes, missing) = self.beyond_next(distance, bytes, u64::from(cut));
            self.tentative = false;
            if self.waiting.is_none() && offset == self.next && self.is_ready_for(at) {
                self.hand_on(bytes, missing, at, sink);
                return;
            }
            let waiting = self.waiting.get_or_insert_default();
            waiting.insert(offset, bytes, missing, at, sink);
        }
        self.packet(at, sink);
    }

    /// The other end has received everything before `sequence`.
    pub fn acknowledge(&mut self, sequence: SequenceNumber, at: &Arrival, sink: &mut impl Sink) {
        let distance = sequence.after(self.next_sequence);
        if (1..=limits::WINDOW_BYTES.cast_signed()).contains(&distance) {
            if self.tentative && distance == 1 {
                // The guess came from a keep-alive, whose sequence number is one too low (RFC 9293 section 3.8.4).
                self.next_sequence = sequence;
                return;
            }
            self.raise_acknowledged(self.next.saturating_add_signed(distance), at);
        }
        self.packet(at, sink);
    }

    fn raise_acknowledged(&mut self, offset: u64, at: &Arrival) {
        let offset = self.fin.map_or(offset, |fin| offset.min(fin));
        if offset <= self.acknowledged {
            return;
        }
        self.acknowledged = offset;
        if let Some(doubt) = self.waiting.as_mut().and_then(|waiting| waiting.doubt.as_mut()) {
            doubt.latest = *at;
        }
    }

    /// Hands on what has become ready; whether there was anything.
    pub fn go_on(&mut self, at: &Arrival, sink: &mut impl Sink) -> bool {
        let before = self.next;
        if self.waiting.is_some() {
            self.settle(at, sink);
        }
        self.next != before
    }

    /// No more segments will come: a hole that is in doubt is not waited for any longer.
    pub fn expire(&mut self) {
        if let Some(doubt) = self.waiting.as_mut().and_then(|waiting| waiting.doubt.as_mut()) {
            doubt.packets = usize::MAX;
        }
    }

    const fn is_ready_for(&self, at: &Arrival) -> bool {
        match at.acknowledged {
            Some(offset) => offset <= self.ready,
            None => true,
        }
    }

    /// No more segments will come: what waits is handed on, with gaps for what is missing.
    pub fn finish(&mut self, at: &Arrival, sink: &mut impl Sink) {
        self.ready = u64::MAX;
        if let Some(doubt) = self.waiting.as_mut().and_then(|waiting| waiting.doubt.take()) {
            self.give_up(doubt.until, &doubt.shown, sink);
            self.give_up(self.acknowledged, &doubt.latest, sink);
        }
        self.drain(sink);
        while let Some(first) = self.first_waiting() {
            self.skip_to(first, at, sink);
            self.drain(sink);
        }
        if let Some(fin) = self.fin {
            self.skip_to(fin, at, sink);
        }
    }

    /// What is known of the FIN once [`Self::finish`] was called. `answered` says that the other end has sent its FIN and
    /// nothing after it: then it had this one already, or would have had to acknowledge it later.
    #[must_use]
    pub fn known_fin(&self, answered: bool) -> Option<KnownFin> {
        match self.fin {
            Some(fin) => Some(KnownFin::Captured(fin)),
            None if self.acknowledged == self.next + 1 => Some(KnownFin::Acknowledged(self.next)),
            None if answered && self.after_hole && self.acknowledged == self.next => {
                Some(KnownFin::InGap(self.next.saturating_sub(1)))
            }
            None => None,
        }
    }

    /// The part of a segment that was not handed on yet: its stream offset, its bytes and how many are missing after
    /// them. The segment ends after `next`; what it has beyond the FIN is nothing.
    fn beyond_next<'a>(&self, distance: i64, bytes: &'a [u8], cut: u64) -> (u64, &'a [u8], u64) {
        let old = distance.min(0).unsigned_abs();
        let offset = self.next + distance.max(0).unsigned_abs();
        let rest = usize::try_from(old).ok().and_then(|old| bytes.get(old..)).unwrap_or_default();
        let cut = cut.saturating_sub(old.saturating_sub(bytes.len() as u64));
        let room = self.fin.map_or(u64::MAX, |fin| fin.saturating_sub(offset));
        let kept = usize::try_from(room).ok().and_then(|room| rest.get(..room)).unwrap_or(rest);
        (offset, kept, cut.min(room - kept.len() as u64))
    }

    fn hand_on(&mut self, bytes: &[u8], missing: u64, at: &Arrival, sink: &mut impl Sink) {
        self.after_hole = false;
        if !bytes.is_empty() {
            sink.data(self.next, bytes, at);
            self.advance(bytes.len() as u64);
        }
        if missing > 0 {
            sink.gap(self.next, missing, at);
            self.advance(missing);
        }
    }

    fn advance(&mut self, count: u64) {
        self.next += count;
        // Sequence numbers wrap, so the low 32 bits of the count are what is wanted.
        self.next_sequence = self.next_sequence.plus(count as u32);
    }

    /// A packet has said what it had to say of this direction.
    fn packet(&mut self, at: &Arrival, sink: &mut impl Sink) {
        if self.waiting.is_none() && self.acknowledged <= self.next {
            return;
        }
        if let Some(doubt) = self.waiting.as_mut().and_then(|waiting| waiting.doubt.as_mut()) {
            doubt.packets = doubt.packets.saturating_add(1);
        }
        self.settle(at, sink);
    }

    /// Hands on what can be, and gives up holes that will not be filled.
    fn settle(&mut self, at: &Arrival, sink: &mut impl Sink) {
        self.drain(sink);
        self.doubt(at, sink);
        while self.waiting.as_ref().is_some_and(|waiting| waiting.is_over_limit()) {
            self.ready = u64::MAX;
            let Some(first) = self.first_waiting() else { break };
            self.skip_to(first, at, sink);
            self.drain(sink);
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.is_idle()) {
            self.waiting = None;
        }
    }

    /// Begins and ends doubts.
    fn doubt(&mut self, at: &Arrival, sink: &mut impl Sink) {
        let mut latest = *at;
        while self.has_acknowledged_hole() {
            let acknowledged = self.acknowledged;
            let waiting = self.waiting.get_or_insert_default();
            let doubt = waiting.doubt.get_or_insert_with(|| Doubt::new(acknowledged, latest));
            if self.captured && !doubt.is_over(at) {
                return;
            }
            let (until, shown) = (doubt.until, doubt.shown);
            latest = doubt.latest;
            if !self.give_up(until, &shown, sink) {
                return;
            }
            if let Some(waiting) = &mut self.waiting {
                waiting.doubt = None;
            }
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.doubt = None;
        }
    }

    /// Whether the other end has received something before [`Self::acknowledged`] that the capture does not hold.
    fn has_acknowledged_hole(&self) -> bool {
        if self.acknowledged <= self.next {
            return false;
        }
        let (end, followed) = self.waiting.as_ref().map_or((self.next, false), |waiting| waiting.run_from(self.next));
        // A single acknowledged byte that never came is most likely a FIN that the capture lost. If it was data, what
        // follows it will say so.
        let perhaps_fin = !followed && self.fin.is_none() && self.acknowledged == end + 1;
        end < self.acknowledged && !perhaps_fin
    }

    /// Holes before stream offset `until` will not be filled. Returns whether all of them were reached: what waits for
    /// the other direction stands before the others.
    fn give_up(&mut self, until: u64, at: &Arrival, sink: &mut impl Sink) -> bool {
        self.drain(sink);
        while self.next < until {
            let first = self.first_waiting();
            if first.is_none() && self.fin.is_none() && self.acknowledged == self.next + 1 {
                return true;
            }
            if first == Some(self.next) {
                return false;
            }
            self.skip_to(first.map_or(until, |first| first.min(until)), at, sink);
            self.after_hole = true;
            self.drain(sink);
        }
        true
    }

    fn first_waiting(&self) -> Option<u64> {
        self.waiting.as_ref()?.first()
    }

    fn skip_to(&mut self, offset: u64, at: &Arrival, sink: &mut impl Sink) {
        let length = offset.saturating_sub(self.next);
        if length > 0 {
            sink.gap(self.next, length, at);
            self.advance(length);
        }
    }

    /// Hands on the pieces that follow without a hole and are ready.
    fn drain(&mut self, sink: &mut impl Sink) {
        while let Some(piece) = self.waiting.as_ref().and_then(|waiting| waiting.piece_at(self.next))
            && self.is_ready_for(&piece.at)
            && let Some(piece) = self.waiting.as_mut().and_then(|waiting| waiting.pop_at(self.next))
        {
            match &piece.content {
                Content::Bytes(bytes) => self.hand_on(bytes, 0, &piece.at, sink),
                Content::Missing(length) => self.hand_on(&[], *length, &piece.at, sink),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::flow::{PacketId, Timestamp};

    /// What a sink was told, in a few words: `0 data abc`, `3 gap 5`, `8 conflict`.
    #[derive(Default)]
    struct Log(Vec<String>);

    impl Sink for Log {
        fn data(&mut self, offset: u64, bytes: &[u8], _: &Arrival) {
            self.0.push(format!("{offset} data {}", bytes.escape_ascii()));
        }

        fn gap(&mut self, offset: u64, length: u64, _: &Arrival) {
            self.0.push(format!("{offset} gap {length}"));
        }

        fn conflict(&mut self, offset: u64, _: &Arrival) {
            self.0.push(format!("{offset} conflict"));
        }
    }

    /// One direction under test. Positions count bytes from its first one.
    struct Stream<S> {
        first: SequenceNumber,
        reassembler: Reassembler,
        packets: u64,
        now: i64,
        sink: S,
    }

    impl<S: Sink + Default> Stream<S> {
        fn new() -> Self {
            Self::from(1000)
        }

        fn from(first: u32) -> Self {
            let first = SequenceNumber(first);
            Self { first, reassembler: Reassembler::new(first, false), packets: 0, now: 0, sink: S::default() }
        }

        /// The next packet's arrival.
        fn arrival(&mut self) -> Arrival {
            self.packets += 1;
            let packet = PacketId::new(0, self.packets);
            Arrival { packet, time: Timestamp::from_nanos(self.now), acknowledged: None }
        }

        /// Nothing happens for so many milliseconds.
        fn wait(mut self, milliseconds: i64) -> Self {
            self.now += milliseconds * 1_000_000;
            self
        }

        /// A packet that says nothing new, after a hole was in doubt for as long as it may be.
        fn later(self) -> Self {
            self.wait(21).ack(0)
        }

        /// So much of the other direction was handed on.
        fn ready(mut self, offset: u64) -> Self {
            self.reassembler.set_ready(offset);
            let at = self.arrival();
            self.reassembler.go_on(&at, &mut self.sink);
            self
        }

        /// A segment that acknowledges so much of the other direction.
        fn answer(mut self, position: i64, bytes: &[u8], acknowledged: u64) -> Self {
            let at = Arrival { acknowledged: Some(acknowledged), ..self.arrival() };
            self.reassembler.segment(self.sequence(position), bytes, 0, false, &at, &mut self.sink);
            self
        }

        fn sequence(&self, position: i64) -> SequenceNumber {
            self.first.plus(position as u32)
        }

        fn segment(mut self, position: i64, bytes: &[u8]) -> Self {
            self.put(position, bytes, 0, false);
            self
        }

        fn cut(mut self, position: i64, bytes: &[u8], cut: u32) -> Self {
            self.put(position, bytes, cut, false);
            self
        }

        fn fin(mut self, position: i64, bytes: &[u8]) -> Self {
            self.put(position, bytes, 0, true);
            self
        }

        fn put(&mut self, position: i64, bytes: &[u8], cut: u32, fin: bool) {
            let (sequence, at) = (self.sequence(position), self.arrival());
            self.reassembler.segment(sequence, bytes, cut, fin, &at, &mut self.sink);
        }

        fn ack(mut self, position: i64) -> Self {
            self.acknowledge(position);
            self
        }

        fn acknowledge(&mut self, position: i64) {
            let (sequence, at) = (self.sequence(position), self.arrival());
            self.reassembler.acknowledge(sequence, &at, &mut self.sink);
        }

        fn end(mut self) -> S {
            let at = self.arrival();
            self.reassembler.finish(&at, &mut self.sink);
            self.sink
        }
    }

    fn stream() -> Stream<Log> {
        Stream::new()
    }

    #[track_caller]
    fn assert_log(log: &Log, expected: &[&str]) {
        assert_eq!(log.0, expected);
    }

    #[test]
    fn nothing_is_next_while_something_waits() {
        let stream = Stream::<Log>::new().segment(3, b"d");
        assert!(!stream.reassembler.is_next(stream.sequence(0)));
        let stream = stream.segment(0, b"abc");
        assert!(stream.reassembler.is_next(stream.sequence(4)));
    }

    #[test]
    fn in_order_segments_are_handed_on_at_once() {
        let stream = stream().segment(0, b"abc").segment(3, b"de");
        assert_log(&stream.sink, &["0 data abc", "3 data de"]);
    }

    #[test]
    fn sequence_numbers_wrap_around() {
        let stream = Stream::<Log>::from(u32::MAX - 1).segment(0, b"ab").segment(4, b"e").segment(2, b"cd").ack(5);
        assert_log(&stream.sink, &["0 data ab", "2 data cd", "4 data e"]);
        assert_eq!(stream.reassembler.offset_of(SequenceNumber(3)), Some(5));
    }

    #[test]
    fn offsets_before_the_first_byte_are_none() {
        let stream = stream().segment(0, b"abc");
        assert_eq!(stream.reassembler.offset_of(stream.sequence(0)), Some(0));
        assert_eq!(stream.reassembler.offset_of(stream.sequence(-1)), None);
    }

    #[test]
    fn hole_that_is_filled_leaves_no_trace() {
        let stream = stream().segment(0, b"ab").segment(4, b"ef").segment(2, b"cd");
        assert_log(&stream.sink, &["0 data ab", "2 data cd", "4 data ef"]);
    }

    #[test]
    fn first_copy_of_overlapping_bytes_wins() {
        let stream = stream().segment(2, b"cd").segment(1, b"bcde").segment(0, b"a");
        assert_log(&stream.sink, &["0 data a", "1 data b", "2 data cd", "4 data e"]);
    }

    #[test]
    fn differing_copy_is_told_and_not_used() {
        let stream = stream().segment(1, b"bcd").segment(2, b"XYz").segment(0, b"a");
        assert_log(&stream.sink, &["2 conflict", "0 data a", "1 data bcd", "4 data z"]);
    }

    #[test]
    fn retransmission_of_old_bytes_adds_its_new_ones_only() {
        let stream = stream().segment(0, b"abc").segment(0, b"abc").segment(1, b"bcde").segment(-2, b"yz");
        assert_log(&stream.sink, &["0 data abc", "3 data de"]);
    }

    #[test]
    fn keep_alive_and_zero_window_probe_are_no_data() {
        let keep_alive = stream().segment(0, b"abc").segment(2, b"\0").segment(2, b"").ack(3);
        assert_log(&keep_alive.end(), &["0 data abc"]);
        let probe = stream().segment(0, b"abc").segment(3, b"d").segment(3, b"d").segment(3, b"def");
        assert_log(&probe.end(), &["0 data abc", "3 data d", "4 data ef"]);
    }

    #[test]
    fn hole_becomes_a_gap_when_the_peer_acknowledged_past_it_and_not_before() {
        let waiting = stream().segment(0, b"ab").segment(4, b"ef").ack(2).later().later();
        assert_log(&waiting.sink, &["0 data ab"]);
        assert_log(&waiting.ack(4).later().sink, &["0 data ab", "2 gap 2", "4 data ef"]);
    }

    #[test]
    fn bytes_recorded_after_their_acknowledgement_fill_the_hole() {
        let doubtful = || stream().segment(0, b"ab").ack(6);
        assert_log(&doubtful().segment(2, b"cdef").end(), &["0 data ab", "2 data cdef"]);
        assert_log(&doubtful().segment(4, b"ef").segment(2, b"cd").end(), &["0 data ab", "2 data cd", "4 data ef"]);
        // Whatever the time, the next packet may be the one.
        assert_log(&doubtful().wait(60_000).segment(2, b"cdef").end(), &["0 data ab", "2 data cdef"]);
        assert_log(&doubtful().later().segment(2, b"cdef").end(), &["0 data ab", "2 gap 4"]);
    }

    #[test]
    fn doubt_ends_after_so_many_packets() {
        let mut stream = stream().segment(1, b"b").ack(2);
        for _ in 1..limits::REORDERED_PACKETS {
            stream.acknowledge(2);
        }
        assert_log(&stream.sink, &[]);
        assert!(stream.reassembler.is_in_doubt());
        let stream = stream.ack(2);
        assert_log(&stream.sink, &["0 gap 1", "1 data b"]);
        assert!(!stream.reassembler.is_in_doubt());
    }

    #[test]
    fn hole_shown_during_a_doubt_is_waited_for_from_then_on() {
        let both = || stream().segment(1, b"b").ack(2).wait(15).segment(4, b"e").ack(5);
        assert_log(&both().wait(6).ack(5).sink, &["0 gap 1", "1 data b"]);
        assert_log(
            &both().wait(6).ack(5).wait(10).segment(2, b"cd").sink,
            &["0 gap 1", "1 data b", "2 data cd", "4 data e"],
        );
        assert_log(&both().wait(21).ack(5).sink, &["0 gap 1", "1 data b", "2 gap 2", "4 data e"]);
    }

    #[test]
    fn direction_of_which_nothing_is_captured_is_not_waited_for() {
        let mut unseen = stream();
        unseen.reassembler.set_captured(false);
        let unseen = unseen.ack(3).ack(9).ack(10);
        assert_log(&unseen.sink, &["0 gap 3", "3 gap 6"]);
        assert_eq!(unseen.reassembler.known_fin(false), Some(KnownFin::Acknowledged(9)));
    }

    #[test]
    fn answer_waits_for_what_it_acknowledges_and_leaves_no_hole() {
        let waiting = stream().ready(5).answer(0, b"ab", 5).answer(2, b"cd", 9).answer(4, b"ef", 12).ack(6);
        assert_log(&waiting.sink, &["0 data ab"]);
        assert!(waiting.reassembler.is_blocked() && !waiting.reassembler.is_in_doubt());
        assert_eq!(waiting.reassembler.readiness(), 3);
        let ready = waiting.ready(11);
        assert_log(&ready.sink, &["0 data ab", "2 data cd"]);
        let ready = ready.ready(12);
        assert_log(&ready.sink, &["0 data ab", "2 data cd", "4 data ef"]);
        assert!(!ready.reassembler.is_waiting());
        assert_log(&stream().ready(5).answer(0, b"ab", 6).end(), &["0 data ab"]);
    }

    #[test]
    fn hole_behind_what_waits_for_the_other_direction_is_given_up_after_it() {
        let stream = stream().ready(5).answer(0, b"ab", 9).answer(3, b"d", 9).ack(4).later();
        assert_log(&stream.sink, &[]);
        assert_log(&stream.ready(9).sink, &["0 data ab", "2 gap 1", "3 data d"]);
    }

    #[test]
    fn acknowledgement_into_what_waits_gives_up_what_lies_before_it_only() {
        let stream = stream().segment(2, b"c").segment(5, b"f").ack(3).later();
        assert_log(&stream.sink, &["0 gap 2", "2 data c"]);
        assert_log(&stream.segment(3, b"de").sink, &["0 gap 2", "2 data c", "3 data de", "5 data f"]);
    }

    #[test]
    fn acknowledged_bytes_that_nobody_saw_are_a_gap() {
        assert_log(&stream().segment(0, b"ab").ack(10).later().sink, &["0 data ab", "2 gap 8"]);
        assert_log(&stream().segment(0, b"ab").ack(10).end(), &["0 data ab", "2 gap 8"]);
    }

    #[test]
    fn bytes_that_come_after_their_gap_are_too_late() {
        assert_log(&stream().ack(3).later().segment(0, b"abcd").sink, &["0 gap 3", "3 data d"]);
    }

    #[test]
    fn acknowledgement_one_past_the_end_is_a_lost_fin_and_no_gap() {
        let mut stream = stream().segment(0, b"ab").ack(3).later();
        assert_log(&stream.sink, &["0 data ab"]);
        assert_eq!(stream.reassembler.known_fin(false), Some(KnownFin::Acknowledged(2)));
        let at = stream.arrival();
        stream.reassembler.finish(&at, &mut stream.sink);
        assert_log(&stream.sink, &["0 data ab"]);
        assert_eq!(stream.reassembler.known_fin(false), Some(KnownFin::Acknowledged(2)));
    }

    #[test]
    fn fin_that_was_lost_with_bytes_before_it_is_the_last_of_their_gap() {
        let lost = stream().segment(0, b"ab").ack(7).later();
        assert_log(&lost.sink, &["0 data ab", "2 gap 5"]);
        assert_eq!(lost.reassembler.known_fin(true), Some(KnownFin::InGap(6)));
        assert_eq!(lost.reassembler.known_fin(false), None, "while the other end has not answered it with its own");
        let no_hole = stream().segment(0, b"ab").ack(2);
        assert_eq!(no_hole.reassembler.known_fin(true), None);
    }

    #[test]
    fn single_acknowledged_byte_is_a_gap_once_something_follows_it() {
        let stream = stream().segment(0, b"ab").ack(3).segment(3, b"d").ack(4).later();
        assert_log(&stream.sink, &["0 data ab", "2 gap 1", "3 data d"]);
    }

    #[test]
    fn bytes_beyond_the_fin_are_none() {
        assert_log(&stream().fin(0, b"ab").segment(1, b"bcd").ack(3).end(), &["0 data ab"]);
        assert_log(&stream().fin(2, b"").segment(0, b"abcd").end(), &["0 data ab"]);
        assert_log(&stream().fin(2, b"").cut(0, b"a", 9).end(), &["0 data a", "1 gap 1"]);
        // The byte of a keep-alive after the FIN.
        assert_log(&stream().fin(0, b"ab").segment(2, b"\0").ack(3).end(), &["0 data ab"]);
    }

    #[test]
    fn fin_before_bytes_that_were_seen_is_a_stray() {
        let stream = stream().segment(0, b"abc").fin(1, b"").segment(3, b"d");
        assert_log(&stream.end(), &["0 data abc", "3 data d"]);
    }

    #[test]
    fn acknowledgement_of_the_fin_is_no_gap() {
        let stream = stream().fin(0, b"ab").ack(3);
        assert!(stream.reassembler.is_finished());
        assert_log(&stream.end(), &["0 data ab"]);
    }

    #[test]
    fn fin_before_the_hole_is_filled_waits_for_it() {
        let stream = stream().segment(0, b"a").fin(3, b"d");
        assert!(!stream.reassembler.is_finished());
        let stream = stream.segment(1, b"bc");
        assert!(stream.reassembler.is_finished());
        assert_log(&stream.sink, &["0 data a", "1 data bc", "3 data d"]);
    }

    #[test]
    fn bare_fin_behind_a_hole_shows_its_length_at_the_end() {
        assert_log(&stream().segment(0, b"a").fin(5, b"").end(), &["0 data a", "1 gap 4"]);
    }

    #[test]
    fn what_waits_at_the_end_is_handed_on_with_its_gaps() {
        let log = stream().segment(0, b"a").segment(2, b"c").segment(5, b"f").end();
        assert_log(&log, &["0 data a", "1 gap 1", "2 data c", "3 gap 2", "5 data f"]);
    }

    #[test]
    fn payload_cut_by_the_snap_length_is_bytes_and_a_gap() {
        let stream = stream().cut(0, b"ab", 3).segment(5, b"f");
        assert_log(&stream.sink, &["0 data ab", "2 gap 3", "5 data f"]);
    }

    #[test]
    fn cut_payload_that_waits_keeps_its_gap() {
        let stream = stream().cut(2, b"c", 2).segment(0, b"ab").segment(5, b"f");
        assert_log(&stream.sink, &["0 data ab", "2 data c", "3 gap 2", "5 data f"]);
    }

    #[test]
    fn whole_copy_counts_where_a_cut_one_waits() {
        let stream = stream().cut(2, b"c", 4).segment(3, b"def").segment(0, b"ab").segment(7, b"h");
        assert_log(&stream.sink, &["0 data ab", "2 data c", "3 data def", "6 gap 1", "7 data h"]);
    }

    #[test]
    fn cut_retransmission_adds_what_it_has_beyond_the_old_bytes() {
        assert_log(&stream().segment(0, b"abc").cut(0, b"ab", 4).sink, &["0 data abc", "3 gap 3"]);
        assert_log(&stream().segment(0, b"abc").cut(0, b"ab", 1).sink, &["0 data abc"]);
    }

    #[test]
    fn guess_made_from_a_keep_alive_is_mended() {
        let mut tentative = stream();
        tentative.reassembler = Reassembler::new(tentative.first, true);
        assert_log(&tentative.ack(1).segment(1, b"abc").ack(4).end(), &["0 data abc"]);
        assert_log(&stream().ack(2).segment(2, b"abc").end(), &["0 gap 2", "2 data abc"]);
    }

    #[test]
    fn segments_beyond_the_largest_window_are_strays() {
        let far = limits::WINDOW_BYTES.cast_signed() + 1;
        assert_log(&stream().segment(0, b"a").segment(far + 1, b"x").ack(far + 1).end(), &["0 data a"]);
    }

    #[test]
    fn hole_is_given_up_when_too_many_bytes_wait() {
        let block = vec![b'x'; 64 << 10];
        let mut stream = Stream::<Sizes>::new();
        let blocks = (limits::OUT_OF_ORDER_BYTES / block.len()) as i64;
        for index in 0..blocks {
            stream.put(1 + index * block.len() as i64, &block, 0, false);
        }
        assert_eq!((stream.sink.data, stream.sink.gap), (0, 0), "at the limit it still waits");
        stream.put(1 + blocks * block.len() as i64, b"y", 0, false);
        assert_eq!((stream.sink.data, stream.sink.gap), (limits::OUT_OF_ORDER_BYTES as u64 + 1, 1));
    }

    #[test]
    fn holes_are_given_up_when_too_many_segments_wait() {
        let mut stream = Stream::<Sizes>::new();
        for index in 0..limits::OUT_OF_ORDER_SEGMENTS as i64 {
            stream.put(1 + 2 * index, b"x", 0, false);
        }
        assert_eq!(stream.sink.gap, 0);
        stream.put(1 + 2 * limits::OUT_OF_ORDER_SEGMENTS as i64, b"x", 0, false);
        assert_eq!((stream.sink.data, stream.sink.gap), (1, 1), "one hole is enough");
    }

    /// Counts bytes.
    #[derive(Default)]
    struct Sizes {
        data: u64,
        gap: u64,
    }

    impl Sink for Sizes {
        fn data(&mut self, offset: u64, bytes: &[u8], _: &Arrival) {
            assert_eq!(offset, self.data + self.gap);
            self.data += bytes.len() as u64;
        }

        fn gap(&mut self, offset: u64, length: u64, _: &Arrival) {
            assert_eq!(offset, self.data + self.gap);
            self.gap += length;
        }

        fn conflict(&mut self, _: u64, _: &Arrival) {}
    }

    /// What became of each byte of the stream, in order: `None` for those in gaps.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Bytes(Vec<Option<u8>>);

    impl Sink for Bytes {
        fn data(&mut self, offset: u64, bytes: &[u8], _: &Arrival) {
            assert_eq!(offset, self.0.len() as u64, "in order and without holes");
            assert!(!bytes.is_empty());
            self.0.extend(bytes.iter().map(|byte| Some(*byte)));
        }

        fn gap(&mut self, offset: u64, length: u64, _: &Arrival) {
            assert_eq!(offset, self.0.len() as u64, "in order and without holes");
            assert!(length > 0);
            self.0.resize(self.0.len() + length as usize, None);
        }

        fn conflict(&mut self, _: u64, _: &Arrival) {}
    }

    /// The same, naively: a map from offset to the first copy, and how far it was handed on.
    #[derive(Default)]
    struct Model {
        /// `None` where the first copy was cut off.
        first_copies: BTreeMap<usize, Option<u8>>,
        handed_on: Vec<Option<u8>>,
        acknowledged: usize,
        fin: Option<usize>,
        /// Up to where the hole in doubt was acknowledged, and how many packets have come since.
        doubt: Option<(usize, usize)>,
    }

    impl Model {
        fn segment(&mut self, start: usize, bytes: &[u8], cut: usize, fin: bool) {
            let content = bytes.iter().map(|byte| Some(*byte)).chain(std::iter::repeat_n(None, cut));
            for (offset, byte) in (start..).zip(content) {
                let copy = self.first_copies.entry(offset).or_insert(byte);
                *copy = copy.or(byte);
            }
            if fin {
                self.fin.get_or_insert(start + bytes.len() + cut);
            }
            self.packet();
        }

        fn acknowledge(&mut self, offset: usize) {
            self.acknowledged = self.acknowledged.max(offset);
            self.packet();
        }

        fn packet(&mut self) {
            if let Some((_, packets)) = &mut self.doubt {
                *packets += 1;
            }
            self.drain();
            while self.has_hole() {
                let (until, packets) = *self.doubt.get_or_insert((self.acknowledged, 0));
                if packets < limits::REORDERED_PACKETS {
                    return;
                }
                self.give_up(until);
                self.doubt = None;
            }
            self.doubt = None;
        }

        fn later(&self) -> Option<usize> {
            self.first_copies.range(self.handed_on.len()..).next().map(|(offset, _)| *offset)
        }

        fn has_hole(&self) -> bool {
            let (next, acknowledged) = (self.handed_on.len(), self.fin.unwrap_or(usize::MAX).min(self.acknowledged));
            let perhaps_fin = self.later().is_none() && self.fin.is_none() && acknowledged == next + 1;
            next < acknowledged && !perhaps_fin
        }

        fn drain(&mut self) {
            while let Some(byte) = self.first_copies.get(&self.handed_on.len()) {
                self.handed_on.push(*byte);
            }
        }

        /// Holes before `until` are handed on as such.
        fn give_up(&mut self, until: usize) {
            let until = self.fin.unwrap_or(usize::MAX).min(until);
            while self.handed_on.len() < until && self.has_hole() {
                let end = self.later().map_or(until, |later| later.min(until));
                self.handed_on.resize(end, None);
                self.drain();
            }
        }

        fn end(mut self) -> Bytes {
            self.give_up(self.acknowledged);
            let last = self.first_copies.last_key_value().map_or(0, |(offset, _)| offset + 1);
            for offset in self.handed_on.len()..last.max(self.fin.unwrap_or_default()) {
                self.handed_on.push(self.first_copies.get(&offset).copied().flatten());
            }
            Bytes(self.handed_on)
        }
    }

    const SENT: usize = 600;

    /// The byte that was sent at `offset`.
    fn sent(offset: usize) -> u8 {
        (offset * 7 % 251) as u8
    }

    #[derive(Clone, Debug)]
    enum Step {
        Segment { start: usize, length: usize, cut: usize, forged: bool },
        Acknowledge(usize),
        Fin,
    }

    fn step() -> impl Strategy<Value = Step> {
        let segment = (0..SENT, 0_usize..60, 0_usize..9, any::<bool>()).prop_map(|(start, length, cut, forged)| {
            let length = length.min(SENT - start);
            // Two of three segments are whole.
            let cut = cut.saturating_sub(5).min(length);
            Step::Segment { start, length: length - cut, cut, forged }
        });
        prop_oneof![8 => segment, 1 => (0..=SENT).prop_map(Step::Acknowledge), 1 => Just(Step::Fin)]
    }

    proptest! {
        #[test]
        fn any_segments_give_what_a_naive_model_gives(
            first in prop_oneof![any::<u32>(), (0..SENT as u32).prop_map(|back| u32::MAX - back)],
            steps in proptest::collection::vec(step(), 0..120),
        ) {
            let mut stream = Stream::<Bytes>::from(first);
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Segment { start, length, cut, forged } => {
                        let bytes: Vec<u8> = (start..start + length).map(|at| sent(at) ^ u8::from(forged)).collect();
                        stream.put(start as i64, &bytes, cut as u32, false);
                        model.segment(start, &bytes, cut, false);
                    }
                    Step::Acknowledge(offset) => {
                        stream.acknowledge(offset as i64);
                        model.acknowledge(offset);
                    }
                    Step::Fin => {
                        stream.put(SENT as i64, b"", 0, true);
                        model.segment(SENT, b"", 0, true);
                    }
                }
                prop_assert_eq!(&stream.sink.0, &model.handed_on);
            }
            prop_assert_eq!(stream.end(), model.end());
        }

        #[test]
        fn every_byte_sent_is_handed_on_once_or_in_a_gap(
            first in prop_oneof![any::<u32>(), (0..SENT as u32).prop_map(|back| u32::MAX - back)],
            cuts in proptest::collection::btree_set(1..SENT, 0..40),
            fates in proptest::collection::vec((0_u8..8, any::<Index>()), 41),
        ) {
            let delivered = delivered(&cuts.into_iter().collect::<Vec<_>>(), &fates);
            let mut seen = vec![None; SENT];
            let mut stream = Stream::<Bytes>::from(first);
            for range in delivered {
                let bytes: Vec<u8> = range.clone().map(sent).collect();
                stream.put(range.start as i64, &bytes, 0, range.end == SENT);
                range.for_each(|offset| seen[offset] = Some(sent(offset)));
            }
            stream.put(SENT as i64, b"", 0, true);
            prop_assert_eq!(stream.end().0, seen);
        }
    }

    /// The segments between `cuts` as they arrive: some lost, some twice, some later than others.
    fn delivered(cuts: &[usize], fates: &[(u8, Index)]) -> Vec<std::ops::Range<usize>> {
        let starts = std::iter::once(&0).chain(cuts);
        let ranges = starts.zip(cuts.iter().chain([&SENT])).map(|(start, end)| *start..*end);
        let mut delivered = Vec::new();
        for (range, (fate, place)) in ranges.zip(fates) {
            match fate {
                0 => {}
                1 => delivered.extend([range.clone(), range]),
                2 | 3 => delivered.insert(place.index(delivered.len() + 1), range),
                _ => delivered.push(range),
            }
        }
        delivered
    }
}
