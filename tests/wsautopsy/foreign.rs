//! What is no WebSocket: streams of other protocols, of files and of random bytes, whose beginning is not in the capture.
//!
//! In come a [`Protocol`], a size and a seed; out goes how many WebSockets are believed to be in it, which must be none.
//! Streams are made and looked at in memory, a flow of at most a megabyte at a time: of more nothing is looked at.

#![allow(dead_code, reason = "the tests and the examples each use a part of it")]

use wsautopsy::connection::{Connection, Workplace};
use wsautopsy::flow::{Direction, Endpoint, FlowKey, PacketId, Timestamp};
use wsautopsy::tcp::{Application, Arrival, DirectionEnd, FlowSpan, FlowStart, FlowSummary, Interest, Repetitions};

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Random,
    Http,
    Tls,
    Ssh,
    Redis,
    Postgres,
    MySql,
    MongoDb,
    Kafka,
    Grpc,
    Smb,
    Rtp,
    Dns,
    /// Fields with a tag from 80 to 8a and a length below 128, as in BER; the tags of frames, mostly.
    Tags,
    /// Frames as of a WebSocket without masks, in both directions.
    Framed,
    /// Small little-endian numbers.
    Numbers,
    Text,
}

impl Protocol {
    pub(crate) const ALL: [Self; 17] = [
        Self::Random,
        Self::Http,
        Self::Tls,
        Self::Ssh,
        Self::Redis,
        Self::Postgres,
        Self::MySql,
        Self::MongoDb,
        Self::Kafka,
        Self::Grpc,
        Self::Smb,
        Self::Rtp,
        Self::Dns,
        Self::Tags,
        Self::Framed,
        Self::Numbers,
        Self::Text,
    ];
}

/// How many WebSockets are found in flows of `protocol`, at least `bytes` of them.
pub(crate) fn believed(protocol: Protocol, bytes: u64, seed: u64) -> usize {
    let mut random = Random(seed);
    let (mut done, mut found) = (0, 0);
    while done < bytes {
        let length = random.between(2_000, 500_000);
        let streams = [0, 1].map(|_| {
            let mut stream = Vec::new();
            while stream.len() < length {
                message(protocol, &mut random, &mut stream);
            }
            stream
        });
        done += (streams[0].len() + streams[1].len()) as u64;
        found += believed_in(&streams, &mut random);
    }
    found
}

/// How many WebSockets are found in a flow of these two directions.
pub(crate) fn believed_in(streams: &[Vec<u8>; 2], random: &mut Random) -> usize {
    let (key, _) = FlowKey::of(Endpoint::from_v4([10, 0, 0, 1], 5000), Endpoint::from_v4([10, 0, 0, 2], 6000));
    let (packet, time) = (PacketId::new(0, 1), Timestamp::default());
    let start = FlowStart { key, packet, time, conversation: packet, syn_seen: false };
    let (mut connection, mut output) = (Connection::new(&start), Workplace::default());
    let size = *random.pick(&[1448, 1448, 536, 100, 16_000]);
    // The capture begins anywhere in the streams.
    let mut offsets = [0, 1].map(|side: usize| random.below(200).min(streams[side].len()));
    let arrival = Arrival { packet, time, acknowledged: None };
    while offsets[0] < streams[0].len() || offsets[1] < streams[1].len() {
        let side = random.below(2);
        let rest = &streams[side][offsets[side]..];
        let whole = if random.below(3) == 0 { random.between(1, size) } else { size };
        let segment = &rest[..whole.min(rest.len())];
        let from = if side == 0 { Direction::FromLow } else { Direction::FromHigh };
        if connection.data(from, offsets[side] as u64, segment, &arrival, &mut output) == Interest::Ignore {
            return 0;
        }
        offsets[side] += segment.len();
    }
    let span = FlowSpan { first: packet, last: packet, scopes: [None; 2] };
    let directions = [DirectionEnd::default(); 2];
    let repetitions = [Repetitions::default(); 2];
    let summary = FlowSummary { end: None, directions, repetitions, span, last_time: time };
    connection.finish(&summary, &mut output);
    output.finished.len()
}

/// Adds a message of `protocol` to `stream`.
fn message(protocol: Protocol, random: &mut Random, stream: &mut Vec<u8>) {
    let length = *random.pick(&[5, 20, 60, 125, 300, 2_000]);
    let length = random.between(1, length);
    let size = length as u32;
    match protocol {
        Protocol::Random => stream.extend(random.bytes(length)),
        Protocol::Http => {
            let body = random.text(length);
            stream.extend(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).bytes());
            stream.extend(body);
        }
        Protocol::Tls => {
            stream.extend([0x17, 3, 3]);
            prefixed(&(length as u16).to_be_bytes(), &random.bytes(length), stream);
        }
        Protocol::Ssh => prefixed(&size.to_be_bytes(), &random.bytes(length), stream),
        Protocol::Redis => {
            let value = random.text(length);
            stream.extend(
                format!("*3\r\n$3\r\nSET\r\n$6\r\nkey{:03}\r\n${}\r\n", random.below(999), value.len()).bytes(),
            );
            stream.extend(value);
            stream.extend(b"\r\n");
        }
        Protocol::Postgres => {
            let columns: Vec<u8> = (0..3).flat_map(|_| with_length(random)).collect();
            stream.push(*random.pick(b"DTCZ12"));
            prefixed(&(columns.len() as u32 + 4).to_be_bytes(), &columns, stream);
        }
        Protocol::MySql => {
            let row: Vec<u8> = (0..4).flat_map(|_| [&[20_u8][..], &random.text(20)].concat()).collect();
            stream.extend([row.len() as u8, 0, 0, random.below(256) as u8]);
            stream.extend(row);
        }
        Protocol::MongoDb => {
            stream.extend((size + 40).to_le_bytes());
            stream.extend((random.below(100_000) as u64).to_le_bytes());
            stream.extend(b"\xdd\x07\0\0\0\0\0\0\0\x10n\0");
            stream.extend((random.below(300) as u32).to_le_bytes());
            stream.extend(b"\x02s\0");
            prefixed(&size.to_le_bytes(), &random.text(length), stream);
        }
        Protocol::Kafka => {
            stream.extend((size + 10).to_be_bytes());
            stream.extend([0, random.below(20) as u8, 0, random.below(10) as u8]);
            stream.extend((random.below(10_000) as u32).to_be_bytes());
            prefixed(&(length as u16).to_be_bytes(), &random.text(length), stream);
        }
        Protocol::Grpc => {
            stream.extend(&(size + 7).to_be_bytes()[1..]);
            stream.extend([0, 0, 0, 0, 0, random.below(99) as u8, 0]);
            stream.extend((size + 2).to_be_bytes());
            stream.extend([*random.pick(&[0x0a, 0x12, 0x82, 0x8a]), length as u8]);
            stream.extend(random.text(length));
        }
        Protocol::Smb => {
            stream.extend((size + 64).to_be_bytes());
            stream.extend(b"\xfeSMB\x40\0");
            stream.extend(random.numbers(58));
            stream.extend(random.bytes(length));
        }
        Protocol::Rtp => {
            stream.extend([b'$', random.below(2) as u8]);
            stream.extend((length as u16 + 12).to_be_bytes());
            stream.extend([0x80, 0x60]);
            stream.extend(random.bytes(length + 10));
        }
        Protocol::Dns => {
            let body = [&random.bytes(2)[..], b"\x81\x80\0\x01\0\x01\0\0\0\0\x03www\x07example\0\0\x01\0\x01"].concat();
            prefixed(&(body.len() as u16).to_be_bytes(), &body, stream);
        }
        Protocol::Tags => {
            let length = length.min(127);
            let tag = *random.pick(&[0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x88, 0x89, 0x8a, 0x8b]);
            prefixed(&[tag, length as u8], &random.text(length), stream);
        }
        Protocol::Framed => {
            let length = length.min(125);
            prefixed(&[*random.pick(&[0x81, 0x82]), length as u8], &random.text(length), stream);
        }
        Protocol::Numbers => stream.extend(random.numbers(length)),
        Protocol::Text => stream.extend(random.text(length)),
    }
}

fn prefixed(length: &[u8], payload: &[u8], stream: &mut Vec<u8>) {
    stream.extend(length);
    stream.extend(payload);
}

fn with_length(random: &mut Random) -> Vec<u8> {
    let length = random.between(1, 30);
    [&(length as u32).to_be_bytes()[..], &random.text(length)].concat()
}

/// Numbers without order, the same in every run (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    const fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    const fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }

    fn text(&mut self, length: usize) -> Vec<u8> {
        const LETTERS: &[u8] = b"eaotinshrdlu ABC012{}:,\"\n";
        (0..length).map(|_| *self.pick(LETTERS)).collect()
    }

    fn numbers(&mut self, length: usize) -> Vec<u8> {
        let most = *self.pick(&[4, 256, 4096]);
        let width = *self.pick(&[2, 4, 8]);
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend(&(self.below(most) as u64).to_le_bytes()[..width]);
        }
        bytes.truncate(length);
        bytes
    }
}

#[test]
fn other_protocols_are_not_taken_for_websockets() {
    for protocol in Protocol::ALL {
        assert_eq!(believed(protocol, 2_000_000, 7), 0, "{protocol:?}");
    }
}
