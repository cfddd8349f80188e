//! The client that a proxy speaks for: `Forwarded` (RFC 7239), else `X-Forwarded-For`.

use super::field::{Field, Fields};

/// The first client that the fields name, without its port; `None` if they name none.
///
/// With several proxies in a row the first one named is the farthest, so the client itself.
#[must_use]
pub fn forwarded_for(fields: &Fields) -> Option<Box<str>> {
    let forwarded = fields.elements(Field::Forwarded).find_map(for_parameter);
    let node = forwarded.or_else(|| fields.elements(Field::XForwardedFor).next())?;
    let text = String::from_utf8_lossy(node);
    let node = without_port(text.trim_matches('"').trim());
    (!node.is_empty()).then(|| node.into())
}

/// The value of `for=` in an element of `Forwarded`.
fn for_parameter(element: &[u8]) -> Option<&[u8]> {
    element.split(|byte| *byte == b';').find_map(|pair| {
        let (name, value) = pair.trim_ascii().split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then(|| value.trim_ascii())
    })
}

/// `192.0.2.1:80` and `[2001:db8::1]:80` without the port; everything else as it is.
fn without_port(node: &str) -> &str {
    if let Some(inner) = node.strip_prefix('[') {
        return inner.split_once(']').map_or(node, |(address, _)| address);
    }
    match node.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Head, Request};

    fn named(fields: &str) -> Option<String> {
        let text = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let (head, _) = Request::parse(text.as_bytes()).unwrap().unwrap();
        forwarded_for(&head.fields).map(String::from)
    }

    #[test]
    fn first_client_is_named_without_its_port() {
        assert_eq!(named("X-Forwarded-For: 203.0.113.7, 10.0.0.1\r\n").as_deref(), Some("203.0.113.7"));
        assert_eq!(named("X-Forwarded-For: 203.0.113.7:4711\r\n").as_deref(), Some("203.0.113.7"));
        assert_eq!(named("X-Forwarded-For: 2001:db8::7\r\n").as_deref(), Some("2001:db8::7"));
        assert_eq!(
            named("Forwarded: proto=http; For=\"[2001:db8::7]:4711\", for=10.0.0.1\r\n").as_deref(),
            Some("2001:db8::7")
        );
    }

    #[test]
    fn forwarded_comes_before_x_forwarded_for() {
        assert_eq!(named("X-Forwarded-For: 10.0.0.1\r\nForwarded: for=_hidden\r\n").as_deref(), Some("_hidden"));
        assert_eq!(named("Forwarded: proto=https\r\nX-Forwarded-For: 10.0.0.1\r\n").as_deref(), Some("10.0.0.1"));
        assert_eq!(named("X-Forwarded-For: \r\n"), None);
        assert_eq!(named(""), None);
    }
}
