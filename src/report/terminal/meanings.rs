//! What the unusual codes mean, and what to check first.

use super::{Style, is_usual};
use crate::dataframe::CloseCodeRow;
use crate::report::figures::fit;

/// Nothing if all codes are usual.
pub(super) fn lines(codes: &[CloseCodeRow], style: Style) -> Vec<String> {
    let mut told: Vec<_> = codes.iter().filter(|row| row.connections > 0 && row.code.0 != 1000).collect();
    // The sort is stable: within both sorts the most frequent stay first.
    told.sort_by_key(|row| is_usual(row.code));
    let mut lines = Vec::new();
    for row in told.into_iter().take(TOP) {
        let guidance = row.code.guidance();
        lines.push(fit(&format!("{}  {}", row.code, guidance.meaning), style.width));
        lines.push(fit(&format!("  → {}", guidance.first_check), style.width));
    }
    if !lines.is_empty() {
        lines.insert(0, style.bold("What that means, and what to check first"));
    }
    lines
}

/// Codes that are told.
const TOP: usize = 3;
