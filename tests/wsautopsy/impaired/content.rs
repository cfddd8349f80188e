//! Payloads as applications send them.

use super::Random;

const WORDS: [&str; 16] = [
    "order", "filled", "at", "market", "price", "user", "joined", "room", "typing", "status", "grüße", "café", "東京",
    "🎉", "naïve", "ÅÄÖ",
];

/// JSON of about `length` bytes; some of it is beyond ASCII.
pub(super) fn json(length: usize, random: &mut Random) -> String {
    let words = if random.per_mille(300) { WORDS.len() } else { 10 };
    let mut text = format!(r#"{{"id":{},"t":{},"v":""#, random.below(100_000), random.below(1_000_000_000));
    while text.len() + 2 < length {
        text.push_str(WORDS[random.below(words)]);
        text.push(' ');
    }
    text.push_str("\"}");
    text
}

/// Text as a line protocol, a heartbeat or an encoder sends it.
pub(super) fn other_text(random: &mut Random) -> String {
    const SHORT: [&str; 8] = ["2", "3", "40", "h", "[]", "{}", "ping", "42[\"message\",\"hello\"]"];
    match random.below(4) {
        0 | 1 => random.pick(&SHORT).to_owned(),
        // As in base64, which has what compressed frames begin with.
        2 => (0..random.between(40, 900)).map(|_| char::from(random.pick(BASE64))).collect(),
        _ => format!("SEND\ndestination:/topic/{}\n\n{}\0", random.below(99), json(80, random)),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A binary payload of about `length` bytes.
pub(super) fn binary(length: usize, random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        // Compressed or encrypted by the application.
        0..=3 => random.bytes(length),
        4 | 5 => numbers(length, random),
        6 | 7 => tagged(length, random),
        8 => vec![random.pick(&[0, 0, 0x80, 0xff]); length],
        _ => recorded_frames(length, random),
    }
}

/// Small little-endian numbers, as in sound or in a game's state.
fn numbers(length: usize, random: &mut Random) -> Vec<u8> {
    let width = random.pick(&[2, 4, 8]);
    let most = random.pick(&[16, 256, 4096]);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        bytes.extend(&(random.below(most) as u64).to_le_bytes()[..width]);
    }
    bytes
}

/// Fields with a tag and a length, as in Protocol Buffers.
fn tagged(length: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let tag = random.pick(&[0x08, 0x0a, 0x12, 0x1a, 0x22, 0x82, 0x8a]);
        let field = random.between(1, 40);
        let text = json(field, random);
        bytes.extend([tag, text.len() as u8]);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// What is worst: a recording of WebSocket frames, Close frames among them, as a payload.
fn recorded_frames(length: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let text = json(random.between(10, 100), random);
        bytes.extend([0x81, text.len() as u8 & 0x7f]);
        bytes.extend(text.as_bytes());
        if random.per_mille(200) {
            bytes.extend(b"\x88\x02\x03\xe8");
        }
    }
    bytes
}

/// A text that is not UTF-8.
pub(super) fn invalid(random: &mut Random) -> Vec<u8> {
    let mut bytes = json(random.between(30, 400), random).into_bytes();
    let place = random.below(bytes.len());
    match random.below(4) {
        // In Windows-1252.
        0 => bytes[place] = random.pick(b"\xe4\xf6\xfc\xe9\xa0"),
        1 => bytes.extend("é".bytes().take(1)),
        2 => bytes[place] = 0xff,
        _ => {
            bytes.truncate(place);
            bytes.extend(b"\xed\xa0\xbd\xed\xb8\x80");
        }
    }
    if std::str::from_utf8(&bytes).is_ok() {
        bytes.push(0xff);
    }
    bytes
}

/// The reason of a Close frame.
pub(super) fn reason(random: &mut Random) -> String {
    const USUAL: [&str; 7] = ["bye", "going away", "idle timeout", "Normal closure", "auth: トークン切れ", "done", "1"];
    match random.below(20) {
        0..=9 => String::new(),
        10..=17 => random.pick(&USUAL).to_owned(),
        18 => format!("shard {} is moving to another node, please reconnect", random.below(100)),
        _ => "x".repeat(123),
    }
}
