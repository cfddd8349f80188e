//! Pairs of codes for what one end cannot accept of the other.

use super::Pair;

pub(super) static PAIRS: &[Pair] = &[
    Pair {
        codes: (1002, 1003),
        difference: "1002 is about framing, 1003 about the kind of a sound message. With 1002 the bytes are no valid \
                     WebSocket, which is a bug in a library or on the way; with 1003 the library was content and the \
                     application was not.",
        use_first: "A frame breaks RFC 6455: masks, opcodes, reserved bits, fragments, lengths.",
        use_second: "A correct binary message came where you take only text, or the reverse.",
        in_capture: "1002 has a row in violations. 1003 has none, and the first message of that kind came just before.",
    },
    Pair {
        codes: (1002, 1007),
        difference: "1002 is about frames, 1007 about the bytes in messages. With 1002 the envelope is wrong and the \
                     library or a proxy that made it is at fault; with 1007 the envelope is right and the text in it \
                     is not UTF-8, which is the sending program's doing.",
        use_first: "A frame breaks RFC 6455.",
        use_second: "Frames are right, and a text message or Close reason is not UTF-8.",
        in_capture: "1002: violations, with the rule. 1007: invalid_utf8, with the offset and the bytes. Some \
                     libraries send 1002 for invalid UTF-8: then only the second table has a row.",
    },
    Pair {
        codes: (1002, 1008),
        difference: "1002 says that the peer broke the protocol's rules, 1008 that it broke the closer's own. After \
                     1002 a library or proxy must be repaired; after 1008 the client must behave differently, or log \
                     in.",
        use_first: "A frame breaks RFC 6455. Libraries send it, applications should not.",
        use_second: "Frames and messages are right, and you do not allow what they ask for.",
        in_capture: "1002 has a row in violations by the closer's peer. 1008 has none; close_reason, duration_ms and \
                     the message rate speak.",
    },
    Pair {
        codes: (1002, 1011),
        difference: "Whose fault it is: 1002 blames the peer's frames, 1011 admits an error of the closer itself.",
        use_first: "You received a frame that RFC 6455 forbids.",
        use_second: "Your own code failed, whatever the peer sent.",
        in_capture: "1002 without a row in violations, in a complete connection, is often an 1011 that a library \
                     names wrongly.",
    },
    Pair {
        codes: (1002, 1012),
        difference: "1002 is a fault of the peer and stays until something is repaired; 1012 is nobody's fault and is \
                     over in a moment. Frames that a restarting proxy leaves half sent can show as 1002, 1006 or \
                     1012.",
        use_first: "You received a frame that RFC 6455 forbids.",
        use_second: "You are a server that restarts. Clients come back after a random delay.",
        in_capture: "1002 follows the client, or one version of it, to every server. 1012 follows the server: all its \
                     connections within seconds.",
    },
    Pair {
        codes: (1002, 1015),
        difference: "Both are failures of a protocol, of different ones: 1002 of WebSocket's frames, in a connection \
                     that was open and can say so; 1015 of TLS, before there was a WebSocket, which nobody can say in \
                     a Close frame.",
        use_first: "You received a frame that RFC 6455 forbids.",
        use_second: "Never send it. Repair certificates, versions or ciphers.",
        in_capture: "1002: close_frames and violations. 1015: tls_failures, and no WebSocket handshake at all. A \
                     Close frame that says 1015 is itself a protocol error.",
    },
    Pair {
        codes: (1003, 1007),
        difference: "1003 refuses a kind of message, 1007 a message that is not what its kind says. Binary data sent \
                     as binary to a text-only server is 1003; the same data sent as text is 1007.",
        use_first: "The message is well formed and of a kind that you do not take.",
        use_second: "The message says that it is text and is not UTF-8.",
        in_capture: "1007 has a row in invalid_utf8. 1003 has none.",
    },
    Pair {
        codes: (1003, 1008),
        difference: "1003 is one rule with a code of its own: this kind of data is not processed here. 1008 is for \
                     all rules that have none.",
        use_first: "You cannot process text, or cannot process binary messages.",
        use_second: "You could process it, and do not allow it.",
        in_capture: "1003 comes with the first message of a kind, 1008 after a login or a limit: duration_ms, \
                     close_reason.",
    },
    Pair {
        codes: (1007, 1008),
        difference: "1007 says that the bytes of a message are wrong, which everybody can check: text that is not \
                     UTF-8. 1008 says that a rule of the closer was broken, which only the closer knows.",
        use_first: "A text message or Close reason is not UTF-8. Not for JSON that does not parse: that is valid text.",
        use_second: "The message is valid, and its content or its sender is not allowed; also for JSON that breaks \
                     your rules.",
        in_capture: "1007 has a row in invalid_utf8 at the closer's peer; where it has none in a complete connection, \
                     the closer means what 1008 says.",
    },
    Pair {
        codes: (1007, 1009),
        difference: "Both refuse one message. 1007 for what its bytes are, 1009 for how many there are. A message \
                     that is both is refused for whichever the receiver notices first: invalid text often before its \
                     end, size from the frame's header.",
        use_first: "The text is not UTF-8.",
        use_second: "The message, inflated, exceeds your limit.",
        in_capture: "1007 has a row in invalid_utf8 with byte_offset. For 1009 compare the payload bytes with those \
                     of other connections.",
    },
    Pair {
        codes: (1007, 1012),
        difference: "1007 belongs to a message, 1012 to the server's life. After 1007 the same message fails again \
                     wherever it is sent; after 1012 the same message works as soon as the server is back.",
        use_first: "You received text that is not UTF-8.",
        use_second: "You are a server that restarts.",
        in_capture: "1007: one client, a row in invalid_utf8 just before. 1012: all connections of one server within \
                     seconds, and no such row.",
    },
    Pair {
        codes: (1007, 1015),
        difference: "1007 is about text in an open connection, 1015 about encryption before there was one. Text in \
                     the wrong encoding can never cause a TLS failure, and a TLS failure never a 1007.",
        use_first: "You received text that is not UTF-8.",
        use_second: "Never send it. Repair certificates, versions or ciphers.",
        in_capture: "1007: close_frames and invalid_utf8. 1015: tls_failures, and no WebSocket handshake.",
    },
    Pair {
        codes: (1008, 1009),
        difference: "1009 is one rule with a code of its own: the message is too large. 1008 is for all rules that \
                     have none.",
        use_first: "Rate, permission, origin, behaviour.",
        use_second: "Size of a message. Say the limit in the reason.",
        in_capture: "close_reason; then the size of messages for 1009 and their rate, or the moment of login, for \
                     1008.",
    },
    Pair {
        codes: (1008, 1011),
        difference: "With 1008 the closer decided, with 1011 it failed. Some frameworks send 1008 by themselves for a \
                     request that fails their validation.",
        use_first: "You refuse, on purpose.",
        use_second: "Your code met an error that it did not expect.",
        in_capture: "duration_ms and close_reason; 1008 of all clients since a deployment is rather an error than a \
                     rule.",
    },
    Pair {
        codes: (1008, 1012),
        difference: "1008 sends a client away, 1012 asks it to come back. 1008 is about what this client did, 1012 \
                     has nothing to do with it.",
        use_first: "You refuse this peer: login, permission, rate, origin.",
        use_second: "You are a server that restarts and treat all clients alike.",
        in_capture: "1008 goes with a client, a user agent or a path. 1012 goes with a server_ip and a moment, and \
                     its clients return.",
    },
    Pair {
        codes: (1008, 1013),
        difference: "Both refuse a client for now. 1008 because of what this client did, 1013 because of what the \
                     server can bear: a rate limit is 1008, overload is 1013.",
        use_first: "This client breaks a rule, whether or not there is room.",
        use_second: "There is no room, whoever asks. Say how long to wait.",
        in_capture: "1008 is uneven between clients; 1013 is uneven between servers or over time.",
    },
    Pair {
        codes: (1008, 1015),
        difference: "Both can be about identity. 1015 concerns certificates, and fails before there is a WebSocket; \
                     1008 concerns tokens, users and rules of the application, in a connection that is open and can \
                     say so.",
        use_first: "The connection stands, and you refuse the peer.",
        use_second: "Never send it. A missing or wrong client certificate shows as it.",
        in_capture: "1008: close_frames, with a reason. 1015: tls_failures, with an alert such as \
                     certificate_required or unknown_ca.",
    },
    Pair {
        codes: (1008, 3000),
        difference: "3000 is one rule with a code of its own: the peer has not shown who it is. 1008 is the general \
                     refusal, and says less.",
        use_first: "Any rule without a code, or if the client's library may not know 3000.",
        use_second: "Login is missing, wrong or expired: the client can renew its token and come back.",
        in_capture: "Both come within moments of the handshake. close_reason tells what 1008 means.",
    },
    Pair {
        codes: (1008, 3003),
        difference: "3003 is one rule with a code of its own: the peer is known and has no permission. 1008 is the \
                     general refusal, and says less.",
        use_first: "Any rule without a code, or if the details are nobody's business.",
        use_second: "The user lacks a permission: coming back with a new token does not help.",
        in_capture: "close_reason, path and origin of those that were refused.",
    },
    Pair {
        codes: (1008, 4000),
        difference: "1008 is understood by every library and says only that a rule was broken. 4000 to 4999 are your \
                     own: they say exactly what happened, to those who know your documentation.",
        use_first: "Clients you do not know, or rules you do not want to explain.",
        use_second: "Clients of your own that act on it: log in again, slow down, give up. Document each code.",
        in_capture: "close_reason, and by host and path which application it is.",
    },
    Pair {
        codes: (3000, 3003),
        difference: "3000: I do not know who you are. 3003: I know, and you may not. After 3000 a new token helps, \
                     after 3003 it does not.",
        use_first: "Login is missing, wrong or expired.",
        use_second: "The user is known and lacks the permission.",
        in_capture: "A client that gets 3000, returns and stays had a stale token; one that gets 3003 again and again \
                     does not listen (reconnects).",
    },
];
