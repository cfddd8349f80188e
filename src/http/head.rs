//! Heads: the start line and the fields of a request or a response, parsed by httparse.

use httparse::{EMPTY_HEADER, Header, Status};

use crate::limits;

use super::reader::{Head, Malformed};
use super::{may_be_request, may_be_response};

/// The fields of a head, in order. Names compare without case; values are bytes without surrounding blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Box<str>, Box<[u8]>)>);

impl Fields {
    fn from_parsed(headers: &[Header<'_>]) -> Self {
        Self(headers.iter().map(|header| (header.name.into(), header.value.trim_ascii().into())).collect())
    }

    /// The values of every field of that name, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The value of the first field of that name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The elements of a comma-separated list field (RFC 9110 section 5.6.1), over all fields of that name. Commas in
    /// quoted strings do not separate.
    pub fn elements<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(|value| {
            let mut quoted = false;
            value
                .split(move |byte| {
                    quoted ^= *byte == b'"';
                    *byte == b',' && !quoted
                })
                .map(<[u8]>::trim_ascii)
                .filter(|element| !element.is_empty())
        })
    }

    /// Whether a list field has `token` among its elements, without regard to case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The value of the first field of that name as text: UTF-8, or else one character for each byte (ISO 8859-1).
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Box<str>> {
        self.first(name).map(text_of)
    }
}

/// Bytes of a head as text: UTF-8 where they are, else one character for each byte, as ISO 8859-1 has it (RFC 9110
/// section 5.5).
fn text_of(bytes: &[u8]) -> Box<str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    }
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: Box<str>,
    /// The request target: path and query.
    pub target: Box<str>,
    /// The minor version of HTTP/1: 0 or 1.
    pub minor_version: u8,
    /// Its fields.
    pub fields: Fields,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
}

impl Head for Request {
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut headers = [EMPTY_HEADER; limits::HTTP_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(Status::Complete(length)) => {
                let head = Self {
                    method: request.method.unwrap_or_default().into(),
                    target: request.path.unwrap_or_default().into(),
                    minor_version: request.version.unwrap_or_default(),
                    fields: Fields::from_parsed(request.headers),
                };
                Ok(Some((head, length)))
            }
            Ok(Status::Partial) => Ok(None),
            Err(_) => Err(Malformed),
        }
    }

    fn may_begin_with(bytes: &[u8]) -> bool {
        may_be_request(bytes)
    }
}

impl Head for Response {
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut headers = [EMPTY_HEADER; limits::HTTP_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(bytes) {
            Ok(Status::Complete(length)) => {
                let head =
                    Self { status: response.code.unwrap_or_default(), fields: Fields::from_parsed(response.headers) };
                Ok(Some((head, length)))
            }
            Ok(Status::Partial) => Ok(None),
            Err(_) => Err(Malformed),
        }
    }

    fn may_begin_with(bytes: &[u8]) -> bool {
        may_be_response(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        Request::parse(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn list_fields_span_lines_and_respect_quotes() {
        let head = request("GET / HTTP/1.1\r\nX: a, \"b, c\"\r\nx:d ,,\r\n\r\n");
        let elements: Vec<&[u8]> = head.fields.elements("x").collect();
        assert_eq!(elements, [&b"a"[..], b"\"b, c\"", b"d"]);
        assert!(head.fields.has_token("X", "D"));
        assert!(!head.fields.has_token("X", "b"));
    }

    #[test]
    fn values_that_are_not_utf8_stay_readable() {
        let bytes = b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: caf\xe9\r\n\r\n";
        let head = Request::parse(bytes).unwrap().unwrap().0;
        assert_eq!(head.fields.text("host").as_deref(), Some("café"));
        assert_eq!(&*head.target, "/café");
    }

    #[test]
    fn incomplete_heads_want_more_and_garbage_is_malformed() {
        assert!(Request::parse(b"GET / HTTP/1.1\r\nHost:").unwrap().is_none());
        assert!(Request::parse(b"\x16\x03\x01").is_err());
        assert!(Response::parse(b"HTTP/1.1 101 Switching Protocols\r\n").unwrap().is_none());
    }
}
