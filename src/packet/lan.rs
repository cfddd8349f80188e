//! Local networks before Ethernet, and IP over those of other kinds: FDDI, Token Ring, ARCnet, InfiniBand, Fibre Channel.
//!
//! In comes a view that begins with the header of the layer that a function is named after; out goes which layer is next.
//! Layouts: RFC 1390 (FDDI), RFC 1042 (Token Ring), RFC 1051 and 1201 (ARCnet), RFC 4391 (InfiniBand), RFC 2625 (Fibre
//! Channel), and <https://www.tcpdump.org/linktypes.html>.

use super::view::View;
use super::{Layer, link};

/// FDDI: frame control and two addresses. Of all its frames only those with LLC carry IP.
pub(super) fn fddi(view: &mut View<'_>) -> Option<Layer> {
    let &[control, ..] = view.take::<13>()?;
    Some(if control & 0xf0 == 0x50 { Layer::Llc } else { Layer::Other })
}

/// Token Ring: access control, frame control, two addresses, and a route if the first bit of the source says so.
pub(super) fn token_ring(view: &mut View<'_>) -> Option<Layer> {
    const HAS_ROUTE: u8 = 0x80;

    let &[_, control, _, _, _, _, _, _, source, ..] = view.take::<14>()?;
    if source & HAS_ROUTE != 0 {
        let route = view.bytes().first()? & 0x1f;
        view.skip(usize::from(route).max(2))?;
    }
    Some(if control & 0xc0 == 0x40 { Layer::Llc } else { Layer::Other })
}

/// ARCnet as BSD captures it: source, destination.
pub(super) fn arcnet(view: &mut View<'_>) -> Option<Layer> {
    view.skip(2)?;
    arcnet_protocol(view)
}

/// ARCnet as Linux captures it, with an offset of two bytes.
pub(super) fn arcnet_linux(view: &mut View<'_>) -> Option<Layer> {
    const EXCEPTION: u8 = 0xff;

    view.skip(4)?;
    // Linux leaves out what an exception frame repeats.
    match *view.bytes() {
        [_, EXCEPTION, ..] => Some(Layer::Other),
        _ => arcnet_protocol(view),
    }
}

/// What ARCnet carries. RFC 1051 has nothing but a number; RFC 1201 adds a flag that tells fragments, and a number for
/// those, and repeats both in an exception frame.
fn arcnet_protocol(view: &mut View<'_>) -> Option<Layer> {
    const IP_OF_RFC_1051: u8 = 0xf0;
    const IP: u8 = 0xd4;
    const IPV6: u8 = 0xc4;

    let &[protocol] = view.take()?;
    let layer = match protocol {
        IP_OF_RFC_1051 => return Some(Layer::Ipv4),
        IP => Layer::Ipv4,
        IPV6 => Layer::Ipv6,
        _ => return Some(Layer::Other),
    };
    let flag = match *view.take()? {
        [0xff, _, _] => {
            let &[_, flag, _, _] = view.take()?;
            flag
        }
        [flag, _, _] => flag,
    };
    Some(if flag == 0 { layer } else { Layer::Other })
}

/// IP over InfiniBand: a global routing header, an EtherType, two reserved bytes.
pub(super) fn infiniband(view: &mut View<'_>) -> Option<Layer> {
    let &[.., high, low, _, _] = view.take::<44>()?;
    Some(link::ethertype(u16::from_be_bytes([high, low])))
}

/// IP over Fibre Channel: two addresses of eight bytes.
pub(super) fn fibre_channel(view: &mut View<'_>) -> Option<Layer> {
    view.skip(16).map(|()| Layer::Llc)
}

#[cfg(test)]
mod tests {
    use super::super::Decoded;
    use super::super::testing::{PAYLOAD, assert_tcp, joined, tcp4, tcp6, whole};
    use crate::capture::LinkType;

    fn snap() -> Vec<u8> {
        joined(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &tcp4(PAYLOAD)])
    }

    #[test]
    fn fddi_carries_llc() {
        let fddi = LinkType(10);
        assert_tcp(fddi, &joined(&[&[0x57], &[0; 12], &snap()]));
        assert_eq!(whole(fddi, &joined(&[&[0x41], &[0; 12], &snap()])), Decoded::Other);
    }

    #[test]
    fn token_ring_routes_are_skipped() {
        let token_ring = LinkType(6);
        assert_tcp(token_ring, &joined(&[&[0x10, 0x40], &[0; 12], &snap()]));
        assert_tcp(
            token_ring,
            &joined(&[&[0x10, 0x40], &[0; 6], &[0x80], &[0; 5], &[0xc6, 0x30, 0, 1, 0, 0], &snap()]),
        );
        assert_eq!(whole(token_ring, &joined(&[&[0x10, 0], &[0; 12], &snap()])), Decoded::Other);
    }

    #[test]
    fn arcnet_has_two_headers() {
        let (v4, v6) = (tcp4(PAYLOAD), tcp6(PAYLOAD));
        for (link_type, front) in [(LinkType(7), &[1, 2][..]), (LinkType(129), &[1, 2, 0, 0])] {
            assert_tcp(link_type, &joined(&[front, &[0xf0], &v4]));
            assert_tcp(link_type, &joined(&[front, &[0xd4, 0, 0, 7], &v4]));
            assert_tcp(link_type, &joined(&[front, &[0xc4, 0, 0, 7], &v6]));
            assert_eq!(whole(link_type, &joined(&[front, &[0xd4, 1, 0, 7], &v4])), Decoded::Other);
            assert_eq!(whole(link_type, &joined(&[front, &[0xd5, 0, 0, 7], &v4])), Decoded::Other);
        }
        assert_tcp(LinkType(7), &joined(&[&[1, 2, 0xd4, 0xff, 0xff, 0xff, 0xd4, 0, 0, 7], &v4]));
    }

    #[test]
    fn infiniband_and_fibre_channel_carry_ip() {
        assert_tcp(LinkType(242), &joined(&[&[0; 40], &[8, 0, 0, 0], &tcp4(PAYLOAD)]));
        assert_tcp(LinkType(122), &joined(&[&[0; 16], &snap()]));
    }
}
