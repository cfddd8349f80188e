//! The same conversation in every format, over every link layer, among other streams.

use crate::builder::{Capture, Conversation, Link, input};
use crate::{CLIENT, SERVER, analysis, analysis_of, closes, record, verdict};

const CLEAN: &str = "1000 frame, by client, reply matching 1000, fin by server, clean";

fn ended(conversation: Conversation) -> Conversation {
    conversation.upgrade("/chat").close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER)
}

fn chat_from(port: u16) -> Conversation {
    ended(Conversation::from_port(port).syn())
}

#[test]
fn every_capture_format_says_the_same() {
    let capture = Capture::of(chat_from(50_000).wait(1_234));
    let formats = [
        ("little, microseconds", capture.pcap_as(u32::to_le_bytes, 1_000)),
        ("little, nanoseconds", capture.pcap_as(u32::to_le_bytes, 1)),
        ("big, microseconds", capture.pcap_as(u32::to_be_bytes, 1_000)),
        ("big, nanoseconds", capture.pcap_as(u32::to_be_bytes, 1)),
        ("pcapng", capture.pcapng()),
    ];
    let expected = format!("{:?}", analysis(&capture).connections);
    for (name, bytes) in formats {
        let analysis = analysis_of(vec![input("test.pcap", bytes)]);
        assert_eq!(analysis.captures[0].file.problems.len(), 0, "{name}");
        assert_eq!(format!("{:?}", analysis.connections), expected, "{name}");
    }
}

#[test]
fn every_link_layer_says_the_same() {
    for link in [Link::Ethernet, Link::Vlan(7), Link::LinuxCooked2, Link::Raw] {
        assert_eq!(verdict(&record(ended(Conversation::new().over(link).syn()))), CLEAN, "{link:?}");
    }
    for link in [Link::Ethernet, Link::LinuxCooked2, Link::Raw] {
        let found = record(ended(Conversation::between("fd00::1", 50_000, "fd00::2", 80).over(link).syn()));
        assert_eq!((verdict(&found), found.client.to_string()), (CLEAN.into(), "[fd00::1]:50000".into()), "{link:?}");
    }
}

#[test]
fn equal_addresses_in_different_networks_are_different_connections() {
    let in_network = |tag, numbers| {
        let (client, server) = numbers;
        ended(Conversation::new().numbered(client, server).over(Link::Vlan(tag)).syn())
    };
    let analysis = analysis(&Capture::merged([in_network(7, (1, 2)), in_network(8, (70_000, 80_000))]));
    assert_eq!(analysis.connections.iter().map(verdict).collect::<Vec<_>>(), [CLEAN, CLEAN]);
}

#[test]
fn pcapng_with_two_interfaces_is_one_capture() {
    let ethernet = chat_from(50_000);
    let cooked = ended(Conversation::from_port(50_001).over(Link::LinuxCooked2).syn());
    let analysis = analysis_of(vec![input("two.pcapng", Capture::merged([ethernet, cooked]).pcapng())]);
    assert_eq!(analysis.connections.iter().map(verdict).collect::<Vec<_>>(), [CLEAN, CLEAN]);
    assert_eq!(analysis.captures[0].file.link_types.iter().map(|link| link.0).collect::<Vec<_>>(), [1, 276]);
}

#[test]
fn sequence_numbers_may_wrap_anywhere() {
    for back in [0, 1, 2, 100, 280, 300, 320] {
        let found = record(ended(Conversation::new().numbered(u32::MAX - back, u32::MAX - back / 2).syn()));
        assert_eq!((verdict(&found), found.missed_bytes), (CLEAN.to_owned(), 0), "{back}");
    }
}

#[test]
fn packets_and_streams_have_wiresharks_numbers() {
    let other = Conversation::from_port(40_000).syn().client("SSH-2.0-x\r\n").fins(CLIENT);
    let silent = Conversation::from_port(40_001).syn_of(CLIENT);
    let chat = chat_from(50_000);
    let capture = Capture::of(other).then(silent).then(chat.clone()).then(chat_from(50_001));
    let analysis = analysis(&capture);
    assert_eq!(analysis.captures[0].conversations, [1, 8, 9, 19]);
    let told: Vec<_> =
        analysis.connections.iter().map(|found| (found.first_packet.number(), found.conversation)).collect();
    assert_eq!(told.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [9, 19]);
    assert_eq!(told.iter().map(|(_, begun)| analysis.tcp_stream(*begun)).collect::<Vec<_>>(), [Some(2), Some(3)]);
    let closes: Vec<_> = analysis.connections[1].close_frames.iter().map(|close| close.packet.number()).collect();
    assert_eq!(closes, [24, 25]);
}

#[test]
fn ports_used_again_are_another_connection_and_stream() {
    let again = ended(Conversation::new().numbered(500_000_000, 600_000_000).syn());
    let analysis = analysis(&Capture::of(chat_from(50_000)).then(again));
    let streams: Vec<_> = analysis.connections.iter().map(|found| analysis.tcp_stream(found.conversation)).collect();
    assert_eq!(streams, [Some(0), Some(1)]);
    assert_eq!(analysis.connections.iter().map(verdict).collect::<Vec<_>>(), [CLEAN, CLEAN]);
}

#[test]
fn interleaved_connections_are_kept_apart() {
    let chats = (0..50).map(|index| {
        let open = Conversation::from_port(50_000 + index).wait(i64::from(index)).syn().upgrade("/chat");
        open.close(SERVER, 4000 + index, "").close(CLIENT, 4000 + index, "").fins(SERVER)
    });
    let analysis = analysis(&Capture::merged(chats));
    let codes: Vec<u16> = analysis.connections.iter().map(|found| found.verdict.close_code.unwrap().0).collect();
    assert_eq!(codes, (4000..4050).collect::<Vec<u16>>());
    assert!(analysis.connections.iter().all(|found| closes(found).len() == 2 && found.complete));
}

#[test]
fn each_file_of_several_has_numbers_of_its_own() {
    let inputs = vec![Capture::of(chat_from(1)).input("a.pcap"), Capture::of(chat_from(2)).input("b.pcap")];
    let analysis = analysis_of(inputs);
    let told: Vec<_> =
        analysis.connections.iter().map(|found| (found.first_packet.file(), found.first_packet.number())).collect();
    assert_eq!(told, [(0, 1), (1, 1)]);
    assert!(analysis.connections.iter().all(|found| analysis.tcp_stream(found.conversation) == Some(0)));
}
