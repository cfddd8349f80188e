//! Headers that exist in captures only: what firewalls, hosts and routers note of a packet in front of it.
//!
//! In comes a view that begins with the header of the layer that a function is named after; out goes which layer is next.
//! Layouts: <https://www.tcpdump.org/linktypes.html> (NFLOG, PKTAP), `net/if_pflog.h` of OpenBSD, and Wireshark's
//! `packet-juniper.c`.

use super::view::View;
use super::{Layer, Rare, serial};
use crate::capture::LinkType;
use crate::limits;

/// The log of Linux's netfilter: family, version 0, a number, then attributes, of which one is the packet.
pub(super) fn nflog(view: &mut View<'_>) -> Option<Layer> {
    const IPV4: u8 = 2;
    const IPV6: u8 = 10;

    let &[family, version, _, _] = view.take()?;
    if version != 0 {
        return None;
    }
    // Attributes are in the order of the machine that captured: little-endian almost always.
    let length = nflog_payload(view, u16::from_le_bytes)?;
    view.limit(length);
    Some(match family {
        IPV4 => Layer::Ipv4,
        IPV6 => Layer::Ipv6,
        _ => Layer::Other,
    })
}

/// Goes to the attribute that is the packet: its length.
fn nflog_payload(view: &mut View<'_>, number: fn([u8; 2]) -> u16) -> Option<usize> {
    const PAYLOAD: u16 = 9;

    for _ in 0..limits::NFLOG_ATTRIBUTES {
        let &[length_0, length_1, kind_0, kind_1] = view.take()?;
        let length = usize::from(number([length_0, length_1])).checked_sub(4)?;
        if number([kind_0, kind_1]) == PAYLOAD {
            return Some(length);
        }
        view.skip(length.next_multiple_of(4))?;
    }
    None
}

/// Darwin's header for packets of several interfaces: its length, a type, the link type of the packet.
pub(super) fn pktap(view: &mut View<'_>) -> Option<Layer> {
    let &[a, b, c, d, 1, 0, 0, 0, low, high, 0, 0] = view.bytes().first_chunk()? else { return None };
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    view.skip(length.max(12))?;
    Layer::first(LinkType(u16::from_le_bytes([low, high])))
}

/// The log of the BSD packet filter: its length, an address family, then what else is known of the packet.
pub(super) fn pflog(view: &mut View<'_>) -> Option<Layer> {
    let &[length, family] = view.bytes().first_chunk()?;
    // The field leaves out the padding; OpenBSD's oldest header is another one.
    if length < 45 {
        return None;
    }
    view.skip(usize::from(length).next_multiple_of(4))?;
    Some(match family {
        2 => Layer::Ipv4,
        24 | 28 | 30 => Layer::Ipv6,
        _ => Layer::Other,
    })
}

/// What Juniper's routers note of a packet on Ethernet.
pub(super) fn juniper_ethernet(view: &mut View<'_>) -> Option<Layer> {
    juniper(view, Layer::Ethernet)
}

/// What Juniper's routers note of a packet on PPP.
pub(super) fn juniper_ppp(view: &mut View<'_>) -> Option<Layer> {
    juniper(view, Layer::Ppp)
}

/// What Juniper's routers note of a packet on frame relay.
pub(super) fn juniper_frame_relay(view: &mut View<'_>) -> Option<Layer> {
    juniper(view, Layer::Rare(serial::frame_relay as Rare))
}

/// What Juniper's routers note of a packet on Cisco's HDLC.
pub(super) fn juniper_cisco_hdlc(view: &mut View<'_>) -> Option<Layer> {
    juniper(view, Layer::Rare(serial::cisco_hdlc as Rare))
}

/// Juniper's header: a magic number, flags, and more if they say so; then a packet of `layer`, or without any link layer
/// a number for the protocol.
fn juniper(view: &mut View<'_>, layer: Layer) -> Option<Layer> {
    const EXTENDED: u8 = 0x80;
    const NO_LINK_LAYER: u8 = 0x02;

    let &[0x4d, 0x47, 0x43, flags] = view.take()? else { return None };
    if flags & EXTENDED != 0 {
        let length = u16::from_be_bytes(*view.take()?);
        view.skip(usize::from(length))?;
    }
    if flags & NO_LINK_LAYER == 0 {
        return Some(layer);
    }
    Some(match u32::from_le_bytes(*view.take()?) {
        2 => Layer::Ipv4,
        6 => Layer::Ipv6,
        _ => Layer::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Decoded;
    use super::super::testing::{PAYLOAD, assert_tcp, ethernet, joined, tcp4, tcp6, whole};
    use crate::capture::LinkType;

    #[test]
    fn nflog_attributes_are_skipped() {
        let nflog = LinkType(239);
        let attributes = [8, 0, 1, 0, 8, 0, 3, 0, 6, 0, 10, 0, b'x', 0, 0, 0];
        for (family, packet) in [(2, tcp4(PAYLOAD)), (10, tcp6(PAYLOAD))] {
            let length = (packet.len() + 4) as u8;
            let packet = joined(&[&[family, 0, 0, 5], &attributes, &[length, 0, 9, 0], &packet, &[0; 3]]);
            assert_tcp(nflog, &packet);
            let other_family = joined(&[&[7], &packet[1..]]);
            assert_eq!(whole(nflog, &other_family), Decoded::Other);
        }
        assert_eq!(whole(nflog, &[2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]), Decoded::Undecoded);
        assert_eq!(whole(nflog, &joined(&[&[2, 0, 0, 0], [[4, 0, 1, 0]; 10_000].as_flattened()])), Decoded::Undecoded);
    }

    #[test]
    fn pktap_names_what_it_carries() {
        let pktap = LinkType(258);
        let header = |link_type: u8| joined(&[&[108, 0, 0, 0, 1, 0, 0, 0, link_type, 0, 0, 0], &[0; 96]]);
        assert_tcp(pktap, &joined(&[&header(1), &ethernet(0x0800, &tcp4(PAYLOAD))]));
        assert_tcp(pktap, &joined(&[&header(12), &tcp6(PAYLOAD)]));
        assert_eq!(whole(pktap, &joined(&[&header(147), &tcp4(PAYLOAD)])), Decoded::Undecoded);
    }

    #[test]
    fn pflog_families_are_told_apart() {
        let pflog = LinkType(117);
        assert_tcp(pflog, &joined(&[&[61, 2], &[0; 62], &tcp4(PAYLOAD)]));
        assert_tcp(pflog, &joined(&[&[100, 24], &[0; 98], &tcp6(PAYLOAD)]));
        assert_eq!(whole(pflog, &joined(&[&[61, 9], &[0; 62], &tcp4(PAYLOAD)])), Decoded::Other);
    }

    #[test]
    fn juniper_headers_are_skipped() {
        let packet = tcp4(PAYLOAD);
        let carried = [
            (178, ethernet(0x0800, &packet)),
            (167, joined(&[&[0xff, 3, 0, 0x21], &packet])),
            (180, joined(&[&[0x18, 0x41, 3, 0xcc], &packet])),
            (181, joined(&[&[0x0f, 0, 8, 0], &packet])),
        ];
        for (link_type, frame) in carried {
            let link_type = LinkType(link_type);
            assert_tcp(link_type, &joined(&[&[0x4d, 0x47, 0x43, 1], &frame]));
            assert_tcp(link_type, &joined(&[&[0x4d, 0x47, 0x43, 0x81, 0, 3, 1, 2, 3], &frame]));
            assert_tcp(link_type, &joined(&[&[0x4d, 0x47, 0x43, 2, 2, 0, 0, 0], &packet]));
            assert_eq!(whole(link_type, &frame), Decoded::Undecoded);
        }
    }
}
