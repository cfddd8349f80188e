//! Binary formats without a magic number, by a strict parse.
//!
//! A parse that meets a contradiction refutes the format. One that goes to the end of the text, or of its sample, gives
//! bits of evidence: how seldom random bytes would have passed. The best format answers, if it beats the next clearly.
//!
//! | evidence | bits |
//! |---|---|
//! | a string of UTF-8 without controls, whose length its header tells | 1.5 a byte, at most 16 |
//! | a value that ends where the text does: told by a length, otherwise | 8, 3 |
//! | a protobuf tag, one that follows in order | 2, 1 more |
//! | a MessagePack or CBOR map or array | 3 |
//! | a map's key that is a string | 2 more |
//! | BSON's length, which is the text's; its zero at the end; a name | 32; 8; 4 |
//!
//! Text in a legacy encoding has no controls: what has none must agree in three lengths to be believed.

mod bson;
mod cbor;
mod cursor;
mod msgpack;
mod protobuf;

use super::{LikelyCause, Specimen, is_control};

/// Evidence that is needed.
const NEEDED_BITS: f64 = 20.0;
/// How much better the best must be than the next.
const MARGIN_BITS: f64 = 6.0;
/// Lengths that must agree in what has no controls.
const AGREEMENTS: u32 = 3;

/// How well a parse went.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    bits: f64,
    /// Lengths and ends that fitted.
    agreements: u32,
}

impl Evidence {
    fn add(&mut self, bits: f64) {
        self.bits += bits;
    }

    /// A string whose length its header told.
    fn string(&mut self, length: usize) {
        self.bits += (length as f64 * 1.5).min(16.0);
        self.agreements += 1;
    }

    fn merge(&mut self, other: Self) {
        self.bits += other.bits;
        self.agreements += other.agreements;
    }
}

/// The cause, if one format fits clearly best.
pub(super) fn find(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    // What cannot be followed from its beginning cannot be parsed.
    if specimen.start.len() as u64 <= specimen.offset {
        return None;
    }
    let (bytes, whole) = (&*specimen.start, specimen.whole);
    let formats = [
        ("protobuf", protobuf::parse(bytes, whole)),
        ("msgpack", msgpack::parse(bytes, whole)),
        ("cbor", cbor::parse(bytes, whole)),
        ("bson", bson::parse(bytes, whole)),
    ];
    let mut fitting: Vec<_> = formats.iter().filter_map(|(name, evidence)| Some((*name, (*evidence)?))).collect();
    fitting.sort_by(|one, other| other.1.bits.total_cmp(&one.1.bits));
    let (name, best) = *fitting.first()?;
    let next = fitting.get(1).map_or(0.0, |(_, evidence)| evidence.bits);
    let no_text = bytes.iter().any(|byte| is_control(*byte)) || best.agreements >= AGREEMENTS;
    (no_text && best.bits >= NEEDED_BITS && best.bits - next >= MARGIN_BITS).then_some(LikelyCause(name))
}

#[cfg(test)]
mod tests {
    use super::super::testing::cause;

    #[test]
    fn formats_are_told_apart() {
        assert_eq!(cause(b"\x08\x96\x01\x12\x07testing"), Some("protobuf"));
        assert_eq!(cause(b"\x82\xa4name\xa3Ann\xa2id\x07"), Some("msgpack"));
        assert_eq!(cause(b"\xa2\x64name\x63Ann\x62id\x07"), Some("cbor"));
        assert_eq!(cause(b"\x18\0\0\0\x02name\0\x04\0\0\0Ren\0\x08x\0\xff\0"), None, "no such boolean");
        assert_eq!(cause(b"\x14\0\0\0\x01v\0\xcd\xcc\xcc\xcc\xcc\xcc\x14\x40\x08x\0\x01\0"), Some("bson"));
    }

    #[test]
    fn contradiction_refutes_a_format() {
        assert_ne!(cause(b"\x08\x96\x01\x12\x08testing"), Some("protobuf"), "a length past the end");
        assert_ne!(cause(b"\x82\xa4name\xa3Ann\xa2id"), Some("msgpack"), "the last value is missing");
        assert_ne!(cause(b"\xa2\x64name\x63Ann\x62id\x07\x07"), Some("cbor"), "something follows");
    }

    #[test]
    fn legacy_text_is_no_binary_format() {
        for text in [&b"Gr\xfc\xdfe aus K\xf6ln"[..], b"\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd", b"\"\x0bstra\xdfe x"]
        {
            assert!(!matches!(cause(text), Some("protobuf" | "msgpack" | "cbor" | "bson")), "{}", text.escape_ascii());
        }
    }
}
