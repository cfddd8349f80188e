//! Two ends of a TCP connection: frames in, segments out, cut the way that real senders cut them.
//!
//! An end that writes frame by frame begins segments with frames. One that collects frames, such as a proxy that copies
//! what it decrypts, does not: its segments begin anywhere.

use wsautopsy::flow::{PerRole, Role};

use super::{ACK, Close, FIN, Frame, PSH, RST, Random, SYN, Segment, Wire};

/// How an end writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// Each frame by itself.
    Frame,
    /// A few frames at once.
    Together,
    /// Only whole buffers of so many bytes, and what is left when it pauses.
    Buffer(usize),
}

#[derive(Debug)]
struct End {
    writing: Writing,
    segment: usize,
    /// Bytes that were sent.
    sent: u64,
    /// Written and not yet sent.
    pending: Vec<u8>,
    /// What it acknowledges.
    heard: u64,
    /// Segments that it has not acknowledged yet.
    unanswered: u32,
    /// What the other end sends has not arrived yet.
    deaf: bool,
}

impl End {
    fn any(random: &mut Random) -> Self {
        let writing = match random.below(10) {
            0..=4 => Writing::Frame,
            5 | 6 => Writing::Together,
            7 => Writing::Buffer(16_384),
            8 => Writing::Buffer(4096),
            _ => Writing::Buffer(random.between(100, 3000)),
        };
        let segment = random.pick(&[1448, 1448, 1448, 1448, 1380, 1428, 536, 256, 16_060]);
        Self { writing, segment, sent: 0, pending: Vec::new(), heard: 0, unanswered: 0, deaf: false }
    }
}

/// A connection under way.
pub(super) struct Line<'a> {
    pub(super) random: &'a mut Random,
    pub(super) wire: Wire,
    ends: PerRole<End>,
    now: u64,
    /// Segments of a thousand that the network loses and their sender sends again.
    loss: usize,
}

impl<'a> Line<'a> {
    /// An open TCP connection.
    pub(super) fn open(random: &'a mut Random) -> Self {
        let ends = PerRole { client: End::any(random), server: End::any(random) };
        let loss = if random.per_mille(150) { 20 } else { 0 };
        let mut line = Self { random, wire: Wire::default(), ends, now: 0, loss };
        line.push(Role::Client, SYN, Vec::new());
        line.push(Role::Server, SYN | ACK, Vec::new());
        line.push(Role::Client, ACK, Vec::new());
        line
    }

    /// `from` writes bytes that are no frame and sends them at once.
    pub(super) fn bytes(&mut self, from: Role, bytes: &[u8]) {
        self.ends.get_mut(from).pending.extend(bytes);
        self.flush(from);
    }

    /// `from` writes a frame. It may stay in a buffer until [`Self::flush`].
    pub(super) fn frame(&mut self, from: Role, first: u8, payload: &[u8]) {
        let (bytes, header) = framed(from, first, payload, self.random);
        let start = self.written(from);
        let (payload, end) = (start + header as u64, start + bytes.len() as u64);
        self.wire.frames.get_mut(from).push(Frame { start, payload, end });
        let end = self.ends.get_mut(from);
        end.pending.extend(bytes);
        match end.writing {
            Writing::Frame => self.flush(from),
            Writing::Together if self.random.per_mille(400) => self.flush(from),
            Writing::Together => {}
            Writing::Buffer(size) => {
                while self.ends.get(from).pending.len() >= size {
                    self.send(from, size);
                }
            }
        }
    }

    /// `from` writes a Close frame, and sends it if it has nothing to wait for.
    pub(super) fn close(&mut self, from: Role, code: Option<u16>, reason: &[u8]) {
        let body = code.map(|code| [&code.to_be_bytes()[..], reason].concat()).unwrap_or_default();
        let start = self.written(from);
        self.frame(from, 0x88, &body);
        let end = self.written(from);
        self.wire.closes.push(Close { sender: from, code, reason: reason.into(), start, end });
    }

    /// Stream offset of the next byte that `from` writes.
    pub(super) fn written(&self, from: Role) -> u64 {
        let end = self.ends.get(from);
        end.sent + end.pending.len() as u64
    }

    /// `from` sends all that it has written.
    pub(super) fn flush(&mut self, from: Role) {
        let pending = self.ends.get(from).pending.len();
        if pending > 0 {
            self.send(from, pending);
        }
    }

    /// Whether `role` gets nothing for now.
    pub(super) const fn deafen(&mut self, role: Role, deaf: bool) {
        self.ends.get_mut(role).deaf = deaf;
    }

    /// Time goes by; who has not acknowledged does so mostly.
    pub(super) fn pause(&mut self) {
        for role in [Role::Client, Role::Server] {
            if self.ends.get(role).unanswered > 0 && self.random.per_mille(700) {
                self.now += 40_000;
                self.push(role, ACK, Vec::new());
            }
        }
        self.now += self.random.between(1_000, 2_000_000) as u64;
    }

    /// `from` sends what it has and ends its direction, in one segment if `at_once`.
    pub(super) fn finish(&mut self, from: Role, at_once: bool) {
        if !at_once || self.ends.get(from).pending.len() > self.ends.get(from).segment {
            self.flush(from);
        }
        let pending = std::mem::take(&mut self.ends.get_mut(from).pending);
        self.push(from, FIN | ACK, pending);
        self.ends.get_mut(from).sent += 1;
        self.ends.get_mut(from.peer()).heard += 1;
        self.push(from.peer(), ACK, Vec::new());
    }

    pub(super) fn reset(&mut self, from: Role) {
        self.push(from, RST | ACK, Vec::new());
    }

    /// The first `count` pending bytes in segments: some lost on the way and sent again, some overtaken.
    fn send(&mut self, from: Role, count: usize) {
        let end = self.ends.get_mut(from);
        let rest = end.pending.split_off(count);
        let bytes = std::mem::replace(&mut end.pending, rest);
        let start = end.sent;
        let pieces: Vec<&[u8]> = bytes.chunks(end.segment).collect();
        let offsets: Vec<u64> = (0..=pieces.len()).map(|index| start + (index * end.segment) as u64).collect();
        let (order, lost) = self.disturbed(pieces.len());
        let mut arrived = vec![false; pieces.len()];
        let mut whole = 0;
        for (turn, &index) in order.iter().enumerate() {
            self.now += self.random.between(5, 400) as u64;
            let end = self.ends.get_mut(from);
            end.unanswered = 0;
            self.wire.segments.push(Segment {
                time: self.now,
                from,
                offset: offsets[index],
                acknowledged: end.heard,
                flags: PSH | ACK,
                payload: pieces[index].to_vec(),
            });
            end.sent = end.sent.max(offsets[index] + pieces[index].len() as u64);
            arrived[index] = lost != Some(index) || turn + 1 == order.len();
            while arrived.get(whole).copied().unwrap_or_default() {
                whole += 1;
            }
            self.heard(from.peer(), (start + bytes.len() as u64).min(offsets[whole]));
        }
    }

    /// In which order so many segments go by the place of capture, and the one that only arrives at the second try.
    fn disturbed(&mut self, count: usize) -> (Vec<usize>, Option<usize>) {
        let mut order: Vec<usize> = (0..count).collect();
        if count > 1 && self.random.per_mille(10) {
            let place = self.random.below(count - 1);
            order.swap(place, place + 1);
        }
        if !self.random.per_mille(self.loss) {
            return (order, None);
        }
        let lost = self.random.below(count);
        // Lost before the place of capture, or after it.
        if self.random.per_mille(500) {
            order.retain(|index| *index != lost);
        }
        order.push(lost);
        (order, Some(lost))
    }

    /// Something has arrived at `role`: every other segment is acknowledged at once.
    fn heard(&mut self, role: Role, bytes: u64) {
        let end = self.ends.get_mut(role);
        if end.deaf {
            return;
        }
        end.heard = end.heard.max(bytes);
        end.unanswered += 1;
        if end.unanswered >= 2 {
            self.push(role, ACK, Vec::new());
        }
    }

    fn push(&mut self, from: Role, flags: u8, payload: Vec<u8>) {
        self.now += self.random.between(5, 400) as u64;
        let end = self.ends.get_mut(from);
        end.unanswered = 0;
        let (offset, acknowledged, length) = (end.sent, end.heard, payload.len() as u64);
        end.sent += length;
        let sent = end.sent;
        self.wire.segments.push(Segment { time: self.now, from, offset, acknowledged, flags, payload });
        let peer = self.ends.get_mut(from.peer());
        if !peer.deaf {
            peer.heard = peer.heard.max(sent);
        }
    }
}

/// A frame of `sender`, and the length of its header.
fn framed(sender: Role, first: u8, payload: &[u8], random: &mut Random) -> (Vec<u8>, usize) {
    let mask_bit = if sender == Role::Client { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if sender == Role::Server {
        let header = bytes.len();
        bytes.extend(payload);
        return (bytes, header);
    }
    let key = (random.next() as u32).to_be_bytes();
    bytes.extend(key);
    let header = bytes.len();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    (bytes, header)
}
