//! Tables part by part, so that there need not be more of their rows in memory than are worked on.
//!
//! In comes an analysis, of which the connections are gone through once, a chunk at a time, and where clients came back once
//! more for the connections that these closed. Out go DataFrames, one after the other, each with some rows of
//! one table.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use polars::prelude::{DataFrame, PolarsResult};

use super::close_codes::{self, Histogram};
use super::close_codes_by_endpoint::{self, EndpointCodes};
use super::close_codes_over_time::{self, Closes};
use super::encode::{Format, TableWriter};
use super::event::Event;
use super::reconnects::{self, Clients};
use super::runs::Events;
use super::{TableName, TableOptions, captures, close_frames, connections, invalid_utf8, tls_failures, violations};
use crate::analyze::{Analysis, Reconnect};
use crate::connection::{CloseFrame, ConnectionRecord, InvalidUtf8, Violation};
use crate::error::{Error, Result};

/// Where a table is to be written.
pub struct Output<'a> {
    /// Which table.
    pub table: TableName,
    /// How.
    pub format: Format,
    /// To where. Wrap a file in a buffer, and flush it afterwards.
    pub out: &'a mut (dyn io::Write + Send),
    /// The file, to say of a failure to write it.
    pub path: PathBuf,
}

/// Writes tables of `analysis` to `outputs`, and shows `see` each connection, which spares it to unpack them itself.
///
/// # Errors
///
/// As [`super::Tables::new`], and what an output says of a failure to write.
pub fn write_tables(
    analysis: &Analysis,
    options: &TableOptions,
    outputs: Vec<Output<'_>>,
    see: &mut (dyn FnMut(&ConnectionRecord) + Send),
) -> Result<()> {
    let wanted: Vec<TableName> = outputs.iter().map(|output| output.table).collect();
    // Nobody waits for a lock: the parts of a table come one after the other.
    let open: Vec<Mutex<Open<'_>>> = outputs
        .into_iter()
        .map(|output| Mutex::new(Open { path: output.path.clone(), output: Some(output), writer: None }))
        .collect();
    each(analysis, options, &wanted, see, |table, part| {
        let mut of_table = open.iter().zip(&wanted).filter(|(_, wanted)| **wanted == table);
        of_table.try_for_each(|(open, _)| open.lock().unwrap_or_else(PoisonError::into_inner).write(&part))
    })?;
    open.into_iter().try_for_each(|open| open.into_inner().unwrap_or_else(PoisonError::into_inner).finish())
}

/// An output that is written to once its columns are known.
struct Open<'a> {
    output: Option<Output<'a>>,
    writer: Option<TableWriter<&'a mut (dyn io::Write + Send)>>,
    path: PathBuf,
}

impl Open<'_> {
    fn write(&mut self, part: &DataFrame) -> Result<()> {
        let begun = match (self.output.take(), &mut self.writer) {
            (Some(Output { format, out, .. }), writer) => {
                TableWriter::new(format, part.schema(), out).map(|new| writer.insert(new))
            }
            (None, Some(writer)) => Ok(writer),
            (None, None) => return Ok(()),
        };
        begun.and_then(|writer| writer.write(part)).map_err(|source| self.failed(source))
    }

    fn finish(mut self) -> Result<()> {
        self.writer.take().map_or(Ok(()), TableWriter::finish).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

/// Gives `take` the rows of the `wanted` tables, of each in their order and at least once, but of several at a time; and
/// shows `see` each connection.
pub(super) fn each(
    analysis: &Analysis,
    options: &TableOptions,
    wanted: &[TableName],
    see: &mut (dyn FnMut(&ConnectionRecord) + Send),
    take: impl Fn(TableName, DataFrame) -> Result<()> + Sync,
) -> Result<()> {
    let parts = Parts { analysis, wanted, take };
    let (counted, events) = parts.of_connections(see)?;
    let (counts, events) = rayon::join(|| parts.counts(counted, options), || parts.all_events(events));
    counts.and(events)?;
    parts.take(TableName::TlsFailures, || tls_failures::table(analysis))?;
    parts.take(TableName::Captures, || captures::table(analysis))
}

/// What is counted over all connections.
#[derive(Default)]
struct Counted {
    codes: Histogram,
    endpoints: EndpointCodes,
    closes: Closes,
    clients: Clients,
}

impl Counted {
    fn add(&mut self, wants: impl Fn(TableName) -> bool, number: u64, record: &ConnectionRecord) {
        if wants(TableName::CloseCodes) {
            self.codes.add(record);
        }
        if wants(TableName::CloseCodesByEndpoint) {
            self.endpoints.add(record);
        }
        if wants(TableName::CloseCodesOverTime) {
            self.closes.add(record);
        }
        if wants(TableName::Reconnects) {
            self.clients.add(number, record);
        }
    }
}

/// The rows of tables that are in order of packet, not of connection.
#[derive(Default)]
struct AllEvents {
    close_frames: Events<CloseFrame>,
    invalid_utf8: Events<InvalidUtf8>,
    violations: Events<Violation>,
}

/// Where parts go.
struct Parts<'a, F> {
    analysis: &'a Analysis,
    wanted: &'a [TableName],
    take: F,
}

impl<F: Fn(TableName, DataFrame) -> Result<()> + Sync> Parts<'_, F> {
    fn wants(&self, table: TableName) -> bool {
        self.wanted.contains(&table)
    }

    fn take(&self, table: TableName, part: impl FnOnce() -> PolarsResult<DataFrame>) -> Result<()> {
        if !self.wants(table) {
            return Ok(());
        }
        let part = part().map_err(|source| Error::Table { table: table.name(), source })?;
        (self.take)(table, part)
    }

    /// Goes through the connections: what is in their order goes out at once, the rest is returned.
    fn of_connections(&self, see: &mut (dyn FnMut(&ConnectionRecord) + Send)) -> Result<(Counted, AllEvents)> {
        let (mut counted, mut events) = (Counted::default(), AllEvents::default());
        let (analysis, wanted) = (self.analysis, self.wanted);
        let wants = |table| wanted.contains(&table);
        for (first, chunk) in analysis.connections.chunks() {
            let rows = || self.take(TableName::Connections, || connections::table(analysis, &chunk, first));
            let others = || {
                for (number, record) in (first..).zip(chunk.iter()) {
                    counted.add(wants, number, record);
                    events.add(wants, number, record);
                    see(record);
                }
            };
            let (taken, ()) = rayon::join(rows, others);
            taken?;
        }
        if analysis.connections.is_empty() {
            self.take(TableName::Connections, || connections::table(analysis, &[], 0))?;
        }
        Ok((counted, events))
    }

    /// The tables of what was counted.
    fn counts(&self, counted: Counted, options: &TableOptions) -> Result<()> {
        let buckets = close_codes_over_time::over_time(self.analysis, counted.closes, options.bucket)?;
        self.take(TableName::CloseCodesOverTime, || close_codes_over_time::table(&buckets))?;
        self.take(TableName::CloseCodes, || close_codes::table(&counted.codes.rows()))?;
        self.take(TableName::CloseCodesByEndpoint, || close_codes_by_endpoint::table(&counted.endpoints.rows()))?;
        self.reconnects(&counted.clients.reconnects(self.analysis))
    }

    /// The clients that came back, with what is known of the connections that closed.
    fn reconnects(&self, found: &[Reconnect]) -> Result<()> {
        if !self.wants(TableName::Reconnects) || found.is_empty() {
            return self.take(TableName::Reconnects, || reconnects::table(&[]));
        }
        let analysis = self.analysis;
        let closed_among = |numbers: Range<u64>| !reconnects::closed_among(found, numbers).is_empty();
        for (first, chunk) in analysis.connections.chunks_of(closed_among) {
            self.take(TableName::Reconnects, || reconnects::table(&reconnects::rows(found, &chunk, first)))?;
        }
        Ok(())
    }

    /// The tables of what happened in connections.
    fn all_events(&self, events: AllEvents) -> Result<()> {
        self.events(TableName::CloseFrames, events.close_frames, close_frames::table)?;
        self.events(TableName::InvalidUtf8, events.invalid_utf8, invalid_utf8::table)?;
        self.events(TableName::Violations, events.violations, violations::table)
    }

    fn events<E: Event>(
        &self,
        name: TableName,
        events: Events<E>,
        table: impl Fn(&Analysis, &[(u64, E)]) -> PolarsResult<DataFrame>,
    ) -> Result<()> {
        let (analysis, mut parts) = (self.analysis, events.parts());
        let first = parts.next().unwrap_or_default();
        self.take(name, || table(analysis, &first))?;
        parts.try_for_each(|part| self.take(name, || table(analysis, &part)))
    }
}

impl AllEvents {
    fn add(&mut self, wants: impl Fn(TableName) -> bool, number: u64, record: &ConnectionRecord) {
        if wants(TableName::CloseFrames) {
            self.close_frames.add(number, record.close_frames.iter().cloned());
        }
        if wants(TableName::InvalidUtf8) {
            self.invalid_utf8.add(number, record.invalid_utf8.iter().cloned());
        }
        if wants(TableName::Violations) {
            self.violations.add(number, record.violations.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use polars::prelude::{IpcReader, ParquetReader, SerReader};

    use super::*;
    use crate::dataframe::Tables;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::flow::Role;
    use crate::limits;

    /// Every table in every format, as [`write_tables`] writes it.
    fn written(analysis: &Analysis) -> Vec<Vec<u8>> {
        let wanted = Format::ALL.into_iter().flat_map(|format| TableName::ALL.map(|table| (table, format)));
        let mut files: Vec<_> = wanted.map(|wanted| (wanted, Vec::new())).collect();
        let outputs = files.iter_mut().map(|((table, format), out)| Output {
            table: *table,
            format: *format,
            out,
            path: PathBuf::from("test"),
        });
        write_tables(analysis, &TableOptions::default(), outputs.collect(), &mut |_| ()).unwrap();
        files.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// The same from tables that are held as a whole.
    fn whole(analysis: &Analysis) -> Vec<Vec<u8>> {
        let tables = Tables::new(analysis, &TableOptions::default()).unwrap();
        let wanted = Format::ALL.into_iter().flat_map(|format| TableName::ALL.map(|table| (table, format)));
        let write = |(table, format)| {
            let mut bytes = Vec::new();
            tables.write(table, format, &mut bytes).unwrap();
            bytes
        };
        wanted.map(write).collect()
    }

    fn read_back(bytes: &[u8], format: Format) -> DataFrame {
        let bytes = Cursor::new(bytes.to_vec());
        match format {
            Format::Parquet => ParquetReader::new(bytes).finish().unwrap(),
            Format::Arrow => IpcReader::new(bytes).finish().unwrap(),
            Format::Csv | Format::Json | Format::Ndjson => panic!("{format:?} does not keep types"),
        }
    }

    #[test]
    fn tables_in_parts_are_those_that_are_held_as_a_whole() {
        for analysis in [sample::analysis(), sample::packed(sample::analysis()), Analysis::default()] {
            assert!(written(&analysis) == whole(&analysis));
        }
        let packed = sample::packed(sample::analysis());
        assert!(written(&packed) == written(&sample::analysis()));
        assert!(!packed.connections.are_unpacked());
    }

    #[test]
    fn several_parts_make_one_table() {
        let number = 2 * limits::CHUNK_RECORDS + 1;
        let closed = |_| ConnectionBuilder::new().closed(1000, Role::Client).replied(Some(1000)).build();
        let analysis = sample::of((0..number).map(closed));
        let (parts, whole) = (written(&analysis), whole(&analysis));
        for (index, (parts, whole)) in parts.iter().zip(&whole).enumerate() {
            // Parquet and Arrow have the rows in other groups.
            match Format::ALL[index / TableName::ALL.len()] {
                format @ (Format::Parquet | Format::Arrow) => {
                    assert!(read_back(parts, format).equals_missing(&read_back(whole, format)), "{index}");
                }
                Format::Csv | Format::Json | Format::Ndjson => assert!(parts == whole, "{index}"),
            }
        }
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((lines(&parts[0]), lines(&parts[1])), (number + 1, 2 * number + 1));
    }

    #[test]
    fn only_what_is_wanted_is_made() {
        let made = Mutex::new(Vec::new());
        let take = |table, _| {
            made.lock().unwrap().push(table);
            Ok(())
        };
        each(&sample::analysis(), &TableOptions::default(), &[TableName::Captures], &mut |_| (), take).unwrap();
        assert_eq!(made.into_inner().unwrap(), [TableName::Captures]);
    }
}
