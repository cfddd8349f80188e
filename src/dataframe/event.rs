//! What the tables of single events have in common: where the event is, and the columns that say it.

use std::borrow::Cow;

use super::schema::Column;
use crate::analyze::Analysis;
use crate::connection::{CloseFrame, ConnectionRecord, InvalidUtf8, Violation};
use crate::flow::{PacketId, Role, Timestamp};

/// Something that one end sent, and the packet that shows it.
pub(super) trait Event {
    /// The packet that shows it, when that was captured, and who sent it.
    fn place(&self) -> (PacketId, Timestamp, Role);
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
}

impl Event for Violation {
    fn place(&self) -> (PacketId, Timestamp, Role) {
        (self.packet, self.time, self.sender)
    }
}

/// One row: an event, and whose it is.
pub(super) struct EventRow<'a, E> {
    analysis: &'a Analysis,
    connection: u64,
    /// The event.
    pub(super) event: &'a E,
}

/// The events that `of` finds in each connection, in order of capture: by file, packet, connection, and as `of` has them.
pub(super) fn rows<'a, E: Event>(
    analysis: &'a Analysis,
    of: impl Fn(&'a ConnectionRecord) -> &'a [E],
) -> Vec<EventRow<'a, E>> {
    let mut rows = Vec::new();
    for (connection, record) in (0..).zip(&analysis.connections) {
        rows.extend(of(record).iter().map(|event| EventRow { analysis, connection, event }));
    }
    // The sort is stable, which keeps the order of connections and that within each.
    rows.sort_by_key(|row| row.event.place().0);
    rows
}

type Field<'a, E> = Column<EventRow<'a, E>>;

/// The columns that such a table begins with: `connection, capture, packet, time, sender`.
pub(super) fn leading_columns<'a, E: Event>() -> Vec<Field<'a, E>> {
    vec![
        Field::<E>::count("connection", |row| Some(row.connection)).means("The connection: `connections.connection`"),
        Field::<E>::text("capture", |row| row.analysis.capture_name(row.event.place().0).map(Cow::Borrowed))
            .means("The capture file, as it was given"),
        Field::<E>::count("packet", |row| Some(row.event.place().0.number))
            .means("The packet that shows it, from 1")
            .source("Wireshark's `frame.number` in that file"),
        Field::<E>::time("time", |row| Some(row.event.place().1)).means("When that packet was captured"),
        Field::<E>::word("sender", |row| Some(row.event.place().2.name())).means("Who sent it: `client` or `server`"),
    ]
}
