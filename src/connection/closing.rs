//! Who closed first, with what, and how it was answered.
//!
//! ```text
//!          a Close frame               the other end's
//!   Open ────────────────▶ Asked ────────────────────────▶ Closed
//!                             │ another of the same sender    │ any other
//!                             └──▶ Asked                      └──▶ Closed
//! ```
//!
//! # What is evidence
//!
//! Which Close frame was first is told by acknowledgements, not by the order of capture: an end that had acknowledged the
//! other's Close frame answered it, and if neither had, they crossed. That an end had not acknowledged something is proof.
//! That it had is not, if both say so of each other: then at least one of the copies is a retransmission, which
//! acknowledges more than the first copy did.
//!
//! Nothing follows a Close frame (RFC 6455 section 5.5.1). So a hole can hold one only if nothing that was decoded comes
//! after it: in the [`Tail`] of what its sender sent, and only if that has room for a frame. Earlier holes say nothing.
//!
//! Where one end's Close frame was captured and the other's may be in its tail, what the first had acknowledged by then
//! divides the tail:
//!
//! | tail before | tail after | |
//! |---|---|---|
//! | no room | any | the captured one was no answer: its sender closed |
//! | room | room | the same: the other end went on to send |
//! | room | no room | an answer, or the other end did not answer: see below |
//!
//! In the last case it was an answer if the other end sent a FIN, which it may not before it has answered (section 5.5.1);
//! if the bytes before it can hold the frame that is answered; and if it followed their acknowledgement at once, with
//! nothing else sent in between. Else it is not known who closed, and so not with which code.
//!
//! That no Close frame was sent is said only of an end that can send none any more, and in whose tail there is no room.

use crate::close_code::CloseCode;
use crate::flow::{PerRole, Role, Timestamp};
use crate::limits;
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

impl SeenClose {
    /// Whether it was captured before `other`. What was searched for is told at the end only.
    fn is_before(&self, other: &Self) -> bool {
        let (own, other) = (&self.at, &other.at);
        if own.packet.file() == other.packet.file() { own.packet < other.packet } else { own.time < other.time }
    }
}

/// How far the closing handshake (RFC 6455 section 7) got.
#[derive(Debug, Default)]
pub(super) enum Closing {
    /// No Close frame was seen.
    #[default]
    Open,
    /// One end has closed.
    Asked { first: Box<SeenClose> },
    /// Both have, in this order of capture.
    Closed { earlier: Box<SeenClose>, later: Box<SeenClose> },
}

/// Who sent the first Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// This end.
    First(Role),
    /// Neither had received the other's.
    Crossed,
    /// The capture does not show it, or there was none.
    Unknown,
}

/// What the closing is judged by, beside the Close frames themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Who sent the first FIN or RST, and which; `None` if TCP's end is not in the capture.
    pub(super) end: Option<(Role, FlowEnd)>,
    pub(super) tails: PerRole<Tail>,
}

/// The last bytes that an end sent, if they could not be decoded, and how they ended. Stream offsets are the sender's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// Where it begins: frames may have gone by unseen from here on. Equal to `end` if all was decoded.
    pub(super) start: u64,
    /// Where the stream ends.
    pub(super) end: u64,
    /// When the other end acknowledged the last byte, if that is missing and the other end sent nothing since but its
    /// Close frame.
    pub(super) heard: Option<Timestamp>,
    /// Nothing comes after it.
    pub(super) over: bool,
    /// It ended with a FIN.
    pub(super) fin: bool,
}

impl Tail {
    /// Whether a Close frame of `sender` may be in it.
    const fn may_hide_close(&self, sender: Role) -> bool {
        has_room(self.start, self.end, shortest_close(sender))
    }

    /// Whether `sender` certainly sent no Close frame but those that were decoded.
    const fn is_known(&self, sender: Role) -> bool {
        self.over && !self.may_hide_close(sender)
    }
}

const fn has_room(start: u64, end: u64, length: u64) -> bool {
    end.saturating_sub(start) >= length
}

/// Bytes of a Close frame without a body: a header, and the client's mask.
const fn shortest_close(sender: Role) -> u64 {
    match sender {
        Role::Client => 6,
        Role::Server => 2,
    }
}

impl Closing {
    /// A Close frame was seen.
    pub(super) fn close(&mut self, seen: SeenClose) {
        *self = match std::mem::take(self) {
            Self::Open => Self::Asked { first: Box::new(seen) },
            Self::Asked { first } if first.sender == seen.sender => Self::Asked { first },
            Self::Asked { first } if seen.is_before(&first) => Self::Closed { earlier: Box::new(seen), later: first },
            Self::Asked { first } => Self::Closed { earlier: first, later: Box::new(seen) },
            closed @ Self::Closed { .. } => closed,
        };
    }

    /// Who sent the first Close frame.
    pub(super) fn order(&self, circumstances: &Circumstances) -> Order {
        match self {
            Self::Open => Order::Unknown,
            Self::Asked { first } => order_of_one(first, circumstances.tails.get(first.sender.peer())),
            Self::Closed { earlier, later } => order_of_both(earlier, later),
        }
    }

    /// The first Close frame of `sender`.
    pub(super) fn close_of(&self, sender: Role) -> Option<&SeenClose> {
        match self {
            Self::Open => None,
            Self::Asked { first } => Some(&**first).filter(|close| close.sender == sender),
            Self::Closed { earlier, later } => [&**earlier, &**later].into_iter().find(|close| close.sender == sender),
        }
    }

    /// Whether the first Close frame of `sender` does no more than to answer the other end's: with the same code, or with
    /// none or 1000, which some endpoints answer whatever they got.
    pub(super) fn merely_answers(&self, sender: Role) -> bool {
        let Self::Closed { earlier, later } = self else { return false };
        let Order::First(role) = order_of_both(earlier, later) else { return false };
        let (first, reply) = if role == earlier.sender { (earlier, later) } else { (later, earlier) };
        let code = effective_code(reply);
        let usual = [effective_code(first), Some(CloseCode::NORMAL), Some(CloseCode::NO_STATUS)];
        reply.sender == sender && usual.contains(&code)
    }

    /// When both ends had closed.
    pub(super) fn closed_at(&self) -> Option<Arrival> {
        match self {
            Self::Open | Self::Asked { .. } => None,
            Self::Closed { later, .. } => Some(later.at),
        }
    }

    /// Who finished TCP although it had received the other's Close frame and had not answered it.
    pub(super) fn unanswered_by(&self, circumstances: &Circumstances) -> Option<(Role, FlowEnd)> {
        let (role, end) = circumstances.end.filter(|(_, end)| end.kind == EndKind::Fin)?;
        let Self::Asked { first } = self else { return None };
        let received = first.sender == role.peer() && end.acknowledged.is_some_and(|bytes| bytes >= first.end);
        (received && circumstances.tails.get(role).is_known(role)).then_some((role, end))
    }

    /// What follows for a connection that was open.
    pub(super) fn verdict(&self, circumstances: &Circumstances) -> Verdict {
        let mut verdict = tcp_verdict(circumstances);
        if verdict.tcp_end == Some(TcpEnd::Rst) {
            verdict.clean = Some(false);
        }
        let order = self.order(circumstances);
        match self {
            Self::Open => without_close(&mut verdict, circumstances),
            Self::Asked { first } => with_one(&mut verdict, first, order, circumstances),
            Self::Closed { earlier, later } => with_both(&mut verdict, earlier, later, order),
        }
        verdict
    }
}

/// The order of a Close frame and another that may be in the other end's `tail`.
fn order_of_one(close: &SeenClose, tail: &Tail) -> Order {
    let other = close.sender.peer();
    if !tail.may_hide_close(other) {
        return Order::First(close.sender);
    }
    let Some(heard) = close.at.acknowledged else { return Order::Unknown };
    let shortest = shortest_close(other);
    if !has_room(tail.start, heard.min(tail.end), shortest) || has_room(heard.max(tail.start), tail.end, shortest) {
        return Order::First(close.sender);
    }
    // An answer repeats the code, as a rule.
    let asked = shortest + if close.code.is_some() { 2 } else { 0 };
    let at_once = tail.heard.is_some_and(|time| {
        let waited = close.at.time.as_nanos().saturating_sub(time.as_nanos());
        (0..=limits::CLOSE_ANSWER_NANOS).contains(&waited)
    });
    if tail.fin && heard == tail.end && at_once && has_room(tail.start, tail.end, asked) {
        Order::First(other)
    } else {
        Order::Unknown
    }
}

fn order_of_both(earlier: &SeenClose, later: &SeenClose) -> Order {
    let knew = |close: &SeenClose, other: &SeenClose| close.at.acknowledged.map(|bytes| bytes >= other.end);
    match (knew(earlier, later), knew(later, earlier)) {
        (Some(true), Some(true)) => Order::Unknown,
        // Captured in the wrong order.
        (Some(true), Some(false) | None) => Order::First(later.sender),
        (Some(false), Some(false)) => Order::Crossed,
        (Some(false) | None, Some(true) | None) | (None, Some(false)) => Order::First(earlier.sender),
    }
}

/// What TCP alone says; also of an attempt that never became a connection.
pub(super) fn tcp_verdict(circumstances: &Circumstances) -> Verdict {
    Verdict {
        tcp_end: circumstances.end.map(|(_, end)| match end.kind {
            EndKind::Fin => TcpEnd::Fin,
            EndKind::Reset => TcpEnd::Rst,
        }),
        tcp_ended_by: circumstances.end.and_then(|(role, end)| (!end.perhaps_second).then_some(role)),
        ..Verdict::default()
    }
}

fn without_close(verdict: &mut Verdict, circumstances: &Circumstances) {
    let known = [Role::Client, Role::Server].into_iter().all(|role| circumstances.tails.get(role).is_known(role));
    if circumstances.end.is_some() && known {
        verdict.close_code = Some(CloseCode::ABNORMAL);
        verdict.source = Some(CloseSource::Inferred);
        verdict.closed_by = verdict.tcp_ended_by.map(ClosedBy::One);
        verdict.clean = Some(false);
    }
}

fn with_one(verdict: &mut Verdict, close: &SeenClose, order: Order, circumstances: &Circumstances) {
    let other = close.sender.peer();
    match order {
        Order::First(role) if role == close.sender => with_first(verdict, close, ClosedBy::One(role)),
        Order::First(role) => {
            verdict.closed_by = Some(ClosedBy::One(role));
            verdict.reply_code = effective_code(close);
        }
        Order::Crossed | Order::Unknown => {}
    }
    if circumstances.end.is_some() && circumstances.tails.get(other).is_known(other) {
        verdict.reply = Some(CloseReply::Missing);
        verdict.clean = Some(false);
    }
}

fn with_both(verdict: &mut Verdict, earlier: &SeenClose, later: &SeenClose, order: Order) {
    let swapped = order == Order::First(later.sender);
    let (first, reply) = if swapped { (later, earlier) } else { (earlier, later) };
    let codes = effective_code(first).zip(effective_code(reply));
    verdict.reply =
        codes.map(|(first, reply)| if first == reply { CloseReply::Matching } else { CloseReply::Different });
    verdict.clean = verdict.tcp_end.map(|end| end == TcpEnd::Fin);
    let by = match order {
        Order::First(role) => ClosedBy::One(role),
        Order::Crossed => ClosedBy::Both,
        Order::Unknown => return,
    };
    with_first(verdict, first, by);
    verdict.reply_code = effective_code(reply);
    verdict.reply_ms = Some(reply.at.time.millis_since(first.at.time));
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
    use crate::flow::{Direction, PacketId};

    const CLIENT: Role = Role::Client;
    const SERVER: Role = Role::Server;

    fn close(sender: Role, code: u16, packet: u64, acknowledged: Option<u64>) -> SeenClose {
        let at = Arrival { packet: PacketId::new(0, packet), time: millis(packet), acknowledged };
        SeenClose { sender, code: Some(CloseCode(code)), reason: Box::default(), whole: true, at, end: 100 }
    }

    fn millis(count: u64) -> Timestamp {
        Timestamp::from_nanos(count.cast_signed() * 1_000_000)
    }

    /// Everything of both ends was decoded, and ended like this.
    fn ended(kind: EndKind) -> Circumstances {
        let end = FlowEnd {
            sender: Direction::FromLow,
            kind,
            packet: PacketId::new(0, 9),
            time: Timestamp::default(),
            acknowledged: None,
            perhaps_second: false,
        };
        let tail = Tail { start: 100, end: 100, heard: None, over: true, fin: kind == EndKind::Fin };
        Circumstances { end: Some((SERVER, end)), tails: PerRole { client: tail, server: tail } }
    }

    /// The same, but these bytes of `role` were not.
    fn hidden(role: Role, start: u64, end: u64) -> Circumstances {
        let mut circumstances = ended(EndKind::Fin);
        let tail = circumstances.tails.get_mut(role);
        (tail.start, tail.end, tail.heard) = (start, end, Some(millis(0)));
        circumstances
    }

    fn verdict(closes: impl IntoIterator<Item = SeenClose>, circumstances: &Circumstances) -> Verdict {
        let mut closing = Closing::default();
        closes.into_iter().for_each(|close| closing.close(close));
        closing.verdict(circumstances)
    }

    #[test]
    fn answer_that_acknowledged_the_first_close_is_a_reply() {
        let closes = [close(CLIENT, 1000, 1, Some(50)), close(SERVER, 1000, 3, Some(100))];
        let verdict = verdict(closes, &ended(EndKind::Fin));
        assert_eq!(verdict.closed_by, Some(ClosedBy::One(CLIENT)));
        assert_eq!(verdict.reply, Some(CloseReply::Matching));
        assert_eq!(verdict.reply_ms, Some(2.0));
        assert_eq!(verdict.clean, Some(true));
    }

    #[test]
    fn closes_that_nobody_had_acknowledged_crossed() {
        let closes = [close(CLIENT, 4000, 1, Some(50)), close(SERVER, 4001, 2, Some(94))];
        let verdict = verdict(closes, &ended(EndKind::Fin));
        assert_eq!(verdict.closed_by, Some(ClosedBy::Both));
        assert_eq!(verdict.reply, Some(CloseReply::Different));
    }

    #[test]
    fn acknowledgement_beats_the_order_of_capture() {
        let closes = [close(CLIENT, 1001, 1, Some(100)), close(SERVER, 1001, 2, Some(50))];
        let verdict = verdict(closes, &ended(EndKind::Fin));
        assert_eq!(verdict.closed_by, Some(ClosedBy::One(SERVER)));
        assert_eq!(verdict.reply_ms, Some(-1.0));
    }

    #[test]
    fn closes_that_both_acknowledge_the_other_leave_open_who_was_first() {
        let closes = |answer| [close(CLIENT, 1000, 1, Some(100)), close(SERVER, answer, 2, Some(100))];
        let different = verdict(closes(1001), &ended(EndKind::Fin));
        assert_eq!((different.closed_by, different.close_code, different.reply_code), (None, None, None));
        assert_eq!((different.reply, different.clean), (Some(CloseReply::Different), Some(true)));
        assert_eq!(verdict(closes(1000), &ended(EndKind::Fin)).reply, Some(CloseReply::Matching));
    }

    #[test]
    fn no_close_is_1006_only_when_both_ends_are_over_and_nothing_is_hidden() {
        assert_eq!(verdict([], &ended(EndKind::Reset)).close_code, Some(CloseCode::ABNORMAL));
        assert_eq!(verdict([], &ended(EndKind::Fin)).closed_by, Some(ClosedBy::One(SERVER)));
        let open = Circumstances { end: None, ..ended(EndKind::Fin) };
        assert_eq!(verdict([], &open), Verdict::default());
        for role in [CLIENT, SERVER] {
            let mut half_closed = ended(EndKind::Fin);
            half_closed.tails.get_mut(role).over = false;
            for unknown in [half_closed, hidden(role, 90, 100)] {
                let verdict = verdict([], &unknown);
                assert_eq!((verdict.close_code, verdict.closed_by, verdict.clean), (None, None, None));
                assert_eq!(verdict.tcp_end, Some(TcpEnd::Fin));
            }
        }
    }

    #[test]
    fn reset_is_not_clean_whatever_is_hidden() {
        let reset = Circumstances { end: ended(EndKind::Reset).end, ..hidden(SERVER, 0, 100) };
        let verdict = verdict([], &reset);
        assert_eq!((verdict.close_code, verdict.clean), (None, Some(false)));
    }

    #[test]
    fn bytes_too_few_for_a_close_frame_hide_none() {
        assert_eq!(verdict([], &hidden(CLIENT, 95, 100)).close_code, Some(CloseCode::ABNORMAL));
        assert_eq!(verdict([], &hidden(CLIENT, 94, 100)).close_code, None);
        assert_eq!(verdict([], &hidden(SERVER, 99, 100)).close_code, Some(CloseCode::ABNORMAL));
        assert_eq!(verdict([], &hidden(SERVER, 98, 100)).close_code, None);
    }

    #[test]
    fn missing_reply_is_claimed_only_when_it_would_have_been_seen() {
        let first = || [close(CLIENT, 1000, 1, Some(100))];
        assert_eq!(verdict(first(), &ended(EndKind::Fin)).reply, Some(CloseReply::Missing));
        let open = Circumstances { end: None, ..ended(EndKind::Fin) };
        assert_eq!(verdict(first(), &open).reply, None);
        let mut half_closed = ended(EndKind::Fin);
        half_closed.tails.server.over = false;
        assert_eq!(verdict(first(), &half_closed).reply, None);
        assert_eq!(verdict(first(), &half_closed).closed_by, Some(ClosedBy::One(CLIENT)));
        let hidden = verdict(first(), &hidden(SERVER, 100, 104));
        assert_eq!((hidden.reply, hidden.clean, hidden.close_code), (None, None, Some(CloseCode(1000))));
    }

    #[test]
    fn end_that_had_not_heard_of_any_close_was_first() {
        // Of what the server sent from 90 on nothing is known, and the client had acknowledged so much of it.
        for heard in [80, 90, 91, 96, 98] {
            let verdict = verdict([close(CLIENT, 4000, 1, Some(heard))], &hidden(SERVER, 90, 100));
            assert_eq!(verdict.closed_by, Some(ClosedBy::One(CLIENT)), "{heard}");
            assert_eq!((verdict.close_code, verdict.reply), (Some(CloseCode(4000)), None), "{heard}");
        }
    }

    #[test]
    fn end_that_had_heard_the_last_of_the_other_and_closed_at_once_answered() {
        let answer = || close(CLIENT, 4000, 1, Some(100));
        let answered = verdict([answer()], &hidden(SERVER, 90, 100));
        assert_eq!((answered.closed_by, answered.close_code), (Some(ClosedBy::One(SERVER)), None));
        assert_eq!((answered.reply, answered.reply_code), (None, Some(CloseCode(4000))));

        let mut reset = hidden(SERVER, 90, 100);
        reset.tails.server.fin = false;
        let mut long_ago = hidden(SERVER, 90, 100);
        long_ago.tails.server.heard = Some(Timestamp::from_nanos(-limits::CLOSE_ANSWER_NANOS));
        let mut captured = hidden(SERVER, 90, 100);
        captured.tails.server.heard = None;
        let too_short = hidden(SERVER, 97, 100);
        for (number, unclear) in [reset, long_ago, captured, too_short].into_iter().enumerate() {
            let verdict = verdict([answer()], &unclear);
            assert_eq!((verdict.closed_by, verdict.close_code, verdict.reply), (None, None, None), "case {number}");
        }
        let no_acknowledgement = verdict([close(CLIENT, 4000, 1, None)], &hidden(SERVER, 90, 100));
        assert_eq!(no_acknowledgement.closed_by, None);
        // It had heard of the FIN, too: it may have closed because of that.
        assert_eq!(verdict([close(CLIENT, 4000, 1, Some(101))], &hidden(SERVER, 90, 100)).closed_by, None);
    }

    #[test]
    fn empty_close_is_1005_and_a_cut_one_is_unknown() {
        let empty = SeenClose { code: None, ..close(SERVER, 0, 1, None) };
        let cut = SeenClose { whole: false, ..empty.clone() };
        let verdict_of = |close| verdict([close], &ended(EndKind::Fin));
        assert_eq!(verdict_of(empty.clone()).close_code, Some(CloseCode::NO_STATUS));
        assert_eq!(verdict_of(empty).source, Some(CloseSource::EmptyFrame));
        assert_eq!(verdict_of(cut.clone()).close_code, None);
        assert_eq!(verdict_of(cut).closed_by, Some(ClosedBy::One(SERVER)));
    }
}
