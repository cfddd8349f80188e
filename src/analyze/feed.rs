//! Hands what batches hold of a shard to its flow table.
//!
//! In come batches and what they hold, each in the order of capture; out goes everything of the shard, in groups of flows, and in
//! each group in the order of capture. So segments of a flow follow each other as a rule, and what is known of it is looked
//! up once for some of them, and stays in the cache from one to the next.

use crate::connection::Connection;
use crate::limits;
use crate::tcp::{Captured, Content, FlowTable};

use super::contents::{Found, Located};
use super::filter::Filter;
use super::portion::Portion;

/// Hands what `portions` hold of `shard` to its `table`.
pub(super) fn feed(portions: &[Portion], shard: usize, table: &mut FlowTable<Connection>, filter: &Filter) {
    let all = portions.iter().flat_map(|portion| portion.contents.of_shard(shard));
    let mut order = Order::of(all.map(|located| located.group));
    let mut grouped = Vec::new();
    for portion in portions {
        for located in portion.contents.of_shard(shard) {
            let captured = captured(located, portion, filter);
            if grouped.is_empty() {
                // Until each place has its own.
                grouped.resize(order.length, captured);
            }
            if let Some(place) = grouped.get_mut(order.next(located.group)) {
                *place = captured;
            }
        }
    }
    table.take(&grouped);
}

/// What `located` is, which is of `portion`.
#[inline(always)]
fn captured<'a>(located: &'a Located, portion: &'a Portion, filter: &Filter) -> Captured<'a> {
    let content = match &located.found {
        Found::Segment(segment) if filter.wants_segment(&segment.key, located.time) => {
            Content::Segment(segment, portion.contents.tcp_of(located, segment, &portion.batch))
        }
        Found::Segment(segment) => Content::LeftOut(segment),
        Found::Quoted(quoted) => Content::Quoted(quoted),
    };
    Captured { content, packet: located.id, time: located.time }
}

/// Sorting by counting: where the next one of each group goes.
struct Order {
    next: [usize; limits::FLOW_GROUPS],
    /// How many there are.
    length: usize,
}

impl Order {
    /// That of things of these `groups`.
    fn of(groups: impl Iterator<Item = u16>) -> Self {
        let mut next = [0; limits::FLOW_GROUPS];
        for group in groups {
            next[index(group)] += 1;
        }
        let mut length = 0;
        for place in &mut next {
            length += std::mem::replace(place, length);
        }
        Self { next, length }
    }

    /// The place of the next thing of `group`.
    fn next(&mut self, group: u16) -> usize {
        let next = &mut self.next[index(group)];
        *next += 1;
        *next - 1
    }
}

/// A group's index, which it is itself.
fn index(group: u16) -> usize {
    usize::from(group) % limits::FLOW_GROUPS
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_is_by_group_and_stable(groups in vec(0..limits::FLOW_GROUPS as u16, 0..300)) {
            let mut order = Order::of(groups.iter().copied());
            let mut found = vec![None; order.length];
            for (number, group) in groups.iter().enumerate() {
                prop_assert_eq!(found[order.next(*group)].replace((*group, number)), None);
            }
            let mut expected: Vec<_> = groups.into_iter().enumerate().map(|(number, group)| Some((group, number))).collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
