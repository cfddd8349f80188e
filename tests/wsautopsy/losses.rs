//! What the capture lost, cut or recorded in another order: what can still be told, and what must not be.

use wsautopsy::connection::Handshake;

use crate::builder::{BINARY, Capture, Conversation, TEXT, frame, input};
use crate::impaired::{Damage, Figures, Plan, make, score};
use crate::{CLIENT, SERVER, analysis, closes, only, verdict, violations};

/// Frames of text in segments of their own from packet 6 on, then both Close frames.
fn chat(messages: usize) -> Conversation {
    let open = (0..messages).fold(Conversation::open(), |chat, number| chat.text(SERVER, &format!("message {number}")));
    open.ack(CLIENT).close(CLIENT, 1000, "bye").close(SERVER, 1000, "bye").fins(SERVER)
}

const CLEAN: &str = "1000 frame, by client, reply matching 1000, fin by server, clean";

#[test]
fn lost_segment_between_frames_is_missed_bytes_and_nothing_else() {
    let found = only(&Capture::of(chat(8)).without(8));
    assert_eq!(verdict(&found), CLEAN);
    assert_eq!((found.missed_bytes, found.complete), (11, false));
    assert_eq!(violations(&found), [""; 0]);
    assert!((6..=7).contains(&found.messages.server), "{}", found.messages.server);
}

#[test]
fn retransmission_that_the_capture_saw_leaves_no_hole() {
    let capture = Capture::of(chat(8));
    for number in 1..=capture.packets.len() {
        let found = only(&capture.clone().twice(number));
        assert_eq!((verdict(&found), found.missed_bytes, found.messages.server), (CLEAN.to_owned(), 0, 8), "{number}");
    }
}

#[test]
fn reordered_segments_are_put_in_order() {
    for number in 6..13 {
        let found = only(&Capture::of(chat(8).clone()).swapped(number, number + 1));
        assert_eq!((found.missed_bytes, found.messages.server), (0, 8), "{number}");
        assert_eq!(closes(&found), ["client first 1000 bye", "server reply 1000 bye"]);
    }
}

#[test]
fn reply_in_a_gap_is_not_known_to_be_missing() {
    let capture = Capture::of(Conversation::open().close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER));
    let found = only(&capture.without(7));
    assert_eq!(verdict(&found), "1000 frame, by client, fin by server");
    assert_eq!(found.missed_bytes, 4);
}

#[test]
fn end_without_a_close_is_not_1006_where_one_may_be_hidden() {
    let capture = Capture::of(Conversation::open().close(SERVER, 1001, "").fins(SERVER));
    let found = only(&capture.without(6));
    assert_eq!(verdict(&found), "fin by server");
}

#[test]
fn snap_length_that_cuts_messages_leaves_the_closes() {
    let long = frame(SERVER, TEXT, &[b'x'; 500]);
    let conversation = Conversation::open().server(&long).close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER);
    let found = only(&Capture::of(conversation).cut(6, 128));
    assert_eq!(verdict(&found), CLEAN);
    assert_eq!(found.missed_bytes, 504 - (128 - 54));
    assert_eq!((found.messages.server, found.invalid_utf8_count), (1, 0));
}

#[test]
fn invalid_text_behind_a_gap_is_not_claimed() {
    let text = frame(SERVER, TEXT, &[&[b'x'; 300][..], b"\xff"].concat());
    let found = only(&Capture::of(Conversation::open().segments(SERVER, &text, 100).ack(CLIENT)).without(7));
    assert_eq!((found.invalid_utf8_count, found.messages.server, found.missed_bytes), (0, 1, 100));
}

#[test]
fn close_frame_that_was_cut_keeps_its_code() {
    let capture = Capture::of(Conversation::open().close(SERVER, 1011, "database gone").fins(SERVER));
    let found = only(&capture.cut(6, 54 + 8));
    assert_eq!(verdict(&found), "1011 frame, by server, reply missing, fin by server, not clean");
    assert_eq!((found.verdict.reason.clone(), found.close_frames.len()), (None, 0));
}

#[test]
fn payload_bytes_that_look_like_a_close_are_none_after_a_loss() {
    // A naive reader takes each of these for a Close frame with code 1000.
    let trap = [&b"\x88\x02\x03\xe8".repeat(100)[..], b"tail"].concat();
    let conversation = Conversation::open().segments(SERVER, &frame(SERVER, BINARY, &trap), 100).ack(CLIENT);
    let capture = Capture::of(conversation.text(SERVER, "and on it goes, with text").ack(CLIENT));
    for lost in 6..10 {
        let found = only(&capture.clone().without(lost));
        assert_eq!(closes(&found), [""; 0], "without {lost}");
    }
}

#[test]
fn lost_answer_does_not_hide_the_connection() {
    let conversation = Conversation::open().text(CLIENT, "hello").text(SERVER, "hello to you, dear client");
    let conversation = conversation.close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER);
    let found = only(&Capture::of(conversation).without(5));
    assert_eq!((found.handshake, verdict(&found)), (Handshake::Missing, CLEAN.to_owned()));
}

#[test]
fn lost_request_does_not_hide_the_connection() {
    let found = only(&Capture::of(chat(3)).without(4));
    assert_eq!((found.handshake, verdict(&found)), (Handshake::Missing, CLEAN.to_owned()));
}

#[test]
fn every_single_loss_leaves_true_close_frames_only() {
    let capture = Capture::of(chat(8).clone());
    for number in 1..=capture.packets.len() {
        for record in analysis(&capture.clone().without(number)).connections {
            for close in &record.close_frames {
                assert_eq!((close.code.unwrap().0, &*close.reason), (1000, &b"bye"[..]), "without {number}");
            }
        }
    }
}

#[test]
fn conflicting_retransmission_is_a_violation_and_the_first_copy_counts() {
    let first = frame(SERVER, TEXT, b"first copy");
    let second = frame(SERVER, TEXT, b"other copy");
    let one = Capture::of(Conversation::open().text(SERVER, "hole").server(first).ack(CLIENT));
    let other = Capture::of(Conversation::open().text(SERVER, "hole").server(second));
    // Packet 6 is late: both copies wait for it.
    let mut capture = one.clone();
    capture.packets.splice(5..7, [one.packets[6].clone(), other.packets[6].clone(), one.packets[5].clone()]);
    let found = only(&capture);
    assert_eq!(violations(&found), ["server conflicting-retransmission in 7"]);
    assert_eq!((found.messages.server, found.missed_bytes), (2, 0));
}

#[test]
fn connection_spans_two_captures() {
    let (first, second) = Capture::of(chat(4)).split(8);
    let analysis = crate::analysis_of(vec![first.input("1.pcap"), second.input("2.pcap")]);
    let [found] = analysis.connections.as_slice() else { panic!("{:#?}", analysis.connections) };
    assert_eq!((verdict(found), found.messages.server, found.complete), (CLEAN.to_owned(), 4, true));
    let close = &found.close_frames[0];
    assert_eq!((analysis.capture_name(close.packet), close.packet.number()), (Some("2.pcap"), 3));
    assert_eq!(analysis.captures.iter().map(|capture| capture.conversations.clone()).collect::<Vec<_>>(), [[1], [1]]);
}

#[test]
fn filling_bytes_are_no_frames() {
    // One byte again and again: some values are chains of frames that nobody sends.
    for byte in 0..=u8::MAX {
        for (begin, from) in
            [(Conversation::new().unseen(SERVER, 1), SERVER), (Conversation::new().unseen(CLIENT, 1), CLIENT)]
        {
            let capture = Capture::of(begin.segments(from, &[byte; 3_000], 1_000).ack(CLIENT).ack(SERVER));
            let found = analysis(&capture).connections;
            assert!(found.is_empty(), "{byte:#x} from {from:?}: {found:#?}");
        }
    }
}

#[test]
fn equal_messages_are_found_without_their_handshake() {
    let tick = |chat: Conversation, _| chat.text(SERVER, "tick").text(CLIENT, "tock");
    let found = only(&Capture::of((0..20).fold(Conversation::new(), tick).close(SERVER, 1001, "").fins(SERVER)));
    assert_eq!((found.handshake, closes(&found)), (Handshake::Missing, vec!["server first 1001".to_owned()]));
    // Several in each segment.
    let ticks = frame(SERVER, TEXT, b"tick").repeat(5);
    let conversation = (0..20).fold(Conversation::new(), |chat, _| chat.server(&ticks).text(CLIENT, "tock"));
    let found = only(&Capture::of(conversation.close(SERVER, 1001, "").fins(SERVER)));
    assert_eq!((found.handshake, closes(&found)), (Handshake::Missing, vec!["server first 1001".to_owned()]));
}

/// What is found in captures of 1500 connections, each with its own seed, and everything that went wrong.
fn figures(damage: Damage, seeds: std::ops::Range<u64>) -> (Figures, Vec<String>) {
    let (mut sum, mut wrong) = (Figures::default(), Vec::new());
    for seed in seeds {
        let impaired = make(&Plan { connections: 1500, damage, seed });
        let analysis = crate::analysis_of(vec![input("impaired.pcap", impaired.pcap.clone())]);
        sum += score(&analysis, &impaired, &mut |text| wrong.push(format!("seed {seed}: {text}")));
    }
    (sum, wrong)
}

/// Whether `part` is at least so many of 10,000 parts of `whole`.
fn at_least(part: u64, parts: u64, whole: u64) -> bool {
    whole > 0 && part * 10_000 >= whole * parts
}

/// Every reported row is real, and so many Close frames of 10,000 that survive are found.
#[track_caller]
fn assert_found(damage: Damage, seeds: std::ops::Range<u64>, parts: u64) -> Figures {
    let (figures, wrong) = figures(damage, seeds);
    assert!(figures.surviving > 1500, "{figures:?}");
    assert!(at_least(figures.found, parts, figures.surviving), "{figures:#?} {wrong:#?}");
    assert_eq!(figures.real, figures.reported, "{wrong:#?}");
    assert_eq!(figures.invalid_real, figures.invalid_reported, "{wrong:#?}");
    assert_eq!((figures.connections_false, figures.violations), (0, 0), "{wrong:#?}");
    figures
}

#[test]
fn everything_is_found_where_nothing_is_missing() {
    let found = assert_found(Damage::Loss { per_million: 0, burst: 1 }, 1..2, 10_000);
    assert_eq!((found.invalid_found, found.connections_found), (found.invalid, found.connections));
}

#[test]
fn close_frames_are_found_where_one_packet_in_a_thousand_is_missing() {
    assert_found(Damage::Loss { per_million: 1_000, burst: 1 }, 1..2, 9_990);
}

#[test]
fn close_frames_are_found_where_one_packet_in_a_hundred_is_missing() {
    let found = assert_found(Damage::Loss { per_million: 10_000, burst: 1 }, 1..2, 9_950);
    assert!(at_least(found.invalid_found, 9_900, found.invalid), "{found:#?}");
}

#[test]
fn close_frames_are_found_where_one_packet_in_twenty_is_missing() {
    let found = assert_found(Damage::Loss { per_million: 50_000, burst: 1 }, 1..2, 9_800);
    assert!(at_least(found.invalid_found, 9_900, found.invalid), "{found:#?}");
    assert_found(Damage::Loss { per_million: 50_000, burst: 8 }, 2..3, 9_800);
}

#[test]
fn close_frames_are_found_where_packets_are_cut() {
    assert_found(Damage::SnapLength(128), 1..2, 9_990);
}

#[test]
fn connections_without_handshake_are_found() {
    let found = assert_found(Damage::MidStream, 1..2, 9_500);
    assert!(found.connections > 500, "{found:#?}");
    assert!(at_least(found.connections_found, 9_900, found.connections), "{found:#?}");
}
