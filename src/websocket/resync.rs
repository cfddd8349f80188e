//! Where does the next frame begin? After a gap that hid a header, and in a connection that began before the capture.
//!
//! Every byte is a candidate. Senders mostly begin a segment with a frame, so a segment's beginning is the better one;
//! but proxies copy streams in buffers of their own, whose segments begin anywhere. From a candidate on a chain of frames
//! is followed, across segments if need be, and each thing that random bytes would get right only by chance adds its
//! bits of evidence. A chain that meets something unbelievable is dropped. One that has gathered enough is believed, and
//! what was held back is decoded from there.
//!
//! This is the one place that says what is believable:
//!
//! | evidence | bits | random bytes pass |
//! |---|---|---|
//! | a first byte that can be one, and the mask bit of that role | 5 | 9 to 13 of 256, then every other |
//! | the same of a frame without mask and payload | 1 | what small numbers look like |
//! | the same as of the frame before, inside a segment | 1 | what repeats itself does so with any length |
//! | a frame that ends where a segment ends | 7 | one of 128 short lengths |
//! | a length in its long form that does, in one segment | 16 more | |
//! | a length in its long form that does, some segments later | 10 more | segments have about 1,400 bytes |
//! | text of a masked frame that is UTF-8 | 3/4 a byte, at most 20 | about every other byte goes on a valid text |
//! | text of a frame that is not masked | 4 | other text protocols have it too |
//! | a Close frame | 4 more | one first byte of 256 |
//! | its code may be sent | 5 | 2,012 of 65,536 |
//! | the other end's last Close frame has the same code | 11 more | one of 65,536 |
//! | a beginning inside a segment | -11 | about 1,400 candidates; its first frame counts for nothing |
//!
//! A message that was begun must go on before the next one, and nothing follows a Close frame. [`Search::after_gap`] believes
//! 20 bits, one random candidate in a million; [`Search::from_nothing`] 48, because what it looks at need not be a WebSocket
//! at all. The 48 are those of both directions together, but 28 of them must be the client's: only masks tell WebSockets from
//! other protocols with a byte of flags and a byte of length. 12 must be the server's: programs have tables that go on like
//! masked frames for long. So where the handshake is not in the capture, one direction alone is not believed.
//!
//! A Close frame mostly ends its direction. So when no data followed, what ends there is asked for a Close frame once more
//! ([`Search::close_at_end`]): one with a code that may be sent, and a reason that is UTF-8, wherever it begins. Of random
//! bytes one ending in a million has that: 8 bits for the first byte, 8 for the length, 5 for the code, less one for all the
//! lengths together. One without a code (16 bits) must be a segment of its own.

use std::collections::VecDeque;

use crate::close_code::CloseCode;
use crate::flow::{PerRole, Role};
use crate::limits;

use super::close::CloseBody;
use super::frame::{Header, MAX_HEADER, Opcode, RSV1, unmask};
use super::handshake::Extensions;

/// Evidence for the place in a connection that is known to be a WebSocket.
const KNOWN_CONNECTION_BITS: u32 = 20;
/// Evidence that a connection is a WebSocket at all, of both directions together.
const UNKNOWN_CONNECTION_BITS: u32 = 48;
/// How much of it must be the client's, and the server's.
const CLIENT_BITS: u32 = 28;
const SERVER_BITS: u32 = 12;

const HEADER_BITS: u32 = 5;
const WEAK_HEADER_BITS: u32 = 1;
const ENDS_WITH_SEGMENT_BITS: u32 = 7;
const LONG_LENGTH_BITS: u32 = 16;
const LONG_LENGTH_LATER_BITS: u32 = 10;
const CLOSE_BITS: u32 = 4;
const CLOSE_CODE_BITS: u32 = 5;
const SAME_CLOSE_CODE_BITS: u32 = 11;
const MASKED_TEXT_BITS: u32 = 20;
const PLAIN_TEXT_BITS: u32 = 4;
const INSIDE_SEGMENT_BITS: u32 = 11;

/// The longest Close frame that may be sent.
const LONGEST_CLOSE: usize = 2 + 4 + 125;

/// The search in one direction. `M` is the caller's mark of each segment.
#[derive(Debug)]
pub struct Search<M> {
    /// Who sends; `None` if the mask bit is to tell.
    sender: Option<Role>,
    /// The evidence that a chain needs, if it is of that role.
    needed: PerRole<u32>,
    /// The code of the Close frame with which the other direction ends, if it does, for each role of this one.
    other_code: PerRole<Option<CloseCode>>,
    extensions: Extensions,
    /// The last bytes, without a gap.
    held: Vec<u8>,
    /// Stream offset of the first of them.
    start: u64,
    /// How many bytes each of the held segments has, and its mark.
    segments: VecDeque<(usize, M)>,
    chains: Vec<Chain>,
}

/// A chain of frames from a candidate on.
#[derive(Clone, Copy, Debug)]
struct Chain {
    sender: Role,
    bits: u32,
    /// It began inside a segment.
    inside: bool,
    /// Its first frame is still to come.
    fresh: bool,
    /// Stream offset of the first frame that would be decoded.
    begin: u64,
    /// Stream offset of the frame that is judged next.
    next: u64,
    /// That frame's header, once it is there, and where the frame ends.
    frame: Option<(Header, u64)>,
    /// The header before it.
    last: Option<Header>,
    message: MessageState,
    /// It ended with a Close frame, which has this code.
    closed: bool,
    code: Option<CloseCode>,
}

/// Whether a message is open where a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageState {
    /// It began before the chain, if any did.
    Unknown,
    Between,
    Open,
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

/// The segment that was added last, and what was looked at in it.
struct Scene<'a> {
    held: &'a [u8],
    /// Stream offset of the first held byte, of the last segment's first one, and of its end.
    start: u64,
    segment: u64,
    end: u64,
    extensions: Extensions,
    /// Places of the segment at which a header was judged, for each role: chains that meet go on as one.
    visited: PerRole<Vec<bool>>,
    /// Payload bytes that may still be looked at before no further candidate inside the segment is followed.
    work: usize,
}

impl<M: Copy> Search<M> {
    /// A search in what `sender` sends from stream offset `start` on, which is known to be frames.
    #[must_use]
    pub const fn after_gap(sender: Role, extensions: Extensions, start: u64) -> Self {
        let needed = PerRole { client: KNOWN_CONNECTION_BITS, server: KNOWN_CONNECTION_BITS };
        Self {
            sender: Some(sender),
            needed,
            other_code: PerRole { client: None, server: None },
            extensions,
            held: Vec::new(),
            start,
            segments: VecDeque::new(),
            chains: Vec::new(),
        }
    }

    /// A search in a connection that may be anything.
    #[must_use]
    pub fn from_nothing() -> Self {
        // Messages may be compressed.
        let needed = PerRole { client: u32::MAX, server: u32::MAX };
        Self { sender: None, needed, ..Self::after_gap(Role::Client, Extensions::ASSUMED, 0) }
    }

    /// The evidence so far that `role` sends this.
    #[must_use]
    pub fn bits(&self, role: Role) -> u32 {
        let chains = self.chains.iter().filter(|chain| chain.sender == role);
        chains.map(Chain::evidence).max().unwrap_or_default()
    }

    /// What the search in the other direction has found so far counts here too.
    pub fn count_in(&mut self, other: &Self) {
        for role in [Role::Client, Role::Server] {
            let bits = other.bits(role.peer());
            let needed = match role {
                Role::Client if bits >= SERVER_BITS => UNKNOWN_CONNECTION_BITS.saturating_sub(bits).max(CLIENT_BITS),
                Role::Server if bits >= CLIENT_BITS => UNKNOWN_CONNECTION_BITS.saturating_sub(bits),
                Role::Client | Role::Server => u32::MAX,
            };
            *self.needed.get_mut(role) = needed.max(KNOWN_CONNECTION_BITS);
            let chains = other.chains.iter().filter(|chain| chain.sender == role.peer());
            *self.other_code.get_mut(role) = chains.max_by_key(|chain| chain.evidence()).and_then(|chain| chain.code);
        }
    }

    /// What is followed, if what the search in the other direction has found since makes it believable.
    pub fn reconsider(&mut self, other: &Self) -> Option<Found<M>> {
        self.count_in(other);
        self.believed()
    }

    /// The connection is known to be a WebSocket now, and `sender` to send this: what is followed, if that makes it
    /// believable.
    pub fn know_connection(&mut self, sender: Role) -> Option<Found<M>> {
        self.sender = Some(sender);
        self.needed = PerRole { client: KNOWN_CONNECTION_BITS, server: KNOWN_CONNECTION_BITS };
        self.chains.retain(|chain| chain.sender == sender);
        self.believed()
    }

    /// Stream offset of the next byte.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.start + self.held.len() as u64
    }

    /// `length` bytes are missing here: only frames that are long enough go on behind them. What is found, if a frame ends
    /// just where the gap does.
    pub fn gap(&mut self, length: u64) -> Option<Found<M>> {
        let segment = self.position() - self.segments.back().map_or(0, |(length, _)| *length as u64);
        self.start = self.position() + length;
        self.held.clear();
        self.segments.clear();
        let end = self.start;
        self.chains.retain_mut(|chain| chain.step_over_gap(end, segment));
        self.believed()
    }

    /// The next segment's bytes, at stream offset `start`; what is left of one, unless it is `whole`.
    pub fn segment(&mut self, bytes: &[u8], start: u64, mark: M, whole: bool) -> Option<Found<M>> {
        if start != self.position() {
            *self = Self {
                sender: self.sender,
                needed: self.needed,
                ..Self::after_gap(Role::Client, self.extensions, start)
            };
        }
        self.held.extend_from_slice(bytes);
        self.segments.push_back((bytes.len(), mark));
        let places = || vec![false; bytes.len() + 1];
        let mut scene = Scene {
            held: &self.held,
            start: self.start,
            segment: start,
            end: start + bytes.len() as u64,
            extensions: self.extensions,
            visited: PerRole { client: places(), server: places() },
            work: limits::RESYNC_WORK * bytes.len(),
        };
        self.chains.retain_mut(|chain| chain.follow(&mut scene));
        let room = limits::RESYNC_CHAINS.saturating_sub(self.chains.len());
        scene.candidates(self.sender, whole, room, &mut self.chains);
        let found = self.believed();
        if found.is_none() {
            self.forget();
        }
        found
    }

    /// The Close frame that ends at the last byte, if there is one: nothing has followed it.
    #[must_use]
    pub fn close_at_end(&self) -> Option<Found<M>> {
        let sender = self.sender?;
        let last = self.segments.back().map_or(0, |(length, _)| *length);
        let alone = self.held.len() - last;
        let first = self.held.len().saturating_sub(LONGEST_CLOSE);
        let ends = |place: &usize| {
            let close = self.close_between(*place, self.held.len(), sender);
            let close = close.is_some_and(|code| code.is_some() || *place == alone);
            // Nothing follows a Close frame.
            close
                && !(place.saturating_sub(LONGEST_CLOSE)..*place)
                    .any(|before| self.close_between(before, *place, sender).is_some_and(|code| code.is_some()))
        };
        let place = Some(alone).filter(ends).or_else(|| (first..self.held.len()).find(ends))?;
        Some(self.found(sender, self.start + place as u64))
    }

    /// The code of the Close frame that is all that is held between two places; `None` if there is no such frame.
    fn close_between(&self, start: usize, end: usize, sender: Role) -> Option<Option<CloseCode>> {
        let frame = self.held.get(start..end)?;
        let header = Header::parse(frame).filter(|header| header.opcode == Opcode::Close)?;
        let whole = header.size as u64 + header.payload == frame.len() as u64;
        let believable = whole
            && is_believable(&header, sender, self.extensions)
            && content_bits(&header, frame, self.extensions).is_some();
        believable.then(|| close_code(&header, frame))
    }

    /// The chain that has most evidence, if it is enough.
    fn believed(&self) -> Option<Found<M>> {
        let position = self.position();
        let enough = |chain: &&Chain| {
            let answers = chain.code.is_some() && chain.code == *self.other_code.get(chain.sender);
            let bits = chain.evidence() + if answers { SAME_CLOSE_CODE_BITS } else { 0 };
            chain.begin <= position && bits >= *self.needed.get(chain.sender)
        };
        let best =
            self.chains.iter().filter(enough).max_by_key(|chain| (chain.evidence(), std::cmp::Reverse(chain.begin)))?;
        Some(self.found(best.sender, best.begin))
    }

    fn found(&self, sender: Role, offset: u64) -> Found<M> {
        let mut segments = Vec::new();
        let mut begin = self.start;
        let mut rest = self.held.as_slice();
        for (length, mark) in &self.segments {
            let (segment, later) = rest.split_at_checked(*length).unwrap_or_default();
            let skipped = usize::try_from(offset.saturating_sub(begin)).unwrap_or(usize::MAX);
            if let Some(part) = segment.get(skipped..).filter(|part| !part.is_empty()) {
                segments.push((part.to_vec(), *mark));
            }
            begin += *length as u64;
            rest = later;
        }
        Found { sender, offset, segments }
    }

    /// Keeps what is held within its limit, by whole segments.
    fn forget(&mut self) {
        let mut count = 0;
        let mut bytes = 0;
        for (length, _) in &self.segments {
            if self.held.len() - bytes <= limits::RESYNC_BYTES {
                break;
            }
            bytes += length;
            count += 1;
        }
        if count == 0 {
            return;
        }
        self.held.drain(..bytes);
        self.segments.drain(..count);
        self.start += bytes as u64;
        let start = self.start;
        self.chains.retain_mut(|chain| chain.begin_after(start));
    }
}

impl Scene<'_> {
    /// Adds the chains that begin in the segment, at most `room` of them.
    fn candidates(&mut self, sender: Option<Role>, whole: bool, room: usize, chains: &mut Vec<Chain>) {
        let most = chains.len() + room;
        let begins_here = whole.then_some(self.segment);
        let bytes = self.held.get((self.segment - self.start) as usize..).unwrap_or_default();
        for (place, &[first, second]) in bytes.array_windows().enumerate() {
            if !may_begin(first, self.extensions) {
                continue;
            }
            let role = if second & 0x80 == 0 { Role::Server } else { Role::Client };
            if sender.is_some_and(|sender| sender != role) {
                continue;
            }
            let offset = self.segment + place as u64;
            let inside = begins_here != Some(offset);
            if chains.len() >= most || (inside && self.work == 0) {
                return;
            }
            let mut chain = Chain::new(role, offset, inside);
            if chain.follow(self) {
                chains.push(chain);
            }
        }
    }

    fn bytes_from(&self, offset: u64) -> &[u8] {
        let place = offset.checked_sub(self.start).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.held.get(place..)).unwrap_or_default()
    }

    /// Marks the place of a header. Whether no chain was there before.
    fn visit(&mut self, offset: u64, sender: Role) -> bool {
        let place = offset.checked_sub(self.segment).and_then(|place| usize::try_from(place).ok());
        let visited = self.visited.get_mut(sender);
        place.and_then(|place| visited.get_mut(place)).is_none_or(|visited| !std::mem::replace(visited, true))
    }
}

impl Chain {
    const fn new(sender: Role, begin: u64, inside: bool) -> Self {
        Self {
            sender,
            bits: 0,
            inside,
            fresh: true,
            begin,
            next: begin,
            frame: None,
            last: None,
            message: MessageState::Unknown,
            closed: false,
            code: None,
        }
    }

    /// Its bits, less those that it owes to where it began.
    const fn evidence(&self) -> u32 {
        if self.inside { self.bits.saturating_sub(INSIDE_SEGMENT_BITS) } else { self.bits }
    }

    /// Follows it through the last segment. Whether it is still to be believed.
    fn follow(&mut self, scene: &mut Scene<'_>) -> bool {
        if self.closed {
            return false;
        }
        loop {
            let (header, end) = match self.frame {
                Some(frame) => frame,
                None if self.next >= scene.end => return true,
                None => {
                    if !scene.visit(self.next, self.sender) {
                        return false;
                    }
                    let rest = scene.bytes_from(self.next);
                    if rest.len() >= MAX_HEADER && !may_go_on(rest, self.sender, scene.extensions) {
                        return false;
                    }
                    let Some(header) = Header::parse(rest) else { return is_plausible_start(rest, self.sender) };
                    if !is_believable(&header, self.sender, scene.extensions) || !self.begin_frame(&header) {
                        return false;
                    }
                    let end = self.next + header.size as u64 + header.payload;
                    *self.frame.insert((header, end))
                }
            };
            if end > scene.end {
                return true;
            }
            let Some(bits) = self.whole_frame(&header, end, scene) else { return false };
            self.end_frame(bits, end);
            // Nothing follows a Close frame (RFC 6455 section 5.5.1).
            self.closed = header.opcode == Opcode::Close;
            if self.closed {
                return end == scene.end;
            }
        }
    }

    /// The evidence in a frame whose end has come; `None` if there can be no such frame.
    fn whole_frame(&mut self, header: &Header, end: u64, scene: &mut Scene<'_>) -> Option<u32> {
        let length = usize::try_from(end - self.next).ok()?;
        let mut bits = self.header_bits(header, scene.segment);
        if let Some(frame) = scene.bytes_from(self.next).get(..length) {
            self.code = close_code(header, frame);
            bits += content_bits(header, frame, scene.extensions)?;
            scene.work = scene.work.saturating_sub(length);
        }
        if end == scene.end {
            bits += ending_bits(header, self.next >= scene.segment);
        }
        Some(bits)
    }

    /// Whether a frame can begin where the chain is, by the messages before it.
    const fn begin_frame(&mut self, header: &Header) -> bool {
        let after = if header.fin { MessageState::Between } else { MessageState::Open };
        match (header.opcode, self.message) {
            (Opcode::Text | Opcode::Binary, MessageState::Open) | (Opcode::Continuation, MessageState::Between) => {
                false
            }
            (Opcode::Text | Opcode::Binary | Opcode::Continuation, _) => {
                self.message = after;
                true
            }
            (Opcode::Close | Opcode::Ping | Opcode::Pong | Opcode::Reserved(_), _) => true,
        }
    }

    const fn end_frame(&mut self, bits: u32, end: u64) {
        // Whatever stands inside a segment may lead to a frame by chance.
        if self.inside && self.fresh {
            self.begin = end;
        } else {
            self.bits += bits;
        }
        self.last = match self.frame.take() {
            Some((header, _)) => Some(header),
            None => None,
        };
        (self.next, self.fresh) = (end, false);
    }

    /// The evidence in a header, in or behind the segment that begins at `segment`.
    fn header_bits(&self, header: &Header, segment: u64) -> u32 {
        let shape = |header: &Header| (header.fin, header.reserved, header.opcode, header.payload);
        let repeated = self.next != segment && self.last.as_ref().map(shape) == Some(shape(header));
        let nothing = header.mask.is_none() && header.payload == 0;
        if nothing || repeated { WEAK_HEADER_BITS } else { HEADER_BITS }
    }

    /// Everything before stream offset `end` is missing, from the last segment's end on, which began at `segment`.
    fn step_over_gap(&mut self, end: u64, segment: u64) -> bool {
        let Some((header, frame_end)) = self.frame.filter(|(_, frame_end)| *frame_end >= end) else { return false };
        // A Close frame of which bytes are missing is nothing to rely on.
        if header.opcode == Opcode::Close {
            return false;
        }
        self.begin = frame_end;
        if frame_end == end {
            let bits = self.header_bits(&header, segment) + ending_bits(&header, self.next >= segment);
            self.end_frame(bits, end);
        }
        true
    }

    /// What lies before stream offset `start` is no longer held.
    fn begin_after(&mut self, start: u64) -> bool {
        if self.begin < start {
            self.begin = if self.next >= start { self.next } else { self.frame.map_or(0, |(_, end)| end) };
        }
        self.begin >= start
    }
}

/// Whether a frame's first byte may be this one.
#[inline]
fn may_begin(first: u8, extensions: Extensions) -> bool {
    let usual = BEGINNINGS.get(usize::from(first)).copied().unwrap_or_default();
    (usual || extensions.unknown) && may_begin_under(first, extensions)
}

/// The bytes that a frame may begin with under some extension that is known here. They are few, and every byte of what is
/// searched is looked up.
const BEGINNINGS: [bool; 256] = {
    let mut beginnings = [false; 256];
    let mut first = 0;
    while first < beginnings.len() {
        // Fits: there are 256.
        let byte = first as u8;
        beginnings[first] = is_known_and_whole(byte) && (byte >> 4 & 0b111) & !RSV1 == 0;
        first += 1;
    }
    beginnings
};

const fn is_known_and_whole(first: u8) -> bool {
    let opcode = Opcode::from_bits(first);
    !matches!(opcode, Opcode::Reserved(_)) && (first & 0x80 != 0 || !opcode.is_control())
}

fn may_begin_under(first: u8, extensions: Extensions) -> bool {
    let reserved = extensions.reserved_bits(Opcode::from_bits(first), false);
    is_known_and_whole(first) && (first >> 4 & 0b111) & !reserved == 0
}

/// Whether the first two bytes of `rest`, which holds a whole header, may be those of a frame. Mostly they may not, and then
/// the rest of the header need not be read.
fn may_go_on(rest: &[u8], sender: Role, extensions: Extensions) -> bool {
    let Some(&[first, second]) = rest.first_chunk() else { return false };
    may_begin(first, extensions) && (second & 0x80 != 0) == (sender == Role::Client)
}

/// Whether an incomplete header can go on to be a believable one.
fn is_plausible_start(bytes: &[u8], sender: Role) -> bool {
    let opcode = bytes.first().map(|byte| Opcode::from_bits(*byte));
    let masked = bytes.get(1).map(|byte| byte & 0x80 != 0);
    let short = bytes.len() < MAX_HEADER;
    short
        && !matches!(opcode, Some(Opcode::Reserved(_)))
        && masked.is_none_or(|masked| masked == (sender == Role::Client))
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

/// The evidence in a frame's end being a segment's, in the segment where it began if `here`.
const fn ending_bits(header: &Header, here: bool) -> u32 {
    match (header.payload > 125, here) {
        (false, _) => ENDS_WITH_SEGMENT_BITS,
        (true, true) => ENDS_WITH_SEGMENT_BITS + LONG_LENGTH_BITS,
        (true, false) => ENDS_WITH_SEGMENT_BITS + LONG_LENGTH_LATER_BITS,
    }
}

/// The evidence in a whole frame's payload; `None` if there can be no such frame.
fn content_bits(header: &Header, frame: &[u8], extensions: Extensions) -> Option<u32> {
    // Such a byte, again and again, is a chain of frames. Key and payload of a masked frame never agree so.
    if frame.iter().all(|byte| frame.first() == Some(byte)) {
        return None;
    }
    let payload = frame.get(header.size..).unwrap_or_default();
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

/// The code of a Close frame.
fn close_code(header: &Header, frame: &[u8]) -> Option<CloseCode> {
    let close = header.opcode == Opcode::Close;
    let payload = frame.get(header.size..).filter(|_| close)?;
    CloseBody::parse(&unmasked(header, payload), header.payload).code
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::Deflate;

    const PLAIN: Extensions = Extensions { deflate: None, unknown: false };
    const DEFLATE: Extensions = Extensions::ASSUMED;
    const ROLES: [Role; 2] = [Role::Client, Role::Server];

    /// Numbers without order, the same in every run (Marsaglia, "Xorshift RNGs").
    struct Random(u64);

    impl Random {
        fn byte(&mut self) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u8
        }

        fn bytes(&mut self, length: usize) -> Vec<u8> {
            (0..length).map(|_| self.byte()).collect()
        }
    }

    fn search(sender: Role) -> Search<u32> {
        Search::after_gap(sender, PLAIN, 0)
    }

    #[test]
    fn beginnings_that_are_looked_up_are_all_that_there_are() {
        let per_frame = Deflate { per_frame: true, ..Deflate::ASSUMED };
        let deflate = [None, Some(Deflate::ASSUMED), Some(per_frame)];
        for (deflate, unknown) in deflate.into_iter().flat_map(|deflate| [(deflate, false), (deflate, true)]) {
            let extensions = Extensions { deflate, unknown };
            for first in 0..=u8::MAX {
                assert_eq!(
                    may_begin(first, extensions),
                    may_begin_under(first, extensions),
                    "{first:#x} {extensions:?}"
                );
            }
        }
    }

    #[test]
    fn headers_pass_by_chance_as_rarely_as_stated() {
        for extensions in [PLAIN, DEFLATE] {
            let first_bytes = (0..=u8::MAX).filter(|first| may_begin(*first, extensions)).count();
            // The mask bit halves it.
            assert!((9..=13).contains(&first_bytes) && first_bytes << HEADER_BITS <= 512, "{first_bytes}");
        }
    }

    #[test]
    fn close_codes_pass_by_chance_as_rarely_as_stated() {
        let codes = (0..=u16::MAX).filter(|code| CloseCode(*code).may_be_sent()).count();
        assert!(codes << CLOSE_CODE_BITS <= 0x1_0000, "{codes}");
    }

    #[test]
    fn text_passes_by_chance_as_rarely_as_stated() {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for length in [4, 8, 12] {
            let valid = (0..50_000).filter(|_| std::str::from_utf8(&random.bytes(length)).is_ok()).count();
            assert!(valid << (length * 3 / 4) <= 50_000, "{valid} of {length} bytes");
        }
    }

    #[test]
    fn random_endings_are_no_close_frames() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut found = 0;
        for _ in 0..30_000 {
            for sender in ROLES {
                let mut search = search(sender);
                search.segment(&random.bytes(150), 0, 0, true);
                found += u32::from(search.close_at_end().is_some());
            }
        }
        assert!(found <= 1, "{found} of 60,000 endings");
    }

    #[test]
    fn random_segments_are_not_believed() {
        let mut random = Random(0x1234_5678_9abc_def1);
        for sender in ROLES {
            let mut search = search(sender);
            for number in 0..2_000 {
                let start = search.position();
                assert!(search.segment(&random.bytes(700), start, number, true).is_none(), "segment {number}");
            }
        }
    }

    #[test]
    fn what_is_held_and_followed_has_its_limits() {
        let mut search: Search<u32> = Search::from_nothing();
        // Everything in it is the beginning of a long frame.
        let hostile = b"\x82\x7e\x7f\xff".repeat(400);
        for number in 0..100 {
            let start = search.position();
            assert!(search.segment(&hostile, start, number, true).is_none());
            assert!(search.held.len() <= limits::RESYNC_BYTES, "{}", search.held.len());
            assert!(search.chains.len() <= limits::RESYNC_CHAINS, "{}", search.chains.len());
        }
    }

    #[test]
    fn close_behind_the_rest_of_a_message_is_found_at_the_end() {
        let mut search = search(Role::Server);
        assert!(search.segment(b"the rest of a message\x88\x05\x03\xe8bye", 100, 7, true).is_none());
        let found = search.close_at_end().unwrap();
        assert_eq!((found.offset, found.segments), (121, vec![(b"\x88\x05\x03\xe8bye".to_vec(), 7)]));
        search.gap(1);
        assert!(search.close_at_end().is_none(), "something followed it");
    }

    #[test]
    fn empty_close_must_be_a_segment_of_its_own() {
        let mut alone = search(Role::Server);
        alone.segment(b"\x88\x00", 0, 1, true);
        assert!(alone.close_at_end().is_some());
        let mut behind = search(Role::Server);
        behind.segment(b"numbers\x01\x00\x88\x00", 0, 1, true);
        assert!(behind.close_at_end().is_none());
    }

    #[test]
    fn frames_that_begin_inside_segments_are_found() {
        let frame = [&b"\x81\x22"[..], b"text that is long enough for this."].concat();
        let stream = [&b"the rest of one"[..], &frame.repeat(12)].concat();
        let mut search = search(Role::Server);
        let found = stream.chunks(100).enumerate().find_map(|(index, bytes)| {
            let start = search.position();
            search.segment(bytes, start, index as u32, true)
        });
        let found = found.expect("frames that repeat themselves so often");
        assert_eq!((found.offset - 15) % 36, 0, "{found:?}");
    }

    #[test]
    fn frame_cut_by_the_snap_length_leads_to_the_next() {
        let mut search = search(Role::Server);
        assert!(search.segment(b"\x82\x7e\x04\x00abcdef", 0, 1, true).is_none());
        let found = search.gap(1024 - 6).expect("a long frame that ends where its packet does");
        assert_eq!((found.offset, found.segments.len()), (1028, 0));
    }

    #[test]
    fn same_code_at_both_ends_makes_close_frames_a_websocket() {
        let (mut client, mut server): (Search<u32>, Search<u32>) = (Search::from_nothing(), Search::from_nothing());
        assert!(client.segment(b"\x88\x82\x01\x02\x03\x04\x02\xea", 0, 1, true).is_none());
        server.count_in(&client);
        assert!(server.segment(b"\x88\x02\x03\xe8", 0, 2, true).is_none());
        assert!(client.reconsider(&server).is_some());

        let mut other: Search<u32> = Search::from_nothing();
        other.segment(b"\x88\x02\x03\xe9", 0, 2, true);
        let mut client: Search<u32> = Search::from_nothing();
        client.segment(b"\x88\x82\x01\x02\x03\x04\x02\xea", 0, 1, true);
        assert!(client.reconsider(&other).is_none(), "1000 and 1001");
    }
}
