//! `connections`: one row per WebSocket connection, and per attempt to open one.

use std::borrow::Cow;

use polars::prelude::{DataFrame, PolarsResult};

use super::escape::wire_text;
use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::connection::{CloseSource, ConnectionRecord};

/// The table of the connections of `chunk`, of which the first has the number `first`.
pub(super) fn table(analysis: &Analysis, chunk: &[ConnectionRecord], first: u64) -> PolarsResult<DataFrame> {
    let rows: Vec<_> = (first..).zip(chunk).map(|(number, record)| Row { analysis, number, record }).collect();
    schema::frame(&columns(), &rows)
}

/// Milliseconds from the first packet to the end; `None` while the connection is open.
pub(super) fn duration_ms(record: &ConnectionRecord) -> Option<f64> {
    record.ended_at.map(|end| end.millis_since(record.opened_at))
}

/// A connection and its number.
pub(super) struct Row<'a> {
    analysis: &'a Analysis,
    number: u64,
    record: &'a ConnectionRecord,
}

type Field<'a> = Column<Row<'a>>;

/// The columns in order.
pub(super) fn columns<'a>() -> Vec<Field<'a>> {
    let mut columns = Vec::new();
    columns.extend(place_columns());
    columns.extend(time_columns());
    columns.extend(endpoint_columns());
    columns.extend(request_columns());
    columns.extend(response_columns());
    columns.extend(traffic_columns());
    columns.extend(close_columns());
    columns.extend(reply_columns());
    columns.extend(end_columns());
    columns.extend(trouble_columns());
    columns
}

/// Where the connection is in the captures.
fn place_columns<'a>() -> [Field<'a>; 6] {
    [
        Field::count("connection", |row| Some(row.number)).means("Number of the connection, in order of first packet"),
        Field::text("capture", |row| row.analysis.capture_name(row.record.first_packet).map(Cow::Borrowed))
            .means("The capture file that holds the first packet, as it was given"),
        Field::count("tcp_stream", |row| row.analysis.tcp_stream(row.record.conversation).map(|rank| rank as u64))
            .means("The TCP connection")
            .null("Not known")
            .source("Wireshark's `tcp.stream` in that file"),
        Field::count("h2_stream", |_| None)
            .means("The HTTP/2 stream")
            .null("Not over HTTP/2")
            .source("RFC 8441 section 5"),
        Field::count("first_packet", |row| Some(row.record.first_packet.number()))
            .means("The first packet: of the TCP connection, or of a later attempt on it")
            .source("Wireshark's `frame.number`"),
        Field::count("last_packet", |row| Some(row.record.last_packet.number()))
            .means("The last packet, counted in the file that holds it")
            .source("Wireshark's `frame.number`"),
    ]
}

/// When it began and ended.
fn time_columns<'a>() -> [Field<'a>; 4] {
    [
        Field::time("opened_at", |row| Some(row.record.opened_at)).means("When the first packet was captured"),
        Field::time("established_at", |row| row.record.established_at)
            .means("When the answer that completed the handshake was captured")
            .null("The handshake was not completed, or is not in the capture"),
        Field::time("ended_at", |row| row.record.ended_at)
            .means("When it was over: the first FIN or RST, or else the second Close frame")
            .null("Still open at the end of the capture"),
        Field::number("duration_ms", |row| duration_ms(row.record))
            .unit("ms")
            .means("From `opened_at` to `ended_at`")
            .null("Still open at the end of the capture"),
    ]
}

/// Who talked to whom.
fn endpoint_columns<'a>() -> [Field<'a>; 6] {
    [
        Field::address("client_ip", |row| row.record.client.ip())
            .means("Address of the TCP connection's end that asked"),
        Field::code("client_port", |row| Some(row.record.client.port())).means("Its TCP port"),
        Field::address("server_ip", |row| row.record.server.ip())
            .means("Address of the TCP connection's end that was asked"),
        Field::code("server_port", |row| Some(row.record.server.port())).means("Its TCP port"),
        Field::text("forwarded_for", |row| text(&row.record.request.forwarded_for))
            .means("The client that a proxy names")
            .null("No proxy names one")
            .source("PROXY header, `Forwarded` (RFC 7239), `X-Forwarded-For`"),
        Field::word("transport", |row| Some(row.record.transport.name()))
            .means("What carries it: `tcp`, `tls`, `h2` or `h2+tls`"),
    ]
}

/// What the upgrade request said.
fn request_columns<'a>() -> [Field<'a>; 5] {
    const UNSAID: &str = "The request does not say, or is not in the capture";
    [
        Field::text("host", |row| text(&row.record.request.host))
            .means("The `Host` field")
            .null(UNSAID)
            .source("RFC 6455 section 4.1"),
        Field::text("sni", |row| text(&row.record.sni))
            .means("The server name of the TLS handshake")
            .null("No TLS, or no name in it")
            .source("RFC 6066 section 3"),
        Field::text("path", |row| text(&row.record.request.path))
            .means("The request target with its query")
            .null(UNSAID)
            .source("RFC 6455 section 4.1"),
        Field::text("origin", |row| text(&row.record.request.origin))
            .means("The `Origin` field")
            .null(UNSAID)
            .source("RFC 6454 section 7"),
        Field::text("user_agent", |row| text(&row.record.request.user_agent))
            .means("The `User-Agent` field")
            .null(UNSAID)
            .source("RFC 9110 section 10.1.5"),
    ]
}

/// What the answer said.
fn response_columns<'a>() -> [Field<'a>; 4] {
    const UNSAID: &str = "The answer does not say, or is not in the capture";
    [
        Field::text("subprotocol", |row| text(&row.record.response.subprotocol))
            .means("The `Sec-WebSocket-Protocol` that the server chose")
            .null(UNSAID)
            .source("RFC 6455 section 4.2.2"),
        Field::text("extensions", |row| text(&row.record.response.extensions))
            .means("The `Sec-WebSocket-Extensions` that the server agreed to")
            .null(UNSAID)
            .source("RFC 6455 section 9.1"),
        Field::code("http_status", |row| row.record.response.status)
            .means("The status code of the answer")
            .null("Not answered, or the answer is not in the capture")
            .source("RFC 9110 section 15"),
        Field::word("handshake", |row| Some(row.record.handshake.name()))
            .means(
                "`complete`, `refused` (an answer other than 101, or 2xx on h2), `invalid` (a 101 that breaks the \
                 rules), `unanswered` or `missing` (not in the capture)",
            )
            .source("RFC 6455 section 4.2.2"),
    ]
}

/// How much was said.
fn traffic_columns<'a>() -> [Field<'a>; 4] {
    [
        Field::count("client_messages", |row| Some(row.record.messages.client))
            .means("Complete text and binary messages of the client"),
        Field::count("server_messages", |row| Some(row.record.messages.server))
            .means("Complete text and binary messages of the server"),
        Field::count("client_payload_bytes", |row| Some(row.record.payload_bytes.client))
            .unit("bytes")
            .means("Payload of the client's data frames, as it was on the wire: compressed counts compressed"),
        Field::count("server_payload_bytes", |row| Some(row.record.payload_bytes.server))
            .unit("bytes")
            .means("Payload of the server's data frames, as it was on the wire"),
    ]
}

/// How it was closed.
fn close_columns<'a>() -> [Field<'a>; 5] {
    const NO_CODE: &str = "Still open, or never a WebSocket";
    [
        Field::code("close_code", |row| row.record.verdict.close_code.map(|code| code.0))
            .means(
                "The code of the first Close frame; 1005 if its body is empty; 1006 if TCP ended without one; 1015 if \
                 the TLS handshake failed",
            )
            .null(NO_CODE)
            .source("RFC 6455 section 7.1.5"),
        Field::word("close_name", |row| row.record.verdict.close_code?.name())
            .means("The registered name of the code")
            .null("No code, or nobody registered it")
            .source("IANA WebSocket Close Code Number Registry"),
        Field::word("close_code_source", |row| row.record.verdict.source.map(|source| source.name()))
            .means("What the code rests on: `frame`, `empty-frame` or `inferred` (there was no Close frame)")
            .null(NO_CODE),
        Field::text("close_reason", |row| {
            let verdict = &row.record.verdict;
            // An empty body has no place for a reason, which is another thing than an empty reason.
            verdict.reason.as_deref().filter(|_| verdict.source != Some(CloseSource::EmptyFrame)).map(wire_text)
        })
        .means(
            "The reason of the first Close frame; where it is not UTF-8, each bad byte is `\\xHH` and each backslash of \
             it is doubled",
        )
        .null("No Close frame, or its body is empty")
        .source("RFC 6455 section 7.1.6"),
        Field::word("closed_by", |row| row.record.verdict.closed_by.map(|by| by.name()))
            .means(
                "Who sent the first Close frame: `client`, `server`, or `both` if the capture shows that they crossed; \
                 for 1006, who sent the first FIN or RST",
            )
            .null("Still open, or never a WebSocket, or the capture does not show it"),
    ]
}

/// How the Close frame was answered.
fn reply_columns<'a>() -> [Field<'a>; 3] {
    [
        Field::word("close_reply", |row| row.record.verdict.reply.map(|reply| reply.name()))
            .means("How the first Close frame was answered: `matching`, `different` or `missing`")
            .null("There was none, or the capture does not show whether it was answered")
            .source("RFC 6455 section 5.5.1"),
        Field::code("reply_code", |row| row.record.verdict.reply_code.map(|code| code.0))
            .means("The code of the answer, 1005 if it is empty")
            .null("No answer"),
        Field::number("reply_ms", |row| row.record.verdict.reply_ms)
            .unit("ms")
            .means("From the first Close frame to its answer")
            .null("No answer"),
    ]
}

/// How TCP ended, and why.
fn end_columns<'a>() -> [Field<'a>; 5] {
    [
        Field::word("tcp_end", |row| Some(row.record.verdict.tcp_end.map_or("none", |end| end.name())))
            .means("How TCP ended: `fin`, `rst`, or `none` if its end is not in the capture"),
        Field::word("tcp_ended_by", |row| row.record.verdict.tcp_ended_by.map(|role| role.name()))
            .means("Who sent the first FIN or RST: `client` or `server`")
            .null("The end of TCP is not in the capture, or does not show it"),
        Field::flag("clean", |row| row.record.verdict.clean)
            .means("Whether both Close frames were seen and TCP ended with FIN")
            .null("Not settled by the capture")
            .source("RFC 6455 section 7.1.4"),
        Field::word("cause", |row| row.record.cause.map(|cause| cause.kind.name()))
            .means("Why it closed, where the capture shows it")
            .null("The capture does not show it"),
        Field::count("cause_packet", |row| row.record.cause.map(|cause| cause.packet.number()))
            .means("The packet that shows the cause")
            .null("No cause is shown")
            .source("Wireshark's `frame.number`"),
    ]
}

/// What was wrong, and how much of it the capture holds.
fn trouble_columns<'a>() -> [Field<'a>; 5] {
    [
        Field::count("invalid_utf8", |row| Some(row.record.invalid_utf8_count))
            .means("Text messages and Close reasons that are not UTF-8"),
        Field::count("violations", |row| Some(row.record.violation_count)).means("Breaches of the protocol"),
        Field::count("undecodable_messages", |row| Some(row.record.undecodable_messages))
            .means("Compressed messages that could not be inflated")
            .source("RFC 7692"),
        Field::count("missed_bytes", |row| Some(row.record.missed_bytes)).unit("bytes").means(
            "Bytes that either end sent over TCP and the capture does not hold, as later sequence numbers or \
                 acknowledgements show; those that the snap length cut off count, FINs and retransmissions do not, nor \
                 what came before the first captured packet of a connection whose SYN is not in the capture. Bytes \
                 recorded more than some packets after their acknowledgement count as missing",
        ),
        Field::flag("complete", |row| Some(row.record.complete)).means(
            "Whether handshake and end are in the capture and nothing is missing between: no byte, and of both ends \
                 a FIN, or its acknowledgement, or a RST of either",
        ),
    ]
}

fn text(value: &Option<Box<str>>) -> Option<Cow<'_, str>> {
    value.as_deref().map(Cow::Borrowed)
}
