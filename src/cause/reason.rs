//! What the reason of a Close frame says, by its words. Reasons are for people (RFC 6455 section 7.1.6): only words that
//! leave little doubt count.

/// The words of a reason, in lower case.
pub(super) struct Reason(Vec<String>);

impl Reason {
    /// The words of `bytes`, which need not be UTF-8.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        let words = text.split(|character: char| !character.is_alphanumeric());
        Self(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any word begins with one of `stems`.
    fn has(&self, stems: &[&str]) -> bool {
        self.0.iter().any(|word| stems.iter().any(|stem| word.starts_with(stem)))
    }

    /// Whether these two words follow each other, the second by its beginning.
    fn has_pair(&self, first: &str, second: &str) -> bool {
        self.0.windows(2).any(|pair| matches!(pair, [a, b] if a == first && b.starts_with(second)))
    }

    /// It is about who the peer is: `authentication failed`, `token expired`, `invalid API key`.
    pub(super) fn is_about_identity(&self) -> bool {
        self.has(&["authenti", "authoriz", "authoris", "unauth", "jwt", "login", "credential", "password", "apikey"])
            || (self.has(&["token"]) && !self.is_about_syntax())
            || self.0.iter().any(|word| word == "auth" || word == "oauth")
            || self.has_pair("api", "key")
            || self.has_pair("log", "in")
            || ["logged", "sign", "signed"].iter().any(|word| self.has_pair(word, "in"))
            || self.has_pair("session", "expired")
            || self.has_pair("invalid", "session")
            || ["access", "permission"].iter().any(|word| self.has_pair(word, "denied"))
    }

    /// It is about how much the peer sends: `rate limit exceeded`, `too many messages`, `slow down`.
    pub(super) fn is_about_rate(&self) -> bool {
        let rate = self.0.iter().any(|word| word == "rate") && self.has(&["limit", "exceed", "high"]);
        let sent = ["message", "msg", "request", "frame", "event", "command", "call", "ping", "packet", "update"];
        rate || self.has(&["ratelimit", "throttl", "flood"])
            || self.has_pair("slow", "down")
            || self.has_pair("too", "fast")
            // How many connections or subscriptions there may be is not about how fast they send.
            || (self.has_pair("too", "many") && self.has(&sent))
    }

    /// It is about text that a parser does not take, which has tokens of its own: `Unexpected token < in JSON`.
    fn is_about_syntax(&self) -> bool {
        self.has(&["unexpected", "json", "syntax", "pars"])
    }

    /// It is about a Ping or heartbeat that was not answered: `keepalive ping timeout`.
    pub(super) fn is_about_pings(&self) -> bool {
        self.has(&["ping", "pong", "heartbeat", "keepalive"]) && self.is_about_time()
    }

    /// It is about having been idle for too long: `idle timeout`.
    pub(super) fn is_about_idleness(&self) -> bool {
        self.has(&["idle", "inactiv"]) && self.is_about_time()
    }

    fn is_about_time(&self) -> bool {
        self.has(&["timeout", "timed", "expired", "missed", "lost", "long"]) || self.has_pair("time", "out")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_by_their_words() {
        let about = |text: &str| {
            let reason = Reason::of(text.as_bytes());
            let told = [
                (reason.is_about_identity(), "identity"),
                (reason.is_about_rate(), "rate"),
                (reason.is_about_pings(), "pings"),
                (reason.is_about_idleness(), "idleness"),
            ];
            told.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect::<Vec<_>>().join(" ")
        };
        for text in [
            "Authentication failed",
            "token expired",
            "invalid token",
            "Invalid JWT",
            "Unauthorized",
            "invalid API-key",
            "auth",
            "Session expired",
        ] {
            assert_eq!(about(text), "identity", "{text}");
        }
        for text in [
            "Rate limit exceeded: 5 msg/s",
            "Message rate too high",
            "too many messages",
            "Too Many Requests",
            "slow down!",
            "flooding",
            "rate-limited",
        ] {
            assert_eq!(about(text), "rate", "{text}");
        }
        assert_eq!(about("keepalive ping timeout"), "pings");
        assert_eq!(about("Connection Idle Timeout"), "idleness");
        for text in [
            "slow consumer",
            "too many subscriptions",
            "sample rate not supported",
            "spam",
            "Unexpected token < in JSON at position 0",
            "",
            "author banned",
            "operator said no",
            "too many connections",
            "idle hands",
            "shopping",
            "\u{fffd}",
        ] {
            assert_eq!(about(text), "", "{text}");
        }
    }
}
