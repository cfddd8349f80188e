//! How connections ended: what captures with holes, of one direction or out of order still show of it, and nothing else.

use wsautopsy::connection::{CloseReply, ConnectionRecord, Handshake};
use wsautopsy::flow::Role;

use crate::builder::{BINARY, CLOSE, Capture, Conversation, TEXT, answer_head, frame, request_head};
use crate::{CLIENT, SERVER, analysis, closes, only, record, verdict, violations};

fn open() -> Conversation {
    Conversation::open()
}

/// An established connection on which both ends have said something.
fn talk() -> Conversation {
    open().text(CLIENT, "hello, dear server").text(SERVER, "hello to you, dear client").ack(CLIENT)
}

/// Connections that ended in every way there is, with the order of their ends not open to doubt.
fn endings() -> Vec<(&'static str, Conversation)> {
    let asked = |role: Role| talk().close(role, 4000, "");
    vec![
        ("client, answered", asked(CLIENT).close(SERVER, 4000, "").fins(SERVER)),
        ("client, answered otherwise", asked(CLIENT).close(SERVER, 1000, "because").fins(CLIENT)),
        ("server, answered", asked(SERVER).close(CLIENT, 4000, "").fins(SERVER)),
        ("server, answered at length", talk().close(SERVER, 1001, "going").close(CLIENT, 1001, "going").fins(CLIENT)),
        ("server, answer acknowledged", asked(SERVER).ack(CLIENT).close(CLIENT, 4000, "").ack(SERVER).fins(SERVER)),
        ("client, without code", talk().frame(CLIENT, CLOSE, "").frame(SERVER, CLOSE, "").fins(SERVER)),
        (
            "client, after a message",
            talk().text(SERVER, "last words").close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER),
        ),
        ("server, message under way", asked(SERVER).text(CLIENT, "late").close(CLIENT, 4000, "").fins(SERVER)),
        ("client, reset", asked(CLIENT).rst(SERVER)),
        ("server, reset by the client", asked(SERVER).ack(CLIENT).rst(CLIENT)),
        ("client, answered and reset", asked(CLIENT).close(SERVER, 4000, "").rst(CLIENT)),
        ("fin of the client", talk().fins(CLIENT)),
        ("fin of the server", talk().ack(SERVER).fins(SERVER)),
        ("reset of the client", talk().rst(CLIENT)),
        ("reset of the server", talk().text(CLIENT, "crash").rst(SERVER)),
    ]
}

/// The facts of a verdict, each `None` where the capture does not show it.
fn facts(record: &ConnectionRecord) -> [(&'static str, Option<String>); 8] {
    let verdict = &record.verdict;
    [
        ("close_code", verdict.close_code.map(|code| code.to_string())),
        ("close_code_source", verdict.source.map(|source| source.name().to_owned())),
        ("closed_by", verdict.closed_by.map(|by| by.name().to_owned())),
        ("close_reply", verdict.reply.map(|reply| reply.name().to_owned())),
        ("reply_code", verdict.reply_code.map(|code| code.to_string())),
        ("tcp_end", verdict.tcp_end.map(|end| end.name().to_owned())),
        ("tcp_ended_by", verdict.tcp_ended_by.map(|role| role.name().to_owned())),
        ("clean", verdict.clean.map(|clean| clean.to_string())),
    ]
}

/// What `found` tells that is not the truth, which is `whole`. It may tell less.
fn lies(whole: &ConnectionRecord, found: &ConnectionRecord) -> Vec<String> {
    let mut lies = Vec::new();
    for ((name, truth), (_, told)) in facts(whole).into_iter().zip(facts(found)) {
        if told.is_some() && told != truth {
            lies.push(format!("{name} is {truth:?}, told {told:?}"));
        }
    }
    for close in &found.close_frames {
        let same = whole.close_frames.iter().find(|other| (other.sender, other.code) == (close.sender, close.code));
        match same {
            None => lies.push(format!("{close:?} was never sent")),
            Some(truth) if close.position.is_some() && close.position != truth.position => {
                lies.push(format!("{close:?} is {:?}", truth.position));
            }
            Some(_) => {}
        }
    }
    lies
}

#[track_caller]
fn assert_no_lies(whole: &ConnectionRecord, found: &ConnectionRecord, what: &str) {
    assert_eq!(lies(whole, found), [""; 0], "{what}: {}", verdict(found));
}

/// Payload bytes of the packet of that number.
fn payload_of(capture: &Capture, number: usize) -> u64 {
    capture.packets[number - 1].bytes.len() as u64 - 54
}

/// The packets that `role` sent.
fn only_from(mut capture: Capture, role: Role) -> Capture {
    let last = if role == CLIENT { 1 } else { 2 };
    capture.packets.retain(|packet| packet.bytes[26..30] == [10, 0, 0, last]);
    capture
}

#[test]
fn whatever_is_lost_nothing_false_is_told() {
    for (name, conversation) in endings() {
        let capture = Capture::of(conversation);
        let whole = only(&capture);
        assert!(whole.complete, "{name}");
        let count = capture.packets.len();
        for first in 1..=count {
            for second in first..=count {
                let mut lossy = capture.clone().without(second);
                let mut lost = payload_of(&capture, second);
                if first != second {
                    lossy = lossy.without(first);
                    lost += payload_of(&capture, first);
                }
                let what = format!("{name}, without {first} and {second}");
                let connections = analysis(&lossy).connections;
                assert!(connections.len() <= 1, "{what}");
                for found in &connections {
                    assert_no_lies(&whole, found, &what);
                    assert!(found.missed_bytes <= lost, "{what}: {} of {lost} missed", found.missed_bytes);
                    assert!(!found.complete || lost == 0, "{what}");
                }
            }
        }
    }
}

/// Numbers without order, the same in every run: Knuth's linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Packets lost, cut, recorded late or twice.
fn damaged(mut capture: Capture, loss: usize, numbers: &mut Numbers) -> Capture {
    for number in (1..=capture.packets.len()).rev() {
        match numbers.below(100) {
            chance if chance < loss => capture = capture.without(number),
            90..=92 => capture = capture.cut(number, 54 + numbers.below(12)),
            93..=95 => capture = capture.twice(number),
            96..=99 if number > 4 => {
                let packet = capture.packets.remove(number - 1);
                let place = (number - 1 + numbers.below(6)).min(capture.packets.len());
                capture.packets.insert(place, packet);
            }
            _ => {}
        }
    }
    capture
}

#[test]
fn damaged_captures_tell_nothing_false() {
    let mut numbers = Numbers(20_260_131);
    let sound: Vec<(&str, Capture, ConnectionRecord)> = endings()
        .into_iter()
        .map(|(name, conversation)| (name, Capture::of(conversation.clone()), record(conversation)))
        .collect();
    let (mut rows, mut codes) = (0, 0);
    for round in 0..1_500 {
        let (name, capture, whole) = &sound[round % sound.len()];
        let damaged = damaged(capture.clone(), [3, 10, 30][round % 3], &mut numbers);
        for found in &analysis(&damaged).connections {
            assert_no_lies(whole, found, &format!("{name}, round {round}"));
            rows += 1;
            codes += usize::from(found.verdict.close_code.is_some());
        }
    }
    assert!(rows > 1_400 && codes > 700, "{codes} codes of {rows} connections");
}

#[test]
fn one_loss_before_the_end_is_counted_to_the_byte() {
    for (name, conversation) in endings() {
        let capture = Capture::of(conversation);
        // The last packet of those that carry payload: what comes after it acknowledges it.
        let last = (1..=capture.packets.len()).rfind(|number| payload_of(&capture, *number) > 0).unwrap();
        for lost in 6..=last {
            let found = only(&capture.clone().without(lost));
            assert_eq!(found.missed_bytes, payload_of(&capture, lost), "{name}, without {lost}");
            assert_eq!(found.complete, payload_of(&capture, lost) == 0, "{name}, without {lost}");
        }
    }
}

#[test]
fn whatever_direction_is_captured_nothing_false_is_told() {
    for (name, conversation) in endings() {
        let capture = Capture::of(conversation);
        let whole = only(&capture);
        for role in [CLIENT, SERVER] {
            let found = only(&only_from(capture.clone(), role));
            assert_no_lies(&whole, &found, &format!("{name}, {} only", role.name()));
            assert_eq!((found.handshake, found.complete), (Handshake::Missing, false), "{name}");
        }
    }
}

#[test]
fn captured_end_tells_who_closed_by_what_it_had_acknowledged() {
    let told = |conversation, role| verdict(&only(&only_from(Capture::of(conversation), role)));
    let asked = |role: Role| talk().close(role, 4000, "").close(role.peer(), 4000, "");
    // One acknowledgement covers the server's Close frame and its FIN, or its Close frame alone.
    assert_eq!(told(asked(CLIENT).fins(SERVER), CLIENT), "4000 frame, by client, fin");
    assert_eq!(told(asked(CLIENT).ack(CLIENT).fins(SERVER), CLIENT), "4000 frame, by client, fin by server");
    assert_eq!(told(asked(SERVER).fins(SERVER), CLIENT), "by server, fin by server");
    assert_eq!(told(asked(CLIENT).fins(SERVER), SERVER), "by client, fin by server");
    assert_eq!(told(asked(SERVER).fins(SERVER), SERVER), "4000 frame, by server, fin by server");
    // Nothing tells whether the server has asked, or was asked and did not answer.
    let reset = talk().close(SERVER, 4000, "").close(CLIENT, 4000, "").rst(CLIENT);
    assert_eq!(told(reset, CLIENT), "rst by client, not clean");
    let idle = talk().text(SERVER, "thoughts").ack(CLIENT).wait(60_000).close(CLIENT, 1000, "").fins(SERVER);
    assert_eq!(told(idle, CLIENT), "fin by server");
}

#[test]
fn position_of_a_close_frame_is_told_like_who_closed() {
    let answer = talk().close(SERVER, 4000, "").close(CLIENT, 4000, "").fins(SERVER);
    assert_eq!(closes(&only(&only_from(Capture::of(answer), CLIENT))), ["client reply 4000"]);
    let unclear = talk().close(SERVER, 4000, "").close(CLIENT, 4000, "").rst(CLIENT);
    assert_eq!(closes(&only(&only_from(Capture::of(unclear), CLIENT))), ["client unplaced 4000"]);
}

#[test]
fn early_hole_does_not_make_1006_unknown() {
    let chat = |conversation: Conversation| {
        let conversation = conversation.text(SERVER, "a message that is lost").ack(CLIENT);
        conversation.text(SERVER, &"a message that is not lost".repeat(9)).text(CLIENT, "and an answer to it")
    };
    for (conversation, expected) in [
        (chat(open()).fins(CLIENT), "1006 inferred, by client, fin by client, not clean"),
        (chat(open()).rst(SERVER), "1006 inferred, by server, rst by server, not clean"),
    ] {
        let found = only(&Capture::of(conversation).without(6));
        assert_eq!((verdict(&found), found.missed_bytes), (expected.to_owned(), 24));
    }
}

#[test]
fn hole_that_can_hold_a_close_makes_1006_unknown() {
    let lost = |conversation| verdict(&only(&Capture::of(conversation).without(6)));
    assert_eq!(lost(open().close(CLIENT, 1000, "").fins(CLIENT)), "fin by client");
    assert_eq!(lost(open().text(CLIENT, "or a message").ack(SERVER).fins(SERVER)), "fin by server");
    assert_eq!(lost(open().close(SERVER, 1001, "").rst(CLIENT)), "rst by client, not clean");
    // The rest of a message is no Close frame.
    let message = frame(SERVER, TEXT, &[b'x'; 100]);
    let conversation = open().segments(SERVER, &message, 60).fins(SERVER);
    let found = only(&Capture::of(conversation).without(7));
    assert_eq!(verdict(&found), "1006 inferred, by server, fin by server, not clean");
    assert_eq!(found.missed_bytes, 42);
}

#[test]
fn reset_behind_bytes_that_were_not_captured_makes_1006_unknown() {
    let found = record(talk().unseen(CLIENT, 8).rst(CLIENT));
    assert_eq!(verdict(&found), "rst by client, not clean");
    assert_eq!((found.missed_bytes, found.complete), (0, false), "anyone may send such a reset");
    let close = record(talk().close(CLIENT, 1000, "").unseen(SERVER, 4).rst(SERVER));
    assert_eq!(verdict(&close), "1000 frame, by client, rst by server, not clean");
}

#[test]
fn damaged_segments_are_not_used_where_checksums_mean_something() {
    let conversation = talk().text(SERVER, "this is damaged").text(SERVER, "and this is not").ack(CLIENT);
    let capture = Capture::of(conversation.close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER));
    let whole = only(&capture);
    let damaged = |number: usize| {
        let mut packet = capture.packets[number - 1].clone();
        *packet.bytes.last_mut().unwrap() ^= 0x80;
        packet
    };
    // The damaged copy, then what follows, then the retransmission.
    let mut repaired = capture.clone();
    repaired.packets.insert(8, damaged(9));
    let found = only(&repaired);
    assert_eq!((violations(&found), found.invalid_utf8_count, found.missed_bytes), (vec![], 0, 0));
    assert_eq!((found.messages, verdict(&found)), (whole.messages, verdict(&whole)));
    // The retransmission was lost: what the damaged copy said is not known.
    let mut lost = capture.clone();
    lost.packets[8] = damaged(9);
    assert_eq!((only(&lost).missed_bytes, only(&lost).invalid_utf8_count), (17, 0));
    let same = |changed: Capture, what: &str| {
        let found = only(&changed);
        let told = (found.messages, verdict(&found), found.missed_bytes, found.complete);
        assert_eq!(told, (whole.messages, verdict(&whole), 0, true), "{what}");
    };
    for role in [CLIENT, SERVER] {
        let mut offloaded = capture.clone();
        let last = if role == CLIENT { 1 } else { 2 };
        for packet in offloaded.packets.iter_mut().filter(|packet| packet.bytes[26..30] == [10, 0, 0, last]) {
            packet.bytes[50..52].fill(0);
        }
        same(offloaded.clone(), "left to the network card");
        for packet in offloaded.packets.iter_mut().filter(|packet| packet.bytes[26..30] == [10, 0, 0, last]) {
            packet.bytes[50..52].copy_from_slice(&[0x12, 0x34]);
        }
        same(offloaded, "of other addresses");
    }
}

#[test]
fn half_closed_connection_is_not_over() {
    assert_eq!(verdict(&record(talk().fin(CLIENT).ack(SERVER))), "fin by client");
    assert_eq!(verdict(&record(talk().close(CLIENT, 1000, "").fin(CLIENT))), "1000 frame, by client, fin by client");
    let late = talk().fin(CLIENT).text(SERVER, "still here").close(SERVER, 1001, "");
    assert_eq!(verdict(&record(late)), "1001 frame, by server, reply missing, fin by client, not clean");
    // The other end does not answer any more.
    let gone = talk().deaf(SERVER).fin(CLIENT).wait(20_000).ack(CLIENT);
    assert_eq!(verdict(&record(gone)), "1006 inferred, by client, fin by client, not clean");
}

#[test]
fn fin_that_was_lost_but_acknowledged_is_an_end_and_no_missing_byte() {
    let capture = Capture::of(talk().fins(SERVER));
    let server_fin = capture.packets.len() - 2;
    for lost in [server_fin, server_fin + 1] {
        let found = only(&capture.clone().without(lost));
        assert_eq!(verdict(&found), "1006 inferred, by server, fin by server, not clean", "without {lost}");
        assert_eq!((found.missed_bytes, found.complete), (0, true), "without {lost}");
    }
    let closed = talk().close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER);
    let capture = Capture::of(closed);
    // The server's Close frame and its FIN are one hole.
    let count = capture.packets.len();
    let found = only(&capture.without(count - 2).without(count - 3));
    assert_eq!((verdict(&found), found.missed_bytes), ("1000 frame, by client, fin".to_owned(), 4));
}

#[test]
fn missed_bytes_count_what_was_sent_and_not_captured() {
    let text = |length: usize| frame(SERVER, TEXT, &vec![b'x'; length]);
    let missed = |capture: &Capture| {
        let found = only(capture);
        (found.missed_bytes, found.complete)
    };
    let cut = Capture::of(open().server(text(100)).fins(SERVER)).cut(6, 80);
    assert_eq!(missed(&cut), (102 - (80 - 54), false));
    let fin_behind_a_hole = Capture::of(open().deaf(CLIENT).server(text(50)).fin(SERVER)).without(6);
    assert_eq!(missed(&fin_behind_a_hole), (52, false));
    let acknowledged_at_the_end = Capture::of(open().server(text(50)).ack(CLIENT)).without(6);
    assert_eq!(missed(&acknowledged_at_the_end), (52, false));
    let unseen = Capture::of(open().unseen(SERVER, 77).server(text(10)).fins(SERVER));
    assert_eq!(missed(&unseen), (77, false));
    let retransmitted = Capture::of(open().server(text(50)).server(text(60)).fins(SERVER)).twice(6).swapped(6, 7);
    assert_eq!(missed(&retransmitted), (0, true));
    let whole = Capture::of(open().server(text(50)).fins(SERVER));
    assert_eq!(missed(&whole), (0, true));
    // What came before the first captured packet of a connection without its SYN is not counted.
    let (_, rest) = Capture::of(open().server(text(50)).close(SERVER, 1001, "going away").fins(SERVER)).split(4);
    assert_eq!(missed(&rest), (0, false));
    // The request was lost, and its acknowledgement shows how long it was.
    let request = request_head("/chat", "").len() as u64;
    assert_eq!(missed(&Capture::of(open().server(text(50)).fins(SERVER)).without(4)), (request, false));
}

#[test]
fn keep_alives_and_copies_behind_the_fin_are_no_bytes() {
    let back = |conversation: Conversation, role, count: u32| conversation.unseen(role, 0_u32.wrapping_sub(count));
    let keep_alive = back(talk(), CLIENT, 1).client(b"\0").ack(SERVER).close(CLIENT, 1000, "").close(SERVER, 1000, "");
    let found = record(keep_alive.fins(SERVER));
    assert_eq!((found.missed_bytes, found.complete, violations(&found)), (0, true, vec![]));
    assert_eq!(found.messages.client, 1);

    let late = back(talk().text(SERVER, "bye, and be well").fins(SERVER), SERVER, 8).server(b"be welljunk");
    let found = record(late);
    assert_eq!((found.missed_bytes, found.messages.server, violations(&found)), (0, 2, vec![]));
    assert_eq!(verdict(&found), "1006 inferred, by server, fin by server, not clean");
}

#[test]
fn packets_recorded_a_few_places_late_change_nothing() {
    for (name, conversation) in endings() {
        let capture = Capture::of(conversation);
        let told = |record: &ConnectionRecord| {
            let positions: Vec<String> = closes(record);
            (facts(record), positions.len(), record.handshake, record.messages, record.missed_bytes, record.complete)
        };
        let truth = told(&only(&capture));
        for from in 3..capture.packets.len() {
            for to in from + 1..(from + 5).min(capture.packets.len()) {
                let mut late = capture.clone();
                let packet = late.packets.remove(from);
                late.packets.insert(to, packet);
                assert_eq!(told(&only(&late)), truth, "{name}, packet {} in the place of {}", from + 1, to + 1);
            }
        }
    }
}

#[test]
fn taps_whose_clocks_differ_change_nothing() {
    for (name, conversation) in endings() {
        let capture = Capture::of(conversation);
        let whole = only(&capture);
        for skew in [-15, -6, -2, 2, 6, 15] {
            let mut merged = capture.clone();
            // The handshake of TCP is left in place: without it nothing tells where the streams begin.
            for packet in merged.packets.iter_mut().skip(3).filter(|packet| packet.bytes[26..30] == [10, 0, 0, 1]) {
                packet.time += skew * 1_000_000;
            }
            merged.packets[3..].sort_by_key(|packet| packet.time);
            let found = only(&merged);
            assert_eq!(facts(&found), facts(&whole), "{name}, {skew} ms");
            assert_eq!((found.missed_bytes, found.complete), (0, true), "{name}, {skew} ms");
            assert_eq!((found.handshake, found.messages), (whole.handshake, whole.messages), "{name}, {skew} ms");
        }
    }
}

#[test]
fn acknowledgements_recorded_before_their_data_lose_nothing() {
    let burst = |conversation: Conversation| {
        (0..20).fold(conversation, |conversation, number| conversation.text(SERVER, &format!("message {number}")))
    };
    let conversation = burst(open()).ack(CLIENT).close(SERVER, 1001, "").close(CLIENT, 1001, "").fins(SERVER);
    let mut capture = Capture::of(conversation);
    let acknowledgement = capture.packets.remove(25);
    capture.packets.insert(5, acknowledgement);
    let found = only(&capture);
    assert_eq!((found.messages.server, found.missed_bytes, found.complete), (20, 0, true));
    assert_eq!(verdict(&found), "1001 frame, by server, reply matching 1001, fin by server, clean");
}

#[test]
fn request_alone_is_unanswered_or_of_a_connection() {
    let request = || Conversation::new().syn().request("/chat");
    let alone = record(request().ack(SERVER));
    assert_eq!((alone.handshake, verdict(&alone), alone.missed_bytes), (Handshake::Unanswered, String::new(), 0));
    // Frames, although the client had received nothing.
    let eager = record(request().text(CLIENT, "too early").rst(SERVER));
    assert_eq!((eager.handshake, verdict(&eager)), (Handshake::Unanswered, "rst by server".into()));
    // The answer was lost, and the client goes on in frames.
    let answer = answer_head("").len() as u32;
    let lost = record(request().unseen(SERVER, answer).text(CLIENT, "hello").close(CLIENT, 1000, "").fins(CLIENT));
    assert_eq!((lost.handshake, lost.missed_bytes), (Handshake::Missing, u64::from(answer)));
    // The answer may have been followed by a Close frame.
    assert_eq!(closes(&lost), ["client unplaced 1000"]);
    // It was lost, and nothing more was said: whether it was an agreement is not known.
    let silent = record(request().unseen(SERVER, answer).ack(CLIENT).fins(SERVER));
    assert_eq!((silent.handshake, verdict(&silent)), (Handshake::Unanswered, "fin by server".into()));
}

#[test]
fn hole_among_requests_behind_a_refused_upgrade_has_its_place() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let conversation = Conversation::new().syn().request("/a").client("GET /lost HTTP/1.1\r\nHos").unseen(CLIENT, 10);
    let conversation = conversation.request("/b").server(refusal).server(answer_head("")).text(SERVER, "welcome");
    let told: Vec<_> = analysis(&Capture::of(conversation.close(SERVER, 1001, "").fins(SERVER)))
        .connections
        .into_iter()
        .map(|found| (found.request.path.clone().unwrap(), found.handshake, found.messages.server))
        .collect();
    assert_eq!(told, [("/a".into(), Handshake::Refused, 0), ("/b".into(), Handshake::Complete, 1)]);
}

#[test]
fn answer_alone_is_a_connection_from_its_first_packet_on() {
    let capture = Capture::of(talk().close(SERVER, 1001, "").close(CLIENT, 1001, "").fins(SERVER));
    let found = only(&capture.clone().without(4));
    assert_eq!((found.handshake, found.first_packet.number()), (Handshake::Missing, 1));
    assert_eq!(found.missed_bytes, request_head("/chat", "").len() as u64);
    assert_eq!(verdict(&found), "1001 frame, by server, reply matching 1001, fin by server, clean");
    assert_eq!(found.response.status, Some(101));
}

#[test]
fn acknowledgements_from_another_tap_are_as_good() {
    // Data of each direction from one tap, and bare acknowledgements of the other, late.
    let conversation = talk().ack(SERVER).ack(CLIENT).close(SERVER, 1001, "").ack(CLIENT);
    let conversation = conversation.close(CLIENT, 1001, "").ack(SERVER).fins(SERVER);
    let whole = record(conversation.clone());
    let mut capture = Capture::of(conversation);
    let (bare, data): (Vec<_>, Vec<_>) = capture.packets.into_iter().partition(|packet| packet.bytes.len() == 54);
    capture = Capture { packets: [data, bare].concat() };
    let found = only(&capture);
    assert_no_lies(&whole, &found, "bare acknowledgements after everything else");
    assert_eq!((verdict(&found), found.missed_bytes), (verdict(&whole), 0));
}

#[test]
fn ports_used_again_are_connections_of_their_own() {
    let first = |numbers: (u32, u32)| Conversation::new().numbered(numbers.0, numbers.1).syn().upgrade("/one");
    let second = || {
        let later = Conversation::new().numbered(3_000_000_000, 2_500_000_000).wait(60_000).syn().upgrade("/two");
        later.close(SERVER, 1001, "").close(CLIENT, 1001, "").fins(SERVER)
    };
    let told = |capture: &Capture| -> Vec<(Option<String>, String, u64)> {
        let told = analysis(capture).connections.into_iter().map(|record| {
            let path = record.request.path.as_deref().map(str::to_owned);
            (path, verdict(&record), record.missed_bytes)
        });
        told.collect()
    };
    let clean = |code: u16| format!("{code} frame, by server, reply matching {code}, fin by server, clean");
    let row = |path: &str, verdict: &str| (Some(path.to_owned()), verdict.to_owned(), 0);
    let ended = first((1_000, 900_000)).close(SERVER, 1000, "").close(CLIENT, 1000, "").fins(SERVER);
    let unended = first((1_000, 900_000)).text(SERVER, "and then nothing");
    for (before, ending) in [(ended, clean(1000)), (unended, String::new())] {
        let expected = [row("/one", &ending), row("/two", &clean(1001))];
        let with_syn = Capture::of(before.clone()).then(second());
        assert_eq!(told(&with_syn), expected);
        let (_, without_syn) = Capture::of(second()).split(3);
        let mut jump = Capture::of(before);
        jump.packets.extend(without_syn.packets);
        assert_eq!(told(&jump), expected, "without its SYN");
    }
}

#[test]
fn close_frames_of_a_search_that_found_nothing_are_not_missing() {
    // Of the server, only noise was captured behind a hole, which may have been anything.
    let noise: Vec<u8> = (0..200_u32).map(|number| (number * 167 % 251) as u8).collect();
    let conversation = open().unseen(SERVER, 300).server(&noise).text(CLIENT, "a text");
    let found = only(&Capture::of(conversation.ack(SERVER).close(CLIENT, 1000, "").fins(CLIENT)));
    assert_eq!((found.handshake, found.verdict.reply), (Handshake::Complete, None));
    assert_ne!(found.verdict.reply, Some(CloseReply::Missing));
}

#[test]
fn large_message_that_ends_the_stream_in_a_hole_hides_no_close() {
    let message = frame(CLIENT, BINARY, &[7; 400]);
    let conversation = open().segments(CLIENT, &message, 100).ack(SERVER).fins(CLIENT);
    for lost in 7..=9 {
        let found = only(&Capture::of(conversation.clone()).without(lost));
        assert_eq!(verdict(&found), "1006 inferred, by client, fin by client, not clean", "without {lost}");
    }
}
