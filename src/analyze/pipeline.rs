//! Everything that lives from batch to batch: packets in, in the order of capture, and at the end what they were.
//!
//! ```text
//!   batch ──▶ pieces, in parallel ──segments by shard──▶ flow tables, in parallel ──▶ records
//!                   └── fragments, one after the other ──▲
//! ```
//!
//! Each shard takes its segments in the order of capture, whatever the number of threads, so that the result does not
//! depend on it.

use std::sync::Arc;

use rayon::prelude::*;

use crate::capture::Batch;
use crate::connection::{Connection, Store, TlsFailure};
use crate::flow::PacketId;
use crate::limits;
use crate::packet::Fragments;
use crate::tcp::FlowTable;
use crate::tls::{Random, Secrets};

use super::filter::Filter;
use super::piece::{self, Piece};

/// Everything that lives from batch to batch.
pub(super) struct Pipeline<'a> {
    filter: &'a Filter,
    pieces: Vec<Piece>,
    fragments: Fragments,
    shards: Vec<FlowTable<Connection>>,
    secrets: Arc<Secrets>,
    /// What was counted of each file, by its index.
    counts: Vec<Counts>,
}

/// What was counted of one file.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) undecoded_packets: u64,
    /// [`super::AnalysedCapture::conversations`].
    pub(super) conversations: Vec<u64>,
}

/// What all batches together gave, in no particular order.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Of each shard, the connections in the order in which they ended.
    pub(super) connections: Vec<Store>,
    pub(super) tls_failures: Vec<TlsFailure>,
    /// Of each file, by its index; those behind the last one that has any may be missing.
    pub(super) counts: Vec<Counts>,
    /// All secrets that are known by now.
    pub(super) secrets: Arc<Secrets>,
    /// The client's randoms of connections whose secrets were not known when they were needed.
    pub(super) locked: Vec<Random>,
}

impl Outcome {
    /// All secrets, if some of those that were needed came later than they were. `known` were there from the beginning.
    pub(super) fn late_secrets(&self, known: &Secrets) -> Option<Secrets> {
        let came_later = |random| known.of(random).is_none() && self.secrets.of(random).is_some();
        self.locked.iter().any(came_later).then(|| Secrets::clone(&self.secrets))
    }
}

impl<'a> Pipeline<'a> {
    pub(super) fn new(filter: &'a Filter) -> Self {
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
    pub(super) fn learn(&mut self, secrets: &Secrets) {
        self.secrets = Arc::new(secrets.clone());
        for table in &mut self.shards {
            table.output_mut().secrets = Arc::clone(&self.secrets);
        }
    }

    /// Key logs that were found in the captures.
    pub(super) fn read_key_logs(&mut self, logs: &[Box<[u8]>]) {
        if logs.is_empty() {
            return;
        }
        let mut secrets = Secrets::clone(&self.secrets);
        for log in logs {
            secrets.add_key_log(log);
        }
        self.learn(&secrets);
    }

    /// Takes the next batch.
    pub(super) fn batch(&mut self, batch: &Batch) {
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
                let payload = piece::slice(batch.bytes_of(captured), &fragment.payload);
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
            counts_of(&mut self.counts, packet.file()).conversations.push(packet.number());
        }
        for &index in self.pieces.iter().take(used).flat_map(|piece| &piece.undecoded) {
            let Some(packet) = batch.packets().get(index) else { continue };
            counts_of(&mut self.counts, batch.id_of(packet).file()).undecoded_packets += 1;
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(self) -> Outcome {
        let workplaces: Vec<_> = self.shards.into_par_iter().map(FlowTable::finish).collect();
        let mut outcome = Outcome { counts: self.counts, secrets: self.secrets, ..Outcome::default() };
        for workplace in workplaces {
            outcome.connections.push(workplace.finished);
            outcome.tls_failures.extend(workplace.tls_failures);
            outcome.locked.extend(workplace.locked);
        }
        outcome
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
