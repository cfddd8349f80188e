//! `close_codes`: the histogram.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use polars::prelude::{DataFrame, PolarsResult};

use super::connections::duration_ms;
use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::{CloseSource, ClosedBy, ConnectionRecord};
use crate::flow::{PerRole, Role};

/// What became of the connections that closed with one code, and how often the code was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct CloseCodeRow {
    /// The code.
    pub code: CloseCode,
    /// Connections that closed with it.
    pub connections: u64,
    /// Their share, from 0 to 1, of the connections that have a close code; `None` if no connection has one.
    pub share: Option<f64>,
    /// Those that one end closed, by that end.
    pub closed_by: PerRole<u64>,
    /// Those that both ends closed at once.
    pub closed_by_both: u64,
    /// Those whose code was in no Close frame: 1006 and 1015.
    pub inferred: u64,
    /// Close frames with this code by sender; empty ones count under 1005.
    pub frames: PerRole<u64>,
    /// Their median duration in milliseconds; `None` if no end of them is in the capture.
    pub median_duration_ms: Option<f64>,
}

/// The histogram of close codes, the most frequent first, equally frequent ones by code.
#[must_use]
pub fn histogram(analysis: &Analysis) -> Vec<CloseCodeRow> {
    let mut histogram = Histogram::default();
    analysis.connections.for_each(|_, record| histogram.add(record));
    histogram.rows()
}

/// The histogram of close codes while it is counted.
#[derive(Debug, Default)]
pub struct Histogram(BTreeMap<CloseCode, Count>);

impl Histogram {
    /// Counts `record`.
    pub fn add(&mut self, record: &ConnectionRecord) {
        if let Some(code) = record.verdict.close_code {
            self.0.entry(code).or_default().add(record);
        }
        for frame in &record.close_frames {
            let code = frame.code.unwrap_or(CloseCode::NO_STATUS);
            *self.0.entry(code).or_default().frames.get_mut(frame.sender) += 1;
        }
    }

    /// The most frequent first, equally frequent ones by code.
    #[must_use]
    pub fn rows(self) -> Vec<CloseCodeRow> {
        let total = self.0.values().map(|count| count.connections).sum();
        let mut rows: Vec<_> = self.0.into_iter().map(|(code, count)| count.into_row(code, total)).collect();
        // The sort is stable: ties stay in the order of codes.
        rows.sort_by_key(|row| Reverse(row.connections));
        rows
    }
}

/// The share of `part` in `total`, from 0 to 1; `None` of nothing.
pub(super) fn share(part: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| part as f64 / total as f64)
}

/// A row while it is counted.
#[derive(Debug, Default)]
struct Count {
    connections: u64,
    closed_by: PerRole<u64>,
    closed_by_both: u64,
    inferred: u64,
    frames: PerRole<u64>,
    durations_ms: Vec<f64>,
}

impl Count {
    fn add(&mut self, record: &ConnectionRecord) {
        self.connections += 1;
        match record.verdict.closed_by {
            Some(ClosedBy::One(role)) => *self.closed_by.get_mut(role) += 1,
            Some(ClosedBy::Both) => self.closed_by_both += 1,
            None => {}
        }
        self.inferred += u64::from(record.verdict.source == Some(CloseSource::Inferred));
        self.durations_ms.extend(duration_ms(record));
    }

    fn into_row(self, code: CloseCode, total: u64) -> CloseCodeRow {
        CloseCodeRow {
            code,
            connections: self.connections,
            share: share(self.connections, total),
            closed_by: self.closed_by,
            closed_by_both: self.closed_by_both,
            inferred: self.inferred,
            frames: self.frames,
            median_duration_ms: median(self.durations_ms),
        }
    }
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

/// The table of `rows`.
pub(super) fn table(rows: &[CloseCodeRow]) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), rows)
}

type Field = Column<CloseCodeRow>;

/// The columns in order.
pub(super) fn columns() -> Vec<Field> {
    let mut columns = Vec::new();
    columns.extend(code_columns());
    columns.extend(count_columns());
    columns
}

/// What the code is.
fn code_columns() -> [Field; 3] {
    [
        Field::code("code", |row| Some(row.code.0))
            .means("The close code, 1005, 1006 and 1015 included")
            .source("RFC 6455 section 7.4"),
        Field::word("name", |row| row.code.name())
            .means("The registered name of the code")
            .null("Nobody registered it")
            .source("IANA WebSocket Close Code Number Registry"),
        Field::word("kind", |row| Some(row.code.kind().name()))
            .means("`standard`, `registered`, `private`, `reserved`, `unassigned` or `invalid`")
            .source("RFC 6455 section 7.4.2"),
    ]
}

/// How often, by whom, after how long.
fn count_columns() -> [Field; 9] {
    [
        Field::count("connections", |row| Some(row.connections)).means("Connections with this `close_code`"),
        Field::number("share", |row| row.share)
            .unit("0 to 1")
            .means("Their share of the connections that have a close code")
            .null("No connection has a close code"),
        Field::count("closed_by_client", |row| Some(*row.closed_by.get(Role::Client)))
            .means("Those that the client closed"),
        Field::count("closed_by_server", |row| Some(*row.closed_by.get(Role::Server)))
            .means("Those that the server closed"),
        Field::count("closed_by_both", |row| Some(row.closed_by_both)).means("Those whose Close frames crossed"),
        Field::count("inferred", |row| Some(row.inferred)).means("Those without a Close frame: 1006 and 1015"),
        Field::count("frames_from_client", |row| Some(row.frames.client)).means(
            "Close frames of clients with this code, first ones, replies and extra ones; an empty one counts as 1005",
        ),
        Field::count("frames_from_server", |row| Some(row.frames.server)).means("The same of servers"),
        Field::number("median_duration_ms", |row| row.median_duration_ms)
            .unit("ms")
            .means("Median of the connections' `duration_ms`")
            .null("None of them has a duration"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};

    #[test]
    fn ties_are_sorted_by_code() {
        let close = |code| ConnectionBuilder::new().closed(code, Role::Client).build();
        let analysis = sample::of([4000, 1001, 1000, 4000, 1000].map(close));
        let rows: Vec<_> = histogram(&analysis).iter().map(|row| (row.code.0, row.connections)).collect();
        assert_eq!(rows, [(1000, 2), (4000, 2), (1001, 1)]);
    }

    #[test]
    fn codes_of_replies_have_rows_without_connections() {
        let record = ConnectionBuilder::new().closed(1001, Role::Server).replied(Some(1000)).build();
        let rows = histogram(&sample::of([record]));
        let found: Vec<_> = rows.iter().map(|row| (row.code.0, row.connections, row.frames)).collect();
        let frames = |client, server| PerRole { client, server };
        assert_eq!(found, [(1001, 1, frames(0, 1)), (1000, 0, frames(1, 0))]);
        assert_eq!(rows[1].share, Some(0.0));
    }

    #[test]
    fn empty_close_frames_count_as_1005() {
        let record = ConnectionBuilder::new().closed_empty(Role::Client).replied(None).build();
        let rows = histogram(&sample::of([record]));
        assert_eq!((rows[0].code.0, rows[0].frames), (1005, PerRole { client: 1, server: 1 }));
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn median_of_an_even_number_is_the_mean_of_the_middle() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
