//! The keys of one direction: which of them a record is under.
//!
//! Keys follow one another: early data, handshake, application data, and each KeyUpdate. Which of them a record is under is
//! not followed but tried, the current ones first: only the right ones open it. After a gap the sequence number is found
//! in the same way.

use std::collections::VecDeque;

use crate::limits;

use super::derive::expand_label;
use super::keylog::Secret;
use super::open::{Opened, Opener};
use super::record::Header;
use super::suite::Suite;

/// The keys of one direction.
#[derive(Debug)]
pub(super) struct Keys {
    /// Under which the last record was; `None` before the first.
    current: Option<Epoch>,
    /// Those that follow, the next one first.
    next: VecDeque<Epoch>,
    /// Records since the last one that was opened, or since the beginning.
    passed: u64,
}

/// Keys, and how far the sender is with them.
#[derive(Debug)]
pub(super) struct Epoch {
    stage: Stage,
    opener: Opener,
    /// Sequence number of the next record.
    sequence: u64,
    suite: Suite,
    /// The traffic secret, which gives the keys after a KeyUpdate (TLS 1.3).
    secret: Option<Secret>,
}

/// What is sent under some keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    EarlyData,
    Handshake,
    Application,
}

impl Keys {
    /// Keys of which the first of `epochs` come next.
    pub(super) fn to_come(epochs: Vec<Epoch>) -> Self {
        Self { current: None, next: epochs.into(), passed: 0 }
    }

    /// Keys under which the next record is.
    pub(super) fn from_now_on(epoch: Epoch) -> Self {
        Self { current: Some(epoch), next: VecDeque::new(), passed: 0 }
    }

    /// `epochs` come after those that are known.
    pub(super) fn extend(&mut self, epochs: Vec<Epoch>) {
        // An end that says hello again and again would have every record tried with all the keys that follow.
        if self.next.len() < MOST_EPOCHS {
            self.next.extend(epochs);
        }
    }

    /// Bytes that are looked at if nothing opens what may be a record after a gap.
    pub(super) fn search_work(&self, fragment: &[u8]) -> u64 {
        // The current keys, those after them, and all that follow.
        let epochs = 2 + self.next.len() as u64;
        (1 + limits::TLS_LOST_RECORDS) * epochs * (fragment.len() as u64 + OPENING_BYTES)
    }

    /// How many sets of keys are to come.
    #[cfg(test)]
    pub(super) fn to_come_count(&self) -> usize {
        self.next.len()
    }

    /// Whether the sender uses some of them, as far as is known.
    pub(super) const fn have_opened(&self) -> bool {
        self.current.is_some()
    }

    /// Whether so many records were not opened that none will be.
    pub(super) const fn are_useless(&self) -> bool {
        self.passed > limits::TLS_FAILURES
    }

    /// Opens a record with whatever keys open it. `missed` is how many others may be missing before it.
    pub(super) fn open(&mut self, header: &Header, fragment: &[u8], missed: u64) -> Option<(Stage, Opened)> {
        let reach = 1 + (self.passed + missed).min(limits::TLS_LOST_RECORDS);
        if let Some(current) = &mut self.current
            && let Some(opened) = current.open(header, fragment, reach)
        {
            self.passed = 0;
            return Some((current.stage, opened));
        }
        let updated = self.current.as_ref().and_then(Epoch::updated);
        if let Some(mut epoch) = updated
            && let Some(opened) = epoch.open(header, fragment, reach)
        {
            self.passed = 0;
            let stage = epoch.stage;
            self.current = Some(epoch);
            return Some((stage, opened));
        }
        for index in 0..self.next.len() {
            let Some(opened) = self.next.get_mut(index)?.open(header, fragment, reach) else { continue };
            self.passed = 0;
            let epoch = self.next.drain(..=index).next_back()?;
            let stage = epoch.stage;
            self.current = Some(epoch);
            return Some((stage, opened));
        }
        None
    }

    /// A record went by that could not be opened.
    pub(super) fn step_over(&mut self, fragment: Option<&[u8]>) {
        self.passed += 1;
        if let Some(current) = &mut self.current {
            current.opener.went_by(fragment);
        }
    }
}

impl Epoch {
    /// The keys of `stage` that a traffic secret gives (TLS 1.3).
    pub(super) fn of_secret(stage: Stage, suite: Suite, secret: &Secret) -> Option<Self> {
        let opener = Opener::of_traffic_secret(suite, secret.as_bytes())?;
        Some(Self { stage, opener, sequence: 0, suite, secret: Some(secret.clone()) })
    }

    /// The keys of application data under TLS 1.2 and before.
    pub(super) const fn of_opener(opener: Opener, suite: Suite) -> Self {
        Self { stage: Stage::Application, opener, sequence: 0, suite, secret: None }
    }

    /// The keys after a KeyUpdate (RFC 8446 section 7.2).
    fn updated(&self) -> Option<Self> {
        let secret = self.secret.as_ref().filter(|_| self.stage == Stage::Application)?;
        let next = expand_label(self.suite.hash, secret.as_bytes(), "traffic upd", self.suite.hash.bytes())?;
        Self::of_secret(Stage::Application, self.suite, &Secret::new(&next))
    }

    /// Opens a record with one of the next `reach` sequence numbers.
    fn open(&mut self, header: &Header, fragment: &[u8], reach: u64) -> Option<Opened> {
        let mut sequences = self.sequence..self.sequence.saturating_add(reach);
        let (sequence, opened) =
            sequences.find_map(|sequence| Some((sequence, self.opener.open(sequence, header, fragment)?)))?;
        self.sequence = sequence + 1;
        self.opener.went_by(Some(fragment));
        Some(opened)
    }
}

/// Keys of one direction that may follow one another before any is used: those of early data under each suite that it may
/// have, of the handshake and of what comes after it.
pub(super) const MOST_EPOCHS: usize = 8;

/// What it costs to try keys on a record besides its bytes, in bytes.
pub(super) const OPENING_BYTES: u64 = 256;
