//! What was sent behind an upgrade request, held back until the answer says what it is: frames or further requests.
//!
//! In come the bytes and gaps of both directions, in order of capture; out they go again in the same order. Where the answer
//! is not in the capture, they tell themselves whether they are frames.

use crate::flow::{Direction, Role};
use crate::limits;
use crate::tcp::Arrival;
use crate::websocket::{Extensions, Header, Search};

use super::Hole;

/// A part of what was sent behind an upgrade request.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) from: Direction,
    /// Its stream offset.
    pub(super) offset: u64,
    pub(super) content: HeldContent,
    pub(super) at: Arrival,
    /// Bytes that the TCP connection lacked by then.
    pub(super) missed: u64,
}

#[derive(Debug)]
pub(super) enum HeldContent {
    Bytes(Box<[u8]>),
    Gap(Hole),
}

/// All that is held back.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// In order of capture.
    parts: Vec<Held>,
    /// The length of all [`HeldContent::Bytes`].
    bytes: usize,
}

impl HeldBack {
    pub(super) fn push(&mut self, held: Held) {
        if let HeldContent::Bytes(bytes) = &held.content {
            self.bytes += bytes.len();
        }
        self.parts.push(held);
    }

    /// Everything, of which nothing is held back any more.
    pub(super) fn take(&mut self) -> Vec<Held> {
        std::mem::take(self).parts
    }

    /// Whether there is more of it than a client sends before the answer.
    pub(super) const fn is_too_much(&self) -> bool {
        self.bytes > limits::EARLY_BYTES
    }

    pub(super) fn has_gap(&self) -> bool {
        self.parts.iter().any(|held| matches!(held.content, HeldContent::Gap(_)))
    }

    /// Whether it is frames. What the client sent decides, if it sent anything.
    pub(super) fn are_frames(&self, client: Direction) -> bool {
        self.client_sent_frames(client).unwrap_or_else(|| self.server_sent_frames(client))
    }

    /// Whether what the client sent begins with a frame; `None` if it sent nothing.
    fn client_sent_frames(&self, client: Direction) -> Option<bool> {
        let first = self.parts.iter().filter(|held| held.from == client).find_map(|held| match &held.content {
            HeldContent::Bytes(bytes) => Some(bytes),
            HeldContent::Gap(_) => None,
        })?;
        let header = Header::parse(first)?;
        Some(header.mask.is_some() && header.minimal && header.reserved & 0b011 == 0)
    }

    /// Whether frames are found in what the server sent.
    fn server_sent_frames(&self, client: Direction) -> bool {
        let mut search = Search::after_gap(Role::Server, Extensions::ASSUMED, 0);
        let mut held = self.parts.iter().filter(|held| held.from != client);
        let found = held.any(|held| match &held.content {
            HeldContent::Bytes(bytes) => search.segment(bytes, held.offset, held.at, true).is_some(),
            HeldContent::Gap(hole) => search.gap(hole.length).is_some(),
        });
        found || search.close_at_end().is_some()
    }
}
