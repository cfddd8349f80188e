//! Files and streams that begin with a magic number.

use super::{LikelyCause, Specimen};

/// Bytes that a format begins with, and what else must be so.
struct Signature {
    name: &'static str,
    /// Where each part is, and what it is.
    parts: &'static [(usize, &'static [u8])],
    /// Whether the rest of what is fixed fits.
    fits: fn(&Specimen<'_>) -> bool,
}

/// The cause, if the text begins with a signature.
pub(super) fn find(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    let begins_with = |(at, bytes): &(usize, &[u8])| specimen.start.get(*at..*at + bytes.len()) == Some(*bytes);
    let found = SIGNATURES.iter().find(|kind| kind.parts.iter().all(begins_with) && (kind.fits)(specimen))?;
    Some(LikelyCause(found.name))
}

const fn plain(name: &'static str, parts: &'static [(usize, &'static [u8])]) -> Signature {
    Signature { name, parts, fits: |_| true }
}

const fn with(
    name: &'static str,
    parts: &'static [(usize, &'static [u8])],
    fits: fn(&Specimen<'_>) -> bool,
) -> Signature {
    Signature { name, parts, fits }
}

/// From the specifications of the formats. Each has at least three fixed bytes, or fields that make up for them.
const SIGNATURES: [Signature; 46] = [
    with("gzip", &[(0, b"\x1f\x8b\x08")], |text| byte(text, 3).is_some_and(|flags| flags & 0xe0 == 0)),
    plain("zstd", &[(0, b"\x28\xb5\x2f\xfd")]),
    plain("lz4", &[(0, b"\x04\x22\x4d\x18")]),
    plain("bzip2", &[(0, b"BZh"), (4, b"1AY&SY")]),
    plain("xz", &[(0, b"\xfd7zXZ\0")]),
    plain("png", &[(0, b"\x89PNG\r\n\x1a\n")]),
    with("jpeg", &[(0, b"\xff\xd8\xff")], |text| byte(text, 3).is_some_and(|marker| marker >= 0xc0 && marker != 0xff)),
    plain("gif", &[(0, b"GIF87a")]),
    plain("gif", &[(0, b"GIF89a")]),
    plain("webp", &[(0, b"RIFF"), (8, b"WEBP")]),
    plain("wav", &[(0, b"RIFF"), (8, b"WAVE")]),
    plain("avi", &[(0, b"RIFF"), (8, b"AVI ")]),
    with("bmp", &[(0, b"BM")], |text| holds_length_at(text, 2)),
    plain("tiff", &[(0, b"II*\0")]),
    plain("tiff", &[(0, b"MM\0*")]),
    plain("pdf", &[(0, b"%PDF-")]),
    plain("zip", &[(0, b"PK\x03\x04")]),
    plain("zip", &[(0, b"PK\x05\x06")]),
    plain("7z", &[(0, b"7z\xbc\xaf\x27\x1c")]),
    plain("rar", &[(0, b"Rar!\x1a\x07")]),
    plain("wasm", &[(0, b"\0asm\x01\0\0\0")]),
    with("elf", &[(0, b"\x7fELF")], |text| matches!(byte(text, 4), Some(1 | 2))),
    plain("java-class", &[(0, b"\xca\xfe\xba\xbe\0")]),
    plain("mp4", &[(0, b"\0\0"), (4, b"ftyp")]),
    plain("webm", &[(0, b"\x1a\x45\xdf\xa3")]),
    // A cluster: what a media recorder sends after its first piece.
    plain("webm", &[(0, b"\x1f\x43\xb6\x75")]),
    plain("ogg", &[(0, b"OggS\0")]),
    plain("flac", &[(0, b"fLaC\0")]),
    with("mp3", &[(0, b"ID3")], |text| matches!(byte(text, 3), Some(2..=4)) && byte(text, 4) == Some(0)),
    plain("avro", &[(0, b"Obj\x01")]),
    // A single object: the mark, and a fingerprint of eight bytes that may be any.
    with("avro", &[(0, b"\xc3\x01")], |text| text.start.len() > 10),
    plain("java-serialized", &[(0, b"\xac\xed\x00\x05")]),
    with("python-pickle", &[(0, b"\x80\x04\x95")], holds_pickle_frame),
    with("python-pickle", &[(0, b"\x80\x05\x95")], holds_pickle_frame),
    with("python-pickle", &[(0, b"\x80\x03")], is_unframed_pickle),
    with("python-pickle", &[(0, b"\x80\x02")], is_unframed_pickle),
    plain("sqlite", &[(0, b"SQLite format 3\0")]),
    plain("parquet", &[(0, b"PAR1\x15")]),
    plain("arrow", &[(0, b"ARROW1\0\0")]),
    // A message of the streaming format: a continuation mark and the length of a flat buffer.
    plain("arrow", &[(0, b"\xff\xff\xff\xff"), (6, b"\0\0"), (8, b"\x10\0\0\0")]),
    with("thrift", &[(0, b"\x80\x01\x00\x01")], names_thrift_method),
    with("thrift", &[(0, b"\x80\x01\x00\x02")], names_thrift_method),
    with("thrift", &[(0, b"\x80\x01\x00\x03")], names_thrift_method),
    with("thrift", &[(0, b"\x80\x01\x00\x04")], names_thrift_method),
    plain("mqtt", &[(0, b"\x10"), (2, b"\0\x04MQTT")]),
    plain("mqtt", &[(0, b"\x10"), (3, b"\0\x04MQTT")]),
];

fn byte(text: &Specimen<'_>, at: usize) -> Option<u8> {
    text.start.get(at).copied()
}

/// Whether the four bytes at `at` hold the text's length, little-endian, where that is known. Where it is not, whether
/// they could.
fn holds_length_at(text: &Specimen<'_>, at: usize) -> bool {
    let Some(length) = text.start.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes))
    else {
        return false;
    };
    let seen = text.start.len() as u64;
    if text.whole { u64::from(length) == seen } else { u64::from(length) > seen && length < 1 << 28 }
}

/// Whether a frame of the length that is told ends with the text (Python's pickle protocol 4).
fn holds_pickle_frame(text: &Specimen<'_>) -> bool {
    let Some(length) = text.start.get(3..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes))
    else {
        return false;
    };
    let seen = text.start.len() as u64;
    let end = length.saturating_add(11);
    if text.whole { end == seen } else { end < 1 << 32 }
}

/// Protocols 2 and 3 have no frame: an opcode that can come first, and STOP at the end.
fn is_unframed_pickle(text: &Specimen<'_>) -> bool {
    let first = byte(text, 2).is_some_and(|opcode| b"}](cXCUKMJGN\x89\x88".contains(&opcode));
    text.whole && first && text.start.len() > 5 && text.start.ends_with(b".")
}

/// A message of Thrift's binary protocol: the length of the method's name, then the name.
fn names_thrift_method(text: &Specimen<'_>) -> bool {
    let rest = text.start.get(4..).unwrap_or_default();
    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return false };
    let name = usize::try_from(u32::from_be_bytes(*length)).ok().and_then(|length| rest.get(..length));
    name.is_some_and(|name| !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::cause;

    #[test]
    fn beginnings_are_told_apart() {
        assert_eq!(cause(b"\x1f\x8b\x08\0\0\0\0\0\0\x03"), Some("gzip"));
        assert_eq!(cause(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01"), Some("jpeg"));
        assert_eq!(cause(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"), Some("pdf"));
        assert_eq!(cause(b"RIFF\x90\0\0\0WEBPVP8 "), Some("webp"));
        assert_eq!(cause(b"\x80\x01\0\x01\0\0\0\x04ping\0\0\0\x07\0"), Some("thrift"));
    }

    #[test]
    fn fields_that_do_not_fit_refute_a_beginning() {
        assert_ne!(cause(b"\x1f\x8b\x08\xff\0\0\0\0\0\x03"), Some("gzip"), "reserved flags");
        assert_ne!(cause(b"\x80\x04\x95\x09\0\0\0\0\0\0\0K\x01."), Some("python-pickle"), "another length");
        assert_ne!(cause(b"\xc3\x01"), Some("avro"), "too short");
    }

    #[test]
    fn signature_past_the_beginning_is_none() {
        assert_eq!(cause(b"{\"file\": \"\x1f\x8b\x08\0\"}"), None);
    }
}
