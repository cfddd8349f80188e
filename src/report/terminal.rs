//! The summary for people: on one screen, what was read and why its WebSockets closed.
//!
//! Each section is a function from the analysis to lines; an empty one is left out. Text from the wire is shown escaped,
//! so that no peer can steer the terminal.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::AnsiColor;

use super::figures::{bar, bytes, count, counted, duration, fit, list, percent, shown};
use super::summary::Totals;
use super::trust;
use crate::analyze::{AnalysedCapture, Analysis};
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

impl Style {
    fn bold(self, text: &str) -> String {
        self.painted(text, anstyle::Style::new().bold())
    }

    fn coloured(self, text: &str, colour: AnsiColor) -> String {
        self.painted(text, colour.on_default())
    }

    fn painted(self, text: &str, look: anstyle::Style) -> String {
        if self.colour { format!("{look}{text}{look:#}") } else { text.to_owned() }
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
        trust::warnings(analysis, style.width),
        close_codes(&codes, style),
        findings(analysis, style),
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
    let size = format!(
        "{}, {}, {}",
        counted(totals.packets, "packet"),
        bytes(totals.bytes),
        counted(totals.tcp_streams, "TCP stream")
    );
    let name = match analysis.captures.as_slice() {
        [capture] => shown(&capture.file.name, style.width.saturating_sub(size.len() + 2)),
        captures => counted(captures.len() as u64, "capture"),
    };
    let mut lines = vec![format!("{}: {size}", style.bold(&name))];
    lines.extend(analysis.time_span().map(|(first, last)| span(first, last)));
    lines.extend(connections(&analysis.connections, style));
    lines.extend(missing(analysis, totals, style));
    lines
}

/// From when to when, and how long that is.
fn span(first: Timestamp, last: Timestamp) -> String {
    let second = |time| utc_text(time).replace('T', " ").chars().take(19).collect::<String>();
    let length = Duration::from_nanos(last.as_nanos().abs_diff(first.as_nanos()));
    format!("{} to {} UTC ({})", second(first), second(last), duration(length))
}

/// How many connections there are, in which state, and how many the captures hold whole.
fn connections(records: &[ConnectionRecord], style: Style) -> Vec<String> {
    if records.is_empty() {
        return vec!["No WebSocket connections".to_owned()];
    }
    let number = |state: &str| records.iter().filter(|record| self::state(record) == state).count() as u64;
    let states: Vec<_> = ["closed", "open", "refused", "invalid", "unanswered"]
        .into_iter()
        .map(|state| (state, number(state)))
        .filter(|&(_, number)| number > 0)
        .map(|(state, number)| format!("{} {state}", count(number)))
        .collect();
    let total = records.len() as u64;
    let mut lines = list(&format!("{}:", counted(total, "WebSocket connection")), &states, style.width);
    let complete = records.iter().filter(|record| record.complete).count() as u64;
    lines.push(format!("Captured whole, from handshake to end: {} of {}", count(complete), count(total)));
    lines
}

/// What has become of a connection or attempt.
fn state(record: &ConnectionRecord) -> &'static str {
    if record.verdict.close_code.is_some() {
        return "closed";
    }
    match record.handshake {
        Handshake::Complete | Handshake::Missing => "open",
        Handshake::Refused => "refused",
        Handshake::Invalid => "invalid",
        Handshake::Unanswered => "unanswered",
    }
}

/// What the captures do not hold, or hold in vain; nothing if that is nothing.
fn missing(analysis: &Analysis, totals: Totals, style: Style) -> Vec<String> {
    let sum = |of: fn(&AnalysedCapture) -> u64| analysis.captures.iter().map(of).sum::<u64>();
    let dropped = sum(|capture| capture.file.dropped_by_capture.unwrap_or(0));
    let truncated = sum(|capture| capture.file.truncated_packets);
    let undecoded = sum(|capture| capture.undecoded_packets);
    let damaged = sum(|capture| capture.file.damaged_bytes);
    let undecodable = analysis.connections.iter().map(|record| record.undecodable_messages).sum();
    let parts = [
        (totals.missed_bytes, format!("{} of WebSocket traffic missing", bytes(totals.missed_bytes))),
        (dropped, format!("{} dropped while capturing", counted(dropped, "packet"))),
        (truncated, format!("{} cut short", counted(truncated, "packet"))),
        (undecoded, format!("{} not decoded", counted(undecoded, "packet"))),
        (damaged, format!("{} damaged", bytes(damaged))),
        (undecodable, format!("{} not inflated", counted(undecodable, "message"))),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|&(number, _)| number > 0).map(|(_, text)| text).collect();
    if parts.is_empty() { Vec::new() } else { list("Incomplete:", &parts, style.width) }
}

/// The histogram of close codes.
fn close_codes(codes: &[CloseCodeRow], style: Style) -> Vec<String> {
    let used: Vec<_> = codes.iter().filter(|row| row.connections > 0).collect();
    if used.is_empty() {
        return Vec::new();
    }
    let columns = Columns::of(&used);
    let mut lines = vec![style.bold(&columns.header())];
    lines.extend(used.iter().take(CODES).map(|row| columns.line(row, style)));
    if let Some(rest @ [_, ..]) = used.get(CODES..) {
        let connections = rest.iter().map(|row| row.connections).sum();
        lines.push(format!("and {} with {}", counted(rest.len() as u64, "other code"), counted(connections, "close")));
    }
    lines
}

/// How wide the columns of the histogram are.
struct Columns {
    /// Connections of the longest bar.
    most: u64,
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
            most: rows.iter().map(|row| row.connections).fold(1, u64::max),
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
        let share = percent(row.share.unwrap_or(0.0));
        let [closes, client, server, both] =
            [row.connections, row.closed_by.client, row.closed_by.server, row.closed_by_both].map(count);
        let cells = self.cells([&label(row.code), &closes, &share, &client, &server, &both]);
        let width = style.width.saturating_sub(cells.chars().count() + 2).clamp(4, BAR);
        let bar = bar(row.connections as f64 / self.most as f64, width);
        format!("{cells}  {}", style.coloured(&bar, colour(row.code)))
    }

    /// A line of cells: the label, then numbers; the last only where there is such a column.
    fn cells(&self, [code, closes, share, client, server, both]: [&str; 6]) -> String {
        let Self { label, count, client: client_width, server: server_width, both: both_width, .. } = *self;
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

/// Green where the peers parted as they should, cyan where only they know what it means, yellow where the server asks to
/// come back, red for trouble.
fn colour(code: CloseCode) -> AnsiColor {
    if is_usual(code) {
        return AnsiColor::Green;
    }
    match code.kind() {
        Kind::Registered | Kind::Private => AnsiColor::Cyan,
        Kind::Standard if matches!(code.0, 1012 | 1013) => AnsiColor::Yellow,
        Kind::Standard | Kind::Reserved | Kind::Unassigned | Kind::Invalid => AnsiColor::Red,
    }
}

/// Whether `code` is one of those that connections usually end with: 1000, 1001 and 1005.
const fn is_usual(code: CloseCode) -> bool {
    matches!(code.0, 1000 | 1001 | 1005)
}

/// Handshakes that failed, and what was wrong with the traffic.
fn findings(analysis: &Analysis, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let refused = analysis.connections.iter().filter(|record| record.handshake == Handshake::Refused);
    let statuses = tally(refused.filter_map(|record| record.response.status));
    if !statuses.is_empty() {
        lines.extend(list("Refused, by HTTP status:", &top(&statuses), style.width));
    }
    lines.extend(found(analysis, "Invalid UTF-8", |record| record.invalid_utf8_count));
    if let Some(head) = found(analysis, "Violations", |record| record.violation_count) {
        let rules = analysis.connections.iter().flat_map(|record| &record.violations).map(|found| found.rule.name());
        lines.extend(list(&format!("{head}:"), &top(&tally(rules)), style.width));
    }
    lines
}

/// How many of something there are in how many connections; `None` if there are none.
fn found(analysis: &Analysis, what: &str, of: fn(&ConnectionRecord) -> u64) -> Option<String> {
    let counts = analysis.connections.iter().map(of).filter(|&number| number > 0);
    let (total, connections) = counts.fold((0, 0), |(total, connections), number| (total + number, connections + 1));
    (connections > 0).then(|| format!("{what}: {} in {}", count(total), counted(connections, "connection")))
}

/// What occurs how often, the most frequent first, equally frequent ones in their own order.
fn tally<K: Ord>(occurrences: impl Iterator<Item = K>) -> Vec<(K, u64)> {
    let mut counts = BTreeMap::new();
    for key in occurrences {
        *counts.entry(key).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, number)| Reverse(number));
    counts
}

/// The most frequent of `counts` with their numbers, and how many others there are.
fn top<K: Display>(counts: &[(K, u64)]) -> Vec<String> {
    let (first, rest) = counts.split_at(counts.len().min(TOP));
    let mut parts: Vec<_> = first.iter().map(|(key, number)| format!("{key} × {}", count(*number))).collect();
    if !rest.is_empty() {
        parts.push(format!("others × {}", count(rest.iter().map(|(_, number)| number).sum())));
    }
    parts
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
        lines.insert(0, style.bold("Closes other than 1000, 1001 and 1005, by endpoint"));
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
        lines.insert(0, style.bold("Problems"));
    }
    lines
}

/// What can be done next.
fn hints(codes: &[CloseCodeRow], style: Style) -> Vec<String> {
    if !style.hints || codes.is_empty() {
        return Vec::new();
    }
    vec![fit("Every connection and Close frame as a table: -o DIR, or --table connections", style.width)]
}

/// Columns of the longest bar, at most.
const BAR: usize = 40;

/// Codes that the histogram shows.
const CODES: usize = 15;

/// Entries of every other list.
const TOP: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Problem;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::error::Error;
    use crate::flow::Role;

    fn text(analysis: &Analysis, style: Style) -> String {
        let mut bytes = Vec::new();
        write(analysis, style, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn summary_of_a_small_analysis() {
        let expected = "\
trace.pcap: 900 packets, 12.1 KiB, 9 TCP streams
2026-01-31 12:00:00 to 2026-01-31 12:00:03 UTC (3.000 s)
9 WebSocket connections: 6 closed, 1 open, 1 refused, 1 unanswered
Captured whole, from handshake to end: 9 of 9

close code                       closes   share  client  server
1000 Normal Closure                   2   33.3%       1       1  ███████████████
1005 No Status Received               1   16.7%       1       0  ███████▌
1006 Abnormal Closure                 1   16.7%       0       1  ███████▌
1007 Invalid Frame Payload Data       1   16.7%       0       1  ███████▌
4001 (private)                        1   16.7%       0       1  ███████▌

Refused, by HTTP status: 403 × 1
Invalid UTF-8: 1 in 1 connection
Violations: 2 in 2 connections: masked-server-frame × 1, reserved-bits × 1

Closes other than 1000, 1001 and 1005, by endpoint
  2 of 4  chat.example/ws at 10.0.0.2:80
  1 of 1  chat.example/feed at 10.0.0.2:80

Every connection and Close frame as a table: -o DIR, or --table connections
";
        let found = text(&sample::analysis(), Style::default());
        assert!(found == expected, "{found}");
    }

    #[test]
    fn nothing_found_is_said() {
        let found = text(&sample::of([]), Style::default());
        assert!(found.ends_with("No WebSocket connections\n"), "{found}");
        assert_eq!(text(&Analysis::default(), Style::default()).lines().count(), 2);
    }

    /// An analysis with everything that a peer or a file name can say, full of escape sequences.
    fn hostile() -> Analysis {
        let trouble = "\u{1b}]0;owned\u{7}\u{202e}\u{9b}31m";
        let closed = |host: &str, path: &str| {
            ConnectionBuilder::new().host(host).path(path).closed_with(1011, Role::Server, trouble.as_bytes()).build()
        };
        let mut analysis = sample::of([closed(trouble, "/"), closed("chat.example", trouble)]);
        analysis.captures[0].file.name = trouble.to_owned();
        let problem = Problem::Error(Error::Empty { path: trouble.to_owned() });
        analysis.captures[0].file.problems.push(problem);
        analysis
    }

    #[test]
    fn text_from_the_wire_does_not_reach_the_terminal_as_it_is() {
        let found = text(&hostile(), Style::default());
        assert!(!found.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{found}");
        assert!(found.contains("\\u{1b}]0;owned"), "{found}");
    }

    #[test]
    fn colour_only_adds_escape_sequences() {
        for analysis in [sample::analysis(), hostile()] {
            let plain = text(&analysis, Style::default());
            let coloured = text(&analysis, Style { colour: true, ..Style::default() });
            assert_ne!(coloured, plain);
            assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
        }
    }

    #[test]
    fn lines_fit_and_do_not_end_in_spaces() {
        let codes =
            [1000, 1001, 1002, 1007, 1011, 3000, 3999, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4008, 4009];
        let closed = |code| {
            let host = format!("a-rather-long-name-of-a-host-{code}.internal.example");
            ConnectionBuilder::new().host(&host).path("/a/path/that/goes/on").closed(code, Role::Client).build()
        };
        let analysis = sample::of(codes.map(closed));
        let found = text(&analysis, Style::default());
        assert!(found.contains("and 2 other codes with 2 closes"), "{found}");
        for line in found.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(found.lines().count() <= 35, "{found}");
    }
}
