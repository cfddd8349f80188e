//! An explanation in GitHub's Markdown, one line for each paragraph and item.

use std::io::{self, Write};

use super::Block;

/// Writes `blocks`.
pub(super) fn write(blocks: &[Block], mut out: impl Write) -> io::Result<()> {
    let parts: Vec<String> = blocks.iter().map(part).collect();
    writeln!(out, "{}", parts.join("\n\n"))
}

fn part(block: &Block) -> String {
    match block {
        Block::Title(text) => format!("# {text}"),
        Block::Lead(text) => format!("**{text}**"),
        Block::Heading(text) => format!("## {text}"),
        Block::Subheading(text) => format!("### {text}"),
        Block::Paragraph(text) => text.clone(),
        Block::Items(items) => list(items.iter().map(|item| format!("- {item}"))),
        Block::Terms(terms) => list(terms.iter().map(|(term, text)| format!("- **{term}**: {text}"))),
        Block::Entries(entries) => list(entries.iter().map(|(entry, text)| format!("- `{entry}`: {text}"))),
        Block::Commands(commands) => list(commands.iter().map(|(command, about)| match about.as_str() {
            "" => format!("- `{command}`"),
            about => format!("- `{command}`: {about}"),
        })),
        Block::Table { heads: [first, second], rows } => {
            let rows = rows.iter().map(|(aspect, [first, second])| format!("| {aspect} | {first} | {second} |"));
            let head = [format!("| | {first} | {second} |"), "| --- | --- | --- |".to_owned()];
            list(head.into_iter().chain(rows))
        }
    }
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}
