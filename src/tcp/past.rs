//! What is kept of a connection that is over, until its ports are used again: enough to tell a late segment from a new
//! connection.
//!
//! In comes a [`Flow`] that is finished, and its late segments, which are nothing new; it is a flow again as soon as there
//! is something new. A capture can hold a million of them, so they are small.

use crate::flow::{FlowKey, PacketId, Timestamp};
use crate::limits;
use crate::packet::Segment;

use super::live::index;
use super::tracked::{Flow, Reuse, State};
use super::{Application, SequenceNumber};

/// A connection that is over.
pub(super) struct Past {
    pub(super) key: FlowKey,
    /// As those of the flow, but all known.
    initial: [SequenceNumber; 2],
    scopes: [u32; 2],
    finished: Finished,
    /// The only file in which it was seen.
    file: u32,
    conversation: PacketId,
    last_time: Timestamp,
}

/// What is known of a connection that is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Finished {
    /// It was looked into to its end. Per direction, the sequence number that would have come next.
    At([SequenceNumber; 2]),
    /// It was ignored.
    Somewhere,
}

impl Past {
    /// What is kept of `flow`, if it is finished and there is nothing unusual about it.
    pub(super) fn of<A: Application>(flow: &Flow<A>) -> Option<Self> {
        let State::Finished(finished) = flow.state else { return None };
        let ([Some(low), Some(high)], [Some(from_low), Some(from_high)]) = (flow.initial, flow.scopes) else {
            return None;
        };
        let past = Self {
            key: flow.start.key,
            initial: [low, high],
            scopes: [from_low, from_high],
            finished,
            file: flow.file,
            conversation: flow.start.conversation,
            last_time: flow.last_time,
        };
        flow.files.is_none().then_some(past)
    }

    /// The flow again, with what still matters of it.
    pub(super) fn into_flow<A: Application>(self) -> Flow<A> {
        let mut flow = Flow::unseen(self.key, self.conversation, self.last_time);
        flow.initial = self.initial.map(Some);
        flow.scopes = self.scopes.map(Some);
        flow.file = self.file;
        flow.state = State::Finished(self.finished);
        flow
    }

    /// Whether a segment has its addresses and ports, and its direction was seen in the same network.
    pub(super) fn is_in_network_of(&self, segment: &Segment) -> bool {
        self.key == segment.key && self.scopes[index(segment.direction)] == segment.scope
    }

    /// Takes a segment of its own that changes nothing, if it is one.
    pub(super) fn takes_late(&mut self, segment: &Segment, packet: PacketId, time: Timestamp) -> bool {
        let late = self.file == packet.file() && self.reuse(segment) == Reuse::None;
        if late {
            self.last_time = time;
        }
        late
    }

    fn reuse(&self, segment: &Segment) -> Reuse {
        let initial = self.initial[index(segment.direction)];
        Reuse::by_syn(Some(initial), true, segment).unwrap_or_else(|| self.finished.reuse(segment))
    }

    /// When it was last seen, and what tells it from others at that time.
    pub(super) const fn last_seen(&self) -> (Timestamp, PacketId) {
        (self.last_time, self.conversation)
    }
}

impl Finished {
    /// What a segment says that is no SYN. Bytes that were seen before are sent again where an end of the connection was
    /// not told that it is over; others are of another connection.
    pub(super) fn reuse(&self, segment: &Segment) -> Reuse {
        let length = i64::from(segment.payload.end) - i64::from(segment.payload.start);
        match self {
            Self::At(next) if length > 0 => {
                let begin = SequenceNumber(segment.sequence).after(next[index(segment.direction)]);
                let end = begin + length + i64::from(segment.cut);
                let again = begin >= -i64::from(limits::STRAGGLER_BYTES) && end <= 0;
                if again { Reuse::None } else { Reuse::SameConversation }
            }
            Self::At(_) | Self::Somewhere => Reuse::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_over_costs_little() {
        assert!(size_of::<Past>() <= 88, "{}", size_of::<Past>());
    }
}
