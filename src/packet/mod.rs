//! Packets: link layer, IP and TCP headers to [`Segment`]s.
//!
//! In comes one captured packet, out goes where its TCP payload lies. No copy, no allocation, no state: any number of
//! threads may decode at once. The only user of etherparse, and of its cheapest slices only: its all-in-one parsers cost
//! five to a hundred times as much.
//!
//! [`decode`] looks first whether a packet is what nearly all are (`usual`). Any other one it walks through, from one `Layer`
//! to the next. Each takes its header from the front of the `View` and says what follows; the files know these:
//!
//! | file | layers |
//! |---|---|
//! | `usual` | Ethernet with or without a tag or Linux cooked, IP and TCP, all at once |
//! | `link` | Ethernet, VLAN tags, LLC/SNAP, Linux cooked, BSD loopback, MPLS and its pseudowires |
//! | `serial` | PPP, PPPoE, Cisco HDLC, frame relay, SLIP |
//! | `lan` | FDDI, Token Ring, ARCnet, IP over InfiniBand and Fibre Channel |
//! | `wireless` | IEEE 802.11, behind radiotap, PRISM, AVS or PPI |
//! | `tagged` | E-tag, service tags and headers, Cisco metadata, Broadcom and Marvell switch tags |
//! | `pseudo` | NFLOG, PKTAP, PFLOG, Juniper |
//! | `ip` | IPv4, IPv6 and its extension headers |
//! | `fragments` | packets that came in parts |
//! | `tunnel` | GRE, ERSPAN, EoIP, EtherIP, UDP and what it carries: VXLAN, GENEVE, GTP-U, L2TP, MPLS, Teredo |
//! | `quote` | ICMP and ICMPv6 errors, where the walk ends |
//! | `tcp` | TCP, where the walk ends |
//!
//! To add a layer: a variant of `Layer`, a line in `walk`, a function `fn(&mut View) -> Option<Layer>` that returns `None`
//! for a damaged header, and what leads to it: a link type in `Layer::first`, an EtherType in `link::ethertype`, a
//! protocol in `ip::carried` or a port in `tunnel::udp`. A rare one needs no variant: what leads to it names its function in
//! `Layer::Rare`.

mod fragments;
mod ip;
mod lan;
mod link;
mod pseudo;
mod quote;
mod serial;
mod tagged;
mod tcp;
mod tunnel;
mod usual;
mod view;
mod wireless;

#[cfg(test)]
mod testing;

use std::ops::Range;

use crate::capture::LinkType;
use crate::flow::{Direction, FlowKey};
use crate::limits;

use fragments::Place;
pub use fragments::{Datagram, DatagramKey, Fragment, Fragments};
pub use quote::Quoted;
pub(crate) use usual::most_usual;
use view::View;

/// What `packet` is, of which `original` bytes were on the wire and `packet.len()` were captured.
///
/// Offsets in the answer count from the start of `packet`. A capture that claims fewer bytes on the wire than it holds
/// is not believed.
#[must_use]
#[inline]
pub fn decode(link_type: LinkType, packet: &[u8], original: u32) -> Decoded {
    most_usual(link_type, packet, original).map_or_else(|| any(link_type, packet, original), Decoded::Segment)
}

/// What a packet carried that came in fragments. Offsets in the answer count from the start of [`Datagram::bytes`].
#[must_use]
pub fn decode_datagram(datagram: &Datagram) -> Decoded {
    let mut view = View::new(&datagram.bytes, datagram.length);
    view.enter(datagram.scope);
    let layer = ip::carried(datagram.protocol, &mut view);
    layer.and_then(|layer| walk(layer, view, datagram.addresses)).unwrap_or(Decoded::Undecoded)
}

/// What a packet is that is none of the [`most_usual`] ones.
#[inline(never)]
pub(crate) fn any(link_type: LinkType, packet: &[u8], original: u32) -> Decoded {
    match usual::usual(link_type, packet, original) {
        Some(segment) => Decoded::Segment(segment),
        None => walked(link_type, packet, original),
    }
}

/// What a packet is, whatever its layers.
fn walked(link_type: LinkType, packet: &[u8], original: u32) -> Decoded {
    let layer = Layer::first(link_type);
    let view = View::new(packet, original);
    layer.and_then(|layer| walk(layer, view, Addresses::default())).unwrap_or(Decoded::Undecoded)
}

/// Goes from layer to layer; `None` where headers are damaged, cut off or too many.
fn walk(mut layer: Layer, mut view: View<'_>, mut addresses: Addresses) -> Option<Decoded> {
    for _ in 0..limits::PACKET_LAYERS {
        layer = match layer {
            Layer::Ethernet => link::ethernet(&mut view),
            Layer::Vlan => link::vlan(&mut view),
            Layer::Llc => link::llc(&mut view),
            Layer::LinuxCooked => link::linux_cooked(&mut view),
            Layer::LinuxCooked2 => link::linux_cooked_2(&mut view),
            Layer::Loopback => link::loopback(&mut view),
            Layer::Ppp => serial::ppp(&mut view),
            Layer::Pppoe => serial::pppoe(&mut view),
            Layer::Mpls => link::mpls(&mut view),
            Layer::Ip => ip::any(&mut view),
            Layer::Ipv4 => ip::v4(&mut view, &mut addresses),
            Layer::Ipv6 => ip::v6(&mut view, &mut addresses),
            Layer::Gre => tunnel::gre(&mut view),
            Layer::Udp => tunnel::udp(&mut view),
            Layer::Rare(header) => header(&mut view),
            Layer::Fragment(place) => return Some(Decoded::Fragment(Fragment::new(addresses, &view, place))),
            Layer::Icmp => return Some(quote::icmp(view)),
            Layer::IcmpV6 => return Some(quote::icmp_v6(view)),
            Layer::Tcp => return tcp::segment(view, &addresses).map(Decoded::Segment),
            Layer::Other => return Some(Decoded::Other),
        }?;
    }
    None
}

/// What takes the header of a layer from the front, and says what follows; `None` if it is damaged.
type Rare = fn(&mut View<'_>) -> Option<Layer>;

/// What the next bytes are.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Ethernet,
    Vlan,
    Llc,
    LinuxCooked,
    LinuxCooked2,
    Loopback,
    Ppp,
    Pppoe,
    Mpls,
    /// IPv4 or IPv6, as the version field says.
    Ip,
    Ipv4,
    Ipv6,
    /// A part of an IP packet.
    Fragment(Place),
    Gre,
    Udp,
    Icmp,
    IcmpV6,
    Tcp,
    /// One that few captures have, by the function for it. It is called, and so kept out of the common path.
    Rare(Rare),
    /// Sound, and nothing that leads to TCP.
    Other,
}

impl Layer {
    /// What a packet of `link_type` begins with.
    #[inline]
    fn first(link_type: LinkType) -> Option<Self> {
        match link_type.0 {
            1 => Some(Self::Ethernet),
            113 => Some(Self::LinuxCooked),
            276 => Some(Self::LinuxCooked2),
            // Raw IP is 101 in files; 12 and 14 are what systems call it, and some programs write those.
            12 | 14 | 101 => Some(Self::Ip),
            0 | 108 => Some(Self::Loopback),
            other => Self::first_of_rare(other),
        }
    }

    /// What a packet begins with, of a link type that few captures have.
    #[cold]
    fn first_of_rare(link_type: u16) -> Option<Self> {
        Some(match link_type {
            51 => Self::Pppoe,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            6 => Self::Rare(lan::token_ring),
            7 => Self::Rare(lan::arcnet),
            8 => Self::Rare(serial::slip),
            9 | 50 => Self::Rare(serial::ppp_or_cisco_hdlc),
            10 => Self::Rare(lan::fddi),
            104 => Self::Rare(serial::cisco_hdlc),
            105 => Self::Rare(wireless::frame),
            107 => Self::Rare(serial::frame_relay),
            117 => Self::Rare(pseudo::pflog),
            119 => Self::Rare(wireless::prism),
            122 => Self::Rare(lan::fibre_channel),
            127 => Self::Rare(wireless::radiotap),
            129 => Self::Rare(lan::arcnet_linux),
            163 => Self::Rare(wireless::avs),
            167 => Self::Rare(pseudo::juniper_ppp),
            178 => Self::Rare(pseudo::juniper_ethernet),
            180 => Self::Rare(pseudo::juniper_frame_relay),
            181 => Self::Rare(pseudo::juniper_cisco_hdlc),
            192 => Self::Rare(wireless::ppi),
            239 => Self::Rare(pseudo::nflog),
            242 => Self::Rare(lan::infiniband),
            258 => Self::Rare(pseudo::pktap),
            281 => Self::Rare(tagged::broadcom),
            282 => Self::Rare(tagged::broadcom_in_front),
            284 => Self::Rare(tagged::marvell),
            285 => Self::Rare(tagged::marvell_with_type),
            _ => return None,
        })
    }
}

/// The addresses in the innermost IP header so far, those of IPv4 in their IPv4-mapped IPv6 form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Addresses {
    source: [u8; 16],
    destination: [u8; 16],
}

/// What a captured packet turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A TCP segment.
    Segment(Segment),
    /// A part of an IP packet, which may be one of TCP: see [`Fragments`].
    Fragment(Fragment),
    /// An ICMP error about a TCP segment.
    Quoted(Quoted),
    /// Something sound that is not TCP, such as ARP or UDP.
    Other,
    /// Headers that are damaged, cut off before TCP's ports and numbers, or of a link type that is not known.
    Undecoded,
}

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The flow that it belongs to.
    pub key: FlowKey,
    /// Tells networks apart that use the same addresses: 0 for none, else made of VLAN and tunnel identifiers.
    pub scope: u32,
    /// Which of the flow's ends sent it.
    pub direction: Direction,
    /// SYN, FIN, RST, ACK.
    pub flags: Flags,
    /// The sequence number of its first byte, or of its SYN.
    pub sequence: u32,
    /// The sequence number that its sender expects next; meaningful with [`Flags::ACK`] only.
    pub acknowledgement: u32,
    /// Length of its header in bytes, options included. It lies just before the payload.
    pub header: u8,
    /// Where its payload lies in the packet, as far as it was captured.
    pub payload: Range<u32>,
    /// Payload bytes after those, which were on the wire and not captured.
    pub cut: u32,
}

/// The flags of a TCP segment, as on the wire (RFC 9293 section 3.1): the lowest eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// The sequence number is the initial one.
    pub const SYN: Self = Self(0x02);
    /// The connection is reset.
    pub const RST: Self = Self(0x04);
    /// The acknowledgement number is meaningful.
    pub const ACK: Self = Self(0x10);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it neither begins nor ends anything, and acknowledges.
    #[must_use]
    pub const fn is_plain_ack(self) -> bool {
        self.0 & (Self::FIN.0 | Self::SYN.0 | Self::RST.0 | Self::ACK.0) == Self::ACK.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{ETHERNET, PAYLOAD, ethernet, ipv4, ipv6, joined, segment, tcp4, tcp6, udp};
    use super::*;

    /// All link types that are known, and two that are not.
    const LINK_TYPES: [u16; 42] = [
        0, 1, 2, 6, 7, 8, 9, 10, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 117, 119, 122, 127, 129, 147, 163, 167,
        178, 180, 181, 192, 228, 229, 239, 242, 258, 276, 281, 282, 284, 285, 3, 65535,
    ];

    /// One packet of each kind, with the link type that it has.
    fn samples() -> Vec<(u16, Vec<u8>)> {
        let (v4, v6) = (tcp4(PAYLOAD), tcp6(PAYLOAD));
        let tcp = &v6[40..];
        let frame = ethernet(0x0800, &v4);
        let teredo = joined(&[&v6[..8], &[0x20, 1, 0, 0], &v6[12..]]);
        let snap = joined(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4]);
        let extensions = joined(&[&[44, 0, 1, 4, 0, 0, 0, 0], &[6, 0, 0, 0, 0, 0, 0, 1], tcp]);
        let session = joined(&[&[0x11, 0, 0, 1, 0, 80, 0x00, 0x21], &v4]);
        vec![
            (0, joined(&[&[2, 0, 0, 0], &v4])),
            (1, ethernet(0x8100, &joined(&[&[0, 7, 0x81, 0, 0, 8, 0x86, 0xdd], &v6]))),
            (1, ethernet(0x8847, &joined(&[&[0, 0, 0, 64, 0, 0, 1, 64], &v4]))),
            (1, ethernet(0x8864, &session)),
            (1, ethernet(0x60, &joined(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4]))),
            (1, frame.clone()),
            (9, joined(&[&[0xff, 3, 0, 0x57], &v6])),
            (101, ipv6(0, &extensions)),
            (101, ipv4(6, tcp)),
            (113, joined(&[&[0; 14], &[8, 0], &v4])),
            (276, joined(&[&[8, 0], &[0; 18], &v4])),
            (1, ethernet(0x893f, &joined(&[&[0; 6], &[8, 0], &v4]))),
            (6, joined(&[&[0x10, 0x40], &[0; 6], &[0x80], &[0; 5], &[0xc2, 0x30], &snap])),
            (8, joined(&[&[1, 0x45], &[0; 14], &v4])),
            (10, joined(&[&[0x50], &[0; 12], &snap])),
            (104, joined(&[&[0x0f, 0, 8, 0], &v4])),
            (105, joined(&[&[0x88, 0x83], &[0; 28], &[0x80, 0], &[0; 4], &[0; 12], &[0, 80], &snap])),
            (107, joined(&[&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &v4])),
            (117, joined(&[&[61, 2], &[0; 62], &v4])),
            (119, joined(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &[8, 0], &[0; 22], &snap])),
            (127, joined(&[&[0, 0, 17, 0, 3, 0, 0, 0], &[0; 8], &[0x20], &[0x88, 1], &[0; 26], &snap])),
            (129, joined(&[&[1, 2, 0, 0, 0xd4, 0, 0, 7], &v4])),
            (178, joined(&[&[0x4d, 0x47, 0x43, 0x81, 0, 2, 0, 0], &frame])),
            (192, joined(&[&[0, 0, 12, 0, 105, 0, 0, 0, 1, 2, 3, 4], &[8, 0], &[0; 22], &snap])),
            (239, joined(&[&[2, 0, 0, 0], &[6, 0, 10, 0, 120, 0, 0, 0], &[60, 0, 9, 0], &v4])),
            (258, joined(&[&[16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], &[0; 4], &frame])),
            (281, joined(&[&frame[..12], &[0; 4], &frame[12..]])),
            (101, ipv4(47, &joined(&[&[0xb0, 0, 0x65, 0x58], &[1; 12], &frame]))),
            (101, ipv4(47, &joined(&[&[0x30, 0x81, 0x88, 0x0b, 0, 60], &[0; 10], &[0x21], &v4]))),
            (101, ipv4(47, &joined(&[&[0x10, 0, 0x22, 0xeb], &[0; 15], &[1], &[0; 8], &frame]))),
            (101, udp(4789, &joined(&[&[8, 0, 0, 0, 0, 0, 1, 0], &frame]))),
            (101, udp(6081, &joined(&[&[1, 0, 0x65, 0x58], &[0; 8], &frame]))),
            (101, ipv4(47, &joined(&[&[0x20, 1, 0x64, 0, 0, 70, 1, 0], &frame]))),
            (101, udp(4790, &joined(&[&[0x0c, 0, 0, 1, 0, 0, 1, 0], &v4]))),
            (101, udp(3544, &joined(&[&[0, 0, 1, 2, 3, 4, 5, 6], &teredo]))),
            (101, udp(2152, &joined(&[&[0x34, 0xff, 0, 100], &[0; 7], &[0x85], &[1, 0, 0, 0], &v4]))),
        ]
    }

    /// Asserts what holds for any answer.
    fn assert_sound(decoded: &Decoded, captured: usize, original: u32) {
        if let Decoded::Segment(segment) = decoded {
            assert!(segment.payload.start <= segment.payload.end);
            assert!(segment.payload.end as usize <= captured);
            assert!(segment.payload.end as usize + segment.cut as usize <= captured.max(original as usize));
            assert!(segment.cut == 0 || segment.payload.end as usize == captured);
        }
    }

    /// A generator of numbers without order, the same in every run (Marsaglia, "Xorshift RNGs").
    struct Xorshift(u64);

    impl Xorshift {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 11).unwrap() % bound
        }

        fn byte(&mut self) -> u8 {
            self.below(256) as u8
        }
    }

    #[test]
    fn both_directions_are_one_flow() {
        let (there, mut back) = (ethernet(0x0800, &tcp4(PAYLOAD)), ethernet(0x0800, &tcp4(PAYLOAD)));
        back[26..34].rotate_left(4);
        back[34..38].rotate_left(2);
        let (there, back) = (segment(ETHERNET, &there), segment(ETHERNET, &back));
        assert_eq!(there.key, back.key);
        assert_eq!(there.direction, back.direction.opposite());
    }

    #[test]
    fn packets_cut_at_any_length_stay_consistent() {
        for (link_type, packet) in samples() {
            let original = packet.len() as u32;
            let mut seen = None;
            for captured in 0..=packet.len() {
                let decoded = decode(LinkType(link_type), &packet[..captured], original);
                assert_sound(&decoded, captured, original);
                match (decoded, seen.clone()) {
                    (Decoded::Segment(found), None) => seen = Some(found),
                    (Decoded::Segment(found), Some(first)) => {
                        let total = |segment: &Segment| segment.payload.len() + segment.cut as usize;
                        assert_eq!(total(&found), total(&first));
                        assert_eq!(
                            Segment { payload: 0..0, cut: 0, ..found },
                            Segment { payload: 0..0, cut: 0, ..first }
                        );
                    }
                    // Without its whole header a tunnel is taken for any other UDP.
                    (Decoded::Undecoded | Decoded::Other, None) => {}
                    (other, _) => panic!("{other:?} after more bytes"),
                }
            }
            assert_eq!(seen.map(|segment| segment.cut), Some(PAYLOAD.len() as u32), "link type {link_type}");
        }
    }

    #[test]
    fn damaged_packets_never_panic() {
        let mut random = Xorshift(0x2545_f491_4f6c_dd1d);
        let samples = samples();
        for _ in 0..100_000 {
            let (link_type, mut packet) = samples[random.below(samples.len())].clone();
            for _ in 0..=random.below(4) {
                let at = random.below(packet.len());
                packet[at] = random.byte();
            }
            packet.truncate(random.below(packet.len() + 1));
            let link_type = if random.below(8) == 0 { LINK_TYPES[random.below(LINK_TYPES.len())] } else { link_type };
            let original =
                [0, packet.len(), packet.len() + random.below(100), u32::MAX as usize][random.below(4)] as u32;
            assert_sound(&decode(LinkType(link_type), &packet, original), packet.len(), original);
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
        for round in 0..100_000 {
            let packet: Vec<u8> = (0..random.below(120)).map(|_| random.byte()).collect();
            let link_type = LINK_TYPES[round % LINK_TYPES.len()];
            let original = random.below(200) as u32;
            assert_sound(&decode(LinkType(link_type), &packet, original), packet.len(), original);
        }
    }
}
