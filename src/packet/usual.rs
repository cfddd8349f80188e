//! What nearly every packet is: TCP right behind a plain IP header, behind a link layer of fixed length.
//!
//! In comes a captured packet, out goes its [`Segment`], the one that the walk from layer to layer would give. The walk
//! asks each time which layer is next, and keeps what it has read in memory; here one look at each header settles
//! everything, and all stays in registers: less than half the instructions. Whatever is not as usual is left to the walk,
//! damage too, so that this needs to know of nothing else. IPv4 on Ethernet is told apart once more, for the loop in which
//! nothing but it should be inlined.
//!
//! By hand, because every packet goes through here: with the slices of etherparse, which allow for options, it takes 174
//! instructions a packet instead of 152.

use super::{Flags, LinkType, Segment};
use crate::flow::{Direction, Endpoint, FlowKey};

/// The segment in the most usual `packet`, IPv4 on Ethernet without a tag, of which `original` bytes were on the wire; `None`
/// if it is anything else.
#[inline(always)]
pub(crate) fn most_usual(link_type: LinkType, packet: &[u8], original: u32) -> Option<Segment> {
    let &[.., high, low] = packet.first_chunk::<14>()?;
    if link_type != ETHERNET || u16::from_be_bytes([high, low]) != IPV4 {
        return None;
    }
    let (frame, packet) = Frame::of(Link { length: 14, scope: 0 }, packet, original)?;
    frame.ipv4(packet)
}

/// The segment in a usual `packet`; `None` if it is anything else.
#[inline(always)]
pub(super) fn usual(link_type: LinkType, packet: &[u8], original: u32) -> Option<Segment> {
    let (link, ethertype) = Link::of(link_type, packet)?;
    let (frame, packet) = Frame::of(link, packet, original)?;
    match ethertype {
        IPV4 => frame.ipv4(packet),
        IPV6 => frame.ipv6(packet),
        _ => None,
    }
}

/// A link layer.
struct Link {
    /// Its length in bytes.
    length: u8,
    /// [`Segment::scope`].
    scope: u32,
}

impl Link {
    /// The one that `packet` begins with, and the EtherType behind it.
    #[inline(always)]
    fn of(link_type: LinkType, packet: &[u8]) -> Option<(Self, u16)> {
        let plain = |length, ethertype| Some((Self { length, scope: 0 }, ethertype));
        match link_type {
            ETHERNET => {
                let &[.., high, low] = packet.first_chunk::<14>()?;
                match u16::from_be_bytes([high, low]) {
                    VLAN => Self::tagged(packet),
                    ethertype => plain(14, ethertype),
                }
            }
            LINUX_COOKED => {
                let &[.., high, low] = packet.first_chunk::<16>()?;
                plain(16, u16::from_be_bytes([high, low]))
            }
            LINUX_COOKED_2 => {
                let &[high, low, ..] = packet.first_chunk::<20>()?;
                plain(20, u16::from_be_bytes([high, low]))
            }
            _ => None,
        }
    }

    /// Ethernet with one VLAN tag.
    #[inline(always)]
    fn tagged(packet: &[u8]) -> Option<(Self, u16)> {
        let &[.., tag_high, tag_low, high, low] = packet.first_chunk::<18>()?;
        let scope = u32::from(u16::from_be_bytes([tag_high, tag_low]) & 0x0fff);
        Some((Self { length: 18, scope }, u16::from_be_bytes([high, low])))
    }
}

/// A packet of which the link layer was read.
struct Frame {
    link: Link,
    /// Bytes that were captured.
    captured: u32,
    /// Bytes that were on the wire: never fewer.
    wire: u32,
}

impl Frame {
    /// The one in `packet`, of which `original` bytes were on the wire, and what is behind its link layer.
    #[inline(always)]
    fn of(link: Link, packet: &[u8], original: u32) -> Option<(Self, &[u8])> {
        let captured = u32::try_from(packet.len()).ok()?;
        let behind = packet.get(usize::from(link.length)..)?;
        Some((Self { link, captured, wire: original.max(captured) }, behind))
    }

    /// An IPv4 header without options, of a packet that came whole, and TCP.
    #[inline(always)]
    fn ipv4(&self, packet: &[u8]) -> Option<Segment> {
        const HEADER: u32 = 20;
        const MORE_FRAGMENTS_OR_OFFSET: u16 = 0x3fff;

        let (ip, tcp) = packet.first_chunk::<40>()?.split_first_chunk()?;
        let &[0x45, _, l0, l1, _, _, f0, f1, _, TCP, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = ip else { return None };
        if u16::from_be_bytes([f0, f1]) & MORE_FRAGMENTS_OR_OFFSET != 0 {
            return None;
        }
        let tcp = tcp.first_chunk()?;
        let end = match u16::from_be_bytes([l0, l1]) {
            0 => u32::MAX,
            length => u32::from(length),
        };
        self.segment(FlowKey::of_v4([s0, s1, s2, s3], [d0, d1, d2, d3], ports(tcp)), tcp, HEADER, end)
    }

    /// An IPv6 header without extensions, and TCP.
    #[inline(always)]
    fn ipv6(&self, packet: &[u8]) -> Option<Segment> {
        const HEADER: u32 = 40;

        let (ip, tcp) = packet.first_chunk::<60>()?.split_first_chunk::<40>()?;
        let &[0x60..0x70, _, _, _, l0, l1, TCP, _, ref addresses @ ..] = ip else { return None };
        let (source, destination) = addresses.split_first_chunk()?;
        let tcp = tcp.first_chunk()?;
        let [from, to] = ports(tcp);
        let (source, destination) =
            (Endpoint::from_v6(*source, from), Endpoint::from_v6(*destination.first_chunk()?, to));
        let end = match u16::from_be_bytes([l0, l1]) {
            0 => u32::MAX,
            length => HEADER + u32::from(length),
        };
        self.segment(FlowKey::of(source, destination), tcp, HEADER, end)
    }

    /// The segment with the header `tcp` behind an IP header of `ip` bytes. The packet ends `end` bytes behind the link
    /// layer, or where the frame ends if that is before.
    #[inline(always)]
    fn segment(&self, (key, direction): (FlowKey, Direction), tcp: &[u8; 20], ip: u32, end: u32) -> Option<Segment> {
        let &[_, _, _, _, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, ..] = tcp;
        let header = (offset >> 4) * 4;
        let link = u32::from(self.link.length);
        let start = link + ip + u32::from(header);
        let wire = self.wire.min(end.saturating_add(link));
        let captured = self.captured.min(wire);
        // Damage, or options that were cut off.
        if header < 20 || start > captured {
            return None;
        }
        Some(Segment {
            key,
            scope: self.link.scope,
            direction,
            flags: Flags(flags),
            sequence: u32::from_be_bytes([q0, q1, q2, q3]),
            acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
            header,
            payload: start..captured,
            cut: wire - captured,
        })
    }
}

/// The ports in a TCP header.
#[inline(always)]
fn ports(&[s0, s1, d0, d1, ..]: &[u8; 20]) -> [u16; 2] {
    [u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])]
}

const ETHERNET: LinkType = LinkType(1);
const LINUX_COOKED: LinkType = LinkType(113);
const LINUX_COOKED_2: LinkType = LinkType(276);

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;

/// The number of TCP in IP headers.
const TCP: u8 = 6;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::super::testing::{PAYLOAD, ethernet, joined, tcp4, tcp6};
    use super::super::{Decoded, walked};
    use super::*;

    /// A packet of each kind that is usual, with its link type.
    fn packets() -> Vec<(LinkType, Vec<u8>)> {
        let kinds = [([8, 0], tcp4(PAYLOAD)), ([0x86, 0xdd], tcp6(PAYLOAD))];
        let framed = kinds.iter().flat_map(|(ethertype, ip)| {
            let frame = ethernet(u16::from_be_bytes(*ethertype), ip);
            let tagged = ethernet(0x8100, &joined(&[&[0x61, 0x23], ethertype, ip]));
            let cooked = joined(&[&[0; 14], ethertype, ip]);
            let cooked_2 = joined(&[ethertype, &[0; 18], ip]);
            [(ETHERNET, frame), (ETHERNET, tagged), (LINUX_COOKED, cooked), (LINUX_COOKED_2, cooked_2)]
        });
        framed.collect()
    }

    /// Asserts that the walk says the same, if the packet is usual: whether it is.
    #[track_caller]
    fn same(link_type: LinkType, packet: &[u8], original: u32) -> bool {
        let expected = walked(link_type, packet, original);
        let found = usual(link_type, packet, original).map(Decoded::Segment);
        let most_usual = most_usual(link_type, packet, original).map(Decoded::Segment);
        assert!(most_usual.is_none() || most_usual == found);
        assert!(found.is_none() || found.as_ref() == Some(&expected), "{link_type:?} {original} {packet:02x?}");
        found.is_some()
    }

    #[test]
    fn ipv4_on_ethernet_is_most_usual() {
        let kinds = packets().into_iter().map(|(link_type, packet)| most_usual(link_type, &packet, 0).is_some());
        assert_eq!(kinds.collect::<Vec<_>>(), [true, false, false, false, false, false, false, false]);
    }

    #[test]
    fn usual_packets_need_no_walk() {
        for (link_type, mut packet) in packets() {
            let length = packet.len() as u32;
            assert!(same(link_type, &packet, length));
            packet.extend([0; 9]);
            assert!(same(link_type, &packet, length + 9), "padded");
            let headers = packet.len() - 9 - PAYLOAD.len();
            for captured in 0..packet.len() {
                assert_eq!(same(link_type, &packet[..captured], length + 9), captured >= headers);
            }
        }
    }

    #[test]
    fn other_packets_are_left_to_the_walk() {
        for (link_type, packet) in packets() {
            let headers = if packet.ends_with(&tcp4(PAYLOAD)) { 40 } else { 60 };
            let ip = packet.len() - headers - PAYLOAD.len();
            // The version and length, the protocol, the data offset.
            for (at, value) in [(ip, 0x46), (ip, 0x55), (packet.len() - PAYLOAD.len() - 8, 0x40)] {
                let mut other = packet.clone();
                other[at] = value;
                assert!(!same(link_type, &other, packet.len() as u32));
            }
        }
    }

    /// Lengths on the wire of a packet of which `captured` bytes are there.
    fn original(captured: usize) -> impl Strategy<Value = u32> {
        let captured = captured as u32;
        prop_oneof![Just(captured), 0..captured + 100, any::<u32>(), Just(u32::MAX)]
    }

    fn changed_packet() -> impl Strategy<Value = (LinkType, Vec<u8>, u32)> {
        let changes = vec((any::<Index>(), prop_oneof![Just(0), any::<u8>()]), 0..4);
        (select(packets()), changes, any::<Index>(), any::<bool>()).prop_flat_map(|(packet, changes, cut, whole)| {
            let (link_type, mut bytes) = packet;
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(if whole { bytes.len() } else { cut.index(bytes.len() + 1) });
            (Just(link_type), Just(bytes.clone()), original(bytes.len()))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn changed_packets_are_what_the_walk_says((link_type, packet, original) in changed_packet()) {
            same(link_type, &packet, original);
        }

        #[test]
        fn any_bytes_are_what_the_walk_says(
            link_type in select(vec![ETHERNET, LINUX_COOKED, LINUX_COOKED_2]),
            packet in vec(any::<u8>(), 0..120),
            original in any::<u32>(),
        ) {
            same(link_type, &packet, original);
        }
    }
}
