//! One open file among those that are read side by side: the batch that was read last, and how far it is used.

use super::reader::Reader;
use super::{Batch, CaptureFile, Packet, Problem};
use crate::flow::Timestamp;
use crate::limits;

/// An open file and its packets that were read and not yet given out.
pub(super) struct Lane {
    reader: Reader,
    batch: Batch,
    /// Which of the batch's packets is the next one.
    at: usize,
    /// Whether the file may have more behind the batch.
    more: bool,
    /// Which file: [`crate::flow::PacketId::file`].
    file: u32,
    /// Whether it was opened later than its first packet's time demands.
    late: bool,
}

impl Lane {
    /// The `file` that `reader` reads, of which nothing was read yet.
    pub(super) fn new(reader: Reader, file: u32) -> Self {
        Self { reader, batch: Batch::default(), at: 0, more: true, file, late: false }
    }

    /// The file that `reader` reads, of which `batch` was read already; whether it may have `more`.
    pub(super) fn begun(reader: Reader, batch: Batch, more: bool, file: u32) -> Self {
        Self { batch, more, ..Self::new(reader, file) }
    }

    /// Which file: [`crate::flow::PacketId::file`].
    pub(super) const fn file(&self) -> u32 {
        self.file
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        self.reader.name()
    }

    /// Bytes read of the file so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.reader.bytes()
    }

    /// The file as it turned out.
    pub(super) fn finish(self) -> CaptureFile {
        let mut file = self.reader.finish();
        if self.late {
            file.problems.insert(0, Problem::Late { path: file.name.clone() });
        }
        file
    }

    /// Says whether it was opened later than its first packet's time demands.
    pub(super) const fn set_late(&mut self, late: bool) {
        self.late = late;
    }

    /// The next packet that is here.
    pub(super) fn head(&self) -> Option<&Packet> {
        self.batch.packets().get(self.at)
    }

    /// Whether a packet that is here comes after `time`.
    pub(super) fn reaches(&self, time: Timestamp) -> bool {
        self.batch.packets().iter().skip(self.at).any(|packet| packet.time > time)
    }

    /// Reads on if no packet is left here, `bytes` in one go. Whether there is one now.
    pub(super) fn load(&mut self, bytes: usize) -> bool {
        self.reader.set_block(bytes);
        while self.head().is_none() && self.more {
            self.more = self.reader.fill(&mut self.batch);
            self.at = 0;
        }
        self.head().is_some()
    }

    /// The same, with the memory of `batch`, which is exchanged for that of the lane if there are packets now.
    pub(super) fn load_into(&mut self, batch: &mut Batch) -> bool {
        if self.head().is_some() {
            return true;
        }
        std::mem::swap(&mut self.batch, batch);
        self.at = self.batch.packets().len();
        let loaded = self.load(limits::BATCH_BYTES);
        if !loaded {
            std::mem::swap(&mut self.batch, batch);
        }
        loaded
    }

    /// Exchanges all packets that are here for those of `batch`, which are dropped. Their bytes are not copied.
    pub(super) fn give(&mut self, batch: &mut Batch) {
        self.batch.drop_packets(self.at);
        self.batch.set_sources(self.file, self.reader.interfaces());
        std::mem::swap(&mut self.batch, batch);
        self.batch.clear();
        self.at = 0;
    }

    /// Copies packets to the end of `batch`: the next one, and those behind it that `limit` does not come before. Whether
    /// the file has more.
    pub(super) fn copy_until(&mut self, limit: Option<(Timestamp, u32)>, batch: &mut Batch) -> bool {
        let mut last = None;
        while let Some(packet) = self.batch.packets().get(self.at) {
            let source = match last {
                Some((interface, source)) if interface == packet.source => source,
                _ => batch.source(self.file, packet.source),
            };
            last = Some((packet.source, source));
            batch.push(packet, self.batch.bytes_of(packet), source);
            self.at += 1;
            if !self.load(limits::LANE_BYTES) {
                return false;
            }
            let behind = self.head().is_some_and(|next| limit.is_some_and(|limit| limit < (next.time, self.file)));
            if behind || batch.is_full() {
                break;
            }
        }
        true
    }
}
