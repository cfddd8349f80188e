//! The PROXY protocol, versions 1 and 2: what a proxy says of its client before anything else.
//!
//! In come the first bytes of a connection, out come the client's address and where the header ends. Source: the
//! specification in HAProxy's `doc/proxy-protocol.txt`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// No PROXY header.
    No,
    /// They may go on to be one.
    Incomplete,
    /// A header of this length; `None` where it does not tell the client, such as the proxy's own health checks.
    Header { length: usize, client: Option<IpAddr> },
}

/// Reads a PROXY header.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    if is_prefix(bytes, FIRST) {
        parse_text(bytes)
    } else if is_prefix(bytes, SECOND) {
        parse_binary(bytes)
    } else {
        Parsed::No
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` and a line end (section 2.1).
fn parse_text(bytes: &[u8]) -> Parsed {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST_TEXT { Parsed::Incomplete } else { Parsed::No };
    };
    let line = bytes.get(..end).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let mut words = line.split(' ').skip(1);
    let client = match words.next() {
        Some("TCP4" | "TCP6") => words.next().and_then(|address| address.parse().ok()),
        Some("UNKNOWN") => None,
        _ => return Parsed::No,
    };
    Parsed::Header { length: end + 2, client }
}

/// The signature, version and command, family, the length of what follows, and addresses (section 2.2).
fn parse_binary(bytes: &[u8]) -> Parsed {
    let Some(&[command, family, high, low]) = bytes.get(SECOND.len()..).and_then(|rest| rest.first_chunk()) else {
        return Parsed::Incomplete;
    };
    let length = SECOND.len() + 4 + usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 || command & 0x0f > 1 || length > limits::PROXY_HEADER_BYTES {
        return Parsed::No;
    }
    let Some(addresses) = bytes.get(SECOND.len() + 4..length) else { return Parsed::Incomplete };
    let client = match (command & 0x0f, family >> 4) {
        (1, 1) => addresses.first_chunk().map(|octets: &[u8; 4]| Ipv4Addr::from(*octets).into()),
        (1, 2) => addresses.first_chunk().map(|octets: &[u8; 16]| Ipv6Addr::from(*octets).into()),
        _ => None,
    };
    Parsed::Header { length, client }
}

/// Whether `bytes` begin with `signature`, or are the beginning of it.
fn is_prefix(bytes: &[u8], signature: &[u8]) -> bool {
    let length = bytes.len().min(signature.len());
    length > 0 && bytes.get(..length) == signature.get(..length)
}

const FIRST: &[u8] = b"PROXY ";
const SECOND: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of the longest header of version 1.
const LONGEST_TEXT: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        [SECOND, &[command, family, 0, addresses.len() as u8], addresses].concat()
    }

    fn client(bytes: &[u8]) -> Option<String> {
        match parse(&[bytes, b"GET /"].concat()) {
            Parsed::Header { length, client } => {
                assert_eq!(length, bytes.len());
                client.map(|client| client.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn client_is_told_by_either_version() {
        assert_eq!(client(b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n").as_deref(), Some("192.0.2.1"));
        assert_eq!(client(b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n").as_deref(), Some("2001:db8::1"));
        assert_eq!(client(b"PROXY UNKNOWN\r\n"), None);
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb];
        assert_eq!(client(&binary(0x21, 0x11, &four)).as_deref(), Some("192.0.2.1"));
        let six = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 20]].concat();
        assert_eq!(client(&binary(0x21, 0x21, &six)).as_deref(), Some("2001:db8::1"));
        assert_eq!(client(&binary(0x20, 0, &[])), None, "the proxy itself");
    }

    #[test]
    fn header_in_parts_is_waited_for() {
        for header in [&b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"[..], &binary(0x21, 0x11, &[1; 12])] {
            for end in 1..header.len() {
                assert_eq!(parse(&header[..end]), Parsed::Incomplete, "{end} bytes");
            }
        }
    }

    #[test]
    fn other_beginnings_are_no_header() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"POST", b"", b"\x16\x03\x01", b"PROXY TCP5 x\r\n", &[b'P'; 200]] {
            assert_eq!(parse(bytes), Parsed::No, "{}", bytes.escape_ascii());
        }
        assert_eq!(parse(&binary(0x31, 0x11, &[0; 12])), Parsed::No, "version 3");
    }
}
