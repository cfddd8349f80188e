//! 3000, 3003 and 3008: what IANA has registered for libraries and frameworks. Each is a counterpart of an HTTP status.

use super::{Clean, Evidence, Guidance, Retry, Sender, Trouble};

pub(super) static UNAUTHORIZED: Guidance = Guidance {
    meaning: "The peer has not shown who it is (like HTTP 401).",
    first_check: "The client's token: missing, expired, or sent where nobody looks for it",
    description: "The request needs a peer that has authenticated, and this one has not, or not successfully. It \
                  leaves open who may do it: that would be 3003. Registered by its counterpart, HTTP 401.",
    use_when: "The peer must log in, or log in again.",
    seen_when: &[
        "A token is missing, malformed, expired or revoked; also one that expires while the connection lives.",
        "A browser cannot set Authorization on a WebSocket, so the token is expected in a cookie, the query or the \
         first message, and is not there.",
        "A clock is wrong, or signing keys were rotated.",
    ],
    client_fixes: &[
        "Get a new token, then connect again. With the old one it ends in the same way.",
        "Renew tokens before they expire, also on connections that live long.",
    ],
    server_fixes: &[
        "Check in the handshake where possible, and answer 401 there.",
        "Say in the reason what is wrong with the token, not what would be right.",
    ],
    operator_fixes: &[
        "All clients at once: keys, clocks, or the identity service. Check that the proxy passes Authorization and \
         Cookie on.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["duration_ms", "client_messages", "close_reason"],
            shows: "closed within moments: at the beginning; after a round lifetime: the token expired",
        },
        Evidence {
            table: "connections",
            columns: &["user_agent", "origin", "client_ip"],
            shows: "one client, one version, or everyone",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Peer,
    retry: Retry::AfterFix,
    references: &["IANA WebSocket Close Code Number Registry", "RFC 9110 section 15.5.2"],
};

pub(super) static FORBIDDEN: Guidance = Guidance {
    meaning: "The peer is known and may not do this (like HTTP 403).",
    first_check: "The permissions of that user for that path or channel",
    description: "The peer has authenticated, and lacks the permission for what it asked. A new token for the same \
                  user changes nothing. Registered by its counterpart, HTTP 403.",
    use_when: "The peer is known and lacks the permission.",
    seen_when: &[
        "A user subscribes to a channel, room or tenant that is not theirs.",
        "A permission was taken away while the connection was open.",
        "The origin, the address or the plan of the customer is not allowed.",
    ],
    client_fixes: &["Do not connect again by itself: tell the user, or ask for the permission."],
    server_fixes: &[
        "Refuse the single request in a message of the application and keep the connection, unless all of it is \
         forbidden.",
        "Check in the handshake where possible, and answer 403 there.",
    ],
    operator_fixes: &["Many at once: look for a change of roles or rules at that time."],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["path", "origin", "close_reason"],
            shows: "what was asked for, from where, and what the answer says",
        },
        Evidence {
            table: "reconnects",
            columns: &["close_code", "delay_ms"],
            shows: "clients that come back at once although nothing has changed",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Peer,
    retry: Retry::AfterFix,
    references: &["IANA WebSocket Close Code Number Registry", "RFC 9110 section 15.5.4"],
};

pub(super) static TIMEOUT: Guidance = Guidance {
    meaning: "The peer took too long (like HTTP 408).",
    first_check: "What the closer waited for: a login, a heartbeat or an answer",
    description: "The closer waited for something of the application, and the peer did not send it in time. \
                  Registered by its counterpart, HTTP 408. The connection itself worked: where it did not, nobody \
                  could have said so, and it would be 1006.",
    use_when: "You waited for the peer in vain, and the connection itself still works.",
    seen_when: &[
        "A client does not log in, or does not answer a heartbeat, within the time that the application allows.",
        "A page sleeps in a background tab, where browsers slow timers down.",
        "The peer is too busy to answer.",
    ],
    client_fixes: &[
        "Answer heartbeats from code that is not blocked, and not from a timer of a page that may sleep.",
        "Connect again; if it repeats, find out what keeps the answer.",
    ],
    server_fixes: &[
        "Give slow networks and sleeping phones room: several missed heartbeats instead of one.",
        "Name in the reason what was waited for.",
    ],
    operator_fixes: &["Look for latency, loss or overload on the way at that time."],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["closed_by", "close_reason", "duration_ms"],
            shows: "who waited, for what, and whether it is always the same time",
        },
        Evidence {
            table: "connections",
            columns: &["client_messages", "server_messages", "missed_bytes"],
            shows: "whether the peer sent anything at all",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Peer,
    retry: Retry::Soon,
    references: &["IANA WebSocket Close Code Number Registry", "RFC 9110 section 15.5.9"],
};
