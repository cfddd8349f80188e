//! Handshakes that failed, and what was wrong with the traffic.

use std::collections::BTreeMap;

use super::{Style, by_frequency, tally, top};
use crate::analyze::Analysis;
use crate::connection::{ConnectionRecord, Handshake, InvalidUtf8, TextLocation};
use crate::flow::Role;
use crate::report::figures::{count, counted, fit, list};
use crate::websocket::LikelyCause;

/// Handshakes that failed, and what was wrong with the traffic.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Refused attempts by HTTP status.
    refused: BTreeMap<u16, u64>,
    texts: Count,
    /// Texts that the other end let pass.
    passed: u64,
    /// Texts that are listed, by what they likely are.
    likely: BTreeMap<&'static str, u64>,
    violations: Count,
    /// Violations that are listed, by rule.
    rules: BTreeMap<&'static str, u64>,
}

/// How many of something there are in how many connections.
#[derive(Debug, Default)]
struct Count {
    total: u64,
    connections: u64,
}

impl Count {
    fn add(&mut self, number: u64) {
        self.total += number;
        self.connections += u64::from(number > 0);
    }

    /// `None` if there are none.
    fn head(&self, what: &str) -> Option<String> {
        let Self { total, connections } = *self;
        (connections > 0).then(|| format!("{what}: {} in {}", count(total), counted(connections, "connection")))
    }
}

impl Findings {
    /// Takes in a connection.
    pub(super) fn add(&mut self, record: &ConnectionRecord) {
        if let Some(status) = record.response.status.filter(|_| record.handshake == Handshake::Refused) {
            *self.refused.entry(status).or_default() += 1;
        }
        self.texts.add(record.invalid_utf8_count);
        for text in &record.invalid_utf8 {
            self.passed += u64::from(let_pass(record, text));
            *self.likely.entry(text.likely_cause.map_or(UNKNOWN, LikelyCause::name)).or_default() += 1;
        }
        self.violations.add(record.violation_count);
        for violation in &record.violations {
            *self.rules.entry(violation.rule.name()).or_default() += 1;
        }
    }

    /// Nothing if nothing was wrong.
    pub(super) fn lines(self, analysis: &Analysis, style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.refused.is_empty() {
            lines.extend(list("Refused, by HTTP status:", &top(&by_frequency(self.refused)), style.width));
        }
        lines.extend(failed_tls(analysis, style));
        if let Some(head) = self.texts.head("Invalid UTF-8") {
            lines.push(match self.passed {
                0 => head,
                passed => format!("{head}, {} of it let pass by the other end", count(passed)),
            });
            if self.likely.keys().any(|name| *name != UNKNOWN) {
                lines.extend(list("  by what it likely is:", &top(&by_frequency(self.likely)), style.width));
            }
        }
        if let Some(head) = self.violations.head("Violations") {
            lines.extend(list(&format!("{head}:"), &top(&by_frequency(self.rules)), style.width));
        }
        lines
    }
}

/// Failed TLS handshakes with servers of which nobody knows whether they serve WebSockets.
fn failed_tls(analysis: &Analysis, style: Style) -> Vec<String> {
    let elsewhere = analysis.tls_failures.iter().filter(|(connection, _)| connection.is_none());
    let causes = tally(elsewhere.map(|(_, failure)| failure.cause.unwrap_or("cause not known")));
    let total = causes.iter().map(|(_, number)| number).sum();
    if total == 0 {
        return Vec::new();
    }
    let head = format!("{} failed, not counted as 1015:", counted(total, "TLS handshake"));
    let mut lines = list(&head, &top(&causes), style.width);
    lines.push(fit("  if they were for WebSockets: --websocket-server NAME[:PORT] counts them", style.width));
    lines
}

/// Whether the peer let a text pass that is not UTF-8: it went on, and closed with another code or not at all.
fn let_pass(record: &ConnectionRecord, text: &InvalidUtf8) -> bool {
    let peer = text.sender.peer();
    let minded = text.peer_close_code.is_some_and(|code| code.0 == 1007)
        || text.peer_close_code.is_none() && record.verdict.tcp_ended_by.is_none_or(|role: Role| role == peer);
    !minded && text.location != TextLocation::CloseReason
}

/// What texts are of which nothing fits.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};

    fn lines(analysis: &Analysis, style: Style) -> Vec<String> {
        let mut findings = Findings::default();
        analysis.connections.for_each(|_, record| findings.add(record));
        findings.lines(analysis, style)
    }

    #[test]
    fn unknown_kinds_of_text_are_not_told() {
        let analysis = sample::of([ConnectionBuilder::new().invalid_text().closed(1007, Role::Server).build()]);
        let found = lines(&analysis, Style::default());
        assert!(found.iter().any(|line| line.starts_with("Invalid UTF-8: 1")), "{found:?}");
        assert!(!found.iter().any(|line| line.contains("likely")), "{found:?}");
    }

    #[test]
    fn nothing_wrong_is_nothing_said() {
        let analysis = sample::of([ConnectionBuilder::new().closed(1000, Role::Server).build()]);
        assert_eq!(lines(&analysis, Style::default()), [""; 0]);
    }
}
