//! Opening handshakes: complete, refused, invalid, unanswered, missing.

use wsautopsy::connection::{ConnectionRecord, Handshake};

use crate::builder::{Capture, Conversation, TEXT, answer_head, close_frame, frame, request_head};
use crate::{CLIENT, SERVER, analysis, closes, record, verdict, violations};

fn handshake(record: &ConnectionRecord) -> (Handshake, Option<u16>) {
    (record.handshake, record.response.status)
}

#[test]
fn request_and_answer_are_told() {
    let fields = "Origin: https://chat.example\r\nUser-Agent: tests/1\r\nSec-WebSocket-Protocol: chat, graph\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let agreed =
        "Sec-WebSocket-Protocol: graph\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
    let conversation = Conversation::new().syn().client(request_head("/chat?room=1", fields));
    let found = record(conversation.server(answer_head(agreed)));
    assert_eq!(handshake(&found), (Handshake::Complete, Some(101)));
    assert_eq!(found.request.path.as_deref(), Some("/chat?room=1"));
    assert_eq!(found.request.host.as_deref(), Some("chat.example"));
    assert_eq!(found.request.origin.as_deref(), Some("https://chat.example"));
    assert_eq!(found.request.user_agent.as_deref(), Some("tests/1"));
    assert_eq!(found.response.subprotocol.as_deref(), Some("graph"));
    assert_eq!(found.response.extensions.as_deref(), Some("permessage-deflate; server_max_window_bits=10"));
    assert_eq!((found.client.to_string(), found.server.to_string()), ("10.0.0.1:50000".into(), "10.0.0.2:80".into()));
}

#[test]
fn refused_attempts_have_their_status_and_no_close_code() {
    for status in [200, 301, 400, 401, 403, 404, 426, 502, 503] {
        let answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\n\r\nno");
        let found = record(Conversation::new().syn().request("/chat").server(answer).fins(SERVER));
        assert_eq!(handshake(&found), (Handshake::Refused, Some(status)));
        assert_eq!(verdict(&found), "fin by server");
    }
}

#[test]
fn answer_that_is_no_http_refuses_too() {
    let found = record(Conversation::new().syn().request("/chat").server("nonsense\r\n").fins(SERVER));
    assert_eq!(handshake(&found), (Handshake::Refused, None));
}

#[test]
fn unanswered_attempt_is_told_whether_it_ended_or_not() {
    let open = record(Conversation::new().syn().request("/chat"));
    assert_eq!((handshake(&open), verdict(&open)), ((Handshake::Unanswered, None), String::new()));
    let reset = record(Conversation::new().syn().request("/chat").rst(SERVER));
    assert_eq!((handshake(&reset), verdict(&reset)), ((Handshake::Unanswered, None), "rst by server".into()));
}

#[test]
fn broken_answers_are_invalid_and_the_connection_goes_on() {
    let wrong = answer_head("").replace("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x");
    let found = record(Conversation::new().syn().request("/chat").server(wrong).close(CLIENT, 1000, "").fins(CLIENT));
    assert_eq!(handshake(&found), (Handshake::Invalid, Some(101)));
    assert_eq!(violations(&found), ["server wrong-accept in 5"]);
    assert_eq!(closes(&found), ["client first 1000"]);

    let unasked = answer_head("Sec-WebSocket-Protocol: other\r\n");
    let found = record(Conversation::new().syn().request("/chat").server(unasked));
    assert_eq!(violations(&found), ["server unrequested-subprotocol in 5"]);
}

#[test]
fn several_attempts_on_one_connection_are_a_row_each() {
    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nlogin";
    let conversation = Conversation::new().syn().request("/a").server(refusal).request("/b").server(refusal);
    let conversation = conversation.upgrade("/c").close(CLIENT, 1000, "").close(SERVER, 1000, "").fins(SERVER);
    let analysis = analysis(&Capture::of(conversation));
    let told: Vec<_> =
        analysis.connections.iter().map(|found| (handshake(found), found.first_packet.number())).collect();
    let refused = (Handshake::Refused, Some(401));
    assert_eq!(told, [(refused, 1), (refused, 6), ((Handshake::Complete, Some(101)), 8)]);
    let paths: Vec<_> = analysis.connections.iter().filter_map(|found| found.request.path.as_deref()).collect();
    assert_eq!(paths, ["/a", "/b", "/c"]);
    assert!(analysis.connections.iter().all(|found| analysis.tcp_stream(found.conversation) == Some(0)));
}

#[test]
fn plain_requests_before_the_upgrade_are_no_rows() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage";
    let conversation = Conversation::new().syn().client("GET / HTTP/1.1\r\nHost: h\r\n\r\n").server(page);
    let found = record(conversation.upgrade("/chat").rst(CLIENT));
    assert_eq!((found.first_packet.number(), found.request.path.as_deref()), (6, Some("/chat")));
    assert_eq!(verdict(&found), "1006 inferred, by client, rst by client, not clean");
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let requests = ["GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), request_head("/chat", "")].concat();
    let answers = ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx".to_owned(), answer_head("")].concat();
    let found = record(Conversation::new().syn().client(requests).server(answers).close(SERVER, 1001, ""));
    assert_eq!(
        (handshake(&found), closes(&found)),
        ((Handshake::Complete, Some(101)), vec!["server first 1001".into()])
    );
}

#[test]
fn frames_before_the_answer_are_a_violation_unless_the_client_had_it() {
    let early = Conversation::new().syn().request("/chat").text(CLIENT, "early").server(answer_head(""));
    let early = record(early.close(SERVER, 1000, ""));
    assert_eq!(violations(&early), ["client frames-before-handshake in 5"]);
    assert_eq!((early.messages.client, closes(&early)), (1, vec!["server first 1000".into()]));

    let conversation = Conversation::new().syn().upgrade("/chat").text(CLIENT, "in time").ack(SERVER);
    let swapped = crate::only(&Capture::of(conversation).swapped(5, 6));
    assert_eq!((violations(&swapped), swapped.messages.client), (vec![], 1));
}

#[test]
fn heads_may_be_split_anywhere() {
    let (request, answer) = (request_head("/chat", ""), answer_head(""));
    for size in [1, 7, 50] {
        let conversation = Conversation::new().syn().segments(CLIENT, request.as_bytes(), size);
        let found = record(conversation.segments(SERVER, answer.as_bytes(), size).close(CLIENT, 1000, ""));
        assert_eq!(
            (handshake(&found), closes(&found)),
            ((Handshake::Complete, Some(101)), vec!["client first 1000".into()])
        );
        assert_eq!(found.first_packet.number(), 1);
    }
}

#[test]
fn answer_and_frames_may_share_a_segment() {
    let bytes = [answer_head("").into_bytes(), frame(SERVER, TEXT, b"hello"), close_frame(SERVER, 1001, "")].concat();
    let found = record(Conversation::new().syn().request("/chat").server(bytes).close(CLIENT, 1001, "").fins(SERVER));
    assert_eq!(found.messages.server, 1);
    assert_eq!(verdict(&found), "1001 frame, by server, reply matching 1001, fin by server, clean");
}

#[test]
fn client_behind_a_proxy_is_told() {
    let conversation =
        Conversation::new().syn().client(request_head("/", "X-Forwarded-For: 203.0.113.7, 10.9.9.9\r\n"));
    let found = record(conversation.server(answer_head("")));
    assert_eq!(found.request.forwarded_for.as_deref(), Some("203.0.113.7"));
}

#[test]
fn bodies_that_look_like_upgrades_are_none() {
    let body = [request_head("/fake", ""), request_head("/fake", "")].concat();
    let post = format!("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let ok = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", answer_head("").len(), answer_head(""));
    for upload in [post, chunked] {
        let conversation = Conversation::new().syn().segments(CLIENT, upload.as_bytes(), 100).server(&ok);
        let none = analysis(&Capture::of(conversation.clone().fins(CLIENT)));
        assert!(none.connections.is_empty(), "{:#?}", none.connections);
        assert_eq!(record(conversation.upgrade("/real")).request.path.as_deref(), Some("/real"));
    }
}

#[test]
fn connections_that_speak_something_else_are_no_rows() {
    for bytes in [&b"SSH-2.0-OpenSSH_9\r\n"[..], b"\x16\x03\x01\x02\x00\x01", b"*1\r\n$4\r\nPING\r\n", b"\0\0\0"] {
        let analysis = analysis(&Capture::of(Conversation::new().syn().client(bytes).server(bytes).fins(CLIENT)));
        assert!(analysis.connections.is_empty());
        assert_eq!(analysis.captures[0].conversations, [1]);
    }
}

#[test]
fn websocket_through_a_connect_tunnel_is_found() {
    let conversation =
        Conversation::new().syn().client("CONNECT chat.example:80 HTTP/1.1\r\nHost: chat.example\r\n\r\n");
    let found = record(conversation.server("HTTP/1.1 200 OK\r\n\r\n").upgrade("/chat").close(CLIENT, 1000, ""));
    assert_eq!(
        (handshake(&found), closes(&found)),
        ((Handshake::Complete, Some(101)), vec!["client first 1000".into()])
    );
}

#[test]
fn answer_without_its_request_is_a_connection_whose_handshake_is_missing() {
    let conversation = Conversation::new().syn().upgrade("/chat").close(SERVER, 1001, "").fins(SERVER);
    let (_, rest) = Capture::of(conversation).split(4);
    let found = crate::only(&rest);
    assert_eq!((found.handshake, closes(&found)), (Handshake::Missing, vec!["server first 1001".into()]));
}
