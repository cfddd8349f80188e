//! Which failed TLS handshakes were to become WebSockets: those with an endpoint that serves WebSockets.
//!
//! An endpoint is known by a WebSocket that it served in these captures, by address and port or by its name, or because
//! the user says so.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::close_code::CloseCode;
use crate::connection::{CloseSource, ConnectionRecord, Handshake, Store, TlsFailure};
use crate::flow::{Endpoint, PacketId};

use super::connections::Connections;

/// A server of WebSockets that the user names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketServer {
    host: String,
    port: Option<u16>,
}

impl WebSocketServer {
    /// Reads `HOST` or `HOST:PORT`; an IPv6 address with a port stands in brackets. `None` if the host is empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (!host.is_empty()).then_some(Self { host, port })
    }

    fn is(&self, server: Endpoint, sni: Option<&str>) -> bool {
        let address = self.host.parse::<IpAddr>().is_ok_and(|address| address == server.ip());
        let name = sni.is_some_and(|sni| sni.eq_ignore_ascii_case(&self.host));
        (address || name) && self.port.is_none_or(|port| port == server.port())
    }
}

/// The connections of those `failures` that were to become WebSockets; `stores` hold all others.
pub(super) fn failed(stores: &[Store], failures: &[TlsFailure], named: &[WebSocketServer]) -> Store {
    let mut failed = Store::default();
    if failures.is_empty() {
        return failed;
    }
    let (mut endpoints, mut names) = (HashSet::new(), HashSet::new());
    let mut serve = |record: &ConnectionRecord| {
        if record.handshake == Handshake::Complete {
            endpoints.insert(record.server);
            names.extend(record.sni.as_deref().map(str::to_ascii_lowercase));
        }
    };
    stores.iter().for_each(|store| store.for_each(&mut serve));
    let is_known = |record: &ConnectionRecord| {
        let sni = record.sni.as_deref();
        // One that asked for a WebSocket says so itself.
        record.request.path.is_some()
            || endpoints.contains(&record.server)
            || sni.is_some_and(|sni| names.contains(&sni.to_ascii_lowercase()))
            || named.iter().any(|server| server.is(record.server, sni))
    };
    let known = failures.iter().filter(|failure| is_known(&failure.record));
    known.for_each(|failure| failed.push((*failure.record).clone()));
    failed
}

/// Which connection each of `failures` is, by its number in `connections`.
pub(super) fn numbers(failures: &[TlsFailure], connections: &Connections) -> Vec<Option<u64>> {
    if failures.is_empty() {
        return Vec::new();
    }
    let failed = |record: &ConnectionRecord| {
        let code = record.verdict.close_code == Some(CloseCode::TLS_HANDSHAKE);
        code && record.verdict.source == Some(CloseSource::Inferred)
    };
    let mut numbers = HashMap::<PacketId, u64>::new();
    connections.for_each(|number, record| {
        if failed(record) {
            numbers.insert(record.first_packet, number);
        }
    });
    failures.iter().map(|failure| numbers.get(&failure.record.first_packet).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_by_address_or_name_with_or_without_port() {
        let server: Endpoint = Endpoint::new("192.0.2.1".parse().unwrap(), 443);
        let is = |text: &str, sni| WebSocketServer::parse(text).unwrap().is(server, sni);
        assert!(is("192.0.2.1", None) && is("192.0.2.1:443", None));
        assert!(!is("192.0.2.1:8443", None) && !is("192.0.2.2", None));
        assert!(is("example.com", Some("EXAMPLE.com")) && is("example.com:443", Some("example.com")));
        assert!(!is("example.com", None) && !is("example.com", Some("www.example.com")));
        let six: Endpoint = Endpoint::new("2001:db8::1".parse().unwrap(), 443);
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"] {
            assert!(WebSocketServer::parse(text).unwrap().is(six, None), "{text}");
        }
        assert_eq!(WebSocketServer::parse(""), None);
        assert_eq!(WebSocketServer::parse("example.com:http"), None);
    }
}
