//! 1004, 1005, 1006 and 1015: codes that nobody may send. All but 1004 name what a program, or a capture, finds out.

use super::{Clean, Evidence, Guidance, Retry, Sender, Trouble};

pub(super) static RESERVED: Guidance = Guidance {
    meaning: "Reserved without a meaning: nobody may send it.",
    first_check: "close_frames.sender: which program sends a code that has no meaning",
    description: "RFC 6455 keeps the number for a meaning that was never defined. A receiver treats a Close frame \
                  that carries it as a protocol error. Very old drafts used it for frames that are too large; 1009 is \
                  that today.",
    use_when: "Never send it. Received, it is a protocol error.",
    seen_when: &[
        "A program counts up from 1000 for codes of its own.",
        "A library from before RFC 6455 (2011) means what is 1009 today.",
    ],
    client_fixes: &["If the client sends it: use a code from 4000 on for meanings of your own, 1009 for size."],
    server_fixes: &["If the server sends it: the same."],
    operator_fixes: &["Find the program that sends it, by user agent or by server address."],
    evidence: &[
        Evidence {
            table: "close_frames",
            columns: &["packet", "sender", "code", "kind", "reason"],
            shows: "the frame, its sender, and what the sender meant if it says so",
        },
        Evidence { table: "violations", columns: &["packet", "rule"], shows: "the breach, as invalid-close-code" },
    ],
    sender: Sender::Nobody,
    clean: Clean::Seldom,
    trouble: Trouble::Closer,
    retry: Retry::Unknown,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static NO_STATUS_RECEIVED: Guidance = Guidance {
    meaning: "A Close frame without a code: no reason was given.",
    first_check: "closed_by: whose program closes without a code, and whether on purpose",
    description: "The first Close frame had an empty body. That is allowed, and the closing handshake can complete as \
                  usual; the receiver's program is told 1005 in place of the code that is not there. So 1005 is a \
                  fact about the frame, never a number in it.",
    use_when: "Never send it. Take it as an ordinary close.",
    seen_when: &[
        "A program calls close() without a code: browsers then send an empty Close frame.",
        "A library has no way to choose a code, or its default is none.",
        "A proxy closes towards both ends and has no code to pass on.",
    ],
    client_fixes: &["Pass a code to close(): 1000 if all went well."],
    server_fixes: &[
        "Treat it like 1000 where a browser is the client.",
        "Never copy 1005 into a Close frame: answer an empty one with an empty one.",
    ],
    operator_fixes: &["Count it with the ordinary closes, unless one server sends it suddenly."],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["close_code_source", "closed_by", "close_reply"],
            shows: "empty-frame: the Close frame was there and empty; who sent it, and how it was answered",
        },
        Evidence {
            table: "close_frames",
            columns: &["packet", "code", "payload_bytes"],
            shows: "the frame itself: no code, 0 bytes. One that does say 1005 is a row of violations",
        },
    ],
    sender: Sender::Nobody,
    clean: Clean::Possible,
    trouble: Trouble::None,
    retry: Retry::AsNeeded,
    references: &["RFC 6455 section 7.4.1", "RFC 6455 section 7.1.5", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static ABNORMAL_CLOSURE: Guidance = Guidance {
    meaning: "TCP ended without a Close frame: cut, reset or timed out.",
    first_check: "tcp_ended_by and tcp_end: who ended TCP, by FIN or RST, after what silence",
    description: "No Close frame came before TCP ended, so nobody said why. Each program is told 1006 on its own \
                  side; on the wire there is only a FIN, a RST, or silence. The ends can differ: one may have seen an \
                  ordinary close that never reached the other.",
    use_when: "Never send it. Take it as a failure: network, proxy, crash.",
    seen_when: &[
        "A process crashes or is killed, and the system closes its sockets: FIN, or RST if data was unread.",
        "A proxy, load balancer, NAT or firewall drops the connection after its idle time, often 60, 350 or 3600 \
         seconds.",
        "A network goes away: a phone changes cells, a laptop sleeps, a cable is pulled. Then the capture shows \
         retransmissions into silence.",
        "A program closes the socket itself instead of the WebSocket.",
        "In browsers, also any failed attempt to connect: the reason is hidden from the page on purpose.",
    ],
    client_fixes: &[
        "Connect again with growing, random delays, and take up the state again: messages under way may be lost.",
        "Send pings, or messages of the application, more often than the shortest idle limit on the way.",
    ],
    server_fixes: &[
        "Close WebSockets before the process exits: handle the signal, send 1001 or 1012, wait for the answers.",
        "Send pings and drop peers that do not answer, so that dead connections do not pile up.",
        "Look into the log for crashes, memory kills and unhandled errors at these moments.",
    ],
    operator_fixes: &[
        "Raise idle timeouts for these paths on every hop, or keep them and have the ends ping.",
        "Capture on both sides of a proxy: the side where the first FIN or RST appears points to who cut.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["cause", "cause_packet"],
            shows: "reset-by-client, reset-by-server, closed-without-close-frame, idle-timeout or peer-vanished, and \
                    the packet that shows it",
        },
        Evidence {
            table: "connections",
            columns: &["tcp_end", "tcp_ended_by", "closed_by"],
            shows: "FIN is a socket that was closed, RST one that was aborted; by whom",
        },
        Evidence {
            table: "connections",
            columns: &["duration_ms", "path", "server_ip"],
            shows: "many of the same age are a timeout; many at the same moment a crash or a cut",
        },
        Evidence {
            table: "connections",
            columns: &["missed_bytes", "complete"],
            shows: "in an incomplete connection the Close frame may be what the capture missed",
        },
    ],
    sender: Sender::Nobody,
    clean: Clean::Never,
    trouble: Trouble::Path,
    retry: Retry::Later,
    references: &["RFC 6455 section 7.4.1", "RFC 6455 section 7.1.5", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static TLS_HANDSHAKE: Guidance = Guidance {
    meaning: "TLS failed, so there never was a WebSocket.",
    first_check: "tls_failures: the alert, who sent it, and the server's certificate",
    description: "The TLS handshake before the WebSocket's opening handshake failed. Nothing of WebSocket was ever \
                  sent, so no Close frame can carry this code: it exists for programs, and most browsers report 1006 \
                  in its place. A capture shows the handshake, and an alert if one was sent: in the clear up to TLS 1.2; \
                  in TLS 1.3 with --keylog, and else told by order and size. It counts as 1015 where the server is \
                  known to serve WebSockets in the capture, or is named with --websocket-server.",
    use_when: "Never send it. Take it as a fault of the configuration: certificates, versions, ciphers.",
    seen_when: &[
        "The certificate has expired, is not valid yet, is for another name, or is signed by an authority that the \
         client does not know (a self-signed one, a company's proxy).",
        "The server does not send the intermediate certificate: browsers may cope, other clients do not.",
        "Client and server share no version or no cipher, after one of them was hardened or is very old.",
        "The client does not send the name (SNI), or a client certificate is missing.",
        "ws:// and wss:// are mixed up: TLS is spoken to a port that does not, or the reverse.",
    ],
    client_fixes: &[
        "Connect to the name that the certificate is for, with a right clock and current root certificates.",
        "Do not switch verification off: add the authority that signs instead.",
    ],
    server_fixes: &[
        "Renew the certificate and send the whole chain.",
        "Offer TLS 1.2 and 1.3, with ciphers that your oldest supported clients have.",
    ],
    operator_fixes: &[
        "Check the certificate on every node and on every address behind the name: one stale node makes failures that \
         come and go.",
        "Alarm on certificates that expire within weeks.",
    ],
    evidence: &[
        Evidence {
            table: "tls_failures",
            columns: &["connection", "cause", "alert", "alert_sender", "packet"],
            shows: "why, what the end that gave up says, and where; connection is null if the server is not known to \
                    serve WebSockets: name it with --websocket-server",
        },
        Evidence {
            table: "tls_failures",
            columns: &["sni", "offered_versions", "version", "cipher"],
            shows: "what was asked for and what was chosen",
        },
        Evidence {
            table: "tls_failures",
            columns: &["certificate_subject", "certificate_not_after"],
            shows: "the certificate: in the clear up to TLS 1.2, with --keylog in TLS 1.3",
        },
        Evidence {
            table: "connections",
            columns: &["cause", "cause_packet", "sni", "close_code_source"],
            shows: "why, in one word, and where; inferred, because no frame can say it. A Close frame that does is a \
                    row of violations",
        },
    ],
    sender: Sender::Nobody,
    clean: Clean::Never,
    trouble: Trouble::Agreement,
    retry: Retry::AfterFix,
    references: &["RFC 6455 section 7.4.1", "RFC 8446 section 6", "IANA WebSocket Close Code Number Registry"],
};
