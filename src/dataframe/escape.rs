//! Text from the wire, made safe: for CSV cells and terminals, and undone again.
//!
//! Whoever is at the other end of a connection chooses the text of reasons, hosts and paths. It must not break a line,
//! steer a terminal, reorder what is read, or run as a formula in a spreadsheet.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The bytes of a reason as text: as they are if they are UTF-8, otherwise each byte that is not part of valid UTF-8 as
/// `\xHH` and each backslash doubled.
#[must_use]
pub fn wire_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Cow::Owned(text)
}

/// Text as a CSV cell gets it; [`unescape`] undoes it.
///
/// It is as [`printable`] makes it, and one of `= + - @ ＝ ＋ － ＠` where it comes first, which spreadsheets take for the
/// beginning of a formula, becomes `\u{hex}`.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if begins_formula(first) => {
            Cow::Owned(format!("\\u{{{:x}}}{}", u32::from(first), printable(chars.as_str())))
        }
        _ => printable(text),
    }
}

/// The bytes of a CSV cell: [`escape`]d, and in quotes where readers need them, which is also where it is empty, because
/// null is nothing at all.
pub(super) fn csv_cell(text: &str) -> Cow<'_, str> {
    let escaped = escape(text);
    // Lines do not end in what is escaped.
    if !escaped.is_empty() && !escaped.contains([',', '"']) {
        return escaped;
    }
    Cow::Owned(format!("\"{}\"", escaped.replace('"', "\"\"")))
}

/// Whether [`csv_cell`] certainly leaves `text` as it is. Most text is ASCII, of which it changes little; the loop has no
/// exit, so that it is done many bytes at a time.
pub(super) fn is_csv_cell(text: &str) -> bool {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) & !matches!(byte, b'\\' | b'"' | b',');
    let begins_plainly = text.as_bytes().first().is_some_and(|first| !matches!(first, b'=' | b'+' | b'-' | b'@'));
    begins_plainly && text.bytes().fold(true, |plain, byte| plain & is_plain(byte))
}

/// Text as a terminal gets it; [`unescape`] undoes it.
///
/// A backslash becomes `\\`, a line feed `\n`, a carriage return `\r`, a tab `\t`. Every other control character, line or
/// paragraph separator, control of writing direction and invisible mark becomes `\u{hex}`.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c == '\\' || is_unprintable(c)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_unprintable(c) => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// The text that [`escape`] or [`printable`] made `escaped` of; `None` if they write no such thing.
#[must_use]
pub fn unescape(escaped: &str) -> Option<Cow<'_, str>> {
    let Some((plain, _)) = escaped.split_once('\\') else { return Some(Cow::Borrowed(escaped)) };
    let mut text = String::with_capacity(escaped.len());
    text.push_str(plain);
    let mut rest = escaped.get(plain.len()..)?;
    while let Some(sequence) = rest.strip_prefix('\\') {
        let (c, after) = unescape_one(sequence)?;
        text.push(c);
        let end = after.find('\\').unwrap_or(after.len());
        let (plain, next) = after.split_at_checked(end)?;
        text.push_str(plain);
        rest = next;
    }
    Some(Cow::Owned(text))
}

/// The character that `sequence`, which begins after a backslash, stands for, and what follows.
fn unescape_one(sequence: &str) -> Option<(char, &str)> {
    let mut chars = sequence.chars();
    let c = match chars.next()? {
        '\\' => '\\',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (digits, after) = chars.as_str().strip_prefix('{')?.split_once('}')?;
            return Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, after));
        }
        _ => return None,
    };
    Some((c, chars.as_str()))
}

/// Whether a spreadsheet takes text that begins with `c` for a formula.
const fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
}

/// Whether `c` breaks lines, steers what shows it, or cannot be seen. The joiners U+200C and U+200D are part of words and
/// emoji and stay.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bad_bytes_of_a_reason_are_shown_in_hexadecimal() {
        assert_eq!(wire_text("gr\u{fc}n \\".as_bytes()), "gr\u{fc}n \\");
        assert_eq!(wire_text(b"a\\b\xff\xc3"), "a\\\\b\\xff\\xc3");
        assert_eq!(wire_text(b""), "");
    }

    #[test]
    fn escapes_are_those_of_the_documentation() {
        assert_eq!(escape("plain, \"text\""), "plain, \"text\"");
        assert_eq!(
            escape("a\\b\n\r\t\u{1b}[31m\u{2028}\u{202e}\u{feff}"),
            "a\\\\b\\n\\r\\t\\u{1b}[31m\\u{2028}\\u{202e}\\u{feff}"
        );
        assert_eq!(escape("=1+1"), "\\u{3d}1+1");
        assert_eq!(escape("\u{ff20}SUM"), "\\u{ff20}SUM");
        assert_eq!(escape("-"), "\\u{2d}");
    }

    #[test]
    fn what_escape_never_writes_is_not_unescaped() {
        for escaped in ["\\", "a\\x41", "\\u41", "\\u{}", "\\u{110000}", "\\u{d800}", "\\u{41", "\\N"] {
            assert_eq!(unescape(escaped), None, "{escaped}");
        }
    }

    /// Text in which the characters that matter are frequent.
    fn troubled() -> impl Strategy<Value = String> {
        let troubles = "[=+@\\\\\\-\n\r\t\u{0}\u{1b}\u{7f}\u{85}\u{2028}\u{202e}\u{feff}\u{ff1d}u{}x \"',;]{0,4}";
        (troubles, any::<String>(), troubles).prop_map(|(before, text, after)| before + &text + &after)
    }

    proptest! {
        #[test]
        fn escaping_survives_a_round_trip(text in troubled()) {
            let escaped = escape(&text);
            let back = unescape(&escaped);
            prop_assert_eq!(back.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn what_is_a_cell_already_stays(text in troubled(), plain in "[ -~]{0,40}") {
            for text in [text.as_str(), plain.as_str()] {
                prop_assert_eq!(is_csv_cell(text), text.is_ascii() && csv_cell(text) == text);
            }
        }

        #[test]
        fn escaped_text_stays_on_one_line_and_is_no_formula(text in troubled()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(is_unprintable));
            prop_assert!(!escaped.starts_with(begins_formula));
        }

        #[test]
        fn unescaping_any_text_does_not_panic(text in troubled()) {
            let _ = unescape(&text);
        }
    }
}
