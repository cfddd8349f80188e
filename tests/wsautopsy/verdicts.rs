//! Who closed, with what, and how it was answered: from packets to verdicts.

use wsautopsy::connection::{Handshake, TextLocation};
use wsautopsy::websocket::Utf8ErrorKind;

use crate::builder::{BINARY, CLOSE, Conversation, PING, TEXT, close_frame, frame};
use crate::{CLIENT, SERVER, closes, record, verdict, violations};

fn open() -> Conversation {
    Conversation::open()
}

#[test]
fn closing_handshakes_and_their_verdicts() {
    let cases = [
        (
            open().close(CLIENT, 1000, "bye").close(SERVER, 1000, "").fins(SERVER),
            "1000 frame, by client, reply matching 1000, fin by server, clean",
        ),
        (
            open().close(SERVER, 1001, "").close(CLIENT, 1001, "").fins(SERVER),
            "1001 frame, by server, reply matching 1001, fin by server, clean",
        ),
        (
            open().close(CLIENT, 4000, "").close(SERVER, 1000, "").fins(CLIENT),
            "4000 frame, by client, reply different 1000, fin by client, clean",
        ),
        (
            open().frame(CLIENT, CLOSE, "").frame(SERVER, CLOSE, "").fins(SERVER),
            "1005 empty-frame, by client, reply matching 1005, fin by server, clean",
        ),
        (
            open().frame(SERVER, CLOSE, "").close(CLIENT, 1000, "").fins(SERVER),
            "1005 empty-frame, by server, reply different 1000, fin by server, clean",
        ),
        (open().close(CLIENT, 1000, "").fins(SERVER), "1000 frame, by client, reply missing, fin by server, not clean"),
        (open().close(SERVER, 1011, "").rst(CLIENT), "1011 frame, by server, reply missing, rst by client, not clean"),
        (
            open().close(CLIENT, 1000, "").close(SERVER, 1000, "").rst(CLIENT),
            "1000 frame, by client, reply matching 1000, rst by client, not clean",
        ),
        (open().close(CLIENT, 1000, ""), "1000 frame, by client"),
        (open().close(CLIENT, 1000, "").close(SERVER, 1000, ""), "1000 frame, by client, reply matching 1000"),
        (open().text(CLIENT, "hi").fins(CLIENT), "1006 inferred, by client, fin by client, not clean"),
        (open().fins(SERVER), "1006 inferred, by server, fin by server, not clean"),
        (open().rst(CLIENT), "1006 inferred, by client, rst by client, not clean"),
        (open().rst(SERVER), "1006 inferred, by server, rst by server, not clean"),
        (open().text(CLIENT, "hi"), ""),
        (open().close(CLIENT, 1006, "").fins(SERVER), "1006 frame, by client, reply missing, fin by server, not clean"),
    ];
    for (number, (conversation, expected)) in cases.into_iter().enumerate() {
        assert_eq!(verdict(&record(conversation)), expected, "case {number}");
    }
}

#[test]
fn crossed_closes_are_of_both() {
    let crossed = open().deaf(CLIENT).deaf(SERVER).close(CLIENT, 1000, "").close(SERVER, 4001, "");
    let crossed = record(crossed.hears(CLIENT).hears(SERVER).fins(SERVER));
    assert_eq!(verdict(&crossed), "1000 frame, by both, reply different 4001, fin by server, clean");
    assert_eq!(closes(&crossed), ["client first 1000", "server reply 4001"]);
}

#[test]
fn close_frames_carry_packet_reason_and_position() {
    let conversation = open().close(CLIENT, 1000, "grüße").text(SERVER, "late").close(SERVER, 1000, "grüße");
    let found = record(conversation.close(SERVER, 1000, "again").fins(SERVER));
    let reason = "gr\\xc3\\xbc\\xc3\\x9fe";
    let expected = [
        format!("client first 1000 {reason}"),
        format!("server reply 1000 {reason}"),
        "server extra 1000 again".into(),
    ];
    assert_eq!(closes(&found), expected);
    assert_eq!(found.close_frames.iter().map(|close| close.packet.number()).collect::<Vec<_>>(), [6, 8, 9]);
    assert_eq!(found.verdict.reply_ms, Some(2.0));
    assert_eq!(violations(&found), ["server second-close in 9"]);
}

#[test]
fn close_frame_in_two_segments_is_told_with_the_second() {
    let bytes = close_frame(CLIENT, 1000, "split");
    let found = record(open().segments(CLIENT, &bytes, 7).close(SERVER, 1000, "").fins(SERVER));
    assert_eq!(closes(&found), ["client first 1000 split", "server reply 1000"]);
    assert_eq!(found.close_frames[0].packet.number(), 7);
}

#[test]
fn frames_in_one_segment_are_all_told() {
    let bytes = [frame(CLIENT, TEXT, b"a"), frame(CLIENT, PING, b""), close_frame(CLIENT, 1000, "")].concat();
    let found = record(open().client(bytes).close(SERVER, 1000, "").fins(SERVER));
    assert_eq!((found.messages.client, found.messages.server), (1, 0));
    assert_eq!(verdict(&found), "1000 frame, by client, reply matching 1000, fin by server, clean");
}

#[test]
fn broken_close_bodies_are_violations() {
    let cases: [(&[u8], &str); 4] = [
        (b"\x03", "client close-body-too-short in 6"),
        (b"\x03\xed", "client invalid-close-code in 6"),
        (b"\x03\xe7", "client invalid-close-code in 6"),
        (b"\x03\xe8\xff", "client invalid-close-reason in 6"),
    ];
    for (body, expected) in cases {
        let found = record(open().frame(CLIENT, CLOSE, body).fins(SERVER));
        assert_eq!(violations(&found), [expected], "{}", body.escape_ascii());
    }
}

#[test]
fn invalid_reason_is_a_row_of_its_own() {
    let found = record(open().frame(SERVER, CLOSE, b"\x03\xe8ab\xff").close(CLIENT, 1007, "").fins(SERVER));
    let [row] = found.invalid_utf8.as_slice() else { panic!("{:?}", found.invalid_utf8) };
    assert_eq!((row.location, row.byte_offset, row.error), (TextLocation::CloseReason, 2, Utf8ErrorKind::InvalidByte));
    assert_eq!(row.peer_close_code.map(|code| code.0), Some(1007));
}

#[test]
fn invalid_text_is_told_with_its_packet_and_the_reaction() {
    let text = frame(CLIENT, TEXT, b"caf\xe9 au lait");
    let conversation = open().text(CLIENT, "fine").segments(CLIENT, &text, 9).text(SERVER, "what?");
    let found = record(conversation.close(SERVER, 1007, "").close(CLIENT, 1007, "").fins(SERVER));
    let [row] = found.invalid_utf8.as_slice() else { panic!("{:?}", found.invalid_utf8) };
    assert_eq!((row.packet.number(), row.location), (8, TextLocation::TextMessage(1)));
    assert_eq!((row.message_bytes, row.byte_offset, row.error), (Some(12), 3, Utf8ErrorKind::MissingContinuation));
    assert_eq!(&*row.context, b"caf\xe9 au lait");
    assert_eq!((row.peer_close_code.map(|code| code.0), row.peer_reaction_ms), (Some(1007), Some(2.0)));
    assert_eq!((found.messages.client, found.messages.server, found.invalid_utf8_count), (2, 1, 1));
}

#[test]
fn messages_and_payload_bytes_are_counted_by_sender() {
    let found = record(open().text(CLIENT, "12345").frame(SERVER, BINARY, [0; 300]).frame(SERVER, PING, "no data"));
    assert_eq!((found.messages.client, found.messages.server), (1, 1));
    assert_eq!((found.payload_bytes.client, found.payload_bytes.server), (5, 300));
}

#[test]
fn complete_connection_knows_its_times_and_packets() {
    let found = record(open().wait(1000).close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER));
    assert_eq!(found.handshake, Handshake::Complete);
    assert_eq!((found.first_packet.number(), found.last_packet.number()), (1, 10));
    assert_eq!(found.established_at.unwrap().millis_since(found.opened_at), 4.0);
    assert_eq!(found.ended_at.unwrap().millis_since(found.opened_at), 1007.0);
    assert!(found.complete);
    assert_eq!(found.missed_bytes, 0);
}

#[test]
fn open_connection_is_not_complete() {
    let found = record(open().text(CLIENT, "hi"));
    assert_eq!((found.complete, found.ended_at), (false, None));
}
