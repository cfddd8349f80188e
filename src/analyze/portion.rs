//! A batch of packets and what they hold, from being read to being taken by the flow tables.
//!
//! In come the captures' next packets; out goes what they hold of each shard, in the order of capture.

use std::sync::Arc;

use crate::capture::{Batch, Captures};
use crate::flow::PacketId;
use crate::packet::Fragments;
use crate::tls::Secrets;

use super::contents::Contents;

/// A batch and what its packets hold. Used again and again, so that nothing is allocated for a packet.
#[derive(Default)]
pub(super) struct Portion {
    pub(super) batch: Batch,
    pub(super) contents: Contents,
    /// All TLS secrets that are known from here on, if there are new ones.
    pub(super) secrets: Option<Arc<Secrets>>,
}

impl Portion {
    /// Reads the next batch; `false` if there is none.
    pub(super) fn read(&mut self, captures: &mut Captures) -> bool {
        captures.next_batch(&mut self.batch)
    }

    /// Decodes its packets.
    pub(super) fn decode(&mut self) {
        self.contents.decode(&self.batch);
    }

    /// Puts together what came in fragments. They are rare, and must be taken in the order of capture.
    pub(super) fn reassemble(&mut self, fragments: &mut Fragments) {
        for (packet, fragment) in self.contents.take_fragments() {
            let Some(captured) = self.batch.packets().get(packet) else { continue };
            let payload = self.batch.part_of(captured, &fragment.payload);
            if let Some(datagram) = fragments.add(&fragment, payload, captured.time) {
                self.contents.datagram(datagram, &self.batch, packet);
            }
        }
    }

    /// Empties it, so that it keeps no long record while it is not needed.
    pub(super) fn clear(&mut self) {
        self.batch.clear();
        self.contents.clear();
        self.secrets = None;
    }

    /// The packets that could not be decoded.
    pub(super) fn undecoded(&self) -> impl Iterator<Item = PacketId> {
        let packets = self.contents.undecoded().iter();
        packets.filter_map(|&packet| Some(self.batch.id_of(self.batch.packets().get(packet)?)))
    }
}
