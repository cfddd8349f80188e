//! The connections of one shard: finds a segment's connection, follows its state, feeds its application.
//!
//! ```text
//!             SYN, or first segment        first payload            not interested
//!   (nothing) ───────────────────▶ Silent ───────────────▶ Live ───────────────────▶ Ignored
//!                                                            │ linger after FIN+FIN or RST, end of capture
//!                                                            ▼
//!                                                         Finished
//!   any state ── SYN with another initial number: the ports are used again ──▶ a new connection
//! ```
//!
//! A connection without payload costs its entry only. What counts as a conversation follows Wireshark, so that
//! `tcp.stream` can be told.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::flow::{Direction, FlowKey, PacketId, Timestamp};
use crate::limits;
use crate::packet::{Flags, Quoted, Segment};

use super::{
    Application, Arrival, EndKind, FlowEnd, FlowStart, FlowSummary, Interest, Reassembler, SequenceNumber, Sink,
};

/// The connections of one shard, each with its application.
pub struct FlowTable<A: Application> {
    flows: HashTable<Flow<A>>,
    /// Seeded anew in each run, so that nobody can aim collisions at it.
    hasher: RandomState,
    /// Connections that ended and linger for stragglers, in order of their end.
    ended: VecDeque<(Timestamp, FlowKey)>,
    /// The first packets of conversations, since they were last taken.
    conversations: Vec<PacketId>,
    output: A::Output,
}

struct Flow<A> {
    start: FlowStart,
    /// Per direction, one less than the sequence number of the first byte; `None` while nothing is known of it.
    initial: [Option<SequenceNumber>; 2],
    /// Per direction, the network that it was captured in; `None` while no segment of it was seen.
    scopes: [Option<u32>; 2],
    end: Option<FlowEnd>,
    last: PacketId,
    last_time: Timestamp,
    /// The last capture file in which it was counted as a conversation.
    counted_in: u32,
    state: State<A>,
}

enum State<A> {
    Silent,
    Live(Box<Live<A>>),
    Ignored,
    Finished,
}

struct Live<A> {
    directions: [Reassembler; 2],
    listener: Listener<A>,
}

/// An application and whether it still wants to be fed.
struct Listener<A> {
    application: A,
    interest: Interest,
}

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::FromLow => 0,
        Direction::FromHigh => 1,
    }
}

impl<A: Application> Default for FlowTable<A> {
    fn default() -> Self {
        Self {
            flows: HashTable::new(),
            hasher: RandomState::default(),
            ended: VecDeque::new(),
            conversations: Vec::new(),
            output: A::Output::default(),
        }
    }
}

impl<A: Application> FlowTable<A> {
    /// The next segment in the order of capture, with its payload as far as it was captured.
    pub fn segment(&mut self, segment: &Segment, payload: &[u8], packet: PacketId, time: Timestamp) {
        self.finish_lingering(time);
        let hash = self.hasher.hash_one(segment.key);
        let Some(flow) = find(&mut self.flows, hash, segment) else {
            self.make_room();
            self.conversations.push(packet);
            let mut flow = Flow::new(segment, packet, time, packet);
            flow.segment(segment, payload, &mut self.output, &mut self.ended);
            let hasher = &self.hasher;
            self.flows.insert_unique(hash, flow, |flow| hasher.hash_one(flow.start.key));
            return;
        };
        let reuse = flow.reuse(segment);
        if reuse == Reuse::NewConversation || flow.counted_in != packet.file {
            self.conversations.push(packet);
            flow.counted_in = packet.file;
        }
        if reuse != Reuse::None {
            let conversation = if reuse == Reuse::NewConversation { packet } else { flow.start.conversation };
            let old = std::mem::replace(flow, Flow::new(segment, packet, time, conversation));
            old.finish(&mut self.output);
        }
        flow.last = packet;
        flow.last_time = time;
        flow.segment(segment, payload, &mut self.output, &mut self.ended);
    }

    /// A segment that an ICMP error quotes. It only makes sure that its conversation is counted: it was sent before, and
    /// what it says of the flow may be old.
    pub fn quoted(&mut self, quoted: &Quoted, packet: PacketId, time: Timestamp) {
        let hash = self.hasher.hash_one(quoted.key);
        // In any network: the error travels against the segment, and maybe in another one.
        if let Some(flow) = self.flows.find_mut(hash, |flow| flow.start.key == quoted.key) {
            if flow.counted_in != packet.file || flow.is_reused_by(quoted) {
                self.conversations.push(packet);
                flow.counted_in = packet.file;
            }
            return;
        }
        self.make_room();
        self.conversations.push(packet);
        let hasher = &self.hasher;
        self.flows.insert_unique(hash, Flow::unseen(quoted.key, packet, time), |flow| hasher.hash_one(flow.start.key));
    }

    /// The first packets of the conversations that began since the last call, in order.
    pub fn take_conversations(&mut self) -> impl Iterator<Item = PacketId> + '_ {
        self.conversations.drain(..)
    }

    /// The capture is over: every connection ends here. Returns what the applications found.
    #[must_use]
    pub fn finish(mut self) -> A::Output {
        for flow in self.flows.drain() {
            flow.finish(&mut self.output);
        }
        self.output
    }

    fn finish_lingering(&mut self, now: Timestamp) {
        while let Some((ended_at, key)) = self.ended.front().copied() {
            if now.as_nanos().saturating_sub(ended_at.as_nanos()) < limits::LINGER_NANOS {
                return;
            }
            self.ended.pop_front();
            let hash = self.hasher.hash_one(key);
            // The ports may be in use again: then the newer connection has an end of its own, or none yet.
            let over = |flow: &Flow<A>| {
                flow.start.key == key && flow.is_live() && flow.end.is_some_and(|end| end.time <= ended_at)
            };
            if let Some(flow) = self.flows.find_mut(hash, over) {
                flow.close(&mut self.output);
            }
        }
    }

    /// Keeps the table within its limit: the half that was idle longest is forgotten.
    fn make_room(&mut self) {
        if self.flows.len() < limits::FLOWS_PER_SHARD {
            return;
        }
        let mut last_seen: Vec<PacketId> = self.flows.iter().map(|flow| flow.last).collect();
        let middle = last_seen.len() / 2;
        let (_, median, _) = last_seen.select_nth_unstable(middle);
        let median = *median;
        let idle: Vec<Flow<A>> = self.flows.extract_if(|flow| flow.last <= median).collect();
        for flow in idle {
            flow.finish(&mut self.output);
        }
    }
}

/// The connection of a segment. One in the segment's own network comes first; then one of which nothing was seen in
/// this direction yet and whose numbers fit, because the directions may be captured in different networks.
fn find<'a, A: Application>(
    flows: &'a mut HashTable<Flow<A>>,
    hash: u64,
    segment: &Segment,
) -> Option<&'a mut Flow<A>> {
    let this = index(segment.direction);
    let place = |fits: &dyn Fn(&Flow<A>) -> bool| {
        flows.find_bucket_index(hash, |flow| flow.start.key == segment.key && fits(flow))
    };
    let place = flows
        .find_bucket_index(hash, |flow| flow.scopes[this] == Some(segment.scope) && flow.start.key == segment.key)
        .or_else(|| place(&|flow| flow.scopes[this].is_none() && flow.scopes[1 - this] == Some(segment.scope)))
        .or_else(|| place(&|flow| flow.is_unseen() || flow.scopes[this].is_none() && flow.is_answered_by(segment)))?;
    let flow = flows.get_bucket_mut(place)?;
    flow.scopes[this] = Some(segment.scope);
    Some(flow)
}

/// Whether a segment belongs to the connection that its addresses and ports name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reuse {
    /// It does.
    None,
    /// It opens another one, which Wireshark counts as a conversation of its own.
    NewConversation,
    /// It is of another one, whose SYN is not in the capture; Wireshark counts it to the same conversation.
    SameConversation,
}

impl<A: Application> Flow<A> {
    fn new(segment: &Segment, packet: PacketId, time: Timestamp, conversation: PacketId) -> Self {
        let mut flow = Self::unseen(segment.key, packet, time);
        flow.start.conversation = conversation;
        flow.start.syn_seen = segment.flags.has(Flags::SYN);
        flow.scopes[index(segment.direction)] = Some(segment.scope);
        flow
    }

    /// A flow of which nothing is known but that it exists, by `packet`.
    fn unseen(key: FlowKey, packet: PacketId, time: Timestamp) -> Self {
        Self {
            start: FlowStart { key, packet, time, conversation: packet, syn_seen: false },
            initial: [None; 2],
            scopes: [None; 2],
            end: None,
            last: packet,
            last_time: time,
            counted_in: packet.file,
            state: State::Silent,
        }
    }

    /// Whether no segment of it was captured, but only quoted ones.
    const fn is_unseen(&self) -> bool {
        matches!(self.scopes, [None, None])
    }

    /// Whether Wireshark takes a quoted SYN for one of another connection on the same ports.
    fn is_reused_by(&self, quoted: &Quoted) -> bool {
        let opens = quoted.flags.has(Flags::SYN) && !quoted.flags.has(Flags::ACK);
        opens && self.initial[index(quoted.direction)].is_some_and(|initial| initial != SequenceNumber(quoted.sequence))
    }

    const fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// Whether a segment of the direction that was not seen yet acknowledges about what was seen of the other one.
    fn is_answered_by(&self, segment: &Segment) -> bool {
        let acknowledgement = SequenceNumber(segment.acknowledgement);
        let near = |initial: SequenceNumber| {
            (0..=i64::from(limits::STRAGGLER_BYTES)).contains(&acknowledgement.after(initial))
        };
        segment.flags.has(Flags::ACK) && self.initial[1 - index(segment.direction)].is_some_and(near)
    }

    fn reuse(&self, segment: &Segment) -> Reuse {
        let sequence = SequenceNumber(segment.sequence);
        let known = self.initial[index(segment.direction)];
        if segment.flags.has(Flags::SYN) {
            let differs = known.is_some_and(|initial| initial != sequence);
            return match (differs, segment.flags.has(Flags::ACK)) {
                (true, false) => Reuse::NewConversation,
                (true, true) if self.end.is_some() => Reuse::SameConversation,
                _ => Reuse::None,
            };
        }
        if segment.payload.is_empty() {
            return Reuse::None;
        }
        let live = match &self.state {
            State::Live(live) => live,
            State::Finished => return Reuse::SameConversation,
            State::Silent | State::Ignored => return Reuse::None,
        };
        let over = self.end.is_some_and(|end| end.kind == EndKind::Reset)
            || live.directions.iter().all(Reassembler::is_finished);
        let far = live.directions[index(segment.direction)].is_far_from(sequence, limits::STRAGGLER_BYTES);
        if over && far { Reuse::SameConversation } else { Reuse::None }
    }

    fn segment(
        &mut self,
        segment: &Segment,
        payload: &[u8],
        output: &mut A::Output,
        ended: &mut VecDeque<(Timestamp, FlowKey)>,
    ) {
        self.learn_initial(segment);
        self.note_end(segment, ended);
        if matches!(self.state, State::Silent) && (!payload.is_empty() || segment.cut > 0) {
            self.wake();
        }
        let State::Live(live) = &mut self.state else { return };
        live.segment(segment, payload, self.last, self.last_time, output);
        if live.listener.interest == Interest::Ignore {
            self.state = State::Ignored;
        }
    }

    /// Where each direction begins: at its SYN, else at the first thing that is seen of it.
    fn learn_initial(&mut self, segment: &Segment) {
        let sequence = SequenceNumber(segment.sequence);
        let this = index(segment.direction);
        let syn = segment.flags.has(Flags::SYN);
        if self.initial[this].is_none() {
            if self.initial[1 - this].is_none() {
                // Until now it may have been quoted only.
                (self.start.packet, self.start.time) = (self.last, self.last_time);
            }
            self.initial[this] = Some(if syn { sequence } else { sequence.minus(1) });
        }
        if segment.flags.has(Flags::ACK) && self.initial[1 - this].is_none() {
            self.initial[1 - this] = Some(SequenceNumber(segment.acknowledgement).minus(1));
        }
        self.start.syn_seen |= syn;
    }

    fn note_end(&mut self, segment: &Segment, ended: &mut VecDeque<(Timestamp, FlowKey)>) {
        let kind = if segment.flags.has(Flags::RST) {
            EndKind::Reset
        } else if segment.flags.has(Flags::FIN) {
            EndKind::Fin
        } else {
            return;
        };
        let first = self.end.is_none();
        let end = FlowEnd { sender: segment.direction, kind, packet: self.last, time: self.last_time };
        let end = *self.end.get_or_insert(end);
        // A half-closed connection may live on for long; only its second end, or a reset, is the end of both.
        if kind == EndKind::Reset || (!first && end.sender != segment.direction) {
            ended.push_back((self.last_time, self.start.key));
        }
    }

    fn wake(&mut self) {
        let syn_seen = self.start.syn_seen;
        let reassembler =
            |initial: Option<SequenceNumber>| Reassembler::new(initial.unwrap_or_default().plus(1), !syn_seen);
        self.state = State::Live(Box::new(Live {
            directions: self.initial.map(reassembler),
            listener: Listener { application: A::new(&self.start), interest: Interest::Keep },
        }));
    }

    /// The connection is over; its entry stays, so that late segments do not look like a new conversation.
    fn close(&mut self, output: &mut A::Output) {
        let state = std::mem::replace(&mut self.state, State::Finished);
        if let State::Live(live) = state {
            live.finish(&FlowSummary { end: self.end, last_packet: self.last, last_time: self.last_time }, output);
        }
    }

    fn finish(mut self, output: &mut A::Output) {
        self.close(output);
    }
}

impl<A: Application> Live<A> {
    fn segment(
        &mut self,
        segment: &Segment,
        payload: &[u8],
        packet: PacketId,
        time: Timestamp,
        output: &mut A::Output,
    ) {
        let [low, high] = &mut self.directions;
        let (own, peer) = match segment.direction {
            Direction::FromLow => (low, high),
            Direction::FromHigh => (high, low),
        };
        let mut at = Arrival { packet, time, acknowledged: None };
        if segment.flags.has(Flags::ACK) {
            let acknowledgement = SequenceNumber(segment.acknowledgement);
            at.acknowledged = peer.offset_of(acknowledgement);
            let mut sink = self.listener.sink(segment.direction.opposite(), output);
            peer.acknowledge(acknowledgement, &at, &mut sink);
        }
        let fin = segment.flags.has(Flags::FIN);
        // What a RST carries is not data of the stream but, at most, a remark (RFC 9293 section 3.10.7.4).
        if segment.flags.has(Flags::RST) || (payload.is_empty() && segment.cut == 0 && !fin) {
            return;
        }
        let first = SequenceNumber(segment.sequence).plus(u32::from(segment.flags.has(Flags::SYN)));
        let mut sink = self.listener.sink(segment.direction, output);
        own.segment(first, payload, segment.cut, fin, &at, &mut sink);
    }

    fn finish(mut self, summary: &FlowSummary, output: &mut A::Output) {
        let at = Arrival { packet: summary.last_packet, time: summary.last_time, acknowledged: None };
        for (reassembler, direction) in self.directions.iter_mut().zip([Direction::FromLow, Direction::FromHigh]) {
            reassembler.finish(&at, &mut self.listener.sink(direction, output));
        }
        if self.listener.interest == Interest::Keep {
            self.listener.application.finish(summary, output);
        }
    }
}

impl<A: Application> Listener<A> {
    fn sink<'a>(&'a mut self, direction: Direction, output: &'a mut A::Output) -> Feed<'a, A> {
        Feed { listener: self, direction, output }
    }
}

/// Hands what one direction's reassembler finds to the application.
struct Feed<'a, A: Application> {
    listener: &'a mut Listener<A>,
    direction: Direction,
    output: &'a mut A::Output,
}

impl<A: Application> Sink for Feed<'_, A> {
    fn data(&mut self, offset: u64, bytes: &[u8], at: &Arrival) {
        if self.listener.interest == Interest::Keep {
            self.listener.interest = self.listener.application.data(self.direction, offset, bytes, at, self.output);
        }
    }

    fn gap(&mut self, offset: u64, length: u64, at: &Arrival) {
        if self.listener.interest == Interest::Keep {
            self.listener.interest = self.listener.application.gap(self.direction, offset, length, at, self.output);
        }
    }

    fn conflict(&mut self, offset: u64, at: &Arrival) {
        self.listener.application.conflict(self.direction, offset, at);
    }
}
