//! Codes that nobody registered: what their range says of them.

use super::{Clean, Evidence, Guidance, Retry, Sender, Trouble};

pub(super) static INVALID: Guidance = Guidance {
    meaning: "No close code: outside 1000 to 4999.",
    first_check: "close_frames.sender: which program sends it, and from which number it comes",
    description: "Close codes go from 1000 to 4999. Numbers below 1000 are not used, and above 4999 there is nothing. \
                  A receiver treats a Close frame with such a number as a protocol error, and usually answers 1002.",
    use_when: "Never send it. Received, it is a protocol error.",
    seen_when: &[
        "A program passes an HTTP status (401, 503), an errno or an exit code to close().",
        "The code is written in the wrong byte order: 1000 then appears as 59395.",
        "A text is sent as the body of a Close frame, without a code before it: its first two letters are read as one.",
    ],
    client_fixes: &[
        "If the client sends it: add 4000 to your own small numbers, and write the code in network byte order.",
    ],
    server_fixes: &[
        "If the server sends it: the same. Most libraries refuse such a code, so look for one that does not.",
    ],
    operator_fixes: &["Find the program that sends it, by user agent or by server address."],
    evidence: &[
        Evidence {
            table: "close_frames",
            columns: &["packet", "sender", "code", "kind", "reason"],
            shows: "the frame, its sender, and what the rest of the body says",
        },
        Evidence { table: "violations", columns: &["packet", "rule"], shows: "the breach, as invalid-close-code" },
    ],
    sender: Sender::Nobody,
    clean: Clean::Seldom,
    trouble: Trouble::Closer,
    retry: Retry::Unknown,
    references: &["RFC 6455 section 7.4.2"],
};

pub(super) static PROTOCOL: Guidance = Guidance {
    meaning: "Kept for future protocol versions: nobody may send it yet.",
    first_check: "close_frames.sender: which program sends a code that nobody defined",
    description: "1016 to 2999 are kept for later revisions of the protocol and for its extensions, and nothing is \
                  registered for this number. Until a specification defines it, sending it is a breach, which many \
                  libraries answer with 1002.",
    use_when: "Never send it, unless a specification has defined it since.",
    seen_when: &[
        "A program made codes of its own up, near the standard ones.",
        "A library is newer than this program and knows a code that has been registered since.",
    ],
    client_fixes: &["If the client sends it: move codes of your own to 4000 to 4999."],
    server_fixes: &[
        "If the server sends it: the same; strict clients fail the connection instead of reading the code.",
    ],
    operator_fixes: &["Look the number up in IANA's registry, in case it was registered since."],
    evidence: &[
        Evidence {
            table: "close_frames",
            columns: &["packet", "sender", "code", "kind", "reason"],
            shows: "the frame, its sender, and what the reason says",
        },
        Evidence {
            table: "connections",
            columns: &["close_reply", "reply_code"],
            shows: "a peer that answers 1002 did not accept the code",
        },
    ],
    sender: Sender::Nobody,
    clean: Clean::Seldom,
    trouble: Trouble::Closer,
    retry: Retry::Unknown,
    references: &["RFC 6455 section 7.4.2", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static LIBRARIES: Guidance = Guidance {
    meaning: "A library's or framework's code, not registered.",
    first_check: "close_reason, and the documentation of the library that the closer uses",
    description: "3000 to 3999 belong to libraries, frameworks and applications that register with IANA, first come, \
                  first served. Nobody has registered this number, so only the program that sends it knows what it \
                  means. It may be sent, and receivers must take it.",
    use_when: "You write a library or framework and register the code with IANA.",
    seen_when: &[
        "A framework uses a code of its own without registration.",
        "A program counts its own codes from 3000 instead of 4000.",
    ],
    client_fixes: &["Find the code in the documentation or source of the server's framework, and handle it by that."],
    server_fixes: &["Register codes that others meet, or move them to 4000 to 4999 and document them."],
    operator_fixes: &["Group by reason, host and path: the service that sends it is the one to ask."],
    evidence: &[
        Evidence {
            table: "close_frames",
            columns: &["code", "reason", "sender"],
            shows: "who sends it, and whether the reason explains it",
        },
        Evidence {
            table: "close_codes_by_endpoint",
            columns: &["host", "path", "code", "connections"],
            shows: "which service it is",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Unknown,
    retry: Retry::Unknown,
    references: &["RFC 6455 section 7.4.2", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static PRIVATE: Guidance = Guidance {
    meaning: "The application's own code: its documentation knows it.",
    first_check: "close_reason, then the documentation or source of that application",
    description: "4000 to 4999 are for private use, by agreement between the two ends. No registry knows them, and \
                  two applications may use the same number for different things. It may be sent, and receivers must \
                  take it.",
    use_when: "Both ends are yours, or your documentation defines the code.",
    seen_when: &[
        "The application closes for a reason of its own: a session that ended, a login elsewhere, a heartbeat that \
         was missed, a version that is too old.",
        "Services often add an HTTP status to 4000, so that 4401 means unauthorized and 4403 forbidden: a custom, no \
         rule.",
    ],
    client_fixes: &[
        "Look the code up in the API's documentation. It should say whether to connect again: for many such codes it \
         is useless.",
    ],
    server_fixes: &[
        "Document each code: what it means, and whether coming back helps. Add a reason in words.",
        "Search the source for the number if nobody knows it.",
    ],
    operator_fixes: &[
        "Group by host and path to find the service, then by time and client to see what its code goes with.",
    ],
    evidence: &[
        Evidence {
            table: "close_frames",
            columns: &["code", "reason", "sender"],
            shows: "who sends it, and whether the reason explains it",
        },
        Evidence {
            table: "close_codes_by_endpoint",
            columns: &["host", "path", "code", "connections"],
            shows: "which application it is",
        },
        Evidence {
            table: "connections",
            columns: &["duration_ms", "client_messages", "user_agent"],
            shows: "what those connections have in common",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::Unknown,
    retry: Retry::Unknown,
    references: &["RFC 6455 section 7.4.2"],
};
