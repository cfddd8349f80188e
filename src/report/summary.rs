//! `summary.json`: what was run on what, what it found in total, and how fast it was.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::analyze::{AnalysedCapture, Analysis};
use crate::connection::ConnectionRecord;

/// What the program knows of its own run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The command line without the program's name.
    pub arguments: Vec<String>,
    /// From the first byte read to the last record.
    pub elapsed: Duration,
}

/// What an analysis found in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets in all captures.
    pub packets: u64,
    /// Bytes read of all captures.
    pub bytes: u64,
    /// TCP connections, as Wireshark counts them in each capture.
    pub tcp_streams: u64,
    /// WebSocket connections and attempts.
    pub connections: u64,
    /// Close frames.
    pub close_frames: u64,
    /// Text messages and Close reasons that are not UTF-8, listed or not.
    pub invalid_utf8: u64,
    /// Breaches of the protocol, listed or not.
    pub violations: u64,
    /// TLS handshakes that failed, with servers of WebSockets or others.
    pub tls_failures: u64,
    /// TLS connections that could not be decrypted.
    pub locked_tls: u64,
    /// Bytes of TCP payload of WebSocket connections that the captures do not hold.
    pub missed_bytes: u64,
}

impl Totals {
    /// The totals of `analysis`.
    #[must_use]
    pub fn of(analysis: &Analysis) -> Self {
        let mut totals = Self::of_captures(analysis);
        analysis.connections.for_each(|_, record| totals.add(record));
        totals
    }

    /// Those that need no look at the connections.
    pub(super) fn of_captures(analysis: &Analysis) -> Self {
        let mut totals = Self {
            connections: analysis.connections.len() as u64,
            tls_failures: analysis.tls_failures.len() as u64,
            locked_tls: analysis.locked_tls,
            ..Self::default()
        };
        for capture in &analysis.captures {
            totals.packets += capture.file.packets;
            totals.bytes += capture.file.bytes;
            totals.tcp_streams += capture.conversations.len() as u64;
            totals.missed_bytes += capture.missed_bytes;
        }
        totals
    }

    /// Adds what `record` has.
    pub(super) const fn add(&mut self, record: &ConnectionRecord) {
        self.close_frames += record.close_frames.len() as u64;
        self.invalid_utf8 += record.invalid_utf8_count;
        self.violations += record.violation_count;
    }
}

/// The content of `summary.json`. `bytes_per_second` is null if no time elapsed.
#[must_use]
pub fn summary(analysis: &Analysis, run: &Run) -> Value {
    let mut found = Found::of_captures(analysis);
    analysis.connections.for_each(|_, record| found.add(record));
    summary_of(analysis, &found, run)
}

/// What the summary tells of the connections.
#[derive(Debug)]
pub(super) struct Found {
    totals: Totals,
    causes: BTreeMap<&'static str, u64>,
}

impl Found {
    /// What there is without the connections.
    pub(super) fn of_captures(analysis: &Analysis) -> Self {
        Self { totals: Totals::of_captures(analysis), causes: BTreeMap::new() }
    }

    /// Takes in a connection.
    pub(super) fn add(&mut self, record: &ConnectionRecord) {
        self.totals.add(record);
        if let Some(cause) = record.cause {
            *self.causes.entry(cause.kind.name()).or_default() += 1;
        }
    }
}

/// The same of an analysis of which the connections were gone through.
pub(super) fn summary_of(analysis: &Analysis, found: &Found, run: &Run) -> Value {
    let Found { totals, causes } = found;
    let elapsed = run.elapsed.as_secs_f64();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "arguments": run.arguments,
        "inputs": analysis.captures.iter().map(input).collect::<Vec<_>>(),
        "totals": {
            "packets": totals.packets,
            "bytes": totals.bytes,
            "tcp_streams": totals.tcp_streams,
            "connections": totals.connections,
            "close_frames": totals.close_frames,
            "invalid_utf8": totals.invalid_utf8,
            "violations": totals.violations,
            "tls_failures": totals.tls_failures,
            "tls_not_decrypted": totals.locked_tls,
            "missed_bytes": totals.missed_bytes,
        },
        "causes": causes,
        "elapsed_seconds": elapsed,
        "bytes_per_second": (elapsed > 0.0).then(|| totals.bytes as f64 / elapsed),
    })
}

fn input(capture: &AnalysedCapture) -> Value {
    let file = &capture.file;
    json!({
        "name": file.name,
        "format": file.format.map(|format| format.name()),
        "packets": file.packets,
        "bytes": file.bytes,
        "problems": file.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Problem;
    use crate::dataframe::sample;
    use crate::error::Error;

    #[test]
    fn summary_tells_inputs_totals_and_speed() {
        let mut analysis = sample::analysis();
        let empty = Error::Empty { path: "trace.pcap".to_owned() };
        analysis.captures[0].file.problems.push(Problem::Error(empty));
        let run =
            Run { arguments: vec!["analyze".to_owned(), "trace.pcap".to_owned()], elapsed: Duration::from_secs(2) };
        let expected = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "arguments": ["analyze", "trace.pcap"],
            "inputs": [{
                "name": "trace.pcap",
                "format": "pcap",
                "packets": 900,
                "bytes": 12_345,
                "problems": ["trace.pcap: expected a pcap or pcapng capture, found an empty file"],
            }],
            "totals": {
                "packets": 900,
                "bytes": 12_345,
                "tcp_streams": 9,
                "connections": 9,
                "close_frames": 8,
                "invalid_utf8": 1,
                "violations": 2,
                "tls_failures": 0,
                "tls_not_decrypted": 0,
                "missed_bytes": 0,
            },
            "causes": { "invalid-utf8": 1, "normal": 1, "reset-by-server": 1 },
            "elapsed_seconds": 2.0,
            "bytes_per_second": 6172.5,
        });
        assert_eq!(summary(&analysis, &run), expected);
    }

    #[test]
    fn no_time_means_no_speed() {
        assert_eq!(summary(&Analysis::default(), &Run::default())["bytes_per_second"], Value::Null);
    }
}
