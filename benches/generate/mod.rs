//! Captures made for measuring: many WebSocket connections at once, other traffic between them, and the truth about it.
//!
//! In come a [`Kind`], a size and a seed; out go a pcap file, written as it is made, and its [`Truth`]. The same plan gives
//! the same bytes on every machine. Nothing of the decoders that are measured is used to write what they read.
//!
//! | file | what it makes |
//! |---|---|
//! | `wire` | pcap records, Ethernet, IPv4, TCP, UDP |
//! | `websocket` | WebSocket connections, from SYN to FIN, again and again |
//! | `other` | HTTP, bytes that look like TLS, DNS |

#![allow(dead_code, reason = "each bench uses a part")]

mod other;
pub(crate) mod websocket;
mod wire;

use std::collections::BTreeMap;
use std::io::{self, Write};

use wsautopsy::analyze::Analysis;

use other::Bystander;
use websocket::Slot;
use wire::Recorder;

/// What the traffic is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// JSON texts of 60 to 480 bytes, each in a packet of its own: about 250 bytes a packet.
    Small,
    /// Texts and binary messages of 4 to 128 KiB in segments of 1448 bytes.
    Full,
    /// 100,000 connections that are all opened first, and all open at the end: at once or, where the size leaves room, after
    /// messages as in [`Kind::Small`].
    Open,
    /// Connections as in [`Kind::Small`], but of a few messages each.
    Short,
    /// One connection with one binary message that fills the capture.
    Message,
}

impl Kind {
    /// The kind of that `name`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "small" => Some(Self::Small),
            "full" => Some(Self::Full),
            "open" => Some(Self::Open),
            "short" => Some(Self::Short),
            "message" => Some(Self::Message),
            _ => None,
        }
    }

    /// Connections that are open at the same time.
    const fn slots(self) -> u32 {
        match self {
            Self::Small | Self::Short => 1000,
            Self::Full => 200,
            Self::Open => 100_000,
            Self::Message => 1,
        }
    }
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// Size of the file; it may be a burst of packets larger.
    pub(crate) bytes: u64,
    pub(crate) seed: u64,
}

/// What a capture holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// WebSocket connections.
    pub(crate) connections: u64,
    /// Connections by how they closed: 1005 for an empty Close frame, 1006 for none. The others are open at the end.
    pub(crate) close_codes: BTreeMap<u16, u64>,
    /// Close frames by code, replies too; `None` for an empty one.
    pub(crate) close_frames: BTreeMap<Option<u16>, u64>,
    /// Text and binary messages of which the last byte was sent.
    pub(crate) messages: u64,
    /// Text messages that are not UTF-8.
    pub(crate) invalid_texts: u64,
}

impl Truth {
    /// What the program found, in the same words.
    pub(crate) fn found(analysis: &Analysis) -> Self {
        let mut found = Self { connections: analysis.connections.len() as u64, ..Self::default() };
        for capture in &analysis.captures {
            found.packets += capture.file.packets;
            found.bytes += capture.file.bytes;
        }
        for record in &analysis.connections {
            if let Some(code) = record.verdict.close_code {
                *found.close_codes.entry(code.0).or_default() += 1;
            }
            for frame in &record.close_frames {
                *found.close_frames.entry(frame.code.map(|code| code.0)).or_default() += 1;
            }
            found.messages += record.messages.client + record.messages.server;
            found.invalid_texts += record.invalid_utf8_count;
        }
        found
    }
}

/// Writes the capture of `plan` to `out`.
pub(crate) fn write(plan: &Plan, out: &mut impl Write) -> io::Result<Truth> {
    let mut world = World::new(plan);
    let mut slots: Vec<Slot> = (0..plan.kind.slots()).map(Slot::new).collect();
    let mut bystanders: Vec<Bystander> = (0..BYSTANDERS).map(Bystander::new).collect();
    if plan.kind == Kind::Open {
        for slot in &mut slots {
            slot.step(&mut world);
            world.flush_blocks(out)?;
        }
    }
    let mut bystander_packets = 0;
    while world.truth.bytes + world.recorder.bytes().len() as u64 <= plan.bytes {
        let before = world.recorder.packets();
        if bystander_packets * BYSTANDER_SHARE < before {
            world.random.pick_mut(&mut bystanders).step(&mut world);
            bystander_packets += world.recorder.packets() - before;
        } else {
            world.random.pick_mut(&mut slots).step(&mut world);
        }
        world.flush_blocks(out)?;
    }
    world.flush(out)?;
    world.truth.packets = world.recorder.packets();
    Ok(world.truth)
}

/// The capture of `plan` in memory.
pub(crate) fn in_memory(plan: &Plan) -> (Vec<u8>, Truth) {
    let mut bytes = Vec::with_capacity(plan.bytes as usize + 2 * BLOCK);
    let truth = write(plan, &mut bytes).expect("memory takes every byte");
    (bytes, truth)
}

/// Bytes of a capture to measure with; few if the benches are only tested, which is without `--bench`.
pub(crate) fn measured_bytes() -> u64 {
    if std::env::args().any(|argument| argument == "--bench") { 64_000_000 } else { 1_000_000 }
}

/// What all connections share.
struct World {
    kind: Kind,
    /// [`Plan::bytes`].
    bytes: u64,
    random: Random,
    recorder: Recorder,
    content: Content,
    truth: Truth,
}

impl World {
    fn new(plan: &Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let content = Content::new(&mut random);
        Self { kind: plan.kind, bytes: plan.bytes, random, recorder: Recorder::new(), content, truth: Truth::default() }
    }

    fn flush_blocks(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.recorder.bytes().len() >= BLOCK { self.flush(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.recorder.bytes())?;
        self.truth.bytes += self.recorder.bytes().len() as u64;
        self.recorder.clear();
        Ok(())
    }
}

/// What messages are made of, made once.
pub(crate) struct Content {
    /// JSON objects.
    pub(crate) short: Vec<String>,
    /// Text without end, with characters of every length.
    pub(crate) long: String,
    /// Bytes without order.
    pub(crate) noise: Vec<u8>,
}

impl Content {
    pub(crate) fn new(random: &mut Random) -> Self {
        let short: Vec<String> = (0..512).map(|number| json(number, random)).collect();
        let mut long = String::new();
        while long.len() < 2 * LONGEST {
            long.push_str(&short[random.below(short.len())]);
        }
        let noise = (0..2 * LONGEST).map(|_| random.next() as u8).collect();
        Self { short, long, noise }
    }

    /// Text of about `length` bytes, of at most [`LONGEST`].
    pub(crate) fn text(&self, length: usize, random: &mut Random) -> &str {
        let start = self.long.floor_char_boundary(random.below(self.long.len() - length));
        &self.long[start..self.long.floor_char_boundary(start + length)]
    }

    /// `length` bytes without order, at most [`LONGEST`].
    pub(crate) fn noise(&self, length: usize, random: &mut Random) -> &[u8] {
        &self.noise[random.below(self.noise.len() - length)..][..length]
    }
}

/// A JSON object of 60 to 480 bytes; one in four has characters beyond ASCII.
fn json(number: usize, random: &mut Random) -> String {
    const WORDS: [&str; 8] = ["order", "filled", "at", "market", "price", "grüße", "café", "🎉 東京"];
    let length = random.between(60, 460);
    let words = if number.is_multiple_of(4) { WORDS.len() } else { WORDS.len() - 3 };
    let mut text = format!(r#"{{"type":"event","id":{number},"price":{},"text":""#, random.below(100_000));
    while text.len() < length {
        text.push_str(WORDS[random.below(words)]);
        text.push(' ');
    }
    text.push_str("\"}");
    text
}

/// Numbers without order, the same in every run (Marsaglia, "Xorshift RNGs").
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self((seed ^ 0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) const fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True once in `times`.
    pub(crate) const fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) const fn pick_mut<'a, T>(&mut self, of: &'a mut [T]) -> &'a mut T {
        &mut of[self.below(of.len())]
    }
}

/// Bytes that are written at once.
const BLOCK: usize = 1 << 20;

/// The longest message.
const LONGEST: usize = 128 << 10;

/// Flows that are no WebSockets.
const BYSTANDERS: u32 = 60;

/// One packet in this many is theirs.
const BYSTANDER_SHARE: u64 = 10;
