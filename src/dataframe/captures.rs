//! `captures`: one row per capture file.

use std::borrow::Cow;

use polars::prelude::{DataFrame, PolarsResult};

use super::schema::{self, Column};
use crate::analyze::{AnalysedCapture, Analysis};
use crate::capture::LinkType;

/// The table of `analysis`.
pub(super) fn table(analysis: &Analysis) -> PolarsResult<DataFrame> {
    let rows: Vec<_> = analysis.captures.iter().map(|capture| Row { capture }).collect();
    schema::frame(&columns(), &rows)
}

/// A capture file.
pub(super) struct Row<'a> {
    capture: &'a AnalysedCapture,
}

type Field<'a> = Column<Row<'a>>;

/// The columns in order.
pub(super) fn columns<'a>() -> Vec<Field<'a>> {
    let mut columns = Vec::new();
    columns.extend(file_columns());
    columns.extend(damage_columns());
    columns.extend(content_columns());
    columns
}

/// What the file is.
fn file_columns<'a>() -> [Field<'a>; 7] {
    [
        Field::text("capture", |row| Some(Cow::Borrowed(&row.capture.file.name)))
            .means("The capture file, as it was given"),
        Field::word("format", |row| row.capture.file.format.map(|format| format.name()))
            .means("`pcap` or `pcapng`")
            .null("It could not be opened, or is no capture"),
        Field::count("packets", |row| Some(row.capture.file.packets)).means("Packets in it"),
        Field::count("bytes", |row| Some(row.capture.file.bytes)).unit("bytes").means("Bytes read of it"),
        Field::time("first_packet_at", |row| row.capture.file.first_packet_at)
            .means("The earliest time of a packet")
            .null("It has no packets"),
        Field::time("last_packet_at", |row| row.capture.file.last_packet_at)
            .means("The latest time of a packet")
            .null("It has no packets"),
        Field::text("link_types", |row| Some(Cow::Owned(link_types(&row.capture.file.link_types))))
            .means("The link types of its packets, separated by commas, in order of appearance; numbers where no name is known")
            .source("<https://www.tcpdump.org/linktypes.html>"),
    ]
}

/// What is missing of it.
fn damage_columns<'a>() -> [Field<'a>; 4] {
    [
        Field::count("truncated_packets", |row| Some(row.capture.file.truncated_packets))
            .means("Packets of which it holds less than was on the wire"),
        Field::count("undecoded_packets", |row| Some(row.capture.undecoded_packets))
            .means("Packets whose headers could not be decoded down to TCP or to another known protocol"),
        Field::count("damaged_bytes", |row| Some(row.capture.file.damaged_bytes))
            .unit("bytes")
            .means("Bytes that belong to no sound record"),
        Field::count("dropped_by_capture", |row| row.capture.file.dropped_by_capture)
            .means("Packets that the capturing program says it dropped")
            .null("It does not say"),
    ]
}

/// What was found in it.
fn content_columns<'a>() -> [Field<'a>; 3] {
    [
        Field::count("missed_bytes", |row| Some(row.capture.missed_bytes))
            .unit("bytes")
            .means("TCP payload of WebSocket connections that was on the wire and is not in it"),
        Field::count("tcp_streams", |row| Some(row.capture.conversations.len() as u64))
            .means("TCP connections in it, as Wireshark counts them"),
        Field::count("connections", |row| Some(row.capture.connections))
            .means("Rows of `connections` that begin in it"),
    ]
}

/// The names of `types`, separated by commas.
fn link_types(types: &[LinkType]) -> String {
    types.iter().map(|&link| link_name(link)).collect::<Vec<_>>().join(",")
}

/// The name of a link type in tcpdump's list, or its number.
fn link_name(link: LinkType) -> Cow<'static, str> {
    Cow::Borrowed(match link.0 {
        0 => "NULL",
        1 => "EN10MB",
        6 => "IEEE802_5",
        9 => "PPP",
        10 => "FDDI",
        12 | 14 | 101 => "RAW",
        50 => "PPP_HDLC",
        51 => "PPP_ETHER",
        104 => "C_HDLC",
        105 => "IEEE802_11",
        107 => "FRELAY",
        108 => "LOOP",
        109 => "ENC",
        113 => "LINUX_SLL",
        117 => "PFLOG",
        119 => "PRISM_HEADER",
        127 => "IEEE802_11_RADIO",
        163 => "IEEE802_11_RADIO_AVS",
        192 => "PPI",
        195 => "IEEE802_15_4_WITHFCS",
        228 => "IPV4",
        229 => "IPV6",
        239 => "NFLOG",
        240 => "NETANALYZER",
        253 => "NETLINK",
        276 => "LINUX_SLL2",
        other => return Cow::Owned(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_types_have_tcpdumps_names() {
        assert_eq!(link_types(&[1, 113, 276, 4242].map(LinkType)), "EN10MB,LINUX_SLL,LINUX_SLL2,4242");
        assert_eq!(link_types(&[]), "");
    }
}
