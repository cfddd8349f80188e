//! What can be done next, by any thread.
//!
//! ```text
//!   Read ──▶ Decode ──▶ some portions in a row: Reassemble ──▶ one queue for each shard, in order ──▶ Take
//!     ▲      in any order          one after the other                                                 │
//!     └──────────────────────── spare, once every shard has taken them ◀───────────────────────────────┘
//! ```
//!
//! There is one at a time who reads, one who reassembles, and one at each shard, who has its table. So shards take everything
//! in the order in which it was read, however many threads there are. And nobody waits for all others: who is done with one
//! thing goes on with whatever is there.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits;

/// Something to do now. When it is done, that is told to [`Jobs`].
#[derive(Debug)]
pub(super) enum Job<P, T> {
    /// Fill this with what comes next; then [`Jobs::have_read`], or [`Jobs::have_read_all`] if nothing came.
    Read(P),
    /// Decode this; then [`Jobs::have_decoded`].
    Decode(Place, P),
    /// Put together what these have in fragments; then [`Jobs::have_reassembled`].
    Reassemble(Vec<P>),
    /// Give these to the table, which is that of the shard with this index; then [`Jobs::have_taken`].
    Take(usize, T, Arc<Vec<P>>),
}

/// Where a portion belongs: the number of its set, and its index there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u64, usize);

/// What there is to do, of portions `P` and shards with tables `T`.
pub(super) struct Jobs<P, T> {
    threads: usize,
    reading: Reading,
    /// Sets that were begun and that not all shards have taken.
    under_way: usize,
    spare: Vec<P>,
    /// What was read, until somebody decodes it.
    raw: VecDeque<(Place, P)>,
    /// What was read and is not reassembled yet, in order.
    sets: VecDeque<Set<P>>,
    /// The number of the first of them.
    first: u64,
    reassembling: bool,
    shards: Vec<Shard<P, T>>,
}

enum Reading {
    /// Nobody does; that thread was the last one.
    Waits(usize),
    /// That thread does.
    Reads(usize),
    /// There is nothing more.
    Done,
}

/// Portions that the shards take at once.
struct Set<P> {
    /// `None` until it is decoded.
    portions: Vec<Option<P>>,
    bytes: usize,
    /// Nothing is added any more.
    full: bool,
}

struct Shard<P, T> {
    /// `None` while it takes something.
    table: Option<T>,
    waiting: VecDeque<Arc<Vec<P>>>,
    /// How many sets it has taken, or is taking.
    taken: u64,
    /// The thread that it was with last, and in whose cache it may be.
    thread: usize,
}

impl<P: Default, T> Jobs<P, T> {
    /// To read everything with so many `threads`, and to give it to the shards with these `tables`.
    pub(super) fn new(threads: usize, tables: impl IntoIterator<Item = T>) -> Self {
        let shard = |table| Shard { table: Some(table), waiting: VecDeque::new(), taken: 0, thread: 0 };
        Self {
            threads,
            reading: Reading::Waits(0),
            under_way: 0,
            spare: Vec::new(),
            raw: VecDeque::new(),
            sets: VecDeque::new(),
            first: 0,
            reassembling: false,
            shards: tables.into_iter().map(shard).collect(),
        }
    }

    /// What `thread` should do next; `None` if there is nothing, or if it reads.
    ///
    /// Who read last goes on with that, as long as others keep up, and what they do not decode it has in its cache. Others
    /// make room first.
    pub(super) fn next(&mut self, thread: usize) -> Option<Job<P, T>> {
        let reads = match self.reading {
            Reading::Reads(reading) if reading == thread => return None,
            Reading::Waits(last) => last == thread,
            Reading::Reads(_) | Reading::Done => false,
        };
        if reads && self.raw.len() + 1 < self.threads {
            self.read(thread).or_else(|| self.decode()).or_else(|| self.reassemble()).or_else(|| self.take(thread))
        } else if reads {
            self.decode().or_else(|| self.reassemble()).or_else(|| self.take(thread)).or_else(|| self.read(thread))
        } else {
            self.reassemble().or_else(|| self.take(thread)).or_else(|| self.decode()).or_else(|| self.read(thread))
        }
    }

    fn read(&mut self, thread: usize) -> Option<Job<P, T>> {
        let Reading::Waits(_) = self.reading else { return None };
        // One thread alone takes what it has just read; others are at one set while the next is read.
        let room = self.under_way < limits::SETS_UNDER_WAY.min(self.threads);
        if !room && self.sets.back().is_none_or(|set| set.full) {
            return None;
        }
        self.reading = Reading::Reads(thread);
        Some(Job::Read(self.spare.pop().unwrap_or_default()))
    }

    fn decode(&mut self) -> Option<Job<P, T>> {
        self.raw.pop_front().map(|(place, portion)| Job::Decode(place, portion))
    }

    fn reassemble(&mut self) -> Option<Job<P, T>> {
        if self.reassembling {
            return None;
        }
        let set = self.sets.pop_front_if(|set| set.full && set.portions.iter().all(Option::is_some))?;
        self.first += 1;
        self.reassembling = true;
        Some(Job::Reassemble(set.portions.into_iter().flatten().collect()))
    }

    fn take(&mut self, thread: usize) -> Option<Job<P, T>> {
        let index = self.shard_for(thread)?;
        let shard = self.shards.get_mut(index)?;
        let (table, set) = shard.table.take().zip(shard.waiting.pop_front())?;
        shard.taken += 1;
        shard.thread = thread;
        Some(Job::Take(index, table, set))
    }

    /// Of the shards that something waits for, one of those that are behind the others, so that there is room again soon. Of
    /// these the first one that `thread` had, or else the last one, which another thread comes to last.
    fn shard_for(&self, thread: usize) -> Option<usize> {
        let waiting = || self.shards.iter().enumerate().filter(|(_, shard)| shard.waits());
        let behind = waiting().map(|(_, shard)| shard.taken).min()?;
        let mut own = waiting().filter(|(_, shard)| shard.taken == behind && shard.thread == thread);
        let mut any = waiting().filter(|(_, shard)| shard.taken == behind);
        own.next().or_else(|| any.next_back()).map(|(index, _)| index)
    }

    /// `portion` was filled with so many `bytes`.
    pub(super) fn have_read(&mut self, portion: P, bytes: usize) {
        if let Reading::Reads(thread) = self.reading {
            self.reading = Reading::Waits(thread);
        }
        if self.sets.back().is_none_or(|set| set.full) {
            self.sets.push_back(Set { portions: Vec::new(), bytes: 0, full: false });
            self.under_way += 1;
        }
        let number = self.first + self.sets.len() as u64 - 1;
        if let Some(set) = self.sets.back_mut() {
            self.raw.push_back((Place(number, set.portions.len()), portion));
            set.portions.push(None);
            set.bytes += bytes;
            set.full = set.portions.len() >= limits::BATCHES_AT_ONCE
                || set.bytes >= limits::BATCHES_AT_ONCE * limits::BATCH_BYTES;
        }
    }

    /// Nothing was left to read.
    pub(super) fn have_read_all(&mut self) {
        self.reading = Reading::Done;
        if let Some(set) = self.sets.back_mut() {
            set.full = true;
        }
    }

    /// `portion`, which belongs to `place`, was decoded.
    pub(super) fn have_decoded(&mut self, Place(set, index): Place, portion: P) {
        let set = usize::try_from(set - self.first).ok().and_then(|index| self.sets.get_mut(index));
        if let Some(place) = set.and_then(|set| set.portions.get_mut(index)) {
            *place = Some(portion);
        }
    }

    /// Every shard is to take `portions`.
    pub(super) fn have_reassembled(&mut self, portions: Vec<P>) {
        self.reassembling = false;
        let set = Arc::new(portions);
        for shard in &mut self.shards {
            shard.waiting.push_back(Arc::clone(&set));
        }
    }

    /// The shard with that index has taken `set`. Returns its portions if all have; they belong to [`Self::add_spare`].
    pub(super) fn have_taken(&mut self, shard: usize, table: T, set: Arc<Vec<P>>) -> Option<Vec<P>> {
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.table = Some(table);
        }
        Arc::into_inner(set)
    }

    /// These are not needed any more, so that others can be read.
    pub(super) fn add_spare(&mut self, portions: Vec<P>) {
        self.under_way -= 1;
        self.spare.extend(portions);
    }

    /// The tables, of which none is at work any more.
    pub(super) fn into_tables(self) -> impl Iterator<Item = T> {
        self.shards.into_iter().filter_map(|shard| shard.table)
    }
}

impl<P, T> Shard<P, T> {
    fn waits(&self) -> bool {
        self.table.is_some() && !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::mem;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Done = Vec<usize>;

    const SHARDS: usize = 5;
    const MEBIBYTE: usize = limits::BATCH_BYTES;

    fn jobs(threads: usize) -> Jobs<usize, Done> {
        Jobs::new(threads, vec![Done::new(); SHARDS])
    }

    /// Does `job`; there are so many portions to read, of so many bytes.
    fn done(jobs: &mut Jobs<usize, Done>, job: Job<usize, Done>, read: &mut usize, (total, bytes): (usize, usize)) {
        match job {
            Job::Read(_) if *read == total => jobs.have_read_all(),
            Job::Read(_) => {
                *read += 1;
                jobs.have_read(*read, bytes);
            }
            Job::Decode(place, portion) => jobs.have_decoded(place, portion),
            Job::Reassemble(set) => jobs.have_reassembled(set),
            Job::Take(shard, mut table, set) => {
                table.extend(set.iter());
                if let Some(portions) = jobs.have_taken(shard, table, set) {
                    jobs.add_spare(portions);
                }
            }
        }
    }

    proptest! {
        /// Threads ask for jobs and are done with them in any order; in the end one does the rest alone.
        #[test]
        fn every_shard_takes_everything_in_order(
            steps in vec((0..4_usize, any::<bool>()), 0..400),
            threads in 1..5_usize,
            total in 0..20_usize,
            bytes in prop_oneof![Just(1), Just(MEBIBYTE), Just(9 * MEBIBYTE)],
        ) {
            let (mut jobs, mut read) = (jobs(threads), 0);
            let mut at_work: Vec<Option<Job<usize, Done>>> = (0..4).map(|_| None).collect();
            let finish = (0..4).map(|thread| (thread, false));
            let alone = std::iter::repeat_n((0, true), 20 * (total + 1) * SHARDS);
            for (thread, asks) in steps.into_iter().chain(finish).chain(alone) {
                match at_work[thread].take() {
                    Some(job) => done(&mut jobs, job, &mut read, (total, bytes)),
                    None if asks => at_work[thread] = jobs.next(thread),
                    None => {}
                }
                let at_work = || at_work.iter().flatten();
                prop_assert!(at_work().filter(|job| matches!(job, Job::Read(_))).count() <= 1);
                prop_assert!(at_work().filter(|job| matches!(job, Job::Reassemble(_))).count() <= 1);
                prop_assert!(jobs.under_way <= limits::SETS_UNDER_WAY);
            }
            prop_assert!(at_work.iter().all(Option::is_none) && jobs.next(0).is_none());
            prop_assert_eq!(jobs.under_way, 0);
            let expected: Done = (1..=total).collect();
            prop_assert_eq!(jobs.into_tables().collect::<Vec<_>>(), vec![expected; SHARDS]);
        }

        #[test]
        fn sets_end_with_their_number_or_their_bytes(sizes in vec(1..3 * MEBIBYTE, 1..40)) {
            let (mut jobs, mut sizes, mut sets, mut bytes) = (jobs(1), sizes.into_iter().enumerate(), Vec::new(), 0);
            while let Some(job) = jobs.next(0) {
                match job {
                    Job::Read(_) => match sizes.next() {
                        Some((number, size)) => {
                            bytes += size;
                            jobs.have_read(number, size);
                        }
                        None => jobs.have_read_all(),
                    },
                    Job::Reassemble(set) => {
                        sets.push((set.len(), mem::take(&mut bytes)));
                        jobs.have_reassembled(set);
                    }
                    job => done(&mut jobs, job, &mut 0, (0, 0)),
                }
            }
            let most = limits::BATCHES_AT_ONCE;
            prop_assert!(sets.iter().all(|(length, bytes)| *length <= most && *bytes < (most + 3) * MEBIBYTE));
            sets.pop();
            prop_assert!(sets.iter().all(|(length, bytes)| *length == most || *bytes >= most * MEBIBYTE));
        }
    }

    #[test]
    fn one_thread_alone_decodes_what_it_has_just_read() {
        let (mut jobs, mut read, mut order) = (jobs(1), 0, String::new());
        while let Some(job) = jobs.next(0) {
            order.push(match job {
                Job::Read(_) => 'r',
                Job::Decode(..) => 'd',
                Job::Reassemble(_) => '-',
                Job::Take(..) => 't',
            });
            done(&mut jobs, job, &mut read, (5, MEBIBYTE));
        }
        assert_eq!(order, "rdrdrdrd-tttttrdr-ttttt");
    }

    #[test]
    fn whoever_reads_goes_on_while_another_one_decodes() {
        let mut jobs = jobs(2);
        for number in 1..=3 {
            assert!(matches!(jobs.next(0), Some(Job::Read(_))));
            assert!(jobs.next(0).is_none(), "it reads");
            jobs.have_read(number, 1);
            let Some(Job::Decode(place, portion)) = jobs.next(1) else { panic!("something was read") };
            assert_eq!(portion, number);
            jobs.have_decoded(place, portion);
        }
        assert!(matches!(jobs.next(0), Some(Job::Read(_))));
        jobs.have_read(4, 1);
        assert!(matches!(jobs.next(0), Some(Job::Decode(_, 4))), "nobody else does");
    }

    #[test]
    fn what_was_read_first_is_taken_first() {
        let (mut jobs, mut read, mut taken) = (jobs(2), 0, Vec::new());
        while read < 8 || !jobs.sets.is_empty() {
            let job = jobs.next(0).unwrap();
            assert!(!matches!(job, Job::Take(..)), "there is room for both sets");
            done(&mut jobs, job, &mut read, (8, MEBIBYTE));
        }
        for turn in 0..2 * SHARDS {
            let Some(Job::Take(shard, table, set)) = jobs.next(1 + turn % 3) else { panic!("something waits") };
            taken.push(set[0]);
            done(&mut jobs, Job::Take(shard, table, set), &mut read, (8, MEBIBYTE));
        }
        assert_eq!(taken, [1, 1, 1, 1, 1, 5, 5, 5, 5, 5]);
    }

    #[test]
    fn a_thread_goes_on_with_its_own_shards() {
        let (mut jobs, mut read) = (jobs(3), 0);
        for _ in 0..3 {
            let (mut under_way, mut of_one) = (Vec::new(), Vec::new());
            while under_way.is_empty() {
                match jobs.next(0) {
                    Some(Job::Take(shard, table, set)) => under_way.push((shard, table, set)),
                    Some(job) => done(&mut jobs, job, &mut read, (12, MEBIBYTE)),
                    None => panic!("something is to be read"),
                }
            }
            // One shard for that thread, two for each of the others.
            for thread in [1, 2, 1, 2] {
                let Some(Job::Take(shard, table, set)) = jobs.next(thread) else { panic!("something waits") };
                if thread == 1 {
                    of_one.push(shard);
                }
                under_way.push((shard, table, set));
            }
            for (shard, table, set) in under_way {
                done(&mut jobs, Job::Take(shard, table, set), &mut read, (12, MEBIBYTE));
            }
            of_one.sort_unstable();
            assert_eq!(of_one, [2, 4]);
        }
    }
}
