//! The connections of one shard: finds a segment's connection, follows its state, feeds its application.
//!
//! ```text
//!             SYN, or first segment        first payload            not interested
//!   (nothing) ───────────────────▶ Silent ───────────────▶ Live ───────────────────▶ Ignored
//!                                                            │ linger after FIN+FIN or RST  │
//!                                                            ▼                              │
//!                                                         Finished ◀────────────────────────┘
//!                                                            │ nothing unusual
//!                                                            ▼
//!                                                           Past, which is Finished again with the first unusual segment
//!   any state ── SYN with another initial number: the ports are used again ──▶ a new connection
//! ```
//!
//! A connection without payload costs its entry only. What counts as a conversation follows Wireshark, so that
//! `tcp.stream` can be told.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::flow::{FlowKey, PacketId, Timestamp};
use crate::limits;
use crate::packet::{Quoted, Segment};

use super::live::index;
use super::past::Past;
use super::tracked::{Flow, Reuse, is_long_ago};
use super::{Application, Captured, Content};

/// The connections of one shard, each with its application.
pub struct FlowTable<A: Application> {
    /// Boxed, so that a table that grows moves pointers only, and its empty places cost next to nothing.
    flows: HashTable<Box<Flow<A>>>,
    /// Those that are over.
    past: HashTable<Box<Past>>,
    /// Seeded anew in each run, so that nobody can aim collisions at it.
    hasher: RandomState,
    /// Connections that ended and linger for stragglers, in order of their end.
    ended: VecDeque<(Timestamp, FlowKey)>,
    /// The first packets of conversations, since they were last taken.
    conversations: Vec<PacketId>,
    output: A::Output,
}

impl<A: Application> Default for FlowTable<A> {
    fn default() -> Self {
        Self {
            flows: HashTable::new(),
            past: HashTable::new(),
            hasher: RandomState::default(),
            ended: VecDeque::new(),
            conversations: Vec::new(),
            output: A::Output::default(),
        }
    }
}

impl<A: Application> FlowTable<A> {
    /// What the applications work with.
    pub const fn output_mut(&mut self) -> &mut A::Output {
        &mut self.output
    }

    /// What was captured next: of each flow in the order of capture. It takes least where what is of one flow stands together.
    pub fn take(&mut self, captured: &[Captured<'_>]) {
        let Some(earliest) = captured.iter().map(|captured| captured.time).min() else { return };
        self.finish_lingering(earliest);
        let mut runs = captured.chunk_by(|one, next| one.key() == next.key());
        let mut ahead = Vec::with_capacity(limits::FLOWS_AHEAD);
        loop {
            // Each flow may have to come from memory. So all of them are asked for, step by step, before one is waited for.
            let first_of_each = runs.by_ref().filter_map(|run| Some((run.first()?, run)));
            ahead.extend(first_of_each.take(limits::FLOWS_AHEAD).map(|(first, run)| {
                let hash = self.hasher.hash_one(first.key());
                (run, hash, self.place_of(first, hash))
            }));
            if ahead.is_empty() {
                return;
            }
            for (.., place) in &ahead {
                self.touch(*place);
            }
            for (run, hash, place) in ahead.drain(..) {
                self.take_run(run, hash, place);
            }
        }
    }

    /// The place of a segment's flow, if it was seen in its network.
    fn place_of(&self, captured: &Captured<'_>, hash: u64) -> Option<usize> {
        let Content::Segment(segment, _) = captured.content else { return None };
        place_in_network(&self.flows, hash, segment)
    }

    /// Asks for what the next segment of the flow at `place` will need.
    fn touch(&self, place: Option<usize>) {
        if let Some(flow) = place.and_then(|place| self.flows.get_bucket(place)) {
            flow.touch();
        }
    }

    /// All of one flow, the key of which has this `hash`. It was at `place`, but the table may have changed since.
    fn take_run(&mut self, run: &[Captured<'_>], hash: u64, place: Option<usize>) {
        let key = run.first().map(Captured::key);
        let is_its = |place: &usize| self.flows.get_bucket(*place).is_some_and(|flow| Some(&flow.start.key) == key);
        let (mut rest, mut place) = (run, place.filter(is_its));
        loop {
            rest = self.take_usual(rest, place);
            let Some((captured, behind)) = rest.split_first() else { return };
            place = self.take_any(captured, hash, place);
            rest = behind;
        }
    }

    /// What nearly all segments are, as long as `run` has nothing else; a flow with its key is at `place`. Returns the rest.
    fn take_usual<'a, 'b>(&mut self, run: &'a [Captured<'b>], place: Option<usize>) -> &'a [Captured<'b>] {
        let mut rest = run;
        let Some(flow) = place.and_then(|place| self.flows.get_bucket_mut(place)) else { return rest };
        while let Some((Captured { content: Content::Segment(segment, tcp), packet, time }, behind)) =
            rest.split_first()
            && flow.is_seen_in_network_of(segment)
            && flow.take_next(segment, tcp, *packet, *time, &mut self.output)
        {
            rest = behind;
        }
        rest
    }

    /// Anything; a flow with its key is at `place`. Returns where one is now, if that is known.
    fn take_any(&mut self, captured: &Captured<'_>, hash: u64, place: Option<usize>) -> Option<usize> {
        let (packet, time) = (captured.packet, captured.time);
        let (segment, tcp) = match captured.content {
            Content::Segment(segment, tcp) => (segment, Some(tcp)),
            Content::LeftOut(segment) => (segment, None),
            Content::Quoted(quoted) => {
                self.quoted(quoted, hash, packet, time);
                return None;
            }
        };
        let is_its =
            |place: &usize| self.flows.get_bucket(*place).is_some_and(|flow| flow.is_seen_in_network_of(segment));
        if let Some(place) = place.filter(is_its) {
            self.follow(place, segment, tcp, packet, time);
            return Some(place);
        }
        let mut place = place_in_network(&self.flows, hash, segment);
        if place.is_none()
            && let Ok(mut past) = self.past.find_entry(hash, |past| past.is_in_network_of(segment))
        {
            if past.get_mut().takes_late(segment, packet, time) {
                return None;
            }
            let (past, _) = past.remove();
            place = Some(self.insert(hash, past.into_flow()));
        }
        let place = place.or_else(|| place_elsewhere(&self.flows, hash, segment));
        match place {
            Some(place) => self.follow(place, segment, tcp, packet, time),
            None => self.begin(hash, segment, tcp, packet, time),
        }
        place
    }

    /// The first segment of a flow.
    fn begin(&mut self, hash: u64, segment: &Segment, tcp: Option<&[u8]>, packet: PacketId, time: Timestamp) {
        self.make_room();
        self.conversations.push(packet);
        let mut flow = Flow::new(segment, packet, time, packet);
        flow.take(segment, tcp, packet, time, &mut self.output, &mut self.ended);
        self.insert(hash, flow);
    }

    /// Any segment of the flow at `place`, or of one that comes after it.
    fn follow(&mut self, place: usize, segment: &Segment, tcp: Option<&[u8]>, packet: PacketId, time: Timestamp) {
        let Some(flow) = self.flows.get_bucket_mut(place) else { return };
        if flow.has_lingered(time) {
            flow.close(&mut self.output);
        }
        flow.scopes[index(segment.direction)] = Some(segment.scope);
        let reuse = flow.reuse(segment);
        if reuse == Reuse::NewConversation || flow.enters(packet.file()) {
            self.conversations.push(packet);
        }
        if reuse != Reuse::None {
            flow.begin_anew(reuse, segment, packet, time).finish(&mut self.output);
        }
        flow.take(segment, tcp, packet, time, &mut self.output, &mut self.ended);
    }

    /// Returns the place of `flow` from now on.
    fn insert(&mut self, hash: u64, flow: Flow<A>) -> usize {
        let hasher = &self.hasher;
        self.flows.insert_unique(hash, Box::new(flow), |flow| hasher.hash_one(flow.start.key)).bucket_index()
    }

    fn quoted(&mut self, quoted: &Quoted, hash: u64, packet: PacketId, time: Timestamp) {
        // In any network: the error travels against the segment, and maybe in another one.
        let mut place = self.flows.find_bucket_index(hash, |flow| flow.start.key == quoted.key);
        if place.is_none()
            && let Ok(past) = self.past.find_entry(hash, |past| past.key == quoted.key)
        {
            let (past, _) = past.remove();
            place = Some(self.insert(hash, past.into_flow()));
        }
        if let Some(flow) = place.and_then(|place| self.flows.get_bucket_mut(place)) {
            if flow.enters(packet.file()) || flow.is_reused_by(quoted) {
                self.conversations.push(packet);
            }
            flow.file = packet.file();
            return;
        }
        self.make_room();
        self.conversations.push(packet);
        self.insert(hash, Flow::unseen(quoted.key, packet, time));
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

    /// Ends what has lingered by `now`. What is asked of a flow before that asks for this, too.
    fn finish_lingering(&mut self, now: Timestamp) {
        while let Some((_, key)) = self.ended.pop_front_if(|(ended_at, _)| is_long_ago(*ended_at, now)) {
            let hash = self.hasher.hash_one(key);
            // The ports may be in use again: then the newer connection has an end of its own, or none yet.
            let is_over = |flow: &Flow<A>| flow.has_lingered(now) || Past::of(flow).is_some();
            let Ok(mut flow) = self.flows.find_entry(hash, |flow| flow.start.key == key && is_over(flow)) else {
                continue;
            };
            flow.get_mut().close(&mut self.output);
            if let Some(past) = Past::of(flow.get()) {
                flow.remove();
                let hasher = &self.hasher;
                self.past.insert_unique(hash, Box::new(past), |past| hasher.hash_one(past.key));
            }
        }
    }

    /// Keeps the table within its limit: the half that was idle longest is forgotten.
    fn make_room(&mut self) {
        if self.flows.len() + self.past.len() < limits::FLOWS_PER_SHARD {
            return;
        }
        let flows = self.flows.iter().map(|flow| flow.last_seen());
        let mut last_seen: Vec<_> = flows.chain(self.past.iter().map(|past| past.last_seen())).collect();
        let middle = last_seen.len() / 2;
        let (_, median, _) = last_seen.select_nth_unstable(middle);
        let median = *median;
        self.past.retain(|past| past.last_seen() > median);
        let idle: Vec<Box<Flow<A>>> = self.flows.extract_if(|flow| flow.last_seen() <= median).collect();
        for flow in idle {
            flow.finish(&mut self.output);
        }
    }
}

/// The place of the flow with a segment's addresses of which that direction was seen in the same network. There is one at
/// most: another one is taken only where there is none.
fn place_in_network<A: Application>(flows: &HashTable<Box<Flow<A>>>, hash: u64, segment: &Segment) -> Option<usize> {
    flows.find_bucket_index(hash, |flow| flow.is_in_network_of(segment))
}

/// The place of a segment's connection where none was seen in the segment's own network: one of which nothing was seen in this
/// direction yet and whose numbers fit, because the directions may be captured in different networks.
fn place_elsewhere<A: Application>(flows: &HashTable<Box<Flow<A>>>, hash: u64, segment: &Segment) -> Option<usize> {
    let this = index(segment.direction);
    let place = |fits: &dyn Fn(&Flow<A>) -> bool| {
        flows.find_bucket_index(hash, |flow| flow.start.key == segment.key && fits(flow))
    };
    place(&|flow| flow.scopes[this].is_none() && flow.scopes[1 - this] == Some(segment.scope))
        .or_else(|| place(&|flow| flow.is_unseen() || flow.scopes[this].is_none() && flow.is_answered_by(segment)))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::flow::{Direction, Endpoint};
    use crate::packet::Flags;
    use crate::tcp::tracked::State;
    use crate::tcp::{Arrival, FlowStart, FlowSummary, Interest};

    const CLIENT: Direction = Direction::FromLow;
    const SERVER: Direction = Direction::FromHigh;
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    const SYN_ACK: u8 = 0x12;
    const FIN_ACK: u8 = 0x11;
    const RST: u8 = 0x04;

    /// An application that notes what it is told. One whose first bytes are `ssh` is none of its business.
    struct Notes(Vec<String>);

    impl Application for Notes {
        type Output = Vec<String>;

        fn new(start: &FlowStart) -> Self {
            let syn = if start.syn_seen { "syn" } else { "no syn" };
            Self(vec![format!("from {} of {}, {syn}", start.packet.number(), start.conversation.number())])
        }

        fn data(&mut self, from: Direction, offset: u64, bytes: &[u8], at: &Arrival, _: &mut Self::Output) -> Interest {
            self.0.push(format!("{} {offset} {}", name(from), bytes.escape_ascii()));
            if bytes == b"when" {
                self.0.push(format!("at {at:?}"));
            }
            if bytes == b"ssh" { Interest::Ignore } else { Interest::Keep }
        }

        fn gap(&mut self, from: Direction, offset: u64, length: u64, _: &Arrival, _: &mut Self::Output) -> Interest {
            self.0.push(format!("{} {offset} gap {length}", name(from)));
            Interest::Keep
        }

        fn conflict(&mut self, from: Direction, offset: u64, _: &Arrival) {
            self.0.push(format!("{} {offset} conflict", name(from)));
        }

        fn finish(mut self, summary: &FlowSummary, output: &mut Self::Output) {
            self.0.push(match summary.end {
                Some(end) => {
                    let second = if end.perhaps_second { ", perhaps second" } else { "" };
                    format!("{:?} of {} in {}{second}", end.kind, name(end.sender), end.packet.number())
                }
                None => format!("open at {}", summary.span.last.number()),
            });
            for direction in [CLIENT, SERVER] {
                let end = summary.end_of(direction);
                // With a FIN of both, or a RST, that is what is expected.
                if summary.end.is_some() && !end.over {
                    self.0.push(format!("{} goes on", name(direction)));
                }
                if end.fin_in_gap {
                    self.0.push(format!("{} FIN in gap", name(direction)));
                }
            }
            if self.0.iter().any(|note| note.starts_with("at ")) {
                self.0.push(format!("{summary:?}"));
            }
            output.push(self.0.join("; "));
        }
    }

    fn name(from: Direction) -> &'static str {
        if from == CLIENT { "client" } else { "server" }
    }

    /// A table that is fed packet by packet, a millisecond apart.
    #[derive(Default)]
    struct Wire {
        table: FlowTable<Notes>,
        file: u32,
        number: u64,
        now: i64,
        way: Way,
        /// What was sent and not taken.
        sent: Vec<(Segment, Vec<u8>, PacketId, Timestamp)>,
    }

    /// How a table takes what is sent.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    enum Way {
        /// Each at once.
        #[default]
        OneByOne,
        /// Each at once, and nothing for what nearly all segments are.
        Carefully,
        /// Some at a time, those of each flow together.
        ByFlow,
    }

    impl Wire {
        /// The next packet: flags, sequence and acknowledgement number, payload.
        fn send(
            &mut self,
            from: Direction,
            flags: u8,
            sequence: u32,
            acknowledgement: u32,
            payload: &[u8],
        ) -> &mut Self {
            self.send_on(1, from, flags, sequence, acknowledgement, payload)
        }

        /// The same of the connection of another client.
        fn send_on(
            &mut self,
            client: u16,
            from: Direction,
            flags: u8,
            sequence: u32,
            acknowledgement: u32,
            payload: &[u8],
        ) -> &mut Self {
            let low = Endpoint::from_v4([10, 0, 0, 1], client);
            let segment = Segment {
                key: FlowKey::of(low, Endpoint::from_v4([10, 0, 0, 2], 80)).0,
                scope: 0,
                header: 0,
                direction: from,
                flags: Flags(flags),
                sequence,
                acknowledgement,
                payload: 0..payload.len() as u32,
                cut: 0,
            };
            self.number += 1;
            self.now += 1_000_000;
            let (packet, time) = (PacketId::new(self.file, self.number), Timestamp::from_nanos(self.now));
            self.sent.push((segment, payload.to_vec(), packet, time));
            if self.way != Way::ByFlow {
                self.take();
            }
            self
        }

        /// The table takes what was sent.
        fn take(&mut self) {
            self.sent.sort_by_key(|(segment, ..)| segment.key.low());
            let captured: Vec<_> = self
                .sent
                .iter()
                .map(|(segment, payload, packet, time)| Captured {
                    content: Content::Segment(segment, payload),
                    packet: *packet,
                    time: *time,
                })
                .collect();
            if self.way == Way::Carefully {
                for captured in &captured {
                    self.table.finish_lingering(captured.time);
                    let hash = self.table.hasher.hash_one(captured.key());
                    self.table.take_any(captured, hash, None);
                }
            } else {
                self.table.take(&captured);
            }
            self.sent.clear();
        }

        /// SYN, SYN and ACK, ACK, with initial numbers 100 and 500.
        fn open(&mut self) -> &mut Self {
            self.send(CLIENT, SYN, 100, 0, b"").send(SERVER, SYN_ACK, 500, 101, b"").send(CLIENT, ACK, 101, 501, b"")
        }

        /// What the analysis asks after each batch.
        fn conversations(&mut self) -> Vec<(u32, u64)> {
            self.table.take_conversations().map(|packet| (packet.file(), packet.number())).collect()
        }

        fn seconds_pass(&mut self, seconds: i64) -> &mut Self {
            self.now += seconds * 1_000_000_000;
            self
        }

        fn next_file(&mut self) -> &mut Self {
            self.file += 1;
            self.number = 0;
            self
        }

        fn end(self) -> Vec<String> {
            self.table.finish()
        }

        fn states(&self) -> Vec<&'static str> {
            let past = self.table.past.iter().map(|_| "past");
            self.table.flows.iter().map(|flow| state_name(&flow.state)).chain(past).collect()
        }
    }

    fn state_name<A>(state: &State<A>) -> &'static str {
        match state {
            State::Silent => "silent",
            State::Live(_) => "live",
            State::Ignored => "ignored",
            State::Finished(_) => "finished",
        }
    }

    #[test]
    fn whole_connection_is_told_from_its_first_packet_to_its_first_end() {
        let mut wire = Wire::default();
        wire.open()
            .send(CLIENT, ACK, 101, 501, b"abc")
            .send(SERVER, ACK, 501, 104, b"de")
            .send(SERVER, FIN_ACK, 503, 104, b"f")
            .send(CLIENT, FIN_ACK, 104, 505, b"");
        assert_eq!(wire.conversations(), [(0, 1)]);
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 abc; server 0 de; server 2 f; Fin of server in 6"]);
    }

    /// A segment: from the client, which flags, how far its number and what it acknowledges lie from what is expected, its
    /// payload, and the seconds before it.
    type Step = (bool, u8, i32, i32, usize, i64);

    fn step() -> impl Strategy<Value = Step> {
        let flags = prop_oneof![12 => Just(ACK), 1 => Just(FIN_ACK), 1 => Just(RST), 1 => Just(SYN), 1 => Just(0)];
        let near = || prop_oneof![8 => Just(0), 1 => -6..6_i32, 1 => Just(-1_000_000)];
        let seconds = prop_oneof![9 => Just(0), 1 => 0..100_i64];
        (any::<bool>(), flags, near(), near(), 0..5_usize, seconds)
    }

    /// A table that has taken `steps`, each of a flow, of which the first so many were opened before. After each in `pauses`
    /// it took what there was.
    fn taken(way: Way, steps: &[(usize, Step)], opened: usize, pauses: &[usize]) -> Wire {
        let mut wire = Wire { way, ..Wire::default() };
        // What each end of each flow sends next.
        let mut next = [[101_u32, 501]; 3];
        for client in 0..opened as u16 {
            wire.send_on(client, CLIENT, SYN, 100, 0, b"").send_on(client, SERVER, SYN_ACK, 500, 101, b"");
        }
        for (index, &(flow, (client, flags, wrong, unheard, payload, seconds))) in steps.iter().enumerate() {
            let (from, own) = if client { (CLIENT, 0) } else { (SERVER, 1) };
            let payload = [&b""[..], b"a", b"bc", b"when", b"ssh"][payload];
            let heard = next[flow][1 - own].wrapping_add_signed(unheard);
            wire.seconds_pass(seconds);
            wire.send_on(flow as u16, from, flags, next[flow][own].wrapping_add_signed(wrong), heard, payload);
            next[flow][own] = next[flow][own].wrapping_add_signed(wrong.max(0)).wrapping_add(payload.len() as u32);
            if pauses.contains(&index) {
                wire.take();
            }
        }
        wire.take();
        wire
    }

    proptest! {
        #[test]
        fn shortcut_changes_nothing(steps in vec(step(), 0..60), opened in 0..2_usize) {
            let steps: Vec<_> = steps.into_iter().map(|step| (0, step)).collect();
            let told = [Way::OneByOne, Way::Carefully].map(|way| {
                let mut wire = taken(way, &steps, opened, &[]);
                (wire.conversations(), wire.states().concat(), wire.end())
            });
            prop_assert_eq!(&told[0], &told[1]);
        }

        #[test]
        fn order_of_flows_changes_nothing(
            steps in vec((0..3_usize, step()), 0..100),
            opened in 0..4_usize,
            pauses in vec(0..100_usize, 0..10),
        ) {
            let told = [Way::Carefully, Way::ByFlow].map(|way| {
                let mut wire = taken(way, &steps, opened, &pauses);
                let mut conversations = wire.conversations();
                let mut ends = wire.end();
                conversations.sort_unstable();
                ends.sort_unstable();
                (conversations, ends)
            });
            prop_assert_eq!(&told[0], &told[1]);
        }
    }

    #[test]
    fn connection_without_payload_has_no_application() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, RST, 101, 0, b"");
        assert_eq!(wire.states(), ["silent"]);
        assert_eq!(wire.end(), [""; 0]);
    }

    #[test]
    fn syn_may_carry_data() {
        let mut wire = Wire::default();
        wire.send(CLIENT, SYN, 100, 0, b"abc").send(SERVER, SYN_ACK, 500, 104, b"de").send(CLIENT, ACK, 104, 503, b"f");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 abc; server 0 de; client 3 f; open at 3"]);
    }

    #[test]
    fn retransmitted_syn_opens_nothing_new() {
        let mut wire = Wire::default();
        wire.send(CLIENT, SYN, 100, 0, b"").send(CLIENT, SYN, 100, 0, b"").send(SERVER, SYN_ACK, 500, 101, b"");
        wire.send(SERVER, SYN_ACK, 500, 101, b"").send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, SYN, 100, 0, b"");
        assert_eq!(wire.conversations(), [(0, 1)]);
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; open at 6"]);
    }

    #[test]
    fn syn_with_another_initial_number_uses_the_ports_again() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, SYN, 90_000, 0, b"");
        wire.send(SERVER, SYN_ACK, 700, 90_001, b"").send(CLIENT, ACK, 90_001, 701, b"b");
        assert_eq!(wire.conversations(), [(0, 1), (0, 5)]);
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; open at 4", "from 5 of 5, syn; client 0 b; open at 7"]);
    }

    #[test]
    fn ports_may_be_used_again_without_a_syn_in_the_capture() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(SERVER, RST, 501, 0, b"");
        wire.send(CLIENT, ACK, 90_000_001, 44, b"b");
        assert_eq!(wire.conversations(), [(0, 1)], "Wireshark sees one");
        let told = wire.end();
        assert_eq!(
            told,
            ["from 1 of 1, syn; client 0 a; Reset of server in 5", "from 6 of 1, no syn; client 0 b; open at 6"]
        );
    }

    #[test]
    fn ports_used_again_are_told_by_numbers_that_jump() {
        let first = |wire: &mut Wire| {
            wire.open().send(CLIENT, ACK, 101, 501, b"a").send(SERVER, ACK, 501, 102, b"b");
        };
        // Backwards in both directions, or beyond any window in one.
        for (sequence, acknowledgement) in [(3_000_000_000, 3_500_000_000), (50_000_000, 3_500_000_000)] {
            let mut wire = Wire::default();
            first(&mut wire);
            wire.send(CLIENT, ACK, sequence, acknowledgement, b"new");
            let told =
                ["from 1 of 1, syn; client 0 a; server 0 b; open at 5", "from 6 of 1, no syn; client 0 new; open at 6"];
            assert_eq!(wire.end(), told);
        }
        // The capture may have paused for so long, and a stray has one wrong number.
        for (sequence, acknowledgement) in [(50_000_000, 60_000_000), (3_000_000_000, 502), (102, 3_000_000_000)] {
            let mut wire = Wire::default();
            first(&mut wire);
            wire.send(CLIENT, ACK, sequence, acknowledgement, b"x");
            assert_eq!(wire.end().len(), 1, "{sequence} {acknowledgement}");
        }
    }

    #[test]
    fn bytes_behind_both_fins_are_of_another_connection_however_near() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, FIN_ACK, 101, 501, b"a").send(SERVER, FIN_ACK, 501, 103, b"b");
        wire.send(CLIENT, ACK, 103, 503, b"")
            .send(CLIENT, ACK, 101, 501, b"a")
            .send(CLIENT, ACK, 65_639, 7_000, b"new");
        assert_eq!(wire.end()[0], "from 1 of 1, syn; client 0 a; server 0 b; Fin of client in 4");
        let mut wire = Wire::default();
        wire.open().send(CLIENT, FIN_ACK, 101, 501, b"a").send(SERVER, ACK, 501, 103, b"b");
        wire.send(SERVER, ACK, 502, 103, b"c");
        let told = "from 1 of 1, syn; client 0 a; server 0 b; server 1 c; Fin of client in 4; server goes on";
        assert_eq!(wire.end(), [told], "a half-closed connection");
    }

    #[test]
    fn first_fin_is_the_one_that_the_other_acknowledges() {
        let mut wire = Wire::default();
        wire.open()
            .send(CLIENT, ACK, 101, 501, b"a")
            .send(CLIENT, FIN_ACK, 102, 502, b"")
            .send(SERVER, FIN_ACK, 501, 102, b"");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; Fin of server in 6"], "recorded in the wrong order");
        let mut wire = Wire::default();
        wire.open()
            .send(CLIENT, ACK, 101, 501, b"a")
            .send(CLIENT, FIN_ACK, 102, 501, b"")
            .send(SERVER, FIN_ACK, 501, 102, b"");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; Fin of client in 5"], "they crossed");
    }

    #[test]
    fn fin_that_the_capture_lost_is_known_by_its_acknowledgement() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, FIN_ACK, 102, 502, b"");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; Fin of server in 5"]);
        let mut wire = Wire::default();
        wire.open()
            .send(CLIENT, ACK, 101, 501, b"a")
            .send(CLIENT, FIN_ACK, 102, 501, b"")
            .send(CLIENT, ACK, 103, 502, b"");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; Fin of client in 5"]);
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, FIN_ACK, 102, 508, b"");
        let told = "from 1 of 1, syn; client 0 a; server 0 gap 7; Fin of client in 5, perhaps second; server goes on; \
                    server FIN in gap";
        assert_eq!(wire.end(), [told]);
    }

    #[test]
    fn reset_that_both_ends_outlive_was_none() {
        let forged = |wire: &mut Wire| {
            wire.open().send(CLIENT, ACK, 101, 501, b"a").send(SERVER, RST, 400, 0, b"").seconds_pass(1);
        };
        let mut wire = Wire::default();
        forged(&mut wire);
        wire.send(SERVER, ACK, 501, 102, b"b").send(CLIENT, ACK, 102, 502, b"c");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; server 0 b; client 1 c; open at 7"]);
        // What one end goes on to say, the other one does not hear any more.
        let mut wire = Wire::default();
        forged(&mut wire);
        wire.send(SERVER, ACK, 501, 102, b"b").send(CLIENT, RST, 102, 0, b"").send(SERVER, ACK, 501, 102, b"b");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; server 0 b; Reset of server in 5"]);
    }

    #[test]
    fn end_that_is_silent_while_the_other_repeats_its_fin_has_vanished() {
        let half_closed = |silence: i64, from: Direction| {
            let mut wire = Wire::default();
            wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, FIN_ACK, 102, 501, b"").seconds_pass(silence);
            wire.send(from, ACK, 102, 501, b"");
            wire.end().remove(0)
        };
        assert_eq!(half_closed(11, CLIENT), "from 1 of 1, syn; client 0 a; Fin of client in 5");
        assert_eq!(half_closed(5, CLIENT), "from 1 of 1, syn; client 0 a; Fin of client in 5; server goes on");
        assert_eq!(half_closed(11, SERVER), "from 1 of 1, syn; client 0 a; Fin of client in 5; server goes on");
    }

    #[test]
    fn straggler_of_a_connection_that_is_over_belongs_to_it() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(SERVER, RST, 501, 0, b"").send(CLIENT, ACK, 102, 501, b"b");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; client 1 b; Reset of server in 5"]);
    }

    #[test]
    fn connection_from_before_the_capture_begins_at_its_first_packet() {
        let mut wire = Wire::default();
        wire.send(SERVER, ACK, 7_001, 3_001, b"xy").send(CLIENT, ACK, 3_001, 7_003, b"z");
        assert_eq!(wire.conversations(), [(0, 1)]);
        assert_eq!(wire.end(), ["from 1 of 1, no syn; server 0 xy; client 0 z; open at 2"]);
    }

    #[test]
    fn connection_of_which_one_side_was_captured_has_gaps_on_neither() {
        let mut wire = Wire::default();
        wire.send(SERVER, SYN_ACK, 500, 101, b"").send(SERVER, ACK, 501, 101, b"ab").send(SERVER, ACK, 503, 101, b"c");
        assert_eq!(wire.end(), ["from 1 of 1, syn; server 0 ab; server 2 c; open at 3"]);
    }

    #[test]
    fn acknowledgements_show_what_the_unseen_side_sent() {
        let mut wire = Wire::default();
        wire.send(SERVER, SYN_ACK, 500, 101, b"").send(SERVER, ACK, 501, 101, b"ab").send(SERVER, ACK, 503, 161, b"c");
        assert_eq!(wire.end(), ["from 1 of 1, syn; server 0 ab; client 0 gap 60; server 2 c; open at 3"]);
    }

    #[test]
    fn simultaneous_open_is_one_connection() {
        let mut wire = Wire::default();
        wire.send(CLIENT, SYN, 100, 0, b"").send(SERVER, SYN, 500, 0, b"");
        wire.send(CLIENT, SYN_ACK, 100, 501, b"").send(SERVER, SYN_ACK, 500, 101, b"");
        wire.send(CLIENT, ACK, 101, 501, b"a").send(SERVER, ACK, 501, 102, b"b");
        assert_eq!(wire.conversations(), [(0, 1)]);
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; server 0 b; open at 6"]);
    }

    #[test]
    fn bytes_in_a_reset_are_no_data() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(SERVER, RST | ACK, 501, 102, b"no listener");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; Reset of server in 5"]);
    }

    #[test]
    fn hole_is_a_gap_some_packets_after_the_peer_acknowledges_it() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"ab").send(CLIENT, ACK, 105, 501, b"ef");
        wire.send(SERVER, ACK, 501, 107, b"").seconds_pass(1).send(SERVER, ACK, 501, 107, b"x");
        wire.send(CLIENT, ACK, 103, 501, b"cd");
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 ab; client 2 gap 2; client 4 ef; server 0 x; open at 8"]);
    }

    #[test]
    fn answer_recorded_before_its_request_waits_for_it() {
        let told = ["from 1 of 1, syn; client 0 question; server 0 ans; server 3 wer; client 8 more; open at 7"];
        let mut wire = Wire::default();
        wire.open().send(SERVER, ACK, 501, 109, b"ans").send(SERVER, ACK, 504, 109, b"wer");
        wire.send(CLIENT, ACK, 101, 501, b"question").send(CLIENT, ACK, 109, 507, b"more");
        assert_eq!(wire.end(), told);
    }

    #[test]
    fn answer_does_not_wait_for_a_request_that_was_lost() {
        let mut wire = Wire::default();
        wire.open().send(SERVER, ACK, 501, 109, b"answer").send(CLIENT, ACK, 109, 507, b"more").seconds_pass(1);
        wire.send(SERVER, ACK, 507, 113, b"then");
        let told = "from 1 of 1, syn; client 0 gap 8; server 0 answer; client 8 more; server 6 then; open at 6";
        assert_eq!(wire.end(), [told]);
    }

    #[test]
    fn neither_direction_waits_for_ever_where_both_have_holes() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 103, 511, b"c").send(SERVER, ACK, 520, 104, b"s");
        wire.send(CLIENT, ACK, 104, 521, b"d").seconds_pass(1).send(SERVER, ACK, 521, 105, b"t");
        wire.send(CLIENT, ACK, 105, 522, b"");
        let [told] = wire.table.finish().try_into().unwrap();
        let server = "server 0 gap 10; server 10 gap 9; server 19 s";
        let expected =
            format!("from 1 of 1, syn; client 0 gap 2; {server}; client 2 c; client 3 d; server 20 t; open at 8");
        assert_eq!(told, expected);
    }

    #[test]
    fn arrival_tells_what_its_sender_had_received() {
        struct Acknowledged;
        impl Application for Acknowledged {
            type Output = Vec<Option<u64>>;
            fn new(_: &FlowStart) -> Self {
                Self
            }
            fn data(&mut self, _: Direction, _: u64, _: &[u8], at: &Arrival, output: &mut Self::Output) -> Interest {
                output.push(at.acknowledged);
                Interest::Keep
            }
            fn gap(&mut self, _: Direction, _: u64, _: u64, _: &Arrival, _: &mut Self::Output) -> Interest {
                Interest::Keep
            }
            fn conflict(&mut self, _: Direction, _: u64, _: &Arrival) {}
            fn finish(self, _: &FlowSummary, _: &mut Self::Output) {}
        }
        let mut table = FlowTable::<Acknowledged>::default();
        let key = FlowKey::of(Endpoint::from_v4([10, 0, 0, 1], 1), Endpoint::from_v4([10, 0, 0, 2], 80)).0;
        let mut send = |direction, flags, sequence, acknowledgement, payload: &[u8]| {
            let payload_range = 0..payload.len() as u32;
            let flags = Flags(flags);
            let segment = Segment {
                key,
                scope: 0,
                header: 0,
                direction,
                flags,
                sequence,
                acknowledgement,
                payload: payload_range,
                cut: 0,
            };
            let content = Content::Segment(&segment, payload);
            table.take(&[Captured { content, packet: PacketId::new(0, 1), time: Timestamp::default() }]);
        };
        send(CLIENT, SYN, 100, 0, b"");
        send(SERVER, SYN_ACK, 500, 101, b"");
        send(CLIENT, ACK, 101, 501, b"abc");
        send(SERVER, ACK, 501, 103, b"de");
        send(CLIENT, ACK, 104, 503, b"f");
        assert_eq!(table.finish(), [Some(0), Some(2), Some(2)]);
    }

    #[test]
    fn ignored_flow_keeps_nothing_but_its_entry() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"ssh").send(SERVER, ACK, 501, 104, b"more");
        assert_eq!(wire.states(), ["ignored"]);
        assert_eq!(wire.conversations(), [(0, 1)]);
        assert_eq!(wire.end(), [""; 0]);
    }

    #[test]
    fn ports_of_an_ignored_flow_may_be_used_again() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"ssh").send(CLIENT, SYN, 9_000, 0, b"");
        wire.send(CLIENT, ACK, 9_001, 1, b"http");
        assert_eq!(wire.conversations(), [(0, 1), (0, 5)]);
        assert_eq!(wire.end(), ["from 5 of 5, syn; client 0 http; open at 6"]);
    }

    #[test]
    fn connection_is_finished_when_it_has_lingered_after_both_ends() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, FIN_ACK, 101, 501, b"a").seconds_pass(60).send(SERVER, FIN_ACK, 501, 103, b"b");
        assert_eq!(wire.states(), ["live"], "a half-closed connection may last");
        wire.send_on(2, CLIENT, SYN, 1, 0, b"");
        assert_eq!(wire.table.output, [""; 0], "stragglers may come");
        wire.seconds_pass(5).send_on(2, CLIENT, ACK, 2, 1, b"");
        assert_eq!(wire.table.output, ["from 1 of 1, syn; client 0 a; server 0 b; Fin of client in 4"]);
        assert_eq!(wire.end().len(), 1, "it is told once");
    }

    #[test]
    fn late_segment_of_a_finished_connection_is_no_new_conversation() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, RST, 102, 0, b"").seconds_pass(6);
        wire.send(SERVER, ACK, 501, 102, b"").send(SERVER, RST, 501, 0, b"");
        assert_eq!(wire.conversations(), [(0, 1)]);
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; Reset of client in 5"]);
    }

    #[test]
    fn little_is_kept_of_what_is_over() {
        for (payload, told) in [(b"a".as_slice(), 1), (b"ssh", 0)] {
            let mut wire = Wire::default();
            wire.open().send(CLIENT, ACK, 101, 501, payload).send(SERVER, RST, 501, 0, b"");
            wire.seconds_pass(5).send_on(2, CLIENT, SYN, 1, 0, b"");
            assert_eq!((wire.states(), wire.table.output.len()), (vec!["silent", "past"], told));
            wire.send(CLIENT, SYN, 9_000, 0, b"").send(CLIENT, ACK, 9_001, 1, b"b");
            assert_eq!(wire.states().len(), 2);
            assert_eq!(wire.conversations(), [(0, 1), (0, 6), (0, 7)]);
            assert_eq!(wire.end().last().unwrap(), "from 7 of 7, syn; client 0 b; open at 8");
        }
    }

    #[test]
    fn bytes_sent_again_long_after_the_end_are_of_no_connection() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"abc").send(CLIENT, RST, 104, 0, b"").seconds_pass(6);
        wire.send(CLIENT, ACK, 101, 501, b"abc").send_on(2, CLIENT, SYN, 1, 0, b"");
        wire.seconds_pass(600).send(CLIENT, ACK, 102, 501, b"bc").send(SERVER, ACK, 501, 104, b"");
        let told = "from 1 of 1, syn; client 0 abc; Reset of client in 5";
        assert_eq!(wire.table.output, [told]);
        // But what goes on after a reset is of a connection of which that was not the end.
        wire.send(CLIENT, ACK, 103, 501, b"cd");
        assert_eq!(wire.conversations(), [(0, 1), (0, 7)]);
        assert_eq!(wire.end(), [told, "from 10 of 1, no syn; client 0 cd; open at 10"]);
    }

    #[test]
    fn what_is_over_counts_in_each_file_in_which_it_is_seen() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, RST, 102, 0, b"").seconds_pass(6);
        wire.send_on(2, CLIENT, SYN, 1, 0, b"");
        assert_eq!(wire.states(), ["silent", "past"]);
        wire.next_file();
        wire.send(SERVER, RST, 501, 0, b"").send(SERVER, RST, 501, 0, b"");
        assert_eq!(wire.conversations(), [(0, 1), (0, 6), (1, 1)]);
    }

    #[test]
    fn what_is_quoted_of_a_connection_that_is_over_is_no_new_conversation() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, RST, 102, 0, b"").seconds_pass(6);
        wire.send_on(2, CLIENT, SYN, 1, 0, b"");
        assert_eq!((wire.states(), wire.conversations()), (vec!["silent", "past"], vec![(0, 1), (0, 6)]));
        let key = wire.table.past.iter().map(|past| past.key).next().unwrap();
        let mut quote = |number, flags, sequence| {
            let quoted = Quoted { key, direction: CLIENT, flags: Flags(flags), sequence };
            let content = Content::Quoted(&quoted);
            wire.table.take(&[Captured {
                content,
                packet: PacketId::new(0, number),
                time: Timestamp::from_nanos(wire.now),
            }]);
            wire.conversations()
        };
        assert_eq!(quote(7, ACK, 101), []);
        assert_eq!(quote(8, SYN, 100), []);
        assert_eq!(quote(9, SYN, 9_000), [(0, 9)]);
    }

    #[test]
    fn newer_connection_on_the_same_ports_is_not_ended_with_the_older_one() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").send(CLIENT, RST, 102, 0, b"");
        wire.send(CLIENT, SYN, 7_000, 0, b"").send(CLIENT, ACK, 7_001, 1, b"b").seconds_pass(6);
        wire.send(CLIENT, ACK, 7_002, 1, b"c");
        let expected = "from 6 of 6, syn; client 0 b; client 1 c; open at 8";
        assert_eq!(wire.end(), ["from 1 of 1, syn; client 0 a; Reset of client in 5", expected]);
    }

    #[test]
    fn connection_goes_on_in_the_next_file_where_it_is_a_conversation_too() {
        let mut wire = Wire::default();
        wire.open().send(CLIENT, ACK, 101, 501, b"a").next_file();
        wire.send(CLIENT, ACK, 102, 501, b"b").send(SERVER, FIN_ACK, 501, 103, b"");
        assert_eq!(wire.conversations(), [(0, 1), (1, 1)]);
        let told = "from 1 of 1, syn; client 0 a; client 1 b; Fin of server in 2; client goes on";
        assert_eq!(wire.end(), [told]);
    }

    #[test]
    fn files_that_take_turns_count_a_conversation_once_each() {
        let mut wire = Wire::default();
        wire.open();
        for turn in 0..6 {
            wire.file = turn % 3;
            wire.send(CLIENT, ACK, 101 + turn, 501, b"a");
        }
        assert_eq!(wire.conversations(), [(0, 1), (1, 5), (2, 6)]);
        // A connection of its own on the same ports begins anew in each of them.
        wire.file = 1;
        wire.send(CLIENT, SYN, 90_000, 0, b"");
        wire.file = 2;
        wire.send(CLIENT, SYN, 90_000, 0, b"").send(SERVER, SYN_ACK, 7000, 90_001, b"");
        assert_eq!(wire.conversations(), [(1, 10), (2, 11)]);
    }

    #[test]
    fn idlest_half_is_ended_when_there_are_too_many_flows() {
        let mut wire = Wire::default();
        for client in 0..limits::FLOWS_PER_SHARD as u16 {
            wire.send_on(client, CLIENT, ACK, 1, 1, b"a");
        }
        wire.send_on(0, CLIENT, ACK, 2, 1, b"b");
        assert_eq!(wire.table.flows.len(), limits::FLOWS_PER_SHARD);
        wire.send_on(60_000, CLIENT, ACK, 1, 1, b"new");
        assert_eq!(wire.table.flows.len(), limits::FLOWS_PER_SHARD / 2);
        let ended = wire.table.output.len();
        assert_eq!(ended, limits::FLOWS_PER_SHARD / 2 + 1);
        assert!(wire.table.output.contains(&"from 2 of 2, no syn; client 0 a; open at 2".to_owned()));
        let rest = wire.end().split_off(ended);
        assert!(rest.contains(&"from 1 of 1, no syn; client 0 a; client 1 b; open at 16385".to_owned()));
        assert_eq!(rest.len(), limits::FLOWS_PER_SHARD / 2);
    }

    #[test]
    fn what_is_over_counts_among_too_many_flows() {
        let mut wire = Wire::default();
        for client in 0..limits::FLOWS_PER_SHARD as u16 {
            wire.send_on(client, CLIENT, ACK, 1, 1, b"a").send_on(client, SERVER, ACK, 1, 2, b"b");
            wire.send_on(client, CLIENT, RST, 2, 1, b"");
        }
        wire.seconds_pass(6).send_on(0, CLIENT, ACK, 2, 1, b"");
        assert_eq!((wire.table.flows.len(), wire.table.past.len()), (0, limits::FLOWS_PER_SHARD));
        wire.send_on(60_000, CLIENT, ACK, 1, 1, b"new");
        let oldest = wire.table.past.iter().map(|past| past.last_seen().1.number()).min();
        assert_eq!((wire.states().len(), oldest), (limits::FLOWS_PER_SHARD / 2, Some(1)));
        assert_eq!(wire.end().len(), limits::FLOWS_PER_SHARD + 1);
    }
}
