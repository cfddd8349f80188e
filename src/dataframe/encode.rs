//! DataFrames to the bytes of a file format.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use polars::io::{ipc, parquet};
use polars::prelude::{
    Column, CompatLevel, CsvWriter, DataFrame, DataType, IntoColumn, IpcWriter, JsonFormat, JsonWriter, ParquetWriter,
    PolarsError, PolarsResult, QuoteStyle, Schema, SerWriter, StringChunkedBuilder,
};
use rayon::prelude::*;

use super::escape::{csv_cell, is_csv_cell};
use super::moment::UtcText;
use crate::flow::Timestamp;

/// A file format for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A header and a line per row. Null is an empty cell, empty text is `""`; text is as [`super::escape()`] makes it.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// An array with an object for each row.
    Json,
    /// A line with an object for each row.
    Ndjson,
    /// Apache Arrow's IPC file format, also known as Feather version 2.
    Arrow,
}

impl Format {
    /// Every format, the default first.
    pub const ALL: [Self; 5] = [Self::Csv, Self::Parquet, Self::Json, Self::Ndjson, Self::Arrow];

    /// The name, which is also the extension of its files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Arrow => "arrow",
        }
    }

    /// The format of that name; `None` if there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Writes `frame` to `out` in `format`.
///
/// # Errors
///
/// What writing to `out` says, and what Polars says where that is the trouble.
pub(super) fn encode(frame: &DataFrame, format: Format, mut out: impl Write) -> io::Result<()> {
    let mut writer = TableWriter::new(format, frame.schema(), &mut out)?;
    writer.write(frame)?;
    writer.finish()?;
    out.flush()
}

/// A table that is written part by part.
pub(super) struct TableWriter<W: Write> {
    encoder: Encoder<W>,
    /// What writing said: what Polars makes of it does not always tell the kind.
    error: KeptError,
}

enum Encoder<W: Write> {
    Csv(Witness<W>),
    Parquet(Box<parquet::write::BatchedWriter<Witness<W>>>),
    /// Whether rows were written.
    Json(Witness<W>, bool),
    Ndjson(Witness<W>),
    Arrow(Box<ipc::BatchedWriter<Witness<W>>>),
}

impl<W: Write> TableWriter<W> {
    /// Begins a table with the columns of `schema` in `out`, which is not flushed at the end. Wrap a file in a buffer.
    pub(super) fn new(format: Format, schema: &Schema, out: W) -> io::Result<Self> {
        let error = KeptError::default();
        let out = Witness { out, error: Arc::clone(&error) };
        let encoder = Encoder::new(format, schema, out).map_err(|said| told(&error, said))?;
        Ok(Self { encoder, error })
    }

    /// Appends the rows of `frame`, which has the columns of the schema.
    pub(super) fn write(&mut self, frame: &DataFrame) -> io::Result<()> {
        if frame.height() == 0 {
            return Ok(());
        }
        self.encoder.write(frame).map_err(|said| told(&self.error, said))
    }

    /// Writes what comes after the last row.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.encoder.finish().map_err(|said| told(&self.error, said))
    }
}

impl<W: Write> Encoder<W> {
    fn new(format: Format, schema: &Schema, mut out: Witness<W>) -> PolarsResult<Self> {
        Ok(match format {
            Format::Csv => {
                // Names of columns need no quotes, and Polars would take eight million instructions for them.
                let names: Vec<&str> = schema.iter_names().map(|name| name.as_str()).collect();
                writeln!(out, "{}", names.join(","))?;
                Self::Csv(out)
            }
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::new(out).batched(schema)?)),
            Format::Json => {
                out.write_all(b"[")?;
                Self::Json(out, false)
            }
            Format::Ndjson => Self::Ndjson(out),
            Format::Arrow => {
                // Readers that do not know Arrow's string views, which are new, still abound.
                let writer = IpcWriter::new(out).with_compat_level(CompatLevel::oldest());
                // No column has a dictionary, of which these would tell.
                let fields = vec![Default::default(); schema.len()];
                Self::Arrow(Box::new(writer.batched(schema, fields)?))
            }
        })
    }

    fn write(&mut self, frame: &DataFrame) -> PolarsResult<()> {
        match self {
            Self::Csv(out) => {
                // Cells come with their quotes: Polars looks through each text three times to see whether it needs any.
                let writer = CsvWriter::new(out).include_header(false).with_quote_style(QuoteStyle::Never);
                { writer }.finish(&mut with_columns(frame, csv_cells)?)
            }
            Self::Parquet(writer) => writer.write_batch(frame),
            Self::Json(out, has_rows) => {
                let mut rows = Vec::new();
                json(frame, JsonFormat::Json, &mut rows)?;
                if std::mem::replace(has_rows, true) {
                    out.write_all(b",")?;
                }
                // The rows of this part stand in brackets of their own.
                let rows = rows.strip_prefix(b"[").and_then(|rows| rows.strip_suffix(b"]"));
                Ok(out.write_all(rows.unwrap_or_default())?)
            }
            Self::Ndjson(out) => json(frame, JsonFormat::JsonLines, out),
            Self::Arrow(writer) => writer.write_batch(frame),
        }
    }

    fn finish(&mut self) -> PolarsResult<()> {
        match self {
            Self::Csv(_) | Self::Ndjson(_) => Ok(()),
            Self::Parquet(writer) => writer.finish().map(drop),
            Self::Json(out, _) => Ok(out.write_all(b"]")?),
            Self::Arrow(writer) => writer.finish(),
        }
    }
}

/// The first error of a writer, which its owner does not get to see otherwise.
type KeptError = Arc<Mutex<Option<io::Error>>>;

/// The kept error, or what Polars says where there is none.
fn told(kept: &KeptError, said: PolarsError) -> io::Error {
    kept.lock().ok().and_then(|mut kept| kept.take()).unwrap_or_else(|| io::Error::other(said))
}

/// A writer that keeps its error.
struct Witness<W> {
    out: W,
    error: KeptError,
}

impl<W: Write> Witness<W> {
    /// Keeps the error of `result` and gives one of the same kind instead.
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted
                && let Ok(mut kept) = self.error.lock()
            {
                kept.get_or_insert(error);
            }
            kind.into()
        })
    }
}

impl<W: Write> Write for Witness<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.keep(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.keep(flushed)
    }
}

/// A column as CSV has it.
fn csv_cells(column: &Column) -> PolarsResult<Column> {
    match column.dtype() {
        DataType::String => csv_texts(column),
        _ => times_as_text(column),
    }
}

fn json(frame: &DataFrame, format: JsonFormat, out: &mut impl Write) -> PolarsResult<()> {
    JsonWriter::new(out).with_json_format(format).finish(&mut with_columns(frame, times_as_text)?)
}

/// The frame with every column as `make` makes it, on whichever thread is free.
fn with_columns(frame: &DataFrame, make: impl Fn(&Column) -> PolarsResult<Column> + Sync) -> PolarsResult<DataFrame> {
    DataFrame::new(frame.height(), frame.columns().par_iter().map(&make).collect::<PolarsResult<_>>()?)
}

/// A column of text with every cell as CSV has it: the same column, where no cell needs a change.
fn csv_texts(column: &Column) -> PolarsResult<Column> {
    let texts = column.str()?;
    if texts.iter().flatten().all(is_csv_cell) {
        return Ok(column.clone());
    }
    let mut cells = StringChunkedBuilder::new(column.name().clone(), column.len());
    for text in texts.iter() {
        match text.filter(|text| !is_csv_cell(text)).map(csv_cell) {
            Some(changed) => cells.append_value(changed),
            None => cells.append_option(text),
        }
    }
    Ok(cells.finish().into_column())
}

/// A column of times as text, and any other column as it is.
fn times_as_text(column: &Column) -> PolarsResult<Column> {
    if !matches!(column.dtype(), DataType::Datetime(..)) {
        return Ok(column.clone());
    }
    let mut texts = StringChunkedBuilder::new(column.name().clone(), column.len());
    let mut text = UtcText::default();
    for nanoseconds in column.datetime()?.physical().iter() {
        match nanoseconds {
            Some(nanoseconds) => {
                text.set(Timestamp::from_nanos(nanoseconds));
                texts.append_value(text.as_str());
            }
            None => texts.append_null(),
        }
    }
    Ok(texts.finish().into_column())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use polars::prelude::{IpcReader, ParquetReader, SerReader};
    use serde_json::Value;

    use super::*;
    use crate::dataframe::{TableName, TableOptions, Tables, escape, sample, unescape};
    use crate::flow::Role;

    fn tables() -> Tables {
        Tables::new(&sample::analysis(), &TableOptions::default()).unwrap()
    }

    fn text(frame: &DataFrame, format: Format) -> String {
        let mut bytes = Vec::new();
        encode(frame, format, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn csv_of_every_table_is_as_expected() {
        let tables = tables();
        let expected = include_str!("expected_tables.txt");
        let found: String = TableName::ALL
            .into_iter()
            .map(|table| format!("# {}\n{}", table.name(), text(tables.get(table), Format::Csv)))
            .collect();
        assert!(found == expected, "{found}");
    }

    #[test]
    fn csv_has_escaped_text_and_tells_empty_from_null() {
        let frames = text(&tables().close_frames, Format::Csv);
        let lines: Vec<_> = frames.lines().collect();
        assert_eq!(
            lines[3],
            "1,trace.pcap,110,2026-01-31T12:00:02.000000000Z,server,first,1007,Invalid Frame Payload Data,standard,\
             \"\\u{3d}bad\\\\xff, \"\"text\"\"\",false,15"
        );
        // A code without a reason, and no code at all.
        assert!(lines[2].ends_with(",reply,1000,Normal Closure,standard,\"\",true,2"), "{}", lines[2]);
        assert!(lines[4].ends_with(",first,,,,,true,0"), "{}", lines[4]);
        assert_eq!(unescape("\\u{3d}bad\\\\xff").unwrap(), "=bad\\xff");
    }

    proptest::proptest! {
        #[test]
        fn quotes_are_where_polars_sets_them(texts in proptest::collection::vec(proptest::option::of("[a,\"\\\\=\n é]{0,4}"), 1..8)) {
            let ours = DataFrame::new(texts.len(), vec![Column::new("text".into(), &texts)]).unwrap();
            let escaped: Vec<_> = texts.iter().map(|text| text.as_deref().map(escape)).collect();
            let mut theirs = DataFrame::new(texts.len(), vec![Column::new("text".into(), &escaped)]).unwrap();
            let mut expected = Vec::new();
            CsvWriter::new(&mut expected).finish(&mut theirs).unwrap();
            proptest::prop_assert_eq!(text(&ours, Format::Csv), String::from_utf8(expected).unwrap());
        }
    }

    #[test]
    fn ndjson_has_every_column_with_plain_values() {
        let tables = tables();
        for table in TableName::ALL {
            let (frame, lines) = (tables.get(table), text(tables.get(table), Format::Ndjson));
            let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(rows.len(), frame.height(), "{}", table.name());
            assert!(rows.iter().all(|row| row.as_object().unwrap().len() == frame.width()), "{}", table.name());
        }
        let lines = text(&tables.close_frames, Format::Ndjson);
        let row: Value = serde_json::from_str(lines.lines().nth(2).unwrap()).unwrap();
        assert_eq!(row["reason"], "=bad\\xff, \"text\"");
        assert_eq!(row["time"], "2026-01-31T12:00:02.000000000Z");
        assert_eq!((&row["code"], &row["reason_valid"]), (&Value::from(1007), &Value::from(false)));
        let row: Value = serde_json::from_str(lines.lines().nth(3).unwrap()).unwrap();
        assert_eq!((&row["code"], &row["reason"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn json_is_an_array_of_the_same_objects() {
        let tables = tables();
        for table in TableName::ALL {
            let array: Vec<Value> = serde_json::from_str(&text(tables.get(table), Format::Json)).unwrap();
            let lines = text(tables.get(table), Format::Ndjson);
            let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(array, rows, "{}", table.name());
        }
    }

    #[test]
    fn empty_tables_are_valid_in_every_format() {
        let tables = Tables::new(&sample::of([]), &TableOptions::default()).unwrap();
        assert_eq!(
            text(&tables.violations, Format::Csv),
            "connection,capture,packet,time,sender,rule,section,detail,peer_close_code,peer_reaction_ms\n"
        );
        assert_eq!(text(&tables.violations, Format::Json).trim(), "[]");
        assert_eq!(text(&tables.violations, Format::Ndjson), "");
        for format in [Format::Parquet, Format::Arrow] {
            assert_eq!(read_back(&tables.violations, format).schema(), tables.violations.schema());
        }
    }

    #[test]
    fn numbers_survive_text() {
        let record = sample::ConnectionBuilder::new().closed(1000, Role::Client).ended_at(sample::NOON + 100_000_001);
        let tables = Tables::new(&sample::of([record.build()]), &TableOptions::default()).unwrap();
        let duration = tables.connections.column("duration_ms").unwrap().f64().unwrap().get(0).unwrap();
        let csv = text(&tables.connections, Format::Csv);
        assert_eq!(csv.lines().nth(1).unwrap().split(',').nth(9).unwrap().parse(), Ok(duration));
        let row: Value = serde_json::from_str(&text(&tables.connections, Format::Ndjson)).unwrap();
        assert_eq!(row["duration_ms"].as_f64(), Some(duration));
    }

    fn read_back(frame: &DataFrame, format: Format) -> DataFrame {
        let mut bytes = Vec::new();
        encode(frame, format, &mut bytes).unwrap();
        match format {
            Format::Parquet => ParquetReader::new(Cursor::new(bytes)).finish().unwrap(),
            Format::Arrow => IpcReader::new(Cursor::new(bytes)).finish().unwrap(),
            Format::Csv | Format::Json | Format::Ndjson => panic!("{format:?} does not keep types"),
        }
    }

    #[test]
    fn parquet_and_arrow_give_back_the_same_frame() {
        let tables = tables();
        for table in TableName::ALL {
            for format in [Format::Parquet, Format::Arrow] {
                let (frame, back) = (tables.get(table), read_back(tables.get(table), format));
                assert_eq!(back.schema(), frame.schema(), "{} {}", table.name(), format.name());
                assert!(back.equals_missing(frame), "{} {}", table.name(), format.name());
            }
        }
    }

    /// Refuses every byte.
    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_told_as_such() {
        for format in Format::ALL {
            let error = encode(&tables().captures, format, ClosedPipe).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{}", format.name());
        }
    }
}
