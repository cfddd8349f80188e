//! What a capturing host makes of the traffic: packets that it drops, cuts or sees twice; and what survives of the truth.

use std::collections::BTreeSet;

use wsautopsy::flow::{PerRole, Role};

use super::{ACK, Close, Frame, Invalid, Random, SYN, Segment, Wire};

/// What happens to a capture. Now and then a packet is recorded twice, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Damage {
    /// So many of a million packets are missing, in bursts of so many on average.
    Loss { per_million: u32, burst: u32 },
    /// So many bytes of a packet are recorded at most.
    SnapLength(usize),
    /// It begins after every connection's handshake.
    MidStream,
    /// Only what this end sends is recorded.
    OneDirection(Role),
}

/// A capture and what it holds.
#[derive(Debug)]
pub(crate) struct Impaired {
    pub(crate) pcap: Vec<u8>,
    pub(crate) packets: u64,
    pub(crate) connections: Vec<Survivor>,
}

/// What survives of a connection.
#[derive(Debug, Default)]
pub(crate) struct Survivor {
    pub(crate) websocket: bool,
    /// Frames of which every byte is in the capture.
    pub(crate) frames: PerRole<usize>,
    /// Every Close frame, whether all of it is there, and the packets that have its last byte.
    pub(crate) closes: Vec<(Close, bool, Vec<u64>)>,
    pub(crate) invalid: Vec<SurvivingText>,
}

/// What survives of a text that is not UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SurvivingText {
    pub(crate) sender: Role,
    /// How much of it is valid.
    pub(crate) valid: u64,
    /// Whether it is there as a whole at a place that headers lead to from the handshake on.
    pub(crate) led: bool,
    /// Whether it is there as a whole behind a hole in headers, and [`AGAIN`] whole frames before it since.
    pub(crate) again: bool,
}

/// So many whole frames lead to the place again.
const AGAIN: usize = 4;

/// The client's address of connection `index`.
pub(crate) fn client_of(index: usize) -> ([u8; 4], u16) {
    let high = index / 40_000;
    ([10, 1, (high >> 8) as u8, high as u8], 20_000 + (index % 40_000) as u16)
}

pub(crate) const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 80);

/// Captures `wires` all at once.
pub(crate) fn impair(wires: Vec<Wire>, damage: Damage, random: &mut Random) -> Impaired {
    let mut order = Vec::new();
    for (index, wire) in wires.iter().enumerate() {
        let begin = random.below(60_000_000) as u64;
        let first = first_captured(wire, damage, random);
        let captured = wire.segments.iter().enumerate().skip(first);
        order.extend(captured.map(|(number, segment)| (begin + segment.time, index, number)));
    }
    order.sort_unstable();
    let initial: Vec<[u32; 2]> = wires.iter().map(|_| [random.next() as u32, random.next() as u32]).collect();
    let mut recorder = Recorder::new();
    let mut kept: Vec<Vec<Kept>> = wires.iter().map(|_| Vec::new()).collect();
    let mut burst = 0;
    for (time, index, number) in order {
        let segment = &wires[index].segments[number];
        let Some(snap) = recorded(segment, damage, &mut burst, random) else { continue };
        for _ in 0..if random.per_mille(3) { 2 } else { 1 } {
            let length = recorder.packet(time, client_of(index), segment, initial[index], snap);
            let range = segment.offset..segment.offset + length as u64;
            kept[index].push(Kept { from: segment.from, range, packet: recorder.packets });
        }
    }
    let connections = wires.into_iter().zip(kept).map(|(wire, kept)| survivor(wire, &kept)).collect();
    Impaired { pcap: recorder.bytes, packets: recorder.packets, connections }
}

/// The first segment that a capture could have of `wire`.
fn first_captured(wire: &Wire, damage: Damage, random: &mut Random) -> usize {
    if damage != Damage::MidStream {
        return 0;
    }
    let handshake = |segment: &Segment| segment.offset < *wire.handshake.get(segment.from);
    let after = wire.segments.iter().rposition(handshake).map_or(3, |last| last + 1);
    after + random.below(6)
}

/// How many bytes of a packet are recorded; `None` if it is missing.
fn recorded(segment: &Segment, damage: Damage, burst: &mut u32, random: &mut Random) -> Option<usize> {
    match damage {
        Damage::Loss { per_million, burst: mean } => {
            if *burst == 0 && random.below(1_000_000) < (per_million / mean) as usize {
                *burst = if mean == 1 { 1 } else { random.between(1, 2 * mean as usize - 1) as u32 };
            }
            if *burst == 0 {
                return Some(usize::MAX);
            }
            *burst -= 1;
            None
        }
        Damage::SnapLength(length) => Some(length),
        Damage::MidStream => Some(usize::MAX),
        Damage::OneDirection(from) => (segment.from == from).then_some(usize::MAX),
    }
}

/// Bytes of a stream in the capture.
#[derive(Debug)]
struct Kept {
    from: Role,
    range: std::ops::Range<u64>,
    packet: u64,
}

fn survivor(wire: Wire, kept: &[Kept]) -> Survivor {
    let stream = |role| Stream::of(kept.iter().filter(move |kept| kept.from == role));
    let streams = PerRole { client: stream(Role::Client), server: stream(Role::Server) };
    let carriers = |close: &Close| {
        let carries = |kept: &&Kept| kept.from == close.sender && kept.range.contains(&(close.end - 1));
        kept.iter().filter(carries).map(|kept| kept.packet).collect()
    };
    let whole = |role: Role| {
        let stream = streams.get(role);
        wire.frames.get(role).iter().filter(|frame| stream.has(frame.start, frame.end)).count()
    };
    let frames = PerRole { client: whole(Role::Client), server: whole(Role::Server) };
    let invalid = wire.invalid.iter().map(|text| surviving_text(text, &wire, streams.get(text.sender)));
    let invalid = invalid.collect();
    let closes = wire.closes.iter().map(|close| {
        let there = streams.get(close.sender).has(close.start, close.end);
        (close.clone(), there, carriers(close))
    });
    let closes = closes.collect();
    Survivor { websocket: wire.websocket, frames, closes, invalid }
}

fn surviving_text(text: &Invalid, wire: &Wire, stream: &Stream) -> SurvivingText {
    let frames = wire.frames.get(text.sender);
    let whole = |frames: &[Frame]| frames.iter().all(|frame| stream.has(frame.start, frame.end));
    let (before, own) = (&frames[..text.first_frame], &frames[text.first_frame..text.end_frame]);
    let there = whole(own);
    let handshake = stream.has(0, *wire.handshake.get(text.sender));
    let led = handshake && before.iter().all(|frame| stream.has(frame.start, frame.payload));
    let again = before.len() >= AGAIN && whole(&before[before.len() - AGAIN..]);
    SurvivingText { sender: text.sender, valid: text.valid, led: there && led, again: there && again && !led }
}

/// The parts of a stream that are in the capture: where each begins and ends.
#[derive(Debug)]
struct Stream(Vec<(u64, u64)>);

impl Stream {
    fn of<'a>(kept: impl Iterator<Item = &'a Kept>) -> Self {
        let mut parts: Vec<(u64, u64)> = Vec::new();
        let sorted: BTreeSet<(u64, u64)> = kept.map(|kept| (kept.range.start, kept.range.end)).collect();
        for (start, end) in sorted {
            match parts.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => parts.push((start, end)),
            }
        }
        Self(parts)
    }

    fn has(&self, start: u64, end: u64) -> bool {
        let place = self.0.partition_point(|part| part.1 < end);
        self.0.get(place).is_some_and(|part| part.0 <= start)
    }
}

/// The pcap file: Ethernet, IPv4, TCP with timestamps, checksums as 0.
struct Recorder {
    bytes: Vec<u8>,
    packets: u64,
}

impl Recorder {
    fn new() -> Self {
        let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1];
        Self { bytes: words.into_iter().flat_map(u32::to_le_bytes).collect(), packets: 0 }
    }

    /// A packet of which at most `snap` bytes are recorded: how many of its payload are.
    fn packet(
        &mut self,
        time: u64,
        client: ([u8; 4], u16),
        segment: &Segment,
        initial: [u32; 2],
        snap: usize,
    ) -> usize {
        const HEADERS: usize = 14 + 20 + 32;
        self.packets += 1;
        let (from, to, [own, other]) = match segment.from {
            Role::Client => (client, SERVER, initial),
            Role::Server => (SERVER, client, [initial[1], initial[0]]),
        };
        let original = HEADERS + segment.payload.len();
        let captured = original.min(snap);
        let seconds = (1_769_860_800 + time / 1_000_000) as u32;
        for word in [seconds, (time % 1_000_000) as u32, captured as u32, original as u32] {
            self.bytes.extend(word.to_le_bytes());
        }
        let begin = self.bytes.len();
        self.bytes.extend(*b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0\x45\0");
        self.bytes.extend((original as u16 - 14).to_be_bytes());
        self.bytes.extend(*b"\0\0\x40\0\x40\x06\0\0");
        self.bytes.extend([from.0, to.0].concat());
        self.bytes.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
        // The SYN counts as a byte.
        let first = u32::from(segment.flags & SYN == 0);
        let acknowledged =
            if segment.flags & ACK == 0 { 0 } else { other.wrapping_add(1 + segment.acknowledged as u32) };
        self.bytes.extend(own.wrapping_add(first + segment.offset as u32).to_be_bytes());
        self.bytes.extend(acknowledged.to_be_bytes());
        self.bytes.extend([0x80, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.bytes.extend(*b"\x01\x01\x08\x0aTTTTEEEE");
        self.bytes.extend(&segment.payload);
        self.bytes.truncate(begin + captured);
        captured.saturating_sub(HEADERS)
    }
}
