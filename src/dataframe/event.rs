//! What the tables of single events have in common: where the event is, and the columns that say it.

use std::borrow::Cow;

use bitcode::{DecodeOwned, Encode};

use super::schema::Column;
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::{CloseFrame, InvalidUtf8, Violation};
use crate::flow::{PacketId, Role, Timestamp};
use crate::websocket::LikelyCause;

/// Something that one end sent, and the packet that shows it.
pub(super) trait Event: Encode + DecodeOwned {
    /// The packet that shows it, when that was captured, and who sent it.
    fn place(&self) -> (PacketId, Timestamp, Role);

    /// What of it is no data but a word of this program, which is not packed.
    fn word(&self) -> Option<LikelyCause> {
        None
    }

    /// Takes back what [`Self::word`] gave.
    fn set_word(&mut self, _: Option<LikelyCause>) {}
}

impl Event for CloseFrame {
    fn place(&self) -> (PacketId, Timestamp, Role) {
        (self.packet, self.time, self.sender)
    }
}

impl Event for InvalidUtf8 {
    fn place(&self) -> (PacketId, Timestamp, Role) {
        (self.packet, self.time, self.sender)
    }

    fn word(&self) -> Option<LikelyCause> {
        self.likely_cause
    }

    fn set_word(&mut self, word: Option<LikelyCause>) {
        self.likely_cause = word;
    }
}

impl Event for Violation {
    fn place(&self) -> (PacketId, Timestamp, Role) {
        (self.packet, self.time, self.sender)
    }
}

/// An event that its peer may answer with a Close frame.
pub(super) trait Answerable: Event {
    /// The code of that Close frame, and the milliseconds until it.
    fn reaction(&self) -> (Option<CloseCode>, Option<f64>);
}

impl Answerable for InvalidUtf8 {
    fn reaction(&self) -> (Option<CloseCode>, Option<f64>) {
        (self.peer_close_code, self.peer_reaction_ms)
    }
}

impl Answerable for Violation {
    fn reaction(&self) -> (Option<CloseCode>, Option<f64>) {
        (self.peer_close_code, self.peer_reaction_ms)
    }
}

/// One row: an event, and whose it is.
pub(super) struct EventRow<'a, E> {
    analysis: &'a Analysis,
    connection: u64,
    /// The event.
    pub(super) event: &'a E,
}

/// The rows of `events`.
pub(super) fn rows<'a, E>(analysis: &'a Analysis, events: &'a [(u64, E)]) -> Vec<EventRow<'a, E>> {
    events.iter().map(|(connection, event)| EventRow { analysis, connection: *connection, event }).collect()
}

type Field<'a, E> = Column<EventRow<'a, E>>;

/// The columns that such a table begins with: `connection, capture, packet, time, sender`.
pub(super) fn leading_columns<'a, E: Event>() -> Vec<Field<'a, E>> {
    vec![
        Field::<E>::count("connection", |row| Some(row.connection)).means("The connection: `connections.connection`"),
        Field::<E>::text("capture", |row| row.analysis.capture_name(row.event.place().0).map(Cow::Borrowed))
            .means("The capture file, as it was given"),
        Field::<E>::count("packet", |row| Some(row.event.place().0.number()))
            .means("The packet that shows it, from 1")
            .source("Wireshark's `frame.number` in that file"),
        Field::<E>::time("time", |row| Some(row.event.place().1)).means("When that packet was captured"),
        Field::<E>::word("sender", |row| Some(row.event.place().2.name())).means("Who sent it: `client` or `server`"),
    ]
}

/// The columns that tell what the peer did about such an event: `peer_close_code, peer_reaction_ms`.
pub(super) fn reaction_columns<'a, E: Answerable>() -> [Field<'a, E>; 2] {
    const TOLERATED: &str = "The peer tolerated it, or the capture does not show its Close frame";
    [
        Field::<E>::code("peer_close_code", |row| row.event.reaction().0.map(|code| code.0))
            .means(
                "The code of the Close frame that the peer sent once it had received this, 1005 if that was empty. One that \
                 merely answers the sender's own Close frame does not count",
            )
            .null(TOLERATED),
        Field::<E>::number("peer_reaction_ms", |row| row.event.reaction().1)
            .unit("ms")
            .means("From `time` to that Close frame")
            .null(TOLERATED),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::runs::Events;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::websocket::Rule;

    #[test]
    fn events_are_in_order_of_file_packet_connection_and_their_own() {
        let two = || ConnectionBuilder::new().violation(Rule::ReservedBits).violation(Rule::ReservedOpcode).build();
        let mut analysis = sample::of([two(), two(), two()]);
        let places = [[(0, 9), (0, 5)], [(0, 5), (0, 5)], [(1, 1), (0, 1)]];
        for (record, places) in analysis.connections.iter_mut().zip(places) {
            for (violation, (file, number)) in record.violations.iter_mut().zip(places) {
                violation.packet = PacketId::new(file, number);
            }
        }
        let mut events = Events::default();
        analysis.connections.for_each(|number, record| events.add(number, record.violations.iter().cloned()));
        let events: Vec<_> = events.parts().flatten().collect();
        let rows = rows(&analysis, &events);
        let found: Vec<_> = rows.iter().map(|row| (row.connection, row.event.rule)).collect();
        let (first, second) = (Rule::ReservedBits, Rule::ReservedOpcode);
        assert_eq!(found, [(2, second), (0, second), (1, first), (1, second), (0, first), (2, first)]);
    }
}
