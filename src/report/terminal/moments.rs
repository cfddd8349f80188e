//! Closes of one server in the same moment: a restart, a shutdown, a crash.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Style, clock, is_ordinary};
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::{ClosedBy, ConnectionRecord};
use crate::flow::{Endpoint, Role, Timestamp};
use crate::report::figures::{count, counted, fit, millis};

/// Closes that servers began, but for ordinary ones, by server and code.
#[derive(Debug, Default)]
pub(super) struct Closes {
    closes: BTreeMap<(Endpoint, CloseCode), Vec<Close>>,
}

impl Closes {
    /// Takes in a connection of `analysis`.
    pub(super) fn add(&mut self, analysis: &Analysis, record: &ConnectionRecord) {
        let by_server = record.verdict.closed_by == Some(ClosedBy::One(Role::Server));
        let code = record.verdict.close_code.filter(|code| by_server && !is_ordinary(*code));
        if let Some((code, time)) = code.zip(closed_at(record)) {
            let stream = analysis.tcp_stream(record.conversation);
            let began = record.established_at.unwrap_or(record.opened_at);
            self.closes.entry((record.server, code)).or_default().push(Close { time, began, stream });
        }
    }

    /// Nothing if no such moment stands out.
    pub(super) fn lines(self, style: Style) -> Vec<String> {
        let mut moments: Vec<_> = self.closes.into_iter().flat_map(|(key, closes)| moments(key, closes)).collect();
        moments.sort_by_key(|moment| (Reverse(moment.closes), moment.first.time));
        let more = moments.len().saturating_sub(TOP);
        let mut lines: Vec<_> = moments.iter().take(TOP).map(|moment| fit(&moment.line(), style.width)).collect();
        if !lines.is_empty() {
            let others =
                if more > 0 { format!(" (and {})", counted(more as u64, "other time")) } else { String::new() };
            lines.insert(0, format!("{}{others}", style.bold("Many at once")));
        }
        lines
    }
}

fn closed_at(record: &ConnectionRecord) -> Option<Timestamp> {
    record.close_frames.first().map(|frame| frame.time).or(record.ended_at)
}

#[derive(Clone, Copy, Debug)]
struct Close {
    time: Timestamp,
    /// When the connection began.
    began: Timestamp,
    stream: Option<usize>,
}

/// Closes of one server with one code in one moment.
struct Moment {
    server: Endpoint,
    code: CloseCode,
    closes: u64,
    first: Close,
    last: Close,
}

fn moments((server, code): (Endpoint, CloseCode), mut closes: Vec<Close>) -> Vec<Moment> {
    closes.sort_by_key(|close| close.time);
    let runs = closes.chunk_by(|one, next| next.time.millis_since(one.time) <= APART_MILLIS);
    let moment = |run: &[Close]| {
        // Connections that came and went within the run were not open together.
        let begin = run.first()?.time;
        let together = || run.iter().filter(|close| close.began < begin);
        let (first, last, closes) = (*together().next()?, *together().next_back()?, together().count());
        let short = last.time.millis_since(first.time) <= LONGEST_MILLIS;
        (closes >= LEAST && short).then_some(Moment { server, code, closes: closes as u64, first, last })
    };
    runs.filter_map(moment).collect()
}

impl Moment {
    fn line(&self) -> String {
        let streams = match (self.first.stream, self.last.stream) {
            (Some(first), Some(last)) => format!(", stream {first} first, {last} last"),
            _ => String::new(),
        };
        let length = millis(self.last.time.millis_since(self.first.time));
        let Self { server, code, closes, .. } = self;
        format!("  {}  {} × {code} by {server} in {length}{streams}", clock(self.first.time), count(*closes))
    }
}

/// Closes that are many.
const LEAST: usize = 3;

/// Milliseconds between two closes of one moment.
const APART_MILLIS: f64 = 500.0;

/// Milliseconds of the longest moment. What takes longer is a state.
const LONGEST_MILLIS: f64 = 10_000.0;

/// Moments that are shown.
const TOP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};

    fn told(code: u16, count: usize, change: impl Fn(usize, &mut ConnectionRecord)) -> Vec<String> {
        let mut records: Vec<_> =
            (0..count).map(|_| ConnectionBuilder::new().closed(code, Role::Server).build()).collect();
        records.iter_mut().enumerate().for_each(|(index, record)| change(index, record));
        let analysis = sample::of(records);
        let mut closes = Closes::default();
        analysis.connections.for_each(|_, record| closes.add(&analysis, record));
        closes.lines(Style::default())
    }

    #[test]
    fn closes_at_once_are_a_line() {
        let later = |index: usize, record: &mut ConnectionRecord| {
            let time = record.close_frames[0].time.as_nanos() + index as i64 * 10_000_000;
            record.close_frames[0].time = Timestamp::from_nanos(time);
        };
        let expected = "  12:00:02  5 × 1012 by 10.0.0.2:80 in 40 ms, stream 0 first, 4 last";
        assert_eq!(told(1012, 5, later), ["Many at once", expected]);
    }

    #[test]
    fn few_ordinary_or_spread_closes_are_none() {
        assert_eq!(told(1012, 2, |_, _| ()), [""; 0]);
        assert_eq!(told(1000, 5, |_, _| ()), [""; 0]);
        let spread = |index: usize, record: &mut ConnectionRecord| {
            let time = record.close_frames[0].time.as_nanos() + index as i64 * SECOND;
            record.close_frames[0].time = Timestamp::from_nanos(time);
        };
        assert_eq!(told(1012, 5, spread), [""; 0]);
        let one_by_one = |_: usize, record: &mut ConnectionRecord| {
            record.established_at = record.close_frames.first().map(|frame| frame.time);
        };
        assert_eq!(told(1012, 5, one_by_one), [""; 0]);
    }

    const SECOND: i64 = 1_000_000_000;
}
