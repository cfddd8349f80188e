//! What waits behind a hole of one direction, and how long the hole is in doubt.

use std::collections::BTreeMap;

use crate::limits;

use super::{Arrival, Sink};

/// The bytes behind the first hole.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By stream offset; pieces do not overlap.
    pieces: BTreeMap<u64, Piece>,
    bytes: usize,
    /// The hole that the other end has acknowledged, if there is one.
    pub(super) doubt: Option<Doubt>,
}

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) content: Content,
    pub(super) at: Arrival,
}

#[derive(Debug)]
pub(super) enum Content {
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

/// A hole that was acknowledged but may only be late.
#[derive(Debug)]
pub(super) struct Doubt {
    /// The packet whose acknowledgement showed it.
    pub(super) shown: Arrival,
    /// What was acknowledged by then: everything before this stream offset is given up together.
    pub(super) until: u64,
    /// The last packet that acknowledged more.
    pub(super) latest: Arrival,
    /// Packets since, of those that say something of this direction.
    pub(super) packets: usize,
}

impl Doubt {
    pub(super) const fn new(until: u64, shown: Arrival) -> Self {
        Self { shown, until, latest: shown, packets: 0 }
    }

    /// Whether the hole was waited for long enough, now that the packet `at` has come.
    pub(super) const fn is_over(&self, at: &Arrival) -> bool {
        let waited = at.time.as_nanos().saturating_sub(self.shown.time.as_nanos());
        self.packets >= limits::REORDERED_PACKETS || waited > limits::REORDERED_NANOS
    }
}

impl Waiting {
    pub(super) fn is_over_limit(&self) -> bool {
        self.bytes > limits::OUT_OF_ORDER_BYTES || self.pieces.len() > limits::OUT_OF_ORDER_SEGMENTS
    }

    /// Whether nothing waits, and nothing is waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.pieces.is_empty() && self.doubt.is_none()
    }

    /// The stream offset of the first piece.
    pub(super) fn first(&self) -> Option<u64> {
        self.pieces.first_key_value().map(|(offset, _)| *offset)
    }

    /// Where the pieces that follow each other from `offset` on end, and whether more pieces come after a hole.
    pub(super) fn run_from(&self, offset: u64) -> (u64, bool) {
        let mut end = offset;
        for (start, piece) in &self.pieces {
            if *start != end {
                return (end, true);
            }
            end += piece.content.len();
        }
        (end, false)
    }

    pub(super) fn piece_at(&self, offset: u64) -> Option<&Piece> {
        self.pieces.get(&offset)
    }

    pub(super) fn pop_at(&mut self, offset: u64) -> Option<Piece> {
        let first = self.pieces.first_entry().filter(|entry| *entry.key() == offset)?;
        let piece = first.remove();
        if let Content::Bytes(bytes) = &piece.content {
            self.bytes -= bytes.len();
        }
        Some(piece)
    }

    /// Keeps a segment, `missing` bytes of which were cut off, without the parts of which a first copy waits already.
    pub(super) fn insert(&mut self, offset: u64, bytes: &[u8], missing: u64, at: &Arrival, sink: &mut impl Sink) {
        self.report_conflict(offset, bytes, at, sink);
        self.forget_missing(offset, offset + bytes.len() as u64);
        for (start, length) in self.holes(offset, bytes.len() as u64) {
            let begin = (start - offset) as usize;
            let Some(part) = bytes.get(begin..begin + length as usize) else { continue };
            self.bytes += part.len();
            self.pieces.insert(start, Piece { content: Content::Bytes(part.into()), at: *at });
        }
        self.insert_missing(offset + bytes.len() as u64, missing, at);
    }

    fn insert_missing(&mut self, offset: u64, length: u64, at: &Arrival) {
        for (start, length) in self.holes(offset, length) {
            self.pieces.insert(start, Piece { content: Content::Missing(length), at: *at });
        }
    }

    /// What an earlier copy lacks between `offset` and `end` is here now.
    fn forget_missing(&mut self, offset: u64, end: u64) {
        let lacks = |(start, piece): (u64, &Piece)| match piece.content {
            Content::Missing(length) => Some((start, start + length, piece.at)),
            Content::Bytes(_) => None,
        };
        let lacking: Vec<(u64, u64, Arrival)> = self.overlapping(offset, end).filter_map(lacks).collect();
        for (start, missing_end, at) in lacking {
            self.pieces.remove(&start);
            self.insert_missing(start, offset.saturating_sub(start), &at);
            self.insert_missing(end, missing_end.saturating_sub(end), &at);
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
