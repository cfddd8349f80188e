//! `close_codes_by_endpoint`: close codes by server, host and path.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};
use polars::prelude::{DataFrame, PolarsResult};

use super::close_codes::share;
use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::ConnectionRecord;
use crate::flow::Endpoint;

/// What connections have in common that want the same thing of the same server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey {
    /// The server's address and port.
    pub server: Endpoint,
    /// The `Host` field, or the name in the TLS handshake where no request is known; `None` if there is neither.
    pub host: Option<Box<str>>,
    /// The request target up to its query, which differs too often to count by.
    pub path: Option<Box<str>>,
}

/// An [`EndpointKey`] that is looked for.
#[derive(Hash)]
struct Wanted<'a> {
    server: Endpoint,
    host: Option<&'a str>,
    path: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// What `record` wanted of whom.
    fn of(record: &'a ConnectionRecord) -> Self {
        let target = record.request.path.as_deref();
        let path = target.map(|target| target.split_once('?').map_or(target, |(path, _)| path));
        let host = record.request.host.as_deref().or(record.sni.as_deref().filter(|_| path.is_none()));
        Self { server: record.server, host, path }
    }
}

impl Equivalent<EndpointKey> for Wanted<'_> {
    fn equivalent(&self, key: &EndpointKey) -> bool {
        self.server == key.server && self.host == key.host.as_deref() && self.path == key.path.as_deref()
    }
}

/// Something of each endpoint.
#[derive(Debug)]
pub(crate) struct PerEndpoint<T>(HashMap<EndpointKey, T, RandomState>);

impl<T> Default for PerEndpoint<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T: Default> PerEndpoint<T> {
    /// That of the endpoint of `record`.
    pub(crate) fn of(&mut self, record: &ConnectionRecord) -> &mut T {
        let wanted = Wanted::of(record);
        let hash = self.0.hasher().hash_one(&wanted);
        let (_, found) = self.0.raw_entry_mut().from_hash(hash, |key| wanted.equivalent(key)).or_insert_with(|| {
            let Wanted { server, host, path } = wanted;
            (EndpointKey { server, host: host.map(Into::into), path: path.map(Into::into) }, T::default())
        });
        found
    }

    /// All of them, by endpoint.
    pub(crate) fn sorted(self) -> Vec<(EndpointKey, T)> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

/// How many connections to one endpoint closed with one code.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointCodeRow {
    /// The endpoint.
    pub endpoint: EndpointKey,
    /// The code.
    pub code: CloseCode,
    /// Connections to it that closed with this code.
    pub connections: u64,
    /// Connections to it that have a close code.
    pub closes: u64,
}

/// Close codes by endpoint, the most frequent first, equally frequent ones by endpoint and code.
#[must_use]
pub fn by_endpoint(analysis: &Analysis) -> Vec<EndpointCodeRow> {
    let mut codes = EndpointCodes::default();
    analysis.connections.for_each(|_, record| codes.add(record));
    codes.rows()
}

/// Close codes by endpoint while they are counted.
#[derive(Debug, Default)]
pub struct EndpointCodes(PerEndpoint<BTreeMap<CloseCode, u64>>);

impl EndpointCodes {
    /// Counts `record`.
    pub fn add(&mut self, record: &ConnectionRecord) {
        if let Some(code) = record.verdict.close_code {
            *self.0.of(record).entry(code).or_default() += 1;
        }
    }

    /// The most frequent first, equally frequent ones by endpoint and code.
    #[must_use]
    pub fn rows(self) -> Vec<EndpointCodeRow> {
        let mut rows = Vec::new();
        for (endpoint, codes) in self.0.sorted() {
            let closes = codes.values().sum();
            rows.extend(codes.into_iter().map(|(code, connections)| EndpointCodeRow {
                endpoint: endpoint.clone(),
                code,
                connections,
                closes,
            }));
        }
        // The sort is stable: ties stay in the order of keys.
        rows.sort_by_key(|row| Reverse(row.connections));
        rows
    }
}

/// The table of `rows`.
pub(super) fn table(rows: &[EndpointCodeRow]) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), rows)
}

type Field = Column<EndpointCodeRow>;

/// The columns in order.
pub(super) fn columns() -> [Field; 8] {
    [
        Field::address("server_ip", |row| row.endpoint.server.ip()).means("Address of the server"),
        Field::code("server_port", |row| Some(row.endpoint.server.port())).means("Its TCP port"),
        Field::text("host", |row| row.endpoint.host.as_deref().map(Into::into))
            .means("The `Host` field of the request; where TLS failed before it, the name in the TLS handshake")
            .null("The request has none, or is not in the capture"),
        Field::text("path", |row| row.endpoint.path.as_deref().map(Into::into))
            .means("The request target without its query, which differs too often to count by")
            .null("The request is not in the capture"),
        Field::code("code", |row| Some(row.code.0)).means("The close code").source("RFC 6455 section 7.4"),
        Field::word("name", |row| row.code.name())
            .means("The registered name of the code")
            .null("Nobody registered it")
            .source("IANA WebSocket Close Code Number Registry"),
        Field::count("connections", |row| Some(row.connections))
            .means("Connections to this endpoint with this `close_code`"),
        Field::number("share", |row| share(row.connections, row.closes))
            .unit("0 to 1")
            .means("Their share of the connections to this endpoint that have a close code"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataframe::sample::{self, ConnectionBuilder};
    use crate::flow::Role;

    #[test]
    fn failed_tls_handshakes_are_counted_by_the_name_in_them() {
        let close = |name: Option<&str>, known: bool| {
            let mut record = ConnectionBuilder::new().closed(1015, Role::Client).build();
            record.sni = name.map(Into::into);
            if !known {
                (record.request.host, record.request.path) = (None, None);
            }
            record
        };
        let analysis =
            sample::of([close(Some("a.example"), false), close(Some("a.example"), true), close(None, false)]);
        let hosts: Vec<_> =
            by_endpoint(&analysis).iter().map(|row| row.endpoint.host.as_deref().map(str::to_owned)).collect();
        let requested = analysis.connections[1].request.host.as_deref().map(str::to_owned);
        assert!(requested.is_some() && requested.as_deref() != Some("a.example"));
        assert_eq!(hosts.len(), 3);
        for host in [None, Some("a.example".to_owned()), requested] {
            assert!(hosts.contains(&host), "{hosts:?}");
        }
    }

    #[test]
    fn queries_do_not_split_endpoints() {
        let close = |path, code| ConnectionBuilder::new().path(path).closed(code, Role::Client).build();
        let analysis = sample::of([close("/a?x=1", 1000), close("/a?x=2", 1000), close("/a", 1001), close("/b", 1000)]);
        let rows: Vec<_> = by_endpoint(&analysis)
            .iter()
            .map(|row| {
                (row.endpoint.path.as_deref().unwrap_or_default().to_owned(), row.code.0, row.connections, row.closes)
            })
            .collect();
        let row = |path: &str, code, connections, closes| (path.to_owned(), code, connections, closes);
        assert_eq!(rows, [row("/a", 1000, 2, 3), row("/a", 1001, 1, 3), row("/b", 1000, 1, 1)]);
    }
}
