//! The header of the frame that begins next.
//!
//! In come its bytes; out go the rules that it breaks, what it says of the frame, and where its payload belongs.

use crate::websocket::conformance::{self, Place};
use crate::websocket::frame::{Header, MAX_HEADER, Opcode, RSV1};
use crate::websocket::message::Message;
use crate::websocket::rule::Rule;

use super::payload::{Payload, PayloadKind};
use super::{Decoder, Event, State, Visitor};

/// A frame header as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartialHeader {
    bytes: [u8; MAX_HEADER],
    pub(super) length: u8,
}

impl PartialHeader {
    /// Takes more bytes, and reads the header once it is whole.
    fn extend(&mut self, bytes: &[u8]) -> Option<Header> {
        for (slot, byte) in self.bytes.iter_mut().skip(self.length as usize).zip(bytes) {
            *slot = *byte;
            self.length += 1;
        }
        self.bytes.get(..self.length as usize).and_then(Header::parse)
    }
}

impl<M: Copy> Decoder<M> {
    /// Reads on in a frame header: how many bytes were used.
    pub(super) fn read_header(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) -> usize {
        let State::Header(partial) = &mut self.state else { return 0 };
        let before = partial.length as usize;
        let whole = if before == 0 { Header::parse(bytes) } else { partial.extend(bytes) };
        if before == 0 {
            if whole.is_none() {
                partial.extend(bytes);
            }
            self.check_first_byte(bytes, mark, visitor);
        }
        let Some(header) = whole else {
            self.offset += bytes.len() as u64;
            return bytes.len();
        };
        let used = header.size.saturating_sub(before);
        self.offset += used as u64;
        self.begin_frame(&header, mark, visitor);
        used
    }

    /// A frame begins with `bytes`, at the current offset.
    fn check_first_byte(&self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) {
        let Some(first) = bytes.first().filter(|_| !self.searched) else { return };
        conformance::check_first_byte(*first, &self.place(), |rule, detail| {
            visitor.event(self.offset + 1, mark, Event::Violation { rule, detail });
        });
    }

    fn place(&self) -> Place {
        Place {
            sender: self.sender,
            extensions: self.extensions,
            open: self.message.as_ref().map(|message| message.bytes),
            resumed: self.resumed,
            closed: self.closed,
        }
    }

    fn begin_frame(&mut self, header: &Header, mark: M, visitor: &mut impl Visitor<M>) {
        let (offset, place) = (self.offset, self.place());
        if self.searched {
            if !self.fits(header, &place) {
                // What was found was no frame, and nothing of it is to be told.
                self.message = None;
                self.lose_sync(self.offset, mark, visitor);
                return;
            }
            self.prove(visitor);
        } else {
            conformance::check(header, &place, |rule, detail| {
                visitor.event(offset, mark, Event::Violation { rule, detail });
            });
            self.check_mask_run(header, mark, visitor);
        }
        self.tell_frame(header, mark, visitor);
        if !header.has_sound_length() {
            // The frame has no end, but its sender may go on as if it had.
            self.lose_sync(self.offset, mark, visitor);
            return;
        }
        let kind = match header.opcode {
            Opcode::Close => PayloadKind::Close(Box::default()),
            Opcode::Ping | Opcode::Pong | Opcode::Reserved(_) => PayloadKind::Skipped,
            Opcode::Continuation if self.message.is_none() => {
                self.resumed &= !header.fin;
                PayloadKind::Skipped
            }
            Opcode::Continuation => {
                if let Some(message) = &mut self.message {
                    message.begin_frame(header, self.sender, self.extensions, &mut self.inflation);
                }
                PayloadKind::Data { fin: header.fin }
            }
            Opcode::Text | Opcode::Binary => {
                self.abandon_message(mark, visitor);
                self.message = Some(Box::new(self.begin_message(header)));
                PayloadKind::Data { fin: header.fin }
            }
        };
        self.state = State::Payload(Payload { left: header.payload, length: header.payload, mask: header.mask, kind });
        self.end_payload_if_over(mark, visitor);
    }

    /// Whether the client masks with fresh keys, where the header that was just read is the next.
    #[inline]
    pub(super) fn check_mask_run(&mut self, header: &Header, mark: M, visitor: &mut impl Visitor<M>) {
        if self.masks.is_proved_by(header) {
            let (rule, detail) = (Rule::RepeatedMaskingKey, self.masks.proof());
            visitor.event(self.offset, mark, Event::Violation { rule, detail });
        }
    }

    /// Tells of a frame by its header alone, because its payload may never come.
    pub(super) fn tell_frame(&self, header: &Header, mark: M, visitor: &mut impl Visitor<M>) {
        let open = self.message.as_ref();
        let event = match header.opcode {
            Opcode::Text => Event::DataFrame { text: true, first: true, bytes: header.payload },
            Opcode::Binary => Event::DataFrame { text: false, first: true, bytes: header.payload },
            Opcode::Continuation => {
                let Some(message) = open else { return };
                let bytes = message.bytes.saturating_add(header.payload);
                Event::DataFrame { text: message.text, first: false, bytes }
            }
            Opcode::Ping => Event::Ping,
            Opcode::Pong => Event::Pong,
            Opcode::Close | Opcode::Reserved(_) => return,
        };
        visitor.event(self.offset, mark, event);
    }

    /// A message begins with the frame of `header`, whose payload is next.
    pub(super) fn begin_message(&mut self, header: &Header) -> Message<M> {
        self.resumed = false;
        let text = header.opcode == Opcode::Text;
        // A reserved bit says that the payload is not what it seems, whether or not that was agreed upon.
        let compressed = self.extensions.deflate.is_some() && header.reserved == RSV1;
        let sound = (header.reserved == 0 || compressed) && !self.extensions.unknown;
        let mut message = Message::new(self.messages, self.offset, text, text && sound);
        message.begin_frame(header, self.sender, self.extensions, &mut self.inflation);
        self.messages += 1;
        message
    }
}
