//! The top-level loop: batches in, shards in parallel, records out.
//!
//! ```text
//!   reader ──batch──▶ pieces of the batch, in parallel ──segments by shard──▶ shards, in parallel ──▶ records
//!   (the next batch is read meanwhile)
//! ```
//!
//! Each shard takes its segments in the order of capture, whatever the number of threads, so that the result does not
//! depend on it.

use rayon::prelude::*;

use crate::capture::{Batch, CaptureFile, Captures, Input, Packet};
use crate::connection::{Connection, ConnectionRecord};
use crate::error::{Error, Result};
use crate::flow::{PacketId, Timestamp};
use crate::limits;
use crate::packet::{self, Decoded, Segment};
use crate::tcp::FlowTable;

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
    /// Bytes of TCP payload that were on the wire and are not in the capture, of the WebSocket connections that begin in
    /// this file.
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

/// How far an analysis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of captures that were read, as they are stored: compressed ones of compressed captures.
    pub bytes: u64,
    /// Bytes of all captures together, as they are stored; `None` if that is not known before the end, as of standard input.
    pub total: Option<u64>,
}

/// Analyses `inputs` in the order of their packets' times, on `threads` threads; 0 is one for each core. `progress` is
/// called after each batch.
///
/// A connection may span several inputs. An input that cannot be read does not stop the others: what was wrong with it
/// is in its [`CaptureFile::problems`].
///
/// # Errors
///
/// [`Error::Threads`] if the threads cannot be started.
pub fn analyze(inputs: Vec<Input>, threads: usize, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Analysis> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|source| Error::Threads { threads, source })
        .map(|pool| pool.install(|| run(inputs, progress)))
}

fn run(inputs: Vec<Input>, progress: &mut (dyn FnMut(Progress) + Send)) -> Analysis {
    let mut captures = Captures::new(inputs);
    let mut pipeline = Pipeline::new();
    let (mut batch, mut next) = (Batch::default(), Batch::default());
    let mut more = captures.next_batch(&mut batch);
    while more {
        ((), more) = rayon::join(|| pipeline.batch(&batch), || captures.next_batch(&mut next));
        progress(Progress { bytes: captures.bytes_read(), total: captures.bytes_total() });
        std::mem::swap(&mut batch, &mut next);
    }
    pipeline.finish(captures.into_files())
}

/// Everything that lives from batch to batch.
struct Pipeline {
    pieces: Vec<Piece>,
    shards: Vec<FlowTable<Connection>>,
    /// What was counted of each file, by its index.
    counts: Vec<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    undecoded_packets: u64,
    conversations: Vec<u64>,
}

/// A part of a batch that one thread decodes, and what it found. Used again and again, so that nothing is allocated for
/// a packet.
struct Piece {
    segments: Vec<Vec<Located>>,
    /// The file of each packet that could not be decoded.
    undecoded: Vec<u32>,
}

/// A segment and which of its batch's packets it is.
struct Located {
    segment: Segment,
    packet: usize,
}

impl Pipeline {
    fn new() -> Self {
        Self {
            pieces: Vec::new(),
            shards: (0..limits::SHARDS).map(|_| FlowTable::default()).collect(),
            counts: Vec::new(),
        }
    }

    fn batch(&mut self, batch: &Batch) {
        let used = self.decode(batch);
        let pieces = self.pieces.get(..used).unwrap_or_default();
        self.shards.par_iter_mut().enumerate().for_each(|(shard, table)| {
            for located in pieces.iter().filter_map(|piece| piece.segments.get(shard)).flatten() {
                feed(table, located, batch);
            }
        });
        self.count(used);
    }

    /// Decodes the packets in parallel: how many pieces that made.
    fn decode(&mut self, batch: &Batch) -> usize {
        let chunks = batch.packets().par_chunks(limits::PIECE_PACKETS);
        let used = chunks.len();
        if self.pieces.len() < used {
            self.pieces.resize_with(used, Piece::new);
        }
        let pieces = self.pieces.par_iter_mut().take(used);
        pieces.zip(chunks).enumerate().for_each(|(index, (piece, packets))| {
            piece.decode(batch, packets, index * limits::PIECE_PACKETS);
        });
        used
    }

    fn count(&mut self, used: usize) {
        let mut begun: Vec<PacketId> = self.shards.iter_mut().flat_map(FlowTable::take_conversations).collect();
        begun.sort_unstable();
        for packet in begun {
            self.counts_of(packet.file).conversations.push(packet.number);
        }
        for index in 0..used {
            let undecoded = self.pieces.get_mut(index).map(|piece| std::mem::take(&mut piece.undecoded));
            for &file in undecoded.iter().flatten() {
                self.counts_of(file).undecoded_packets += 1;
            }
        }
    }

    fn counts_of(&mut self, file: u32) -> &mut Counts {
        let index = file as usize;
        if self.counts.len() <= index {
            self.counts.resize_with(index + 1, Counts::default);
        }
        &mut self.counts[index]
    }

    fn finish(mut self, files: Vec<CaptureFile>) -> Analysis {
        let mut connections: Vec<ConnectionRecord> =
            self.shards.into_par_iter().flat_map_iter(FlowTable::finish).collect();
        // Attempts that begin with the same packet are of one connection, and so in order already. Packets of one file
        // have the order of the file, those of several files the order of time.
        let by_time = files.len() > 1;
        connections.par_sort_by_key(|record| (by_time.then_some(record.opened_at), record.first_packet));
        self.counts.resize_with(files.len(), Counts::default);
        let mut captures: Vec<AnalysedCapture> = files
            .into_iter()
            .zip(self.counts)
            .map(|(file, counts)| AnalysedCapture {
                file,
                undecoded_packets: counts.undecoded_packets,
                missed_bytes: 0,
                conversations: counts.conversations,
            })
            .collect();
        for record in &connections {
            if let Some(capture) = captures.get_mut(record.first_packet.file as usize) {
                capture.missed_bytes += record.missed_bytes;
            }
        }
        Analysis { connections, captures }
    }
}

impl Piece {
    fn new() -> Self {
        Self { segments: (0..limits::SHARDS).map(|_| Vec::new()).collect(), undecoded: Vec::new() }
    }

    /// Decodes `packets`, the first of which is the batch's packet number `first`, from 0.
    fn decode(&mut self, batch: &Batch, packets: &[Packet], first: usize) {
        self.undecoded.clear();
        self.segments.iter_mut().for_each(Vec::clear);
        for (index, captured) in packets.iter().enumerate() {
            match packet::decode(captured.link_type, batch.bytes_of(captured), captured.original) {
                Decoded::Other => {}
                Decoded::Undecoded => self.undecoded.push(batch.id_of(captured).file),
                Decoded::Segment(segment) => {
                    if let Some(shard) = self.segments.get_mut(segment.key.shard(limits::SHARDS)) {
                        shard.push(Located { segment, packet: first + index });
                    }
                }
            }
        }
    }
}

fn feed(table: &mut FlowTable<Connection>, located: &Located, batch: &Batch) {
    let Some(packet) = batch.packets().get(located.packet) else { return };
    let payload = &located.segment.payload;
    let bytes = batch.bytes_of(packet).get(payload.start as usize..payload.end as usize).unwrap_or_default();
    table.segment(&located.segment, bytes, batch.id_of(packet), packet.time);
}
