//! Tunnels that carry frames or packets within IP: GRE, ERSPAN, EoIP, EtherIP, and over UDP VXLAN, GENEVE, GTP-U, L2TP,
//! MPLS and Teredo. IP within IP needs nothing from here.
//!
//! In comes a view that begins with the tunnel's header; out goes which layer is inside. Numbers that tell networks
//! apart, and are the same in both directions, become part of the scope: GRE's key, the network identifiers of VXLAN and
//! GENEVE. Numbers that each receiver chooses for itself (those of GTP-U and PPTP) and those of mirroring sessions do not,
//! since they would tear a flow in two.
//!
//! Layouts: RFC 2784 and 2890 (GRE), RFC 2637 (GRE of PPTP), RFC 7637 (NVGRE), draft-foschiano-erspan, RFC 7348 (VXLAN),
//! draft-ietf-nvo3-vxlan-gpe, RFC 8926 (GENEVE), 3GPP TS 29.281 (GTP-U), RFC 4380 section 5.1.1 (Teredo), RFC 2661
//! section 3.1 (L2TP), RFC 7510 (MPLS over UDP). EoIP is
//! MikroTik's, and described by those who rebuilt it only.

use super::view::View;
use super::{Layer, link, tagged};
use crate::limits;

/// GRE: which fields follow the first four bytes is said by flags.
pub(super) fn gre(view: &mut View<'_>) -> Option<Layer> {
    const CHECKSUM: u8 = 0x80;
    const ROUTING: u8 = 0x40;
    const KEY: u8 = 0x20;
    const VERSION: u8 = 0x07;
    const PPP: u16 = 0x880b;
    const EOIP: u16 = 0x6400;

    let &[flags, more_flags, high, low] = view.take()?;
    let protocol = u16::from_be_bytes([high, low]);
    match more_flags & VERSION {
        0 if flags & ROUTING == 0 => {}
        1 if protocol == EOIP && flags == KEY => return eoip(view),
        1 if protocol == PPP => return gre_of_pptp(flags, more_flags, view),
        _ => return Some(Layer::Other),
    }
    if flags & CHECKSUM != 0 {
        view.skip(4)?;
    }
    if flags & KEY != 0 {
        let key = u32::from_be_bytes(*view.take()?);
        view.enter_overlay(if protocol == ETHERNET { nvgre_network(key) } else { key });
    }
    let has_sequence = flags & SEQUENCE != 0;
    if has_sequence {
        view.skip(4)?;
    }
    match protocol {
        ETHERNET => Some(Layer::Ethernet),
        // The first type of ERSPAN has neither a number nor a header of its own.
        0x88be if !has_sequence => Some(Layer::Ethernet),
        0x88be => view.skip(8).map(|()| Layer::Ethernet),
        0x22eb => erspan_3(view),
        _ => Some(link::ethertype(protocol)),
    }
}

/// "Transparent Ethernet bridging": a frame.
const ETHERNET: u16 = 0x6558;

/// The lowest byte of NVGRE's key differs from flow to flow. Other tunnels of frames lose it too, and little with it.
const fn nvgre_network(key: u32) -> u32 {
    key >> 8
}

/// The flag for a sequence number, in both versions of GRE.
const SEQUENCE: u8 = 0x10;

/// The GRE of PPTP behind its flags, which carries PPP: a length and a call number for key, and an acknowledgement.
fn gre_of_pptp(flags: u8, more_flags: u8, view: &mut View<'_>) -> Option<Layer> {
    const ACKNOWLEDGEMENT: u8 = 0x80;

    // Without a sequence number it has no payload but is an acknowledgement alone.
    if flags & SEQUENCE == 0 {
        return Some(Layer::Other);
    }
    let &[length_high, length_low, _, _] = view.take()?;
    view.skip(if more_flags & ACKNOWLEDGEMENT == 0 { 4 } else { 8 })?;
    view.limit(usize::from(u16::from_be_bytes([length_high, length_low])));
    Some(Layer::Ppp)
}

/// Ethernet over IP, behind its flags: a length, the number of the tunnel, a frame.
#[cold]
fn eoip(view: &mut View<'_>) -> Option<Layer> {
    let &[length_high, length_low, id_low, id_high] = view.take()?;
    let length = u16::from_be_bytes([length_high, length_low]);
    if length == 0 {
        // It keeps the tunnel alive.
        return Some(Layer::Other);
    }
    view.limit(usize::from(length));
    view.enter_overlay(u32::from(u16::from_le_bytes([id_low, id_high])));
    Some(Layer::Ethernet)
}

/// ERSPAN's third type, whose last bits say what it mirrors and whether eight more bytes follow.
fn erspan_3(view: &mut View<'_>) -> Option<Layer> {
    const FRAME_TYPES: u8 = 0x7c;
    const ETHERNET_FRAME: u8 = 0;
    const IP_PACKET: u8 = 2 << 2;
    const SUBHEADER: u8 = 0x01;

    let &[.., types, options] = view.take::<12>()?;
    if options & SUBHEADER != 0 {
        view.skip(8)?;
    }
    Some(match types & FRAME_TYPES {
        ETHERNET_FRAME => Layer::Ethernet,
        IP_PACKET => Layer::Ip,
        _ => Layer::Other,
    })
}

/// UDP, for the tunnels that are known by its destination port, or for Teredo by either. The port is a hint only: what does not look like the
/// tunnel's header is sound, and no tunnel.
pub(super) fn udp(view: &mut View<'_>) -> Option<Layer> {
    const TEREDO: u16 = 3544;
    const L2TP: u16 = 1701;

    let &[source_high, source_low, high, low, length_high, length_low, _, _] = view.take()?;
    match u16::from_be_bytes([length_high, length_low]) {
        // A datagram too long for the field, as in IP.
        0 => {}
        length => view.limit(usize::from(length.checked_sub(8)?)),
    }
    let inner = match u16::from_be_bytes([high, low]) {
        // The registered port, and the one that Linux used before that.
        4789 | 8472 => vxlan(view),
        6081 => geneve(view),
        2152 => gtp_u(view),
        4790 => vxlan_gpe(view),
        6635 => Some(Layer::Mpls),
        TEREDO => teredo(view),
        L2TP => l2tp(view),
        _ => match u16::from_be_bytes([source_high, source_low]) {
            TEREDO => teredo(view),
            L2TP => l2tp(view),
            _ => None,
        },
    };
    Some(inner.unwrap_or(Layer::Other))
}

/// L2TP's second version: flags that say which fields there are, and PPP. Control messages carry none.
#[cold]
fn l2tp(view: &mut View<'_>) -> Option<Layer> {
    const CONTROL: u8 = 0x80;
    const LENGTH: u8 = 0x40;
    const SEQUENCE: u8 = 0x08;
    const OFFSET: u8 = 0x02;

    let &[flags, version] = view.take()?;
    if version & 0x0f != 2 || flags & CONTROL != 0 {
        return None;
    }
    if flags & LENGTH != 0 {
        let length = u16::from_be_bytes(*view.take()?);
        view.limit(usize::from(length).checked_sub(4)?);
    }
    view.skip(if flags & SEQUENCE != 0 { 8 } else { 4 })?;
    if flags & OFFSET != 0 {
        let offset = u16::from_be_bytes(*view.take()?);
        view.skip(usize::from(offset))?;
    }
    Some(Layer::Ppp)
}

/// Ethernet in IP (RFC 3378): version 3, twelve reserved bits, a frame.
pub(super) fn ether_ip(view: &mut View<'_>) -> Option<Layer> {
    Some(if matches!(view.take()?, [0x30, _]) { Layer::Ethernet } else { Layer::Other })
}

/// VXLAN: a flag that says that there is a network identifier, the identifier, and a frame.
fn vxlan(view: &mut View<'_>) -> Option<Layer> {
    const HAS_IDENTIFIER: u8 = 0x08;

    let &[flags, _, _, _, id_high, id_middle, id_low, _] = view.take()?;
    view.enter_overlay(u32::from_be_bytes([0, id_high, id_middle, id_low]));
    (flags & HAS_IDENTIFIER != 0).then_some(Layer::Ethernet)
}

/// VXLAN with a protocol number: version 0, the flags for both numbers, nothing in the reserved bytes.
fn vxlan_gpe(view: &mut View<'_>) -> Option<Layer> {
    const HAS_IDENTIFIER_AND_PROTOCOL: u8 = 0x0c;
    // The lowest bits mark broadcasts and maintenance; the latter carry no user's packets.
    const BROADCAST: u8 = 0x02;

    let &[flags, 0, 0, protocol, id_high, id_middle, id_low, 0] = view.take()? else { return None };
    if flags & !BROADCAST != HAS_IDENTIFIER_AND_PROTOCOL {
        return None;
    }
    view.enter_overlay(u32::from_be_bytes([0, id_high, id_middle, id_low]));
    match protocol {
        1 | 2 => plausible_ip(view),
        3 => Some(Layer::Ethernet),
        4 => Some(Layer::Rare(tagged::service_path)),
        _ => None,
    }
}

/// An IP packet of sound version that fits its tunnel, where nothing else tells that there is one.
fn plausible_ip(view: &View<'_>) -> Option<Layer> {
    let length = view.wire_length();
    match *view.bytes() {
        [0x45..=0x4f, _, high, low, ..] => {
            let total = usize::from(u16::from_be_bytes([high, low]));
            (20..=length).contains(&total).then_some(Layer::Ipv4)
        }
        [0x60..=0x6f, _, _, _, high, low, ..] => {
            let payload = usize::from(u16::from_be_bytes([high, low]));
            (40 + payload <= length).then_some(Layer::Ipv6)
        }
        _ => None,
    }
}

/// Teredo: an IPv6 packet, to or from an address of Teredo's, that fills the datagram, behind what a server or relay may
/// put before it.
#[cold]
fn teredo(view: &mut View<'_>) -> Option<Layer> {
    const PREFIX: [u8; 4] = [0x20, 0x01, 0, 0];
    const LINK_LOCAL: [u8; 4] = [0xfe, 0x80, 0, 0];

    if let [0, 1, client, authentication, ..] = *view.bytes() {
        view.skip(4 + usize::from(client) + usize::from(authentication) + 9)?;
    }
    if let [0, 0, ..] = *view.bytes() {
        view.skip(8)?;
    }
    let header: &[u8; 40] = view.bytes().first_chunk()?;
    let &[version, _, _, _, length_high, length_low, ..] = header;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let (_, addresses) = header.split_at(8);
    let of_teredo =
        addresses.chunks(16).any(|address| address.starts_with(&PREFIX) || address.starts_with(&LINK_LOCAL));
    (version >> 4 == 6 && 40 + length == view.wire_length() && of_teredo).then_some(Layer::Ipv6)
}

/// GENEVE: version 0 and the length of the options in words, the type of what it carries, a network identifier.
fn geneve(view: &mut View<'_>) -> Option<Layer> {
    let &[version_and_words, _, high, low, id_high, id_middle, id_low, _] = view.take()?;
    let words = match version_and_words {
        words @ 0..0x40 => usize::from(words),
        _ => return None,
    };
    view.skip(4 * words)?;
    view.enter_overlay(u32::from_be_bytes([0, id_high, id_middle, id_low]));
    Some(match u16::from_be_bytes([high, low]) {
        ETHERNET => Layer::Ethernet,
        protocol => link::ethertype(protocol),
    })
}

/// GTP-U: an IP packet of a mobile subscriber, behind extension headers if it has any.
fn gtp_u(view: &mut View<'_>) -> Option<Layer> {
    const VERSION_1: u8 = 0x30;
    const USER_PACKET: u8 = 0xff;
    const OPTIONAL_FIELDS: u8 = 0x07;
    const EXTENSIONS: u8 = 0x04;

    let &[flags, message, high, low, ..] = view.take::<8>()?;
    if (flags & 0xf0, message) != (VERSION_1, USER_PACKET) {
        return None;
    }
    view.limit(usize::from(u16::from_be_bytes([high, low])));
    if flags & OPTIONAL_FIELDS != 0 {
        let &[_, _, _, mut next] = view.take()?;
        if flags & EXTENSIONS != 0 {
            for _ in 0..limits::EXTENSION_HEADERS {
                if next == 0 {
                    break;
                }
                let length = usize::from(*view.bytes().first()?) * 4;
                next = *view.bytes().get(length.checked_sub(1)?)?;
                view.skip(length)?;
            }
        }
    }
    plausible_ip(view)
}

#[cfg(test)]
mod tests {
    use super::super::Decoded;
    use super::super::testing::{
        ETHERNET, PAYLOAD, RAW, assert_tcp, ethernet, ipv4, ipv6, joined, payload, segment, tcp4, tcp6, udp, whole,
    };
    use crate::flow::FlowKey;

    const GRE: u8 = 47;

    fn frame() -> Vec<u8> {
        ethernet(0x0800, &tcp4(PAYLOAD))
    }

    /// The flow and the scope of the segment in `packet`, which must have the usual payload.
    #[track_caller]
    fn flow(packet: &[u8]) -> (FlowKey, u32) {
        let segment = segment(RAW, packet);
        assert_eq!(payload(packet, &segment), PAYLOAD);
        assert_eq!((segment.sequence, segment.key.low().to_string().as_str()), (1000, "10.0.0.1:50000"));
        (segment.key, segment.scope)
    }

    #[test]
    fn ip_within_ip() {
        for outer in [ipv4, ipv6] {
            assert_tcp(RAW, &outer(4, &tcp4(PAYLOAD)));
            assert_tcp(RAW, &outer(41, &tcp6(PAYLOAD)));
        }
        assert_tcp(ETHERNET, &ethernet(0x0800, &joined(&[&ipv4(41, &ipv6(4, &tcp4(PAYLOAD))), &[0; 9]])));
    }

    #[test]
    fn endless_tunnels_are_undecoded() {
        let mut packet = tcp4(PAYLOAD);
        for _ in 0..100 {
            packet = ipv4(4, &packet);
        }
        assert_eq!(whole(RAW, &packet), Decoded::Undecoded);
    }

    #[test]
    fn fragments_of_a_tunnel_are_no_segments() {
        let mut packet = ipv4(4, &tcp4(PAYLOAD));
        packet[6] = 0x20;
        assert!(matches!(whole(RAW, &packet), Decoded::Fragment(_)));
    }

    #[test]
    fn gre_fields_are_skipped() {
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0, 0, 0x08, 0], &tcp4(PAYLOAD)])));
        assert_tcp(RAW, &ipv6(GRE, &joined(&[&[0, 0, 0x86, 0xdd], &tcp6(PAYLOAD)])));
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0, 0, 0x65, 0x58], &frame()])));
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0x80, 0, 0x08, 0], &[1; 4], &tcp4(PAYLOAD)])));
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0x90, 0, 0x08, 0], &[1; 8], &tcp4(PAYLOAD)])));
        flow(&ipv4(GRE, &joined(&[&[0xb0, 0, 0x08, 0], &[1; 12], &tcp4(PAYLOAD)])));
        assert_eq!(whole(RAW, &ipv4(GRE, &[0, 0, 0x08, 0x06, 0, 0])), Decoded::Other);
        assert_eq!(whole(RAW, &ipv4(GRE, &[0x40, 0, 0x08, 0, 0, 0])), Decoded::Other);
    }

    #[test]
    fn gre_keys_are_scopes() {
        let keyed = |key: u8| flow(&ipv4(GRE, &joined(&[&[0x20, 0, 0x08, 0, 0, 0, 0, key], &tcp4(PAYLOAD)])));
        assert_ne!(keyed(1), keyed(2));
        assert_ne!(keyed(1), flow(&tcp4(PAYLOAD)));
    }

    #[test]
    fn nvgre_flow_numbers_are_no_scope() {
        let keyed = |key: [u8; 4]| {
            flow(&ipv4(GRE, &joined(&[&[0x20, 0, 0x65, 0x58], &key, &ethernet(0x0800, &tcp4(PAYLOAD))])))
        };
        assert_eq!(keyed([0, 0, 1, 7]), keyed([0, 0, 1, 8]));
        assert_ne!(keyed([0, 0, 1, 7]), keyed([0, 0, 2, 7]));
    }

    #[test]
    fn gre_of_pptp_carries_ppp() {
        let ppp = joined(&[&[0xff, 3, 0, 0x21], &tcp4(PAYLOAD)]);
        let length = u8::try_from(ppp.len()).unwrap();
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0x30, 1, 0x88, 0x0b, 0, length, 0, 9], &[0; 4], &ppp])));
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0x30, 0x81, 0x88, 0x0b, 0, length, 0, 9], &[0; 8], &ppp])));
        let acknowledgement = [0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 9, 0, 0, 0, 1];
        assert_eq!(whole(RAW, &ipv4(GRE, &acknowledgement)), Decoded::Other);
    }

    #[test]
    fn erspan_of_all_types_mirrors_frames() {
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0, 0, 0x88, 0xbe], &frame()])));
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&[0x10, 0, 0x88, 0xbe], &[1; 12], &frame()])));
        let third = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&third, &frame()])));
        let mut packet_with_subheader = third;
        packet_with_subheader[18..].copy_from_slice(&[2 << 2, 1]);
        assert_tcp(RAW, &ipv4(GRE, &joined(&[&packet_with_subheader, &[0; 8], &tcp4(PAYLOAD)])));
    }

    #[test]
    fn vxlan_networks_are_scopes() {
        let in_network = |id: u8| flow(&udp(4789, &joined(&[&[8, 0, 0, 0, 0, 0, id, 0], &frame()])));
        assert_ne!(in_network(1), in_network(2));
        let other_port = udp(8472, &joined(&[&[8, 0, 0, 0, 0, 0, 1, 0], &frame()]));
        assert_eq!(flow(&other_port), in_network(1));
    }

    #[test]
    fn geneve_options_are_skipped() {
        let plain = udp(6081, &joined(&[&[0, 0, 0x65, 0x58, 0, 0, 5, 0], &frame()]));
        let options = udp(6081, &joined(&[&[2, 0, 0x08, 0, 0, 0, 5, 0], &[1; 8], &tcp4(PAYLOAD)]));
        assert_eq!(flow(&plain), flow(&options));
        let other = udp(6081, &joined(&[&[2, 0, 0x08, 0, 0, 0, 6, 0], &[1; 8], &tcp4(PAYLOAD)]));
        assert_ne!(flow(&plain), flow(&other));
    }

    #[test]
    fn gtp_u_extension_headers_are_skipped() {
        let packet = tcp4(PAYLOAD);
        let gtp = |flags: u8, more: &[u8]| {
            let length = u8::try_from(packet.len() + more.len()).unwrap();
            udp(2152, &joined(&[&[flags, 0xff, 0, length, 1, 2, 3, 4], more, &packet]))
        };
        assert_tcp(RAW, &gtp(0x30, &[]));
        assert_tcp(RAW, &gtp(0x32, &[0, 1, 0, 0]));
        assert_tcp(RAW, &gtp(0x34, &[0, 0, 0, 0x85, 1, 0, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0]));
        let echo = udp(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(whole(RAW, &echo), Decoded::Other);
    }

    #[test]
    fn eoip_carries_frames() {
        let tunnel = |id: u8| {
            let frame = frame();
            let header = [0x20, 1, 0x64, 0, 0, frame.len() as u8, id, 0];
            ipv4(GRE, &joined(&[&header, &frame]))
        };
        assert_ne!(flow(&tunnel(1)), flow(&tunnel(2)));
        assert_eq!(whole(RAW, &ipv4(GRE, &[0x20, 1, 0x64, 0, 0, 0, 1, 0])), Decoded::Other);
    }

    #[test]
    fn vxlan_gpe_says_what_it_carries() {
        let gpe = |flags: u8, protocol: u8, id: u8, inner: &[u8]| {
            udp(4790, &joined(&[&[flags, 0, 0, protocol, 0, 0, id, 0], inner]))
        };
        let (packet, frame) = (tcp4(PAYLOAD), frame());
        assert_eq!(flow(&gpe(0x0c, 1, 5, &packet)), flow(&gpe(0x0c, 3, 5, &frame)));
        assert_ne!(flow(&gpe(0x0c, 1, 5, &packet)), flow(&gpe(0x0c, 1, 6, &packet)));
        assert_eq!(payload(&gpe(0x0c, 2, 5, &tcp6(PAYLOAD)), &segment(RAW, &gpe(0x0c, 2, 5, &tcp6(PAYLOAD)))), PAYLOAD);
        for (flags, protocol) in [(0x08, 1), (0x1c, 1), (0x0d, 1), (0x0c, 4), (0x0c, 0)] {
            assert_eq!(whole(RAW, &gpe(flags, protocol, 5, &packet)), Decoded::Other);
        }
        let mut too_long = packet.clone();
        too_long[2] = 1;
        assert_eq!(whole(RAW, &gpe(0x0c, 1, 5, &too_long)), Decoded::Other);
    }

    /// [`tcp6`] from an address of Teredo's.
    fn teredo() -> Vec<u8> {
        let mut packet = tcp6(PAYLOAD);
        packet[8..12].copy_from_slice(&[0x20, 1, 0, 0]);
        packet
    }

    #[test]
    fn l2tp_carries_ppp() {
        let ppp = joined(&[&[0xff, 3, 0, 0x21], &tcp4(PAYLOAD)]);
        let length = (ppp.len() + 8) as u8;
        let headers = [
            &[0x00, 2, 0, 1, 0, 2][..],
            &[0x40, 2, 0, length, 0, 1, 0, 2],
            &[0x08, 2, 0, 1, 0, 2, 0, 3, 0, 4],
            &[0x02, 2, 0, 1, 0, 2, 0, 3, 9, 9, 9],
        ];
        for header in headers {
            let mut packet = udp(1701, &joined(&[header, &ppp]));
            assert_eq!(payload(&packet, &segment(RAW, &packet)), PAYLOAD, "{header:?}");
            packet[20..24].rotate_left(2);
            assert_eq!(payload(&packet, &segment(RAW, &packet)), PAYLOAD, "{header:?}");
        }
        // A control message, and the third version.
        for header in [[0xc8, 2, 0, 12, 0, 1], [0x00, 3, 0, 0, 0, 1]] {
            assert_eq!(whole(RAW, &udp(1701, &joined(&[&header, &ppp]))), Decoded::Other);
        }
    }

    #[test]
    fn frames_and_labels_go_in_ip_and_udp() {
        let frame = ethernet(0x0800, &tcp4(PAYLOAD));
        let labelled = joined(&[&[0, 0, 0x11, 0x40], &tcp4(PAYLOAD)]);
        let service = joined(&[&[0x0c, 0, 0, 4, 0, 0, 7, 0], &[0x0f, 0xc2, 2, 1, 0, 0, 0, 0], &tcp4(PAYLOAD)]);
        let packets =
            [ipv4(97, &joined(&[&[0x30, 0], &frame])), ipv4(137, &labelled), udp(6635, &labelled), udp(4790, &service)];
        for packet in packets {
            assert_eq!(payload(&packet, &segment(RAW, &packet)), PAYLOAD);
        }
        assert_eq!(whole(RAW, &ipv4(97, &joined(&[&[0x20, 0], &frame]))), Decoded::Other);
    }

    #[test]
    fn teredo_carries_ipv6() {
        let authentication = joined(&[&[0, 1, 2, 3], &[7; 5], &[0; 9]]);
        let origin = [0, 0, 1, 2, 3, 4, 5, 6];
        for front in [&[][..], &authentication, &origin, &joined(&[&authentication, &origin])] {
            let mut packet = udp(3544, &joined(&[front, &teredo()]));
            assert_eq!(payload(&packet, &segment(RAW, &packet)), PAYLOAD);
            packet[20..24].rotate_left(2);
            assert_eq!(payload(&packet, &segment(RAW, &packet)), PAYLOAD);
        }
    }

    #[test]
    fn teredo_must_be_plausible() {
        assert_eq!(whole(RAW, &udp(3544, &tcp6(PAYLOAD))), Decoded::Other);
        assert_eq!(whole(RAW, &udp(3544, &joined(&[&teredo(), &[0]]))), Decoded::Other);
        assert_eq!(whole(RAW, &udp(3544, &tcp4(PAYLOAD))), Decoded::Other);
        assert_eq!(whole(RAW, &udp(3545, &teredo())), Decoded::Other);
    }

    #[test]
    fn what_does_not_look_like_a_tunnel_is_sound() {
        for port in [53, 443, 2152, 3544, 4789, 4790, 6081, 8472] {
            for payload in [&[][..], &[0x45], &[0xf3; 30]] {
                let first_bit_off: Vec<u8> = payload.iter().map(|byte| byte & !0x08).collect();
                assert_eq!(whole(RAW, &udp(port, &first_bit_off)), Decoded::Other, "{port} {payload:?}");
            }
        }
    }
}
