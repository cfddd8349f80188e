//! Narrowing an analysis: what is left out does not count, and what is left keeps its numbers.

use wsautopsy::analyze::{Analysis, Filter, Host, Options, analyze};
use wsautopsy::capture::Input;

/// A sample with several connections, one after the other.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/1000-clean.pcap");

fn narrowed(filter: Filter) -> Analysis {
    analyze(vec![Input::path(SAMPLE)], &Options { filter, threads: 1, ..Options::default() }, &mut |_| ()).unwrap()
}

/// Client port, `tcp.stream` and close code of each connection.
fn summary(analysis: &Analysis) -> Vec<(u16, Option<usize>, Option<u16>)> {
    let row = |record: &wsautopsy::connection::ConnectionRecord| {
        let code = record.verdict.close_code.map(|code| code.0);
        (record.client.port(), analysis.tcp_stream(record.conversation), code)
    };
    analysis.connections.iter().map(row).collect()
}

#[test]
fn connections_of_other_ports_are_left_out_and_streams_keep_their_numbers() {
    let all = summary(&narrowed(Filter::default()));
    assert!(all.len() > 2, "{all:?}");
    for expected in all {
        let filter = Filter { ports: vec![expected.0], ..Filter::default() };
        assert_eq!(summary(&narrowed(filter)), [expected]);
    }
}

#[test]
fn time_cuts_like_the_ends_of_a_capture() {
    let all = narrowed(Filter::default());
    let begins = all.connections[2].opened_at;
    let late = narrowed(Filter { since: Some(begins), ..Filter::default() });
    assert_eq!(summary(&late)[..], summary(&all)[2..]);
    let early = narrowed(Filter { until: Some(begins), ..Filter::default() });
    assert_eq!(summary(&early)[..], summary(&all)[..2]);
}

#[test]
fn hosts_and_paths_are_those_of_the_request() {
    let all = narrowed(Filter::default());
    let host = all.connections[0].request.host.clone().unwrap();
    let name = host.split(':').next().unwrap();
    let path = all.connections[0].request.path.clone().unwrap().to_string();
    let same = narrowed(Filter { hosts: vec![Host::parse(name)], paths: vec![path], ..Filter::default() });
    assert!(summary(&same).contains(&summary(&all)[0]));
    let paths = vec!["/no such path".to_owned()];
    assert_eq!(summary(&narrowed(Filter { paths, ..Filter::default() })), []);
    let hosts = vec![Host::parse("no.such.example")];
    assert_eq!(summary(&narrowed(Filter { hosts, ..Filter::default() })), []);
}
