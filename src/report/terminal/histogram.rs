//! The histogram of close codes: how many, and who closed.

use anstyle::AnsiColor;

use super::{Style, is_usual};
use crate::close_code::{CloseCode, Kind};
use crate::dataframe::CloseCodeRow;
use crate::report::figures::{bar, count, counted, percent};

/// The histogram of close codes.
pub(super) fn lines(codes: &[CloseCodeRow], style: Style) -> Vec<String> {
    let used: Vec<_> = codes.iter().filter(|row| row.connections > 0).collect();
    if used.is_empty() {
        return Vec::new();
    }
    let columns = Columns::of(&used);
    let mut lines = vec![style.bold(&columns.header())];
    lines.extend(used.iter().take(CODES).map(|row| columns.line(row, style)));
    if let Some(rest @ [_, ..]) = used.get(CODES..) {
        let connections = rest.iter().map(|row| row.connections).sum();
        lines.push(format!("and {} with {}", counted(rest.len() as u64, "other code"), counted(connections, "close")));
    }
    lines
}

/// How wide the columns of the histogram are.
struct Columns {
    /// Connections of the longest bar.
    most: u64,
    label: usize,
    count: usize,
    client: usize,
    server: usize,
    /// 0 if there is no such column.
    both: usize,
}

impl Columns {
    fn of(rows: &[&CloseCodeRow]) -> Self {
        let widest = |header: &str, text: &dyn Fn(&CloseCodeRow) -> String| {
            rows.iter().map(|row| text(row).chars().count()).fold(header.len(), usize::max)
        };
        let crossed = rows.iter().any(|row| row.closed_by_both > 0);
        Self {
            most: rows.iter().map(|row| row.connections).fold(1, u64::max),
            label: widest("close code", &|row| label(row.code)),
            count: widest("closes", &|row| count(row.connections)),
            client: widest("client", &|row| count(row.closed_by.client)),
            server: widest("server", &|row| count(row.closed_by.server)),
            both: if crossed { widest("both", &|row| count(row.closed_by_both)) } else { 0 },
        }
    }

    fn header(&self) -> String {
        self.cells(["close code", "closes", "share", "client", "server", "both"])
    }

    fn line(&self, row: &CloseCodeRow, style: Style) -> String {
        let share = percent(row.share.unwrap_or(0.0));
        let [closes, client, server, both] =
            [row.connections, row.closed_by.client, row.closed_by.server, row.closed_by_both].map(count);
        let cells = self.cells([&label(row.code), &closes, &share, &client, &server, &both]);
        let width = style.width.saturating_sub(cells.chars().count() + 2).clamp(4, BAR);
        let bar = bar(row.connections as f64 / self.most as f64, width);
        format!("{cells}  {}", style.coloured(&bar, colour(row.code)))
    }

    /// A line of cells: the label, then numbers; the last only where there is such a column.
    fn cells(&self, [code, closes, share, client, server, both]: [&str; 6]) -> String {
        let Self { label, count, client: client_width, server: server_width, both: both_width, .. } = *self;
        let mut line =
            format!("{code:<label$}  {closes:>count$}  {share:>6}  {client:>client_width$}  {server:>server_width$}");
        if both_width > 0 {
            line.push_str(&format!("  {both:>both_width$}"));
        }
        line
    }
}

/// A code and its name, or what it is where it has none.
fn label(code: CloseCode) -> String {
    match code.name() {
        Some(name) => format!("{code} {name}"),
        None => format!("{code} ({})", code.kind().name()),
    }
}

/// Green where the peers parted as they should, cyan where only they know what it means, yellow where the server asks to
/// come back, red for trouble.
fn colour(code: CloseCode) -> AnsiColor {
    if is_usual(code) {
        return AnsiColor::Green;
    }
    match code.kind() {
        Kind::Registered | Kind::Private => AnsiColor::Cyan,
        Kind::Standard if matches!(code.0, 1012 | 1013) => AnsiColor::Yellow,
        Kind::Standard | Kind::Reserved | Kind::Unassigned | Kind::Invalid => AnsiColor::Red,
    }
}

/// Columns of the longest bar, at most.
const BAR: usize = 40;

/// Codes that are shown.
const CODES: usize = 8;
