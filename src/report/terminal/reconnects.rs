//! Clients that came back: how many, how soon, how many at a time, and which got nowhere.

use std::collections::{BTreeMap, HashMap};

use super::{Style, clock, is_ordinary};
use crate::analyze::{Analysis, Reconnect};
use crate::close_code::CloseCode;
use crate::connection::{ClosedBy, ConnectionRecord};
use crate::dataframe::Clients;
use crate::flow::{Role, Timestamp};
use crate::report::figures::{count, counted, fit, millis};

/// Clients, and how often each close was one after which they come back.
#[derive(Debug, Default)]
pub(super) struct Returns {
    clients: Clients,
    closes: BTreeMap<CloseCode, u64>,
}

impl Returns {
    /// Takes in the connection of that number.
    pub(super) fn add(&mut self, number: u64, record: &ConnectionRecord) {
        self.clients.add(number, record);
        // Who left by itself has no reason to come back.
        let left = record.verdict.closed_by == Some(ClosedBy::One(Role::Client));
        if let Some(code) = record.verdict.close_code.filter(|code| !(is_ordinary(*code) || left && code.0 == 1001)) {
            *self.closes.entry(code).or_default() += 1;
        }
    }

    /// Nothing if no client came back, or had a reason to.
    pub(super) fn lines(self, analysis: &Analysis, style: Style) -> Vec<String> {
        let found = self.clients.reconnects(analysis);
        let mut lines = by_code(&self.closes, &found);
        lines.extend(storm(analysis, &found));
        lines.extend(loops(&found));
        let mut lines: Vec<_> = lines.iter().map(|line| fit(line, style.width)).collect();
        if !lines.is_empty() {
            lines.insert(0, style.bold("Clients that came back"));
        }
        lines
    }
}

/// How many came back after each code that makes clients come back, and how soon.
fn by_code(closes: &BTreeMap<CloseCode, u64>, found: &[Reconnect]) -> Vec<String> {
    let mut delays = BTreeMap::<CloseCode, Vec<f64>>::new();
    for reconnect in found.iter().filter(|reconnect| closes.contains_key(&reconnect.code)) {
        delays.entry(reconnect.code).or_default().push(reconnect.delay_ms);
    }
    let mut delays: Vec<_> = delays.into_iter().collect();
    delays.sort_by_key(|(_, delays)| std::cmp::Reverse(delays.len()));
    let line = |(code, mut delays): (CloseCode, Vec<f64>)| {
        delays.sort_by(f64::total_cmp);
        let at = |share: f64| delays.get(((delays.len() - 1) as f64 * share).round() as usize).copied().unwrap_or(0.0);
        let (back, all) = (delays.len() as u64, closes.get(&code).copied().unwrap_or(0).max(delays.len() as u64));
        let gone = if all > back { format!("; {} did not", count(all - back)) } else { String::new() };
        let soon = if back > 1 {
            format!("median {}, 90% within {}", millis(at(0.5)), millis(at(0.9)))
        } else {
            millis(at(0.5))
        };
        format!("  after {code}: {} of {}, {soon}{gone}", count(back), count(all))
    };
    delays.into_iter().take(TOP).map(line).collect()
}

/// The second in which most came back, if it stands out.
fn storm(analysis: &Analysis, found: &[Reconnect]) -> Option<String> {
    let second = |time: Timestamp| time.as_nanos().div_euclid(SECOND);
    let mut seconds = BTreeMap::<i64, u64>::new();
    for reconnect in found {
        *seconds.entry(second(reconnect.back_at)).or_default() += 1;
    }
    let (first, last) = analysis.time_span()?;
    let span = (second(last) - second(first) + 1).max(1) as f64;
    let average = analysis.connections.len() as f64 / span;
    let (peak, connects) =
        seconds.into_iter().max_by_key(|&(second, connects)| (connects, std::cmp::Reverse(second)))?;
    let stands_out = connects >= STORM && connects as f64 >= average * STORM_FACTOR;
    stands_out.then(|| {
        let time = clock(Timestamp::from_nanos(peak * SECOND));
        format!("  most at once: {} in the second from {time}, against {average:.1} on average", count(connects))
    })
}

/// Clients that came back again and again and were closed in the same way.
fn loops(found: &[Reconnect]) -> Option<String> {
    let mut lengths = HashMap::<u64, (CloseCode, u64)>::new();
    // In order of the first connection, so that a chain is followed from its beginning.
    let mut longest = BTreeMap::<CloseCode, (u64, u64)>::new();
    for reconnect in found.iter().filter(|reconnect| !is_ordinary(reconnect.code) && !is_of_server(reconnect.code)) {
        let before = lengths.remove(&reconnect.connection).filter(|(code, _)| *code == reconnect.code);
        let length = before.map_or(1, |(_, length)| length + 1);
        lengths.insert(reconnect.next_connection, (reconnect.code, length));
        if length >= LOOP {
            let (clients, most) = longest.entry(reconnect.code).or_default();
            *clients += u64::from(length == LOOP);
            *most = length.max(*most);
        }
    }
    let (code, (clients, most)) = longest.into_iter().max_by_key(|(_, (clients, _))| *clients)?;
    Some(format!("  in a loop: {}, back up to {} times in a row after {code}", counted(clients, "client"), count(most)))
}

/// Whether clients are to come back after it: a server that restarts often sends them into no loop of their own.
const fn is_of_server(code: CloseCode) -> bool {
    matches!(code.0, 1001 | 1012)
}

const SECOND: i64 = 1_000_000_000;

/// Codes that are shown.
const TOP: usize = 3;

/// Connects in a second that may be a storm.
const STORM: u64 = 10;

/// How much more than the average a storm is.
const STORM_FACTOR: f64 = 2.0;

/// Returns in a row after the same code that make a loop.
const LOOP: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder, NOON};

    /// A connection to `path` that the server closes with `code`, from second `from` to second `to` after noon.
    fn closed(path: &str, code: u16, from: i64, to: i64) -> ConnectionRecord {
        let mut record = ConnectionBuilder::new().path(path).closed(code, Role::Server).build();
        record.opened_at = Timestamp::from_nanos(NOON + from * SECOND);
        record.close_frames[0].time = Timestamp::from_nanos(NOON + to * SECOND);
        record
    }

    fn told(records: Vec<ConnectionRecord>) -> Vec<String> {
        let analysis = sample::of(records);
        let mut returns = Returns::default();
        analysis.connections.for_each(|number, record| returns.add(number, record));
        returns.lines(&analysis, Style::default())
    }

    #[test]
    fn returns_are_told_by_code_with_their_delays() {
        let again = |path: &str, delay: i64| [closed(path, 1012, 0, 2), closed(path, 1000, 2 + delay, 20)];
        let records = [again("/a", 1), again("/b", 2), again("/c", 9)].concat();
        let expected = "  after 1012: 3 of 4, median 2.0 s, 90% within 9.0 s; 1 did not";
        assert_eq!(told([records, vec![closed("/d", 1012, 0, 2)]].concat()), ["Clients that came back", expected]);
    }

    #[test]
    fn ordinary_closes_and_clients_that_leave_are_not_waited_for() {
        assert_eq!(told(vec![closed("/a", 1000, 0, 2), closed("/a", 1000, 3, 5)]), [""; 0]);
        let left = ConnectionBuilder::new().closed(1001, Role::Client).build();
        assert_eq!(told(vec![left, closed("/ws", 1000, 9, 10)]), [""; 0]);
    }

    #[test]
    fn many_returns_in_one_second_are_a_storm() {
        let paths: Vec<_> = (0..30).map(|number| format!("/{number}")).collect();
        let first = paths.iter().map(|path| closed(path, 1012, 0, 1));
        let second = paths.iter().map(|path| closed(path, 1000, 2, 3));
        let found = told(first.chain(second).collect());
        assert_eq!(found[2], "  most at once: 30 in the second from 12:00:02, against 15.0 on average");
        let one = told(vec![closed("/a", 1012, 0, 1), closed("/a", 1000, 2, 3)]);
        assert!(!one.iter().any(|line| line.contains("most at once")), "{one:?}");
    }

    #[test]
    fn client_that_is_closed_again_and_again_is_in_a_loop() {
        let times = |code| (0..6).map(move |number| closed("/a", code, number * 10, number * 10 + 5)).collect();
        let found = told(times(1008));
        assert_eq!(found[2], "  in a loop: 1 client, back up to 5 times in a row after 1008");
        assert!(!told(times(1012)).iter().any(|line| line.contains("loop")), "a server that restarts");
        assert_eq!(told(vec![closed("/a", 1008, 0, 5), closed("/a", 1008, 6, 7)]).len(), 2);
    }
}
