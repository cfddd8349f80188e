//! 1011, 3008: something failed, or took too long; and other closes for want of a Pong.
//!
//! | cause | claimed when |
//! | --- | --- |
//! | `ping-timeout` | a Ping of the closer had no Pong for [`PING_MILLIS`], or the reason says so |
//! | `server-error`, `client-error` | any other 1011 |
//! | `timeout` | any other 3008 |
//! | `ping-timeout` | 1005, or a private code, after a Ping of the closer since which it heard nothing at all for [`SILENCE_MILLIS`] |
//!
//! Ping timeouts point at the first Ping that was not answered, if it is in the capture.

use super::Case;
use crate::connection::{Cause, CauseKind};
use crate::flow::Role;

/// Milliseconds without a Pong after which a Ping was in vain. No library waits less than a second unless it is told to, and
/// an error may come just after a Ping.
const PING_MILLIS: f64 = 500.0;

/// The same for codes that do not speak of a failure.
const SILENCE_MILLIS: f64 = 1000.0;

pub(super) fn cause(case: &Case<'_>) -> Option<Cause> {
    let ping = case.unanswered_ping();
    if case.reason().is_about_pings() || ping.is_some_and(|(_, age)| age >= PING_MILLIS) {
        let packet = ping.map_or(case.packet, |(packet, _)| packet);
        return Some(Cause { kind: CauseKind::PingTimeout, packet });
    }
    let kind = match (case.code.0, case.closer) {
        (1011, Role::Server) => CauseKind::ServerError,
        (1011, Role::Client) => CauseKind::ClientError,
        (3008, _) => CauseKind::Timeout,
        _ => return None,
    };
    Some(case.shown_by_close(kind))
}

/// What is known of a close whose code says nothing.
pub(super) fn cause_of_silence(case: &Case<'_>) -> Option<Cause> {
    let packet = case.ping_into_silence(SILENCE_MILLIS)?;
    Some(Cause { kind: CauseKind::PingTimeout, packet })
}
