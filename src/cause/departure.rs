//! 1001, 1012, 1013, 1014: an end goes away, or sends its peer elsewhere.
//!
//! | cause | claimed when |
//! | --- | --- |
//! | `idle-timeout` | 1001 whose reason says so |
//! | `server-shutdown` | 1001 of the server to most of its open connections in the same moment: see `together` |
//! | `going-away` | any other 1001: a page was left, or a process went for one peer |
//! | `service-restart` | 1012 of a server |
//! | `try-again-later` | 1013 of a server |
//! | `bad-gateway` | 1014 of a server |
//!
//! 1012 to 1014 tell of the state of a server (IANA's registry); from a client they show nothing.

use super::Case;
use super::together::Moments;
use crate::connection::{Cause, CauseKind};
use crate::flow::Role;

pub(super) fn cause(case: &Case<'_>, moments: &Moments) -> Option<Cause> {
    if case.code.0 == 1001 {
        return Some(case.shown_by_close(going_away(case, moments)));
    }
    if case.closer == Role::Client {
        return None;
    }
    let connections = moments.of_case(case).map_or(1, |moment| moment.connections);
    let kind = match case.code.0 {
        1012 => CauseKind::ServiceRestart { connections },
        1013 => CauseKind::TryAgainLater,
        1014 => CauseKind::BadGateway,
        _ => return None,
    };
    Some(case.shown_by_close(kind))
}

fn going_away(case: &Case<'_>, moments: &Moments) -> CauseKind {
    if case.reason().is_about_idleness() {
        let messages = [case.own().last_message, case.peer().last_message].map(|last| last.map(|message| message.time));
        let last = messages.into_iter().flatten().max().or(case.record.established_at);
        // Saturates: no connection is idle for millions of years.
        return CauseKind::IdleTimeout { after_ms: last.map_or(0.0, |time| case.millis_since(time)) as u64 };
    }
    match moments.of_case(case) {
        Some(moment) if moment.takes_most() => CauseKind::ServerShutdown { connections: moment.connections },
        _ => CauseKind::GoingAway,
    }
}
