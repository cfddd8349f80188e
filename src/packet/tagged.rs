//! Tags other than those of VLANs: between an Ethernet header's addresses and its type, or behind a type of their own.
//!
//! In comes a view that begins with the tag, or with the frame where the link type says that each frame has one; out goes
//! which layer is next. They say how a switch forwards a frame, not which network it is of.
//! Layouts: IEEE 802.1BR (E-tag) and 802.1ah (service tag), RFC 8300 (network service header), <https://www.tcpdump.org/linktypes.html> (Broadcom, Marvell),
//! and Wireshark's `packet-vntag.c` and `packet-cisco-metadata.c`.

use super::view::View;
use super::{Layer, link};

/// A bridge port extension's tag: six bytes and an EtherType.
pub(super) fn e_tag(view: &mut View<'_>) -> Option<Layer> {
    before_type::<8>(view)
}

/// A virtual interface's tag, Cisco's way to the same end: four bytes and an EtherType.
pub(super) fn vn_tag(view: &mut View<'_>) -> Option<Layer> {
    before_type::<6>(view)
}

/// Cisco's metadata: version 1, length 1, options, a group, and an EtherType.
pub(super) fn cisco_metadata(view: &mut View<'_>) -> Option<Layer> {
    match *view.bytes() {
        [1, 1, ..] => before_type::<8>(view),
        _ => Some(Layer::Other),
    }
}

/// A provider backbone's service: four bytes, and the customer's frame.
pub(super) fn service_tag(view: &mut View<'_>) -> Option<Layer> {
    view.skip(4).map(|()| Layer::Ethernet)
}

/// A network service header (RFC 8300): two bits of version 0, its length in words, and the protocol that follows.
pub(super) fn service_path(view: &mut View<'_>) -> Option<Layer> {
    let &[version, length, _, protocol] = view.bytes().first_chunk()?;
    if version >> 6 != 0 {
        return Some(Layer::Other);
    }
    view.skip(4 * usize::from(length & 0x3f).max(2))?;
    Some(match protocol {
        1 => Layer::Ipv4,
        2 => Layer::Ipv6,
        3 => Layer::Ethernet,
        5 => Layer::Mpls,
        _ => Layer::Other,
    })
}

/// Broadcom's tag of four bytes behind the addresses.
pub(super) fn broadcom(view: &mut View<'_>) -> Option<Layer> {
    before_type::<18>(view)
}

/// Broadcom's tag of four bytes before the frame.
pub(super) fn broadcom_in_front(view: &mut View<'_>) -> Option<Layer> {
    view.skip(4).map(|()| Layer::Ethernet)
}

/// Marvell's tag of four bytes behind the addresses.
pub(super) fn marvell(view: &mut View<'_>) -> Option<Layer> {
    before_type::<18>(view)
}

/// Marvell's tag behind the addresses, with a type of its own and reserved bytes.
pub(super) fn marvell_with_type(view: &mut View<'_>) -> Option<Layer> {
    before_type::<22>(view)
}

/// A header of `N` bytes, the last two of which are an EtherType or the length of an LLC frame.
fn before_type<const N: usize>(view: &mut View<'_>) -> Option<Layer> {
    let &[high, low] = view.take::<N>()?.last_chunk()?;
    link::type_or_length(u16::from_be_bytes([high, low]), view)
}

#[cfg(test)]
mod tests {
    use super::super::Decoded;
    use super::super::testing::{ETHERNET, PAYLOAD, assert_tcp, ethernet, joined, tcp4, tcp6, whole};
    use crate::capture::LinkType;

    #[test]
    fn service_headers_name_what_they_carry() {
        let (v4, v6) = (tcp4(PAYLOAD), tcp6(PAYLOAD));
        let header = |words: u8, protocol: u8| {
            joined(&[&[0x0f, 0xc0 | words, 2, protocol], &vec![7; usize::from(words) * 4 - 4]])
        };
        let frame = |header: Vec<u8>, inner: &[u8]| ethernet(0x894f, &joined(&[&header, inner]));
        assert_tcp(ETHERNET, &frame(header(2, 1), &v4));
        assert_tcp(ETHERNET, &frame(header(6, 2), &v6));
        assert_tcp(ETHERNET, &frame(header(6, 3), &ethernet(0x0800, &v4)));
        assert_tcp(ETHERNET, &frame(header(2, 5), &joined(&[&[0, 0, 0x11, 0x40], &v4])));
        assert_eq!(whole(ETHERNET, &frame(header(2, 9), &v4)), Decoded::Other);
        assert_eq!(whole(ETHERNET, &ethernet(0x894f, &[0x4f, 0xc2, 2, 1, 0, 0, 0, 0])), Decoded::Other);
        assert_eq!(whole(ETHERNET, &ethernet(0x894f, &[0x0f, 0xff, 2, 1])), Decoded::Undecoded);
    }

    #[test]
    fn tags_behind_a_type_are_skipped() {
        let (v4, v6) = (tcp4(PAYLOAD), tcp6(PAYLOAD));
        for (ethertype, tag) in [(0x893f, &[0; 6][..]), (0x8926, &[0; 4]), (0x8909, &[1, 1, 0, 1, 0, 9])] {
            assert_tcp(ETHERNET, &ethernet(ethertype, &joined(&[tag, &[8, 0], &v4, &[0; 4]])));
            assert_tcp(ETHERNET, &ethernet(ethertype, &joined(&[tag, &[0x86, 0xdd], &v6])));
            assert_eq!(whole(ETHERNET, &ethernet(ethertype, &joined(&[tag, &[8, 6], &v4]))), Decoded::Other);
        }
        assert_eq!(whole(ETHERNET, &ethernet(0x8909, &joined(&[&[2, 1, 0, 1, 0, 9, 8, 0], &v4]))), Decoded::Other);
        assert_tcp(ETHERNET, &ethernet(0x88e7, &joined(&[&[0; 4], &ethernet(0x0800, &v4)])));
    }

    #[test]
    fn switch_tags_are_skipped() {
        let frame = ethernet(0x0800, &tcp4(PAYLOAD));
        let (addresses, rest) = frame.split_at(12);
        assert_tcp(LinkType(281), &joined(&[addresses, &[9; 4], rest]));
        assert_tcp(LinkType(282), &joined(&[&[9; 4], &frame]));
        assert_tcp(LinkType(284), &joined(&[addresses, &[9; 4], rest]));
        assert_tcp(LinkType(285), &joined(&[addresses, &[0xda, 0xda, 0, 0], &[9; 4], rest]));
    }
}
