//! What was wrong with a connection: rules that its ends broke, and texts that are not UTF-8. Most connections have none of
//! it.
//!
//! In come breaches as they are found; out go rows of tables, with what the peer did about each, once the end is known.

use crate::flow::{PerRole, Role};
use crate::limits;
use crate::tcp::Arrival;
use crate::websocket::{InvalidText, LikelyCause, Rule};

use super::closing::Closing;
use super::reaction::Causes;
use super::record::{InvalidUtf8, TextLocation, Violation};
use super::split::Splits;

/// Rows and counts of one connection.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) violations: Vec<Violation>,
    pub(super) violation_count: u64,
    pub(super) invalid_utf8: Vec<InvalidUtf8>,
    pub(super) invalid_utf8_count: u64,
    /// Characters that are split between messages.
    splits: PerRole<Splits>,
    /// What the peers may have reacted to.
    causes: Causes,
}

impl Faults {
    /// `sender` broke a rule; the peer knew from the sender's stream offset `known` on, if it could know at all.
    pub(super) fn violation(&mut self, sender: Role, at: &Arrival, rule: Rule, detail: Box<str>, known: Option<u64>) {
        self.violation_count += 1;
        let (rule, detail, known) = match self.violations.len() {
            listed if listed < limits::ROWS_PER_CONNECTION => (rule, detail, known),
            limits::ROWS_PER_CONNECTION => {
                (Rule::LimitReached, format!("more than {} violations", limits::ROWS_PER_CONNECTION).into(), None)
            }
            _ => return,
        };
        self.causes.violations.push(known);
        self.violations.push(Violation {
            packet: at.packet,
            time: at.time,
            sender,
            rule,
            detail,
            peer_close_code: None,
            peer_reaction_ms: None,
        });
    }

    /// A text of `sender`, of `bytes` bytes, is not UTF-8; the peer knew of it from the sender's stream offset `known` on.
    pub(super) fn invalid_text(
        &mut self,
        sender: Role,
        location: TextLocation,
        bytes: Option<u64>,
        known: u64,
        fault: InvalidText<Arrival>,
    ) {
        self.invalid_utf8_count += 1;
        if self.invalid_utf8.len() >= limits::ROWS_PER_CONNECTION {
            return;
        }
        self.causes.texts.push(Some(known));
        let (longest, before) = match location {
            TextLocation::TextMessage(_) => {
                (None, self.splits.get_mut(sender).invalid(self.invalid_utf8.len(), &fault))
            }
            TextLocation::CloseReason => (Some(limits::CLOSE_REASON_BYTES), None),
        };
        if let Some(before) = before.and_then(|row| self.invalid_utf8.get_mut(row)) {
            before.likely_cause = Some(LikelyCause::SPLIT_CHARACTER);
        }
        let likely_cause =
            before.map_or_else(|| LikelyCause::of(&fault, longest), |_| Some(LikelyCause::SPLIT_CHARACTER));
        self.invalid_utf8.push(InvalidUtf8 {
            packet: fault.mark.packet,
            time: fault.mark.time,
            sender,
            location,
            message_bytes: bytes,
            byte_offset: fault.byte_offset,
            error: fault.error,
            context: fault.context().into(),
            likely_cause,
            peer_close_code: None,
            peer_reaction_ms: None,
        });
    }

    /// A text message of `sender` has ended, and what is wrong with it was told.
    pub(super) fn text_message(&mut self, sender: Role) {
        self.splits.get_mut(sender).message();
    }

    /// Whether `sender` broke a rule.
    pub(super) fn blame(&self, sender: Role) -> bool {
        self.violations.iter().any(|violation| violation.sender == sender)
    }

    /// Puts what the peers did into the rows, once it is known how the connection was closed.
    pub(super) fn settle(&mut self, closing: &Closing) {
        self.causes.settle(closing, &mut self.violations, &mut self.invalid_utf8);
    }
}
