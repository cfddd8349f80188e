//! After a gap that hid a frame header: where does the next frame begin?
//!
//! Senders mostly begin a segment with a frame, so every segment's beginning is a candidate. From there a chain of frames
//! is followed, across segments if need be, and each thing that random bytes would get right only by chance adds its
//! bits of evidence ([`Chain::bits`]). A chain that meets something unbelievable is dropped; one that has gathered
//! [`BELIEVABLE_BITS`] and ends where a segment ends is believed, and what was held back is decoded from there.
//!
//! What random bytes pass by chance, and so the false-positive rate, is about one candidate in 2^[`BELIEVABLE_BITS`],
//! times the four kinds of frame that can carry the evidence.

use crate::flow::Role;
use crate::limits;

use super::close::CloseBody;
use super::frame::{Header, Opcode, RSV1, unmask};
use super::handshake::Extensions;

/// The evidence that makes a chain of frames believable, in bits. A Close frame with a code and no reason, alone in its
/// segment, has 21; a text frame of eight characters has about as much.
const BELIEVABLE_BITS: u32 = 20;

/// Bits that a frame's first byte is worth: nine of its 256 values are believable.
const OPCODE_BITS: u32 = 4;
/// Bits that one particular first byte is worth.
const EXACT_BYTE_BITS: u32 = 8;
/// Bits that a code in a Close frame is worth: 2,012 of 65,536 may be sent.
const CLOSE_CODE_BITS: u32 = 5;
/// Bits that a length in its 16-bit form is worth, when the frame ends with the segment.
const LONG_LENGTH_BITS: u32 = 16;

/// The search in one direction.
#[derive(Debug)]
pub(super) struct Search<M> {
    /// Bytes from a candidate on, in consecutive segments.
    held: Vec<u8>,
    /// How many bytes each of those segments has, and its mark.
    segments: Vec<(usize, M)>,
    /// Stream offset of the first of them.
    start: u64,
}

/// Where a search ended.
#[derive(Debug)]
pub(super) struct Found<M> {
    /// Stream offset of the frame's first byte.
    pub(super) offset: u64,
    /// Everything from there on, by segment, each with its mark.
    pub(super) segments: Vec<(Vec<u8>, M)>,
}

/// What a chain of frames from a candidate on looks like.
#[derive(Debug, PartialEq, Eq)]
enum Chain {
    /// It cannot be.
    Unbelievable,
    /// So far it can be; `bits` of evidence, and whether the last frame ends with the bytes.
    Possible { bits: u32, ends: bool },
}

impl<M> Default for Search<M> {
    fn default() -> Self {
        Self { held: Vec::new(), segments: Vec::new(), start: 0 }
    }
}

impl<M: Copy> Search<M> {
    /// Something is missing here, so that no chain can be followed further.
    pub(super) fn gap(&mut self) {
        self.held.clear();
        self.segments.clear();
    }

    /// The next segment's bytes, at stream offset `start`.
    pub(super) fn segment(
        &mut self,
        bytes: &[u8],
        start: u64,
        mark: M,
        sender: Role,
        extensions: Extensions,
    ) -> Option<Found<M>> {
        if self.held.is_empty() {
            self.start = start;
        }
        if self.held.len() + bytes.len() > limits::RESYNC_BYTES {
            self.restart(start);
        }
        self.hold(bytes, mark);
        loop {
            match follow(&self.held, sender, extensions) {
                Chain::Possible { bits, ends: true } if bits >= BELIEVABLE_BITS => return Some(self.take()),
                Chain::Possible { .. } => return None,
                Chain::Unbelievable if self.start == start => {
                    self.gap();
                    return None;
                }
                Chain::Unbelievable => {
                    self.restart(start);
                    self.hold(bytes, mark);
                }
            }
        }
    }

    /// Gives the old candidate up for the beginning of the current segment.
    fn restart(&mut self, start: u64) {
        self.gap();
        self.start = start;
    }

    fn hold(&mut self, bytes: &[u8], mark: M) {
        if self.held.len() + bytes.len() <= limits::RESYNC_BYTES {
            self.held.extend_from_slice(bytes);
            self.segments.push((bytes.len(), mark));
        }
    }

    fn take(&mut self) -> Found<M> {
        let mut rest = self.held.as_slice();
        let mut segments = Vec::with_capacity(self.segments.len());
        for (length, mark) in self.segments.drain(..) {
            let (segment, later) = rest.split_at_checked(length).unwrap_or_default();
            segments.push((segment.to_vec(), mark));
            rest = later;
        }
        self.held = Vec::new();
        Found { offset: self.start, segments }
    }
}

/// Follows the chain of frames that begins with `bytes`.
fn follow(bytes: &[u8], sender: Role, extensions: Extensions) -> Chain {
    let mut rest = bytes;
    let mut bits = 0;
    while !rest.is_empty() {
        let Some(header) = Header::parse(rest) else {
            return if plausible_start(rest, sender) {
                Chain::Possible { bits, ends: false }
            } else {
                Chain::Unbelievable
            };
        };
        if !is_believable(&header, sender, extensions) {
            return Chain::Unbelievable;
        }
        bits += OPCODE_BITS + 1;
        let after = rest.get(header.size..).unwrap_or_default();
        let whole = usize::try_from(header.payload).ok().and_then(|length| after.split_at_checked(length));
        let Some((payload, next)) = whole else { return Chain::Possible { bits, ends: false } };
        let Some(more) = content_bits(&header, payload, extensions) else { return Chain::Unbelievable };
        bits += more;
        if next.is_empty() {
            bits += EXACT_BYTE_BITS - 1;
            if header.payload > 125 {
                bits += LONG_LENGTH_BITS;
            }
        }
        // Nothing follows a Close frame (RFC 6455 section 5.5.1).
        if header.opcode == Opcode::Close && !next.is_empty() {
            return Chain::Unbelievable;
        }
        rest = next;
    }
    Chain::Possible { bits, ends: true }
}

/// Whether an incomplete header can go on to be a believable one.
fn plausible_start(bytes: &[u8], sender: Role) -> bool {
    let opcode = bytes.first().map(|byte| Opcode::from_bits(*byte));
    let masked = bytes.get(1).map(|byte| byte & 0x80 != 0);
    !matches!(opcode, Some(Opcode::Reserved(_))) && masked.is_none_or(|masked| masked == (sender == Role::Client))
}

fn is_believable(header: &Header, sender: Role, extensions: Extensions) -> bool {
    let known = !matches!(header.opcode, Opcode::Reserved(_));
    let reserved = header.reserved & !extensions.reserved_bits(header.opcode, false) == 0;
    let masked = header.mask.is_some() == (sender == Role::Client);
    let control = !header.opcode.is_control() || (header.fin && header.payload <= 125);
    known && reserved && masked && control && header.minimal && header.has_sound_length()
}

/// The evidence in a frame's payload, in bits; `None` if no such frame has such a payload.
fn content_bits(header: &Header, payload: &[u8], extensions: Extensions) -> Option<u32> {
    match header.opcode {
        Opcode::Close => {
            let plain = unmasked(header, payload);
            let body = CloseBody::parse(&plain, header.payload);
            let code = body.code.map_or(plain.is_empty(), |code| code.may_be_sent());
            let valid = code && std::str::from_utf8(body.reason).is_ok();
            let code_bits = if body.code.is_some() { CLOSE_CODE_BITS } else { 0 };
            valid.then(|| EXACT_BYTE_BITS - OPCODE_BITS + code_bits + text_bits(body.reason.len()))
        }
        Opcode::Text if header.fin && header.reserved & RSV1 == 0 && !extensions.unknown => {
            let plain = unmasked(header, payload);
            std::str::from_utf8(&plain).is_ok().then(|| text_bits(plain.len()))
        }
        Opcode::Text | Opcode::Binary | Opcode::Continuation | Opcode::Ping | Opcode::Pong | Opcode::Reserved(_) => {
            Some(0)
        }
    }
}

/// What `length` bytes of valid UTF-8 are worth: a random byte goes on a valid text about every other time.
fn text_bits(length: usize) -> u32 {
    u32::try_from(length).map_or(BELIEVABLE_BITS, |length| length.min(BELIEVABLE_BITS) * 3 / 4)
}

fn unmasked(header: &Header, payload: &[u8]) -> Vec<u8> {
    let Some(key) = header.mask else { return payload.to_vec() };
    let mut plain = vec![0; payload.len()];
    unmask(payload, key, 0, &mut plain);
    plain
}
