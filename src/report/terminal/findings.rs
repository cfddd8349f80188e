//! Handshakes that failed, and what was wrong with the traffic.

use super::{Style, tally, top};
use crate::analyze::Analysis;
use crate::connection::{ConnectionRecord, Handshake, InvalidUtf8, TextLocation};
use crate::flow::Role;
use crate::report::figures::{count, counted, fit, list};
use crate::websocket::LikelyCause;

/// Handshakes that failed, and what was wrong with the traffic.
pub(super) fn lines(analysis: &Analysis, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let refused = analysis.connections.iter().filter(|record| record.handshake == Handshake::Refused);
    let statuses = tally(refused.filter_map(|record| record.response.status));
    if !statuses.is_empty() {
        lines.extend(list("Refused, by HTTP status:", &top(&statuses), style.width));
    }
    lines.extend(failed_tls(analysis, style));
    if let Some(head) = found(analysis, "Invalid UTF-8", |record| record.invalid_utf8_count) {
        lines.push(match let_pass(analysis) {
            0 => head,
            passed => format!("{head}, {} of it let pass by the other end", count(passed)),
        });
        lines.extend(likely(analysis, style));
    }
    if let Some(head) = found(analysis, "Violations", |record| record.violation_count) {
        let rules = analysis.connections.iter().flat_map(|record| &record.violations).map(|found| found.rule.name());
        lines.extend(list(&format!("{head}:"), &top(&tally(rules)), style.width));
    }
    lines
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

/// What the texts that are not UTF-8 likely are.
fn likely(analysis: &Analysis, style: Style) -> Vec<String> {
    let texts = analysis.connections.iter().flat_map(|record| &record.invalid_utf8);
    let causes = tally(texts.map(|text| text.likely_cause.map_or(UNKNOWN, LikelyCause::name)));
    if causes.iter().all(|(name, _)| *name == UNKNOWN) {
        return Vec::new();
    }
    list("  by what it likely is:", &top(&causes), style.width)
}

/// How many of something there are in how many connections; `None` if there are none.
fn found(analysis: &Analysis, what: &str, of: fn(&ConnectionRecord) -> u64) -> Option<String> {
    let counts = analysis.connections.iter().map(of).filter(|&number| number > 0);
    let (total, connections) = counts.fold((0, 0), |(total, connections), number| (total + number, connections + 1));
    (connections > 0).then(|| format!("{what}: {} in {}", count(total), counted(connections, "connection")))
}

/// Texts that are not UTF-8 and that the peer let pass: it went on, and closed with another code or not at all.
fn let_pass(analysis: &Analysis) -> u64 {
    let passed = |record: &ConnectionRecord, text: &InvalidUtf8| {
        let peer = text.sender.peer();
        let minded = text.peer_close_code.is_some_and(|code| code.0 == 1007)
            || text.peer_close_code.is_none() && record.verdict.tcp_ended_by.is_none_or(|role: Role| role == peer);
        !minded && text.location != TextLocation::CloseReason
    };
    let records = analysis.connections.iter();
    records.map(|record| record.invalid_utf8.iter().filter(|text| passed(record, text)).count() as u64).sum()
}

/// What texts are of which nothing fits.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};

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
