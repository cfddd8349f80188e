//! Traffic that is no WebSocket: HTTP with keep-alive, bytes that look like TLS, DNS.
//!
//! In come turns, out go packets. Nothing of it enters the truth but their number.

use wsautopsy::flow::Role;

use super::World;
use super::wire::{Address, Tcp};

/// One flow.
pub(super) struct Bystander {
    number: u32,
    tcp: Option<Tcp>,
}

impl Bystander {
    pub(super) const fn new(number: u32) -> Self {
        Self { number, tcp: None }
    }

    /// Its turn: to open, or a request and its answer.
    pub(super) fn step(&mut self, world: &mut World) {
        match self.number % 3 {
            0 => self.dns(world),
            1 => self.http(world),
            _ => self.tls(world),
        }
    }

    fn dns(&self, world: &mut World) {
        let (client, server) = (self.address(world.random.between(40_000, 60_000) as u16), Address([10, 0, 0, 53], 53));
        let mut message = *b"II\x01\x00\0\x01\0\0\0\0\0\0\x02ws\x07example\0\0\x01\0\x01";
        message[..2].copy_from_slice(&(world.random.next() as u16).to_be_bytes());
        world.recorder.udp(client, server, &message);
        message[2..4].copy_from_slice(&[0x81, 0x83]);
        world.recorder.udp(server, client, &message);
    }

    fn http(&mut self, world: &mut World) {
        let address = self.address(50_000);
        let tcp = self.tcp.get_or_insert_with(|| {
            Tcp::open(address, Address([10, 0, 0, 9], 80), &mut world.random, &mut world.recorder)
        });
        tcp.data(Role::Client, b"GET /health HTTP/1.1\r\nHost: app.example\r\n\r\n", &mut world.recorder);
        let body = &world.content.short[world.random.below(world.content.short.len())];
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        tcp.data(Role::Server, [head.as_bytes(), body.as_bytes()].concat().as_slice(), &mut world.recorder);
        tcp.acknowledge(Role::Client, &mut world.recorder);
    }

    fn tls(&mut self, world: &mut World) {
        let address = self.address(50_001);
        let first = self.tcp.is_none();
        let tcp = self.tcp.get_or_insert_with(|| {
            Tcp::open(address, Address([10, 0, 0, 10], 443), &mut world.random, &mut world.recorder)
        });
        let sender = if first || world.random.once_in(3) { Role::Client } else { Role::Server };
        let length = world.random.between(100, 500);
        let kind = if first { b"\x16\x03\x01" } else { b"\x17\x03\x03" };
        let noise = world.content.noise(length, &mut world.random);
        let record = [kind.as_slice(), (length as u16).to_be_bytes().as_slice(), noise].concat();
        tcp.data(sender, &record, &mut world.recorder);
        tcp.acknowledge(sender.peer(), &mut world.recorder);
    }

    const fn address(&self, port: u16) -> Address {
        Address([10, 2, 0, self.number as u8], port)
    }
}
