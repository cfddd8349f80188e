//! What is analysed of the captures: by port, host, path and time.
//!
//! Ports, addresses and times are judged by each segment, before reassembly; names of hosts and paths by each connection,
//! once its request is known.

use std::net::IpAddr;

use crate::connection::ConnectionRecord;
use crate::flow::{Direction, FlowKey, Timestamp};

/// Narrows an analysis. An empty list, or `None`, narrows nothing; of a list, any element may match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// TCP ports of either end.
    pub ports: Vec<u16>,
    /// Addresses of either end, or names in the `Host` field of the request.
    pub hosts: Vec<Host>,
    /// Beginnings of the path of the request.
    pub paths: Vec<String>,
    /// The first moment that counts. A connection that is open by then is as if the capture began there.
    pub since: Option<Timestamp>,
    /// The moment from which on nothing counts. A connection that is open by then is as if the capture ended there.
    pub until: Option<Timestamp>,
}

/// A host, by address or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// The address of either end.
    Address(IpAddr),
    /// A name in the `Host` field, without its port, in any case.
    Name(String),
}

impl Host {
    /// An address if it can be read as one, else a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        bare.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Address)
    }
}

impl Filter {
    /// Whether a segment of this flow at that time can belong to a connection that counts.
    #[must_use]
    #[inline]
    pub fn wants_segment(&self, key: &FlowKey, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time < until)
            && self.wants_ports(key)
            && self.may_want_addresses(key)
    }

    /// Whether a connection counts.
    #[must_use]
    pub fn wants_connection(&self, record: &ConnectionRecord) -> bool {
        self.wants_host(record) && self.wants_path(record)
    }

    #[inline]
    fn wants_ports(&self, key: &FlowKey) -> bool {
        self.ports.is_empty() || ends(key).iter().any(|end| self.ports.contains(&end.port()))
    }

    /// A name can belong to any address.
    #[inline]
    fn may_want_addresses(&self, key: &FlowKey) -> bool {
        self.hosts.is_empty()
            || self.hosts.iter().any(|host| match host {
                Host::Name(_) => true,
                Host::Address(address) => ends(key).iter().any(|end| end.ip() == *address),
            })
    }

    fn wants_host(&self, record: &ConnectionRecord) -> bool {
        self.hosts.is_empty()
            || self.hosts.iter().any(|host| match host {
                Host::Address(address) => [record.client, record.server].iter().any(|end| end.ip() == *address),
                Host::Name(name) => {
                    record.request.host.as_deref().is_some_and(|host| without_port(host).eq_ignore_ascii_case(name))
                }
            })
    }

    fn wants_path(&self, record: &ConnectionRecord) -> bool {
        self.paths.is_empty()
            || record
                .request
                .path
                .as_deref()
                .is_some_and(|path| self.paths.iter().any(|begin| path.starts_with(begin.as_str())))
    }
}

fn ends(key: &FlowKey) -> [crate::flow::Endpoint; 2] {
    [Direction::FromLow, Direction::FromHigh].map(|direction| key.sender(direction))
}

/// `example.com` of `example.com:8080`; of an address in brackets, the address with them.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Endpoint;

    fn key() -> FlowKey {
        FlowKey::of(Endpoint::from_v4([10, 0, 0, 1], 50000), Endpoint::from_v4([10, 0, 0, 2], 8080)).0
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn nothing_is_narrowed_by_default() {
        assert!(Filter::default().wants_segment(&key(), at(0)));
    }

    #[test]
    fn either_end_may_have_the_port_or_address() {
        let wants = |filter: Filter| filter.wants_segment(&key(), at(0));
        assert!(wants(Filter { ports: vec![1, 8080], ..Filter::default() }));
        assert!(!wants(Filter { ports: vec![443], ..Filter::default() }));
        assert!(wants(Filter { hosts: vec![Host::parse("10.0.0.2")], ..Filter::default() }));
        assert!(!wants(Filter { hosts: vec![Host::parse("10.0.0.3")], ..Filter::default() }));
        assert!(wants(Filter { hosts: vec![Host::parse("10.0.0.3"), Host::parse("a.example")], ..Filter::default() }));
    }

    #[test]
    fn time_begins_with_since_and_ends_before_until() {
        let filter = Filter { since: Some(at(10)), until: Some(at(20)), ..Filter::default() };
        let wanted = [9, 10, 19, 20].map(|seconds| filter.wants_segment(&key(), at(seconds)));
        assert_eq!(wanted, [false, true, true, false]);
    }

    #[test]
    fn hosts_are_compared_without_their_ports() {
        assert_eq!(without_port("a.example:8080"), "a.example");
        assert_eq!(without_port("a.example"), "a.example");
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(Host::parse("[::1]"), Host::Address("::1".parse().unwrap()));
        assert_eq!(Host::parse("a.example"), Host::Name("a.example".to_owned()));
    }
}
