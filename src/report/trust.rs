//! How far to trust the figures: what the captures lost, where that is enough to change them, and what it means for them.
//!
//! In comes the analysis, out go lines for the terminal; none where nothing matters.

use super::figures::{bytes, count, counted, percent};
use crate::analyze::{AnalysedCapture, Analysis};
use crate::connection::{ConnectionRecord, Handshake};

/// A share of packets, bytes or connections from which on a loss matters. The summary shows the shares of close codes to a
/// tenth of a percent; what is less cannot be seen in them.
const LOST: f64 = 0.001;

/// A share of connections without handshake from which on that matters. They close like others: only their hosts, paths and
/// durations are not known, which tells endpoints apart by the dozen, not by the thousand.
const WITHOUT_HANDSHAKE: f64 = 0.01;

/// What of the connections tells how far to trust the figures.
#[derive(Debug, Default)]
pub(super) struct Losses {
    connections: u64,
    /// Connections of which bytes are missing.
    torn: u64,
    /// How many bytes are.
    missed: u64,
    /// Bytes of payload that were seen.
    seen: u64,
    /// Connections whose beginning is not in the captures.
    without_handshake: u64,
}

impl Losses {
    /// Takes in a connection.
    pub(super) fn add(&mut self, record: &ConnectionRecord) {
        self.connections += 1;
        self.torn += u64::from(record.missed_bytes > 0);
        self.missed += record.missed_bytes;
        self.seen += record.payload_bytes.client + record.payload_bytes.server;
        self.without_handshake += u64::from(record.handshake == Handshake::Missing);
    }
}

/// What is missing and what that means, in lines of at most `width` characters.
pub(super) fn warnings(analysis: &Analysis, losses: &Losses, width: usize) -> Vec<String> {
    let sentences =
        [holes, drops, damage, undecoded, cuts, handshakes].into_iter().filter_map(|of| of(analysis, losses));
    let mut lines: Vec<String> = sentences.flat_map(|sentence| item(&sentence, width)).collect();
    if !lines.is_empty() {
        lines.insert(0, "The captures lack enough to change these figures:".to_owned());
    }
    lines
}

/// TCP payload of WebSocket connections that is not in the captures.
fn holes(_: &Analysis, losses: &Losses) -> Option<String> {
    let Losses { connections: total, torn, missed, seen, .. } = *losses;
    let (torn_share, byte_share) = (share(torn, total)?, share(missed, missed + seen)?);
    (torn_share.max(byte_share) >= LOST).then(|| {
        format!(
            "holes in {} of {} ({}), {} in all ({} of the payload): Close frames may be missing, and an end without one \
             counts as 1006 only where no hole can hide it",
            count(torn),
            counted(total, "connection"),
            percent(torn_share),
            bytes(missed),
            percent(byte_share),
        )
    })
}

/// Packets that the capturing program dropped.
fn drops(analysis: &Analysis, _: &Losses) -> Option<String> {
    let dropped = sum(analysis, |capture| capture.file.dropped_by_capture.unwrap_or(0));
    let share = share(dropped, dropped + packets(analysis)).filter(|&share| share >= LOST)?;
    let (dropped, share) = (counted(dropped, "packet"), percent(share));
    Some(format!("{dropped} ({share}) dropped while capturing: connections and Close frames may be missing"))
}

/// Bytes of the files that belong to no sound record.
fn damage(analysis: &Analysis, _: &Losses) -> Option<String> {
    let damaged = sum(analysis, |capture| capture.file.damaged_bytes);
    // The damage of a compressed file may be larger than the file.
    let share =
        share(damaged, damaged.max(sum(analysis, |capture| capture.file.bytes))).filter(|&share| share >= LOST)?;
    let (damaged, share) = (bytes(damaged), percent(share));
    Some(format!("{damaged} of the files ({share}) are damaged: packets in them are missing from every figure"))
}

/// Packets whose headers could not be decoded.
fn undecoded(analysis: &Analysis, _: &Losses) -> Option<String> {
    let undecoded = sum(analysis, |capture| capture.undecoded_packets);
    let share = share(undecoded, packets(analysis)).filter(|&share| share >= LOST)?;
    let (undecoded, share) = (counted(undecoded, "packet"), percent(share));
    Some(format!("{undecoded} ({share}) not decoded: connections in them are missing from every figure"))
}

/// Packets of which the captures hold the beginning only. Where no connection lost payload by that, it does no harm.
fn cuts(analysis: &Analysis, losses: &Losses) -> Option<String> {
    let cut = sum(analysis, |capture| capture.file.truncated_packets);
    let share = share(cut, packets(analysis)).filter(|&share| share >= LOST)?;
    let (cut, share) = (counted(cut, "packet"), percent(share));
    (losses.torn > 0)
        .then(|| format!("{cut} ({share}) cut by the snap length: text and Close reasons beyond it are not checked"))
}

/// Connections whose beginning is not in the captures.
fn handshakes(_: &Analysis, losses: &Losses) -> Option<String> {
    let Losses { connections: total, without_handshake: missing, .. } = *losses;
    let share = share(missing, total).filter(|&share| share >= WITHOUT_HANDSHAKE)?;
    Some(format!(
        "{} of {} ({}) without handshake, as if begun before the capture: host, path and duration are not known",
        count(missing),
        counted(total, "connection"),
        percent(share),
    ))
}

fn packets(analysis: &Analysis) -> u64 {
    sum(analysis, |capture| capture.file.packets)
}

fn sum(analysis: &Analysis, of: fn(&AnalysedCapture) -> u64) -> u64 {
    analysis.captures.iter().map(of).sum()
}

/// The share of `part` in `whole`; `None` if there is nothing of either.
fn share(part: u64, whole: u64) -> Option<f64> {
    (part > 0 && whole > 0).then(|| part as f64 / whole as f64)
}

/// An item of a list, in lines of at most `width` characters where its words allow that.
fn item(sentence: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = "  -".to_owned();
    for word in sentence.split(' ') {
        if line.len() > "  -".len() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, "   ".to_owned()));
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::flow::Role;

    fn warnings(analysis: &Analysis, width: usize) -> Vec<String> {
        let mut losses = Losses::default();
        analysis.connections.for_each(|_, record| losses.add(record));
        super::warnings(analysis, &losses, width)
    }

    /// So many connections, of which `torn` have a hole of ten bytes.
    fn of(total: usize, torn: usize) -> Analysis {
        let closed = |_| ConnectionBuilder::new().closed(1000, Role::Client).build();
        let mut analysis = sample::of((0..total).map(closed).collect::<Vec<_>>());
        analysis.connections.iter_mut().take(torn).for_each(|record| record.missed_bytes = 10);
        analysis
    }

    /// An analysis without losses, then changed.
    fn with(change: impl FnOnce(&mut Analysis)) -> String {
        let mut analysis = of(2_000, 0);
        analysis.captures[0].file.packets = 100_000;
        analysis.captures[0].file.bytes = 10_000_000;
        change(&mut analysis);
        warnings(&analysis, 1_000).join("\n")
    }

    #[test]
    fn nothing_lost_is_no_warning() {
        assert_eq!(with(|_| ()), "");
        assert_eq!(warnings(&Analysis::default(), 80), [""; 0]);
    }

    #[test]
    fn holes_in_one_connection_of_a_thousand_matter() {
        assert_eq!(warnings(&of(2_000, 1), 80), [""; 0]);
        let expected = [
            "The captures lack enough to change these figures:",
            "  - holes in 2 of 2,000 connections (0.1%), 20 bytes in all (0.0% of the",
            "    payload): Close frames may be missing, and an end without one counts as 1006",
            "    only where no hole can hide it",
        ];
        assert_eq!(warnings(&of(2_000, 2), 80), expected);
    }

    #[test]
    fn large_holes_in_few_connections_matter() {
        let text = with(|analysis| analysis.connections[0].missed_bytes = 1_000);
        assert!(
            text.contains("holes in 1 of 2,000 connections (0.1%), 1,000 bytes in all (0.7% of the payload)"),
            "{text}"
        );
    }

    #[test]
    fn dropped_packets_matter_from_one_of_a_thousand_on() {
        assert_eq!(with(|analysis| analysis.captures[0].file.dropped_by_capture = Some(0)), "");
        assert_eq!(with(|analysis| analysis.captures[0].file.dropped_by_capture = Some(99)), "");
        let text = with(|analysis| analysis.captures[0].file.dropped_by_capture = Some(25_000));
        assert!(text.ends_with(
            "\n  - 25,000 packets (20.0%) dropped while capturing: connections and Close frames may be missing"
        ));
    }

    #[test]
    fn damaged_bytes_matter_from_one_of_a_thousand_on() {
        assert_eq!(with(|analysis| analysis.captures[0].file.damaged_bytes = 9_999), "");
        let text = with(|analysis| analysis.captures[0].file.damaged_bytes = 1 << 20);
        assert!(text.contains("1.0 MiB of the files (10.5%) are damaged: "), "{text}");
        let text = with(|analysis| analysis.captures[0].file.damaged_bytes = 1 << 30);
        assert!(text.contains("1.0 GiB of the files (100.0%)"), "{text}");
    }

    #[test]
    fn undecoded_packets_matter_from_one_of_a_thousand_on() {
        assert_eq!(with(|analysis| analysis.captures[0].undecoded_packets = 99), "");
        let text = with(|analysis| analysis.captures[0].undecoded_packets = 100);
        assert!(text.contains("100 packets (0.1%) not decoded: "), "{text}");
    }

    #[test]
    fn cut_packets_matter_where_a_connection_lost_payload() {
        assert_eq!(with(|analysis| analysis.captures[0].file.truncated_packets = 90_000), "");
        let text = with(|analysis| {
            analysis.captures[0].file.truncated_packets = 90_000;
            analysis.connections[0].missed_bytes = 500_000;
        });
        assert!(text.contains("90,000 packets (90.0%) cut by the snap length: "), "{text}");
    }

    #[test]
    fn missing_handshakes_matter_from_one_of_a_hundred_on() {
        let begun_before = |number| {
            with(move |analysis| {
                analysis.connections.iter_mut().take(number).for_each(|record| record.handshake = Handshake::Missing);
            })
        };
        assert_eq!(begun_before(19), "");
        assert!(begun_before(20).contains("20 of 2,000 connections (1.0%) without handshake"));
    }
}
