//! Errors of ICMP (RFC 792) and ICMPv6 (RFC 4443), which quote the packet that they are about.
//!
//! In comes a view that begins with the ICMP header; out goes whose TCP header is quoted in it. That header was sent
//! before, so it says nothing new of its flow; but Wireshark counts it as a packet of the conversation, and gives
//! `tcp.stream` numbers to conversations of which it is the first packet. What is answered here is what Wireshark 4.0
//! counts.

use etherparse::ip_number;

use super::fragments::Place;
use super::view::View;
use super::{Addresses, Decoded, Flags, Layer, ip};
use crate::flow::{Direction, Endpoint, FlowKey};
use crate::limits;

/// The TCP header in a packet that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The flow that the quoted packet belongs to.
    pub key: FlowKey,
    /// Which of the flow's ends sent the quoted packet.
    pub direction: Direction,
    /// Its flags.
    pub flags: Flags,
    /// Its sequence number.
    pub sequence: u32,
}

/// What an ICMP message quotes, if it is an error and quotes TCP. Redirects (type 5) quote too, but Wireshark makes no
/// conversation of those.
#[cold]
pub(super) fn icmp(view: View<'_>) -> Decoded {
    // Destination Unreachable, Source Quench, Time Exceeded, Parameter Problem.
    error(view, |message| matches!(message, 3 | 4 | 11 | 12))
}

/// What an ICMPv6 message quotes, if it is an error and quotes TCP.
#[cold]
pub(super) fn icmp_v6(view: View<'_>) -> Decoded {
    // Destination Unreachable, Packet Too Big, Time Exceeded, Parameter Problem.
    error(view, |message| matches!(message, 1..=4))
}

fn error(mut view: View<'_>, quotes: fn(u8) -> bool) -> Decoded {
    match view.take::<8>() {
        Some(&[message, ..]) if quotes(message) => tcp(view).map_or(Decoded::Other, Decoded::Quoted),
        _ => Decoded::Other,
    }
}

/// The TCP header that a quoted packet begins with, behind nothing but IP.
fn tcp(mut view: View<'_>) -> Option<Quoted> {
    let mut addresses = Addresses::default();
    let mut layer = Layer::Ip;
    for _ in 0..limits::PACKET_LAYERS {
        layer = match layer {
            Layer::Ip => ip::any(&mut view),
            Layer::Ipv4 => ip::v4(&mut view, &mut addresses),
            Layer::Ipv6 => ip::v6(&mut view, &mut addresses),
            Layer::Fragment(place) if is_first_of_ipv4(place, &addresses) => Some(Layer::Tcp),
            Layer::Tcp => return header(&mut view, &addresses),
            _ => None,
        }?;
    }
    None
}

/// Whether a fragment begins with a TCP header. Wireshark does not look into quoted fragments of IPv6.
fn is_first_of_ipv4(place: Place, addresses: &Addresses) -> bool {
    let is_ipv4 = Endpoint::from_v6(addresses.source, 0).ip().is_ipv4();
    is_ipv4 && place.offset.value() == 0 && place.protocol == ip_number::TCP
}

/// A quoted header, which need not be whole: RFC 792 asks for 8 bytes only. Wireshark makes a conversation of it if it
/// goes as far as the window.
fn header(view: &mut View<'_>, addresses: &Addresses) -> Option<Quoted> {
    let &[s0, s1, d0, d1, q0, q1, q2, q3, _, _, _, _, _, flags, _, _] = view.take()?;
    let source = Endpoint::from_v6(addresses.source, u16::from_be_bytes([s0, s1]));
    let destination = Endpoint::from_v6(addresses.destination, u16::from_be_bytes([d0, d1]));
    let (key, direction) = FlowKey::of(source, destination);
    Some(Quoted { key, direction, flags: Flags(flags), sequence: u32::from_be_bytes([q0, q1, q2, q3]) })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PAYLOAD, RAW, ipv4, ipv6, joined, segment, tcp4, tcp6, udp, whole};
    use super::super::{Decoded, Flags};
    use super::Quoted;

    const ICMP: u8 = 1;
    const ICMP_V6: u8 = 58;

    /// An error of type `message` about `packet`.
    fn error(message: u8, packet: &[u8]) -> Vec<u8> {
        joined(&[&[message, 0, 0, 0, 0, 0, 0, 0], packet])
    }

    #[track_caller]
    fn assert_quotes(packet: &[u8], quoted: &[u8]) {
        let original = segment(RAW, quoted);
        let (key, direction) = (original.key, original.direction);
        let expected = Quoted { key, direction, flags: Flags::ACK, sequence: 1000 };
        assert_eq!(whole(RAW, packet), Decoded::Quoted(expected));
    }

    #[test]
    fn errors_quote_tcp() {
        for message in [3, 4, 11, 12] {
            assert_quotes(&ipv4(ICMP, &error(message, &tcp4(PAYLOAD))), &tcp4(PAYLOAD));
        }
        for message in 1..=4 {
            assert_quotes(&ipv6(ICMP_V6, &error(message, &tcp6(PAYLOAD))), &tcp6(PAYLOAD));
        }
    }

    #[test]
    fn other_messages_quote_nothing() {
        for message in [0, 5, 8, 13] {
            assert_eq!(whole(RAW, &ipv4(ICMP, &error(message, &tcp4(PAYLOAD)))), Decoded::Other);
        }
        for message in [0, 5, 128, 137] {
            assert_eq!(whole(RAW, &ipv6(ICMP_V6, &error(message, &tcp6(PAYLOAD)))), Decoded::Other);
        }
        assert_eq!(whole(RAW, &ipv4(ICMP, &error(3, &udp(53, PAYLOAD)))), Decoded::Other);
    }

    #[test]
    fn headers_quoted_up_to_the_window_are_enough() {
        for (ip, outer, number, message, packet) in
            [(20, ipv4 as fn(u8, &[u8]) -> Vec<u8>, ICMP, 3, tcp4(PAYLOAD)), (40, ipv6, ICMP_V6, 1, tcp6(PAYLOAD))]
        {
            assert_quotes(&outer(number, &error(message, &packet[..ip + 16])), &packet);
            for length in 0..ip + 16 {
                assert_eq!(whole(RAW, &outer(number, &error(message, &packet[..length]))), Decoded::Other);
            }
        }
    }

    #[test]
    fn tunnels_within_quotes_are_followed() {
        assert_quotes(&ipv4(ICMP, &error(3, &ipv4(41, &tcp6(PAYLOAD)))), &tcp6(PAYLOAD));
    }

    #[test]
    fn quoted_fragments_count_if_they_hold_the_header() {
        let mut packet = tcp4(PAYLOAD);
        packet[6] = 0x20;
        assert_quotes(&ipv4(ICMP, &error(3, &packet)), &tcp4(PAYLOAD));
        packet[7] = 1;
        assert_eq!(whole(RAW, &ipv4(ICMP, &error(3, &packet))), Decoded::Other);
        let fragment = ipv6(44, &joined(&[&[6, 0, 0, 1, 0, 0, 0, 9], &tcp6(PAYLOAD)[40..]]));
        assert_eq!(whole(RAW, &ipv6(ICMP_V6, &error(1, &fragment))), Decoded::Other);
    }
}
