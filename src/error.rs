//! What stops the run, or the analysis of one capture: always with the name of what it happened to.
//!
//! What is wrong with the traffic itself is no error but a row of a table.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// The result of what can stop.
pub type Result<T> = std::result::Result<T, Error>;

/// What stopped the analysis of a capture, or a report from being written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be opened.
    #[error("{path}: cannot open: {source}")]
    Open {
        /// The capture, as it was named.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Reading failed part of the way; what came before was analysed.
    #[error("{path}: cannot read at byte {offset}: {source}")]
    Read {
        /// The capture, as it was named.
        path: String,
        /// Where in the file.
        offset: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file holds nothing.
    #[error("{path}: expected a pcap or pcapng capture, found an empty file")]
    Empty {
        /// The capture, as it was named.
        path: String,
    },
    /// The first bytes are those of no capture format.
    #[error("{path}: expected a pcap or pcapng capture, found {found}")]
    NotACapture {
        /// The file, as it was named.
        path: String,
        /// What its first bytes are.
        found: String,
    },
    /// A directory in which no file is a capture.
    #[error("{path}: expected a directory with pcap or pcapng captures, found none in it")]
    NoCaptures {
        /// The directory, as it was named.
        path: String,
    },
    /// No file has this name, and as a pattern it stands for none.
    #[error("{pattern}: expected a file, a directory or a pattern that matches one: {reason}")]
    Pattern {
        /// The pattern, as it was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A report could not be written.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A table could not be made or encoded.
    #[error("table {table}: {source}")]
    Table {
        /// The table's name.
        table: &'static str,
        /// What polars says.
        source: polars::error::PolarsError,
    },
    /// The time series would be too long.
    #[error(
        "table close_codes_over_time: expected at most {} rows, buckets of {width:?} make {rows}: choose wider ones",
        crate::limits::TIME_BUCKETS
    )]
    TooManyBuckets {
        /// The width that was chosen.
        width: Duration,
        /// How many rows that makes.
        rows: u64,
    },
    /// The worker threads could not be started.
    #[error("cannot start {threads} worker threads: {source}")]
    Threads {
        /// How many were asked for; 0 for one for each core.
        threads: usize,
        /// What rayon says.
        source: rayon::ThreadPoolBuildError,
    },
}
