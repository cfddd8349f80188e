//! Handshakes that failed, and what was wrong with the traffic.

use super::{Style, tally, top};
use crate::analyze::Analysis;
use crate::connection::{ConnectionRecord, Handshake, InvalidUtf8, TextLocation};
use crate::flow::Role;
use crate::report::figures::{count, counted, list};

/// Handshakes that failed, and what was wrong with the traffic.
pub(super) fn lines(analysis: &Analysis, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let refused = analysis.connections.iter().filter(|record| record.handshake == Handshake::Refused);
    let statuses = tally(refused.filter_map(|record| record.response.status));
    if !statuses.is_empty() {
        lines.extend(list("Refused, by HTTP status:", &top(&statuses), style.width));
    }
    if let Some(head) = found(analysis, "Invalid UTF-8", |record| record.invalid_utf8_count) {
        lines.push(match let_pass(analysis) {
            0 => head,
            passed => format!("{head}, {} of it let pass by the other end", count(passed)),
        });
    }
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
