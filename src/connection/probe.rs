//! A connection whose beginning is not in the capture: is it a WebSocket?
//!
//! Frames are searched for in both directions, and the evidence of both counts together. Masking tells who the client is.

use crate::flow::{Direction, PerRole, Role};
use crate::tcp::{Arrival, FlowStart};
use crate::websocket::{Decoder, Extensions, Found, Search};

use super::session::{Opening, Session};

/// The search for frames in both directions.
#[derive(Debug)]
pub(super) struct Probe {
    low: Search<Arrival>,
    high: Search<Arrival>,
}

impl Probe {
    pub(super) const fn new() -> Self {
        Self { low: Search::from_nothing(), high: Search::from_nothing() }
    }

    /// `bytes` of `from` at stream offset `offset`: the WebSocket connection, if they make it believable.
    pub(super) fn data(
        &mut self,
        from: Direction,
        offset: u64,
        bytes: &[u8],
        at: &Arrival,
        start: &FlowStart,
    ) -> Option<Session> {
        let (own, other) = match from {
            Direction::FromLow => (&mut self.low, &mut self.high),
            Direction::FromHigh => (&mut self.high, &mut self.low),
        };
        own.need_less(other.bits());
        let found = own.segment(bytes, offset, *at, other.sender().map(Role::peer))?;
        let client = if found.sender == Role::Client { from } else { from.opposite() };
        let other = std::mem::replace(other, Search::from_nothing());
        Some(session(client, found, other, start))
    }

    /// Bytes of `from` are missing.
    pub(super) fn gap(&mut self, from: Direction) {
        match from {
            Direction::FromLow => self.low.gap(),
            Direction::FromHigh => self.high.gap(),
        }
    }
}

/// A session whose one direction was found, and whose `other` one is still searched.
fn session(client: Direction, found: Found<Arrival>, mut other: Search<Arrival>, start: &FlowStart) -> Session {
    let opening = Opening::without_request(start, client);
    // What was agreed upon is not known: compression may have been, and is taken for it where a frame says so.
    let extensions = Extensions::ASSUMED;
    let (role, peer) = (found.sender, found.sender.peer());
    let peer_found = other.know_connection();
    let own = Decoder::new(role, extensions, found.offset);
    let other = Decoder::searching(peer, extensions, other);
    let decoders = match role {
        Role::Client => PerRole { client: own, server: other },
        Role::Server => PerRole { client: other, server: own },
    };
    let mut session = Session::new(opening, decoders);
    session.resume(found);
    if let Some(found) = peer_found {
        session.resume(found);
    }
    session
}
