//! LZ4's first frame format: blocks of at most 8 MiB, each behind its length, and no end but that of the file or another
//! frame.
//!
//! In come compressed bytes, out go the bytes that they stand for. Source: the section "Legacy frame" of
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>. lz4_flex reads such a frame too, but takes a cut one for
//! a whole one, and another frame behind it for damage.

use std::io;
use std::ops::Range;

use super::codec::{Compression, Outcome, Step, is_skippable};
use super::ledger::Mismatch;
use super::raw::Raw;

/// A frame that is being unpacked.
#[derive(Default)]
pub(super) struct Lz4Legacy {
    /// Room for a block; none before the first one.
    block: Vec<u8>,
    /// Where in it the bytes lie that were not put out yet.
    ready: Range<usize>,
}

impl Lz4Legacy {
    /// Unpacks some of `raw` into `out`, which must not be empty.
    ///
    /// # Errors
    ///
    /// Only if `raw` cannot be read.
    pub(super) fn step(&mut self, raw: &mut Raw, out: &mut [u8]) -> io::Result<Step> {
        if self.ready.is_empty()
            && let Some(outcome) = self.next_block(raw)?
        {
            return Ok(Step { written: 0, outcome });
        }
        let left = self.block.get(self.ready.clone()).unwrap_or_default();
        let written = left.len().min(out.len());
        for (to, from) in out.iter_mut().zip(left) {
            *to = *from;
        }
        self.ready.start += written;
        Ok(Step { written, outcome: Outcome::More })
    }

    /// Unpacks the next block, if there is one; else how the frame ends.
    fn next_block(&mut self, raw: &mut Raw) -> io::Result<Option<Outcome>> {
        if self.block.is_empty() {
            raw.consume(MAGIC_BYTES);
            // The allocator has zeros cheaper than they can be written.
            self.block = vec![0; LARGEST_BLOCK];
        }
        let head = raw.ahead_at_least(Compression::HEAD)?;
        let Some(&length) = head.first_chunk() else {
            return Ok(Some(if head.is_empty() { Outcome::End } else { Outcome::Cut }));
        };
        if Compression::of(head).is_some() || is_skippable(head) || is_padding(length) {
            return Ok(Some(Outcome::End));
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > LARGEST_PACKED {
            return Ok(Some(damaged(format!("a block of {length} bytes"))));
        }
        let ahead = raw.ahead_at_least(LENGTH_BYTES + length)?;
        let Some(packed) = ahead.get(LENGTH_BYTES..LENGTH_BYTES + length) else { return Ok(Some(Outcome::Cut)) };
        let outcome = match lz4_flex::block::decompress_into(packed, &mut self.block) {
            // It leads nowhere, and the next one would be a step of its own.
            Ok(0) => Some(damaged("an empty block".to_owned())),
            Ok(unpacked) => {
                self.ready = 0..unpacked;
                None
            }
            Err(error) => Some(damaged(error.to_string())),
        };
        raw.consume(if outcome.is_none() { LENGTH_BYTES + length } else { 0 });
        Ok(outcome)
    }
}

/// Zeros behind the frame are no block: none is that short.
fn is_padding(length: [u8; LENGTH_BYTES]) -> bool {
    length == [0; LENGTH_BYTES]
}

fn damaged(found: String) -> Outcome {
    Outcome::Damaged(Mismatch::new(SOUND, found))
}

/// What a sound file has.
pub(super) const SOUND: &str = "sound LZ4 data";

const MAGIC_BYTES: usize = 4;
const LENGTH_BYTES: usize = 4;

/// Bytes of a block, unpacked.
const LARGEST_BLOCK: usize = 8 << 20;

/// Bytes of a block that could not be compressed: LZ4 adds one for each 255, and a few.
const LARGEST_PACKED: usize = LARGEST_BLOCK + LARGEST_BLOCK / 255 + 16;
