//! Figures for people: counts, bytes, durations, shares, bars and text of limited width.

use std::time::Duration;

use crate::dataframe::printable;

/// A count with commas between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun, which takes an `s` unless there is one.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Bytes in the unit that leaves fewer than five digits.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return counted(number, "byte");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = "KiB";
    for larger in UNITS.into_iter().skip(1) {
        // What would be rounded to 1024.0 belongs to the next unit.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// A duration in its two largest units.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10 => format!("{:.3} s", duration.as_secs_f64()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Milliseconds, in seconds from one on, and in two units from a minute on.
pub(super) fn millis(milliseconds: f64) -> String {
    let milliseconds = milliseconds.max(0.0);
    if milliseconds < 0.95 {
        return format!("{milliseconds:.1} ms");
    }
    if milliseconds < 999.5 {
        return format!("{milliseconds:.0} ms");
    }
    if milliseconds < 59_950.0 {
        return format!("{:.1} s", milliseconds / 1000.0);
    }
    // Saturates: no time span of a capture comes near.
    duration(Duration::from_millis(milliseconds as u64))
}

/// A share from 0 to 1 as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// A bar of `share` of `width` columns, in eighths of a column; something is never shown as nothing.
pub(super) fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // Saturates at both ends: a bar has no more than a few hundred columns.
    let eighths = (share * width as f64 * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.clamp(1, width.max(1) * 8) } else { 0 };
    "█".repeat(eighths / 8) + EIGHTHS.get(eighths % 8).copied().unwrap_or_default()
}

/// Text from the wire, harmless to terminals and at most `width` characters long.
pub(super) fn shown(text: &str, width: usize) -> String {
    fit(&printable(text), width)
}

/// The end of a file's name, harmless to terminals and at most `width` characters long: there it differs from others.
pub(super) fn ending(name: &str, width: usize) -> String {
    let name = printable(name);
    let length = name.chars().count();
    if length <= width {
        return name.into_owned();
    }
    std::iter::once('…').chain(name.chars().skip(length + 1 - width.max(1))).collect()
}

/// Cuts text to `width` characters, the last of which then is an ellipsis.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `head` and `parts`, separated by commas, in lines of at most `width` characters where the parts allow it. Lines after
/// the first are indented.
pub(super) fn list(head: &str, parts: &[String], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = head.to_owned();
    for (index, part) in parts.iter().enumerate() {
        let part = if index + 1 < parts.len() { format!("{part},") } else { part.clone() };
        if line.chars().count() + 1 + part.chars().count() > width {
            lines.push(std::mem::replace(&mut line, " ".to_owned()));
        }
        line.push(' ');
        line.push_str(&part);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "packet"), "1 packet");
        assert_eq!(counted(2000, "packet"), "2,000 packets");
    }

    #[test]
    fn bytes_have_their_unit() {
        let texts = [1, 1023, 1024, 1_048_575, 5 << 30, u64::MAX].map(bytes);
        assert_eq!(texts, ["1 byte", "1,023 bytes", "1.0 KiB", "1.0 MiB", "5.0 GiB", "16.0 EiB"]);
    }

    #[test]
    fn durations_have_two_units() {
        let text = |millis| duration(Duration::from_millis(millis));
        assert_eq!([1_500, 59_999, 90_000].map(text), ["1.500 s", "59 s", "1 min 30 s"]);
        assert_eq!([3_660_000, 90_000_000].map(text), ["1 h 1 min", "1 d 1 h"]);
    }

    #[test]
    fn milliseconds_are_as_exact_as_people_need() {
        let texts = [0.2, 12.4, 999.4, 1500.0, 59_940.0, 61_000.0].map(millis);
        assert_eq!(texts, ["0.2 ms", "12 ms", "999 ms", "1.5 s", "59.9 s", "1 min 1 s"]);
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.5, 3), "█▌");
        assert_eq!(bar(0.0001, 4), "▏");
        assert_eq!(bar(0.0, 4), "");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(shown("chat.example", 12), "chat.example");
        assert_eq!(shown("chat.example", 6), "chat.…");
        assert_eq!(shown("\u{1b}[31m", 12), "\\u{1b}[31m");
        assert_eq!([ending("a/b.pcap", 8), ending("dir/b.pcap", 8)], ["a/b.pcap", "…/b.pcap"]);
    }

    #[test]
    fn long_lists_are_broken_between_parts() {
        let parts = ["1 closed", "2 open", "3 refused"].map(str::to_owned);
        assert_eq!(list("Six:", &parts, 80), ["Six: 1 closed, 2 open, 3 refused"]);
        assert_eq!(list("Six:", &parts, 22), ["Six: 1 closed, 2 open,", "  3 refused"]);
    }
}
