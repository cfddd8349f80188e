//! The walk from record to record, and the search for the next sound one after damage.
//!
//! In comes a [`Block`] of a file's bytes; out go packets, and how many of the bytes are done with. What a record looks
//! like is the format's business: see [`Walk`].

use super::ledger::{Ledger, Mismatch};
use super::{LinkType, Packet};
use crate::flow::Timestamp;

/// Consecutive bytes of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) bytes: &'a [u8],
    /// Where in the file they begin.
    pub(super) offset: u64,
    /// Whether the file ends with them.
    pub(super) last: bool,
}

impl Block<'_> {
    /// Where in the file the byte at `at` lies.
    pub(super) const fn offset_of(&self, at: usize) -> u64 {
        self.offset + at as u64
    }

    /// How many bytes there are from `at` on.
    pub(super) const fn left(&self, at: usize) -> usize {
        self.bytes.len().saturating_sub(at)
    }
}

/// Where packets go.
pub(super) struct Out<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) packets: &'a mut Vec<Packet>,
}

impl Out<'_> {
    /// Numbers a packet and puts it out. Its lengths are those that were captured and that were on the wire.
    #[inline]
    pub(super) fn packet(&mut self, time: Timestamp, at: usize, [captured, original]: [u32; 2], on: On) {
        let number = self.ledger.next_number();
        // The buffer holds a few records at most and so is far smaller than 4 GiB.
        let offset = at as u32;
        let On { link_type, interface } = on;
        self.packets.push(Packet { number, time, offset, captured, original, link_type, source: interface });
    }
}

/// The interface of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct On {
    pub(super) link_type: LinkType,
    /// Its number in the file.
    pub(super) interface: u16,
}

/// Why a walk ends.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes are used up.
    Finished,
    /// The record at this place looks sound and goes on beyond the bytes.
    Cut(usize, Mismatch),
    /// The record at this place may be sound; only bytes beyond these could tell.
    Doubtful(usize, Mismatch),
    /// At this place is no sound record.
    Damaged(usize, Mismatch),
}

/// Whether a sound record begins somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belief {
    /// So sure that packets may be made of it.
    Yes,
    /// It does not, or the bytes up to the end of the file are too few to tell.
    No,
    /// More bytes will tell.
    Open,
}

/// A capture format.
pub(super) trait Walk {
    /// Walks from the record at `at` on and puts out its packets, as far as it can.
    fn walk(&mut self, block: &Block<'_>, at: usize, out: &mut Out<'_>) -> Stop;

    /// Whether a sound record begins at `at`, after damage. In the last block this is never [`Belief::Open`].
    fn believe(&self, block: &Block<'_>, at: usize) -> Belief;
}

/// Walks through `block`, over damage too. Returns how many bytes are done with; the rest belongs before the next block.
pub(super) fn scan(format: &mut impl Walk, block: &Block<'_>, out: &mut Out<'_>) -> usize {
    let mut at = 0;
    loop {
        if out.ledger.is_lost() {
            at = search(format, block, at);
            if block.left(at) == 0 || format.believe(block, at) != Belief::Yes {
                return at;
            }
            out.ledger.resume(block.offset_of(at));
        }
        match format.walk(block, at, out) {
            Stop::Finished => return block.bytes.len(),
            Stop::Cut(stop, _) | Stop::Doubtful(stop, _) if !block.last => return stop,
            Stop::Cut(stop, mismatch) => {
                // The rest of a file that ends inside a sound record is that record's: no packets in there.
                out.ledger.lose(block.offset_of(stop), mismatch);
                return block.bytes.len();
            }
            Stop::Doubtful(stop, mismatch) | Stop::Damaged(stop, mismatch) => {
                out.ledger.lose(block.offset_of(stop), mismatch);
                at = stop + 1;
            }
        }
    }
}

/// The first place from `at` on where a sound record begins or may begin; the end if there is none.
///
/// Each place costs a bounded number of looks at headers, so that the whole is linear in the number of bytes.
fn search(format: &impl Walk, block: &Block<'_>, at: usize) -> usize {
    (at..block.bytes.len()).find(|&place| format.believe(block, place) != Belief::No).unwrap_or(block.bytes.len())
}
