//! The work on the packets, batch by batch, and everything that lives from one batch to the next.
//!
//! ```text
//!   captures ──▶ batches ──▶ pieces, in parallel ──segments by shard──▶ flow tables, in parallel ──▶ records
//!   └─────────────── Work ───────────────┘  └── fragments, one after the other ──▲
//! ```
//!
//! While the flow tables take some batches, the next ones are read and decoded, by whichever thread has the time: so what was
//! just read is decoded where it still is in the cache, and there is one moment for all of them at which threads wait for each
//! other. Each shard takes the segments of a flow in the order of capture, whatever the number of threads, so that the result
//! does not depend on it.

use std::sync::Arc;

use rayon::prelude::*;

use crate::capture::{Batch, Captures};
use crate::connection::{Connection, Store, TlsFailure};
use crate::flow::PacketId;
use crate::limits;
use crate::packet::Fragments;
use crate::tcp::FlowTable;
use crate::tls::{Random, Secrets};

use super::feed::feed;
use super::filter::Filter;
use super::piece::{Located, Piece};

/// Batches and what their packets hold. Used again and again, so that nothing is allocated for a packet.
#[derive(Default)]
pub(super) struct Work {
    /// More than were read, maybe: their memory is kept.
    portions: Vec<Portion>,
    read: usize,
}

impl Work {
    /// Reads the next batches, and decodes their packets in parallel; `false` if there are none.
    pub(super) fn read(&mut self, captures: &mut Captures) -> bool {
        self.portions.resize_with(limits::BATCHES_AT_ONCE, Portion::default);
        // Those that are not needed this time keep no long record.
        self.portions.iter_mut().for_each(|portion| portion.batch.clear());
        self.read = 0;
        let mut bytes = 0;
        for portion in &mut self.portions {
            if bytes >= limits::BATCHES_AT_ONCE * limits::BATCH_BYTES || !portion.read(captures) {
                break;
            }
            bytes += portion.batch.bytes().len();
            self.read += 1;
        }
        self.read > 0
    }

    fn portions(&self) -> &[Portion] {
        self.portions.get(..self.read).unwrap_or_default()
    }

    fn portions_mut(&mut self) -> &mut [Portion] {
        self.portions.get_mut(..self.read).unwrap_or_default()
    }
}

/// A batch and what its packets hold.
#[derive(Default)]
pub(super) struct Portion {
    pub(super) batch: Batch,
    /// More than the batch has, maybe: those of larger ones are kept.
    pieces: Vec<Piece>,
    used: usize,
}

impl Portion {
    fn read(&mut self, captures: &mut Captures) -> bool {
        let more = captures.next_batch(&mut self.batch);
        self.decode();
        more
    }

    fn decode(&mut self) {
        let chunks = self.batch.packets().par_chunks(limits::PIECE_PACKETS);
        self.used = chunks.len();
        if self.pieces.len() < self.used {
            self.pieces.resize_with(self.used, Piece::new);
        }
        let (batch, pieces) = (&self.batch, self.pieces.par_iter_mut().take(self.used));
        pieces.zip(chunks).enumerate().for_each(|(index, (piece, packets))| {
            piece.decode(batch, packets, index * limits::PIECE_PACKETS);
        });
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        self.pieces.get(..self.used).unwrap_or_default()
    }

    /// What it holds of `shard`, in the order of capture.
    pub(super) fn of_shard(&self, shard: usize) -> impl Iterator<Item = &Located> {
        self.pieces().iter().flat_map(move |piece| piece.of_shard(shard))
    }
}

/// Everything that lives from batch to batch.
pub(super) struct Pipeline<'a> {
    filter: &'a Filter,
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

    /// Takes the next batches.
    pub(super) fn take(&mut self, work: &mut Work) {
        for portion in work.portions_mut() {
            self.reassemble(portion);
        }
        let (portions, filter) = (work.portions(), self.filter);
        self.shards
            .par_iter_mut()
            .enumerate()
            .with_max_len(limits::SHARDS_IN_A_ROW)
            .for_each(|(shard, table)| feed(portions, shard, table, filter));
        self.count(portions);
    }

    /// Puts together what came in fragments. They are rare, and must be taken in the order of capture.
    fn reassemble(&mut self, portion: &mut Portion) {
        for piece in portion.pieces.iter_mut().take(portion.used) {
            for (packet, fragment) in std::mem::take(&mut piece.fragments) {
                let Some(captured) = portion.batch.packets().get(packet) else { continue };
                let payload = portion.batch.part_of(captured, &fragment.payload);
                if let Some(datagram) = self.fragments.add(&fragment, payload, captured.time) {
                    piece.datagram(datagram, &portion.batch, packet);
                }
            }
        }
    }

    fn count(&mut self, portions: &[Portion]) {
        let mut begun: Vec<PacketId> = self.shards.iter_mut().flat_map(FlowTable::take_conversations).collect();
        begun.sort_unstable();
        for packet in begun {
            counts_of(&mut self.counts, packet.file()).conversations.push(packet.number());
        }
        for portion in portions {
            for &index in portion.pieces().iter().flat_map(|piece| &piece.undecoded) {
                let Some(packet) = portion.batch.packets().get(index) else { continue };
                counts_of(&mut self.counts, portion.batch.id_of(packet).file()).undecoded_packets += 1;
            }
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
