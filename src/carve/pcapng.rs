//! A pcapng file (draft-ietf-opsawg-pcapng): one section, an interface for each one of the captures that packets come
//! from, packets with comments, and secrets before the packets that they open.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::analyze::Analysis;
use crate::capture::{InterfaceDescription, Packet};
use crate::flow::{PacketId, Timestamp};

/// Writes packets, in little-endian order.
pub(super) struct PcapngWriter<'a, W> {
    out: W,
    analysis: &'a Analysis,
    /// By file, and number in it.
    interfaces: HashMap<(u32, usize), Interface>,
    packets: u64,
    block: Vec<u8>,
}

/// An interface that was written.
#[derive(Clone, Copy)]
struct Interface {
    number: u32,
    /// Nanoseconds of one unit of its clock.
    unit: i64,
}

impl<'a, W: Write> PcapngWriter<'a, W> {
    /// Begins a file of packets from the captures of `analysis`.
    pub(super) fn new(out: W, analysis: &'a Analysis) -> io::Result<Self> {
        let mut writer = Self { out, analysis, interfaces: HashMap::new(), packets: 0, block: Vec::new() };
        let program = concat!("wsautopsy ", env!("CARGO_PKG_VERSION"));
        // Byte-order magic, version 1.0, and a section of unknown length.
        let fields = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &u64::MAX.to_le_bytes()].concat();
        writer.block(SECTION, &fields, &[], &[(USER_APPLICATION, program.as_bytes())])?;
        Ok(writer)
    }

    /// Adds a packet that was captured as `bytes` on that interface of its file.
    pub(super) fn packet(
        &mut self,
        packet: &Packet,
        id: PacketId,
        interface: usize,
        bytes: &[u8],
        comments: &[String],
    ) -> io::Result<()> {
        let Interface { number, unit } = self.interface(packet, id, interface)?;
        let time = units(packet.time, unit);
        // A capture that claims fewer bytes on the wire than it holds is not believed.
        let original = packet.original.max(packet.captured);
        let fields =
            [number, (time >> 32) as u32, time as u32, packet.captured, original].map(u32::to_le_bytes).concat();
        let options: Vec<_> = comments.iter().map(|comment| (COMMENT, comment.as_bytes())).collect();
        self.packets += 1;
        self.block(PACKET, &fields, bytes, &options)
    }

    /// Adds TLS secrets, as the text of a key log, for the packets that follow.
    pub(super) fn key_log(&mut self, text: &str) -> io::Result<()> {
        // The secrets of one connection are a few hundred bytes.
        let fields = [KEY_LOG.to_le_bytes(), (text.len() as u32).to_le_bytes()].concat();
        self.block(SECRETS, &fields, text.as_bytes(), &[])
    }

    /// The file is complete: how many packets it holds.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.packets)
    }

    /// The interface of a packet, which is described before its first one.
    fn interface(&mut self, packet: &Packet, id: PacketId, interface: usize) -> io::Result<Interface> {
        if let Some(known) = self.interfaces.get(&(id.file(), interface)) {
            return Ok(*known);
        }
        let file = self.analysis.captures.get(id.file() as usize).map(|capture| &capture.file);
        let described = file.and_then(|file| file.interfaces.get(interface)).cloned();
        let description = described.unwrap_or_else(|| undescribed(packet));
        let (resolution, unit) = clock(description.resolution);
        let fields = [packet.link_type.0.to_le_bytes(), [0; 2]].concat();
        let fields = [fields, description.snaplen.to_le_bytes().to_vec()].concat();
        let from = file.map(|file| format!("wsautopsy: from {}", file.name)).unwrap_or_default();
        let texts = [(COMMENT, Some(from.as_str())), (NAME, description.name.as_deref())];
        let texts = texts.into_iter().chain([(DESCRIPTION, description.description.as_deref())]);
        let mut options: Vec<_> = texts.filter_map(|(code, text)| text.map(|text| (code, text.as_bytes()))).collect();
        let resolution = [resolution];
        options.push((RESOLUTION, &resolution));
        self.block(INTERFACE, &fields, &[], &options)?;
        let written = Interface { number: self.interfaces.len() as u32, unit };
        self.interfaces.insert((id.file(), interface), written);
        Ok(written)
    }

    /// Writes a block of `fields`, then `data` with padding, then options.
    fn block(&mut self, kind: u32, fields: &[u8], data: &[u8], options: &[(u16, &[u8])]) -> io::Result<()> {
        let block = &mut self.block;
        block.clear();
        block.extend_from_slice(fields);
        block.extend_from_slice(data);
        pad(block);
        for (code, value) in options {
            let value = value.get(..LONGEST_OPTION).unwrap_or(value);
            block.extend(code.to_le_bytes());
            block.extend((value.len() as u16).to_le_bytes());
            block.extend_from_slice(value);
            pad(block);
        }
        if !options.is_empty() {
            block.extend([0; 4]);
        }
        // A captured packet is far below 4 GiB.
        let length = (block.len() as u32 + 12).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length)?;
        self.out.write_all(block)?;
        self.out.write_all(&length)
    }
}

/// The interface of a packet of which the capture describes none, as in a damaged file.
fn undescribed(packet: &Packet) -> InterfaceDescription {
    InterfaceDescription { link_type: packet.link_type, snaplen: 0, resolution: 9, name: None, description: None }
}

/// The resolution that keeps what is known of times on a clock with that one, and the nanoseconds of its unit.
const fn clock(resolution: u8) -> (u8, i64) {
    match resolution {
        0..=9 => (resolution, 10_i64.pow(9 - resolution as u32)),
        // Powers of two, and what is finer than a nanosecond: both were made nanoseconds when they were read.
        10.. => (9, 1),
    }
}

/// A time in units of so many nanoseconds; the format has none before 1970.
fn units(time: Timestamp, unit: i64) -> u64 {
    u64::try_from(time.as_nanos().div_euclid(unit)).unwrap_or(0)
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Types of blocks.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const SECRETS: u32 = 10;

/// The type of secrets that is a key log of TLS.
const KEY_LOG: u32 = 0x544c_534b;

/// Codes of options.
const COMMENT: u16 = 1;
const NAME: u16 = 2;
const DESCRIPTION: u16 = 3;
const USER_APPLICATION: u16 = 4;
const RESOLUTION: u16 = 9;

/// Bytes of an option's value that are written: its length has 16 bits.
const LONGEST_OPTION: usize = 0xfffc;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_what_their_clock_showed() {
        let time = Timestamp::from_nanos(1_769_860_800_123_456_000);
        assert_eq!(units(time, clock(6).1), 1_769_860_800_123_456);
        assert_eq!(units(time, clock(9).1), 1_769_860_800_123_456_000);
        assert_eq!(clock(12), (9, 1));
        assert_eq!(clock(0x80 | 20), (9, 1));
        assert_eq!(units(Timestamp::from_nanos(-1), 1), 0);
    }
}
