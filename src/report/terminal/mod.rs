//! The summary for people: on one screen, what was read and why its WebSockets closed.
//!
//! Each section is a file: a function from the analysis to lines; an empty one is left out. Text from the wire is shown
//! escaped, so that no peer can steer the terminal.
//!
//! ```text
//!   overview    what was read, and how complete it is
//!   histogram   the close codes, and who closed
//!   causes      why, with an example each
//!   meanings    what the codes mean, and what to check first
//!   moments, reconnects, findings, lifetimes, endpoints: what else stands out
//!   problems, and what to do next
//! ```

mod causes;
mod endpoints;
mod findings;
mod histogram;
mod lifetimes;
mod meanings;
mod moments;
mod overview;
mod reconnects;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};

use anstyle::AnsiColor;

use super::figures::{count, counted, fit};
use super::summary::Totals;
use super::trust::{self, Losses};
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::ConnectionRecord;
use crate::dataframe::{CloseCodeRow, EndpointCodes, Histogram, printable, utc_text};
use crate::flow::Timestamp;

use causes::Causes;
use findings::Findings;
use lifetimes::Lives;
use moments::Closes;
use overview::Overview;
use reconnects::Returns;

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
    let seen = Seen::of(analysis);
    let codes = seen.codes.rows();
    let sections = [
        seen.overview.lines(analysis, seen.totals, style),
        trust::warnings(analysis, &seen.losses, style.width),
        histogram::lines(&codes, style),
        seen.causes.lines(style),
        meanings::lines(&codes, style),
        seen.moments.lines(style),
        seen.returns.lines(analysis, style),
        [seen.findings.lines(analysis, style), seen.lives.lines(style)].concat(),
        endpoints::lines(seen.endpoints, style),
        problems(analysis, style),
        hints(&codes, style),
    ];
    let sections: Vec<_> = sections.iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n")).collect();
    writeln!(out, "{}", sections.join("\n\n"))
}

/// What the sections need of the connections, which are gone through once.
#[derive(Default)]
struct Seen {
    totals: Totals,
    overview: Overview,
    losses: Losses,
    codes: Histogram,
    causes: Causes,
    moments: Closes,
    returns: Returns,
    findings: Findings,
    lives: Lives,
    endpoints: EndpointCodes,
}

impl Seen {
    fn of(analysis: &Analysis) -> Self {
        let mut seen = Self { totals: Totals::of_captures(analysis), ..Self::default() };
        analysis.connections.for_each(|number, record| seen.add(analysis, number, record));
        seen
    }

    fn add(&mut self, analysis: &Analysis, number: u64, record: &ConnectionRecord) {
        self.totals.add(record);
        self.overview.add(record);
        self.losses.add(record);
        self.codes.add(record);
        self.causes.add(analysis, record);
        self.moments.add(analysis, record);
        self.returns.add(number, record);
        self.findings.add(record);
        self.lives.add(number, record);
        self.endpoints.add(record);
    }
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
    let first = codes.iter().find(|row| row.connections > 0 && !is_ordinary(row.code)).or(codes.first());
    let explain = first.map(|row| format!("what to do about a code: wsautopsy explain {}", row.code));
    let tables = "each connection, frame and violation: -o DIR, or --table connections".to_owned();
    let packets = "the packets of one as pcapng: wsautopsy carve CAPTURE --connection N -o FILE".to_owned();
    let lines = explain.into_iter().chain([tables, packets]).map(|line| fit(&format!("  {line}"), style.width));
    std::iter::once(style.bold("Next")).chain(lines).collect()
}

/// Whether `code` is one of those that connections usually end with: 1000, 1001 and 1005.
const fn is_usual(code: CloseCode) -> bool {
    matches!(code.0, 1000 | 1001 | 1005)
}

/// Whether a connection that closed so did what it was there for: 1000 and 1005.
const fn is_ordinary(code: CloseCode) -> bool {
    matches!(code.0, 1000 | 1005)
}

/// The time of day, to the second.
fn clock(time: Timestamp) -> String {
    utc_text(time).chars().skip("2026-01-31T".len()).take("12:00:00".len()).collect()
}

/// What occurs how often, the most frequent first, equally frequent ones in their own order.
fn tally<K: Ord>(occurrences: impl Iterator<Item = K>) -> Vec<(K, u64)> {
    let mut counts = BTreeMap::new();
    for key in occurrences {
        *counts.entry(key).or_insert(0) += 1;
    }
    by_frequency(counts)
}

/// The most frequent first, equally frequent ones in their own order.
fn by_frequency<K>(counts: BTreeMap<K, u64>) -> Vec<(K, u64)> {
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

/// Entries of a list.
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
2026-01-31 12:00:00 to 12:00:03 UTC (3.000 s)
9 WebSocket connections: 6 closed, 1 open, 1 refused, 1 unanswered
All captured whole, from handshake to end

close code                       closes   share  client  server
1000 Normal Closure                   2   33.3%       1       1  ███████████████
1005 No Status Received               1   16.7%       1       0  ███████▌
1006 Abnormal Closure                 1   16.7%       0       1  ███████▌
1007 Invalid Frame Payload Data       1   16.7%       0       1  ███████▌
4001 (private)                        1   16.7%       0       1  ███████▌

why they closed  closes  for example
invalid-utf8          1  tcp.stream eq 1, frame 105: client's message 2, byte 3
normal                1  tcp.stream eq 0, frame 10
reset-by-server       1  tcp.stream eq 2, frame 220
(unknown)             3  1000, 1005, 4001

What that means, and what to check first
1006  TCP ended without a Close frame: cut, reset or timed out.
  → tcp_ended_by and tcp_end: who ended TCP, by FIN or RST, after what silence
1007  The closer received data that its type forbids: bad UTF-8.
  → invalid_utf8: which message, at which byte, and what the bytes really are
4001  The application's own code: its documentation knows it.
  → close_reason, then the documentation or source of that application

Refused, by HTTP status: 403 × 1
Invalid UTF-8: 1 in 1 connection
Violations: 2 in 2 connections: masked-server-frame × 1, reserved-bits × 1

Where closes were unusual: not 1000, 1001 or 1005
  2 of 4  chat.example/ws at 10.0.0.2:80: 1007 and 4001
  1 of 1  chat.example/feed at 10.0.0.2:80: 1006

Next
  what to do about a code: wsautopsy explain 1006
  each connection, frame and violation: -o DIR, or --table connections
  the packets of one as pcapng: wsautopsy carve CAPTURE --connection N -o FILE
";
        let found = text(&sample::analysis(), Style::default());
        assert!(found == expected, "{found}");
    }

    #[test]
    fn packed_connections_are_summed_up_without_unpacking_all() {
        let packed = sample::packed(sample::analysis());
        assert_eq!(text(&packed, Style::default()), text(&sample::analysis(), Style::default()));
        assert!(!packed.connections.are_unpacked());
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
        assert!(found.contains("and 9 other codes with 9 closes"), "{found}");
        for line in found.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(found.lines().count() <= 40, "{found}");
    }
}
