//! Heads: the start line and the fields of a request or a response, parsed by httparse.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use httparse::{ParserConfig, Status};

use crate::limits;

use super::field::Fields;
use super::reader::{Head, Malformed};
use super::{may_be_request, may_be_response};

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: Cow<'static, str>,
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
        // Most heads have ten fields; to write a hundred empty ones takes longer than to parse those.
        let mut headers = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(Status::Complete(length)) => {
                let head = Self {
                    method: method_of(request.method.unwrap_or_default()),
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

/// A method's name, which is mostly one of these.
fn method_of(name: &str) -> Cow<'static, str> {
    const USUAL: [&str; 4] = ["GET", "POST", "HEAD", "CONNECT"];
    USUAL.into_iter().find(|usual| *usual == name).map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

impl Head for Response {
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut headers = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        match ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers) {
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
    use crate::http::Field;

    #[test]
    fn values_that_are_not_utf8_stay_readable() {
        let bytes = b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: caf\xe9\r\n\r\n";
        let head = Request::parse(bytes).unwrap().unwrap().0;
        assert_eq!(head.fields.text(Field::Host).as_deref(), Some("café"));
        assert_eq!(&*head.target, "/café");
    }

    #[test]
    fn incomplete_heads_want_more_and_garbage_is_malformed() {
        assert!(Request::parse(b"GET / HTTP/1.1\r\nHost:").unwrap().is_none());
        assert!(Request::parse(b"\x16\x03\x01").is_err());
        assert!(Response::parse(b"HTTP/1.1 101 Switching Protocols\r\n").unwrap().is_none());
    }
}
