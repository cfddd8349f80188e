//! One chosen connection while its captures are read again: which packets are of it, and what to say of them.

use std::collections::HashMap;

use crate::connection::ConnectionRecord;
use crate::flow::{Direction, FlowKey, PacketId, Role};
use crate::packet::{Flags, Segment};

use super::comments;

/// A chosen connection.
pub(super) struct Chosen {
    number: usize,
    record: Box<ConnectionRecord>,
    /// Which way its client sends.
    client: Direction,
    /// What the record says of its packets.
    comments: HashMap<PacketId, Vec<String>>,
    place: Place,
    request: Search,
    answer: Search,
    end: Search,
}

/// Where the walk through the packets is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Within,
    After,
}

/// The search for a packet that the record does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// Its time has not come.
    NotYet,
    Open,
    Done,
}

impl Chosen {
    pub(super) fn new(number: usize, record: &ConnectionRecord) -> Self {
        let (_, client) = FlowKey::of(record.client, record.server);
        Self {
            number,
            record: Box::new(record.clone()),
            client,
            comments: comments::by_packet(record),
            place: Place::Before,
            request: Search::NotYet,
            answer: Search::NotYet,
            end: Search::Open,
        }
    }

    /// Whether the walk is between the first and the last packet of the connection.
    pub(super) fn is_within(&self) -> bool {
        self.place == Place::Within
    }

    /// Whether `segment`, which is of its flow, is of it. To be asked of each such segment in the order of analysis.
    pub(super) fn takes(&mut self, segment: &Segment, id: PacketId) -> bool {
        let span = &self.record.tcp;
        if self.place == Place::Before && id == span.first {
            self.place = Place::Within;
        }
        let takes = self.is_within() && span.has_network(segment.direction, segment.scope);
        if self.is_within() && id == span.last {
            self.place = Place::After;
        }
        takes
    }

    /// Adds to `out` what is to be said of a segment that it takes.
    pub(super) fn comment(&mut self, segment: &Segment, payload: &[u8], id: PacketId, out: &mut Vec<String>) {
        let mut comments: Vec<String> = self.handshake(segment, payload, id).into_iter().collect();
        comments.extend(self.comments.remove(&id).into_iter().flatten());
        comments.extend(self.tcp_end(segment));
        out.extend(comments.into_iter().map(|text| format!("wsautopsy: connection {}: {text}", self.number)));
    }

    /// The request, and the answer that decided.
    fn handshake(&mut self, segment: &Segment, payload: &[u8], id: PacketId) -> Option<String> {
        if self.request == Search::NotYet && id == self.record.first_packet {
            self.request = Search::Open;
        }
        let status = self.record.response.status;
        match self.sender(segment) {
            Role::Client if self.request == Search::Open && payload.starts_with(b"GET ") => {
                (self.request, self.answer) = (Search::Done, Search::Open);
                Some("client asks for a WebSocket".to_owned())
            }
            Role::Server if self.answer == Search::Open && is_answer(payload, status) => {
                self.answer = Search::Done;
                status.map(|status| format!("server answers {status}"))
            }
            Role::Client | Role::Server => None,
        }
    }

    /// The first FIN or RST.
    fn tcp_end(&mut self, segment: &Segment) -> Option<String> {
        let (flags, sender) = (segment.flags, self.sender(segment));
        let ends = flags.has(Flags::FIN) || flags.has(Flags::RST);
        if !ends || self.end == Search::Done || self.record.verdict.tcp_ended_by != Some(sender) {
            return None;
        }
        self.end = Search::Done;
        Some(comments::tcp_end(&self.record, sender, flags.has(Flags::RST)))
    }

    fn sender(&self, segment: &Segment) -> Role {
        if segment.direction == self.client { Role::Client } else { Role::Server }
    }
}

/// Whether `payload` begins with the head of a response of that status.
fn is_answer(payload: &[u8], status: Option<u16>) -> bool {
    let found = payload.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    found.is_some_and(|digits| status.is_some_and(|status| status.to_string().as_bytes() == digits))
}
