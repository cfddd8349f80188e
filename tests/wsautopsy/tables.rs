//! Tables of whole captures: what is in the cells.

use wsautopsy::dataframe::{Format, TableName, TableOptions, Tables};

use crate::builder::{Capture, Conversation, TEXT};
use crate::{CLIENT, SERVER, analysis};

/// The table of `capture` as CSV.
fn csv(capture: &Capture, table: TableName) -> String {
    let tables = Tables::new(&analysis(capture), &TableOptions::default()).unwrap();
    let mut out = Vec::new();
    tables.write(table, Format::Csv, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The cells of the first row under these columns.
fn cells(csv: &str, columns: &[&str]) -> Vec<String> {
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row: Vec<&str> = lines.next().expect("there is a row").split(',').collect();
    let place = |column: &&str| names.iter().position(|name| name == column).unwrap();
    columns.iter().map(|column| row[place(column)].to_owned()).collect()
}

fn chat() -> Capture {
    let open = Conversation::open().frame(CLIENT, TEXT, b"caf\xe9 olala");
    Capture::of(open.close(SERVER, 1007, "no UTF-8").close(CLIENT, 1007, "").fins(SERVER))
}

#[test]
fn connection_is_a_row() {
    let columns = ["connection", "capture", "tcp_stream", "first_packet", "last_packet", "opened_at", "duration_ms"];
    let expected = ["0", "test.pcap", "0", "1", "11", "2026-01-31T12:00:00.000000000Z", "8.0"];
    assert_eq!(cells(&csv(&chat(), TableName::Connections), &columns), expected);
}

#[test]
fn verdict_is_in_the_connections_row() {
    let columns = ["close_code", "close_code_source", "close_reason", "closed_by", "close_reply", "clean", "complete"];
    let expected = ["1007", "frame", "no UTF-8", "server", "matching", "true", "true"];
    assert_eq!(cells(&csv(&chat(), TableName::Connections), &columns), expected);
}

#[test]
fn invalid_text_is_a_row() {
    let columns = ["packet", "sender", "message", "byte_offset", "error", "context_hex", "peer_close_code"];
    let expected = ["6", "client", "0", "3", "missing-continuation", "636166e9206f6c616c61", "1007"];
    assert_eq!(cells(&csv(&chat(), TableName::InvalidUtf8), &columns), expected);
}

#[test]
fn close_frames_are_rows_in_order_of_capture() {
    let csv = csv(&chat(), TableName::CloseFrames);
    assert_eq!(csv.lines().count(), 3);
    let columns = ["packet", "sender", "position", "code", "reason", "reason_valid", "payload_bytes"];
    assert_eq!(cells(&csv, &columns), ["7", "server", "first", "1007", "no UTF-8", "true", "10"]);
}

#[test]
fn reason_that_would_break_a_table_stays_in_its_cell() {
    let evil = Capture::of(Conversation::open().close(SERVER, 4000, "=cmd|\r\n\",x\u{1b}[31m").fins(SERVER));
    let csv = csv(&evil, TableName::CloseFrames);
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(!csv.contains('\u{1b}') && !csv.contains(",="), "{csv}");
}

#[test]
fn table_without_rows_is_its_header() {
    let csv = csv(&Capture::of(Conversation::new().syn()), TableName::Violations);
    assert_eq!(csv, "connection,capture,packet,time,sender,rule,section,detail,peer_close_code,peer_reaction_ms\n");
}
