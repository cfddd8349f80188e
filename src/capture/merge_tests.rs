//! Several captures: their order, and packets of captures that overlap in time.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::order::ByteOrder::Little;
use super::tests::{pcap_of, problems};
use super::writer::PcapWriter;
use super::*;
use crate::flow::PacketId;
use crate::limits;

/// A capture with a packet at each of these times, in seconds; its data say which.
fn at(times: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut writer = PcapWriter::new(0xa1b2_c3d4, Little);
    for time in times {
        writer.record(time, 0, 8, format!("{time:08}").as_bytes());
    }
    writer.bytes
}

fn reader(name: &str, bytes: &[u8]) -> Input {
    Input::reader(name, Box::new(Cursor::new(bytes.to_vec())))
}

/// The packets in the order of analysis, with their seconds; and what became of the files.
fn read(inputs: Vec<Input>) -> (Vec<(PacketId, u32)>, Vec<CaptureFile>) {
    let mut captures = Captures::new(inputs);
    let mut batch = Batch::default();
    let mut seen = Vec::new();
    while captures.next_batch(&mut batch) {
        for packet in batch.packets() {
            let seconds = (packet.time.as_nanos() / 1_000_000_000) as u32;
            if packet.captured == 8 {
                assert_eq!(batch.bytes_of(packet), format!("{seconds:08}").as_bytes());
            }
            seen.push((batch.id_of(packet), seconds));
        }
    }
    (seen, captures.into_files())
}

fn times(seen: &[(PacketId, u32)]) -> Vec<u32> {
    seen.iter().map(|packet| packet.1).collect()
}

/// Each packet's file and number.
fn places(seen: &[(PacketId, u32)]) -> Vec<(u32, u64)> {
    seen.iter().map(|(id, _)| (id.file(), id.number())).collect()
}

fn names(files: &[CaptureFile]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn files_are_read_in_the_order_of_their_first_packets() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| Input::path(write(directory.path(), name, bytes));
    let inputs = vec![
        path("last", &at(30..40)),
        Input::path("/nonexistent"),
        reader("-", &at(20..30)),
        path("empty", &at([])),
        path("first", &at(10..20)),
        path("text", b"no capture"),
    ];
    let (seen, files) = read(inputs);
    assert_eq!(times(&seen), (10..40).collect::<Vec<_>>());
    let names: Vec<&str> = names(&files).iter().map(|name| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["first", "-", "last", "nonexistent", "empty", "text"]);
    assert_eq!(files.iter().map(|file| file.problems.len()).collect::<Vec<_>>(), [0, 0, 0, 1, 0, 1]);
    assert!(seen.iter().all(|(id, time)| id.file() == time / 10 - 1 && id.number() == u64::from(time % 10) + 1));
    assert_eq!(files.iter().map(|file| file.packets).sum::<u64>(), 30);
}

#[test]
fn files_that_begin_together_keep_the_order_given() {
    let (seen, files) = read(vec![reader("b", &at([5, 6])), reader("a", &at([5, 6])), reader("c", &at([4, 5]))]);
    assert_eq!(names(&files), ["c", "b", "a"]);
    assert_eq!(places(&seen), [(0, 1), (0, 2), (1, 1), (2, 1), (1, 2), (2, 2)]);
}

#[test]
fn overlapping_files_are_put_in_order() {
    for parts in [2_u32, 3, 7, 100] {
        let inputs = (0..parts).rev().map(|part| reader("t", &at((part..20_000).step_by(parts as usize)))).collect();
        let (seen, files) = read(inputs);
        assert_eq!(times(&seen), (0..20_000).collect::<Vec<_>>(), "{parts}");
        assert!(seen.iter().all(|(id, time)| id.file() == time % parts && id.number() == u64::from(time / parts) + 1));
        assert_eq!(files.len(), parts as usize);
        assert!(files.iter().all(|file| file.problems.is_empty() && file.packets >= u64::from(20_000 / parts)));
    }
}

#[test]
fn files_that_overlap_at_their_ends_are_put_in_order() {
    // Larger than a block, so that some blocks are passed on as they are and others are merged.
    let times_of = |file: u32| (file * 100_000..file * 100_000 + 110_000).filter(move |time| time % 3 != file % 3);
    let inputs = [2, 0, 3, 1].map(|file| reader("t", &at(times_of(file)))).into();
    let (seen, files) = read(inputs);
    let mut expected: Vec<u32> = (0..4).flat_map(times_of).collect();
    expected.sort_unstable();
    assert!(times(&seen) == expected);
    for file in 0..4 {
        let numbers = seen.iter().filter(|(id, _)| id.file() == file).map(|(id, _)| id.number());
        assert!(numbers.eq(1..=files[file as usize].packets), "{file}");
    }
}

#[test]
fn packets_of_a_file_keep_its_order() {
    let (seen, _) = read(vec![reader("a", &at([10, 8, 12, 9, 30, 11])), reader("b", &at([11, 5, 20, 31, 40]))]);
    let of = |file| seen.iter().filter(|(id, _)| id.file() == file).map(|packet| packet.1).collect::<Vec<_>>();
    assert_eq!((of(0), of(1)), (vec![10, 8, 12, 9, 30, 11], vec![11, 5, 20, 31, 40]));
    assert_eq!(times(&seen), [10, 8, 11, 5, 12, 9, 20, 30, 11, 31, 40]);
}

#[test]
fn damaged_time_does_not_hold_back_its_file() {
    const LATE: u32 = 4_000_000_000;
    // In the middle, twice in a row, as the first and as the last packet.
    for places in [&[2_500][..], &[2_500, 2_501], &[0], &[0, 1, 2], &[4_999]] {
        let damaged = |index: u32| if places.contains(&(index / 2)) { LATE } else { index };
        let one = at((0..10_000).step_by(2).map(damaged));
        let (seen, _) = read(vec![reader("a", &one), reader("b", &at((1..10_000).step_by(2)))]);
        let times = times(&seen);
        let believed: Vec<u32> = times.iter().copied().filter(|&time| time != LATE).collect();
        assert!(believed.is_sorted() && seen.len() == 10_000, "{places:?}");
        let place = times.iter().position(|&time| time == LATE).unwrap() as u32;
        assert!(place.abs_diff(2 * places[0]) <= 16, "{places:?}: {place}");
    }
}

#[test]
fn files_split_anywhere_are_one_sequence() {
    let (bytes, offsets) = pcap_of(30, 0xa1b2_c3d4, Little);
    let (whole, _) = read(vec![reader("t", &bytes)]);
    for &offset in &offsets[1..] {
        let second = [&bytes[..24], &bytes[offset..]].concat();
        let (seen, files) = read(vec![reader("b", &second), reader("a", &bytes[..offset])]);
        assert_eq!((times(&seen), names(&files)), (times(&whole), vec!["a", "b"]));
    }
}

#[test]
fn more_files_than_may_be_open_are_read_all_the_same() {
    let files = limits::OPEN_FILES as u32 + 20;
    let inputs = (0..files).map(|file| reader("t", &at([file, file + 1000]))).collect();
    let (seen, done) = read(inputs);
    assert_eq!((seen.len(), done.len()), (2 * files as usize, files as usize));
    assert!(done.iter().all(|file| file.packets == 2));
    let late: Vec<usize> = done.iter().map(|file| file.problems.len()).collect();
    // When the first ones end, the time is past the beginnings of all that wait.
    assert_eq!(late.iter().sum::<usize>(), 20, "{late:?}");
    assert!(problems(&done[files as usize - 1])[0].contains("expected at most 128 captures that overlap in time"));
}

#[test]
fn damage_in_one_of_several_is_told() {
    let bytes = at(0..100);
    let (seen, files) = read(vec![reader("a", &bytes[..bytes.len() - 3]), reader("b", &at(0..100))]);
    assert_eq!((seen.len(), files[1].packets), (files[0].packets as usize + 100, 100));
    assert!(!problems(&files[0]).is_empty() && files[1].problems.is_empty());
}

#[test]
fn nothing_is_read_of_files_but_their_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let mut total = 0;
    let inputs = (0..40_u32).rev().map(|index| {
        let bytes = at((0..3000).map(|time| time + index * 2000));
        total += bytes.len() as u64;
        Input::path(write(directory.path(), &index.to_string(), &bytes))
    });
    let mut captures = Captures::new(inputs.collect());
    let mut batch = Batch::default();
    let mut read = 0;
    while captures.next_batch(&mut batch) {
        assert!(captures.bytes_read() >= read && captures.lanes() <= 4);
        read = captures.bytes_read();
    }
    assert_eq!((Some(captures.bytes_read()), captures.bytes_total()), (Some(total), Some(total)));
    assert_eq!(captures.into_files().iter().map(|file| file.bytes).sum::<u64>(), total);
}
