//! Pairs of codes for trouble of the service, 1011 to 1014, and of TLS.

use super::Pair;

pub(super) static PAIRS: &[Pair] = &[
    Pair {
        codes: (1011, 1012),
        difference: "1011 is an accident, 1012 is planned. With 1011 an error reached the end of the closer's code; \
                     with 1012 the server restarts on purpose and expects its clients back.",
        use_first: "Your code failed for this connection.",
        use_second: "The whole service restarts.",
        in_capture: "1011 strikes single connections, often after one message. 1012 strikes all of a server within \
                     seconds. 1011 of all at once is a restart whose code is wrong, or a shared dependency that \
                     failed.",
    },
    Pair {
        codes: (1011, 1013),
        difference: "Both are the server's trouble. 1011 is an error that nobody expected, 1013 a decision: too much \
                     load, come back later.",
        use_first: "An error that no code handled.",
        use_second: "You shed load on purpose.",
        in_capture: "1013 rises and falls with the number of connections; 1011 with a deployment, a dependency or one \
                     kind of message.",
    },
    Pair {
        codes: (1011, 1014),
        difference: "Where the error is: 1011 in the server that closed, 1014 in a server behind it. 500 and 502 of \
                     HTTP.",
        use_first: "You are the server that failed.",
        use_second: "You are a gateway, and the server behind you did not answer properly.",
        in_capture: "For 1014, capture behind the gateway: the connection there has a close code of its own.",
    },
    Pair {
        codes: (1012, 1013),
        difference: "Both ask the client to come back. 1012 soon, because a restart is short; 1013 later or \
                     elsewhere, because coming back at once makes the overload worse.",
        use_first: "You restart. Clients wait 5 to 30 seconds, at random.",
        use_second: "You are overloaded. Clients wait longer each time, or take another address.",
        in_capture: "1012: every connection of a server within seconds. 1013: new connections closed at once, while \
                     old ones go on.",
    },
    Pair {
        codes: (1012, 1014),
        difference: "A restart seen from two sides: the server itself says 1012; a gateway whose server has gone says \
                     1014.",
        use_first: "You are the server, and restart.",
        use_second: "You are the gateway, and got no valid answer.",
        in_capture: "1014 from the gateway just after 1012 or 1006 behind it: the gateway kept sending clients to a \
                     server that was restarting.",
    },
    Pair {
        codes: (1012, 1015),
        difference: "1012 ends an open connection with an invitation to return; 1015 means that none was opened, \
                     because TLS failed. A restart with a new and wrong certificate gives first the one, then the \
                     other.",
        use_first: "You are a server that restarts.",
        use_second: "Never send it. Repair certificates, versions or ciphers.",
        in_capture: "1012: close_frames, then reconnects. If instead rows of tls_failures follow for the same \
                     server_ip, the restart brought a TLS setting that clients do not accept.",
    },
    Pair {
        codes: (1013, 1014),
        difference: "1013 is overload of the end that closed, 1014 a failure behind it. 503 and 502 of HTTP.",
        use_first: "You are up, and cannot serve this client now.",
        use_second: "You are a gateway, and the server behind you did not answer properly.",
        in_capture: "Capture behind the gateway: with 1013 there may be no connection at all, with 1014 there is a \
                     failed one.",
    },
];
