//! 1000: both ends sent it, and nobody was kept waiting.
//!
//! | cause | claimed when |
//! | --- | --- |
//! | `normal` | the Close frame with 1000 was answered with the same code or none, and nothing of the below |
//!
//! Not claimed where an end had waited in vain: its Ping had no Pong for [`PING_MILLIS`], or its last message had no answer
//! for [`ANSWER_MILLIS`] although on this connection, or on others to the same service, such messages are answered. Then the
//! code says 1000 and the traffic does not.

use super::Case;
use super::service::Services;
use crate::connection::{Cause, CauseKind, ConnectionRecord};
use crate::flow::Role;

/// Milliseconds without a Pong after which a Ping was in vain. A round trip, even by satellite, takes less.
const PING_MILLIS: f64 = 1000.0;

/// Milliseconds without an answer after which somebody waited for one. Who closes earlier did not mean to wait.
const ANSWER_MILLIS: f64 = 1000.0;

/// Messages that must have been answered before one is missed.
const ANSWERED_BEFORE: u64 = 3;

/// Of ten messages as many must have been answered before one is missed.
const ANSWERED_OF_TEN: u64 = 9;

pub(super) fn cause(case: &Case<'_>, services: &Services) -> Option<Cause> {
    let waited = case.unanswered_ping().is_some_and(|(_, age)| age >= PING_MILLIS) || lacks_answer(case, services);
    (case.is_answered() && !waited).then(|| case.shown_by_close(CauseKind::Normal))
}

/// Whether the closer gave up waiting for an answer to its last message.
fn lacks_answer(case: &Case<'_>, services: &Services) -> bool {
    let Some(last) = case.own().last_message.filter(|_| case.activity.last_sender == Some(case.closer)) else {
        return false;
    };
    let before = Exchanges::of(case.record, case.closer);
    let own = Exchanges { messages: before.messages.saturating_sub(1), ..before };
    let habit = *services.of(case.record).exchanges.get(case.closer);
    let others = Exchanges {
        messages: habit.messages.saturating_sub(before.messages),
        answered: habit.answered.saturating_sub(before.answered),
    };
    case.millis_since(last.time) >= ANSWER_MILLIS && (own.are_answered() || own.messages == 0 && others.are_answered())
}

/// Messages of one end, and how many of them were followed by one of the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchanges {
    messages: u64,
    answered: u64,
}

impl Exchanges {
    pub(super) fn of(record: &ConnectionRecord, asker: Role) -> Self {
        let conduct = record.activity.as_ref().map(|activity| activity.ends.get(asker));
        conduct.map_or_else(Self::default, |conduct| Self {
            messages: u64::from(conduct.messages),
            answered: u64::from(conduct.answered),
        })
    }

    pub(super) const fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.answered += more.answered;
    }

    const fn are_answered(self) -> bool {
        self.answered >= ANSWERED_BEFORE && self.answered * 10 >= self.messages * ANSWERED_OF_TEN
    }
}
