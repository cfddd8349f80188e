//! The pcapng format: blocks of many types, in sections that each have their byte order and their interfaces.
//!
//! In come the bytes of a file, out go its packets. Source: draft-ietf-opsawg-pcapng. A block says its length at both
//! ends, which is how it is believed.
//!
//! pcap-parser reads interface descriptions and statistics. Packet blocks are read here: its parser collects a packet's
//! options in a vector of their own, does not know the obsolete packet block, and forgets the snap length of simple ones.

use pcap_parser::nom::IResult;
use pcap_parser::{
    DSB_MAGIC, EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, OptionCode, PcapError, SHB_MAGIC, SJE_MAGIC, SPB_MAGIC,
    parse_interfacedescriptionblock_be, parse_interfacedescriptionblock_le, parse_interfacestatisticsblock_be,
    parse_interfacestatisticsblock_le,
};

use super::block::{CUSTOM, CUSTOM_NOT_COPIED, Head, OPB_MAGIC, head, is_known, is_read, section_order};
use super::interface::{self, Drops, Interface};
use super::ledger::{Ledger, Mismatch};
use super::order::ByteOrder;
use super::packet_block::{self, PacketBlock};
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
    kind: u32,
    /// Where in the file it begins.
    offset: u64,
    /// Its length.
    length: usize,
    /// Bytes up to its second length.
    ahead: usize,
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
            self.skipping = Some(Skipping { kind: head.kind, offset: bytes.offset_of(at), length: head.length, ahead });
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
                Self::number(skipping.kind, out.ledger);
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
            self.skipping = None;
            return Err(Stop::Finished);
        }
        // Up to the second length all bytes are done with; those of that length wait for the rest of it.
        let done = end.min(bytes.bytes.len());
        self.skipping = Some(Skipping { ahead: end - done, ..skipping });
        Err(Stop::Cut(done, Mismatch::new("", "")))
    }

    /// Reads the enhanced packet blocks from the one at `at` on, as long as they are whole, sound and without options: where
    /// the first other block begins. [`Self::any_block`] would do the same with each, but nearly every packet goes through
    /// here.
    fn ordinary_packets<const LITTLE: bool>(&mut self, bytes: &Bytes<'_>, mut at: usize, out: &mut Out<'_>) -> usize {
        let order = if LITTLE { ByteOrder::Little } else { ByteOrder::Big };
        while let Some(block) = bytes.bytes.get(at..)
            && let Some((&[k0, k1, k2, k3, l0, l1, l2, l3], rest)) = block.split_first_chunk()
            && let Some(fields) = rest.first_chunk()
        {
            let (kind, length) = (order.u32([k0, k1, k2, k3]), order.u32([l0, l1, l2, l3]) as usize);
            let fields = PacketBlock::enhanced(fields, order);
            let ordinary = kind == EPB_MAGIC
                && length <= limits::RECORD_BYTES
                && length == 32 + (fields.captured as usize).next_multiple_of(4);
            if !ordinary || order.u32_at(block, length - 4).map(|trailer| trailer as usize) != Some(length) {
                break;
            }
            let Some(interface) = self.interfaces.get(fields.interface) else { break };
            self.last_time = interface.time(fields.time);
            out.packet(self.last_time, at + 28, [fields.captured, fields.original], interface.on);
            at += length;
        }
        at
    }

    /// Reads the block at `at`: where it ends.
    fn any_block(&mut self, bytes: &Bytes<'_>, at: usize, out: &mut Out<'_>) -> Result<usize, Stop> {
        let head = match head(self.order, bytes.bytes, at) {
            Ok(Some(head)) => head,
            Ok(None) if bytes.left(at) == 0 => return Err(Stop::Finished),
            Ok(None) => {
                let found = bytes.left(at).to_string();
                return Err(Stop::Cut(at, Mismatch::new("the first 8 bytes of a block, or 12 of a section", found)));
            }
            Err(wrong) => return Err(Stop::Damaged(at, wrong.into())),
        };
        let block = match Self::block(bytes, at, &head) {
            Ok(Some(block)) => block,
            Ok(None) => return Err(self.cut(bytes, at, &head)),
            Err(mismatch) => return Err(Stop::Damaged(at, mismatch)),
        };
        if let Err(mismatch) = self.read(&head, &block, out) {
            // Its frame is sound, so the next block begins where it says.
            out.ledger.damage(block.offset, block.bytes.len() as u64, mismatch);
        }
        Ok(at + block.bytes.len())
    }

    /// Reads one block.
    #[inline]
    fn read(&mut self, head: &Head, block: &Block<'_>, out: &mut Out<'_>) -> Result<(), Mismatch> {
        match head.kind {
            EPB_MAGIC | OPB_MAGIC => self.packet(head, block, out),
            SPB_MAGIC => self.simple_packet(block, out),
            IDB_MAGIC => self.interface(block, out.ledger),
            ISB_MAGIC => self.statistics(block, out.ledger),
            DSB_MAGIC => {
                self.secrets(block, out.ledger);
                Ok(())
            }
            SHB_MAGIC => {
                self.order = head.order;
                self.interfaces.clear();
                Ok(())
            }
            other => {
                Self::number(other, out.ledger);
                Ok(())
            }
        }
    }

    /// Wireshark shows blocks of these kinds among the packets, with numbers of their own.
    fn number(kind: u32, ledger: &mut Ledger) {
        if matches!(kind, CUSTOM | CUSTOM_NOT_COPIED | SJE_MAGIC) {
            ledger.skip_number();
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
        if let Some(dropped) = dropped_before(head, block.body, fields.captured as usize) {
            self.dropped(fields.interface, out.ledger, |drops| drops.before_packet(dropped));
        }
        Ok(())
    }

    /// Says of an interface of the section what it has dropped.
    fn dropped(&mut self, interface: usize, ledger: &mut Ledger, say: impl FnOnce(&mut Drops)) {
        let Some(interface) = self.interfaces.get_mut(interface) else { return };
        let before = interface.drops.total();
        say(&mut interface.drops);
        ledger.dropped(before, interface.drops.total());
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
        let interface = parsed.if_id as usize;
        if interface >= self.interfaces.len() {
            return Err(self.no_interface(interface));
        }
        let dropped = interface::option(&parsed.options, OptionCode::IsbIfDrop).and_then(|value| value.try_into().ok());
        if let Some(dropped) = dropped.map(|bytes| self.order.u64(bytes)) {
            self.dropped(interface, ledger, |drops| drops.statistics(dropped));
        }
        Ok(())
    }

    /// A decryption secrets block (section 4.7). Those of other protocols than TLS are of no interest.
    fn secrets(&self, block: &Block<'_>, ledger: &mut Ledger) {
        let kind = self.order.u32_at(block.body, 0);
        let length = self.order.u32_at(block.body, 4).unwrap_or_default() as usize;
        if let (Some(TLS_KEY_LOG), Some(log)) = (kind, block.body.get(8..8 + length)) {
            ledger.secrets(log);
        }
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
            at = match self.order {
                ByteOrder::Little => self.ordinary_packets::<true>(bytes, at, out),
                ByteOrder::Big => self.ordinary_packets::<false>(bytes, at, out),
            };
            match self.any_block(bytes, at, out) {
                Ok(end) => at = end,
                Err(stop) => return stop,
            }
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

/// The fixed fields at the beginning of an enhanced or obsolete packet block's `body`.
#[inline]
fn packet_fields(head: &Head, body: &[u8]) -> Option<PacketBlock> {
    let fields = body.first_chunk()?;
    Some(match head.kind {
        OPB_MAGIC => PacketBlock::obsolete(fields, head.order),
        _ => PacketBlock::enhanced(fields, head.order),
    })
}

/// How many packets a packet block says were dropped before its own of so many `captured` bytes.
fn dropped_before(head: &Head, body: &[u8], captured: usize) -> Option<u64> {
    if head.kind == OPB_MAGIC {
        return packet_block::dropped_before_obsolete(body.first_chunk()?, head.order);
    }
    let options = body.get(PacketBlock::FIELDS + captured.next_multiple_of(4)..)?;
    packet_block::dropped_before(options, head.order)
}

/// What pcap-parser made of a block that is there as a whole.
fn parsed<'a, T>(result: IResult<&'a [u8], T, PcapError<&'a [u8]>>) -> Result<T, Mismatch> {
    let sound = "a block whose fields fit its length";
    result.map(|(_, block)| block).map_err(|error| match error {
        pcap_parser::nom::Err::Incomplete(_) => Mismatch::new(sound, "more fields"),
        pcap_parser::nom::Err::Error(_) | pcap_parser::nom::Err::Failure(_) => Mismatch::new(sound, "other ones"),
    })
}

/// Secrets in the form of a TLS key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Bytes of padding and options that the block of a packet cut by the end of the file may have.
const OPTIONS: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::super::writer::PcapngWriter;
    use super::super::{Format, Packet};
    use super::*;

    /// A file of packets of these lengths, some with options, on two interfaces with different clocks.
    fn file(order: ByteOrder, packets: &[(u8, bool)]) -> Vec<u8> {
        let mut writer = PcapngWriter::new(order);
        writer.interface(1, 0, &[]).interface(113, 0, &[(9, &[9])]);
        for (time, &(length, options)) in packets.iter().enumerate() {
            let (interface, data) = (u32::from(length & 1), vec![7; length.into()]);
            match options {
                true => writer.packet_with_options(interface, &data, &[(2, &[0; 4])]),
                false => writer.packet(interface, (time as u64) << 30, length.into(), &data),
            };
        }
        writer.bytes
    }

    /// What a walk through `file` puts out, how it ends, and what is wrong with it.
    fn walked(
        file: &[u8],
        last: bool,
        walk: fn(&mut Pcapng, &Bytes<'_>, usize, &mut Out<'_>) -> Stop,
    ) -> (Vec<Packet>, String) {
        let mut pcapng = Pcapng::open(file).unwrap();
        let mut ledger = Ledger::new("test".into(), Format::Pcapng);
        let mut packets = Vec::new();
        let bytes = Bytes { bytes: file, offset: 0, last };
        let stop = walk(&mut pcapng, &bytes, 0, &mut Out { ledger: &mut ledger, packets: &mut packets });
        (packets, format!("{stop:?} {pcapng:?} {:?}", ledger.finish(0)))
    }

    /// Looks at each block alone.
    fn one_by_one(pcapng: &mut Pcapng, bytes: &Bytes<'_>, mut at: usize, out: &mut Out<'_>) -> Stop {
        loop {
            match pcapng.any_block(bytes, at, out) {
                Ok(end) => at = end,
                Err(stop) => return stop,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn ordinary_packets_are_what_they_are_one_by_one(
            big in any::<bool>(),
            packets in vec((any::<u8>(), any::<bool>()), 1..12),
            changes in vec((any::<Index>(), prop_oneof![Just(0), any::<u8>()]), 0..3),
            cut in prop_oneof![Just(0), 0..40_usize],
            last in any::<bool>(),
        ) {
            let mut file = file(if big { ByteOrder::Big } else { ByteOrder::Little }, &packets);
            file.truncate(file.len() - cut);
            for (at, value) in changes {
                // Behind the section header, which says that it is pcapng.
                let at = 28 + at.index(file.len() - 28);
                file[at] = value;
            }
            let expected = walked(&file, last, one_by_one);
            prop_assert_eq!(walked(&file, last, Pcapng::walk), expected);
        }
    }
}
