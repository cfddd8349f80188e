//! Several captures as one: split, in the wrong order, side by side and twice.

use std::io::{Cursor, Write};
use std::path::Path;

use super::*;
use crate::connection::{CloseFrame, ConnectionRecord};

/// A pcap file in pieces: its header, and its records.
struct Pcap {
    header: Vec<u8>,
    records: Vec<Vec<u8>>,
}

impl Pcap {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (header, mut rest) = bytes.split_at(24);
        let mut records = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize + 16;
            records.push(rest[..length].to_vec());
            rest = &rest[length..];
        }
        Self { header: header.to_vec(), records }
    }

    /// The file of the records that `wanted` wants by their index.
    fn part(&self, name: &str, wanted: impl Fn(usize) -> bool) -> Input {
        let records =
            self.records.iter().enumerate().filter(|(index, _)| wanted(*index)).map(|(_, record)| &record[..]);
        let bytes: Vec<u8> = std::iter::once(&self.header[..]).chain(records).flatten().copied().collect();
        Input::reader(name, Box::new(Cursor::new(bytes)))
    }

    /// The same, captured so much later.
    fn delayed(&self, micros: u32, nanoseconds: bool) -> Self {
        let per_second = if nanoseconds { 1_000_000_000 } else { 1_000_000 };
        let later = |record: &Vec<u8>| {
            let field = |at: usize| u64::from(u32::from_le_bytes(record[at..at + 4].try_into().unwrap()));
            let delay = u64::from(micros) * (per_second / 1_000_000);
            let units = field(0) * per_second + field(4) + delay;
            let mut record = record.clone();
            record[..4].copy_from_slice(&((units / per_second) as u32).to_le_bytes());
            record[4..8].copy_from_slice(&((units % per_second) as u32).to_le_bytes());
            record
        };
        Self { header: self.header.clone(), records: self.records.iter().map(later).collect() }
    }
}

/// The classic captures among the samples.
fn samples() -> Vec<(String, Pcap)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    assert!(paths.len() > 10);
    paths.into_iter().map(|path| (path.display().to_string(), Pcap::read(&path))).collect()
}

fn run_all(inputs: Vec<Input>) -> Analysis {
    run(inputs, &Options::default(), &mut |_| {})
}

/// What does not depend on which file a packet is in.
fn story(analysis: &Analysis) -> Vec<String> {
    let close = |frame: &CloseFrame| format!("{:?} {:?} {:?} {:?}", frame.time, frame.sender, frame.code, frame.reason);
    let of = |record: &ConnectionRecord| {
        let closes: Vec<String> = record.close_frames.iter().map(close).collect();
        format!(
            "{} {} {:?} {:?} {:?} {:?} {:?} {} {} {closes:?}",
            record.client,
            record.server,
            record.opened_at,
            record.ended_at,
            record.handshake,
            record.verdict,
            record.messages,
            record.invalid_utf8_count,
            record.violation_count,
        )
    };
    analysis.connections.iter().map(of).collect()
}

#[test]
fn two_halves_are_one_capture_whatever_their_order() {
    for (name, pcap) in samples() {
        let whole = story(&run_all(vec![pcap.part("whole", |_| true)]));
        for split in (1..pcap.records.len()).step_by(pcap.records.len() / 12 + 1) {
            let halves = vec![pcap.part("second", |index| index >= split), pcap.part("first", |index| index < split)];
            let analysis = run_all(halves);
            assert_eq!(story(&analysis), whole, "{name} split at {split}");
            assert_eq!(analysis.captures[0].file.name, "first");
        }
    }
}

#[test]
fn captures_that_take_turns_are_one_capture() {
    for (name, pcap) in samples() {
        let whole = run_all(vec![pcap.part("whole", |_| true)]);
        for count in [2, 3] {
            let parts = (0..count).map(|part| pcap.part("part", |index| index % count == part)).collect();
            let analysis = run_all(parts);
            assert_eq!(story(&analysis), story(&whole), "{name} in {count}");
            let packets: u64 = analysis.captures.iter().map(|capture| capture.file.packets).sum();
            assert_eq!(packets, whole.captures[0].file.packets);
            for record in &analysis.connections {
                assert!(analysis.tcp_stream(record.conversation).is_some(), "{name} in {count}");
            }
        }
    }
}

#[test]
fn what_two_taps_saw_counts_once() {
    for (name, pcap) in samples() {
        let once = run_all(vec![pcap.part("one", |_| true)]);
        let twice = run_all(vec![pcap.part("one", |_| true), pcap.part("other", |_| true)]);
        assert_eq!(story(&twice), story(&once), "{name}");
        let frames = twice.connections.iter().flat_map(|record| &record.close_frames);
        assert!(frames.clone().all(|frame| frame.packet.file() == 0), "{name}");
        let [one, other] = &twice.captures[..] else { panic!("{name}") };
        assert_eq!((one.file.packets, &one.conversations), (other.file.packets, &other.conversations));
        assert_eq!(one.conversations, once.captures[0].conversations, "{name}");
        assert_eq!(one.undecoded_packets, other.undecoded_packets);
        assert_eq!((one.missed_bytes, other.missed_bytes), (once.captures[0].missed_bytes, 0), "{name}");
    }
}

#[test]
fn a_tap_whose_clock_is_late_changes_nothing() {
    for (name, pcap) in samples() {
        let nanoseconds = pcap.header.starts_with(&[0x4d]);
        let once = run_all(vec![pcap.part("one", |_| true)]);
        for micros in [1, 1000, 700_000, 2_000_000] {
            let late = pcap.delayed(micros, nanoseconds);
            let twice = run_all(vec![pcap.part("one", |_| true), late.part("late", |_| true)]);
            assert_eq!(story(&twice), story(&once), "{name}: {micros} µs");
        }
    }
}

#[test]
fn a_second_tap_fills_the_holes_of_the_first() {
    for (name, pcap) in samples() {
        let whole = run_all(vec![pcap.part("whole", |_| true)]);
        // Each misses every seventh packet, but never the same one.
        let taps = [0, 3].map(|missed| pcap.part("tap", |index| index % 7 != missed));
        assert_eq!(story(&run_all(taps.into())), story(&whole), "{name}");
    }
}

#[test]
fn a_compressed_capture_gives_the_same() {
    for (name, pcap) in samples() {
        let whole = run_all(vec![pcap.part("t", |_| true)]);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&pcap.header).unwrap();
        pcap.records.iter().for_each(|record| encoder.write_all(record).unwrap());
        let packed = encoder.finish().unwrap();
        let stored = packed.len() as u64;
        let mut last = 0;
        let progress = &mut |progress: Progress| last = progress.bytes;
        let analysis = run(vec![Input::reader("t", Box::new(Cursor::new(packed)))], &Options::default(), progress);
        assert_eq!((story(&analysis), last), (story(&whole), stored), "{name}");
    }
}
