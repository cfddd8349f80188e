//! Hands what batches hold of a shard to its flow table.
//!
//! In come the batches' pieces, each in the order of capture; out goes everything of the shard, in groups of flows, and in
//! each group in the order of capture. So segments of a flow follow each other as a rule, and what is known of it is looked
//! up once for some of them, and stays in the cache from one to the next.

use crate::connection::Connection;
use crate::limits;
use crate::tcp::{Captured, Content, FlowTable};

use super::filter::Filter;
use super::piece::{Found, Located};
use super::pipeline::Portion;

/// Hands what `portions` hold of `shard` to its `table`.
pub(super) fn feed(portions: &[Portion], shard: usize, table: &mut FlowTable<Connection>, filter: &Filter) {
    let mut order = Order::of(portions.iter().flat_map(|portion| portion.of_shard(shard)));
    let mut grouped = Vec::new();
    for portion in portions {
        for piece in portion.pieces() {
            for located in piece.of_shard(shard) {
                let (packet, time) = (located.id, located.time);
                let content = match &located.found {
                    Found::Segment(segment) if filter.wants_segment(&segment.key, time) => {
                        Content::Segment(segment, piece.tcp_of(located, segment, &portion.batch))
                    }
                    Found::Segment(segment) => Content::LeftOut(segment),
                    Found::Quoted(quoted) => Content::Quoted(quoted),
                };
                let captured = Captured { content, packet, time };
                if grouped.is_empty() {
                    grouped.resize(order.length(), captured);
                }
                if let Some(place) = grouped.get_mut(order.next(located)) {
                    *place = captured;
                }
            }
        }
    }
    table.take(&grouped);
}

/// Where the next one of each group goes: sorting by counting.
struct Order {
    next: [u32; limits::FLOW_GROUPS],
    length: usize,
}

impl Order {
    fn of<'a>(all: impl Iterator<Item = &'a Located>) -> Self {
        let mut next = [0; limits::FLOW_GROUPS];
        for located in all {
            next[usize::from(located.group) % limits::FLOW_GROUPS] += 1;
        }
        let mut length = 0;
        for place in &mut next {
            length += std::mem::replace(place, length);
        }
        Self { next, length: length as usize }
    }

    const fn length(&self) -> usize {
        self.length
    }

    /// The place of `located`, the next one of its group.
    fn next(&mut self, located: &Located) -> usize {
        let next = &mut self.next[usize::from(located.group) % limits::FLOW_GROUPS];
        *next += 1;
        *next as usize - 1
    }
}
