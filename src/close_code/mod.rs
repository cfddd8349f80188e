//! Close codes: every value a Close frame can carry, and what the registries say of it.
//!
//! Sources: RFC 6455 section 7.4 and IANA's "WebSocket Close Code Number Registry".

use std::fmt;

use bitcode::{Decode, Encode};

mod comparison;
mod guidance;

pub use comparison::{Comparison, Fact};
pub use guidance::{Clean, Evidence, Guidance, Retry, Sender, Trouble};

/// A close code: any 16-bit value, because any can be on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct CloseCode(pub u16);

/// What a close code is to the registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Defined for the protocol itself, 1000 to 2999, and may be sent.
    Standard,
    /// Registered with IANA for libraries and frameworks, 3000 to 3999.
    Registered,
    /// For private use, 4000 to 4999.
    Private,
    /// 1004, which has no meaning yet, and 1005, 1006 and 1015, which must never be sent.
    Reserved,
    /// In a range that may be used, but nobody registered it.
    Unassigned,
    /// Outside every range: under 1000, or over 4999.
    Invalid,
}

impl CloseCode {
    /// Normal Closure.
    pub const NORMAL: Self = Self(1000);
    /// No Status Received: the Close frame has no body. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// Abnormal Closure: TCP ended without a Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1015: the TLS handshake failed.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// What the registries say of it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self.0 {
            1004..=1006 | 1015 => Kind::Reserved,
            1000..=1003 | 1007..=1014 => Kind::Standard,
            3000 | 3003 | 3008 => Kind::Registered,
            1016..=3999 => Kind::Unassigned,
            4000..=4999 => Kind::Private,
            0..=999 | 5000.. => Kind::Invalid,
        }
    }

    /// The registered name; `None` where there is none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1000 => "Normal Closure",
            1001 => "Going Away",
            1002 => "Protocol Error",
            1003 => "Unsupported Data",
            1004 => "Reserved",
            1005 => "No Status Received",
            1006 => "Abnormal Closure",
            1007 => "Invalid Frame Payload Data",
            1008 => "Policy Violation",
            1009 => "Message Too Big",
            1010 => "Mandatory Extension",
            1011 => "Internal Error",
            1012 => "Service Restart",
            1013 => "Try Again Later",
            1014 => "Bad Gateway",
            1015 => "TLS Handshake",
            3000 => "Unauthorized",
            3003 => "Forbidden",
            3008 => "Timeout",
            _ => return None,
        })
    }

    /// The code that `text` names: its number, or its registered name in any case, with or without spaces and hyphens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Some(Self(number));
        }
        let letters = |name: &str| {
            let letters = name.chars().filter(char::is_ascii_alphanumeric);
            letters.map(|letter| letter.to_ascii_lowercase()).collect::<String>()
        };
        let wanted = letters(text);
        (1000..4000).map(Self).find(|code| code.name().is_some_and(|name| letters(name) == wanted))
    }

    /// Whether an endpoint may send it (RFC 6455 section 7.4): not the reserved ones, not those outside every range,
    /// and of 1016 to 2999 none, because a specification must define them first.
    #[must_use]
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Kind {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Registered => "registered",
            Self::Private => "private",
            Self::Reserved => "reserved",
            Self::Unassigned => "unassigned",
            Self::Invalid => "invalid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_kind_that_agrees_with_sending() {
        for code in (0..=u16::MAX).map(CloseCode) {
            let sendable = match code.kind() {
                Kind::Standard | Kind::Registered | Kind::Private => true,
                Kind::Reserved | Kind::Invalid => false,
                Kind::Unassigned => code.0 >= 3000,
            };
            assert_eq!(code.may_be_sent(), sendable, "{code}");
        }
    }

    #[test]
    fn codes_are_found_by_number_or_name() {
        let cases = [
            ("1007", Some(1007)),
            ("65535", Some(65_535)),
            ("Going Away", Some(1001)),
            ("going-away", Some(1001)),
            ("tlshandshake", Some(1015)),
            ("FORBIDDEN", Some(3003)),
            ("65536", None),
            ("-1", None),
            ("", None),
            ("away", None),
        ];
        for (text, code) in cases {
            assert_eq!(CloseCode::parse(text), code.map(CloseCode), "{text}");
        }
    }

    #[test]
    fn registered_codes_have_names_and_others_have_none() {
        for code in (0..=u16::MAX).map(CloseCode) {
            let named = matches!(code.kind(), Kind::Standard | Kind::Registered | Kind::Reserved);
            assert_eq!(code.name().is_some(), named, "{code}");
        }
    }
}
