//! 1002, 1003 and 1007 to 1010: one end cannot accept what the other sent, or did not agree to.

use super::{Clean, Evidence, Guidance, Retry, Sender, Trouble};

pub(super) static PROTOCOL_ERROR: Guidance = Guidance {
    meaning: "The closer received frames that break the protocol.",
    first_check: "violations: what the other end sent just before, and which rule it breaks",
    description: "The end that closes received something that is no valid WebSocket framing: a frame that must not \
                  be, or must not be there. The content of messages plays no part in it. The bytes on the wire are \
                  wrong, so the fault lies in a library, or in something between the ends that changes the bytes; \
                  application code can hardly cause it.",
    use_when: "You received a frame that RFC 6455 forbids. Libraries send it; applications should not.",
    seen_when: &[
        "A client sends unmasked frames, or a server masked ones.",
        "Reserved bits are set although no extension gives them a meaning, often because only one end compresses.",
        "A control frame is fragmented or longer than 125 bytes, an opcode is unknown, or a fragment has no beginning.",
        "A Close frame carries a code that must not be sent, such as 1005 or 1006, or a body of one byte.",
        "A proxy, or code that writes to the socket itself, puts foreign bytes into the stream.",
    ],
    client_fixes: &[
        "If the server closes: update the client's library, and stop writing to its socket from elsewhere, two \
         threads without a lock included.",
        "Switch compression off (permessage-deflate) to see whether it is the cause.",
    ],
    server_fixes: &[
        "If the client closes: the same for the server's library.",
        "Never send a code that was received as 1005, 1006 or 1015 back in a Close frame.",
    ],
    operator_fixes: &[
        "Compare captures from both sides of each proxy: the hop where the bytes change is the culprit.",
        "A proxy that does not know extensions must take Sec-WebSocket-Extensions out of the handshake, or leave both \
         handshake and frames alone.",
    ],
    evidence: &[
        Evidence {
            table: "violations",
            columns: &["packet", "sender", "rule", "section", "detail"],
            shows: "the broken rule and the packet that shows it; the sender is the closer's peer",
        },
        Evidence {
            table: "connections",
            columns: &["closed_by", "user_agent", "extensions"],
            shows: "whose peer is at fault, which program that is, and what was agreed to",
        },
        Evidence {
            table: "connections",
            columns: &["violations", "complete"],
            shows: "no violation in a complete connection: the closer was wrong, or broke off for a reason of its own",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Seldom,
    trouble: Trouble::Peer,
    retry: Retry::AfterFix,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static UNSUPPORTED_DATA: Guidance = Guidance {
    meaning: "The closer received a kind of message that it does not take.",
    first_check: "What the other end sent last: text where binary is expected, or the reverse",
    description: "The framing was right and the message well formed, but of a kind that the receiver does not \
                  process: most often binary where it takes only text, or text where it takes only binary.",
    use_when: "You received a well-formed message of a kind that you do not process.",
    seen_when: &[
        "A client sends binary messages to a server that speaks JSON in text messages, or the reverse.",
        "Client and server were built for different subprotocols, or for different versions of one.",
        "A serializer was switched, to MessagePack or protobuf say, at one end only.",
    ],
    client_fixes: &[
        "Send what the server's documentation asks for; in browsers, a string is sent as text, an ArrayBuffer or Blob \
         as binary.",
        "Offer the subprotocol in the handshake, and check which one the server chose.",
    ],
    server_fixes: &[
        "Name what is accepted: refuse an unknown subprotocol in the handshake instead of closing later.",
        "Put into the reason which kind was expected and which one came.",
    ],
    operator_fixes: &["After a deployment, look whether only old clients, or only new servers, are affected."],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["closed_by", "close_reason", "subprotocol"],
            shows: "who refused, what it says about it, and what both had agreed to speak",
        },
        Evidence {
            table: "connections",
            columns: &["client_messages", "server_messages", "duration_ms"],
            shows: "whether it was the first message that was refused",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Agreement,
    retry: Retry::AfterFix,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static INVALID_FRAME_PAYLOAD_DATA: Guidance = Guidance {
    meaning: "The closer received data that its type forbids: bad UTF-8.",
    first_check: "invalid_utf8: which message, at which byte, and what the bytes really are",
    description: "A message's bytes do not fit its type. Nearly always this is a text message, or a Close reason, \
                  that is not UTF-8; some libraries also use it for compressed data that cannot be inflated. The \
                  framing was right: that would be 1002.",
    use_when: "You received a text message or a Close reason that is not UTF-8. Libraries send it by themselves.",
    seen_when: &[
        "Text in another encoding, Windows-1252 say, is sent as a text message without conversion.",
        "Binary data (an image, gzip, protobuf, MessagePack) is sent with the opcode for text.",
        "A text is cut at a number of bytes, in the middle of a character, and the pieces are sent as messages of \
         their own.",
        "A string with lone surrogates, or from a C buffer with bytes behind its end, is sent as it is.",
        "Frames of one message are put together wrongly, or compressed data is damaged.",
    ],
    client_fixes: &[
        "Encode text as UTF-8 before it is sent, and send everything else as binary messages.",
        "Cut texts between characters, or send one message in fragments: a fragment may end inside a character.",
    ],
    server_fixes: &[
        "The same for what the server sends. Look at every place that turns bytes into a text message.",
        "Do not switch validation off to be rid of the closes: the next reader fails instead.",
    ],
    operator_fixes: &[
        "Proxies that rewrite messages must keep the opcode and the bytes. Compare captures from both of their sides.",
        "After a deployment, look whether one version of the client, by user agent, sends all of them.",
    ],
    evidence: &[
        Evidence {
            table: "invalid_utf8",
            columns: &["packet", "sender", "message", "byte_offset", "error", "context_hex"],
            shows: "the first bad byte: whose, in which message and packet, what is wrong, and the bytes around it",
        },
        Evidence {
            table: "invalid_utf8",
            columns: &["likely_cause", "peer_close_code", "peer_reaction_ms"],
            shows: "what the bytes look like instead, and how fast the peer closed over it",
        },
        Evidence {
            table: "connections",
            columns: &["invalid_utf8", "undecodable_messages", "complete"],
            shows: "no invalid text in a complete connection: the closer was wrong, or the compressed data was",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Peer,
    retry: Retry::AfterFix,
    references: &["RFC 6455 section 7.4.1", "RFC 6455 section 8.1", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static POLICY_VIOLATION: Guidance = Guidance {
    meaning: "The closer's own rules forbid what the peer did.",
    first_check: "close_reason, then duration_ms: moments are authentication, else a limit",
    description: "The peer spoke correct WebSocket and did something that the closer does not allow. It is the \
                  general refusal: RFC 6455 offers it where no other code fits, or where the details are nobody's \
                  business. So the code says that a rule was broken and never which one; the reason may.",
    use_when: "You refuse to go on with this peer, and no other code says why.",
    seen_when: &[
        "A token is missing, wrong or expired, and the server accepts the handshake first and refuses afterwards.",
        "A client sends too much or too often, has too many connections, or misses a heartbeat of the application.",
        "The origin is not on the list, or the user may not see what was asked for.",
        "Some frameworks send it by themselves, for a request that fails their validation.",
    ],
    client_fixes: &[
        "Read the reason. Renew the token before connecting again; do not connect again with the one that was refused.",
        "Stay under the documented rate, and wait longer after each refusal.",
    ],
    server_fixes: &[
        "Say in the reason which rule it was, in words that a client can test for; or use 3000, 3003 or a code of \
         your own from 4000 on.",
        "Check authentication and origin in the handshake, and answer 401 or 403 instead of 101: that is cheaper and \
         seen by every HTTP log.",
    ],
    operator_fixes: &[
        "Many clients at once: look for keys or certificates that were rotated, a clock that is wrong, or a limit \
         that counts all clients behind one address as one.",
        "Check that the proxy passes Authorization, Cookie and Origin on.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["close_reason", "closed_by", "duration_ms"],
            shows: "what was said; closed within moments of the handshake is authentication",
        },
        Evidence {
            table: "connections",
            columns: &["client_messages", "client_payload_bytes", "client_ip"],
            shows: "a burst before the close is a rate limit; one client only, or all of them",
        },
        Evidence {
            table: "connections",
            columns: &["origin", "path", "forwarded_for"],
            shows: "what the refused ones have in common",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Peer,
    retry: Retry::AfterFix,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static MESSAGE_TOO_BIG: Guidance = Guidance {
    meaning: "The closer received a message larger than it accepts.",
    first_check: "Size of the peer's last message against the closer's limit; libraries differ",
    description: "A message, or one frame of it, exceeded a limit of the receiver. The limit counts the message as a \
                  whole, unmasked and, in most libraries, inflated, and it holds for each hop: a proxy may have a \
                  smaller one than the server.",
    use_when: "You received a message above your limit. Say the limit in the reason.",
    seen_when: &[
        "A message is larger than the library's default, which is anything from 64 KiB to 100 MiB.",
        "A result, a file or a history is sent in one message, and data has grown with time.",
        "A small compressed message inflates to a large one.",
        "A proxy between the ends has a limit of its own and closes towards both.",
    ],
    client_fixes: &[
        "Send large things in several messages, or over HTTP with a reference in the message.",
        "If the client closes: raise its limit, or ask the server for pages.",
    ],
    server_fixes: &[
        "Set the limit explicitly, document it, and say it in the reason.",
        "Bound what a reply can grow to; page results.",
    ],
    operator_fixes: &["List the limit of every hop. The smallest one counts."],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["closed_by", "close_reason", "extensions"],
            shows: "whose limit it was, the limit if it is named, and whether messages were compressed",
        },
        Evidence {
            table: "connections",
            columns: &["client_payload_bytes", "client_messages", "server_payload_bytes", "server_messages"],
            shows: "how large messages were on the average; the one that was refused is often not among the complete \
                    ones",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Agreement,
    retry: Retry::AfterFix,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static MANDATORY_EXTENSION: Guidance = Guidance {
    meaning: "The client needs an extension that the server left out.",
    first_check: "extensions: what the server agreed to, against what the client insists on",
    description: "The client offered an extension in the handshake that it cannot do without, and the server's answer \
                  did not agree to it. The reason should name the extension. Servers do not send it: they refuse the \
                  handshake instead.",
    use_when: "You are a client, and the server did not agree to an extension that you cannot do without.",
    seen_when: &[
        "A client insists on permessage-deflate and the server does not have it, or has it switched off.",
        "A proxy takes Sec-WebSocket-Extensions out of the request or the answer.",
    ],
    client_fixes: &[
        "Do without: compression is never needed for correctness.",
        "Name the missing extension in the reason.",
    ],
    server_fixes: &["Enable the extension, or document that there is none."],
    operator_fixes: &["Check that proxies pass Sec-WebSocket-Extensions on, both ways."],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["extensions", "closed_by", "close_reason"],
            shows: "what was agreed to, and what the client misses; closed by the client",
        },
        Evidence {
            table: "connections",
            columns: &["duration_ms"],
            shows: "moments: it is the first thing that the client does",
        },
    ],
    sender: Sender::Client,
    clean: Clean::Possible,
    trouble: Trouble::Agreement,
    retry: Retry::AfterFix,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};
