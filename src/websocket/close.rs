//! The body of a Close frame (RFC 6455 section 5.5.1): a code, then a reason.

use crate::close_code::CloseCode;

/// A Close frame's body, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseBody<'a> {
    /// The code; `None` if the body is shorter than two bytes.
    pub code: Option<CloseCode>,
    /// What follows the code, not necessarily UTF-8.
    pub reason: &'a [u8],
    /// Length of the body in bytes, more than is held here if it is over [`crate::limits::CLOSE_BODY_BYTES`].
    pub length: u64,
    /// Whether the reason is whole. Without it the code, where it is there, is still what was sent.
    pub whole: bool,
}

impl<'a> CloseBody<'a> {
    /// Takes apart a body of `length` bytes of which `bytes` are here.
    #[must_use]
    pub fn parse(bytes: &'a [u8], length: u64) -> Self {
        let (code, reason) = match bytes.split_first_chunk::<2>() {
            Some((code, reason)) => (Some(CloseCode(u16::from_be_bytes(*code))), reason),
            None => (None, &[][..]),
        };
        Self { code, reason, length, whole: bytes.len() as u64 == length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_every_length_are_taken_apart() {
        assert_eq!(CloseBody::parse(b"", 0), CloseBody { code: None, reason: b"", length: 0, whole: true });
        assert_eq!(CloseBody::parse(b"\x03", 1).code, None);
        assert_eq!(CloseBody::parse(b"\x03\xe8", 2).code, Some(CloseCode::NORMAL));
        let cut = CloseBody::parse(b"\x03\xe8by", 5);
        assert_eq!((cut.reason, cut.whole), (&b"by"[..], false));
    }
}
