//! Columns: each is declared once, with what it means and how a row gives its value.
//!
//! The declaration makes the DataFrame's column and the README's line, so that the three cannot drift apart.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use polars::prelude::{
    BooleanChunked, Column as Series, DataFrame, DataType, Float64Chunked, Int64Chunked, IntoColumn, IntoSeries,
    NewChunkedArray, PlSmallStr, PolarsResult, StringChunked, StringChunkedBuilder, TimeUnit, TimeZone, UInt16Chunked,
    UInt64Chunked,
};
use rayon::prelude::*;

use super::TableName;
use crate::flow::Timestamp;

/// What a column holds, for people and for documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Its name.
    pub name: &'static str,
    /// The type of its values.
    pub value_type: ValueType,
    /// The unit of its values; empty where they have none.
    pub unit: &'static str,
    /// What a value says.
    pub meaning: &'static str,
    /// What null says; empty where no value is null.
    pub null: &'static str,
    /// Where the meaning is defined, such as `RFC 6455 section 7.1.5`; empty where it is this program's own.
    pub source: &'static str,
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A count or an identifier: 64 bits, unsigned.
    Count,
    /// A port or a code: 16 bits, unsigned.
    Code,
    /// A measure: 64-bit floating point, never NaN.
    Number,
    /// True or false.
    Flag,
    /// A moment: nanoseconds, UTC.
    Time,
    /// Text.
    Text,
}

impl ValueType {
    /// The type in Polars and Parquet.
    #[must_use]
    pub fn dtype(self) -> DataType {
        match self {
            Self::Count => DataType::UInt64,
            Self::Code => DataType::UInt16,
            Self::Number => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Time => DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC)),
            Self::Text => DataType::String,
        }
    }

    /// The name that the documentation uses: that of the Polars type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "UInt64",
            Self::Code => "UInt16",
            Self::Number => "Float64",
            Self::Flag => "Boolean",
            Self::Time => "datetime[ns, UTC]",
            Self::Text => "String",
        }
    }
}

/// A column and how a row `R` gives its value.
pub(super) struct Column<R> {
    /// What the documentation says of it.
    pub(super) schema: ColumnSchema,
    values: Values<R>,
}

/// How a row gives a column's value.
enum Values<R> {
    Count(fn(&R) -> Option<u64>),
    Code(fn(&R) -> Option<u16>),
    Number(fn(&R) -> Option<f64>),
    Flag(fn(&R) -> Option<bool>),
    Time(fn(&R) -> Option<Timestamp>),
    /// One of a few fixed words.
    Word(fn(&R) -> Option<&'static str>),
    Text(fn(&R) -> Option<Cow<'_, str>>),
    /// An address, as text.
    Address(fn(&R) -> IpAddr),
}

impl<R> Column<R> {
    /// A count or identifier.
    pub(super) fn count(name: &'static str, value: fn(&R) -> Option<u64>) -> Self {
        Self::new(name, ValueType::Count, Values::Count(value))
    }

    /// A port or code.
    pub(super) fn code(name: &'static str, value: fn(&R) -> Option<u16>) -> Self {
        Self::new(name, ValueType::Code, Values::Code(value))
    }

    /// A measure.
    pub(super) fn number(name: &'static str, value: fn(&R) -> Option<f64>) -> Self {
        Self::new(name, ValueType::Number, Values::Number(value))
    }

    /// True or false.
    pub(super) fn flag(name: &'static str, value: fn(&R) -> Option<bool>) -> Self {
        Self::new(name, ValueType::Flag, Values::Flag(value))
    }

    /// A moment.
    pub(super) fn time(name: &'static str, value: fn(&R) -> Option<Timestamp>) -> Self {
        Self::new(name, ValueType::Time, Values::Time(value))
    }

    /// One of a few fixed words.
    pub(super) fn word(name: &'static str, value: fn(&R) -> Option<&'static str>) -> Self {
        Self::new(name, ValueType::Text, Values::Word(value))
    }

    /// Any text.
    pub(super) fn text(name: &'static str, value: fn(&R) -> Option<Cow<'_, str>>) -> Self {
        Self::new(name, ValueType::Text, Values::Text(value))
    }

    /// An address.
    pub(super) fn address(name: &'static str, value: fn(&R) -> IpAddr) -> Self {
        Self::new(name, ValueType::Text, Values::Address(value))
    }

    fn new(name: &'static str, value_type: ValueType, values: Values<R>) -> Self {
        let schema = ColumnSchema { name, value_type, unit: "", meaning: "", null: "", source: "" };
        Self { schema, values }
    }

    /// Says what a value means.
    pub(super) fn means(mut self, meaning: &'static str) -> Self {
        self.schema.meaning = meaning;
        self
    }

    /// Says the unit of the values.
    pub(super) fn unit(mut self, unit: &'static str) -> Self {
        self.schema.unit = unit;
        self
    }

    /// Says what null means; without it, no value may be null.
    pub(super) fn null(mut self, null: &'static str) -> Self {
        self.schema.null = null;
        self
    }

    /// Says where the meaning is defined.
    pub(super) fn source(mut self, source: &'static str) -> Self {
        self.schema.source = source;
        self
    }

    /// The column of `rows`.
    fn of(&self, rows: &[R]) -> Series {
        let name = self.schema.name.into();
        let rows = rows.iter();
        match &self.values {
            Values::Count(value) => UInt64Chunked::from_iter_options(name, rows.map(value)).into_column(),
            Values::Code(value) => UInt16Chunked::from_iter_options(name, rows.map(value)).into_column(),
            Values::Number(value) => Float64Chunked::from_iter_options(name, rows.map(value)).into_column(),
            Values::Flag(value) => BooleanChunked::from_iter_options(name, rows.map(value)).into_column(),
            Values::Time(value) => {
                let nanoseconds = rows.map(|row| value(row).map(Timestamp::as_nanos));
                Int64Chunked::from_iter_options(name, nanoseconds)
                    .into_datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC))
                    .into_series()
                    .into_column()
            }
            Values::Word(value) => StringChunked::from_iter_options(name, rows.map(value)).into_column(),
            Values::Text(value) => StringChunked::from_iter_options(name, rows.map(value)).into_column(),
            Values::Address(value) => addresses(name, rows.map(value)),
        }
    }
}

/// A column of addresses as text.
fn addresses(name: PlSmallStr, addresses: impl ExactSizeIterator<Item = IpAddr>) -> Series {
    let mut cells = StringChunkedBuilder::new(name, addresses.len());
    let mut text = String::new();
    for address in addresses {
        text.clear();
        push_address(&mut text, address);
        cells.append_value(text.as_str());
    }
    cells.finish().into_column()
}

/// Appends `address`. Those of IPv4, of which tables are full, are written digit by digit.
pub(super) fn push_address(text: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => push_v4(text, v4),
        // Writing to a String cannot fail.
        IpAddr::V6(v6) => drop(write!(text, "{v6}")),
    }
}

fn push_v4(text: &mut String, address: Ipv4Addr) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        let [hundreds, tens, ones] = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| char::from(b'0' + digit));
        if octet >= 100 {
            text.push(hundreds);
        }
        if octet >= 10 {
            text.push(tens);
        }
        text.push(ones);
    }
}

/// The DataFrame that `columns` make of `rows`, each on whichever thread is free.
pub(super) fn frame<R: Sync>(columns: &[Column<R>], rows: &[R]) -> PolarsResult<DataFrame> {
    DataFrame::new(rows.len(), columns.par_iter().map(|column| column.of(rows)).collect())
}

/// What the documentation says of `columns`.
pub(super) fn describe<R>(columns: &[Column<R>]) -> Vec<ColumnSchema> {
    columns.iter().map(|column| column.schema).collect()
}

/// Every table with its columns, as Markdown: what the README says of them.
#[must_use]
pub fn schema_markdown() -> String {
    TableName::ALL.into_iter().map(table_markdown).collect::<Vec<_>>().join("\n")
}

/// One table with its columns, as Markdown.
#[must_use]
pub fn table_markdown(table: TableName) -> String {
    let mut text = format!("### {}\n\n{}\n\n", table.name(), table.about());
    text.push_str("| column | type | unit | meaning | null | source |\n| --- | --- | --- | --- | --- | --- |\n");
    for column in table.schema() {
        let ColumnSchema { name, value_type, unit, meaning, null, source } = column;
        let null = if null.is_empty() { "never" } else { null };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{name}` | {} | {unit} | {meaning} | {null} | {source} |", value_type.name());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::{TableOptions, Tables, sample};

    #[test]
    fn every_frame_has_the_columns_and_types_of_its_schema() {
        for analysis in [sample::analysis(), crate::analyze::Analysis::default()] {
            let tables = Tables::new(&analysis, &TableOptions::default()).unwrap();
            for table in TableName::ALL {
                let declared: Vec<_> =
                    table.schema().iter().map(|column| (column.name, column.value_type.dtype())).collect();
                let frame = tables.get(table);
                let found: Vec<_> =
                    frame.columns().iter().map(|column| (column.name().as_str(), column.dtype().clone())).collect();
                assert_eq!(found, declared, "{}", table.name());
            }
        }
    }

    #[test]
    fn addresses_are_as_the_standard_library_writes_them() {
        let octets = [0, 1, 9, 10, 99, 100, 255];
        for address in octets.map(|octet| Ipv4Addr::new(octet, 255 - octet, 7, octet)) {
            let mut text = String::new();
            push_v4(&mut text, address);
            assert_eq!(text, address.to_string());
        }
        let both = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
        let column = addresses("server_ip".into(), both.into_iter());
        assert_eq!(column.str().unwrap().iter().flatten().collect::<Vec<_>>(), ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn columns_that_are_never_null_have_no_nulls() {
        let tables = Tables::new(&sample::analysis(), &TableOptions::default()).unwrap();
        for table in TableName::ALL {
            for column in table.schema().iter().filter(|column| column.null.is_empty()) {
                let nulls = tables.get(table).column(column.name).unwrap().null_count();
                assert_eq!(nulls, 0, "{}.{}", table.name(), column.name);
            }
        }
    }

    #[test]
    fn every_column_says_what_it_means() {
        for table in TableName::ALL {
            for column in table.schema() {
                assert!(!column.meaning.is_empty(), "{}.{}", table.name(), column.name);
                let all = [column.unit, column.meaning, column.null, column.source].concat();
                assert!(!all.contains(['|', '\n']), "{}.{} breaks the Markdown table", table.name(), column.name);
            }
        }
    }

    #[test]
    fn names_and_order_are_those_of_the_contract() {
        let contract = [
            (
                "connections",
                "connection, capture, tcp_stream, h2_stream, first_packet, last_packet, opened_at, established_at, \
                 ended_at, duration_ms, client_ip, client_port, server_ip, server_port, forwarded_for, transport, host, \
                 sni, path, origin, user_agent, subprotocol, extensions, http_status, handshake, client_messages, \
                 server_messages, client_payload_bytes, server_payload_bytes, close_code, close_name, \
                 close_code_source, close_reason, closed_by, close_reply, reply_code, reply_ms, tcp_end, tcp_ended_by, \
                 clean, cause, cause_packet, invalid_utf8, violations, undecodable_messages, missed_bytes, complete",
            ),
            (
                "close_frames",
                "connection, capture, packet, time, sender, position, code, name, kind, reason, reason_valid, \
                 payload_bytes",
            ),
            (
                "invalid_utf8",
                "connection, capture, packet, time, sender, location, message, message_bytes, byte_offset, error, \
                 context_hex, likely_cause, peer_close_code, peer_reaction_ms",
            ),
            (
                "violations",
                "connection, capture, packet, time, sender, rule, section, detail, peer_close_code, peer_reaction_ms",
            ),
            (
                "close_codes",
                "code, name, kind, connections, share, closed_by_client, closed_by_server, closed_by_both, inferred, \
                 frames_from_client, frames_from_server, median_duration_ms",
            ),
            ("close_codes_by_endpoint", "server_ip, server_port, host, path, code, name, connections, share"),
            ("close_codes_over_time", "bucket, code, name, connections"),
            ("reconnects", "connection, next_connection, client_ip, host, path, close_code, delay_ms"),
            (
                "tls_failures",
                "connection, capture, packet, time, client_ip, client_port, server_ip, server_port, sni, alpn, \
                 offered_versions, version, cipher, alert, alert_sender, inferred, cause, certificate_subject, \
                 certificate_not_after, detail",
            ),
            (
                "captures",
                "capture, format, packets, bytes, first_packet_at, last_packet_at, link_types, truncated_packets, \
                 undecoded_packets, damaged_bytes, dropped_by_capture, missed_bytes, tcp_streams, connections",
            ),
        ];
        let declared = TableName::ALL.map(|table| {
            (table.name(), table.schema().iter().map(|column| column.name).collect::<Vec<_>>().join(", "))
        });
        assert_eq!(declared, contract.map(|(table, columns)| (table, columns.to_owned())));
    }

    #[test]
    fn markdown_has_a_line_for_every_column() {
        let markdown = table_markdown(TableName::CloseCodesOverTime);
        assert!(markdown.starts_with("### close_codes_over_time\n"), "{markdown}");
        assert!(markdown.contains("| `connections` | UInt64 |"), "{markdown}");
        assert_eq!(markdown.lines().count(), 6 + 4);
        assert!(schema_markdown().contains("| `median_duration_ms` | Float64 | ms |"));
    }
}
