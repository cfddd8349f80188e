//! The words that every layer shares: which flow a packet belongs to, which way it went, which packet it was, and when.
//!
//! Nothing here reads bytes or keeps state.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU64;

use bitcode::{Decode, Encode};

/// A moment of the capture: nanoseconds since 1970-01-01T00:00:00 UTC.
///
/// An `Option` of it is as small as itself: there are some in every live connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Timestamp(
    /// With the sign bit flipped, which keeps the order and leaves 0 for the earliest `i64`, which is no moment.
    NonZeroU64,
);

impl Timestamp {
    const SIGN: u64 = 1 << 63;

    /// The moment `nanoseconds` after the epoch; negative ones lie before it. `i64::MIN` counts as one more.
    #[must_use]
    pub const fn from_nanos(nanoseconds: i64) -> Self {
        match NonZeroU64::new(nanoseconds.cast_unsigned() ^ Self::SIGN) {
            Some(flipped) => Self(flipped),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        (self.0.get() ^ Self::SIGN).cast_signed()
    }

    /// Milliseconds from `earlier` to `self`, negative if `earlier` is the later one.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> f64 {
        // The cast rounds above 2^53 ns, about 104 days, to a few nanoseconds.
        self.as_nanos().saturating_sub(earlier.as_nanos()) as f64 / 1e6
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::from_nanos(0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.as_nanos()).finish()
    }
}

/// One packet of one capture file.
///
/// Ordered as the analysis read them: by file, then by number. An `Option` of it is as small as itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PacketId(
    /// The file in the high 24 bits, the number below.
    NonZeroU64,
);

impl PacketId {
    const NUMBER_BITS: u32 = 40;
    const LAST: u64 = (1 << Self::NUMBER_BITS) - 1;

    /// Packet `number`, from 1, of the capture file `file`, from 0 in the order in which they are analysed. A number above
    /// 2^40 - 1 or a file above 2^24 - 1 counts as that.
    #[must_use]
    pub const fn new(file: u32, number: u64) -> Self {
        let file = if file >> (64 - Self::NUMBER_BITS) == 0 { file as u64 } else { u64::MAX >> Self::NUMBER_BITS };
        let number = if number > Self::LAST { Self::LAST } else { number };
        match NonZeroU64::new(file << Self::NUMBER_BITS | number) {
            Some(packed) => Self(packed),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Which capture file, from 0, in the order in which they are analysed.
    #[must_use]
    pub const fn file(self) -> u32 {
        (self.0.get() >> Self::NUMBER_BITS) as u32
    }

    /// The number of the packet in its file, from 1: Wireshark's `frame.number`.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get() & Self::LAST
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketId").field("file", &self.file()).field("number", &self.number()).finish()
    }
}

/// One end of a TCP connection.
///
/// IPv4 addresses are kept in their IPv4-mapped IPv6 form (RFC 4291 section 2.5.5.2), so that all have one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Endpoint {
    address: [u8; 16],
    port: u16,
}

impl Endpoint {
    /// The end at `address` and `port`.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        match address {
            IpAddr::V4(v4) => Self::from_v4(v4.octets(), port),
            IpAddr::V6(v6) => Self::from_v6(v6.octets(), port),
        }
    }

    /// The end at the IPv4 address with these `octets`.
    #[must_use]
    #[inline]
    pub const fn from_v4(octets: [u8; 4], port: u16) -> Self {
        // As one number: made byte by byte it takes the processor longer to store, and to load.
        Self { address: (0xffff << 32 | u32::from_be_bytes(octets) as u128).to_be_bytes(), port }
    }

    /// The end at the IPv6 address with these `octets`.
    #[must_use]
    #[inline]
    pub const fn from_v6(octets: [u8; 16], port: u16) -> Self {
        Self { address: octets, port }
    }

    /// The address, as IPv4 where it is one.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.address).to_canonical()
    }

    /// The address in its IPv6 form.
    #[must_use]
    pub const fn octets(&self) -> [u8; 16] {
        self.address
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            IpAddr::V4(v4) => write!(f, "{v4}:{}", self.port),
            IpAddr::V6(v6) => write!(f, "[{v6}]:{}", self.port),
        }
    }
}

/// Which of a flow's two ends sent a segment. It says nothing of client and server: see [`Role`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From [`FlowKey::low`] to [`FlowKey::high`].
    FromLow,
    /// From [`FlowKey::high`] to [`FlowKey::low`].
    FromHigh,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::FromLow => Self::FromHigh,
            Self::FromHigh => Self::FromLow,
        }
    }
}

/// What the WebSocket handshake made of an end: who asked, who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Role {
    /// The end that sent the request.
    Client,
    /// The end that answered it.
    Server,
}

impl Role {
    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// The name that tables use: `client` or `server`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A value for each of the two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PerRole<T> {
    /// The client's.
    pub client: T,
    /// The server's.
    pub server: T,
}

impl<T> PerRole<T> {
    /// The value of `role`.
    #[must_use]
    pub const fn get(&self, role: Role) -> &T {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// The value of `role`, to change.
    #[must_use]
    pub const fn get_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

/// The two ends of a TCP flow, the same for both directions and on every machine.
///
/// Networks that use the same addresses are told apart by the scope of each segment, which is not part of the key,
/// because the two directions of one flow may be captured in two VLANs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// That of the end that sorts first, then the other one.
    addresses: [[u8; 16]; 2],
    /// In the same order.
    ports: [u16; 2],
}

impl FlowKey {
    /// The flow of a segment from `source` to `destination`, and which way that segment went.
    #[must_use]
    #[inline]
    pub fn of(source: Endpoint, destination: Endpoint) -> (Self, Direction) {
        // The order of the endpoints, in numbers: comparing bytes is a call.
        let rank = |end: &Endpoint| (u128::from_be_bytes(end.address), end.port);
        if rank(&source) <= rank(&destination) {
            (Self::sorted(source, destination), Direction::FromLow)
        } else {
            (Self::sorted(destination, source), Direction::FromHigh)
        }
    }

    /// The same for the ends at two IPv4 addresses, in less time.
    #[must_use]
    #[inline(always)]
    pub(crate) fn of_v4(source: [u8; 4], destination: [u8; 4], [from, to]: [u16; 2]) -> (Self, Direction) {
        // Address and port in one number, so that two numbers are sorted: the processor cannot guess their order, and a jump
        // would cost it more than all the rest.
        let packed = |address, port| u64::from(u32::from_be_bytes(address)) << 16 | u64::from(port);
        let unpacked = |packed: u64| Endpoint::from_v4(((packed >> 16) as u32).to_be_bytes(), packed as u16);
        let (source, destination) = (packed(source, from), packed(destination, to));
        let direction = if source <= destination { Direction::FromLow } else { Direction::FromHigh };
        (Self::sorted(unpacked(source.min(destination)), unpacked(source.max(destination))), direction)
    }

    #[inline]
    const fn sorted(low: Endpoint, high: Endpoint) -> Self {
        Self { addresses: [low.address, high.address], ports: [low.port, high.port] }
    }

    /// The end that sends in `direction`.
    #[must_use]
    #[inline]
    pub const fn sender(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::FromLow => self.low(),
            Direction::FromHigh => self.high(),
        }
    }

    /// The end that sorts first.
    #[must_use]
    #[inline]
    pub const fn low(&self) -> Endpoint {
        let ([address, _], [port, _]) = (self.addresses, self.ports);
        Endpoint { address, port }
    }

    /// The end that sorts last.
    #[must_use]
    #[inline]
    pub const fn high(&self) -> Endpoint {
        let ([_, address], [_, port]) = (self.addresses, self.ports);
        Endpoint { address, port }
    }

    /// Which of `shards` this flow is worked on in. It spreads work and is the same on every machine; the hash that
    /// protects the flow tables is another, seeded one.
    #[must_use]
    #[inline]
    pub fn shard(&self, shards: usize) -> usize {
        // The high bits are the well mixed ones.
        (((self.mixed() >> 32) * shards as u64) >> 32) as usize
    }

    /// Multiply-shift hashing: each word is multiplied by an odd number of its own.
    #[inline]
    fn mixed(&self) -> u64 {
        let [low, high] = self.addresses.map(|address| {
            let both = u128::from_le_bytes(address);
            [both as u64, (both >> 64) as u64]
        });
        let [low_port, high_port] = self.ports.map(u64::from);
        let rest = low[0] ^ high[0].rotate_left(32) ^ (high_port << 16 | low_port);
        rest.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(low[1].wrapping_mul(0xbf58_476d_1ce4_e5b9))
            .wrapping_add(high[1].wrapping_mul(0x94d0_49bb_1331_11eb))
    }
}

impl Hash for FlowKey {
    /// As few numbers as there can be, since a hasher has work with each.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, high] = self.addresses.map(u128::from_le_bytes);
        let [low_port, high_port] = self.ports.map(u32::from);
        state.write_u128(low);
        state.write_u128(high);
        state.write_u32(high_port << 16 | low_port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8, port: u16) -> Endpoint {
        Endpoint::from_v4([10, 0, 0, last], port)
    }

    #[test]
    fn moments_keep_their_order_and_value() {
        let nanoseconds = [-i64::MAX, -1, 0, 1, 1_700_000_000_000_000_000, i64::MAX];
        let moments = nanoseconds.map(Timestamp::from_nanos);
        assert_eq!(moments.map(Timestamp::as_nanos), nanoseconds);
        assert!(moments.is_sorted());
        assert_eq!(Timestamp::from_nanos(i64::MIN).as_nanos(), -i64::MAX);
        assert_eq!(size_of::<Option<Timestamp>>(), 8);
    }

    #[test]
    fn packets_keep_their_order_and_place() {
        let places = [(0, 1), (0, 9_999_999_999), (1, 1), (10_000, 7), ((1 << 24) - 1, (1 << 40) - 1)];
        let packets = places.map(|(file, number)| PacketId::new(file, number));
        assert_eq!(packets.map(|packet| (packet.file(), packet.number())), places);
        assert!(packets.is_sorted());
        assert_eq!(PacketId::new(u32::MAX, u64::MAX), packets[4]);
        assert_eq!(size_of::<Option<PacketId>>(), 8);
    }

    #[test]
    fn both_directions_have_one_key() {
        let (there, forward) = FlowKey::of(v4(1, 50000), v4(2, 80));
        let (back, backward) = FlowKey::of(v4(2, 80), v4(1, 50000));
        assert_eq!(there, back);
        assert_eq!(forward.opposite(), backward);
        assert_eq!(there.sender(forward), v4(1, 50000));
    }

    #[test]
    fn endpoints_print_as_their_own_family() {
        assert_eq!(v4(1, 80).to_string(), "10.0.0.1:80");
        assert_eq!(Endpoint::new("2001:db8::1".parse().unwrap(), 443).to_string(), "[2001:db8::1]:443");
    }

    #[test]
    fn keys_of_ipv4_are_those_of_any_address() {
        let ends =
            [([10, 0, 0, 1], 80), ([10, 0, 0, 1], 81), ([10, 0, 0, 2], 80), ([255, 255, 255, 255], 1), ([0; 4], 0)];
        for (source, from) in ends {
            for (destination, to) in ends {
                let expected = FlowKey::of(Endpoint::from_v4(source, from), Endpoint::from_v4(destination, to));
                assert_eq!(FlowKey::of_v4(source, destination, [from, to]), expected);
            }
        }
    }

    #[test]
    fn shards_are_evenly_used() {
        let mut counts = [[0_usize; 16]; 4];
        for number in 0..8192_u16 {
            let [high, low] = number.to_be_bytes();
            let network = |last: u8| {
                let address = [0x20, 1, 0xd, 0xb8, 0, 0, high, low, 0, 0, 0, 0, 0, 0, 0, last];
                Endpoint::from_v6(address, 80)
            };
            let keys = [
                FlowKey::of(v4(1, 1024 + number), v4(2, 80)),
                FlowKey::of(v4(1, 80), Endpoint::from_v4([10, 0, high, low], 80)),
                FlowKey::of(Endpoint::from_v4([10, high, low, 1], 50_000), Endpoint::from_v4([10, high, low, 2], 80)),
                FlowKey::of(network(1), network(2)),
            ];
            for (counts, (key, _)) in counts.iter_mut().zip(keys) {
                counts[key.shard(16)] += 1;
            }
        }
        assert!(counts.as_flattened().iter().all(|&count| (300..=800).contains(&count)), "{counts:?}");
    }

    #[test]
    fn shards_are_the_same_on_every_machine() {
        let keys = [FlowKey::of(v4(1, 50_000), v4(2, 80)), FlowKey::of(v4(9, 443), v4(2, 40_000))];
        assert_eq!(keys.map(|(key, _)| key.shard(1000)), [796, 206]);
    }
}
