//! Unicode in another form than UTF-8: in units of two or four bytes, or in what only looks like UTF-8.

use super::{LikelyCause, Specimen, cut};

/// Evidence that units of two or four bytes need, in bits.
const NEEDED_BITS: f64 = 24.0;
/// How much better one order of the bytes must be than the other.
const MARGIN_BITS: f64 = 8.0;

/// The cause, if the text is Unicode.
pub(super) fn find(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    marked(specimen).or_else(|| unmarked(specimen)).or_else(|| surrogates(specimen))
}

/// Text with a byte order mark, and at least two characters after it.
fn marked(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    let forms: [(&[u8], &'static str, Decode); 4] = [
        (b"\xff\xfe\0\0", "utf-32le", |bytes| wide(bytes, u32::from_le_bytes)),
        (b"\0\0\xfe\xff", "utf-32be", |bytes| wide(bytes, u32::from_be_bytes)),
        (b"\xff\xfe", "utf-16le", |bytes| narrow(bytes, u16::from_le_bytes)),
        (b"\xfe\xff", "utf-16be", |bytes| narrow(bytes, u16::from_be_bytes)),
    ];
    let (name, text) = forms.iter().find_map(|(mark, name, decode)| {
        let rest = specimen.start.strip_prefix(*mark)?;
        Some((*name, decode(rest)?))
    })?;
    let readable = text.len() >= 2 && text.iter().all(|character| is_text(*character));
    readable.then_some(LikelyCause(name))
}

/// Text without one: the units must be letters of one script.
fn unmarked(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    let (piece, offset) = specimen.piece();
    let aligned = |unit: u64| {
        let skipped = usize::try_from((unit - offset % unit) % unit).ok()?;
        let bytes = piece.get(skipped..)?;
        let over = bytes.len() % usize::try_from(unit).ok()?;
        // The whole text must be whole units; a sample may end inside of one.
        (over == 0 || !specimen.to_end).then(|| bytes.get(..bytes.len() - over))?
    };
    let (two, four) = (aligned(2).unwrap_or_default(), aligned(4).unwrap_or_default());
    let forms: [(&'static str, Option<Vec<char>>, f64); 4] = [
        ("utf-16le", narrow(two, u16::from_le_bytes), 16.0),
        ("utf-16be", narrow(two, u16::from_be_bytes), 16.0),
        ("utf-32le", wide(four, u32::from_le_bytes), 32.0),
        ("utf-32be", wide(four, u32::from_be_bytes), 32.0),
    ];
    let mut scores: Vec<(f64, &'static str)> =
        forms.iter().map(|(name, text, width)| (text.as_ref().map_or(0.0, |text| bits(text, *width)), *name)).collect();
    scores.sort_by(|one, other| other.0.total_cmp(&one.0));
    // Text in an encoding of single bytes has no controls, and text of units of two has them in any script.
    let controls = piece.iter().any(|byte| super::is_control(*byte));
    match scores.as_slice() {
        [(best, name), (second, _), ..] if controls && *best >= NEEDED_BITS && best - second >= MARGIN_BITS => {
            Some(LikelyCause(name))
        }
        _ => None,
    }
}

type Decode = fn(&[u8]) -> Option<Vec<char>>;

/// The characters of units of two bytes; `None` if they are no UTF-16.
fn narrow(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Vec<char>> {
    let units: Vec<u16> = bytes.as_chunks().0.iter().map(|bytes| unit(*bytes)).collect();
    let ends_inside = units.last().is_some_and(|last| (0xd800..0xdc00).contains(last));
    let whole = units.get(..units.len() - usize::from(ends_inside)).unwrap_or_default();
    char::decode_utf16(whole.iter().copied()).collect::<Result<_, _>>().ok()
}

/// The characters of units of four bytes; `None` if they are no UTF-32.
fn wide(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<Vec<char>> {
    bytes.as_chunks().0.iter().map(|bytes| char::from_u32(unit(*bytes))).collect()
}

/// The evidence in `text`, of units of `width` bits, that it is text: how seldom random bits give a unit of its script.
fn bits(text: &[char], width: f64) -> f64 {
    if !text.iter().all(|character| is_text(*character)) {
        return 0.0;
    }
    let block = |character: char| u32::from(character) >> 8;
    let mut blocks: Vec<u32> =
        text.iter().map(|character| block(*character)).filter(|block| is_small_script(*block)).collect();
    blocks.sort_unstable();
    let longest = blocks.chunk_by(|one, other| one == other).max_by_key(|run| run.len());
    let script = longest.and_then(|run| run.first()).copied();
    // Korean has hardly a Chinese character today.
    let count = |range: std::ops::RangeInclusive<char>| text.iter().filter(|one| range.contains(one)).count();
    let korean = count('\u{ac00}'..='\u{d7a3}') > count('\u{4e00}'..='\u{9fff}');
    let (mut bits, mut strange) = (0.0, 0);
    for character in text {
        let possible: f64 = match u32::from(*character) {
            0..=0x7f => 97.0,
            0xa0..=0x24f => 432.0,
            0x2000..=0x206f | 0x3000..=0x30ff | 0xff00..=0xffef => 512.0,
            0x4e00..=0x9fff if !korean => 20_992.0,
            0xac00..=0xd7a3 if korean => 11_172.0,
            0x1_f000..=0x1_faff => 2_816.0,
            code if Some(code >> 8) == script => 256.0,
            _ => {
                strange += 1;
                continue;
            }
        };
        bits += width - possible.log2();
    }
    if strange * 10 > text.len() {
        return 0.0;
    }
    // The script was chosen after looking.
    let chosen = if script.is_some() { 5.0 } else { 1.0 };
    bits - chosen
}

/// Greek to Thai and Georgian: scripts that have a block of 256 characters, or share one.
fn is_small_script(block: u32) -> bool {
    matches!(block, 0x03..=0x10)
}

/// Whether `character` occurs in texts.
fn is_text(character: char) -> bool {
    match u32::from(character) {
        0x09 | 0x0a | 0x0d => true,
        0..=0x1f | 0x7f..=0x9f | 0xe000..=0xf8ff | 0xfdd0..=0xfdef => false,
        code => code & 0xfffe != 0xfffe && code < 0x4_0000,
    }
}

/// What the faults of a text are, where they all come from UTF-16 or from Java.
#[derive(Default)]
struct Faults {
    /// Surrogates in pairs, each encoded as if it were a character.
    pairs: usize,
    /// The same without the other one.
    lone: usize,
    /// U+0000 in two bytes.
    nulls: usize,
    /// Characters that are right.
    others: usize,
}

/// UTF-8 but for surrogates, or zeros, that were encoded as if they were other characters (CESU-8, Java).
fn surrogates(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    let faults = Faults::of(specimen)?;
    match faults {
        Faults { nulls: 1.., lone: 0, pairs, others } if pairs + others > 0 => Some(LikelyCause("modified-utf-8")),
        Faults { pairs: 1.., lone: 0, nulls: 0, .. } => Some(LikelyCause("cesu-8")),
        Faults { lone: 1.., nulls: 0, pairs, others } if pairs + others > 0 => Some(LikelyCause("lone-surrogate")),
        _ => None,
    }
}

impl Faults {
    /// `None` if there are others.
    fn of(specimen: &Specimen<'_>) -> Option<Self> {
        let mut rest = specimen.text();
        let mut faults = Self::default();
        loop {
            let (text, bad) = cut::first_fault(rest);
            faults.others += text.chars().count();
            if text.chars().any(|character| character.is_control() && !character.is_whitespace() && character != '\0') {
                return None;
            }
            match bad {
                [] => return Some(faults),
                [0xc0, 0x80, after @ ..] => {
                    faults.nulls += 1;
                    rest = after;
                }
                [0xed, high @ 0xa0..=0xaf, low, 0xed, second @ 0xb0..=0xbf, 0x80..=0xbf, after @ ..] => {
                    faults.pairs += 1;
                    // Only in planes that have characters.
                    let plane = (u32::from(*high & 0x0f) << 6 | u32::from(*low & 0x3f)) >> 6;
                    if !is_continuation(*low) || plane > 2 || *second < 0xb0 {
                        return None;
                    }
                    rest = after;
                }
                [0xed, 0xa0..=0xbf, last, after @ ..] if is_continuation(*last) => {
                    faults.lone += 1;
                    rest = after;
                }
                unfinished if !specimen.to_end && unfinished.len() < 6 => return Some(faults),
                _ => return None,
            }
        }
    }
}

const fn is_continuation(byte: u8) -> bool {
    matches!(byte, 0x80..=0xbf)
}

#[cfg(test)]
mod tests {
    use super::super::testing::cause;

    fn utf16le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn utf16be(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn units_of_two_bytes_are_recognised_in_both_orders() {
        for text in ["héllo", "Γειά σου, κόσμε", "こんにちは、世界のみなさん", "안녕하세요 세계 여러분 반갑습니다"]
        {
            assert_eq!(cause(&utf16le(text)), Some("utf-16le"), "{text}");
            assert_eq!(cause(&utf16be(text)), Some("utf-16be"), "{text}");
        }
        assert_eq!(cause(b"\xfe\xff\0h\0\xe9"), Some("utf-16be"));
    }

    #[test]
    fn byte_order_mark_alone_says_nothing() {
        assert_eq!(cause(b"\xfe\xff"), None);
        assert_eq!(cause(b"\xff\xfe\xff\xff"), None, "no character");
    }

    #[test]
    fn units_of_four_bytes_are_recognised() {
        let text: Vec<u8> =
            "grüße an alle 🎉".chars().flat_map(|character| u32::from(character).to_le_bytes()).collect();
        assert_eq!(cause(&text), Some("utf-32le"));
    }

    #[test]
    fn encoded_surrogates_are_told_apart() {
        assert_eq!(cause(b"hi \xed\xa0\xbd\xed\xb8\x80!"), Some("cesu-8"));
        assert_eq!(cause(b"hi \xed\xa0\xbd!"), Some("lone-surrogate"));
        assert_eq!(cause(b"\xed\xaf\xbf\xed\xbf\xbf"), None, "a plane without characters");
        assert_eq!(cause(b"\xed\xa0\xbd"), None, "nothing else");
        assert_eq!(cause(b"a\xc0\x80b"), Some("modified-utf-8"));
        assert_eq!(cause(b"a\xc0\xafb"), None, "an overlong slash");
        assert_eq!(cause(b"hi \xed\xa0\xbd\xed\xb8\x80\xff"), None, "something else is wrong too");
    }
}
