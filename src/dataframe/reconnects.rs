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
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use polars::prelude::{DataFrame, PolarsResult};

use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::{ConnectionRecord, Position};
use crate::flow::Timestamp;

/// A client that came back.
#[derive(Clone, Copy, Debug)]
pub struct Reconnect<'a> {
    /// The number of the connection that closed.
    pub connection: u64,
    /// The number of the one that its client established next.
    pub next_connection: u64,
    /// The one that closed.
    pub closed: &'a ConnectionRecord,
    /// Its close code.
    pub code: CloseCode,
    /// Milliseconds from the close to the first packet of the next connection.
    pub delay_ms: f64,
}

/// The clients that came back, in order of the connections that closed.
#[must_use]
pub fn reconnects(analysis: &Analysis) -> Vec<Reconnect<'_>> {
    if let Some(successors) = &analysis.successors {
        return successors.iter().filter_map(|successor| settled(analysis, *successor)).collect();
    }
    let mut found = Vec::new();
    for records in clients(analysis).into_values() {
        found.extend(pairs(records));
    }
    found.sort_by_key(|reconnect| reconnect.connection);
    found
}

/// Settles which connections followed which, before what tells clients apart is redacted.
pub fn settle_reconnects(analysis: &mut Analysis) {
    let found = reconnects(analysis).into_iter();
    let successors = found.map(|found| (found.connection, found.next_connection, found.delay_ms)).collect();
    analysis.successors = Some(successors);
}

fn settled(analysis: &Analysis, (connection, next_connection, delay_ms): (u64, u64, f64)) -> Option<Reconnect<'_>> {
    let closed = analysis.connections.get(usize::try_from(connection).ok()?)?;
    let code = closed.verdict.close_code?;
    Some(Reconnect { connection, next_connection, closed, code, delay_ms })
}

/// When a connection was closed: at its first Close frame, after which its client may come back, or without one at the
/// first FIN or RST.
pub(super) fn closed_at(record: &ConnectionRecord) -> Option<Timestamp> {
    let first = record.close_frames.iter().find(|frame| frame.position == Some(Position::First));
    first.map(|frame| frame.time).or(record.ended_at)
}

/// What the connections of one client have in common: address, port, host, path, user agent.
type Client<'a> = (Cow<'a, str>, u16, Option<&'a str>, Option<&'a str>, Option<&'a str>);

type Numbered<'a> = (u64, &'a ConnectionRecord);

/// The established connections of each client, in order.
fn clients(analysis: &Analysis) -> BTreeMap<Client<'_>, Vec<Numbered<'_>>> {
    let mut groups = BTreeMap::<Client<'_>, Vec<Numbered<'_>>>::new();
    let numbered = (0..).zip(&analysis.connections);
    for (number, record) in numbered.filter(|(_, record)| record.established_at.is_some()) {
        let path = record.request.path.as_deref().map(without_query);
        groups.entry(client(record, path)).or_default().push((number, record));
    }
    let mut clients = BTreeMap::<Client<'_>, Vec<Numbered<'_>>>::new();
    for (group, records) in groups {
        if !tell_apart(&records) {
            clients.insert(group, records);
            continue;
        }
        for (number, record) in records {
            clients.entry(client(record, record.request.path.as_deref())).or_default().push((number, record));
        }
    }
    clients
}

fn client<'a>(record: &'a ConnectionRecord, path: Option<&'a str>) -> Client<'a> {
    let named = record.request.forwarded_for.as_deref().map(Cow::Borrowed);
    let address = named.unwrap_or_else(|| record.client.ip().to_string().into());
    let request = &record.request;
    (address, record.server.port(), request.host.as_deref(), path, request.user_agent.as_deref())
}

fn without_query(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// Whether the queries of these requests tell clients apart: they differ, and some come again.
fn tell_apart(records: &[Numbered<'_>]) -> bool {
    let targets: BTreeSet<_> = records.iter().map(|(_, record)| record.request.path.as_deref()).collect();
    targets.len() > 1 && targets.len() < records.len()
}

/// Pairs the connections of one client.
fn pairs(records: Vec<Numbered<'_>>) -> Vec<Reconnect<'_>> {
    let mut opened: Vec<_> = records.iter().map(|&(number, record)| (record.opened_at, number)).collect();
    opened.sort_unstable();
    let closed = records.into_iter().filter_map(|(number, record)| Some((closed_at(record)?, number, record)));
    let mut closed: Vec<_> = closed.filter(|(_, _, record)| record.verdict.close_code.is_some()).collect();
    closed.sort_unstable_by_key(|&(time, number, _)| (time, number));
    let mut closed = VecDeque::from(closed);
    let mut found = Vec::new();
    for (time, next_connection) in opened {
        let Some((closed_at, connection, record)) = closed.pop_front_if(|(closed, _, _)| *closed <= time) else {
            continue;
        };
        let Some(code) = record.verdict.close_code else { continue };
        let delay_ms = time.millis_since(closed_at);
        found.push(Reconnect { connection, next_connection, closed: record, code, delay_ms });
    }
    found
}

/// The table of `analysis`.
pub(super) fn table(analysis: &Analysis) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), &reconnects(analysis))
}

type Field<'a> = Column<Reconnect<'a>>;

/// The columns in order.
pub(super) fn columns<'a>() -> [Field<'a>; 7] {
    const UNSAID: &str = "The request does not say, or is not in the capture";
    [
        Field::count("connection", |row| Some(row.connection))
            .means("The connection that closed: `connections.connection`"),
        Field::count("next_connection", |row| Some(row.next_connection))
            .means("The one that the same client established next: `connections.connection`"),
        Field::address("client_ip", |row| row.closed.client.ip())
            .means("Address of the TCP connection's end that asked"),
        Field::text("host", |row| row.closed.request.host.as_deref().map(Cow::Borrowed))
            .means("The `Host` field of the request")
            .null(UNSAID),
        Field::text("path", |row| row.closed.request.path.as_deref().map(Cow::Borrowed))
            .means("The request target with its query")
            .null(UNSAID),
        Field::code("close_code", |row| Some(row.code.0))
            .means("The `close_code` of the connection that closed")
            .source("RFC 6455 section 7.1.5"),
        Field::number("delay_ms", |row| Some(row.delay_ms)).unit("ms").means(
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
