//! The pcapng format: blocks of many types, in sections that each have their byte order and their interfaces.
//!
//! In come the bytes of a file, out go its packets. Source: draft-ietf-opsawg-pcapng. A block says its length at both
//! ends, which is how it is believed.
//!
//! pcap-parser reads interface descriptions and statistics. Packet blocks are read here: its parser collects a packet's
//! options in a vector of their own, does not know the obsolete packet block, and forgets the snap length of simple ones.

use pcap_parser::nom::IResult;
use pcap_parser::{
    BOM_MAGIC, DSB_MAGIC, EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, NRB_MAGIC, OptionCode, PIB_MAGIC, PcapError, SHB_MAGIC,
    SJE_MAGIC, SPB_MAGIC, parse_interfacedescriptionblock_be, parse_interfacedescriptionblock_le,
    parse_interfacestatisticsblock_be, parse_interfacestatisticsblock_le,
};

use super::interface::{self, Interface};
use super::ledger::{Ledger, Mismatch};
use super::order::ByteOrder;
use super::walk::{Belief, Block as Bytes, Out, Stop, Walk};
use crate::flow::Timestamp;
use crate::limits;

/// A pcapng file, in the section that is being read.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// The time of the last packet, which is given to those that have none.
    last_time: Timestamp,
    skipping: Option<Skipping>,
}

/// A block that is of no interest and larger than the buffer.
#[derive(Clone, Copy, Debug)]
struct Skipping {
    /// Where in the file it begins.
    offset: u64,
    /// Its length.
    length: usize,
    /// Bytes up to its second length.
    ahead: usize,
}

/// What a block says at its beginning.
#[derive(Clone, Copy, Debug)]
struct Head {
    kind: u32,
    /// Its length in bytes, all included.
    length: usize,
    order: ByteOrder,
}

/// Why no block begins somewhere.
#[derive(Clone, Copy, Debug)]
enum NoBlock {
    /// A section header with neither byte order's magic number.
    Order,
    /// A length that such a block cannot have.
    Length(Head),
}

/// A block that is there as a whole.
struct Block<'a> {
    /// Where in the file.
    offset: u64,
    /// Where in the buffer.
    at: usize,
    bytes: &'a [u8],
    /// What is between its two lengths.
    body: &'a [u8],
}

/// A packet block's fields.
struct PacketFields {
    interface: usize,
    time: u64,
    captured: u32,
    original: u32,
}

impl Pcapng {
    /// The byte order of the file that begins with `bytes`; `None` if it is no pcapng.
    pub(super) fn open(bytes: &[u8]) -> Option<Self> {
        let order = section_order(bytes, 0)?;
        Some(Self { order, interfaces: Vec::new(), last_time: Timestamp::default(), skipping: None })
    }

    /// The block of `head`, if all of it is there.
    ///
    /// Some programs leave the padding out of the lengths, so that the block ends up to three bytes later.
    #[inline]
    fn block<'a>(bytes: &Bytes<'a>, at: usize, head: &Head) -> Result<Option<Block<'a>>, Mismatch> {
        let mut trailer = None;
        for length in [head.length, head.length.next_multiple_of(4)] {
            let Some(whole) = bytes.bytes.get(at..at + length) else { return Ok(None) };
            trailer = head.order.u32_at(whole, length - 4);
            if trailer.map(|trailer| trailer as usize) == Some(head.length) {
                let body = whole.get(8..length - 4).unwrap_or_default();
                return Ok(Some(Block { offset: bytes.offset_of(at), at, bytes: whole, body }));
            }
        }
        Err(Mismatch::new(
            format!("the length {} at the block's end too", head.length),
            trailer.unwrap_or_default().to_string(),
        ))
    }

    /// The stop at a block that goes on beyond the buffer.
    fn cut(&mut self, bytes: &Bytes<'_>, at: usize, head: &Head) -> Stop {
        let left = bytes.left(at);
        if !bytes.last
            && !is_read(head.kind)
            && head.length > limits::BATCH_BYTES
            && head.length.is_multiple_of(4)
            && let Some(ahead) = head.length.checked_sub(4 + left)
        {
            self.skipping = Some(Skipping { offset: bytes.offset_of(at), length: head.length, ahead });
            return Stop::Finished;
        }
        if let (EPB_MAGIC | OPB_MAGIC, Some(fields)) =
            (head.kind, bytes.bytes.get(at + 8..).and_then(|body| packet_fields(head, body)))
        {
            let captured = fields.captured as usize;
            // A wrong length may point beyond the end of the file: one with much room behind the packet is doubted.
            let sound = captured + 32 <= head.length && head.length <= captured + 32 + OPTIONS;
            if sound && captured > left - 28 {
                let expected = format!("{captured} bytes of packet data");
                return Stop::Cut(at, Mismatch::new(expected, (left - 28).to_string()));
            }
        }
        Stop::Doubtful(at, Mismatch::new(format!("a block of {} bytes", head.length), left.to_string()))
    }

    /// Goes on skipping: the place after the block if its end is here.
    fn skip(&mut self, skipping: Skipping, bytes: &Bytes<'_>, at: usize, out: &mut Out<'_>) -> Result<usize, Stop> {
        let end = at + skipping.ahead;
        if let Some(trailer) = self.order.u32_at(bytes.bytes, end) {
            self.skipping = None;
            if trailer as usize == skipping.length {
                return Ok(end + 4);
            }
            let expected = format!("the length {} at the block's end too", skipping.length);
            out.ledger.lose(skipping.offset, Mismatch::new(expected, trailer.to_string()));
            return Err(Stop::Damaged(at, Mismatch::new("", "")));
        }
        if bytes.last {
            let found = bytes.offset_of(bytes.bytes.len()) - skipping.offset;
            let expected = format!("a block of {} bytes", skipping.length);
            out.ledger.lose(skipping.offset, Mismatch::new(expected, found.to_string()));
            return Err(Stop::Finished);
        }
        // Up to the second length all bytes are done with; those of that length wait for the rest of it.
        let done = end.min(bytes.bytes.len());
        self.skipping = Some(Skipping { ahead: end - done, ..skipping });
        Err(Stop::Cut(done, Mismatch::new("", "")))
    }

    /// Reads one block.
    #[inline]
    fn read(&mut self, head: &Head, block: &Block<'_>, out: &mut Out<'_>) -> Result<(), Mismatch> {
        match head.kind {
            EPB_MAGIC | OPB_MAGIC => self.packet(head, block, out),
            SPB_MAGIC => self.simple_packet(block, out),
            IDB_MAGIC => self.interface(block, out.ledger),
            ISB_MAGIC => self.statistics(block, out.ledger),
            SHB_MAGIC => {
                self.order = head.order;
                self.interfaces.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An enhanced packet block (section 4.3), or the obsolete packet block (appendix A), which differs in the size of
    /// the interface's number only.
    #[inline]
    fn packet(&mut self, head: &Head, block: &Block<'_>, out: &mut Out<'_>) -> Result<(), Mismatch> {
        let fields = packet_fields(head, block.body)
            .ok_or_else(|| Mismatch::new("a packet block of 32 bytes", block.bytes.len().to_string()))?;
        let interface = self.interfaces.get(fields.interface).ok_or_else(|| self.no_interface(fields.interface))?;
        if fields.captured as usize > block.body.len() - 20 {
            let expected = format!("at most {} bytes of packet data in the block", block.body.len() - 20);
            return Err(Mismatch::new(expected, fields.captured.to_string()));
        }
        self.last_time = interface.time(fields.time);
        out.packet(self.last_time, block.at + 28, [fields.captured, fields.original], interface.on);
        Ok(())
    }

    /// A simple packet block (section 4.4): always of the first interface, and without a time.
    fn simple_packet(&self, block: &Block<'_>, out: &mut Out<'_>) -> Result<(), Mismatch> {
        let original = self.order.u32_at(block.body, 0).unwrap_or_default();
        let interface = self.interfaces.first().ok_or_else(|| self.no_interface(0))?;
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let room = u32::try_from(block.body.len() - 4).unwrap_or(u32::MAX);
        out.packet(self.last_time, block.at + 12, [original.min(snaplen).min(room), original], interface.on);
        Ok(())
    }

    fn no_interface(&self, number: usize) -> Mismatch {
        Mismatch::new(format!("one of the section's {} interfaces", self.interfaces.len()), format!("number {number}"))
    }

    /// An interface description block (section 4.2).
    fn interface(&mut self, block: &Block<'_>, ledger: &mut Ledger) -> Result<(), Mismatch> {
        if self.interfaces.len() >= limits::INTERFACES {
            return Err(Mismatch::new(format!("at most {} interfaces", limits::INTERFACES), "one more"));
        }
        let parsed = parsed(match self.order {
            ByteOrder::Little => parse_interfacedescriptionblock_le(block.bytes),
            ByteOrder::Big => parse_interfacedescriptionblock_be(block.bytes),
        })?;
        let number = ledger.interface(interface::description(&parsed));
        self.interfaces.push(Interface::of(&parsed, self.order, number));
        Ok(())
    }

    /// An interface statistics block (section 4.6). Its numbers count from the beginning of the capture.
    fn statistics(&mut self, block: &Block<'_>, ledger: &mut Ledger) -> Result<(), Mismatch> {
        let parsed = parsed(match self.order {
            ByteOrder::Little => parse_interfacestatisticsblock_le(block.bytes),
            ByteOrder::Big => parse_interfacestatisticsblock_be(block.bytes),
        })?;
        let missing = self.no_interface(parsed.if_id as usize);
        let interface = self.interfaces.get_mut(parsed.if_id as usize).ok_or(missing)?;
        let dropped = interface::option(&parsed.options, OptionCode::IsbIfDrop).and_then(|value| value.try_into().ok());
        if let Some(dropped) = dropped.map(|bytes| self.order.u64(bytes)) {
            ledger.dropped(interface.dropped.replace(dropped).unwrap_or(0), dropped);
        }
        Ok(())
    }
}

impl Walk for Pcapng {
    fn walk(&mut self, bytes: &Bytes<'_>, mut at: usize, out: &mut Out<'_>) -> Stop {
        if let Some(skipping) = self.skipping {
            match self.skip(skipping, bytes, at, out) {
                Ok(end) => at = end,
                Err(stop) => return stop,
            }
        }
        loop {
            let head = match head(self.order, bytes.bytes, at) {
                Ok(Some(head)) => head,
                Ok(None) if bytes.left(at) == 0 => return Stop::Finished,
                Ok(None) => {
                    let found = bytes.left(at).to_string();
                    return Stop::Cut(at, Mismatch::new("the first 8 bytes of a block, or 12 of a section", found));
                }
                Err(wrong) => return Stop::Damaged(at, wrong.into()),
            };
            let block = match Self::block(bytes, at, &head) {
                Ok(Some(block)) => block,
                Ok(None) => return self.cut(bytes, at, &head),
                Err(mismatch) => return Stop::Damaged(at, mismatch),
            };
            if let Err(mismatch) = self.read(&head, &block, out) {
                // Its frame is sound, so the next block begins where it says.
                out.ledger.damage(block.offset, block.bytes.len() as u64, mismatch);
            }
            at += block.bytes.len();
        }
    }

    /// Believes a block of a known type with two equal lengths that is followed by the beginning of another one, or by
    /// the end of the file.
    ///
    /// Random bytes pass for the first once in 2^70: 29 bits of the type, 10 of the length, 32 of its repetition.
    fn believe(&self, bytes: &Bytes<'_>, at: usize) -> Belief {
        let open = if bytes.last { Belief::No } else { Belief::Open };
        let head = match head(self.order, bytes.bytes, at) {
            Ok(Some(head)) if is_known(&head) => head,
            Ok(None) => return open,
            Ok(Some(_)) | Err(_) => return Belief::No,
        };
        let end = at + head.length;
        match head.order.u32_at(bytes.bytes, end - 4) {
            Some(trailer) if trailer as usize == head.length => {}
            Some(_) => return Belief::No,
            None => return open,
        }
        match self::head(head.order, bytes.bytes, end) {
            Ok(Some(next)) if is_known(&next) => Belief::Yes,
            Ok(None) if bytes.last => Belief::Yes,
            Ok(None) => Belief::Open,
            Ok(Some(_)) | Err(_) => Belief::No,
        }
    }
}

impl From<NoBlock> for Mismatch {
    fn from(wrong: NoBlock) -> Self {
        match wrong {
            NoBlock::Order => Self::new("a section's byte-order magic number", "another number"),
            NoBlock::Length(Head { kind, length, .. }) => Self::new(
                format!("a block length of {} to {} for type {kind:#x}", least_length(kind), limits::RECORD_BYTES),
                length.to_string(),
            ),
        }
    }
}

/// The beginning of the block at `at` in a section of that `order`; `Ok(None)` if too little of it is there.
#[inline]
fn head(mut order: ByteOrder, bytes: &[u8], at: usize) -> Result<Option<Head>, NoBlock> {
    let Some(kind) = order.u32_at(bytes, at) else { return Ok(None) };
    if kind == SHB_MAGIC {
        if bytes.len() < at + 12 {
            return Ok(None);
        }
        order = section_order(bytes, at).ok_or(NoBlock::Order)?;
    }
    let Some(length) = order.u32_at(bytes, at + 4) else { return Ok(None) };
    let head = Head { kind, length: length as usize, order };
    if head.length < least_length(kind) || head.length > limits::RECORD_BYTES {
        return Err(NoBlock::Length(head));
    }
    Ok(Some(head))
}

/// The byte order of the section that begins at `at`; `None` if none begins there.
fn section_order(bytes: &[u8], at: usize) -> Option<ByteOrder> {
    let orders = [ByteOrder::Little, ByteOrder::Big];
    let is_section = ByteOrder::Little.u32_at(bytes, at) == Some(SHB_MAGIC);
    orders.into_iter().find(|order| is_section && order.u32_at(bytes, at + 8) == Some(BOM_MAGIC))
}

/// The fixed fields at the beginning of an enhanced or obsolete packet block's `body`.
#[inline]
fn packet_fields(head: &Head, body: &[u8]) -> Option<PacketFields> {
    let &[interface, high, low, captured, original] = body.as_chunks::<4>().0.first_chunk()?;
    let order = head.order;
    let [a, b, _, _] = interface;
    let short = usize::from(order.u16([a, b]));
    Some(PacketFields {
        interface: if head.kind == OPB_MAGIC { short } else { order.u32(interface) as usize },
        time: u64::from(order.u32(high)) << 32 | u64::from(order.u32(low)),
        captured: order.u32(captured),
        original: order.u32(original),
    })
}

/// What pcap-parser made of a block that is there as a whole.
fn parsed<'a, T>(result: IResult<&'a [u8], T, PcapError<&'a [u8]>>) -> Result<T, Mismatch> {
    let sound = "a block whose fields fit its length";
    result.map(|(_, block)| block).map_err(|error| match error {
        pcap_parser::nom::Err::Incomplete(_) => Mismatch::new(sound, "more fields"),
        pcap_parser::nom::Err::Error(_) | pcap_parser::nom::Err::Failure(_) => Mismatch::new(sound, "other ones"),
    })
}

/// The least length of a block of this type.
#[inline]
const fn least_length(kind: u32) -> usize {
    match kind {
        EPB_MAGIC | OPB_MAGIC => 32,
        SHB_MAGIC => 28,
        ISB_MAGIC => 24,
        IDB_MAGIC => 20,
        SPB_MAGIC => 16,
        _ => 12,
    }
}

/// Whether the content of such blocks matters.
const fn is_read(kind: u32) -> bool {
    matches!(kind, SHB_MAGIC | IDB_MAGIC | ISB_MAGIC | EPB_MAGIC | SPB_MAGIC | OPB_MAGIC)
}

/// Whether a block may be believed after damage.
const fn is_known(head: &Head) -> bool {
    let known = is_read(head.kind)
        || matches!(head.kind, NRB_MAGIC | SJE_MAGIC | DSB_MAGIC | PIB_MAGIC | CUSTOM | CUSTOM_NOT_COPIED);
    known && head.length.is_multiple_of(4)
}

/// The obsolete packet block.
const OPB_MAGIC: u32 = 2;

/// A custom block that may be copied to other files, and one that may not.
const CUSTOM: u32 = 0x0bad;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;

/// Bytes of padding and options that the block of a packet cut by the end of the file may have.
const OPTIONS: usize = 64 << 10;
