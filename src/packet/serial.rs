//! Serial lines: PPP and what carries it, Cisco's HDLC, frame relay, SLIP.
//!
//! In comes a view that begins with the header of the layer that a function is named after; out goes which layer is next.
//! Layouts: RFC 1661 and 1662 (PPP), RFC 2516 (PPPoE), RFC 1547 section 4.3.1 (Cisco HDLC), RFC 2427 (frame relay), RFC
//! 1144 (compressed SLIP), and <https://www.tcpdump.org/linktypes.html>.

use super::view::View;
use super::{Layer, link};

/// PPP on a line, where Cisco's HDLC may be spoken too: that begins with an address which PPP does not have.
pub(super) fn ppp_or_cisco_hdlc(view: &mut View<'_>) -> Option<Layer> {
    match *view.bytes() {
        [0x0f | 0x8f, 0, ..] => cisco_hdlc(view),
        _ => Some(Layer::Ppp),
    }
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

/// Cisco's HDLC: unicast or broadcast, 0, an EtherType.
pub(super) fn cisco_hdlc(view: &mut View<'_>) -> Option<Layer> {
    let &[_, _, high, low] = view.take()?;
    Some(link::ethertype(u16::from_be_bytes([high, low])))
}

/// Frame relay: an address of two to four bytes, the last of which is odd; then a number for the protocol, or what
/// Cisco made before there was one: an EtherType.
pub(super) fn frame_relay(view: &mut View<'_>) -> Option<Layer> {
    const UNNUMBERED_INFORMATION: u8 = 0x03;
    const PADDING: u8 = 0;
    const SNAP: u8 = 0x80;

    let last = view.bytes().iter().take(4).position(|byte| byte & 1 == 1)?;
    // An address is never of one byte.
    view.skip(last.max(1) + 1)?;
    let &[control, ..] = view.bytes().first_chunk::<2>()?;
    if control != UNNUMBERED_INFORMATION {
        let ethertype = u16::from_be_bytes(*view.take()?);
        return Some(if ethertype < 0x0600 { Layer::Other } else { link::ethertype(ethertype) });
    }
    view.skip(1)?;
    let &[mut protocol] = view.take()?;
    if protocol == PADDING {
        [protocol] = *view.take()?;
    }
    Some(match protocol {
        0xcc => Layer::Ipv4,
        0x8e => Layer::Ipv6,
        SNAP => match *view.take()? {
            [0, 0, 0, high, low] => link::ethertype(u16::from_be_bytes([high, low])),
            // Bridged Ethernet, with and without its check sequence.
            [0, 0x80, 0xc2, 0, 1 | 7] => Layer::Ethernet,
            _ => Layer::Other,
        },
        _ => Layer::Other,
    })
}

/// SLIP as captured: a direction, what its compression made of the header, and the packet. Where the header is left out,
/// what is left is of no use without the packets before it.
pub(super) fn slip(view: &mut View<'_>) -> Option<Layer> {
    const COMPRESSED: u8 = 0x80;

    let &[_, header, ..] = view.take::<16>()?;
    Some(if header & COMPRESSED != 0 { Layer::Other } else { Layer::Ip })
}

#[cfg(test)]
mod tests {
    use super::super::Decoded;
    use super::super::testing::{ETHERNET, PAYLOAD, assert_tcp, ethernet, joined, tcp4, tcp6, whole};
    use crate::capture::LinkType;

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
    fn cisco_hdlc_carries_ethertypes() {
        for link_type in [LinkType(9), LinkType(50), LinkType(104)] {
            assert_tcp(link_type, &joined(&[&[0x0f, 0, 8, 0], &tcp4(PAYLOAD)]));
            assert_tcp(link_type, &joined(&[&[0x8f, 0, 0x86, 0xdd], &tcp6(PAYLOAD)]));
            assert_eq!(whole(link_type, &[0x8f, 0, 0x80, 0x35, 0, 0, 0, 2]), Decoded::Other);
        }
    }

    #[test]
    fn frame_relay_protocols() {
        let frame_relay = LinkType(107);
        let (v4, frame) = (tcp4(PAYLOAD), ethernet(0x0800, &tcp4(PAYLOAD)));
        for address in [&[0x18, 0x41][..], &[0x18, 0x40, 0x01], &[0x18, 0x40, 0x00, 0x01]] {
            assert_tcp(frame_relay, &joined(&[address, &[3, 0xcc], &v4]));
            assert_tcp(frame_relay, &joined(&[address, &[3, 0x8e], &tcp6(PAYLOAD)]));
            assert_tcp(frame_relay, &joined(&[address, &[3, 0, 0x80, 0, 0, 0, 8, 0], &v4]));
            assert_tcp(frame_relay, &joined(&[address, &[3, 0, 0x80, 0, 0x80, 0xc2, 0, 7], &frame]));
            assert_tcp(frame_relay, &joined(&[address, &[8, 0], &v4]));
            assert_eq!(whole(frame_relay, &joined(&[address, &[3, 0x81, 0, 0]])), Decoded::Other);
        }
        assert_eq!(whole(frame_relay, &[0; 40]), Decoded::Undecoded);
    }

    #[test]
    fn slip_without_compression_carries_ip() {
        let slip = LinkType(8);
        assert_tcp(slip, &joined(&[&[1, 0x45], &[0; 14], &tcp4(PAYLOAD)]));
        assert_eq!(whole(slip, &joined(&[&[1, 0x80], &[0; 14], b"rest"])), Decoded::Other);
    }
}
