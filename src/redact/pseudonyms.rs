//! Stand-ins for whatever names somebody: the same one for the same name, and of the same kind, so that tables still group
//! and addresses still are addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::flow::Endpoint;

/// The names met so far, each with its number.
#[derive(Debug, Default)]
pub(super) struct Pseudonyms {
    v4: HashMap<Ipv4Addr, u32>,
    v6: HashMap<Ipv6Addr, u32>,
    hosts: HashMap<String, u32>,
    agents: HashMap<String, u32>,
}

impl Pseudonyms {
    /// Another address, with the same port.
    pub(super) fn endpoint(&mut self, endpoint: Endpoint) -> Endpoint {
        Endpoint::new(self.address(endpoint.ip()), endpoint.port())
    }

    /// An address of those that no host has: of 240.0.0.0/4 (RFC 1112 section 4), or 2001:db8::/32 (RFC 3849).
    pub(super) fn address(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(0xf000_0000 | number(&mut self.v4, v4))),
            IpAddr::V6(v6) => {
                let last = u128::from(number(&mut self.v6, v6));
                IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | last))
            }
        }
    }

    /// A host, with a port or without: an address, or a name below `.invalid` (RFC 2606).
    pub(super) fn authority(&mut self, text: &str) -> String {
        if let Ok(address) = text.parse() {
            return self.address(address).to_string();
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return SocketAddr::new(self.address(socket.ip()), socket.port()).to_string();
        }
        if let Some(Ok(address)) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::parse) {
            return format!("[{}]", self.address(IpAddr::V6(address)));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => format!("{}:{port}", self.host(host)),
            Some(_) | None => self.host(text),
        }
    }

    /// The scheme stays, and `null`, which names nobody (RFC 6454 section 7.3).
    pub(super) fn origin(&mut self, text: &str) -> String {
        match text.split_once("://") {
            Some((scheme, authority)) if SCHEMES.contains(&scheme) => {
                format!("{scheme}://{}", self.authority(authority))
            }
            None if text == "null" => text.to_owned(),
            Some(_) | None => self.host(text),
        }
    }

    pub(super) fn agent(&mut self, text: &str) -> String {
        format!("agent-{}", number(&mut self.agents, text.to_owned()))
    }

    /// Names of hosts are the same in any case.
    fn host(&mut self, text: &str) -> String {
        format!("host-{}.invalid", number(&mut self.hosts, text.to_ascii_lowercase()))
    }
}

/// A request target without its query, and without the host that stands before it in the form for proxies.
pub(super) fn path(text: &str) -> String {
    let target = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        Some(_) | None => text,
    };
    match target.split_once(['?', '#']) {
        Some((path, _)) => format!("{path}?redacted"),
        None => target.to_owned(),
    }
}

/// The number of `name`, from 1, in the order of first appearance.
fn number<K: std::hash::Hash + Eq>(known: &mut HashMap<K, u32>, name: K) -> u32 {
    // Memory is full long before this is.
    let next = known.len() as u32 + 1;
    *known.entry(name).or_insert(next)
}

/// What an origin begins with that names nobody. Others are of browser extensions and programs.
const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_keep_their_form() {
        let cases = [
            ("chat.example", "host-1.invalid"),
            ("chat.example:8080", "host-1.invalid:8080"),
            ("Chat.Example", "host-1.invalid"),
            ("192.0.2.1", "240.0.0.1"),
            ("192.0.2.1:80", "240.0.0.1:80"),
            ("[fe80::1]:80", "[2001:db8::1]:80"),
            ("[fe80::1]", "[2001:db8::1]"),
            ("fe80::1", "2001:db8::1"),
            ("fe80::1%eth0", "host-2.invalid"),
            ("_hidden", "host-3.invalid"),
            ("user:secret", "host-4.invalid"),
            ("", "host-5.invalid"),
        ];
        let mut pseudonyms = Pseudonyms::default();
        for (text, expected) in cases {
            assert_eq!(pseudonyms.authority(text), expected, "{text}");
        }
    }

    #[test]
    fn origins_keep_their_scheme() {
        let cases = [
            ("https://a.example", "https://host-1.invalid"),
            ("http://a.example:8080", "http://host-1.invalid:8080"),
            ("https://[fe80::1]:1", "https://[2001:db8::1]:1"),
            ("null", "null"),
            ("chrome-extension://abcdef", "host-2.invalid"),
            ("a.example", "host-1.invalid"),
        ];
        let mut pseudonyms = Pseudonyms::default();
        for (text, expected) in cases {
            assert_eq!(pseudonyms.origin(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_lose_query_and_host() {
        let cases = [
            ("/chat", "/chat"),
            ("/chat?token=1", "/chat?redacted"),
            ("/?", "/?redacted"),
            ("/chat?next=https://a.example/", "/chat?redacted"),
            ("http://a.example/chat?x", "/chat?redacted"),
            ("http://a.example", "/"),
            ("http://a.example?x", "?redacted"),
            ("/a#b", "/a?redacted"),
            ("/to/https://a.example/", "/to/https://a.example/"),
            ("*", "*"),
        ];
        for (text, expected) in cases {
            assert_eq!(path(text), expected, "{text}");
        }
    }
}
