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

impl Header {
    /// The one in `bytes`. What else may follow it is of no interest.
    #[inline(always)]
    fn read(bytes: &[u8; RECORD_HEADER], order: ByteOrder) -> Self {
        let &[s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, o0, o1, o2, o3] = bytes;
        Self {
            seconds: order.u32([s0, s1, s2, s3]),
            fraction: order.u32([f0, f1, f2, f3]),
            captured: order.u32([c0, c1, c2, c3]),
            original: order.u32([o0, o1, o2, o3]),
        }
    }
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
    fn header(&self, block: &Block<'_>, at: usize) -> Option<Header> {
        let bytes = block.bytes.get(at..at + self.layout.record_header)?.first_chunk()?;
        Some(Header::read(bytes, self.layout.order))
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
        // Not by a division: that takes the processor as long as all the rest of a record.
        let nanoseconds = if self.layout.units == NANOSECONDS { 1 } else { 1000 };
        // Below 2^32 * 10^9 + 2^32 * 10^3, which is below 2^63.
        Timestamp::from_nanos(i64::from(header.seconds) * 1_000_000_000 + i64::from(header.fraction) * nanoseconds)
    }

    /// Puts out the packets from the record at `at` on, as long as records are whole and ordinary: where the first other one
    /// begins. [`Self::record`] would do the same with each, but every packet goes through here.
    fn ordinary_records<const LITTLE: bool>(&mut self, block: &Block<'_>, mut at: usize, out: &mut Out<'_>) -> usize {
        let Some(mut last) = self.last_seconds else { return at };
        let order = if LITTLE { ByteOrder::Little } else { ByteOrder::Big };
        while let Some(bytes) = block.bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let header = Header::read(bytes, order);
            let (data, end) = (at + self.layout.record_header, self.end(at, &header));
            let in_time = last == header.seconds || near(last, header.seconds);
            if !self.ordinary(&header) || !in_time || end > block.bytes.len() {
                break;
            }
            out.packet(self.time(&header), data, [header.captured, header.original], self.on());
            (last, at) = (header.seconds, end);
        }
        self.last_seconds = Some(last);
        at
    }

    /// Puts out the packet of the record at `at`: where it ends.
    fn record(&mut self, block: &Block<'_>, at: usize, out: &mut Out<'_>) -> Result<usize, Stop> {
        let header = self.header(block, at).ok_or_else(|| self.cut(block, at, None))?;
        // A leap in time needs a second look too: where the walk has lost its step, the fields are shifted.
        if !(self.ordinary(&header) && self.near_last(&header))
            && let Some(stop) = self.second_look(block, at, &header)
        {
            return Err(stop);
        }
        let end = self.end(at, &header);
        if end > block.bytes.len() {
            return Err(self.cut(block, at, Some(&header)));
        }
        let data = at + self.layout.record_header;
        out.packet(self.time(&header), data, [header.captured, header.original], self.on());
        self.last_seconds = Some(header.seconds);
        Ok(end)
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
            at = match self.layout.order {
                ByteOrder::Little => self.ordinary_records::<true>(block, at, out),
                ByteOrder::Big => self.ordinary_records::<false>(block, at, out),
            };
            match self.record(block, at, out) {
                Ok(end) => at = end,
                Err(stop) => return stop,
            }
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::super::ledger::Ledger;
    use super::super::{Format, Packet};
    use super::*;

    /// A file of one packet for each length, about a second apart.
    fn file(magic: u32, big: bool, lengths: &[u8]) -> Vec<u8> {
        let number = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut file = [magic, 0x0004_0002, 0, 0, 65_535, 1].map(number).concat();
        let layout = Layout::of(number(magic)).unwrap();
        file.resize(layout.file_header, 0);
        for (index, &length) in lengths.iter().enumerate() {
            let header = [1_700_000_000 + index as u32, 7, length.into(), u32::from(length) + 2].map(number).concat();
            file.extend(header.into_iter().chain([0; 8]).take(layout.record_header).chain((0..length).map(|_| 9)));
        }
        file
    }

    /// What a walk through `file` puts out, and how it ends.
    fn walked(
        file: &[u8],
        last: bool,
        walk: fn(&mut Pcap, &Block<'_>, usize, &mut Out<'_>) -> Stop,
    ) -> (Vec<Packet>, String) {
        let layout = Layout::of(*file.first_chunk().unwrap()).unwrap();
        let mut pcap = Pcap::open(layout, file).unwrap();
        let mut ledger = Ledger::new("test".into(), Format::Pcap);
        let mut packets = Vec::new();
        let block = Block { bytes: file, offset: 0, last };
        let stop = walk(&mut pcap, &block, layout.file_header, &mut Out { ledger: &mut ledger, packets: &mut packets });
        (packets, format!("{stop:?} {pcap:?}"))
    }

    /// Looks at each record alone.
    fn one_by_one(pcap: &mut Pcap, block: &Block<'_>, mut at: usize, out: &mut Out<'_>) -> Stop {
        loop {
            match pcap.record(block, at, out) {
                Ok(end) => at = end,
                Err(stop) => return stop,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn ordinary_records_are_what_they_are_one_by_one(
            magic in select(vec![0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34, 0x1c00_01ac]),
            big in any::<bool>(),
            lengths in vec(any::<u8>(), 1..12),
            changes in vec((any::<Index>(), prop_oneof![Just(0), any::<u8>()]), 0..3),
            cut in prop_oneof![Just(0), 0..40_usize],
            last in any::<bool>(),
        ) {
            let mut file = file(magic, big, &lengths);
            file.truncate((file.len() - cut).max(28));
            for (at, value) in changes {
                let at = 28 + at.index(file.len() - 27);
                if let Some(byte) = file.get_mut(at) {
                    *byte = value;
                }
            }
            let expected = walked(&file, last, one_by_one);
            prop_assert_eq!(walked(&file, last, Pcap::walk), expected);
        }
    }
}
