//! Small analyses for tests, built in code.

use crate::analyze::{AnalysedCapture, Analysis, Connections};
use crate::capture::{CaptureFile, Format, LinkType};
use crate::close_code::CloseCode;
use crate::connection::{
    Cause, CauseKind, CloseFrame, CloseReply, CloseSource, ClosedBy, ConnectionRecord, Handshake, InvalidUtf8,
    Position, RequestFacts, ResponseFacts, TcpEnd, TextLocation, Transport, Verdict, Violation,
};
use crate::flow::{Endpoint, PacketId, PerRole, Role, Timestamp};
use crate::tcp::FlowSpan;
use crate::websocket::{Rule, Utf8ErrorKind};

/// 2026-01-31T12:00:00Z, when the sample connections open.
pub(crate) const NOON: i64 = 1_769_860_800_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// A connection, open and without troubles unless it is told otherwise.
pub(crate) struct ConnectionBuilder(ConnectionRecord);

impl ConnectionBuilder {
    /// An established connection to `chat.example/ws`.
    pub(crate) fn new() -> Self {
        let packet = packet(1);
        Self(ConnectionRecord {
            first_packet: packet,
            last_packet: self::packet(20),
            conversation: packet,
            tcp: FlowSpan { first: packet, last: self::packet(20), scopes: [Some(0); 2] },
            opened_at: Timestamp::from_nanos(NOON),
            established_at: Some(Timestamp::from_nanos(NOON + 1)),
            ended_at: None,
            client: Endpoint::from_v4([10, 0, 0, 1], 50_000),
            server: Endpoint::from_v4([10, 0, 0, 2], 80),
            transport: Transport::Tcp,
            sni: None,
            request: RequestFacts {
                host: Some("chat.example".into()),
                path: Some("/ws".into()),
                ..RequestFacts::default()
            },
            response: ResponseFacts { status: Some(101), ..ResponseFacts::default() },
            handshake: Handshake::Complete,
            messages: PerRole { client: 3, server: 4 },
            payload_bytes: PerRole { client: 30, server: 40 },
            verdict: Verdict::default(),
            cause: None,
            activity: None,
            close_frames: Vec::new(),
            invalid_utf8: Vec::new(),
            invalid_utf8_count: 0,
            violations: Vec::new(),
            violation_count: 0,
            undecodable_messages: 0,
            missed_bytes: 0,
            complete: true,
        })
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.0.request.host = Some(host.into());
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        self.0.request.path = Some(path.into());
        self
    }

    pub(crate) fn ended_at(mut self, nanoseconds: i64) -> Self {
        self.0.ended_at = Some(Timestamp::from_nanos(nanoseconds));
        self
    }

    /// Answered with `status` instead of 101.
    pub(crate) fn refused(mut self, status: u16) -> Self {
        self.0.handshake = Handshake::Refused;
        self.0.established_at = None;
        self.0.response.status = Some(status);
        self.ended_at(NOON + SECOND)
    }

    /// Closed for that reason, which this packet shows.
    pub(crate) fn cause(mut self, kind: CauseKind, number: u64) -> Self {
        self.0.cause = Some(Cause { kind, packet: packet(number) });
        self
    }

    /// Not answered.
    pub(crate) fn unanswered(mut self) -> Self {
        self.0.handshake = Handshake::Unanswered;
        self.0.established_at = None;
        self.0.response.status = None;
        self
    }

    /// Closed by a Close frame with `code` and the reason `bye`, after two seconds.
    pub(crate) fn closed(self, code: u16, by: Role) -> Self {
        self.closed_with(code, by, b"bye")
    }

    pub(crate) fn closed_with(mut self, code: u16, by: Role, reason: &[u8]) -> Self {
        self.0.verdict = Verdict {
            close_code: Some(CloseCode(code)),
            source: Some(CloseSource::Frame),
            reason: Some(reason.into()),
            ..self.closing(by)
        };
        self.frame(by, Position::First, Some(code), reason)
    }

    /// Closed by a Close frame without a body, after two seconds.
    pub(crate) fn closed_empty(mut self, by: Role) -> Self {
        self.0.verdict = Verdict {
            close_code: Some(CloseCode::NO_STATUS),
            source: Some(CloseSource::EmptyFrame),
            ..self.closing(by)
        };
        self.frame(by, Position::First, None, b"")
    }

    /// Ended by a RST of `by` without a Close frame, after two seconds.
    pub(crate) fn reset(mut self, by: Role) -> Self {
        self.0.verdict = Verdict {
            close_code: Some(CloseCode::ABNORMAL),
            source: Some(CloseSource::Inferred),
            tcp_end: Some(TcpEnd::Rst),
            reply: None,
            ..self.closing(by)
        };
        self.ended_at(NOON + 2 * SECOND)
    }

    fn closing(&self, by: Role) -> Verdict {
        Verdict {
            closed_by: Some(ClosedBy::One(by)),
            reply: Some(CloseReply::Missing),
            tcp_end: Some(TcpEnd::Fin),
            tcp_ended_by: Some(by),
            clean: Some(false),
            ..Verdict::default()
        }
    }

    /// The Close frame was answered, half a millisecond later, by one with `code` and no reason.
    pub(crate) fn replied(mut self, code: Option<u16>) -> Self {
        let first = &self.0.close_frames[0];
        let (peer, same) = (first.sender.peer(), first.code.map(|code| code.0) == code);
        self.0.verdict.reply = Some(if same { CloseReply::Matching } else { CloseReply::Different });
        self.0.verdict.reply_code = Some(code.map_or(CloseCode::NO_STATUS, CloseCode));
        self.0.verdict.reply_ms = Some(0.5);
        self.0.verdict.clean = Some(true);
        self.frame(peer, Position::Reply, code, b"")
    }

    fn frame(mut self, sender: Role, position: Position, code: Option<u16>, reason: &[u8]) -> Self {
        let number = 10 + self.0.close_frames.len() as u64;
        let payload_bytes = if code.is_some() { 2 + reason.len() as u64 } else { 0 };
        self.0.close_frames.push(CloseFrame {
            packet: packet(number),
            time: Timestamp::from_nanos(NOON + 2 * SECOND),
            sender,
            position: Some(position),
            code: code.map(CloseCode),
            reason: reason.into(),
            reason_valid: std::str::from_utf8(reason).is_ok(),
            payload_bytes,
        });
        self.ended_at(NOON + 2 * SECOND)
    }

    /// A text message of the client that is not UTF-8, and a breach of a rule.
    pub(crate) fn invalid_text(mut self) -> Self {
        self.0.invalid_utf8_count += 1;
        self.0.invalid_utf8.push(InvalidUtf8 {
            packet: packet(5),
            time: Timestamp::from_nanos(NOON + SECOND),
            sender: Role::Client,
            location: TextLocation::TextMessage(2),
            message_bytes: Some(7),
            byte_offset: 3,
            error: Utf8ErrorKind::MissingContinuation,
            context: Box::from(*b"caf\xe9 \r\n"),
            likely_cause: None,
            peer_close_code: Some(CloseCode(1007)),
            peer_reaction_ms: Some(1.25),
        });
        self.violation(Rule::ReservedBits)
    }

    /// A breach of `rule` by the client.
    pub(crate) fn violation(mut self, rule: Rule) -> Self {
        self.0.violation_count += 1;
        self.0.violations.push(Violation {
            packet: packet(5),
            time: Timestamp::from_nanos(NOON + SECOND),
            sender: Role::Client,
            rule,
            detail: "byte e9 at 3".into(),
            peer_close_code: Some(CloseCode(1002)),
            peer_reaction_ms: Some(1.5),
        });
        self
    }

    pub(crate) fn build(self) -> ConnectionRecord {
        self.0
    }
}

/// An analysis of one capture, `trace.pcap`, with these connections one after the other, a hundred packets each.
pub(crate) fn of(records: impl IntoIterator<Item = ConnectionRecord>) -> Analysis {
    let connections: Vec<_> = (0..).zip(records).map(|(index, record)| shifted(record, index)).collect();
    let conversations = connections.iter().map(|record| record.conversation.number()).collect();
    let captures = vec![AnalysedCapture {
        file: CaptureFile {
            name: "trace.pcap".to_owned(),
            format: Some(Format::Pcap),
            packets: 100 * connections.len() as u64,
            bytes: 12_345,
            first_packet_at: Some(Timestamp::from_nanos(NOON)),
            last_packet_at: Some(Timestamp::from_nanos(NOON + 3 * SECOND)),
            link_types: vec![LinkType(1)],
            interfaces: Vec::new(),
            truncated_packets: 0,
            damaged_bytes: 0,
            dropped_by_capture: None,
            problems: Vec::new(),
        },
        undecoded_packets: 0,
        connections: connections.len() as u64,
        missed_bytes: 0,
        conversations,
    }];
    Analysis { connections: connections.into(), captures, ..Analysis::default() }
}

/// `record` as the connection `index` of the capture.
fn shifted(mut record: ConnectionRecord, index: u64) -> ConnectionRecord {
    let shift = |packet: &mut PacketId| *packet = PacketId::new(packet.file(), packet.number() + 100 * index);
    shift(&mut record.first_packet);
    shift(&mut record.last_packet);
    shift(&mut record.conversation);
    record.cause.iter_mut().for_each(|cause| shift(&mut cause.packet));
    record.close_frames.iter_mut().for_each(|frame| shift(&mut frame.packet));
    record.invalid_utf8.iter_mut().for_each(|text| shift(&mut text.packet));
    record.violations.iter_mut().for_each(|violation| shift(&mut violation.packet));
    record
}

/// The same analysis with its connections packed.
pub(crate) fn packed(mut analysis: Analysis) -> Analysis {
    analysis.connections = Connections::packed(&analysis.connections);
    analysis
}

/// One connection of every sort.
pub(crate) fn analysis() -> Analysis {
    of([
        ConnectionBuilder::new().closed(1000, Role::Client).replied(Some(1000)).cause(CauseKind::Normal, 10).build(),
        ConnectionBuilder::new()
            .invalid_text()
            .closed_with(1007, Role::Server, b"=bad\xff, \"text\"")
            .cause(CauseKind::InvalidUtf8, 5)
            .build(),
        ConnectionBuilder::new()
            .path("/feed?token=\u{1b}[31m")
            .reset(Role::Server)
            .cause(CauseKind::ResetByServer, 20)
            .build(),
        ConnectionBuilder::new().closed_empty(Role::Client).replied(None).build(),
        ConnectionBuilder::new().host("b.example").closed(1000, Role::Server).replied(Some(1000)).build(),
        ConnectionBuilder::new().closed_with(4001, Role::Server, b"").violation(Rule::MaskedServerFrame).build(),
        ConnectionBuilder::new().refused(403).build(),
        ConnectionBuilder::new().unanswered().build(),
        ConnectionBuilder::new().build(),
    ])
}

fn packet(number: u64) -> PacketId {
    PacketId::new(0, number)
}
