//! The TLS secrets of chosen connections, so that the carved file opens like its source, and nothing else does.

use std::collections::HashSet;

use crate::tls::{Random, Secrets, possible_randoms};

/// Secrets to be copied, each once.
pub(super) struct Copies<'a> {
    secrets: &'a Secrets,
    copied: HashSet<Random>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(secrets: &'a Secrets) -> Self {
        Self { secrets, copied: HashSet::new() }
    }

    /// The key logs of the connections that begin with a ClientHello in `payload`, but for those that were given before.
    ///
    /// Only a random that is written in a packet of a chosen connection finds a secret, so that none of another is copied.
    pub(super) fn asked_for(&mut self, payload: &[u8]) -> Vec<String> {
        let randoms = possible_randoms(payload).filter(|random| self.secrets.of(random).is_some());
        let new: Vec<_> = randoms.filter(|random| self.copied.insert(*random)).collect();
        new.iter().map(|random| self.secrets.key_log_of(random)).collect()
    }
}
