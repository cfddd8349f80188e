//! The rules of RFC 6455 and RFC 7692 that a sender can be seen to break, each with the name and section that tables show.

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A client sent a frame without a mask.
    UnmaskedClientFrame,
    /// A server sent a frame with a mask.
    MaskedServerFrame,
    /// A reserved bit is set that no negotiated extension uses.
    ReservedBits,
    /// The opcode is one of 3 to 7 or 11 to 15.
    ReservedOpcode,
    /// A control frame without FIN.
    FragmentedControlFrame,
    /// A control frame with more than 125 bytes of payload.
    LongControlFrame,
    /// A payload length in more bytes than it needs.
    NonMinimalLength,
    /// A 64-bit payload length with its highest bit set.
    LengthTooLarge,
    /// A continuation frame while no message is open.
    UnexpectedContinuation,
    /// A text or binary frame while a fragmented message is open.
    InterleavedMessage,
    /// A frame after the sender's own Close frame.
    FrameAfterClose,
    /// A Close frame with a body of one byte.
    CloseBodyTooShort,
    /// A close code that must not be sent.
    InvalidCloseCode,
    /// A Close reason that is not UTF-8.
    InvalidCloseReason,
    /// A 101 without `Sec-WebSocket-Accept`.
    MissingAccept,
    /// A `Sec-WebSocket-Accept` that does not answer the key.
    WrongAccept,
    /// A 101 without `Upgrade: websocket`.
    MissingUpgrade,
    /// A 101 without `Connection: Upgrade`.
    MissingConnectionUpgrade,
    /// A subprotocol that the client did not offer.
    UnrequestedSubprotocol,
    /// An extension that the client did not offer.
    UnrequestedExtension,
    /// Client frames before the server's 101.
    FramesBeforeHandshake,
    /// Retransmitted bytes that differ from the first copy. No breach of RFC 6455, but of TCP (RFC 9293 section 3.4).
    ConflictingRetransmission,
    /// A bound of the analysis was reached, and what came after it was not looked at or not listed. Nobody's fault.
    LimitReached,
    /// A compressed message that is no DEFLATE data, or refers to what it must not refer to.
    BadCompression,
}

impl Rule {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnmaskedClientFrame => "unmasked-client-frame",
            Self::MaskedServerFrame => "masked-server-frame",
            Self::ReservedBits => "reserved-bits",
            Self::ReservedOpcode => "reserved-opcode",
            Self::FragmentedControlFrame => "fragmented-control-frame",
            Self::LongControlFrame => "long-control-frame",
            Self::NonMinimalLength => "non-minimal-length",
            Self::LengthTooLarge => "length-too-large",
            Self::UnexpectedContinuation => "unexpected-continuation",
            Self::InterleavedMessage => "interleaved-message",
            Self::FrameAfterClose => "frame-after-close",
            Self::CloseBodyTooShort => "close-body-too-short",
            Self::InvalidCloseCode => "invalid-close-code",
            Self::InvalidCloseReason => "invalid-close-reason",
            Self::MissingAccept => "missing-accept",
            Self::WrongAccept => "wrong-accept",
            Self::MissingUpgrade => "missing-upgrade",
            Self::MissingConnectionUpgrade => "missing-connection-upgrade",
            Self::UnrequestedSubprotocol => "unrequested-subprotocol",
            Self::UnrequestedExtension => "unrequested-extension",
            Self::FramesBeforeHandshake => "frames-before-handshake",
            Self::ConflictingRetransmission => "conflicting-retransmission",
            Self::LimitReached => "limit-reached",
            Self::BadCompression => "bad-compression",
        }
    }

    /// Where the rule stands, such as `RFC 6455 section 5.1`; `None` for a limit of the analysis.
    #[must_use]
    pub const fn section(self) -> Option<&'static str> {
        Some(match self {
            Self::UnmaskedClientFrame | Self::MaskedServerFrame => "RFC 6455 section 5.1",
            Self::ReservedBits | Self::ReservedOpcode | Self::NonMinimalLength | Self::LengthTooLarge => {
                "RFC 6455 section 5.2"
            }
            Self::UnexpectedContinuation | Self::InterleavedMessage => "RFC 6455 section 5.4",
            Self::FragmentedControlFrame | Self::LongControlFrame => "RFC 6455 section 5.5",
            Self::FrameAfterClose | Self::CloseBodyTooShort | Self::InvalidCloseReason => "RFC 6455 section 5.5.1",
            Self::InvalidCloseCode => "RFC 6455 section 7.4",
            Self::MissingAccept
            | Self::WrongAccept
            | Self::MissingUpgrade
            | Self::MissingConnectionUpgrade
            | Self::UnrequestedSubprotocol
            | Self::UnrequestedExtension => "RFC 6455 section 4.2.2",
            Self::FramesBeforeHandshake => "RFC 6455 section 4.1",
            Self::ConflictingRetransmission => "RFC 9293 section 3.4",
            Self::LimitReached => return None,
            Self::BadCompression => "RFC 7692 section 7.2.2",
        })
    }
}
