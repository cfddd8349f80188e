//! Packets for the tests of this module, and short ways to ask what became of them.

use etherparse::PacketBuilder;

use super::{Decoded, Segment, decode};
use crate::capture::LinkType;
use crate::flow::{Endpoint, FlowKey};

pub(super) const ETHERNET: LinkType = LinkType(1);
pub(super) const RAW: LinkType = LinkType(101);

/// What the packets of [`tcp4`] and [`tcp6`] carry, unless told otherwise.
pub(super) const PAYLOAD: &[u8] = b"GET / HTTP/1.1\r\n";

/// An IPv4 packet from 10.0.0.1:50000 to 10.0.0.2:80 with sequence number 1000, acknowledging 2000.
pub(super) fn tcp4(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(50000, 80, 1000, 65535).ack(2000);
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// The same between `fd00::1` and `fd00::2`.
pub(super) fn tcp6(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv6(address6(1), address6(2), 64).tcp(50000, 80, 1000, 65535).ack(2000);
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// An IPv4 packet that carries `payload` by `protocol`.
pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64);
    builder.write(&mut packet, protocol.into(), payload).unwrap();
    packet
}

/// An IPv6 packet that carries `payload`, which begins with the header that `next` says.
pub(super) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    joined(&[&[0x60, 0, 0, 0], &length, &[next, 64], &address6(1), &address6(2), payload])
}

/// An IPv4 packet with a UDP datagram to `port`.
pub(super) fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap().to_be_bytes();
    ipv4(17, &joined(&[&[0x80, 0], &port.to_be_bytes(), &length, &[0, 0], payload]))
}

fn address6(last: u8) -> [u8; 16] {
    [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

/// An Ethernet frame of `ethertype`.
pub(super) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    joined(&[&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &ethertype.to_be_bytes(), payload])
}

/// The pieces, one after the other.
pub(super) fn joined(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// The answer for a packet that was captured whole.
pub(super) fn whole(link_type: LinkType, packet: &[u8]) -> Decoded {
    decode(link_type, packet, u32::try_from(packet.len()).unwrap())
}

/// The segment in a packet that was captured whole.
#[track_caller]
pub(super) fn segment(link_type: LinkType, packet: &[u8]) -> Segment {
    match whole(link_type, packet) {
        Decoded::Segment(segment) => segment,
        other => panic!("{other:?} for {packet:02x?}"),
    }
}

/// The captured payload of `segment`, which must be of `packet`.
pub(super) fn payload<'a>(packet: &'a [u8], segment: &Segment) -> &'a [u8] {
    &packet[segment.payload.start as usize..segment.payload.end as usize]
}

/// Asserts that `packet` is the one of [`tcp4`] or [`tcp6`] with [`PAYLOAD`], captured whole, on no network of its own.
#[track_caller]
pub(super) fn assert_tcp(link_type: LinkType, packet: &[u8]) {
    let segment = segment(link_type, packet);
    assert_eq!(payload(packet, &segment), PAYLOAD);
    assert_eq!((segment.sequence, segment.acknowledgement, segment.cut), (1000, 2000, 0));
    let (v4, v6) = (Endpoint::from_v4, Endpoint::from_v6);
    let expected = match segment.key.low().ip().is_ipv4() {
        true => FlowKey::of(v4([10, 0, 0, 1], 50000), v4([10, 0, 0, 2], 80)),
        false => FlowKey::of(v6(address6(1), 50000), v6(address6(2), 80)),
    };
    assert_eq!((segment.key, segment.direction), expected);
    assert_eq!(segment.scope, 0);
}
