//! Reads the captures, one portion after the other.
//!
//! In come the captures; out go portions, with the TLS secrets that were found up to each.

use std::sync::Arc;

use crate::capture::{CaptureFile, Captures};
use crate::tls::Secrets;

use super::Progress;
use super::portion::Portion;

/// What reading needs.
pub(super) struct Reader<'a> {
    captures: Captures,
    /// All that are known.
    secrets: Arc<Secrets>,
    /// Whether they were told with a portion before.
    told: bool,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl<'a> Reader<'a> {
    /// `secrets` are known from the beginning. `progress` is called whenever something was read.
    pub(super) fn new(captures: Captures, secrets: &Secrets, progress: &'a mut (dyn FnMut(Progress) + Send)) -> Self {
        Self { captures, secrets: Arc::new(secrets.clone()), told: false, progress }
    }

    /// Fills `portion` with what comes next; `false` if nothing does.
    pub(super) fn read(&mut self, portion: &mut Portion) -> bool {
        if !portion.read(&mut self.captures) {
            return false;
        }
        self.learn();
        portion.secrets = (!self.told).then(|| Arc::clone(&self.secrets));
        self.told = true;
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

    /// Nothing more is read: what became of each file, and all secrets that are known by now.
    pub(super) fn finish(mut self) -> (Vec<CaptureFile>, Arc<Secrets>) {
        self.learn();
        (self.captures.into_files(), self.secrets)
    }
}
