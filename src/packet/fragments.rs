//! IP fragments (RFC 791 section 3.2, RFC 8200 section 4.5): collected until their packet is whole.
//!
//! In come [`Fragment`]s in the order of capture; out go [`Datagram`]s, each with the fragment that completed it. Fragments
//! that were cut by the snap length count too: of what they make whole, the bytes are known up to the first that was cut
//! off. Memory is bounded: datagrams that stay incomplete are forgotten after a time of the capture, or when there are too
//! many.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber};

use crate::flow::Timestamp;
use crate::limits;

use super::Addresses;
use super::view::View;

/// A part of an IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    key: DatagramKey,
    place: Place,
    /// Where its payload lies in the packet, as far as it was captured.
    pub payload: Range<u32>,
    /// Payload bytes after those, which were on the wire and not captured.
    cut: u32,
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
    /// The one in `view`, between those `addresses`.
    pub(super) fn new(addresses: Addresses, view: &View<'_>, place: Place) -> Self {
        let (scope, Place { identification, protocol, .. }) = (view.scope(), place);
        let key = DatagramKey { addresses, scope, identification, protocol: protocol.0 };
        Self { key, place, payload: view.captured(), cut: view.cut() }
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
    /// The bytes behind its IP header, up to the first one that the capture does not hold.
    pub bytes: Vec<u8>,
    /// How many there were on the wire.
    pub(super) length: u32,
}

/// Fragments whose datagrams are not whole yet.
#[derive(Debug, Default)]
pub struct Fragments {
    datagrams: HashMap<DatagramKey, Parts>,
    /// When the first fragment of each was captured, oldest first.
    begun: VecDeque<(Timestamp, DatagramKey)>,
}

/// What is there of a datagram.
#[derive(Debug)]
struct Parts {
    /// With zeros for bytes that were not captured.
    buffer: IpDefragBuf,
    /// Where the first of those is, if there are any. A later copy of the fragment does not change it: it was cut as well.
    captured: Option<usize>,
}

impl Parts {
    fn new(protocol: IpNumber) -> Self {
        Self { buffer: IpDefragBuf::new(protocol, Vec::new(), Vec::new()), captured: None }
    }

    /// Adds a fragment with its payload; `None` if it contradicts earlier ones or is longer than any may be.
    fn add(&mut self, Fragment { place, cut, .. }: &Fragment, payload: &[u8]) -> Option<()> {
        if *cut == 0 {
            return self.buffer.add(place.offset, place.more, payload).ok();
        }
        let length = payload.len() + *cut as usize;
        if length > usize::from(u16::MAX) {
            return None;
        }
        let mut padded = payload.to_vec();
        padded.resize(length, 0);
        self.buffer.add(place.offset, place.more, &padded).ok()?;
        let captured = usize::from(place.offset.byte_offset()) + payload.len();
        self.captured = Some(self.captured.map_or(captured, |earlier| earlier.min(captured)));
        Some(())
    }
}

impl Fragments {
    /// Adds a fragment with its payload, captured at `time`: the datagram, if that makes it whole.
    ///
    /// A fragment that contradicts earlier ones is left out, as a receiver would.
    pub fn add(&mut self, fragment: &Fragment, payload: &[u8], time: Timestamp) -> Option<Datagram> {
        self.forget(time);
        let (key, protocol) = (fragment.key, fragment.place.protocol);
        let parts = self.datagrams.entry(key).or_insert_with(|| {
            self.begun.push_back((time, key));
            Parts::new(protocol)
        });
        parts.add(fragment, payload)?;
        if !parts.buffer.is_complete() {
            return None;
        }
        let Parts { buffer, captured } = self.datagrams.remove(&key)?;
        let (mut bytes, _) = buffer.take_bufs();
        let length = u32::try_from(bytes.len()).ok()?;
        bytes.truncate(captured.unwrap_or(usize::MAX));
        Some(Datagram { addresses: key.addresses, scope: key.scope, protocol, bytes, length })
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
    fn overlapping_fragments_make_a_packet() {
        // The second one is sent once more, from its middle on and longer; what both say is the same.
        let packets = fragments4(&tcp4(PAYLOAD), 16);
        let halves = fragments4(&tcp4(PAYLOAD), 8);
        assert!(halves.len() > 4);
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut mixed: Vec<_> =
                order.iter().flat_map(|&index| [packets[index].clone(), halves[3].clone()]).collect();
            mixed.extend_from_slice(&packets[3..]);
            assert_whole(&collect(&mut Fragments::default(), RAW, &mixed, 0)[..1]);
        }
    }

    #[test]
    fn missing_fragment_makes_nothing() {
        for missing in 0..3 {
            let mut packets = fragments4(&tcp4(PAYLOAD), 16);
            packets.remove(missing);
            assert_eq!(collect(&mut Fragments::default(), RAW, &packets, 0), []);
        }
    }

    /// What is made of `packets` of which no more than `snap` bytes each were captured.
    fn cut_at(snap: usize, packets: &[Vec<u8>]) -> Vec<Datagram> {
        let mut fragments = Fragments::default();
        let add = |packet: &Vec<u8>| {
            let captured = &packet[..snap.min(packet.len())];
            let Decoded::Fragment(fragment) = decode(RAW, captured, packet.len() as u32) else { panic!("a fragment") };
            let payload = &captured[fragment.payload.start as usize..fragment.payload.end as usize];
            fragments.add(&fragment, payload, Timestamp::default())
        };
        packets.iter().filter_map(add).collect()
    }

    #[test]
    fn fragments_cut_by_the_snap_length_give_what_was_captured() {
        const TEXT: &[u8] =
            b"a message of some length that comes in three fragments, each of which the capture may cut off";
        for (headers, mut packets) in [(20, fragments4(&tcp4(TEXT), 48)), (48, fragments6(&tcp6(TEXT), 48))] {
            assert_eq!(packets.len(), 3);
            for round in 0..6 {
                for snap in headers..=headers + 48 {
                    let [datagram] = &cut_at(snap, &packets)[..] else { panic!("one datagram") };
                    let known = if snap == headers + 48 { 20 + TEXT.len() } else { snap - headers };
                    assert_eq!((datagram.bytes.len(), datagram.length as usize), (known, 20 + TEXT.len()));
                    match decode_datagram(datagram) {
                        Decoded::Segment(segment) => {
                            let payload = &datagram.bytes[segment.payload.start as usize..segment.payload.end as usize];
                            assert_eq!(
                                (payload, segment.cut as usize),
                                (&TEXT[..known - 20], TEXT.len() - (known - 20))
                            );
                        }
                        other => assert!(other == Decoded::Undecoded && known < 20, "{other:?}"),
                    }
                }
                packets.rotate_left(1);
                if round == 2 {
                    packets.reverse();
                }
            }
        }
    }

    #[test]
    fn only_what_lies_before_the_first_cut_is_known() {
        let mut packets = fragments4(&tcp4(PAYLOAD), 16);
        let whole = tcp4(PAYLOAD)[20..].to_vec();
        // The second is larger than the others, and so the only one that is cut.
        packets[1] = fragments4(&tcp4(PAYLOAD), 8).swap_remove(2);
        packets.insert(2, fragments4(&tcp4(PAYLOAD), 8).swap_remove(3));
        let mut fragments = Fragments::default();
        let mut made = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            let captured = &packet[..packet.len() - if index == 1 { 3 } else { 0 }];
            let Decoded::Fragment(fragment) = decode(RAW, captured, packet.len() as u32) else { panic!("a fragment") };
            let payload = &captured[fragment.payload.start as usize..fragment.payload.end as usize];
            made.extend(fragments.add(&fragment, payload, Timestamp::default()));
        }
        let [datagram] = &made[..] else { panic!("one datagram") };
        assert_eq!((&datagram.bytes[..], datagram.length as usize), (&whole[..21], whole.len()));
    }

    #[test]
    fn a_fragment_longer_than_any_packet_is_left_out() {
        let mut packet = fragments4(&tcp4(PAYLOAD), 16).swap_remove(0);
        // Up to the end of a frame that is said to be huge.
        packet[2..4].fill(0);
        for original in [65_556, 70_000, u32::MAX] {
            let Decoded::Fragment(fragment) = decode(RAW, &packet, original) else { panic!("a fragment") };
            assert_eq!(Fragments::default().add(&fragment, &packet[20..], Timestamp::default()), None);
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
