//! Finished connections until they are told: packed, because there can be millions of them.
//!
//! In come records as connections end; out they come again in the same order, a block at a time. The newest ones stay as
//! they are, so that a capture of few connections packs nothing. A full block is encoded, field by field over all its
//! records, and compressed: 100 to 150 bytes a record, evidence and texts included, beside which 16 tell its place. LZ4 takes a
//! third of the time of zstd's fastest level, which leaves a third less.

use crate::flow::{PacketId, Timestamp};
use crate::limits;
use crate::websocket::LikelyCause;

use super::cause::Cause;
use super::packed::Packed;
use super::record::ConnectionRecord;

/// Records in the order in which they were added.
#[derive(Debug, Default)]
pub struct Store {
    blocks: Vec<Block>,
    /// The newest, up to [`limits::PLAIN_RECORDS`].
    recent: Vec<ConnectionRecord>,
    /// Where those that are packed stand among others.
    places: Vec<Place>,
}

impl Store {
    /// Adds `record`.
    pub fn push(&mut self, record: ConnectionRecord) {
        if self.recent.len() >= limits::PLAIN_RECORDS {
            self.pack();
        }
        self.recent.push(record);
    }

    /// Packs the newest, too.
    pub fn pack(&mut self) {
        if !self.recent.is_empty() {
            self.places.extend(self.recent.iter().map(Place::of));
            self.blocks.push(Block::of(&self.recent));
            self.recent.clear();
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() + self.recent.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether some are packed.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Where each stands among others.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.places.iter().copied().chain(self.recent.iter().map(Place::of))
    }

    /// Shows `take` each of them.
    pub fn for_each(&self, mut take: impl FnMut(&ConnectionRecord)) {
        self.blocks.iter().for_each(|block| block.unpack().iter().for_each(&mut take));
        self.recent.iter().for_each(take);
    }

    /// Takes them out again, a block at a time.
    pub fn into_blocks(self) -> impl Iterator<Item = Vec<ConnectionRecord>> {
        let packed = self.blocks.into_iter().map(|block| block.unpack());
        packed.chain(std::iter::once(self.recent))
    }

    /// All of them, packed.
    #[must_use]
    pub fn into_packed(mut self) -> Vec<Block> {
        self.pack();
        self.blocks
    }
}

/// Where a record stands among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// [`ConnectionRecord::opened_at`].
    pub opened_at: Timestamp,
    /// [`ConnectionRecord::first_packet`].
    pub first_packet: PacketId,
}

impl Place {
    /// That of `record`.
    #[must_use]
    pub const fn of(record: &ConnectionRecord) -> Self {
        Self { opened_at: record.opened_at, first_packet: record.first_packet }
    }
}

/// Records that are packed together.
#[derive(Debug)]
pub struct Block {
    records: Packed,
    /// What is no data but words of this program, where there is any: by the index of its record.
    causes: Box<[(u32, Cause)]>,
    /// Of each text that is not UTF-8, in order.
    likely_causes: Box<[Option<LikelyCause>]>,
}

impl Block {
    fn of(records: &[ConnectionRecord]) -> Self {
        let causes = (0..).zip(records).filter_map(|(index, record)| Some((index, record.cause?)));
        let texts = records.iter().flat_map(|record| &record.invalid_utf8);
        Self {
            records: Packed::of(records),
            causes: causes.collect(),
            likely_causes: texts.map(|text| text.likely_cause).collect(),
        }
    }

    /// The records again.
    #[must_use]
    pub fn unpack(&self) -> Vec<ConnectionRecord> {
        let mut records: Vec<ConnectionRecord> = self.records.unpack();
        for (index, cause) in &self.causes {
            if let Some(record) = records.get_mut(*index as usize) {
                record.cause = Some(*cause);
            }
        }
        let texts = records.iter_mut().flat_map(|record| &mut record.invalid_utf8);
        for (text, likely) in texts.zip(&self.likely_causes) {
            text.likely_cause = *likely;
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Activity, CauseKind};
    use crate::dataframe::sample::ConnectionBuilder;
    use crate::flow::Role;
    use crate::tcp::Arrival;

    /// A connection of every sort, with evidence.
    fn records() -> Vec<ConnectionRecord> {
        let mut records: Vec<_> = crate::dataframe::sample::analysis().connections.into_iter().collect();
        for (number, record) in (1..).zip(&mut records) {
            let at = Arrival { packet: PacketId::new(7, number), time: record.opened_at, acknowledged: Some(number) };
            let mut activity = Activity::default();
            activity.bytes(Role::Client, at.time);
            activity.data_frame(Role::Client, number, &at, (true, true, 1 << number));
            activity.ping(Role::Server, &at);
            record.activity = Some(Box::new(activity));
        }
        let mut odd = ConnectionBuilder::new().invalid_text().invalid_text().build();
        odd.invalid_utf8[1].likely_cause = Some(LikelyCause::SPLIT_CHARACTER);
        odd.cause = Some(Cause { kind: CauseKind::TlsHandshake("unknown-ca"), packet: PacketId::new(0, 3) });
        records.push(odd);
        records
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let records = records();
        let block = Block::of(&records);
        assert_eq!(format!("{:?}", block.unpack()), format!("{records:?}"));
        assert!(Block::of(&[]).unpack().is_empty());
    }

    #[test]
    fn records_come_out_in_the_order_in_which_they_came() {
        let mut store = Store::default();
        let sorts = records();
        let added: Vec<_> = sorts.iter().cycle().take(2 * limits::PLAIN_RECORDS + 3).cloned().collect();
        added.iter().cloned().for_each(|record| store.push(record));
        assert!(store.is_packed());
        assert_eq!(store.len(), added.len());
        let places: Vec<_> = added.iter().map(Place::of).collect();
        assert_eq!(store.places().collect::<Vec<_>>(), places);
        let mut seen = Vec::new();
        store.for_each(|record| seen.push(format!("{record:?}")));
        let expected: Vec<_> = added.iter().map(|record| format!("{record:?}")).collect();
        assert!(seen == expected);
        assert!(store.into_blocks().flatten().map(|record| format!("{record:?}")).eq(expected));
    }

    #[test]
    fn few_records_are_not_packed() {
        let mut store = Store::default();
        records().into_iter().for_each(|record| store.push(record));
        assert!(!store.is_packed() && !store.is_empty());
    }

    #[test]
    fn a_packed_record_costs_little() {
        let mut store = Store::default();
        let record = &records()[0];
        (0..=limits::PLAIN_RECORDS).for_each(|_| store.push(record.clone()));
        let bytes = store.blocks[0].records.size() + limits::PLAIN_RECORDS * size_of::<Place>();
        assert!(bytes <= 200 * limits::PLAIN_RECORDS, "{bytes}");
    }
}
