//! Whole captures, from bytes to packets and to what is told of the file.

use std::io::{self, Cursor, Read};

use super::order::ByteOrder::{self, Big, Little};
use super::writer::{PcapWriter, PcapngWriter};
use super::*;
use crate::limits;

pub(super) const START: u32 = 1_700_000_000;

/// A packet as a test sees it: number, nanoseconds, bytes, original length, link type.
pub(super) type Seen = (u64, i64, Vec<u8>, u32, u16);

pub(super) fn read_inputs(inputs: Vec<Input>) -> (Vec<Seen>, Vec<CaptureFile>) {
    read_with(&mut Batch::default(), inputs)
}

pub(super) fn read_with(batch: &mut Batch, inputs: Vec<Input>) -> (Vec<Seen>, Vec<CaptureFile>) {
    let mut captures = Captures::new(inputs);
    let mut seen = Vec::new();
    while captures.next_batch(batch) {
        assert!(!batch.packets().is_empty());
        for packet in batch.packets() {
            let bytes = batch.bytes_of(packet);
            assert_eq!(bytes.len(), packet.captured as usize);
            seen.push((packet.number, packet.time.as_nanos(), bytes.to_vec(), packet.original, packet.link_type.0));
        }
    }
    (seen, captures.into_files())
}

pub(super) fn read_from(reader: impl Read + Send + 'static) -> (Vec<Seen>, CaptureFile) {
    let (seen, mut files) = read_inputs(vec![Input::reader("t", Box::new(reader))]);
    assert_eq!(files.len(), 1);
    let file = files.pop().unwrap();
    assert_eq!(file.packets, seen.len() as u64);
    assert!(seen.iter().enumerate().all(|(index, packet)| packet.0 == index as u64 + 1));
    (seen, file)
}

pub(super) fn read(bytes: &[u8]) -> (Vec<Seen>, CaptureFile) {
    read_from(Cursor::new(bytes.to_vec()))
}

pub(super) fn problems(file: &CaptureFile) -> Vec<String> {
    file.problems.iter().map(ToString::to_string).collect()
}

/// Bytes that look like nothing.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

pub(super) fn payload(index: u32) -> Vec<u8> {
    noise(u64::from(index) + 1, 40 + index as usize * 7 % 100)
}

/// A pcap file of so many packets, and where each record begins.
pub(super) fn pcap_of(packets: u32, magic: u32, order: ByteOrder) -> (Vec<u8>, Vec<usize>) {
    let mut writer = PcapWriter::new(magic, order);
    let mut offsets = Vec::new();
    for index in 0..packets {
        offsets.push(writer.bytes.len());
        let data = payload(index);
        writer.record(START + index, index, data.len() as u32, &data);
    }
    (writer.bytes, offsets)
}

/// The same as pcapng.
pub(super) fn pcapng_of(packets: u32, order: ByteOrder) -> (Vec<u8>, Vec<usize>) {
    let mut writer = PcapngWriter::new(order);
    writer.interface(1, 0, &[]);
    let mut offsets = Vec::new();
    for index in 0..packets {
        offsets.push(writer.bytes.len());
        let data = payload(index);
        writer.packet(0, u64::from(START + index) * 1_000_000, data.len() as u32, &data);
    }
    (writer.bytes, offsets)
}

/// Gives one byte at a time, with an interruption before each.
struct Dribble(Cursor<Vec<u8>>, bool);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.0.read(&mut buffer[..1])
    }
}

#[test]
fn every_pcap_format_gives_the_same_packets() {
    for order in [Little, Big] {
        for (magic, unit) in
            [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1), (0xa1b2_cd34, 1000), (0x1c00_01ac, 1000), (0x1c00_01ab, 1000)]
        {
            let (seen, file) = read(&pcap_of(5, magic, order).0);
            let expected: Vec<Seen> = (0..5)
                .map(|index| {
                    let (data, nanos) = (payload(index), i64::from(START + index) * 1_000_000_000);
                    (u64::from(index) + 1, nanos + i64::from(index) * unit, data.clone(), data.len() as u32, 1)
                })
                .collect();
            assert_eq!(seen, expected, "{magic:x} {order:?}");
            assert_eq!((file.format, file.damaged_bytes, file.problems.len()), (Some(Format::Pcap), 0, 0));
            assert_eq!(file.link_types, [LinkType(1)]);
        }
    }
}

#[test]
fn pcap_times_are_unsigned_and_carried_over() {
    let mut writer = PcapWriter::new(0xa1b2_c3d4, Little);
    writer.record(u32::MAX, 999_999, 1, b"a").record(u32::MAX - 1, 2_500_000, 1, b"b");
    let (seen, file) = read(&writer.bytes);
    let times: Vec<i64> = seen.iter().map(|packet| packet.1).collect();
    assert_eq!(times, [4_294_967_295_999_999_000, 4_294_967_296_500_000_000]);
    assert_eq!(file.first_packet_at.unwrap().as_nanos(), times[0]);
    assert_eq!(file.last_packet_at.unwrap().as_nanos(), times[1]);
}

#[test]
fn strange_but_consistent_pcap_files_are_read() {
    let mut lengths = PcapWriter::new(0xa1b2_c3d4, Little);
    let mut times = lengths.clone();
    let mut nanos = lengths.clone();
    for index in 0..20 {
        lengths.record(START + index, 0, 3, b"more than there was");
        times.record(START + index * 1_000_000, 0, 100, b"far apart");
        nanos.record(START + index, 900_000_000, 9, b"too fine!");
    }
    for writer in [lengths, times, nanos] {
        let (seen, file) = read(&writer.bytes);
        assert_eq!((seen.len(), file.damaged_bytes), (20, 0), "{:?}", problems(&file));
    }
}

#[test]
fn packets_larger_than_the_buffer_are_read() {
    let sizes = [10, limits::BATCH_BYTES * 3 + 5, 20, limits::RECORD_BYTES - 1000, 30];
    let mut writer = PcapWriter::new(0xa1b2_c3d4, Little);
    let mut pcapng = PcapngWriter::new(Big);
    pcapng.interface(1, 0, &[]);
    for (index, size) in sizes.into_iter().enumerate() {
        let data = noise(index as u64, size);
        writer.record(START, 0, size as u32, &data);
        pcapng.packet(0, 0, size as u32, &data);
    }
    for bytes in [writer.bytes, pcapng.bytes] {
        let (seen, file) = read(&bytes);
        assert_eq!(problems(&file), Vec::<String>::new());
        assert!(
            seen.iter().zip(sizes).enumerate().all(|(index, (packet, size))| packet.2 == noise(index as u64, size))
        );
        assert_eq!(seen.len(), sizes.len());
    }
}

#[test]
fn the_size_of_reads_changes_nothing() {
    for bytes in [pcap_of(50, 0xa1b2_c3d4, Little).0, pcapng_of(50, Big).0] {
        let (whole, file) = read(&bytes);
        let (dribbled, same) = read_from(Dribble(Cursor::new(bytes.clone()), false));
        assert_eq!(whole, dribbled);
        assert_eq!(whole.len(), 50);
        assert_eq!((file.bytes, file.bytes), (same.bytes, bytes.len() as u64));
    }
}

#[test]
fn packets_on_batch_boundaries_are_whole() {
    let packets = 40_000;
    for bytes in [pcap_of(packets, 0xa1b2_3c4d, Big).0, pcapng_of(packets, Little).0] {
        assert!(bytes.len() > 3 * limits::BATCH_BYTES);
        let (seen, file) = read(&bytes);
        assert_eq!((seen.len(), file.damaged_bytes), (packets as usize, 0));
        assert!(seen.iter().zip(0..).all(|(packet, index)| packet.2 == payload(index)));
    }
}

#[test]
fn truncated_pcap_gives_its_whole_packets() {
    let (bytes, offsets) = pcap_of(4, 0xa1b2_c3d4, Little);
    for length in 0..bytes.len() {
        let (seen, file) = read(&bytes[..length]);
        let whole = offsets.iter().skip(1).filter(|&&offset| offset <= length).count();
        assert_eq!(seen.len(), whole, "cut at {length}");
        let at_boundary = length == 24 || offsets.contains(&length);
        assert_eq!(file.problems.is_empty(), at_boundary, "cut at {length}");
        assert_eq!(file.bytes, length as u64);
        let last = offsets.iter().copied().filter(|&offset| offset <= length).max().unwrap_or(0);
        let damaged = if length < 4 { 0 } else { length - last };
        assert_eq!(file.damaged_bytes, damaged as u64, "cut at {length}");
    }
    let cut = read(&bytes[..offsets[1] + 26]).1;
    let expected = format!(
        "t: after packet 1, at byte {}: expected 47 bytes of packet data, found 10; 26 bytes skipped",
        offsets[1]
    );
    assert_eq!(problems(&cut), [expected]);
}

#[test]
fn truncated_pcapng_gives_its_whole_packets() {
    let (bytes, offsets) = pcapng_of(4, Little);
    for length in 12..bytes.len() {
        let (seen, file) = read(&bytes[..length]);
        let whole = offsets.iter().skip(1).filter(|&&offset| offset <= length).count();
        assert_eq!(seen.len(), whole, "cut at {length}");
        let at_boundary = [28, 52].contains(&length) || offsets.contains(&length);
        assert_eq!(file.problems.is_empty(), at_boundary, "cut at {length}");
    }
    let cut = read(&bytes[..offsets[1] + 38]).1;
    let expected = format!(
        "t: after packet 1, at byte {}: expected 47 bytes of packet data, found 10; 38 bytes skipped",
        offsets[1]
    );
    assert_eq!(problems(&cut), [expected]);
}

#[test]
fn damage_in_the_middle_is_stepped_over() {
    let files = [
        pcap_of(100, 0xa1b2_c3d4, Little),
        pcap_of(100, 0xa1b2_3c4d, Big),
        pcap_of(100, 0xa1b2_cd34, Big),
        pcapng_of(100, Little),
        pcapng_of(100, Big),
    ];
    for (bytes, offsets) in files {
        let mut damaged = bytes.clone();
        let (from, to) = (offsets[40], offsets[45] + 3);
        damaged[from..to].copy_from_slice(&noise(7, to - from));
        let (seen, file) = read(&damaged);
        let data: Vec<Vec<u8>> = seen.into_iter().map(|packet| packet.2).collect();
        let expected: Vec<Vec<u8>> = (0..40).chain(46..100).map(payload).collect();
        assert_eq!(data, expected);
        assert_eq!(file.damaged_bytes, (offsets[46] - from) as u64);
        let text = problems(&file).concat();
        assert!(text.starts_with(&format!("t: after packet 40, at byte {from}: expected ")), "{text}");
        assert!(text.ends_with(&format!("; {} bytes skipped", offsets[46] - from)), "{text}");
    }
}

#[test]
fn missing_bytes_are_stepped_over() {
    for (bytes, offsets) in [pcap_of(100, 0xa1b2_c3d4, Little), pcapng_of(100, Big)] {
        // From inside packet 40 to inside packet 60, as when a disk was full for a while.
        let damaged = [&bytes[..offsets[40] + 50], &bytes[offsets[60] + 21..]].concat();
        let (seen, file) = read(&damaged);
        let data: Vec<Vec<u8>> = seen.into_iter().map(|packet| packet.2).collect();
        assert!(data.ends_with(&(62..100).map(payload).collect::<Vec<_>>()), "{:?}", problems(&file));
        assert!(data.starts_with(&(0..40).map(payload).collect::<Vec<_>>()));
        assert_eq!(file.problems.len(), 1);
    }
}

#[test]
fn impossible_lengths_cost_one_record() {
    for (bytes, offsets, length) in [
        {
            let (bytes, offsets) = pcap_of(50, 0xa1b2_c3d4, Little);
            (bytes, offsets, 8)
        },
        {
            let (bytes, offsets) = pcapng_of(50, Little);
            (bytes, offsets, 4)
        },
    ] {
        for wrong in [0xffff_ffff_u32, 5_000_000, 70_001, 3] {
            let mut damaged = bytes.clone();
            damaged[offsets[20] + length..][..4].copy_from_slice(&wrong.to_le_bytes());
            let (seen, file) = read(&damaged);
            let after: Vec<Seen> = seen.iter().rev().take(29).cloned().collect();
            assert!(after.iter().rev().map(|packet| packet.2.clone()).eq((21..50).map(payload)), "{wrong}");
            assert_eq!(file.problems.len(), 1, "{wrong}: {:?}", problems(&file));
        }
    }
}

#[test]
fn a_second_file_header_is_stepped_over() {
    let (first, _) = pcap_of(10, 0xa1b2_c3d4, Little);
    let (seen, file) = read(&[first.clone(), first].concat());
    assert_eq!((seen.len(), file.damaged_bytes), (20, 24));
}

#[test]
fn noise_gives_no_packets() {
    for seed in 0..20 {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            let (mut bytes, _) = pcap_of(0, magic, Little);
            bytes.extend(noise(seed, 200_000));
            let (seen, file) = read(&bytes);
            assert_eq!((seen.len(), file.damaged_bytes, file.problems.len()), (0, 200_000, 1));
        }
        let (mut bytes, _) = pcapng_of(0, Little);
        bytes.extend(noise(seed, 200_000));
        assert_eq!(read(&bytes).0.len(), 0);
    }
}

#[test]
fn zeros_give_no_packets() {
    for (mut bytes, _) in [pcap_of(10, 0xa1b2_c3d4, Little), pcapng_of(10, Little)] {
        bytes.resize(bytes.len() + 5_000_000, 0);
        let (seen, file) = read(&bytes);
        assert_eq!((seen.len(), file.damaged_bytes, file.problems.len()), (10, 5_000_000, 1));
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let files = [
        pcap_of(12, 0xa1b2_c3d4, Little).0,
        pcap_of(12, 0xa1b2_cd34, Big).0,
        pcapng_of(12, Little).0,
        pcapng_of(12, Big).0,
    ];
    let mut batch = Batch::default();
    for bytes in files {
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let input = Input::reader("t", Box::new(Cursor::new(damaged)));
                let file = read_with(&mut batch, vec![input]).1.remove(0);
                assert!(file.packets <= 12 && file.damaged_bytes <= file.bytes, "{at}: {flip:x}");
            }
        }
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let mut writer = PcapngWriter::new(Little);
    writer.interface(1, 0, &[]).interface(113, 0, &[(9, &[9])]);
    writer.packet(1, 5, 4, b"nano").packet(0, 5, 5, b"micro");
    writer.section(Big).interface(276, 0, &[(9, &[0x80]), (14, &(-3_i64).to_be_bytes())]).packet(0, 10, 9, b"cut");
    writer.section(Little).interface(101, 0, &[(9, &[]), (14, &7_i64.to_le_bytes())]).packet(0, 1, 3, b"end");
    let (seen, file) = read(&writer.bytes);
    let brief: Vec<(i64, &[u8], u16)> = seen.iter().map(|packet| (packet.1, &*packet.2, packet.4)).collect();
    let expected: [(i64, &[u8], u16); 4] =
        [(5, b"nano", 113), (5000, b"micro", 1), (7_000_000_000, b"cut", 276), (7_000_001_000, b"end", 101)];
    assert_eq!(brief, expected);
    assert_eq!(file.link_types, [113, 1, 276, 101].map(LinkType));
    assert_eq!((file.truncated_packets, file.damaged_bytes), (1, 0));
}

#[test]
fn simple_and_obsolete_packets_are_read() {
    let mut writer = PcapngWriter::new(Big);
    writer.interface(1, 6, &[]).packet(0, 9, 3, b"abc");
    writer.block(3, &[5], b"whole").block(3, &[60], b"cut by the snap length");
    // Interface 0, 65535 packets dropped before it.
    writer.block(2, &[0x0000_ffff, 0, 12, 3, 4], b"old");
    let (seen, file) = read(&writer.bytes);
    let brief: Vec<(i64, &[u8], u32)> = seen.iter().map(|packet| (packet.1, &*packet.2, packet.3)).collect();
    let expected: [(i64, &[u8], u32); 4] =
        [(9000, b"abc", 3), (9000, b"whole", 5), (9000, b"cut by", 60), (12_000, b"old", 4)];
    assert_eq!(brief, expected);
    assert_eq!(file.truncated_packets, 2);
}

#[test]
fn dropped_packets_are_summed_over_interfaces() {
    let mut writer = PcapngWriter::new(Big);
    writer.interface(1, 0, &[]).interface(1, 0, &[]);
    assert_eq!(read(&writer.bytes).1.dropped_by_capture, None);
    writer.dropped(0, 3).dropped(1, 10).dropped(0, 5);
    writer.section(Little).interface(1, 0, &[]).dropped(0, 100);
    assert_eq!(read(&writer.bytes).1.dropped_by_capture, Some(115));
}

#[test]
fn packets_say_how_many_were_dropped_before_them() {
    for order in [Little, Big] {
        let mut writer = PcapngWriter::new(order);
        writer.interface(1, 0, &[]).interface(1, 0, &[]).packet(0, 1, 3, b"abc");
        writer.packet_with_options(0, b"no count", &[(2, &[0; 4])]).packet_with_options(0, b"odd", &[(4, &[9; 3])]);
        assert_eq!(read(&writer.bytes).1.dropped_by_capture, None);
        writer.packet_after(0, 0);
        assert_eq!(read(&writer.bytes).1.dropped_by_capture, Some(0));
        writer.packet_after(0, 3).packet_after(1, 1).packet_after(0, 4);
        let (seen, file) = read(&writer.bytes);
        assert_eq!((seen.len(), file.dropped_by_capture, problems(&file)), (7, Some(8), vec![]));
        writer.section(order).interface(1, 0, &[]).packet_after(0, u64::MAX).packet_after(0, u64::MAX);
        assert_eq!(read(&writer.bytes).1.dropped_by_capture, Some(u64::MAX));
    }
}

#[test]
fn dropped_packets_that_are_told_of_twice_count_once() {
    let mut writer = PcapngWriter::new(Little);
    writer.interface(1, 0, &[]).interface(1, 0, &[]);
    let dropped = |writer: &PcapngWriter| read(&writer.bytes).1.dropped_by_capture;
    assert_eq!(dropped(writer.packet_after(0, 3).dropped(0, 3)), Some(3));
    assert_eq!(dropped(writer.packet_after(0, 2).dropped(0, 5)), Some(5));
    assert_eq!(dropped(writer.dropped(0, 9)), Some(9), "dropped after the last packet");
    assert_eq!(dropped(writer.packet_after(0, 7)), Some(12), "dropped after the statistics");
    assert_eq!(dropped(writer.packet_after(1, 1)), Some(13));
}

#[test]
fn obsolete_packets_say_how_many_were_dropped_before_them() {
    let mut writer = PcapngWriter::new(Big);
    writer.interface(1, 0, &[]).block(2, &[0x0000_0000, 0, 12, 3, 4], b"old").block(2, &[0xffff, 0, 12, 3, 4], b"old");
    assert_eq!(read(&writer.bytes).1.dropped_by_capture, None);
    writer.block(2, &[0x0000_0005, 0, 12, 3, 4], b"old").block(2, &[0x0000_0001, 0, 12, 3, 4], b"old");
    assert_eq!(read(&writer.bytes).1.dropped_by_capture, Some(6));
}

#[test]
fn blocks_of_no_interest_are_skipped() {
    let mut writer = PcapngWriter::new(Little);
    writer.interface(1, 0, &[]).block(0x0bae, &[1], &noise(1, 5_000_001));
    writer.packet(0, 1, 1, b"a").packet(0, 1, 1, b"a");
    writer.block(0x1234_5678, &[], &noise(1, limits::BATCH_BYTES)).packet(0, 1, 1, b"b").block(10, &[], b"secrets");
    let (seen, file) = read(&writer.bytes);
    assert_eq!((seen.len(), problems(&file)), (3, vec![]));
    let (seen, file) = read(&writer.bytes[..3_000_000]);
    assert_eq!((seen.len(), file.damaged_bytes), (0, 3_000_000 - 52));
    // Its second length differs: nothing says that the next block is sound, so that is looked for.
    writer.bytes[52 + 12 + 5_000_004..][..4].fill(0);
    let (seen, file) = read(&writer.bytes);
    assert_eq!((seen.len(), file.problems.len()), (3, 1));
}

#[test]
fn blocks_that_wireshark_shows_among_packets_have_numbers_and_are_none() {
    let mut writer = PcapngWriter::new(Little);
    writer.interface(1, 0, &[]).packet(0, 1, 1, b"a").block(0x0bad, &[7], b"of somebody").packet(0, 1, 1, b"b");
    writer.block(9, &[], b"journal").block(0x4000_0bad, &[7], &noise(1, 5_000_000)).block(10, &[], b"secrets");
    writer.packet(0, 1, 1, b"c").packet(9, 1, 1, b"of no interface");
    let (seen, files) = read_inputs(vec![Input::reader("t", Box::new(Cursor::new(writer.bytes)))]);
    assert_eq!(seen.iter().map(|packet| packet.0).collect::<Vec<_>>(), [1, 3, 6]);
    assert_eq!(files[0].packets, 3);
    assert!(problems(&files[0])[0].starts_with("t: after packet 6, "));
}

#[test]
fn packets_of_unknown_interfaces_are_damage_of_their_own() {
    let mut writer = PcapngWriter::new(Little);
    writer.interface(1, 0, &[]).packet(0, 1, 1, b"a").packet(7, 1, 1, b"b").packet(0, 1, 1, b"c");
    let (seen, file) = read(&writer.bytes);
    assert_eq!(seen.len(), 2);
    assert_eq!(
        problems(&file),
        ["t: after packet 1, at byte 88: expected one of the section's 1 interfaces, found number 7; 36 bytes skipped"]
    );
}

#[test]
fn problems_are_bounded() {
    let mut writer = PcapngWriter::new(Little);
    for _ in 0..limits::PROBLEMS_PER_FILE + 500 {
        writer.packet(0, 0, 1, b"x");
    }
    let file = read(&writer.bytes).1;
    assert_eq!(file.problems.len(), limits::PROBLEMS_PER_FILE + 1);
    assert_eq!(file.damaged_bytes, (writer.bytes.len() - 28) as u64);
    assert!(problems(&file).last().unwrap().contains("found 500 more; 18000 bytes skipped"));
}

#[test]
fn named_files_that_are_no_captures_are_errors() {
    let inputs = [&b""[..], b"{\"ab\": 1}", b"\xa1\xb2"];
    let inputs = inputs.map(|bytes| Input::reader("x", Box::new(bytes))).into_iter();
    let (seen, files) = read_inputs(inputs.chain([Input::path("/nonexistent")]).collect());
    let texts: Vec<String> = files.iter().flat_map(problems).collect();
    assert!(seen.is_empty() && files.iter().all(|file| file.format.is_none()));
    assert_eq!(texts[0], "x: expected a pcap or pcapng capture, found an empty file");
    assert_eq!(texts[1], "x: expected a pcap or pcapng capture, found bytes 7b 22 61 62 (\"{\"ab\")");
    assert_eq!(texts[2], "x: expected a pcap or pcapng capture, found bytes a1 b2");
    assert!(texts[3].starts_with("/nonexistent: cannot open: "));
}

#[test]
fn reading_that_fails_keeps_what_came_before() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let (bytes, _) = pcap_of(3, 0xa1b2_c3d4, Little);
    let length = bytes.len();
    let (seen, file) = read_from(Cursor::new(bytes).chain(Failing));
    assert_eq!(seen.len(), 3);
    assert_eq!(problems(&file), [format!("t: cannot read at byte {length}: bad sector")]);
}

#[test]
fn directories_give_their_captures_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(path("b/deep")).unwrap();
    let (bytes, _) = pcap_of(2, 0xa1b2_c3d4, Little);
    for name in ["b/deep/2.pcap", "a.pcap", "c.pcap"] {
        std::fs::write(path(name), &bytes).unwrap();
    }
    std::fs::write(path("notes.txt"), "no capture").unwrap();
    std::fs::write(path("empty.pcap"), "").unwrap();
    #[cfg(unix)]
    for link in ["b/loop", "b/deep/again"] {
        std::os::unix::fs::symlink(directory.path(), path(link)).unwrap();
    }
    let inputs = Input::expand(directory.path()).unwrap();
    let mut captures = Captures::new(inputs);
    assert_eq!(captures.bytes_total(), Some(bytes.len() as u64 * 3));
    let mut batch = Batch::default();
    let mut packets = Vec::new();
    while captures.next_batch(&mut batch) {
        packets.extend(batch.packets().iter().map(|packet| (batch.id_of(packet).file(), packet.number)));
    }
    assert_eq!(packets, [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]);
    assert_eq!(captures.bytes_read(), bytes.len() as u64 * 3);
    let names: Vec<String> = captures.into_files().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["a.pcap", "b/deep/2.pcap", "c.pcap"].map(|name| path(name).to_string_lossy().into_owned()));
}

#[test]
fn directories_without_captures_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.txt"), "no capture").unwrap();
    assert!(matches!(Input::expand(directory.path()), Err(Error::NoCaptures { .. })));
}

#[test]
fn patterns_that_no_shell_expanded_are_expanded() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (bytes, _) = pcap_of(2, 0xa1b2_c3d4, Little);
    std::fs::create_dir(path("dir.pcap")).unwrap();
    for name in ["b.pcap", "a.pcap", "c.pcap1", ".hidden.pcap", "dir.pcap/d", "odd[1].pcap", "notes.txt"] {
        std::fs::write(path(name), &bytes).unwrap();
    }
    let expand = |pattern: &str| -> Vec<String> {
        let inputs = Input::expand(path(pattern)).unwrap();
        let prefix = format!("{}/", directory.path().display());
        inputs.iter().map(|input| input.name().replace(&prefix, "")).collect()
    };
    assert_eq!(expand("*.pcap"), ["a.pcap", "b.pcap", "dir.pcap/d", "odd[1].pcap"]);
    assert_eq!(expand("[ab].pcap"), ["a.pcap", "b.pcap"]);
    assert_eq!(expand("c.pcap?"), ["c.pcap1"]);
    assert_eq!(expand("odd[1].pcap"), ["odd[1].pcap"]);
    let none = path("*.pcapng");
    let text = Input::expand(&none).unwrap_err().to_string();
    assert_eq!(
        text,
        format!("{}: expected a file, a directory or a pattern that matches one: nothing matches", none.display())
    );
    assert!(Input::expand(path("a[.pcap")).unwrap_err().to_string().contains("a[.pcap: expected a file"));
}

#[test]
fn a_packet_takes_half_a_cache_line() {
    // There is one for each captured packet: a field more is felt.
    assert_eq!(size_of::<Packet>(), 32);
}

#[test]
fn captures_can_go_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Captures>();
    is_send::<Batch>();
}
