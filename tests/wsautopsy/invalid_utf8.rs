//! What text that is not UTF-8 is taken for: measured, and in the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use wsautopsy::websocket::{LikelyCause, TextCheck};

use crate::builder::{BINARY, Conversation, TEXT};
use crate::specimens::{self, Specimen};
use crate::{CLIENT, SERVER, record};

const BEGIN: &str = "<!-- confusion -->\n";
const END: &str = "<!-- /confusion -->";
/// Set, the table in the documentation is written anew instead of compared.
const UPDATE: &str = "WSAUTOPSY_UPDATE_DOCS";

fn cause(text: &[u8]) -> Option<&'static str> {
    TextCheck::whole(text, ()).and_then(|fault| LikelyCause::of(&fault, None)).map(LikelyCause::name)
}

/// Whether `answer` is right: the label, or an encoding that gives the same text.
fn is_right(specimen: &Specimen, answer: &str) -> bool {
    let text = |name: &str| Encoding::for_label(name.as_bytes()).map(|encoding| encoding.decode(&specimen.bytes).0);
    let Some(label) = specimen.label else { return false };
    let legacy = |name: &str| !name.starts_with("utf") && text(name).is_some();
    label == answer || (legacy(label) && legacy(answer) && text(label) == text(answer))
}

/// How often each label got each answer.
#[derive(Default)]
struct Confusion {
    rows: BTreeMap<&'static str, Row>,
}

#[derive(Default)]
struct Row {
    messages: u32,
    right: u32,
    null: u32,
    wrong: BTreeMap<&'static str, u32>,
}

impl Confusion {
    fn measured() -> Self {
        let mut confusion = Self::default();
        for specimen in specimens::all() {
            let row = confusion.rows.entry(specimen.label.unwrap_or("(none)")).or_default();
            row.messages += 1;
            match cause(&specimen.bytes) {
                None => row.null += 1,
                Some(answer) if is_right(&specimen, answer) => row.right += 1,
                Some(answer) => *row.wrong.entry(answer).or_default() += 1,
            }
        }
        confusion
    }

    fn markdown(&self) -> String {
        let mut text =
            "| what it was | messages | right | null | wrong |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for (label, row) in &self.rows {
            let wrong: Vec<String> = row.wrong.iter().map(|(answer, count)| format!("{count} `{answer}`")).collect();
            let _ =
                writeln!(text, "| {label} | {} | {} | {} | {} |", row.messages, row.right, row.null, wrong.join(", "));
        }
        let (messages, right, null, wrong) = self.totals();
        let _ = writeln!(text, "| **all** | {messages} | {right} | {null} | {wrong} |");
        text
    }

    fn totals(&self) -> (u32, u32, u32, u32) {
        let sum = |count: fn(&Row) -> u32| self.rows.values().map(count).sum();
        (sum(|row| row.messages), sum(|row| row.right), sum(|row| row.null), sum(|row| row.wrong.values().sum()))
    }
}

fn documentation() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/invalid-utf8.md")
}

#[test]
fn causes_are_as_right_as_the_documentation_says() {
    let confusion = Confusion::measured();
    let expected = confusion.markdown();
    let (messages, right, _, wrong) = confusion.totals();
    assert!(messages > 3000, "{messages}");
    assert!(wrong * 100 <= messages, "more than one of a hundred is wrong:\n{expected}");
    assert!(right * 10 >= messages * 6, "less than six of ten are right:\n{expected}");
    let text = fs::read_to_string(documentation()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("no line <!-- confusion -->");
    let (found, after) = rest.split_once(END).expect("no line <!-- /confusion -->");
    if std::env::var_os(UPDATE).is_some() {
        return fs::write(documentation(), format!("{before}{BEGIN}\n{expected}\n{END}{after}")).unwrap();
    }
    assert!(
        found.trim() == expected.trim(),
        "docs/invalid-utf8.md does not say what is measured; `{UPDATE}=1 cargo test causes_are` writes it anew:\n{expected}"
    );
}

#[test]
fn nothing_is_claimed_of_what_has_no_cause() {
    let claimed: Vec<_> = specimens::all()
        .into_iter()
        .filter(|specimen| specimen.label.is_none())
        .filter(|specimen| specimen.bytes.len() < 8)
        .filter_map(|specimen| Some((cause(&specimen.bytes)?, specimen.bytes)))
        .collect();
    assert!(claimed.is_empty(), "{claimed:x?}");
}

#[test]
fn every_answer_is_documented() {
    let text = fs::read_to_string(documentation()).unwrap();
    for answer in specimens::all().iter().filter_map(|specimen| cause(&specimen.bytes)) {
        assert!(text.contains(&format!("`{answer}`")), "{answer}");
    }
}

/// The likely causes of a connection's rows.
fn causes(conversation: Conversation) -> Vec<Option<&'static str>> {
    record(conversation).invalid_utf8.iter().map(|row| row.likely_cause.map(LikelyCause::name)).collect()
}

fn established() -> Conversation {
    Conversation::new().syn().upgrade("/")
}

#[test]
fn character_split_between_messages_is_told_in_both() {
    let split =
        established().frame(SERVER, TEXT, b"5 \xe2\x82").frame(SERVER, BINARY, b"\0").frame(SERVER, TEXT, b"\xac each");
    assert_eq!(causes(split), [Some("split-character"), Some("split-character")]);
    let other = established().frame(SERVER, TEXT, b"costs 5 \xe2\x82").frame(CLIENT, TEXT, b"\xac each");
    assert_eq!(causes(other), [Some("truncated-character"), None], "of two senders");
    let interrupted =
        established().frame(SERVER, TEXT, b"costs 5 \xe2\x82").text(SERVER, "ok").frame(SERVER, TEXT, b"\xac each");
    assert_eq!(causes(interrupted), [Some("truncated-character"), None]);
}

#[test]
fn reason_cut_to_fit_is_told() {
    let reason = [&[b'x'; 122][..], b"\xe9"].concat();
    let body = [&1011_u16.to_be_bytes()[..], &reason].concat();
    assert_eq!(causes(established().frame(SERVER, crate::builder::CLOSE, &body)), [Some("truncated-character")]);
}

#[test]
fn fragments_give_the_same_cause_as_the_whole() {
    for text in [&b"caf\xe9 noir"[..], b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"\x08\x96\x01\x12\x07testing"] {
        let mut pieces = TextCheck::default();
        text.iter().for_each(|byte| pieces.piece(&[*byte], ()));
        let fault = pieces.end().unwrap();
        assert!(cause(text).is_some());
        assert_eq!(LikelyCause::of(&fault, None).map(LikelyCause::name), cause(text), "{}", text.escape_ascii());
    }
}
