//! Where does the next frame begin? After a gap that hid a header, and in a connection that began before the capture.
//!
//! Senders mostly begin a segment with a frame, so every segment's beginning is a candidate. From there a chain of frames
//! is followed, across segments if need be, and each thing that random bytes would get right only by chance adds its
//! bits of evidence. A chain that meets something unbelievable is dropped, and the current segment's beginning is the
//! next candidate. One that has gathered enough is believed, and what was held back is decoded from there.
//!
//! This is the one place that says what is believable:
//!
//! | evidence | bits | random bytes pass |
//! |---|---|---|
//! | a first byte that can be one, and the mask bit of that role | 5 | 9 to 15 of 256, then every other |
//! | a frame that ends where its segment ends | 7 | one of 128 short lengths |
//! | a length in its long form that does | 16 more | |
//! | text of a masked frame that is UTF-8 | 3/4 a byte, at most 20 | about every other byte goes on a valid text |
//! | text of a frame that is not masked | 4 | other text protocols have it too |
//! | a Close frame | 4 more | one first byte of 256 |
//! | its code may be sent | 5 | 2,012 of 65,536 |
//!
//! [`Search::after_gap`] believes 20 bits, one random candidate in a million; [`Search::from_nothing`] 48, because what
//! it looks at need not be a WebSocket at all.

use crate::flow::Role;
use crate::limits;

use super::close::CloseBody;
use super::frame::{Header, Opcode, RSV1, unmask};
use super::handshake::Extensions;

/// Evidence for the place in a connection that is known to be a WebSocket. A Close frame with a code and no reason,
/// alone in its segment, has 21.
const KNOWN_CONNECTION_BITS: u32 = 20;
/// Evidence that a connection is a WebSocket at all, of both directions together.
const UNKNOWN_CONNECTION_BITS: u32 = 48;

const HEADER_BITS: u32 = 5;
const ENDS_WITH_SEGMENT_BITS: u32 = 7;
const LONG_LENGTH_BITS: u32 = 16;
const CLOSE_BITS: u32 = 4;
const CLOSE_CODE_BITS: u32 = 5;
const MASKED_TEXT_BITS: u32 = 20;
const PLAIN_TEXT_BITS: u32 = 4;

/// The search in one direction. `M` is the caller's mark of each segment.
#[derive(Debug)]
pub struct Search<M> {
    needed: u32,
    extensions: Extensions,
    /// The chain that is followed; `None` before the next candidate.
    chain: Option<Chain<M>>,
}

/// A chain of frames from a candidate on.
#[derive(Debug)]
struct Chain<M> {
    sender: Role,
    bits: u32,
    /// Stream offset of the first byte that is held.
    start: u64,
    /// Bytes from there on, in consecutive segments.
    held: Vec<u8>,
    /// How many bytes each of those segments has, and its mark.
    segments: Vec<(usize, M)>,
    /// How many of the held bytes are of frames that were judged.
    judged: usize,
    /// Bytes of a frame too large to hold that are still to come.
    skip: u64,
}

/// Where a search ended.
#[derive(Debug)]
pub struct Found<M> {
    /// Who sends these frames: clients mask them.
    pub sender: Role,
    /// Stream offset of a frame's first byte.
    pub offset: u64,
    /// Everything from there on, by segment, each with its mark.
    pub segments: Vec<(Vec<u8>, M)>,
}

/// What a chain looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    Unbelievable,
    /// It goes on in bytes to come.
    Possible,
    Believable,
}

impl<M: Copy> Search<M> {
    /// A search in a connection that is known to be a WebSocket.
    #[must_use]
    pub const fn after_gap(extensions: Extensions) -> Self {
        Self { needed: KNOWN_CONNECTION_BITS, extensions, chain: None }
    }

    /// A search in a connection that may be anything.
    #[must_use]
    pub const fn from_nothing() -> Self {
        // Messages may be compressed.
        Self { needed: UNKNOWN_CONNECTION_BITS, extensions: Extensions::ASSUMED, chain: None }
    }

    /// The evidence so far.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.chain.as_ref().map_or(0, |chain| chain.bits)
    }

    /// The other direction has shown so many `bits` already.
    pub fn need_less(&mut self, bits: u32) {
        self.needed = UNKNOWN_CONNECTION_BITS.saturating_sub(bits).max(KNOWN_CONNECTION_BITS);
    }

    /// Who sends what is followed; `None` while nothing is.
    #[must_use]
    pub fn sender(&self) -> Option<Role> {
        self.chain.as_ref().filter(|chain| chain.bits > 0).map(|chain| chain.sender)
    }

    /// The connection is known to be a WebSocket now: what is followed, if that makes it believable.
    pub fn know_connection(&mut self) -> Option<Found<M>> {
        self.needed = KNOWN_CONNECTION_BITS;
        self.chain.take_if(|chain| chain.bits >= KNOWN_CONNECTION_BITS).map(Chain::into_found)
    }

    /// Something is missing here, so that no chain can be followed further.
    pub fn gap(&mut self) {
        self.chain = None;
    }

    /// The next segment's bytes, at stream offset `start`. `sender` is `None` if the mask bit is to tell.
    pub fn segment(&mut self, bytes: &[u8], start: u64, mark: M, sender: Option<Role>) -> Option<Found<M>> {
        let mut fresh = false;
        loop {
            let chain = match &mut self.chain {
                Some(chain) => chain,
                None => {
                    fresh = true;
                    self.chain.insert(Chain::new(sender.or_else(|| sender_of(bytes))?, start))
                }
            };
            match chain.extend(bytes, mark, self.extensions, self.needed) {
                Judgement::Believable => return self.chain.take().map(Chain::into_found),
                Judgement::Possible => return None,
                Judgement::Unbelievable => self.chain = None,
            }
            if fresh {
                return None;
            }
        }
    }
}

impl<M: Copy> Chain<M> {
    const fn new(sender: Role, start: u64) -> Self {
        Self { sender, bits: 0, start, held: Vec::new(), segments: Vec::new(), judged: 0, skip: 0 }
    }

    fn extend(&mut self, bytes: &[u8], mark: M, extensions: Extensions, needed: u32) -> Judgement {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        if !bytes.is_empty() {
            self.held.extend_from_slice(bytes);
            self.segments.push((bytes.len(), mark));
        }
        while let Some(rest) = self.held.get(self.judged..).filter(|rest| !rest.is_empty()) {
            let Some(header) = Header::parse(rest) else {
                let plausible = is_plausible_start(rest, self.sender);
                return if plausible { Judgement::Possible } else { Judgement::Unbelievable };
            };
            if !is_believable(&header, self.sender, extensions) {
                return Judgement::Unbelievable;
            }
            let whole = usize::try_from(header.payload).ok().and_then(|payload| header.size.checked_add(payload));
            let Some(frame) = whole.and_then(|length| rest.get(..length)) else {
                self.go_past(&header);
                return Judgement::Possible;
            };
            let ends_segment = frame.len() == rest.len();
            // Nothing follows a Close frame (RFC 6455 section 5.5.1).
            if header.opcode == Opcode::Close && !ends_segment {
                return Judgement::Unbelievable;
            }
            let Some(bits) = frame_bits(&header, frame, ends_segment, extensions) else {
                return Judgement::Unbelievable;
            };
            self.judged += frame.len();
            self.bits += bits;
            if self.bits >= needed {
                return Judgement::Believable;
            }
        }
        Judgement::Possible
    }

    /// A frame that is not whole yet is waited for, or stepped over if it is too large to hold: then it is the next one
    /// that will be decoded first.
    fn go_past(&mut self, header: &Header) {
        let length = header.payload + header.size as u64;
        if length <= limits::RESYNC_BYTES as u64 {
            return;
        }
        let end = self.start + self.judged as u64 + length;
        let here = self.start + self.held.len() as u64;
        (self.start, self.skip) = (end, end - here);
        self.bits += HEADER_BITS;
        self.judged = 0;
        self.held.clear();
        self.segments.clear();
    }

    fn into_found(self) -> Found<M> {
        let mut rest = self.held.as_slice();
        let mut segments = Vec::with_capacity(self.segments.len());
        for (length, mark) in self.segments {
            let (segment, later) = rest.split_at_checked(length).unwrap_or_default();
            segments.push((segment.to_vec(), mark));
            rest = later;
        }
        Found { sender: self.sender, offset: self.start, segments }
    }
}

/// Who sends a frame that begins with `bytes`; `None` if its mask bit is not there.
fn sender_of(bytes: &[u8]) -> Option<Role> {
    bytes.get(1).map(|byte| if byte & 0x80 == 0 { Role::Server } else { Role::Client })
}

/// Whether an incomplete header can go on to be a believable one.
fn is_plausible_start(bytes: &[u8], sender: Role) -> bool {
    let opcode = bytes.first().map(|byte| Opcode::from_bits(*byte));
    let masked = bytes.get(1).map(|byte| byte & 0x80 != 0);
    !matches!(opcode, Some(Opcode::Reserved(_))) && masked.is_none_or(|masked| masked == (sender == Role::Client))
}

fn is_believable(header: &Header, sender: Role, extensions: Extensions) -> bool {
    let known = !matches!(header.opcode, Opcode::Reserved(_));
    let reserved = header.reserved & !extensions.reserved_bits(header.opcode, false) == 0;
    let masked = header.mask.is_some() == (sender == Role::Client);
    let control = !header.opcode.is_control() || (header.fin && header.payload <= 125);
    // Allowed, but what zeros look like.
    let nothing = !header.fin && header.payload == 0;
    let length = header.minimal && header.payload <= limits::RESYNC_FRAME_BYTES;
    known && reserved && masked && control && length && !nothing
}

/// The evidence in a whole frame, in bits; `None` if there can be no such frame.
fn frame_bits(header: &Header, frame: &[u8], ends_segment: bool, extensions: Extensions) -> Option<u32> {
    // Such a byte, again and again, is a chain of frames. Key and payload of a masked frame never agree so.
    if frame.iter().all(|byte| frame.first() == Some(byte)) {
        return None;
    }
    let payload = frame.get(header.size..).unwrap_or_default();
    let mut bits = HEADER_BITS + content_bits(header, payload, extensions)?;
    if ends_segment {
        bits += ENDS_WITH_SEGMENT_BITS;
        if header.payload > 125 {
            bits += LONG_LENGTH_BITS;
        }
    }
    Some(bits)
}

/// The evidence in a frame's payload.
fn content_bits(header: &Header, payload: &[u8], extensions: Extensions) -> Option<u32> {
    match header.opcode {
        Opcode::Close => {
            let plain = unmasked(header, payload);
            let body = CloseBody::parse(&plain, header.payload);
            let believable = body.code.map_or(plain.is_empty(), |code| code.may_be_sent());
            let valid = believable && std::str::from_utf8(body.reason).is_ok();
            let code_bits = if body.code.is_some() { CLOSE_CODE_BITS } else { 0 };
            valid.then(|| CLOSE_BITS + code_bits + text_bits(header, body.reason.len()))
        }
        Opcode::Text if header.fin && header.reserved & RSV1 == 0 && !extensions.unknown => {
            let plain = unmasked(header, payload);
            std::str::from_utf8(&plain).is_ok().then(|| text_bits(header, plain.len()))
        }
        Opcode::Text | Opcode::Binary | Opcode::Continuation | Opcode::Ping | Opcode::Pong | Opcode::Reserved(_) => {
            Some(0)
        }
    }
}

/// What `length` bytes of valid UTF-8 are worth.
fn text_bits(header: &Header, length: usize) -> u32 {
    let most = if header.mask.is_some() { MASKED_TEXT_BITS } else { PLAIN_TEXT_BITS };
    u32::try_from(length * 3 / 4).map_or(most, |bits| bits.min(most))
}

fn unmasked(header: &Header, payload: &[u8]) -> Vec<u8> {
    let Some(key) = header.mask else { return payload.to_vec() };
    let mut plain = vec![0; payload.len()];
    unmask(payload, key, 0, &mut plain);
    plain
}
