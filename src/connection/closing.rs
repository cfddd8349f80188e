//! Who closed first, with what, and how it was answered.
//!
//! ```text
//!          a Close frame               the other end's
//!   Open ────────────────▶ Asked ────────────────────────▶ Closed
//!                             │ another of the same sender    │ any other
//!                             └──▶ Asked                      └──▶ Closed
//! ```
//!
//! Which Close frame was first is told by acknowledgements, not by the order of capture: an end that had acknowledged the
//! other's Close frame answered it, and if neither had, they crossed.

use crate::close_code::CloseCode;
use crate::flow::Role;
use crate::tcp::{Arrival, EndKind, FlowEnd};

use super::record::{CloseReply, CloseSource, ClosedBy, TcpEnd, Verdict};

/// A Close frame, as far as it was captured.
#[derive(Clone, Debug)]
pub(super) struct SeenClose {
    pub(super) sender: Role,
    /// `None` if the body holds none, or if that part is missing.
    pub(super) code: Option<CloseCode>,
    pub(super) reason: Box<[u8]>,
    /// Whether all of it is in the capture.
    pub(super) whole: bool,
    /// The packet that holds its last byte.
    pub(super) at: Arrival,
    /// The sender's stream offset just after it.
    pub(super) end: u64,
}

/// How far the closing handshake (RFC 6455 section 7) got.
#[derive(Debug, Default)]
pub(super) enum Closing {
    /// No Close frame was seen.
    #[default]
    Open,
    /// One end has closed.
    Asked { first: Box<SeenClose> },
    /// Both have.
    Closed { first: Box<SeenClose>, reply: Box<SeenClose>, crossed: bool },
}

/// What the closing is judged by, beside the Close frames themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Who sent the first FIN or RST, and which; `None` if TCP's end is not in the capture.
    pub(super) end: Option<(Role, FlowEnd)>,
    /// The roles whose last bytes could not be decoded, so that a Close frame may be among them.
    pub(super) unknown_tail: [Option<Role>; 2],
}

impl Circumstances {
    fn may_hide_close_of(&self, role: Role) -> bool {
        self.unknown_tail.contains(&Some(role))
    }
}

impl Closing {
    /// A Close frame was seen.
    pub(super) fn close(&mut self, seen: SeenClose) {
        *self = match std::mem::take(self) {
            Self::Open => Self::Asked { first: Box::new(seen) },
            Self::Asked { first } if first.sender == seen.sender => Self::Asked { first },
            Self::Asked { first } => Self::answered(first, Box::new(seen)),
            closed @ Self::Closed { .. } => closed,
        };
    }

    fn answered(earlier: Box<SeenClose>, later: Box<SeenClose>) -> Self {
        let knew = |close: &SeenClose, other: &SeenClose| close.at.acknowledged.map(|bytes| bytes >= other.end);
        match (knew(&earlier, &later), knew(&later, &earlier)) {
            // Captured in the wrong order.
            (Some(true), Some(false)) => Self::Closed { first: later, reply: earlier, crossed: false },
            (Some(false), Some(false)) => Self::Closed { first: earlier, reply: later, crossed: true },
            _ => Self::Closed { first: earlier, reply: later, crossed: false },
        }
    }

    /// Who sent the first Close frame.
    pub(super) fn first_sender(&self) -> Option<Role> {
        match self {
            Self::Open => None,
            Self::Asked { first } | Self::Closed { first, .. } => Some(first.sender),
        }
    }

    /// The first Close frame of `sender`.
    pub(super) fn close_of(&self, sender: Role) -> Option<&SeenClose> {
        match self {
            Self::Open => None,
            Self::Asked { first } => Some(&**first).filter(|close| close.sender == sender),
            Self::Closed { first, reply, .. } => [&**first, &**reply].into_iter().find(|close| close.sender == sender),
        }
    }

    /// Whether the first Close frame of `sender` does no more than to answer the other end's: with the same code, or with
    /// none or 1000, which some endpoints answer whatever they got.
    pub(super) fn merely_answers(&self, sender: Role) -> bool {
        let Self::Closed { first, reply, crossed: false } = self else { return false };
        let code = effective_code(reply);
        let usual = [effective_code(first), Some(CloseCode::NORMAL), Some(CloseCode::NO_STATUS)];
        reply.sender == sender && usual.contains(&code)
    }

    /// When both ends had closed.
    pub(super) fn closed_at(&self) -> Option<Arrival> {
        match self {
            Self::Open | Self::Asked { .. } => None,
            Self::Closed { reply, .. } => Some(reply.at),
        }
    }

    /// Who finished TCP although it had received the other's Close frame and had not answered it.
    pub(super) fn unanswered_by(&self, circumstances: &Circumstances) -> Option<(Role, FlowEnd)> {
        let (role, end) = circumstances.end.filter(|(_, end)| end.kind == EndKind::Fin)?;
        let Self::Asked { first } = self else { return None };
        let received = first.sender == role.peer() && end.acknowledged.is_some_and(|bytes| bytes >= first.end);
        (received && !circumstances.may_hide_close_of(role)).then_some((role, end))
    }

    /// What follows for a connection that was open.
    pub(super) fn verdict(&self, circumstances: &Circumstances) -> Verdict {
        let mut verdict = tcp_verdict(circumstances);
        match self {
            Self::Open => without_close(&mut verdict, circumstances),
            Self::Asked { first } => {
                with_first(&mut verdict, first, ClosedBy::One(first.sender));
                let unknown = circumstances.may_hide_close_of(first.sender.peer());
                verdict.reply = (circumstances.end.is_some() && !unknown).then_some(CloseReply::Missing);
                verdict.clean = (circumstances.end.is_some() && !unknown).then_some(false);
            }
            Self::Closed { first, reply, crossed } => {
                let by = if *crossed { ClosedBy::Both } else { ClosedBy::One(first.sender) };
                with_first(&mut verdict, first, by);
                verdict.reply_code = effective_code(reply);
                verdict.reply_ms = Some(reply.at.time.millis_since(first.at.time));
                verdict.reply = verdict
                    .close_code
                    .zip(verdict.reply_code)
                    .map(|(first, reply)| if first == reply { CloseReply::Matching } else { CloseReply::Different });
                verdict.clean = circumstances.end.map(|(_, end)| end.kind == EndKind::Fin);
            }
        }
        verdict
    }
}

/// What TCP alone says; also of an attempt that never became a connection.
pub(super) fn tcp_verdict(circumstances: &Circumstances) -> Verdict {
    Verdict {
        tcp_end: circumstances.end.map(|(_, end)| match end.kind {
            EndKind::Fin => TcpEnd::Fin,
            EndKind::Reset => TcpEnd::Rst,
        }),
        tcp_ended_by: circumstances.end.map(|(role, _)| role),
        ..Verdict::default()
    }
}

fn without_close(verdict: &mut Verdict, circumstances: &Circumstances) {
    let Some((role, _)) = circumstances.end else { return };
    if circumstances.unknown_tail != [None, None] {
        return;
    }
    verdict.close_code = Some(CloseCode::ABNORMAL);
    verdict.source = Some(CloseSource::Inferred);
    verdict.closed_by = Some(ClosedBy::One(role));
    verdict.clean = Some(false);
}

fn with_first(verdict: &mut Verdict, first: &SeenClose, by: ClosedBy) {
    verdict.closed_by = Some(by);
    verdict.close_code = effective_code(first);
    verdict.source = verdict.close_code.map(|_| match first.code {
        Some(_) => CloseSource::Frame,
        None => CloseSource::EmptyFrame,
    });
    verdict.reason = (first.whole && first.code.is_some()).then(|| first.reason.clone());
}

/// The code that an application is told (RFC 6455 section 7.1.5); `None` if the capture does not hold it.
pub(super) fn effective_code(close: &SeenClose) -> Option<CloseCode> {
    close.code.or(close.whole.then_some(CloseCode::NO_STATUS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Direction, PacketId, Timestamp};

    fn close(sender: Role, code: u16, packet: u64, acknowledged: Option<u64>) -> SeenClose {
        let at = Arrival {
            packet: PacketId { file: 0, number: packet },
            time: Timestamp::from_nanos(packet.cast_signed() * 1_000_000),
            acknowledged,
        };
        SeenClose { sender, code: Some(CloseCode(code)), reason: Box::default(), whole: true, at, end: 100 }
    }

    fn ended(kind: EndKind) -> Circumstances {
        let end = FlowEnd {
            sender: Direction::FromLow,
            kind,
            packet: PacketId { file: 0, number: 9 },
            time: Timestamp::default(),
            acknowledged: None,
        };
        Circumstances { end: Some((Role::Server, end)), unknown_tail: [None, None] }
    }

    fn verdict(closes: impl IntoIterator<Item = SeenClose>, circumstances: Circumstances) -> Verdict {
        let mut closing = Closing::default();
        closes.into_iter().for_each(|close| closing.close(close));
        closing.verdict(&circumstances)
    }

    #[test]
    fn answer_that_acknowledged_the_first_close_is_a_reply() {
        let closes = [close(Role::Client, 1000, 1, Some(50)), close(Role::Server, 1000, 3, Some(100))];
        let verdict = verdict(closes, ended(EndKind::Fin));
        assert_eq!(verdict.closed_by, Some(ClosedBy::One(Role::Client)));
        assert_eq!(verdict.reply, Some(CloseReply::Matching));
        assert_eq!(verdict.reply_ms, Some(2.0));
        assert_eq!(verdict.clean, Some(true));
    }

    #[test]
    fn closes_that_nobody_had_acknowledged_crossed() {
        let closes = [close(Role::Client, 4000, 1, Some(50)), close(Role::Server, 4001, 2, Some(94))];
        let verdict = verdict(closes, ended(EndKind::Fin));
        assert_eq!(verdict.closed_by, Some(ClosedBy::Both));
        assert_eq!(verdict.reply, Some(CloseReply::Different));
    }

    #[test]
    fn acknowledgement_beats_the_order_of_capture() {
        let closes = [close(Role::Client, 1001, 1, Some(100)), close(Role::Server, 1001, 2, Some(50))];
        assert_eq!(verdict(closes, ended(EndKind::Fin)).closed_by, Some(ClosedBy::One(Role::Server)));
    }

    #[test]
    fn no_close_is_1006_only_when_tcp_ended_and_nothing_is_hidden() {
        assert_eq!(verdict([], ended(EndKind::Reset)).close_code, Some(CloseCode::ABNORMAL));
        let open = Circumstances { end: None, unknown_tail: [None, None] };
        assert_eq!(verdict([], open), Verdict::default());
        let hidden = Circumstances { unknown_tail: [Some(Role::Client), None], ..ended(EndKind::Fin) };
        assert_eq!(verdict([], hidden).close_code, None);
        assert_eq!(verdict([], hidden).tcp_end, Some(TcpEnd::Fin));
    }

    #[test]
    fn missing_reply_is_claimed_only_when_it_would_have_been_seen() {
        let first = || [close(Role::Client, 1000, 1, None)];
        assert_eq!(verdict(first(), ended(EndKind::Fin)).reply, Some(CloseReply::Missing));
        assert_eq!(verdict(first(), Circumstances { end: None, unknown_tail: [None, None] }).reply, None);
        let hidden = Circumstances { unknown_tail: [None, Some(Role::Server)], ..ended(EndKind::Fin) };
        assert_eq!(verdict(first(), hidden).reply, None);
    }

    #[test]
    fn empty_close_is_1005_and_a_cut_one_is_unknown() {
        let empty = SeenClose { code: None, ..close(Role::Server, 0, 1, None) };
        let cut = SeenClose { whole: false, ..empty.clone() };
        let verdict_of = |close| verdict([close], ended(EndKind::Fin));
        assert_eq!(verdict_of(empty.clone()).close_code, Some(CloseCode::NO_STATUS));
        assert_eq!(verdict_of(empty).source, Some(CloseSource::EmptyFrame));
        assert_eq!(verdict_of(cut.clone()).close_code, None);
        assert_eq!(verdict_of(cut).closed_by, Some(ClosedBy::One(Role::Server)));
    }
}
