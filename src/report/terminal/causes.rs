//! Why connections closed: the most frequent causes, each with one example to look up in Wireshark.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Style;
use crate::analyze::Analysis;
use crate::connection::{Cause, CauseKind, ConnectionRecord, TextLocation};
use crate::report::figures::{bytes, count, counted, fit, millis, shown};

/// How often each cause was, and what is to be seen of the first.
#[derive(Debug, Default)]
pub(super) struct Causes {
    known: BTreeMap<&'static str, (u64, String)>,
    /// Closes of which the cause is not known, by code.
    unknown: BTreeMap<u16, u64>,
}

impl Causes {
    /// Takes in a connection of `analysis`.
    pub(super) fn add(&mut self, analysis: &Analysis, record: &ConnectionRecord) {
        let Some(code) = record.verdict.close_code else { return };
        match record.cause {
            Some(cause) => {
                let known = self.known.entry(cause.kind.name());
                known.or_insert_with(|| (0, example(analysis, record, cause))).0 += 1;
            }
            None => *self.unknown.entry(code.0).or_default() += 1,
        }
    }

    /// Nothing if no cause is shown.
    pub(super) fn lines(self, style: Style) -> Vec<String> {
        if self.known.is_empty() {
            return Vec::new();
        }
        let mut causes: Vec<_> = self.known.into_iter().collect();
        causes.sort_by_key(|(_, (closes, _))| Reverse(*closes));
        let shown = causes.get(..causes.len().min(TOP)).unwrap_or_default();
        let name = shown.iter().map(|(name, _)| name.len()).fold(UNKNOWN.len(), usize::max);
        let mut lines = vec![style.bold(&format!("{:<name$}  closes  for example", "why they closed"))];
        for (cause, (closes, example)) in shown {
            lines.push(fit(&format!("{cause:<name$}  {:>6}  {example}", count(*closes)), style.width));
        }
        if let Some(rest @ [_, ..]) = causes.get(TOP..) {
            let closes = rest.iter().map(|(_, (closes, _))| closes).sum();
            lines.push(format!("and {} with {}", counted(rest.len() as u64, "other cause"), counted(closes, "close")));
        }
        lines.extend(unknown(self.unknown, name));
        lines
    }
}

/// The closes of which the cause is not known, by code; the first column has so many characters.
fn unknown(codes: BTreeMap<u16, u64>, name: usize) -> Option<String> {
    let closes = codes.values().sum();
    let mut codes: Vec<_> = codes.into_iter().collect();
    // The sort is stable: equally frequent ones stay in the order of codes.
    codes.sort_by_key(|(_, closes)| Reverse(*closes));
    let mostly = codes.iter().take(TOP).map(|(code, _)| code.to_string()).collect::<Vec<_>>().join(", ");
    let head = if codes.len() > TOP { "mostly " } else { "" };
    (closes > 0).then(|| format!("{UNKNOWN:<name$}  {:>6}  {head}{mostly}", count(closes)))
}

/// Where to look, and what is to be seen there.
fn example(analysis: &Analysis, record: &ConnectionRecord, cause: Cause) -> String {
    let place = place(analysis, record, cause);
    match detail(record, cause).filter(|detail| !detail.is_empty()) {
        Some(detail) if analysis.captures.len() == 1 => format!("{place}: {detail}"),
        Some(_) | None => place,
    }
}

/// The packet, and the connection in the words of Wireshark's display filter; and the file where there are several.
fn place(analysis: &Analysis, record: &ConnectionRecord, cause: Cause) -> String {
    let file = analysis.capture_name(cause.packet).filter(|_| analysis.captures.len() > 1);
    let file = file.map(|name| format!(" of {}", shown(&tail(name), FILE))).unwrap_or_default();
    let stream = analysis.tcp_stream(record.conversation).filter(|_| record.conversation.file() == cause.packet.file());
    let stream = stream.map(|stream| format!("tcp.stream eq {stream}, ")).unwrap_or_default();
    format!("{stream}frame {}{file}", cause.packet.number())
}

/// The last part of a path.
fn tail(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

fn detail(record: &ConnectionRecord, cause: Cause) -> Option<String> {
    match cause.kind {
        CauseKind::InvalidUtf8 => invalid_text(record, cause),
        CauseKind::Violation(_) => {
            let found = record.violations.iter().find(|violation| violation.packet == cause.packet)?;
            Some(shown(&found.detail, DETAIL))
        }
        CauseKind::ServerShutdown { connections } | CauseKind::ServiceRestart { connections } if connections > 1 => {
            Some(format!("{} at once", count(connections)))
        }
        CauseKind::RateLimit { messages } => Some(format!("{} in the last seconds", counted(messages, "message"))),
        CauseKind::MessageTooBig { bytes: size } => Some(bytes(size)),
        CauseKind::UnsupportedData { text } => Some(if text { "text" } else { "binary" }.to_owned()),
        CauseKind::IdleTimeout { after_ms } => Some(format!("after {} of silence", millis(after_ms as f64))),
        CauseKind::Authentication | CauseKind::Policy | CauseKind::ServerError => {
            let reason = record.verdict.reason.as_deref().filter(|reason| !reason.is_empty())?;
            Some(shown(&String::from_utf8_lossy(reason), DETAIL))
        }
        CauseKind::Normal
        | CauseKind::GoingAway
        | CauseKind::ServerShutdown { .. }
        | CauseKind::ServiceRestart { .. }
        | CauseKind::BadCompression
        | CauseKind::Unproven
        | CauseKind::Forbidden
        | CauseKind::MandatoryExtension
        | CauseKind::ClientError
        | CauseKind::PingTimeout
        | CauseKind::Timeout
        | CauseKind::TryAgainLater
        | CauseKind::BadGateway
        | CauseKind::ResetByClient
        | CauseKind::ResetByServer
        | CauseKind::ClosedWithoutCloseFrame
        | CauseKind::PeerVanished
        | CauseKind::TlsHandshake(_) => None,
    }
}

fn invalid_text(record: &ConnectionRecord, cause: Cause) -> Option<String> {
    let text = record.invalid_utf8.iter().find(|text| text.packet == cause.packet)?;
    let TextLocation::TextMessage(number) = text.location else { return None };
    Some(format!("{}'s message {number}, byte {}", text.sender.name(), count(text.byte_offset)))
}

/// What closes are called of which the capture does not show the cause.
const UNKNOWN: &str = "(unknown)";

/// Causes that are shown.
const TOP: usize = 6;

/// Characters of a file's name.
const FILE: usize = 20;

/// Characters of what a peer or the decoder said.
const DETAIL: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::flow::Role;
    use crate::websocket::Rule;

    fn lines(analysis: &Analysis, style: Style) -> Vec<String> {
        let mut causes = Causes::default();
        analysis.connections.for_each(|_, record| causes.add(analysis, record));
        causes.lines(style)
    }

    /// The line of a connection that closed for that reason, without the columns before the example.
    fn example_of(kind: CauseKind, packet: u64) -> String {
        let closed = ConnectionBuilder::new().invalid_text().closed(1011, Role::Server).cause(kind, packet).build();
        let line = lines(&sample::of([closed]), Style::default()).remove(1);
        line.split_once("frame ").map(|(_, rest)| rest.to_owned()).unwrap()
    }

    #[test]
    fn examples_say_what_is_to_be_seen() {
        assert_eq!(example_of(CauseKind::InvalidUtf8, 5), "5: client's message 2, byte 3");
        assert_eq!(example_of(CauseKind::Violation(Rule::ReservedBits), 5), "5: byte e9 at 3");
        assert_eq!(example_of(CauseKind::MessageTooBig { bytes: 3000 }, 8), "8: 2.9 KiB");
        assert_eq!(example_of(CauseKind::IdleTimeout { after_ms: 60_001 }, 8), "8: after 1 min 0 s of silence");
        assert_eq!(example_of(CauseKind::ServiceRestart { connections: 50 }, 8), "8: 50 at once");
        assert_eq!(example_of(CauseKind::ServiceRestart { connections: 1 }, 8), "8");
        assert_eq!(example_of(CauseKind::RateLimit { messages: 42 }, 8), "8: 42 messages in the last seconds");
        assert_eq!(example_of(CauseKind::ServerError, 8), "8: bye");
        assert_eq!(example_of(CauseKind::Normal, 8), "8");
    }

    #[test]
    fn most_frequent_causes_come_first_and_the_unknown_last() {
        let with = |kind| ConnectionBuilder::new().closed(1000, Role::Client).cause(kind, 10).build();
        let unknown = ConnectionBuilder::new().closed(4000, Role::Client).build();
        let records = [with(CauseKind::GoingAway), with(CauseKind::Normal), with(CauseKind::Normal), unknown];
        let expected = [
            "why they closed  closes  for example",
            "normal           2  tcp.stream eq 1, frame 110",
            "going-away       1  tcp.stream eq 0, frame 10",
            "(unknown)        1  4000",
        ];
        assert_eq!(lines(&sample::of(records), Style::default()), expected);
    }

    #[test]
    fn nothing_known_is_nothing_said() {
        let unknown = ConnectionBuilder::new().closed(4000, Role::Client).build();
        assert_eq!(lines(&sample::of([unknown]), Style::default()), [""; 0]);
    }
}
