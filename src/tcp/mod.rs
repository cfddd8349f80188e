//! TCP: segments to the bytes that each end sent, in order, with the holes of the capture as facts.
//!
//! In come [`Segment`]s in the order of capture; out go data, gaps and ends, to an
//! [`Application`] that the layer above provides. In-order payload is handed on as a slice of the capture; only bytes
//! that wait for a hole are copied. Stream offsets count bytes from 0 at the first one after the SYN, or at the first
//! one seen of a connection that began before the capture.

mod checksum;
mod live;
mod past;
mod reassembler;
mod sequence;
mod table;
mod tracked;
mod waiting;

use bitcode::{Decode, Encode};

use crate::flow::{Direction, FlowKey, PacketId, Timestamp};
use crate::packet::{Quoted, Segment};

pub use reassembler::{KnownFin, Reassembler, Sink};
pub use sequence::SequenceNumber;
pub use table::FlowTable;

/// The packet that brought something, and what its sender had received by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The packet.
    pub packet: PacketId,
    /// When it was captured.
    pub time: Timestamp,
    /// How many bytes of the other direction its sender acknowledged, as a stream offset; `None` without an ACK, or
    /// while nothing is known of that direction.
    pub acknowledged: Option<u64>,
}

/// Where a TCP connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowStart {
    /// Its two ends.
    pub key: FlowKey,
    /// Its first packet.
    pub packet: PacketId,
    /// When that was captured.
    pub time: Timestamp,
    /// The first packet of the conversation that Wireshark counts it to. It differs from [`Self::packet`] where ports
    /// are used again and the SYN is not in the capture.
    pub conversation: PacketId,
    /// Whether its SYN is in the capture.
    pub syn_seen: bool,
}

impl FlowStart {
    /// The arrival of the connection's first packet.
    #[must_use]
    pub const fn first(&self) -> Arrival {
        Arrival { packet: self.packet, time: self.time, acknowledged: None }
    }
}

/// How a sender ended its direction, or the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// FIN: no more data from this sender.
    Fin,
    /// RST: nothing more in either direction.
    Reset,
}

/// The first FIN or RST of a connection. Of two FINs the first is the one that the other acknowledged, if one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEnd {
    /// Who sent it.
    pub sender: Direction,
    /// Which it was.
    pub kind: EndKind,
    /// The packet; of a FIN that is not in the capture, the FIN or RST that acknowledged it.
    pub packet: PacketId,
    /// When that was captured.
    pub time: Timestamp,
    /// How many bytes of the other direction its sender had acknowledged, as a stream offset; `None` where that is not
    /// known.
    pub acknowledged: Option<u64>,
    /// The other end may have sent its FIN before, among bytes that the capture does not hold.
    pub perhaps_second: bool,
}

/// What is known of the end of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionEnd {
    /// Nothing more comes: the FIN was captured or acknowledged, the connection was reset, or the end that had not sent a
    /// FIN has vanished (see [`crate::limits::VANISHED_NANOS`]).
    pub over: bool,
    /// The FIN was captured or acknowledged.
    pub fin: bool,
    /// The last byte that was told as missing is most likely the FIN, which has a sequence number but is no byte.
    pub fin_in_gap: bool,
    /// Bytes behind the last one that a RST claims to have been sent. They are not told as missing: anyone may send a RST
    /// with any number.
    pub claimed: u64,
}

impl FlowSummary {
    /// The arrival of the connection's last packet.
    #[must_use]
    pub const fn last(&self) -> Arrival {
        Arrival { packet: self.span.last, time: self.last_time, acknowledged: None }
    }

    /// How what `direction` carries ended.
    #[must_use]
    pub const fn end_of(&self, direction: Direction) -> DirectionEnd {
        let [low, high] = self.directions;
        match direction {
            Direction::FromLow => low,
            Direction::FromHigh => high,
        }
    }
}

/// What one end repeated while the other sent nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Repetitions {
    /// Segments and keep-alives that it repeated since the other end was last heard of.
    pub count: u8,
    /// When the first of them was captured.
    pub first: Timestamp,
    /// When the last of them was captured.
    pub last: Timestamp,
}

impl Repetitions {
    /// One more at `time`.
    const fn add(&mut self, time: Timestamp) {
        if self.count == 0 {
            self.first = time;
        }
        self.count = self.count.saturating_add(1);
        self.last = time;
    }
}

/// What the tracker knows of a connection when it is over, or when the capture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSummary {
    /// The first FIN or RST; `None` if the connection's end is not in the capture.
    pub end: Option<FlowEnd>,
    /// How what each end sends ended: of [`Direction::FromLow`], then of [`Direction::FromHigh`].
    pub directions: [DirectionEnd; 2],
    /// What each end repeated to no answer: from the low end, from the high end.
    pub repetitions: [Repetitions; 2],
    /// Where its packets lie.
    pub span: FlowSpan,
    /// When the last of them was captured.
    pub last_time: Timestamp,
}

/// Which packets are of a connection: those of its flow from the first to the last, in the networks that these were in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FlowSpan {
    /// The first packet.
    pub first: PacketId,
    /// The last packet.
    pub last: PacketId,
    /// The network that what the lower and the higher end sent was captured in, as [`crate::packet::Segment::scope`];
    /// `None` if nothing of it was seen.
    pub scopes: [Option<u32>; 2],
}

impl FlowSpan {
    /// Whether a segment of the flow, from `direction` in the network `scope`, is in the right one.
    #[must_use]
    pub fn has_network(&self, direction: Direction, scope: u32) -> bool {
        let [low, high] = self.scopes;
        let of_direction = match direction {
            Direction::FromLow => low,
            Direction::FromHigh => high,
        };
        of_direction == Some(scope)
    }
}

/// Whether an application wants to see more of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Go on.
    Keep,
    /// The flow is none of the application's business: its later segments are not looked into.
    Ignore,
}

/// Something of TCP that a packet holds, for a [`FlowTable`].
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// What it is.
    pub content: Content<'a>,
    /// The packet.
    pub packet: PacketId,
    /// When it was captured.
    pub time: Timestamp,
}

/// What a packet holds of TCP.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A segment, and its header and its payload, as far as they were captured.
    Segment(&'a Segment, &'a [u8]),
    /// A segment that is not to be looked into: it only counts as part of its conversation. If later segments of the
    /// connection are looked into, it is as if the capture began with them.
    LeftOut(&'a Segment),
    /// A segment that an ICMP error quotes. It only makes sure that its conversation is counted: it was sent before, and
    /// what it says of the flow may be old.
    Quoted(&'a Quoted),
}

impl Captured<'_> {
    /// The flow that it is of.
    #[must_use]
    #[inline]
    pub const fn key(&self) -> &FlowKey {
        match self.content {
            Content::Segment(segment, _) | Content::LeftOut(segment) => &segment.key,
            Content::Quoted(quoted) => &quoted.key,
        }
    }
}

/// What is spoken over a TCP connection. Fed by a [`FlowTable`], one for each connection that carries data.
pub trait Application: Sized {
    /// Where results go. One for each table, handed to every call.
    type Output: Default;

    /// A connection whose first data are about to come.
    fn new(start: &FlowStart) -> Self;

    /// Something of the connection is about to come: reads a little of what that will need, so that it is on its way from
    /// memory while other connections' are worked on.
    fn touch(&self) {}

    /// `bytes` follow at stream offset `offset`; `at` is the packet that holds them.
    fn data(&mut self, from: Direction, offset: u64, bytes: &[u8], at: &Arrival, output: &mut Self::Output)
    -> Interest;

    /// `length` bytes at stream offset `offset` are not in the capture; `at` is the packet that showed it.
    fn gap(&mut self, from: Direction, offset: u64, length: u64, at: &Arrival, output: &mut Self::Output) -> Interest;

    /// A retransmission at stream offset `offset` differs from the first copy, which was used.
    fn conflict(&mut self, from: Direction, offset: u64, at: &Arrival);

    /// The connection is over, or the capture is.
    fn finish(self, summary: &FlowSummary, output: &mut Self::Output);
}
