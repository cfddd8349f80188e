//! The top-level loop: batches in, shards in parallel, records out.
//!
//! ```text
//!   reader ──batch──▶ pieces of the batch, in parallel ──segments by shard──▶ shards, in parallel ──▶ records
//!   (the next batch is read meanwhile)
//! ```
//!
//! Each shard takes its segments in the order of capture, whatever the number of threads, so that the result does not
//! depend on it.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::capture::{Batch, CaptureFile, Captures, Input, Packet};
use crate::cause;
use crate::connection::{Connection, ConnectionRecord, TlsFailure};
use crate::error::{Error, Result};
use crate::flow::{FlowKey, PacketId, Timestamp};
use crate::limits;
use crate::packet::{self, Datagram, Decoded, Fragment, Fragments, Quoted, Segment};
use crate::tcp::FlowTable;
use crate::tls::Secrets;

mod filter;
#[cfg(test)]
mod several_tests;
mod tls_endpoints;

pub use filter::{Filter, Host};
pub use tls_endpoints::WebSocketServer;

/// What the captures hold: everything that tables are made of.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Every WebSocket connection and attempt, in order of first packet: its index is `connection` in the tables.
    pub connections: Vec<ConnectionRecord>,
    /// Every TLS handshake that failed, in order of packet, and which of [`Self::connections`] it was to be; `None` if its
    /// endpoint is not known to serve WebSockets.
    pub tls_failures: Vec<(Option<u64>, TlsFailure)>,
    /// Every capture file, in the order of analysis: its index is [`PacketId::file`].
    pub captures: Vec<AnalysedCapture>,
    /// Which connection of a client followed which, with the milliseconds between, where that was settled before what tells
    /// clients apart was taken out.
    pub(crate) successors: Option<Vec<(u64, u64, f64)>>,
    /// TLS connections that could not be decrypted because their secrets are not known; a WebSocket in one is not in
    /// [`Self::connections`].
    pub locked_tls: u64,
    /// The TLS secrets that were known, of the options and of the captures; not to be shown.
    pub(crate) secrets: Arc<Secrets>,
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

/// What can be chosen about an analysis.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Threads to work with; 0 for one for each core. The result does not depend on it.
    pub threads: usize,
    /// What is looked into.
    pub filter: Filter,
    /// TLS secrets, beside those in the captures.
    pub secrets: Secrets,
    /// Servers of WebSockets: failed TLS handshakes with them count as 1015, as with those that serve WebSockets in the
    /// captures.
    pub websocket_servers: Vec<WebSocketServer>,
}

/// Analyses `inputs` in the order of their packets' times. `progress` is called after each batch.
///
/// A connection may span several inputs. An input that cannot be read does not stop the others: what was wrong with it
/// is in its [`CaptureFile::problems`].
///
/// # Errors
///
/// [`Error::Threads`] if the threads cannot be started.
pub fn analyze(inputs: Vec<Input>, options: &Options, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Analysis> {
    let threads = options.threads;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|source| Error::Threads { threads, source })
        .map(|pool| pool.install(|| run(inputs, options, progress)))
}

fn run(inputs: Vec<Input>, options: &Options, progress: &mut (dyn FnMut(Progress) + Send)) -> Analysis {
    let again: Option<Vec<Input>> = inputs.iter().map(Input::again).collect();
    let (analysis, late) = pass(inputs, options, &options.secrets, progress);
    match late.zip(again) {
        Some((secrets, inputs)) => pass(inputs, options, &secrets, progress).0,
        None => analysis,
    }
}

/// Analyses the captures with these `secrets` and those in the captures. Beside the result it gives all secrets, if some
/// came later than they were needed.
fn pass(
    inputs: Vec<Input>,
    options: &Options,
    secrets: &Secrets,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> (Analysis, Option<Secrets>) {
    let mut captures = Captures::new(inputs);
    let mut pipeline = Pipeline::new(&options.filter);
    pipeline.learn(secrets);
    let (mut batch, mut next) = (Batch::default(), Batch::default());
    let mut more = captures.next_batch(&mut batch);
    while more {
        pipeline.read_key_logs(&captures.take_key_logs());
        ((), more) = rayon::join(|| pipeline.batch(&batch), || captures.next_batch(&mut next));
        progress(Progress { bytes: captures.bytes_read(), total: captures.bytes_total() });
        std::mem::swap(&mut batch, &mut next);
    }
    pipeline.read_key_logs(&captures.take_key_logs());
    pipeline.finish(captures.into_files(), options, secrets)
}

/// Everything that lives from batch to batch.
struct Pipeline<'a> {
    filter: &'a Filter,
    pieces: Vec<Piece>,
    fragments: Fragments,
    shards: Vec<FlowTable<Connection>>,
    secrets: Arc<Secrets>,
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
    /// By shard, in order of capture.
    segments: Vec<Vec<Located>>,
    fragments: Vec<(usize, Fragment)>,
    /// Datagrams that fragments have made whole.
    datagrams: Vec<Datagram>,
    /// Which of the batch's packets could not be decoded.
    undecoded: Vec<usize>,
}

/// Something of TCP and where it is.
struct Located {
    found: Found,
    /// Which of its batch's packets it is; of one that came in fragments, the one that made it whole.
    packet: usize,
    /// Which of its piece's datagrams holds it, if it came in fragments.
    datagram: Option<usize>,
}

enum Found {
    Segment(Segment),
    Quoted(Quoted),
}

impl<'a> Pipeline<'a> {
    fn new(filter: &'a Filter) -> Self {
        Self {
            filter,
            pieces: Vec::new(),
            fragments: Fragments::default(),
            shards: (0..limits::SHARDS).map(|_| FlowTable::default()).collect(),
            counts: Vec::new(),
            secrets: Arc::default(),
        }
    }

    /// From now on these secrets are known.
    fn learn(&mut self, secrets: &Secrets) {
        self.secrets = Arc::new(secrets.clone());
        for table in &mut self.shards {
            table.output_mut().secrets = Arc::clone(&self.secrets);
        }
    }

    /// Key logs that were found in the captures.
    fn read_key_logs(&mut self, logs: &[Box<[u8]>]) {
        if logs.is_empty() {
            return;
        }
        let mut secrets = Secrets::clone(&self.secrets);
        for log in logs {
            secrets.add_key_log(log);
        }
        self.learn(&secrets);
    }

    fn batch(&mut self, batch: &Batch) {
        let used = self.decode(batch);
        self.reassemble(batch, used);
        let (pieces, filter) = (self.pieces.get(..used).unwrap_or_default(), self.filter);
        self.shards.par_iter_mut().enumerate().for_each(|(shard, table)| {
            for piece in pieces {
                piece.feed(shard, table, batch, filter);
            }
        });
        self.count(batch, used);
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

    /// Puts together what came in fragments. They are rare, and must be taken in the order of capture.
    fn reassemble(&mut self, batch: &Batch, used: usize) {
        for piece in self.pieces.iter_mut().take(used) {
            for (packet, fragment) in std::mem::take(&mut piece.fragments) {
                let Some(captured) = batch.packets().get(packet) else { continue };
                let payload = slice(batch.bytes_of(captured), &fragment.payload);
                if let Some(datagram) = self.fragments.add(&fragment, payload, captured.time) {
                    piece.datagram(datagram, packet);
                }
            }
        }
    }

    fn count(&mut self, batch: &Batch, used: usize) {
        let mut begun: Vec<PacketId> = self.shards.iter_mut().flat_map(FlowTable::take_conversations).collect();
        begun.sort_unstable();
        for packet in begun {
            counts_of(&mut self.counts, packet.file).conversations.push(packet.number);
        }
        for &index in self.pieces.iter().take(used).flat_map(|piece| &piece.undecoded) {
            let Some(packet) = batch.packets().get(index) else { continue };
            counts_of(&mut self.counts, batch.id_of(packet).file).undecoded_packets += 1;
        }
    }

    fn finish(mut self, files: Vec<CaptureFile>, options: &Options, known: &Secrets) -> (Analysis, Option<Secrets>) {
        let results: Vec<_> = self.shards.into_par_iter().map(FlowTable::finish).collect();
        let (mut connections, mut tls_failures, mut locked) = (Vec::new(), Vec::new(), Vec::new());
        for workplace in results {
            locked.extend(workplace.locked);
            connections.extend(workplace.records);
            tls_failures.extend(workplace.tls_failures);
        }
        let came_later = |random| known.of(random).is_none() && self.secrets.of(random).is_some();
        let late = locked.iter().any(came_later).then(|| Secrets::clone(&self.secrets));
        locked.sort_unstable();
        locked.dedup();
        tls_endpoints::add_failed(&mut connections, &tls_failures, &options.websocket_servers);
        connections.retain(|record| self.filter.wants_connection(record));
        // Attempts that begin with the same packet are of one connection, and so in order already. Packets of one file
        // have the order of the file, those of several files the order of time.
        let by_time = files.len() > 1;
        connections.par_sort_by_key(|record| (by_time.then_some(record.opened_at), record.first_packet));
        cause::tell(&mut connections);
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
        tls_failures.sort_by_key(|failure| failure.packet);
        let failed = tls_endpoints::connections(&tls_failures, &connections);
        let tls_failures = failed.into_iter().zip(tls_failures).collect();
        for record in &connections {
            if let Some(capture) = captures.get_mut(record.first_packet.file as usize) {
                capture.missed_bytes += record.missed_bytes;
            }
        }
        let locked_tls = locked.len() as u64;
        (Analysis { connections, tls_failures, captures, successors: None, locked_tls, secrets: self.secrets }, late)
    }
}

/// What was counted of `file`, to be changed.
fn counts_of(counts: &mut Vec<Counts>, file: u32) -> &mut Counts {
    let index = file as usize;
    if counts.len() <= index {
        counts.resize_with(index + 1, Counts::default);
    }
    &mut counts[index]
}

impl Piece {
    fn new() -> Self {
        Self {
            segments: (0..limits::SHARDS).map(|_| Vec::new()).collect(),
            fragments: Vec::new(),
            datagrams: Vec::new(),
            undecoded: Vec::new(),
        }
    }

    /// Decodes `packets`, the first of which is the batch's packet number `first`, from 0.
    fn decode(&mut self, batch: &Batch, packets: &[Packet], first: usize) {
        self.undecoded.clear();
        self.datagrams.clear();
        self.segments.iter_mut().for_each(Vec::clear);
        for (index, captured) in packets.iter().enumerate() {
            let packet = first + index;
            match packet::decode(captured.link_type, batch.bytes_of(captured), captured.original) {
                Decoded::Segment(segment) => {
                    self.shard_of(&segment.key).push(Located {
                        found: Found::Segment(segment),
                        packet,
                        datagram: None,
                    });
                }
                Decoded::Quoted(quoted) => {
                    let found = Found::Quoted(quoted);
                    self.shard_of(&quoted.key).push(Located { found, packet, datagram: None });
                }
                Decoded::Fragment(fragment) => self.fragments.push((packet, fragment)),
                Decoded::Other => {}
                Decoded::Undecoded => self.undecoded.push(packet),
            }
        }
    }

    /// Adds what the batch's packet number `packet` made whole, in its place.
    fn datagram(&mut self, datagram: Datagram, packet: usize) {
        match packet::decode_datagram(&datagram) {
            Decoded::Segment(segment) => self.insert(segment.key, Found::Segment(segment), packet),
            Decoded::Quoted(quoted) => self.insert(quoted.key, Found::Quoted(quoted), packet),
            // Fragments within fragments are not followed.
            Decoded::Fragment(_) | Decoded::Other => {}
            Decoded::Undecoded => self.undecoded.push(packet),
        }
        self.datagrams.push(datagram);
    }

    /// Adds what the next datagram holds, in the place of the batch's packet number `packet`.
    fn insert(&mut self, key: FlowKey, found: Found, packet: usize) {
        let datagram = Some(self.datagrams.len());
        let shard = self.shard_of(&key);
        let place = shard.partition_point(|other| other.packet <= packet);
        shard.insert(place, Located { found, packet, datagram });
    }

    fn shard_of(&mut self, key: &FlowKey) -> &mut Vec<Located> {
        &mut self.segments[key.shard(limits::SHARDS)]
    }

    /// Hands the segments of `shard` to its table.
    fn feed(&self, shard: usize, table: &mut FlowTable<Connection>, batch: &Batch, filter: &Filter) {
        for located in self.segments.get(shard).into_iter().flatten() {
            let Some(packet) = batch.packets().get(located.packet) else { continue };
            let (id, time) = (batch.id_of(packet), packet.time);
            let segment = match &located.found {
                Found::Segment(segment) => segment,
                Found::Quoted(quoted) => {
                    table.quoted(quoted, id, time);
                    continue;
                }
            };
            if !filter.wants_segment(&segment.key, time) {
                table.leave_out(segment, id, time);
                continue;
            }
            let datagram = located.datagram.and_then(|index| self.datagrams.get(index));
            let bytes = datagram.map_or_else(|| batch.bytes_of(packet), |datagram| &datagram.bytes);
            let begin = segment.payload.start.saturating_sub(u32::from(segment.header));
            table.segment(segment, slice(bytes, &(begin..segment.payload.end)), id, time);
        }
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections over Ethernet and IPv4.
    const CLEAN: &[u8] = include_bytes!("../samples/1000-clean.pcap");
    const HEADER: usize = 24;

    fn analysis(capture: Vec<u8>) -> Analysis {
        let input = Input::reader("test", Box::new(std::io::Cursor::new(capture)));
        analyze(vec![input], &Options::default(), &mut |_| {}).unwrap()
    }

    /// The records of the capture's first connection, each with its header.
    fn records() -> Vec<&'static [u8]> {
        let (mut records, mut rest) = (Vec::new(), &CLEAN[HEADER..]);
        while !rest.is_empty() {
            let length = u32::from_le_bytes(*rest[8..].first_chunk().unwrap()) as usize;
            let (record, others) = rest.split_at(16 + length);
            records.push(record);
            rest = others;
        }
        let client = &records[0][50..52];
        records.retain(|record| &record[50..52] == client || &record[52..54] == client);
        records
    }

    /// A record at the time of `record` with an ICMP error that quotes its IPv4 packet, with another source port.
    fn error_about(record: &[u8], port: Option<u16>, sequence: Option<u32>) -> Vec<u8> {
        let mut quoted = record[16 + 14..].to_vec();
        if let Some(port) = port {
            quoted[20..22].copy_from_slice(&port.to_be_bytes());
        }
        if let Some(sequence) = sequence {
            quoted[24..28].copy_from_slice(&sequence.to_be_bytes());
        }
        let total = u16::try_from(20 + 8 + quoted.len()).unwrap().to_be_bytes();
        let ip = [0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 9, 192, 0, 2, 1];
        let frame = [&record[16..30], &ip, &[3, 1, 0, 0, 0, 0, 0, 0], &quoted].concat();
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        [&record[..8], &length, &length, &frame].concat()
    }

    /// What an analysis of `records` says: where conversations begin, and which one the connection is.
    fn streams(records: &[&[u8]]) -> (Vec<u64>, Option<usize>) {
        let analysis = analysis([&CLEAN[..HEADER], &records.concat()].concat());
        let [record] = analysis.connections.as_slice() else { panic!("one connection") };
        let stream = analysis.tcp_stream(record.conversation);
        (analysis.captures[0].conversations.clone(), stream)
    }

    #[test]
    fn quoted_headers_count_as_conversations() {
        let records = records();
        assert_eq!(streams(&records), (vec![1], Some(0)));
        let (own, other) = (error_about(records[0], None, None), error_about(records[0], Some(9), None));
        assert_eq!(streams(&[&[&other[..]], &records[..]].concat()), (vec![1, 2], Some(1)));
        assert_eq!(streams(&[&[&own[..]], &records[..]].concat()), (vec![1], Some(0)));
        assert_eq!(streams(&[&[&own[..], &other[..]], &records[..]].concat()), (vec![1, 2], Some(0)));
        assert_eq!(
            streams(&[&records[..], &[&own[..], &other[..]]].concat()),
            (vec![1, records.len() as u64 + 2], Some(0))
        );
    }

    #[test]
    fn quoted_headers_change_nothing_else() {
        let records = records();
        let expected = analysis([&CLEAN[..HEADER], &records.concat()].concat());
        let expected = &expected.connections[0];
        for place in 0..=records.len() {
            for sequence in [None, Some(0), Some(0x9470_4e3b_u32.wrapping_add(500))] {
                let about = records[place.min(records.len() - 1)];
                let error = error_about(about, None, sequence);
                let all = [&records[..place], &[&error[..]], &records[place..]].concat();
                let found = analysis([&CLEAN[..HEADER], &all.concat()].concat());
                let [found] = found.connections.as_slice() else { panic!("one connection") };
                let number = |number: u64| number + u64::from(number > place as u64);
                assert_eq!(found.first_packet.number, number(expected.first_packet.number));
                assert_eq!(found.last_packet.number, number(expected.last_packet.number));
                assert_eq!(
                    (found.opened_at, found.ended_at, found.messages, found.payload_bytes, found.missed_bytes),
                    (expected.opened_at, expected.ended_at, expected.messages, expected.payload_bytes, 0)
                );
                assert_eq!(found.verdict, expected.verdict);
                assert!(found.complete);
            }
        }
    }
}
