//! Blocks of pcapng that hold a packet: their fixed fields, and how many packets they say were dropped before theirs.
//!
//! In comes what is between a block's two lengths. Source: draft-ietf-opsawg-pcapng sections 4.3 and appendix A.

use pcap_parser::nom::IResult;
use pcap_parser::{OptionCode, PcapError, PcapNGOption, parse_option_be, parse_option_le};

use super::order::ByteOrder;

/// A packet block's fields.
pub(super) struct PacketBlock {
    /// The number of the interface in the section.
    pub(super) interface: usize,
    /// In units of the interface's clock.
    pub(super) time: u64,
    pub(super) captured: u32,
    pub(super) original: u32,
}

impl PacketBlock {
    /// Bytes of the fields.
    pub(super) const FIELDS: usize = 20;

    /// Those of an enhanced packet block.
    #[inline(always)]
    pub(super) fn enhanced(fields: &[u8; Self::FIELDS], order: ByteOrder) -> Self {
        let &[i0, i1, i2, i3, h0, h1, h2, h3, l0, l1, l2, l3, c0, c1, c2, c3, o0, o1, o2, o3] = fields;
        Self {
            interface: order.u32([i0, i1, i2, i3]) as usize,
            time: u64::from(order.u32([h0, h1, h2, h3])) << 32 | u64::from(order.u32([l0, l1, l2, l3])),
            captured: order.u32([c0, c1, c2, c3]),
            original: order.u32([o0, o1, o2, o3]),
        }
    }

    /// Those of the obsolete packet block, in which the interface's number is shorter.
    pub(super) fn obsolete(fields: &[u8; Self::FIELDS], order: ByteOrder) -> Self {
        let &[a, b, ..] = fields;
        Self { interface: usize::from(order.u16([a, b])), ..Self::enhanced(fields, order) }
    }
}

/// How many packets were dropped, as an enhanced packet block says in its `options`, since the interface's packet before;
/// `None` if it does not say.
pub(super) fn dropped_before(mut options: &[u8], order: ByteOrder) -> Option<u64> {
    const DROP_COUNT: OptionCode = OptionCode(4);

    loop {
        let parsed: IResult<&[u8], PcapNGOption<'_>, PcapError<&[u8]>> = match order {
            ByteOrder::Little => parse_option_le(options),
            ByteOrder::Big => parse_option_be(options),
        };
        let (rest, option) = parsed.ok()?;
        match option.code {
            DROP_COUNT => return Some(order.u64(option.as_bytes().ok()?.try_into().ok()?)),
            OptionCode::EndOfOpt => return None,
            _ => options = rest,
        }
    }
}

/// How many packets were dropped before the one of an obsolete packet block with these `fields`. Many programs leave a 0
/// there that does not know, so that one says nothing.
pub(super) fn dropped_before_obsolete(fields: &[u8; PacketBlock::FIELDS], order: ByteOrder) -> Option<u64> {
    const NOT_KNOWN: u16 = 0xffff;

    let &[_, _, a, b, ..] = fields;
    match order.u16([a, b]) {
        0 | NOT_KNOWN => None,
        dropped => Some(dropped.into()),
    }
}
