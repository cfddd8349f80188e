//! Compressed captures: every format, whole, in pieces and damaged.

use std::io::{Cursor, Write};

use super::codec::Compression::{self, Bzip2, Gzip, Lz4, Lz4Legacy, Xz, Zstandard};
use super::order::ByteOrder::{Big, Little};
use super::tests::{START, Seen, noise, pcap_of, pcapng_of, problems, read, read_inputs, read_with};
use super::writer::PcapWriter;
use super::*;
use crate::limits;

const ALL: [Compression; 5] = [Gzip, Zstandard, Lz4, Xz, Bzip2];

/// A member of that `compression` which holds `bytes`.
fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Zstandard => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Lz4 => {
            let mut info = lz4_flex::frame::FrameInfo::new();
            info.block_size = lz4_flex::frame::BlockSize::Max64KB;
            info.content_checksum = true;
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Lz4Legacy => {
            let block = |bytes| {
                let packed = lz4_flex::block::compress(bytes);
                [&(packed.len() as u32).to_le_bytes()[..], &packed].concat()
            };
            let blocks: Vec<u8> = bytes.chunks(8 << 20).flat_map(block).collect();
            [&[0x02, 0x21, 0x4c, 0x18][..], &blocks].concat()
        }
        Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// Reads the file of these `bytes` with a batch that is used again.
fn read_in(batch: &mut Batch, bytes: &[u8]) -> (Vec<Seen>, CaptureFile) {
    let input = Input::reader("t", Box::new(Cursor::new(bytes.to_vec())));
    let (seen, mut files) = read_with(batch, vec![input]);
    (seen, files.remove(0))
}

/// A skippable frame of so many bytes.
fn skippable(length: usize) -> Vec<u8> {
    [&[0x5a, 0x2a, 0x4d, 0x18][..], &(length as u32).to_le_bytes(), &noise(3, length)].concat()
}

/// A capture that compresses well and fills several blocks of every format.
fn compressible() -> Vec<u8> {
    let mut writer = PcapWriter::new(0xa1b2_c3d4, Little);
    for index in 0..4000_u32 {
        let data = format!("the packet {index} of many, ").repeat(1 + index as usize * 7919 % 12);
        writer.record(START + index, index, data.len() as u32, data.as_bytes());
    }
    writer.bytes
}

#[test]
fn every_compression_gives_the_same_packets() {
    for bytes in [compressible(), pcapng_of(300, Big).0] {
        let (expected, plain) = read(&bytes);
        for compression in ALL {
            let packed = pack(compression, &bytes);
            let (seen, file) = read(&packed);
            assert!(seen == expected, "{compression:?}");
            assert_eq!((file.format, file.problems.len(), file.damaged_bytes), (plain.format, 0, 0));
            assert_eq!(file.bytes, packed.len() as u64, "{compression:?}");
        }
    }
}

#[test]
fn first_frame_format_of_lz4_is_read() {
    let (bytes, offsets) = pcap_of(90, 0xa1b2_c3d4, Little);
    let (expected, _) = read(&bytes);
    let [first, second] = [&bytes[..offsets[40] + 5], &bytes[offsets[40] + 5..]].map(|part| pack(Lz4Legacy, part));
    let whole = [&first[..], &second].concat();
    // Two frames, two blocks, zeros behind them, frames of the user's own.
    let blocks = [&first[..], &second[4..]].concat();
    let files =
        [whole.clone(), blocks, [&whole[..], &[0; 512]].concat(), [&skippable(9)[..], &whole, &skippable(9)].concat()];
    for file in files {
        let (seen, file) = read(&file);
        assert!(seen == expected, "{:?}", problems(&file));
        assert_eq!(problems(&file), [""; 0]);
    }
    let large = vec![0; 9 << 20];
    assert!(pack(Lz4Legacy, &large).len() < 50_000);
    let mut writer = PcapWriter::new(0xa1b2_c3d4, Little);
    writer.record(START, 0, large.len() as u32, &large);
    let (seen, file) = read(&pack(Lz4Legacy, &writer.bytes));
    assert_eq!((seen.len(), problems(&file)), (1, vec![]));
}

#[test]
fn first_frame_format_of_lz4_may_be_damaged() {
    let (bytes, offsets) = pcap_of(90, 0xa1b2_c3d4, Little);
    let (expected, _) = read(&bytes);
    let [first, second] = [&bytes[..offsets[40]], &bytes[offsets[40]..]].map(|part| pack(Lz4Legacy, part));
    let whole = [&first[..], &second].concat();
    for length in (5..whole.len()).step_by(7).filter(|&length| length != first.len()) {
        let (seen, file) = read(&whole[..length]);
        assert!(expected.starts_with(&seen) && !file.problems.is_empty(), "cut at {length}");
        assert!(length < first.len() || seen.len() == 40, "cut at {length}");
    }
    let mut damaged = whole.clone();
    damaged[first.len() - 30..first.len()].fill(0xff);
    let (seen, file) = read(&damaged);
    assert_eq!(seen.last().unwrap().1, expected.last().unwrap().1, "{:?}", problems(&file));
    let mut endless = whole;
    endless[4..8].fill(0xff);
    assert!(problems(&read(&endless).1)[0].contains("found a block of 4294967295 bytes"));
}

#[test]
fn members_behind_damage_are_read() {
    let bytes = compressible();
    let (expected, _) = read(&bytes);
    for compression in ALL {
        let thirds: Vec<_> = bytes.chunks(bytes.len() / 3 + 1).map(|part| pack(compression, part)).collect();
        let [first, second, third] = thirds.as_slice() else { panic!("three") };
        let mut damaged = second.clone();
        let half = damaged.len() / 2;
        damaged[half..half + 20].fill(0xff);
        let (seen, file) = read(&[&first[..], &damaged, third].concat());
        // Numbers count what is there.
        let times = |seen: &[Seen]| seen.iter().map(|packet| packet.1).collect::<Vec<_>>();
        let last = times(&expected[expected.len() * 7 / 10..]);
        assert!(times(&seen).ends_with(&last), "{compression:?}: {}, {:?}", seen.len(), problems(&file));
        assert!(common(&seen, &expected) > expected.len() * 3 / 10, "{compression:?}");
        assert!(problems(&file).concat().contains(compression.name()), "{:?}", problems(&file));
        // Garbage between members costs the packet that lies in both of them.
        let (seen, file) = read(&[&first[..], &noise(5, 9_000), second, third].concat());
        assert!(times(&seen).ends_with(&last), "{compression:?}: {:?}", problems(&file));
        assert_eq!(seen.len(), expected.len() - 1, "{compression:?}: {:?}", problems(&file));
    }
}

#[test]
fn members_are_read_one_after_the_other() {
    let (bytes, offsets) = pcap_of(90, 0xa1b2_c3d4, Little);
    let (expected, _) = read(&bytes);
    for compression in ALL {
        let [first, second, third] =
            [&bytes[..10], &bytes[10..offsets[40] + 5], &bytes[offsets[40] + 5..]].map(|part| pack(compression, part));
        let empty = pack(compression, b"");
        let (seen, file) = read(&[&first[..], &empty, &second, &third, &[0; 512]].concat());
        assert!(seen == expected, "{compression:?}: {:?}", problems(&file));
        assert_eq!(problems(&file), Vec::<String>::new());
    }
}

#[test]
fn skippable_frames_are_skipped() {
    let (bytes, _) = pcap_of(9, 0xa1b2_c3d4, Little);
    for compression in [Zstandard, Lz4] {
        let packed = pack(compression, &bytes);
        let (seen, file) = read(&[skippable(3), skippable(0), packed.clone(), skippable(100_000)].concat());
        assert_eq!((seen.len(), problems(&file)), (9, vec![]));
        let (seen, file) = read(&[&packed, &skippable(20)[..15]].concat());
        assert_eq!(seen.len(), 9);
        assert!(problems(&file)[0].contains("expected a whole skippable frame, found 15 bytes of it"));
    }
}

#[test]
fn garbage_behind_the_end_is_damage() {
    let (bytes, _) = pcap_of(9, 0xa1b2_c3d4, Little);
    for compression in ALL {
        let mut packed = pack(compression, &bytes);
        packed.extend(b"\0\0GARBAGE");
        let (seen, file) = read(&packed);
        let text = format!(
            "t: after packet 9, at byte {}: expected more {} data or the end of the file, found bytes 47 41 52 42 \
             (\"GARB\"); 7 bytes skipped",
            bytes.len(),
            compression.name(),
        );
        assert_eq!((seen.len(), problems(&file), file.bytes), (9, vec![text], packed.len() as u64));
    }
}

#[test]
fn truncated_archives_give_what_came_before() {
    let mut batch = Batch::default();
    let (bytes, _) = pcap_of(60, 0xa1b2_c3d4, Little);
    let (expected, _) = read(&bytes);
    for compression in ALL {
        let halves = bytes.split_at(bytes.len() / 2);
        let first = pack(compression, halves.0);
        let packed = [&first[..], &pack(compression, halves.1)].concat();
        let mut before = 0;
        for length in (1..packed.len()).step_by(7) {
            let (seen, file) = read_in(&mut batch, &packed[..length]);
            assert!(expected.starts_with(&seen), "{compression:?} cut at {length}");
            assert!(seen.len() >= before && file.bytes == length as u64, "{compression:?} cut at {length}");
            assert!(!file.problems.is_empty(), "{compression:?} cut at {length}");
            before = seen.len();
            if length >= first.len() {
                assert!(before >= 29, "{compression:?} cut at {length}: {before} packets");
            }
        }
        let text = problems(&read(&packed[..packed.len() - 1]).1);
        let expected =
            format!("expected the rest of the {} data, found the end of the file; 0 bytes", compression.name());
        assert!(text.concat().contains(&expected), "{text:?}");
    }
}

#[test]
fn damage_costs_nothing_that_came_before() {
    let bytes = compressible();
    let (expected, _) = read(&bytes);
    for compression in ALL {
        let packed = pack(compression, &bytes);
        for tenth in 1..10 {
            let place = packed.len() * tenth / 10;
            let (cut, _) = read(&packed[..place]);
            let mut damaged = packed.clone();
            damaged[place..].fill(0xff);
            let (seen, file) = read(&damaged);
            assert!(
                common(&seen, &expected) >= cut.len(),
                "{compression:?} at {place}: {} of {}",
                seen.len(),
                cut.len()
            );
            assert!(
                !file.problems.is_empty() && (file.format.is_some() || cut.is_empty()),
                "{compression:?} at {place}"
            );
            assert_eq!(file.bytes, packed.len() as u64);
        }
    }
}

/// How many packets both begin with.
fn common(one: &[Seen], other: &[Seen]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[test]
fn flipped_bytes_of_archives_never_panic() {
    let mut batch = Batch::default();
    let (bytes, _) = pcap_of(4, 0xa1b2_c3d4, Little);
    for compression in ALL {
        let packed = pack(compression, &bytes);
        for place in 0..packed.len() {
            for flip in [0x01, 0x40, 0xff] {
                let mut damaged = packed.clone();
                damaged[place] ^= flip;
                let file = read_in(&mut batch, &damaged).1;
                assert!(!file.problems.is_empty() || file.packets <= 4, "{compression:?} at {place}: {flip:x}");
            }
        }
    }
}

#[test]
fn headers_that_ask_for_too_much_are_damage() {
    // A frame with a window of 2 GiB: RFC 8878 section 3.1.1.1.
    let zstandard = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3][..], &noise(1, 100)].concat();
    let mut xz = Vec::new();
    let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    options.dict_size(512 << 20);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    // The encoder's own memory is not touched for so little input.
    let stream = liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32);
    if let Ok(stream) = stream {
        let mut encoder = liblzma::write::XzEncoder::new_stream(&mut xz, stream);
        encoder.write_all(b"little").unwrap();
        encoder.finish().unwrap();
    }
    for bytes in [zstandard, xz] {
        let text = problems(&read(&bytes).1).concat();
        let found = format!("found data that takes more than {} MiB of memory to unpack", limits::UNPACKER_BYTES >> 20);
        assert!(text.contains(&found), "{text}");
    }
}

#[test]
fn archives_in_archives_are_no_captures() {
    let (bytes, _) = pcap_of(4, 0xa1b2_c3d4, Little);
    let file = read(&pack(Xz, &pack(Gzip, &bytes))).1;
    assert_eq!(problems(&file), ["t: expected a pcap or pcapng capture, found gzip data"]);
    assert!(problems(&read(&pack(Gzip, b"")).1)[0].ends_with("found an empty file"));
    assert!(problems(&read(b"BZhello").1)[0].contains("found bzip2 data"));
}

#[test]
fn compressed_captures_are_found_in_directories() {
    let directory = tempfile::tempdir().unwrap();
    let (bytes, _) = pcap_of(4, 0xa1b2_c3d4, Little);
    let mut stored = 0;
    for (index, compression) in ALL.into_iter().enumerate() {
        let packed = pack(compression, &bytes);
        stored += packed.len() as u64;
        std::fs::write(directory.path().join(index.to_string()), packed).unwrap();
    }
    std::fs::write(directory.path().join("notes.gz"), pack(Gzip, b"no capture in here")).unwrap();
    let mut captures = Captures::new(Input::expand(directory.path()).unwrap());
    assert_eq!(captures.bytes_total(), Some(stored));
    let mut batch = Batch::default();
    let mut packets = 0;
    while captures.next_batch(&mut batch) {
        packets += batch.packets().len();
    }
    assert_eq!((packets, captures.bytes_read(), captures.into_files().len()), (20, stored, 5));
}

#[test]
fn slow_pipes_of_compressed_captures_are_read() {
    struct Dribble(Cursor<Vec<u8>>);
    impl std::io::Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut out[..1])
        }
    }
    let (bytes, _) = pcap_of(30, 0xa1b2_c3d4, Little);
    for compression in ALL {
        let reader = Dribble(Cursor::new(pack(compression, &bytes)));
        let (seen, files) = read_inputs(vec![Input::reader("t", Box::new(reader))]);
        assert_eq!((seen.len(), files[0].problems.len()), (30, 0), "{compression:?}");
    }
}
