//! `violations`: every breach of the protocol.

use std::borrow::Cow;

use polars::prelude::{DataFrame, PolarsResult};

use super::event::{self, EventRow};
use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::connection::Violation;

/// The table of `events`.
pub(super) fn table(analysis: &Analysis, events: &[(u64, Violation)]) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), &event::rows(analysis, events))
}

type Field<'a> = Column<EventRow<'a, Violation>>;

/// The columns in order.
pub(super) fn columns<'a>() -> Vec<Field<'a>> {
    let mut columns = event::leading_columns();
    columns.extend([
        Field::word("rule", |row| Some(row.event.rule.name()))
            .means("The rule that was broken, such as `unmasked-client-frame`"),
        Field::word("section", |row| row.event.rule.section())
            .means("Where the rule stands, such as `RFC 6455 section 5.1`")
            .null("It is no rule but a limit of the analysis"),
        Field::text("detail", |row| Some(Cow::Borrowed(&row.event.detail))).means("What was found, in a few words"),
    ]);
    columns.extend(event::reaction_columns());
    columns
}
