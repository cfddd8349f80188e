//! Link layers: what lies before an IP header.
//!
//! In comes a view that begins with the header of the layer that a function is named after; out goes which layer is next,
//! in what is left of the view.
//! Layouts: IEEE 802.3 and 802.1Q, RFC 1042 (LLC/SNAP), RFC 1661 and 1662 (PPP), RFC 2516 (PPPoE), RFC 3032 (MPLS), and
//! <https://www.tcpdump.org/linktypes.html> for those that captures alone have.

use super::Layer;
use super::view::View;

/// Ethernet.
#[inline]
pub(super) fn ethernet(view: &mut View<'_>) -> Option<Layer> {
    let &[.., high, low] = view.take::<14>()?;
    type_or_length(u16::from_be_bytes([high, low]), view)
}

/// A VLAN tag, behind its EtherType: priority and id, then what is tagged.
pub(super) fn vlan(view: &mut View<'_>) -> Option<Layer> {
    let &[tag_high, tag_low, high, low] = view.take()?;
    view.enter_vlan(u16::from_be_bytes([tag_high, tag_low]) & 0x0fff);
    type_or_length(u16::from_be_bytes([high, low]), view)
}

/// Logical link control, with the SNAP header that carries an EtherType. Others (spanning tree, IPX) carry no IP.
pub(super) fn llc(view: &mut View<'_>) -> Option<Layer> {
    match *view.bytes() {
        // The organisation is 0 (RFC 1042) or, for bridged protocols, 00-00-F8 (IEEE 802.1H).
        [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00 | 0xf8, high, low, ..] => {
            view.skip(8)?;
            Some(ethertype(u16::from_be_bytes([high, low])))
        }
        [0xaa, 0xaa, 0x03, _, _, _, _, _, ..] => Some(Layer::Other),
        [0xaa, 0xaa, 0x03, ..] => None,
        [_, _, _, ..] => Some(Layer::Other),
        _ => None,
    }
}

/// Linux "any" device, first version. The protocol is what counts: on loopback, tunnel and PPP devices too.
pub(super) fn linux_cooked(view: &mut View<'_>) -> Option<Layer> {
    let &[.., high, low] = view.take::<16>()?;
    Some(cooked_protocol(u16::from_be_bytes([high, low])))
}

/// Linux "any" device, second version, with the protocol in front.
pub(super) fn linux_cooked_2(view: &mut View<'_>) -> Option<Layer> {
    let &[high, low, ..] = view.take::<20>()?;
    Some(cooked_protocol(u16::from_be_bytes([high, low])))
}

/// The protocol field of both Linux headers: an EtherType, or a small number of Linux's own.
const fn cooked_protocol(protocol: u16) -> Layer {
    const LINUX_LLC: u16 = 0x0004;
    match protocol {
        LINUX_LLC => Layer::Llc,
        protocol => ethertype(protocol),
    }
}

/// BSD loopback: an address family. Host order or network order, and the host is not known; no family is ambiguous.
pub(super) fn loopback(view: &mut View<'_>) -> Option<Layer> {
    let family = *view.take::<4>()?;
    Some(match u32::from_be_bytes(family).min(u32::from_le_bytes(family)) {
        2 => Layer::Ipv4,
        // IPv6 on Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin.
        10 | 23 | 24 | 28 | 30 => Layer::Ipv6,
        _ => Layer::Other,
    })
}

/// PPP: address and control, which may be left out, and a protocol of one or two bytes.
pub(super) fn ppp(view: &mut View<'_>) -> Option<Layer> {
    let framing = if view.bytes().starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    view.skip(framing)?;
    // The last byte of a protocol is odd, the one before it even; 0xff is no protocol, so that the address field can be
    // told from one (RFC 1661 sections 2 and 6.5).
    let (protocol, length) = match *view.bytes() {
        [only, ..] if only & 1 == 1 && only != 0xff => (u16::from(only), 1),
        [high, low, ..] => (u16::from_be_bytes([high, low]), 2),
        _ => return None,
    };
    view.skip(length)?;
    Some(match protocol {
        0x0021 => Layer::Ipv4,
        0x0057 => Layer::Ipv6,
        0x0281 => Layer::Mpls,
        _ => Layer::Other,
    })
}

/// A PPPoE session: version and type 1, code 0, session, length, then PPP.
pub(super) fn pppoe(view: &mut View<'_>) -> Option<Layer> {
    let &[version_and_type, code, _, _, high, low] = view.take()?;
    if version_and_type != 0x11 {
        return None;
    }
    if code != 0 {
        return Some(Layer::Other);
    }
    view.limit(usize::from(u16::from_be_bytes([high, low])));
    Some(Layer::Ppp)
}

/// One entry of an MPLS label stack. Labels differ between the two directions of a flow, so they are no scope.
pub(super) fn mpls(view: &mut View<'_>) -> Option<Layer> {
    let &[_, _, label_low, _] = view.take()?;
    let bottom_of_stack = label_low & 1 == 1;
    if !bottom_of_stack {
        return Some(Layer::Mpls);
    }
    // What the stack carries is agreed on elsewhere. IP tells itself by its version; a pseudowire begins with 0 or 1.
    Some(match view.bytes().first()? >> 4 {
        4 => Layer::Ipv4,
        6 => Layer::Ipv6,
        _ => Layer::Other,
    })
}

/// What `view` is by the field behind two Ethernet addresses or a VLAN tag: an EtherType from 0x600 on, up to 1500 the
/// length of an LLC frame, nothing in between (IEEE 802.3 section 3.2.6).
#[inline]
fn type_or_length(value: u16, view: &mut View<'_>) -> Option<Layer> {
    match value {
        0x0600.. => Some(ethertype(value)),
        0..=1500 => {
            view.limit(usize::from(value));
            Some(Layer::Llc)
        }
        _ => None,
    }
}

/// What an EtherType announces, as in the IANA registry "IEEE 802 Numbers".
#[inline]
pub(super) const fn ethertype(value: u16) -> Layer {
    match value {
        0x0800 => Layer::Ipv4,
        0x86dd => Layer::Ipv6,
        // 802.1Q, 802.1ad, and what was used for stacked tags before that.
        0x8100 | 0x88a8 | 0x9100 => Layer::Vlan,
        0x8847 | 0x8848 => Layer::Mpls,
        0x8864 => Layer::Pppoe,
        _ => Layer::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Decoded;
    use super::super::testing::{
        ETHERNET, PAYLOAD, RAW, assert_tcp, ethernet, joined, payload, segment, tcp4, tcp6, whole,
    };
    use crate::capture::LinkType;

    const LINUX_COOKED: LinkType = LinkType(113);
    const LINUX_COOKED_2: LinkType = LinkType(276);

    /// A tag and the EtherType behind it.
    fn tag(id: u16, ethertype: u16) -> [u8; 4] {
        let [[a, b], [c, d]] = [(id | 0x6000).to_be_bytes(), ethertype.to_be_bytes()];
        [a, b, c, d]
    }

    /// The scope of the flow in `frame`, which is the one of [`tcp4`].
    #[track_caller]
    fn scope(link_type: LinkType, frame: &[u8]) -> u32 {
        let found = segment(link_type, frame);
        assert_eq!(payload(frame, &found), PAYLOAD);
        found.scope
    }

    fn linux_cooked(hardware: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
        let (hardware, protocol) = (hardware.to_be_bytes(), protocol.to_be_bytes());
        joined(&[&[0, 0], &hardware, &[0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &protocol, payload])
    }

    fn linux_cooked_2(hardware: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
        let (hardware, protocol) = (hardware.to_be_bytes(), protocol.to_be_bytes());
        joined(&[&protocol, &[0, 0, 0, 0, 0, 1], &hardware, &[0, 6, 2, 0, 0, 0, 0, 1, 0, 0], payload])
    }

    #[test]
    fn ethernet_carries_ip() {
        assert_tcp(ETHERNET, &ethernet(0x0800, &tcp4(PAYLOAD)));
        assert_tcp(ETHERNET, &ethernet(0x86dd, &tcp6(PAYLOAD)));
    }

    #[test]
    fn arp_and_unknown_ethertypes_are_sound() {
        for ethertype in [0x0806, 0x88cc, 0x88e5, 0xffff] {
            assert_eq!(whole(ETHERNET, &ethernet(ethertype, &[0; 46])), Decoded::Other);
        }
    }

    #[test]
    fn vlan_and_qinq_are_scopes() {
        let packet = tcp4(PAYLOAD);
        for outer in [0x8100, 0x88a8, 0x9100] {
            let frame = ethernet(outer, &joined(&[&tag(100, 0x0800), &packet]));
            assert_eq!(scope(ETHERNET, &frame), 100);
            let frame = ethernet(outer, &joined(&[&tag(5, 0x8100), &tag(100, 0x0800), &packet]));
            assert_eq!(scope(ETHERNET, &frame), 5 << 12 | 100);
        }
        let tags = [tag(1, 0x8100), tag(2, 0x8100), tag(3, 0x0800)];
        let three = segment(ETHERNET, &ethernet(0x88a8, &joined(&[tags.as_flattened(), &packet])));
        assert_eq!(three.payload, 14 + 12 + 40..14 + 12 + 40 + 16);
    }

    #[test]
    fn a_priority_tag_is_no_vlan() {
        assert_tcp(ETHERNET, &ethernet(0x8100, &joined(&[&tag(0, 0x0800), &tcp4(PAYLOAD)])));
    }

    #[test]
    fn endless_tags_are_undecoded() {
        let tags = [tag(1, 0x8100); 1000];
        assert_eq!(whole(ETHERNET, &ethernet(0x8100, tags.as_flattened())), Decoded::Undecoded);
    }

    #[test]
    fn snap_carries_ip() {
        let packet = tcp4(PAYLOAD);
        for last in [0x00, 0xf8] {
            let snap = joined(&[&[0xaa, 0xaa, 3, 0, 0, last, 0x08, 0x00], &packet]);
            let length = snap.len() as u16;
            let padded = joined(&[&snap, &[0; 9]]);
            assert_tcp(ETHERNET, &ethernet(length, &padded));
            assert_eq!(scope(ETHERNET, &ethernet(0x8100, &joined(&[&tag(9, length), &padded]))), 9);
            assert_tcp(LINUX_COOKED, &linux_cooked(1, 4, &snap));
        }
    }

    #[test]
    fn other_llc_frames_are_sound() {
        let spanning_tree = [0x42, 0x42, 3, 0, 0, 0, 0, 0];
        let cisco_discovery = [0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0, 2, 0xb4];
        assert_eq!(whole(ETHERNET, &ethernet(8, &spanning_tree)), Decoded::Other);
        assert_eq!(whole(ETHERNET, &ethernet(10, &cisco_discovery)), Decoded::Other);
    }

    #[test]
    fn neither_length_nor_ethertype_is_undecoded() {
        assert_eq!(whole(ETHERNET, &ethernet(1501, &tcp4(PAYLOAD))), Decoded::Undecoded);
    }

    #[test]
    fn cooked_on_every_device() {
        // Ethernet, PPP, loopback, "none" as tunnels have, GRE.
        for hardware in [1, 512, 772, 0xfffe, 778] {
            assert_tcp(LINUX_COOKED, &linux_cooked(hardware, 0x0800, &tcp4(PAYLOAD)));
            assert_tcp(LINUX_COOKED, &linux_cooked(hardware, 0x86dd, &tcp6(PAYLOAD)));
            assert_tcp(LINUX_COOKED_2, &linux_cooked_2(hardware, 0x0800, &tcp4(PAYLOAD)));
            assert_tcp(LINUX_COOKED_2, &linux_cooked_2(hardware, 0x86dd, &tcp6(PAYLOAD)));
        }
    }

    #[test]
    fn cooked_vlans_are_scopes() {
        let tagged = joined(&[&tag(100, 0x0800), &tcp4(PAYLOAD)]);
        assert_eq!(scope(LINUX_COOKED, &linux_cooked(1, 0x8100, &tagged)), 100);
        assert_eq!(scope(LINUX_COOKED_2, &linux_cooked_2(1, 0x8100, &tagged)), 100);
    }

    #[test]
    fn loopback_families_are_read_in_either_order() {
        for link_type in [LinkType(0), LinkType(108)] {
            for order in [u32::to_be_bytes, u32::to_le_bytes] {
                assert_tcp(link_type, &joined(&[&order(2), &tcp4(PAYLOAD)]));
                for family in [10, 23, 24, 28, 30] {
                    assert_tcp(link_type, &joined(&[&order(family), &tcp6(PAYLOAD)]));
                }
                assert_eq!(whole(link_type, &joined(&[&order(7), &tcp4(PAYLOAD)])), Decoded::Other);
            }
        }
    }

    #[test]
    fn raw_ip_has_no_link_layer() {
        for link_type in [RAW, LinkType(12), LinkType(14)] {
            assert_tcp(link_type, &tcp4(PAYLOAD));
            assert_tcp(link_type, &tcp6(PAYLOAD));
        }
        assert_tcp(LinkType(228), &tcp4(PAYLOAD));
        assert_tcp(LinkType(229), &tcp6(PAYLOAD));
        assert_eq!(whole(LinkType(228), &tcp6(PAYLOAD)), Decoded::Undecoded);
    }

    #[test]
    fn ppp_with_and_without_framing_and_compression() {
        for link_type in [LinkType(9), LinkType(50)] {
            for framing in [&[0xff, 0x03][..], &[]] {
                assert_tcp(link_type, &joined(&[framing, &[0x00, 0x21], &tcp4(PAYLOAD)]));
                assert_tcp(link_type, &joined(&[framing, &[0x21], &tcp4(PAYLOAD)]));
                assert_tcp(link_type, &joined(&[framing, &[0x00, 0x57], &tcp6(PAYLOAD)]));
                assert_eq!(whole(link_type, &joined(&[framing, &[0xc0, 0x21, 1, 1, 0, 4]])), Decoded::Other);
            }
        }
    }

    #[test]
    fn pppoe_sessions_carry_ppp() {
        let packet = tcp4(PAYLOAD);
        let length = u8::try_from(packet.len() + 2).unwrap();
        let session = joined(&[&[0x11, 0, 0x12, 0x34, 0, length, 0x00, 0x21], &packet]);
        assert_tcp(ETHERNET, &ethernet(0x8864, &joined(&[&session, &[0; 10]])));
        assert_tcp(LinkType(51), &session);
    }

    #[test]
    fn mpls_labels_are_popped() {
        let (label, bottom) = ([0, 1, 0x00, 64], [0, 2, 0x01, 64]);
        for packet in [tcp4(PAYLOAD), tcp6(PAYLOAD)] {
            assert_tcp(ETHERNET, &ethernet(0x8847, &joined(&[&bottom, &packet])));
            assert_tcp(ETHERNET, &ethernet(0x8848, &joined(&[&label, &label, &bottom, &packet])));
            assert_tcp(LinkType(9), &joined(&[&[0x02, 0x81], &bottom, &packet]));
        }
        let pseudowire = joined(&[&bottom, &[0; 4], &ethernet(0x0800, &tcp4(PAYLOAD))]);
        assert_eq!(whole(ETHERNET, &ethernet(0x8847, &pseudowire)), Decoded::Other);
    }

    #[test]
    fn unknown_link_types_are_undecoded() {
        assert_eq!(whole(LinkType(147), &tcp4(PAYLOAD)), Decoded::Undecoded);
    }
}
