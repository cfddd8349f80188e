//! What the unusual codes mean, and what to check first.

use super::Style;
use crate::dataframe::CloseCodeRow;
use crate::report::figures::fit;

/// Nothing if all codes are usual.
pub(super) fn lines(codes: &[CloseCodeRow], style: Style) -> Vec<String> {
    let told = codes.iter().filter(|row| row.connections > 0 && row.code.0 != 1000);
    let mut lines = Vec::new();
    for row in told.take(TOP) {
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
const TOP: usize = 4;
