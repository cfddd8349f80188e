//! Reads the captures, one piece of work after the other, and keeps what is known of them by then.
//!
//! In come the captures; out goes [`Work`], with the TLS secrets that were found up to it. What was counted of each file is
//! asked for in the end.

use std::sync::Arc;

use crate::capture::{CaptureFile, Captures};
use crate::flow::PacketId;
use crate::packet::Fragments;
use crate::tls::Secrets;

use super::Progress;
use super::work::Work;

/// What reading needs.
pub(super) struct Reader<'a> {
    captures: Captures,
    fragments: Fragments,
    /// All that are known.
    secrets: Arc<Secrets>,
    /// Whether they were told with the work before.
    told: bool,
    /// By the index of each file.
    undecoded_packets: Vec<u64>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

/// What reading leaves.
pub(super) struct Remains {
    pub(super) files: Vec<CaptureFile>,
    /// Of each file, by its index; those behind the last one that has any may be missing.
    pub(super) undecoded_packets: Vec<u64>,
    /// All secrets that are known by now.
    pub(super) secrets: Arc<Secrets>,
}

impl<'a> Reader<'a> {
    /// `secrets` are known from the beginning. `progress` is called whenever something was read.
    pub(super) fn new(captures: Captures, secrets: &Secrets, progress: &'a mut (dyn FnMut(Progress) + Send)) -> Self {
        Self {
            captures,
            fragments: Fragments::default(),
            secrets: Arc::new(secrets.clone()),
            told: false,
            undecoded_packets: Vec::new(),
            progress,
        }
    }

    /// Fills `work` with what comes next; `false` if nothing does.
    pub(super) fn read(&mut self, work: &mut Work) -> bool {
        if !work.read(&mut self.captures, &mut self.fragments) {
            return false;
        }
        self.learn();
        work.secrets = (!self.told).then(|| Arc::clone(&self.secrets));
        self.told = true;
        work.undecoded().for_each(|packet| self.count_undecoded(packet));
        (self.progress)(Progress { bytes: self.captures.bytes_read(), total: self.captures.bytes_total() });
        true
    }

    /// Adds the key logs that were found in the captures.
    fn learn(&mut self) {
        let logs = self.captures.take_key_logs();
        if logs.is_empty() {
            return;
        }
        let mut secrets = Secrets::clone(&self.secrets);
        for log in logs {
            secrets.add_key_log(&log);
        }
        (self.secrets, self.told) = (Arc::new(secrets), false);
    }

    fn count_undecoded(&mut self, packet: PacketId) {
        let file = packet.file() as usize;
        if self.undecoded_packets.len() <= file {
            self.undecoded_packets.resize(file + 1, 0);
        }
        self.undecoded_packets[file] += 1;
    }

    /// Nothing more is read.
    pub(super) fn finish(mut self) -> Remains {
        self.learn();
        let Self { captures, undecoded_packets, secrets, .. } = self;
        Remains { files: captures.into_files(), undecoded_packets, secrets }
    }
}
