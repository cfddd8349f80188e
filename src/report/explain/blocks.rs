//! What an explanation consists of, in which order.

use super::Block;
use crate::close_code::{CloseCode, Comparison, Evidence, Kind};

/// What `code` means, when it is seen, what to do, and what a capture shows.
pub(super) fn explanation(code: CloseCode) -> Vec<Block> {
    let guidance = code.guidance();
    let mut blocks = vec![
        Block::Title(title(code)),
        Block::Lead(guidance.meaning.to_owned()),
        Block::Paragraph(guidance.description.to_owned()),
        Block::Terms(vec![
            term("kind", code.kind().name()),
            term("sent by", guidance.sender.about()),
            term("clean close", guidance.clean.about()),
            term("the trouble", guidance.trouble.about()),
            term("connect again", guidance.retry.about()),
            term("when to use", guidance.use_when),
        ]),
        Block::Heading("First check".to_owned()),
        Block::Paragraph(guidance.first_check.to_owned()),
        Block::Heading("When you see it".to_owned()),
        items(guidance.seen_when),
        Block::Heading("How to fix it".to_owned()),
        Block::Subheading("In the client".to_owned()),
        items(guidance.client_fixes),
        Block::Subheading("In the server".to_owned()),
        items(guidance.server_fixes),
        Block::Subheading("Between them, and in operation".to_owned()),
        items(guidance.operator_fixes),
        Block::Heading("What the capture shows".to_owned()),
        Block::Entries(guidance.evidence.iter().map(columns).collect()),
    ];
    blocks.extend([Block::Heading("See them in a capture".to_owned()), Block::Commands(commands(code))]);
    blocks.extend([Block::Heading("Defined in".to_owned()), items(guidance.references)]);
    blocks
}

/// What sets two codes apart.
pub(super) fn comparison(comparison: &Comparison) -> Vec<Block> {
    let titles = comparison.codes.map(title);
    let mut blocks = vec![Block::Title(titles.join(" and "))];
    let meanings = comparison.codes.map(|code| term(&code.to_string(), code.guidance().meaning));
    blocks.push(Block::Terms(meanings.into()));
    blocks.push(Block::Heading("Key differences".to_owned()));
    blocks.extend(comparison.difference.map(|text| Block::Paragraph(text.to_owned())));
    if comparison.facts.iter().any(crate::close_code::Fact::differs) {
        blocks.push(Block::Table {
            heads: comparison.codes.map(|code| code.to_string()),
            rows: comparison
                .facts
                .iter()
                .map(|fact| (fact.aspect.to_owned(), fact.values.map(str::to_owned)))
                .collect(),
        });
    } else {
        blocks.push(Block::Paragraph(
            "None that a registry knows: both are of one range, and neither is registered.".into(),
        ));
    }
    blocks.push(Block::Heading("When to use which".to_owned()));
    let uses = comparison.codes.iter().zip(comparison.use_when);
    blocks.push(Block::Terms(uses.map(|(code, text)| term(&code.to_string(), text)).collect()));
    blocks.push(Block::Heading("How to tell them apart in a capture".to_owned()));
    match comparison.in_capture {
        Some(text) => blocks.push(Block::Paragraph(text.to_owned())),
        None => blocks.push(Block::Terms(both_evidence(comparison))),
    }
    blocks.push(Block::Heading("More".to_owned()));
    blocks.push(Block::Commands(
        comparison.codes.map(|code| (format!("wsautopsy explain {code}"), String::new())).into(),
    ));
    blocks
}

/// A code and its name, or what it is where it has none.
fn title(code: CloseCode) -> String {
    let name = code.name().unwrap_or(match code.kind() {
        Kind::Private => "(private)",
        Kind::Invalid => "(invalid)",
        Kind::Standard | Kind::Registered | Kind::Reserved | Kind::Unassigned => "(unassigned)",
    });
    format!("{code} {name}")
}

fn term(term: &str, text: &str) -> (String, String) {
    (term.to_owned(), text.to_owned())
}

fn items(texts: &[&str]) -> Block {
    Block::Items(texts.iter().map(|&text| text.to_owned()).collect())
}

fn columns(evidence: &Evidence) -> (String, String) {
    (format!("{}: {}", evidence.table, evidence.columns.join(", ")), evidence.shows.to_owned())
}

/// The first thing that each code shows.
fn both_evidence(comparison: &Comparison) -> Vec<(String, String)> {
    let firsts = comparison.codes.iter().filter_map(|code| Some((code, code.guidance().evidence.first()?)));
    let text = |evidence: &Evidence| {
        let (columns, shows) = columns(evidence);
        format!("{columns}: {shows}")
    };
    firsts.map(|(code, evidence)| (code.to_string(), text(evidence))).collect()
}

fn commands(code: CloseCode) -> Vec<(String, String)> {
    let mut commands = vec![
        (
            format!("wsautopsy carve CAPTURE --close-code {code} -o {code}.pcapng"),
            "their packets, with comments".to_owned(),
        ),
        ("wsautopsy analyze CAPTURE -o DIR".to_owned(), "every table".to_owned()),
    ];
    if !matches!(code.kind(), Kind::Reserved) {
        let filter = format!("websocket.payload.close.status_code == {code}");
        commands.push((filter, "the Close frames, as a filter for Wireshark".to_owned()));
    }
    commands
}
