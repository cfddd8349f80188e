//! What a close code means, or what sets two apart, as text for a terminal, Markdown for a wiki, or JSON for programs.
//!
//! In come a code's [`Guidance`](crate::close_code::Guidance) or a [`Comparison`]; out go bytes. Text and Markdown are two
//! looks of one list of blocks, so that both say the same.

use std::io::{self, Write};

use crate::close_code::{CloseCode, Comparison};

mod blocks;
mod json;
mod markdown;
mod text;

/// How an explanation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text {
        /// Whether there is colour; without it no escape sequence is written.
        colour: bool,
        /// Columns that no line exceeds; fewer than [`Format::NARROWEST`] are taken for that many.
        width: usize,
    },
    /// For a wiki: GitHub's Markdown.
    Markdown,
    /// For programs: one object.
    Json,
}

impl Format {
    /// Columns below which text is not wrapped any narrower.
    pub const NARROWEST: usize = 60;
}

/// Writes what `code` means and what to do about it.
///
/// # Errors
///
/// What writing to `out` says.
pub fn write(code: CloseCode, format: Format, mut out: impl Write) -> io::Result<()> {
    match format {
        Format::Text { colour, width } => text::write(&blocks::explanation(code), colour, width, out),
        Format::Markdown => markdown::write(&blocks::explanation(code), out),
        Format::Json => writeln!(out, "{:#}", json::explanation(code)),
    }
}

/// Writes what sets `first` and `second` apart and when to use which.
///
/// # Errors
///
/// What writing to `out` says.
pub fn write_comparison(first: CloseCode, second: CloseCode, format: Format, mut out: impl Write) -> io::Result<()> {
    let comparison = Comparison::of(first, second);
    match format {
        Format::Text { colour, width } => text::write(&blocks::comparison(&comparison), colour, width, out),
        Format::Markdown => markdown::write(&blocks::comparison(&comparison), out),
        Format::Json => writeln!(out, "{:#}", json::comparison(&comparison)),
    }
}

/// A part of an explanation, whatever it looks like.
#[derive(Debug)]
enum Block {
    /// What it is about.
    Title(String),
    /// The one line to remember.
    Lead(String),
    Heading(String),
    Subheading(String),
    Paragraph(String),
    Items(Vec<String>),
    /// A term and what is said of it.
    Terms(Vec<(String, String)>),
    /// Something to look at, and what it shows.
    Entries(Vec<(String, String)>),
    /// Aspects of two codes side by side.
    Table {
        heads: [String; 2],
        rows: Vec<(String, [String; 2])>,
    },
    /// To be typed as it is, with what it does.
    Commands(Vec<(String, String)>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::TableName;

    fn written(format: Format, codes: &[u16]) -> String {
        let mut bytes = Vec::new();
        match codes {
            [code] => write(CloseCode(*code), format, &mut bytes).unwrap(),
            [first, second] => write_comparison(CloseCode(*first), CloseCode(*second), format, &mut bytes).unwrap(),
            _ => unreachable!(),
        }
        String::from_utf8(bytes).unwrap()
    }

    /// One code of each kind, and pairs with and without text of their own.
    fn all() -> Vec<Vec<u16>> {
        let single = (999..=1016).chain([3000, 3001, 3003, 3008, 4000, 5000, 65_535]).map(|code| vec![code]);
        let codes = [1000, 1002, 1005, 1006, 1007, 1008, 1009, 1012, 1014, 1015, 3003, 4000, 65_535];
        let pairs = codes.into_iter().flat_map(|first| codes.map(|second| vec![first, second]));
        single.chain(pairs.filter(|pair| pair[0] != pair[1])).collect()
    }

    #[test]
    fn no_line_exceeds_the_width_or_ends_in_spaces() {
        for width in [60, 61, 80, 100] {
            for codes in all() {
                for line in written(Format::Text { colour: false, width }, &codes).lines() {
                    assert!(line.chars().count() <= width, "{codes:?} at {width}: {line}");
                    assert_eq!(line, line.trim_end(), "{codes:?}");
                }
            }
        }
    }

    #[test]
    fn colour_only_adds_escape_sequences() {
        for codes in all() {
            let plain = written(Format::Text { colour: false, width: 80 }, &codes);
            let coloured = written(Format::Text { colour: true, width: 80 }, &codes);
            assert!(plain.is_ascii() && coloured != plain);
            assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
        }
    }

    #[test]
    fn wrapping_loses_no_word() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for code in [1000, 1006, 1007, 4000] {
            let text = |width| words(&written(Format::Text { colour: false, width }, &[code]));
            assert_eq!(text(60), text(100));
            let description = words(CloseCode(code).guidance().description);
            assert!(text(60).windows(description.len()).any(|window| window == description));
        }
    }

    #[test]
    fn narrower_than_the_narrowest_is_the_narrowest() {
        let text = |width| written(Format::Text { colour: false, width }, &[1008]);
        assert_eq!(text(0), text(Format::NARROWEST));
    }

    #[test]
    fn text_and_markdown_say_the_same() {
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        for code in [1000, 1004, 1007, 1015, 3000, 4711] {
            let text = written(Format::Text { colour: false, width: 100 }, &[code]);
            assert_eq!(letters(&text), letters(&written(Format::Markdown, &[code])), "{code}");
        }
    }

    #[test]
    fn markdown_has_a_cell_for_each_column() {
        let markdown = written(Format::Markdown, &[1006, 1015]);
        let rows: Vec<_> = markdown.lines().filter(|line| line.starts_with('|')).collect();
        assert!(rows.len() > 5, "{markdown}");
        assert!(rows.iter().all(|row| row.matches('|').count() == 4), "{markdown}");
        assert!(markdown.starts_with("# 1006 Abnormal Closure and 1015 TLS Handshake\n"), "{markdown}");
    }

    #[test]
    fn json_has_the_documented_keys() {
        for codes in all() {
            let value: serde_json::Value = serde_json::from_str(&written(Format::Json, &codes)).unwrap();
            let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            let expected: &[&str] = match codes.len() {
                1 => &[
                    "clean",
                    "code",
                    "description",
                    "evidence",
                    "first_check",
                    "fixes",
                    "kind",
                    "may_be_sent",
                    "meaning",
                    "name",
                    "references",
                    "retry",
                    "seen_when",
                    "sent_by",
                    "trouble",
                    "use_when",
                ],
                _ => &["codes", "difference", "explanations", "facts", "in_capture", "use_when"],
            };
            assert_eq!(keys, expected);
        }
    }

    #[test]
    fn columns_to_look_at_exist() {
        let mut seen = 0;
        for evidence in (0..=u16::MAX).map(CloseCode).flat_map(|code| code.guidance().evidence) {
            match TableName::parse(evidence.table) {
                Some(table) => {
                    let schema = table.schema();
                    let known = |name: &&str| schema.iter().any(|column| column.name == *name);
                    assert!(evidence.columns.iter().all(known), "{evidence:?}");
                    seen += 1;
                }
                None => assert!(["reconnects", "tls_failures"].contains(&evidence.table), "{evidence:?}"),
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn a_code_that_must_not_be_sent_is_not_looked_for_as_a_frame() {
        let frame = "websocket.payload.close.status_code == 1006";
        assert!(!written(Format::Markdown, &[1006]).contains(frame));
        assert!(written(Format::Markdown, &[1007]).contains("websocket.payload.close.status_code == 1007"));
    }

    #[test]
    fn explanation_of_a_registered_code() {
        let text = written(Format::Text { colour: false, width: 80 }, &[3003]);
        let expected = "\
3003 Forbidden
The peer is known and may not do this (like HTTP 403).

The peer has authenticated, and lacks the permission for what it asked. A new
token for the same user changes nothing. Registered by its counterpart, HTTP
403.

  kind           registered
  sent by        client or server
  clean close    possible, if the other end answers
  the trouble    at the other end: in what it sent, or failed to send
  connect again  only after a change: the same again ends the same way
  when to use    The peer is known and lacks the permission.

First check
  The permissions of that user for that path or channel
";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.ends_with("  - IANA WebSocket Close Code Number Registry\n  - RFC 9110 section 15.5.4\n"),
            "{text}"
        );
    }
}
