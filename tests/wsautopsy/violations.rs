//! Breaches of the protocol, and what the peer did about them: told where they are proved, and nowhere else.

use wsautopsy::connection::{ConnectionRecord, Handshake};

use crate::builder::{CLOSE, Capture, Conversation, PING, TEXT, answer_head, close_frame, frame, request_head};
use crate::{CLIENT, SERVER, analysis, only, record, violations};

const PONG: u8 = 0x8a;

fn open() -> Conversation {
    Conversation::open()
}

/// The reactions to the violations: code and milliseconds.
fn reactions(record: &ConnectionRecord) -> Vec<(Option<u16>, Option<f64>)> {
    let told = record.violations.iter();
    told.map(|broken| (broken.peer_close_code.map(|code| code.0), broken.peer_reaction_ms)).collect()
}

#[test]
fn legal_traffic_breaks_nothing() {
    let fragments = [(0x01, &b"Hel"[..]), (PING, b"Hello"), (0x00, b""), (0x80, b"lo")];
    let mut conversation = open();
    for (first, payload) in fragments {
        conversation = conversation.frame(CLIENT, first, payload).frame(SERVER, first, payload);
    }
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        for sender in [CLIENT, SERVER] {
            conversation = conversation.segments(sender, &frame(sender, 0x82, &vec![1; length]), 1400);
        }
    }
    conversation = conversation.frame(CLIENT, PONG, "unsolicited").frame(SERVER, PONG, "").text(CLIENT, "🦀");
    conversation = conversation.frame(SERVER, PING, "late").close(CLIENT, 1000, "grüße").frame(CLIENT, PONG, "late");
    let found = record(conversation.text(SERVER, "last words").close(SERVER, 1000, "").fins(SERVER));
    assert_eq!(violations(&found), [""; 0]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let found = record(open().close(SERVER, code, "").close(CLIENT, code, "").fins(SERVER));
        assert_eq!(violations(&found), [""; 0], "{code}");
    }
}

#[test]
fn request_that_is_refused_has_its_violations_too() {
    let request = request_head("/chat", "").replace("Sec-WebSocket-Version: 13\r\n", "");
    let refused = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let found = record(Conversation::new().syn().client(&request).server(refused).fins(SERVER));
    assert_eq!((found.handshake, found.violation_count), (Handshake::Refused, 1));
    assert_eq!(violations(&found), ["client missing-version in 4"]);
    let unanswered = record(Conversation::new().syn().client(&request).rst(SERVER));
    assert_eq!(violations(&unanswered), ["client missing-version in 4"]);
    let sound = record(Conversation::new().syn().request("/chat").server(refused).fins(SERVER));
    assert_eq!(violations(&sound), [""; 0]);
}

#[test]
fn request_that_should_be_refused_and_is_not_blames_both() {
    let request = request_head("/chat", "").replace("Host: chat.example\r\n", "");
    let found = record(Conversation::new().syn().client(request).server(answer_head("")).fins(SERVER));
    assert_eq!(violations(&found), ["client missing-host in 4", "server bad-request-accepted in 5"]);
    assert_eq!(found.handshake, Handshake::Complete);
}

#[test]
fn refusal_for_the_version_must_tell_the_known_ones() {
    let request = request_head("/chat", "").replace("Version: 13", "Version: 25");
    let answer = |fields: &str| format!("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n{fields}\r\n");
    let conversation = Conversation::new().syn().client(request);
    let silent = record(conversation.clone().server(answer("")));
    assert_eq!(violations(&silent), ["client wrong-version in 4", "server missing-supported-versions in 5"]);
    let telling = record(conversation.server(answer("Sec-WebSocket-Version: 13\r\n")));
    assert_eq!(violations(&telling), ["client wrong-version in 4"]);
}

#[test]
fn switch_to_no_protocol_is_an_invalid_answer_and_one_to_another_protocol_is_let_pass() {
    let switched = |fields: &str| {
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
        record(Conversation::new().syn().request("/chat").server(answer))
    };
    let found = switched("Connection: Upgrade\r\n");
    assert_eq!(violations(&found), ["server missing-upgrade in 5", "server missing-accept in 5"]);
    assert_eq!(violations(&switched("Connection: Upgrade\r\nUpgrade: h2c\r\n")), [""; 0]);
}

#[test]
fn answer_after_a_hole_may_be_that_of_another_request() {
    let wrong = answer_head("").replace("Accept: ", "Accept: x");
    let conversation = Conversation::new().syn().request("/chat").unseen(CLIENT, 50).client("more");
    let found = record(conversation.ack(SERVER).server(&wrong).text(SERVER, "hi"));
    assert_eq!((violations(&found), found.handshake), (vec![], Handshake::Missing));
}

#[test]
fn text_that_is_not_utf8_is_a_violation_as_well_as_a_row_of_its_own() {
    let conversation = open().frame(CLIENT, TEXT, b"caf\xe9!").wait(4);
    let found = record(conversation.close(SERVER, 1007, "").close(CLIENT, 1007, "").fins(SERVER));
    assert_eq!(violations(&found), ["client invalid-utf8 in 6"]);
    assert_eq!(reactions(&found), [(Some(1007), Some(5.0))]);
    let [text] = found.invalid_utf8.as_slice() else { panic!("{:?}", found.invalid_utf8) };
    assert_eq!((text.peer_close_code.map(|code| code.0), text.peer_reaction_ms), (Some(1007), Some(5.0)));
}

#[test]
fn close_that_crossed_the_breach_is_no_reaction() {
    for deaf in [false, true] {
        let conversation = if deaf { open().deaf(SERVER) } else { open() };
        let bad = conversation.frame(CLIENT, TEXT, b"\xff").frame(CLIENT, 0x83, "x").close(SERVER, 1001, "");
        let found = record(bad.hears(SERVER).close(CLIENT, 1001, "").fins(SERVER));
        assert_eq!(violations(&found), ["client invalid-utf8 in 6", "client reserved-opcode in 7"]);
        let expected = if deaf { [(None, None); 2] } else { [(Some(1001), Some(2.0)), (Some(1001), Some(1.0))] };
        assert_eq!(reactions(&found), expected, "deaf: {deaf}");
        assert_eq!(found.invalid_utf8[0].peer_close_code.is_none(), deaf);
    }
}

#[test]
fn peer_that_fails_fast_reacts_to_a_message_which_is_not_over() {
    let conversation = open().frame(CLIENT, 0x01, b"good").frame(CLIENT, 0x00, b"\xff").close(SERVER, 1007, "");
    let found = record(conversation.frame(CLIENT, 0x80, b"rest").rst(CLIENT));
    assert_eq!(violations(&found), ["client invalid-utf8 in 7"]);
    assert_eq!(reactions(&found), [(Some(1007), Some(1.0))]);
}

#[test]
fn breach_is_tolerated_if_the_peer_only_answers_the_offenders_own_close() {
    let bad = || open().frame(CLIENT, TEXT, b"\xff").close(CLIENT, 4000, "");
    for (code, reaction) in [(4000, None), (1000, None), (1007, Some(1007))] {
        let found = record(bad().close(SERVER, code, "").fins(SERVER));
        assert_eq!(reactions(&found)[0].0, reaction, "{code}");
    }
    assert_eq!(reactions(&record(bad().rst(SERVER))), [(None, None)]);
}

#[test]
fn breach_of_the_handshake_may_be_answered_by_a_close_frame() {
    let answer = answer_head("Sec-WebSocket-Protocol: other\r\n");
    let found = record(Conversation::new().syn().request("/chat").server(answer).wait(9).close(CLIENT, 1002, ""));
    assert_eq!(reactions(&found), [(Some(1002), Some(10.0))]);
    let early = Conversation::new().syn().request("/chat").text(CLIENT, "early").server(answer_head(""));
    let early = record(early.close(SERVER, 1002, ""));
    assert_eq!(violations(&early), ["client frames-before-handshake in 5"]);
    assert_eq!(reactions(&early), [(Some(1002), Some(2.0))]);
}

#[test]
fn masking_key_must_change() {
    let masked = |key: u8| [&[TEXT, 0x82, key, 1, 2, 3][..], &[b'h' ^ key, b'i' ^ 1]].concat();
    let with_keys = |keys: &[u8]| {
        let conversation = keys.iter().fold(open(), |conversation, key| conversation.client(masked(*key)));
        record(conversation.close(SERVER, 1000, "").close(CLIENT, 1000, "").fins(SERVER))
    };
    assert_eq!(violations(&with_keys(&[7; 9])), ["client repeated-masking-key in 9"]);
    assert_eq!(violations(&with_keys(&[7, 7, 7, 8, 7, 7, 7])), [""; 0]);
}

#[test]
fn what_an_extension_may_use_is_judged_only_where_the_answer_is_known() {
    let odd = [(0xa1, &b"x"[..]), (0x83, b"x"), (0x80, b"x")];
    let conversation = || {
        let begun = (0..8).fold(open(), |open, number| open.text(CLIENT, &format!("{number}")).text(SERVER, "ok"));
        odd.iter().fold(begun, |open, (first, payload)| open.frame(SERVER, *first, payload)).text(SERVER, "ok")
    };
    let whole = violations(&record(conversation()));
    assert_eq!(whole.len(), 3, "{whole:?}");
    let (_, rest) = Capture::of(conversation()).split(5);
    let late = only(&rest);
    assert_eq!((violations(&late), late.handshake), (vec![], Handshake::Missing));
    let extended = answer_head("Sec-WebSocket-Extensions: mux\r\n");
    let request = request_head("/", "Sec-WebSocket-Extensions: mux\r\n");
    let begun = Conversation::new().syn().client(request).server(extended);
    let conversation = odd.iter().fold(begun, |open, (first, payload)| open.frame(SERVER, *first, payload));
    assert_eq!(violations(&record(conversation)), [""; 0]);
}

#[test]
fn close_frame_must_be_answered_by_an_end_that_had_it() {
    let missing = ["server missing-close-reply in 7"];
    assert_eq!(violations(&record(open().close(CLIENT, 1000, "").fins(SERVER))), missing);
    assert_eq!(violations(&record(open().close(SERVER, 1000, "").fins(CLIENT))), ["client missing-close-reply in 7"]);
    let excused = [
        open().close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER),
        open().close(CLIENT, 1000, "").rst(SERVER),
        open().close(CLIENT, 1000, ""),
        // It was the first to close, and does not wait for an answer.
        open().close(CLIENT, 1000, "").fins(CLIENT),
        // It had not received the Close frame.
        open().deaf(SERVER).close(CLIENT, 1000, "").fin(SERVER).hears(SERVER).rst(CLIENT),
        // Its own may be among the bytes that are missing.
        open().close(CLIENT, 1000, "").unseen(SERVER, 4).ack(CLIENT).fins(SERVER),
    ];
    for (number, conversation) in excused.into_iter().enumerate() {
        assert_eq!(violations(&record(conversation)), [""; 0], "case {number}");
    }
}

#[test]
fn end_that_fails_the_connection_need_not_answer_a_close_frame() {
    let found = record(open().frame(CLIENT, 0x83, "x").close(CLIENT, 1000, "").fins(SERVER));
    assert_eq!(violations(&found), ["client reserved-opcode in 6"]);
}

#[test]
fn frames_after_a_close_are_told_by_what_they_are() {
    let bytes = [close_frame(CLIENT, 1000, ""), frame(CLIENT, TEXT, b"x"), frame(CLIENT, CLOSE, b"")].concat();
    let found = record(open().client(bytes).frame(CLIENT, PING, "x").close(SERVER, 1000, "").fins(SERVER));
    assert_eq!(violations(&found), ["client frame-after-close in 6", "client second-close in 6"]);
}

/// Legal traffic of all kinds in segments that do not keep to frames.
fn busy_conversation(seed: u64) -> Conversation {
    let mut random = Xorshift(seed);
    let mut conversation = open();
    for number in 0..40 {
        let sender = if random.below(2) == 0 { CLIENT } else { SERVER };
        let text = format!("{number} grüße ").repeat(1 + random.below(60));
        let bytes = match random.below(4) {
            0 => frame(sender, TEXT, text.as_bytes()),
            1 => frame(sender, 0x82, &random.bytes(400)),
            2 => frame(sender, PING, &random.bytes(100)),
            _ => {
                let (first, rest) = text.as_bytes().split_at(random.below(text.len()));
                [frame(sender, 0x01, first), frame(sender, PONG, b""), frame(sender, 0x80, rest)].concat()
            }
        };
        conversation = conversation.segments(sender, &bytes, 1 + random.below(300));
    }
    conversation.close(CLIENT, 1000, "done").close(SERVER, 1000, "done").fins(SERVER)
}

#[test]
fn nothing_is_blamed_on_anybody_for_what_the_capture_lost() {
    for seed in 1..150 {
        let mut random = Xorshift(seed * 7919);
        let mut capture = Capture::of(busy_conversation(seed));
        for _ in 0..random.below(12) {
            let packets = capture.packets.len();
            capture = capture.without(1 + random.below(packets));
        }
        if random.below(3) == 0 {
            let packets = capture.packets.len();
            capture = capture.split(random.below(packets)).1;
        }
        for found in analysis(&capture).connections {
            assert_eq!(violations(&found), [""; 0], "seed {seed}");
        }
    }
}

/// Numbers without order, the same in every run (Marsaglia, "Xorshift RNGs").
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// Fewer than `bound`.
    fn bytes(&mut self, bound: usize) -> Vec<u8> {
        (0..self.below(bound)).map(|_| self.below(256) as u8).collect()
    }
}
