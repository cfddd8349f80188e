//! The top-level loop: batches in, shards in parallel, records out.

use crate::capture::CaptureFile;
use crate::connection::ConnectionRecord;
use crate::flow::{PacketId, Timestamp};

/// What the captures hold: everything that tables are made of.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Every WebSocket connection and attempt, in order of first packet: its index is `connection` in the tables.
    pub connections: Vec<ConnectionRecord>,
    /// Every capture file, in the order of analysis: its index is [`PacketId::file`].
    pub captures: Vec<AnalysedCapture>,
}

/// A capture file and what the analysis adds to it.
#[derive(Debug)]
pub struct AnalysedCapture {
    /// What the file itself says.
    pub file: CaptureFile,
    /// Packets whose headers could not be decoded down to TCP or to another known protocol.
    pub undecoded_packets: u64,
    /// Bytes of TCP payload that were on the wire and are not in the file, in WebSocket connections.
    pub missed_bytes: u64,
    /// The number of the first packet of each TCP conversation, ascending: the index is Wireshark's `tcp.stream`.
    pub conversations: Vec<u64>,
}

impl Analysis {
    /// Wireshark's `tcp.stream` of the conversation that begins with `packet`.
    #[must_use]
    pub fn tcp_stream(&self, packet: PacketId) -> Option<usize> {
        self.captures.get(packet.file as usize)?.conversations.binary_search(&packet.number).ok()
    }

    /// The name of the file that holds `packet`.
    #[must_use]
    pub fn capture_name(&self, packet: PacketId) -> Option<&str> {
        self.captures.get(packet.file as usize).map(|capture| capture.file.name.as_str())
    }

    /// The earliest and the latest time of any packet.
    #[must_use]
    pub fn time_span(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.captures.iter().filter_map(|capture| capture.file.first_packet_at).min()?;
        let last = self.captures.iter().filter_map(|capture| capture.file.last_packet_at).max()?;
        Some((first, last))
    }
}
