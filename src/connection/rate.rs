//! How fast messages come: in the last seconds, and before them. A few bytes, whatever the traffic.

use bitcode::{Decode, Encode};

use crate::flow::Timestamp;

/// Messages of one end by the second of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Rate {
    /// The latest second with a message, since the epoch.
    second: i64,
    /// Messages in it.
    latest: u16,
    /// Messages in the second before it.
    before: u16,
    /// Earlier seconds in which there were messages, by the binary logarithm of their number. All are halved when one
    /// is full, which keeps their proportions.
    history: [u8; CLASSES],
}

/// Classes of seconds: 1 message, 2 to 3, 4 to 7 … up to 65,535, which is what a count here can reach.
const CLASSES: usize = 16;

impl Rate {
    /// A message at `time`.
    pub(super) fn message(&mut self, time: Timestamp) {
        let second = time.as_nanos().div_euclid(1_000_000_000);
        if self.latest > 0 && second != self.second {
            self.remember(self.before);
            self.before = self.latest;
            if second > self.second + 1 {
                self.remember(self.before);
                self.before = 0;
            }
            self.latest = 0;
        }
        self.second = second;
        self.latest = self.latest.saturating_add(1);
    }

    fn remember(&mut self, messages: u16) {
        let Some(class) = messages.checked_ilog2() else { return };
        if self.history.contains(&u8::MAX) {
            self.history.iter_mut().for_each(|seconds| *seconds /= 2);
        }
        if let Some(seconds) = self.history.get_mut(class as usize) {
            *seconds += 1;
        }
    }

    /// Messages in the second of the last message and in the one before, if that is at most two seconds before `now`; else
    /// 0.
    #[must_use]
    pub fn burst(&self, now: Timestamp) -> u64 {
        let age = now.as_nanos().div_euclid(1_000_000_000) - self.second;
        if (0..=2).contains(&age) { u64::from(self.latest) + u64::from(self.before) } else { 0 }
    }

    /// The median of the earlier seconds in which there were messages, rounded up to the end of its class; `None` if
    /// there were none.
    #[must_use]
    pub fn usual(&self) -> Option<u64> {
        let seconds: u32 = self.history.iter().map(|&seconds| u32::from(seconds)).sum();
        let mut below = 0;
        for (class, &count) in self.history.iter().enumerate() {
            below += u32::from(count);
            if below * 2 >= seconds && below > 0 {
                return Some((2 << class) - 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(millis: impl IntoIterator<Item = i64>) -> Rate {
        let mut rate = Rate::default();
        millis.into_iter().for_each(|millis| rate.message(Timestamp::from_nanos(millis * 1_000_000)));
        rate
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn burst_is_told_from_what_is_usual() {
        let steady = (0..20).map(|second| second * 1000);
        let found = rate(steady.chain((20_000..20_500).step_by(10)));
        assert_eq!((found.burst(at(20_600)), found.usual()), (51, Some(1)));
    }

    #[test]
    fn burst_over_the_turn_of_a_second_is_one() {
        assert_eq!(rate((1900..2100).step_by(10)).burst(at(2100)), 20);
        assert_eq!(rate((1900..2100).step_by(10)).usual(), None);
    }

    #[test]
    fn burst_long_ago_is_none() {
        assert_eq!(rate(0..100).burst(at(3000)), 0);
        assert_eq!(rate(0..100).burst(at(2500)), 100);
    }

    #[test]
    fn history_never_overflows() {
        let found = rate((0..5000).map(|second| second * 1000));
        assert_eq!(found.usual(), Some(1));
    }
}
