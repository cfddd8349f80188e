//! Why a connection closed: the names, and what goes with each. [`crate::connection`] only keeps them; they are told
//! when all connections of an analysis are known.

use crate::flow::PacketId;
use crate::websocket::Rule;

/// Why a connection closed, and the packet that shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cause {
    /// Why.
    pub kind: CauseKind,
    /// The packet that shows it.
    pub packet: PacketId,
}

/// Why a connection closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CauseKind {
    /// 1000 from both ends, and nothing was waited for.
    Normal,
    /// 1001 of one end: a page was left, or a process told its peer to go.
    GoingAway,
    /// 1001 to most connections of a server at once.
    ServerShutdown {
        /// How many connections closed so in the same moment, this one included.
        connections: u64,
    },
    /// 1002 right after the peer broke this rule.
    Violation(Rule),
    /// 1003 after this message.
    UnsupportedData {
        /// Whether it was text.
        text: bool,
    },
    /// 1007 after a text of the peer that is not UTF-8.
    InvalidUtf8,
    /// 1007 after a compressed message of the peer that cannot be inflated.
    BadCompression,
    /// 1007 although every message of the peer was valid.
    Unproven,
    /// The peer did not prove who it is, or not well enough.
    Authentication,
    /// 3003: it did, and is not allowed in.
    Forbidden,
    /// 1008 after more messages than the peer may send in a time.
    RateLimit {
        /// Messages of the peer in its last seconds.
        messages: u64,
    },
    /// 1008 for another reason.
    Policy,
    /// 1009 after this message.
    MessageTooBig {
        /// Its length in bytes, as its frames announced it.
        bytes: u64,
    },
    /// 1010 of a client whose extension the server did not agree to.
    MandatoryExtension,
    /// 1011 of a server.
    ServerError,
    /// 1011 of a client.
    ClientError,
    /// A Close frame after a Ping that was not answered.
    PingTimeout,
    /// 3008.
    Timeout,
    /// 1012 of a server.
    ServiceRestart {
        /// How many connections closed so in the same moment, this one included.
        connections: u64,
    },
    /// 1013 of a server.
    TryAgainLater,
    /// 1014 of a server.
    BadGateway,
    /// A RST of the client.
    ResetByClient,
    /// A RST of the server.
    ResetByServer,
    /// A FIN, and no Close frame.
    ClosedWithoutCloseFrame,
    /// Ended after as much silence as others were, or by a Close frame that says so.
    IdleTimeout {
        /// Milliseconds of silence.
        after_ms: u64,
    },
    /// Ended by one end after the other had not answered it any more.
    PeerVanished,
    /// 1015: why the TLS handshake failed, by the name that [`crate::tls::Failure`] has for it.
    TlsHandshake(&'static str),
}

impl CauseKind {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::GoingAway => "going-away",
            Self::ServerShutdown { .. } => "server-shutdown",
            Self::Violation(rule) => rule.name(),
            Self::UnsupportedData { .. } => "unsupported-data",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::BadCompression => "bad-compression",
            Self::Unproven => "unproven",
            Self::Authentication => "authentication",
            Self::Forbidden => "forbidden",
            Self::RateLimit { .. } => "rate-limit",
            Self::Policy => "policy",
            Self::MessageTooBig { .. } => "message-too-big",
            Self::MandatoryExtension => "mandatory-extension",
            Self::ServerError => "server-error",
            Self::ClientError => "client-error",
            Self::PingTimeout => "ping-timeout",
            Self::Timeout => "timeout",
            Self::ServiceRestart { .. } => "service-restart",
            Self::TryAgainLater => "try-again-later",
            Self::BadGateway => "bad-gateway",
            Self::ResetByClient => "reset-by-client",
            Self::ResetByServer => "reset-by-server",
            Self::ClosedWithoutCloseFrame => "closed-without-close-frame",
            Self::IdleTimeout { .. } => "idle-timeout",
            Self::TlsHandshake(name) => name,
            Self::PeerVanished => "peer-vanished",
        }
    }
}
