//! LZ4's first frame format: blocks of at most 8 MiB, each behind its length, and no end but that of the file or another
//! frame.
//!
//! In come compressed bytes, out go the bytes that they stand for. Source: the section "Legacy frame" of
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>. lz4_flex reads such a frame too, but takes a cut one for
//! a whole one, and another frame behind it for damage.

use std::io;

use super::codec::{Compression, Outcome, Step, is_skippable};
use super::ledger::Mismatch;
use super::raw::Raw;

/// A frame that is being unpacked.
#[derive(Default)]
pub(super) struct Lz4Legacy {
    begun: bool,
    /// The block that was unpacked last.
    block: Vec<u8>,
    /// How many bytes of it were put out.
    used: usize,
}

impl Lz4Legacy {
    /// Unpacks some of `raw` into `out`, which must not be empty.
    ///
    /// # Errors
    ///
    /// Only if `raw` cannot be read.
    pub(super) fn step(&mut self, raw: &mut Raw, out: &mut [u8]) -> io::Result<Step> {
        if self.used == self.block.len()
            && let Some(outcome) = self.next_block(raw)?
        {
            return Ok(Step { written: 0, outcome });
        }
        let left = self.block.get(self.used..).unwrap_or_default();
        let written = left.len().min(out.len());
        for (to, from) in out.iter_mut().zip(left) {
            *to = *from;
        }
        self.used += written;
        Ok(Step { written, outcome: Outcome::More })
    }

    /// Unpacks the next block, if there is one; else how the frame ends.
    fn next_block(&mut self, raw: &mut Raw) -> io::Result<Option<Outcome>> {
        if !self.begun {
            self.begun = true;
            raw.consume(MAGIC_BYTES);
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
        self.block.resize(LARGEST_BLOCK, 0);
        self.used = 0;
        match lz4_flex::block::decompress_into(packed, &mut self.block) {
            Ok(unpacked) => self.block.truncate(unpacked),
            Err(error) => {
                self.block.clear();
                return Ok(Some(damaged(error.to_string())));
            }
        }
        raw.consume(LENGTH_BYTES + length);
        // An empty block leads nowhere, and the next one is a step of its own.
        Ok(self.block.is_empty().then(|| damaged("an empty block".to_owned())))
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
