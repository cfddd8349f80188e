//! 1006: TCP ended without a Close frame.
//!
//! | cause | claimed when |
//! | --- | --- |
//! | `peer-vanished` | who ended it had repeated itself [`REPETITIONS`] times over [`REPETITION_MILLIS`] while the other end sent nothing, not even acknowledgements; or had no Pong for [`PING_MILLIS`], and nothing else either |
//! | `idle-timeout` | the silence before is that of other connections too: see `idle` |
//! | `reset-by-client`, `reset-by-server` | any other RST |
//! | `closed-without-close-frame` | any other FIN |

use super::Case;
use super::idle::Ages;
use crate::connection::{Cause, CauseKind, TcpEnd};
use crate::flow::{PacketId, Role};

/// Repetitions that nobody answered. One or two are a loss on the way.
const REPETITIONS: u8 = 3;

/// Milliseconds between the first and the last of them. Copies that the capture made of one packet lie closer together.
const REPETITION_MILLIS: f64 = 500.0;

/// Milliseconds without a Pong, or anything, after which a Ping was in vain.
const PING_MILLIS: f64 = 500.0;

pub(super) fn cause(case: &Case<'_>, ages: &Ages) -> Option<Cause> {
    if let Some(packet) = vanished(case) {
        return Some(Cause { kind: CauseKind::PeerVanished, packet });
    }
    if let Some(after_ms) = ages.regular(case.record) {
        return Some(case.shown_by_close(CauseKind::IdleTimeout { after_ms }));
    }
    Some(case.shown_by_close(match (case.record.verdict.tcp_end?, case.closer) {
        (TcpEnd::Rst, Role::Client) => CauseKind::ResetByClient,
        (TcpEnd::Rst, Role::Server) => CauseKind::ResetByServer,
        (TcpEnd::Fin, _) => CauseKind::ClosedWithoutCloseFrame,
    }))
}

/// The packet from which on the other end did not answer, if it did not.
fn vanished(case: &Case<'_>) -> Option<PacketId> {
    let repetitions = case.own().repetitions;
    let repeated =
        repetitions.count >= REPETITIONS && repetitions.last.millis_since(repetitions.first) >= REPETITION_MILLIS;
    case.ping_into_silence(PING_MILLIS).or(repeated.then_some(case.packet))
}
