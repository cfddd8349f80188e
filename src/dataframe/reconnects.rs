//! `reconnects`: clients that came back after a close, and how soon.
//!
//! A client is known by what its connections have in common: the address (of the client that a proxy names, else of the
//! TCP connection), the server's port, the `Host` field, the path and the `User-Agent` field. Many clients can look alike:
//! tabs of a browser, hosts behind one address, a load generator. So connections are paired one to one: each that opens
//! takes the one of its client that closed first and has no successor yet.
//!
//! Queries tell clients apart where they come again, such as `?client=7`; where none does, they are tokens or times,
//! and do not count.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use polars::prelude::{DataFrame, PolarsResult};

use super::schema::{self, Column};
use crate::analyze::{Analysis, Reconnect};
use crate::close_code::CloseCode;
use crate::connection::{ConnectionRecord, Position};
use crate::flow::Timestamp;

/// The clients that came back, in order of the connections that closed.
#[must_use]
pub fn reconnects(analysis: &Analysis) -> Vec<Reconnect> {
    let mut clients = Clients::default();
    if analysis.successors.is_none() {
        analysis.connections.for_each(|number, record| clients.add(number, record));
    }
    clients.reconnects(analysis)
}

/// Settles which connections followed which, before what tells clients apart is redacted.
pub fn settle_reconnects(analysis: &mut Analysis) {
    analysis.successors = Some(reconnects(analysis));
}

/// When a connection was closed: at its first Close frame, after which its client may come back, or without one at the
/// first FIN or RST.
pub(super) fn closed_at(record: &ConnectionRecord) -> Option<Timestamp> {
    let first = record.close_frames.iter().find(|frame| frame.position == Some(Position::First));
    first.map(|frame| frame.time).or(record.ended_at)
}

/// What tells who came back, while it is gathered: little of each connection that was established.
#[derive(Debug, Default)]
pub struct Clients {
    hasher: RandomState,
    visits: Vec<Visit>,
    /// The address of a client, as text.
    address: String,
}

/// A connection that was established.
#[derive(Clone, Copy, Debug)]
struct Visit {
    /// A hash of what the connections of one client have in common: address, port, host, path, user agent. Its seed is
    /// another in each run, and there are so many values that no two clients have the same.
    client: u64,
    /// A hash of the request target with its query.
    target: u64,
    number: u64,
    opened_at: Timestamp,
    closed: Option<(Timestamp, CloseCode)>,
}

impl Clients {
    /// Takes in the connection of that number; to be done in their order.
    pub fn add(&mut self, number: u64, record: &ConnectionRecord) {
        if record.established_at.is_none() {
            return;
        }
        self.address.clear();
        match &record.request.forwarded_for {
            Some(named) => self.address.push_str(named),
            None => schema::push_address(&mut self.address, record.client.ip()),
        }
        let request = &record.request;
        let target = request.path.as_deref();
        let (path, agent) = (target.map(without_query), request.user_agent.as_deref());
        let client = (self.address.as_str(), record.server.port(), request.host.as_deref(), path, agent);
        self.visits.push(Visit {
            client: self.hasher.hash_one(client),
            target: self.hasher.hash_one(target),
            number,
            opened_at: record.opened_at,
            closed: closed_at(record).zip(record.verdict.close_code),
        });
    }

    /// The clients that came back, in order of the connections that closed; those that were settled before, if they were.
    #[must_use]
    pub fn reconnects(mut self, analysis: &Analysis) -> Vec<Reconnect> {
        if let Some(settled) = &analysis.successors {
            return settled.clone();
        }
        let mut found = Vec::new();
        self.visits.sort_unstable_by_key(|visit| (visit.client, visit.number));
        for visits in self.visits.chunk_by_mut(|one, next| one.client == next.client) {
            if !tell_apart(visits) {
                pair(visits, &mut found);
                continue;
            }
            visits.sort_unstable_by_key(|visit| (visit.target, visit.number));
            visits.chunk_by(|one, next| one.target == next.target).for_each(|visits| pair(visits, &mut found));
        }
        found.sort_unstable_by_key(|reconnect| reconnect.connection);
        found
    }
}

fn without_query(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// Whether the queries of these requests tell clients apart: they differ, and some come again.
fn tell_apart(visits: &[Visit]) -> bool {
    let targets: BTreeSet<_> = visits.iter().map(|visit| visit.target).collect();
    targets.len() > 1 && targets.len() < visits.len()
}

/// Pairs the connections of one client.
fn pair(visits: &[Visit], found: &mut Vec<Reconnect>) {
    if visits.len() < 2 {
        return;
    }
    let mut opened: Vec<_> = visits.iter().map(|visit| (visit.opened_at, visit.number)).collect();
    opened.sort_unstable();
    let closed = visits.iter().filter_map(|visit| visit.closed.map(|(time, code)| (time, visit.number, code)));
    let mut closed: Vec<_> = closed.collect();
    closed.sort_unstable();
    let mut closed = VecDeque::from(closed);
    for (back_at, next_connection) in opened {
        if let Some((time, connection, code)) = closed.pop_front_if(|(time, ..)| *time <= back_at) {
            let delay_ms = back_at.millis_since(time);
            found.push(Reconnect { connection, next_connection, code, back_at, delay_ms });
        }
    }
}

/// A client that came back, and the connection that closed.
pub(super) struct Row<'a> {
    found: &'a Reconnect,
    closed: &'a ConnectionRecord,
}

/// Those of `found`, which are in order, that closed a connection of these numbers.
pub(super) fn closed_among(found: &[Reconnect], numbers: Range<u64>) -> &[Reconnect] {
    let position = |number| found.partition_point(|found| found.connection < number);
    found.get(position(numbers.start)..position(numbers.end)).unwrap_or_default()
}

/// The rows of those of `found` that closed a connection of `chunk`, of which the first has the number `first`.
pub(super) fn rows<'a>(found: &'a [Reconnect], chunk: &'a [ConnectionRecord], first: u64) -> Vec<Row<'a>> {
    let closed = |found: &Reconnect| chunk.get(usize::try_from(found.connection - first).ok()?);
    let found = closed_among(found, first..first + chunk.len() as u64);
    found.iter().filter_map(|found| Some(Row { found, closed: closed(found)? })).collect()
}

/// The table of `rows`.
pub(super) fn table(rows: &[Row<'_>]) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), rows)
}

type Field<'a> = Column<Row<'a>>;

/// The columns in order.
pub(super) fn columns<'a>() -> [Field<'a>; 7] {
    const UNSAID: &str = "The request does not say, or is not in the capture";
    [
        Field::count("connection", |row| Some(row.found.connection))
            .means("The connection that closed: `connections.connection`"),
        Field::count("next_connection", |row| Some(row.found.next_connection))
            .means("The one that the same client established next: `connections.connection`"),
        Field::address("client_ip", |row| row.closed.client.ip())
            .means("Address of the TCP connection's end that asked"),
        Field::text("host", |row| row.closed.request.host.as_deref().map(Cow::Borrowed))
            .means("The `Host` field of the request")
            .null(UNSAID),
        Field::text("path", |row| row.closed.request.path.as_deref().map(Cow::Borrowed))
            .means("The request target with its query")
            .null(UNSAID),
        Field::code("close_code", |row| Some(row.found.code.0))
            .means("The `close_code` of the connection that closed")
            .source("RFC 6455 section 7.1.5"),
        Field::number("delay_ms", |row| Some(row.found.delay_ms)).unit("ms").means(
            "From the close (its first Close frame, or without one the first FIN or RST) to the first packet of the next \
             connection",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder, NOON};
    use crate::flow::Role;

    const SECOND: i64 = 1_000_000_000;

    /// A connection to `path` from second `from` to second `to` after noon.
    fn connection(path: &str, from: i64, to: i64) -> ConnectionRecord {
        let mut record = ConnectionBuilder::new().path(path).reset(Role::Server).ended_at(NOON + to * SECOND).build();
        record.opened_at = Timestamp::from_nanos(NOON + from * SECOND);
        record
    }

    /// The pairs as `from-to delay`.
    fn found(records: impl IntoIterator<Item = ConnectionRecord>) -> Vec<String> {
        let analysis = sample::of(records);
        let rows = reconnects(&analysis);
        rows.iter().map(|row| format!("{}-{} {}", row.connection, row.next_connection, row.delay_ms)).collect()
    }

    #[test]
    fn client_that_comes_back_is_a_row() {
        assert_eq!(found([connection("/a", 0, 5), connection("/a", 7, 9)]), ["0-1 2000"]);
    }

    #[test]
    fn another_path_host_address_or_user_agent_is_another_client() {
        let mut others =
            [connection("/b", 7, 9), connection("/a", 7, 9), connection("/a", 7, 9), connection("/a", 7, 9)];
        others[1].request.host = Some("other.example".into());
        others[2].client = crate::flow::Endpoint::from_v4([10, 0, 0, 9], 50_000);
        others[3].request.user_agent = Some("curl".into());
        for other in others {
            assert_eq!(found([connection("/a", 0, 5), other]), [""; 0]);
        }
    }

    #[test]
    fn connections_that_overlap_are_not_reconnects() {
        assert_eq!(found([connection("/a", 0, 5), connection("/a", 4, 9)]), [""; 0]);
    }

    #[test]
    fn clients_that_look_alike_are_paired_one_to_one() {
        let records = [
            connection("/a", 0, 5),
            connection("/a", 0, 6),
            connection("/a", 0, 20),
            connection("/a", 7, 30),
            connection("/a", 8, 30),
            connection("/a", 9, 30),
        ];
        assert_eq!(found(records), ["0-3 2000", "1-4 2000"]);
    }

    #[test]
    fn settled_pairs_stay_when_queries_go() {
        let clients = [("/a?c=1", 0, 5), ("/a?c=2", 0, 6), ("/a?c=2", 7, 30), ("/a?c=1", 8, 30)];
        let redacted = |settle: bool| {
            let mut analysis = sample::of(clients.map(|(path, from, to)| connection(path, from, to)));
            if settle {
                settle_reconnects(&mut analysis);
            }
            for record in &mut analysis.connections {
                record.request.path = Some("/a?redacted".into());
            }
            let rows = reconnects(&analysis);
            rows.iter().map(|row| format!("{}-{}", row.connection, row.next_connection)).collect::<Vec<_>>()
        };
        assert_eq!(redacted(true), ["0-3", "1-2"]);
        assert_eq!(redacted(false), ["0-2", "1-3"]);
    }

    #[test]
    fn queries_that_come_again_tell_clients_apart() {
        let records = ["?c=1", "?c=2", "?c=2", "?c=1"].map(|query| format!("/a{query}"));
        let times = [(0, 5), (0, 6), (7, 30), (8, 30)];
        let records = records.iter().zip(times).map(|(path, (from, to))| connection(path, from, to));
        assert_eq!(found(records), ["0-3 3000", "1-2 1000"]);
    }

    #[test]
    fn queries_that_never_come_again_do_not_count() {
        assert_eq!(found([connection("/a?token=x", 0, 5), connection("/a?token=y", 7, 9)]), ["0-1 2000"]);
    }

    #[test]
    fn refused_attempts_are_no_return() {
        let mut refused = ConnectionBuilder::new().path("/a").refused(503).build();
        refused.opened_at = Timestamp::from_nanos(NOON + 6 * SECOND);
        assert_eq!(found([connection("/a", 0, 5), refused, connection("/a", 9, 10)]), ["0-2 4000"]);
    }
}
