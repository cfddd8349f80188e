//! `wsautopsy analyze`: captures in, summary and tables out.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Args;
use wsautopsy::analyze::{self, Analysis, Filter, Host, WebSocketServer, analyze};
use wsautopsy::capture::Input;
use wsautopsy::close_code::CloseCode;
use wsautopsy::dataframe::{Format, TableName, TableOptions, Tables};
use wsautopsy::error::{Error, Result};
use wsautopsy::flow::Timestamp;
use wsautopsy::report::{directory, summary, terminal};
use wsautopsy::tls::Secrets;

use super::Outcome;
use super::progress::Bar;

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
    /// Only TCP connections with this port at either end; may be given more than once.
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    /// Only connections with this address at either end, or this name in the request's Host field; may be given more
    /// than once.
    #[arg(long, value_name = "ADDRESS|NAME")]
    host: Vec<String>,
    /// Only connections whose path begins so; may be given more than once.
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,
    /// Only packets captured at this time or later, such as 2026-01-31T12:00:00Z; UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only packets captured before this time; UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// TLS secrets (SSLKEYLOGFILE) to decrypt with; may be given more than once. Those in captures are found by themselves.
    #[arg(long, value_name = "FILE")]
    keylog: Vec<PathBuf>,
    /// A server of WebSockets: failed TLS handshakes with it count as 1015. Those that serve WebSockets in the captures are
    /// known by themselves. May be given more than once.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = server)]
    websocket_server: Vec<WebSocketServer>,
    /// Threads to work with; one for each core if not given.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
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
    let (inputs, mut failed) = inputs(options);
    let bar = Bar::new(options.quiet);
    let analysis = analyze(inputs, &options.analysis()?, &mut |progress| bar.show(progress))?;
    bar.finish();
    failed |= warn(&analysis, options.quiet);
    let tables = Tables::new(&analysis, &TableOptions { bucket: options.bucket })?;
    if let Some(directory) = &options.output {
        let run = summary::Run { arguments: std::env::args().skip(1).collect(), elapsed: began.elapsed() };
        directory::write(directory, &tables, &options.format, &summary::summary(&analysis, &run))?;
    }
    show(&analysis, &tables, options)?;
    let analysed = analysis.captures.iter().any(|capture| capture.file.format.is_some());
    Ok(match options.fail_on.iter().any(|condition| condition.holds(&analysis)) {
        _ if failed && !analysed => Outcome::NothingAnalysed,
        true => Outcome::ConditionHolds,
        false => Outcome::Done,
    })
}

impl Options {
    fn analysis(&self) -> Result<analyze::Options> {
        let mut secrets = Secrets::default();
        for path in &self.keylog {
            let log = std::fs::read(path).map_err(|source| Error::Open { path: path.display().to_string(), source })?;
            secrets.add_key_log(&log);
        }
        let filter = Filter {
            ports: self.port.clone(),
            hosts: self.host.iter().map(|host| Host::parse(host)).collect(),
            paths: self.path.clone(),
            since: self.since,
            until: self.until,
        };
        Ok(analyze::Options {
            threads: self.threads,
            filter,
            secrets,
            websocket_servers: self.websocket_server.clone(),
        })
    }
}

/// The inputs that the arguments name, and whether some of them could not be found out.
fn inputs(options: &Options) -> (Vec<Input>, bool) {
    let mut inputs = Vec::new();
    let mut failed = false;
    for path in &options.captures {
        if path.as_os_str() == "-" {
            inputs.push(Input::stdin());
            continue;
        }
        match Input::expand(path) {
            Ok(found) => inputs.extend(found),
            Err(error) => {
                failed = true;
                anstream::eprintln!("error: {error}");
            }
        }
    }
    (inputs, failed)
}

/// Tells what was wrong with captures: whether some could not be analysed at all.
fn warn(analysis: &Analysis, quiet: bool) -> bool {
    let mut failed = false;
    for capture in &analysis.captures {
        let lost = capture.file.format.is_none();
        failed |= lost;
        for problem in &capture.file.problems {
            if lost {
                anstream::eprintln!("error: {problem}");
            } else if !quiet {
                anstream::eprintln!("warning: {problem}");
            }
        }
    }
    failed
}

/// Writes a table or the summary to standard output. A reader that went away is no error.
fn show(analysis: &Analysis, tables: &Tables, options: &Options) -> Result<()> {
    let stdout = io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut out = BufWriter::new(stdout.lock());
    let written = match options.table {
        Some(table) => {
            let format = options.format.first().copied().unwrap_or(Format::Csv);
            tables.write(table, format, &mut out)
        }
        None if options.quiet => Ok(()),
        None => {
            let style = terminal::Style { colour, width: 80, hints: options.output.is_none() };
            terminal::write(analysis, style, &mut out)
        }
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Write { path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

impl Condition {
    fn holds(self, analysis: &Analysis) -> bool {
        analysis.connections.iter().any(|record| match self {
            Self::Closed(code) => record.verdict.close_code == Some(code),
            Self::InvalidUtf8 => record.invalid_utf8_count > 0,
            Self::Violation => record.violation_count > 0,
        })
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

fn server(text: &str) -> std::result::Result<WebSocketServer, String> {
    WebSocketServer::parse(text).ok_or_else(|| "expected a name or address, with or without a port".to_owned())
}

fn bucket(text: &str) -> std::result::Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(width) if !width.is_zero() => Ok(width),
        Ok(_) => Err("expected more than nothing".to_owned()),
        Err(error) => Err(format!("expected a duration such as 10s, 1m or 1h: {error}")),
    }
}

fn moment(text: &str) -> std::result::Result<Timestamp, String> {
    let whole = if text.len() == "2026-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&whole)
        .map_err(|error| format!("expected a time such as 2026-01-31T12:00:00Z: {error}"))?;
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_nanos()).map(Timestamp::from_nanos).map_err(|_| "too far in the future".to_owned())
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
