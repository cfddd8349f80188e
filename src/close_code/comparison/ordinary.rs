//! Pairs with an ordinary end, 1000 or 1001, or with no code at all, 1005 or 1006.

use super::Pair;

pub(super) static PAIRS: &[Pair] = &[
    Pair {
        codes: (1000, 1001),
        difference: "Both are ordinary. 1000 says that the work is done; 1001 says that the sender is about to \
                     disappear, done or not: a page that is left, a server that shuts down.",
        use_first: "The conversation is over, and neither end expects more of it.",
        use_second: "The process or page ends while the conversation could have gone on. Clients of a server that \
                     sends it connect elsewhere.",
        in_capture: "Compare ended_at by server_ip: 1001 of many connections within seconds is a shutdown, 1000 comes \
                     one by one.",
    },
    Pair {
        codes: (1000, 1002),
        difference: "1000 is a wish, 1002 an accusation: with 1000 the closer had nothing more to do, with 1002 it \
                     received bytes that are no valid WebSocket and gave up. After 1000 the next connection works, \
                     after 1002 it fails in the same way.",
        use_first: "All went well and you want to close.",
        use_second: "You received a frame that RFC 6455 forbids. Never for a message whose content you dislike: that \
                     is 1003, 1007 or 1008.",
        in_capture: "1002 has a row in violations, sent by the closer's peer just before. 1000 has none.",
    },
    Pair {
        codes: (1000, 1005),
        difference: "Both are polite. 1000 is in the Close frame; 1005 means that the frame had no code in it, and \
                     exists only in what the receiver's program is told.",
        use_first: "Always when you close because all is done: it says so.",
        use_second: "Never send it. Expect it from browsers whose page calls close() without a code.",
        in_capture: "close_code_source is frame for 1000 and empty-frame for 1005; close_frames.payload_bytes is 2 or \
                     more, and 0.",
    },
    Pair {
        codes: (1000, 1006),
        difference: "With 1000 somebody said goodbye; with 1006 nobody did: TCP ended without a Close frame. 1006 is \
                     never on the wire, each end concludes it for itself, and the two ends may conclude differently.",
        use_first: "You close because all is done. Wait for the answer before the socket goes.",
        use_second: "Never send it. Treat it as a failure of network, proxy or process, and connect again with \
                     growing delays.",
        in_capture: "close_code_source is frame for 1000 and inferred for 1006. In an incomplete connection the Close \
                     frame may be what the capture missed.",
    },
    Pair {
        codes: (1000, 1007),
        difference: "1000 ends a conversation that worked; 1007 breaks one off because a message's bytes do not fit \
                     its type, nearly always a text message that is not UTF-8. After 1007 the same message fails \
                     again.",
        use_first: "All went well and you want to close.",
        use_second: "You received text that is not UTF-8. Libraries send it by themselves.",
        in_capture: "1007 has a row in invalid_utf8 whose sender is the closer's peer and whose peer_close_code is \
                     1007.",
    },
    Pair {
        codes: (1000, 1008),
        difference: "1000 means that the closer has nothing against its peer; 1008 that the peer broke one of the \
                     closer's own rules. A server that refuses clients with 1000 hides the refusal from them and from \
                     every dashboard.",
        use_first: "All went well and you want to close, or the user logged out.",
        use_second: "You will not go on with this peer: login, permission, rate, origin. Say in the reason which rule.",
        in_capture: "duration_ms and close_reason: refusals come within moments of the handshake or after a burst. \
                     1000 that comes so early is often a refusal too.",
    },
    Pair {
        codes: (1000, 1012),
        difference: "1000 is about the conversation, 1012 about the server: with 1000 it is over, with 1012 it is \
                     interrupted, and the client is invited to come back after a random delay.",
        use_first: "The work of this one connection is done.",
        use_second: "You are a server that restarts and will be back in a moment. Clients only read it.",
        in_capture: "1012 comes from one server for all its connections within seconds, and its clients return \
                     (reconnects). 1000 comes one by one, from either end.",
    },
    Pair {
        codes: (1000, 1015),
        difference: "They are the two extremes: 1000 ends a WebSocket that worked, 1015 means that there never was \
                     one, because TLS failed before the handshake. 1000 is in a Close frame, 1015 can be in none.",
        use_first: "All went well and you want to close.",
        use_second: "Never send it. A program meets it, if at all, in its library's error; most browsers report 1006 \
                     instead.",
        in_capture: "1000 is a row of close_frames; 1015 is inferred and its story is in tls_failures: alert, \
                     versions, certificate.",
    },
    Pair {
        codes: (1001, 1006),
        difference: "Both happen when an end disappears. With 1001 it says so first; with 1006 it is gone without a \
                     word. The same shutdown gives either, depending on whether the process is given the time to \
                     close its WebSockets.",
        use_first: "You shut down, or leave the page, and can still send a frame.",
        use_second: "Never send it. Where 1001 was expected, it says that the process was killed too early.",
        in_capture: "At a shutdown, both at the same time from one server_ip: some connections were closed in time, \
                     the others cut (tcp_end).",
    },
    Pair {
        codes: (1001, 1012),
        difference: "Both say that a server ends. 1012 adds that the service will be back in a moment and that coming \
                     back, after a random delay, is welcome; 1001 promises nothing and is also what browsers send \
                     when a page is left.",
        use_first: "The server goes away for good: scaled in, moved, switched off. Or you are a page that is left.",
        use_second: "The server restarts. Check that your clients' library knows 1012: old ones call it invalid.",
        in_capture: "closed_by tells pages (client) from servers; reconnects tells whether the clients found their \
                     way back.",
    },
    Pair {
        codes: (1005, 1006),
        difference: "Neither is ever on the wire. 1005 means that a Close frame came and had no code; 1006 means that \
                     none came at all. So 1005 is a polite end without words, and 1006 an end without politeness.",
        use_first: "Never send it. Treat it as an ordinary close.",
        use_second: "Never send it. Treat it as a failure: network, proxy, crash.",
        in_capture: "close_code_source is empty-frame for 1005, with a row in close_frames; inferred for 1006, with \
                     none.",
    },
    Pair {
        codes: (1006, 1011),
        difference: "Both come from errors. With 1011 the program caught the error and its library still said so; \
                     with 1006 nobody could: the process died, or something between the ends cut TCP.",
        use_first: "Never send it. Look for crashes, kills, resets and idle timeouts.",
        use_second: "You failed and can still say so.",
        in_capture: "1011 is in close_frames with a sender. For 1006 see tcp_end, tcp_ended_by and the lifetime.",
    },
    Pair {
        codes: (1006, 1012),
        difference: "What a restart looks like: 1012 if the server closes its WebSockets first, 1006 if it just \
                     exits. Clients treat 1012 as an invitation and 1006 as an accident.",
        use_first: "Never send it. At a restart it means that the process did not wait for its connections to close.",
        use_second: "You are a server that restarts. Send it, then wait for the answers before the process exits.",
        in_capture: "Many 1006 of one server_ip at the same ended_at, tcp_ended_by server: a restart that did not \
                     close properly.",
    },
    Pair {
        codes: (1006, 1015),
        difference: "Both are concluded, never sent. 1015 is a failure before there was a WebSocket, in TLS; 1006 is \
                     the end without a Close frame of one that existed. Most browsers show pages 1006 for both, to \
                     give nothing away.",
        use_first: "Never send it. The connection worked before: look at TCP, proxies and processes.",
        use_second: "Never send it. It never worked: look at certificates, versions and ciphers.",
        in_capture: "A row in tls_failures, and no handshake, is 1015. handshake complete and no Close frame is 1006.",
    },
    Pair {
        codes: (1006, 3008),
        difference: "Both can follow silence. With 3008 the connection still worked, and one end said that its peer \
                     took too long; with 1006 the connection ended unannounced, often because something in between \
                     found it idle.",
        use_first: "Never send it. Find the hop whose idle timeout fits duration_ms.",
        use_second: "You waited for a login, a heartbeat or an answer, and close because it did not come.",
        in_capture: "3008 is in close_frames, and the closer's peer usually answers it. 1006 has only tcp_end.",
    },
];
