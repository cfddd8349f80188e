//! The ledger of one capture file: its packets are counted here, and what is wrong with it is written down.
//!
//! In come packets and the places where the walk lost its way and found it again. Out goes the [`CaptureFile`].

use std::collections::HashSet;

use super::description::Descriptions;
use super::{CaptureFile, Format, InterfaceDescription, LinkType, Packet, Problem};
use crate::error::Error;
use crate::flow::Timestamp;
use crate::limits;

/// What a sound file would have somewhere, and what this one has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub(super) struct Mismatch {
    pub(super) expected: String,
    pub(super) found: String,
}

impl Mismatch {
    /// What was `expected`, and what was `found` instead.
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into() }
    }
}

/// The books of the file that is being read.
#[derive(Debug)]
pub(super) struct Ledger {
    file: CaptureFile,
    link_types: HashSet<LinkType>,
    last_link_type: Option<LinkType>,
    interfaces: Descriptions,
    /// The place from which on nothing is believed, until something is again.
    lost: Option<Place>,
    unlisted: Option<Unlisted>,
}

/// Where damage begins.
#[derive(Debug)]
struct Place {
    offset: u64,
    packet: u64,
    mismatch: Mismatch,
}

/// The damage beyond [`limits::PROBLEMS_PER_FILE`].
#[derive(Debug)]
struct Unlisted {
    offset: u64,
    packet: u64,
    places: u64,
    skipped: u64,
}

impl Ledger {
    /// An empty one for the file of this `name`.
    pub(super) fn new(name: String, format: Format) -> Self {
        Self {
            file: CaptureFile { format: Some(format), ..CaptureFile::unread(name) },
            link_types: HashSet::new(),
            last_link_type: None,
            interfaces: Descriptions::default(),
            lost: None,
            unlisted: None,
        }
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        &self.file.name
    }

    /// Bytes read of the file.
    pub(super) const fn bytes(&self) -> u64 {
        self.file.bytes
    }

    /// So many `bytes` were read of the file so far.
    pub(super) const fn set_bytes(&mut self, bytes: u64) {
        self.file.bytes = bytes;
    }

    /// The number, in the file, of an interface that it describes.
    pub(super) fn interface(&mut self, description: InterfaceDescription) -> u16 {
        self.interfaces.number(description)
    }

    /// How many different interfaces it describes so far.
    pub(super) const fn interfaces(&self) -> usize {
        self.interfaces.len()
    }

    /// The number of the next packet.
    #[inline]
    pub(super) const fn next_number(&mut self) -> u64 {
        self.file.packets += 1;
        self.file.packets
    }

    /// Enters what `packets` say beyond their number.
    pub(super) fn enter(&mut self, packets: &[Packet]) {
        let (mut earliest, mut latest) = (Timestamp::from_nanos(i64::MAX), Timestamp::from_nanos(i64::MIN));
        for packet in packets {
            earliest = earliest.min(packet.time);
            latest = latest.max(packet.time);
            self.file.truncated_packets += u64::from(packet.captured < packet.original);
            if self.last_link_type != Some(packet.link_type) {
                self.enter_link_type(packet.link_type);
            }
        }
        if !packets.is_empty() {
            self.file.first_packet_at = Some(self.file.first_packet_at.map_or(earliest, |first| first.min(earliest)));
            self.file.last_packet_at = Some(self.file.last_packet_at.map_or(latest, |last| last.max(latest)));
        }
    }

    fn enter_link_type(&mut self, link_type: LinkType) {
        self.last_link_type = Some(link_type);
        if self.link_types.insert(link_type) {
            self.file.link_types.push(link_type);
        }
    }

    /// An interface that had reported `before` dropped packets now reports `after`.
    pub(super) fn dropped(&mut self, before: u64, after: u64) {
        let others = self.file.dropped_by_capture.unwrap_or(0).saturating_sub(before);
        self.file.dropped_by_capture = Some(others.saturating_add(after));
    }

    /// Whether the walk has lost its way and must search.
    pub(super) const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// From `offset` on nothing is believed. Already lost, it stays lost where it was.
    pub(super) fn lose(&mut self, offset: u64, mismatch: Mismatch) {
        let packet = self.file.packets;
        self.lost.get_or_insert(Place { offset, packet, mismatch });
    }

    /// At `offset` the walk found its way again, or the file ended.
    pub(super) fn resume(&mut self, offset: u64) {
        if let Some(place) = self.lost.take() {
            self.write_down(place.offset, place.packet, offset.saturating_sub(place.offset), place.mismatch);
        }
    }

    /// The `skipped` bytes at `offset` cannot be used; what follows them can.
    pub(super) fn damage(&mut self, offset: u64, skipped: u64, mismatch: Mismatch) {
        self.write_down(offset, self.file.packets, skipped, mismatch);
    }

    fn write_down(&mut self, offset: u64, packet: u64, skipped: u64, mismatch: Mismatch) {
        self.file.damaged_bytes += skipped;
        if self.file.problems.len() < limits::PROBLEMS_PER_FILE {
            let Mismatch { expected, found } = mismatch;
            let path = self.file.name.clone();
            self.file.problems.push(Problem::Damage { path, packet, offset, expected, found, skipped });
        } else {
            let unlisted = self.unlisted.get_or_insert(Unlisted { offset, packet, places: 0, skipped: 0 });
            unlisted.places += 1;
            unlisted.skipped += skipped;
        }
    }

    /// Reading failed.
    pub(super) fn fail(&mut self, error: Error) {
        self.file.problems.push(Problem::Error(error));
    }

    /// The file as it turned out; it ended at `offset`.
    pub(super) fn finish(mut self, offset: u64) -> CaptureFile {
        self.resume(offset);
        if let Some(Unlisted { offset, packet, places, skipped }) = self.unlisted {
            self.file.problems.push(Problem::Damage {
                path: self.file.name.clone(),
                packet,
                offset,
                expected: format!("no more than {} damaged places", limits::PROBLEMS_PER_FILE),
                found: format!("{places} more"),
                skipped,
            });
        }
        self.file.interfaces = self.interfaces.into_list();
        self.file
    }
}
