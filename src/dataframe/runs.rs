//! Events of all connections in order of capture, although connections come in order of their first packets.
//!
//! In come the events of one connection after the other; out they go by file, packet and connection, a part at a time. Many
//! are sorted in runs, which are packed, and merged at the end, so that no more than a little of each run is unpacked at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::marker::PhantomData;
use std::vec;

use super::event::Event;
use crate::connection::Packed;
use crate::flow::PacketId;
use crate::limits;
use crate::websocket::LikelyCause;

/// Events while they are gathered, each with the number of its connection.
#[derive(Debug)]
pub(super) struct Events<E> {
    /// The latest, in no order.
    recent: Vec<(u64, E)>,
    runs: Vec<Run<E>>,
}

impl<E> Default for Events<E> {
    fn default() -> Self {
        Self { recent: Vec::new(), runs: Vec::new() }
    }
}

impl<E: Event> Events<E> {
    /// Takes in the events of the connection of that number; to be done in their order.
    pub(super) fn add(&mut self, number: u64, events: impl IntoIterator<Item = E>) {
        if self.recent.len() >= limits::PLAIN_EVENTS {
            self.seal();
        }
        self.recent.extend(events.into_iter().map(|event| (number, event)));
    }

    /// Sorts and packs the latest.
    fn seal(&mut self) {
        sort(&mut self.recent);
        self.runs.push(Run::of(&self.recent));
        self.recent.clear();
    }

    /// All of them in order of capture: by file, packet, connection, and as each connection has them.
    pub(super) fn parts(mut self) -> impl Iterator<Item = Vec<(u64, E)>> {
        if !self.runs.is_empty() {
            self.seal();
        }
        sort(&mut self.recent);
        let mut recent = self.recent.into_iter();
        let mut merged = Merged::of(self.runs);
        std::iter::from_fn(move || {
            let mut part: Vec<_> = recent.by_ref().take(limits::CHUNK_RECORDS).collect();
            if part.is_empty() {
                part.extend(merged.by_ref().take(limits::CHUNK_RECORDS));
            }
            (!part.is_empty()).then_some(part)
        })
    }
}

/// The sort is stable, which keeps the order of connections and that within each.
fn sort<E: Event>(events: &mut [(u64, E)]) {
    events.sort_by_key(|(_, event)| event.place().0);
}

/// Events in order, packed. All events of a connection are in one run.
#[derive(Debug)]
struct Run<E> {
    blocks: vec::IntoIter<Block>,
    unpacked: vec::IntoIter<(u64, E)>,
}

/// Events that are packed together.
#[derive(Debug)]
struct Block {
    events: Packed,
    words: Box<[Option<LikelyCause>]>,
}

impl<E: Event> Run<E> {
    fn of(events: &[(u64, E)]) -> Self {
        let block = |events: &[(u64, E)]| Block {
            events: Packed::of(events),
            words: events.iter().map(|(_, event)| event.word()).filter(|_| has_words(events)).collect(),
        };
        let blocks: Vec<_> = events.chunks(limits::PACKED_EVENTS).map(block).collect();
        Self { blocks: blocks.into_iter(), unpacked: Vec::new().into_iter() }
    }

    /// Where the next event is in the order of all.
    fn next_place(&mut self) -> Option<(PacketId, u64)> {
        if self.unpacked.as_slice().is_empty() {
            let Block { events, words } = self.blocks.next()?;
            let mut events: Vec<(u64, E)> = events.unpack();
            for ((_, event), word) in events.iter_mut().zip(words) {
                event.set_word(word);
            }
            self.unpacked = events.into_iter();
        }
        let (number, event) = self.unpacked.as_slice().first()?;
        Some((event.place().0, *number))
    }
}

/// Whether any of `events` has a word.
fn has_words<E: Event>(events: &[(u64, E)]) -> bool {
    events.iter().any(|(_, event)| event.word().is_some())
}

/// The events of several runs as one.
struct Merged<E> {
    runs: Vec<Run<E>>,
    /// Where the next event of each run is, and which run that is.
    next: BinaryHeap<Reverse<(PacketId, u64, usize)>>,
    events: PhantomData<E>,
}

impl<E: Event> Merged<E> {
    fn of(mut runs: Vec<Run<E>>) -> Self {
        let places = runs.iter_mut().enumerate().filter_map(|(index, run)| {
            let (packet, number) = run.next_place()?;
            Some(Reverse((packet, number, index)))
        });
        let next = places.collect();
        Self { runs, next, events: PhantomData }
    }
}

impl<E: Event> Iterator for Merged<E> {
    type Item = (u64, E);

    fn next(&mut self) -> Option<(u64, E)> {
        let Reverse((_, _, index)) = self.next.pop()?;
        let run = self.runs.get_mut(index)?;
        let event = run.unpacked.next();
        self.next.extend(run.next_place().map(|(packet, number)| Reverse((packet, number, index))));
        event
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::connection::InvalidUtf8;
    use crate::dataframe::sample::ConnectionBuilder;

    /// A text in that packet, that is told from others by its offset.
    fn text(packet: u64, offset: u64) -> InvalidUtf8 {
        let mut text = ConnectionBuilder::new().invalid_text().build().invalid_utf8.remove(0);
        (text.packet, text.byte_offset) = (PacketId::new(0, packet), offset);
        text.likely_cause = offset.is_multiple_of(3).then_some(LikelyCause::SPLIT_CHARACTER);
        text
    }

    proptest! {
        #[test]
        fn merged_runs_are_as_if_sorted_at_once(
            packets in proptest::collection::vec(proptest::collection::vec(1..20_u64, 0..5), 0..40),
            seals in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let mut events = Events::default();
            let mut expected = Vec::new();
            let mut offset = 0;
            for ((number, packets), seal) in (0..).zip(packets).zip(seals) {
                let texts: Vec<_> = packets.into_iter().map(|packet| { offset += 1; text(packet, offset) }).collect();
                expected.extend(texts.iter().map(|text| (number, text.clone())));
                events.add(number, texts);
                if seal {
                    events.seal();
                }
            }
            expected.sort_by_key(|(_, text)| text.packet);
            let found: Vec<_> = events.parts().flatten().collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn many_events_are_packed_and_come_in_parts() {
        let mut events = Events::default();
        let total = 2 * limits::PLAIN_EVENTS as u64 + 100;
        (0..total).for_each(|number| events.add(number, [text(total - number, number)]));
        assert_eq!(events.runs.len(), 2);
        let parts: Vec<_> = events.parts().collect();
        assert!(parts.iter().all(|part| part.len() <= limits::CHUNK_RECORDS) && parts.len() > 2);
        assert!(parts.iter().flatten().map(|(number, _)| *number).eq((0..total).rev()));
    }
}
