//! Header fields: those that somebody reads, in order, with their values.

use httparse::Header;

/// A header field that somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Connection`.
    Connection,
    /// `Content-Length`.
    ContentLength,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `Host`.
    Host,
    /// `Origin`.
    Origin,
    /// `Sec-WebSocket-Accept`.
    WebSocketAccept,
    /// `Sec-WebSocket-Extensions`.
    WebSocketExtensions,
    /// `Sec-WebSocket-Key`.
    WebSocketKey,
    /// `Sec-WebSocket-Protocol`.
    WebSocketProtocol,
    /// `Sec-WebSocket-Version`.
    WebSocketVersion,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Upgrade`.
    Upgrade,
    /// `User-Agent`.
    UserAgent,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

impl Field {
    const COUNT: usize = Self::XForwardedFor as usize + 1;

    /// The field that is called `name`, without regard to case.
    fn named(name: &str) -> Option<Self> {
        let candidates: &[(Self, &str)] = match name.len() {
            4 => &[(Self::Host, "host")],
            6 => &[(Self::Origin, "origin")],
            7 => &[(Self::Upgrade, "upgrade")],
            9 => &[(Self::Forwarded, "forwarded")],
            10 => &[(Self::Connection, "connection"), (Self::UserAgent, "user-agent")],
            14 => &[(Self::ContentLength, "content-length")],
            15 => &[(Self::XForwardedFor, "x-forwarded-for")],
            17 => &[(Self::WebSocketKey, "sec-websocket-key"), (Self::TransferEncoding, "transfer-encoding")],
            20 => &[(Self::WebSocketAccept, "sec-websocket-accept")],
            21 => &[(Self::WebSocketVersion, "sec-websocket-version")],
            22 => &[(Self::WebSocketProtocol, "sec-websocket-protocol")],
            24 => &[(Self::WebSocketExtensions, "sec-websocket-extensions")],
            _ => &[],
        };
        candidates.iter().find(|(_, own)| own.eq_ignore_ascii_case(name)).map(|(field, _)| *field)
    }
}

/// The fields of a head that somebody reads. Values are bytes without surrounding blanks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// All values, one behind the other.
    values: Vec<u8>,
    /// Where in them the first value of each field is.
    first: [Option<Place>; Field::COUNT],
    /// Fields that come once more, in order.
    further: Vec<(Field, Place)>,
}

/// Where in all values one begins and ends. Heads are far from 4 GiB.
type Place = (u32, u32);

impl Fields {
    pub(super) fn from_parsed(headers: &[Header<'_>]) -> Self {
        let mut fields = Self { values: Vec::with_capacity(USUAL_BYTES), ..Self::default() };
        for header in headers {
            if let Some(field) = Field::named(header.name) {
                fields.push(field, header.value.trim_ascii());
            }
        }
        fields
    }

    fn push(&mut self, field: Field, value: &[u8]) {
        let begin = self.end();
        self.values.extend_from_slice(value);
        let place = (begin, self.end());
        match self.first.get_mut(field as usize) {
            Some(first @ None) => *first = Some(place),
            Some(Some(_)) | None => self.further.push((field, place)),
        }
    }

    fn end(&self) -> u32 {
        u32::try_from(self.values.len()).unwrap_or(u32::MAX)
    }

    fn value(&self, (begin, end): Place) -> Option<&[u8]> {
        self.values.get(begin as usize..end as usize)
    }

    /// The values of every such field, in order.
    pub fn all(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let further = self.further.iter().filter(move |(own, _)| *own == field);
        self.first(field).into_iter().chain(further.filter_map(|(_, place)| self.value(*place)))
    }

    /// The value of the first such field.
    #[must_use]
    pub fn first(&self, field: Field) -> Option<&[u8]> {
        self.first.get(field as usize).copied().flatten().and_then(|place| self.value(place))
    }

    /// The elements of a comma-separated list field (RFC 9110 section 5.6.1), over all fields of that name. Commas in
    /// quoted strings do not separate.
    pub fn elements(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.all(field).flat_map(elements_of)
    }

    /// Whether a list field has `token` among its elements, without regard to case.
    #[must_use]
    pub fn has_token(&self, field: Field, token: &str) -> bool {
        let is_token = |element: &[u8]| element.eq_ignore_ascii_case(token.as_bytes());
        // Mostly it is the only one.
        self.all(field).any(|value| is_token(value) || elements_of(value).any(is_token))
    }

    /// The value of the first such field as text: UTF-8, or else one character for each byte (ISO 8859-1).
    #[must_use]
    pub fn text(&self, field: Field) -> Option<Box<str>> {
        self.first(field).map(text_of)
    }
}

/// The elements of a list.
fn elements_of(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let elements = value.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Bytes that the values mostly have together.
const USUAL_BYTES: usize = 256;

/// Bytes of a head as text: UTF-8 where they are, else one character for each byte, as ISO 8859-1 has it (RFC 9110
/// section 5.5).
fn text_of(bytes: &[u8]) -> Box<str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Head, Request};

    fn fields(text: &str) -> Fields {
        Request::parse(format!("GET / HTTP/1.1\r\n{text}\r\n").as_bytes()).unwrap().unwrap().0.fields
    }

    #[test]
    fn list_fields_span_lines_and_respect_quotes() {
        let fields = fields("Upgrade: a, \"b, c\"\r\nX: z\r\nupgrade:d ,,\r\n");
        let elements: Vec<&[u8]> = fields.elements(Field::Upgrade).collect();
        assert_eq!(elements, [&b"a"[..], b"\"b, c\"", b"d"]);
        assert!(fields.has_token(Field::Upgrade, "D"));
        assert!(!fields.has_token(Field::Upgrade, "b"));
    }

    #[test]
    fn fields_are_known_by_all_of_their_names() {
        let names = [
            (Field::Connection, "Connection"),
            (Field::ContentLength, "Content-Length"),
            (Field::Forwarded, "Forwarded"),
            (Field::Host, "Host"),
            (Field::Origin, "Origin"),
            (Field::WebSocketAccept, "Sec-WebSocket-Accept"),
            (Field::WebSocketExtensions, "Sec-WebSocket-Extensions"),
            (Field::WebSocketKey, "Sec-WebSocket-Key"),
            (Field::WebSocketProtocol, "Sec-WebSocket-Protocol"),
            (Field::WebSocketVersion, "Sec-WebSocket-Version"),
            (Field::TransferEncoding, "Transfer-Encoding"),
            (Field::Upgrade, "Upgrade"),
            (Field::UserAgent, "User-Agent"),
            (Field::XForwardedFor, "X-Forwarded-For"),
        ];
        let all: String = names.iter().map(|(_, name)| format!("{name}: {name}\r\nZ{name}: z\r\n")).collect();
        let (fields, small) = (fields(&all), fields(&all.to_ascii_lowercase()));
        for (field, name) in names {
            assert_eq!(fields.all(field).collect::<Vec<_>>(), [name.as_bytes()]);
            assert_eq!(small.all(field).collect::<Vec<_>>(), [name.to_ascii_lowercase().as_bytes()]);
        }
        assert_eq!(names.len(), Field::COUNT);
    }
}
