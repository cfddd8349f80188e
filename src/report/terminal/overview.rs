//! What was read, how many connections it holds, and how much of them is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Style;
use crate::analyze::{AnalysedCapture, Analysis};
use crate::connection::{ConnectionRecord, Handshake};
use crate::dataframe::utc_text;
use crate::flow::Timestamp;
use crate::report::figures::{bytes, count, counted, duration, ending, fit, list};
use crate::report::summary::Totals;

/// How many connections there are, in which state, and how many the captures hold whole.
#[derive(Debug, Default)]
pub(super) struct Overview {
    states: BTreeMap<&'static str, u64>,
    complete: u64,
    undecodable: u64,
}

impl Overview {
    /// Takes in a connection.
    pub(super) fn add(&mut self, record: &ConnectionRecord) {
        *self.states.entry(state(record)).or_default() += 1;
        self.complete += u64::from(record.complete);
        self.undecodable += record.undecodable_messages;
    }

    /// What was read, how many connections it holds, and how much of them is missing.
    pub(super) fn lines(&self, analysis: &Analysis, totals: Totals, style: Style) -> Vec<String> {
        let size = format!(
            "{}, {}, {}",
            counted(totals.packets, "packet"),
            bytes(totals.bytes),
            counted(totals.tcp_streams, "TCP stream")
        );
        let name = match analysis.captures.as_slice() {
            [capture] => ending(&capture.file.name, style.width.saturating_sub(size.len() + 2)),
            captures => counted(captures.len() as u64, "capture"),
        };
        let mut lines = vec![format!("{}: {size}", style.bold(&name))];
        lines.extend(analysis.time_span().map(|(first, last)| span(first, last)));
        lines.extend(self.connections(totals.connections, style));
        lines.extend(locked(analysis, style));
        lines.extend(missing(analysis, totals, self.undecodable, style));
        lines
    }

    fn connections(&self, total: u64, style: Style) -> Vec<String> {
        if total == 0 {
            return vec!["No WebSocket connections".to_owned()];
        }
        let states: Vec<_> = ["closed", "open", "refused", "invalid", "unanswered"]
            .into_iter()
            .filter_map(|state| Some(format!("{} {state}", count(*self.states.get(state)?))))
            .collect();
        let mut lines = list(&format!("{}:", counted(total, "WebSocket connection")), &states, style.width);
        lines.push(match self.complete {
            whole if whole == total => "All captured whole, from handshake to end".to_owned(),
            complete => format!("Captured whole, from handshake to end: {} of {}", count(complete), count(total)),
        });
        lines
    }
}

/// From when to when, and how long that is.
fn span(first: Timestamp, last: Timestamp) -> String {
    let second = |time| utc_text(time).replace('T', " ").chars().take(SECONDS).collect::<String>();
    let (from, mut to) = (second(first), second(last));
    if from.get(..DATE) == to.get(..DATE) {
        to.drain(..DATE);
    }
    let length = Duration::from_nanos(last.as_nanos().abs_diff(first.as_nanos()));
    format!("{from} to {to} UTC ({})", duration(length))
}

/// TLS connections that nobody can look into.
fn locked(analysis: &Analysis, style: Style) -> Option<String> {
    let locked = counted(analysis.locked_tls, "TLS connection");
    let line = format!("{locked} not decrypted: WebSockets in them need --keylog FILE");
    (analysis.locked_tls > 0).then(|| fit(&line, style.width))
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
fn missing(analysis: &Analysis, totals: Totals, undecodable: u64, style: Style) -> Vec<String> {
    let sum = |of: fn(&AnalysedCapture) -> u64| analysis.captures.iter().map(of).sum::<u64>();
    let dropped = sum(|capture| capture.file.dropped_by_capture.unwrap_or(0));
    let truncated = sum(|capture| capture.file.truncated_packets);
    let undecoded = sum(|capture| capture.undecoded_packets);
    let damaged = sum(|capture| capture.file.damaged_bytes);
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

/// Characters of a date and time as `2026-01-31 12:00:00`.
const SECONDS: usize = 19;

/// Characters of them that are the date, with the space.
const DATE: usize = 11;
