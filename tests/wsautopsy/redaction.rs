//! Nothing that must not leave the house is in any output: looked for byte by byte.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use wsautopsy::dataframe::TableName;

use crate::builder::{Capture, Conversation, TEXT, answer_head, frame, request_head};
use crate::{CLIENT, SERVER};

/// Stands in payload: the text of a message, a reason, what a violation quotes.
const PAYLOAD: [&str; 3] = ["in-message", "in-reason", "in-detail"];

/// Names somebody: in addresses, in the head of the request, in arguments.
const IDENTITIES: [&str; 10] = [
    "10.77.66.55",
    "10.77.66.44",
    "fd00:7766::55",
    "in-host.example",
    "in-query",
    "in-origin.example",
    "in-agent",
    "10.77.66.33",
    "in-argument",
    "fd00:7766::44",
];

/// Connections with a marker wherever a peer can put one.
fn capture() -> Capture {
    let fields = "Origin: https://in-origin.example\r\nUser-Agent: in-agent/1.0\r\nX-Forwarded-For: 10.77.66.33\r\n";
    let request = request_head("/chat?user=in-query", fields).replace("chat.example", "in-host.example:8080");
    let opened = |client: &str, server: &str, port| {
        Conversation::between(client, port, server, 8080).syn().client(&request).server(answer_head(""))
    };
    let text = frame(CLIENT, TEXT, b"in-message\xffin-message");
    let closed = opened("10.77.66.55", "10.77.66.44", 50_001).client(text).close(SERVER, 1007, "in-reason");
    let closed = closed.close(CLIENT, 1007, "in-reason").fins(SERVER);
    let aborted = opened("fd00:7766::55", "fd00:7766::44", 50_002).text(SERVER, "in-message").rst(CLIENT);
    let accept = answer_head("").replace("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: in-detail");
    let wrong = Conversation::between("10.77.66.55", 50_003, "10.77.66.44", 8080).syn().client(&request);
    Capture::merged([closed, aborted, wrong.server(accept).fins(CLIENT)])
}

/// All that the program puts out for that capture with these arguments: each output and its name.
fn outputs(arguments: &[&str]) -> Vec<(String, Vec<u8>)> {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("in.pcap"), capture().pcap()).unwrap();
    let formats = ["csv", "parquet", "json", "ndjson", "arrow"].iter().flat_map(|format| ["--format", format]);
    let directory: Vec<&str> = ["-o", "out", "--host=in-argument", "--host", "10.77.66.55", "--host=fd00:7766::55"]
        .into_iter()
        .chain(formats)
        .collect();
    let mut outputs = run(desk.path(), "summary", &[&directory, arguments].concat());
    for entry in fs::read_dir(desk.path().join("out")).unwrap() {
        let path = entry.unwrap().path();
        outputs.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()));
    }
    for table in TableName::ALL {
        outputs.extend(run(desk.path(), table.name(), &[&["--table", table.name()], arguments].concat()));
    }
    outputs
}

fn run(directory: &Path, name: &str, arguments: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsautopsy"));
    let output = command.current_dir(directory).args(["analyze", "in.pcap"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    vec![(format!("{name} on stdout"), output.stdout), (format!("{name} on stderr"), output.stderr)]
}

/// In which of the outputs `marker` is, as it is or in hexadecimal.
fn found(outputs: &[(String, Vec<u8>)], marker: &str) -> Vec<String> {
    let hex: String = marker.bytes().map(|byte| format!("{byte:02x}")).collect();
    let needles = [marker.to_owned(), hex.to_uppercase(), hex];
    let has = |bytes: &[u8], needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    let holding = outputs.iter().filter(|(_, bytes)| needles.iter().any(|needle| has(bytes, needle)));
    holding.map(|(name, _)| name.clone()).collect()
}

/// Asserts that the search finds `marker` in at least so many outputs where nothing is hidden.
#[track_caller]
fn assert_is_shown(outputs: &[(String, Vec<u8>)], marker: &str) {
    let found = found(outputs, marker);
    assert!(!found.is_empty(), "{marker} is nowhere to be hidden from");
}

#[test]
fn everything_is_shown_unless_it_is_hidden() {
    let outputs = outputs(&[]);
    for marker in PAYLOAD.into_iter().chain(IDENTITIES) {
        assert_is_shown(&outputs, marker);
    }
    // So a search of these formats would find what is in them.
    for format in ["connections.csv", "connections.json", "connections.ndjson", "connections.arrow"] {
        assert!(found(&outputs, "in-reason").contains(&format.to_owned()), "{format}");
    }
}

#[test]
fn no_payload_means_none_in_any_output() {
    let outputs = outputs(&["--no-payload"]);
    for marker in PAYLOAD {
        assert_eq!(found(&outputs, marker), [""; 0], "{marker}");
    }
    for marker in IDENTITIES {
        assert_is_shown(&outputs, marker);
    }
}

#[test]
fn redacted_means_no_payload_and_no_names_in_any_output() {
    let outputs = outputs(&["--redact"]);
    for marker in PAYLOAD.into_iter().chain(IDENTITIES) {
        assert_eq!(found(&outputs, marker), [""; 0], "{marker}");
    }
    for stand_in in ["240.0.0.1", "2001:db8::1", "host-1.invalid:8080", "/chat?redacted", "agent-1"] {
        assert_is_shown(&outputs, stand_in);
    }
}

#[test]
fn verdicts_do_not_change() {
    let rows = |arguments: &[&str], table: &str| {
        let outputs = outputs(arguments);
        let csv = outputs.into_iter().find(|(name, _)| *name == format!("{table} on stdout")).unwrap().1;
        String::from_utf8(csv).unwrap()
    };
    for arguments in [&["--no-payload"][..], &["--redact"], &["--redact", "--no-payload"]] {
        assert_eq!(rows(arguments, "close_codes"), rows(&[], "close_codes"));
        let count = |table| rows(arguments, table).lines().count();
        assert_eq!(count("violations"), rows(&[], "violations").lines().count());
        assert_eq!(count("invalid_utf8"), rows(&[], "invalid_utf8").lines().count());
    }
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let files = |threads| {
        let mut outputs = outputs(&["--redact", "--threads", threads]);
        outputs.retain(|(name, _)| name != "summary.json");
        outputs.sort();
        outputs
    };
    assert!(files("1") == files("4"));
}
