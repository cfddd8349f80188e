//! Connections of one server that it closed in the same moment with the same code.
//!
//! A moment is a run of such closes in which none is more than [`MOMENT_MILLIS`] after the one before. A shutdown or
//! restart reaches most of the connections that are open; a server that weeds out single ones leaves the others.

use std::collections::{BTreeMap, HashMap};

use super::Case;
use crate::close_code::CloseCode;
use crate::connection::{ClosedBy, ConnectionRecord, Position};
use crate::flow::{Endpoint, PacketId, Role, Timestamp};

/// Milliseconds between two closes of one moment. A server tells thousands of peers within a second; one that closes a
/// connection every second has other reasons.
const MOMENT_MILLIS: f64 = 1000.0;

/// Closes that make a moment where others stay open. Two may be chance.
const SEVERAL: u64 = 3;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Connections that closed in it.
    pub(super) connections: u64,
    /// Connections of that server that were open when it began.
    open: u64,
}

impl Moment {
    /// Whether it took at least half of what was open: all of it if that is two.
    pub(super) const fn takes_most(self) -> bool {
        let several = self.connections >= SEVERAL && self.connections * 2 >= self.open;
        several || (self.connections >= 2 && self.connections >= self.open)
    }
}

/// What tells the moments, while it is gathered: the closes that may be of one, and when connections were open.
#[derive(Debug, Default)]
pub(super) struct Closes {
    closes: BTreeMap<(Endpoint, CloseCode), Vec<Close>>,
    lives: HashMap<Endpoint, Lives>,
}

impl Closes {
    pub(super) fn add(&mut self, record: &ConnectionRecord) {
        let code = record.verdict.close_code.filter(|code| is_told_by_moments(*code));
        if let Some((code, close)) = code.zip(Close::of_server(record)) {
            self.closes.entry((record.server, code)).or_default().push(close);
        }
        if record.activity.is_some() {
            let server = self.lives.entry(record.server).or_default();
            server.began.push(began(record));
            let close = record.close_frames.first().map(|frame| frame.time);
            server.over.extend(close.or(record.ended_at));
        }
    }

    pub(super) fn moments(mut self) -> Moments {
        for server in self.lives.values_mut() {
            server.began.sort_unstable();
            server.over.sort_unstable();
        }
        let mut moments = HashMap::new();
        for ((server, _), mut closes) in self.closes {
            closes.sort_unstable();
            for run in closes.chunk_by(|one, next| next.time.millis_since(one.time) <= MOMENT_MILLIS) {
                let Some(begin) = run.first().map(|close| close.time) else { continue };
                // Connections that come and go within the run are not told to go together.
                let together = || run.iter().filter(|close| close.began < begin);
                let open = self.lives.get(&server).map_or(0, |lives| lives.open_at(begin));
                let moment = Moment { connections: together().count() as u64, open };
                moments.extend(together().map(|close| ((server, close.packet), moment)));
            }
        }
        Moments(moments)
    }
}

/// Whether it matters for the cause of a close with `code` how many others there were.
const fn is_told_by_moments(code: CloseCode) -> bool {
    matches!(code.0, 1001 | 1012)
}

/// The moments, by the packets of the Close frames.
#[derive(Debug)]
pub(super) struct Moments(HashMap<(Endpoint, PacketId), Moment>);

impl Moments {
    /// The moment in which the server closed the connection; `None` if the client did.
    pub(super) fn of_case(&self, case: &Case<'_>) -> Option<Moment> {
        self.0.get(&(case.record.server, case.packet)).copied().filter(|_| case.closer == Role::Server)
    }
}

/// A first Close frame of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Close {
    time: Timestamp,
    packet: PacketId,
    /// When the connection began.
    began: Timestamp,
}

impl Close {
    fn of_server(record: &ConnectionRecord) -> Option<Self> {
        record.verdict.closed_by.filter(|by| *by != ClosedBy::One(Role::Client))?;
        let first = record.close_frames.iter().find(|frame| frame.position == Some(Position::First))?;
        let by_server = first.sender == Role::Server;
        by_server.then(|| Self { time: first.time, packet: first.packet, began: began(record) })
    }
}

fn began(record: &ConnectionRecord) -> Timestamp {
    record.established_at.unwrap_or(record.opened_at)
}

/// When connections of a server began and were over, each in order.
#[derive(Debug, Default)]
struct Lives {
    began: Vec<Timestamp>,
    over: Vec<Timestamp>,
}

impl Lives {
    /// How many were open just before `time`.
    fn open_at(&self, time: Timestamp) -> u64 {
        let before = |times: &[Timestamp]| times.partition_point(|other| *other < time) as u64;
        before(&self.began).saturating_sub(before(&self.over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_takes_most_or_it_is_no_shutdown() {
        let takes = |connections, open| Moment { connections, open }.takes_most();
        assert!(takes(3, 3) && takes(3, 6) && takes(2, 2) && takes(200, 250));
        assert!(!takes(1, 1) && !takes(2, 3) && !takes(3, 7) && !takes(5, 100));
    }
}
