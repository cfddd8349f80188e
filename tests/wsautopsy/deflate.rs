//! Compressed connections: what the 101 agreed upon, text that is not UTF-8 once inflated, what cannot be inflated.

use flate2::{Compress, Compression, FlushCompress};
use wsautopsy::flow::Role;

use crate::builder::{BINARY, Capture, Conversation, PING, TEXT, answer_head, frame, request_head};
use crate::{CLIENT, SERVER, closes, only, record, violations};

/// RSV1 in the first byte of a frame.
const COMPRESSED: u8 = 0x40;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const AGREED: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const FRESH: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";

/// One end's compressor.
struct Packer(Compress);

impl Packer {
    fn new() -> Self {
        Self(Compress::new(Compression::default(), false))
    }

    fn pack(&mut self, plain: impl AsRef<[u8]>) -> Vec<u8> {
        let mut packed = Vec::with_capacity(plain.as_ref().len() + 1000);
        self.0.compress_vec(plain.as_ref(), &mut packed, FlushCompress::Sync).unwrap();
        packed.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
    }
}

/// An established connection whose 101 has this field.
fn open(answer: &str) -> Conversation {
    Conversation::new().syn().client(request_head("/chat", OFFER)).server(answer_head(answer))
}

fn text(conversation: Conversation, sender: Role, payload: &[u8]) -> Conversation {
    conversation.frame(sender, TEXT | COMPRESSED, payload)
}

/// The invalid texts, such as `server message 1 at 3 of 5 in 7`.
fn invalid(record: &wsautopsy::connection::ConnectionRecord) -> Vec<String> {
    let told = record.invalid_utf8.iter().map(|fault| {
        let bytes = fault.message_bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
        format!("{} at {} of {bytes} in {}", fault.sender.name(), fault.byte_offset, fault.packet.number())
    });
    told.collect()
}

#[test]
fn invalid_text_of_either_end_is_found_in_its_packet() {
    let (mut client, mut server) = (Packer::new(), Packer::new());
    let mut conversation = open(AGREED);
    for round in 0..3 {
        conversation = text(conversation, CLIENT, &client.pack(format!("question {round}, as always")));
        conversation = text(conversation, SERVER, &server.pack(format!("answer {round}, as always")));
    }
    conversation = text(conversation, CLIENT, &client.pack(b"question 3, as alw\xe4ys"));
    conversation = text(conversation, SERVER, &server.pack(b"answer 3, as alw\xe4ys"));
    let found = record(conversation.close(SERVER, 1007, "").close(CLIENT, 1007, "").fins(SERVER));
    assert_eq!(invalid(&found), ["client at 18 of 21 in 12", "server at 16 of 19 in 13"]);
    assert_eq!((found.invalid_utf8_count, found.undecodable_messages, found.violation_count), (2, 0, 2));
    assert_eq!(closes(&found), ["server first 1007", "client reply 1007"]);
}

#[test]
fn packet_of_a_fragmented_text_is_the_one_that_holds_the_bad_byte() {
    // Without compression inside, so that each byte lies where it can be seen.
    let payload = b"\x00\x06\x00\xf9\xffabc\xffde\x00";
    let conversation = open(FRESH).frame(SERVER, 0x01 | COMPRESSED, &payload[..6]).frame(SERVER, PING, b"?");
    let conversation = conversation.frame(SERVER, 0x00, &payload[6..10]).frame(SERVER, 0x80, &payload[10..]);
    assert_eq!(invalid(&record(conversation.ack(CLIENT))), ["server at 3 of 6 in 8"]);
}

#[test]
fn frames_cut_by_segments_are_inflated_as_a_whole() {
    let plain = format!("{}\u{e9}", "all work and no play ".repeat(3000));
    let packed = Packer::new().pack([plain.as_bytes(), b"\xe9"].concat());
    let whole = frame(SERVER, TEXT | COMPRESSED, &packed);
    for size in [1, 7, 50, 1000] {
        let found = record(open(AGREED).segments(SERVER, &whole, size).ack(CLIENT));
        let [fault] = found.invalid_utf8.as_slice() else { panic!("{found:#?}") };
        assert_eq!((fault.byte_offset, fault.message_bytes), (plain.len() as u64, Some(plain.len() as u64 + 1)));
    }
}

#[test]
fn declined_offer_makes_the_bit_a_breach_and_its_payload_unknown() {
    let found = record(text(open(""), SERVER, &Packer::new().pack(b"\xff")).ack(CLIENT));
    assert_eq!(violations(&found), ["server reserved-bits in 6"]);
    assert_eq!((found.invalid_utf8_count, found.messages.server), (0, 1));
}

#[test]
fn what_cannot_be_inflated_is_a_breach_and_the_close_is_still_found() {
    let conversation = text(open(AGREED), CLIENT, b"\x07\xff\xff").close(SERVER, 1007, "bad data").fins(SERVER);
    let found = record(conversation);
    assert_eq!(violations(&found), ["client bad-compression in 6"]);
    assert_eq!((found.undecodable_messages, found.invalid_utf8_count), (1, 0));
    assert_eq!(closes(&found), ["server first 1007 bad data"]);
}

#[test]
fn agreed_parameters_are_those_of_the_sender() {
    let mut packer = Packer::new();
    let repeated = "a text that comes twice, a text that comes twice";
    let (first, second) = (packer.pack(repeated), packer.pack(repeated));
    let twice = |sender| record(text(text(open(FRESH), sender, &first), sender, &second).ack(CLIENT));
    assert_eq!(violations(&twice(CLIENT)), [""; 0]);
    assert_eq!(violations(&twice(SERVER)), ["server bad-compression in 7"]);
}

#[test]
fn bomb_reaches_a_limit_and_the_rest_is_told() {
    let mut packer = Packer::new();
    let zeros = vec![b'0'; 1 << 20];
    let (mut bomb, next) = (packer.pack(&zeros), packer.pack(&zeros));
    for _ in 0..90 {
        bomb.extend([0, 0, 0xff, 0xff]);
        bomb.extend_from_slice(&next);
    }
    let bomb = frame(CLIENT, BINARY | COMPRESSED, &bomb);
    let conversation = open(AGREED).segments(CLIENT, &bomb, 1400).text(CLIENT, "\u{e9}");
    let found = record(conversation.frame(CLIENT, TEXT, b"\xe9").close(SERVER, 1009, "").fins(SERVER));
    let rules: Vec<_> = found.violations.iter().map(|breach| breach.rule.name()).collect();
    assert_eq!(rules, ["limit-reached", "invalid-utf8"]);
    assert_eq!((found.undecodable_messages, found.invalid_utf8_count, found.messages.client), (1, 1, 3));
    assert_eq!(closes(&found), ["server first 1009"]);
}

#[test]
fn lost_packet_makes_messages_unknown_but_nobody_guilty() {
    for (answer, most) in [(AGREED, 12), (FRESH, 1)] {
        let mut packer = Packer::new();
        let mut conversation = open(answer);
        for number in 0..12 {
            if answer == FRESH {
                packer = Packer::new();
            }
            conversation = text(conversation, SERVER, &packer.pack(format!("message {number} of some length")));
        }
        let capture = Capture::of(conversation.ack(CLIENT).close(SERVER, 1001, "gone").close(CLIENT, 1001, ""));
        // Cut inside its payload: its length is known.
        let found = only(&capture.clone().cut(8, 54 + 8));
        assert_eq!((violations(&found), invalid(&found)), (vec![], vec![]));
        assert!((1..=most).contains(&found.undecodable_messages), "{}", found.undecodable_messages);
        assert_eq!(found.messages.server, 12);
        for lost in 6..18 {
            let found = only(&capture.clone().without(lost));
            assert_eq!((violations(&found), invalid(&found)), (vec![], vec![]), "without {lost}");
            assert_eq!(closes(&found), ["server first 1001 gone", "client reply 1001"], "without {lost}");
        }
    }
}

#[test]
fn capture_that_starts_late_makes_nobody_guilty() {
    let (mut client, mut server) = (Packer::new(), Packer::new());
    let mut conversation = open(AGREED);
    for number in 0..10 {
        conversation = text(conversation, CLIENT, &client.pack(format!("question {number} of some length")));
        conversation = conversation.text(CLIENT, "a text that is not compressed");
        conversation = text(conversation, SERVER, &server.pack(format!("answer {number} of some length")));
        conversation = conversation.text(SERVER, "a text that is not compressed");
    }
    let capture = Capture::of(conversation.close(SERVER, 1001, "gone").close(CLIENT, 1001, "").fins(SERVER));
    for first in 5..30 {
        let found = only(&capture.clone().split(first).1);
        assert_eq!((violations(&found), invalid(&found)), (vec![], vec![]), "from {first}");
        assert_eq!(closes(&found), ["server first 1001 gone", "client reply 1001"], "from {first}");
    }
}

#[test]
fn frames_compressed_each_for_itself_are_inflated() {
    let webkit = "Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n";
    let mut packer = Packer::new();
    let conversation = open(webkit).frame(SERVER, 0x01 | COMPRESSED, packer.pack(b"text, text, gr\xc3"));
    let conversation = conversation.frame(SERVER, 0x80 | COMPRESSED, packer.pack(b"\xbcn, text, text"));
    let found = record(text(conversation, SERVER, &packer.pack(b"text, text\xff")).ack(CLIENT));
    assert_eq!(invalid(&found), ["server at 10 of 11 in 8"]);
    assert_eq!((found.undecodable_messages, found.messages.server), (0, 2));
}

#[test]
fn unknown_extension_beside_it_hides_the_payload() {
    let both = "Sec-WebSocket-Extensions: x-mux, permessage-deflate\r\n";
    let found = record(text(open(both), SERVER, &Packer::new().pack(b"\xff")).ack(CLIENT));
    assert_eq!((found.invalid_utf8_count, found.undecodable_messages), (0, 1));
}
