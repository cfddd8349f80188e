//! IP fragments (RFC 791 section 3.2, RFC 8200 section 4.5): collected until their packet is whole.
//!
//! In come [`Fragment`]s in the order of capture; out go [`Datagram`]s, each with the fragment that completed it. Memory is
//! bounded: datagrams that stay incomplete are forgotten after a time of the capture, or when there are too many.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber};

use crate::flow::Timestamp;
use crate::limits;

use super::Addresses;

/// A part of an IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    key: DatagramKey,
    place: Place,
    /// Where its payload lies in the captured packet.
    pub payload: Range<u32>,
}

/// What the fragments of one datagram have in common (RFC 791: addresses, identification, protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DatagramKey {
    addresses: Addresses,
    scope: u32,
    identification: u32,
    protocol: u8,
}

/// What a fragment's header says of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) identification: u32,
    /// What the whole packet carries.
    pub(super) protocol: IpNumber,
    pub(super) offset: IpFragOffset,
    /// Whether other fragments follow it.
    pub(super) more: bool,
}

impl Fragment {
    pub(super) const fn new(addresses: Addresses, scope: u32, place: Place, payload: Range<u32>) -> Self {
        let key = DatagramKey { addresses, scope, identification: place.identification, protocol: place.protocol.0 };
        Self { key, place, payload }
    }

    /// What it has in common with the other fragments of its datagram.
    #[must_use]
    pub const fn datagram(&self) -> DatagramKey {
        self.key
    }
}

/// What an IP packet carried that came in fragments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    pub(super) addresses: Addresses,
    pub(super) scope: u32,
    pub(super) protocol: IpNumber,
    /// The bytes behind its IP header.
    pub bytes: Vec<u8>,
}

/// Fragments whose datagrams are not whole yet.
#[derive(Debug, Default)]
pub struct Fragments {
    datagrams: HashMap<DatagramKey, IpDefragBuf>,
    /// When the first fragment of each was captured, oldest first.
    begun: VecDeque<(Timestamp, DatagramKey)>,
}

impl Fragments {
    /// Adds a fragment with its payload, captured at `time`: the datagram, if that makes it whole.
    ///
    /// A fragment that contradicts earlier ones is left out, as a receiver would.
    pub fn add(&mut self, fragment: &Fragment, payload: &[u8], time: Timestamp) -> Option<Datagram> {
        self.forget(time);
        let (key, place) = (fragment.key, fragment.place);
        let buffer = self.datagrams.entry(key).or_insert_with(|| {
            self.begun.push_back((time, key));
            IpDefragBuf::new(place.protocol, Vec::new(), Vec::new())
        });
        buffer.add(place.offset, place.more, payload).ok()?;
        if !buffer.is_complete() {
            return None;
        }
        let (bytes, _) = self.datagrams.remove(&key)?.take_bufs();
        Some(Datagram { addresses: key.addresses, scope: key.scope, protocol: place.protocol, bytes })
    }

    /// Forgets what was begun too long before `now`, and the oldest where there are too many.
    fn forget(&mut self, now: Timestamp) {
        while let Some((begun, key)) = self.begun.front().copied() {
            let old = now.as_nanos().saturating_sub(begun.as_nanos()) > limits::FRAGMENT_NANOS;
            if !old && self.begun.len() < limits::FRAGMENTED_DATAGRAMS {
                return;
            }
            self.begun.pop_front();
            self.datagrams.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ETHERNET, PAYLOAD, RAW, ethernet, joined, tcp4, tcp6};
    use super::super::{Decoded, decode, decode_datagram};
    use super::*;
    use crate::capture::LinkType;

    /// The packet in IPv4 fragments of `size` bytes each.
    fn fragments4(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
        let (header, payload) = packet.split_at(20);
        let count = payload.len().div_ceil(size);
        let part = |(index, part): (usize, &[u8])| {
            let mut header = header.to_vec();
            let more = if index + 1 < count { 0x2000 } else { 0 };
            header[2..4].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
            header[4..6].copy_from_slice(&[0x12, 0x34]);
            header[6..8].copy_from_slice(&(more | u16::try_from(index * size / 8).unwrap()).to_be_bytes());
            joined(&[&header, part])
        };
        payload.chunks(size).enumerate().map(part).collect()
    }

    /// The packet in IPv6 fragments of `size` bytes each.
    fn fragments6(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
        let (header, payload) = packet.split_at(40);
        let count = payload.len().div_ceil(size);
        let part = |(index, part): (usize, &[u8])| {
            let mut header = header.to_vec();
            header[4..6].copy_from_slice(&u16::try_from(8 + part.len()).unwrap().to_be_bytes());
            header[6] = 44;
            let place = u16::try_from(index * size).unwrap() | u16::from(index + 1 < count);
            let [high, low] = place.to_be_bytes();
            joined(&[&header, &[6, 0, high, low, 0, 0, 0, 9], part])
        };
        payload.chunks(size).enumerate().map(part).collect()
    }

    /// What the packets, all fragments, make whole.
    fn collect(fragments: &mut Fragments, link_type: LinkType, packets: &[Vec<u8>], time: i64) -> Vec<Datagram> {
        let mut whole = Vec::new();
        for packet in packets {
            let Decoded::Fragment(fragment) = decode(link_type, packet, packet.len() as u32) else {
                panic!("a fragment")
            };
            let payload = &packet[fragment.payload.start as usize..fragment.payload.end as usize];
            whole.extend(fragments.add(&fragment, payload, Timestamp::from_nanos(time)));
        }
        whole
    }

    #[track_caller]
    fn assert_whole(datagrams: &[Datagram]) {
        let [datagram] = datagrams else { panic!("one datagram: {datagrams:?}") };
        let Decoded::Segment(segment) = decode_datagram(datagram) else { panic!("a segment") };
        assert_eq!(&datagram.bytes[segment.payload.start as usize..segment.payload.end as usize], PAYLOAD);
        assert_eq!((segment.sequence, segment.cut), (1000, 0));
    }

    #[test]
    fn fragments_make_a_packet_in_any_order() {
        let fresh = Fragments::default;
        let mut packets = fragments4(&tcp4(PAYLOAD), 16);
        assert!(packets.len() > 2);
        assert_whole(&collect(&mut fresh(), RAW, &packets, 0));
        packets.reverse();
        assert_whole(&collect(&mut fresh(), RAW, &packets, 0));
        packets.rotate_left(1);
        assert_whole(&collect(&mut fresh(), RAW, &packets, 0));
        assert_whole(&collect(&mut fresh(), RAW, &fragments6(&tcp6(PAYLOAD), 16), 0));
    }

    #[test]
    fn repeated_fragments_do_no_harm() {
        let mut packets = fragments4(&tcp4(PAYLOAD), 16);
        packets.insert(1, packets[0].clone());
        assert_whole(&collect(&mut Fragments::default(), RAW, &packets, 0));
    }

    #[test]
    fn missing_fragment_makes_nothing() {
        for missing in 0..3 {
            let mut packets = fragments4(&tcp4(PAYLOAD), 16);
            packets.remove(missing);
            assert_eq!(collect(&mut Fragments::default(), RAW, &packets, 0), []);
        }
    }

    #[test]
    fn networks_are_not_mixed() {
        let tagged = |packet: &[u8], vlan: u8| ethernet(0x8100, &joined(&[&[0, vlan, 8, 0], packet]));
        let packets = fragments4(&tcp4(PAYLOAD), 16);
        let mixed: Vec<_> = packets.iter().zip([1, 2, 2]).map(|(packet, vlan)| tagged(packet, vlan)).collect();
        assert_eq!(collect(&mut Fragments::default(), ETHERNET, &mixed, 0), []);
    }

    #[test]
    fn incomplete_datagrams_are_forgotten_after_their_time() {
        let packets = fragments4(&tcp4(PAYLOAD), 16);
        let mut fragments = Fragments::default();
        assert_eq!(collect(&mut fragments, RAW, &packets[..2], 0), []);
        assert_eq!(collect(&mut fragments, RAW, &packets[2..], limits::FRAGMENT_NANOS + 1), []);
        assert_eq!(fragments.datagrams.len(), 1, "the late one begins anew");
    }

    #[test]
    fn memory_is_bounded() {
        let mut fragments = Fragments::default();
        let mut packet = fragments4(&tcp4(PAYLOAD), 16).swap_remove(0);
        for number in 0..limits::FRAGMENTED_DATAGRAMS as u32 + 100 {
            packet[12..16].copy_from_slice(&number.to_be_bytes());
            collect(&mut fragments, RAW, std::slice::from_ref(&packet), 0);
        }
        assert!(fragments.datagrams.len() <= limits::FRAGMENTED_DATAGRAMS);
        assert!(fragments.begun.len() <= limits::FRAGMENTED_DATAGRAMS);
    }
}
