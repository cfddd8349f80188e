//! What the peer did about a breach of the protocol: the Close frame that it sent once it knew.
//!
//! In come the rows of a connection, and where in its sender's stream each breach was; out come, in the rows, the code of
//! the peer's Close frame and how long it took.
//!
//! A Close frame that was captured after a breach need not be an answer to it: it may have been on its way already. What
//! its packet acknowledges tells. A sender that has not acknowledged the bytes of the breach did not know of it. Nor is it
//! an answer to the breach if it does no more than to answer the offender's own Close frame: then the breach was tolerated.

use crate::close_code::CloseCode;
use crate::flow::{PacketId, Role, Timestamp};

use super::closing::{self, Closing, SeenClose};
use super::record::{InvalidUtf8, Violation};

/// For each row, in their order, the sender's stream offset from which on the peer knew; `None` for what a peer cannot
/// react to.
#[derive(Debug, Default)]
pub(super) struct Causes {
    pub(super) violations: Vec<Option<u64>>,
    pub(super) texts: Vec<Option<u64>>,
}

impl Causes {
    /// Puts the reactions into the rows.
    pub(super) fn settle(&self, closing: &Closing, violations: &mut [Violation], texts: &mut [InvalidUtf8]) {
        for (row, known) in violations.iter_mut().zip(&self.violations) {
            let reaction = Reaction::to(closing, row.sender, row.packet, row.time, *known);
            (row.peer_close_code, row.peer_reaction_ms) = (reaction.code, reaction.milliseconds);
        }
        for (row, known) in texts.iter_mut().zip(&self.texts) {
            let reaction = Reaction::to(closing, row.sender, row.packet, row.time, *known);
            (row.peer_close_code, row.peer_reaction_ms) = (reaction.code, reaction.milliseconds);
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Reaction {
    code: Option<CloseCode>,
    milliseconds: Option<f64>,
}

impl Reaction {
    fn to(closing: &Closing, sender: Role, packet: PacketId, time: Timestamp, known: Option<u64>) -> Self {
        let Some(known) = known else { return Self::default() };
        let close = closing.close_of(sender.peer());
        let close = close.filter(|close| knew(close, packet, known) && !closing.merely_answers(close.sender));
        Self {
            code: close.and_then(closing::effective_code),
            milliseconds: close.map(|close| close.at.time.millis_since(time)),
        }
    }
}

/// Whether the sender of `close` had received what came with `packet` up to stream offset `known`, as far as can be told.
fn knew(close: &SeenClose, packet: PacketId, known: u64) -> bool {
    close.at.packet > packet && close.at.acknowledged.is_none_or(|acknowledged| acknowledged >= known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::Arrival;

    const fn packet(number: u64) -> PacketId {
        PacketId::new(0, number)
    }

    /// What follows a breach of the client in packet 5, at 50 ms, up to offset 100, when the server closes so.
    fn reaction(number: u64, acknowledged: Option<u64>, code: Option<u16>, whole: bool) -> Reaction {
        let mut closing = Closing::default();
        let at = Arrival { packet: packet(number), time: milliseconds(number), acknowledged };
        let (code, reason) = (code.map(CloseCode), Box::default());
        closing.close(SeenClose { sender: Role::Server, code, reason, whole, at, end: 9 });
        Reaction::to(&closing, Role::Client, packet(5), milliseconds(5), Some(100))
    }

    fn milliseconds(number: u64) -> Timestamp {
        Timestamp::from_nanos(number.cast_signed() * 10_000_000)
    }

    #[test]
    fn close_that_acknowledges_the_breach_is_the_reaction() {
        let told = Reaction { code: Some(CloseCode(1002)), milliseconds: Some(20.0) };
        assert_eq!(reaction(7, Some(100), Some(1002), true), told);
        assert_eq!(reaction(7, None, Some(1002), true), told);
        let empty = Reaction { code: Some(CloseCode::NO_STATUS), ..told };
        assert_eq!(reaction(7, Some(100), None, true), empty);
        assert_eq!(reaction(7, Some(100), None, false), Reaction { code: None, ..told });
    }

    #[test]
    fn close_that_was_on_its_way_is_none() {
        assert_eq!(reaction(7, Some(99), Some(1000), true), Reaction::default());
        assert_eq!(reaction(4, None, Some(1000), true), Reaction::default());
    }

    #[test]
    fn close_that_only_answers_the_offenders_own_is_none_and_another_code_is_one() {
        for (reply, tolerated) in [(Some(4000), true), (Some(1000), true), (None, true), (Some(1002), false)] {
            let mut closing = Closing::default();
            for (sender, number, heard, code) in [(Role::Client, 6, 100, Some(4000)), (Role::Server, 7, 200, reply)] {
                let at = Arrival { packet: packet(number), time: milliseconds(number), acknowledged: Some(heard) };
                let (code, reason) = (code.map(CloseCode), Box::default());
                closing.close(SeenClose { sender, code, reason, whole: true, at, end: 200 });
            }
            let found = Reaction::to(&closing, Role::Client, packet(5), milliseconds(5), Some(100));
            assert_eq!(found == Reaction::default(), tolerated, "{reply:?}");
        }
    }

    #[test]
    fn own_close_and_a_limit_of_the_analysis_are_none() {
        let mut closing = Closing::default();
        assert_eq!(Reaction::to(&closing, Role::Client, packet(5), milliseconds(5), Some(1)), Reaction::default());
        let at = Arrival { packet: packet(7), time: milliseconds(7), acknowledged: Some(500) };
        closing.close(SeenClose { sender: Role::Client, code: None, reason: Box::default(), whole: true, at, end: 9 });
        assert_eq!(Reaction::to(&closing, Role::Client, packet(5), milliseconds(5), Some(1)), Reaction::default());
        assert_eq!(Reaction::to(&closing, Role::Server, packet(5), milliseconds(5), None), Reaction::default());
    }
}
