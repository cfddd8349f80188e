//! 1008, 3000, 3003: the peer is not let in, or not any more.
//!
//! | cause | claimed when |
//! | --- | --- |
//! | `authentication` | 3000 of a server; 1008 whose reason is about identity; 1008 of a server without a reason, before the client's first message and within [`FIRST_MILLIS`] of the handshake, or within [`ANSWER_MILLIS`] of its only one |
//! | `rate-limit` | 1008 whose reason is about rates; 1008 without a reason after a burst: [`BURST`] messages within two seconds, [`BURST_FACTOR`] times what is usual on the connection |
//! | `policy` | any other 1008: that is what the code says |
//! | `forbidden` | 3003 of a server |
//!
//! A reason goes before what timing suggests: only without one does timing count. Bursts point at the last message, the
//! others at the Close frame.

use super::Case;
use crate::connection::{Cause, CauseKind};
use crate::flow::Role;

/// Milliseconds after the handshake within which a server has looked at what the request said of the client, a query to
/// some other service included.
const FIRST_MILLIS: f64 = 2000.0;

/// The same for the first message.
const ANSWER_MILLIS: f64 = 1000.0;

/// Messages in the last two seconds that are a burst. Clients subscribe to a handful of things at once.
const BURST: u64 = 8;

/// How much more than usual a burst is: the usual second is doubled, because a burst is counted over two.
const BURST_FACTOR: u64 = 8;

pub(super) fn cause(case: &Case<'_>) -> Option<Cause> {
    match (case.code.0, case.closer) {
        (3000, Role::Server) => Some(case.shown_by_close(CauseKind::Authentication)),
        (3003, Role::Server) => Some(case.shown_by_close(CauseKind::Forbidden)),
        // A client lets nobody in.
        (3000 | 3003, Role::Client) => None,
        _ => Some(violation_of_policy(case)),
    }
}

fn violation_of_policy(case: &Case<'_>) -> Cause {
    let reason = case.reason();
    if reason.is_about_rate() || (reason.is_empty() && has_burst(case)) {
        let kind = CauseKind::RateLimit { messages: case.peer().rate.burst(case.at) };
        let packet = case.peer().last_message.map_or(case.packet, |message| message.packet);
        return Cause { kind, packet };
    }
    let identity = reason.is_about_identity() || (reason.is_empty() && comes_first(case));
    case.shown_by_close(if identity { CauseKind::Authentication } else { CauseKind::Policy })
}

/// Whether the peer sent many more messages just before the close than it did before.
fn has_burst(case: &Case<'_>) -> bool {
    let rate = &case.peer().rate;
    let burst = rate.burst(case.at);
    burst >= BURST && burst >= rate.usual().unwrap_or(0) * BURST_FACTOR
}

/// Whether the server closed before the client had said anything, or after its first words.
fn comes_first(case: &Case<'_>) -> bool {
    let peer = case.peer();
    let Some(established) = case.record.established_at.filter(|_| !peer.lost && !peer.holes) else { return false };
    if case.closer != Role::Server || case.millis_since(established) > FIRST_MILLIS {
        return false;
    }
    match peer.messages {
        0 => true,
        // Who has talked for a while was known already.
        1 => {
            case.own().messages <= 1
                && peer.last_message.is_some_and(|first| case.millis_since(first.time) <= ANSWER_MILLIS)
        }
        _ => false,
    }
}
