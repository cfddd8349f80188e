//! Captures built in code: what a conversation looked like on the wire, packet by packet.
//!
//! A [`Conversation`] is two ends of a TCP connection; each call adds a packet to it, with the sequence numbers, the
//! acknowledgements and the time that real ends would have given it. A [`Capture`] is what a capturing program made of
//! such packets: some lost, out of order, twice or cut; as pcap or pcapng.

#![allow(dead_code, reason = "the tests and the benches each use a part of it")]

use std::io::Cursor;
use std::net::IpAddr;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader, VlanId};
use wsautopsy::capture::Input;
use wsautopsy::flow::{PerRole, Role};
use wsautopsy::websocket::handshake::accept_of;

/// 2026-01-31T12:00:00Z in nanoseconds: when every conversation begins that does not say otherwise.
pub(crate) const NOON: i64 = 1_769_860_800_000_000_000;
const MILLISECOND: i64 = 1_000_000;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// First bytes of frames: FIN and opcode.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;

/// A frame of `sender`, masked if that is the client.
pub(crate) fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if sender == Role::Client { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    match sender {
        Role::Client => {
            let mask = masking_key(&bytes, payload);
            bytes.extend(mask);
            bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        Role::Server => bytes.extend(payload),
    }
    bytes
}

/// A key that differs from frame to frame, as it must, unless they are the same.
fn masking_key(header: &[u8], payload: &[u8]) -> [u8; 4] {
    let mixed = header
        .iter()
        .chain(payload)
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    mixed.to_be_bytes()
}

/// A Close frame of `sender`.
pub(crate) fn close_frame(sender: Role, code: u16, reason: &str) -> Vec<u8> {
    frame(sender, CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// The head of a request to upgrade, with these fields besides the usual ones.
pub(crate) fn request_head(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    )
}

/// The head of the right answer to it, with these fields besides the usual ones.
pub(crate) fn answer_head(fields: &str) -> String {
    let accept = accept_of(KEY.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
    )
}

/// What the packets are wrapped in below IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Ethernet,
    Vlan(u16),
    LinuxCooked2,
    Raw,
}

impl Link {
    /// The number in <https://www.tcpdump.org/linktypes.html>.
    const fn number(self) -> u16 {
        match self {
            Self::Ethernet | Self::Vlan(_) => 1,
            Self::LinuxCooked2 => 276,
            Self::Raw => 101,
        }
    }
}

/// A captured packet.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Nanoseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) bytes: Vec<u8>,
    /// How many bytes it had on the wire.
    pub(crate) original: u32,
    link: u16,
}

impl Packet {
    /// The same IPv4 packet on Ethernet in two fragments, the second one first. So many bytes behind its IP header, a multiple
    /// of eight, are in the first one.
    pub(crate) fn in_fragments(&self, first: usize) -> [Self; 2] {
        let (head, payload) = self.bytes.split_at(34);
        let part = |range: std::ops::Range<usize>, flags: u16| {
            let mut bytes = [head, &payload[range.clone()]].concat();
            bytes[16..18].copy_from_slice(&(20 + range.len() as u16).to_be_bytes());
            bytes[18..20].copy_from_slice(&[0xab, 0xcd]);
            bytes[20..22].copy_from_slice(&(flags | (range.start / 8) as u16).to_be_bytes());
            Self { original: bytes.len() as u32, bytes, ..self.clone() }
        };
        [part(first..payload.len(), 0), part(0..first, 0x2000)]
    }
}

/// What one end of a conversation knows.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// The sequence number of the next byte it sends.
    next: u32,
    /// What it acknowledges.
    heard: u32,
    /// It acknowledges nothing new: what the peer sends has not arrived yet.
    deaf: bool,
}

/// What a segment is besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Syn,
    Fin,
    Rst,
}

/// A TCP connection: 10.0.0.1:50000 to 10.0.0.2:80 unless told otherwise, a millisecond from packet to packet.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    client: (IpAddr, u16),
    server: (IpAddr, u16),
    link: Link,
    ends: PerRole<End>,
    now: i64,
    packets: Vec<Packet>,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        Self::from_port(50_000)
    }

    /// With another port of the client.
    pub(crate) fn from_port(port: u16) -> Self {
        Self::between("10.0.0.1", port, "10.0.0.2", 80)
    }

    pub(crate) fn between(client: &str, client_port: u16, server: &str, server_port: u16) -> Self {
        let conversation = Self {
            client: (client.parse().unwrap(), client_port),
            server: (server.parse().unwrap(), server_port),
            link: Link::Ethernet,
            ends: PerRole::default(),
            now: NOON,
            packets: Vec::new(),
        };
        conversation.numbered(1_000, 900_000)
    }

    /// With these initial sequence numbers of client and server.
    pub(crate) fn numbered(mut self, client: u32, server: u32) -> Self {
        self.ends.client = End { next: client, heard: server, deaf: false };
        self.ends.server = End { next: server, heard: client, deaf: false };
        self
    }

    pub(crate) fn over(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// Nothing happens for so long.
    pub(crate) fn wait(mut self, milliseconds: i64) -> Self {
        self.now += milliseconds * MILLISECOND;
        self
    }

    /// What is sent to `role` arrives late: it acknowledges nothing new from here on.
    pub(crate) fn deaf(mut self, role: Role) -> Self {
        self.ends.get_mut(role).deaf = true;
        self
    }

    /// What was sent to `role` arrives.
    pub(crate) fn hears(mut self, role: Role) -> Self {
        let sent = self.ends.get(role.peer()).next;
        let end = self.ends.get_mut(role);
        (end.heard, end.deaf) = (sent, false);
        self
    }

    /// SYN, SYN and ACK, ACK.
    pub(crate) fn syn(self) -> Self {
        self.send(Role::Client, Kind::Syn, b"").send(Role::Server, Kind::Syn, b"").ack(Role::Client)
    }

    /// The client's SYN only.
    pub(crate) fn syn_of(self, role: Role) -> Self {
        self.send(role, Kind::Syn, b"")
    }

    pub(crate) fn ack(self, role: Role) -> Self {
        self.send(role, Kind::Plain, b"")
    }

    pub(crate) fn fin(self, role: Role) -> Self {
        self.send(role, Kind::Fin, b"")
    }

    pub(crate) fn rst(self, role: Role) -> Self {
        self.send(role, Kind::Rst, b"")
    }

    /// Both ends finish, `role` first.
    pub(crate) fn fins(self, role: Role) -> Self {
        self.fin(role).fin(role.peer()).ack(role)
    }

    /// One segment of `role` that carries `bytes`.
    pub(crate) fn bytes(self, role: Role, bytes: impl AsRef<[u8]>) -> Self {
        self.send(role, Kind::Plain, bytes.as_ref())
    }

    pub(crate) fn client(self, bytes: impl AsRef<[u8]>) -> Self {
        self.bytes(Role::Client, bytes)
    }

    pub(crate) fn server(self, bytes: impl AsRef<[u8]>) -> Self {
        self.bytes(Role::Server, bytes)
    }

    /// The same in segments of at most `size` bytes.
    pub(crate) fn segments(self, role: Role, bytes: &[u8], size: usize) -> Self {
        bytes.chunks(size).fold(self, |conversation, piece| conversation.bytes(role, piece))
    }

    /// `role` sends so many bytes that the capture never sees.
    pub(crate) fn unseen(mut self, role: Role, bytes: u32) -> Self {
        self.advance(role, bytes);
        self
    }

    /// The request for `path`.
    pub(crate) fn request(self, path: &str) -> Self {
        self.client(request_head(path, ""))
    }

    /// The request for `path`, and the right answer.
    pub(crate) fn upgrade(self, path: &str) -> Self {
        self.request(path).server(answer_head(""))
    }

    /// An established connection to `/chat`.
    pub(crate) fn open() -> Self {
        Self::new().syn().upgrade("/chat")
    }

    /// A frame of `sender` in a segment of its own.
    pub(crate) fn frame(self, sender: Role, first: u8, payload: impl AsRef<[u8]>) -> Self {
        self.bytes(sender, frame(sender, first, payload.as_ref()))
    }

    pub(crate) fn text(self, sender: Role, text: &str) -> Self {
        self.frame(sender, TEXT, text)
    }

    pub(crate) fn close(self, sender: Role, code: u16, reason: &str) -> Self {
        self.bytes(sender, close_frame(sender, code, reason))
    }

    fn advance(&mut self, from: Role, count: u32) {
        let sender = self.ends.get_mut(from);
        sender.next = sender.next.wrapping_add(count);
        let sent = sender.next;
        let receiver = self.ends.get_mut(from.peer());
        if !receiver.deaf {
            receiver.heard = sent;
        }
    }

    fn send(mut self, from: Role, kind: Kind, payload: &[u8]) -> Self {
        let End { next, heard, .. } = *self.ends.get(from);
        let first = kind == Kind::Syn && self.packets.is_empty();
        let acknowledgement = (!first).then_some(heard);
        self.packets.push(self.packet(from, kind, next, acknowledgement, payload));
        self.now += MILLISECOND;
        self.advance(from, payload.len() as u32 + u32::from(matches!(kind, Kind::Syn | Kind::Fin)));
        self
    }

    fn packet(&self, from: Role, kind: Kind, sequence: u32, acknowledgement: Option<u32>, payload: &[u8]) -> Packet {
        let (source, destination) = match from {
            Role::Client => (self.client, self.server),
            Role::Server => (self.server, self.client),
        };
        let mut header = TcpHeader::new(source.1, destination.1, sequence, 65_535);
        header.syn = kind == Kind::Syn;
        header.fin = kind == Kind::Fin;
        header.rst = kind == Kind::Rst;
        header.psh = !payload.is_empty();
        header.ack = acknowledgement.is_some();
        header.acknowledgment_number = acknowledgement.unwrap_or_default();
        let bytes = wrap(self.link, source.0, destination.0, header, payload);
        Packet { time: self.now, original: bytes.len() as u32, bytes, link: self.link.number() }
    }
}

/// The packet that carries a segment.
fn wrap(link: Link, source: IpAddr, destination: IpAddr, header: TcpHeader, payload: &[u8]) -> Vec<u8> {
    let ethernet = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let mut bytes = Vec::new();
    match (source, destination, link) {
        (IpAddr::V4(from), IpAddr::V4(to), Link::Ethernet) => {
            write(ethernet().ipv4(from.octets(), to.octets(), 64).tcp_header(header), &mut bytes, payload);
        }
        (IpAddr::V4(from), IpAddr::V4(to), Link::Vlan(tag)) => {
            let tagged = ethernet().single_vlan(VlanId::try_new(tag).unwrap());
            write(tagged.ipv4(from.octets(), to.octets(), 64).tcp_header(header), &mut bytes, payload);
        }
        (IpAddr::V4(from), IpAddr::V4(to), Link::Raw | Link::LinuxCooked2) => {
            bytes.extend(cooked(link, 0x0800));
            write(PacketBuilder::ipv4(from.octets(), to.octets(), 64).tcp_header(header), &mut bytes, payload);
        }
        (IpAddr::V6(from), IpAddr::V6(to), Link::Ethernet) => {
            write(ethernet().ipv6(from.octets(), to.octets(), 64).tcp_header(header), &mut bytes, payload);
        }
        (IpAddr::V6(from), IpAddr::V6(to), Link::Raw | Link::LinuxCooked2) => {
            bytes.extend(cooked(link, 0x86dd));
            write(PacketBuilder::ipv6(from.octets(), to.octets(), 64).tcp_header(header), &mut bytes, payload);
        }
        other => panic!("the builder has no packets between {} and {} over {:?}", other.0, other.1, other.2),
    }
    bytes
}

fn write(step: PacketBuilderStep<TcpHeader>, bytes: &mut Vec<u8>, payload: &[u8]) {
    step.write(bytes, payload).unwrap();
}

/// The header of Linux cooked mode, version 2, or nothing.
fn cooked(link: Link, protocol: u16) -> Vec<u8> {
    match link {
        Link::LinuxCooked2 => [&protocol.to_be_bytes()[..], &[0; 18]].concat(),
        Link::Ethernet | Link::Vlan(_) | Link::Raw => Vec::new(),
    }
}

/// Packets as a capturing program recorded them. They are numbered from 1, as Wireshark does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capture {
    pub(crate) packets: Vec<Packet>,
}

impl Capture {
    /// All of one conversation.
    pub(crate) fn of(conversation: Conversation) -> Self {
        Self { packets: conversation.packets }
    }

    /// All of several, in the order of time.
    pub(crate) fn merged(conversations: impl IntoIterator<Item = Conversation>) -> Self {
        let mut packets: Vec<Packet> = conversations.into_iter().flat_map(|each| each.packets).collect();
        packets.sort_by_key(|packet| packet.time);
        Self { packets }
    }

    /// What comes after in the same file, whatever its time.
    pub(crate) fn then(mut self, later: Conversation) -> Self {
        self.packets.extend(later.packets);
        self
    }

    /// The capture lost this packet.
    pub(crate) fn without(mut self, number: usize) -> Self {
        self.packets.remove(number - 1);
        self
    }

    /// These two packets were recorded in each other's place.
    pub(crate) fn swapped(mut self, one: usize, other: usize) -> Self {
        self.packets.swap(one - 1, other - 1);
        self
    }

    /// This packet was recorded once more, right after itself.
    pub(crate) fn twice(mut self, number: usize) -> Self {
        self.packets.insert(number, self.packets[number - 1].clone());
        self
    }

    /// Only so many bytes of this packet were recorded.
    pub(crate) fn cut(mut self, number: usize, length: usize) -> Self {
        self.packets[number - 1].bytes.truncate(length);
        self
    }

    /// The first `count` packets, and the rest.
    pub(crate) fn split(mut self, count: usize) -> (Self, Self) {
        let rest = self.packets.split_off(count);
        (self, Self { packets: rest })
    }

    /// Little-endian pcap in microseconds.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        self.pcap_as(u32::to_le_bytes, 1_000)
    }

    /// pcap in the byte order that `word` writes and in units of so many nanoseconds.
    pub(crate) fn pcap_as(&self, word: fn(u32) -> [u8; 4], unit: i64) -> Vec<u8> {
        let magic = if unit == 1 { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let version = if word(1) == [1, 0, 0, 0] { 0x0004_0002 } else { 0x0002_0004 };
        let link = self.packets.first().map_or(1, |packet| packet.link);
        let mut file: Vec<u8> = [magic, version, 0, 0, 262_144, u32::from(link)].map(word).concat();
        for packet in &self.packets {
            let seconds = (packet.time / 1_000_000_000) as u32;
            let fraction = (packet.time % 1_000_000_000 / unit) as u32;
            file.extend([seconds, fraction, packet.bytes.len() as u32, packet.original].map(word).concat());
            file.extend(&packet.bytes);
        }
        file
    }

    /// Little-endian pcapng in nanoseconds, with an interface for each link type.
    pub(crate) fn pcapng(&self) -> Vec<u8> {
        let mut file = block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX], &[]);
        let mut links: Vec<u16> = self.packets.iter().map(|packet| packet.link).collect();
        links.sort_unstable();
        links.dedup();
        for link in &links {
            // The option if_tsresol: 10^-9.
            file.extend(block(1, &[u32::from(*link), 262_144], &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]));
        }
        for packet in &self.packets {
            let interface = links.binary_search(&packet.link).unwrap() as u32;
            let (high, low) = ((packet.time >> 32) as u32, packet.time as u32);
            let fields = [interface, high, low, packet.bytes.len() as u32, packet.original];
            file.extend(block(6, &fields, &packet.bytes));
        }
        file
    }

    /// The pcap as an input of that name.
    pub(crate) fn input(&self, name: &str) -> Input {
        input(name, self.pcap())
    }
}

/// A capture file in memory.
pub(crate) fn input(name: &str, bytes: Vec<u8>) -> Input {
    Input::reader(name, Box::new(Cursor::new(bytes)))
}

/// A pcapng block of numbers and then bytes, which are padded.
fn block(kind: u32, fields: &[u32], data: &[u8]) -> Vec<u8> {
    let length = (12 + fields.len() * 4 + data.len().next_multiple_of(4)) as u32;
    let mut bytes: Vec<u8> = [kind, length].iter().chain(fields).flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(data);
    bytes.resize(length as usize - 4, 0);
    bytes.extend(length.to_le_bytes());
    bytes
}
