//! Data compressed with DEFLATE that has no magic number: zlib (RFC 1950) and bare (RFC 1951).

use flate2::{Decompress, FlushDecompress, Status};

use super::{LikelyCause, Specimen};
use crate::limits;

/// Characters that must come out of bare data: half of all random bytes give an error before the tenth.
const INFLATED_CHARACTERS: usize = 16;

/// Bytes that bare data must have: few can stand for a long text, by chance too.
const DEFLATED_BYTES: usize = 10;

/// The cause, if the text inflates.
pub(super) fn find(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    // Compressed data has a byte that is not UTF-8 among the first few.
    if (specimen.start.len() as u64) < specimen.offset.saturating_add(1) {
        return None;
    }
    if is_zlib(specimen) {
        return Some(LikelyCause("zlib"));
    }
    (specimen.start.len() >= DEFLATED_BYTES && is_bare(specimen)).then_some(LikelyCause("deflate"))
}

/// A header whose check fits, then data without an error; a short one must be whole, which the checksum shows.
fn is_zlib(specimen: &Specimen<'_>) -> bool {
    let Some(header) = specimen.start.first_chunk::<2>() else { return false };
    let [method, flags] = *header;
    let sound = method & 0x0f == 8 && method >> 4 <= 7 && flags & 0x20 == 0;
    if !sound || u16::from_be_bytes(*header) % 31 != 0 {
        return false;
    }
    inflate(&specimen.start, true).is_some_and(|inflated| {
        inflated.complete || (method == 0x78 && !inflated.text.is_empty() && specimen.start.len() >= 16)
    })
}

/// Data without a header that inflates to text.
fn is_bare(specimen: &Specimen<'_>) -> bool {
    // `permessage-deflate` leaves out the end of a flush, which a sender of its own accord may do too.
    let Some(inflated) = inflate(&specimen.start, false) else { return false };
    let text = inflated.text;
    let readable = match std::str::from_utf8(&text) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            text.get(..error.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    readable.len() >= INFLATED_CHARACTERS
        && readable.chars().all(|character| !character.is_control() || is_space(character))
}

const fn is_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r')
}

struct Inflated {
    /// The first bytes that came out.
    text: Vec<u8>,
    /// Whether the data came to its end, with the checksum that it must have, if it must.
    complete: bool,
}

/// What comes out of `bytes`; `None` if they are not compressed data, or something follows it.
fn inflate(bytes: &[u8], zlib: bool) -> Option<Inflated> {
    let mut decompress = Decompress::new(zlib);
    let mut text = vec![0; limits::INFLATED_SAMPLE_BYTES];
    let status = decompress.decompress(bytes, &mut text, FlushDecompress::Sync).ok()?;
    let complete = match status {
        Status::StreamEnd if decompress.total_in() == bytes.len() as u64 => true,
        Status::StreamEnd => return None,
        Status::Ok | Status::BufError => false,
    };
    text.truncate(usize::try_from(decompress.total_out()).unwrap_or(usize::MAX));
    Some(Inflated { text, complete })
}

#[cfg(test)]
mod tests {
    use super::super::testing::cause;

    #[test]
    fn whole_streams_are_recognised() {
        let zlib = b"\x78\x9c\xcb\x48\xcd\xc9\xc9\xcf\x20\x92\x00\x00\xad\xab\x12\xb5";
        assert_eq!(cause(zlib), Some("zlib"));
        assert_eq!(cause(&zlib[2..12]), Some("deflate"), "hello, eight times");
    }

    #[test]
    fn header_alone_is_not_enough() {
        assert_ne!(cause(b"\x78\x9c\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Some("zlib"));
    }
}
