//! A connection whose beginning is not in the capture: is it a WebSocket?
//!
//! Frames are searched for in both directions, and the evidence of both counts together. Masking tells who the client is.

use crate::flow::{Direction, PerRole, Role};
use crate::tcp::{Arrival, FlowStart};
use crate::websocket::{Decoder, Extensions, Found, Search};

use super::Hole;
use super::session::{Opening, Session};

/// The search for frames in both directions.
#[derive(Debug)]
pub(super) struct Probe {
    low: Search<Arrival>,
    high: Search<Arrival>,
}

impl Probe {
    pub(super) fn new() -> Self {
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
        let (own, other) = self.searches(from);
        own.count_in(other);
        if let Some(found) = own.segment(bytes, offset, *at, true) {
            return Some(session(from, found, other, start));
        }
        let found = other.reconsider(own)?;
        Some(session(from.opposite(), found, own, start))
    }

    /// Bytes of `from` are missing: the WebSocket connection, if a frame that ends with them makes it believable.
    pub(super) fn gap(&mut self, from: Direction, hole: Hole, start: &FlowStart) -> Option<Session> {
        let (own, other) = self.searches(from);
        if !hole.exact {
            *own = Search::from_nothing();
            return None;
        }
        own.count_in(other);
        let found = own.gap(hole.length)?;
        Some(session(from, found, other, start))
    }

    /// The search in what `from` sends, and the other one.
    const fn searches(&mut self, from: Direction) -> (&mut Search<Arrival>, &mut Search<Arrival>) {
        match from {
            Direction::FromLow => (&mut self.low, &mut self.high),
            Direction::FromHigh => (&mut self.high, &mut self.low),
        }
    }
}

/// A session in which the direction `from` was found, and the `other` one is still searched.
fn session(from: Direction, found: Found<Arrival>, other: &mut Search<Arrival>, start: &FlowStart) -> Session {
    let client = if found.sender == Role::Client { from } else { from.opposite() };
    let mut other = std::mem::replace(other, Search::from_nothing());
    let opening = Opening::without_request(start, client);
    // What was agreed upon is not known: compression may have been, and is taken for it where a frame says so.
    let extensions = Extensions::ASSUMED;
    let (role, peer) = (found.sender, found.sender.peer());
    let peer_found = other.know_connection(peer);
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
