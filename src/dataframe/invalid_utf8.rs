//! `invalid_utf8`: every text message, or Close reason, that is not UTF-8.

use std::borrow::Cow;

use polars::prelude::{DataFrame, PolarsResult};

use super::event::{self, EventRow};
use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::connection::{InvalidUtf8, TextLocation};
use crate::websocket::LikelyCause;

/// The table of `events`.
pub(super) fn table(analysis: &Analysis, events: &[(u64, InvalidUtf8)]) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), &event::rows(analysis, events))
}

type Field<'a> = Column<EventRow<'a, InvalidUtf8>>;

/// The columns in order.
pub(super) fn columns<'a>() -> Vec<Field<'a>> {
    let mut columns = event::leading_columns();
    columns.extend(place_columns());
    columns.push(cause_column());
    columns.extend(event::reaction_columns());
    columns
}

/// Where the bad byte is and what is wrong with it.
fn place_columns<'a>() -> [Field<'a>; 6] {
    [
        Field::word("location", |row| Some(location_name(row.event.location)))
            .means("Where the text was: `text-message` or `close-reason`"),
        Field::count("message", |row| match row.event.location {
            TextLocation::TextMessage(number) => Some(number),
            TextLocation::CloseReason => None,
        })
        .means("The number of the message, from 0, among the sender's data messages")
        .null("It is a Close reason"),
        Field::count("message_bytes", |row| row.event.message_bytes)
            .unit("bytes")
            .means("Length of the message or reason, unmasked and inflated")
            .null("Its end is not in the capture, or cannot be inflated"),
        Field::count("byte_offset", |row| Some(row.event.byte_offset))
            .unit("bytes")
            .means("Offset of the first bad byte in the unmasked, inflated message or reason, from 0")
            .source("`std::str::Utf8Error::valid_up_to`"),
        Field::word("error", |row| Some(row.event.error.name()))
            .means(
                "What is wrong there: `invalid-byte`, `unexpected-continuation`, `missing-continuation`, `overlong`, \
                 `surrogate`, `above-u10ffff` or `truncated`",
            )
            .source("RFC 3629"),
        Field::text("context_hex", |row| Some(Cow::Owned(hex(&row.event.context))))
            .means("The bytes around the first bad one, up to 16 before it and 16 from it on, in hexadecimal"),
    ]
}

/// What may have caused it.
fn cause_column<'a>() -> Field<'a> {
    Field::word("likely_cause", |row| row.event.likely_cause.map(LikelyCause::name))
        .means("What the bytes look like instead, such as `windows-1252`, `gzip` or `truncated-character`")
        .source("`docs/invalid-utf8.md`")
        .null("Nothing fits better than chance")
}

fn location_name(location: TextLocation) -> &'static str {
    match location {
        TextLocation::TextMessage(_) => "text-message",
        TextLocation::CloseReason => "close-reason",
    }
}

/// Two lowercase digits per byte.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
