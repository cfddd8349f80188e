//! Captures with holes, made from traffic of which everything is known: what the program finds in spite of them can be
//! counted, and so can what it only believes to find.
//!
//! In come a number of connections, a [`Damage`] and a seed; out go a pcap file and its [`Truth`]. The same plan gives the
//! same bytes on every machine. Nothing of the decoders that are measured is used to write what they read.
//!
//! | file | what it makes |
//! |---|---|
//! | `content` | payloads: JSON, other text, binary of several kinds, text that is not UTF-8 |
//! | `sender` | frames to segments, the way that real senders cut them, with retransmission and reordering |
//! | `talk` | a connection from its handshake to its end, and what else is on the wire |
//! | `damage` | what the capture loses, cuts and sees twice; what survives |
//! | `score` | what the program found against the truth |

#![allow(dead_code, unused_imports, reason = "the tests and the examples each use a part of it")]

mod content;
mod damage;
mod score;
mod sender;
mod talk;

use wsautopsy::flow::{PerRole, Role};

use damage::impair;
pub(crate) use damage::{Damage, Impaired, client_of};
pub(crate) use score::{Figures, score};

/// What to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// TCP connections; one in ten is no WebSocket.
    pub(crate) connections: u32,
    pub(crate) damage: Damage,
    pub(crate) seed: u64,
}

/// The capture of `plan` and the truth about it.
pub(crate) fn make(plan: &Plan) -> Impaired {
    let mut random = Random::new(plan.seed);
    let talks = (0..plan.connections).map(|_| talk::any(&mut random)).collect();
    impair(talks, plan.damage, &mut random)
}

/// A TCP connection as it was on the wire.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// In order of time, which begins with 0.
    pub(crate) segments: Vec<Segment>,
    /// Whether it is a WebSocket.
    pub(crate) websocket: bool,
    /// Bytes of each stream that are HTTP.
    pub(crate) handshake: PerRole<u64>,
    /// Every frame of each end, in order.
    pub(crate) frames: PerRole<Vec<Frame>>,
    pub(crate) closes: Vec<Close>,
    pub(crate) invalid: Vec<Invalid>,
}

/// A segment, with numbers that count from each end's first byte.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Microseconds.
    pub(crate) time: u64,
    pub(crate) from: Role,
    pub(crate) offset: u64,
    pub(crate) acknowledged: u64,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;

/// Where a frame lies in its sender's stream.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) start: u64,
    /// Just after the header.
    pub(crate) payload: u64,
    pub(crate) end: u64,
}

/// A Close frame.
#[derive(Clone, Debug)]
pub(crate) struct Close {
    pub(crate) sender: Role,
    pub(crate) code: Option<u16>,
    pub(crate) reason: Vec<u8>,
    /// Its first byte in its sender's stream, and the one just after it.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// A text message that is not UTF-8.
#[derive(Clone, Debug)]
pub(crate) struct Invalid {
    pub(crate) sender: Role,
    /// As `std::str::Utf8Error::valid_up_to` says it.
    pub(crate) valid: u64,
    /// The first of its frames, by index, and the one just after the last.
    pub(crate) first_frame: usize,
    pub(crate) end_frame: usize,
}

/// Numbers without order, the same in every run (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) const fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in so many of a thousand cases.
    pub(crate) const fn per_mille(&mut self, cases: usize) -> bool {
        self.below(1000) < cases
    }

    pub(crate) const fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// `length` bytes without order.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }
}
