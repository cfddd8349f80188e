//! Whole TLS connections, made here and read back.

use sha2::Digest;

use super::*;
use crate::flow::Role;
use crate::tls::alert::Alert;
use crate::tls::derive::expand_label;
use crate::tls::keys::{MOST_EPOCHS, OPENING_BYTES};
use crate::tls::open::{MacOrder, Opener};
use crate::tls::record::ContentType;
use crate::tls::suite::Suite;
use crate::tls::{Random, certificate};

const CLIENT: Role = Role::Client;
const SERVER: Role = Role::Server;
const CLIENT_RANDOM: Random = [0xc1; 32];
const SERVER_RANDOM: Random = [0x5e; 32];

/// What was carried: `client abc`, or `client ?` where content is missing.
#[derive(Debug, Default)]
struct Log {
    told: Vec<String>,
    secrets: Secrets,
}

impl Visitor<u64> for Log {
    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn data(&mut self, sender: Role, content: &[u8], _: u64) {
        self.told.push(format!("{} {}", sender.name(), content.escape_ascii()));
    }

    fn gap(&mut self, sender: Role, _: u64) {
        self.told.push(format!("{} ?", sender.name()));
    }
}

/// A connection under test and the keys of both ends.
struct Wire {
    tls: Tls<u64>,
    log: Log,
    version: Version,
    sent: [u64; 2],
    keys: [Vec<(Opener, u64)>; 2],
}

impl Wire {
    /// A connection of TLS 1.3 of whose secrets those with these labels are known.
    fn tls13(suite: u16, labels: &[&str]) -> Self {
        let mut wire = Self::silent13(suite, labels);
        wire.hellos(suite, &SELECTED_TLS13);
        wire
    }

    /// The same before anybody has said anything.
    fn silent13(suite: u16, labels: &[&str]) -> Self {
        let suite_of = Suite::of(suite, Version::TLS13).unwrap();
        let length = suite_of.hash.bytes();
        let secret = |number: u8| vec![number; length];
        let all = ALL.into_iter().chain(["CLIENT_EARLY_TRAFFIC_SECRET"]);
        let mut secrets = Secrets::default();
        for (number, label) in (1..).zip(all).filter(|(_, label)| labels.contains(label)) {
            secrets.add_key_log(key_log(label, &secret(number)).as_bytes());
        }
        let opener = |number| (Opener::of_traffic_secret(suite_of, &secret(number)).unwrap(), 0);
        let keys = [vec![opener(1), opener(2)], vec![opener(3), opener(4)]];
        Self::new(Version::TLS13, secrets, keys)
    }

    /// A connection of TLS 1.2 or before.
    fn before(version: Version, suite: u16, order: MacOrder, known: bool) -> Self {
        let suite_of = Suite::of(suite, version).unwrap();
        let master = [0x3a; 48];
        let mut secrets = Secrets::default();
        if known {
            secrets.add_key_log(key_log("CLIENT_RANDOM", &master).as_bytes());
        }
        let pair =
            Opener::pair_of_master_secret(suite_of, version, order, &master, &CLIENT_RANDOM, &SERVER_RANDOM).unwrap();
        let mut wire = Self::new(version, secrets, [vec![(pair.client, 0)], vec![(pair.server, 0)]]);
        wire.hellos(suite, if order == MacOrder::EncryptThenMac { &[0, 22, 0, 0] } else { &[] });
        for sender in [CLIENT, SERVER] {
            wire.clear(sender, 20, &[1]);
            wire.seal(sender, 0, ContentType::Handshake, &[&[20, 0, 0, 12][..], &[0; 12]].concat());
        }
        wire
    }

    fn new(version: Version, secrets: Secrets, keys: [Vec<(Opener, u64)>; 2]) -> Self {
        let log = Log { told: Vec::new(), secrets };
        Self { tls: Tls::default(), log, version, sent: [0; 2], keys }
    }

    fn hellos(&mut self, suite: u16, extensions: &[u8]) {
        self.clear(CLIENT, 22, &client_hello());
        self.answer(&SERVER_RANDOM, suite, extensions);
    }

    fn answer(&mut self, random: &Random, suite: u16, extensions: &[u8]) {
        let fields = [&[3, 3][..], random, &[0], &suite.to_be_bytes(), &[0]].concat();
        let mut version = self.version.0.min(0x0303).to_be_bytes().to_vec();
        version.extend_from_slice(&fields[2..]);
        self.clear(SERVER, 22, &message(2, &[&version[..], &prefixed(extensions)].concat()));
    }

    fn bytes(&mut self, sender: Role, bytes: &[u8]) {
        let sent = &mut self.sent[usize::from(sender == SERVER)];
        self.tls.data(sender, *sent, bytes, *sent, &mut self.log);
        *sent += bytes.len() as u64;
    }

    fn lose(&mut self, sender: Role, length: usize) {
        let sent = &mut self.sent[usize::from(sender == SERVER)];
        self.tls.gap(sender, *sent, length as u64, *sent, &mut self.log);
        *sent += length as u64;
    }

    fn clear(&mut self, sender: Role, kind: u8, content: &[u8]) {
        self.bytes(sender, &record(kind, content));
    }

    /// A record under the keys number `epoch` of `sender`, sent nowhere yet.
    fn sealed(&mut self, sender: Role, epoch: usize, kind: ContentType, content: &[u8]) -> Vec<u8> {
        let (opener, sequence) = &mut self.keys[usize::from(sender == SERVER)][epoch];
        let bytes = opener.seal(*sequence, self.version.0.min(0x0303), kind, content);
        *sequence += 1;
        bytes
    }

    fn seal(&mut self, sender: Role, epoch: usize, kind: ContentType, content: &[u8]) {
        let bytes = self.sealed(sender, epoch, kind, content);
        self.bytes(sender, &bytes);
    }

    fn say(&mut self, sender: Role, text: &str) {
        let last = self.keys[0].len() - 1;
        self.seal(sender, last, ContentType::ApplicationData, text.as_bytes());
    }

    /// The end of a handshake of TLS 1.3.
    fn finish(&mut self) {
        self.seal(SERVER, 0, ContentType::Handshake, &message(8, &[0, 0]));
        self.seal(SERVER, 0, ContentType::Handshake, &message(20, &[0; 32]));
        self.seal(CLIENT, 0, ContentType::Handshake, &message(20, &[0; 32]));
    }
}

fn key_log(label: &str, secret: &[u8]) -> String {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{label} {} {}\n", hexadecimal(&CLIENT_RANDOM), hexadecimal(secret))
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &prefixed(content)].concat()
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &prefixed(body)].concat()
}

fn client_hello() -> Vec<u8> {
    client_hello_to("chat.example")
}

fn client_hello_to(name: &str) -> Vec<u8> {
    let name = prefixed(&[&[0][..], &prefixed(name.as_bytes())].concat());
    let extensions = [&[0, 43][..], &prefixed(&[4, 3, 4, 3, 3]), &[0, 0], &prefixed(&name)].concat();
    let fields = [&[3, 3][..], &CLIENT_RANDOM, &[0], &prefixed(&[0x13, 1]), &[1, 0], &prefixed(&extensions)].concat();
    message(1, &fields)
}

/// The extension in which a server chooses TLS 1.3.
const SELECTED_TLS13: [u8; 6] = [0, 43, 0, 2, 3, 4];

const ALL: [&str; 4] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_TRAFFIC_SECRET_0",
];

#[test]
fn every_suite_of_tls13_is_opened() {
    for suite in 0x1301..=0x1305 {
        let mut wire = Wire::tls13(suite, &ALL);
        wire.finish();
        wire.say(CLIENT, "GET");
        wire.say(SERVER, "101");
        wire.say(CLIENT, "frame");
        assert_eq!(wire.log.told, ["client GET", "server 101", "client frame"], "{suite:#x}");
        assert!(wire.tls.failure(None, true).is_none());
    }
}

#[test]
fn suites_of_tls12_and_before_are_opened() {
    let (mac_first, encrypt_first) = (MacOrder::MacThenEncrypt, MacOrder::EncryptThenMac);
    let cases = [0xc02f, 0xc030, 0xcca8, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xc013, 0xc014, 0xc027, 0xc028, 0x003c]
        .map(|suite| (Version::TLS12, suite, mac_first));
    let more = [
        (Version::TLS12, 0xc027, encrypt_first),
        (Version::TLS12, 0xc014, encrypt_first),
        (Version::TLS11, 0xc013, mac_first),
        (Version::TLS11, 0xc014, encrypt_first),
        (Version::TLS10, 0xc013, mac_first),
        (Version::TLS10, 0x0035, encrypt_first),
    ];
    for (version, suite, order) in cases.into_iter().chain(more) {
        let mut wire = Wire::before(version, suite, order, true);
        wire.say(CLIENT, "GET");
        wire.say(SERVER, "101");
        wire.say(CLIENT, "frame");
        assert_eq!(
            wire.log.told,
            ["client GET", "server 101", "client frame"],
            "{} {suite:#x} {order:?}",
            version.name()
        );
    }
}

#[test]
fn without_secrets_nothing_is_told_and_the_connection_is_given_up() {
    let mut wire = Wire::before(Version::TLS12, 0xc02f, MacOrder::MacThenEncrypt, false);
    wire.say(CLIENT, "GET");
    assert!(!wire.tls.is_opaque(), "the server has not spoken yet");
    wire.say(SERVER, "101");
    assert!(wire.tls.is_opaque());
    assert_eq!(wire.log.told, [""; 0]);
}

#[test]
fn secrets_of_the_handshake_are_not_needed() {
    let mut wire = Wire::tls13(0x1301, &["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"]);
    wire.finish();
    wire.say(CLIENT, "GET");
    wire.say(SERVER, "101");
    assert_eq!(wire.log.told, ["client GET", "server 101"]);
}

#[test]
fn secrets_of_one_direction_open_that_direction() {
    let mut wire = Wire::tls13(0x1301, &["SERVER_TRAFFIC_SECRET_0"]);
    wire.finish();
    wire.say(CLIENT, "GET");
    wire.say(SERVER, "101");
    assert_eq!(wire.log.told, ["server 101"]);
}

#[test]
fn key_update_is_followed() {
    let mut wire = Wire::tls13(0x1302, &ALL);
    wire.finish();
    wire.say(CLIENT, "before");
    let suite = Suite::of(0x1302, Version::TLS13).unwrap();
    wire.seal(CLIENT, 1, ContentType::Handshake, &message(24, &[0]));
    let next = expand_label(suite.hash, &[2; 48], "traffic upd", 48).unwrap();
    wire.keys[0].push((Opener::of_traffic_secret(suite, &next).unwrap(), 0));
    wire.seal(CLIENT, 2, ContentType::ApplicationData, b"after");
    wire.seal(CLIENT, 2, ContentType::ApplicationData, b"more");
    assert_eq!(wire.log.told, ["client before", "client after", "client more"]);
}

#[test]
fn early_data_is_carried_once_the_server_takes_it() {
    for (taken, extensions) in [(true, &[0, 4, 0, 42, 0, 0][..]), (false, &[0, 0])] {
        let labels = [&ALL[..], &["CLIENT_EARLY_TRAFFIC_SECRET"]].concat();
        let mut wire = Wire::silent13(0x1301, &labels);
        wire.clear(CLIENT, 22, &client_hello());
        let suite = Suite::of(0x1301, Version::TLS13).unwrap();
        wire.keys[0].insert(0, (Opener::of_traffic_secret(suite, &[5; 32]).unwrap(), 0));
        wire.seal(CLIENT, 0, ContentType::ApplicationData, b"early");
        wire.answer(&SERVER_RANDOM, 0x1301, &SELECTED_TLS13);
        wire.seal(CLIENT, 0, ContentType::ApplicationData, b"still early");
        assert_eq!(wire.log.told, [""; 0], "the server has not said yet");
        wire.seal(SERVER, 0, ContentType::Handshake, &message(8, extensions));
        wire.seal(SERVER, 0, ContentType::Handshake, &message(20, &[0; 32]));
        wire.seal(CLIENT, 1, ContentType::Handshake, &message(20, &[0; 32]));
        wire.seal(CLIENT, 2, ContentType::ApplicationData, b"GET");
        let early: &[&str] = if taken { &["client early", "client still early"] } else { &[] };
        assert_eq!(wire.log.told, [early, &["client GET"]].concat(), "taken: {taken}");
    }
}

#[test]
fn second_hello_after_a_retry_request_counts() {
    let retry = sha2::Sha256::digest(b"HelloRetryRequest").into();
    let mut wire = Wire::silent13(0x1301, &ALL);
    wire.clear(CLIENT, 22, &client_hello());
    wire.answer(&retry, 0x1301, &SELECTED_TLS13);
    wire.clear(CLIENT, 20, &[1]);
    wire.hellos(0x1301, &SELECTED_TLS13);
    wire.finish();
    wire.say(CLIENT, "GET");
    wire.say(SERVER, "101");
    assert_eq!(wire.log.told, ["client GET", "server 101"]);
    assert!(wire.tls.failure(None, true).is_none());
}

#[test]
fn any_split_gives_the_same_content() {
    let mut whole = Wire::tls13(0x1301, &ALL);
    whole.finish();
    let bytes: Vec<u8> = ["one", "two", "three"]
        .iter()
        .flat_map(|text| whole.sealed(CLIENT, 1, ContentType::ApplicationData, text.as_bytes()))
        .collect();
    for split in 0..bytes.len() {
        let mut wire = Wire::tls13(0x1301, &ALL);
        wire.finish();
        let (head, tail) = bytes.split_at(split);
        wire.bytes(CLIENT, head);
        wire.bytes(CLIENT, tail);
        assert_eq!(wire.log.told, ["client one", "client two", "client three"], "split at {split}");
    }
}

#[test]
fn lost_records_cost_only_themselves() {
    let connections = || {
        [
            Wire::tls13(0x1303, &ALL),
            Wire::before(Version::TLS12, 0xc02f, MacOrder::MacThenEncrypt, true),
            Wire::before(Version::TLS12, 0xc027, MacOrder::EncryptThenMac, true),
        ]
    };
    for mut wire in connections() {
        if wire.version == Version::TLS13 {
            wire.finish();
        }
        let last = wire.keys[0].len() - 1;
        let records: Vec<_> = (0..7)
            .map(|number| {
                wire.sealed(CLIENT, last, ContentType::ApplicationData, format!("message {number}").as_bytes())
            })
            .collect();
        wire.bytes(CLIENT, &records[0]);
        // Whole records, then a part of one, then its rest, then one cut by the snap length.
        wire.lose(CLIENT, records[1].len() + records[2].len() + 9);
        wire.bytes(CLIENT, &records[3][9..]);
        wire.bytes(CLIENT, &records[4]);
        wire.bytes(CLIENT, &records[5][..20]);
        wire.lose(CLIENT, records[5].len() - 20);
        wire.bytes(CLIENT, &records[6]);
        let expected = ["client message 0", "client ?", "client message 4", "client ?", "client message 6"];
        assert_eq!(wire.log.told, expected, "{}", wire.version.name());
    }
}

#[test]
fn chained_vectors_of_tls10_are_found_again_one_record_after_a_gap() {
    let mut wire = Wire::before(Version::TLS10, 0xc013, MacOrder::MacThenEncrypt, true);
    let records: Vec<_> = ["one", "two", "three", "four"]
        .iter()
        .map(|text| wire.sealed(CLIENT, 0, ContentType::ApplicationData, text.as_bytes()))
        .collect();
    wire.bytes(CLIENT, &records[0]);
    wire.bytes(CLIENT, &records[1][..10]);
    wire.lose(CLIENT, records[1].len() - 10);
    wire.bytes(CLIENT, &records[2]);
    wire.bytes(CLIENT, &records[3]);
    assert_eq!(wire.log.told, ["client one", "client ?", "client ?", "client four"]);
}

#[test]
fn handshake_message_in_records_of_one_byte_is_read() {
    let mut wire = Wire::new(Version::TLS12, Secrets::default(), [vec![], vec![]]);
    for byte in client_hello_to("chat.example").into_iter().chain(message(1, &[0; 3])) {
        wire.clear(CLIENT, 22, &[byte]);
    }
    assert_eq!(wire.tls.client_hello().unwrap().sni.as_deref(), Some("chat.example"));
    assert_eq!(wire.tls.halves.client.message.capacity(), 0, "nothing is kept of what was read");
}

#[test]
fn handshake_message_that_is_too_long_is_given_up() {
    let mut wire = Wire::new(Version::TLS12, Secrets::default(), [vec![], vec![]]);
    wire.clear(CLIENT, 22, &[11, 0xff, 0xff, 0xff]);
    for _ in 0..limits::TLS_MESSAGE_BYTES / 1000 {
        wire.clear(CLIENT, 22, &[0; 1000]);
    }
    assert!(wire.tls.halves.client.message.len() > limits::TLS_MESSAGE_BYTES - 1000);
    wire.clear(CLIENT, 22, &[0; 1000]);
    assert!(wire.tls.halves.client.message.is_empty());
}

#[test]
fn hellos_without_end_are_not_kept() {
    let mut wire = Wire::tls13(0x1301, &["SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"]);
    for _ in 0..100 {
        wire.hellos(0x1301, &[0, 43, 0, 2, 3, 4]);
    }
    let State::Protected(keys) = &wire.tls.halves.server.state else { panic!("its secrets are known") };
    assert!(keys.to_come_count() <= MOST_EPOCHS + 1, "{}", keys.to_come_count());
    wire.say(SERVER, "still read");
    assert_eq!(wire.log.told, ["server still read"]);
}

#[test]
fn search_that_tries_too_much_is_given_up() {
    let mut wire = Wire::tls13(0x1301, &["SERVER_TRAFFIC_SECRET_0"]);
    wire.say(SERVER, "one");
    wire.lose(SERVER, 100_000);
    wire.tls.halves.server.search_work = 3_000_000;
    // Every fifth byte begins what may be a record of 1,024 bytes.
    wire.bytes(SERVER, &[23, 3, 3, 4, 0].repeat(1000));
    let left = wire.tls.halves.server.search_work;
    assert!(left < 3 * 1025 * (1024 + OPENING_BYTES), "no further one is tried: {left}");
    // Small records cost little, and are found all the same once the last of those could have ended.
    for number in 0..100 {
        wire.say(SERVER, &format!("small {number}"));
    }
    assert_eq!(wire.log.told[..2], ["server one", "server ?"]);
    assert!(wire.log.told.contains(&"server small 99".to_owned()), "{:?}", wire.log.told);
}

#[test]
fn records_that_were_changed_are_not_believed() {
    for first in [true, false] {
        let mut wire = Wire::tls13(0x1301, &ALL);
        wire.finish();
        if !first {
            wire.say(CLIENT, "before");
        }
        let mut bad = wire.sealed(CLIENT, 1, ContentType::ApplicationData, b"bad");
        *bad.last_mut().unwrap() ^= 1;
        wire.bytes(CLIENT, &bad);
        wire.say(CLIENT, "after");
        let skipped = usize::from(first);
        assert_eq!(wire.log.told, ["client before", "client ?", "client after"][skipped..]);
    }
}

/// What is said of the failure, in a few words: `certificate-expired, inferred`.
fn failure(wire: &Wire, by: Role, reset: bool, at: i64) -> String {
    match wire.tls.failure(Some(Ending { by, reset, at }), true) {
        None => "none".to_owned(),
        Some(found) => {
            let alert = found.alert.and_then(Alert::name).map(|name| format!(", {name}")).unwrap_or_default();
            let inferred = if found.inferred { ", inferred" } else { "" };
            format!("{}{alert}{inferred}", found.cause.unwrap_or("no cause"))
        }
    }
}

/// Seconds at which the certificate for `chat.example` is valid.
const VALID: i64 = 1_770_000_000;

fn asked() -> Wire {
    let mut wire = Wire::new(Version::TLS12, Secrets::default(), [Vec::new(), Vec::new()]);
    wire.clear(CLIENT, 22, &client_hello());
    wire
}

/// A handshake of TLS 1.2 up to the server's certificate.
fn shown(name: &str) -> Wire {
    let mut wire = Wire::new(Version::TLS12, Secrets::default(), [Vec::new(), Vec::new()]);
    wire.clear(CLIENT, 22, &client_hello_to(name));
    let server = [&[3, 3][..], &SERVER_RANDOM, &[0, 0xc0, 0x2f, 0]].concat();
    wire.clear(SERVER, 22, &message(2, &server));
    let certificate = certificate::tests::chat();
    let one = [&[0][..], &prefixed(&certificate)].concat();
    wire.clear(SERVER, 22, &message(11, &[&[0][..], &prefixed(&one)].concat()));
    wire
}

#[test]
fn handshakes_without_an_answer_fail_by_who_ended_them() {
    assert_eq!(failure(&asked(), CLIENT, false, VALID), "no-answer, inferred");
    assert_eq!(failure(&asked(), SERVER, true, VALID), "reset-by-server, inferred");
    assert_eq!(failure(&asked(), SERVER, false, VALID), "closed-by-server, inferred");
    let mut stranger = asked();
    stranger.bytes(SERVER, b"HTTP/1.1 400 Bad Request");
    assert_eq!(failure(&stranger, SERVER, false, VALID), "not-tls, inferred");
}

#[test]
fn alerts_tell_why() {
    let alerts = [
        (SERVER, 70, "version-mismatch, protocol_version"),
        (SERVER, 40, "no-shared-cipher, handshake_failure"),
        (SERVER, 112, "unrecognized-name, unrecognized_name"),
        (SERVER, 120, "no-shared-protocol, no_application_protocol"),
        (SERVER, 80, "internal-error, internal_error"),
        (SERVER, 0, "closed-by-server, inferred"),
    ];
    for (sender, alert, expected) in alerts {
        let mut wire = asked();
        wire.clear(sender, 21, &[2, alert]);
        assert_eq!(failure(&wire, SERVER, false, VALID), expected);
    }
}

#[test]
fn certificate_explains_what_the_client_did_not_like() {
    let rejected = |name: &str, alert: Option<u8>, at| {
        let mut wire = shown(name);
        if let Some(alert) = alert {
            wire.clear(CLIENT, 21, &[2, alert]);
        }
        failure(&wire, CLIENT, false, at)
    };
    assert_eq!(rejected("chat.example", None, VALID + 9_000_000), "certificate-expired, inferred");
    assert_eq!(rejected("chat.example", Some(46), VALID + 9_000_000), "certificate-expired, certificate_unknown");
    assert_eq!(rejected("chat.example", Some(42), VALID - 9_000_000), "certificate-not-yet-valid, bad_certificate");
    assert_eq!(rejected("other.example", Some(42), VALID), "wrong-host, bad_certificate");
    assert_eq!(rejected("chat.example", Some(48), VALID), "self-signed, unknown_ca");
    assert_eq!(rejected("chat.example", None, VALID), "self-signed, inferred");
    assert_eq!(rejected("chat.example", Some(44), VALID), "certificate-revoked, certificate_revoked");
}

#[test]
fn client_that_leaves_after_the_flight_of_tls13_did_not_like_it() {
    let mut wire = Wire::tls13(0x1301, &[]);
    wire.seal(SERVER, 0, ContentType::Handshake, &message(8, &[0, 0]));
    assert_eq!(failure(&wire, CLIENT, false, VALID), "certificate-rejected, inferred");
    wire.bytes(CLIENT, &[&[23, 3, 3, 0, 19][..], &[0x55; 19]].concat());
    assert_eq!(failure(&wire, CLIENT, false, VALID), "certificate-rejected, inferred");
}

#[test]
fn server_that_wants_a_certificate_is_told_by_lengths_only_with_both_of_them() {
    let lengths = |client: &[u8], server: &[u8]| {
        let mut wire = Wire::tls13(0x1301, &[]);
        wire.seal(SERVER, 0, ContentType::Handshake, &message(8, &[0, 0]));
        for (sender, lengths) in [(CLIENT, client), (SERVER, server)] {
            for length in lengths {
                let fragment = vec![0x55; usize::from(*length)];
                wire.bytes(sender, &[&[23, 3, 3, 0, *length][..], &fragment].concat());
            }
        }
        failure(&wire, SERVER, false, VALID)
    };
    assert_eq!(lengths(&[25, 53, 100], &[19]), "certificate-required, inferred");
    assert_eq!(lengths(&[53, 100], &[19]), "none", "the client was not asked for a certificate");
    assert_eq!(lengths(&[25, 53, 100], &[200, 200, 19]), "none", "the server was content");
}

#[test]
fn nothing_is_claimed_of_handshakes_that_succeeded_or_are_not_whole() {
    let mut complete = Wire::tls13(0x1301, &ALL);
    complete.finish();
    complete.say(CLIENT, "GET");
    complete.say(SERVER, "101");
    complete.seal(SERVER, 1, ContentType::Alert, &[2, 80]);
    assert_eq!(failure(&complete, SERVER, false, VALID), "none");
    let mut quiet = Wire::tls13(0x1301, &[]);
    quiet.finish();
    assert_eq!(failure(&quiet, CLIENT, false, VALID), "none", "both have finished");
    assert!(asked().tls.failure(None, true).is_none(), "the capture may have ended");
    let end = Ending { by: CLIENT, reset: false, at: VALID };
    assert!(asked().tls.failure(Some(end), false).is_none(), "bytes are missing");
    let mut alone = Wire::new(Version::TLS12, Secrets::default(), [Vec::new(), Vec::new()]);
    alone.clear(SERVER, 21, &[2, 70]);
    assert_eq!(failure(&alone, SERVER, false, VALID), "none", "its beginning is not in the capture");
}

proptest::proptest! {
    #[test]
    fn damaged_connections_neither_panic_nor_carry_what_nobody_sent(
        place in 0_usize..600,
        value in proptest::num::u8::ANY,
        cut in proptest::option::of(1_usize..80),
        before in proptest::bool::ANY,
    ) {
        let mut wire = match before {
            true => Wire::before(Version::TLS12, 0xc027, MacOrder::MacThenEncrypt, true),
            false => Wire::tls13(0x1301, &ALL),
        };
        if !before {
            wire.finish();
        }
        let last = wire.keys[0].len() - 1;
        let mut bytes: Vec<u8> = (0..8)
            .flat_map(|number| wire.sealed(CLIENT, last, ContentType::ApplicationData, format!("message {number}").as_bytes()))
            .collect();
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        let (head, tail) = bytes.split_at(place.min(bytes.len()));
        wire.bytes(CLIENT, head);
        match cut {
            Some(length) => {
                let (lost, rest) = tail.split_at(length.min(tail.len()));
                if !lost.is_empty() {
                    wire.lose(CLIENT, lost.len());
                }
                wire.bytes(CLIENT, rest);
            }
            None => wire.bytes(CLIENT, tail),
        }
        let said: Vec<_> = wire.log.told.iter().filter(|line| *line != "client ?").collect();
        let sent: Vec<_> = (0..8).map(|number| format!("client message {number}")).collect();
        let mut rest = sent.iter();
        for line in said {
            proptest::prop_assert!(rest.any(|sent| sent == line), "{line} was not sent, or not in that order");
        }
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), hello in proptest::bool::ANY) {
        let mut wire = if hello { asked() } else { Wire::new(Version::TLS12, Secrets::default(), [Vec::new(), Vec::new()]) };
        wire.bytes(SERVER, &bytes);
        wire.bytes(CLIENT, &bytes);
        proptest::prop_assert!(wire.log.told.is_empty());
    }
}
