//! `close_codes_by_endpoint`: close codes by server, host and path.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use polars::prelude::{DataFrame, PolarsResult};

use super::close_codes::share;
use super::schema::{self, Column};
use crate::analyze::Analysis;
use crate::close_code::CloseCode;
use crate::connection::ConnectionRecord;
use crate::flow::Endpoint;

/// What connections have in common that want the same thing of the same server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointKey<'a> {
    /// The server's address and port.
    pub server: Endpoint,
    /// The `Host` field, or the name in the TLS handshake where no request is known; `None` if there is neither.
    pub host: Option<&'a str>,
    /// The request target up to its query, which differs too often to count by.
    pub path: Option<&'a str>,
}

impl<'a> EndpointKey<'a> {
    /// What `record` wanted of whom.
    #[must_use]
    pub fn of(record: &'a ConnectionRecord) -> Self {
        let target = record.request.path.as_deref();
        let path = target.map(|target| target.split_once('?').map_or(target, |(path, _)| path));
        let host = record.request.host.as_deref().or(record.sni.as_deref().filter(|_| path.is_none()));
        Self { server: record.server, host, path }
    }
}

/// How many connections to one endpoint closed with one code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EndpointCodeRow<'a> {
    /// The endpoint.
    pub endpoint: EndpointKey<'a>,
    /// The code.
    pub code: CloseCode,
    /// Connections to it that closed with this code.
    pub connections: u64,
    /// Connections to it that have a close code.
    pub closes: u64,
}

/// Close codes by endpoint, the most frequent first, equally frequent ones by endpoint and code.
#[must_use]
pub fn by_endpoint(analysis: &Analysis) -> Vec<EndpointCodeRow<'_>> {
    let mut counts = BTreeMap::<(EndpointKey<'_>, CloseCode), u64>::new();
    let mut closes = BTreeMap::<EndpointKey<'_>, u64>::new();
    for record in &analysis.connections {
        if let Some(code) = record.verdict.close_code {
            let endpoint = EndpointKey::of(record);
            *counts.entry((endpoint, code)).or_default() += 1;
            *closes.entry(endpoint).or_default() += 1;
        }
    }
    let row = |((endpoint, code), connections)| {
        let closes = closes.get(&endpoint).copied().unwrap_or(connections);
        EndpointCodeRow { endpoint, code, connections, closes }
    };
    let mut rows: Vec<_> = counts.into_iter().map(row).collect();
    // The sort is stable: ties stay in the order of keys.
    rows.sort_by_key(|row| Reverse(row.connections));
    rows
}

/// The table of `analysis`.
pub(super) fn table(analysis: &Analysis) -> PolarsResult<DataFrame> {
    schema::frame(&columns(), &by_endpoint(analysis))
}

type Field<'a> = Column<EndpointCodeRow<'a>>;

/// The columns in order.
pub(super) fn columns<'a>() -> [Field<'a>; 8] {
    [
        Field::address("server_ip", |row| row.endpoint.server.ip()).means("Address of the server"),
        Field::code("server_port", |row| Some(row.endpoint.server.port())).means("Its TCP port"),
        Field::text("host", |row| row.endpoint.host.map(Into::into))
            .means("The `Host` field of the request; where TLS failed before it, the name in the TLS handshake")
            .null("The request has none, or is not in the capture"),
        Field::text("path", |row| row.endpoint.path.map(Into::into))
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
        let hosts: Vec<_> = by_endpoint(&analysis).iter().map(|row| row.endpoint.host.map(str::to_owned)).collect();
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
            .map(|row| (row.endpoint.path.unwrap_or_default().to_owned(), row.code.0, row.connections, row.closes))
            .collect();
        let row = |path: &str, code, connections, closes| (path.to_owned(), code, connections, closes);
        assert_eq!(rows, [row("/a", 1000, 2, 3), row("/a", 1001, 1, 3), row("/b", 1000, 1, 1)]);
    }
}
