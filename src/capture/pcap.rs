//! The classic pcap format: a file header, then records of a header and a packet.
//!
//! In come the bytes of a file, out go its packets. A record carries nothing that tells whether it is one, so it is
//! believed for what its numbers are, and when in doubt for what follows it.
//!
//! pcap-parser reads the file header. Its record parsers say how long a record is only when all of it is there; here the
//! length is judged before its bytes are waited for.

use pcap_parser::parse_pcap_header;

use super::ledger::Mismatch;
use super::order::ByteOrder;
use super::walk::{Belief, Block, On, Out, Stop, Walk};
use super::{InterfaceDescription, LinkType};
use crate::flow::Timestamp;
use crate::limits;

/// A pcap file of which the header is known.
#[derive(Debug)]
pub(super) struct Pcap {
    layout: Layout,
    link_type: LinkType,
    snaplen: u32,
    /// Captured bytes of a packet that need no second look.
    usual_bytes: u32,
    /// The time of the last packet, in seconds.
    last_seconds: Option<u32>,
}

/// What the magic number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    order: ByteOrder,
    /// Bytes of the file header.
    file_header: usize,
    /// Bytes of a record's header.
    record_header: usize,
    /// Units of a record's sub-second field in a second.
    units: u32,
}

/// A record's header.
#[derive(Clone, Copy, Debug)]
struct Header {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

impl Layout {
    /// What a file that begins with `magic` is like; `None` if that is no pcap.
    ///
    /// Source: libpcap sf-pcap.c; for the Ixia variant Wireshark's wiretap/libpcap.c.
    pub(super) fn of(magic: [u8; 4]) -> Option<Self> {
        [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| {
            let (file_header, record_header, units) = match order.u32(magic) {
                0xa1b2_c3d4 => (FILE_HEADER, RECORD_HEADER, MICROSECONDS),
                0xa1b2_3c4d => (FILE_HEADER, RECORD_HEADER, NANOSECONDS),
                // Kuznetzov's: interface, protocol and packet type follow the usual fields.
                0xa1b2_cd34 => (FILE_HEADER, RECORD_HEADER + 8, MICROSECONDS),
                // Ixia's, of hardware and of software: the size of all records follows the file header.
                0x1c00_01ac | 0x1c00_01ab => (FILE_HEADER + 4, RECORD_HEADER, MICROSECONDS),
                _ => return None,
            };
            Some(Self { order, file_header, record_header, units })
        })
    }

    /// Bytes before the first record.
    pub(super) const fn file_header(&self) -> usize {
        self.file_header
    }
}

impl Pcap {
    /// The file that begins with `bytes`; `None` if they do not hold all of its header.
    pub(super) fn open(layout: Layout, bytes: &[u8]) -> Option<Self> {
        // The magic number is dealt with; pcap-parser knows the fields behind it under fewer of them.
        let mut header = *bytes.get(..layout.file_header)?.first_chunk::<FILE_HEADER>()?;
        *header.first_chunk_mut()? = match layout.order {
            ByteOrder::Little => [0xd4, 0xc3, 0xb2, 0xa1],
            ByteOrder::Big => [0xa1, 0xb2, 0xc3, 0xd4],
        };
        let (_, header) = parse_pcap_header(&header).ok()?;
        let [a, b, ..] = header.network.0.to_le_bytes();
        Some(Self {
            layout,
            link_type: LinkType(u16::from_le_bytes([a, b])),
            snaplen: header.snaplen,
            usual_bytes: header.snaplen.clamp(LARGEST_SNAPLEN, 4 * LARGEST_SNAPLEN),
            last_seconds: None,
        })
    }

    /// The only interface of the file.
    pub(super) fn description(&self) -> InterfaceDescription {
        InterfaceDescription {
            link_type: self.link_type,
            snaplen: self.snaplen,
            resolution: if self.layout.units == NANOSECONDS { 9 } else { 6 },
            name: None,
            description: None,
        }
    }

    #[inline]
    const fn on(&self) -> On {
        On { link_type: self.link_type, interface: 0 }
    }

    /// The header of the record at `at`, if all of it is there.
    #[inline]
    fn header(&self, block: &Block<'_>, at: usize) -> Option<Header> {
        let bytes = block.bytes.get(at..at + self.layout.record_header)?.first_chunk::<RECORD_HEADER>()?;
        let &[seconds, fraction, captured, original] = bytes.as_chunks::<4>().0.first_chunk()?;
        let order = self.layout.order;
        Some(Header {
            seconds: order.u32(seconds),
            fraction: order.u32(fraction),
            captured: order.u32(captured),
            original: order.u32(original),
        })
    }

    /// Where the record at `at` ends.
    #[inline]
    const fn end(&self, at: usize, header: &Header) -> usize {
        at + self.layout.record_header + header.captured as usize
    }

    /// Whether the fields are those of an ordinary packet. Random bytes pass once in 2^34: 14 bits of the captured
    /// length, 8 of the original one, 12 of the sub-second field (2 if it counts nanoseconds: once in 2^24 then).
    #[inline]
    const fn ordinary(&self, header: &Header) -> bool {
        header.captured <= self.usual_bytes
            && header.captured <= header.original
            && header.original != 0
            && header.original as usize <= limits::RECORD_BYTES
            && header.fraction < self.layout.units
    }

    #[inline]
    fn near_last(&self, header: &Header) -> bool {
        self.last_seconds.is_none_or(|last| near(last, header.seconds))
    }

    /// When the packet was captured. A sub-second field out of range is carried over, as Wireshark does.
    #[inline]
    fn time(&self, header: &Header) -> Timestamp {
        let nanoseconds = i64::from(NANOSECONDS / self.layout.units);
        // Below 2^32 * 10^9 + 2^32 * 10^3, which is below 2^63.
        Timestamp::from_nanos(i64::from(header.seconds) * 1_000_000_000 + i64::from(header.fraction) * nanoseconds)
    }

    /// Looks again at the record at `at`, whose header is unusual: `None` if it is sound all the same.
    ///
    /// Its lengths may be strange in a file written by a strange program; then a record follows it, or the end.
    #[cold]
    fn second_look(&self, block: &Block<'_>, at: usize, header: &Header) -> Option<Stop> {
        let mismatch = || Mismatch::new("a sound packet header", header.to_string());
        if header.captured as usize > limits::RECORD_BYTES {
            return Some(Stop::Damaged(at, mismatch()));
        }
        let end = self.end(at, header);
        match self.header(block, end) {
            Some(next) if self.follows(header, &next) => None,
            Some(_) => Some(Stop::Damaged(at, mismatch())),
            None if !block.last || end > block.bytes.len() => Some(Stop::Doubtful(at, mismatch())),
            None if header.original == 0 => Some(Stop::Damaged(at, mismatch())),
            None => None,
        }
    }

    /// Whether `next` is the header of a record, given that it comes right after that of `header`: an ordinary one or one
    /// of the same time. Random bytes pass once in 2^22.
    fn follows(&self, header: &Header, next: &Header) -> bool {
        let same_time = near(header.seconds, next.seconds) || self.near_last(next) && self.last_seconds.is_some();
        self.ordinary(next) || (same_time && (1..=limits::RECORD_BYTES).contains(&(next.captured as usize)))
    }

    /// The stop at a record that goes on beyond the block.
    fn cut(&self, block: &Block<'_>, at: usize, header: Option<&Header>) -> Stop {
        let left = block.left(at);
        match header {
            None if left == 0 => Stop::Finished,
            None => Stop::Cut(
                at,
                Mismatch::new(format!("a packet header of {} bytes", self.layout.record_header), left.to_string()),
            ),
            Some(header) => Stop::Cut(
                at,
                Mismatch::new(
                    format!("{} bytes of packet data", header.captured),
                    (left - self.layout.record_header).to_string(),
                ),
            ),
        }
    }
}

impl Walk for Pcap {
    fn walk(&mut self, block: &Block<'_>, mut at: usize, out: &mut Out<'_>) -> Stop {
        loop {
            let Some(header) = self.header(block, at) else { return self.cut(block, at, None) };
            // A leap in time needs a second look too: where the walk has lost its step, the fields are shifted.
            if !(self.ordinary(&header) && self.near_last(&header))
                && let Some(stop) = self.second_look(block, at, &header)
            {
                return stop;
            }
            let end = self.end(at, &header);
            if end > block.bytes.len() {
                return self.cut(block, at, Some(&header));
            }
            let data = at + self.layout.record_header;
            out.packet(self.time(&header), data, [header.captured, header.original], self.on());
            self.last_seconds = Some(header.seconds);
            at = end;
        }
    }

    /// Believes a chain of records with ordinary, nonempty headers, each within a day of the one before: four of them if
    /// the first is within a day of the last good packet, else eight; fewer if the file ends with the last, and three if
    /// it ends inside a record.
    ///
    /// Random bytes pass for a header once in 2^34, and once in 2^48 if the time must fit (nanoseconds: 2^24 and 2^38),
    /// so four pass less often than once in 2^138. One record that ends exactly with the file passes once in 2^66 (2^56),
    /// tried at the few hundred thousand places from which the end can be reached.
    fn believe(&self, block: &Block<'_>, at: usize) -> Belief {
        let Some(first) = self.header(block, at) else { return if block.last { Belief::No } else { Belief::Open } };
        let anchored = self.near_last(&first);
        let (enough, mut place, mut seconds) = (if anchored { 4 } else { 8 }, at, first.seconds);
        for records in 0..enough {
            let Some(header) = self.header(block, place) else {
                let whole = block.left(place) == 0;
                return at_the_end(block, anchored && (whole && records > 0 || records > 2));
            };
            if header.captured == 0 || !self.ordinary(&header) || !near(seconds, header.seconds) {
                return Belief::No;
            }
            place = self.end(place, &header);
            seconds = header.seconds;
            if place > block.bytes.len() {
                return at_the_end(block, anchored && records > 2);
            }
        }
        Belief::Yes
    }
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seconds, fraction, captured, original } = self;
        write!(f, "captured length {captured}, original length {original}, time {seconds} s and {fraction} units")
    }
}

/// What to believe of a chain that reaches the end of the block.
const fn at_the_end(block: &Block<'_>, enough: bool) -> Belief {
    match (block.last, enough) {
        (false, _) => Belief::Open,
        (true, true) => Belief::Yes,
        (true, false) => Belief::No,
    }
}

/// Whether two times, in seconds, are within a day of each other.
#[inline]
const fn near(one: u32, other: u32) -> bool {
    one.abs_diff(other) <= 86_400
}

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const MICROSECONDS: u32 = 1_000_000;
const NANOSECONDS: u32 = 1_000_000_000;

/// The largest snap length that libpcap and Wireshark use. Files that name a smaller one hold longer packets at times.
const LARGEST_SNAPLEN: u32 = 262_144;
