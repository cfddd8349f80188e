//! What the decoders of one connection have found so far.

use crate::flow::{PerRole, Role};
use crate::limits;
use crate::tcp::Arrival;
use crate::websocket::{Event, InvalidText, Rule, TextCheck, Visitor};

use super::activity::Activity;
use super::closing::{Closing, SeenClose};
use super::record::{CloseFrame, InvalidUtf8, Position, TextLocation, Violation};

/// Rows and counts of one connection.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) closing: Closing,
    pub(super) activity: Activity,
    pub(super) close_frames: Vec<CloseFrame>,
    pub(super) invalid_utf8: Vec<InvalidUtf8>,
    pub(super) invalid_utf8_count: u64,
    pub(super) violations: Vec<Violation>,
    pub(super) violation_count: u64,
    /// Complete messages.
    pub(super) messages: PerRole<u64>,
    pub(super) undecodable_messages: u64,
}

impl Findings {
    /// The visitor of the decoder of what `sender` sends.
    pub(super) fn of(&mut self, sender: Role) -> impl Visitor<Arrival> + '_ {
        OfSender { findings: self, sender }
    }

    pub(super) fn violation(&mut self, sender: Role, at: &Arrival, rule: Rule, detail: impl Into<Box<str>>) {
        self.violation_count += 1;
        let detail = detail.into();
        let (rule, detail) = match self.violations.len() {
            listed if listed < limits::ROWS_PER_CONNECTION => (rule, detail),
            limits::ROWS_PER_CONNECTION => {
                (Rule::LimitReached, format!("more than {} violations", limits::ROWS_PER_CONNECTION).into())
            }
            _ => return,
        };
        self.violations.push(Violation { packet: at.packet, time: at.time, sender, rule, detail });
    }

    fn invalid(&mut self, sender: Role, location: TextLocation, bytes: Option<u64>, fault: InvalidText<Arrival>) {
        self.invalid_utf8_count += 1;
        if self.invalid_utf8.len() >= limits::ROWS_PER_CONNECTION {
            return;
        }
        self.invalid_utf8.push(InvalidUtf8 {
            packet: fault.mark.packet,
            time: fault.mark.time,
            sender,
            location,
            message_bytes: bytes,
            byte_offset: fault.byte_offset,
            error: fault.error,
            context: fault.context,
            peer_close_code: None,
            peer_reaction_ms: None,
        });
    }

    /// What is known only at the end: which Close frame was which, and how the peer took invalid text.
    pub(super) fn settle(&mut self) {
        let first = self.closing.first_sender();
        let mut seen: PerRole<bool> = PerRole::default();
        for frame in &mut self.close_frames {
            let again = std::mem::replace(seen.get_mut(frame.sender), true);
            frame.position = match (again, Some(frame.sender) == first) {
                (true, _) => Position::Extra,
                (false, true) => Position::First,
                (false, false) => Position::Reply,
            };
        }
        for text in &mut self.invalid_utf8 {
            let reaction = self.closing.close_of(text.sender.peer()).filter(|close| close.at.packet > text.packet);
            text.peer_close_code = reaction.and_then(super::closing::effective_code);
            text.peer_reaction_ms = reaction.map(|close| close.at.time.millis_since(text.time));
        }
    }
}

struct OfSender<'a> {
    findings: &'a mut Findings,
    sender: Role,
}

impl Visitor<Arrival> for OfSender<'_> {
    fn event(&mut self, end: u64, at: Arrival, event: Event<'_, Arrival>) {
        let (findings, sender) = (&mut *self.findings, self.sender);
        match event {
            Event::DataFrame { text, first, bytes } => {
                findings.activity.data_frame(sender, end, &at, (text, first, bytes));
            }
            Event::Ping => findings.activity.ping(sender, &at),
            Event::Pong => findings.activity.pong(sender),
            Event::Message { .. } => *findings.messages.get_mut(sender) += 1,
            Event::Undecodable => findings.undecodable_messages += 1,
            Event::Violation { rule, detail } => findings.violation(sender, &at, rule, detail),
            Event::InvalidText { message, bytes, fault } => {
                findings.invalid(sender, TextLocation::TextMessage(message), bytes, fault);
            }
            Event::Close(body) => {
                findings.activity.close(sender, &at);
                findings.closing.close(SeenClose {
                    sender,
                    code: body.code,
                    reason: body.reason.into(),
                    whole: body.whole,
                    at,
                    end,
                });
                if body.whole {
                    findings.close_frame(sender, &at, &body);
                }
            }
        }
    }
}

impl Findings {
    /// A Close frame that is in the capture as a whole.
    fn close_frame(&mut self, sender: Role, at: &Arrival, body: &crate::websocket::CloseBody<'_>) {
        match body.code {
            None if body.length > 0 => {
                self.violation(sender, at, Rule::CloseBodyTooShort, format!("body of {} byte", body.length));
            }
            Some(code) if !code.may_be_sent() => {
                self.violation(sender, at, Rule::InvalidCloseCode, format!("code {code}"));
            }
            None | Some(_) => {}
        }
        let fault = TextCheck::whole(body.reason, *at);
        let reason_valid = fault.is_none();
        if let Some(fault) = fault {
            let detail = format!("{} at byte {} of the reason", fault.error.name(), fault.byte_offset);
            self.violation(sender, at, Rule::InvalidCloseReason, detail);
            self.invalid(sender, TextLocation::CloseReason, Some(body.reason.len() as u64), fault);
        }
        if self.close_frames.len() < limits::ROWS_PER_CONNECTION {
            self.close_frames.push(CloseFrame {
                packet: at.packet,
                time: at.time,
                sender,
                position: Position::Extra,
                code: body.code,
                reason: body.reason.into(),
                reason_valid,
                payload_bytes: body.length,
            });
        }
    }
}
