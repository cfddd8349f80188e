//! What is left of a connection when it is over: one [`ConnectionRecord`], which holds its row of every table.
//!
//! Observed facts are kept apart from verdicts: frames are what was on the wire, [`Verdict`] is what follows from it.

use bitcode::{Decode, Encode};

use crate::close_code::CloseCode;
use crate::flow::{Endpoint, PacketId, PerRole, Role, Timestamp};
use crate::http::{Field, Request, Response, forwarded_for};
use crate::tcp::FlowSpan;
use crate::websocket::{LikelyCause, Rule, Utf8ErrorKind};

use super::activity::Activity;
use super::cause::Cause;

/// One WebSocket connection, or one attempt to open one.
#[derive(Clone, Debug, Encode, Decode)]
pub struct ConnectionRecord {
    /// The first packet of the TCP connection; of a later attempt on the same TCP connection, the first of its request.
    pub first_packet: PacketId,
    /// The last packet that belongs to it.
    pub last_packet: PacketId,
    /// The first packet of the TCP conversation, as Wireshark counts conversations: its rank in the file is `tcp.stream`.
    pub conversation: PacketId,
    /// Where the packets of the TCP connection lie.
    pub tcp: FlowSpan,
    /// When [`Self::first_packet`] was captured.
    pub opened_at: Timestamp,
    /// When the answer that completed the handshake was captured; `None` without one.
    pub established_at: Option<Timestamp>,
    /// When it was over: the first FIN or RST, or else the second Close frame; `None` while it is open.
    pub ended_at: Option<Timestamp>,
    /// Who asked for the connection.
    pub client: Endpoint,
    /// Who was asked.
    pub server: Endpoint,
    /// What carries it.
    pub transport: Transport,
    /// The server's name in the ClientHello; `None` without TLS, or if the client named none.
    pub sni: Option<Box<str>>,
    /// What the request said; all `None` where the request is not in the capture.
    pub request: RequestFacts,
    /// What the answer said; all `None` where the answer is not in the capture.
    pub response: ResponseFacts,
    /// What became of the handshake.
    pub handshake: Handshake,
    /// Complete text and binary messages by sender.
    pub messages: PerRole<u64>,
    /// Payload bytes of data frames by sender, as they were on the wire: compressed ones count compressed.
    pub payload_bytes: PerRole<u64>,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, where the capture shows it. It is told when all connections are known, because they explain each other.
    #[bitcode(skip)]
    pub cause: Option<Cause>,
    /// The evidence for that, until then.
    pub activity: Option<Box<Activity>>,
    /// Every Close frame in the order of capture.
    pub close_frames: Vec<CloseFrame>,
    /// Every text message and Close reason that is not UTF-8, up to [`crate::limits::ROWS_PER_CONNECTION`].
    pub invalid_utf8: Vec<InvalidUtf8>,
    /// How many there were, listed or not.
    pub invalid_utf8_count: u64,
    /// Every breach of the protocol, up to [`crate::limits::ROWS_PER_CONNECTION`].
    pub violations: Vec<Violation>,
    /// How many there were, listed or not.
    pub violation_count: u64,
    /// Compressed messages that could not be inflated.
    pub undecodable_messages: u64,
    /// Bytes that either end sent over TCP and the capture does not hold, as sequence numbers and acknowledgements show. A
    /// FIN is no byte. Bytes count that came too late to be used, see [`crate::limits::REORDERED_PACKETS`].
    pub missed_bytes: u64,
    /// Whether handshake and end are in the capture and nothing is missing between.
    pub complete: bool,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Transport {
    /// TCP alone.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// What an upgrade request said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RequestFacts {
    /// The `Host` field.
    pub host: Option<Box<str>>,
    /// The request target with its query.
    pub path: Option<Box<str>>,
    /// The `Origin` field.
    pub origin: Option<Box<str>>,
    /// The `User-Agent` field.
    pub user_agent: Option<Box<str>>,
    /// The client that a proxy names, in `Forwarded` (RFC 7239) or `X-Forwarded-For`.
    pub forwarded_for: Option<Box<str>>,
}

impl RequestFacts {
    /// What `request` says of itself.
    pub(super) fn of(request: &Request) -> Self {
        Self {
            host: request.fields.text(Field::Host),
            path: Some(request.target.clone()),
            origin: request.fields.text(Field::Origin),
            user_agent: request.fields.text(Field::UserAgent),
            forwarded_for: forwarded_for(&request.fields),
        }
    }
}

/// What the answer to an upgrade request said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ResponseFacts {
    /// The status code.
    pub status: Option<u16>,
    /// The `Sec-WebSocket-Protocol` that the server chose.
    pub subprotocol: Option<Box<str>>,
    /// The `Sec-WebSocket-Extensions` that the server agreed to.
    pub extensions: Option<Box<str>>,
}

impl ResponseFacts {
    /// What `response` says.
    pub(super) fn of(response: &Response) -> Self {
        Self {
            status: Some(response.status),
            subprotocol: response.fields.text(Field::WebSocketProtocol),
            extensions: response.fields.text(Field::WebSocketExtensions),
        }
    }
}

/// What became of an opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Handshake {
    /// Asked, and answered with a valid 101.
    Complete,
    /// Answered with something other than 101.
    Refused,
    /// Answered with a 101 that breaks RFC 6455 section 4.2.2.
    Invalid,
    /// Not answered.
    Unanswered,
    /// Not in the capture.
    Missing,
}

impl Handshake {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Unanswered => "unanswered",
            Self::Missing => "missing",
        }
    }
}

/// How a connection ended. All `None` for a connection that is open, and for an attempt that never became one.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Verdict {
    /// The code of the first Close frame, 1005 if it is empty, 1006 if TCP ended without one.
    pub close_code: Option<CloseCode>,
    /// What [`Self::close_code`] rests on.
    pub source: Option<CloseSource>,
    /// The reason of the first Close frame, as it was on the wire.
    pub reason: Option<Box<[u8]>>,
    /// Who sent the first Close frame, or, for 1006, the first FIN or RST.
    pub closed_by: Option<ClosedBy>,
    /// Whether and how the first Close frame was answered.
    pub reply: Option<CloseReply>,
    /// The code of the answer, 1005 if it is empty.
    pub reply_code: Option<CloseCode>,
    /// Milliseconds from the first Close frame to its answer.
    pub reply_ms: Option<f64>,
    /// How TCP ended; `None` if its end is not in the capture.
    pub tcp_end: Option<TcpEnd>,
    /// Who sent the first FIN or RST.
    pub tcp_ended_by: Option<Role>,
    /// Whether both Close frames were seen and TCP ended with FIN; `None` while that is open.
    pub clean: Option<bool>,
}

/// What a close code rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CloseSource {
    /// The Close frame says so.
    Frame,
    /// The Close frame has no body, which is 1005 (RFC 6455 section 7.1.5).
    EmptyFrame,
    /// There was no Close frame: 1006 or 1015.
    Inferred,
}

impl CloseSource {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::EmptyFrame => "empty-frame",
            Self::Inferred => "inferred",
        }
    }
}

/// Who closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClosedBy {
    /// One end.
    One(Role),
    /// Both: their Close frames crossed, neither had acknowledged the other's.
    Both,
}

impl ClosedBy {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::One(role) => role.name(),
            Self::Both => "both",
        }
    }
}

/// How the first Close frame was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CloseReply {
    /// With the same code.
    Matching,
    /// With another code.
    Different,
    /// Not at all, although TCP ended and nothing of that direction is missing.
    Missing,
}

impl CloseReply {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matching => "matching",
            Self::Different => "different",
            Self::Missing => "missing",
        }
    }
}

/// How TCP ended: what the first sender of an end sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TcpEnd {
    /// A FIN.
    Fin,
    /// A RST.
    Rst,
}

impl TcpEnd {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
        }
    }
}

/// A Close frame as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CloseFrame {
    /// The packet that holds its last byte.
    pub packet: PacketId,
    /// When that packet was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub sender: Role,
    /// Which of the connection's Close frames it is; `None` if the capture does not show which end closed first.
    pub position: Option<Position>,
    /// Its code; `None` if the body is too short to hold one.
    pub code: Option<CloseCode>,
    /// What follows the code, not necessarily UTF-8.
    pub reason: Box<[u8]>,
    /// Whether that is UTF-8, as RFC 6455 section 5.5.1 demands.
    pub reason_valid: bool,
    /// Length of the body, code included.
    pub payload_bytes: u64,
}

/// Which of a connection's Close frames one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Position {
    /// The first of the connection.
    First,
    /// The first of the other end.
    Reply,
    /// Any later one, which its sender must not send (RFC 6455 section 5.5.1).
    Extra,
}

impl Position {
    /// The name that tables use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Reply => "reply",
            Self::Extra => "extra",
        }
    }
}

/// A text message or Close reason that is not UTF-8.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct InvalidUtf8 {
    /// The packet that holds the first bad byte.
    pub packet: PacketId,
    /// When that packet was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub sender: Role,
    /// Where the text was; of a message, its number, from 0, among the sender's data messages.
    pub location: TextLocation,
    /// Length of the message or reason; `None` where its end is not in the capture.
    pub message_bytes: Option<u64>,
    /// Offset of the first bad byte, as `std::str::Utf8Error::valid_up_to` counts it.
    pub byte_offset: u64,
    /// What is wrong there.
    pub error: Utf8ErrorKind,
    /// Up to [`crate::limits::CONTEXT_BYTES`] bytes before the first bad byte and as many from it on.
    pub context: Box<[u8]>,
    /// What the text looks like instead; `None` if nothing fits better than chance.
    #[bitcode(skip)]
    pub likely_cause: Option<LikelyCause>,
    /// The code of the Close frame that the peer sent once it had received this, 1005 if that was empty; `None` if it
    /// sent none.
    pub peer_close_code: Option<CloseCode>,
    /// Milliseconds from [`Self::time`] to that Close frame.
    pub peer_reaction_ms: Option<f64>,
}

/// Where a text was that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TextLocation {
    /// In the sender's data message of this number, from 0.
    TextMessage(u64),
    /// In the reason of a Close frame.
    CloseReason,
}

/// A breach of a protocol.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Violation {
    /// The packet that shows it.
    pub packet: PacketId,
    /// When that packet was captured.
    pub time: Timestamp,
    /// Who broke the rule.
    pub sender: Role,
    /// The rule.
    pub rule: Rule,
    /// What was found, in a few words.
    pub detail: Box<str>,
    /// The code of the Close frame that the peer sent once it had received this, 1005 if that was empty; `None` if it
    /// sent none.
    pub peer_close_code: Option<CloseCode>,
    /// Milliseconds from [`Self::time`] to that Close frame.
    pub peer_reaction_ms: Option<f64>,
}
