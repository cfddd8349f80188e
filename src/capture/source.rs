//! The bytes of a capture: as they are stored, or unpacked if they are compressed, which their first bytes tell.
//!
//! In comes a reader, out come the bytes of a capture. A compressed file may have any number of members one behind the
//! other, with skippable frames before and between them and zeros behind them. It is unpacked once only: what is in it is
//! taken as it is.

use std::io::{self, Read};

use super::codec::{Codec, Compression, Outcome, is_skippable};
use super::ledger::Mismatch;
use super::raw::Raw;
use super::signature;

/// Where a capture's bytes come from.
pub(super) enum Source {
    /// They are stored as they are.
    Plain(Raw),
    /// They are compressed.
    Packed(Unpacker),
}

/// A compressed file, member by member.
///
/// Damage is an error that holds a [`Mismatch`], and comes after all bytes that were unpacked before it; from then on
/// there is no other answer, until [`Source::next_sound`] is asked for.
pub(super) struct Unpacker {
    raw: Raw,
    state: State,
    /// The compression of all members.
    compression: Option<Compression>,
}

enum State {
    /// The next member begins here, or a skippable frame; the compression of those before, if there were any.
    Between(Option<Compression>),
    Inside(Compression, Codec),
    Ended,
    Failed(Mismatch),
}

impl Source {
    /// What `reader` gives.
    pub(super) fn open(reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut raw = Raw::new(reader);
        let head = raw.ahead_at_least(Compression::HEAD)?;
        if Compression::of(head).is_none() && !is_skippable(head) {
            return Ok(Self::Plain(raw));
        }
        Ok(Self::Packed(Unpacker { raw, state: State::Between(None), compression: None }))
    }

    /// Bytes read of the file as it is stored.
    pub(super) const fn bytes(&self) -> u64 {
        match self {
            Self::Plain(raw) => raw.bytes_read(),
            Self::Packed(unpacker) => unpacker.raw.bytes_read(),
        }
    }

    /// Goes to the next member behind damage, or to the end if there is none: how many bytes as they are stored that
    /// skipped, and whether there is one.
    pub(super) fn next_sound(&mut self) -> (u64, bool) {
        match self {
            // What cannot be read is not missed: the file is given up.
            Self::Plain(raw) => (raw.skip(u64::MAX).unwrap_or(0), false),
            Self::Packed(unpacker) => unpacker.next_sound(),
        }
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.read(out),
            Self::Packed(unpacker) => unpacker.read(out),
        }
    }
}

impl Unpacker {
    fn next_sound(&mut self) -> (u64, bool) {
        let mut skipped = 0;
        while let (Some(compression), Ok(ahead)) = (self.compression, self.raw.ahead_at_least(Compression::HEAD)) {
            let here = ahead.len();
            let place = ahead.windows(Compression::HEAD).position(|bytes| compression.begins(bytes));
            let done = place.unwrap_or_else(|| (here + 1).saturating_sub(Compression::HEAD));
            self.raw.consume(done);
            skipped += done as u64;
            if place.is_some() {
                self.state = State::Between(Some(compression));
                return (skipped, true);
            }
            if here < Compression::HEAD {
                break;
            }
        }
        (skipped + self.raw.skip(u64::MAX).unwrap_or(0), false)
    }

    /// Finds the next member, if there is one.
    fn next_member(&mut self, before: Option<Compression>) -> io::Result<State> {
        if before.is_some() {
            self.skip_zeros()?;
        }
        let head = self.raw.ahead_at_least(Compression::HEAD)?;
        if head.is_empty() {
            return Ok(State::Ended);
        }
        if is_skippable(head) && before.is_none_or(|before| before.has_skippable()) {
            return self.skip_frame(before);
        }
        match Compression::of(head) {
            Some(compression) if before.is_none_or(|before| before == compression) => {
                Ok(State::Inside(compression, Codec::new(compression)?))
            }
            _ => {
                let expected = before.map_or("compressed", Compression::name);
                let found = signature::describe(head);
                Ok(State::Failed(Mismatch::new(format!("more {expected} data or the end of the file"), found)))
            }
        }
    }

    /// Zeros behind a member fill a block of a tape or a disk.
    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let ahead = self.raw.ahead()?;
            let zeros = ahead.iter().take_while(|&&byte| byte == 0).count();
            let more = zeros > 0 && zeros == ahead.len();
            self.raw.consume(zeros);
            if !more {
                return Ok(());
            }
        }
    }

    /// A frame of the user's own: RFC 8878 section 3.1.2.
    fn skip_frame(&mut self, before: Option<Compression>) -> io::Result<State> {
        let cut = |found: u64| State::Failed(Mismatch::new("a whole skippable frame", format!("{found} bytes of it")));
        let head = self.raw.ahead_at_least(8)?;
        let Some(&[_, _, _, _, a, b, c, d]) = head.first_chunk() else { return Ok(cut(head.len() as u64)) };
        let length = 8 + u64::from(u32::from_le_bytes([a, b, c, d]));
        let skipped = self.raw.skip(length)?;
        Ok(if skipped < length { cut(skipped) } else { State::Between(before) })
    }
}

impl Read for Unpacker {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match &mut self.state {
                State::Between(before) => {
                    let before = *before;
                    self.next_member(before)?
                }
                State::Inside(compression, codec) => {
                    self.compression = Some(*compression);
                    let step = codec.step(&mut self.raw, out)?;
                    let next = match step.outcome {
                        Outcome::More => return Ok(step.written),
                        Outcome::End => State::Between(Some(*compression)),
                        Outcome::Cut => {
                            let expected = format!("the rest of the {} data", compression.name());
                            State::Failed(Mismatch::new(expected, "the end of the file"))
                        }
                        Outcome::Damaged(mismatch) => State::Failed(mismatch),
                    };
                    if step.written > 0 {
                        self.state = next;
                        return Ok(step.written);
                    }
                    next
                }
                State::Ended => return Ok(0),
                State::Failed(mismatch) => return Err(io::Error::new(io::ErrorKind::InvalidData, mismatch.clone())),
            };
        }
    }
}
