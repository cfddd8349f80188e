//! Tests of decoders on connections that agreed upon compression.

use proptest::prelude::*;
use proptest::sample::Index;

use super::testing::{Packer, bomb, text};
use super::{Compressor, Decoder, Deflate, Event, Extensions, Visitor};
use crate::flow::{PerRole, Role};

const AGREED: Extensions = with(Compressor { window_bits: 15, takeover: true }, false);
const FRESH: Extensions = with(Compressor { window_bits: 15, takeover: false }, false);
const PER_FRAME: Extensions = with(Compressor { window_bits: 15, takeover: true }, true);

const fn with(compressor: Compressor, per_frame: bool) -> Extensions {
    let compressors = PerRole { client: compressor, server: compressor };
    Extensions { deflate: Some(Deflate { per_frame, assumed: false, compressors }), unknown: false }
}

/// What was told, in a few words, with the number of the piece that it was told of where that matters.
#[derive(Default)]
struct Log(Vec<String>);

impl Visitor<u64> for Log {
    fn event(&mut self, _: u64, mark: u64, event: Event<'_, u64>) {
        self.0.push(match event {
            Event::DataFrame { .. } | Event::Ping | Event::Pong => return,
            Event::Message { text: true } => "text".to_owned(),
            Event::Message { text: false } => "binary".to_owned(),
            Event::Undecodable => "undecodable".to_owned(),
            Event::InvalidText { message, bytes, fault, .. } => {
                let bytes = bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
                format!("{message}: {} at {} of {bytes}, piece {}", fault.error.name(), fault.byte_offset, fault.mark)
            }
            Event::Close(body) => format!("close {}", body.code.map_or(1005, |code| code.0)),
            Event::Violation { rule, .. } => format!("{} in piece {mark}", rule.name()),
        });
    }
}

struct Feed {
    decoder: Decoder<u64>,
    pieces: u64,
    log: Log,
}

fn server(extensions: Extensions) -> Feed {
    Feed { decoder: Decoder::new(Role::Server, extensions, 0), pieces: 0, log: Log::default() }
}

impl Feed {
    /// A piece of the stream.
    fn piece(mut self, bytes: &[u8]) -> Self {
        self.pieces += 1;
        self.decoder.feed(bytes, self.pieces, &mut self.log);
        self
    }

    /// A frame in a piece of its own.
    fn frame(self, first: u8, payload: &[u8]) -> Self {
        self.piece(&frame(first, payload))
    }

    fn gap(mut self, length: u64) -> Self {
        self.pieces += 1;
        self.decoder.gap(length, self.pieces, &mut self.log);
        self
    }

    fn end(mut self) -> Vec<String> {
        self.decoder.end(self.pieces, &mut self.log);
        self.log.0
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64;
    let mut bytes = vec![first, 127];
    match payload.len() {
        short @ 0..=125 => bytes[1] = short as u8,
        126..=0xffff => bytes = [&[first, 126], &(length as u16).to_be_bytes()[..]].concat(),
        _ => bytes.extend(length.to_be_bytes()),
    }
    bytes.extend(payload);
    bytes
}

/// A compressed text, a binary message, the first frame of a text; then what is no first frame of a message.
const TEXT: u8 = 0xc1;
const BINARY: u8 = 0xc2;
const FIRST: u8 = 0x41;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;
const PLAIN: u8 = 0x81;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// DEFLATE has no block of this kind.
const NO_BLOCK: &[u8] = b"\x07\xff\xff";

#[test]
fn invalid_text_is_found_where_it_is_in_the_plain_message() {
    for extensions in [AGREED, FRESH] {
        let (mut packer, mut feed) = (Packer::new(15), server(extensions));
        for plain in [&b"valid text, valid text"[..], b"valid text, val\xefd text", b"valid text, valid text"] {
            feed = feed.frame(TEXT, &packer.pack(plain));
            if extensions == FRESH {
                packer.forget();
            }
        }
        assert_eq!(feed.end(), ["text", "1: missing-continuation at 15 of 22, piece 2", "text", "text"]);
    }
}

#[test]
fn masked_messages_are_inflated_too() {
    let packed = Packer::new(15).pack(&[text(1, 20_000).as_bytes(), b"\xff"].concat());
    let key = [1, 2, 3, 4];
    let mut bytes = frame(TEXT, &packed);
    let start = bytes.len() - packed.len();
    bytes[1] |= 0x80;
    bytes.splice(start..start, key);
    bytes.iter_mut().skip(start + 4).zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    let mut log = Log::default();
    Decoder::new(Role::Client, AGREED, 0).feed(&bytes, 1, &mut log);
    assert_eq!(log.0, ["0: invalid-byte at 20000 of 20001, piece 1", "text"]);
}

#[test]
fn fragments_may_be_cut_anywhere_and_have_control_frames_between() {
    let packed = Packer::new(15).pack("text that repeats, text that repeats, gr\u{fc}\u{df}e".as_bytes());
    let mut broken = Packer::new(15).pack(b"text that repeats, text that repeats, gr\xc3");
    for cut in 0..=packed.len() {
        let (first, last) = packed.split_at(cut);
        let feed = server(AGREED).frame(FIRST, first).frame(PING, b"\xff").frame(MORE, b"").frame(LAST, last);
        assert_eq!(feed.frame(TEXT, b"\x00").end(), ["text", "text"], "cut at {cut}");
    }
    let last = broken.split_off(broken.len() - 3);
    let feed = server(AGREED).frame(FIRST, &broken).frame(PING, b"").frame(LAST, &last);
    assert_eq!(feed.end(), ["0: truncated at 40 of 41, piece 3", "text"]);
}

#[test]
fn plain_messages_among_compressed_ones_are_no_part_of_the_context() {
    let mut packer = Packer::new(15);
    let feed = server(AGREED).frame(TEXT, &packer.pack(text(1, 100).as_bytes())).frame(PLAIN, b"plain \xff");
    let feed = feed.frame(TEXT, &packer.pack(text(1, 100).as_bytes()));
    assert_eq!(feed.end(), ["text", "1: invalid-byte at 6 of 7, piece 2", "text", "text"]);
}

#[test]
fn binary_messages_are_part_of_the_context() {
    let mut packer = Packer::new(15);
    let feed = server(AGREED).frame(BINARY, &packer.pack(&[0xff; 300]));
    let feed = feed.frame(TEXT, &packer.pack(&[&[b'x'; 5][..], &[0xff; 200]].concat()));
    assert_eq!(feed.end(), ["binary", "1: invalid-byte at 5 of 205, piece 2", "text"]);
}

#[test]
fn payload_that_is_no_deflate_data_is_a_breach_and_the_rest_is_unknown() {
    let mut packer = Packer::new(15);
    let feed = server(AGREED).frame(TEXT, &packer.pack(text(1, 100).as_bytes())).frame(TEXT, NO_BLOCK);
    let feed = feed.frame(TEXT, &packer.pack(text(1, 100).as_bytes())).frame(PLAIN, b"plain").frame(CLOSE, b"\x03\xef");
    let told =
        ["text", "bad-compression in piece 2", "undecodable", "text", "undecodable", "text", "text", "close 1007"];
    assert_eq!(feed.end(), told);
}

#[test]
fn without_takeover_every_breach_is_one() {
    let good = Packer::new(15).pack(text(1, 100).as_bytes());
    let feed = server(FRESH).frame(TEXT, NO_BLOCK).frame(TEXT, &good).frame(BINARY, NO_BLOCK);
    let breach = |piece: u32| [format!("bad-compression in piece {piece}"), "undecodable".to_owned()];
    let told = [&breach(1)[..], &["text".into(), "text".into()], &breach(3), &["binary".into()]].concat();
    assert_eq!(feed.end(), told);
}

#[test]
fn message_that_ends_inside_a_block_is_a_breach() {
    let packed = Packer::new(15).pack(text(1, 100).as_bytes());
    let feed = server(AGREED).frame(TEXT, &packed[..packed.len() - 3]);
    assert_eq!(feed.end(), ["bad-compression in piece 1", "undecodable", "text"]);
}

#[test]
fn breach_in_a_message_that_never_ends_is_told() {
    assert_eq!(server(AGREED).frame(FIRST, NO_BLOCK).end(), ["bad-compression in piece 1"]);
    let started = Packer::new(15).pack(text(1, 100).as_bytes());
    assert_eq!(server(AGREED).frame(FIRST, &started).end(), [""; 0]);
}

#[test]
fn bad_byte_before_the_breach_stays_proved() {
    // A block without compression, then none.
    let packed = [b"\x00\x03\x00\xfc\xffa\xffb", NO_BLOCK].concat();
    let told = ["0: invalid-byte at 1 of unknown, piece 1", "bad-compression in piece 1", "undecodable", "text"];
    assert_eq!(server(AGREED).frame(TEXT, &packed).end(), told);
}

#[test]
fn after_a_gap_messages_are_unknown_until_one_refers_to_nothing_before() {
    let mut packer = Packer::new(15);
    let mut pack = |number| packer.pack(text(number, 200).as_bytes());
    let lost = frame(TEXT, &pack(1));
    let feed = server(AGREED).piece(&lost[..20]).gap(lost.len() as u64 - 20);
    let feed = feed.frame(TEXT, &pack(1)).frame(CLOSE, b"");
    assert_eq!(feed.end(), ["undecodable", "text", "undecodable", "text", "close 1005"]);

    let mut fresh = Packer::new(15);
    let feed = server(AGREED).piece(&lost[..20]).gap(lost.len() as u64 - 20).frame(TEXT, &fresh.pack(b"anew, anew"));
    let feed = feed.frame(TEXT, &fresh.pack(b"anew, anew \xff")).frame(TEXT, NO_BLOCK);
    let told = ["undecodable", "text", "text", "2: invalid-byte at 11 of 12, piece 4", "text", "undecodable", "text"];
    assert_eq!(feed.end(), told);
}

#[test]
fn gap_without_takeover_costs_one_message() {
    let packed = frame(TEXT, &Packer::new(15).pack(text(1, 200).as_bytes()));
    let feed = server(FRESH).piece(&packed[..20]).gap(packed.len() as u64 - 20).piece(&packed).frame(TEXT, NO_BLOCK);
    let told = ["undecodable", "text", "text", "bad-compression in piece 4", "undecodable", "text"];
    assert_eq!(feed.end(), told);
}

#[test]
fn gap_in_what_is_not_compressed_costs_nothing() {
    let mut packer = Packer::new(15);
    let feed = server(AGREED).frame(TEXT, &packer.pack(text(1, 100).as_bytes()));
    let feed = feed.piece(b"\x81\x0aplain").gap(5).piece(b"\x89\x03p").gap(2);
    let feed = feed.frame(TEXT, &packer.pack(text(1, 100).as_bytes()));
    assert_eq!(feed.end(), ["text", "text", "text"]);
}

#[test]
fn place_that_was_lost_makes_breaches_unknown() {
    for extensions in [AGREED, FRESH] {
        let feed = server(extensions).gap(100).frame(PLAIN, b"a text that is long enough for it");
        let feed = feed.frame(PLAIN, b"and another one").frame(TEXT, NO_BLOCK);
        assert_eq!(feed.end().last_chunk(), Some(&["undecodable".to_owned(), "text".to_owned()]));
    }
}

#[test]
fn compression_that_is_only_assumed_is_believed_once_it_fits() {
    assert_eq!(server(Extensions::ASSUMED).frame(TEXT, NO_BLOCK).end(), ["undecodable", "text"]);
    let mut packer = Packer::new(15);
    let bad = packer.pack(b"not even \xff");
    packer.forget();
    let feed = server(Extensions::ASSUMED).frame(TEXT, &bad).frame(TEXT, &packer.pack(b"valid text"));
    let feed = feed.frame(TEXT, &packer.pack(b"valid text \xff")).frame(TEXT, NO_BLOCK);
    let told = ["undecodable", "text", "text", "2: invalid-byte at 11 of 12, piece 3", "text", "undecodable", "text"];
    assert_eq!(feed.end(), told);
}

#[test]
fn frames_that_are_compressed_each_for_itself_make_one_text() {
    let mut packer = Packer::new(15);
    let mut pack = |plain: &[u8]| packer.pack(plain);
    let feed = server(PER_FRAME).frame(FIRST, &pack(b"text, text, gr\xc3")).frame(MORE, b"\xbc\xc3");
    let feed = feed.frame(0xc0, &pack(b"\x9fe, text, text"));
    let feed = feed.frame(PING, b"").frame(TEXT, &pack(b"text, text\xff")).frame(PLAIN, b"plain");
    assert_eq!(feed.end(), ["text", "1: invalid-byte at 10 of 11, piece 5", "text", "text"]);
}

#[test]
fn other_reserved_bits_and_unknown_extensions_hide_the_payload() {
    let packed = Packer::new(15).pack(b"\xff");
    let told = ["reserved-bits in piece 1", "undecodable", "text", "undecodable", "text"];
    assert_eq!(server(AGREED).frame(0xe1, &packed).frame(TEXT, NO_BLOCK).end(), told);
    let unknown = Extensions { unknown: true, ..AGREED };
    assert_eq!(server(unknown).frame(TEXT, &packed).frame(TEXT, NO_BLOCK).end(), ["undecodable", "text"].repeat(2));
}

#[test]
fn reserved_bit_without_an_agreement_is_a_breach_and_nothing_is_inflated() {
    let packed = Packer::new(15).pack(b"\xff");
    let feed = server(Extensions::default()).frame(TEXT, &packed);
    assert_eq!(feed.end(), ["reserved-bits in piece 1", "text"]);
}

#[test]
fn bomb_is_a_limit_and_the_rest_is_analysed() {
    let bomb = bomb(90);
    let feed = server(AGREED).frame(TEXT, &bomb).frame(PLAIN, b"\xff").frame(CLOSE, b"\x03\xf1");
    let told =
        ["limit-reached in piece 1", "undecodable", "text", "1: invalid-byte at 0 of 1, piece 2", "text", "close 1009"];
    assert_eq!(feed.end(), told);
}

/// A message of a stream: whether it is text, compressed, damaged, and how it is cut into frames.
type AnyMessage = (bool, bool, Option<(Index, u8)>, Vec<u8>, Option<Index>);

fn any_message() -> impl Strategy<Value = AnyMessage> {
    let plain = prop_oneof![
        4 => "[a-c\u{fc}]{0,60}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(prop_oneof![3 => Just(b'x'), 1 => any::<u8>()], 0..3000),
    ];
    let damage = proptest::option::weighted(0.1, (any::<Index>(), any::<u8>()));
    (any::<bool>(), proptest::bool::weighted(0.8), damage, plain, proptest::option::of(any::<Index>()))
}

fn stream(messages: &[AnyMessage]) -> Vec<u8> {
    let mut packer = Packer::new(15);
    let mut bytes = Vec::new();
    for (text, compressed, damage, plain, cut) in messages {
        let mut payload = if *compressed { packer.pack(plain) } else { plain.clone() };
        if let (Some((place, byte)), false) = (damage, payload.is_empty()) {
            let place = place.index(payload.len());
            payload[place] = *byte;
        }
        let first = if *text { 1 } else { 2 } | if *compressed { 0x40 } else { 0 };
        let (head, tail) = payload.split_at(cut.map_or(payload.len(), |cut| cut.index(payload.len() + 1)));
        match cut {
            None => bytes.extend(frame(first | 0x80, head)),
            Some(_) => bytes.extend([frame(first, head), frame(PING, b""), frame(LAST, tail)].concat()),
        }
    }
    bytes
}

/// What is told, without where.
fn without_pieces(log: Vec<String>) -> Vec<String> {
    log.iter().map(|line| line.split(" piece ").next().unwrap_or_default().to_owned()).collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        messages in proptest::collection::vec(any_message(), 0..8),
        kind in 0..4_usize,
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let extensions = [AGREED, FRESH, PER_FRAME, Extensions::ASSUMED][kind];
        let bytes = stream(&messages);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut split = server(extensions);
        let mut start = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            split = split.piece(&bytes[start..cut]);
            start = cut;
        }
        prop_assert_eq!(without_pieces(split.end()), without_pieces(server(extensions).piece(&bytes).end()));
        let single = bytes.iter().fold(server(extensions), |feed, byte| feed.piece(&[*byte]));
        prop_assert_eq!(without_pieces(single.end()), without_pieces(server(extensions).piece(&bytes).end()));
    }

    #[test]
    fn holes_make_no_sound_stream_guilty(
        messages in proptest::collection::vec(("[a-c\u{fc}]{0,60}", proptest::option::of((any::<Index>(), any::<Index>()))), 1..12),
        fresh in any::<bool>(),
    ) {
        let (mut packer, mut feed) = (Packer::new(15), server(if fresh { FRESH } else { AGREED }));
        let holes = messages.iter().filter(|(_, hole)| hole.is_some()).count();
        for (plain, hole) in &messages {
            let payload = packer.pack(plain.as_bytes());
            if fresh {
                packer.forget();
            }
            let bytes = frame(TEXT, &payload);
            let Some((from, to)) = hole else {
                feed = feed.piece(&bytes);
                continue;
            };
            let header = bytes.len() - payload.len();
            let from = header + from.index(payload.len());
            let to = from + 1 + to.index(bytes.len() - from);
            feed = feed.piece(&bytes[..from]).gap((to - from) as u64).piece(&bytes[to..]);
        }
        let told = feed.end();
        prop_assert!(told.iter().all(|line| line == "text" || line == "undecodable"), "{:?}", told);
        let undecodable = told.iter().filter(|line| *line == "undecodable").count();
        prop_assert_eq!(told.len() - undecodable, messages.len());
        prop_assert!(undecodable >= holes && (undecodable == holes || !fresh), "{:?}", told);
    }
}
