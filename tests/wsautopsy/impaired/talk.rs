//! Connections from their handshake to their end: WebSockets, and what else is on the wire.

use flate2::{Compress, Compression, FlushCompress};
use wsautopsy::flow::{PerRole, Role};
use wsautopsy::websocket::handshake::accept_of;

use super::sender::Line;
use super::{Invalid, Random, Wire, content};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// A connection of any kind.
pub(super) fn any(random: &mut Random) -> Wire {
    if random.per_mille(100) { other(random) } else { Talk::open(random).run() }
}

/// A WebSocket under way.
struct Talk<'a> {
    line: Line<'a>,
    /// Whether compression was agreed upon.
    deflate: bool,
    /// How often of a thousand times a message is binary.
    binary: usize,
}

impl<'a> Talk<'a> {
    fn open(random: &'a mut Random) -> Self {
        let deflate = random.per_mille(150);
        let binary = random.pick(&[0, 0, 20, 100, 900]);
        let mut line = Line::open(random);
        let (request, answer) = heads(deflate, line.random);
        line.bytes(Role::Client, request.as_bytes());
        line.bytes(Role::Server, answer.as_bytes());
        line.wire.handshake = PerRole { client: request.len() as u64, server: answer.len() as u64 };
        line.wire.websocket = true;
        Self { line, deflate, binary }
    }

    fn run(mut self) -> Wire {
        let turns = match self.random().below(10) {
            0 => 0,
            1..=6 => self.random().between(2, 14),
            7 | 8 => self.random().between(10, 40),
            _ => self.random().between(40, 120),
        };
        let talkative = self.random().pick(&[100, 500, 500, 500, 900]);
        for _ in 0..turns {
            let from = self.role(talkative);
            for _ in 0..self.random().pick(&[1, 1, 1, 2, 5]) {
                self.something(from);
            }
            self.line.flush(from);
            self.line.pause();
        }
        self.end();
        self.line.wire
    }

    const fn random(&mut self) -> &mut Random {
        self.line.random
    }

    /// The client in so many of a thousand cases.
    fn role(&mut self, client: usize) -> Role {
        if self.random().per_mille(client) { Role::Client } else { Role::Server }
    }

    /// A message or a control frame.
    fn something(&mut self, from: Role) {
        let binary = self.binary;
        match self.random().below(1000) {
            case if case < binary => self.binary(from),
            case if case % 100 < 8 => self.ping(from),
            case if case % 100 < 11 => self.large_text(from),
            case if case % 100 < 17 => self.fragments(from),
            case if case % 100 < 19 => self.invalid(from),
            case if case % 100 < 40 => {
                let text = content::other_text(self.random());
                self.message(from, 1, text.as_bytes());
            }
            _ => {
                let length = self.random().pick(&[0, 30, 60, 90, 90, 120, 150, 250, 400, 900]);
                let text = content::json(length, self.random());
                self.message(from, 1, text.as_bytes());
            }
        }
    }

    /// A message in one frame, compressed if that was agreed upon and the sender sees a point in it.
    fn message(&mut self, from: Role, opcode: u8, payload: &[u8]) {
        if self.deflate && payload.len() > 20 {
            self.line.frame(from, 0xc0 | opcode, &deflated(payload));
        } else {
            self.line.frame(from, 0x80 | opcode, payload);
        }
    }

    fn binary(&mut self, from: Role) {
        let length = match self.random().below(20) {
            0 => self.random().between(2_000, 150_000),
            1 | 2 => self.random().between(126, 2_000),
            _ => self.random().between(1, 125),
        };
        let payload = content::binary(length, self.random());
        self.message(from, 2, &payload);
    }

    fn large_text(&mut self, from: Role) {
        let length = self.random().between(2_000, 70_000);
        let text = content::json(length, self.random());
        self.message(from, 1, text.as_bytes());
    }

    fn ping(&mut self, from: Role) {
        let length = self.random().pick(&[0, 0, 4, 8, 16]);
        let payload = self.random().bytes(length);
        self.line.frame(from, 0x89, &payload);
        self.line.flush(from);
        self.line.frame(from.peer(), 0x8a, &payload);
        self.line.flush(from.peer());
    }

    /// A text in several frames, with a ping between them at times.
    fn fragments(&mut self, from: Role) {
        let length = self.random().between(20, 2_000);
        let text = content::json(length, self.random());
        self.fragmented(from, text.as_bytes());
    }

    fn fragmented(&mut self, from: Role, text: &[u8]) {
        let size = self.random().between(8, 700);
        let count = text.len().div_ceil(size);
        for (index, piece) in text.chunks(size).enumerate() {
            let fin = if index + 1 == count { 0x80 } else { 0 };
            self.line.frame(from, fin | u8::from(index == 0), piece);
            if fin == 0 && self.random().per_mille(100) {
                self.line.frame(from, 0x89, b"");
            }
        }
    }

    fn invalid(&mut self, from: Role) {
        let text = content::invalid(self.random());
        let Err(error) = std::str::from_utf8(&text) else { return };
        let first_frame = self.line.wire.frames.get(from).len();
        if self.random().per_mille(200) {
            self.fragmented(from, &text);
        } else {
            self.line.frame(from, 0x81, &text);
        }
        let end_frame = self.line.wire.frames.get(from).len();
        let valid = error.valid_up_to() as u64;
        self.line.wire.invalid.push(Invalid { sender: from, valid, first_frame, end_frame });
    }

    fn end(&mut self) {
        let closer = self.role(500);
        match self.random().below(100) {
            0..=6 => self.without_close(closer),
            7..=12 => self.crossing(),
            13..=20 => {
                self.close(closer);
                self.line.flush(closer);
                self.line.reset(closer.peer());
            }
            // The capture is over before TCP is.
            21..=23 => {
                self.close(closer);
                self.line.flush(closer);
            }
            _ => self.closing_handshake(closer),
        }
    }

    fn without_close(&mut self, closer: Role) {
        if self.random().per_mille(500) {
            self.line.reset(closer);
        } else {
            self.finish(closer);
        }
    }

    /// Neither had seen the other's Close frame.
    fn crossing(&mut self) {
        let first = self.role(500);
        self.line.deafen(first.peer(), true);
        self.close(first);
        self.line.flush(first);
        self.close(first.peer());
        self.line.flush(first.peer());
        self.line.deafen(first.peer(), false);
        self.finish(Role::Server);
    }

    fn closing_handshake(&mut self, closer: Role) {
        let (code, reason) = self.close(closer);
        self.line.flush(closer);
        self.last_words(closer.peer());
        let echoed = if self.random().per_mille(700) { reason } else { String::new() };
        let with_fin = self.random().per_mille(200);
        let reply = if self.random().per_mille(50) { Some(1000) } else { code };
        self.line.close(closer.peer(), reply, if reply.is_some() { echoed.as_bytes() } else { b"" });
        if with_fin {
            self.line.finish(closer.peer(), true);
            self.line.finish(closer, false);
        } else {
            self.line.flush(closer.peer());
            self.finish(Role::Server);
        }
    }

    /// Messages that go out right before a Close frame, at times.
    fn last_words(&mut self, from: Role) {
        match self.random().below(100) {
            0..=1 => self.binary(from),
            2..=3 => self.large_text(from),
            4..=6 => self.fragments(from),
            7..=14 => {
                let text = content::json(90, self.random());
                self.message(from, 1, text.as_bytes());
            }
            _ => {}
        }
    }

    fn close(&mut self, from: Role) -> (Option<u16>, String) {
        self.last_words(from);
        let code = match self.random().below(20) {
            0 | 1 => None,
            2..=7 => Some(1000),
            8..=11 => Some(1001),
            12..=15 => Some(self.random().pick(&[1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014])),
            16 => Some(3000 + self.random().below(1000) as u16),
            _ => Some(4000 + self.random().below(1000) as u16),
        };
        let reason = if code.is_some() { content::reason(self.random()) } else { String::new() };
        self.line.close(from, code, reason.as_bytes());
        (code, reason)
    }

    fn finish(&mut self, first: Role) {
        for role in [first, first.peer()] {
            self.line.finish(role, false);
        }
    }
}

/// The heads of a request and of the right answer to it.
fn heads(deflate: bool, random: &mut Random) -> (String, String) {
    let key = format!("{:022}==", random.below(1_000_000_000));
    let accept = accept_of(key.as_bytes());
    let extension = if deflate {
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n"
    } else {
        ""
    };
    let request = format!(
        "GET /chat/{} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extension}\r\n",
        random.below(100)
    );
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{extension}\r\n"
    );
    (request, answer)
}

/// As RFC 7692 section 7.2.1 wants it.
fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut compressor = Compress::new(Compression::default(), false);
    // In one call: what does not fit would have to be asked for again.
    let mut bytes = Vec::with_capacity(payload.len() + payload.len() / 100 + 1_000);
    compressor.compress_vec(payload, &mut bytes, FlushCompress::Sync).expect("any bytes can be compressed");
    assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]) && compressor.total_in() == payload.len() as u64);
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// What is no WebSocket: HTTP, records as of TLS, bytes without order.
fn other(random: &mut Random) -> Wire {
    let kind = random.below(3);
    let mut line = Line::open(random);
    for _ in 0..line.random.between(1, 20) {
        let length = line.random.pick(&[40, 200, 1_000, 8_000]);
        for role in ROLES {
            let bytes = match kind {
                0 if role == Role::Client => b"GET /feed HTTP/1.1\r\nHost: www.example\r\n\r\n".to_vec(),
                0 => {
                    let body = content::json(length, line.random);
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
                }
                1 => {
                    let size = (length as u16).to_be_bytes();
                    [&[0x17, 3, 3][..], &size, &line.random.bytes(length)].concat()
                }
                _ => line.random.bytes(length),
            };
            line.bytes(role, &bytes);
        }
        line.pause();
    }
    for role in ROLES {
        line.finish(role, false);
    }
    line.wire
}
