//! IPv4 (RFC 791) and IPv6 (RFC 8200) with their extension headers, down to TCP or to another tunnel.
//!
//! In comes a view that begins with an IP header; out goes what the packet carries, in a view that ends where the header
//! says: link-layer padding is no payload. A length of 0 means the end of the packet: the sending system captured it
//! before its network card cut it into segments, and it was too long for the field.

use std::net::Ipv4Addr;

use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice,
    ip_number,
};

use super::fragments::Place;
use super::view::View;
use super::{Addresses, Layer, tunnel};
use crate::limits;

/// Either version, as the first four bits say.
pub(super) fn any(view: &mut View<'_>) -> Option<Layer> {
    match view.bytes().first()? >> 4 {
        4 => Some(Layer::Ipv4),
        6 => Some(Layer::Ipv6),
        _ => None,
    }
}

/// IPv4. Options are skipped.
#[inline]
pub(super) fn v4(view: &mut View<'_>, addresses: &mut Addresses) -> Option<Layer> {
    let header = Ipv4HeaderSlice::from_slice(view.bytes()).ok()?;
    match header.total_len() {
        0 => {}
        length => view.limit(usize::from(length)),
    }
    view.skip(header.slice().len())?;
    *addresses = Addresses { source: mapped(header.source_addr()), destination: mapped(header.destination_addr()) };
    if header.is_fragmenting_payload() {
        return Some(Layer::Fragment(Place {
            identification: u32::from(header.identification()),
            protocol: header.protocol(),
            offset: header.fragments_offset(),
            more: header.more_fragments(),
        }));
    }
    carried(header.protocol(), view)
}

/// IPv6. A jumbogram (RFC 2675) has length 0 too, and is the only IP packet in its frame.
#[inline]
pub(super) fn v6(view: &mut View<'_>, addresses: &mut Addresses) -> Option<Layer> {
    let header = Ipv6HeaderSlice::from_slice(view.bytes()).ok()?;
    view.skip(header.slice().len())?;
    match header.payload_length() {
        0 => {}
        length => view.limit(usize::from(length)),
    }
    *addresses = Addresses { source: header.source(), destination: header.destination() };
    carried(header.next_header(), view)
}

/// What an IP packet carries: `protocol`, in `view`.
///
/// The extension headers of IPv6 are stepped over, in any order. IPv4 shares the authentication header with them, and
/// the numbers of the others are not used for anything else in it.
#[inline]
pub(super) fn carried(mut protocol: IpNumber, view: &mut View<'_>) -> Option<Layer> {
    for _ in 0..=limits::EXTENSION_HEADERS {
        let length;
        (protocol, length) = match protocol {
            ip_number::TCP => return Some(Layer::Tcp),
            ip_number::UDP => return Some(Layer::Udp),
            ip_number::IPV4 => return Some(Layer::Ipv4),
            ip_number::IPV6 => return Some(Layer::Ipv6),
            ip_number::GRE => return Some(Layer::Gre),
            ip_number::ICMP => return Some(Layer::Icmp),
            ip_number::IPV6_ICMP => return Some(Layer::IcmpV6),
            ip_number::ETHER_IP => return Some(Layer::Rare(tunnel::ether_ip)),
            ip_number::MPLS_IN_IP => return Some(Layer::Mpls),
            ip_number::IPV6_FRAG => {
                let header = Ipv6FragmentHeaderSlice::from_slice(view.bytes()).ok()?;
                // An atomic fragment (RFC 6946) is a whole packet.
                if header.is_fragmenting_payload() {
                    view.skip(header.slice().len())?;
                    return Some(Layer::Fragment(Place {
                        identification: header.identification(),
                        protocol: header.next_header(),
                        offset: header.fragment_offset(),
                        more: header.more_fragments(),
                    }));
                }
                (header.next_header(), header.slice().len())
            }
            ip_number::AUTH => {
                let header = IpAuthHeaderSlice::from_slice(view.bytes()).ok()?;
                (header.next_header(), header.slice().len())
            }
            ip_number::IPV6_HOP_BY_HOP
            | ip_number::IPV6_ROUTE
            | ip_number::IPV6_DEST_OPTIONS
            | ip_number::MOBILITY
            | ip_number::HIP
            | ip_number::SHIM6 => {
                let header = Ipv6RawExtHeaderSlice::from_slice(view.bytes()).ok()?;
                (header.next_header(), header.slice().len())
            }
            _ => return Some(Layer::Other),
        };
        view.skip(length)?;
    }
    None
}

/// The IPv4-mapped IPv6 form of `address`. Made as one number, since what is made byte by byte takes the processor
/// longer to compare.
fn mapped(address: Ipv4Addr) -> [u8; 16] {
    (0xffff_u128 << 32 | u128::from(address.to_bits())).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        ETHERNET, PAYLOAD, RAW, assert_tcp, ethernet, ipv4, ipv6, joined, payload, segment, tcp4, tcp6, whole,
    };
    use super::super::{Decoded, Segment, decode};

    /// An extension header of eight bytes before `next`.
    fn extension(next: u8) -> [u8; 8] {
        [next, 0, 1, 4, 0, 0, 0, 0]
    }

    /// A fragment header before TCP.
    fn fragment(offset_and_more: u16) -> [u8; 8] {
        let [high, low] = offset_and_more.to_be_bytes();
        [6, 0, high, low, 0, 0, 0, 1]
    }

    /// The TCP part of [`tcp6`].
    fn tcp() -> Vec<u8> {
        tcp6(PAYLOAD)[40..].to_vec()
    }

    /// [`tcp4`] with two of its bytes replaced.
    fn tcp4_with(offset: usize, value: u16) -> Vec<u8> {
        let mut packet = tcp4(PAYLOAD);
        packet[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
        packet
    }

    fn cut(packet: &[u8], original: usize) -> Segment {
        match decode(RAW, packet, original as u32) {
            Decoded::Segment(segment) => segment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_versions_carry_tcp() {
        assert_tcp(RAW, &tcp4(PAYLOAD));
        assert_tcp(RAW, &tcp6(PAYLOAD));
    }

    #[test]
    fn ethernet_padding_is_not_payload() {
        for (ethertype, packet) in [(0x0800, tcp4(b"x")), (0x86dd, tcp6(b"x"))] {
            let frame = ethernet(ethertype, &joined(&[&packet, &[0; 20]]));
            let segment = segment(ETHERNET, &frame);
            assert_eq!((payload(&frame, &segment), segment.cut), (&b"x"[..], 0));
        }
    }

    #[test]
    fn snap_length_cut_is_counted() {
        for packet in [tcp4(PAYLOAD), tcp6(PAYLOAD)] {
            let captured = &packet[..packet.len() - 10];
            let segment = cut(captured, packet.len());
            assert_eq!((payload(captured, &segment), segment.cut), (&PAYLOAD[..6], 10));
        }
    }

    #[test]
    fn cut_padding_is_not_cut_payload() {
        let packet = tcp4(PAYLOAD);
        assert_eq!(cut(&packet[..packet.len() - 3], packet.len() + 20).cut, 3);
    }

    #[test]
    fn length_zero_means_to_the_end_of_the_packet() {
        let mut v6 = tcp6(PAYLOAD);
        v6[4..6].fill(0);
        for packet in [tcp4_with(2, 0), v6] {
            assert_tcp(RAW, &packet);
            assert_eq!(cut(&packet, packet.len() + 70_000).cut, 70_000);
        }
    }

    #[test]
    fn a_jumbogram_goes_to_the_end_of_the_packet() {
        let jumbo_option = [6, 0, 0xc2, 4, 0, 1, 0x11, 0x70];
        let mut packet = ipv6(0, &joined(&[&jumbo_option, &tcp()]));
        packet[4..6].fill(0);
        assert_tcp(RAW, &packet);
    }

    #[test]
    fn a_length_beyond_the_wire_is_not_believed() {
        assert_tcp(RAW, &tcp4_with(2, 1500));
        let packet = tcp4_with(2, 1500);
        assert_eq!(cut(&packet, packet.len() + 5).cut, 5);
    }

    #[test]
    fn a_total_length_below_the_headers_is_damage() {
        for length in [1, 19, 20, 39] {
            assert_eq!(whole(RAW, &tcp4_with(2, length)), Decoded::Undecoded, "{length}");
        }
    }

    #[test]
    fn ipv4_options_are_skipped() {
        let mut packet = joined(&[&tcp4(PAYLOAD)[..20], &[1; 8], &tcp()]);
        let length = packet.len() as u16;
        packet[0] = 0x47;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        assert_tcp(RAW, &packet);
    }

    #[test]
    fn damaged_ip_headers_are_undecoded() {
        for first in [0x00, 0x40, 0x44, 0x50, 0x70, 0xf5] {
            let mut packet = tcp4(PAYLOAD);
            packet[0] = first;
            assert_eq!(whole(RAW, &packet), Decoded::Undecoded, "{first:#x}");
        }
        assert_eq!(whole(ETHERNET, &ethernet(0x0800, &tcp6(PAYLOAD))), Decoded::Undecoded);
        assert_eq!(whole(ETHERNET, &ethernet(0x86dd, &tcp4(PAYLOAD))), Decoded::Undecoded);
    }

    #[test]
    fn ipv4_fragments_are_no_segments() {
        const DO_NOT_FRAGMENT: u16 = 0x4000;
        const MORE_FRAGMENTS: u16 = 0x2000;
        assert_tcp(RAW, &tcp4_with(6, DO_NOT_FRAGMENT));
        for fragment in [MORE_FRAGMENTS, MORE_FRAGMENTS | 100, 100] {
            assert!(matches!(whole(RAW, &tcp4_with(6, fragment)), Decoded::Fragment(_)));
        }
    }

    #[test]
    fn ipv6_fragments_are_no_segments() {
        for offset_and_more in [1, 8 | 1, 8] {
            // What follows a later fragment's header is no header, even if it is called one.
            for next in [6, 0, 60] {
                let mut header = fragment(offset_and_more);
                header[0] = next;
                assert!(matches!(whole(RAW, &ipv6(44, &joined(&[&header, &[0xff; 30]]))), Decoded::Fragment(_)));
            }
        }
    }

    #[test]
    fn an_atomic_fragment_is_a_whole_packet() {
        assert_tcp(RAW, &ipv6(44, &joined(&[&fragment(0), &tcp()])));
    }

    #[test]
    fn extension_headers_are_skipped() {
        for number in [0, 43, 60, 135, 139, 140] {
            assert_tcp(RAW, &ipv6(number, &joined(&[&extension(6), &tcp()])));
        }
        let chain = joined(&[&extension(60), &extension(43), &extension(44), &fragment(0), &tcp()]);
        assert_tcp(RAW, &ipv6(0, &chain));
    }

    #[test]
    fn long_extension_headers_are_skipped() {
        let mut header = [0; 24];
        header[..2].copy_from_slice(&[6, 2]);
        assert_tcp(RAW, &ipv6(60, &joined(&[&header, &tcp()])));
    }

    #[test]
    fn an_authentication_header_is_skipped() {
        let authentication = [6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
        assert_tcp(RAW, &ipv6(51, &joined(&[&authentication, &tcp()])));
        let packet = ipv4(51, &joined(&[&authentication, &tcp()]));
        assert_eq!(payload(&packet, &segment(RAW, &packet)), PAYLOAD);
    }

    #[test]
    fn endless_extension_headers_are_undecoded() {
        let chain = [extension(60); 100];
        assert_eq!(whole(RAW, &ipv6(60, chain.as_flattened())), Decoded::Undecoded);
    }

    #[test]
    fn an_extension_header_past_the_packet_is_damage() {
        assert_eq!(whole(RAW, &ipv6(60, &[6, 200, 0, 0, 0, 0, 0, 0])), Decoded::Undecoded);
        assert_eq!(whole(RAW, &ipv6(60, &[6])), Decoded::Undecoded);
    }

    #[test]
    fn other_protocols_are_sound() {
        // ICMP, UDP, ESP, ICMPv6, no next header, SCTP.
        for protocol in [1, 17, 50, 58, 59, 132] {
            assert_eq!(whole(RAW, &ipv4(protocol, &[0; 12])), Decoded::Other);
            assert_eq!(whole(RAW, &ipv6(protocol, &[0; 12])), Decoded::Other);
        }
    }
}
