//! The compression formats: how each is known, and what unpacks one member of it.
//!
//! In come compressed bytes, out go the bytes that they stand for, all of them up to damage. The only user of flate2's
//! gzip, of bzip2, liblzma and zstd, and, with `lz4_legacy`, of lz4_flex. None of the decoders allocates more than [`limits::UNPACKER_BYTES`],
//! whatever a header asks for.

use std::io::{self, Read};

use lz4_flex::frame::FrameDecoder;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::ledger::Mismatch;
use super::lz4_legacy::{self, Lz4Legacy};
use super::raw::Raw;
use crate::limits;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstandard,
    /// <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>
    Lz4,
    /// What the first versions of its program wrote, and `lz4 -l` does: see [`super::lz4_legacy`].
    Lz4Legacy,
    /// <https://tukaani.org/xz/xz-file-format.txt>
    Xz,
    Bzip2,
}

impl Compression {
    /// The compression of what begins with `bytes`: [`Self::HEAD`] of them, or all that there are.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [0x02, 0x21, 0x4c, 0x18, ..] => Some(Self::Lz4Legacy),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // A block follows, or the end. The three letters alone are too few to tell it from text.
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
                let rest = rest.get(..6).unwrap_or(rest);
                let known =
                    b"\x31\x41\x59\x26\x53\x59".starts_with(rest) || b"\x17\x72\x45\x38\x50\x90".starts_with(rest);
                known.then_some(Self::Bzip2)
            }
            _ => None,
        }
    }

    /// Whether a member of it begins with `bytes`, [`Self::HEAD`] of them, where any could be.
    ///
    /// Of random bytes, one in 2^32 passes for LZ4 and Zstandard, in 2^37 for gzip, fewer for the others.
    pub(super) fn begins(self, bytes: &[u8]) -> bool {
        // Reserved flags, extra flags and the system are among the few that are in use (RFC 1952 section 2.3.1).
        let sure = |bytes: &[u8]| matches!(bytes, [_, _, _, 0..0x20, _, _, _, _, 0 | 2 | 4, 0..=13 | 255, ..]);
        Self::of(bytes) == Some(self) && (self != Self::Gzip || sure(bytes))
    }

    /// Bytes that are enough for [`Self::of`].
    pub(super) const HEAD: usize = 10;

    /// Whether there may be skippable frames between its members.
    pub(super) const fn has_skippable(self) -> bool {
        matches!(self, Self::Zstandard | Self::Lz4 | Self::Lz4Legacy)
    }

    /// What messages call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "Zstandard",
            Self::Lz4 | Self::Lz4Legacy => "LZ4",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// Whether a skippable frame of Zstandard or LZ4 begins with `bytes`.
pub(super) const fn is_skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Unpacks one member: a gzip member, a frame, an xz or bzip2 stream.
pub(super) enum Codec {
    Gzip(flate2::Decompress),
    Zstandard(Zstandard),
    Lz4(Box<FrameDecoder<Raw>>),
    Lz4Legacy(Lz4Legacy),
    Xz(liblzma::stream::Stream),
    Bzip2(bzip2::Decompress),
}

/// What a codec did in one step.
#[derive(Debug)]
pub(super) struct Step {
    /// Bytes that it wrote, sound whatever the outcome.
    pub(super) written: usize,
    /// How it went on.
    pub(super) outcome: Outcome,
}

#[derive(Debug)]
pub(super) enum Outcome {
    /// It took something or wrote something, and goes on.
    More,
    /// The member is complete.
    End,
    /// The input ends inside the member.
    Cut,
    /// The member is damaged, or wants too much.
    Damaged(Mismatch),
}

impl Codec {
    /// What unpacks a member of that `compression`.
    pub(super) fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(flate2::Decompress::new_gzip(15)),
            Compression::Zstandard => Self::Zstandard(Zstandard::new()?),
            Compression::Lz4 => Self::Lz4(Box::new(FrameDecoder::new(Raw::default()))),
            Compression::Lz4Legacy => Self::Lz4Legacy(Lz4Legacy::default()),
            Compression::Xz => Self::Xz(
                liblzma::stream::Stream::new_stream_decoder(limits::UNPACKER_BYTES, 0).map_err(io::Error::from)?,
            ),
            Compression::Bzip2 => Self::Bzip2(bzip2::Decompress::new(false)),
        })
    }

    /// Unpacks some of `raw` into `out`, which must not be empty.
    ///
    /// # Errors
    ///
    /// Only if `raw` cannot be read.
    pub(super) fn step(&mut self, raw: &mut Raw, out: &mut [u8]) -> io::Result<Step> {
        match self {
            Self::Lz4(decoder) => return lz4_step(decoder, raw, out),
            Self::Lz4Legacy(frame) => return frame.step(raw, out),
            Self::Gzip(_) | Self::Zstandard(_) | Self::Xz(_) | Self::Bzip2(_) => {}
        }
        loop {
            let input = raw.ahead()?;
            let at_end = input.is_empty();
            let done = self.run(input, out);
            raw.consume(done.taken);
            let outcome = match done.result {
                Ok(true) => Outcome::End,
                Ok(false) if done.written > 0 => Outcome::More,
                // It may still hold output back, but gave none: it waits for input that does not come.
                Ok(false) if at_end => Outcome::Cut,
                Ok(false) if done.taken > 0 => continue,
                Ok(false) => Outcome::Damaged(Mismatch::new(self.sound(), "data that leads nowhere")),
                Err(found) => Outcome::Damaged(Mismatch::new(self.sound(), found)),
            };
            return Ok(Step { written: done.written, outcome });
        }
    }

    fn run(&mut self, input: &[u8], out: &mut [u8]) -> Done {
        match self {
            Self::Gzip(inflate) => {
                let before = (inflate.total_in(), inflate.total_out());
                let result = inflate.decompress(input, out, flate2::FlushDecompress::None);
                let result = result.map(|status| status == flate2::Status::StreamEnd);
                let result = result.map_err(|error| error.message().unwrap_or("other data").to_owned());
                Done::new(before, (inflate.total_in(), inflate.total_out()), result)
            }
            Self::Xz(stream) => {
                let before = (stream.total_in(), stream.total_out());
                let result = stream.process(input, out, liblzma::stream::Action::Run);
                let result = result.map(|status| status == liblzma::stream::Status::StreamEnd);
                let result = result.map_err(|error| match error {
                    liblzma::stream::Error::MemLimit => too_large(),
                    error => error.to_string(),
                });
                Done::new(before, (stream.total_in(), stream.total_out()), result)
            }
            Self::Bzip2(stream) => {
                let before = (stream.total_in(), stream.total_out());
                let result = stream.decompress(input, out);
                let result = result.map(|status| status == bzip2::Status::StreamEnd);
                Done::new(before, (stream.total_in(), stream.total_out()), result.map_err(|error| error.to_string()))
            }
            Self::Zstandard(frame) => frame.run(input, out),
            // They read by themselves: see `step`.
            Self::Lz4(_) | Self::Lz4Legacy(_) => Done { taken: 0, written: 0, result: Ok(false) },
        }
    }

    /// What a sound file has.
    const fn sound(&self) -> &'static str {
        match self {
            Self::Gzip(_) => "sound gzip data",
            Self::Zstandard(_) => "sound Zstandard data",
            Self::Lz4(_) | Self::Lz4Legacy(_) => lz4_legacy::SOUND,
            Self::Xz(_) => "sound xz data",
            Self::Bzip2(_) => "sound bzip2 data",
        }
    }
}

/// What a decoder did with what it was given.
struct Done {
    taken: usize,
    written: usize,
    /// Whether the member is complete, or what is wrong with it.
    result: Result<bool, String>,
}

impl Done {
    /// From the totals of input and output `before` and `after`.
    fn new(before: (u64, u64), after: (u64, u64), result: Result<bool, String>) -> Self {
        // Both are lengths of slices.
        Self { taken: (after.0 - before.0) as usize, written: (after.1 - before.1) as usize, result }
    }
}

/// Unpacks a Zstandard frame block by block.
///
/// On an error the library forgets what it wrote in the same call. So it is given no more input than one block at a time,
/// and none before all output of the block before is taken: then an error costs its own block only.
pub(super) struct Zstandard {
    decoder: Decoder<'static>,
    /// Bytes of input up to the end of this block or header.
    wanted: usize,
    /// Whether output may be waiting.
    flushing: bool,
}

impl Zstandard {
    fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(limits::UNPACKER_BYTES.ilog2()))?;
        Ok(Self { decoder, wanted: BLOCK_HEADER, flushing: false })
    }

    fn run(&mut self, input: &[u8], out: &mut [u8]) -> Done {
        if self.flushing {
            let done = self.call(&[], out);
            if done.written > 0 || done.result != Ok(false) {
                return done;
            }
        }
        self.call(input.get(..self.wanted).unwrap_or(input), out)
    }

    fn call(&mut self, input: &[u8], out: &mut [u8]) -> Done {
        let room = out.len();
        let (mut input, mut output) = (InBuffer::around(input), OutBuffer::around(out));
        let result = self.decoder.run(&mut input, &mut output);
        let (taken, written) = (input.pos(), output.pos());
        self.flushing = written == room;
        match result {
            Ok(0) => Done { taken, written, result: Ok(true) },
            Ok(hint) => {
                // The hint is for this block and the header of the next.
                self.wanted = if hint > BLOCK_HEADER { hint - BLOCK_HEADER } else { hint };
                Done { taken, written, result: Ok(false) }
            }
            Err(error) => {
                let text = error.to_string();
                let found = if text.contains("too much memory") { too_large() } else { text };
                Done { taken, written: 0, result: Err(found) }
            }
        }
    }
}

/// One step of the LZ4 decoder, which reads its input itself: `raw` is lent to it for that long.
fn lz4_step(decoder: &mut FrameDecoder<Raw>, raw: &mut Raw, out: &mut [u8]) -> io::Result<Step> {
    std::mem::swap(decoder.get_mut(), raw);
    let result = decoder.read(out);
    std::mem::swap(decoder.get_mut(), raw);
    let (written, outcome) = match result {
        // It takes the end of its input for the end of the frame.
        Ok(0) if raw.is_exhausted() => (0, Outcome::Cut),
        Ok(0) => (0, Outcome::End),
        Ok(written) => (written, Outcome::More),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (0, Outcome::Cut),
        Err(error) if error.get_ref().is_some_and(|inner| inner.is::<lz4_flex::frame::Error>()) => {
            (0, Outcome::Damaged(Mismatch::new(lz4_legacy::SOUND, error.to_string())))
        }
        Err(error) => return Err(error),
    };
    Ok(Step { written, outcome })
}

/// Bytes of a Zstandard block's header.
const BLOCK_HEADER: usize = 3;

/// What is found where a header asks for more than [`limits::UNPACKER_BYTES`].
fn too_large() -> String {
    format!("data that takes more than {} MiB of memory to unpack", limits::UNPACKER_BYTES >> 20)
}
