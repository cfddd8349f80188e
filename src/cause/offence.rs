//! 1002, 1003, 1007, 1009, 1010: the closer blames what its peer sent, or did not agree to.
//!
//! | cause | claimed when |
//! | --- | --- |
//! | the rule's name | 1002, and the peer broke it before |
//! | `invalid-utf8` | 1002 right after a text of the peer that is not UTF-8, and no other offence |
//! | `unsupported-data` | 1003, and the peer had sent a message: the last one that the closer had received |
//! | `invalid-utf8` | 1007, and the peer had sent text that is not UTF-8 |
//! | `bad-compression` | 1007, and the peer had broken RFC 7692 in a message |
//! | `unproven` | 1007, although every message of the peer is in the capture, was decoded, and is valid |
//! | `message-too-big` | 1009, and the peer had sent a message: the largest one that the closer had received |
//! | `mandatory-extension` | 1010 of a client that saw the server's answer agree to no extension |
//!
//! Endpoints that check at all do so at once. So of several offences the first one within [`REACTION_MILLIS`] of the Close
//! frame is to blame; those long before it were let pass, those after it in the same burst were not read any more. If all
//! were long before, the last one is.

use super::Case;
use crate::connection::{Cause, CauseKind, Handshake, InvalidUtf8, TextLocation, Violation};
use crate::flow::{PacketId, Role, Timestamp};
use crate::websocket::Rule;

/// Milliseconds within which a closer reacts, slow links and busy processes included.
const REACTION_MILLIS: f64 = 1000.0;

pub(super) fn cause(case: &Case<'_>) -> Option<Cause> {
    match case.code.0 {
        1002 => violation(case),
        1003 => unsupported_data(case),
        1007 => invalid_payload(case),
        1009 => message_too_big(case),
        1010 => mandatory_extension(case),
        _ => None,
    }
}

fn violation(case: &Case<'_>) -> Option<Cause> {
    let place = |violation: &&Violation| (violation.sender, violation.packet, violation.time);
    let visible = || case.record.violations.iter().filter(|violation| is_visible(violation.rule));
    // Who goes on after the handshake has accepted it; only a close right after it is about it.
    let frames = visible().filter(|violation| Some(violation.packet) > case.activity.handshake_packet);
    let at_once = visible().filter(|violation| case.millis_since(violation.time) <= REACTION_MILLIS);
    if let Some(found) = to_blame(case, frames, place).or_else(|| to_blame(case, at_once, place)) {
        return Some(Cause { kind: CauseKind::Violation(found.rule), packet: found.packet });
    }
    invalid_text(case).filter(|text| case.millis_since(text.time) <= REACTION_MILLIS).map(Cause::from)
}

/// Whether an endpoint can see the breach before it closes, and would answer 1002.
const fn is_visible(rule: Rule) -> bool {
    !matches!(
        rule,
        Rule::LimitReached
            | Rule::ConflictingRetransmission
            | Rule::InvalidUtf8
            | Rule::RepeatedMaskingKey
            | Rule::FrameAfterClose
            | Rule::SecondClose
            | Rule::MissingCloseReply
    )
}

fn unsupported_data(case: &Case<'_>) -> Option<Cause> {
    let last = case.peer().last_message.filter(|_| !case.peer().lost)?;
    Some(Cause { kind: CauseKind::UnsupportedData { text: last.text }, packet: last.packet })
}

fn invalid_payload(case: &Case<'_>) -> Option<Cause> {
    if let Some(text) = invalid_text(case) {
        return Some(Cause::from(text));
    }
    let broken = case.record.violations.iter().filter(|violation| is_of_compression(violation));
    if let Some(found) = to_blame(case, broken, |violation| (violation.sender, violation.packet, violation.time)) {
        return Some(Cause { kind: CauseKind::BadCompression, packet: found.packet });
    }
    let last = case.peer().last_message.map(|message| message.packet);
    is_unproven(case).then(|| Cause { kind: CauseKind::Unproven, packet: last.unwrap_or(case.packet) })
}

fn invalid_text<'a>(case: &Case<'a>) -> Option<&'a InvalidUtf8> {
    let texts = case.record.invalid_utf8.iter().filter(|text| text.location != TextLocation::CloseReason);
    to_blame(case, texts, |text| (text.sender, text.packet, text.time))
}

impl From<&InvalidUtf8> for Cause {
    fn from(text: &InvalidUtf8) -> Self {
        Self { kind: CauseKind::InvalidUtf8, packet: text.packet }
    }
}

/// Whether it is about a compressed message, and not about what was agreed upon, which is in section 7.1.
fn is_of_compression(violation: &Violation) -> bool {
    violation.rule.section().is_some_and(|section| section.starts_with("RFC 7692 section 7.2"))
}

/// Whether all that the peer sent is known to be valid. A breach of any rule leaves doubt.
fn is_unproven(case: &Case<'_>) -> bool {
    let peer = case.closer.peer();
    let record = case.record;
    let extensions = record.response.extensions.as_deref().unwrap_or_default();
    let understood = extensions.split(',').all(|one| {
        let name = one.split(';').next().unwrap_or_default().trim();
        name.is_empty() || name.eq_ignore_ascii_case("permessage-deflate")
    });
    let faults = record.violations.iter().any(|violation| violation.sender == peer)
        || record.invalid_utf8.iter().any(|text| text.sender == peer);
    let known = record.handshake == Handshake::Complete && !case.peer().holes && !case.peer().lost;
    known && understood && !faults && record.undecodable_messages == 0
}

fn message_too_big(case: &Case<'_>) -> Option<Cause> {
    let largest = case.peer().largest_message.filter(|_| !case.peer().lost)?;
    Some(Cause { kind: CauseKind::MessageTooBig { bytes: largest.bytes }, packet: largest.packet })
}

/// RFC 6455 section 7.4.1: only a client sends 1010, because a server can refuse the handshake instead.
fn mandatory_extension(case: &Case<'_>) -> Option<Cause> {
    let agreed = case.record.response.extensions.is_some();
    let complete = case.record.handshake == Handshake::Complete;
    let packet = case.activity.handshake_packet.filter(|_| complete && !agreed && case.closer == Role::Client)?;
    Some(Cause { kind: CauseKind::MandatoryExtension, packet })
}

/// Of the offences of the closer's peer before the Close frame, the one that the closer reacted to.
fn to_blame<T>(
    case: &Case<'_>,
    offences: impl Iterator<Item = T>,
    place: impl Fn(&T) -> (Role, PacketId, Timestamp),
) -> Option<T> {
    let mut last = None;
    for offence in offences {
        let (sender, packet, time) = place(&offence);
        if sender != case.closer.peer() || packet > case.packet {
            continue;
        }
        if case.millis_since(time) <= REACTION_MILLIS {
            return Some(offence);
        }
        last = Some(offence);
    }
    last
}
