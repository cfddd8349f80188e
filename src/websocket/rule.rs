//! The rules of RFC 6455 and RFC 7692 that an endpoint can be seen to break, each with the name and section that tables
//! show. `docs/protocol-rules.md` lists every requirement of both, and which of these checks it.

/// Declares the rules, so that each stands in one place: what breaks it, its name, its section.
macro_rules! rules {
    ($(#[doc = $meaning:literal] $rule:ident = $name:literal, $section:expr;)*) => {
        /// A rule that was broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, bitcode::Encode, bitcode::Decode)]
        pub enum Rule {
            $(#[doc = $meaning] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the documents: handshake, frames, closing, compression, others.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// The name that tables use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }

            /// Where the rule stands, such as `RFC 6455 section 5.1`; `None` for a limit of the analysis.
            #[must_use]
            pub const fn section(self) -> Option<&'static str> {
                match self {
                    $(Self::$rule => $section,)*
                }
            }

            /// What breaks it, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$rule => $meaning.trim_ascii(),)*
                }
            }
        }
    };
}

rules! {
    /// The method of a request to upgrade is not GET.
    WrongMethod = "wrong-method", Some("RFC 6455 section 4.1");
    /// A request to upgrade in HTTP/1.0.
    OldHttpVersion = "old-http-version", Some("RFC 6455 section 4.1");
    /// A request target that is neither a path nor an absolute http or https URI, or one with a fragment.
    InvalidTarget = "invalid-target", Some("RFC 6455 section 4.1");
    /// A request to upgrade without `Host`.
    MissingHost = "missing-host", Some("RFC 6455 section 4.1");
    /// A request with a `Sec-WebSocket-Key` but without `Upgrade: websocket`.
    MissingUpgradeRequest = "missing-upgrade-request", Some("RFC 6455 section 4.1");
    /// A request to upgrade without `Connection: Upgrade`.
    MissingConnectionRequest = "missing-connection-request", Some("RFC 6455 section 4.1");
    /// A request to upgrade without `Sec-WebSocket-Key`.
    MissingKey = "missing-key", Some("RFC 6455 section 4.1");
    /// A `Sec-WebSocket-Key` that is not the base64 of 16 bytes.
    InvalidKey = "invalid-key", Some("RFC 6455 section 4.1");
    /// More than one `Sec-WebSocket-Key`.
    RepeatedKey = "repeated-key", Some("RFC 6455 section 11.3.1");
    /// A request to upgrade without `Sec-WebSocket-Version`.
    MissingVersion = "missing-version", Some("RFC 6455 section 4.1");
    /// A `Sec-WebSocket-Version` other than 13 in a request.
    WrongVersion = "wrong-version", Some("RFC 6455 section 4.1");
    /// More than one `Sec-WebSocket-Version` in a request.
    RepeatedVersion = "repeated-version", Some("RFC 6455 section 11.3.5");
    /// A subprotocol that is no token, or an empty one in an answer.
    InvalidSubprotocol = "invalid-subprotocol", Some("RFC 6455 section 4.1");
    /// A client offers the same subprotocol twice.
    RepeatedSubprotocol = "repeated-subprotocol", Some("RFC 6455 section 4.1");
    /// A `Sec-WebSocket-Extensions` that does not follow its grammar.
    MalformedExtensions = "malformed-extensions", Some("RFC 6455 section 9.1");
    /// Client frames before the server's 101.
    FramesBeforeHandshake = "frames-before-handshake", Some("RFC 6455 section 4.1");
    /// A 101 to a request that a server must refuse.
    BadRequestAccepted = "bad-request-accepted", Some("RFC 6455 section 4.2.1");
    /// A 426 to a version other than 13 that does not tell the versions which the server knows.
    MissingSupportedVersions = "missing-supported-versions", Some("RFC 6455 section 4.2.2");
    /// A 101 without `Upgrade: websocket`.
    MissingUpgrade = "missing-upgrade", Some("RFC 6455 section 4.2.2");
    /// A 101 without `Connection: Upgrade`.
    MissingConnectionUpgrade = "missing-connection-upgrade", Some("RFC 6455 section 4.2.2");
    /// A 101 without `Sec-WebSocket-Accept`.
    MissingAccept = "missing-accept", Some("RFC 6455 section 4.2.2");
    /// A `Sec-WebSocket-Accept` that does not answer the key.
    WrongAccept = "wrong-accept", Some("RFC 6455 section 4.2.2");
    /// More than one `Sec-WebSocket-Accept`.
    RepeatedAccept = "repeated-accept", Some("RFC 6455 section 11.3.3");
    /// A subprotocol that the client did not offer.
    UnrequestedSubprotocol = "unrequested-subprotocol", Some("RFC 6455 section 4.2.2");
    /// An answer with more than one subprotocol.
    SeveralSubprotocols = "several-subprotocols", Some("RFC 6455 section 4.2.2");
    /// An extension that the client did not offer.
    UnrequestedExtension = "unrequested-extension", Some("RFC 6455 section 4.2.2");
    /// A parameter of permessage-deflate that is unknown or repeated, or whose value it must not have.
    InvalidDeflateParameter = "invalid-deflate-parameter", Some("RFC 7692 section 7.1");
    /// `client_max_window_bits` in an answer to a client that did not offer it.
    UnofferedWindowBits = "unoffered-window-bits", Some("RFC 7692 section 7.1.2.2");
    /// permessage-deflate was agreed upon on terms that no offer of the client allows.
    UnofferedDeflateTerms = "unoffered-deflate-terms", Some("RFC 7692 section 7.1");
    /// A client sent a frame without a mask.
    UnmaskedClientFrame = "unmasked-client-frame", Some("RFC 6455 section 5.1");
    /// A server sent a frame with a mask.
    MaskedServerFrame = "masked-server-frame", Some("RFC 6455 section 5.1");
    /// A client masks frame after frame with the same key.
    RepeatedMaskingKey = "repeated-masking-key", Some("RFC 6455 section 5.3");
    /// A reserved bit is set that no negotiated extension uses.
    ReservedBits = "reserved-bits", Some("RFC 6455 section 5.2");
    /// The opcode is one of 3 to 7 or 11 to 15, and no negotiated extension may use it.
    ReservedOpcode = "reserved-opcode", Some("RFC 6455 section 5.2");
    /// A payload length in more bytes than it needs.
    NonMinimalLength = "non-minimal-length", Some("RFC 6455 section 5.2");
    /// A 64-bit payload length with its highest bit set.
    LengthTooLarge = "length-too-large", Some("RFC 6455 section 5.2");
    /// A continuation frame while no message is open.
    UnexpectedContinuation = "unexpected-continuation", Some("RFC 6455 section 5.4");
    /// A text or binary frame while a fragmented message is open.
    InterleavedMessage = "interleaved-message", Some("RFC 6455 section 5.4");
    /// A control frame without FIN.
    FragmentedControlFrame = "fragmented-control-frame", Some("RFC 6455 section 5.5");
    /// A control frame with more than 125 bytes of payload.
    LongControlFrame = "long-control-frame", Some("RFC 6455 section 5.5");
    /// A text message that is not UTF-8.
    InvalidUtf8 = "invalid-utf8", Some("RFC 6455 section 5.6");
    /// A data frame after the sender's own Close frame.
    FrameAfterClose = "frame-after-close", Some("RFC 6455 section 5.5.1");
    /// A second Close frame of the same sender.
    SecondClose = "second-close", Some("RFC 6455 section 5.5.1");
    /// A Close frame with a body of one byte.
    CloseBodyTooShort = "close-body-too-short", Some("RFC 6455 section 5.5.1");
    /// A close code that must not be sent.
    InvalidCloseCode = "invalid-close-code", Some("RFC 6455 section 7.4");
    /// A Close reason that is not UTF-8.
    InvalidCloseReason = "invalid-close-reason", Some("RFC 6455 section 5.5.1");
    /// An end that had received a Close frame finished its direction without sending one.
    MissingCloseReply = "missing-close-reply", Some("RFC 6455 section 5.5.1");
    /// A compressed message that is no DEFLATE data, or refers to what it must not refer to.
    BadCompression = "bad-compression", Some("RFC 7692 section 7.2.2");
    /// Retransmitted bytes that differ from the first copy: no breach of RFC 6455, but of TCP.
    ConflictingRetransmission = "conflicting-retransmission", Some("RFC 9293 section 3.4");
    /// A bound of the analysis was reached, and what came after it was not looked at or not listed. Nobody's fault.
    LimitReached = "limit-reached", None;
}

impl Rule {
    /// Whether a negotiated extension may lift it (RFC 6455 sections 5.2 and 5.4), so that it can be broken only where the
    /// answer to the handshake is known.
    #[must_use]
    pub const fn may_be_lifted(self) -> bool {
        matches!(
            self,
            Self::ReservedBits | Self::ReservedOpcode | Self::UnexpectedContinuation | Self::InterleavedMessage
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_kebab_case_and_each_is_that_of_one_rule() {
        let names: HashSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        let kebab = |name: &str| name.split('-').all(|word| !word.is_empty() && word.bytes().all(is_small));
        assert!(names.into_iter().all(kebab));
    }

    #[test]
    fn meanings_are_sentences() {
        for rule in Rule::ALL {
            assert!(rule.meaning().ends_with('.') && rule.meaning().trim() == rule.meaning(), "{rule:?}");
        }
    }

    const fn is_small(byte: u8) -> bool {
        byte.is_ascii_lowercase() || byte.is_ascii_digit()
    }
}
