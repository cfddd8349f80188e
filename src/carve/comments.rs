//! What is said of the packets that an analysis points at: short sentences, on one line each.

use std::collections::HashMap;

use crate::close_code::CloseCode;
use crate::connection::{CloseFrame, ConnectionRecord, InvalidUtf8, Position, TextLocation, Violation};
use crate::flow::{PacketId, Role};
use crate::websocket::Rule;

/// What the rows of `record` say of their packets.
pub(super) fn by_packet(record: &ConnectionRecord) -> HashMap<PacketId, Vec<String>> {
    // Of text that is not UTF-8, its own row says more.
    let violations = record.violations.iter().filter(|row| row.rule != Rule::InvalidUtf8);
    let violations = violations.map(|row| (row.packet, violation(row)));
    let texts = record.invalid_utf8.iter().map(|row| (row.packet, invalid_utf8(row)));
    let closes = record.close_frames.iter().map(|row| (row.packet, close_frame(row)));
    let cause = record.cause.map(|cause| (cause.packet, format!("why it closed: {}", cause.kind.name())));
    let mut comments = HashMap::<_, Vec<_>>::new();
    for (packet, text) in violations.chain(texts).chain(closes).chain(cause) {
        comments.entry(packet).or_default().push(text);
    }
    comments
}

/// The first FIN, or RST if `reset`, of a connection.
pub(super) fn tcp_end(record: &ConnectionRecord, sender: Role, reset: bool) -> String {
    let (sender, kind) = (sender.name(), if reset { "RST" } else { "FIN" });
    match record.verdict.close_code {
        Some(CloseCode::ABNORMAL) => format!("{sender} ends TCP with {kind}, without a Close frame: 1006"),
        Some(_) | None => format!("{sender} ends TCP with {kind}"),
    }
}

fn close_frame(frame: &CloseFrame) -> String {
    let (sender, position) = (frame.sender.name(), frame.position.map_or("", Position::name));
    let code = match frame.code {
        Some(code) => format!("Close {code}{}", code.name().map(|name| format!(" {name}")).unwrap_or_default()),
        None => "an empty Close".to_owned(),
    };
    match frame.reason.as_ref() {
        [] => format!("{sender} sends {code} ({position})"),
        reason => format!("{sender} sends {code} ({position}): {}", one_line(&String::from_utf8_lossy(reason))),
    }
}

fn invalid_utf8(text: &InvalidUtf8) -> String {
    let place = match text.location {
        TextLocation::TextMessage(number) => format!("message {number}"),
        TextLocation::CloseReason => "the Close reason".to_owned(),
    };
    let (sender, error) = (text.sender.name(), text.error.name());
    format!("{sender} sends text that is not UTF-8: {error} at byte {} of {place}", text.byte_offset)
}

fn violation(violation: &Violation) -> String {
    let (sender, rule) = (violation.sender.name(), violation.rule.name());
    format!("{sender} breaks the rule {rule}: {}", one_line(&violation.detail))
}

/// Without what could break the line or steer a terminal.
fn one_line(text: &str) -> String {
    text.chars().flat_map(|character| character.escape_debug()).collect()
}
