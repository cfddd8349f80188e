//! Why connections closed: each cause where the capture shows it, and not where it does not.

use std::collections::BTreeMap;
use std::path::Path;

use wsautopsy::analyze::Analysis;
use wsautopsy::capture::Input;
use wsautopsy::connection::CauseKind;

use crate::builder::{BINARY, CLOSE, Capture, Conversation, PING, TEXT, answer_head, close_frame, frame, request_head};
use crate::{CLIENT, SERVER, analysis, only};

const PONG: u8 = 0x8a;

fn open() -> Conversation {
    Conversation::open()
}

/// A connection to `path` of the client's port `port`, opened so many milliseconds after noon.
fn opened(port: u16, path: &str, millis: i64) -> Conversation {
    Conversation::from_port(port).wait(millis).syn().upgrade(path)
}

/// The cause and its packet, such as `normal in 6`; nothing if there is none.
#[track_caller]
fn cause(conversation: Conversation) -> String {
    cause_in(&Capture::of(conversation))
}

#[track_caller]
fn cause_in(capture: &Capture) -> String {
    only(capture).cause.map_or_else(String::new, |cause| format!("{} in {}", cause.kind.name(), cause.packet.number()))
}

/// The causes of all connections.
fn causes(analysis: &Analysis) -> Vec<&'static str> {
    analysis.connections.iter().map(|record| record.cause.map_or("", |cause| cause.kind.name())).collect()
}

fn causes_of(conversations: impl IntoIterator<Item = Conversation>) -> Vec<&'static str> {
    causes(&analysis(&Capture::merged(conversations)))
}

/// Both Close frames, the first of the server, and both FINs.
fn closed_by_server(conversation: Conversation, code: u16, reason: &str) -> Conversation {
    conversation.close(SERVER, code, reason).close(CLIENT, code, "").fins(SERVER)
}

fn closed_by_client(conversation: Conversation, code: u16, reason: &str) -> Conversation {
    conversation.close(CLIENT, code, reason).close(SERVER, code, "").fins(SERVER)
}

fn messages(conversation: Conversation, sender: wsautopsy::flow::Role, count: usize, apart: i64) -> Conversation {
    (0..count).fold(conversation, |chat, number| chat.text(sender, &format!("message {number}")).wait(apart))
}

mod normal {
    use super::*;

    #[test]
    fn both_close_frames_with_1000_are_normal() {
        assert_eq!(cause(closed_by_client(open().text(CLIENT, "hi").text(SERVER, "hi"), 1000, "")), "normal in 8");
        assert_eq!(cause(closed_by_server(open(), 1000, "bye")), "normal in 6");
        let empty_reply = open().close(CLIENT, 1000, "").frame(SERVER, CLOSE, "").fins(SERVER);
        assert_eq!(cause(empty_reply), "normal in 6");
    }

    #[test]
    fn unanswered_or_differently_answered_closes_are_not() {
        assert_eq!(cause(open().close(CLIENT, 1000, "").fins(SERVER)), "");
        assert_eq!(cause(open().close(CLIENT, 1000, "")), "");
        assert_eq!(cause(open().close(CLIENT, 1000, "").close(SERVER, 1002, "").fins(SERVER)), "");
        let crossed = open().deaf(CLIENT).deaf(SERVER).close(CLIENT, 1000, "").close(SERVER, 4001, "");
        assert_eq!(cause(crossed.hears(CLIENT).hears(SERVER).fins(SERVER)), "");
    }

    fn exchange(conversation: Conversation, times: usize) -> Conversation {
        (0..times).fold(conversation, |chat, _| chat.text(CLIENT, "ask").text(SERVER, "answer"))
    }

    #[test]
    fn client_that_waited_in_vain_for_an_answer_did_not_part_normally() {
        assert_eq!(cause(closed_by_client(exchange(open(), 5).text(CLIENT, "ask").wait(5000), 1000, "")), "");
        // A last word is not a question, and what is never answered need not be.
        assert_eq!(cause(closed_by_client(exchange(open(), 5).text(CLIENT, "bye"), 1000, "")), "normal in 17");
        let telemetry = messages(open(), CLIENT, 5, 2000);
        assert_eq!(cause(closed_by_client(telemetry, 1000, "")), "normal in 11");
    }

    #[test]
    fn what_others_are_answered_is_missed_too() {
        let others = (0..3).map(|port| closed_by_client(exchange(opened(50_000 + port, "/ask", 0), 4), 1000, ""));
        let silent = |path| closed_by_client(opened(51_000, path, 1).text(CLIENT, "ask").wait(5000), 1000, "");
        assert_eq!(causes_of(others.clone().chain([silent("/ask")])), ["normal", "normal", "normal", ""]);
        assert_eq!(causes_of(others.chain([silent("/tell")])), ["normal"; 4]);
    }

    #[test]
    fn ping_in_vain_is_not_normal() {
        assert_eq!(cause(closed_by_server(open().frame(SERVER, PING, "").wait(20_000), 1000, "")), "");
        let answered = open().frame(SERVER, PING, "").frame(CLIENT, PONG, "").wait(20_000);
        assert_eq!(cause(closed_by_server(answered, 1000, "")), "normal in 8");
    }
}

mod departure {
    use super::*;

    #[test]
    fn client_that_leaves_goes_away() {
        assert_eq!(cause(closed_by_client(open(), 1001, "")), "going-away in 6");
        let many = (0..5).map(|port| closed_by_client(opened(50_000 + port, "/chat", 0), 1001, ""));
        assert_eq!(causes_of(many), ["going-away"; 5]);
    }

    /// `closing` connections that the server closes at once with `code`, among `staying` ones that stay.
    fn at_once(code: u16, closing: u16, staying: u16) -> Analysis {
        let closed = (0..closing)
            .map(|port| closed_by_server(opened(50_000 + port, "/chat", 0).wait(2000 + i64::from(port)), code, ""));
        let open = (0..staying).map(|port| opened(51_000 + port, "/chat", 1).wait(9000).text(SERVER, "still here"));
        analysis(&Capture::merged(closed.chain(open)))
    }

    #[test]
    fn server_that_closes_most_at_once_shuts_down() {
        for (closing, staying) in [(6, 0), (2, 0), (4, 3)] {
            let found = at_once(1001, closing, staying);
            let kind = CauseKind::ServerShutdown { connections: u64::from(closing) };
            assert_eq!(found.connections[0].cause.map(|cause| cause.kind), Some(kind), "{closing} of {staying}");
            assert!(causes(&found)[..usize::from(closing)].iter().all(|cause| *cause == "server-shutdown"));
        }
    }

    #[test]
    fn server_that_closes_a_few_of_many_does_not() {
        for (closing, staying) in [(1, 0), (2, 1), (4, 9)] {
            assert_eq!(causes(&at_once(1001, closing, staying))[0], "going-away", "{closing} of {staying}");
        }
    }

    #[test]
    fn closes_one_after_the_other_are_no_shutdown() {
        let later = (0..5).map(|port| closed_by_server(opened(50_000 + port, "/a", i64::from(port) * 50), 1001, ""));
        assert_eq!(causes_of(later), ["going-away"; 5]);
        let spread =
            (0..5).map(|port| closed_by_server(opened(50_000 + port, "/a", 0).wait(5000 * i64::from(port)), 1001, ""));
        let found = causes_of(spread);
        assert_eq!(found, ["going-away"; 5]);
    }

    #[test]
    fn another_server_has_no_part_in_it() {
        let host = |number: u8| format!("10.0.0.{number}");
        let conversations = (2..6).map(|number| {
            let chat = Conversation::between("10.0.0.1", 50_000 + u16::from(number), &host(number), 80);
            closed_by_server(chat.syn().upgrade("/chat").wait(2000), 1001, "")
        });
        assert_eq!(causes_of(conversations), ["going-away"; 4]);
    }

    #[test]
    fn servers_say_what_is_the_matter_with_them() {
        let cases = [(1012, "service-restart"), (1013, "try-again-later"), (1014, "bad-gateway")];
        for (code, name) in cases {
            assert_eq!(cause(closed_by_server(open(), code, "")), format!("{name} in 6"));
            assert_eq!(cause(closed_by_client(open(), code, "")), "", "a client with {code}");
        }
        let found = at_once(1012, 3, 5);
        let kind = CauseKind::ServiceRestart { connections: 3 };
        assert_eq!(found.connections[0].cause.map(|cause| cause.kind), Some(kind));
    }

    #[test]
    fn idle_connection_is_told_so_by_the_reason() {
        let idle = closed_by_server(open().text(CLIENT, "hi").wait(30_000), 1001, "Connection Idle Timeout");
        assert_eq!(cause(idle), "idle-timeout in 7");
    }
}

mod offence {
    use super::*;

    #[test]
    fn breach_of_the_peer_is_the_cause_of_1002() {
        let unmasked = open().text(CLIENT, "fine").client(b"\x81\x02no");
        assert_eq!(cause(closed_by_server(unmasked, 1002, "")), "unmasked-client-frame in 7");
        let reserved = open().frame(SERVER, 0xc1, "x");
        assert_eq!(cause(closed_by_client(reserved, 1002, "")), "reserved-bits in 6");
    }

    #[test]
    fn breach_of_the_closer_or_after_the_close_is_not() {
        assert_eq!(cause(closed_by_server(open().frame(SERVER, 0xc1, "x"), 1002, "")), "");
        let late = open().close(SERVER, 1002, "").frame(CLIENT, 0xc1, "x").close(CLIENT, 1002, "").fins(SERVER);
        assert_eq!(cause(late), "");
        assert_eq!(cause(closed_by_server(open().text(CLIENT, "fine"), 1002, "")), "");
    }

    #[test]
    fn breach_that_was_let_pass_is_not_to_blame_for_a_later_one() {
        let twice = open().frame(CLIENT, 0xc1, "x").wait(60_000).frame(CLIENT, 0x83, "y").frame(CLIENT, 0x91, "z");
        assert_eq!(cause(closed_by_server(twice, 1002, "")), "reserved-opcode in 7");
    }

    #[test]
    fn breach_in_the_handshake_is_to_blame_only_right_after_it() {
        let answer = answer_head("Sec-WebSocket-Protocol: nobody-asked\r\n");
        let odd = || Conversation::new().syn().request("/chat").server(&answer);
        assert_eq!(cause(closed_by_client(odd(), 1002, "")), "unrequested-subprotocol in 5");
        assert_eq!(cause(closed_by_client(odd().wait(60_000), 1002, "")), "");
        assert_eq!(cause(closed_by_client(odd().frame(SERVER, 0x83, ""), 1002, "")), "reserved-opcode in 6");
    }

    #[test]
    fn last_message_is_what_1003_refuses() {
        let binary = open().text(CLIENT, "fine").frame(CLIENT, BINARY, b"\x00");
        assert_eq!(cause(closed_by_server(binary.clone(), 1003, "")), "unsupported-data in 7");
        let found = only(&Capture::of(closed_by_server(binary, 1003, "")));
        assert_eq!(found.cause.map(|cause| cause.kind), Some(CauseKind::UnsupportedData { text: false }));
        assert_eq!(cause(closed_by_server(open().text(SERVER, "mine"), 1003, "")), "");
    }

    #[test]
    fn invalid_text_is_the_cause_of_1007() {
        let bad = open().text(CLIENT, "fine").frame(CLIENT, TEXT, b"caf\xe9").frame(CLIENT, TEXT, b"\xff");
        assert_eq!(cause(closed_by_server(bad, 1007, "")), "invalid-utf8 in 7");
        let bad = open().frame(SERVER, TEXT, b"caf\xe9");
        assert_eq!(cause(closed_by_client(bad, 1007, "")), "invalid-utf8 in 6");
    }

    #[test]
    fn invalid_text_explains_1002_where_nothing_else_does() {
        let bad = || open().frame(CLIENT, TEXT, b"caf\xe9");
        assert_eq!(cause(closed_by_server(bad(), 1002, "")), "invalid-utf8 in 6");
        assert_eq!(cause(closed_by_server(bad().wait(60_000), 1002, "")), "");
        assert_eq!(cause(closed_by_server(bad().frame(CLIENT, 0x83, ""), 1002, "")), "reserved-opcode in 7");
    }

    #[test]
    fn valid_text_leaves_1007_unproven() {
        assert_eq!(cause(closed_by_server(open().text(CLIENT, "grün"), 1007, "")), "unproven in 6");
        // The closer's own text is no reason.
        let own = open().frame(SERVER, TEXT, b"\xff").text(CLIENT, "fine");
        assert_eq!(cause(closed_by_server(own, 1007, "")), "unproven in 7");
    }

    #[test]
    fn nothing_is_unproven_where_something_is_unknown() {
        let two = || closed_by_server(open().text(CLIENT, "one").text(CLIENT, "two").ack(SERVER), 1007, "");
        assert_eq!(cause_in(&Capture::of(two())), "unproven in 7");
        assert_eq!(cause_in(&Capture::of(two()).without(6)), "");
        assert_eq!(cause_in(&Capture::of(two()).cut(6, 54 + 7)), "");
        let compressed = Conversation::new().syn().client(request_head("/", "Sec-WebSocket-Extensions: x-zip\r\n"));
        let compressed = compressed.server(answer_head("Sec-WebSocket-Extensions: x-zip\r\n")).text(CLIENT, "zip");
        assert_eq!(cause(closed_by_server(compressed, 1007, "")), "");
    }

    #[test]
    fn largest_message_is_too_big() {
        let sent = open().frame(CLIENT, BINARY, [0; 100]).frame(CLIENT, BINARY, [0; 900]).text(CLIENT, "small");
        let found = only(&Capture::of(closed_by_server(sent, 1009, "")));
        let cause = found.cause.unwrap();
        assert_eq!((cause.kind, cause.packet.number()), (CauseKind::MessageTooBig { bytes: 900 }, 7));
        assert_eq!(super::cause(closed_by_server(open().text(SERVER, "mine"), 1009, "")), "");
    }

    #[test]
    fn message_is_too_big_by_its_header_alone() {
        let header = &frame(CLIENT, BINARY, &[0; 60_000])[..1000];
        let found = only(&Capture::of(closed_by_server(open().client(header), 1009, "")));
        assert_eq!(found.cause.map(|cause| cause.kind), Some(CauseKind::MessageTooBig { bytes: 60_000 }));
        let fragments =
            open().frame(CLIENT, 0x01, [b'x'; 400]).frame(CLIENT, 0x00, [b'x'; 400]).frame(CLIENT, 0x80, "x");
        let found = only(&Capture::of(closed_by_server(fragments, 1009, "")));
        let cause = found.cause.unwrap();
        assert_eq!((cause.kind, cause.packet.number()), (CauseKind::MessageTooBig { bytes: 801 }, 6));
    }

    #[test]
    fn what_the_closer_had_not_received_is_not_too_big() {
        let flying = open().text(CLIENT, "small").deaf(SERVER).frame(CLIENT, BINARY, [0; 9000]);
        let found = cause(flying.close(SERVER, 1009, "").hears(SERVER).close(CLIENT, 1009, "").fins(SERVER));
        assert_eq!(found, "");
    }

    #[test]
    fn messages_that_the_capture_lost_are_not_blamed() {
        let sent = || open().text(CLIENT, "one").text(CLIENT, "two").ack(SERVER).text(CLIENT, "three");
        for code in [1003, 1009] {
            assert_eq!(cause_in(&Capture::of(closed_by_server(sent(), code, "")).without(7)), "", "{code}");
        }
    }

    #[test]
    fn missing_extension_is_the_cause_of_1010() {
        assert_eq!(cause(closed_by_client(open(), 1010, "permessage-deflate")), "mandatory-extension in 5");
        assert_eq!(cause(closed_by_server(open(), 1010, "")), "");
        let agreed = Conversation::new().syn().client(request_head("/", "Sec-WebSocket-Extensions: x-a\r\n"));
        let agreed = agreed.server(answer_head("Sec-WebSocket-Extensions: x-a\r\n"));
        assert_eq!(cause(closed_by_client(agreed, 1010, "x-b")), "");
    }
}

mod policy {
    use super::*;

    #[test]
    fn close_right_after_the_handshake_is_authentication() {
        assert_eq!(cause(closed_by_server(open(), 1008, "")), "authentication in 6");
        let token = open().text(CLIENT, "token abc");
        assert_eq!(cause(closed_by_server(token, 1008, "")), "authentication in 7");
    }

    #[test]
    fn close_after_a_conversation_is_not() {
        assert_eq!(cause(closed_by_server(open().wait(30_000), 1008, "")), "policy in 6");
        let talk = open().text(CLIENT, "hello").text(SERVER, "hi").text(CLIENT, "swearword");
        assert_eq!(cause(closed_by_server(talk, 1008, "")), "policy in 9");
        assert_eq!(cause(closed_by_client(open(), 1008, "")), "policy in 6");
    }

    #[test]
    fn reason_goes_before_timing() {
        let late = messages(open(), CLIENT, 3, 1000);
        assert_eq!(cause(closed_by_server(late, 1008, "token expired")), "authentication in 9");
        assert_eq!(cause(closed_by_server(open(), 1008, "blocked country")), "policy in 6");
        let burst = messages(open(), CLIENT, 50, 1);
        assert_eq!(cause(closed_by_server(burst, 1008, "obscene language")), "policy in 56");
    }

    #[test]
    fn burst_is_over_the_rate_limit() {
        let burst = messages(open(), CLIENT, 50, 5);
        assert_eq!(cause(closed_by_server(burst.clone(), 1008, "")), "rate-limit in 55");
        let found = only(&Capture::of(closed_by_server(burst, 1008, "")));
        assert_eq!(found.cause.map(|cause| cause.kind), Some(CauseKind::RateLimit { messages: 50 }));
        let after_calm = messages(messages(open(), CLIENT, 20, 1000), CLIENT, 40, 5);
        assert_eq!(cause(closed_by_server(after_calm, 1008, "")), "rate-limit in 65");
        let told = messages(open(), CLIENT, 6, 5);
        assert_eq!(cause(closed_by_server(told, 1008, "Rate limit exceeded")), "rate-limit in 11");
    }

    #[test]
    fn usual_rate_is_no_burst() {
        let steady = messages(open(), CLIENT, 200, 20);
        assert_eq!(cause(closed_by_server(steady, 1008, "")), "policy in 206");
        let long_ago = messages(open(), CLIENT, 50, 5).wait(10_000);
        assert_eq!(cause(closed_by_server(long_ago, 1008, "")), "policy in 56");
        let few = messages(open(), CLIENT, 4, 5);
        assert_eq!(cause(closed_by_server(few, 1008, "")), "policy in 10");
        // The server's own messages are no burst of the client.
        assert_eq!(cause(closed_by_server(messages(open().wait(3000), SERVER, 50, 5), 1008, "")), "policy in 56");
    }

    #[test]
    fn lost_messages_forbid_guessing_who_came_first() {
        let two = || closed_by_server(open().text(CLIENT, "one").text(CLIENT, "two").ack(SERVER), 1008, "");
        assert_eq!(cause_in(&Capture::of(two()).without(6)), "policy in 8");
    }

    #[test]
    fn registered_codes_say_it() {
        assert_eq!(cause(closed_by_server(open(), 3000, "")), "authentication in 6");
        assert_eq!(cause(closed_by_server(open(), 3003, "")), "forbidden in 6");
        assert_eq!(cause(closed_by_server(open(), 3001, "")), "");
        assert_eq!(cause(closed_by_client(open(), 3000, "")), "");
        assert_eq!(cause(closed_by_server(open(), 4001, "unauthorized")), "");
    }
}

mod failure {
    use super::*;

    #[test]
    fn error_is_of_whoever_says_so() {
        assert_eq!(cause(closed_by_server(open().text(CLIENT, "go"), 1011, "")), "server-error in 7");
        assert_eq!(cause(closed_by_client(open(), 1011, "")), "client-error in 6");
        assert_eq!(cause(closed_by_server(open(), 3008, "")), "timeout in 6");
    }

    #[test]
    fn ping_without_pong_is_a_timeout() {
        let frozen = open().frame(SERVER, PING, "1").wait(20_000).frame(SERVER, PING, "2").wait(20_000);
        assert_eq!(cause(frozen.clone().close(SERVER, 1011, "").fin(SERVER)), "ping-timeout in 6");
        assert_eq!(cause(frozen.clone().close(SERVER, 3008, "").fin(SERVER)), "ping-timeout in 6");
        // Thawed, the client answers: too late.
        let thawed = frozen.close(SERVER, 1011, "").frame(CLIENT, PONG, "1").close(CLIENT, 1011, "").fins(SERVER);
        assert_eq!(cause(thawed), "ping-timeout in 6");
        assert_eq!(cause(closed_by_server(open(), 1011, "keepalive ping timeout")), "ping-timeout in 6");
    }

    #[test]
    fn codes_that_say_nothing_tell_of_silence() {
        let silent = || open().text(CLIENT, "hi").frame(SERVER, PING, "").wait(20_000);
        assert_eq!(cause(silent().frame(SERVER, CLOSE, "").fin(SERVER)), "ping-timeout in 7");
        assert_eq!(cause(closed_by_server(silent(), 4000, "")), "ping-timeout in 7");
        assert_eq!(cause(closed_by_server(silent().text(CLIENT, "here"), 4000, "")), "");
        assert_eq!(cause(closed_by_client(silent(), 4000, "")), "");
        assert_eq!(cause(closed_by_server(open().frame(SERVER, PING, "").wait(100), 4000, "")), "");
    }

    #[test]
    fn answered_or_fresh_ping_is_no_timeout() {
        let answered = open().frame(SERVER, PING, "1").frame(CLIENT, PONG, "1").wait(20_000);
        assert_eq!(cause(closed_by_server(answered, 1011, "")), "server-error in 8");
        let fresh = open().frame(SERVER, PING, "1").wait(50);
        assert_eq!(cause(closed_by_server(fresh, 1011, "")), "server-error in 7");
        // The client's ping is not the server's.
        let other = open().frame(CLIENT, PING, "1").wait(20_000);
        assert_eq!(cause(closed_by_server(other, 1011, "")), "server-error in 7");
    }

    #[test]
    fn pong_that_the_capture_may_have_lost_is_not_missed() {
        let chat = open().frame(SERVER, PING, "1").frame(CLIENT, PONG, "1").ack(SERVER).wait(20_000);
        let chat = closed_by_server(chat.text(CLIENT, "here"), 1011, "");
        assert_eq!(cause_in(&Capture::of(chat).without(7)), "server-error in 9");
    }

    #[test]
    fn reply_whose_question_was_lost_is_nobodys_error() {
        // The server's Close frame is lost: what is left looks as if the client had closed first.
        let chat = open().text(SERVER, "hi").ack(CLIENT).close(SERVER, 1011, "").close(CLIENT, 1011, "").fins(SERVER);
        assert_eq!(cause_in(&Capture::of(chat).without(8)), "");
    }
}

mod abnormal {
    use super::*;

    #[test]
    fn reset_and_fin_are_told_by_who_sent_them() {
        assert_eq!(cause(open().text(CLIENT, "hi").rst(CLIENT)), "reset-by-client in 7");
        assert_eq!(cause(open().text(CLIENT, "hi").rst(SERVER)), "reset-by-server in 7");
        assert_eq!(cause(open().text(CLIENT, "hi").fins(CLIENT)), "closed-without-close-frame in 7");
        assert_eq!(cause(open().wait(1500).fins(SERVER)), "closed-without-close-frame in 6");
    }

    #[test]
    fn open_and_refused_connections_have_no_cause() {
        assert_eq!(cause(open().text(CLIENT, "hi")), "");
        let refused =
            Conversation::new().syn().request("/").server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(cause(refused.fins(SERVER)), "");
    }

    #[test]
    fn end_that_a_hole_may_explain_has_no_cause() {
        let capture = Capture::of(open().close(SERVER, 1001, "").fins(SERVER));
        assert_eq!(cause_in(&capture.without(6)), "");
    }

    #[test]
    fn peer_that_answers_no_ping_has_vanished() {
        let silent = open().text(CLIENT, "hi").frame(SERVER, PING, "").wait(30_000);
        assert_eq!(cause(silent.clone().rst(SERVER)), "peer-vanished in 7");
        assert_eq!(cause(silent.clone().fin(SERVER)), "", "half-closed: the client may go on");
        assert_eq!(cause(silent.clone().fin(SERVER).wait(12_000).ack(SERVER)), "peer-vanished in 7");
        // It sent something, or it was the peer who ended it.
        assert_eq!(cause(silent.clone().text(CLIENT, "here").rst(SERVER)), "reset-by-server in 9");
        assert_eq!(cause(silent.rst(CLIENT)), "reset-by-client in 8");
    }

    /// The server's last message, repeated so many times, a second after each other; then, if it is `heard`, an
    /// acknowledgement; then the server's RST.
    fn into_the_void(repetitions: i64, heard: bool) -> Capture {
        let chat = open().text(CLIENT, "hi").deaf(CLIENT).text(SERVER, "are you there?").wait(repetitions * 1000);
        let chat = if heard { chat.hears(CLIENT).ack(CLIENT) } else { chat };
        let mut capture = Capture::of(chat.rst(SERVER));
        let message = capture.packets[6].clone();
        let again = (1..=repetitions).map(|number| {
            let mut again = message.clone();
            again.time += number * 1_000_000_000;
            again
        });
        capture.packets.splice(7..7, again);
        capture
    }

    #[test]
    fn repetitions_into_the_void_tell_that_the_peer_has_vanished() {
        assert_eq!(cause_in(&into_the_void(5, false)), "peer-vanished in 13");
    }

    #[test]
    fn few_or_answered_repetitions_and_copies_of_the_capture_do_not() {
        assert_eq!(cause_in(&into_the_void(2, false)), "reset-by-server in 10");
        assert_eq!(cause_in(&into_the_void(5, true)), "reset-by-server in 14");
        let copied = Capture::of(open().text(CLIENT, "hi").deaf(CLIENT).text(SERVER, "hello").rst(SERVER));
        assert_eq!(cause_in(&copied.twice(7).twice(7).twice(7).twice(7)), "reset-by-server in 12");
    }

    #[test]
    fn keep_alives_into_the_void_tell_it_too() {
        let chat = open().text(CLIENT, "hi").ack(SERVER).deaf(CLIENT);
        let mut probed = Capture::of((0..6).fold(chat, |chat, _| chat.wait(1000).ack(SERVER)).rst(SERVER));
        for packet in &mut probed.packets[7..13] {
            // One below the next sequence number.
            let sequence = u32::from_be_bytes(*packet.bytes[38..].first_chunk().unwrap()) - 1;
            packet.bytes[38..42].copy_from_slice(&sequence.to_be_bytes());
            let checksum = u16::from_be_bytes([packet.bytes[50], packet.bytes[51]]);
            // One less in the sum is one more in its complement.
            packet.bytes[50..52].copy_from_slice(&(checksum + 1).to_be_bytes());
        }
        assert_eq!(cause_in(&probed), "peer-vanished in 14");
        let answered = (0..6).fold(open().text(CLIENT, "hi"), |chat, _| chat.wait(1000).ack(SERVER).ack(CLIENT));
        assert_eq!(cause(answered.rst(SERVER)), "reset-by-server in 19");
    }
}

mod idle {
    use super::*;

    /// Connections that the server ends after `silence` milliseconds each, `apart` milliseconds from one to the next.
    fn ended(count: u16, silence: i64, apart: i64) -> Vec<Conversation> {
        let each = |port: u16| opened(50_000 + port, "/feed", i64::from(port) * apart).text(SERVER, "hi").wait(silence);
        (0..count).map(|port| each(port).fins(SERVER)).collect()
    }

    #[test]
    fn same_silence_at_different_times_is_a_timeout() {
        assert_eq!(causes_of(ended(2, 60_000, 2500)), ["idle-timeout"; 2]);
        let found = analysis(&Capture::merged(ended(2, 60_000, 2500)));
        let kind = found.connections[0].cause.map(|cause| cause.kind);
        assert_eq!(kind, Some(CauseKind::IdleTimeout { after_ms: 60_001 }));
    }

    #[test]
    fn one_alone_and_a_kill_of_all_are_none() {
        assert_eq!(causes_of(ended(1, 60_000, 0)), ["closed-without-close-frame"]);
        assert_eq!(causes_of(ended(5, 60_000, 1)), ["closed-without-close-frame"; 5]);
    }

    #[test]
    fn kill_after_a_message_to_everybody_is_none() {
        let each = |port: u16| {
            let chat = opened(50_000 + port, "/feed", i64::from(port) * 1000);
            chat.wait(9000 - i64::from(port) * 1000).text(SERVER, "to everybody").wait(30_000 + i64::from(port) * 150)
        };
        assert_eq!(causes_of((0..4).map(|port| each(port).fins(SERVER))), ["closed-without-close-frame"; 4]);
    }

    #[test]
    fn survived_silence_speaks_against_it() {
        let survivor = opened(60_000, "/feed", 0).text(SERVER, "hi").wait(90_000).text(SERVER, "still here");
        let mut found = causes_of(ended(2, 60_000, 2500).into_iter().chain([survivor]));
        found.sort_unstable();
        assert_eq!(found, ["", "closed-without-close-frame", "closed-without-close-frame"]);
    }

    #[test]
    fn silences_of_all_lengths_are_none() {
        let each = |port: u16| {
            let silence = 10_000 + i64::from(port) * 7919 % 20_000;
            opened(50_000 + port, "/feed", i64::from(port) * 3000).text(SERVER, "hi").wait(silence).fins(SERVER)
        };
        let found = causes_of((0..40).map(each));
        assert_eq!(found, ["closed-without-close-frame"; 40]);
    }

    #[test]
    fn broken_rules_are_a_reason_of_their_own() {
        let each = |port: u16| {
            let chat = opened(50_000 + port, "/feed", i64::from(port) * 3000).frame(CLIENT, 0xc1, "x");
            chat.wait(1500).fins(CLIENT)
        };
        assert_eq!(causes_of((0..3).map(each)), ["closed-without-close-frame"; 3]);
    }

    /// Both legs of a connection through a proxy at 10.0.0.2, which ends both after so many milliseconds.
    fn legs(silence: i64) -> [Conversation; 2] {
        let front = Conversation::between("10.0.0.1", 50_000, "10.0.0.2", 80).syn().request("/feed").wait(10);
        let back = Conversation::between("10.0.0.2", 40_000, "10.0.0.3", 9000).wait(5).syn().upgrade("/feed");
        [front.server(answer_head("")).wait(silence).fins(SERVER), back.wait(silence + 5).fins(CLIENT)]
    }

    #[test]
    fn proxy_that_ends_both_legs_by_the_clock_is_a_timeout() {
        assert_eq!(causes_of(legs(2000)), ["idle-timeout"; 2]);
        // Another that was not open by then says nothing.
        let later = opened(55_000, "/other", 2030).text(SERVER, "hi").fins(SERVER);
        let expected = ["idle-timeout", "idle-timeout", "closed-without-close-frame"];
        assert_eq!(causes_of(legs(2000).into_iter().chain([later])), expected);
    }

    #[test]
    fn proxy_that_ends_both_legs_at_odd_times_or_with_others_is_not() {
        assert_eq!(causes_of(legs(2345)), ["closed-without-close-frame"; 2]);
        let other = opened(55_000, "/other", 1900).text(SERVER, "hi").wait(100).fins(SERVER);
        assert_eq!(causes_of(legs(2000).into_iter().chain([other])), ["closed-without-close-frame"; 3]);
    }
}

#[test]
fn causes_of_the_samples() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let cases: [(&str, &[(&str, usize)]); 16] = [
        ("1000-clean.pcap", &[("normal", 4)]),
        ("1001-server-shutdown.pcapng", &[("going-away", 1), ("server-shutdown", 5)]),
        ("1003-text-only.pcap", &[("normal", 1), ("unsupported-data", 1)]),
        ("1005-empty-close.pcap", &[("", 4)]),
        ("1006-client-reset.pcap", &[("closed-without-close-frame", 1), ("reset-by-client", 1)]),
        ("1006-killed-server.pcap", &[("closed-without-close-frame", 3)]),
        ("1006-nginx-read-timeout.pcapng", &[("idle-timeout", 4), ("normal", 2)]),
        ("1006-peer-vanished.pcap", &[("peer-vanished", 1)]),
        ("1008-policy.pcap", &[("authentication", 2), ("rate-limit", 1)]),
        ("1009-too-big.pcapng", &[("message-too-big", 3)]),
        ("1011-server-error.pcap", &[("ping-timeout", 1), ("server-error", 1)]),
        ("1012-restart-with-reconnects.pcapng", &[("", 1), ("normal", 4), ("service-restart", 4)]),
        ("1013-1014-try-again.pcap", &[("bad-gateway", 1), ("try-again-later", 1)]),
        ("3000-4999-private.pcap", &[("", 3), ("authentication", 1), ("timeout", 1)]),
        ("crossed-closes.pcap", &[("", 1)]),
        ("utf8-tolerated.pcap", &[("normal", 2)]),
    ];
    for (name, expected) in cases {
        let found = causes(&crate::analysis_of(vec![Input::path(samples.join(name))]));
        let mut counts = BTreeMap::<&str, usize>::new();
        found.into_iter().for_each(|cause| *counts.entry(cause).or_default() += 1);
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn causes_do_not_depend_on_the_number_of_threads() {
    use wsautopsy::analyze::{Options, analyze};
    let conversations: Vec<_> = (0..40)
        .map(|port| {
            let chat = opened(50_000 + port, "/chat", i64::from(port) * 10);
            if port % 2 == 0 { closed_by_server(chat.wait(3000), 1001, "") } else { chat.wait(1000).fins(SERVER) }
        })
        .collect();
    let capture = Capture::merged(conversations);
    let told = |threads| {
        let options = Options { threads, ..Options::default() };
        causes(&analyze(vec![capture.input("test.pcap")], &options, &mut |_| ()).unwrap()).join(" ")
    };
    assert_eq!(told(1), told(4));
}

#[test]
fn close_frame_in_the_last_segment_of_a_message_is_no_reason_for_itself() {
    let bytes = [frame(CLIENT, TEXT, b"quit"), close_frame(CLIENT, 1000, "")].concat();
    assert_eq!(cause(open().client(bytes).close(SERVER, 1000, "").fins(SERVER)), "normal in 6");
}
