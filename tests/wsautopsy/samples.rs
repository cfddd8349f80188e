//! The sample captures of real clients and servers, against what those logged themselves: `samples/truth.json`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wsautopsy::capture::Input;
use wsautopsy::connection::ConnectionRecord;
use wsautopsy::flow::{PerRole, Role};

use crate::{CLIENT, SERVER, analysis_of};

/// Ports on which the servers of `samples/record.sh` listen, those behind a proxy excluded.
const PROXY_TO_SERVER: &str = "127.0.0.1:9001";

/// Clients whose broken frame announced more payload than they sent: on the wire, their Close frame lies inside of it.
const SWALLOWED_CLOSES: [(&str, u64); 2] =
    [("1002-protocol-errors.pcap", 40_006), ("1002-protocol-errors.pcap", 40_007)];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn truth() -> Value {
    serde_json::from_str(&std::fs::read_to_string(directory().join("truth.json")).unwrap()).unwrap()
}

fn connections_of(sample: &str) -> Vec<ConnectionRecord> {
    let analysis = analysis_of(vec![Input::path(directory().join(sample))]);
    assert_eq!(analysis.captures[0].file.problems.len(), 0, "{sample}");
    analysis.connections.into_iter().collect()
}

/// The record of the connection from this port of the client.
fn from_port(records: &[ConnectionRecord], port: u64) -> Option<&ConnectionRecord> {
    records.iter().find(|record| u64::from(record.client.port()) == port)
}

/// What the capture can show of what the applications logged.
fn visible(sample: &str, logged: &Value) -> Value {
    let mut visible = logged.clone();
    if SWALLOWED_CLOSES.contains(&(sample, logged["client_port"].as_u64().unwrap())) {
        visible["closes"]["client"] = json!([]);
    }
    visible
}

/// A record in the words of `truth.json`.
fn in_words_of_the_truth(record: &ConnectionRecord, truth: &Value) -> Value {
    let by = record.verdict.closed_by.map(|by| by.name());
    json!({
        "client_port": record.client.port(),
        "path": record.request.path,
        "handshake": record.handshake.name(),
        "http_status": record.response.status,
        "closes": { "client": closes_of(record, CLIENT), "server": closes_of(record, SERVER) },
        "close_code": record.verdict.close_code.map(|code| code.0),
        // Closes that crossed on the wire may look ordered to the applications.
        "closed_by": if by == Some("both") { truth["closed_by"].clone() } else { json!(by) },
        "invalid_text": invalid_text(record),
    })
}

fn closes_of(record: &ConnectionRecord, sender: Role) -> Value {
    let frames = record.close_frames.iter().filter(|frame| frame.sender == sender);
    let told = frames.map(|frame| {
        let code = frame.code.map(|code| code.0);
        json!({ "code": code, "reason": String::from_utf8_lossy(&frame.reason) })
    });
    told.collect()
}

fn invalid_text(record: &ConnectionRecord) -> Value {
    let mut counts = PerRole::<u64>::default();
    for text in &record.invalid_utf8 {
        *counts.get_mut(text.sender) += 1;
    }
    json!({ "client": counts.client, "server": counts.server })
}

#[test]
fn samples_are_told_as_the_applications_logged_them() {
    let truth = truth();
    let mut wrong = Vec::new();
    for (sample, expected) in truth.as_object().unwrap() {
        let records = connections_of(sample);
        for logged in expected["connections"].as_array().unwrap() {
            let expected = &visible(sample, logged);
            let port = expected["client_port"].as_u64().unwrap();
            let found = from_port(&records, port).map_or(Value::Null, |record| in_words_of_the_truth(record, expected));
            if found != *expected {
                wrong.push(format!("{sample}:\n  expected {expected}\n  found    {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn samples_hold_no_connections_that_the_applications_did_not_log() {
    for (sample, expected) in truth().as_object().unwrap() {
        let logged: BTreeSet<u64> = expected["connections"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|each| each["client_port"].as_u64())
            .collect();
        let found = connections_of(sample);
        let others = found.iter().filter(|record| !logged.contains(&u64::from(record.client.port())));
        // nginx logs nothing of the connections that it opens itself.
        let unknown: Vec<_> = others.filter(|record| record.server.to_string() != PROXY_TO_SERVER).collect();
        assert!(unknown.is_empty(), "{sample}: {unknown:#?}");
    }
}

#[test]
fn every_sample_has_its_truth() {
    let truth = truth();
    let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let captures: BTreeSet<String> =
        files.filter(|name| name.ends_with(".pcap") || name.ends_with(".pcapng")).collect();
    let told: BTreeSet<String> = truth.as_object().unwrap().keys().cloned().collect();
    assert_eq!(captures, told);
    assert!(captures.len() > 20);
}
