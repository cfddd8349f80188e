//! HTTP/1.1 (RFC 9112), as far as a WebSocket needs it: request and response heads, and where bodies end.
//!
//! In come the bytes and gaps of one direction, out go heads. Bodies are stepped over, never stored.

mod body;
mod field;
mod forwarded;
mod head;
mod reader;

pub use body::Body;
pub use field::{Field, Fields};
pub use forwarded::forwarded_for;
pub use head::{Request, Response};
pub use reader::{Head, Malformed, Progress, Reader};

/// Whether a direction that begins with `bytes` may be a client's: a method in capital letters.
#[must_use]
pub fn may_be_request(bytes: &[u8]) -> bool {
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match bytes.get(letters) {
        None => letters > 0,
        Some(after) => *after == b' ' && letters >= 3,
    }
}

/// Whether a direction that begins with `bytes` may be a server's: an HTTP/1 status line.
#[must_use]
pub fn may_be_response(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let length = bytes.len().min(START.len());
    length > 0 && bytes.get(..length) == START.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_told_by_their_first_bytes() {
        assert!(may_be_request(b"GET / HTTP/1.1\r\n"));
        assert!(may_be_request(b"G"));
        assert!(!may_be_request(b"SSH-2.0-x"));
        assert!(!may_be_request(b"\x16\x03\x01"));
        assert!(!may_be_request(b""));
        assert!(may_be_response(b"HTTP/1.1 101"));
        assert!(may_be_response(b"HT"));
        assert!(!may_be_response(b"HTTP/2"));
    }
}
