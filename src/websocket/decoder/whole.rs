//! The quick way, which most frames go: whole in the bytes at hand, a message or a ping of their own, and breaking no rule.
//!
//! It tells the same as the general way, but makes nothing that outlives the frame. What is not as usual is left to that.

use crate::flow::Role;
use crate::websocket::frame::{Header, Opcode, RSV1};
use crate::websocket::message::is_text;

use super::{Decoder, Event, Visitor};

/// The longest payload of a control frame (RFC 6455 section 5.5).
const LONGEST_CONTROL: usize = 125;

impl<M: Copy> Decoder<M> {
    /// Reads the frame at the beginning of `bytes` if it is of the usual kind: how many bytes it has.
    #[inline]
    pub(super) fn read_whole_frame(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) -> Option<usize> {
        if !self.expects_message() {
            return None;
        }
        let header = Header::parse(bytes)?;
        let payload = payload_of(&header, bytes)?;
        let masked = self.sender == Role::Client;
        if !(header.fin & header.minimal & (header.mask.is_some() == masked)) {
            return None;
        }
        match (header.opcode, header.reserved) {
            (Opcode::Text, 0) => self.whole_message(&header, payload, true, mark, visitor),
            (Opcode::Binary, 0) => self.whole_message(&header, payload, false, mark, visitor),
            (Opcode::Text | Opcode::Binary, RSV1) if self.extensions.deflate.is_some() => {
                self.whole_compressed(header, payload, mark, visitor);
            }
            (Opcode::Ping | Opcode::Pong, 0) if payload.len() <= LONGEST_CONTROL => {
                self.whole_ping(header, mark, visitor);
            }
            (
                Opcode::Text
                | Opcode::Binary
                | Opcode::Continuation
                | Opcode::Close
                | Opcode::Ping
                | Opcode::Pong
                | Opcode::Reserved(_),
                _,
            ) => return None,
        }
        Some(header.size + payload.len())
    }

    /// Whether a frame begins here, no message is open, and nothing that went before makes this frame special.
    #[inline]
    fn expects_message(&self) -> bool {
        let special = self.closed | self.extensions.unknown | (self.unproved > 0);
        !special & self.is_at_frame() & self.message.is_none() & self.withheld.is_none()
    }

    /// A message that is not compressed.
    #[inline(always)]
    fn whole_message(&mut self, header: &Header, payload: &[u8], text: bool, mark: M, visitor: &mut impl Visitor<M>) {
        self.begin_whole_frame(header, mark, visitor);
        visitor.event(self.offset, mark, Event::DataFrame { text, first: true, bytes: header.payload });
        if text && !is_text(payload, header.mask) {
            self.look_into_message(*header, payload, mark, visitor);
            return;
        }
        self.resumed = false;
        self.messages += 1;
        self.payload_bytes += payload.len() as u64;
        self.offset += payload.len() as u64;
        visitor.event(self.offset, mark, Event::Message { text });
    }

    fn whole_compressed(&mut self, header: Header, payload: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        self.begin_whole_frame(&header, mark, visitor);
        self.tell_frame(&header, mark, visitor);
        self.look_into_message(header, payload, mark, visitor);
    }

    fn whole_ping(&mut self, header: Header, mark: M, visitor: &mut impl Visitor<M>) {
        self.begin_whole_frame(&header, mark, visitor);
        self.tell_frame(&header, mark, visitor);
        self.offset += header.payload;
    }

    /// The header was read, and breaks no rule but perhaps that of fresh masking keys.
    #[inline(always)]
    fn begin_whole_frame(&mut self, header: &Header, mark: M, visitor: &mut impl Visitor<M>) {
        self.offset += header.size as u64;
        if !self.searched {
            self.check_mask_run(header, mark, visitor);
        }
    }

    /// A message that is compressed, or of which it is not known yet that it is sound.
    #[inline(never)]
    fn look_into_message(&mut self, header: Header, payload: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        let mut message = self.begin_message(&header);
        if !payload.is_empty() {
            message.payload(payload, header.mask, 0, mark, &mut self.inflation);
        }
        message.end_compressed(mark, &mut self.inflation);
        self.payload_bytes += payload.len() as u64;
        self.offset += payload.len() as u64;
        self.tell_message(&mut message, mark, visitor);
    }
}

/// The payload behind `header`, if `bytes`, which begin with the header, hold all of it.
#[inline]
fn payload_of<'a>(header: &Header, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(header.payload).ok()?;
    bytes.get(header.size..)?.get(..length)
}
