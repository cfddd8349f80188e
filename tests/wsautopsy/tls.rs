//! `wss://`: decryption with secrets from wherever, handshakes that failed, proxies in front.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use wsautopsy::analyze::{Analysis, Options, WebSocketServer, analyze};
use wsautopsy::capture::Input;
use wsautopsy::carve::{Selection, carve};
use wsautopsy::connection::{ConnectionRecord, Transport};

use crate::builder::{Capture, Conversation, input};
use crate::{CLIENT, SERVER, closes, record};

/// A sample in its blocks: section and interface, packets and statistics, and the secrets.
struct Blocks {
    packets: Vec<Vec<u8>>,
    secrets: Vec<Vec<u8>>,
    /// Both, as they were.
    in_order: Vec<Vec<u8>>,
}

impl Blocks {
    fn of(sample: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample);
        let blocks = Self::from(&fs::read(path).unwrap());
        assert!(!blocks.secrets.is_empty());
        blocks
    }

    fn from(file: &[u8]) -> Self {
        let mut blocks = Self { packets: Vec::new(), secrets: Vec::new(), in_order: Vec::new() };
        let mut rest = file;
        while !rest.is_empty() {
            let length = u32::from_le_bytes(*rest[4..].first_chunk().unwrap()) as usize;
            let (block, later) = rest.split_at(length);
            let secret = rest[..4] == DECRYPTION_SECRETS;
            if secret { &mut blocks.secrets } else { &mut blocks.packets }.push(block.to_vec());
            blocks.in_order.push(block.to_vec());
            rest = later;
        }
        blocks
    }

    fn with_secrets_at_the_end(&self) -> Vec<u8> {
        [self.packets.concat(), self.secrets.concat()].concat()
    }

    fn without_secrets(&self) -> Vec<u8> {
        self.packets.concat()
    }

    fn key_log(&self) -> Vec<u8> {
        self.secrets.iter().flat_map(|block| key_log_in(block).to_vec()).collect()
    }
}

/// The text in a block of secrets, without its padding.
fn key_log_in(block: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(*block[12..].first_chunk().unwrap()) as usize;
    &block[16..16 + length]
}

fn hexadecimal(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

const DECRYPTION_SECRETS: [u8; 4] = [10, 0, 0, 0];
const ENHANCED_PACKET: u8 = 6;

fn of(capture: Vec<u8>, options: &Options) -> Analysis {
    analyze(vec![input("test.pcapng", capture)], options, &mut |_| ()).unwrap()
}

/// What matters of a connection, in a few words.
fn told(record: &ConnectionRecord) -> String {
    let path = record.request.path.as_deref().unwrap_or("?");
    let code = record.verdict.close_code.map(|code| code.0);
    format!("{} {path} {code:?} {:?}, {} invalid", record.client.port(), closes(record), record.invalid_utf8_count)
}

fn all_told(analysis: &Analysis) -> Vec<String> {
    let mut told: Vec<_> = analysis.connections.iter().map(told).collect();
    told.sort_unstable();
    told
}

#[test]
fn secrets_count_wherever_they_are() {
    let sample = Blocks::of("tls-with-secrets.pcapng");
    let before = [sample.packets[..2].concat(), sample.secrets.concat(), sample.packets[2..].concat()].concat();
    let expected = of(before, &Options::default());
    assert_eq!(expected.connections.len(), 6);
    for record in &expected.connections {
        assert_eq!((record.transport, record.sni.as_deref()), (Transport::Tls, Some("chat.example")));
        assert!(record.complete && record.missed_bytes == 0);
    }
    let mut options = Options::default();
    assert!(options.secrets.add_key_log(&sample.key_log()) > 6);
    assert_eq!(all_told(&of(sample.without_secrets(), &options)), all_told(&expected));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late.pcapng");
    // Far behind the packets that they belong to, so that these are long read by then.
    let packet = sample.packets.iter().find(|block| block[0] == ENHANCED_PACKET).unwrap();
    let mut late = sample.without_secrets();
    while late.len() < 3 << 20 {
        late.extend_from_slice(packet);
    }
    late.extend(sample.secrets.concat());
    fs::write(&path, late).unwrap();
    let late = analyze(vec![Input::path(path)], &Options::default(), &mut |_| ()).unwrap();
    assert_eq!(all_told(&late), all_told(&expected));
}

#[test]
fn without_secrets_there_are_neither_connections_nor_failures() {
    let sample = Blocks::of("tls-with-secrets.pcapng");
    let mut options = Options::default();
    options.websocket_servers.push(WebSocketServer::parse("chat.example").unwrap());
    let found = of(sample.without_secrets(), &options);
    assert_eq!((found.connections.len(), found.tls_failures.len()), (0, 0));
}

#[test]
fn packets_that_the_capture_lost_add_nothing() {
    let sample = Blocks::of("tls-with-secrets.pcapng");
    let whole = of(sample.with_secrets_at_the_end(), &Options::default());
    let closes_of = |analysis: &Analysis| -> Vec<String> {
        let records = analysis.connections.iter();
        records
            .flat_map(|record| closes(record).into_iter().map(|close| format!("{} {close}", record.client)))
            .collect()
    };
    let without_position = |closes: Vec<String>| -> Vec<String> {
        closes
            .iter()
            .map(|close| close.replace(" reply ", " ").replace(" first ", " ").replace(" extra ", " "))
            .collect()
    };
    let real: BTreeSet<_> = without_position(closes_of(&whole)).into_iter().collect();
    let (mut found, mut runs) = (0, 0);
    for missing in (0..sample.packets.len()).filter(|index| sample.packets[*index][0] == ENHANCED_PACKET) {
        let mut packets = sample.packets.clone();
        packets.remove(missing);
        let analysis = of([packets.concat(), sample.secrets.concat()].concat(), &Options::default());
        let reported = without_position(closes_of(&analysis));
        let wrong: Vec<_> = reported.iter().filter(|close| !real.contains(*close)).collect();
        assert!(wrong.is_empty(), "without block {missing}: {wrong:?}");
        (found, runs) = (found + reported.len(), runs + 1);
    }
    // A lost hello makes a connection unreadable; a lost record costs what it carried.
    assert!(found * 10 > real.len() * runs * 8, "{found} of {} in {runs} runs", real.len() * runs);
}

#[test]
fn failed_handshakes_count_where_websockets_are_served() {
    let sample = Blocks::of("1015-tls-failures.pcapng");
    let codes = |analysis: &Analysis| -> Vec<Option<u16>> {
        analysis.connections.iter().map(|record| record.verdict.close_code.map(|code| code.0)).collect()
    };
    let failed = vec![Some(1015); 5];
    // The server's name is known by the one connection that was decrypted.
    let known = of(sample.with_secrets_at_the_end(), &Options::default());
    assert_eq!(codes(&known), [vec![Some(1000)], failed.clone()].concat());
    assert_eq!(
        known.tls_failures.iter().map(|(connection, _)| *connection).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3), Some(4), Some(5)]
    );
    let unknown = of(sample.without_secrets(), &Options::default());
    assert_eq!(codes(&unknown), []);
    assert_eq!(unknown.tls_failures.iter().map(|(connection, _)| *connection).collect::<Vec<_>>(), [None; 5]);
    let named = |server: &str| {
        let mut options = Options::default();
        options.websocket_servers.push(WebSocketServer::parse(server).unwrap());
        codes(&of(sample.without_secrets(), &options)).len()
    };
    assert_eq!((named("chat.example"), named("127.0.0.1:9002"), named("other.example")), (5, 2, 0));
}

/// Each shard ends its connections in an order of its own.
#[test]
fn failed_handshakes_take_nothing_from_other_connections() {
    let sample = Blocks::of("1015-tls-failures.pcapng").without_secrets();
    let asked = Capture::merged((1..=300).map(|port| Conversation::from_port(port).syn().request("/unanswered")));
    let inputs = vec![input("failures.pcapng", sample), asked.input("asked.pcap")];
    let analysis = analyze(inputs, &Options::default(), &mut |_| ()).unwrap();
    let mut ports: Vec<u16> = analysis.connections.iter().map(|record| record.client.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, (1..=300).collect::<Vec<_>>());
    assert!(analysis.tls_failures.iter().all(|(_, failure)| failure.record.request.path.is_none()));
}

#[test]
fn causes_of_failed_handshakes_are_told() {
    let sample = Blocks::of("1015-tls-failures.pcapng");
    let analysis = of(sample.without_secrets(), &Options::default());
    let causes: Vec<_> = analysis.tls_failures.iter().map(|(_, failure)| failure.cause.unwrap()).collect();
    assert_eq!(
        causes,
        ["certificate-expired", "wrong-host", "self-signed", "certificate-rejected", "closed-by-server"]
    );
    assert!(analysis.tls_failures.iter().all(|(_, failure)| failure.inferred));
}

#[test]
fn secrets_reach_no_output() {
    let sample = Blocks::of("tls-with-secrets.pcapng");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("capture.pcapng"), sample.without_secrets()).unwrap();
    fs::write(path("keys.log"), sample.key_log()).unwrap();
    fs::write(path("broken.log"), sample.key_log().split_off(9)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsautopsy"));
    let arguments = ["analyze", "capture.pcapng", "--keylog", "keys.log", "--keylog", "broken.log", "-o", "out"];
    let formats = ["--format", "csv", "--format", "ndjson"];
    let output = command.current_dir(directory.path()).args(arguments).args(formats).output().unwrap();
    assert!(output.status.success());
    let mut written = [output.stdout, output.stderr].concat();
    for entry in fs::read_dir(path("out")).unwrap() {
        written.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let written = String::from_utf8_lossy(&written).to_lowercase();
    assert!(written.contains("chat.example"), "decrypted: {written}");
    let log = String::from_utf8(sample.key_log()).unwrap().to_lowercase();
    let lines = log.lines().filter(|line| !line.starts_with('#'));
    let secrets: Vec<_> = lines.filter_map(|line| line.split(' ').nth(2)).collect();
    assert!(secrets.len() > 6);
    for secret in secrets {
        assert!(!written.contains(&secret[..16]), "{secret}");
    }
}

#[test]
fn key_log_that_cannot_be_read_is_an_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsautopsy"));
    let output = command.args(["analyze", "samples/1000-clean.pcap", "--keylog", "no-such.log"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such.log"));
}

#[test]
fn proxy_header_names_the_client() {
    let header = "PROXY TCP4 203.0.113.7 10.0.0.2 51000 80\r\n";
    for split in [0, 1, 7, header.len() - 1, header.len()] {
        let (first, second) = header.split_at(split);
        let conversation = Conversation::new().syn();
        let conversation = if first.is_empty() { conversation } else { conversation.client(first) };
        let conversation = if second.is_empty() { conversation } else { conversation.client(second) };
        let found = record(conversation.upgrade("/chat").close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(CLIENT));
        assert_eq!(found.request.forwarded_for.as_deref(), Some("203.0.113.7"), "split at {split}");
        assert_eq!(closes(&found), ["client first 1000", "server reply 1000"]);
    }
}

/// What is carved out of a capture with those secrets, in its blocks.
fn carved(capture: &[u8], options: &Options, selection: &Selection) -> Vec<u8> {
    let analysis = of(capture.to_vec(), options);
    let mut out = Vec::new();
    let inputs = vec![input("test.pcapng", capture.to_vec())];
    carve(&analysis, selection, inputs, &mut |_| (), &mut out).unwrap();
    out
}

/// What a connection is told of, but for its place.
fn verdict_of(record: &ConnectionRecord) -> String {
    let cause = record.cause.map(|cause| cause.kind.name());
    let closes: Vec<_> = record.close_frames.iter().map(|close| (close.sender, close.code, &close.reason)).collect();
    format!("{:?} {:?} {closes:?} {cause:?} {:?}", record.client, record.request.path, record.verdict)
}

#[test]
fn carved_connections_are_decrypted_and_the_secrets_of_others_stay_behind() {
    let sample = Blocks::of("tls-with-secrets.pcapng");
    let mut with_key_log = Options::default();
    with_key_log.secrets.add_key_log(&sample.key_log());
    let sources = [(sample.with_secrets_at_the_end(), Options::default()), (sample.without_secrets(), with_key_log)];
    for (capture, options) in sources {
        let whole = of(capture.clone(), &options);
        let mut seen = BTreeSet::new();
        for (number, record) in whole.connections.iter().enumerate() {
            let selection = Selection { connections: vec![number], ..Selection::default() };
            let carved = Blocks::from(&carved(&capture, &options, &selection));
            let log = String::from_utf8(carved.key_log()).unwrap();
            let randoms: BTreeSet<_> = log.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
            assert_eq!(randoms.len(), 1, "{log}");
            assert!(seen.is_disjoint(&randoms), "those of another connection: {log}");
            seen.extend(randoms);
            let again = of(carved.in_order.concat(), &Options::default());
            let [found] = again.connections.as_slice() else { panic!("one connection") };
            assert_eq!(verdict_of(found), verdict_of(record));
        }
        assert_eq!(seen.len(), 6);
    }
}

#[test]
fn secrets_are_carved_before_their_packets_and_not_at_all_if_unwanted() {
    let sample = Blocks::of("tls-with-secrets.pcapng");
    let capture = sample.with_secrets_at_the_end();
    let all = Blocks::from(&carved(&capture, &Options::default(), &Selection::default()));
    assert_eq!(all.secrets.len(), 6);
    for (index, block) in all.in_order.iter().enumerate().filter(|(_, block)| block[..4] == DECRYPTION_SECRETS) {
        let random = &key_log_in(block).split(|byte| *byte == b' ').nth(1).unwrap();
        let random: Vec<u8> = random.chunks(2).map(hexadecimal).collect();
        let holds = |block: &[u8]| block.windows(random.len()).any(|bytes| bytes == random);
        let hello = all.in_order.iter().position(|block| holds(block));
        assert_eq!(hello, Some(index + 1));
    }
    let without = Selection { without_secrets: true, ..Selection::default() };
    let without = Blocks::from(&carved(&capture, &Options::default(), &without));
    assert!(without.secrets.is_empty());
    assert_eq!(without.packets, all.packets);
}

/// The summary on the terminal, or a table, of a sample.
fn shown(arguments: &[&str]) -> String {
    let mut command = Command::cargo_bin("wsautopsy").unwrap();
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("analyze").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn summary_tells_what_is_under_keys_that_are_not_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("locked.pcapng");
    fs::write(&path, Blocks::of("tls-with-secrets.pcapng").without_secrets()).unwrap();
    let locked = shown(&[path.to_str().unwrap()]);
    assert!(locked.contains("6 TLS connections not decrypted: WebSockets in them need --keylog FILE"), "{locked}");
    let open = shown(&["samples/tls-with-secrets.pcapng"]);
    assert!(!open.contains("not decrypted"), "{open}");
    assert!(open.contains("by what it likely is: "), "{open}");
}

#[test]
fn summary_names_the_endpoints_of_failed_handshakes() {
    let found = shown(&["samples/1015-tls-failures.pcapng"]);
    assert!(!found.contains("(no host)") && found.contains(" at 127.0.0.1:9002: 1015"), "{found}");
}
