//! Where a body ends (RFC 9112 section 6), without looking into it.

use super::field::{Field, Fields};
use super::head::{Request, Response};

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes from here; 0 for no body.
    Length(u64),
    /// A chunked body, and where in it we are.
    Chunked(Chunk),
    /// It lasts until the connection ends.
    UntilEnd,
}

/// Where in a chunked body we are (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// In the size, of which this much was read.
    Size(u64),
    /// In what follows the size on its line.
    Extension(u64),
    /// In the data, with so many bytes left, or in the line end after them.
    Data(u64),
    /// In the line end after the data.
    DataEnd,
    /// In the trailer; whether the current line is empty so far.
    Trailer {
        /// No byte but a carriage return was seen on this line.
        empty: bool,
    },
}

impl Body {
    /// The body of `request`.
    #[must_use]
    pub fn of_request(request: &Request) -> Self {
        Self::by_fields(&request.fields).unwrap_or(Self::Length(0))
    }

    /// The body of `response`; `to_head` says that it answers a HEAD request.
    #[must_use]
    pub fn of_response(response: &Response, to_head: bool) -> Self {
        match response.status {
            100..=199 | 204 | 304 => Self::Length(0),
            _ if to_head => Self::Length(0),
            _ => Self::by_fields(&response.fields).unwrap_or(Self::UntilEnd),
        }
    }

    fn by_fields(fields: &Fields) -> Option<Self> {
        if fields.has_token(Field::TransferEncoding, "chunked") {
            return Some(Self::Chunked(Chunk::Size(0)));
        }
        let length = fields.elements(Field::ContentLength).next()?;
        std::str::from_utf8(length).ok()?.parse().ok().map(Self::Length)
    }

    /// Steps over as many of `bytes` as belong to the body: how many, and whether it ended there.
    pub(super) fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        match self {
            Self::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= count as u64;
                (count, *left == 0)
            }
            Self::UntilEnd => (bytes.len(), false),
            Self::Chunked(chunk) => chunk.step_all(bytes),
        }
    }

    /// Steps over a hole of `length` bytes: how many of them are the body's, or `None` if its end cannot be told any more.
    pub(super) fn step_over_gap(&mut self, length: u64) -> Option<u64> {
        let left = match self {
            Self::UntilEnd => return Some(length),
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => left,
            Self::Chunked(_) => return None,
        };
        let count = length.min(*left);
        *left -= count;
        Some(count)
    }
}

impl Chunk {
    fn step_all(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut position = 0;
        while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
            if let Self::Data(left) = self
                && *left > 0
            {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= count as u64;
                position += count;
                continue;
            }
            position += 1;
            if rest.first().is_some_and(|byte| self.step_byte(*byte)) {
                return (position, true);
            }
        }
        (position, false)
    }

    /// One byte outside the data; whether the body ends with it.
    fn step_byte(&mut self, byte: u8) -> bool {
        match (*self, byte) {
            (Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                *self = Self::Size(size.saturating_mul(16).saturating_add(u64::from(digit)));
            }
            (Self::Size(0) | Self::Extension(0), b'\n') => *self = Self::Trailer { empty: true },
            (Self::Size(size) | Self::Extension(size), b'\n') => *self = Self::Data(size),
            (Self::Size(size) | Self::Extension(size), _) => *self = Self::Extension(size),
            (Self::Data(_) | Self::DataEnd, b'\n') => *self = Self::Size(0),
            (Self::Data(_) | Self::DataEnd, _) => *self = Self::DataEnd,
            (Self::Trailer { empty }, b'\n') => {
                *self = Self::Trailer { empty: true };
                return empty;
            }
            (Self::Trailer { empty }, _) => *self = Self::Trailer { empty: empty && byte == b'\r' },
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] = b"5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\nrest";

    #[test]
    fn chunked_body_ends_after_its_trailer_however_it_is_split() {
        for split in 0..CHUNKED.len() {
            let mut body = Body::Chunked(Chunk::Size(0));
            let (head, tail) = CHUNKED.split_at(split);
            let (first, over) = body.step(head);
            let consumed = if over { first } else { first + body.step(tail).0 };
            assert_eq!(&CHUNKED[consumed..], b"rest", "split at {split}");
        }
    }

    #[test]
    fn gaps_are_stepped_over_where_the_length_is_known() {
        assert_eq!(Body::Length(10).step_over_gap(4), Some(4));
        assert_eq!(Body::Length(10).step_over_gap(40), Some(10));
        assert_eq!(Body::Chunked(Chunk::Data(3)).step_over_gap(4), Some(3));
        assert_eq!(Body::Chunked(Chunk::Size(3)).step_over_gap(4), None);
    }
}
