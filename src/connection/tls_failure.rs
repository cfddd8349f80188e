//! A TLS handshake that failed: what becomes of the connection that was to be.

use crate::close_code::CloseCode;
use crate::flow::{Direction, PacketId, Role, Timestamp};
use crate::tcp::{Arrival, EndKind, FlowStart, FlowSummary};
use crate::tls::{Alert, Certificate, Ending, Tls, Version, suite_name};

use super::cause::{Cause, CauseKind};
use super::record::{CloseSource, ClosedBy, ConnectionRecord, Handshake, Transport};
use super::session::Opening;

/// A TLS handshake that failed.
#[derive(Clone, Debug)]
pub struct TlsFailure {
    /// The connection, if it was to be a WebSocket: closed with 1015.
    pub record: Box<ConnectionRecord>,
    /// The packet that shows the failure.
    pub packet: PacketId,
    /// When that packet was captured.
    pub time: Timestamp,
    /// The protocols that the client offered (RFC 7301), in its order.
    pub alpn: Vec<Box<str>>,
    /// The versions that the client offered.
    pub offered_versions: Vec<Version>,
    /// The version that the server chose; `None` if it chose none.
    pub version: Option<Version>,
    /// The cipher suite that the server chose, by its name in IANA's registry; `None` if it chose none.
    pub cipher: Option<String>,
    /// The alert that told; `None` if none could be read.
    pub alert: Option<Alert>,
    /// Who sent it.
    pub alert_sender: Option<Role>,
    /// Whether the failure follows from lengths, order and the end of TCP only.
    pub inferred: bool,
    /// Why; `None` where nothing says.
    pub cause: Option<&'static str>,
    /// The server's certificate, where it could be read.
    pub certificate: Option<Certificate>,
    /// What was found, in a few words.
    pub detail: String,
}

impl TlsFailure {
    /// The failure of the handshake of `tls`, if it failed; `missed` counts the bytes that the TCP connection lacks.
    pub(super) fn of(
        tls: &Tls<Arrival>,
        client: Direction,
        start: &FlowStart,
        summary: &FlowSummary,
        missed: u64,
    ) -> Option<Self> {
        let role_of = |direction| if direction == client { Role::Client } else { Role::Server };
        let ending = summary.end.map(|end| Ending {
            by: role_of(end.sender),
            reset: end.kind == EndKind::Reset,
            at: end.time.as_nanos().div_euclid(1_000_000_000),
        });
        let failure = tls.failure(ending, missed == 0)?;
        let hello = tls.client_hello()?;
        // To open a WebSocket was not even asked.
        let opening = Opening::begun(start.first(), client, Handshake::Unanswered);
        let mut record = opening.attempt(start, summary, None, missed);
        record.transport = Transport::Tls;
        record.sni.clone_from(&hello.sni);
        record.verdict.close_code = Some(CloseCode::TLS_HANDSHAKE);
        record.verdict.source = Some(CloseSource::Inferred);
        record.verdict.closed_by = failure.by.map(ClosedBy::One);
        record.verdict.clean = Some(false);
        let at = failure.mark.unwrap_or(start.first());
        record.cause = failure.cause.map(|name| Cause { kind: CauseKind::TlsHandshake(name), packet: at.packet });
        Some(Self {
            record: Box::new(record),
            packet: at.packet,
            time: at.time,
            alpn: hello.alpn.clone(),
            offered_versions: hello.versions.clone(),
            version: tls.server_hello().map(|hello| hello.version),
            cipher: tls.server_hello().map(|hello| suite_name(hello.suite)),
            alert: failure.alert,
            alert_sender: failure.by.filter(|_| failure.alert.is_some()),
            inferred: failure.inferred,
            cause: failure.cause,
            certificate: failure.certificate,
            detail: failure.detail,
        })
    }
}
