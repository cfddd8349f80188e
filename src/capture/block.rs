//! What pcapng blocks say at their beginning: their type and length.
//!
//! In come the bytes of a file and a place in them, out goes the [`Head`] of the block there, if one can begin there.

use pcap_parser::{
    BOM_MAGIC, DSB_MAGIC, EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, NRB_MAGIC, PIB_MAGIC, SHB_MAGIC, SJE_MAGIC, SPB_MAGIC,
};

use super::ledger::Mismatch;
use super::order::ByteOrder;
use crate::limits;

/// What a block says at its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) kind: u32,
    /// Its length in bytes, all included.
    pub(super) length: usize,
    pub(super) order: ByteOrder,
}

/// Why no block begins somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoBlock {
    /// A section header with neither byte order's magic number.
    Order,
    /// A length that such a block cannot have.
    Length(Head),
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
pub(super) fn head(mut order: ByteOrder, bytes: &[u8], at: usize) -> Result<Option<Head>, NoBlock> {
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
pub(super) fn section_order(bytes: &[u8], at: usize) -> Option<ByteOrder> {
    let orders = [ByteOrder::Little, ByteOrder::Big];
    let is_section = ByteOrder::Little.u32_at(bytes, at) == Some(SHB_MAGIC);
    orders.into_iter().find(|order| is_section && order.u32_at(bytes, at + 8) == Some(BOM_MAGIC))
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
pub(super) const fn is_read(kind: u32) -> bool {
    matches!(kind, SHB_MAGIC | IDB_MAGIC | ISB_MAGIC | EPB_MAGIC | SPB_MAGIC | OPB_MAGIC | DSB_MAGIC)
}

/// Whether a block may be believed after damage.
pub(super) const fn is_known(head: &Head) -> bool {
    let known =
        is_read(head.kind) || matches!(head.kind, NRB_MAGIC | SJE_MAGIC | PIB_MAGIC | CUSTOM | CUSTOM_NOT_COPIED);
    known && head.length.is_multiple_of(4)
}

/// The obsolete packet block.
pub(super) const OPB_MAGIC: u32 = 2;

/// A custom block that may be copied to other files, and one that may not.
pub(super) const CUSTOM: u32 = 0x0bad;
pub(super) const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;
