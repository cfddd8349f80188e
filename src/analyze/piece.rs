//! A part of a batch: its packets in, decoded by one thread; what they hold of TCP out, to each shard its own.

use std::ops::Range;

use crate::capture::{Batch, Packet};
use crate::connection::Connection;
use crate::flow::FlowKey;
use crate::limits;
use crate::packet::{self, Datagram, Decoded, Fragment, Quoted, Segment};
use crate::tcp::{Ahead, FlowTable};

use super::filter::Filter;

/// A part of a batch that one thread decodes, and what it found. Used again and again, so that nothing is allocated for
/// a packet.
pub(super) struct Piece {
    /// By shard, in order of capture.
    segments: Vec<Vec<Located>>,
    /// With the batch's packets that hold them.
    pub(super) fragments: Vec<(usize, Fragment)>,
    /// Datagrams that fragments have made whole.
    datagrams: Vec<Datagram>,
    /// Which of the batch's packets could not be decoded.
    pub(super) undecoded: Vec<usize>,
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

impl Piece {
    pub(super) fn new() -> Self {
        Self {
            segments: (0..limits::SHARDS).map(|_| Vec::new()).collect(),
            fragments: Vec::new(),
            datagrams: Vec::new(),
            undecoded: Vec::new(),
        }
    }

    /// Decodes `packets`, the first of which is the batch's packet number `first`, from 0.
    pub(super) fn decode(&mut self, batch: &Batch, packets: &[Packet], first: usize) {
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
    pub(super) fn datagram(&mut self, datagram: Datagram, packet: usize) {
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
    pub(super) fn feed(&self, shard: usize, table: &mut FlowTable<Connection>, batch: &Batch, filter: &Filter) {
        let Some(segments) = self.segments.get(shard) else { return };
        for group in segments.chunks(limits::AHEAD_SEGMENTS) {
            let ahead = table.look_ahead(group.iter().map(Located::segment));
            for (located, ahead) in group.iter().zip(ahead) {
                self.feed_one(located, ahead, table, batch, filter);
            }
        }
    }

    fn feed_one(
        &self,
        located: &Located,
        ahead: Ahead,
        table: &mut FlowTable<Connection>,
        batch: &Batch,
        filter: &Filter,
    ) {
        let Some(packet) = batch.packets().get(located.packet) else { return };
        let (id, time) = (batch.id_of(packet), packet.time);
        let segment = match &located.found {
            Found::Segment(segment) => segment,
            Found::Quoted(quoted) => {
                table.quoted(quoted, id, time);
                return;
            }
        };
        if !filter.wants_segment(&segment.key, time) {
            table.leave_out(ahead, segment, id, time);
            return;
        }
        let datagram = located.datagram.and_then(|index| self.datagrams.get(index));
        let bytes = datagram.map_or_else(|| batch.bytes_of(packet), |datagram| &datagram.bytes);
        let begin = segment.payload.start.saturating_sub(u32::from(segment.header));
        table.segment(ahead, segment, slice(bytes, &(begin..segment.payload.end)), id, time);
    }
}

impl Located {
    const fn segment(&self) -> Option<&Segment> {
        match &self.found {
            Found::Segment(segment) => Some(segment),
            Found::Quoted(_) => None,
        }
    }
}

/// The `range` of a packet's `bytes`, which is in them.
pub(super) fn slice<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
}
