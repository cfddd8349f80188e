//! `wsautopsy analyze`: captures in, summary and tables out.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use wsautopsy::analyze::{Analysis, analyze};
use wsautopsy::close_code::CloseCode;
use wsautopsy::connection::ConnectionRecord;
use wsautopsy::dataframe::{Format, Output, TableName, TableOptions, settle_reconnects, write_tables};
use wsautopsy::error::{Error, Result};
use wsautopsy::redact::{Redaction, redact, redacted_arguments};
use wsautopsy::report::{directory, summary, terminal};

use super::Outcome;
use super::progress::Bar;
use super::source::{self, Analysing};

/// Find the WebSocket connections in captures and tell how each of them closed.
///
/// A summary goes to standard output, every table to the directory of --output. Exit codes: 0 analysed; 1 nothing could
/// be analysed, or a result could not be written; 2 wrong usage; 3 a --fail-on condition holds.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Captures in pcap or pcapng: files, directories, or - for standard input; plain, gz, zst, lz4, xz or bz2. They are
    /// read in the order of their packets' times.
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Write every table, and summary.json, to this directory.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Format of the tables; may be given more than once.
    #[arg(long, value_name = "csv|parquet|json|ndjson|arrow", value_parser = format, default_value = "csv")]
    format: Vec<Format>,
    /// Write this one table to standard output instead of the summary.
    #[arg(long, value_name = "NAME", value_parser = table)]
    table: Option<TableName>,
    /// Width of the buckets of the time series, such as 10s, 1m or 1h; chosen by the time span if not given.
    #[arg(long, value_name = "DURATION", value_parser = bucket)]
    bucket: Option<Duration>,
    #[command(flatten)]
    analysing: Analysing,
    /// Nothing of any payload in any output: no reasons of Close frames, no bytes around invalid UTF-8, no details of
    /// violations. What handshakes say (hosts, paths, user agents) is no payload.
    #[arg(long)]
    no_payload: bool,
    /// No payload, and pseudonyms for addresses, hosts, origins and user agents; paths lose their queries. The same name
    /// has the same pseudonym throughout a run. Names of captures stay.
    #[arg(long)]
    redact: bool,
    /// Neither summary nor progress nor warnings.
    #[arg(short, long)]
    quiet: bool,
    /// Exit with 3 if a connection closed with this code, or if there is such a row: a close code, invalid-utf8 or
    /// violation. May be given more than once.
    #[arg(long, value_name = "CODE|invalid-utf8|violation", value_parser = condition)]
    fail_on: Vec<Condition>,
}

/// What `--fail-on` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Closed(CloseCode),
    InvalidUtf8,
    Violation,
}

/// Runs it.
pub(super) fn run(options: &Options) -> Result<Outcome> {
    let began = Instant::now();
    let (inputs, mut failed) = source::inputs(&options.captures);
    let analysing = options.analysing.options()?;
    limit_threads(analysing.threads)?;
    let bar = Bar::new(options.quiet);
    let mut analysis = analyze(inputs, &analysing, &mut |progress| bar.show(progress))?;
    bar.finish();
    failed |= source::warn(&analysis, options.quiet);
    if let Some(redaction) = options.redaction() {
        // Queries tell clients apart; without them, others would seem to come back.
        settle_reconnects(&mut analysis);
        redact(&mut analysis, redaction);
    }
    let tables = TableOptions { bucket: options.bucket };
    if let Some(directory) = &options.output {
        let run = summary::Run { arguments: options.arguments(), elapsed: began.elapsed() };
        directory::write(directory, &analysis, &tables, &options.format, &run)?;
    }
    show(&analysis, &tables, options)?;
    let analysed = analysis.captures.iter().any(|capture| capture.file.format.is_some());
    let outcome = match options.has_failed(&analysis) {
        _ if failed && !analysed => Outcome::NothingAnalysed,
        true => Outcome::ConditionHolds,
        false => Outcome::Done,
    };
    // The system takes back all memory at once, which is quicker than giving it back record by record.
    std::mem::forget(analysis);
    Ok(outcome)
}

/// Tables are made by the threads that are there for everything: no more of them than the analysis may have.
fn limit_threads(threads: usize) -> Result<()> {
    if threads == 0 {
        return Ok(());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global().map_err(|source| Error::Threads { threads, source })
}

impl Options {
    fn redaction(&self) -> Option<Redaction> {
        match (self.redact, self.no_payload) {
            (true, _) => Some(Redaction::Identities),
            (false, true) => Some(Redaction::Payload),
            (false, false) => None,
        }
    }

    /// Whether a condition of `--fail-on` holds.
    fn has_failed(&self, analysis: &Analysis) -> bool {
        let holds = |record: &ConnectionRecord| self.fail_on.iter().any(|condition| condition.holds(record));
        !self.fail_on.is_empty() && analysis.connections.chunks().any(|(_, chunk)| chunk.iter().any(holds))
    }

    /// The command line, as `summary.json` tells it.
    fn arguments(&self) -> Vec<String> {
        let arguments: Vec<String> =
            std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
        if self.redact { redacted_arguments(&arguments) } else { arguments }
    }
}

/// Writes a table or the summary to standard output. A reader that went away is no error.
fn show(analysis: &Analysis, tables: &TableOptions, options: &Options) -> Result<()> {
    let stdout = io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut out = BufWriter::new(stdout);
    let failed = |source| Error::Write { path: "standard output".into(), source };
    let written = match options.table {
        Some(table) => {
            let format = options.format.first().copied().unwrap_or(Format::Csv);
            let output = Output { table, format, out: &mut out, path: "standard output".into() };
            write_tables(analysis, tables, vec![output], &mut |_| ())
        }
        None if options.quiet => Ok(()),
        None => {
            let style = terminal::Style { colour, width: 80, hints: options.output.is_none() };
            terminal::write(analysis, style, &mut out).map_err(failed)
        }
    };
    match written.and_then(|()| out.flush().map_err(failed)) {
        Err(Error::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown,
    }
}

impl Condition {
    fn holds(self, record: &ConnectionRecord) -> bool {
        match self {
            Self::Closed(code) => record.verdict.close_code == Some(code),
            Self::InvalidUtf8 => record.invalid_utf8_count > 0,
            Self::Violation => record.violation_count > 0,
        }
    }
}

fn format(name: &str) -> std::result::Result<Format, String> {
    Format::parse(name).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn table(name: &str) -> std::result::Result<TableName, String> {
    TableName::parse(name).ok_or_else(|| {
        let names: Vec<&str> = TableName::ALL.iter().map(|table| table.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn bucket(text: &str) -> std::result::Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(width) if !width.is_zero() => Ok(width),
        Ok(_) => Err("expected more than nothing".to_owned()),
        Err(error) => Err(format!("expected a duration such as 10s, 1m or 1h: {error}")),
    }
}

fn condition(text: &str) -> std::result::Result<Condition, String> {
    match text {
        "invalid-utf8" => Ok(Condition::InvalidUtf8),
        "violation" => Ok(Condition::Violation),
        _ => text
            .parse()
            .map(|code| Condition::Closed(CloseCode(code)))
            .map_err(|_| "expected a close code, invalid-utf8 or violation".to_owned()),
    }
}
