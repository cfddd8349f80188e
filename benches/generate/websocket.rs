//! WebSocket connections: each opens, exchanges messages, ends in one of the ways of [`ENDINGS`], and comes back.
//!
//! In come turns, one at a time; out go packets, and what they are enters the truth.

use wsautopsy::flow::Role;

use super::wire::{Address, Tcp};
use super::{Content, Kind, Random, World};

/// A client that is connected, or about to be.
pub(super) struct Slot {
    number: u32,
    /// Connections that it has had.
    before: u32,
    open: Option<Open>,
}

struct Open {
    tcp: Tcp,
    /// Messages until it ends.
    left: usize,
    /// Payload bytes of a message without end that were not sent yet.
    endless: u64,
    /// What `sender` is sending, and how much of it was sent.
    stream: Vec<u8>,
    sent: usize,
    sender: Role,
    /// Messages that end with [`Self::stream`].
    messages: u64,
    /// Segments that were not acknowledged.
    unacknowledged: u32,
}

impl Slot {
    pub(super) const fn new(number: u32) -> Self {
        Self { number, before: 0, open: None }
    }

    /// Its turn: a handshake, a burst of segments, or an end.
    pub(super) fn step(&mut self, world: &mut World) {
        match &mut self.open {
            None => self.open = Some(self.connect(world)),
            Some(open) if open.sent < open.stream.len() => open.burst(world),
            Some(open) if open.endless > 0 => {
                open.go_on(world);
                open.burst(world);
            }
            Some(open) if open.left > 0 => {
                open.say_something(world);
                open.burst(world);
            }
            Some(open) => {
                open.end(world);
                self.open = None;
                self.before += 1;
            }
        }
    }

    fn connect(&self, world: &mut World) -> Open {
        let [_, upper, high, low] = self.number.to_be_bytes();
        let port = 32_768 + (self.before % 28_000) as u16;
        let (client, server) = (Address([10, 1 + upper, high, low], port), Address([10, 0, 0, low % 4 + 1], 80));
        let mut tcp = Tcp::open(client, server, &mut world.random, &mut world.recorder);
        tcp.data(Role::Client, REQUEST, &mut world.recorder);
        tcp.data(Role::Server, RESPONSE, &mut world.recorder);
        tcp.acknowledge(Role::Client, &mut world.recorder);
        world.truth.connections += 1;
        let left = match world.kind {
            Kind::Small => world.random.between(20, 380),
            Kind::Full => world.random.between(1, 40),
            Kind::Short => world.random.between(0, 3),
            Kind::Open => usize::MAX,
            Kind::Message => 0,
        };
        let mut open = Open {
            tcp,
            left,
            endless: 0,
            stream: Vec::new(),
            sent: 0,
            sender: Role::Client,
            messages: 0,
            unacknowledged: 0,
        };
        if world.kind == Kind::Message {
            open.begin_endless(world);
        }
        open
    }
}

impl Open {
    /// Puts a message, or a ping, into the stream of one end.
    fn say_something(&mut self, world: &mut World) {
        let World { kind, random, content, .. } = world;
        self.left -= 1;
        self.sender = if random.once_in(3) { Role::Client } else { Role::Server };
        self.stream.clear();
        self.sent = 0;
        self.messages = 1;
        let frames = Frames { sender: self.sender, random, out: &mut self.stream };
        match kind {
            _ if frames.random.once_in(40) => {
                frames.frame(PING, b"keepalive");
                self.messages = 0;
            }
            Kind::Full => frames.long(content),
            Kind::Small | Kind::Short | Kind::Open | Kind::Message => frames.short(content),
        }
    }

    /// Begins a binary message that fills most of the capture.
    fn begin_endless(&mut self, world: &mut World) {
        self.endless = world.bytes / 4 * 3;
        self.sender = Role::Server;
        self.stream.extend([BINARY, 127]);
        self.stream.extend(self.endless.to_be_bytes());
    }

    /// Puts more of that message into the stream.
    fn go_on(&mut self, world: &mut World) {
        let World { random, content, .. } = world;
        let length = self.endless.min(super::LONGEST as u64);
        self.endless -= length;
        self.stream.clear();
        self.stream.extend_from_slice(content.noise(length as usize, random));
        (self.sent, self.messages) = (0, u64::from(self.endless == 0));
    }

    /// Sends some of the stream, with an acknowledgement after every second segment.
    fn burst(&mut self, world: &mut World) {
        let rest = &self.stream[self.sent..];
        let burst = &rest[..rest.len().min(BURST * SEGMENT)];
        for segment in burst.chunks(SEGMENT) {
            self.tcp.data(self.sender, segment, &mut world.recorder);
            self.unacknowledged += 1;
            if self.unacknowledged == 2 {
                self.tcp.acknowledge(self.sender.peer(), &mut world.recorder);
                self.unacknowledged = 0;
            }
        }
        self.sent += burst.len();
        if self.sent == self.stream.len() {
            world.truth.messages += self.messages;
        }
    }

    fn end(&mut self, world: &mut World) {
        let total: usize = ENDINGS.iter().map(|(weight, _)| weight).sum();
        let mut ticket = world.random.below(total);
        let ending = ENDINGS.iter().find(|(weight, _)| {
            let hit = ticket < *weight;
            ticket = ticket.saturating_sub(*weight);
            hit
        });
        let Some((_, ending)) = ending else { return };
        *world.truth.close_codes.entry(ending.verdict()).or_default() += 1;
        match *ending {
            Ending::Close(by, code, reason) => {
                if code == Some(1007) {
                    self.invalid_text(by.peer(), world);
                }
                self.close_frame(by, code, reason, world);
                self.close_frame(by.peer(), code, "", world);
                self.tcp.fin(Role::Server, &mut world.recorder);
            }
            Ending::Fin(by) => self.tcp.fin(by, &mut world.recorder),
            Ending::Reset(by) => self.tcp.reset(by, &mut world.recorder),
        }
    }

    fn close_frame(&mut self, by: Role, code: Option<u16>, reason: &str, world: &mut World) {
        let mut body = code.map(u16::to_be_bytes).map(Vec::from).unwrap_or_default();
        body.extend_from_slice(reason.as_bytes());
        self.send_frame(by, CLOSE, &body, world);
        *world.truth.close_frames.entry(code).or_default() += 1;
    }

    fn invalid_text(&mut self, by: Role, world: &mut World) {
        self.send_frame(by, TEXT, b"{\"name\":\"Andr\xe9 \"}", world);
        world.truth.messages += 1;
        world.truth.invalid_texts += 1;
    }

    fn send_frame(&mut self, by: Role, opcode: u8, payload: &[u8], world: &mut World) {
        self.stream.clear();
        Frames { sender: by, random: &mut world.random, out: &mut self.stream }.frame(opcode, payload);
        self.tcp.data(by, &self.stream, &mut world.recorder);
    }
}

/// Frames of one sender on their way into a stream.
pub(crate) struct Frames<'a> {
    pub(crate) sender: Role,
    pub(crate) random: &'a mut Random,
    pub(crate) out: &'a mut Vec<u8>,
}

impl Frames<'_> {
    /// A text message of 60 to 480 bytes.
    pub(crate) fn short(self, content: &Content) {
        let text = &content.short[self.random.below(content.short.len())];
        self.frame(TEXT, text.as_bytes());
    }

    /// A message of 4 to 128 KiB, text or binary; one in eight comes in frames of 16 KiB.
    pub(crate) fn long(mut self, content: &Content) {
        let length = self.random.between(4 << 10, super::LONGEST);
        let (opcode, payload) = if self.random.once_in(2) {
            (TEXT, content.text(length, self.random).as_bytes())
        } else {
            (BINARY, content.noise(length, self.random))
        };
        if self.random.once_in(8) {
            self.fragmented(opcode, payload);
        } else {
            self.frame(opcode, payload);
        }
    }

    fn fragmented(&mut self, opcode: u8, payload: &[u8]) {
        let last = payload.len().div_ceil(FRAGMENT) - 1;
        for (index, part) in payload.chunks(FRAGMENT).enumerate() {
            let first_byte = if index == 0 { opcode & !FINAL } else { 0 } | if index == last { FINAL } else { 0 };
            self.put(first_byte, part);
        }
    }

    /// A text whose compressed payload is `packed`.
    pub(crate) fn compressed(self, packed: &[u8]) {
        self.frame(TEXT | 0x40, packed);
    }

    /// A frame that is a whole message, or a control frame.
    fn frame(mut self, opcode: u8, payload: &[u8]) {
        self.put(opcode, payload);
    }

    fn put(&mut self, first_byte: u8, payload: &[u8]) {
        let masked = if self.sender == Role::Client { 0x80 } else { 0 };
        self.out.push(first_byte);
        match payload.len() {
            length @ ..126 => self.out.push(masked | length as u8),
            length @ ..=0xffff => {
                self.out.push(masked | 126);
                self.out.extend((length as u16).to_be_bytes());
            }
            length => {
                self.out.push(masked | 127);
                self.out.extend((length as u64).to_be_bytes());
            }
        }
        if masked == 0 {
            self.out.extend_from_slice(payload);
            return;
        }
        let key = (self.random.next() as u32).to_ne_bytes();
        self.out.extend(key);
        let start = self.out.len();
        self.out.extend_from_slice(payload);
        for group in self.out[start..].chunks_mut(4) {
            group.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        }
    }
}

/// How a connection ends.
enum Ending {
    /// With a Close frame of this end, this code and this reason, and a reply with the same code.
    Close(Role, Option<u16>, &'static str),
    /// With a FIN of this end and no Close frame.
    Fin(Role),
    /// With a RST of this end and no Close frame.
    Reset(Role),
}

impl Ending {
    /// The close code that follows.
    const fn verdict(&self) -> u16 {
        match self {
            Self::Close(_, Some(code), _) => *code,
            Self::Close(_, None, _) => 1005,
            Self::Fin(_) | Self::Reset(_) => 1006,
        }
    }
}

/// The ways to end, and how often each is taken.
const ENDINGS: [(usize, Ending); 16] = [
    (300, Ending::Close(Role::Client, Some(1000), "")),
    (100, Ending::Close(Role::Server, Some(1000), "done")),
    (200, Ending::Close(Role::Client, Some(1001), "")),
    (60, Ending::Close(Role::Client, None, "")),
    (60, Ending::Reset(Role::Client)),
    (40, Ending::Fin(Role::Server)),
    (5, Ending::Close(Role::Server, Some(1003), "text only")),
    (10, Ending::Close(Role::Client, Some(1007), "invalid UTF-8")),
    (20, Ending::Close(Role::Server, Some(1008), "policy violation")),
    (10, Ending::Close(Role::Server, Some(1009), "message too big")),
    (50, Ending::Close(Role::Server, Some(1011), "internal error")),
    (80, Ending::Close(Role::Server, Some(1012), "service restart")),
    (15, Ending::Close(Role::Server, Some(1013), "try again later")),
    (10, Ending::Close(Role::Server, Some(3000), "unauthorized")),
    (20, Ending::Close(Role::Server, Some(4000), "kicked")),
    (20, Ending::Close(Role::Server, Some(4401), "token expired: grüße 🎉")),
];

const FINAL: u8 = 0x80;
const TEXT: u8 = FINAL | 0x1;
const BINARY: u8 = FINAL | 0x2;
const CLOSE: u8 = FINAL | 0x8;
const PING: u8 = FINAL | 0x9;

/// Payload bytes of a full segment: Ethernet's 1500, less the headers.
const SEGMENT: usize = 1448;

/// Segments that one end sends in one turn.
const BURST: usize = 8;

/// Payload bytes of a fragmented message's frames.
const FRAGMENT: usize = 16 << 10;

/// Key and answer are those of RFC 6455 section 1.3.
const REQUEST: &[u8] = b"GET /stream?channel=orders HTTP/1.1\r\nHost: ws.example\r\nUser-Agent: Mozilla/5.0\r\n\
    Origin: https://app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
