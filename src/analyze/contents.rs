//! What the packets of a batch hold of TCP: the batch in; to each shard its own out.

use std::mem;

use crate::capture::{Batch, Packet};
use crate::flow::{FlowKey, PacketId, Timestamp};
use crate::limits;
use crate::packet::{self, Datagram, Decoded, Fragment, Quoted, Segment};

/// What the packets of a batch hold of TCP. Used again and again, so that nothing is allocated for a packet.
///
/// All that a batch holds of a shard stands together: the longer the run, the sooner it is there when it is read, maybe by
/// another core.
pub(super) struct Contents {
    /// By shard, in order of capture.
    segments: Box<[Vec<Located>; limits::SHARDS]>,
    /// With the batch's packets that hold them.
    fragments: Vec<(usize, Fragment)>,
    /// Datagrams that fragments have made whole.
    datagrams: Vec<Datagram>,
    /// Which of the batch's packets could not be decoded.
    undecoded: Vec<usize>,
}

/// Something of TCP and where it is. As small as can be, since each packet's is written by one stage and read by the next,
/// maybe on another core; but beside it, that one needs nothing but bytes.
pub(super) struct Located {
    /// A segment's payload lies in the bytes of the batch, not of the packet; or in those of a datagram.
    pub(super) found: Found,
    pub(super) id: PacketId,
    pub(super) time: Timestamp,
    /// Which of its batch's packets it is; of one that came in fragments, the one that made it whole.
    packet: u32,
    /// Which of its batch's datagrams holds it, if it came in fragments; else [`NO_DATAGRAM`]. A batch has fewer.
    datagram: u16,
    /// Its flow's group within the shard, below [`limits::FLOW_GROUPS`].
    pub(super) group: u16,
}

const NO_DATAGRAM: u16 = u16::MAX;

pub(super) enum Found {
    Segment(Segment),
    Quoted(Quoted),
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            segments: Box::new([const { Vec::new() }; limits::SHARDS]),
            fragments: Vec::new(),
            datagrams: Vec::new(),
            undecoded: Vec::new(),
        }
    }
}

impl Contents {
    /// Empties it.
    pub(super) fn clear(&mut self) {
        self.segments.iter_mut().for_each(Vec::clear);
        self.fragments.clear();
        self.datagrams.clear();
        self.undecoded.clear();
    }

    /// Decodes the packets of `batch`.
    #[inline(never)]
    pub(super) fn decode(&mut self, batch: &Batch) {
        self.clear();
        for (packet, captured) in batch.packets().iter().enumerate() {
            let bytes = batch.bytes_of(captured);
            match packet::most_usual(captured.link_type, bytes, captured.original) {
                Some(segment) => self.push_segment(segment, batch, captured, packet),
                None => {
                    let decoded = packet::any(captured.link_type, bytes, captured.original);
                    self.push_decoded(decoded, batch, captured, packet);
                }
            }
        }
    }

    /// Adds what the packet `captured` is, the batch's packet number `packet`.
    #[inline(never)]
    fn push_decoded(&mut self, decoded: Decoded, batch: &Batch, captured: &Packet, packet: usize) {
        match decoded {
            Decoded::Segment(segment) => self.push_segment(segment, batch, captured, packet),
            Decoded::Quoted(quoted) => self.push(quoted.key, Found::Quoted(quoted), batch, captured, packet),
            Decoded::Fragment(fragment) => self.fragments.push((packet, fragment)),
            Decoded::Other => {}
            Decoded::Undecoded => self.undecoded.push(packet),
        }
    }

    #[inline(always)]
    fn push_segment(&mut self, mut segment: Segment, batch: &Batch, captured: &Packet, packet: usize) {
        segment.payload.start += captured.offset;
        segment.payload.end += captured.offset;
        self.push(segment.key, Found::Segment(segment), batch, captured, packet);
    }

    #[inline(always)]
    fn push(&mut self, key: FlowKey, found: Found, batch: &Batch, captured: &Packet, packet: usize) {
        let (id, time) = (batch.id_of(captured), captured.time);
        // A batch holds far fewer packets than that.
        let packet = packet as u32;
        let (shard, group) = place_of(&key);
        self.segments[shard].push(Located { found, id, time, packet, datagram: NO_DATAGRAM, group });
    }

    /// Adds what the batch's packet number `packet` made whole, in its place.
    pub(super) fn datagram(&mut self, datagram: Datagram, batch: &Batch, packet: usize) {
        match packet::decode_datagram(&datagram) {
            Decoded::Segment(segment) => self.insert(segment.key, Found::Segment(segment), batch, packet),
            Decoded::Quoted(quoted) => self.insert(quoted.key, Found::Quoted(quoted), batch, packet),
            // Fragments within fragments are not followed.
            Decoded::Fragment(_) | Decoded::Other => {}
            Decoded::Undecoded => self.undecoded.push(packet),
        }
        self.datagrams.push(datagram);
    }

    /// Adds what the next datagram holds, in the place of the batch's packet number `packet`.
    fn insert(&mut self, key: FlowKey, found: Found, batch: &Batch, packet: usize) {
        let Some(captured) = batch.packets().get(packet) else { return };
        let (id, time) = (batch.id_of(captured), captured.time);
        let (packet, datagram) = (packet as u32, self.datagrams.len() as u16);
        let (shard, group) = place_of(&key);
        let shard = &mut self.segments[shard];
        let place = shard.partition_point(|other| other.packet <= packet);
        shard.insert(place, Located { found, id, time, packet, datagram, group });
    }

    /// What came in fragments, with the batch's packets that hold it; no longer here.
    pub(super) fn take_fragments(&mut self) -> Vec<(usize, Fragment)> {
        mem::take(&mut self.fragments)
    }

    /// Which of the batch's packets could not be decoded.
    pub(super) fn undecoded(&self) -> &[usize] {
        &self.undecoded
    }

    /// What it holds of `shard`, in the order of capture.
    pub(super) fn of_shard(&self, shard: usize) -> &[Located] {
        self.segments.get(shard).map_or(&[], Vec::as_slice)
    }

    /// The TCP header and the captured payload of `segment`, which `located` is.
    #[inline]
    pub(super) fn tcp_of<'a>(&'a self, located: &Located, segment: &Segment, batch: &'a Batch) -> &'a [u8] {
        let bytes = match located.datagram {
            NO_DATAGRAM => batch.bytes(),
            index => self.datagrams.get(usize::from(index)).map_or(&[][..], |datagram| &datagram.bytes),
        };
        let start = segment.payload.start.saturating_sub(u32::from(segment.header));
        bytes.get(start as usize..segment.payload.end as usize).unwrap_or_default()
    }
}

/// The shard of the flow `key`, and its group there.
#[inline(always)]
fn place_of(key: &FlowKey) -> (usize, u16) {
    let group = key.shard(limits::SHARDS * limits::FLOW_GROUPS);
    (group / limits::FLOW_GROUPS, (group % limits::FLOW_GROUPS) as u16)
}
