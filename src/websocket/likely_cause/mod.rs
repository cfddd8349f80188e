//! Text that is not UTF-8: what it looks like instead.
//!
//! In comes the sample that [`TextCheck`](super::TextCheck) kept; out goes a [`LikelyCause`], or nothing where nothing
//! fits better than chance. The families are asked in this order, and the first that finds enough evidence answers:
//!
//! | family | finds | evidence | random bytes pass | legacy text passes |
//! |---|---|---|---|---|
//! | [`signature`] | files and streams with a magic number | at least 3 fixed bytes, and fields that must fit them | below 2^-24 | no: it has no such bytes |
//! | [`compressed`] | zlib, raw deflate | the sample inflates; a checksum, or text comes out | below 2^-17 | the same |
//! | [`unicode`] | UTF-16, UTF-32 | 24 bits: units that are text of one script | 2^-24 | no: it has no zeros or controls |
//! | | CESU-8, modified UTF-8, lone surrogates | the only faults, all else is UTF-8 | 2^-13 | 2^-13 |
//! | [`cut`] | cut characters | the only fault, beside other text | 2^-13 | see there |
//! | [`structure`] | protobuf, MessagePack, CBOR, BSON, Thrift | 20 bits: a parse without contradiction | 2^-20 | no: controls, or lengths that agree |
//! | [`encodings`] | legacy encodings | no controls; letters that make words of one script | below 2^-16 | other code pages: measured |
//! | [`noise`] | random bytes | 48 bytes or more, evenly spread | all | no: it is not even |
//!
//! A character split between two messages needs both of them, so that it is found where messages are told.

mod compressed;
mod cut;
mod encodings;
mod noise;
mod signature;
mod structure;
mod unicode;

use super::utf8::{InvalidText, Utf8ErrorKind};

/// What text that is not UTF-8 looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LikelyCause(&'static str);

impl LikelyCause {
    /// The message begins, or ends, in the middle of a character whose other part the sender's next, or last, text
    /// message has.
    pub const SPLIT_CHARACTER: Self = Self("split-character");
    /// A text was cut at a number of bytes, in the middle of a character.
    pub const TRUNCATED_CHARACTER: Self = Self("truncated-character");

    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// What `fault` looks like. A text can have at most `longest` bytes where it stands, if that is bounded.
    #[must_use]
    pub fn of<M>(fault: &InvalidText<M>, longest: Option<usize>) -> Option<Self> {
        let specimen = Specimen::of(fault, longest);
        signature::find(&specimen)
            .or_else(|| compressed::find(&specimen))
            .or_else(|| unicode::find(&specimen))
            .or_else(|| cut::find(&specimen))
            .or_else(|| structure::find(&specimen))
            .or_else(|| encodings::find(&specimen))
            .or_else(|| noise::find(&specimen))
    }
}

/// What is known of the text.
struct Specimen<'a> {
    /// The text's first bytes. If the fault is not among the first [`crate::limits::TEXT_HEAD_BYTES`], only so many.
    start: Vec<u8>,
    /// Whether `start` is the whole text.
    whole: bool,
    /// The bytes around the fault.
    window: &'a [u8],
    /// How many of them are before it.
    before: usize,
    /// Whether the window goes to the end of the text.
    to_end: bool,
    /// Offset of the fault in the text.
    offset: u64,
    error: Utf8ErrorKind,
    /// Whether the text is as long as one can be in its place.
    full: bool,
}

impl<'a> Specimen<'a> {
    fn of<M>(fault: &'a InvalidText<M>, longest: Option<usize>) -> Self {
        let sample = &fault.sample;
        let mut start = sample.head.to_vec();
        let begins = start.len() as u64 == fault.byte_offset;
        if begins {
            start.extend_from_slice(sample.window.get(sample.before..).unwrap_or_default());
        }
        let length = fault.byte_offset + (sample.window.len() - sample.before.min(sample.window.len())) as u64;
        Self {
            start,
            whole: begins && sample.to_end,
            window: &sample.window,
            before: sample.before,
            to_end: sample.to_end,
            offset: fault.byte_offset,
            error: fault.error,
            full: sample.to_end && longest.is_some_and(|longest| length >= longest as u64),
        }
    }

    /// The longest piece of the text, and its offset: from the beginning if the fault is near it, else around the fault.
    fn piece(&self) -> (&[u8], u64) {
        if self.start.len() as u64 > self.offset {
            return (&self.start, 0);
        }
        (self.window, self.offset - self.before as u64)
    }

    /// The same without what may be the end of a character at its beginning.
    fn text(&self) -> &[u8] {
        let (piece, offset) = self.piece();
        let skipped = if offset == 0 { 0 } else { super::utf8::continuation_bytes(piece).min(3) };
        piece.get(skipped..).unwrap_or_default()
    }
}

/// Whether `byte` is a control character that no text has, whatever its encoding.
const fn is_control(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f)
}

#[cfg(test)]
mod testing;
