//! An explanation on a terminal: wrapped, indented, and in colour if there is one.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Block, Format};

/// Writes `blocks` in at most `width` columns.
pub(super) fn write(blocks: &[Block], colour: bool, width: usize, mut out: impl Write) -> io::Result<()> {
    let mut page = Page { colour, width: width.max(Format::NARROWEST), indent: 0, lines: Vec::new() };
    let mut before = None;
    for block in blocks {
        if stands_apart(block, before) {
            page.lines.push(String::new());
        }
        page.block(block);
        before = Some(block);
    }
    page.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Whether an empty line stands between `before` and `block`.
fn stands_apart(block: &Block, before: Option<&Block>) -> bool {
    let follows_its_heading = matches!(before, None | Some(Block::Heading(_) | Block::Subheading(_)));
    match block {
        Block::Heading(_) => true,
        Block::Paragraph(_) | Block::Terms(_) | Block::Entries(_) | Block::Table { .. } => !follows_its_heading,
        Block::Title(_) | Block::Lead(_) | Block::Subheading(_) | Block::Items(_) | Block::Commands(_) => false,
    }
}

/// What is written so far.
struct Page {
    colour: bool,
    width: usize,
    /// Columns before what stands under the last heading.
    indent: usize,
    lines: Vec<String>,
}

impl Page {
    fn block(&mut self, block: &Block) {
        let bold = Style::new().bold();
        match block {
            Block::Title(text) => self.wrapped(text, 0, "", bold.fg_color(Some(AnsiColor::Cyan.into()))),
            Block::Lead(text) => self.wrapped(text, 0, "", bold),
            Block::Heading(text) => {
                self.indent = 2;
                self.wrapped(text, 0, "", bold);
            }
            Block::Subheading(text) => {
                self.indent = 4;
                self.wrapped(text, 2, "", Style::new().underline());
            }
            Block::Paragraph(text) => self.wrapped(text, self.indent, "", Style::new()),
            Block::Items(items) => items.iter().for_each(|item| self.wrapped(item, self.indent, "- ", Style::new())),
            Block::Terms(terms) => self.terms(terms),
            Block::Entries(entries) => {
                for (entry, text) in entries {
                    self.wrapped(entry, 2, "", AnsiColor::Green.on_default());
                    self.wrapped(text, 6, "", Style::new());
                }
            }
            Block::Commands(commands) => {
                for (command, about) in commands {
                    self.lines.push(format!("  {}", self.painted(command, AnsiColor::Green.on_default())));
                    self.wrapped(about, 6, "", Style::new());
                }
            }
            Block::Table { heads, rows } => self.table(heads, rows),
        }
    }

    /// Adds `text` behind `indent` columns and `mark`, its later lines behind as many spaces.
    fn wrapped(&mut self, text: &str, indent: usize, mark: &str, style: Style) {
        let room = self.width - indent - mark.len();
        for (index, line) in wrap(text, room).iter().enumerate() {
            let mark = if index == 0 { mark } else { &"  "[..mark.len().min(2)] };
            self.lines.push(format!("{:indent$}{mark}{}", "", self.painted(line, style)));
        }
    }

    fn terms(&mut self, terms: &[(String, String)]) {
        let columns = terms.iter().map(|(term, _)| term.len()).max().unwrap_or_default();
        for (term, text) in terms {
            for (index, line) in wrap(text, self.width - columns - 4).iter().enumerate() {
                let term = if index == 0 { term.as_str() } else { "" };
                let padding = columns - term.len();
                let term = self.painted(term, Style::new().dimmed());
                self.lines.push(format!("  {term}{:padding$}  {line}", ""));
            }
        }
    }

    /// Three columns: the aspect, and what holds for each code.
    fn table(&mut self, heads: &[String; 2], rows: &[(String, [String; 2])]) {
        let first = rows.iter().map(|(aspect, _)| aspect.len()).max().unwrap_or_default();
        let column = (self.width - 2 - first - 4) / 2;
        let bold = Style::new().bold();
        self.row("", heads.each_ref().map(String::as_str), [first, column], bold);
        for (aspect, values) in rows {
            let cells = values.each_ref().map(|value| wrap(value, column));
            for index in 0..cells.iter().map(Vec::len).max().unwrap_or_default() {
                let aspect = if index == 0 { aspect.as_str() } else { "" };
                let line = cells.each_ref().map(|cell| cell.get(index).map_or("", String::as_str));
                self.row(aspect, line, [first, column], Style::new());
            }
        }
    }

    fn row(&mut self, aspect: &str, values: [&str; 2], widths: [usize; 2], style: Style) {
        let padding = [widths[0] - aspect.len(), widths[1] - values[0].len()];
        let aspect = self.painted(aspect, Style::new().dimmed());
        let values = values.map(|value| self.painted(value, style));
        let line =
            format!("  {aspect}{:a$}  {}{:b$}  {}", "", values[0], "", values[1], a = padding[0], b = padding[1]);
        self.lines.push(line.trim_end().to_owned());
    }

    fn painted(&self, text: &str, style: Style) -> String {
        if self.colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The lines of `text`, which is ASCII, in at most `width` columns; a longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled() {
        assert_eq!(wrap("a bb ccc dddd", 4), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrap("a  bb", 80), ["a bb"]);
        assert_eq!(wrap("", 80), [""; 0]);
    }
}
