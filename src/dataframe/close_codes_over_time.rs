//! `close_codes_over_time`: close codes by time.

use std::collections::BTreeMap;
use std::time::Duration;

use polars::prelude::{DataFrame, PolarsResult};

use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::ConnectionRecord;
use crate::error::{Error, Result};
use crate::flow::Timestamp;
use crate::limits::TIME_BUCKETS;

/// How many connections ended with one code in one bucket of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BucketRow {
    start: Timestamp,
    code: CloseCode,
    connections: u64,
}

/// Round widths, in seconds: an automatic bucket is the first that is wide enough, or a number of whole days.
const ROUND_SECONDS: [u64; 11] = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, DAY_SECONDS];
const DAY_SECONDS: u64 = 86_400;

/// About how many buckets an automatic width makes: as many as a line on one screen can show.
const AUTOMATIC_BUCKETS: u64 = 60;

/// A round width of buckets for captures that span `span`: at most about 60 of them.
#[must_use]
pub fn automatic_bucket(span: Duration) -> Duration {
    round_width(span, AUTOMATIC_BUCKETS)
}

/// The first round width of which `buckets` are at least `span`.
fn round_width(span: Duration, buckets: u64) -> Duration {
    let wanted = span.as_secs().div_ceil(buckets.max(1));
    let round = ROUND_SECONDS.into_iter().find(|&seconds| seconds >= wanted);
    Duration::from_secs(round.unwrap_or_else(|| wanted.next_multiple_of(DAY_SECONDS)))
}

/// When connections ended, and with which code: what the time series is made of.
#[derive(Debug, Default)]
pub(super) struct Closes(Vec<(i64, CloseCode)>);

impl Closes {
    /// Takes in `record`.
    pub(super) fn add(&mut self, record: &ConnectionRecord) {
        if let Some((ended_at, code)) = record.ended_at.zip(record.verdict.close_code) {
            self.0.push((ended_at.as_nanos(), code));
        }
    }
}

/// A row for each bucket of the captures' span and each code that occurs, in that order.
///
/// # Errors
///
/// [`Error::TooManyBuckets`] if a chosen `bucket` makes more rows than [`TIME_BUCKETS`]; an automatic one never does.
pub(super) fn over_time(analysis: &Analysis, closes: Closes, bucket: Option<Duration>) -> Result<Vec<BucketRow>> {
    let Closes(closes) = closes;
    let Some((first, last)) = span(analysis, &closes) else { return Ok(Vec::new()) };
    let mut counts = BTreeMap::<CloseCode, BTreeMap<i64, u64>>::new();
    for &(_, code) in &closes {
        counts.entry(code).or_default();
    }
    let width = match bucket {
        Some(width) => nanoseconds(width),
        None => nanoseconds(affordable(first, last, counts.len())),
    };
    let buckets = (last.div_euclid(width)).abs_diff(first.div_euclid(width)).saturating_add(1);
    let rows = buckets.saturating_mul(counts.len() as u64);
    if rows > TIME_BUCKETS as u64 {
        return Err(Error::TooManyBuckets { width: Duration::from_nanos(width.unsigned_abs()), rows });
    }
    for (time, code) in closes {
        *counts.entry(code).or_default().entry(time.div_euclid(width)).or_default() += 1;
    }
    Ok(filled(&counts, first.div_euclid(width)..=last.div_euclid(width), width))
}

/// The earliest and latest moment, in nanoseconds, of any packet and close; `None` without closes.
fn span(analysis: &Analysis, closes: &[(i64, CloseCode)]) -> Option<(i64, i64)> {
    let first = closes.iter().map(|&(time, _)| time).min()?;
    let last = closes.iter().map(|&(time, _)| time).max()?;
    let (start, end) = analysis.time_span().map_or((first, last), |(start, end)| (start.as_nanos(), end.as_nanos()));
    Some((first.min(start), last.max(end)))
}

/// The automatic width, wider if there are so many codes that the rows would exceed their limit.
fn affordable(first: i64, last: i64, codes: usize) -> Duration {
    let affordable = TIME_BUCKETS as u64 / (codes as u64).max(1);
    // A span of n widths touches n + 1 buckets.
    round_width(Duration::from_nanos(last.abs_diff(first)), AUTOMATIC_BUCKETS.min(affordable.saturating_sub(1)))
}

fn nanoseconds(width: Duration) -> i64 {
    i64::try_from(width.as_nanos()).unwrap_or(i64::MAX).max(1)
}

/// The rows of `counts`, with a 0 where nothing was counted.
fn filled(
    counts: &BTreeMap<CloseCode, BTreeMap<i64, u64>>,
    buckets: std::ops::RangeInclusive<i64>,
    width: i64,
) -> Vec<BucketRow> {
    let row = |bucket: i64, code, counted: &BTreeMap<i64, u64>| BucketRow {
        start: Timestamp::from_nanos(bucket.saturating_mul(width)),
        code,
        connections: counted.get(&bucket).copied().unwrap_or(0),
    };
    buckets.flat_map(|bucket| counts.iter().map(move |(&code, counted)| row(bucket, code, counted))).collect()
}

/// The table of `rows`.
pub(super) fn table(rows: &[BucketRow]) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), rows)
}

type Field = Column<BucketRow>;

/// The columns in order.
pub(super) fn columns() -> [Field; 4] {
    [
        Field::time("bucket", |row| Some(row.start)).means("Start of the bucket, a multiple of its width since 1970"),
        Field::code("code", |row| Some(row.code.0)).means("The close code").source("RFC 6455 section 7.4"),
        Field::word("name", |row| row.code.name())
            .means("The registered name of the code")
            .null("Nobody registered it")
            .source("IANA WebSocket Close Code Number Registry"),
        Field::count("connections", |row| Some(row.connections))
            .means("Connections with this `close_code` whose `ended_at` lies in the bucket"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::flow::Role;

    fn over_time(analysis: &Analysis, bucket: Option<Duration>) -> Result<Vec<BucketRow>> {
        let mut closes = Closes::default();
        analysis.connections.for_each(|_, record| closes.add(record));
        super::over_time(analysis, closes, bucket)
    }

    fn closed(code: u16, second: i64) -> ConnectionRecord {
        ConnectionBuilder::new().closed(code, Role::Client).ended_at(second * 1_000_000_000 + 5).build()
    }

    fn rows(analysis: &Analysis, seconds: u64) -> Vec<(i64, u16, u64)> {
        over_time(analysis, Some(Duration::from_secs(seconds)))
            .unwrap()
            .iter()
            .map(|row| (row.start.as_nanos() / 1_000_000_000, row.code.0, row.connections))
            .collect()
    }

    #[test]
    fn buckets_without_closes_are_zero_for_every_code_that_occurs() {
        let mut analysis = sample::of([closed(1000, 12), closed(1006, 33), closed(1000, 19)]);
        analysis.captures[0].file.first_packet_at = Some(Timestamp::from_nanos(11_000_000_000));
        analysis.captures[0].file.last_packet_at = Some(Timestamp::from_nanos(40_000_000_000));
        let expected = [
            (10, 1000, 2),
            (10, 1006, 0),
            (20, 1000, 0),
            (20, 1006, 0),
            (30, 1000, 0),
            (30, 1006, 1),
            (40, 1000, 0),
            (40, 1006, 0),
        ];
        assert_eq!(rows(&analysis, 10), expected);
    }

    #[test]
    fn closes_outside_the_span_of_packets_are_counted() {
        let mut analysis = sample::of([closed(1000, -15)]);
        analysis.captures[0].file.first_packet_at = Some(Timestamp::from_nanos(0));
        analysis.captures[0].file.last_packet_at = Some(Timestamp::from_nanos(0));
        assert_eq!(rows(&analysis, 10), [(-20, 1000, 1), (-10, 1000, 0), (0, 1000, 0)]);
    }

    #[test]
    fn nothing_closed_means_no_rows() {
        assert!(rows(&sample::of([ConnectionBuilder::new().build()]), 10).is_empty());
    }

    #[test]
    fn automatic_buckets_are_round_and_few() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert_eq!(automatic_bucket(Duration::ZERO), Duration::from_secs(1));
        assert_eq!(automatic_bucket(minutes(1)), Duration::from_secs(1));
        assert_eq!(automatic_bucket(minutes(10)), Duration::from_secs(10));
        assert_eq!(automatic_bucket(minutes(24 * 60)), minutes(30));
        assert_eq!(automatic_bucket(minutes(60 * 24 * 60)), minutes(24 * 60));
        assert_eq!(automatic_bucket(minutes(70 * 24 * 60)), minutes(2 * 24 * 60));
    }

    #[test]
    fn too_narrow_buckets_are_an_error_and_automatic_ones_never_are() {
        let mut analysis = sample::of([closed(1000, 0), closed(1006, 31_536_000)]);
        analysis.captures.clear();
        let error = over_time(&analysis, Some(Duration::from_secs(1))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "table close_codes_over_time: expected at most 1000000 rows, buckets of 1s make 63072002: choose wider ones"
        );
        assert!(over_time(&analysis, Some(Duration::ZERO)).is_err());
        assert!(over_time(&analysis, None).unwrap().len() <= 2 * 61);

        let extremes = [i64::MIN / 1_000_000_000, i64::MAX / 1_000_000_000 - 1];
        let analysis = sample::of((0..20_000).map(|code| closed(code, extremes[usize::from(code % 2)])));
        assert!(over_time(&analysis, None).unwrap().len() <= TIME_BUCKETS);
    }
}
