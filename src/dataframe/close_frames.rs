//! `close_frames`: every Close frame.

use polars::prelude::{DataFrame, PolarsResult};

use super::escape::wire_text;
use super::event::{self, EventRow};
use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::connection::CloseFrame;

/// The table of `events`.
pub(super) fn table(analysis: &Analysis, events: &[(u64, CloseFrame)]) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), &event::rows(analysis, events))
}

type Field<'a> = Column<EventRow<'a, CloseFrame>>;

/// The columns in order.
pub(super) fn columns<'a>() -> Vec<Field<'a>> {
    let mut columns = event::leading_columns();
    columns.extend([
        Field::word("position", |row| row.event.position.map(|position| position.name()))
            .means(
                "`first` of the connection, `reply` for the first of the other end, `extra` for any later one, which its \
                 sender must not send",
            )
            .null("The capture does not show which end closed first"),
        Field::code("code", |row| row.event.code.map(|code| code.0))
            .means("The close code")
            .null("The body is empty, or too short to hold a code")
            .source("RFC 6455 section 7.4"),
        Field::word("name", |row| row.event.code?.name())
            .means("The registered name of the code")
            .null("No code, or nobody registered it")
            .source("IANA WebSocket Close Code Number Registry"),
        Field::word("kind", |row| Some(row.event.code?.kind().name()))
            .means(
                "`standard`, `registered` (IANA, 3000 to 3999), `private` (4000 to 4999), `reserved` (1004, 1005, 1006, \
                 1015), `unassigned` or `invalid`",
            )
            .null("No code")
            .source("RFC 6455 section 7.4.2"),
        Field::text("reason", |row| row.event.code.map(|_| wire_text(&row.event.reason)))
            .means(
                "The reason; where it is not UTF-8, each bad byte is `\\xHH` and each backslash of it is doubled. Empty \
                 if there is a code and no reason",
            )
            .null("No code")
            .source("RFC 6455 section 5.5.1"),
        Field::flag("reason_valid", |row| Some(row.event.reason_valid))
            .means("Whether the reason is UTF-8; true if there is none"),
        Field::count("payload_bytes", |row| Some(row.event.payload_bytes))
            .unit("bytes")
            .means("Length of the body, code included"),
    ]);
    columns
}
