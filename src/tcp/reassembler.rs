//! One direction of a TCP connection: segments in any order to bytes in order.
//!
//! In come segments and the other end's acknowledgements; out go, to a [`Sink`], every byte once and in order, and a gap
//! for every byte that the capture does not hold. Where copies overlap the first one wins.
//!
//! A hole is waited for until the other end acknowledges what lies behind its beginning, until too much waits behind
//! it ([`limits::OUT_OF_ORDER_BYTES`]), or until the end.
//!
//! ```text
//!    offset 0            next                          FIN
//!    |  handed on        |   hole   | waiting |  hole  |
//! ```

use std::collections::BTreeMap;

use crate::limits;

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
    /// What lies behind the first hole, by stream offset; pieces do not overlap. `None` while nothing does.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    pieces: BTreeMap<u64, Piece>,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    content: Content,
    at: Arrival,
}

#[derive(Debug)]
enum Content {
    Bytes(Box<[u8]>),
    /// Cut off by the snap length.
    Missing(u64),
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Missing(length) => *length,
        }
    }
}

impl Reassembler {
    /// A direction whose first byte has sequence number `first`. `tentative` says that this is a guess.
    #[must_use]
    pub const fn new(first: SequenceNumber, tentative: bool) -> Self {
        Self { next_sequence: first, next: 0, acknowledged: 0, fin: None, tentative, waiting: None }
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

    /// Whether `sequence` lies more than `distance` bytes from the next byte, so that it belongs to another connection.
    #[must_use]
    pub fn is_far_from(&self, sequence: SequenceNumber, distance: u32) -> bool {
        sequence.after(self.next_sequence).unsigned_abs() > u64::from(distance)
    }

    /// Whether `length` bytes from `sequence` on are a repetition of what was sent before, or a keep-alive, which repeats
    /// one byte or none (RFC 9293 section 3.8.4).
    #[must_use]
    pub fn is_repetition(&self, sequence: SequenceNumber, length: usize) -> bool {
        let distance = sequence.after(self.next_sequence);
        distance < 0 && distance + length as i64 <= 0 && (length > 0 || distance == -1)
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
        if fin && self.fin.is_none() {
            self.fin = self.next.checked_add_signed(end);
            self.acknowledged = self.acknowledged.min(self.fin.unwrap_or(u64::MAX));
        }
        if end <= 0 {
            return;
        }
        let (offset, bytes, missing) = self.beyond_next(distance, bytes, u64::from(cut));
        self.tentative = false;
        if self.waiting.is_none() && offset == self.next {
            self.hand_on(bytes, missing, at, sink);
        } else {
            self.wait(offset, bytes, missing, at, sink);
            self.settle(at, sink);
        }
    }

    /// The other end has received everything before `sequence`.
    pub fn acknowledge(&mut self, sequence: SequenceNumber, at: &Arrival, sink: &mut impl Sink) {
        let distance = sequence.after(self.next_sequence);
        if distance <= 0 || distance > limits::WINDOW_BYTES.cast_signed() {
            return;
        }
        let Some(offset) = self.next.checked_add_signed(distance) else { return };
        if self.tentative && distance == 1 {
            // The guess came from a keep-alive, whose sequence number is one too low (RFC 9293 section 3.8.4).
            self.next_sequence = sequence;
            return;
        }
        self.acknowledged = self.acknowledged.max(self.fin.map_or(offset, |fin| offset.min(fin)));
        self.settle(at, sink);
    }

    /// No more segments will come: what waits is handed on, with gaps for what is missing.
    pub fn finish(&mut self, at: &Arrival, sink: &mut impl Sink) {
        while let Some(first) = self.first_waiting() {
            self.skip_to(first, at, sink);
            self.drain(sink);
        }
        if let Some(fin) = self.fin {
            self.skip_to(fin, at, sink);
        }
    }

    /// The part of a segment that was not handed on yet: its stream offset, its bytes and how many are missing after
    /// them. The segment ends after `next`.
    fn beyond_next<'a>(&self, distance: i64, bytes: &'a [u8], cut: u64) -> (u64, &'a [u8], u64) {
        if distance >= 0 {
            return (self.next + distance.unsigned_abs(), bytes, cut);
        }
        let old = distance.unsigned_abs();
        let rest = usize::try_from(old).ok().and_then(|old| bytes.get(old..)).unwrap_or_default();
        let cut_already_old = old.saturating_sub(bytes.len() as u64);
        (self.next, rest, cut.saturating_sub(cut_already_old))
    }

    fn hand_on(&mut self, bytes: &[u8], missing: u64, at: &Arrival, sink: &mut impl Sink) {
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

    /// Keeps a segment that cannot be handed on yet, without the parts of which a first copy waits already.
    fn wait(&mut self, offset: u64, bytes: &[u8], missing: u64, at: &Arrival, sink: &mut impl Sink) {
        let waiting = self.waiting.get_or_insert_default();
        waiting.insert_bytes(offset, bytes, at, sink);
        waiting.insert_missing(offset + bytes.len() as u64, missing, at);
    }

    /// Hands on what can be, and gives up holes that will not be filled.
    fn settle(&mut self, at: &Arrival, sink: &mut impl Sink) {
        self.drain(sink);
        while self.next < self.acknowledged {
            match self.first_waiting() {
                Some(first) => self.skip_to(first.min(self.acknowledged), at, sink),
                // A single acknowledged byte that never came is most likely a FIN that the capture lost. If it was
                // data, what follows it will say so.
                None if self.acknowledged == self.next + 1 && self.fin.is_none() => break,
                None => self.skip_to(self.acknowledged, at, sink),
            }
            self.drain(sink);
        }
        while self.waiting.as_ref().is_some_and(|waiting| waiting.is_over_limit()) {
            let Some(first) = self.first_waiting() else { break };
            self.skip_to(first, at, sink);
            self.drain(sink);
        }
    }

    fn first_waiting(&self) -> Option<u64> {
        self.waiting.as_ref()?.pieces.first_key_value().map(|(offset, _)| *offset)
    }

    fn skip_to(&mut self, offset: u64, at: &Arrival, sink: &mut impl Sink) {
        let length = offset.saturating_sub(self.next);
        if length > 0 {
            sink.gap(self.next, length, at);
            self.advance(length);
        }
    }

    /// Hands on the pieces that follow without a hole.
    fn drain(&mut self, sink: &mut impl Sink) {
        while let Some(piece) = self.waiting.as_mut().and_then(|waiting| waiting.pop_at(self.next)) {
            match &piece.content {
                Content::Bytes(bytes) => self.hand_on(bytes, 0, &piece.at, sink),
                Content::Missing(length) => self.hand_on(&[], *length, &piece.at, sink),
            }
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.pieces.is_empty()) {
            self.waiting = None;
        }
    }
}

impl Waiting {
    fn is_over_limit(&self) -> bool {
        self.bytes > limits::OUT_OF_ORDER_BYTES || self.pieces.len() > limits::OUT_OF_ORDER_SEGMENTS
    }

    fn pop_at(&mut self, offset: u64) -> Option<Piece> {
        let first = self.pieces.first_entry().filter(|entry| *entry.key() == offset)?;
        let piece = first.remove();
        if let Content::Bytes(bytes) = &piece.content {
            self.bytes -= bytes.len();
        }
        Some(piece)
    }

    fn insert_bytes(&mut self, offset: u64, bytes: &[u8], at: &Arrival, sink: &mut impl Sink) {
        self.report_conflict(offset, bytes, at, sink);
        for (start, length) in self.holes(offset, bytes.len() as u64) {
            let begin = (start - offset) as usize;
            let Some(part) = bytes.get(begin..begin + length as usize) else { continue };
            self.bytes += part.len();
            self.pieces.insert(start, Piece { content: Content::Bytes(part.into()), at: *at });
        }
    }

    fn insert_missing(&mut self, offset: u64, length: u64, at: &Arrival) {
        for (start, length) in self.holes(offset, length) {
            self.pieces.insert(start, Piece { content: Content::Missing(length), at: *at });
        }
    }

    /// The parts of a range that no piece covers: offset and length of each.
    fn holes(&self, offset: u64, length: u64) -> Vec<(u64, u64)> {
        let end = offset + length;
        let mut holes = Vec::new();
        let mut position = offset;
        for (start, piece_end) in
            self.overlapping(offset, end).map(|(start, piece)| (start, start + piece.content.len()))
        {
            if start > position {
                holes.push((position, start - position));
            }
            position = position.max(piece_end);
        }
        if position < end {
            holes.push((position, end - position));
        }
        holes
    }

    fn overlapping(&self, offset: u64, end: u64) -> impl Iterator<Item = (u64, &Piece)> {
        let before = self
            .pieces
            .range(..offset)
            .next_back()
            .filter(move |(start, piece)| *start + piece.content.len() > offset)
            .map(|(start, _)| *start);
        self.pieces.range(before.unwrap_or(offset)..end).map(|(start, piece)| (*start, piece))
    }

    fn report_conflict(&self, offset: u64, bytes: &[u8], at: &Arrival, sink: &mut impl Sink) {
        let end = offset + bytes.len() as u64;
        for (start, piece) in self.overlapping(offset, end) {
            let Content::Bytes(first_copy) = &piece.content else { continue };
            let from = start.max(offset);
            let to = end.min(start + first_copy.len() as u64);
            let old = first_copy.get((from - start) as usize..(to - start) as usize);
            let new = bytes.get((from - offset) as usize..(to - offset) as usize);
            if old != new {
                sink.conflict(from, at);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        sink: S,
    }

    impl<S: Sink + Default> Stream<S> {
        fn new() -> Self {
            Self::from(1000)
        }

        fn from(first: u32) -> Self {
            let first = SequenceNumber(first);
            Self { first, reassembler: Reassembler::new(first, false), packets: 0, sink: S::default() }
        }

        /// The next packet's arrival.
        fn arrival(&mut self) -> Arrival {
            self.packets += 1;
            at(self.packets)
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

    fn at(number: u64) -> Arrival {
        Arrival { packet: PacketId { file: 0, number }, time: Timestamp::default(), acknowledged: None }
    }

    fn stream() -> Stream<Log> {
        Stream::new()
    }

    #[track_caller]
    fn assert_log(log: &Log, expected: &[&str]) {
        assert_eq!(log.0, expected);
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
    fn hole_becomes_a_gap_when_the_peer_acknowledges_past_it_and_not_before() {
        let waiting = stream().segment(0, b"ab").segment(4, b"ef").ack(2);
        assert_log(&waiting.sink, &["0 data ab"]);
        assert_log(&waiting.ack(4).sink, &["0 data ab", "2 gap 2", "4 data ef"]);
    }

    #[test]
    fn acknowledgement_into_what_waits_gives_up_what_lies_before_it_only() {
        let stream = stream().segment(2, b"c").segment(5, b"f").ack(3);
        assert_log(&stream.sink, &["0 gap 2", "2 data c"]);
        assert_log(&stream.segment(3, b"de").sink, &["0 gap 2", "2 data c", "3 data de", "5 data f"]);
    }

    #[test]
    fn acknowledged_bytes_that_nobody_saw_are_a_gap() {
        assert_log(&stream().segment(0, b"ab").ack(10).sink, &["0 data ab", "2 gap 8"]);
    }

    #[test]
    fn bytes_that_come_after_their_gap_are_too_late() {
        assert_log(&stream().ack(3).segment(0, b"abcd").sink, &["0 gap 3", "3 data d"]);
    }

    #[test]
    fn acknowledgement_one_past_the_end_is_a_lost_fin_and_no_gap() {
        let stream = stream().segment(0, b"ab").ack(3);
        assert_log(&stream.sink, &["0 data ab"]);
        assert_log(&stream.end(), &["0 data ab"]);
    }

    #[test]
    fn single_acknowledged_byte_is_a_gap_once_something_follows_it() {
        assert_log(&stream().segment(0, b"ab").ack(3).segment(3, b"d").sink, &["0 data ab", "2 gap 1", "3 data d"]);
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
    }

    impl Model {
        fn segment(&mut self, start: usize, bytes: &[u8], cut: usize, fin: bool) {
            let content = bytes.iter().map(|byte| Some(*byte)).chain(std::iter::repeat_n(None, cut));
            for (offset, byte) in (start..).zip(content) {
                self.first_copies.entry(offset).or_insert(byte);
            }
            if fin {
                self.fin.get_or_insert(start + bytes.len() + cut);
            }
            self.hand_on();
        }

        fn acknowledge(&mut self, offset: usize) {
            self.acknowledged = self.acknowledged.max(offset);
            self.hand_on();
        }

        fn hand_on(&mut self) {
            let acknowledged = self.fin.map_or(self.acknowledged, |fin| self.acknowledged.min(fin));
            loop {
                let next = self.handed_on.len();
                let later = self.first_copies.range(next..).next().map(|(offset, _)| *offset);
                let perhaps_fin = later.is_none() && self.fin.is_none() && acknowledged == next + 1;
                match self.first_copies.get(&next) {
                    Some(byte) => self.handed_on.push(*byte),
                    None if next < acknowledged && !perhaps_fin => {
                        self.handed_on.resize(later.map_or(acknowledged, |later| later.min(acknowledged)), None);
                    }
                    None => return,
                }
            }
        }

        fn end(mut self) -> Bytes {
            let last = self.first_copies.last_key_value().map_or(0, |(offset, _)| offset + 1);
            self.acknowledged = last.max(self.fin.unwrap_or_default()).max(self.handed_on.len());
            let end = self.acknowledged;
            for offset in self.handed_on.len()..end {
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
            steps in proptest::collection::vec(step(), 0..60),
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
