//! Everything from the captures to the records of connections, by all threads.
//!
//! ```text
//!   captures ──reader──▶ portions ──decoded──▶ sets of them ──segments by shard──▶ flow tables ──▶ records
//!                                              └── fragments, one after the other ──▲
//! ```
//!
//! Every thread does whatever there is to do ([`Jobs`]), so that the next portions are read and decoded while flow tables take
//! the ones before. Each shard takes the segments of a flow in the order of capture, whatever the number of threads, so that
//! the result does not depend on it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::Scope;
use rayon::prelude::*;

use crate::capture::CaptureFile;
use crate::connection::{Connection, Store, TlsFailure};
use crate::flow::PacketId;
use crate::limits;
use crate::packet::Fragments;
use crate::tcp::FlowTable;
use crate::tls::{Random, Secrets};

use super::feed::feed;
use super::filter::Filter;
use super::jobs::{Job, Jobs, Place};
use super::portion::Portion;
use super::reader::Reader;

/// What the threads work on.
struct Pipeline<'a> {
    filter: &'a Filter,
    /// For whoever has the job to read.
    reader: Mutex<Reader<'a>>,
    /// For whoever has the job to reassemble.
    reassembly: Mutex<Reassembly>,
    jobs: Mutex<Jobs<Portion, FlowTable<Connection>>>,
    threads: usize,
    /// Threads that were called and have not come yet.
    called: AtomicUsize,
}

/// What reassembling fragments needs, and what is counted in the same order.
#[derive(Default)]
struct Reassembly {
    fragments: Fragments,
    /// By the index of each file.
    undecoded_packets: Vec<u64>,
}

/// What all captures together gave, in no particular order.
pub(super) struct Outcome {
    /// What became of each.
    pub(super) files: Vec<CaptureFile>,
    /// Of each file, by its index; those behind the last one that has any may be missing.
    pub(super) undecoded_packets: Vec<u64>,
    /// Of each shard, the connections in the order in which they ended.
    pub(super) connections: Vec<Store>,
    pub(super) tls_failures: Vec<TlsFailure>,
    /// The first packets of TCP conversations.
    pub(super) conversations: Vec<PacketId>,
    /// All TLS secrets that are known by now.
    pub(super) secrets: Arc<Secrets>,
    /// The client's randoms of connections whose secrets were not known when they were needed.
    pub(super) locked: Vec<Random>,
}

impl Outcome {
    /// All secrets, if some of those that were needed came later than they were. `known` were there from the beginning.
    pub(super) fn late_secrets(&self, known: &Secrets) -> Option<Secrets> {
        let came_later = |random| known.of(random).is_none() && self.secrets.of(random).is_some();
        self.locked.iter().any(came_later).then(|| Secrets::clone(&self.secrets))
    }
}

/// Takes all that `reader` reads.
pub(super) fn run<'a>(reader: Reader<'a>, filter: &'a Filter) -> Outcome {
    let threads = rayon::current_num_threads();
    let tables = (0..limits::SHARDS).map(|_| FlowTable::default());
    let pipeline = Pipeline {
        filter,
        reader: Mutex::new(reader),
        reassembly: Mutex::default(),
        jobs: Mutex::new(Jobs::new(threads, tables)),
        threads,
        called: AtomicUsize::new(0),
    };
    rayon::scope(|scope| pipeline.work(scope));
    pipeline.finish()
}

impl Pipeline<'_> {
    /// Does what there is to do, and calls others when there is more.
    fn work<'s>(&'s self, scope: &Scope<'s>) {
        let thread = rayon::current_thread_index().unwrap_or_default();
        loop {
            let job = held(&self.jobs).next(thread);
            let more = match job {
                None => return,
                Some(Job::Read(portion)) => self.read(portion),
                Some(Job::Decode(place, portion)) => self.decode(place, portion),
                Some(Job::Reassemble(set)) => self.reassemble(set),
                Some(Job::Take(shard, table, set)) => self.take(shard, table, set),
            };
            self.call(more, scope);
        }
    }

    /// Calls so many others, unless as many were called already as there are.
    fn call<'s>(&'s self, others: usize, scope: &Scope<'s>) {
        for _ in 0..others {
            if self.called.fetch_add(1, Ordering::Relaxed) + 1 >= self.threads {
                self.called.fetch_sub(1, Ordering::Relaxed);
                return;
            }
            scope.spawn(|scope| {
                self.called.fetch_sub(1, Ordering::Relaxed);
                self.work(scope);
            });
        }
    }

    /// Returns for how many others there is something to do now, as the next ones do.
    fn read(&self, mut portion: Portion) -> usize {
        let more = held(&self.reader).read(&mut portion);
        let (bytes, mut jobs) = (portion.batch.bytes().len(), held(&self.jobs));
        if more {
            jobs.have_read(portion, bytes);
        } else {
            jobs.have_read_all();
        }
        1
    }

    fn decode(&self, place: Place, mut portion: Portion) -> usize {
        portion.decode();
        held(&self.jobs).have_decoded(place, portion);
        0
    }

    fn reassemble(&self, mut set: Vec<Portion>) -> usize {
        held(&self.reassembly).take(&mut set);
        held(&self.jobs).have_reassembled(set);
        self.threads - 1
    }

    fn take(&self, shard: usize, mut table: FlowTable<Connection>, set: Arc<Vec<Portion>>) -> usize {
        if let Some(secrets) = set.iter().rev().find_map(|portion| portion.secrets.as_ref()) {
            table.output_mut().secrets = Arc::clone(secrets);
        }
        feed(&set, shard, &mut table, self.filter);
        let taken = held(&self.jobs).have_taken(shard, table, set);
        let Some(mut portions) = taken else { return 0 };
        portions.iter_mut().for_each(Portion::clear);
        held(&self.jobs).add_spare(portions);
        1
    }

    /// Nothing more comes.
    fn finish(self) -> Outcome {
        let (files, secrets) = freed(self.reader).finish();
        let mut tables: Vec<_> = freed(self.jobs).into_tables().collect();
        let conversations = tables.iter_mut().flat_map(FlowTable::take_conversations).collect();
        let workplaces: Vec<_> = tables
            .into_par_iter()
            .map(|mut table| {
                table.output_mut().secrets = Arc::clone(&secrets);
                table.finish()
            })
            .collect();
        let mut outcome = Outcome {
            files,
            undecoded_packets: freed(self.reassembly).undecoded_packets,
            connections: Vec::new(),
            tls_failures: Vec::new(),
            conversations,
            secrets,
            locked: Vec::new(),
        };
        for workplace in workplaces {
            outcome.connections.push(workplace.finished);
            outcome.tls_failures.extend(workplace.tls_failures);
            outcome.locked.extend(workplace.locked);
        }
        outcome
    }
}

impl Reassembly {
    fn take(&mut self, set: &mut [Portion]) {
        for portion in set {
            portion.reassemble(&mut self.fragments);
            portion.undecoded().for_each(|packet| self.count_undecoded(packet));
        }
    }

    fn count_undecoded(&mut self, packet: PacketId) {
        let file = packet.file() as usize;
        if self.undecoded_packets.len() <= file {
            self.undecoded_packets.resize(file + 1, 0);
        }
        self.undecoded_packets[file] += 1;
    }
}

/// A lock that was poisoned is of a panic that goes on anyway.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn freed<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
