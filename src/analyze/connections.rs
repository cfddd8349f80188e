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
use std::ops::{Deref, DerefMut, Range};
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

    /// All of them in order, some thousands at a time, each time with the number of the first.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, Cow<'_, [ConnectionRecord]>)> {
        self.chunks_of(|_| true)
    }

    /// Those chunks of which `wants` says so by their numbers: others need not be unpacked.
    pub fn chunks_of(
        &self,
        wants: impl Fn(Range<u64>) -> bool + Copy,
    ) -> impl Iterator<Item = (u64, Cow<'_, [ConnectionRecord]>)> {
        let plain = numbered(self.plain.chunks(limits::CHUNK_RECORDS), |chunk| chunk.len());
        let plain = plain.filter(move |(numbers, _)| wants(numbers.clone()));
        let plain = plain.map(|(numbers, chunk)| (numbers.start, Cow::Borrowed(chunk)));
        let packed = self.packed.iter().flat_map(move |packed| {
            let parts = numbered(packed.parts.iter(), |part| part.length);
            let wanted = parts.filter(move |(numbers, _)| wants(numbers.clone()));
            wanted.map(|(numbers, part)| (numbers.start, Cow::Owned(packed.unpack(part))))
        });
        plain.chain(packed)
    }

    /// Shows `take` each connection with its number, in order.
    pub fn for_each(&self, mut take: impl FnMut(u64, &ConnectionRecord)) {
        for (first, chunk) in self.chunks() {
            (first..).zip(chunk.iter()).for_each(|(number, record)| take(number, record));
        }
    }
}

/// Each of `chunks` with the numbers of what is in it.
fn numbered<T>(chunks: impl Iterator<Item = T>, length: impl Fn(&T) -> usize) -> impl Iterator<Item = (Range<u64>, T)> {
    chunks.scan(0, move |next, chunk| {
        let first = *next;
        *next += length(&chunk) as u64;
        Some((first..*next, chunk))
    })
}

#[cfg(test)]
impl Connections {
    /// These, which are in order, packed although they are few.
    pub(crate) fn packed(records: &[ConnectionRecord]) -> Self {
        let mut store = Store::default();
        records.iter().for_each(|record| store.push(record.clone()));
        store.pack();
        Self::gather(vec![store], Order::Packet, |_| true)
    }
}

impl Packed {
    fn of(stores: Vec<Store>, order: Order, keep: impl Fn(&ConnectionRecord) -> bool + Sync) -> Self {
        let bounds = bounds(&stores, order);
        let spread: Vec<_> = stores.into_par_iter().map(|store| spread(store, &bounds, order, &keep)).collect();
        let mut parts: Vec<Part> = Vec::new();
        parts.resize_with(bounds.len() + 1, Part::default);
        for shard in spread {
            for (part, more) in parts.iter_mut().zip(shard) {
                part.length += more.length;
                part.blocks.extend(more.blocks);
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

/// The records of `store` that `keep` wants, by part.
fn spread(store: Store, bounds: &[Key], order: Order, keep: impl Fn(&ConnectionRecord) -> bool) -> Vec<Part> {
    let mut parts: Vec<Store> = Vec::new();
    parts.resize_with(bounds.len() + 1, Store::default);
    for record in store.into_blocks().flatten().filter(keep) {
        let key = order.key(Place::of(&record));
        if let Some(part) = parts.get_mut(bounds.partition_point(|bound| *bound <= key)) {
            part.push(record);
        }
    }
    // At once: what each store has room for besides would be more than what it holds.
    parts.into_iter().map(|store| Part { length: store.len(), blocks: store.into_packed() }).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataframe::sample::ConnectionBuilder;

    /// Connections, of which the number is in the client's port, by first packet and time.
    fn record(number: u16, file: u32, packet: u64, second: i64) -> ConnectionRecord {
        let mut record = ConnectionBuilder::new().build();
        record.first_packet = PacketId::new(file, packet);
        record.opened_at = Timestamp::from_nanos(second * 1_000_000_000);
        record.client = crate::flow::Endpoint::from_v4([10, 0, 0, 1], number);
        record
    }

    fn number(record: &ConnectionRecord) -> u16 {
        record.client.port()
    }

    /// The records in stores, of which the first is full enough to be packed if so many wait at most.
    fn stores(records: &[ConnectionRecord], packed: bool) -> Vec<Store> {
        let mut stores = vec![Store::default(), Store::default(), Store::default()];
        for record in records {
            // Those of one TCP connection are of one shard.
            let shard = record.first_packet.number() as usize % stores.len();
            stores[shard].push(record.clone());
            if packed && stores[shard].len() % 50 == 1 {
                stores[shard].pack();
            }
        }
        stores
    }

    fn gathered(records: &[ConnectionRecord], packed: bool, order: Order) -> Connections {
        let mut connections = Connections::gather(stores(records, packed), order, |record| number(record) % 7 != 3);
        connections.alter(|record| record.missed_bytes += u64::from(number(record)));
        connections
    }

    #[test]
    fn packed_connections_are_those_that_were_not_packed() {
        let total = 2 * limits::CHUNK_RECORDS as u64 + 1000;
        let records: Vec<_> = (0..total)
            .map(|index| {
                let shuffled = index * 7919 % total;
                record(index as u16, (shuffled % 3) as u32, shuffled / 2, 1000 - (shuffled / 5) as i64)
            })
            .collect();
        for order in [Order::Packet, Order::Time] {
            let (plain, packed) = (gathered(&records, false, order), gathered(&records, true, order));
            assert!(packed.packed.is_some() && !packed.are_unpacked());
            assert_eq!(packed.len(), plain.len());
            let told = |connections: &Connections| {
                let mut told = Vec::new();
                connections.for_each(|index, record| told.push((index, number(record), record.missed_bytes)));
                told
            };
            let expected = told(&plain);
            assert!(told(&packed) == expected);
            assert!(packed.chunks().count() > 2 && !packed.are_unpacked());
            let some = packed.chunks_of(|numbers| numbers.contains(&5000)).map(|(first, chunk)| (first, chunk.len()));
            let some: Vec<_> = some.collect();
            let [(first, length)] = some[..] else { panic!("{some:?}") };
            assert!((first..first + length as u64).contains(&5000));
            assert!(packed.iter().map(number).eq(plain.iter().map(number)));
            assert!(packed.are_unpacked());
            assert!(
                packed.into_iter().map(|record| number(&record)).eq(plain.into_iter().map(|record| number(&record)))
            );
        }
    }

    #[test]
    fn changing_one_unpacks_all() {
        let records: Vec<_> = (0..100).map(|index| record(index, 0, u64::from(index), 0)).collect();
        let mut packed = gathered(&records, true, Order::Packet);
        packed[2].complete = false;
        assert!(packed.are_unpacked());
        assert_eq!(packed.iter().filter(|record| !record.complete).count(), 1);
        packed.alter(|record| record.complete = false);
        assert!(packed.iter().all(|record| !record.complete));
    }

    proptest! {
        #[test]
        fn order_is_by_place_and_stable(places in proptest::collection::vec((0..2_u32, 0..40_u64, 0..3_i64), 0..200)) {
            let records: Vec<_> = (0..).zip(&places).map(|(index, place)| record(index, place.0, place.1, place.2)).collect();
            for order in [Order::Packet, Order::Time] {
                let mut expected: Vec<_> = records.iter().filter(|record| number(record) % 7 != 3).collect();
                expected.sort_by_key(|record| (order.key(Place::of(record)), record.first_packet.number() % 3));
                let packed = gathered(&records, true, order);
                prop_assert!(packed.iter().map(number).eq(expected.into_iter().map(number)));
            }
        }
    }
}
