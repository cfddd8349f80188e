//! The batch: bytes of one capture file or of several, and where packets lie in them.
//!
//! In comes what a reader gives, appended to what was left of the block before; or packets of several files, one by one.
//! Made to be used again and again: its memory is kept, and zeroed once only.

use std::io::{self, Read};
use std::ops::Range;

use super::Packet;
use crate::flow::PacketId;
use crate::limits;

/// Packets of one capture file, or of several in the order of their time. Made to be used again and again.
#[derive(Debug, Default)]
pub struct Batch {
    /// Which interfaces of which files. [`Packet::source`] is an index of it.
    sources: Vec<Source>,
    pub(super) packets: Vec<Packet>,
    /// Only the first [`Self::filled`] are of a file. What lies behind them was zeroed once and is written over.
    buffer: Vec<u8>,
    filled: usize,
}

/// An interface of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Source {
    /// [`PacketId::file`].
    file: u32,
    /// Its number in the file.
    interface: u16,
}

impl Batch {
    /// The packets in the order of analysis.
    #[must_use]
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// The bytes in which the packets lie.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// The captured bytes of `packet`, which must be of this batch.
    #[must_use]
    #[inline]
    pub fn bytes_of(&self, packet: &Packet) -> &[u8] {
        let start = packet.offset as usize;
        self.bytes().get(start..start + packet.captured as usize).unwrap_or_default()
    }

    /// The bytes of `packet` in that `range`, which must be of this batch and in what was captured of it.
    #[must_use]
    #[inline]
    pub fn part_of(&self, packet: &Packet, range: &Range<u32>) -> &[u8] {
        let begin = packet.offset as usize;
        self.bytes().get(begin + range.start as usize..begin + range.end as usize).unwrap_or_default()
    }

    /// The identity of `packet`, which must be of this batch.
    #[must_use]
    #[inline]
    pub fn id_of(&self, packet: &Packet) -> PacketId {
        PacketId::new(self.source_of(packet).file, packet.number)
    }

    /// The interface of `packet`, which must be of this batch: an index of [`super::CaptureFile::interfaces`].
    #[must_use]
    pub fn interface_of(&self, packet: &Packet) -> usize {
        usize::from(self.source_of(packet).interface)
    }

    fn source_of(&self, packet: &Packet) -> Source {
        self.sources.get(usize::from(packet.source)).copied().unwrap_or_default()
    }

    /// Empties it. Memory that only a long record needed is given back: there are several batches.
    pub fn clear(&mut self) {
        self.sources.clear();
        self.packets.clear();
        self.filled = 0;
        if self.buffer.len() > 2 * limits::BATCH_BYTES {
            self.buffer = Vec::new();
        }
    }

    /// The bytes, and where to put the packets that are in them.
    pub(super) fn parts(&mut self) -> (&[u8], &mut Vec<Packet>) {
        (self.buffer.get(..self.filled).unwrap_or_default(), &mut self.packets)
    }

    /// Whether it holds as much as several files may give to it.
    pub(super) fn is_full(&self) -> bool {
        self.filled >= limits::BATCH_BYTES || self.packets.len() > usize::from(u16::MAX)
    }

    /// All its packets are of `file`, which has so many `interfaces`, and [`Packet::source`] is the number of one.
    pub(super) fn set_sources(&mut self, file: u32, interfaces: usize) {
        self.sources.clear();
        // A damaged file may have packets and no interface.
        self.sources.extend((0..=u16::MAX).take(interfaces.max(1)).map(|interface| Source { file, interface }));
    }

    /// The index of this interface of `file` in [`Self::sources`], in which it is from now on.
    pub(super) fn source(&mut self, file: u32, interface: u16) -> u16 {
        let source = Source { file, interface };
        let index = self.sources.iter().rposition(|&known| known == source).unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        });
        // It is full long before it holds packets of that many.
        index as u16
    }

    /// Appends a copy of `packet`, which holds `bytes`, as one of the source with that index.
    pub(super) fn push(&mut self, packet: &Packet, bytes: &[u8], source: u16) {
        // Its bytes end below the limit of a batch and of one record.
        let offset = self.filled as u32;
        self.append(bytes);
        self.packets.push(Packet { offset, source, ..*packet });
    }

    /// Drops the first `count` packets; their bytes stay.
    pub(super) fn drop_packets(&mut self, count: usize) {
        self.packets.drain(..count.min(self.packets.len()));
    }

    /// Makes room for so many `bytes` at once.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.make_room(bytes);
    }

    /// Appends `bytes`.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len()).copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// Appends `limit` bytes of `reader`, fewer only at its end or where it fails. Says how many, and whether that was
    /// its end or a failure.
    pub(super) fn read(&mut self, reader: &mut dyn Read, limit: usize) -> (usize, io::Result<End>) {
        let mut room = self.make_room(limit);
        let mut read = 0;
        let end = loop {
            if room.is_empty() {
                break Ok(End::NotYet);
            }
            match reader.read(room) {
                Ok(0) => break Ok(End::Reached),
                Ok(more) => {
                    read += more;
                    room = room.get_mut(more..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.filled += read;
        (read, end)
    }

    /// Drops the first `used` bytes, in which no packet may lie.
    pub(super) fn drop_front(&mut self, used: usize) {
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
    }

    fn make_room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.filled + bytes;
        if self.buffer.len() < end {
            // A little more at once, since what was left of the block before is a little longer each time.
            let length = end.next_multiple_of(limits::LANE_BYTES);
            if self.filled == 0 {
                // The allocator has zeros cheaper than they can be written.
                self.buffer = vec![0; length];
            } else {
                self.buffer.resize(length, 0);
            }
        }
        self.buffer.get_mut(self.filled..end).unwrap_or_default()
    }
}

/// Whether a reader has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It may.
    NotYet,
    /// It has not.
    Reached,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_unless_a_long_record_needed_it() {
        let mut batch = Batch::default();
        for (bytes, kept) in [(limits::BATCH_BYTES, true), (limits::RECORD_BYTES, false)] {
            batch.append(&vec![7; bytes]);
            assert_eq!(batch.bytes().len(), bytes);
            batch.clear();
            assert_eq!((batch.bytes().len(), batch.buffer.capacity() >= limits::BATCH_BYTES), (0, kept));
        }
    }
}
