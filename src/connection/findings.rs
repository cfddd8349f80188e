//! What the decoders of one connection have found so far.

use crate::flow::{PerRole, Role};
use crate::limits;
use crate::tcp::Arrival;
use crate::websocket::{CloseBody, Event, InvalidText, Rule, TextCheck, Visitor};

use super::activity::Activity;
use super::closing::{Circumstances, Closing, Order, SeenClose};
use super::faults::Faults;
use super::record::{CloseFrame, Position, TextLocation};

/// Rows and counts of one connection. What most connections have nothing of is boxed: there may be a hundred thousand of
/// them.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) closing: Closing,
    /// What the ends did.
    pub(super) activity: Activity,
    pub(super) close_frames: Vec<CloseFrame>,
    /// `None` until there are any.
    faults: Option<Box<Faults>>,
    /// Complete messages.
    pub(super) messages: PerRole<u64>,
    pub(super) undecodable_messages: u64,
    /// The 101 is in the capture, so that it is known which extensions are in use.
    agreement_seen: bool,
}

impl Findings {
    /// None yet. `agreement_seen` says that the 101 is in the capture, and with it the extensions in use.
    pub(super) fn new(agreement_seen: bool) -> Self {
        Self { agreement_seen, ..Self::default() }
    }

    /// The visitor of the decoder of what `sender` sends.
    pub(super) fn of(&mut self, sender: Role) -> impl Visitor<Arrival> + '_ {
        OfSender { findings: self, sender }
    }

    /// `sender` broke a rule in a way that its peer cannot react to.
    pub(super) fn violation(&mut self, sender: Role, at: &Arrival, rule: Rule, detail: impl Into<Box<str>>) {
        self.violation_from(sender, at, rule, detail, None);
    }

    /// The same, where the peer can: it knows from the sender's stream offset `known` on.
    pub(super) fn violation_from(
        &mut self,
        sender: Role,
        at: &Arrival,
        rule: Rule,
        detail: impl Into<Box<str>>,
        known: Option<u64>,
    ) {
        if rule.may_be_lifted() && !self.agreement_seen {
            return;
        }
        self.faults_mut().violation(sender, at, rule, detail.into(), known);
    }

    fn faults_mut(&mut self) -> &mut Faults {
        self.faults.get_or_insert_default()
    }

    /// What was wrong.
    pub(super) fn into_faults(self) -> Faults {
        self.faults.map_or_else(Faults::default, |faults| *faults)
    }

    /// Whether `sender` broke a rule.
    pub(super) fn blames(&self, sender: Role) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.blame(sender))
    }

    /// What is known only at the end: which Close frame was which, and how the peer took invalid text.
    pub(super) fn settle(&mut self, circumstances: &Circumstances) {
        let order = self.closing.order(circumstances);
        // What was searched for is told at the end only.
        let file = self.close_frames.first().map(|frame| frame.packet.file());
        let one_file = self.close_frames.iter().all(|frame| Some(frame.packet.file()) == file);
        self.close_frames.sort_by_key(|frame| ((!one_file).then_some(frame.time), frame.packet));
        let earliest = self.close_frames.first().map(|frame| frame.sender);
        let mut seen: PerRole<bool> = PerRole::default();
        for frame in &mut self.close_frames {
            let again = std::mem::replace(seen.get_mut(frame.sender), true);
            let first = match order {
                Order::First(role) => Some(role),
                Order::Crossed => earliest,
                Order::Unknown => None,
            };
            frame.position = match (again, first) {
                (true, _) => Some(Position::Extra),
                (false, Some(role)) if role == frame.sender => Some(Position::First),
                (false, Some(_)) => Some(Position::Reply),
                (false, None) => None,
            };
        }
        if let Some(faults) = &mut self.faults {
            faults.settle(&self.closing);
        }
    }
}

struct OfSender<'a> {
    findings: &'a mut Findings,
    sender: Role,
}

impl Visitor<Arrival> for OfSender<'_> {
    // Where the decoder knows which event it tells, this is what that one needs and no more.
    #[inline(always)]
    fn event(&mut self, end: u64, at: Arrival, event: Event<'_, Arrival>) {
        let (findings, sender) = (&mut *self.findings, self.sender);
        match event {
            Event::DataFrame { text, first, bytes } => {
                findings.activity.data_frame(sender, end, &at, (text, first, bytes));
            }
            Event::Ping => findings.activity.ping(sender, &at),
            Event::Pong => findings.activity.pong(sender),
            Event::Message { text } => {
                *findings.messages.get_mut(sender) += 1;
                if text && let Some(faults) = &mut findings.faults {
                    faults.text_message(sender);
                }
            }
            Event::Undecodable => findings.undecodable_messages += 1,
            Event::Violation { rule, detail } => findings.violation_from(sender, &at, rule, detail, Some(end)),
            Event::InvalidText { message, bytes, offset, fault } => {
                findings.invalid_text(sender, message, bytes, offset, fault);
            }
            Event::Close(body) => findings.close(sender, &at, &body, end),
        }
    }
}

impl Findings {
    /// A text message of `sender` that is not UTF-8, from stream offset `offset` on.
    fn invalid_text(
        &mut self,
        sender: Role,
        message: u64,
        bytes: Option<u64>,
        offset: u64,
        fault: InvalidText<Arrival>,
    ) {
        let detail = format!("{} at byte {} of message {message}", fault.error.name(), fault.byte_offset);
        let known = offset + 1;
        self.violation_from(sender, &fault.mark, Rule::InvalidUtf8, detail, Some(known));
        self.faults_mut().invalid_text(sender, TextLocation::TextMessage(message), bytes, known, fault);
    }

    /// A Close frame that ends at the sender's stream offset `end`.
    fn close(&mut self, sender: Role, at: &Arrival, body: &CloseBody<'_>, end: u64) {
        self.activity.close(sender, at);
        self.closing.close(SeenClose {
            sender,
            code: body.code,
            reason: body.reason.into(),
            whole: body.whole,
            at: *at,
            end,
        });
        if body.whole {
            self.close_frame(sender, at, body, end);
        }
    }

    /// A Close frame that is in the capture as a whole, and ends at the sender's stream offset `end`.
    fn close_frame(&mut self, sender: Role, at: &Arrival, body: &CloseBody<'_>, end: u64) {
        match body.code {
            None if body.length > 0 => {
                let detail = format!("body of {} byte", body.length);
                self.violation_from(sender, at, Rule::CloseBodyTooShort, detail, Some(end));
            }
            Some(code) if !code.may_be_sent() => {
                self.violation_from(sender, at, Rule::InvalidCloseCode, format!("code {code}"), Some(end));
            }
            None | Some(_) => {}
        }
        let fault = TextCheck::whole(body.reason, *at);
        let reason_valid = fault.is_none();
        if let Some(fault) = fault {
            let detail = format!("{} at byte {} of the reason", fault.error.name(), fault.byte_offset);
            self.violation_from(sender, at, Rule::InvalidCloseReason, detail, Some(end));
            let bytes = Some(body.reason.len() as u64);
            self.faults_mut().invalid_text(sender, TextLocation::CloseReason, bytes, end, fault);
        }
        if self.close_frames.len() < limits::ROWS_PER_CONNECTION {
            self.close_frames.push(CloseFrame {
                packet: at.packet,
                time: at.time,
                sender,
                position: None,
                code: body.code,
                reason: body.reason.into(),
                reason_valid,
                payload_bytes: body.length,
            });
        }
    }
}
