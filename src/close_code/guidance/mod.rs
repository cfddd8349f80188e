//! What a close code means to whoever has to act on it: the text behind `explain`, and behind a line of the summary.
//!
//! In comes a code, out goes its [`Guidance`]: data that each output lays out in its own way. Every code has one: the
//! registered codes one each, all others that of their range.
//!
//! Sources: RFC 6455 section 7.4, IANA's "WebSocket Close Code Number Registry", and for 1012 and 1013 the registration
//! that the registry points to (hybi mailing list, 2012).

mod errors;
mod ordinary;
mod ranges;
mod registered;
mod reserved;
mod service;

use super::CloseCode;

/// What a close code means, when it is seen, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Guidance {
    /// What it means, in one line of at most [`Self::MEANING_COLUMNS`].
    pub meaning: &'static str,
    /// The first thing to check, in one line of at most [`Self::FIRST_CHECK_COLUMNS`].
    pub first_check: &'static str,
    /// What it means, in full: a paragraph.
    pub description: &'static str,
    /// When to send it, or how to take it where nobody may.
    pub use_when: &'static str,
    /// When it is seen.
    pub seen_when: &'static [&'static str],
    /// What to do on the client's side.
    pub client_fixes: &'static [&'static str],
    /// What to do on the server's side.
    pub server_fixes: &'static [&'static str],
    /// What to do in between: proxies, load balancers, certificates, timeouts.
    pub operator_fixes: &'static [&'static str],
    /// What a capture shows, and in which columns.
    pub evidence: &'static [Evidence],
    /// Who may put it into a Close frame.
    pub sender: Sender,
    /// Whether the connection can have closed cleanly.
    pub clean: Clean,
    /// Where the trouble lies, as a rule.
    pub trouble: Trouble,
    /// What connecting again is good for.
    pub retry: Retry,
    /// Where it is defined: specifications and registries.
    pub references: &'static [&'static str],
}

/// What a capture shows of a close code, and where the tables say so.
#[derive(Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The table.
    pub table: &'static str,
    /// Its columns to look at.
    pub columns: &'static [&'static str],
    /// What they show.
    pub shows: &'static str,
}

/// Who may put a code into a Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Client and server.
    Either,
    /// The client only.
    Client,
    /// The server only, or a proxy in its place.
    Server,
    /// Nobody: it must not be on the wire.
    Nobody,
}

/// Whether a connection with a code can have closed cleanly (RFC 6455 section 7.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clean {
    /// It can: a Close frame was sent, and may have been answered.
    Possible,
    /// Seldom: the closer does not wait for more of a peer that it cannot understand.
    Seldom,
    /// It cannot: there was no Close frame.
    Never,
}

/// Where the trouble behind a code lies, as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is none.
    None,
    /// At the end that closed.
    Closer,
    /// At the end that was closed on: something it sent, or did not send.
    Peer,
    /// Between the two: they do not fit each other.
    Agreement,
    /// In between, or at an end that could not say so any more.
    Path,
    /// Behind the server that closed.
    Backend,
    /// The code alone does not tell.
    Unknown,
}

/// What connecting again is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Only if there is more to do.
    AsNeeded,
    /// At once is fine, with a random delay where many clients do so.
    Soon,
    /// After a delay that grows with each attempt.
    Later,
    /// It ends in the same way until something is changed.
    AfterFix,
    /// The code alone does not tell.
    Unknown,
}

impl Guidance {
    /// Columns of [`Self::meaning`], at most.
    pub const MEANING_COLUMNS: usize = 60;
    /// Columns of [`Self::first_check`], at most.
    pub const FIRST_CHECK_COLUMNS: usize = 76;
}

impl CloseCode {
    /// What it means and what to do about it: its own if it is registered, else that of its range.
    #[must_use]
    pub const fn guidance(self) -> &'static Guidance {
        match self.0 {
            0..=999 | 5000.. => &ranges::INVALID,
            1000 => &ordinary::NORMAL_CLOSURE,
            1001 => &ordinary::GOING_AWAY,
            1002 => &errors::PROTOCOL_ERROR,
            1003 => &errors::UNSUPPORTED_DATA,
            1004 => &reserved::RESERVED,
            1005 => &reserved::NO_STATUS_RECEIVED,
            1006 => &reserved::ABNORMAL_CLOSURE,
            1007 => &errors::INVALID_FRAME_PAYLOAD_DATA,
            1008 => &errors::POLICY_VIOLATION,
            1009 => &errors::MESSAGE_TOO_BIG,
            1010 => &errors::MANDATORY_EXTENSION,
            1011 => &service::INTERNAL_ERROR,
            1012 => &service::SERVICE_RESTART,
            1013 => &service::TRY_AGAIN_LATER,
            1014 => &service::BAD_GATEWAY,
            1015 => &reserved::TLS_HANDSHAKE,
            1016..=2999 => &ranges::PROTOCOL,
            3000 => &registered::UNAUTHORIZED,
            3003 => &registered::FORBIDDEN,
            3008 => &registered::TIMEOUT,
            3001..=3999 => &ranges::LIBRARIES,
            4000..=4999 => &ranges::PRIVATE,
        }
    }
}

impl Sender {
    /// The word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Either => "either",
            Self::Client => "client",
            Self::Server => "server",
            Self::Nobody => "nobody",
        }
    }

    /// The words for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Either => "client or server",
            Self::Client => "the client only",
            Self::Server => "the server, or a proxy in its place",
            Self::Nobody => "nobody: it must not be on the wire",
        }
    }
}

impl Clean {
    /// The word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Seldom => "seldom",
            Self::Never => "never",
        }
    }

    /// The words for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Possible => "possible, if the other end answers",
            Self::Seldom => "seldom: the frame itself is an error, or follows one",
            Self::Never => "never: there is no Close frame",
        }
    }
}

impl Trouble {
    /// The word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Closer => "closer",
            Self::Peer => "peer",
            Self::Agreement => "agreement",
            Self::Path => "path",
            Self::Backend => "backend",
            Self::Unknown => "unknown",
        }
    }

    /// The words for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::None => "nowhere: this is an ordinary end",
            Self::Closer => "at the end that closed",
            Self::Peer => "at the other end: in what it sent, or failed to send",
            Self::Agreement => "between the two ends, which do not fit each other",
            Self::Path => "in between, or at an end that could not say so any more",
            Self::Backend => "behind the proxy that closed",
            Self::Unknown => "the code alone does not tell",
        }
    }
}

impl Retry {
    /// The word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsNeeded => "as-needed",
            Self::Soon => "soon",
            Self::Later => "later",
            Self::AfterFix => "after-fix",
            Self::Unknown => "unknown",
        }
    }

    /// The words for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::AsNeeded => "only if there is more to do",
            Self::Soon => "soon, each client after a random delay of its own",
            Self::Later => "later, with a delay that grows from attempt to attempt",
            Self::AfterFix => "only after a change: the same again ends the same way",
            Self::Unknown => "the code alone does not tell",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close_code::Kind;

    /// Every code that has guidance of its own, and one of each range.
    fn all() -> impl Iterator<Item = (CloseCode, &'static Guidance)> {
        let codes = (1000..=1015).chain([3000, 3003, 3008, 0, 999, 1016, 2999, 3001, 3999, 4000, 4999, 5000, u16::MAX]);
        codes.map(CloseCode).map(|code| (code, code.guidance()))
    }

    #[test]
    fn every_text_is_there() {
        for (code, guidance) in all() {
            let lines = [guidance.meaning, guidance.first_check, guidance.description, guidance.use_when];
            let lists = [
                guidance.seen_when,
                guidance.client_fixes,
                guidance.server_fixes,
                guidance.operator_fixes,
                guidance.references,
            ];
            assert!(lists.iter().all(|list| !list.is_empty()) && !guidance.evidence.is_empty(), "{code}");
            for text in lines.iter().chain(lists.into_iter().flatten()) {
                assert!(!text.is_empty() && text.trim() == *text && !text.contains(['\n', '\t']), "{code}: {text:?}");
                assert!(!text.contains("  "), "{code}: two spaces in {text:?}");
            }
            for evidence in guidance.evidence {
                assert!(!evidence.shows.is_empty() && !evidence.columns.is_empty(), "{code}");
            }
        }
    }

    #[test]
    fn single_lines_fit() {
        for (code, guidance) in all() {
            assert!(guidance.meaning.chars().count() <= Guidance::MEANING_COLUMNS, "{code}: {}", guidance.meaning);
            let columns = guidance.first_check.chars().count();
            assert!(columns <= Guidance::FIRST_CHECK_COLUMNS, "{code}: {columns}: {}", guidance.first_check);
        }
    }

    #[test]
    fn senders_agree_with_the_rule() {
        for code in (0..=u16::MAX).map(CloseCode) {
            assert_eq!(code.guidance().sender != Sender::Nobody, code.may_be_sent(), "{code}");
        }
    }

    #[test]
    fn only_ranges_share_guidance() {
        for (code, guidance) in all() {
            let own = !all().any(|(other, its)| other != code && std::ptr::eq(its, guidance));
            let named = matches!(code.kind(), Kind::Standard | Kind::Registered | Kind::Reserved);
            assert_eq!(own, named, "{code}");
        }
    }

    #[test]
    fn registered_codes_name_the_registry() {
        for (code, guidance) in all().filter(|(code, _)| code.name().is_some()) {
            assert!(guidance.references.iter().any(|reference| reference.contains("IANA")), "{code}");
        }
    }
}
