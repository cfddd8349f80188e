//! Tells why WebSockets closed, from packet captures alone.
//!
//! ```text
//! capture ─▶ packet ─▶ tcp ──▶ tls ──▶ http ─▶ websocket ─▶ connection ─▶ cause ─▶ dataframe ─▶ report
//! blocks     segments  chunks  plain   heads   frames,      verdicts      why      polars       CSV, Parquet,
//! of bytes             + gaps  text            messages                                         JSON, terminal
//! ```
//!
//! Data flows one way, and a module uses only what stands to its left, plus the small vocabulary that all share:
//! [`flow`], [`limits`], [`error`] and [`close_code`]. [`analyze`] is the loop that drives it: batches of packets in,
//! shards of connections in parallel, records out. When all connections are known, [`cause`] tells why each of them
//! closed, because they explain each other. What was found can go two other ways before it becomes tables: [`redact`]
//! takes out what must not be told, and [`carve`] reads the captures again for the packets of chosen connections.
//!
//! The protocol modules do no I/O. They are fed bytes, gaps and ends, and tell events; they know no file, no clock and
//! no thread. What was on the wire is kept apart from what follows from it: see [`connection::ConnectionRecord`] and
//! [`connection::Verdict`].
//!
//! # Captures in, tables out
//!
//! The program does nothing that its library cannot. From a capture, here in memory, to Polars DataFrames:
//!
//! ```
//! use wsautopsy::analyze::{Options, analyze};
//! use wsautopsy::capture::Input;
//! use wsautopsy::dataframe::{TableOptions, Tables};
//!
//! # fn main() -> wsautopsy::error::Result<()> {
//! # let bytes: &'static [u8] = include_bytes!("../samples/1000-clean.pcap");
//! let input = Input::reader("clean.pcap", Box::new(bytes));
//! let analysis = analyze(vec![input], &Options::default(), &mut |_progress| {})?;
//! for record in &analysis.connections {
//!     println!("{} → {}: {:?}", record.client, record.server, record.verdict.close_code);
//! }
//!
//! let tables = Tables::new(&analysis, &TableOptions::default())?;
//! let codes = tables.close_codes.column("code").expect("the schema has it");
//! assert_eq!(codes.get(0).expect("there is a row").extract::<u16>(), Some(1000));
//! # Ok(())
//! # }
//! ```
//!
//! Of very many connections, [`for_each`](analyze::Connections::for_each) holds a part in memory at a time, and
//! [`dataframe::write_tables`] writes their tables so.
//!
//! [`capture::Input::path`] names a file, [`capture::Input::expand`] a directory. What was wrong with a capture never
//! stops the others: it is in [`capture::CaptureFile::problems`].

pub mod analyze;
pub mod capture;
pub mod carve;
pub mod cause;
pub mod close_code;
pub mod connection;
pub mod dataframe;
pub mod error;
pub mod flow;
pub mod http;
pub mod limits;
pub mod packet;
pub mod redact;
pub mod report;
pub mod tcp;
pub mod tls;
pub mod websocket;
