//! The payload of the frame that a decoder is in.
//!
//! In come its bytes and gaps; data goes on to the message that they are part of, a Close frame's body is kept until it is
//! whole, and nobody looks into the rest.

use crate::limits;
use crate::websocket::frame::unmask;
use crate::websocket::message::Message;

use super::{Decoder, Event, PartialHeader, State, Visitor};

#[derive(Debug)]
pub(super) struct Payload {
    /// Bytes that are still to come.
    pub(super) left: u64,
    /// Length of the whole payload.
    pub(super) length: u64,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) kind: PayloadKind,
}

#[derive(Debug)]
pub(super) enum PayloadKind {
    /// Part of [`Decoder::message`]; whether it is the last.
    Data { fin: bool },
    /// A Close frame's body.
    Close(Box<PartialClose>),
    /// Nobody looks into it.
    Skipped,
}

/// A Close frame's body as far as it was read.
#[derive(Debug, Default)]
pub(super) struct PartialClose {
    body: Vec<u8>,
    /// Bytes of it are missing.
    holed: bool,
}

impl PartialClose {
    /// The next part, which begins `position` bytes into the payload.
    fn extend(&mut self, bytes: &[u8], mask: Option<[u8; 4]>, position: u64) {
        if self.holed {
            return;
        }
        let start = self.body.len();
        let room = limits::CLOSE_BODY_BYTES.saturating_sub(start);
        let part = bytes.get(..room).unwrap_or(bytes);
        self.body.extend_from_slice(part);
        if let (Some(key), Some(plain)) = (mask, self.body.get_mut(start..)) {
            unmask(part, key, position, plain);
        }
    }
}

impl<M: Copy> Decoder<M> {
    /// Reads on in a payload: how many bytes were used.
    pub(super) fn read_payload(&mut self, bytes: &[u8], mark: M, visitor: &mut impl Visitor<M>) -> usize {
        let State::Payload(payload) = &mut self.state else { return 0 };
        let count = usize::try_from(payload.left).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = bytes.get(..count).unwrap_or_default();
        let position = payload.length - payload.left;
        payload.left -= count as u64;
        match &mut payload.kind {
            PayloadKind::Skipped => {}
            PayloadKind::Data { .. } => {
                self.payload_bytes += count as u64;
                if let Some(message) = &mut self.message {
                    message.payload(bytes, payload.mask, position, mark, &mut self.inflation);
                }
            }
            PayloadKind::Close(close) => close.extend(bytes, payload.mask, position),
        }
        self.offset += count as u64;
        self.end_payload_if_over(mark, visitor);
        count
    }

    pub(super) fn end_payload_if_over(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        let State::Payload(payload) = &mut self.state else { return };
        if payload.left > 0 {
            return;
        }
        let (kind, length) = (std::mem::replace(&mut payload.kind, PayloadKind::Skipped), payload.length);
        self.state = State::Header(PartialHeader::default());
        match kind {
            PayloadKind::Skipped => {}
            PayloadKind::Data { fin } => {
                self.end_compressed(fin, mark);
                if fin {
                    self.end_message(mark, visitor);
                }
            }
            PayloadKind::Close(close) => self.tell_close(&close.body, length, mark, visitor),
        }
    }

    /// A data frame ends, and with it what is compressed, if that is a frame or the message ends too.
    fn end_compressed(&mut self, fin: bool, mark: M) {
        let per_frame = self.extensions.deflate.is_some_and(|deflate| deflate.per_frame);
        if (fin || per_frame)
            && let Some(message) = &mut self.message
        {
            message.end_compressed(mark, &mut self.inflation);
        }
    }

    fn end_message(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        if let Some(mut message) = self.message.take() {
            self.tell_message(&mut message, mark, visitor);
        }
    }

    /// `message` has ended, with the last byte before the current one.
    pub(super) fn tell_message(&mut self, message: &mut Message<M>, mark: M, visitor: &mut impl Visitor<M>) {
        let place = message.place();
        let verdict = message.end(&mut self.inflation);
        let undecodable = verdict.undecodable;
        self.tell_faults(message.number, place, verdict, mark, visitor);
        if undecodable {
            visitor.event(self.offset, mark, Event::Undecodable);
        }
        visitor.event(self.offset, mark, Event::Message { text: message.text });
    }

    /// The open message will not end any more: what was found in it is told.
    pub(super) fn abandon_message(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        let Some(mut message) = self.message.take() else { return };
        let place = message.place();
        let verdict = message.abandon(&mut self.inflation);
        self.tell_faults(message.number, place, verdict, mark, visitor);
    }

    /// A Close frame whose body will not be whole is told as far as it is known.
    pub(super) fn tell_partial_close(&mut self, mark: M, visitor: &mut impl Visitor<M>) {
        let State::Payload(payload) = &mut self.state else { return };
        let PayloadKind::Close(close) = &mut payload.kind else { return };
        let (close, length) = (std::mem::take(close), payload.length);
        self.state = State::Over;
        self.tell_close(&close.body, length, mark, visitor);
    }

    /// `length` bytes of the current payload are missing.
    pub(super) fn mark_hole(&mut self, length: u64) {
        let State::Payload(payload) = &mut self.state else { return };
        match &mut payload.kind {
            PayloadKind::Skipped => {}
            PayloadKind::Close(close) => close.holed |= length > 0,
            PayloadKind::Data { .. } => {
                self.payload_bytes += length;
                if let Some(message) = &mut self.message {
                    message.gap(length, &mut self.inflation);
                }
            }
        }
    }
}
