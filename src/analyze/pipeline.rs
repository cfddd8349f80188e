//! Everything from the captures to the records of connections, by all threads.
//!
//! ```text
//!   captures ──▶ reader ──▶ work: batches, decoded ──segments by shard──▶ flow tables ──▶ records
//! ```
//!
//! One thread reads and lets others help with that; all others have flow tables take what was read before. Each shard takes
//! the segments of a flow in the order of capture, whatever the number of threads, so that the result does not depend on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::Scope;
use rayon::prelude::*;

use crate::connection::{Connection, Store, TlsFailure};
use crate::flow::PacketId;
use crate::limits;
use crate::tcp::FlowTable;
use crate::tls::{Random, Secrets};

use super::feed::feed;
use super::filter::Filter;
use super::jobs::{Job, Jobs};
use super::reader::{Reader, Remains};
use super::work::Work;

/// What the threads work on.
struct Pipeline<'a> {
    filter: &'a Filter,
    /// For whoever has the job to read.
    reader: Mutex<Reader<'a>>,
    jobs: Mutex<Jobs<Work, FlowTable<Connection>>>,
}

/// What all captures together gave, in no particular order.
pub(super) struct Outcome {
    /// What became of each file, and the secrets of all of them.
    pub(super) read: Remains,
    /// Of each shard, the connections in the order in which they ended.
    pub(super) connections: Vec<Store>,
    pub(super) tls_failures: Vec<TlsFailure>,
    /// The first packets of TCP conversations.
    pub(super) conversations: Vec<PacketId>,
    /// The client's randoms of connections whose secrets were not known when they were needed.
    pub(super) locked: Vec<Random>,
}

impl Outcome {
    /// All secrets, if some of those that were needed came later than they were. `known` were there from the beginning.
    pub(super) fn late_secrets(&self, known: &Secrets) -> Option<Secrets> {
        let secrets = &self.read.secrets;
        let came_later = |random| known.of(random).is_none() && secrets.of(random).is_some();
        self.locked.iter().any(came_later).then(|| Secrets::clone(secrets))
    }
}

/// Takes all that `reader` reads.
pub(super) fn run<'a>(reader: Reader<'a>, filter: &'a Filter) -> Outcome {
    // One thread alone takes what it has just read.
    let under_way = rayon::current_num_threads().min(limits::WORK_AT_ONCE);
    let spare = (0..under_way).map(|_| Work::default()).collect();
    let tables = (0..limits::SHARDS).map(|_| FlowTable::default());
    let pipeline = Pipeline { filter, reader: Mutex::new(reader), jobs: Mutex::new(Jobs::new(spare, tables)) };
    rayon::scope(|scope| pipeline.work(scope));
    pipeline.finish()
}

impl Pipeline<'_> {
    /// Does what there is to do, and calls others when there is more.
    fn work<'s>(&'s self, scope: &Scope<'s>) {
        let thread = rayon::current_thread_index().unwrap_or_default();
        let call = || scope.spawn(|scope| self.work(scope));
        loop {
            let job = held(&self.jobs).next(thread);
            match job {
                None => return,
                Some(Job::Read(work)) => {
                    if self.read(work) {
                        (1..rayon::current_num_threads()).for_each(|_| call());
                    }
                }
                Some(Job::Take(shard, table, work)) => {
                    if self.take(shard, table, work) {
                        call();
                    }
                }
            }
        }
    }

    /// Whether there was more.
    fn read(&self, mut work: Work) -> bool {
        let more = held(&self.reader).read(&mut work);
        let mut jobs = held(&self.jobs);
        if more {
            jobs.have_read(work)
        } else {
            jobs.have_read_all()
        }
        more
    }

    /// Whether more can be read.
    fn take(&self, shard: usize, mut table: FlowTable<Connection>, work: Arc<Work>) -> bool {
        if let Some(secrets) = &work.secrets {
            table.output_mut().secrets = Arc::clone(secrets);
        }
        feed(work.portions(), shard, &mut table, self.filter);
        held(&self.jobs).have_taken(shard, table, work)
    }

    /// Nothing more comes.
    fn finish(self) -> Outcome {
        let read = freed(self.reader).finish();
        let mut tables: Vec<_> = freed(self.jobs).into_tables().collect();
        let conversations = tables.iter_mut().flat_map(FlowTable::take_conversations).collect();
        let workplaces: Vec<_> = tables
            .into_par_iter()
            .map(|mut table| {
                table.output_mut().secrets = Arc::clone(&read.secrets);
                table.finish()
            })
            .collect();
        let mut outcome =
            Outcome { read, connections: Vec::new(), tls_failures: Vec::new(), conversations, locked: Vec::new() };
        for workplace in workplaces {
            outcome.connections.push(workplace.finished);
            outcome.tls_failures.extend(workplace.tls_failures);
            outcome.locked.extend(workplace.locked);
        }
        outcome
    }
}

/// A lock that was poisoned is of a panic that goes on anyway.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn freed<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
