//! What can be done next: to read some work, or to have a shard take it.
//!
//! ```text
//!      ┌─────────────── spare ◀── taken by every shard ───────────────┐
//!      ▼                                                              │
//!   Job::Read ──work──▶ one queue for each shard, in order ──▶ Job::Take
//! ```
//!
//! There is one at a time who reads, and one at each shard, who has its table: so shards take everything in the order in which
//! it was read, however many threads there are. And nobody waits for all others: who is done with one shard goes on with
//! another one, or with what was read meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

/// Something to do now. It comes back by [`Jobs::have_read`], [`Jobs::have_read_all`] or [`Jobs::have_taken`].
#[derive(Debug)]
pub(super) enum Job<W, T> {
    /// Fill this with what comes next.
    Read(W),
    /// Give this to the table, which is that of the shard with this index.
    Take(usize, T, Arc<W>),
}

/// What there is to do, of work `W` and shards with tables `T`.
pub(super) struct Jobs<W, T> {
    reading: Reading,
    /// Work that may be read into.
    spare: Vec<W>,
    shards: Vec<Shard<W, T>>,
}

enum Reading {
    /// Nobody does; that thread was the last one.
    Waits(usize),
    /// That thread does.
    Reads(usize),
    /// There is nothing more.
    Done,
}

struct Shard<W, T> {
    /// `None` while it takes something.
    table: Option<T>,
    waiting: VecDeque<Arc<W>>,
    /// How much it has taken, or is taking.
    taken: u64,
    /// The thread that it was with last, and in whose cache it may be.
    thread: usize,
}

impl<W, T> Jobs<W, T> {
    /// To read everything, and to give it to the shards with these `tables`. As much can be under way at once as is `spare`.
    pub(super) fn new(spare: Vec<W>, tables: impl IntoIterator<Item = T>) -> Self {
        let shard = |table| Shard { table: Some(table), waiting: VecDeque::new(), taken: 0, thread: 0 };
        Self { reading: Reading::Waits(0), spare, shards: tables.into_iter().map(shard).collect() }
    }

    /// What `thread` should do next; `None` if there is nothing, or if it reads. Who read last reads again, since it has in
    /// its cache where that ended.
    pub(super) fn next(&mut self, thread: usize) -> Option<Job<W, T>> {
        match self.reading {
            Reading::Waits(last) if last == thread => self.read(thread).or_else(|| self.take(thread)),
            Reading::Waits(_) => self.take(thread).or_else(|| self.read(thread)),
            Reading::Reads(reading) if reading == thread => None,
            Reading::Reads(_) | Reading::Done => self.take(thread),
        }
    }

    fn read(&mut self, thread: usize) -> Option<Job<W, T>> {
        let work = self.spare.pop()?;
        self.reading = Reading::Reads(thread);
        Some(Job::Read(work))
    }

    fn take(&mut self, thread: usize) -> Option<Job<W, T>> {
        let index = self.shard_for(thread)?;
        let shard = self.shards.get_mut(index)?;
        let (table, work) = shard.table.take().zip(shard.waiting.pop_front())?;
        shard.taken += 1;
        shard.thread = thread;
        Some(Job::Take(index, table, work))
    }

    /// Of the shards that something waits for, one of those that are behind the others, so that work is spare again soon. Of
    /// these the first one that `thread` had, or else the last one, which another thread comes to last.
    fn shard_for(&self, thread: usize) -> Option<usize> {
        let waiting = || self.shards.iter().enumerate().filter(|(_, shard)| shard.waits());
        let behind = waiting().map(|(_, shard)| shard.taken).min()?;
        let mut own = waiting().filter(|(_, shard)| shard.taken == behind && shard.thread == thread);
        let mut any = waiting().filter(|(_, shard)| shard.taken == behind);
        own.next().or_else(|| any.next_back()).map(|(index, _)| index)
    }

    /// `work` was filled, and every shard is to take it.
    pub(super) fn have_read(&mut self, work: W) {
        if let Reading::Reads(thread) = self.reading {
            self.reading = Reading::Waits(thread);
        }
        let work = Arc::new(work);
        for shard in &mut self.shards {
            shard.waiting.push_back(Arc::clone(&work));
        }
    }

    /// Nothing was left to read.
    pub(super) const fn have_read_all(&mut self) {
        self.reading = Reading::Done;
    }

    /// The shard with that index has taken `work`; whether all have, so that more can be read.
    pub(super) fn have_taken(&mut self, shard: usize, table: T, work: Arc<W>) -> bool {
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.table = Some(table);
        }
        let spare = Arc::into_inner(work);
        let more = spare.is_some();
        self.spare.extend(spare);
        more
    }

    /// The tables, of which none is at work any more.
    pub(super) fn into_tables(self) -> impl Iterator<Item = T> {
        self.shards.into_iter().filter_map(|shard| shard.table)
    }
}

impl<W, T> Shard<W, T> {
    fn waits(&self) -> bool {
        self.table.is_some() && !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    type Done = Vec<usize>;

    const SHARDS: usize = 5;

    fn jobs(spare: usize) -> Jobs<usize, Done> {
        Jobs::new(vec![0; spare], vec![Done::new(); SHARDS])
    }

    proptest! {
        /// Threads ask for jobs and are done with them in any order; in the end one does the rest alone.
        #[test]
        fn every_shard_takes_everything_in_order(
            steps in vec((0..4_usize, any::<bool>()), 0..300),
            spare in 1..4_usize,
            total in 0..8_usize,
        ) {
            let mut jobs = jobs(spare);
            let mut at_work: Vec<Option<Job<usize, Done>>> = (0..4).map(|_| None).collect();
            let mut read = 0;
            let alone = std::iter::repeat_n((0, true), 20 * (total + 1) * SHARDS);
            let finish = (0..4).map(|thread| (thread, false));
            for (thread, asks) in steps.into_iter().chain(finish).chain(alone) {
                match at_work[thread].take() {
                    None if asks => {
                        at_work[thread] = jobs.next(thread);
                        let reading = at_work.iter().flatten().filter(|job| matches!(job, Job::Read(_))).count();
                        prop_assert!(reading <= 1);
                    }
                    None => {}
                    Some(Job::Read(_)) if read == total => jobs.have_read_all(),
                    Some(Job::Read(_)) => {
                        read += 1;
                        jobs.have_read(read);
                    }
                    Some(Job::Take(shard, mut table, work)) => {
                        table.push(*work);
                        jobs.have_taken(shard, table, work);
                    }
                }
            }
            prop_assert!(at_work.iter().all(Option::is_none) && jobs.next(0).is_none());
            prop_assert_eq!(jobs.spare.len(), spare - 1);
            let expected: Done = (1..=total).collect();
            prop_assert_eq!(jobs.into_tables().collect::<Vec<_>>(), vec![expected; SHARDS]);
        }

        #[test]
        fn whoever_takes_first_takes_what_is_behind(order in vec(any::<Index>(), 2 * SHARDS)) {
            let mut jobs = jobs(2);
            for number in 1..=2 {
                let Some(Job::Read(_)) = jobs.next(0) else { panic!("something is spare") };
                jobs.have_read(number);
            }
            let mut taken = Vec::new();
            for thread in order {
                let Some(Job::Take(shard, table, work)) = jobs.next(1 + thread.index(3)) else { panic!("something waits") };
                taken.push(*work);
                let all_have = jobs.have_taken(shard, table, work);
                prop_assert_eq!(all_have, taken.len() % SHARDS == 0);
            }
            prop_assert!(taken.is_sorted());
        }
    }

    #[test]
    fn a_thread_goes_on_with_its_own_shards() {
        let mut jobs = jobs(1);
        for _ in 0..3 {
            let Some(Job::Read(work)) = jobs.next(0) else { panic!("something is spare") };
            assert!(jobs.next(0).is_none());
            jobs.have_read(work);
            let (mut under_way, mut of_one) = (Vec::new(), Vec::new());
            // Two shards for one thread, three for the other.
            for thread in [1, 2, 1, 2, 2] {
                let Some(Job::Take(shard, table, work)) = jobs.next(thread) else { panic!("something waits") };
                if thread == 1 {
                    of_one.push(shard);
                }
                under_way.push((shard, table, work));
            }
            assert!(jobs.next(1).is_none());
            for (shard, table, work) in under_way {
                jobs.have_taken(shard, table, work);
            }
            of_one.sort_unstable();
            assert_eq!(of_one, [2, 4]);
        }
    }
}
