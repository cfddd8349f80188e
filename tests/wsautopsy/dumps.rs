//! Dumps as they come: cut by a snap length, with packets larger than their length fields, from several networks at once,
//! compressed and damaged.

use std::io::Write;

use assert_cmd::Command;
use wsautopsy::connection::Handshake;

use crate::builder::{BINARY, Capture, Conversation, Link, TEXT, frame};
use crate::mutation::Packing;
use crate::{CLIENT, SERVER, analysis, closes, only};

/// The capture with at most `length` bytes of each packet.
fn snapped(capture: &Capture, length: usize) -> Capture {
    (1..=capture.packets.len()).fold(capture.clone(), |capture, number| capture.cut(number, length))
}

#[test]
fn snap_length_of_96_leaves_every_close_frame_that_it_does_not_cut() {
    let chat = (0..6).fold(Conversation::open(), |chat, _| chat.text(CLIENT, "how is it?").text(SERVER, "all is well"));
    let talk = chat.text(SERVER, &"much to tell ".repeat(90)).text(CLIENT, &"more to ask ".repeat(90));
    // 54 bytes of headers leave 42: the longest of these reasons just fits.
    for reason in ["", "bye", "a reason of thirty-eight bytes, no less"] {
        let ended = talk.clone().close(CLIENT, 4001, &reason[..reason.len().min(34)]);
        let ended = ended.close(SERVER, 4001, &reason[..reason.len().min(38)]).fins(SERVER);
        let whole = closes(&only(&Capture::of(ended.clone())));
        let found = only(&snapped(&Capture::of(ended), 96));
        assert_eq!(closes(&found), whole);
        assert_eq!((found.handshake, found.invalid_utf8_count), (Handshake::Missing, 0));
        assert!(found.missed_bytes > 2_000, "{}", found.missed_bytes);
    }
}

#[test]
fn close_frame_behind_the_cut_is_not_claimed() {
    let both = [frame(SERVER, TEXT, &[b'x'; 100]), frame(SERVER, 0x88, &[3, 232])].concat();
    let chat = (0..6).fold(Conversation::open(), |chat, _| chat.text(CLIENT, "how is it?").text(SERVER, "all is well"));
    let found = only(&snapped(&Capture::of(chat.server(both).fins(SERVER)), 96));
    assert_eq!((closes(&found), found.verdict.close_code), (vec![], None));
}

#[test]
fn fragments_are_cut_by_the_snap_length_like_whole_packets() {
    let chat = Conversation::open().text(SERVER, &"much to tell ".repeat(90)).text(CLIENT, "more?").text(SERVER, "no");
    let whole = Capture::of(chat.close(CLIENT, 4001, "bye").close(SERVER, 4001, "bye").fins(SERVER));
    let large = whole.packets.iter().position(|packet| packet.bytes.len() > 1000).unwrap();
    let expected = only(&whole);
    for snap in [96, 200, 700, 1500] {
        for (first, in_order) in [(480, true), (1000, false)] {
            let mut parts = whole.packets[large].in_fragments(first);
            if in_order {
                parts.reverse();
            }
            let mut capture = whole.clone();
            capture.packets.splice(large..=large, parts);
            let found = only(&capture.cut(large + 1, snap).cut(large + 2, snap));
            assert_eq!((found.messages, closes(&found)), (expected.messages, closes(&expected)));
            // Of a first fragment that is cut, the second one's bytes have no place.
            let frame = 4 + 90 * 13;
            let behind_ip = if snap < 34 + first { snap - 34 } else { (first + snap - 34).min(20 + frame) };
            assert_eq!(found.missed_bytes, (20 + frame - behind_ip) as u64, "{snap} {first}");
        }
    }
}

/// Replaces the payload of the packet with this number, and makes the length in its IP header 0, as offloading network
/// cards do. `headers` are the bytes before the payload.
fn enlarge(capture: &mut Capture, number: usize, length_at: usize, headers: usize, payload: &[u8]) {
    let packet = &mut capture.packets[number - 1];
    packet.bytes.truncate(headers);
    packet.bytes[length_at..length_at + 2].fill(0);
    packet.bytes.extend(payload);
    packet.original = packet.bytes.len() as u32;
}

#[test]
fn packets_too_large_for_their_length_fields_are_read_whole() {
    let large = frame(SERVER, BINARY, &[7; 250_000]);
    let v4 = Conversation::open();
    let v6 = Conversation::between("2001:db8::1", 50_000, "2001:db8::2", 80).syn().upgrade("/chat");
    for (open, length_at, headers) in [(v4, 16, 54), (v6, 18, 74)] {
        // The rest of the conversation goes on behind the large packet.
        let small = open.server(b"placeholder").unseen(SERVER, large.len() as u32 - 11);
        let mut capture = Capture::of(small.ack(CLIENT).text(SERVER, "after").close(SERVER, 1000, "").fins(SERVER));
        enlarge(&mut capture, 6, length_at, headers, &large);
        for file in [capture.pcap(), capture.pcapng()] {
            let analysis = crate::analysis_of(vec![crate::builder::input("large", file)]);
            let [found] = analysis.connections.as_slice() else { panic!("{:#?}", analysis.connections) };
            assert_eq!((found.messages.server, found.missed_bytes, found.payload_bytes.server), (2, 0, 250_005));
            assert_eq!(closes(found), ["server first 1000"]);
        }
    }
}

#[test]
fn segments_that_a_network_card_merged_are_no_damage() {
    let long = frame(SERVER, TEXT, &[b'x'; 3_000]);
    let ticks = (0..20).fold(Conversation::open(), |chat, _| chat.text(SERVER, "tick"));
    let chat = ticks.server(&long).text(SERVER, "after").close(SERVER, 1000, "").fins(SERVER);
    let mut capture = Capture::of(chat);
    // Merged segments keep the checksum of the first one.
    let merged = capture.packets.iter_mut().find(|packet| packet.bytes.len() > 3_000).unwrap();
    merged.bytes[50] ^= 0xff;
    let found = only(&capture);
    assert_eq!((found.messages.server, found.missed_bytes, found.complete), (22, 0, true));
    // A small segment with a wrong one was dropped by its receiver.
    capture.packets[7].bytes[50] ^= 0xff;
    assert_eq!(only(&capture).messages.server, 21);
}

#[test]
fn same_addresses_in_different_vlans_are_different_connections() {
    let over = |link: Link, code| {
        let open = Conversation::new().over(link).syn().upgrade("/chat").text(SERVER, &format!("{code}"));
        open.close(CLIENT, code, "").close(SERVER, code, "").fins(SERVER)
    };
    let networks = [(Link::Ethernet, 4000), (Link::Vlan(7), 4007), (Link::Vlan(8), 4008)];
    let capture = Capture::merged(networks.map(|(link, code)| over(link, code)));
    let found = analysis(&capture).connections;
    let codes: Vec<u16> = found.iter().filter_map(|record| record.verdict.close_code).map(|code| code.0).collect();
    assert_eq!(codes, [4000, 4007, 4008]);
    assert!(found.iter().all(|record| record.complete && record.violation_count == 0), "{found:#?}");
}

#[test]
fn cut_archives_on_standard_input_give_what_came_before() {
    let chat = (0..3_000).fold(Conversation::open(), |chat, number| chat.text(SERVER, &format!("message {number}")));
    let early = Conversation::from_port(49_000).syn().upgrade("/early").close(SERVER, 1001, "").fins(SERVER);
    let bytes = Capture::merged([chat.close(SERVER, 1000, ""), early]).pcap();
    for packing in Packing::ALL {
        // Later members hold the rest.
        let stored = packing.pack(&bytes, bytes.len() / 4);
        let cut = &stored[..stored.len() / 2];
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsautopsy"));
        let run = command.args(["analyze", "-", "--table", "close_codes"]).write_stdin(cut).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert_eq!(run.status.code(), Some(0), "{packing:?}: {stderr}");
        assert!(stdout.contains("\n1001,Going Away,standard,1,"), "{packing:?}: {stdout}");
        assert!(!stdout.contains("\n1000,"), "{packing:?}: {stdout}");
        assert!(stderr.starts_with("warning: -: after packet "), "{packing:?}: {stderr}");
    }
}

#[test]
fn many_small_files_are_one_dump() {
    let directory = tempfile::tempdir().unwrap();
    let chat = (0..600).fold(Conversation::open(), |chat, number| chat.text(SERVER, &format!("message {number}")));
    let mut rest = Capture::of(chat.close(SERVER, 1001, "").close(CLIENT, 1001, "").fins(SERVER));
    let packets = rest.packets.len();
    let mut files = 0;
    while !rest.packets.is_empty() {
        let part;
        (part, rest) = rest.split(2);
        // Names say nothing of the order.
        let path = directory.path().join(format!("{:03}.pcap.gz", files * 7919 % 1000));
        std::fs::File::create(path).unwrap().write_all(&Packing::Gzip.pack(&part.pcap(), usize::MAX)).unwrap();
        files += 1;
    }
    let analysis = crate::analysis_of(wsautopsy::capture::Input::expand(directory.path()).unwrap());
    let [found] = analysis.connections.as_slice() else { panic!("{}", analysis.connections.len()) };
    assert_eq!((found.messages.server, found.missed_bytes, found.complete), (600, 0, true));
    assert_eq!((analysis.captures.len(), files), (packets.div_ceil(2), packets.div_ceil(2)));
}
