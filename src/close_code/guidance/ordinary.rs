//! 1000 and 1001: closes that are part of ordinary life.

use super::{Clean, Evidence, Guidance, Retry, Sender, Trouble};

pub(super) static NORMAL_CLOSURE: Guidance = Guidance {
    meaning: "The connection did its work and was closed on purpose.",
    first_check: "Nothing, unless it came early: compare duration_ms with other connections",
    description: "One end had nothing more to do and said so, the other agreed. It is the code that every library \
                  sends when a program calls close() without choosing one, so it proves that somebody wanted to \
                  close, not that the work was done.",
    use_when: "The work of this connection is done, and neither end expects more of it.",
    seen_when: &[
        "The program closed the connection: the user logged out, the job was done, the page's code called close().",
        "A library, or a framework around it, closes idle or surplus connections and does not bother with another \
         code.",
        "An error handler closes without a code of its own and so hides the error behind 1000.",
    ],
    client_fixes: &[
        "Nothing to repair if the client itself wanted to close. Do not connect again by itself.",
        "If the server closes with 1000 while the client still waits for something, ask for a code that says why.",
    ],
    server_fixes: &[
        "Send 1000 only where the work is done. Errors are 1011, refusals 1008 or a code of your own from 4000 on, \
         restarts 1012, shutdowns 1001.",
        "Look for error handlers that close without a code: the library fills in 1000.",
    ],
    operator_fixes: &[
        "Do not alarm on it. Watch the median lifetime instead: a sudden drop means that something closes politely \
         and too early.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["closed_by", "close_reply", "clean"],
            shows: "who closed, whether the other end answered with 1000 too, and whether TCP then ended with FIN",
        },
        Evidence {
            table: "connections",
            columns: &["duration_ms", "client_messages", "server_messages"],
            shows: "a short life, or requests without answers, where 1000 came too early",
        },
        Evidence {
            table: "close_codes",
            columns: &["median_duration_ms"],
            shows: "the usual lifetime to compare with",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::None,
    retry: Retry::AsNeeded,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};

pub(super) static GOING_AWAY: Guidance = Guidance {
    meaning: "One end is leaving: a page was left, or a server goes down.",
    first_check: "closed_by: client is a page being left; server, many at once, a shutdown",
    description: "The end that closes is about to disappear, and would have closed whatever the peer did. A browser \
                  sends it when the user leaves or reloads the page; a server sends it when it shuts down. Unlike \
                  1012 it does not promise that the same server comes back.",
    use_when: "You are about to disappear: a page that is left, a server that shuts down for good.",
    seen_when: &[
        "A user navigates away, reloads, or closes the tab. This is the usual end of a browser's WebSocket.",
        "A server or a proxy shuts down, drains its connections before a deployment, or scales in.",
        "Some servers and proxies use it when a connection was idle for too long, or had reached its greatest age.",
    ],
    client_fixes: &[
        "A page that is being left needs nothing.",
        "If the server closes: connect again after a random delay, so that the clients of that server do not all come \
         back in the same second.",
    ],
    server_fixes: &[
        "Before a shutdown, stop taking connections, then close the open ones over some seconds instead of all at \
         once.",
        "Prefer 1012 if the service is back in a moment: it tells clients that coming back is welcome.",
    ],
    operator_fixes: &[
        "Set the time for draining longer than clients need to move.",
        "If these closes share one age or idle time, look for that number in the proxy's configuration.",
    ],
    evidence: &[
        Evidence {
            table: "connections",
            columns: &["closed_by", "server_ip", "ended_at"],
            shows: "scattered closes by clients are pages being left; many of one server within seconds are a shutdown",
        },
        Evidence {
            table: "close_codes_over_time",
            columns: &["bucket", "connections"],
            shows: "a spike is a shutdown, a steady level is people coming and going",
        },
        Evidence {
            table: "connections",
            columns: &["duration_ms"],
            shows: "the same lifetime again and again is a limit that somebody configured",
        },
    ],
    sender: Sender::Either,
    clean: Clean::Possible,
    trouble: Trouble::None,
    retry: Retry::Soon,
    references: &["RFC 6455 section 7.4.1", "IANA WebSocket Close Code Number Registry"],
};
