//! Mutants of captures, the same for the same seed, and what must hold for the analysis of each.
//!
//! In come the bytes of a sound capture; out go damaged ones, and in the end complaints about what was made of them. Used
//! by the tests, and by `examples/mutate.rs` for long runs over any captures.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::ops::Range;

use wsautopsy::analyze::Analysis;
use wsautopsy::capture::{Batch, Captures, Input};
use wsautopsy::connection::{ConnectionRecord, Handshake};
use wsautopsy::flow::Endpoint;

/// Numbers without order, the same in every run (Marsaglia, "Xorshift RNGs").
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of this `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that differ little must not begin alike, and none may be 0.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// A part of `length` places: a small one as a rule, any at times.
    fn range(&mut self, length: usize) -> Range<usize> {
        let longest = if self.below(8) == 0 { length } else { 200 };
        let start = self.below(length);
        start..(start + 1 + self.below(longest)).min(length)
    }
}

/// How a mutant's file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstandard,
    Lz4,
    Xz,
    Bzip2,
}

impl Packing {
    pub(crate) const ALL: [Self; 6] = [Self::Plain, Self::Gzip, Self::Zstandard, Self::Lz4, Self::Xz, Self::Bzip2];

    /// `bytes` as they are stored, in members of at most `size` bytes each.
    pub(crate) fn pack(self, bytes: &[u8], size: usize) -> Vec<u8> {
        bytes.chunks(size.max(1)).flat_map(|member| self.member(member)).collect()
    }

    fn member(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstandard => zstd::encode_all(bytes, 1).unwrap(),
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

/// A damaged file.
pub(crate) struct Mutant {
    pub(crate) bytes: Vec<u8>,
    /// Up to here it is as the sound one.
    pub(crate) sound: usize,
    /// Whether a part of the other file is in it.
    pub(crate) is_spliced: bool,
}

impl Mutant {
    /// The file of these `bytes`, damaged in up to four ways. Parts of `other` may come into it.
    pub(crate) fn of(bytes: &[u8], other: &[u8], random: &mut Random) -> Self {
        let mut mutant = Self { bytes: bytes.to_vec(), sound: bytes.len(), is_spliced: false };
        for _ in 0..=random.below(4) {
            if !mutant.bytes.is_empty() {
                mutant.damage(other, random);
            }
        }
        mutant
    }

    fn damage(&mut self, other: &[u8], random: &mut Random) {
        let length = self.bytes.len();
        let changed = match random.below(8) {
            0 | 1 => self.flip(random),
            2 => {
                let end = random.below(length);
                self.bytes.truncate(end);
                end
            }
            3 => {
                let range = random.range(length);
                self.bytes.drain(range.clone());
                range.start
            }
            4 => {
                let copy = self.bytes[random.range(length)].to_vec();
                let at = random.below(length);
                self.bytes.splice(at..at, copy);
                at
            }
            5 => {
                let range = random.range(length);
                self.bytes[range.clone()].fill_with(|| random.below(256) as u8);
                range.start
            }
            6 => {
                let range = random.range(length);
                let byte = [0, 0xff][random.below(2)];
                self.bytes[range.clone()].fill(byte);
                range.start
            }
            _ => self.splice(other, random),
        };
        self.sound = self.sound.min(changed);
    }

    fn flip(&mut self, random: &mut Random) -> usize {
        let mut first = self.bytes.len();
        for _ in 0..=random.below(20) {
            let at = random.below(self.bytes.len());
            self.bytes[at] ^= 1 << random.below(8);
            first = first.min(at);
        }
        first
    }

    /// Replaces the rest from somewhere on by the rest of the other file from somewhere on.
    fn splice(&mut self, other: &[u8], random: &mut Random) -> usize {
        if other.is_empty() {
            return self.bytes.len();
        }
        let at = random.below(self.bytes.len());
        self.bytes.truncate(at);
        self.bytes.extend(&other[random.below(other.len())..]);
        self.is_spliced = true;
        at
    }
}

/// Sound captures: what their mutants are held against.
pub(crate) struct Truth<'a> {
    captures: Vec<(&'a [u8], &'a Analysis)>,
}

impl<'a> Truth<'a> {
    /// What holds for mutants of these captures.
    pub(crate) const fn of(captures: Vec<(&'a [u8], &'a Analysis)>) -> Self {
        Self { captures }
    }

    /// What is wrong with the analysis of the mutant that is stored as `stored`: rows made of noise.
    ///
    /// Addresses may be damaged too, so that packets of a connection seem to be of another one. A connection between ends
    /// that no true one has is noise unless it has a request or an answer, or a packet that ends with bytes of a true one.
    /// Where there are no true ones, every connection is noise.
    pub(crate) fn complaints(&self, mutant: &Analysis, stored: &[u8]) -> Vec<String> {
        let noise = mutant.connections.iter().filter(|record| {
            let has_head = record.request.path.is_some() || record.response.status.is_some();
            let is_known = || self.ends().any(|end| [record.client, record.server].contains(&end));
            self.ends().next().is_none() || !(has_head || is_known() || self.sent(record, stored))
        });
        let text = |record: &ConnectionRecord| {
            let (client, server, handshake) = (record.client, record.server, record.handshake);
            format!("noise: {client} to {server}, handshake {handshake:?}, packet {}", record.first_packet.number())
        };
        noise.map(text).collect()
    }

    fn ends(&self) -> impl Iterator<Item = Endpoint> {
        let records = self.captures.iter().flat_map(|(_, analysis)| &analysis.connections);
        records.flat_map(|record| [record.client, record.server])
    }

    /// Whether one of the packets from the connection's first to its last ends with bytes of a sound capture.
    fn sent(&self, record: &ConnectionRecord, stored: &[u8]) -> bool {
        let numbers = record.first_packet.number()..=record.last_packet.number();
        let mut captures = Captures::new(vec![Input::reader("mutant", Box::new(Cursor::new(stored.to_vec())))]);
        let mut batch = Batch::default();
        while captures.next_batch(&mut batch) {
            for packet in batch.packets().iter().filter(|packet| numbers.contains(&packet.number)) {
                let Some(end) = batch.bytes_of(packet).last_chunk::<16>() else { continue };
                if self.captures.iter().any(|(bytes, _)| bytes.windows(end.len()).any(|window| window == end)) {
                    return true;
                }
            }
        }
        false
    }
}

/// The complete handshakes of `analysis`: who, and in which packet they begin.
fn complete(analysis: &Analysis) -> BTreeSet<(u64, String)> {
    let records = analysis.connections.iter().filter(|record| record.handshake == Handshake::Complete);
    records.map(|record| (record.first_packet.number(), format!("{} to {}", record.client, record.server))).collect()
}

/// What damage cost of what came `before` it, and must not.
pub(crate) fn lost(before: &Analysis, mutant: &Analysis) -> Vec<String> {
    complete(before)
        .difference(&complete(mutant))
        .map(|(packet, ends)| format!("lost: {ends}, packet {packet}"))
        .collect()
}
