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

use crate::flow::Role;
use crate::limits;

use super::close::CloseBody;
use super::frame::{Header, MAX_HEADER, Opcode, RSV1, unmask};
use super::handshake::Extensions;
use super::resync::Search;
use super::rule::Rule;
use super::utf8::{InvalidText, TextCheck};

/// What a [`Decoder`] finds.
#[derive(Debug)]
pub enum Event<'a, M> {
    /// A text or binary message ended.
    Message {
        /// Whether it is text.
        text: bool,
    },
    /// A compressed message that cannot be inflated ended.
    Undecodable,
    /// A text message is not UTF-8. It is told when the message ends.
    InvalidText {
        /// Its number among the data messages of this direction, from 0.
        message: u64,
        /// Its length in bytes; `None` where its end is not in the capture.
        bytes: Option<u64>,
        /// Where and what is wrong.
        fault: InvalidText<M>,
    },
    /// A Close frame. One whose body has a hole is told too.
    Close(CloseBody<'a>),
    /// A rule was broken.
    Violation {
        /// The rule.
        rule: Rule,
        /// What was found.
        detail: String,
    },
}

/// Where a [`Decoder`] puts what it finds.
pub trait Visitor<M> {
    /// Something ended at stream offset `end`, in the bytes that came with `mark`.
    fn event(&mut self, end: u64, mark: M, event: Event<'_, M>);
}

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
    /// The message that is open: begun and not ended.
    message: Option<Message<M>>,
    /// Data messages that were begun.
    messages: u64,
    payload_bytes: u64,
    /// The sender has sent a Close frame.
    closed: bool,
}

#[derive(Debug)]
enum State<M> {
    Header(PartialHeader),
    Payload(Payload),
    Lost(Box<Search<M>>),
    /// The stream has ended.
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
struct PartialHeader {
    bytes: [u8; MAX_HEADER],
    length: u8,
}

#[derive(Debug)]
struct Payload {
    /// Bytes that are still to come.
    left: u64,
    /// Length of the whole payload.
    length: u64,
    mask: Option<[u8; 4]>,
    kind: PayloadKind,
}

#[derive(Debug)]
enum PayloadKind {
    /// Part of [`Decoder::message`]; whether it is the last.
    Data { fin: bool },
    /// A Close frame's body as far as it was read; `holed` if bytes of it are missing.
    Close { body: Vec<u8>, holed: bool },
    /// Nobody looks into it.
    Skipped,
}

/// A data message.
#[derive(Debug)]
struct Message<M> {
    /// Its number, from 0.
    number: u64,
    text: bool,
    compressed: bool,
    bytes: u64,
    /// Whether the payload is checked: text that no extension has changed.
    check: Option<TextCheck<M>>,
}

impl<M: Copy> Decoder<M> {
    /// A decoder of what `sender` sends from stream offset `offset` on, which is the beginning of a frame.
    #[must_use]
    pub fn new(sender: Role, extensions: Extensions, offset: u64) -> Self {
        Self {
            sender,
            extensions,
            offset,
            state: State::Header(PartialHeader::default()),
            message: None,
            messages: 0,
            payload_bytes: 0,
            closed: false,
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
        Self { state: State::Lost(Box::default()), ..Self::new(sender, extensions, offset) }
    }

    /// Whether the place in the stream is not known, so that frames may have gone by unseen.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost(_))
    }

    /// The next bytes of the stream, which came with `mark`. Each call's bytes are those of one segment, or of what was
    /// left of it.
    pub fn feed(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = match &mut self.state {
                State::Header(_) => self.read_header(rest, mark, visitor),
                State::Payload(_) => self.read_payload(rest, mark, visitor),
                State::Lost(_) => self.search(rest, mark, visitor),
                State::Over => {
                    self.offset += rest.len() as u64;
                    return;
                }
            };
            rest = rest.get(used..).unwrap_or_default();
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
                self.offset += left;
                self.lose_sync(mark, visitor);
            }
            State::Header(_) | State::Lost(_) => {
                self.offset += length;
                self.lose_sync(mark, visitor);
            }
            State::Over => self.offset += length,
        }
    }

    /// The stream ends here, or the capture does.
    pub fn end(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        self.tell_partial_close(mark, visitor);
        self.abandon_message(mark, visitor);
        self.state = State::Over;
    }

    /// Reads on in a frame header: how many bytes were used.
    fn read_header(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) -> usize {
        let State::Header(partial) = &mut self.state else { return 0 };
        let (header, used) = if partial.length == 0
            && let Some(header) = Header::parse(bytes)
        {
            (header, header.size)
        } else {
            let before = partial.length as usize;
            for (slot, byte) in partial.bytes.iter_mut().skip(before).zip(bytes) {
                *slot = *byte;
                partial.length += 1;
            }
            let Some(header) = partial.bytes.get(..partial.length as usize).and_then(Header::parse) else {
                self.offset += bytes.len() as u64;
                return bytes.len();
            };
            (header, header.size.saturating_sub(before))
        };
        self.offset += used as u64;
        self.begin_frame(&header, mark, visitor);
        used
    }

    fn begin_frame(&mut self, header: &Header, mark: M, visitor: &mut impl Visitor<M>) {
        self.check_header(header, mark, visitor);
        if !header.has_sound_length() {
            // The frame has no end, but its sender may go on as if it had.
            self.lose_sync(mark, visitor);
            return;
        }
        let kind = match header.opcode {
            Opcode::Close => PayloadKind::Close { body: Vec::new(), holed: false },
            Opcode::Ping | Opcode::Pong | Opcode::Reserved(_) => PayloadKind::Skipped,
            Opcode::Continuation if self.message.is_none() => PayloadKind::Skipped,
            Opcode::Continuation => PayloadKind::Data { fin: header.fin },
            Opcode::Text | Opcode::Binary => {
                self.begin_message(header, mark, visitor);
                PayloadKind::Data { fin: header.fin }
            }
        };
        self.state = State::Payload(Payload { left: header.payload, length: header.payload, mask: header.mask, kind });
        self.end_payload_if_over(mark, visitor);
    }

    fn begin_message(&mut self, header: &Header, mark: M, visitor: &mut impl Visitor<M>) {
        self.abandon_message(mark, visitor);
        let text = header.opcode == Opcode::Text;
        let compressed = self.extensions.deflate && header.reserved & RSV1 != 0;
        let checked = text && !compressed && !self.extensions.unknown;
        self.message = Some(Message {
            number: self.messages,
            text,
            compressed,
            bytes: 0,
            check: checked.then(TextCheck::default),
        });
        self.messages += 1;
    }

    /// Every rule that a header alone can break.
    fn check_header(&mut self, header: &Header, mark: M, visitor: &mut impl Visitor<M>) {
        let mut broken = |rule, detail: String| {
            visitor.event(self.offset, mark, Event::Violation { rule, detail });
        };
        let opcode = header.opcode;
        match (self.sender, header.mask) {
            (Role::Client, None) => {
                broken(Rule::UnmaskedClientFrame, format!("{opcode:?} frame of {} bytes", header.payload));
            }
            (Role::Server, Some(_)) => {
                broken(Rule::MaskedServerFrame, format!("{opcode:?} frame of {} bytes", header.payload));
            }
            (Role::Client, Some(_)) | (Role::Server, None) => {}
        }
        if header.reserved & !self.extensions.reserved_bits(opcode, self.message.is_some()) != 0 {
            broken(Rule::ReservedBits, format!("RSV bits {:03b} on a {opcode:?} frame", header.reserved));
        }
        if let Opcode::Reserved(bits) = opcode {
            broken(Rule::ReservedOpcode, format!("opcode {bits}"));
        }
        if opcode.is_control() && !header.fin {
            broken(Rule::FragmentedControlFrame, format!("{opcode:?} frame without FIN"));
        }
        if opcode.is_control() && header.payload > 125 {
            broken(Rule::LongControlFrame, format!("{opcode:?} frame of {} bytes", header.payload));
        }
        if !header.has_sound_length() {
            broken(Rule::LengthTooLarge, format!("length {:#x}", header.payload));
        } else if !header.minimal {
            broken(Rule::NonMinimalLength, format!("length {} in {} bytes", header.payload, header.size));
        }
        match (opcode, &self.message) {
            (Opcode::Continuation, None) => {
                broken(Rule::UnexpectedContinuation, format!("continuation of {} bytes", header.payload));
            }
            (Opcode::Text | Opcode::Binary, Some(open)) => {
                broken(Rule::InterleavedMessage, format!("{opcode:?} frame {} bytes into a message", open.bytes));
            }
            _ => {}
        }
        if self.closed {
            broken(Rule::FrameAfterClose, format!("{opcode:?} frame of {} bytes", header.payload));
        }
    }

    /// Reads on in a payload: how many bytes were used.
    fn read_payload(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) -> usize {
        let State::Payload(payload) = &mut self.state else { return 0 };
        let count = usize::try_from(payload.left).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = bytes.get(..count).unwrap_or_default();
        let position = payload.length - payload.left;
        payload.left -= count as u64;
        match &mut payload.kind {
            PayloadKind::Skipped => {}
            PayloadKind::Data { fin } => {
                self.payload_bytes += count as u64;
                if let Some(message) = &mut self.message {
                    let last = *fin && payload.left == 0;
                    message.payload(bytes, payload.mask, position, last, mark);
                }
            }
            PayloadKind::Close { body, holed } => {
                let room = limits::CLOSE_BODY_BYTES.saturating_sub(body.len());
                if !*holed {
                    let part = bytes.get(..room.min(count)).unwrap_or_default();
                    let start = body.len();
                    body.extend_from_slice(part);
                    if let (Some(key), Some(plain)) = (payload.mask, body.get_mut(start..)) {
                        unmask(part, key, position, plain);
                    }
                }
            }
        }
        self.offset += count as u64;
        self.end_payload_if_over(mark, visitor);
        count
    }

    fn end_payload_if_over(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        let State::Payload(payload) = &mut self.state else { return };
        if payload.left > 0 {
            return;
        }
        let (kind, length) = (std::mem::replace(&mut payload.kind, PayloadKind::Skipped), payload.length);
        self.state = State::Header(PartialHeader::default());
        match kind {
            PayloadKind::Skipped | PayloadKind::Data { fin: false } => {}
            PayloadKind::Data { fin: true } => self.end_message(mark, visitor),
            PayloadKind::Close { body, .. } => self.tell_close(&body, length, mark, visitor),
        }
    }

    fn end_message(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        let Some(message) = self.message.take() else { return };
        let end = self.offset;
        if let Some(fault) = message.check.and_then(TextCheck::end) {
            let (message, bytes) = (message.number, Some(message.bytes));
            visitor.event(end, mark, Event::InvalidText { message, bytes, fault });
        }
        if message.compressed {
            visitor.event(end, mark, Event::Undecodable);
        }
        visitor.event(end, mark, Event::Message { text: message.text });
    }

    /// The open message will not end any more: what was found in it is told.
    fn abandon_message(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        let Some(message) = self.message.take() else { return };
        if let Some(fault) = message.check.and_then(TextCheck::abandon) {
            visitor.event(self.offset, mark, Event::InvalidText { message: message.number, bytes: None, fault });
        }
    }

    fn tell_close(&mut self, body: &[u8], length: u64, mark: M, visitor: &mut impl Visitor<M>) {
        self.closed = true;
        visitor.event(self.offset, mark, Event::Close(CloseBody::parse(body, length)));
    }

    /// A Close frame whose body will not be whole is told as far as it is known.
    fn tell_partial_close(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        let State::Payload(payload) = &mut self.state else { return };
        let PayloadKind::Close { body, .. } = &mut payload.kind else { return };
        let (body, length) = (std::mem::take(body), payload.length);
        self.state = State::Over;
        self.tell_close(&body, length, mark, visitor);
    }

    /// `length` bytes of the current payload are missing.
    fn mark_hole(&mut self, length: u64) {
        let State::Payload(payload) = &mut self.state else { return };
        match &mut payload.kind {
            PayloadKind::Skipped => {}
            PayloadKind::Close { holed, .. } => *holed |= length > 0,
            PayloadKind::Data { .. } => {
                self.payload_bytes += length;
                if let Some(message) = &mut self.message {
                    message.gap(length);
                }
            }
        }
    }

    fn lose_sync(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        self.abandon_message(mark, visitor);
        if !matches!(self.state, State::Lost(_)) {
            self.state = State::Lost(Box::default());
        }
        if let State::Lost(search) = &mut self.state {
            search.gap();
        }
    }

    /// Looks for the next believable frame: how many bytes were used.
    fn search(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) -> usize {
        let State::Lost(search) = &mut self.state else { return 0 };
        let start = self.offset;
        self.offset += bytes.len() as u64;
        let Some(found) = search.segment(bytes, start, mark, self.sender, self.extensions) else {
            return bytes.len();
        };
        self.offset = found.offset;
        self.state = State::Header(PartialHeader::default());
        for (segment, mark) in found.segments {
            self.feed(&segment, mark, visitor);
        }
        bytes.len()
    }
}

impl<M: Copy> Message<M> {
    /// The next part of its payload, which begins `position` bytes into its frame. `last` says that nothing follows.
    fn payload(&mut self, bytes: &[u8], mask: Option<[u8; 4]>, position: u64, last: bool, mark: M) {
        let first = self.bytes == 0;
        self.bytes += bytes.len() as u64;
        let Some(check) = &mut self.check else { return };
        let Some(key) = mask else {
            // The common case: a whole message that is valid leaves nothing behind.
            if !(first && last && simdutf8::basic::from_utf8(bytes).is_ok()) {
                check.piece(bytes, mark);
            }
            return;
        };
        let mut plain = [0; limits::PIECE_BYTES];
        let whole = first && last && bytes.len() <= plain.len();
        for (index, piece) in bytes.chunks(limits::PIECE_BYTES).enumerate() {
            let skipped = (index * limits::PIECE_BYTES) as u64;
            let Some(plain) = plain.get_mut(..piece.len()) else { continue };
            unmask(piece, key, position + skipped, plain);
            if !(whole && simdutf8::basic::from_utf8(plain).is_ok()) {
                check.piece(plain, mark);
            }
        }
    }

    fn gap(&mut self, length: u64) {
        self.bytes += length;
        if length > 0
            && let Some(check) = &mut self.check
        {
            check.gap();
        }
    }
}
