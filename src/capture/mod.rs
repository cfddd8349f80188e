//! Captures: files, directories, standard input or any reader, in pcap or pcapng, compressed or not, to batches of packets.
//!
//! In come bytes, in large blocks and plain reads. Out go [`Batch`]es: the bytes of a block and where each packet lies in
//! them. Nothing is copied but the tail of a block that ends inside a packet, and packets of files that overlap in time. What is wrong with a file is told in its
//! [`CaptureFile`] and never stops the others. The only user of pcap-parser.

mod batch;
mod block;
mod captures;
mod codec;
mod description;
mod file;
mod input;
mod interface;
mod lane;
mod ledger;
mod lz4_legacy;
#[cfg(test)]
mod merge_tests;
mod order;
mod packet_block;
mod pcap;
mod pcapng;
mod queue;
mod raw;
mod reader;
mod signature;
mod source;
mod walk;

#[cfg(test)]
mod archive_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod writer;

pub use batch::Batch;
pub use captures::Captures;
pub use description::InterfaceDescription;
pub use input::Input;

use crate::error::Error;
use crate::flow::Timestamp;

/// What the first bytes of a packet are: a value of <https://www.tcpdump.org/linktypes.html>, without the bits above 16
/// that say how long a frame check sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

/// Where a packet lies in its [`Batch`], and what the capture says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its number in the file, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Where its bytes begin in [`Batch::bytes`].
    pub offset: u32,
    /// How many bytes were captured.
    pub captured: u32,
    /// How many bytes it had on the wire: at least [`Self::captured`] in a sound capture.
    pub original: u32,
    /// What its first bytes are.
    pub link_type: LinkType,
    /// Which of its batch's sources it is of. While its file is read: the number of its interface in the file.
    source: u16,
}

/// What became of one capture file.
#[derive(Debug)]
pub struct CaptureFile {
    /// The name as it was given; below a directory, the directory as given and the path in it.
    pub name: String,
    /// Its format; `None` if it could not be opened or is no capture.
    pub format: Option<Format>,
    /// Packets in it.
    pub packets: u64,
    /// Bytes read of it, as it is stored: compressed ones if it is compressed.
    pub bytes: u64,
    /// The earliest time of a packet.
    pub first_packet_at: Option<Timestamp>,
    /// The latest time of a packet.
    pub last_packet_at: Option<Timestamp>,
    /// The link types of its packets, each once, in order of first appearance.
    pub link_types: Vec<LinkType>,
    /// The interfaces that it describes, each different one once: what [`Batch::interface_of`] counts.
    pub interfaces: Vec<InterfaceDescription>,
    /// Packets of which the capture holds less than was on the wire.
    pub truncated_packets: u64,
    /// Bytes that belong to no sound record; of a compressed file, those that could not be unpacked too.
    pub damaged_bytes: u64,
    /// Packets that the capturing program says it dropped; `None` if it does not say.
    pub dropped_by_capture: Option<u64>,
    /// What was wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

impl CaptureFile {
    /// The file of that `name` before anything of it is read.
    fn unread(name: String) -> Self {
        Self {
            name,
            format: None,
            packets: 0,
            bytes: 0,
            first_packet_at: None,
            last_packet_at: None,
            link_types: Vec::new(),
            interfaces: Vec::new(),
            truncated_packets: 0,
            damaged_bytes: 0,
            dropped_by_capture: None,
            problems: Vec::new(),
        }
    }
}

/// A capture file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic libpcap format, in any byte order and resolution.
    Pcap,
    /// The pcapng format.
    Pcapng,
}

impl Format {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

/// What was wrong with a capture file. Its text says the file, the place, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file, or the rest of it, could not be analysed.
    #[error(transparent)]
    Error(#[from] Error),
    /// It was opened only after others had ended, because too many overlap in time.
    #[error(
        "{path}: expected at most {} captures that overlap in time, found more: its packets are analysed late",
        crate::limits::OPEN_FILES
    )]
    Late {
        /// The capture, as it was named.
        path: String,
    },
    /// A damaged place, after which the analysis went on or the file ended.
    #[error(
        "{path}: after packet {packet}, at byte {offset}: expected {expected}, found {found}; {skipped} bytes skipped"
    )]
    Damage {
        /// The capture, as it was named.
        path: String,
        /// The number of the last packet before it; 0 before the first.
        packet: u64,
        /// Where in the file, after decompression.
        offset: u64,
        /// What a sound file has there.
        expected: String,
        /// What this one has.
        found: String,
        /// Bytes that were skipped to go on: of the file as it is stored, where it could not be unpacked.
        skipped: u64,
    },
}
