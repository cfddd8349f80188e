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
