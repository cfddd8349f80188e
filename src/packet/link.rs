//! Link layers: what lies before an IP header.
//!
//! In comes a view that begins with the header of the layer that a function is named after; out goes which layer is next,
//! in what is left of the view.
//! Layouts: IEEE 802.3 and 802.1Q, RFC 1042 (LLC/SNAP), RFC 3032 (MPLS), and
//! <https://www.tcpdump.org/linktypes.html> for those that captures alone have.

use super::view::View;
use super::{Layer, tagged};

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

/// One entry of an MPLS label stack. Labels differ between the two directions of a flow, so they are no scope.
pub(super) fn mpls(view: &mut View<'_>) -> Option<Layer> {
    let &[_, _, label_low, _] = view.take()?;
    let bottom_of_stack = label_low & 1 == 1;
    if !bottom_of_stack {
        return Some(Layer::Mpls);
    }
    // What the stack carries is agreed on elsewhere. IP tells itself by its version.
    Some(match view.bytes().first()? >> 4 {
        4 => Layer::Ipv4,
        6 => Layer::Ipv6,
        _ => pseudowire(view)?,
    })
}

/// A frame in an MPLS pseudowire (RFC 4448), if it looks like one with IP: behind a control word that begins with 0, or
/// without any.
#[cold]
fn pseudowire(view: &mut View<'_>) -> Option<Layer> {
    const CONTROL_WORD: usize = 4;

    let looks_like_frame = |bytes: &[u8]| {
        matches!(
            bytes,
            [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x00, 0x45..=0x4f, ..]
                | [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, 0x60..=0x6f, ..]
                | [_, _, _, _, _, _, _, _, _, _, _, _, 0x81, 0x00, _, _, 0x08 | 0x81 | 0x86 | 0x88, _, ..]
        )
    };
    let bytes = view.bytes();
    if let [0..0x10, _, _, _, frame @ ..] = bytes
        && looks_like_frame(frame)
    {
        return view.skip(CONTROL_WORD).map(|()| Layer::Ethernet);
    }
    Some(if looks_like_frame(bytes) { Layer::Ethernet } else { Layer::Other })
}

/// What `view` is by the field behind two Ethernet addresses or a VLAN tag: an EtherType from 0x600 on, up to 1500 the
/// length of an LLC frame, nothing in between (IEEE 802.3 section 3.2.6).
#[inline]
pub(super) fn type_or_length(value: u16, view: &mut View<'_>) -> Option<Layer> {
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
        0x893f => Layer::Rare(tagged::e_tag),
        0x8926 => Layer::Rare(tagged::vn_tag),
        0x8909 => Layer::Rare(tagged::cisco_metadata),
        0x88e7 => Layer::Rare(tagged::service_tag),
        0x894f => Layer::Rare(tagged::service_path),
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
    fn pseudowires_carry_frames() {
        let bottom = [0, 0, 0x11, 0x40];
        let tagged = joined(&[&[0, 7, 8, 0], &tcp4(PAYLOAD)]);
        for frame in [ethernet(0x0800, &tcp4(PAYLOAD)), ethernet(0x86dd, &tcp6(PAYLOAD)), ethernet(0x8100, &tagged)] {
            for control_word in [&[][..], &[0; 4], &[0, 0, 0, 9]] {
                let packet = ethernet(0x8847, &joined(&[&bottom, control_word, &frame]));
                assert_eq!(payload(&packet, &segment(ETHERNET, &packet)), PAYLOAD, "{control_word:?}");
            }
            let fragment = ethernet(0x8847, &joined(&[&bottom, &[0x10, 0, 0, 0], &frame]));
            assert_eq!(whole(ETHERNET, &fragment), Decoded::Other);
        }
        assert_eq!(whole(ETHERNET, &ethernet(0x8847, &joined(&[&bottom, &[0; 16]]))), Decoded::Other);
    }

    #[test]
    fn mpls_labels_are_popped() {
        let (label, bottom) = ([0, 1, 0x00, 64], [0, 2, 0x01, 64]);
        for packet in [tcp4(PAYLOAD), tcp6(PAYLOAD)] {
            assert_tcp(ETHERNET, &ethernet(0x8847, &joined(&[&bottom, &packet])));
            assert_tcp(ETHERNET, &ethernet(0x8848, &joined(&[&label, &label, &bottom, &packet])));
            assert_tcp(LinkType(9), &joined(&[&[0x02, 0x81], &bottom, &packet]));
        }
        // Something that is agreed on elsewhere, and looks like nothing.
        let other = joined(&[&bottom, &[0; 4], &tcp4(PAYLOAD)]);
        assert_eq!(whole(ETHERNET, &ethernet(0x8847, &other)), Decoded::Other);
    }

    #[test]
    fn unknown_link_types_are_undecoded() {
        assert_eq!(whole(LinkType(147), &tcp4(PAYLOAD)), Decoded::Undecoded);
    }
}
