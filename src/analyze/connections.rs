//! Every connection of an analysis, in order: few as they are, many packed.
//!
//! In come the stores of the shards, in which records are in the order in which connections ended; out they go in the order
//! in which they began. Many do not fit into memory unpacked. Those are spread, unpacked once and packed again, over parts:
//! ranges of the final order, each of which is unpacked and sorted when it is its turn.
//!
//! ```text
//!   shard: by end  ──▶ part 0: first packets 1 to 700     ─┐
//!   shard: by end  ──▶ part 1: first packets 701 to 1500  ─┼─▶ chunks, by begin, causes told
//!         …                  …                            ─┘
//! ```

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::connection::{Block, ConnectionRecord, Place, Store};
use crate::flow::{PacketId, Timestamp};
use crate::limits;

/// Every WebSocket connection and attempt, in order of first packet.
///
/// Go through many of them with [`Self::for_each`] or [`Self::chunks`], which hold a part of them unpacked at a time. It is
/// a `Vec` for whoever uses it as one: then all of them are unpacked, and stay so.
#[derive(Clone, Default)]
pub struct Connections {
    /// All of them, where they are not packed.
    plain: Vec<ConnectionRecord>,
    packed: Option<Packed>,
}

/// Connections that are packed.
#[derive(Clone)]
struct Packed {
    parts: Arc<[Part]>,
    order: Order,
    /// What becomes of each when it is unpacked.
    alterations: Vec<Alteration>,
    /// All of them, once somebody asked for that.
    unpacked: OnceLock<Vec<ConnectionRecord>>,
}

/// A change of a record that depends on no other record.
type Alteration = Arc<dyn Fn(&mut ConnectionRecord) + Send + Sync>;

/// The connections of a range of the order, themselves in no order.
#[derive(Debug, Default)]
struct Part {
    blocks: Vec<Block>,
    length: usize,
}

/// By what connections are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By first packet: those of one file have the order of the file.
    Packet,
    /// By the time of the first packet, then by the packet: those of several files.
    Time,
}

type Key = (Option<Timestamp>, PacketId);

impl Order {
    fn key(self, place: Place) -> Key {
        ((self == Self::Time).then_some(place.opened_at), place.first_packet)
    }

    /// Attempts that begin with the same packet are of one connection, and so in order already: the sort is stable.
    fn sort(self, records: &mut [ConnectionRecord]) {
        records.sort_by_cached_key(|record| self.key(Place::of(record)));
    }
}

impl Connections {
    /// Those of `stores` that `keep` wants, in `order`. It is asked once for each.
    pub(super) fn gather(stores: Vec<Store>, order: Order, keep: impl Fn(&ConnectionRecord) -> bool + Sync) -> Self {
        if stores.iter().any(Store::is_packed) {
            return Self { plain: Vec::new(), packed: Some(Packed::of(stores, order, keep)) };
        }
        let mut plain: Vec<_> = stores.into_iter().flat_map(Store::into_blocks).flatten().filter(keep).collect();
        order.sort(&mut plain);
        plain.into()
    }

    /// Changes each connection, now or when it is unpacked: at any time, in any order, and perhaps more than once.
    pub(crate) fn alter(&mut self, alteration: impl Fn(&mut ConnectionRecord) + Send + Sync + 'static) {
        self.plain.iter_mut().for_each(&alteration);
        if let Some(packed) = &mut self.packed {
            packed.alterations.push(Arc::new(alteration));
            packed.unpacked = OnceLock::new();
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packed.as_ref().map_or(self.plain.len(), Packed::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all of them are in memory as they are.
    #[must_use]
    pub fn are_unpacked(&self) -> bool {
        self.packed.as_ref().is_none_or(|packed| packed.unpacked.get().is_some())
    }

    /// All of them in order, some thousands at a time.
    pub fn chunks(&self) -> impl Iterator<Item = Cow<'_, [ConnectionRecord]>> {
        let plain = self.plain.chunks(limits::CHUNK_RECORDS).map(Cow::Borrowed);
        let packed = self.packed.iter();
        plain.chain(packed.flat_map(|packed| packed.parts.iter().map(|part| Cow::Owned(packed.unpack(part)))))
    }

    /// Shows `take` each connection with its number, in order.
    pub fn for_each(&self, mut take: impl FnMut(u64, &ConnectionRecord)) {
        let mut number = 0;
        for chunk in self.chunks() {
            for record in chunk.iter() {
                take(number, record);
                number += 1;
            }
        }
    }
}

impl Packed {
    fn of(stores: Vec<Store>, order: Order, keep: impl Fn(&ConnectionRecord) -> bool + Sync) -> Self {
        let bounds = bounds(&stores, order);
        let spread: Vec<_> = stores.into_par_iter().map(|store| spread(store, &bounds, order, &keep)).collect();
        let mut parts: Vec<Part> = Vec::new();
        parts.resize_with(bounds.len() + 1, Part::default);
        for shard in spread {
            for (part, store) in parts.iter_mut().zip(shard) {
                part.length += store.len();
                part.blocks.extend(store.into_packed());
            }
        }
        Self { parts: parts.into(), order, alterations: Vec::new(), unpacked: OnceLock::new() }
    }

    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.length).sum()
    }

    /// The connections of `part` in order, as they are to be seen.
    fn unpack(&self, part: &Part) -> Vec<ConnectionRecord> {
        let mut records: Vec<_> = part.blocks.par_iter().flat_map_iter(Block::unpack).collect();
        self.order.sort(&mut records);
        records.par_iter_mut().for_each(|record| self.alterations.iter().for_each(|alter| alter(record)));
        records
    }

    fn unpack_all(&self) -> Vec<ConnectionRecord> {
        self.parts.iter().flat_map(|part| self.unpack(part)).collect()
    }
}

/// Where parts begin, but for the first: so that all are about as long.
fn bounds(stores: &[Store], order: Order) -> Vec<Key> {
    let mut keys: Vec<Key> = stores.iter().flat_map(Store::places).map(|place| order.key(place)).collect();
    keys.par_sort_unstable();
    let length = limits::CHUNK_RECORDS.max(keys.len() / PARTS);
    let mut bounds: Vec<Key> = keys.into_iter().skip(length).step_by(length).collect();
    bounds.dedup();
    bounds
}

/// The records of `store` that `keep` wants by part, packed.
fn spread(store: Store, bounds: &[Key], order: Order, keep: impl Fn(&ConnectionRecord) -> bool) -> Vec<Store> {
    let mut parts: Vec<Store> = Vec::new();
    parts.resize_with(bounds.len() + 1, Store::default);
    for record in store.into_blocks().flatten().filter(keep) {
        let key = order.key(Place::of(&record));
        if let Some(part) = parts.get_mut(bounds.partition_point(|bound| *bound <= key)) {
            part.push(record);
        }
    }
    parts.iter_mut().for_each(Store::pack);
    parts
}

impl Deref for Connections {
    type Target = Vec<ConnectionRecord>;

    fn deref(&self) -> &Self::Target {
        self.packed.as_ref().map_or(&self.plain, |packed| packed.unpacked.get_or_init(|| packed.unpack_all()))
    }
}

impl DerefMut for Connections {
    fn deref_mut(&mut self) -> &mut Self::Target {
        if let Some(mut packed) = self.packed.take() {
            self.plain = packed.unpacked.take().unwrap_or_else(|| packed.unpack_all());
        }
        &mut self.plain
    }
}

impl From<Vec<ConnectionRecord>> for Connections {
    fn from(plain: Vec<ConnectionRecord>) -> Self {
        Self { plain, packed: None }
    }
}

impl IntoIterator for Connections {
    type Item = ConnectionRecord;
    type IntoIter = std::vec::IntoIter<ConnectionRecord>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(self.deref_mut()).into_iter()
    }
}

impl<'a> IntoIterator for &'a Connections {
    type Item = &'a ConnectionRecord;
    type IntoIter = std::slice::Iter<'a, ConnectionRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Connections {
    type Item = &'a mut ConnectionRecord;
    type IntoIter = std::slice::IterMut<'a, ConnectionRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

/// Parts of very many connections. Each shard packs its own of each part, and a few pack badly.
const PARTS: usize = 256;
