//! Each stage of the analysis alone, on one thread: capture, packet, tcp, of WebSocket its parts, and tables; Polars may use
//! more for those.
//!
//! Stages that read packets run on a capture of small messages, which has the most of them for its size. Bytes per second
//! are those of the capture file, for the parts of WebSocket those of the stream or text, for tables those of the tables.

mod generate;

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use flate2::{Compress, Compression, FlushCompress};
use generate::websocket::Frames;
use generate::{Content, Kind, Plan, Random, Truth};
use wsautopsy::analyze::{Analysis, Options, analyze};
use wsautopsy::capture::{Batch, Captures, Input, Packet};
use wsautopsy::dataframe::{Format, Output, TableName, TableOptions, write_tables};
use wsautopsy::flow::{Direction, PacketId, Role, Timestamp};
use wsautopsy::packet::{self, Decoded, Segment};
use wsautopsy::tcp::{Application, Arrival, Captured, Content as Held, FlowStart, FlowSummary, FlowTable, Interest};
use wsautopsy::websocket::{Decoder, Deflate, Event, Extensions, TextCheck, Visitor, unmask};

fn main() {
    divan::main();
}

static CAPTURE: LazyLock<(Vec<u8>, Truth)> =
    LazyLock::new(|| generate::in_memory(&Plan { kind: Kind::Small, bytes: generate::measured_bytes(), seed: 2 }));

static BATCHES: LazyLock<Vec<Batch>> = LazyLock::new(|| {
    let mut captures = captures();
    let mut batches = vec![Batch::default()];
    while captures.next_batch(batches.last_mut().expect("there is one")) {
        batches.push(Batch::default());
    }
    batches
});

fn captures() -> Captures {
    Captures::new(vec![Input::reader("generated", Box::new(CAPTURE.0.as_slice()))])
}

fn packets() -> impl Iterator<Item = (&'static Batch, &'static Packet)> {
    BATCHES.iter().flat_map(|batch| batch.packets().iter().map(move |packet| (batch, packet)))
}

fn segment_of(batch: &Batch, packet: &Packet) -> Option<Segment> {
    match packet::decode(packet.link_type, batch.bytes_of(packet), packet.original) {
        Decoded::Segment(segment) => Some(segment),
        Decoded::Fragment(_) | Decoded::Quoted(_) | Decoded::Other | Decoded::Undecoded => None,
    }
}

/// A file's bytes to batches.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn capture(bencher: Bencher) {
    let (bytes, truth) = &*CAPTURE;
    bencher.counter(BytesCount::of_slice(bytes)).counter(ItemsCount::new(truth.packets)).bench_local(|| {
        let (mut captures, mut batch, mut packets) = (captures(), Batch::default(), 0);
        while captures.next_batch(&mut batch) {
            packets += batch.packets().len() as u64;
        }
        assert_eq!(packets, truth.packets);
    });
}

/// Packets to segments.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn packet(bencher: Bencher) {
    let (bytes, truth) = &*CAPTURE;
    let expected = packets().filter(|(batch, packet)| segment_of(batch, packet).is_some()).count();
    bencher.counter(BytesCount::of_slice(bytes)).counter(ItemsCount::new(truth.packets)).bench_local(|| {
        let segments = packets().filter_map(|(batch, packet)| segment_of(batch, packet));
        assert_eq!(segments.map(|segment| usize::from(segment.sequence != 1)).sum::<usize>(), expected);
    });
}

/// Segments to ordered bytes, in one table.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn tcp(bencher: Bencher) {
    let segments: Vec<_> = packets()
        .filter_map(|(batch, packet)| Some((batch, packet, segment_of(batch, packet)?)))
        .map(|(batch, packet, segment)| {
            let start = segment.payload.start as usize - usize::from(segment.header);
            let tcp = &batch.bytes_of(packet)[start..segment.payload.end as usize];
            (segment, tcp, batch.id_of(packet), packet.time)
        })
        .collect();
    let expected: usize = segments.iter().map(|(segment, ..)| segment.payload.len()).sum();
    let captured: Vec<_> = segments
        .iter()
        .map(|(segment, tcp, packet, time)| Captured {
            content: Held::Segment(segment, tcp),
            packet: *packet,
            time: *time,
        })
        .collect();
    let counter = ItemsCount::new(segments.len());
    bencher.counter(BytesCount::of_slice(&CAPTURE.0)).counter(counter).bench_local(|| {
        let mut table = FlowTable::<Counted>::default();
        table.take(&captured);
        assert_eq!(table.finish(), expected);
    });
}

/// What is carried, counted.
struct Counted(usize);

impl Application for Counted {
    type Output = usize;

    fn new(_: &FlowStart) -> Self {
        Self(0)
    }

    fn data(&mut self, _: Direction, _: u64, bytes: &[u8], _: &Arrival, _: &mut usize) -> Interest {
        self.0 += bytes.len();
        Interest::Keep
    }

    fn gap(&mut self, _: Direction, _: u64, _: u64, _: &Arrival, _: &mut usize) -> Interest {
        Interest::Keep
    }

    fn conflict(&mut self, _: Direction, _: u64, _: &Arrival) {}

    fn finish(self, _: &FlowSummary, output: &mut usize) {
        *output += self.0;
    }
}

/// Text in one piece of the given length.
#[divan::bench(args = [100, 1448, 65_536])]
fn utf8_whole(bencher: Bencher, length: usize) {
    let text = text(length);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        assert!(TextCheck::whole(divan::black_box(text.as_bytes()), ()).is_none());
    });
}

/// Text of 64 KiB in pieces of the given length.
#[divan::bench(args = [100, 1448, 2048])]
fn utf8_pieces(bencher: Bencher, length: usize) {
    let text = text(65_536);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let mut check = TextCheck::default();
        divan::black_box(text.as_bytes()).chunks(length).for_each(|piece| check.piece(piece, ()));
        assert!(check.end().is_none());
    });
}

fn text(length: usize) -> String {
    let mut random = Random::new(3);
    Content::new(&mut random).text(length, &mut random).to_owned()
}

/// Payload of the given length, at a place that is no multiple of the key's length.
#[divan::bench(args = [100, 1448, 2048])]
fn unmasking(bencher: Bencher, length: usize) {
    let key = [0x12, 0x34, 0x56, 0x78];
    let masked = text(length).into_bytes();
    let mut plain = vec![0; masked.len()];
    bencher.counter(BytesCount::of_slice(&masked)).bench_local(|| {
        unmask(divan::black_box(&masked), key, 3, divan::black_box(&mut plain));
    });
    let expected: Vec<u8> = masked.iter().zip(key.iter().cycle().skip(3)).map(|(byte, key)| byte ^ key).collect();
    assert_eq!(plain, expected);
}

/// Frames to messages, one text of 60 to 480 bytes in each segment.
#[divan::bench(args = ["client", "server"])]
fn websocket_small(bencher: Bencher, sender: &str) {
    decode(bencher, sender, |frames, content| frames.short(content));
}

/// Frames to messages, texts and binary messages of 4 to 128 KiB in segments of 1448 bytes.
#[divan::bench(args = ["client", "server"])]
fn websocket_full(bencher: Bencher, sender: &str) {
    decode(bencher, sender, |frames, content| frames.long(content));
}

/// Compressed texts of the given length to messages, each of which may refer to those before it. The bytes are those
/// of the texts.
#[divan::bench(args = [100, 1448, 65_536])]
fn inflate(bencher: Bencher, length: usize) {
    const MESSAGES: usize = 200;
    let mut random = Random::new(5);
    let content = Content::new(&mut random);
    let mut compressor = Compress::new(Compression::default(), false);
    let mut stream = Vec::new();
    for _ in 0..MESSAGES {
        let mut packed = Vec::with_capacity(2 * length + 100);
        let text = content.text(length, &mut random);
        compressor.compress_vec(text.as_bytes(), &mut packed, FlushCompress::Sync).expect("there is room");
        packed.truncate(packed.len() - 4);
        Frames { sender: Role::Server, random: &mut random, out: &mut stream }.compressed(&packed);
    }
    let extensions = Extensions { deflate: Some(Deflate { assumed: false, ..Deflate::ASSUMED }), unknown: false };
    bencher.counter(BytesCount::new(length * MESSAGES)).counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let mut decoder = Decoder::new(Role::Server, extensions, 0);
        let mut seen = Seen::default();
        stream.chunks(1448).for_each(|segment| decoder.feed(segment, MARK, &mut seen));
        assert_eq!(seen, Seen { messages: MESSAGES as u64, others: 0 });
    });
}

/// Connections to the bytes of every table.
#[divan::bench(args = ["csv", "parquet"], sample_count = 20, sample_size = 1)]
fn tables(bencher: Bencher, format: &str) {
    static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| {
        let input = Input::reader("generated", Box::new(CAPTURE.0.as_slice()));
        analyze(vec![input], &Options { threads: 1, ..Options::default() }, &mut |_| ()).expect("threads start")
    });
    let format = Format::parse(format).expect("there is such a format");
    let files = || {
        let mut files = TableName::ALL.map(|table| (table, Vec::new()));
        let outputs = files.iter_mut().map(|(table, out)| {
            let path = table.name().into();
            Output { table: *table, format, out, path }
        });
        write_tables(&ANALYSIS, &TableOptions::default(), outputs.collect(), &mut |_| ())
            .expect("memory takes every byte");
        files
    };
    let expected = files();
    let bytes: usize = expected.iter().map(|(_, bytes)| bytes.len()).sum();
    if format == Format::Csv {
        let lines = expected[0].1.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(lines, CAPTURE.1.connections + 1);
    }
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(CAPTURE.1.connections))
        .bench_local(|| assert!(files() == expected));
}

/// Decodes a stream of messages that `put` makes.
fn decode(bencher: Bencher, sender: &str, put: fn(Frames<'_>, &Content)) {
    const MESSAGES: u64 = 200;
    let sender = if sender == "client" { Role::Client } else { Role::Server };
    let mut random = Random::new(4);
    let content = Content::new(&mut random);
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for _ in 0..MESSAGES {
        let mut out = Vec::new();
        put(Frames { sender, random: &mut random, out: &mut out }, &content);
        segments.extend(out.chunks(1448).map(<[u8]>::to_vec));
    }
    let bytes: usize = segments.iter().map(Vec::len).sum();
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let mut decoder = Decoder::new(sender, Extensions::default(), 0);
        let mut seen = Seen::default();
        segments.iter().for_each(|segment| decoder.feed(segment, MARK, &mut seen));
        assert_eq!(seen, Seen { messages: MESSAGES, others: 0 });
    });
}

/// Events of a decoder, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    messages: u64,
    others: u64,
}

impl Visitor<Arrival> for Seen {
    fn event(&mut self, _: u64, _: Arrival, event: Event<'_, Arrival>) {
        match event {
            Event::Message { .. } => self.messages += 1,
            Event::DataFrame { .. } | Event::Ping | Event::Pong => {}
            Event::Undecodable | Event::InvalidText { .. } | Event::Close(_) | Event::Violation { .. } => {
                self.others += 1;
            }
        }
    }
}

const MARK: Arrival = Arrival { packet: PacketId::new(0, 1), time: Timestamp::from_nanos(0), acknowledged: None };
