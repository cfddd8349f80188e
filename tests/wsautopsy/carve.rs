//! Connections carved out of captures: the right packets, as they were, with comments, and the same verdicts again.

use std::fs;

use assert_cmd::Command;
use proptest::prelude::*;
use wsautopsy::capture::Input;
use wsautopsy::carve::{Selection, carve};
use wsautopsy::close_code::CloseCode;

use crate::builder::{self, Capture, Conversation, Link, TEXT};
use crate::{CLIENT, SERVER, analysis_of, closes, verdict, violations};

/// An interface in a pcapng file.
#[derive(Debug, PartialEq, Eq)]
struct Interface {
    link_type: u16,
    snaplen: u32,
    options: Vec<(u16, Vec<u8>)>,
}

/// A packet in a pcapng file.
#[derive(Debug, PartialEq, Eq)]
struct Packet {
    interface: u32,
    time: u64,
    original: u32,
    bytes: Vec<u8>,
    comments: Vec<String>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Options, up to the one that ends them.
fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut options = Vec::new();
    while !bytes.is_empty() {
        let (code, length) = (word(bytes, 0) as u16, (word(bytes, 0) >> 16) as usize);
        if code == 0 {
            break;
        }
        options.push((code, bytes[4..4 + length].to_vec()));
        bytes = &bytes[4 + length.next_multiple_of(4)..];
    }
    options
}

/// What a little-endian pcapng file of one section holds.
fn read(file: &[u8]) -> (Vec<Interface>, Vec<Packet>) {
    let (mut interfaces, mut packets, mut at) = (Vec::new(), Vec::new(), 0);
    while at < file.len() {
        let (kind, length) = (word(file, at), word(file, at + 4) as usize);
        assert_eq!(word(file, at + length - 4) as usize, length);
        let body = &file[at + 8..at + length - 4];
        match kind {
            0x0a0d_0d0a => assert_eq!(at, 0),
            1 => interfaces.push(Interface {
                link_type: word(body, 0) as u16,
                snaplen: word(body, 4),
                options: options(&body[8..]),
            }),
            6 => {
                let captured = word(body, 12) as usize;
                let comments = options(&body[20 + captured.next_multiple_of(4)..]).into_iter();
                packets.push(Packet {
                    interface: word(body, 0),
                    time: u64::from(word(body, 4)) << 32 | u64::from(word(body, 8)),
                    original: word(body, 16),
                    bytes: body[20..20 + captured].to_vec(),
                    comments: comments.map(|(_, text)| String::from_utf8(text).unwrap()).collect(),
                });
            }
            other => panic!("block type {other}"),
        }
        at += length;
    }
    (interfaces, packets)
}

/// What is carved out of these files.
fn carved_of(files: &[(&str, Vec<u8>)], selection: &Selection) -> Vec<u8> {
    let inputs = || files.iter().map(|(name, bytes)| builder::input(name, bytes.clone())).collect::<Vec<Input>>();
    let mut out = Vec::new();
    let packets = carve(&analysis_of(inputs()), selection, inputs(), &mut |_| (), &mut out).unwrap();
    assert_eq!(packets, read(&out).1.len() as u64);
    out
}

fn carved(capture: &Capture, selection: &Selection) -> Vec<u8> {
    carved_of(&[("test.pcap", capture.pcap())], selection)
}

fn number(number: usize) -> Selection {
    Selection { connections: vec![number], ..Selection::default() }
}

/// What is told of the connections in a file, but for the numbers of packets.
fn told(file: Vec<u8>) -> Vec<String> {
    let analysis = analysis_of(vec![builder::input("carved.pcapng", file)]);
    let told = analysis.connections.iter().map(|record| {
        let broken = violations(record).iter().map(|text| text.split(" in ").next().unwrap().to_owned()).collect();
        let rows: Vec<Vec<String>> = vec![closes(record), broken];
        let texts = record.invalid_utf8_count;
        format!("{} {:?} {} {rows:?} {texts}", verdict(record), record.messages, record.complete)
    });
    told.collect()
}

/// A closed conversation from that port, which says `text`.
fn closed(port: u16, code: u16, text: &str) -> Conversation {
    let open = Conversation::from_port(port).syn().upgrade("/chat").text(CLIENT, text);
    open.close(SERVER, code, "enough").close(CLIENT, code, "").fins(SERVER)
}

/// Packets one after the other, in these connections' order of time.
fn three() -> Capture {
    Capture::merged([closed(50_001, 1000, "one"), closed(50_002, 1011, "two"), closed(50_003, 1008, "three")])
}

#[test]
fn only_the_packets_of_chosen_connections_are_there() {
    let (_, packets) = read(&carved(&three(), &number(1)));
    let expected = Capture::of(closed(50_002, 1011, "two"));
    let bytes: Vec<_> = packets.iter().map(|packet| &packet.bytes).collect();
    assert_eq!(bytes, expected.packets.iter().map(|packet| &packet.bytes).collect::<Vec<_>>());
}

#[test]
fn choices_of_one_kind_add_up_and_of_several_must_all_hold() {
    let count = |selection: Selection| selection.count(&analysis_of(vec![three().input("test.pcap")]));
    let codes = |codes: &[u16]| codes.iter().copied().map(CloseCode).collect::<Vec<_>>();
    assert_eq!(count(Selection::default()), 3);
    assert_eq!(count(Selection { close_codes: codes(&[1000, 1008]), ..Selection::default() }), 2);
    assert_eq!(count(Selection { connections: vec![0, 1, 7], ..Selection::default() }), 2);
    assert_eq!(count(Selection { connections: vec![0, 1], close_codes: codes(&[1008]), ..Selection::default() }), 0);
    assert_eq!(count(Selection { invalid_utf8: true, ..Selection::default() }), 0);
    let causes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(count(Selection { causes: causes(&["normal", "server-error"]), ..Selection::default() }), 2);
    assert_eq!(count(Selection { causes: causes(&["idle-timeout"]), ..Selection::default() }), 0);
}

#[test]
fn packets_that_matter_have_comments() {
    let conversation = Conversation::open().frame(CLIENT, TEXT, b"ab\xff").frame(SERVER, 0x83, b"?");
    let conversation = conversation.close(SERVER, 1007, "bad\ntext").close(CLIENT, 1007, "").fins(SERVER);
    let (_, packets) = read(&carved(&Capture::of(conversation), &Selection::default()));
    let comments: Vec<(usize, &str)> = packets
        .iter()
        .zip(1..)
        .flat_map(|(packet, number)| packet.comments.iter().map(move |text| (number, text.as_str())))
        .map(|(number, text)| (number, text.strip_prefix("wsautopsy: connection 0: ").unwrap()))
        .collect();
    let expected = [
        (4, "client asks for a WebSocket"),
        (5, "server answers 101"),
        (6, "client sends text that is not UTF-8: invalid-byte at byte 2 of message 0"),
        (6, "why it closed: invalid-utf8"),
        (7, "server breaks the rule reserved-opcode: "),
        (8, "server sends Close 1007 Invalid Frame Payload Data (first): bad\\ntext"),
        (9, "client sends Close 1007 Invalid Frame Payload Data (reply)"),
        (10, "server ends TCP with FIN"),
    ];
    assert_eq!(comments.len(), expected.len(), "{comments:#?}");
    for ((number, text), (expected_number, expected_text)) in comments.into_iter().zip(expected) {
        assert_eq!(number, expected_number);
        assert!(text.starts_with(expected_text), "{text}");
    }
}

#[test]
fn carved_connections_have_the_same_verdicts() {
    let captures = [
        three(),
        three().without(9).without(20),
        three().swapped(10, 13).twice(8),
        three().cut(12, 60),
        Capture::of(Conversation::open().text(CLIENT, "cut off").rst(CLIENT)),
        Capture::of(Conversation::open().bytes(CLIENT, b"\x01\x02").close(SERVER, 1002, "").fins(SERVER)),
        // Ports that are used again, the second time without a SYN.
        Capture::of(closed(50_000, 1000, "a")).then(Conversation::new().numbered(77, 99).upgrade("/").rst(SERVER)),
        // Refused, then accepted on the same connection.
        Capture::of(
            Conversation::new()
                .syn()
                .request("/a")
                .server("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                .upgrade("/b")
                .close(CLIENT, 1000, "")
                .close(SERVER, 1000, "")
                .fins(CLIENT),
        ),
    ];
    for capture in captures {
        let all = told(capture.pcap());
        assert!(!all.is_empty());
        assert_eq!(told(carved(&capture, &Selection::default())), all);
    }
    for wanted in 0..3 {
        assert_eq!(told(carved(&three(), &number(wanted))), told(three().pcap())[wanted..=wanted]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_capture_lost_or_mixed_up_the_verdicts_are_the_same(
        changes in proptest::collection::vec((0_usize..4, 1_usize..33, 1_usize..33), 0..12),
    ) {
        let mut capture = three();
        for (kind, one, other) in changes {
            let count = capture.packets.len();
            let (one, other) = ((one - 1) % count + 1, (other - 1) % count + 1);
            capture = match kind {
                0 if count > 1 => capture.without(one),
                1 => capture.swapped(one, other),
                2 => capture.twice(one),
                _ => capture.cut(one, 30 + other),
            };
        }
        let all = told(capture.pcap());
        if !all.is_empty() {
            prop_assert_eq!(told(carved(&capture, &Selection::default())), all);
        }
    }
}

#[test]
fn a_later_attempt_comes_with_the_whole_tcp_connection() {
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let conversation = Conversation::new().syn().request("/a").server(refused).upgrade("/b").fins(CLIENT);
    let (_, packets) = read(&carved(&Capture::of(conversation.clone()), &number(1)));
    assert_eq!(packets.len(), Capture::of(conversation).packets.len());
    let comments: Vec<_> = packets.iter().flat_map(|packet| &packet.comments).collect();
    let expected = ["client asks for a WebSocket", "server answers 101"];
    let expected = expected.map(|text| format!("wsautopsy: connection 1: {text}"));
    assert_eq!(comments[..2], [&expected[0], &expected[1]], "{comments:?}");
}

#[test]
fn networks_with_the_same_addresses_are_kept_apart() {
    let tagged = |tag, code| {
        let open = Conversation::new().over(Link::Vlan(tag)).syn().upgrade("/chat");
        open.close(SERVER, code, "").close(CLIENT, code, "").fins(SERVER)
    };
    let capture = Capture::merged([tagged(7, 1000), tagged(8, 1001)]);
    let chosen = Selection { close_codes: vec![CloseCode(1001)], ..Selection::default() };
    let (_, packets) = read(&carved(&capture, &chosen));
    assert!(packets.iter().all(|packet| packet.bytes[15] == 8));
    assert_eq!(packets.len(), Capture::of(tagged(8, 1001)).packets.len());
}

#[test]
fn a_direction_that_was_not_captured_takes_no_packets_of_another_network() {
    let over = |tag| Conversation::new().over(Link::Vlan(tag)).syn().upgrade("/chat").fins(SERVER);
    let mut capture = Capture::merged([over(7), over(8)]);
    // The source port, behind Ethernet, the tag and IPv4.
    let from_client = |packet: &builder::Packet| packet.bytes[38..40] == 50_000_u16.to_be_bytes();
    capture.packets.retain(|packet| packet.bytes[15] == 8 || from_client(packet));
    let analysis = analysis_of(vec![capture.input("test.pcap")]);
    assert_eq!(analysis.connections.len(), 2, "{:#?}", analysis.connections);
    for wanted in 0..2 {
        let (_, packets) = read(&carved(&capture, &number(wanted)));
        let tag = packets[0].bytes[15];
        assert!(packets.iter().all(|packet| packet.bytes[15] == tag));
        let expected = capture.packets.iter().filter(|packet| packet.bytes[15] == tag).count();
        assert_eq!(packets.len(), expected);
    }
}

#[test]
fn lengths_times_and_interfaces_are_those_of_the_captures() {
    let first = Capture::of(closed(50_001, 1000, "one")).cut(6, 58);
    let second = Capture::of(closed(50_002, 1011, "two")).pcap_as(u32::to_be_bytes, 1);
    let files =
        [("a.pcap", first.pcap()), ("b.pcap", second), ("c.pcapng", Capture::of(Conversation::open()).pcapng())];
    let (interfaces, packets) = read(&carved_of(&files, &Selection::default()));
    assert_eq!(interfaces.len(), 3);
    let facts =
        |file: &str, resolution: u8| vec![(1, format!("wsautopsy: from {file}").into_bytes()), (9, vec![resolution])];
    let options: Vec<_> = interfaces.iter().map(|interface| interface.options.clone()).collect();
    assert_eq!(options, [facts("a.pcap", 6), facts("b.pcap", 9), facts("c.pcapng", 9)]);
    assert!(interfaces.iter().all(|interface| interface.snaplen == 262_144 && interface.link_type == 1));
    let cut = packets.iter().find(|packet| packet.original > packet.bytes.len() as u32).unwrap();
    assert_eq!((cut.bytes.len(), cut.original), (58, first.packets[5].original));
    assert_eq!(cut.time, first.packets[5].time as u64 / 1000);
    let nanos = |packet: &Packet| if packet.interface == 0 { packet.time * 1000 } else { packet.time };
    assert!(packets.iter().map(nanos).is_sorted());
    assert_eq!(packets.iter().map(nanos).min(), Some(builder::NOON as u64));
}

#[test]
fn fragments_of_chosen_connections_are_kept() {
    let mut capture = three();
    let request = capture.packets.iter().position(|packet| packet.bytes.len() > 150).unwrap();
    let parts = capture.packets[request].in_fragments(24);
    capture.packets.splice(request..=request, parts.clone());
    // Half of a packet that is never whole.
    capture.packets.insert(0, three().packets[request].in_fragments(24)[0].clone());
    capture.packets[0].bytes[18] = 1;
    let (_, packets) = read(&carved(&capture, &number(0)));
    let place = packets.iter().position(|packet| packet.bytes == parts[0].bytes).unwrap();
    assert_eq!(packets[place + 1].bytes, parts[1].bytes);
    assert_eq!(packets[place + 1].comments, ["wsautopsy: connection 0: client asks for a WebSocket"]);
    assert_eq!(told(carved(&capture, &number(0))), told(three().pcap())[..1]);
    let (_, others) = read(&carved(&capture, &number(1)));
    assert!(others.iter().all(|packet| packet.bytes != parts[0].bytes));
}

#[test]
fn interfaces_that_take_turns_are_kept_apart() {
    let over = |port, link| {
        let open = Conversation::from_port(port).over(link).syn().upgrade("/chat");
        open.close(SERVER, 1000, "").close(CLIENT, 1000, "").fins(SERVER)
    };
    let capture = Capture::merged([over(50_001, Link::Ethernet), over(50_002, Link::LinuxCooked2)]);
    for files in [
        vec![("one.pcapng", capture.pcapng())],
        vec![("one.pcapng", capture.pcapng()), ("two.pcap", Capture::of(over(50_003, Link::Raw)).pcap())],
    ] {
        let (interfaces, packets) = read(&carved_of(&files, &Selection::default()));
        assert_eq!(interfaces.len(), files.len() + 1);
        let link = |packet: &Packet| interfaces[packet.interface as usize].link_type;
        for packet in &capture.packets {
            let found = packets.iter().find(|found| found.bytes == packet.bytes).unwrap();
            assert_eq!(link(found), if packet.bytes.starts_with(&[2, 0, 0, 0]) { 1 } else { 276 });
        }
    }
}

/// The exit code and standard error of `wsautopsy carve` in `directory`.
fn run(directory: &std::path::Path, arguments: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsautopsy"));
    let output = command.current_dir(directory).arg("carve").args(arguments).output().unwrap();
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_program_writes_a_file_or_standard_output() {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("all.pcap"), three().pcap()).unwrap();
    let (code, stdout, stderr) = run(desk.path(), &["all.pcap", "--close-code", "1011", "-o", "one.pcapng"]);
    assert_eq!((code, stdout.as_slice(), stderr.as_str()), (Some(0), &b""[..], "11 packets, connections: 1\n"));
    let file = fs::read(desk.path().join("one.pcapng")).unwrap();
    assert_eq!(told(file.clone()), told(three().pcap())[1..2]);
    let (code, stdout, stderr) = run(desk.path(), &["all.pcap", "--close-code", "1011", "-o", "-", "-q"]);
    assert_eq!((code, stdout == file, stderr.as_str()), (Some(0), true, ""));
}

#[test]
fn nothing_chosen_writes_nothing() {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("all.pcap"), three().pcap()).unwrap();
    let (code, _, stderr) = run(desk.path(), &["all.pcap", "--connection", "3", "-o", "one.pcapng"]);
    let expected = "warning: --connection 3: expected a number below 3, the connections found\n\
                    error: nothing to write: of 3 connections, none is chosen\n";
    assert_eq!((code, stderr.as_str()), (Some(1), expected));
    assert_eq!(fs::read_dir(desk.path()).unwrap().count(), 1);
}

#[test]
fn captures_that_cannot_be_read_twice_are_wrong_usage() {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("all.pcap"), three().pcap()).unwrap();
    for arguments in [&["-", "-o", "x"][..], &["all.pcap"], &["all.pcap", "-o", "all.pcap"]] {
        let (code, _, stderr) = run(desk.path(), arguments);
        assert_eq!(code, Some(2), "{stderr}");
    }
    assert_eq!(fs::read(desk.path().join("all.pcap")).unwrap(), three().pcap());
}
