//! The summary for people: on one screen, what was read and why its WebSockets closed.
//!
//! Each section is a function from the analysis to lines; an empty one is left out. Text from the wire is shown escaped,
//! so that no peer can steer the terminal.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::AnsiColor;

use super::figures::{bar, bytes, count, counted, duration, fit, percent, shown};
use super::summary::Totals;
use crate::analyze::Analysis;
use crate::close_code::{CloseCode, Kind};
use crate::connection::{ConnectionRecord, Handshake};
use crate::dataframe::{CloseCodeRow, EndpointKey, histogram, printable, utc_text};
use crate::flow::Timestamp;

/// How the summary looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether there is colour; without it no escape sequence is written.
    pub colour: bool,
    /// Columns of the terminal; from 60 on everything fits.
    pub width: usize,
    /// Whether to say what can be done next.
    pub hints: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, width: 80, hints: true }
    }
}

/// Writes the summary of `analysis` to `out`.
///
/// # Errors
///
/// What writing to `out` says.
pub fn write(analysis: &Analysis, style: Style, mut out: impl Write) -> io::Result<()> {
    let codes = histogram(analysis);
    let sections = [
        overview(analysis, style),
        close_codes(&codes, style),
        findings(analysis),
        endpoints(analysis, style),
        problems(analysis, style),
        hints(&codes, style),
    ];
    let sections: Vec<_> = sections.iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n")).collect();
    writeln!(out, "{}", sections.join("\n\n"))
}

/// What was read, how many connections it holds, and how much of them is missing.
fn overview(analysis: &Analysis, style: Style) -> Vec<String> {
    let totals = Totals::of(analysis);
    let name = match analysis.captures.as_slice() {
        [capture] => shown(&capture.file.name, style.width.saturating_sub(2)),
        captures => counted(captures.len() as u64, "capture"),
    };
    let mut lines = vec![format!(
        "{}: {}, {}, {}",
        paint(&name, bold(), style),
        counted(totals.packets, "packet"),
        bytes(totals.bytes),
        counted(totals.tcp_streams, "TCP stream")
    )];
    lines.extend(analysis.time_span().map(|(first, last)| span(first, last)));
    lines.push(connections(&analysis.connections));
    lines.extend(missing(analysis, totals));
    lines
}

/// From when to when, and how long that is.
fn span(first: Timestamp, last: Timestamp) -> String {
    let second = |time| utc_text(time).replace('T', " ").chars().take(19).collect::<String>();
    let length = Duration::from_nanos(last.as_nanos().abs_diff(first.as_nanos()));
    format!("{} to {} UTC ({})", second(first), second(last), duration(length))
}

/// How many connections there are, and in which state.
fn connections(records: &[ConnectionRecord]) -> String {
    if records.is_empty() {
        return "No WebSocket connections".to_owned();
    }
    let states = ["closed", "open", "refused", "invalid", "unanswered"];
    let states: Vec<_> = states
        .into_iter()
        .map(|state| (state, records.iter().filter(|record| self::state(record) == state).count()))
        .filter(|&(_, number)| number > 0)
        .map(|(state, number)| format!("{} {state}", count(number as u64)))
        .collect();
    format!("{}: {}", counted(records.len() as u64, "WebSocket connection"), states.join(", "))
}

/// What has become of a connection or attempt.
fn state(record: &ConnectionRecord) -> &'static str {
    match record.handshake {
        _ if record.verdict.close_code.is_some() => "closed",
        Handshake::Complete | Handshake::Missing => "open",
        Handshake::Refused => "refused",
        Handshake::Invalid => "invalid",
        Handshake::Unanswered => "unanswered",
    }
}

/// What the captures do not hold; nothing if they are complete.
fn missing(analysis: &Analysis, totals: Totals) -> Option<String> {
    let sum = |of: fn(&crate::analyze::AnalysedCapture) -> u64| analysis.captures.iter().map(of).sum::<u64>();
    let truncated = sum(|capture| capture.file.truncated_packets);
    let undecoded = sum(|capture| capture.undecoded_packets);
    let dropped = sum(|capture| capture.file.dropped_by_capture.unwrap_or(0));
    let damaged = sum(|capture| capture.file.damaged_bytes);
    let undecodable: u64 = analysis.connections.iter().map(|record| record.undecodable_messages).sum();
    let parts = [
        (totals.missed_bytes, format!("{} of WebSocket connections", bytes(totals.missed_bytes))),
        (dropped, format!("{} dropped while capturing", counted(dropped, "packet"))),
        (truncated, format!("{} cut short", counted(truncated, "packet"))),
        (undecoded, format!("{} not decoded", counted(undecoded, "packet"))),
        (damaged, format!("{} damaged", bytes(damaged))),
        (undecodable, format!("{} not inflated", counted(undecodable, "message"))),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|&(number, _)| number > 0).map(|(_, text)| text).collect();
    (!parts.is_empty()).then(|| format!("Missing: {}", parts.join(", ")))
}

/// The histogram of close codes.
fn close_codes(codes: &[CloseCodeRow], style: Style) -> Vec<String> {
    let used: Vec<_> = codes.iter().filter(|row| row.connections > 0).collect();
    let Some((shown, rest)) =
        used.split_at_checked(CODES).or(Some((&used, &[]))).filter(|(shown, _)| !shown.is_empty())
    else {
        return Vec::new();
    };
    let columns = Columns::of(shown);
    let mut lines = vec![paint(&columns.header(), bold(), style)];
    lines.extend(shown.iter().map(|row| columns.line(row, style)));
    if !rest.is_empty() {
        let connections = rest.iter().map(|row| row.connections).sum();
        lines.push(format!("{} more: {}", counted(rest.len() as u64, "code"), counted(connections, "connection")));
    }
    lines
}

/// How wide the columns of the histogram are.
struct Columns {
    label: usize,
    count: usize,
    client: usize,
    server: usize,
    /// 0 if there is no such column.
    both: usize,
}

impl Columns {
    fn of(rows: &[&CloseCodeRow]) -> Self {
        let widest = |header: &str, text: &dyn Fn(&CloseCodeRow) -> String| {
            rows.iter().map(|row| text(row).chars().count()).fold(header.len(), usize::max)
        };
        let crossed = rows.iter().any(|row| row.closed_by_both > 0);
        Self {
            label: widest("close code", &|row| label(row.code)),
            count: widest("closes", &|row| count(row.connections)),
            client: widest("client", &|row| count(row.closed_by.client)),
            server: widest("server", &|row| count(row.closed_by.server)),
            both: if crossed { widest("both", &|row| count(row.closed_by_both)) } else { 0 },
        }
    }

    fn header(&self) -> String {
        self.cells(["close code", "closes", "share", "client", "server", "both"])
    }

    fn line(&self, row: &CloseCodeRow, style: Style) -> String {
        let share = row.share.unwrap_or(0.0);
        let number = [row.connections, row.closed_by.client, row.closed_by.server, row.closed_by_both].map(count);
        let cells = self.cells([&label(row.code), &number[0], &percent(share), &number[1], &number[2], &number[3]]);
        let width = style.width.saturating_sub(cells.chars().count() + 2).clamp(4, 40);
        let bar = paint(&bar(share, width), Some(colour(row.code)), style);
        format!("{cells}  {bar}")
    }

    /// A line of cells: the label, then numbers; the last only where there is such a column.
    fn cells(&self, [code, closes, share, client, server, both]: [&str; 6]) -> String {
        let Self { label, count, client: client_width, server: server_width, both: both_width } = *self;
        let mut line =
            format!("{code:<label$}  {closes:>count$}  {share:>6}  {client:>client_width$}  {server:>server_width$}");
        if both_width > 0 {
            line.push_str(&format!("  {both:>both_width$}"));
        }
        line
    }
}

/// A code and its name, or what it is where it has none.
fn label(code: CloseCode) -> String {
    match code.name() {
        Some(name) => format!("{code} {name}"),
        None => format!("{code} ({})", code.kind().name()),
    }
}

/// Whether the peers parted as they should, for reasons of their own, or in trouble.
fn colour(code: CloseCode) -> anstyle::Style {
    let colour = match code.kind() {
        _ if is_usual(code) => AnsiColor::Green,
        Kind::Registered | Kind::Private => AnsiColor::Cyan,
        Kind::Standard if matches!(code.0, 1012 | 1013) => AnsiColor::Yellow,
        Kind::Standard | Kind::Reserved | Kind::Unassigned | Kind::Invalid => AnsiColor::Red,
    };
    anstyle::Style::new().fg_color(Some(colour.into()))
}

/// Whether `code` is one of those that connections usually end with: 1000, 1001 and 1005.
const fn is_usual(code: CloseCode) -> bool {
    matches!(code.0, 1000 | 1001 | 1005)
}

/// Handshakes that failed, and what was wrong with the traffic.
fn findings(analysis: &Analysis) -> Vec<String> {
    let records = &analysis.connections;
    let mut lines = Vec::new();
    let statuses = tally(
        records
            .iter()
            .filter(|record| record.handshake == Handshake::Refused)
            .map(|record| (record.response.status, 1)),
    );
    if !statuses.is_empty() {
        let status = |status: Option<u16>| status.map_or("no status".to_owned(), |status| status.to_string());
        lines.push(format!("Refused handshakes by HTTP status: {}", top(&statuses, status)));
    }
    let totals = Totals::of(analysis);
    if totals.invalid_utf8 > 0 {
        let senders = records.iter().filter(|record| record.invalid_utf8_count > 0).count() as u64;
        lines.push(format!(
            "Invalid UTF-8: {} in {}",
            counted(totals.invalid_utf8, "text"),
            counted(senders, "connection")
        ));
    }
    if totals.violations > 0 {
        let rules = tally(records.iter().flat_map(|record| &record.violations).map(|found| (found.rule.name(), 1)));
        lines.push(format!("Violations: {}", top(&rules, str::to_owned)));
    }
    lines
}

/// What occurs how often, the most frequent first, equally frequent ones in their own order.
fn tally<K: Ord>(occurrences: impl Iterator<Item = (K, u64)>) -> Vec<(K, u64)> {
    let mut counts = BTreeMap::new();
    for (key, number) in occurrences {
        *counts.entry(key).or_insert(0) += number;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, number)| Reverse(number));
    counts
}

/// The most frequent of `counts` with their numbers, and how many others there are.
fn top<K: Copy>(counts: &[(K, u64)], name: impl Fn(K) -> String) -> String {
    let mut parts: Vec<_> =
        counts.iter().take(TOP).map(|&(key, number)| format!("{} × {}", name(key), count(number))).collect();
    let others: u64 = counts.iter().skip(TOP).map(|&(_, number)| number).sum();
    if others > 0 {
        parts.push(format!("others × {}", count(others)));
    }
    parts.join(", ")
}

/// The endpoints with the most unusual closes; nothing if there is only one endpoint.
fn endpoints(analysis: &Analysis, style: Style) -> Vec<String> {
    let mut seen = BTreeMap::<EndpointKey<'_>, (u64, u64)>::new();
    for record in &analysis.connections {
        if let Some(code) = record.verdict.close_code {
            let (unusual, closes) = seen.entry(EndpointKey::of(record)).or_default();
            *unusual += u64::from(!is_usual(code));
            *closes += 1;
        }
    }
    if seen.len() < 2 {
        return Vec::new();
    }
    let mut seen: Vec<_> = seen.into_iter().filter(|(_, (unusual, _))| *unusual > 0).collect();
    seen.sort_by_key(|&(_, (unusual, _))| Reverse(unusual));
    let lines = seen.into_iter().take(TOP).map(|(endpoint, (unusual, closes))| {
        let figures = format!("{} of {}", count(unusual), count(closes));
        let name = shown(&name(&endpoint), style.width.saturating_sub(figures.len() + 4));
        format!("  {figures}  {name}")
    });
    let mut lines: Vec<_> = lines.collect();
    if !lines.is_empty() {
        lines.insert(0, paint("Closes other than 1000, 1001 and 1005, by endpoint", bold(), style));
    }
    lines
}

fn name(endpoint: &EndpointKey<'_>) -> String {
    format!("{}{} at {}", endpoint.host.unwrap_or("(no host)"), endpoint.path.unwrap_or_default(), endpoint.server)
}

/// What was wrong with the captures.
fn problems(analysis: &Analysis, style: Style) -> Vec<String> {
    let problems: Vec<_> = analysis.captures.iter().flat_map(|capture| &capture.file.problems).collect();
    let mut lines: Vec<_> =
        problems.iter().take(TOP).map(|problem| printable(&problem.to_string()).into_owned()).collect();
    if problems.len() > TOP {
        lines.push(format!("{} more", counted((problems.len() - TOP) as u64, "problem")));
    }
    if !lines.is_empty() {
        lines.insert(0, paint("Problems", bold(), style));
    }
    lines
}

/// What can be done next.
fn hints(codes: &[CloseCodeRow], style: Style) -> Vec<String> {
    if !style.hints || codes.is_empty() {
        return Vec::new();
    }
    let hint = "Every connection and frame as a table: -o DIR, or --table connections".to_owned();
    vec![fit(&hint, style.width)]
}

/// Codes that the histogram shows.
const CODES: usize = 15;

/// Entries of every other list.
const TOP: usize = 5;

fn bold() -> Option<anstyle::Style> {
    Some(anstyle::Style::new().bold())
}

/// `text` in `look`, where there is colour.
fn paint(text: &str, look: Option<anstyle::Style>, style: Style) -> String {
    match look {
        Some(look) if style.colour => format!("{look}{text}{look:#}"),
        _ => text.to_owned(),
    }
}
