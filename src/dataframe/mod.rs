//! Tables: what an [`Analysis`] says, as one Polars DataFrame per table.
//!
//! Each table has its own file, which declares its columns and how a row gives their values (see [`schema`]). In come
//! the records of connections and captures; out go DataFrames and, through [`Tables::write`], their bytes in a file
//! format. Nothing else in the program uses Polars.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use polars::prelude::DataFrame;

use crate::analyze::Analysis;
use crate::error::{Error, Result};

mod captures;
mod close_codes;
mod close_codes_by_endpoint;
mod close_codes_over_time;
mod close_frames;
mod connections;
mod encode;
mod escape;
mod event;
mod invalid_utf8;
mod moment;
mod parts;
mod reconnects;
mod runs;
#[cfg(test)]
pub(crate) mod sample;
pub mod schema;
mod tls_failures;
mod violations;

pub use close_codes::{CloseCodeRow, Histogram, histogram};
pub(crate) use close_codes_by_endpoint::PerEndpoint;
pub use close_codes_by_endpoint::{EndpointCodeRow, EndpointCodes, EndpointKey, by_endpoint};
pub use close_codes_over_time::automatic_bucket;
pub use encode::Format;
pub use escape::{escape, printable, unescape, wire_text};
pub use moment::utc_text;
pub use parts::{Output, write_tables};
pub use reconnects::{Clients, reconnects, settle_reconnects};
pub use schema::{ColumnSchema, ValueType, schema_markdown, table_markdown};

/// A table of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableName {
    /// One row per WebSocket connection, and per attempt to open one.
    Connections,
    /// Every Close frame.
    CloseFrames,
    /// Every text message, or Close reason, that is not UTF-8.
    InvalidUtf8,
    /// Every breach of the protocol.
    Violations,
    /// The histogram of close codes.
    CloseCodes,
    /// Close codes by server, host and path.
    CloseCodesByEndpoint,
    /// Close codes by time.
    CloseCodesOverTime,
    /// Clients that came back.
    Reconnects,
    /// Every TLS handshake that failed.
    TlsFailures,
    /// One row per capture file.
    Captures,
}

impl TableName {
    /// Every table, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Connections,
        Self::CloseFrames,
        Self::InvalidUtf8,
        Self::Violations,
        Self::CloseCodes,
        Self::CloseCodesByEndpoint,
        Self::CloseCodesOverTime,
        Self::Reconnects,
        Self::TlsFailures,
        Self::Captures,
    ];

    /// The name, which is also that of its files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::CloseFrames => "close_frames",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Violations => "violations",
            Self::CloseCodes => "close_codes",
            Self::CloseCodesByEndpoint => "close_codes_by_endpoint",
            Self::CloseCodesOverTime => "close_codes_over_time",
            Self::Reconnects => "reconnects",
            Self::TlsFailures => "tls_failures",
            Self::Captures => "captures",
        }
    }

    /// The table of that name; `None` if there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// What its rows are and how they are sorted.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Connections => {
                "One row per WebSocket connection, and per attempt to open one, in order of first packet."
            }
            Self::CloseFrames => "Every Close frame, in order of capture.",
            Self::InvalidUtf8 => "Every text message, or Close reason, that is not UTF-8, in order of capture.",
            Self::Violations => "Every breach of the protocol, in order of capture.",
            Self::CloseCodes => {
                "The histogram: one row per close code, the most frequent first. A code that occurs only in replies has \
                 a row too, with 0 connections."
            }
            Self::CloseCodesByEndpoint => {
                "One row per server address, host, path and close code, the most frequent first. Only connections that \
                 have a close code count."
            }
            Self::CloseCodesOverTime => {
                "One row per bucket of time and close code that occurs at all, in order of time. Connections count in \
                 the bucket in which they ended; buckets without closes are there, with 0."
            }
            Self::Reconnects => {
                "One row per closed connection whose client came back: with the next connection of the same client to the \
                 same host and path, in order of the first."
            }
            Self::TlsFailures => "Every TLS handshake that failed, in order of capture.",
            Self::Captures => "One row per capture file, in the order of analysis.",
        }
    }

    /// Its columns in order.
    #[must_use]
    pub fn schema(self) -> Vec<ColumnSchema> {
        match self {
            Self::Connections => schema::describe(&connections::columns()),
            Self::CloseFrames => schema::describe(&close_frames::columns()),
            Self::InvalidUtf8 => schema::describe(&invalid_utf8::columns()),
            Self::Violations => schema::describe(&violations::columns()),
            Self::CloseCodes => schema::describe(&close_codes::columns()),
            Self::CloseCodesByEndpoint => schema::describe(&close_codes_by_endpoint::columns()),
            Self::CloseCodesOverTime => schema::describe(&close_codes_over_time::columns()),
            Self::Reconnects => schema::describe(&reconnects::columns()),
            Self::TlsFailures => schema::describe(&tls_failures::columns()),
            Self::Captures => schema::describe(&captures::columns()),
        }
    }
}

/// What can be chosen about the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// Width of the buckets of `close_codes_over_time`; `None` for [`automatic_bucket`].
    pub bucket: Option<Duration>,
}

/// Every table of an analysis.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// One row per WebSocket connection, and per attempt to open one.
    pub connections: DataFrame,
    /// Every Close frame.
    pub close_frames: DataFrame,
    /// Every text message, or Close reason, that is not UTF-8.
    pub invalid_utf8: DataFrame,
    /// Every breach of the protocol.
    pub violations: DataFrame,
    /// The histogram of close codes.
    pub close_codes: DataFrame,
    /// Close codes by server, host and path.
    pub close_codes_by_endpoint: DataFrame,
    /// Close codes by time.
    pub close_codes_over_time: DataFrame,
    /// Clients that came back.
    pub reconnects: DataFrame,
    /// Every TLS handshake that failed.
    pub tls_failures: DataFrame,
    /// One row per capture file.
    pub captures: DataFrame,
}

impl Tables {
    /// Makes every table of `analysis`, with all its rows in memory; [`write_tables`] has a part of them at a time.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyBuckets`] if `options.bucket` is too small for the time that the captures span, and
    /// [`Error::Table`] if Polars refuses to make a table.
    pub fn new(analysis: &Analysis, options: &TableOptions) -> Result<Self> {
        let tables = Mutex::new(Self::default());
        parts::each(analysis, options, &TableName::ALL, &mut |_| (), |name, part| {
            let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
            let table = tables.get_mut(name);
            if table.width() == 0 {
                *table = part;
                return Ok(());
            }
            table.vstack_mut(&part).map(drop).map_err(|source| Error::Table { table: name.name(), source })
        })?;
        let mut tables = tables.into_inner().unwrap_or_else(PoisonError::into_inner);
        for name in TableName::ALL {
            tables.get_mut(name).rechunk_mut();
        }
        Ok(tables)
    }

    const fn get_mut(&mut self, table: TableName) -> &mut DataFrame {
        match table {
            TableName::Connections => &mut self.connections,
            TableName::CloseFrames => &mut self.close_frames,
            TableName::InvalidUtf8 => &mut self.invalid_utf8,
            TableName::Violations => &mut self.violations,
            TableName::CloseCodes => &mut self.close_codes,
            TableName::CloseCodesByEndpoint => &mut self.close_codes_by_endpoint,
            TableName::CloseCodesOverTime => &mut self.close_codes_over_time,
            TableName::Reconnects => &mut self.reconnects,
            TableName::TlsFailures => &mut self.tls_failures,
            TableName::Captures => &mut self.captures,
        }
    }

    /// The DataFrame of `table`.
    #[must_use]
    pub const fn get(&self, table: TableName) -> &DataFrame {
        match table {
            TableName::Connections => &self.connections,
            TableName::CloseFrames => &self.close_frames,
            TableName::InvalidUtf8 => &self.invalid_utf8,
            TableName::Violations => &self.violations,
            TableName::CloseCodes => &self.close_codes,
            TableName::CloseCodesByEndpoint => &self.close_codes_by_endpoint,
            TableName::CloseCodesOverTime => &self.close_codes_over_time,
            TableName::Reconnects => &self.reconnects,
            TableName::TlsFailures => &self.tls_failures,
            TableName::Captures => &self.captures,
        }
    }

    /// Writes `table` to `out` in `format`. Wrap a file in a buffer.
    ///
    /// # Errors
    ///
    /// What writing to `out` says, with its kind kept, so that a closed pipe is [`io::ErrorKind::BrokenPipe`].
    pub fn write(&self, table: TableName, format: Format, out: impl io::Write) -> io::Result<()> {
        encode::encode(self.get(table), format, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_by_name() {
        for table in TableName::ALL {
            assert_eq!(TableName::parse(table.name()), Some(table));
        }
        assert_eq!(TableName::parse("Connections"), None);
    }
}
