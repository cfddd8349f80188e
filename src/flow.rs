//! The words that every layer shares: which flow a packet belongs to, which way it went, which packet it was, and when.
//!
//! Nothing here reads bytes or keeps state.

use std::fmt;
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
    pub const fn from_v4(octets: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = octets;
        Self { address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d], port }
    }

    /// The end at the IPv6 address with these `octets`.
    #[must_use]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
}

impl FlowKey {
    /// The flow of a segment from `source` to `destination`, and which way that segment went.
    #[must_use]
    pub fn of(source: Endpoint, destination: Endpoint) -> (Self, Direction) {
        // The order of the endpoints, in numbers: comparing bytes is a call.
        let rank = |end: &Endpoint| (u128::from_be_bytes(end.address), end.port);
        if rank(&source) <= rank(&destination) {
            (Self { low: source, high: destination }, Direction::FromLow)
        } else {
            (Self { low: destination, high: source }, Direction::FromHigh)
        }
    }

    /// The end that sends in `direction`.
    #[must_use]
    pub const fn sender(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::FromLow => self.low,
            Direction::FromHigh => self.high,
        }
    }

    /// The end that sorts first.
    #[must_use]
    pub const fn low(&self) -> Endpoint {
        self.low
    }

    /// The end that sorts last.
    #[must_use]
    pub const fn high(&self) -> Endpoint {
        self.high
    }

    /// Which of `shards` this flow is worked on in. It spreads work and is the same on every machine; the hash that
    /// protects the flow tables is another, seeded one.
    #[must_use]
    pub fn shard(&self, shards: usize) -> usize {
        let mut mixed = (u64::from(self.low.port) << 32) ^ (u64::from(self.high.port) << 48);
        for address in [&self.low.address, &self.high.address] {
            for half in address.as_chunks::<8>().0 {
                mixed = (mixed ^ u64::from_le_bytes(*half)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            }
        }
        // The high bits are the well mixed ones.
        (((mixed >> 32) * shards as u64) >> 32) as usize
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
    fn shards_are_evenly_used() {
        let mut counts = [0_usize; 16];
        for port in 1024..9216 {
            counts[FlowKey::of(v4(1, port), v4(2, 80)).0.shard(16)] += 1;
        }
        assert!(counts.iter().all(|&count| (300..=800).contains(&count)), "{counts:?}");
    }
}
