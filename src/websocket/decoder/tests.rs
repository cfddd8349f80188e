//! Tests of decoders on connections without compression.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::tcp::Arrival;
use crate::websocket::testing::Packer;
use crate::websocket::{Deflate, Rule, unmask};

const CLIENT: Role = Role::Client;
const SERVER: Role = Role::Server;
const PLAIN: Extensions = Extensions { deflate: None, unknown: false };
const DEFLATE: Extensions = Extensions { deflate: Some(AGREED), unknown: false };
const AGREED: Deflate = Deflate { assumed: false, ..Deflate::ASSUMED };

/// What was told, in a few words: `5 text` for a message that ended at stream offset 5.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log(Vec<String>);

impl Visitor<u64> for Log {
    fn event(&mut self, end: u64, _: u64, event: Event<'_, u64>) {
        let told = match event {
            Event::DataFrame { .. } | Event::Ping | Event::Pong => return,
            Event::Message { text: true } => "text".to_owned(),
            Event::Message { text: false } => "binary".to_owned(),
            Event::Undecodable => "undecodable".to_owned(),
            Event::InvalidText { message, bytes, fault, .. } => {
                format!("message {message} of {bytes:?} {} at {}", fault.error.name(), fault.byte_offset)
            }
            Event::Close(body) => {
                let code = body.code.map_or_else(|| "empty".to_owned(), |code| code.to_string());
                let whole = if body.whole { "" } else { ", cut" };
                format!("close {code} {} of {}{whole}", body.reason.escape_ascii(), body.length)
            }
            Event::Violation { rule, .. } => rule.name().to_owned(),
        };
        self.0.push(format!("{end} {told}"));
    }
}

/// A direction under test: the mark of each piece is its number.
struct Feed {
    decoder: Decoder<u64>,
    pieces: u64,
    log: Log,
}

impl Feed {
    fn new(sender: Role, extensions: Extensions) -> Self {
        Self { decoder: Decoder::new(sender, extensions, 0), pieces: 0, log: Log::default() }
    }

    fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.pieces += 1;
        self.decoder.feed(bytes.as_ref(), self.pieces, &mut self.log);
        self
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

fn server() -> Feed {
    Feed::new(SERVER, PLAIN)
}

fn client() -> Feed {
    Feed::new(CLIENT, PLAIN)
}

/// A frame with this first byte, its length in the shortest form, masked if the client sends it.
fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(sender, first, payload.len() as u64);
    let start = bytes.len();
    bytes.extend(payload);
    if sender == CLIENT {
        unmask(payload, KEY, 0, &mut bytes[start..]);
    }
    bytes
}

fn header(sender: Role, first: u8, length: u64) -> Vec<u8> {
    let masked = if sender == CLIENT { 0x80 } else { 0 };
    let mut bytes = match length {
        0..=125 => vec![first, masked | length as u8],
        126..=0xffff => [&[first, masked | 126], &(length as u16).to_be_bytes()[..]].concat(),
        _ => [&[first, masked | 127], &length.to_be_bytes()[..]].concat(),
    };
    if sender == CLIENT {
        bytes.extend(KEY);
    }
    bytes
}

const KEY: [u8; 4] = [0x12, 0xfe, 0x56, 0x78];

fn server_frames(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(SERVER, *first, payload)).collect()
}

/// What the server's frames give.
fn told(frames: &[(u8, &[u8])]) -> Vec<String> {
    server().bytes(server_frames(frames)).end()
}

#[test]
fn decoder_between_messages_costs_little() {
    assert!(size_of::<Decoder<Arrival>>() <= 128, "{}", size_of::<Decoder<Arrival>>());
}

#[test]
fn messages_of_both_roles_are_told_at_their_ends() {
    assert_eq!(told(&[(0x81, b"abc"), (0x82, b"\xff")]), ["5 text", "8 binary"]);
    let masked = client().bytes(frame(CLIENT, 0x81, "grün".as_bytes())).bytes(frame(CLIENT, 0x82, b"")).end();
    assert_eq!(masked, ["11 text", "17 binary"]);
}

#[test]
fn control_frames_may_come_between_fragments() {
    let frames: &[(u8, &[u8])] = &[(0x01, b"gr\xc3"), (0x89, b"\xff"), (0x00, b"\xbc"), (0x8a, b""), (0x80, b"n")];
    assert_eq!(told(frames), ["16 text"]);
}

#[test]
fn close_may_come_between_fragments() {
    let frames: &[(u8, &[u8])] = &[(0x01, b"abc"), (0x88, b"\x03\xe9bye")];
    assert_eq!(told(frames), ["12 close 1001 bye of 5"]);
}

#[test]
fn close_bodies_are_told_as_they_are() {
    assert_eq!(told(&[(0x88, b"")]), ["2 close empty  of 0"]);
    assert_eq!(told(&[(0x88, b"\x03")]), ["3 close empty  of 1"]);
    assert_eq!(told(&[(0x88, b"\x0f\xa1no \xff")]), ["8 close 4001 no \\xff of 6"]);
    let masked = client().bytes(frame(CLIENT, 0x88, b"\x03\xe8bye")).end();
    assert_eq!(masked, ["11 close 1000 bye of 5"]);
}

#[test]
fn invalid_text_is_told_with_its_message_and_place() {
    let expected = ["5 text", "11 message 1 of Some(4) missing-continuation at 1", "11 text"];
    assert_eq!(told(&[(0x81, b"abc"), (0x81, b"a\xe9bc")]), expected);
    let split: &[(u8, &[u8])] = &[(0x82, b""), (0x01, b"ab\xe2\x82"), (0x80, b"x")];
    assert_eq!(told(split), ["2 binary", "11 message 1 of Some(5) missing-continuation at 2", "11 text"]);
}

#[test]
fn invalid_text_of_an_unfinished_message_is_told_at_the_end() {
    assert_eq!(told(&[(0x01, b"ab\xffcd")]), ["7 message 0 of None invalid-byte at 2"]);
    assert_eq!(told(&[(0x01, b"ab\xe2\x82")]), [""; 0], "it might have gone on");
}

#[test]
fn fault_has_the_mark_of_the_piece_that_holds_it() {
    struct Mark(Option<u64>);
    impl Visitor<u64> for Mark {
        fn event(&mut self, _: u64, _: u64, event: Event<'_, u64>) {
            if let Event::InvalidText { fault, .. } = event {
                self.0 = Some(fault.mark);
            }
        }
    }
    let (mut decoder, mut mark) = (Decoder::new(SERVER, PLAIN, 0), Mark(None));
    for (piece, bytes) in (1..).zip([&b"\x81\x06ab"[..], b"c\xff", b"de"]) {
        decoder.feed(bytes, piece, &mut mark);
    }
    assert_eq!(mark.0, Some(2));
}

/// Sender, bytes, rules.
type Breach = (Role, Vec<u8>, &'static [Rule]);

#[test]
fn each_rule_is_found_broken() {
    let long_ping = frame(SERVER, 0x89, &[0; 126]);
    let breaches: [Breach; 16] = [
        (CLIENT, frame(SERVER, 0x81, b"x"), &[Rule::UnmaskedClientFrame]),
        (SERVER, frame(CLIENT, 0x81, b"x"), &[Rule::MaskedServerFrame]),
        (SERVER, frame(SERVER, 0xc1, b"x"), &[Rule::ReservedBits]),
        (SERVER, frame(SERVER, 0x83, b"x"), &[Rule::ReservedOpcode]),
        (SERVER, frame(SERVER, 0x8b, b"x"), &[Rule::ReservedOpcode]),
        (SERVER, frame(SERVER, 0x09, b"x"), &[Rule::FragmentedControlFrame]),
        (SERVER, long_ping, &[Rule::LongControlFrame]),
        (SERVER, b"\x82\x7e\x00\x01x".to_vec(), &[Rule::NonMinimalLength]),
        (SERVER, b"\x82\x7f\0\0\0\0\0\0\0\x01x".to_vec(), &[Rule::NonMinimalLength]),
        (SERVER, b"\x82\x7f\x80\0\0\0\0\0\0\0".to_vec(), &[Rule::LengthTooLarge]),
        (SERVER, frame(SERVER, 0x80, b"x"), &[Rule::UnexpectedContinuation]),
        (SERVER, server_frames(&[(0x01, b"x"), (0x82, b"y")]), &[Rule::InterleavedMessage]),
        (SERVER, server_frames(&[(0x88, b""), (0x81, b"y")]), &[Rule::FrameAfterClose]),
        (SERVER, server_frames(&[(0x88, b""), (0x89, b"y"), (0x88, b"")]), &[Rule::SecondClose]),
        (CLIENT, frame(CLIENT, 0x81, b"x").repeat(6), &[Rule::RepeatedMaskingKey]),
        (
            SERVER,
            frame(CLIENT, 0x5b, b""),
            &[Rule::ReservedBits, Rule::ReservedOpcode, Rule::FragmentedControlFrame, Rule::MaskedServerFrame],
        ),
    ];
    for (sender, bytes, rules) in breaches {
        let log = Feed::new(sender, PLAIN).bytes(&bytes).end();
        let broken: Vec<&str> =
            log.iter().filter_map(|line| line.split(' ').nth(1)).filter(|word| word.contains('-')).collect();
        assert_eq!(broken, rules.iter().map(|rule| rule.name()).collect::<Vec<_>>(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn first_byte_is_judged_although_the_rest_of_the_header_never_comes() {
    assert_eq!(client().bytes(b"\x87\x8d").end(), ["1 reserved-opcode"]);
    assert_eq!(server().bytes(b"\x89").bytes(b"\x00").bytes(b"\xc1").end(), ["3 reserved-bits"]);
    assert_eq!(client().bytes(b"\x81").end(), [""; 0]);
}

#[test]
fn sound_frames_break_nothing() {
    let lengths = [0, 125, 126, 0xffff, 0x1_0000].map(|length| vec![b'x'; length]);
    let stream: Vec<u8> = lengths.iter().flat_map(|payload| frame(SERVER, 0x81, payload)).collect();
    let ends: Vec<String> = [2, 129, 259, 65_798, 131_344].map(|end| format!("{end} text")).into();
    assert_eq!(server().bytes(stream).end(), ends);
    assert_eq!(told(&[(0x89, &[0; 125]), (0x8a, b"")]), [""; 0]);
}

#[test]
fn bit_of_a_compressed_message_is_no_fault() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let frames = server_frames(&[(0x41, &hello[..3]), (0x80, &hello[3..]), (0x81, b"plain"), (0xc9, b"")]);
    let log = Feed::new(SERVER, DEFLATE).bytes(frames).end();
    assert_eq!(log, ["11 text", "18 text", "19 reserved-bits"]);
}

#[test]
fn nothing_is_claimed_of_text_with_a_reserved_bit() {
    assert_eq!(told(&[(0xc1, b"\xff")]), ["1 reserved-bits", "3 text"]);
    assert_eq!(told(&[(0x91, b"\xff")]), ["1 reserved-bits", "3 text"]);
}

#[test]
fn nothing_is_claimed_of_text_under_an_unknown_extension() {
    let unknown = Extensions { deflate: None, unknown: true };
    assert_eq!(Feed::new(SERVER, unknown).bytes(frame(SERVER, 0xf1, b"\xff")).end(), ["3 text"]);
}

#[test]
fn message_of_five_gigabytes_costs_nothing() {
    const LENGTH: u64 = 5_000_000_000;
    let one_gap = server().bytes(header(SERVER, 0x82, LENGTH)).gap(LENGTH).bytes(frame(SERVER, 0x81, b"x"));
    assert_eq!(one_gap.decoder.payload_bytes(), LENGTH + 1);
    assert_eq!(one_gap.end(), ["5000000010 binary", "5000000013 text"]);

    let piece = vec![0xff; 1_000_000];
    let pieces =
        (0..LENGTH / 1_000_000).fold(client().bytes(header(CLIENT, 0x82, LENGTH)), |feed, _| feed.bytes(&piece));
    assert_eq!(pieces.decoder.payload_bytes(), LENGTH);
    assert_eq!(pieces.end(), ["5000000014 binary"]);
}

#[test]
fn gap_inside_a_payload_keeps_the_place() {
    let feed = server().bytes(header(SERVER, 0x81, 10)).bytes(b"ab").gap(5).bytes(b"\xffij").bytes(b"\x88\x02\x03\xe8");
    assert!(!feed.decoder.is_lost());
    assert_eq!(feed.end(), ["12 text", "16 close 1000  of 2"], "what follows the gap proves nothing");
}

#[test]
fn fault_before_a_gap_stays_proved() {
    let feed = server().bytes(header(SERVER, 0x81, 10)).bytes(b"a\xff").gap(8);
    assert_eq!(feed.end(), ["12 message 0 of Some(10) invalid-byte at 1", "12 text"]);
}

#[test]
fn gap_up_to_the_end_of_a_payload_ends_the_message() {
    assert_eq!(server().bytes(header(SERVER, 0x82, 10)).gap(10).bytes(b"\x82\x00").end(), ["12 binary", "14 binary"]);
}

#[test]
fn gap_in_a_close_frame_leaves_its_code() {
    assert_eq!(server().bytes(b"\x88\x05\x03\xe8").gap(3).end(), ["7 close 1000  of 5, cut"]);
    assert_eq!(server().bytes(b"\x88\x05\x03\xe8").gap(30).end(), ["7 close 1000  of 5, cut"]);
    assert_eq!(server().bytes(b"\x88\x05\x03").end(), ["3 close empty  of 5, cut"], "the capture ends");
    assert_eq!(server().bytes(b"\x88\x05").gap(2).bytes(b"bye").end(), ["7 close empty  of 5, cut"]);
}

#[test]
fn gap_over_a_header_is_searched_and_found() {
    let feed = server().bytes(frame(SERVER, 0x81, b"before")).gap(100);
    assert!(feed.decoder.is_lost());
    let feed = feed.bytes(frame(SERVER, 0x81, b"a text that is long enough")).bytes(frame(SERVER, 0x88, b"\x0f\xa0"));
    assert_eq!(feed.end(), ["8 text", "136 text", "140 close 4000  of 2"]);
}

#[test]
fn close_alone_after_a_gap_is_believed() {
    assert_eq!(server().gap(9).bytes(frame(SERVER, 0x88, b"\x03\xe8done")).end(), ["17 close 1000 done of 6"]);
    assert_eq!(client().gap(9).bytes(frame(CLIENT, 0x88, b"\x03\xe8")).end(), ["17 close 1000  of 2"]);
}

#[test]
fn frame_of_the_wrong_role_is_not_believed_after_a_gap() {
    assert_eq!(server().gap(9).bytes(frame(CLIENT, 0x88, b"\x03\xe8done")).end(), [""; 0]);
    assert_eq!(server().gap(9).bytes(frame(SERVER, 0x88, b"\x03\xeddone")).end(), [""; 0], "1005 is never sent");
}

#[test]
fn close_that_is_followed_by_more_is_not_believed_after_a_gap() {
    let several = b"\x88\x02\x03\xe8".repeat(25);
    assert_eq!(server().gap(9).bytes(&several).bytes(&several).end(), [""; 0]);
}

#[test]
fn close_that_was_searched_for_is_not_told_if_anything_follows() {
    let close = frame(SERVER, 0x88, b"\x03\xe8done");
    assert_eq!(server().gap(9).bytes(&close).gap(1).end(), [""; 0]);
    let feed = server().gap(9).bytes(&close).bytes(b"more of the message that it is part of");
    assert_eq!(feed.end(), [""; 0]);
}

#[test]
fn close_behind_other_data_is_found_after_a_gap() {
    let segment = [&b"the rest of a message"[..], &frame(SERVER, 0x88, b"\x03\xe8done")].concat();
    let feed = server().gap(9).bytes(segment);
    assert!(!feed.decoder.is_lost());
    assert_eq!(feed.end(), ["38 close 1000 done of 6"]);
}

#[test]
fn gap_in_a_header_loses_the_place_only() {
    let close = frame(CLIENT, 0x88, b"\x03\xe8done");
    for length in 1..14 {
        let whole = frame(CLIENT, 0x82, &[0; 70_000]);
        let feed = client().bytes(&whole[..length]).gap(70_014 - length as u64).bytes(&close);
        assert_eq!(feed.end(), ["70026 close 1000 done of 6"], "{length} bytes of the header");
    }
}

#[test]
fn gap_over_whole_frames_that_ends_where_one_begins_hides_only_those() {
    let text = frame(SERVER, 0x81, b"and a text that is long enough");
    let feed = server().bytes(frame(SERVER, 0x81, b"one")).gap(500).bytes(&text).bytes(&text);
    let end = 5 + 500 + 32;
    assert_eq!(feed.end(), ["5 text", &format!("{end} text"), &format!("{} text", end + 32)]);
}

#[test]
fn header_that_breaks_a_rule_where_the_place_was_searched_for_is_no_violation() {
    let text = frame(SERVER, 0x81, b"and a text that is long enough");
    let feed = server().gap(50).bytes(&text).bytes(&text).bytes(b"\xff\x01no frame").bytes(&text).bytes(&text);
    assert_eq!(feed.end().iter().filter(|line| line.ends_with("text")).count(), 4);
}

#[test]
fn text_that_is_not_utf8_is_told_where_the_place_was_searched_for_once_frames_have_fitted() {
    let (text, bad) = (frame(SERVER, 0x81, b"and a text that is long enough"), frame(SERVER, 0x81, b"abc\xff"));
    let faults = |feed: Feed| feed.end().into_iter().filter(|line| line.contains("invalid-byte")).count();
    let resumed = || server().gap(50).bytes(&text).bytes(&text).bytes(&bad);
    assert_eq!(faults(resumed()), 0, "the end, and nobody knows why");
    assert_eq!(faults(resumed().bytes(&text)), 1);
    assert_eq!(faults(resumed().bytes(frame(SERVER, 0x88, b"\x03\xe8"))), 1);
    assert_eq!(faults(resumed().bytes(b"\xff\x01no frame").bytes(&text).bytes(&text)), 0, "what was found was none");
    assert_eq!(faults(resumed().gap(50).bytes(&text).bytes(&text)), 0);
    assert_eq!(faults(resumed().bytes(&text).bytes(&bad)), 2, "proved for good");
}

#[test]
fn search_goes_on_at_the_next_segment() {
    let feed = server().gap(9).bytes(b"the rest of some text").bytes(frame(SERVER, 0x88, b"\x03\xe8done"));
    assert_eq!(feed.end(), ["38 close 1000 done of 6"]);
}

#[test]
fn frame_in_several_segments_is_found() {
    let whole = frame(SERVER, 0x81, &[b'x'; 300]);
    let (first, second) = whole.split_at(100);
    assert_eq!(server().gap(9).bytes(first).bytes(second).end(), ["313 text"]);
    assert_eq!(server().gap(9).bytes(first).gap(204).end(), [""; 0], "another gap ends the chain");
}

#[test]
fn message_that_a_gap_swallowed_is_not_continued() {
    let continued = server_frames(&[(0x80, b"a"), (0x81, b"and a text that is long enough")]);
    let feed = server().bytes(frame(SERVER, 0x01, b"abc\xff")).gap(50).bytes(continued);
    let end = 6 + 50 + 3;
    let found = format!("{} text", end + 32);
    // The continuation is of a message that the gap swallowed, so it breaks no rule.
    assert_eq!(feed.end(), ["56 message 0 of None invalid-byte at 3", &found]);
}

#[test]
fn length_that_no_frame_has_loses_the_place_only() {
    let feed = server().bytes(b"\x82\x7f\xff\0\0\0\0\0\0\0").bytes(frame(SERVER, 0x88, b"\x03\xe8done"));
    assert_eq!(feed.end(), ["10 length-too-large", "18 close 1000 done of 6"]);
}

#[test]
fn garbage_after_a_gap_gives_nothing() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u8
    };
    // Short segments are the easiest to take for frames.
    for sender in [CLIENT, SERVER] {
        for round in 0..100_000 {
            let garbage: Vec<u8> = (0..=next() % 64).map(|_| next()).collect();
            let feed = Feed::new(sender, PLAIN).gap(1).bytes(&garbage);
            assert!(feed.decoder.is_lost(), "round {round}: {}", garbage.escape_ascii());
            assert_eq!(feed.end(), [""; 0], "round {round}: {}", garbage.escape_ascii());
        }
    }
}

fn any_frame(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        3 => "\\PC{0,50}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..300),
    ];
    let close = prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 1..4),
        (any::<u16>(), "\\PC{0,20}").prop_map(|(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat()),
    ];
    let long = (0_usize..70_000).prop_map(|length| vec![b'x'; length]);
    prop_oneof![
        8 => (proptest::sample::select(&[0x81_u8, 0x01, 0x00, 0x80, 0x82, 0x02][..]), text)
            .prop_map(move |(first, payload)| frame(sender, first, &payload)),
        2 => close.prop_map(move |payload| frame(sender, 0x88, &payload)),
        2 => (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..130))
            .prop_map(move |(first, payload)| frame(sender, first, &payload)),
        1 => long.prop_map(move |payload| frame(sender, 0x81, &payload)),
    ]
}

fn any_stream() -> impl Strategy<Value = (Role, Vec<u8>)> {
    let of =
        |sender| proptest::collection::vec(any_frame(sender), 0..12).prop_map(move |frames| (sender, frames.concat()));
    prop_oneof![of(CLIENT), of(SERVER)]
}

/// Everything that a decoder told, to the last detail.
#[derive(Debug, Default, PartialEq)]
struct Everything(Vec<String>);

impl Visitor<()> for Everything {
    fn event(&mut self, end: u64, _: (), event: Event<'_, ()>) {
        self.0.push(format!("{end} {event:?}"));
    }
}

/// What is told of frames that come in such pieces, and what is counted. `resumed` says that the place in the stream was
/// searched for before.
fn everything<'a>(
    sender: Role,
    extensions: Extensions,
    resumed: bool,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Everything, [u64; 3]) {
    let (mut decoder, mut told) = (Decoder::new(sender, extensions, 0), Everything::default());
    if resumed {
        decoder.resume(Found { sender, offset: 0, segments: Vec::new() }, &mut told);
    }
    for piece in pieces {
        decoder.feed(piece, (), &mut told);
    }
    let counts = [decoder.offset(), decoder.messages(), decoder.payload_bytes()];
    decoder.end((), &mut told);
    (told, counts)
}

/// Extensions that were agreed upon, or assumed.
const ALL_EXTENSIONS: [Extensions; 5] = [
    PLAIN,
    DEFLATE,
    Extensions::ASSUMED,
    Extensions { deflate: Some(Deflate { per_frame: true, ..AGREED }), unknown: false },
    Extensions { deflate: Some(AGREED), unknown: true },
];

/// Frames of the usual kinds: messages, some of them compressed or not UTF-8, pings and pongs.
fn usual_frame(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    let first = proptest::sample::select(&[0x81_u8, 0x82, 0x89, 0x8a][..]);
    let payload = prop_oneof![
        4 => "\\PC{0,80}".prop_map(String::into_bytes),
        4 => "[ -~]{0,200}".prop_map(String::into_bytes),
        1 => "[ -~]{2000,2100}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..100),
    ];
    let packed = "\\PC{0,50}".prop_map(|text| Packer::new(15).pack(text.as_bytes()));
    prop_oneof![
        8 => (first, payload).prop_map(move |(first, payload)| {
            let longest = if first & 0x08 == 0 { usize::MAX } else { 125 };
            frame(sender, first, payload.get(..longest).unwrap_or(&payload))
        }),
        2 => packed.prop_map(move |packed| frame(sender, 0xc1, &packed)),
    ]
}

proptest! {
    #[test]
    fn quick_way_tells_the_same_as_the_general_way(
        (sender, bytes) in any_stream(),
        extensions in proptest::sample::select(&ALL_EXTENSIONS[..]),
        length in 1_usize..2_000,
    ) {
        // A frame that comes byte by byte is never whole, and goes the general way.
        let bytes = &bytes[..bytes.len().min(8_000)];
        let general = everything(sender, extensions, false, bytes.chunks(1));
        prop_assert_eq!(&everything(sender, extensions, false, [bytes]), &general);
        prop_assert_eq!(&everything(sender, extensions, false, bytes.chunks(length)), &general);
    }

    #[test]
    fn quick_way_tells_the_same_of_usual_frames(
        (sender, frames) in prop_oneof![Just(CLIENT), Just(SERVER)].prop_flat_map(|sender| {
            (Just(sender), proptest::collection::vec(usual_frame(sender), 0..12))
        }),
        extensions in proptest::sample::select(&ALL_EXTENSIONS[..4]),
        resumed in any::<bool>(),
    ) {
        // Where the place was searched for, what breaks a rule is searched again, in other pieces.
        let plain = resumed && extensions.deflate.is_none();
        let frames: Vec<_> = frames.into_iter().filter(|frame| !plain || frame[0] & 0x40 == 0).collect();
        let general = everything(sender, extensions, resumed, frames.concat().chunks(1));
        prop_assert_eq!(&everything(sender, extensions, resumed, [&frames.concat()[..]]), &general);
        prop_assert_eq!(&everything(sender, extensions, resumed, frames.iter().map(|frame| &frame[..])), &general);
    }

    #[test]
    fn any_split_gives_the_same_events(
        (sender, bytes) in any_stream(),
        deflate in any::<bool>(),
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
    ) {
        let extensions = if deflate { DEFLATE } else { PLAIN };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut split = Feed::new(sender, extensions);
        let mut start = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            split = split.bytes(&bytes[start..cut]);
            start = cut;
        }
        let whole = Feed::new(sender, extensions).bytes(&bytes);
        prop_assert_eq!(split.decoder.messages(), whole.decoder.messages());
        prop_assert_eq!(split.decoder.payload_bytes(), whole.decoder.payload_bytes());
        prop_assert_eq!(split.end(), whole.end());
    }

    #[test]
    fn byte_by_byte_gives_the_same_events((sender, bytes) in any_stream()) {
        let bytes = &bytes[..bytes.len().min(2_000)];
        let single = bytes.iter().fold(Feed::new(sender, PLAIN), |feed, byte| feed.bytes([*byte]));
        prop_assert_eq!(single.end(), Feed::new(sender, PLAIN).bytes(bytes).end());
    }

    #[test]
    fn random_bytes_and_gaps_keep_the_count(
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..80), 0_u64..1 << 40), 0..20),
        sender in prop_oneof![Just(CLIENT), Just(SERVER)],
    ) {
        let mut feed = Feed::new(sender, PLAIN);
        let mut length = 0;
        for (bytes, gap) in &pieces {
            feed = feed.bytes(bytes).gap(*gap);
            length += bytes.len() as u64 + gap;
        }
        prop_assert_eq!(feed.decoder.offset, length);
        feed.end();
    }
}
