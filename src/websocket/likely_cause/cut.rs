//! Text that was cut at a number of bytes, in the middle of a character.
//!
//! The beginning of a character must be all that is wrong. A single byte can as well be a letter in a legacy encoding,
//! `caf\xe9`, so that it needs a neighbour that shows UTF-8, or must be one that ends no word there.

use super::{LikelyCause, Specimen, is_control};
use crate::websocket::Utf8ErrorKind;

/// Bytes of other text that must be there if the text ends inside the character.
const BYTES_BEFORE_END: usize = 4;
/// The same if it goes on, or if only one byte of the character is there.
const BYTES_AROUND: usize = 8;

/// The cause, if a cut character is all that is wrong.
pub(super) fn find(specimen: &Specimen<'_>) -> Option<LikelyCause> {
    let text = specimen.text();
    let (valid, bad) = first_fault(text);
    let character = match specimen.error {
        Utf8ErrorKind::Truncated => bad,
        Utf8ErrorKind::MissingContinuation => bad.get(..beginning(bad))?,
        Utf8ErrorKind::InvalidByte
        | Utf8ErrorKind::UnexpectedContinuation
        | Utf8ErrorKind::Overlong
        | Utf8ErrorKind::Surrogate
        | Utf8ErrorKind::AboveU10FFFF => return None,
    };
    let rest = bad.get(character.len()..)?;
    let (after, another) = first_fault(rest);
    let ends_with_sample = !specimen.to_end && another.len() < 4 && beginning(another) == another.len();
    let only = another.is_empty() || ends_with_sample;
    if !only || text.iter().any(|byte| is_control(*byte)) || !is_of_a_text(character) {
        return None;
    }
    let at_end = specimen.error == Utf8ErrorKind::Truncated;
    let proved = proves_utf8(valid, after, character, at_end) || (specimen.full && at_end && !valid.is_empty());
    proved.then_some(LikelyCause::TRUNCATED_CHARACTER)
}

/// The valid text that `bytes` begin with, and what follows it.
pub(super) fn first_fault(bytes: &[u8]) -> (&str, &[u8]) {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let (text, bad) = bytes.split_at_checked(valid).unwrap_or_default();
    (std::str::from_utf8(text).unwrap_or_default(), bad)
}

/// How many of the first bytes of `bad` are the beginning of a character.
fn beginning(bad: &[u8]) -> usize {
    match std::str::from_utf8(bad) {
        Ok(_) => 0,
        Err(error) => error.error_len().unwrap_or(bad.len()),
    }
}

/// Whether texts have characters that begin so: those above the third plane are for private use, or for nothing.
fn is_of_a_text(character: &[u8]) -> bool {
    matches!(character, [0xc2..=0xf0, ..] | [0xf3, 0xa0, ..])
}

/// Whether the beginning of a character, between `before` and `after`, is of UTF-8 rather than of a legacy encoding.
fn proves_utf8(before: &str, after: &str, character: &[u8], at_end: bool) -> bool {
    let others = before.len() + after.len();
    if others < if at_end && character.len() > 1 { BYTES_BEFORE_END } else { BYTES_AROUND } {
        return false;
    }
    let seen = !before.is_ascii() || !after.is_ascii();
    let previous = before.chars().next_back();
    let beside = previous.is_some_and(|previous| !previous.is_ascii());
    let in_word = previous.is_some_and(|previous| previous.is_ascii_alphabetic());
    match character {
        [_, second, ..] if in_word && !seen => !is_sign(*second),
        [_, _, ..] => true,
        _ if !at_end => beside,
        [lead] => {
            let capital = previous.is_some_and(|previous| previous.is_ascii_uppercase());
            seen || (!capital && ends_no_word(*lead))
        }
        [] => false,
    }
}

/// Signs of windows-1252 that follow a letter: quotation marks, dashes, dots.
const fn is_sign(byte: u8) -> bool {
    matches!(byte, 0x85 | 0x91..=0x97 | 0xa0 | 0xab | 0xb0 | 0xb4 | 0xb7 | 0xbb)
}

/// Leads of characters that are, in windows-1252, capitals or letters that no word ends with.
const fn ends_no_word(lead: u8) -> bool {
    matches!(lead, 0xc2..=0xde | 0xe2 | 0xf0)
}

#[cfg(test)]
mod tests {
    use super::super::LikelyCause;
    use super::super::testing::cause;
    use crate::websocket::TextCheck;

    const CUT: Option<&str> = Some("truncated-character");

    #[test]
    fn cut_at_the_end_is_recognised() {
        assert_eq!(cause(b"prix: 5 \xe2\x82"), CUT);
        assert_eq!(cause(b"smile \xf0\x9f\x98"), CUT);
        assert_eq!(cause("日本\u{8a9e}".as_bytes().split_last().unwrap().1), CUT);
    }

    #[test]
    fn cut_inside_a_text_is_recognised() {
        assert_eq!(cause(b"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa...more"), CUT);
        assert_eq!(cause(b"{\"name\":\"\xe6\x97\xa5\xe6\x9c\xac\xe8\",\"id\":7}"), CUT);
    }

    #[test]
    fn letters_of_legacy_encodings_are_not_cut_characters() {
        assert_ne!(cause(b"caf\xe9"), CUT);
        assert_ne!(cause(b"le \xabcaf\xe9\xbb est ferm\xe9"), CUT);
        assert_ne!(cause(b"un caf\xe9 noir"), CUT);
    }

    #[test]
    fn beginning_of_a_character_alone_says_nothing() {
        assert_eq!(cause(b"\xce"), None);
        assert_eq!(cause(b"\xef\xbf"), None);
    }

    #[test]
    fn text_that_fills_its_place_was_cut() {
        let reason = [&[b'a'; 122][..], b"\xe9"].concat();
        let fault = TextCheck::whole(&reason, ()).unwrap();
        assert_eq!(LikelyCause::of(&fault, Some(123)), Some(LikelyCause::TRUNCATED_CHARACTER));
        assert_ne!(LikelyCause::of(&fault, None), Some(LikelyCause::TRUNCATED_CHARACTER));
    }
}
