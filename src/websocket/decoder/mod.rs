//! One direction of a WebSocket connection: bytes and gaps to events.
//!
//! ```text
//!               whole header              payload's end
//!   ▶ Header ─────────────────▶ Payload ────────────────▶ Header
//!        │                         │
//!        │ gap                     │ gap past the payload's end
//!        └────────▶ Lost ◀─────────┘
//!                    └── a believable frame ──▶ Header
//! ```
//!
//! A gap inside a payload is stepped over with the header's length: the message is no longer whole, but the place in the
//! stream stays known.
//!
//! A place that was searched for may be wrong, however unlikely that is. So from then on a header that breaks a rule says
//! that it was, not that the sender broke the rule; a Close frame is told once nothing has followed it; and that a text is
//! not UTF-8 is told once some more frames have fitted, or a Close frame at the very end.

mod event;
mod header;
mod payload;
#[cfg(test)]
mod tests;
mod whole;
mod withheld;

use crate::flow::Role;

use super::conformance::MaskRun;
use super::handshake::Extensions;
use super::inflate::Inflation;
use super::message::Message;
use super::resync::{Found, Search};

use header::PartialHeader;
use payload::Payload;
use withheld::{PROVING_FRAMES, Withheld};

pub use event::{Event, Visitor};

/// Decodes one direction.
///
/// `M` is a mark of the caller's for each piece of the stream, such as the packet that brought it; events carry the mark
/// of the bytes that they are about.
#[derive(Debug)]
pub struct Decoder<M> {
    sender: Role,
    extensions: Extensions,
    /// Stream offset of the next byte.
    offset: u64,
    state: State<M>,
    /// The message that is open: begun and not ended. Most are whole in a segment, and never here.
    message: Option<Box<Message<M>>>,
    inflation: Inflation,
    /// Data messages that were begun.
    messages: u64,
    payload_bytes: u64,
    /// The sender has sent a Close frame.
    closed: bool,
    /// No message was begun since the place in the stream was found again: continuation frames may be of one that was
    /// begun before.
    resumed: bool,
    /// The place in the stream was searched for once.
    searched: bool,
    /// Frames since then that must fit before it is told that a text is not UTF-8.
    unproved: u8,
    masks: MaskRun,
    /// What was found since then and is not told yet.
    withheld: Option<Box<Withheld<M>>>,
}

#[derive(Debug)]
enum State<M> {
    Header(PartialHeader),
    Payload(Payload),
    Lost(Box<Lost<M>>),
    /// The stream has ended.
    Over,
}

/// The place in the stream is not known.
#[derive(Debug)]
struct Lost<M> {
    /// Stream offset of the first byte that may be of a frame gone by unseen.
    since: u64,
    search: Search<M>,
}

impl<M: Copy> Decoder<M> {
    /// A decoder of what `sender` sends from stream offset `offset` on, which is the beginning of a frame.
    #[must_use]
    pub fn new(sender: Role, extensions: Extensions, offset: u64) -> Self {
        let certain = extensions.deflate.is_some_and(|deflate| !deflate.assumed);
        Self {
            sender,
            extensions,
            offset,
            state: State::Header(PartialHeader::default()),
            message: None,
            inflation: Inflation::new(certain),
            messages: 0,
            payload_bytes: 0,
            closed: false,
            resumed: false,
            searched: false,
            unproved: 0,
            masks: MaskRun::default(),
            withheld: None,
        }
    }

    /// Data messages that were begun.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Payload bytes of data frames so far, as on the wire, missing ones included.
    #[must_use]
    pub const fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// The same, but where a frame begins is not known and must be looked for.
    #[must_use]
    pub fn lost(sender: Role, extensions: Extensions, offset: u64) -> Self {
        Self { offset, ..Self::searching(sender, extensions, Search::after_gap(sender, extensions, offset)) }
    }

    /// The same, with a search that has begun already.
    #[must_use]
    pub fn searching(sender: Role, extensions: Extensions, search: Search<M>) -> Self {
        let mut decoder = Self::new(sender, extensions, search.position());
        decoder.state = State::Lost(Box::new(Lost { since: decoder.offset, search }));
        decoder.inflation.lose();
        decoder
    }

    /// Goes on where a search has found a frame.
    pub fn resume(&mut self, found: Found<M>, visitor: &mut impl Visitor<M>) {
        self.offset = found.offset;
        self.state = State::Header(PartialHeader::default());
        (self.resumed, self.searched, self.unproved) = (true, true, PROVING_FRAMES);
        for (segment, mark) in found.segments {
            self.feed(&segment, mark, visitor);
        }
    }

    /// Whether the place in the stream is not known, so that frames may have gone by unseen. Behind a Close frame there are
    /// none.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match &self.state {
            State::Lost(lost) => lost.search.close_at_end().is_none(),
            State::Header(_) | State::Payload(_) | State::Over => false,
        }
    }

    /// Stream offset of the next byte.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Stream offset from which on frames may have gone by unseen; `None` while the place in the stream is known.
    #[must_use]
    pub fn lost_since(&self) -> Option<u64> {
        match &self.state {
            State::Lost(lost) if self.is_lost() => Some(lost.since),
            State::Lost(_) | State::Header(_) | State::Payload(_) | State::Over => None,
        }
    }

    /// What comes next lies at stream offset `offset`. It is told to a decoder that was made without knowing.
    pub fn seek(&mut self, offset: u64) {
        if matches!(self.state, State::Lost(_)) {
            self.offset = offset;
        }
    }

    /// Whether the next byte begins a frame.
    const fn is_at_frame(&self) -> bool {
        matches!(self.state, State::Header(PartialHeader { length: 0, .. }))
    }

    /// The next bytes of the stream, which came with `mark`. Each call's bytes are those of one segment, or of what was
    /// left of it.
    pub fn feed(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = match self.read_whole_frame(rest, mark, visitor) {
                Some(used) => used,
                None => self.read_part(rest, rest.len() == bytes.len(), mark, visitor),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Reads on in a part of a frame, or looks for one. The bytes are a `whole` segment or the rest of one: how many were
    /// used.
    fn read_part(&mut self, bytes: &[u8], whole: bool, mark: M, visitor: &mut impl Visitor<M>) -> usize {
        match &mut self.state {
            State::Header(_) => self.read_header(bytes, mark, visitor),
            State::Payload(_) => self.read_payload(bytes, mark, visitor),
            State::Lost(_) => self.search(bytes, whole, mark, visitor),
            State::Over => {
                self.offset += bytes.len() as u64;
                bytes.len()
            }
        }
    }

    /// `length` bytes of the stream are missing.
    pub fn gap(&mut self, length: u64, mark: M, visitor: &mut impl Visitor<M>) {
        match &mut self.state {
            State::Payload(payload) if length <= payload.left => {
                payload.left -= length;
                self.offset += length;
                self.mark_hole(length);
                self.end_payload_if_over(mark, visitor);
            }
            State::Payload(payload) => {
                let (left, in_payload) = (length - payload.left, payload.left);
                self.offset += in_payload;
                self.mark_hole(in_payload);
                self.tell_partial_close(mark, visitor);
                let since = self.offset;
                self.offset += left;
                self.lose_sync(since, mark, visitor);
            }
            State::Header(partial) => {
                let since = self.offset.saturating_sub(u64::from(partial.length));
                self.offset += length;
                self.lose_sync(since, mark, visitor);
            }
            State::Lost(lost) => {
                self.offset += length;
                if let Some(found) = lost.search.gap(length) {
                    self.resume(found, visitor);
                }
            }
            State::Over => self.offset += length,
        }
    }

    /// Bytes are missing here, nobody knows how many; the stream goes on as if it were `length`.
    pub fn lose_place(&mut self, length: u64, mark: M, visitor: &mut impl Visitor<M>) {
        let since = match &self.state {
            State::Header(partial) => self.offset.saturating_sub(u64::from(partial.length)),
            State::Payload(_) => self.offset,
            State::Lost(lost) => lost.since,
            State::Over => return,
        };
        self.tell_partial_close(mark, visitor);
        self.offset += length;
        self.lose_sync(since, mark, visitor);
    }

    /// The stream ends here, or the capture does.
    pub fn end(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        if let State::Lost(lost) = &self.state
            && let Some(found) = lost.search.close_at_end()
        {
            self.resume(found, visitor);
        }
        self.tell_partial_close(mark, visitor);
        self.abandon_message(mark, visitor);
        self.end_withheld(visitor);
        self.state = State::Over;
    }

    /// The place in the stream is not known any more, from stream offset `since` on.
    fn lose_sync(&mut self, since: u64, mark: M, visitor: &mut impl Visitor<M>) {
        self.abandon_message(mark, visitor);
        self.inflation.lose();
        // More was sent behind a Close frame, or too little has fitted behind a text.
        self.withheld = None;
        let search = Search::after_gap(self.sender, self.extensions, self.offset);
        self.state = State::Lost(Box::new(Lost { since, search }));
    }

    /// Looks for the next believable frame in bytes that are `whole` segment or the rest of one: how many were used.
    fn search(&mut self, bytes: &[u8], whole: bool, mark: M, visitor: &mut impl Visitor<M>) -> usize {
        let State::Lost(lost) = &mut self.state else { return 0 };
        let start = self.offset;
        self.offset += bytes.len() as u64;
        if let Some(found) = lost.search.segment(bytes, start, mark, whole) {
            self.resume(found, visitor);
        }
        bytes.len()
    }
}
