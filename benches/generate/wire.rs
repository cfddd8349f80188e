//! Packets as a capture has them: pcap records of Ethernet, IPv4 and TCP or UDP, from byte templates.
//!
//! In come payloads, out go the bytes of a pcap file. It is as if it was captured on the server: TCP checksums of what the
//! client sends are right, those of what the server sends are left 0, because the network card fills them in after the
//! capture.

use wsautopsy::flow::{PerRole, Role};

use super::Random;

/// The file so far, or what was not taken away of it yet.
pub(super) struct Recorder {
    bytes: Vec<u8>,
    packets: u64,
    /// Microseconds since the epoch.
    clock: u64,
}

/// An IPv4 address and a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub(crate) [u8; 4], pub(crate) u16);

impl Recorder {
    /// A file that has only its header: Ethernet, microseconds.
    pub(super) fn new() -> Self {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            bytes.extend(word.to_le_bytes());
        }
        Self { bytes, packets: 0, clock: 1_767_225_600_000_000 }
    }

    /// What was recorded since the last [`Self::clear`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets the bytes, not the count nor the time.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Packets so far.
    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    /// A UDP packet.
    pub(super) fn udp(&mut self, from: Address, to: Address, payload: &[u8]) {
        let length = (8 + payload.len()) as u16;
        self.ip(17, from, to, length);
        for field in [from.1, to.1, length, 0] {
            self.bytes.extend(field.to_be_bytes());
        }
        self.bytes.extend_from_slice(payload);
    }

    /// A TCP segment with the timestamps option, which nearly all have.
    fn tcp(&mut self, from: Address, to: Address, numbers: [u32; 2], flags: u8, payload: &[u8]) {
        let mut header = *b"....SSSSAAAA\x80F\xff\xff\0\0\0\0\x01\x01\x08\x0aTTTTEEEE";
        header[0..2].copy_from_slice(&from.1.to_be_bytes());
        header[2..4].copy_from_slice(&to.1.to_be_bytes());
        header[4..8].copy_from_slice(&numbers[0].to_be_bytes());
        header[8..12].copy_from_slice(&numbers[1].to_be_bytes());
        header[13] = flags;
        if to.1 < from.1 {
            let checksum = checksum(from, to, &header, payload);
            header[16..18].copy_from_slice(&checksum.to_be_bytes());
        }
        self.ip(6, from, to, (header.len() + payload.len()) as u16);
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(payload);
    }

    /// A record up to the IPv4 header, of a packet with `carried` bytes behind that.
    fn ip(&mut self, protocol: u8, from: Address, to: Address, carried: u16) {
        self.packets += 1;
        self.clock += 20;
        let captured = 14 + 20 + u32::from(carried);
        let (seconds, micros) = ((self.clock / 1_000_000) as u32, (self.clock % 1_000_000) as u32);
        for word in [seconds, micros, captured, captured] {
            self.bytes.extend(word.to_le_bytes());
        }
        let mut header = *b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0\x45\0LLII\x40\0\x40P\0\0SSSSDDDD";
        header[16..18].copy_from_slice(&(20 + carried).to_be_bytes());
        header[18..20].copy_from_slice(&(self.packets as u16).to_be_bytes());
        header[23] = protocol;
        header[26..30].copy_from_slice(&from.0);
        header[30..34].copy_from_slice(&to.0);
        self.bytes.extend_from_slice(&header);
    }
}

/// The checksum of a TCP segment (RFC 9293 section 3.1).
fn checksum(from: Address, to: Address, header: &[u8], payload: &[u8]) -> u16 {
    let length = (header.len() + payload.len()) as u16;
    let [zero, protocol] = 6_u16.to_be_bytes();
    let [high, low] = length.to_be_bytes();
    let parts = [&from.0, &to.0, &[zero, protocol, high, low], header, payload];
    let pairs = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = pairs.map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u64::from(*byte))).sum();
    let once = (sum & 0xffff) + (sum >> 16);
    !((once & 0xffff) + (once >> 16)) as u16
}

/// A TCP connection.
pub(super) struct Tcp {
    ends: PerRole<Address>,
    /// The sequence number of the next byte of each end.
    next: PerRole<u32>,
}

impl Tcp {
    /// Opens one with a handshake.
    pub(super) fn open(client: Address, server: Address, random: &mut Random, recorder: &mut Recorder) -> Self {
        let next = PerRole { client: random.next() as u32, server: random.next() as u32 };
        let mut tcp = Self { ends: PerRole { client, server }, next };
        recorder.tcp(client, server, [tcp.next.client, 0], SYN, b"");
        tcp.advance(Role::Client, 1);
        tcp.send(Role::Server, SYN | ACK, b"", recorder);
        tcp.advance(Role::Server, 1);
        tcp.acknowledge(Role::Client, recorder);
        tcp
    }

    /// A segment of `from` with `payload`.
    pub(super) fn data(&mut self, from: Role, payload: &[u8], recorder: &mut Recorder) {
        self.send(from, PSH | ACK, payload, recorder);
        self.advance(from, payload.len() as u32);
    }

    /// `from` acknowledges all that the other end sent.
    pub(super) fn acknowledge(&self, from: Role, recorder: &mut Recorder) {
        self.send(from, ACK, b"", recorder);
    }

    /// Both ends close, `first` first.
    pub(super) fn fin(&mut self, first: Role, recorder: &mut Recorder) {
        for role in [first, first.peer()] {
            self.send(role, FIN | ACK, b"", recorder);
            self.advance(role, 1);
        }
        self.acknowledge(first, recorder);
    }

    /// `from` resets the connection.
    pub(super) fn reset(&self, from: Role, recorder: &mut Recorder) {
        self.send(from, RST | ACK, b"", recorder);
    }

    fn send(&self, from: Role, flags: u8, payload: &[u8], recorder: &mut Recorder) {
        let numbers = [*self.next.get(from), *self.next.get(from.peer())];
        recorder.tcp(*self.ends.get(from), *self.ends.get(from.peer()), numbers, flags, payload);
    }

    fn advance(&mut self, role: Role, count: u32) {
        let next = self.next.get_mut(role);
        *next = next.wrapping_add(count);
    }
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
