//! The progress bar: on standard error, and only if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use wsautopsy::analyze::Progress;

/// A bar with bytes, rate and time left; a spinner with bytes and rate where the total is not known.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar that is drawn on standard error, or nowhere if that is no terminal or `quiet` is set.
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::no_length().with_style(style("{spinner} {bytes}, {bytes_per_sec}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows `progress`.
    pub(super) fn show(&self, progress: Progress) {
        if let (Some(total), None) = (progress.total, self.0.length()) {
            self.0.set_length(total);
            self.0.set_style(style("{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"));
        }
        self.0.set_position(progress.bytes);
    }

    /// Wipes it away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
