//! Some batches of packets, read and decoded: what the flow tables take at once.
//!
//! In come the captures' next batches, out goes what their packets hold of each shard, in the order of capture.

use std::sync::Arc;

use rayon::prelude::*;

use crate::capture::{Batch, Captures};
use crate::flow::PacketId;
use crate::limits;
use crate::packet::Fragments;
use crate::tls::Secrets;

use super::piece::{Located, Piece};

/// Batches and what their packets hold. Used again and again, so that nothing is allocated for a packet.
#[derive(Default)]
pub(super) struct Work {
    /// More than were read, maybe: their memory is kept.
    portions: Vec<Portion>,
    read: usize,
    /// All secrets that are known from here on, if there are new ones.
    pub(super) secrets: Option<Arc<Secrets>>,
}

impl Work {
    /// Reads the next batches, and decodes their packets in parallel; `false` if there are none.
    pub(super) fn read(&mut self, captures: &mut Captures, fragments: &mut Fragments) -> bool {
        self.secrets = None;
        self.portions.resize_with(limits::BATCHES_AT_ONCE, Portion::default);
        // Those that are not needed this time keep no long record.
        self.portions.iter_mut().for_each(|portion| portion.batch.clear());
        self.read = 0;
        let mut bytes = 0;
        for portion in &mut self.portions {
            if bytes >= limits::BATCHES_AT_ONCE * limits::BATCH_BYTES || !portion.read(captures) {
                break;
            }
            portion.reassemble(fragments);
            bytes += portion.batch.bytes().len();
            self.read += 1;
        }
        self.read > 0
    }

    pub(super) fn portions(&self) -> &[Portion] {
        self.portions.get(..self.read).unwrap_or_default()
    }

    /// The packets that could not be decoded.
    pub(super) fn undecoded(&self) -> impl Iterator<Item = PacketId> {
        self.portions().iter().flat_map(Portion::undecoded)
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

    /// Puts together what came in fragments. They are rare, and must be taken in the order of capture.
    fn reassemble(&mut self, fragments: &mut Fragments) {
        for piece in self.pieces.iter_mut().take(self.used) {
            for (packet, fragment) in std::mem::take(&mut piece.fragments) {
                let Some(captured) = self.batch.packets().get(packet) else { continue };
                let payload = self.batch.part_of(captured, &fragment.payload);
                if let Some(datagram) = fragments.add(&fragment, payload, captured.time) {
                    piece.datagram(datagram, &self.batch, packet);
                }
            }
        }
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        self.pieces.get(..self.used).unwrap_or_default()
    }

    fn undecoded(&self) -> impl Iterator<Item = PacketId> {
        let packets = self.pieces().iter().flat_map(|piece| &piece.undecoded);
        packets.filter_map(|&packet| Some(self.batch.id_of(self.batch.packets().get(packet)?)))
    }

    /// What it holds of `shard`, in the order of capture.
    pub(super) fn of_shard(&self, shard: usize) -> impl Iterator<Item = &Located> {
        self.pieces().iter().flat_map(move |piece| piece.of_shard(shard))
    }
}
