//! `tls_failures`: every TLS handshake that failed.

use std::borrow::Cow;

use polars::prelude::{DataFrame, PolarsResult};

use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::connection::TlsFailure;
use crate::flow::Timestamp;

/// The table of `analysis`.
pub(super) fn table(analysis: &Analysis) -> PolarsResult<DataFrame> {
    let rows: Vec<_> = analysis
        .tls_failures
        .iter()
        .map(|(connection, failure)| Row { analysis, connection: *connection, failure })
        .collect();
    schema::frame(&columns(), &rows)
}

/// A failed handshake, and which connection it was to be.
pub(super) struct Row<'a> {
    analysis: &'a Analysis,
    connection: Option<u64>,
    failure: &'a TlsFailure,
}

type Field<'a> = Column<Row<'a>>;

/// The columns in order.
pub(super) fn columns<'a>() -> Vec<Field<'a>> {
    let mut columns = Vec::new();
    columns.extend(place_columns());
    columns.extend(hello_columns());
    columns.extend(failure_columns());
    columns
}

/// Where it is, and whose.
fn place_columns<'a>() -> [Field<'a>; 8] {
    [
        Field::count("connection", |row| row.connection)
            .means("The connection that it was to be: `connections.connection`")
            .null("The endpoint is not known to serve WebSockets"),
        Field::text("capture", |row| row.analysis.capture_name(row.failure.packet).map(Cow::Borrowed))
            .means("The capture file, as it was given"),
        Field::count("packet", |row| Some(row.failure.packet.number()))
            .means("The packet that shows it: the alert, or the last one of the handshake")
            .source("Wireshark's `frame.number` in that file"),
        Field::time("time", |row| Some(row.failure.time)).means("When that packet was captured"),
        Field::address("client_ip", |row| row.failure.record.client.ip()).means("Address of the end that asked"),
        Field::code("client_port", |row| Some(row.failure.record.client.port())).means("Its TCP port"),
        Field::address("server_ip", |row| row.failure.record.server.ip()).means("Address of the end that was asked"),
        Field::code("server_port", |row| Some(row.failure.record.server.port())).means("Its TCP port"),
    ]
}

/// What both ends said of themselves.
fn hello_columns<'a>() -> [Field<'a>; 5] {
    [
        Field::text("sni", |row| row.failure.record.sni.as_deref().map(Cow::Borrowed))
            .means("The server's name in the ClientHello")
            .null("It has none")
            .source("RFC 6066 section 3"),
        Field::text("alpn", |row| (!row.failure.alpn.is_empty()).then(|| row.failure.alpn.join(",").into()))
            .means("The protocols that the client offered, separated by commas")
            .null("It offered none")
            .source("RFC 7301"),
        Field::text("offered_versions", |row| Some(versions(row.failure).into()))
            .means("The versions that the client offered, separated by commas"),
        Field::text("version", |row| row.failure.version.map(|version| version.name().into()))
            .means("The version that the server chose")
            .null("No ServerHello"),
        Field::text("cipher", |row| row.failure.cipher.as_deref().map(Cow::Borrowed))
            .means("The cipher suite that the server chose")
            .null("No ServerHello")
            .source("<https://www.iana.org/assignments/tls-parameters>"),
    ]
}

/// Why it failed.
fn failure_columns<'a>() -> [Field<'a>; 7] {
    [
        Field::text("alert", |row| {
            let alert = row.failure.alert?;
            Some(alert.name().map_or_else(|| Cow::Owned(alert.0.to_string()), Cow::Borrowed))
        })
        .means("The alert that told, such as `certificate_expired`; a number where the registry has no name")
        .null("None could be read")
        .source("RFC 8446 section 6"),
        Field::word("alert_sender", |row| row.failure.alert_sender.map(|role| role.name()))
            .means("Who sent the alert: `client` or `server`")
            .null("None could be read"),
        Field::flag("inferred", |row| Some(row.failure.inferred))
            .means("Whether it follows from lengths of records, their order and the end of TCP only"),
        Field::word("cause", |row| row.failure.cause).means("Why, such as `certificate-expired`").null("Nothing says"),
        Field::text("certificate_subject", |row| {
            row.failure.certificate.as_ref().map(|certificate| Cow::Borrowed(&*certificate.subject))
        })
        .means("The subject of the server's certificate")
        .null("It cannot be read: TLS 1.3 encrypts it"),
        Field::time("certificate_not_after", |row| {
            let seconds = row.failure.certificate.as_ref()?.not_after;
            seconds.checked_mul(1_000_000_000).map(Timestamp::from_nanos)
        })
        .means("When the server's certificate expires")
        .null("It cannot be read: TLS 1.3 encrypts it"),
        Field::text("detail", |row| Some(Cow::Borrowed(&row.failure.detail))).means("What was found, in a few words"),
    ]
}

fn versions(failure: &TlsFailure) -> String {
    failure.offered_versions.iter().map(|version| version.name()).collect::<Vec<_>>().join(",")
}
