//! 1011 to 1014: trouble of the service itself, not of what its peer sent.

use super::{Clean, Evidence, Guidance, Retry, Sender, Trouble};

pub(super) static INTERNAL_ERROR: Guidance = Guidance {
    meaning: "The closer failed: an error of its own, not of the peer.",
    first_check: "The closer's log at ended_at; what it received just before",
    description: "An unexpected condition kept the closer from going on: WebSocket's counterpart of HTTP 500. RFC \
                  6455 speaks of servers; by its erratum 3227 and the registry's name a client may send it too. Most \
                  server frameworks send it for an error that no code of the program handled.",
    use_when: "You failed, and can still say so.",
    seen_when: &[
        "The program raises an error while it handles a message, a disconnect of its database included.",
        "One particular message makes it fail each time.",
        "Some libraries send it when a ping was not answered in time: the reason then says so.",
        "Memory, file descriptors or connections to other services have run out.",
    ],
    client_fixes: &[
        "Connect again with growing delays; do not send the message that failed again and again.",
        "If the client sends it: its own error handler was reached.",
    ],
    server_fixes: &[
        "Find the error in the log by time and client address, and handle it where it occurs.",
        "Put an identifier into the reason that the log has too; no stack traces.",
    ],
    operator_fixes: &[
        "One server only: that node. All at the same time: what they share, a database say, or a deployment.",
        "If the reason speaks of a keepalive or ping, treat it as 1006: network, or a peer that is too busy.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["closed_by", "close_reason", "ended_at", "server_ip"],
            shows: "who failed, where and when, for the search in its log",
        },
        Evidence {
            table: "close_codes_by_endpoint",
            columns: &["server_ip", "host", "path", "share"],
            shows: "whether it is one node, one path, or everything",
        },
        Evidence { table: "close_codes_over_time", columns: &["bucket", "connections"], shows: "since when" },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Closer,
    retry: Retry::Later,
    references: &["RFC 6455 section 7.4.1", "RFC 6455 erratum 3227", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static SERVICE_RESTART: Guidance = Guidance {
    meaning: "The service restarts and will be back in a moment.",
    first_check: "How many closed in the same moment, and how soon their clients came back",
    description: "The server closes because it restarts, and invites the client to connect again. Its registration \
                  asks clients to wait a random time of 5 to 30 seconds first, so that they do not all come at once. \
                  It is not in RFC 6455 but in IANA's registry, so older tools call it unknown.",
    use_when: "You are a server that restarts and will be back in a moment.",
    seen_when: &[
        "A deployment, a change of configuration, or a restart by the supervisor.",
        "A server is drained, and its clients shall move to others.",
        "A server that restarts in a loop: the same clients are closed again and again.",
    ],
    client_fixes: &[
        "Connect again after a random delay of 5 to 30 seconds, then with growing delays if that fails.",
        "Take up the state again after it: subscribe anew, ask for what was missed.",
    ],
    server_fixes: &[
        "Close the connections over some seconds, not all at once, and stop taking new ones first.",
        "Wait for the answers to the Close frames before the process exits; otherwise clients see 1006.",
    ],
    operator_fixes: &[
        "Restart one node at a time, and let the others take its clients before the next one.",
        "Have room for the storm: handshakes, TLS and first queries of all clients of a node within seconds.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["server_ip", "ended_at", "closed_by"],
            shows: "which servers, in what order, and over how long",
        },
        Evidence {
            table: "reconnects",
            columns: &["close_code", "delay_ms", "next_connection"],
            shows: "how soon clients came back: a peak near 0 is a storm, random delays are not",
        },
        Evidence {
            table: "close_codes_over_time",
            columns: &["bucket", "code", "connections"],
            shows: "one spike for each restart; a comb is a loop of restarts",
        },
    ],
    sender: Sender::Server,
    clean: Clean::Possible,
    trouble: Trouble::None,
    retry: Retry::Soon,
    references: &[
        "IANA WebSocket Close Code Number Registry",
        "hybi mailing list, 2012: Additional WebSocket Close Error Codes",
    ],
};

pub(super) static TRY_AGAIN_LATER: Guidance = Guidance {
    meaning: "The server is overloaded: come back later.",
    first_check: "Load of that server at ended_at: connections, memory, what it waits for",
    description: "The server is up and cannot serve this client now: the counterpart of HTTP 503. Its registration \
                  asks a client to come back to another address if there is one, and to the same one only when the \
                  user asks for it. Like 1012 it is in IANA's registry and not in RFC 6455.",
    use_when: "You are a server that cannot serve this client now.",
    seen_when: &[
        "A server has reached its number of connections, or sheds load.",
        "Something that it depends on is slow or away, and it closes instead of queueing.",
        "A client reads too slowly, and what is queued for it has reached its limit.",
    ],
    client_fixes: &[
        "Wait, longer after each attempt, with a random part; use another address if there is one.",
        "If it reads too slowly: read faster, or subscribe to less.",
    ],
    server_fixes: &[
        "Refuse with HTTP 503 in the handshake where you can: it is cheaper than a connection that is closed.",
        "Say in the reason how long to wait.",
    ],
    operator_fixes: &[
        "Add capacity, or spread connections by their number: round-robin leaves long-lived ones unbalanced.",
        "Look for clients that come back at once: they keep the overload up.",
    ],
    evidence: &[
        Evidence {
            table: "close_codes_by_endpoint",
            columns: &["server_ip", "share"],
            shows: "one overloaded node, or all of them",
        },
        Evidence {
            table: "reconnects",
            columns: &["close_code", "delay_ms"],
            shows: "whether clients wait, or come back at once",
        },
        Evidence {
            table: "connections",
            columns: &["duration_ms", "opened_at"],
            shows: "closed at once is a limit on connections; after a while it is load, or a slow reader",
        },
    ],
    sender: Sender::Server,
    clean: Clean::Possible,
    trouble: Trouble::Closer,
    retry: Retry::Later,
    references: &[
        "IANA WebSocket Close Code Number Registry",
        "hybi mailing list, 2012: Additional WebSocket Close Error Codes",
    ],
};

pub(super) static BAD_GATEWAY: Guidance = Guidance {
    meaning: "A proxy got no valid answer from the server behind it.",
    first_check: "The proxy's log, and the connection behind it: refused, reset or no answer",
    description: "The end that closed is a gateway, and its own connection to the server behind it failed: the \
                  counterpart of HTTP 502. The client's connection to the gateway was sound. It is in IANA's registry \
                  and not in RFC 6455.",
    use_when: "You are a gateway, and the server behind you did not answer properly.",
    seen_when: &[
        "The server behind the gateway crashed, restarts, or does not listen.",
        "It refused the upgrade, or answered it wrongly.",
        "The gateway connects to it with the wrong port, protocol (ws, wss) or certificate.",
    ],
    client_fixes: &["Connect again with growing delays. There is nothing to repair in the client."],
    server_fixes: &["Look at the server behind the gateway at that time: crashes, restarts, its own refusals."],
    operator_fixes: &[
        "Capture behind the gateway: there the connection has a close code of its own, which is the real one.",
        "Check health checks and the gateway's list of servers; take dead ones out before clients meet them.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["server_ip", "ended_at", "close_reason", "duration_ms"],
            shows: "which gateway and when; at once means that it never reached the server behind it",
        },
        Evidence {
            table: "connections",
            columns: &["client_ip", "forwarded_for", "close_code", "http_status"],
            shows: "in a capture behind the gateway: its own connections, and how they ended or were refused",
        },
    ],
    sender: Sender::Server,
    clean: Clean::Possible,
    trouble: Trouble::Backend,
    retry: Retry::Later,
    references: &["IANA WebSocket Close Code Number Registry"],
};
