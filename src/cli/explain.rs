//! `wsautopsy explain`: a close code in, what it means and what to do about it out.

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use wsautopsy::close_code::CloseCode;
use wsautopsy::error::{Error, Result};
use wsautopsy::report::explain::{self, Format};

use super::Outcome;

/// Tell what a close code means, when it is seen, how to fix it, and what a capture shows of it; of two codes, what sets
/// them apart and when to use which.
///
/// Exit codes: 0 written; 1 it could not be written; 2 wrong usage.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The close code, from 0 to 65535, or a registered name such as going-away.
    #[arg(value_name = "CODE", value_parser = code)]
    code: CloseCode,
    /// Another code to compare it with.
    #[arg(value_name = "OTHER", value_parser = code)]
    other: Option<CloseCode>,
    /// What to write: text for a terminal, Markdown for a wiki, or JSON for programs.
    #[arg(long, value_enum, value_name = "text|markdown|json", default_value = "text", hide_possible_values = true)]
    format: FormatName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    Text,
    Markdown,
    Json,
}

/// Runs it.
pub(super) fn run(options: &Options) -> Result<Outcome> {
    let mut bytes = Vec::new();
    let format = format(options.format);
    let explained = match options.other {
        Some(other) if other != options.code => explain::write_comparison(options.code, other, format, &mut bytes),
        Some(_) | None => explain::write(options.code, format, &mut bytes),
    };
    // A reader that went away is no error.
    match explained.and_then(|()| io::stdout().lock().write_all(&bytes)) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Write { path: "standard output".into(), source })
        }
        Ok(()) | Err(_) => Ok(Outcome::Done),
    }
}

/// Text fits the terminal, and has colour on one that is not asked to be without.
fn format(name: FormatName) -> Format {
    match name {
        FormatName::Text => {
            let colour =
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let columns =
                terminal_size::terminal_size_of(io::stdout()).map_or(WIDTH, |(width, _)| usize::from(width.0));
            Format::Text { colour, width: columns.min(WIDEST) }
        }
        FormatName::Markdown => Format::Markdown,
        FormatName::Json => Format::Json,
    }
}

/// The code of an argument.
pub(super) fn code(text: &str) -> std::result::Result<CloseCode, String> {
    CloseCode::parse(text)
        .ok_or_else(|| "expected a close code from 0 to 65535, or a registered name such as going-away".to_owned())
}

/// Columns where there is no terminal.
const WIDTH: usize = 80;

/// Columns beyond which lines are hard to read.
const WIDEST: usize = 100;
