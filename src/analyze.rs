//! The top-level loop: captures in, everything that tables are made of out.
//!
//! ```text
//!   captures ──▶ pipeline: portions ─▶ shards ─▶ records ──▶ order, causes ──▶ Analysis
//!      ▲  (the next ones are read and decoded meanwhile) │
//!      └───── once more, with all secrets, if some of ───┘
//!            those that were needed came too late
//! ```
//!
//! Captures may hold TLS secrets behind the packets that they open. Only then, and only if its inputs can be read again, is
//! everything read a second time.

use std::iter;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::capture::{CaptureFile, Captures, Input};
use crate::cause;
use crate::close_code::CloseCode;
use crate::connection::{ConnectionRecord, TlsFailure};
use crate::error::{Error, Result};
use crate::flow::{PacketId, Timestamp};
use crate::tls::Secrets;

mod connections;
mod contents;
mod feed;
mod filter;
mod jobs;
mod pipeline;
mod portion;
mod reader;
#[cfg(test)]
mod several_tests;
mod tls_endpoints;

use connections::Order;
use pipeline::Outcome;
use reader::Reader;

pub use connections::Connections;
pub use filter::{Filter, Host};
pub use tls_endpoints::WebSocketServer;

/// What the captures hold: everything that tables are made of.
#[derive(Debug, Default)]
pub struct Analysis {
    /// Every WebSocket connection and attempt, in order of first packet: its index is `connection` in the tables.
    pub connections: Connections,
    /// Every TLS handshake that failed, in order of packet, and which of [`Self::connections`] it was to be; `None` if its
    /// endpoint is not known to serve WebSockets.
    pub tls_failures: Vec<(Option<u64>, TlsFailure)>,
    /// Every capture file, in the order of analysis: its index is [`PacketId::file`].
    pub captures: Vec<AnalysedCapture>,
    /// The clients that came back, where that was settled before what tells clients apart was taken out.
    pub(crate) successors: Option<Vec<Reconnect>>,
    /// TLS connections that could not be decrypted because their secrets are not known; a WebSocket in one is not in
    /// [`Self::connections`].
    pub locked_tls: u64,
    /// The TLS secrets that were known, of the options and of the captures; not to be shown.
    pub(crate) secrets: Arc<Secrets>,
}

/// A client that came back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reconnect {
    /// The number of the connection that closed.
    pub connection: u64,
    /// The number of the one that its client established next.
    pub next_connection: u64,
    /// The close code of the one that closed.
    pub code: CloseCode,
    /// When the first packet of the next one was captured.
    pub back_at: Timestamp,
    /// Milliseconds from the close to that.
    pub delay_ms: f64,
}

/// A capture file and what the analysis adds to it.
#[derive(Debug)]
pub struct AnalysedCapture {
    /// What the file itself says.
    pub file: CaptureFile,
    /// Packets whose headers could not be decoded down to TCP or to another known protocol.
    pub undecoded_packets: u64,
    /// WebSocket connections and attempts that begin in this file.
    pub connections: u64,
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
        self.captures.get(packet.file() as usize)?.conversations.binary_search(&packet.number()).ok()
    }

    /// The name of the file that holds `packet`.
    #[must_use]
    pub fn capture_name(&self, packet: PacketId) -> Option<&str> {
        self.captures.get(packet.file() as usize).map(|capture| capture.file.name.as_str())
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

/// Analyses `inputs` in the order of their packets' times. `progress` is called whenever some batches were read.
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
    let outcome = pass(inputs, options, &options.secrets, progress);
    let outcome = match outcome.late_secrets(&options.secrets).zip(again) {
        Some((secrets, inputs)) => pass(inputs, options, &secrets, progress),
        None => outcome,
    };
    analysis_of(outcome, options)
}

/// Reads the captures once; `secrets` are known from the beginning, beside those in the captures.
fn pass(
    inputs: Vec<Input>,
    options: &Options,
    secrets: &Secrets,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Outcome {
    pipeline::run(Reader::new(Captures::new(inputs), secrets, progress), &options.filter)
}

/// All connections are known: in order, and each with what the others tell of it.
fn analysis_of(outcome: Outcome, options: &Options) -> Analysis {
    let Outcome { connections: mut stores, mut tls_failures, mut locked, secrets, .. } = outcome;
    locked.sort_unstable();
    locked.dedup();
    stores.push(tls_endpoints::failed(&stores, &tls_failures, &options.websocket_servers));
    let order = if outcome.files.len() > 1 { Order::Time } else { Order::Packet };
    let captures = analysed_captures(outcome.files, outcome.undecoded_packets, outcome.conversations);
    let seen = Mutex::new(Seen { captures, common: cause::Gathering::default() });
    let mut connections = Connections::gather(stores, order, |record| {
        let wanted = options.filter.wants_connection(record);
        if let Some(mut seen) = seen.lock().ok().filter(|_| wanted) {
            seen.add(record);
        }
        wanted
    });
    let Seen { captures, common } = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let common = common.finish();
    connections.alter(move |record| common.tell(record));
    tls_failures.sort_by_key(|failure| failure.packet);
    let failed = tls_endpoints::numbers(&tls_failures, &connections);
    Analysis {
        tls_failures: failed.into_iter().zip(tls_failures).collect(),
        captures,
        connections,
        successors: None,
        locked_tls: locked.len() as u64,
        secrets,
    }
}

/// What all connections together tell.
struct Seen {
    captures: Vec<AnalysedCapture>,
    common: cause::Gathering,
}

impl Seen {
    fn add(&mut self, record: &ConnectionRecord) {
        self.common.add(record);
        if let Some(capture) = self.captures.get_mut(record.first_packet.file() as usize) {
            capture.connections += 1;
            capture.missed_bytes += record.missed_bytes;
        }
    }
}

/// The `files`, each with what was counted of it, and the `conversations` that begin in it.
fn analysed_captures(
    files: Vec<CaptureFile>,
    undecoded_packets: Vec<u64>,
    mut conversations: Vec<PacketId>,
) -> Vec<AnalysedCapture> {
    conversations.par_sort_unstable();
    let mut of_files = conversations.chunk_by(|one, next| one.file() == next.file()).peekable();
    let undecoded_packets = undecoded_packets.into_iter().chain(iter::repeat(0));
    let counted = files.into_iter().zip(undecoded_packets).zip(0..).map(|((file, undecoded_packets), index)| {
        let begun = of_files.next_if(|begun| begun.first().is_some_and(|packet| packet.file() == index));
        let conversations = begun.unwrap_or_default().iter().map(|packet| packet.number()).collect();
        AnalysedCapture { file, undecoded_packets, connections: 0, missed_bytes: 0, conversations }
    });
    counted.collect()
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
                assert_eq!(found.first_packet.number(), number(expected.first_packet.number()));
                assert_eq!(found.last_packet.number(), number(expected.last_packet.number()));
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
