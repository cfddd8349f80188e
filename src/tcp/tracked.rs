//! One flow of the table: what is known of it, and what a segment makes of that.
//!
//! In come its segments, in the order of capture; out go, by way of what is looked into, data, gaps and the end.

use std::collections::VecDeque;

use crate::flow::{FlowKey, PacketId, Timestamp};
use crate::limits;
use crate::packet::{Flags, Quoted, Segment};

use super::checksum::{Experience, checksum};
use super::live::{Ending, Live, index};
use super::past::Finished;
use super::{Application, EndKind, FlowEnd, FlowSpan, FlowStart, Interest, SequenceNumber};

/// A flow, whatever became of it.
pub(super) struct Flow<A> {
    pub(super) start: FlowStart,
    /// Per direction, one less than the sequence number of the first byte; `None` while nothing is known of it.
    pub(super) initial: [Option<SequenceNumber>; 2],
    /// Per direction, the network that it was captured in; `None` while no segment of it was seen.
    pub(super) scopes: [Option<u32>; 2],
    pub(super) end: Option<Box<Ending>>,
    checksums: [Experience; 2],
    /// The file in which it was last seen, looked into or not.
    pub(super) file: u32,
    /// The last packet that was looked into.
    last: PacketId,
    pub(super) last_time: Timestamp,
    /// The files in which the conversation was counted, the latest ones; `None` while there is one only.
    pub(super) files: Option<Box<Files>>,
    /// Segments were left out since the last one that was looked into, or none was seen yet.
    left_out: bool,
    pub(super) state: State<A>,
}

/// Several files that hold packets of one conversation.
pub(super) struct Files(Vec<u32>);

/// What became of a flow; the diagram is that of the table.
pub(super) enum State<A> {
    Silent,
    Live(Box<Live<A>>),
    Ignored,
    Finished(Finished),
}

/// Whether a segment belongs to the connection that its addresses and ports name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// It does.
    None,
    /// It opens another one, which Wireshark counts as a conversation of its own.
    NewConversation,
    /// It is of another one, whose SYN is not in the capture; Wireshark counts it to the same conversation.
    SameConversation,
}

impl Reuse {
    /// What a SYN says, in a direction that began after `known`; `None` of other segments.
    pub(super) fn by_syn(known: Option<SequenceNumber>, has_ended: bool, segment: &Segment) -> Option<Self> {
        let differs = known.is_some_and(|initial| initial != SequenceNumber(segment.sequence));
        segment.flags.has(Flags::SYN).then(|| match (differs, segment.flags.has(Flags::ACK)) {
            (true, false) => Self::NewConversation,
            (true, true) if has_ended => Self::SameConversation,
            _ => Self::None,
        })
    }
}

/// Whether a connection that ended at `ended_at` has lingered by `now`.
pub(super) const fn is_long_ago(ended_at: Timestamp, now: Timestamp) -> bool {
    now.as_nanos().saturating_sub(ended_at.as_nanos()) >= limits::LINGER_NANOS
}

impl Files {
    /// Whether `file` is none of them; from now on it is.
    fn add(&mut self, file: u32) -> bool {
        let Self(files) = self;
        if files.contains(&file) {
            return false;
        }
        if files.len() > limits::OPEN_FILES {
            // So many files ago: it was closed, as a rule.
            files.remove(0);
        }
        files.push(file);
        true
    }
}

impl<A: Application> Flow<A> {
    pub(super) fn new(segment: &Segment, packet: PacketId, time: Timestamp, conversation: PacketId) -> Self {
        let mut flow = Self::unseen(segment.key, packet, time);
        flow.start.conversation = conversation;
        flow.start.syn_seen = segment.flags.has(Flags::SYN);
        flow.scopes[index(segment.direction)] = Some(segment.scope);
        flow.left_out = false;
        flow
    }

    /// A flow of which nothing is known but that it exists, by `packet`.
    pub(super) fn unseen(key: FlowKey, packet: PacketId, time: Timestamp) -> Self {
        Self {
            start: FlowStart { key, packet, time, conversation: packet, syn_seen: false },
            initial: [None; 2],
            scopes: [None; 2],
            end: None,
            checksums: [Experience::default(); 2],
            file: packet.file(),
            last: packet,
            last_time: time,
            files: None,
            left_out: true,
            state: State::Silent,
        }
    }

    /// Whether a segment has its addresses and ports, and its direction was seen in the same network.
    #[inline]
    pub(super) fn is_in_network_of(&self, segment: &Segment) -> bool {
        self.is_seen_in_network_of(segment) && self.start.key == segment.key
    }

    /// Whether the direction of a segment with its addresses and ports was seen in the same network.
    #[inline]
    pub(super) fn is_seen_in_network_of(&self, segment: &Segment) -> bool {
        self.scopes[index(segment.direction)] == Some(segment.scope)
    }

    /// Reads a little of what its next segment will need, so that it is on its way from memory.
    #[inline]
    pub(super) fn touch(&self) {
        if let State::Live(live) = &self.state {
            live.touch();
        }
    }

    /// Whether it is still there only for segments that come late, and has been for long enough by `now`.
    pub(super) fn has_lingered(&self, now: Timestamp) -> bool {
        let over = self.end.as_ref().and_then(|ending| ending.over);
        matches!(self.state, State::Live(_) | State::Ignored) && over.is_some_and(|over| is_long_ago(over, now))
    }

    /// Whether no segment of it was captured, but only quoted ones.
    pub(super) const fn is_unseen(&self) -> bool {
        matches!(self.scopes, [None, None])
    }

    /// Whether Wireshark takes a quoted SYN for one of another connection on the same ports.
    pub(super) fn is_reused_by(&self, quoted: &Quoted) -> bool {
        let opens = quoted.flags.has(Flags::SYN) && !quoted.flags.has(Flags::ACK);
        opens && self.initial[index(quoted.direction)].is_some_and(|initial| initial != SequenceNumber(quoted.sequence))
    }

    /// When the last packet was captured, and which it was.
    pub(super) const fn last_seen(&self) -> (Timestamp, PacketId) {
        (self.last_time, self.last)
    }

    /// Whether the next packet is the conversation's first one in `file`. Files may take turns.
    pub(super) fn enters(&mut self, file: u32) -> bool {
        self.file != file && self.files.get_or_insert_with(|| Box::new(Files(vec![self.file]))).add(file)
    }

    /// Leaves room for a connection that `segment` begins on the same ports: the one that was there before.
    pub(super) fn begin_anew(&mut self, reuse: Reuse, segment: &Segment, packet: PacketId, time: Timestamp) -> Self {
        let same = reuse == Reuse::SameConversation;
        let conversation = if same { self.start.conversation } else { packet };
        let mut old = std::mem::replace(self, Self::new(segment, packet, time, conversation));
        if same {
            self.files = old.files.take();
        }
        old
    }

    /// Whether a FIN or a RST was seen. What is finished has ended: how is not kept.
    const fn has_ended(&self) -> bool {
        self.end.is_some() || matches!(self.state, State::Finished(_))
    }

    /// Whether a segment of the direction that was not seen yet acknowledges about what was seen of the other one.
    pub(super) fn is_answered_by(&self, segment: &Segment) -> bool {
        let acknowledgement = SequenceNumber(segment.acknowledgement);
        let near = |initial: SequenceNumber| {
            (0..=i64::from(limits::STRAGGLER_BYTES)).contains(&acknowledgement.after(initial))
        };
        segment.flags.has(Flags::ACK) && self.initial[1 - index(segment.direction)].is_some_and(near)
    }

    pub(super) fn reuse(&self, segment: &Segment) -> Reuse {
        let known = self.initial[index(segment.direction)];
        if let Some(reuse) = Reuse::by_syn(known, self.has_ended(), segment) {
            return reuse;
        }
        if segment.payload.is_empty() {
            return Reuse::None;
        }
        let live = match &self.state {
            State::Live(live) => live,
            State::Finished(finished) => return finished.reuse(segment),
            State::Silent | State::Ignored => return Reuse::None,
        };
        if live.is_of_another_connection(segment, self.end.as_ref().is_some_and(|ending| ending.is_reset())) {
            Reuse::SameConversation
        } else {
            Reuse::None
        }
    }

    /// Takes a segment that is what nearly all are: of an open connection, the next one of its direction, which acknowledges
    /// nothing that was not captured before. Returns whether it is one; [`Self::take`] would do the same with it, with more
    /// questions.
    #[inline]
    pub(super) fn take_next(
        &mut self,
        segment: &Segment,
        tcp: &[u8],
        packet: PacketId,
        time: Timestamp,
        output: &mut A::Output,
    ) -> bool {
        let usual = matches!(self.initial, [Some(_), Some(_)])
            && self.file == packet.file()
            && self.end.is_none()
            && !self.left_out;
        if !usual || !matches!(&self.state, State::Live(live) if live.is_next(segment)) {
            return false;
        }
        if self.is_damaged(segment, tcp) {
            return true;
        }
        (self.last, self.last_time) = (packet, time);
        let State::Live(live) = &mut self.state else { return true };
        live.set_captured(&self.scopes);
        live.take_next(segment, tcp.get(usize::from(segment.header)..).unwrap_or_default(), packet, time, output);
        if live.interest() == Interest::Ignore {
            self.state = State::Ignored;
        }
        true
    }

    pub(super) fn take(
        &mut self,
        segment: &Segment,
        tcp: Option<&[u8]>,
        packet: PacketId,
        time: Timestamp,
        output: &mut A::Output,
        ended: &mut VecDeque<(Timestamp, FlowKey)>,
    ) {
        self.file = packet.file();
        let Some(tcp) = tcp else {
            self.learn_initial(segment);
            self.left_out = true;
            return;
        };
        if self.is_damaged(segment, tcp) {
            return;
        }
        (self.last, self.last_time) = (packet, time);
        if std::mem::take(&mut self.left_out) && matches!(self.state, State::Silent) {
            self.begin_late(packet, time);
        }
        let payload = tcp.get(usize::from(segment.header)..).unwrap_or_default();
        self.segment(segment, payload, output, ended);
    }

    /// Whether the segment was damaged on its way, so that its receiver dropped it.
    fn is_damaged(&mut self, segment: &Segment, tcp: &[u8]) -> bool {
        let looked_into = matches!(self.state, State::Silent | State::Live(_));
        if !looked_into || segment.cut > 0 || usize::from(segment.header) > tcp.len() {
            return false;
        }
        let experience = &mut self.checksums[index(segment.direction)];
        experience.is_worth_having()
            && checksum(&self.start.key, tcp).is_some_and(|checksum| experience.is_damaged(checksum, tcp.len()))
    }

    /// What came before was left out: it is as if the capture began here.
    fn begin_late(&mut self, packet: PacketId, time: Timestamp) {
        self.initial = [None; 2];
        self.start = FlowStart { packet, time, syn_seen: false, ..self.start };
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
        live.set_captured(&self.scopes);
        live.segment(segment, payload, self.last, self.last_time, output);
        if live.interest() == Interest::Ignore {
            self.state = State::Ignored;
        }
    }

    /// Where each direction begins: at its SYN, else at the first thing that is seen of it.
    fn learn_initial(&mut self, segment: &Segment) {
        let syn = segment.flags.has(Flags::SYN);
        if let [Some(_), Some(_)] = self.initial
            && !syn
        {
            return;
        }
        let sequence = SequenceNumber(segment.sequence);
        let this = index(segment.direction);
        if self.initial[this].is_none() {
            self.begin(this, if syn { sequence } else { sequence.minus(1) });
        }
        if segment.flags.has(Flags::ACK) && self.initial[1 - this].is_none() {
            self.begin(1 - this, SequenceNumber(segment.acknowledgement).minus(1));
        }
        self.start.syn_seen |= syn;
    }

    /// The direction of this index begins after `initial`.
    fn begin(&mut self, direction: usize, initial: SequenceNumber) {
        self.initial[direction] = Some(initial);
        // Data in a SYN (RFC 7413) come before anything is known of the other direction.
        if let State::Live(live) = &mut self.state {
            live.begin(direction, initial, self.start.syn_seen);
        }
    }

    fn note_end(&mut self, segment: &Segment, ended: &mut VecDeque<(Timestamp, FlowKey)>) {
        if matches!(self.state, State::Finished(_)) {
            return;
        }
        let reset = segment.flags.has(Flags::RST);
        if !reset && let Some(ending) = &mut self.end {
            ending.heard_from(segment.direction);
            if matches!(&self.state, State::Live(live) if live.is_news(segment)) {
                let no_end = ending.goes_on(segment.direction, self.last_time);
                self.end.take_if(|_| no_end);
            }
        }
        let kind = if reset { EndKind::Reset } else { EndKind::Fin };
        if !reset && !segment.flags.has(Flags::FIN) {
            return;
        }
        let (packet, time) = (self.last, self.last_time);
        let end = FlowEnd { sender: segment.direction, kind, packet, time, acknowledged: None, perhaps_second: false };
        let second = match &mut self.end {
            Some(ending) => ending.add(end, segment),
            none => {
                *none = Some(Box::new(Ending::new(end, segment)));
                false
            }
        };
        // A half-closed connection may live on for long; only its second end, or a reset, is the end of both.
        if reset || second {
            ended.push_back((time, self.start.key));
            if let Some(ending) = &mut self.end {
                ending.over.get_or_insert(time);
            }
        }
    }

    fn wake(&mut self) {
        self.state = State::Live(Box::new(Live::new(&self.start, self.initial)));
    }

    /// The connection is over; what tells late segments from a new conversation stays.
    pub(super) fn close(&mut self, output: &mut A::Output) {
        let ending = self.end.take().map(|ending| *ending);
        let finished = match std::mem::replace(&mut self.state, State::Silent) {
            State::Live(live) => {
                let span = FlowSpan { first: self.start.packet, last: self.last, scopes: self.scopes };
                Finished::At(live.finish(ending, span, self.last_time, output))
            }
            State::Silent | State::Ignored => Finished::Somewhere,
            State::Finished(finished) => finished,
        };
        self.state = State::Finished(finished);
    }

    pub(super) fn finish(mut self, output: &mut A::Output) {
        self.close(output);
    }
}
