//! One direction of an HTTP/1.1 connection: bytes to heads, bodies stepped over.
//!
//! ```text
//!            whole head                 body's end
//!   Head ───────────────▶ (caller) ──▶ Body ───────▶ Head
//!     │                                  │
//!     └── gap, or no HTTP ──▶ Lost ◀─────┘ gap that hides the body's end
//!                              │
//!                              └── a segment that begins like a head ──▶ Head
//! ```

use crate::limits;

use super::body::Body;

/// Bytes that are no HTTP head, or one over [`limits::HTTP_HEAD_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The head of a request or a response.
pub trait Head: Sized {
    /// Reads a head from the beginning of `bytes`: it and its length, or `None` if it goes on behind them.
    ///
    /// # Errors
    /// If the bytes are no such head.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed>;

    /// Whether a direction that begins with `bytes` may go on to be such a head.
    fn may_begin_with(bytes: &[u8]) -> bool;
}

/// Reads one direction.
#[derive(Debug, Default)]
pub struct Reader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// In a head, of which these bytes were read.
    Head(Vec<u8>),
    Body(Body),
    Lost,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

/// What a [`Reader`] made of some bytes.
#[derive(Debug)]
pub struct Progress<H> {
    /// How many bytes it used. Without a head it used all.
    pub used: usize,
    /// The head that ends there.
    pub head: Option<H>,
}

impl Reader {
    /// Reads on, up to the end of the next head. After a head, [`Self::body`] must be called before the next bytes.
    ///
    /// # Errors
    /// If the direction does not speak HTTP.
    pub fn read<H: Head>(&mut self, bytes: &[u8]) -> Result<Progress<H>, Malformed> {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            match &mut self.state {
                State::Body(body) => {
                    let (count, over) = body.step(rest);
                    used += count;
                    if over {
                        self.state = State::default();
                    }
                }
                State::Lost if H::may_begin_with(rest) => self.state = State::default(),
                State::Lost => break,
                State::Head(read) => {
                    let (count, head) = read_head(read, rest)?;
                    used += count;
                    if head.is_some() {
                        return Ok(Progress { used, head });
                    }
                }
            }
        }
        Ok(Progress { used: bytes.len(), head: None })
    }

    /// Whether the next byte begins a head.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        matches!(&self.state, State::Head(read) if read.is_empty())
    }

    /// Whether the place in the stream is not known, and a head is waited for.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// What was read of a head that is not whole yet.
    #[must_use]
    pub fn partial_head(&self) -> &[u8] {
        match &self.state {
            State::Head(read) => read,
            State::Body(_) | State::Lost => &[],
        }
    }

    /// What follows the head that was just read.
    pub fn body(&mut self, body: Body) {
        self.state = if body == Body::Length(0) { State::default() } else { State::Body(body) };
    }

    /// `length` bytes are missing. Returns whether the place in the stream is still known.
    pub fn gap(&mut self, length: u64) -> bool {
        let stepped = match &mut self.state {
            State::Body(body) => body.step_over_gap(length),
            State::Head(_) | State::Lost => None,
        };
        match stepped {
            Some(count) if count == length => {
                if self.state_is_over() {
                    self.state = State::default();
                }
                true
            }
            Some(_) | None => {
                self.state = State::Lost;
                false
            }
        }
    }

    fn state_is_over(&self) -> bool {
        matches!(self.state, State::Body(Body::Length(0)))
    }
}

/// Reads on in a head of which `read` was read before: how many of `bytes` were used, and the head if it is whole.
fn read_head<H: Head>(read: &mut Vec<u8>, bytes: &[u8]) -> Result<(usize, Option<H>), Malformed> {
    if read.is_empty() {
        // Empty lines between messages are allowed (RFC 9112 section 2.2).
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let rest = bytes.get(blank..).unwrap_or_default();
        if rest.is_empty() {
            return Ok((blank, None));
        }
        if !H::may_begin_with(rest) {
            return Err(Malformed);
        }
        if let Some((head, length)) = H::parse(rest)? {
            return Ok((blank + length, Some(head)));
        }
        read.extend_from_slice(rest);
        return within_limit(read).map(|()| (bytes.len(), None));
    }
    let before = read.len();
    read.extend_from_slice(bytes);
    // Only a line end can complete a head, so that a head which comes byte by byte is not parsed for each of them.
    if bytes.contains(&b'\n')
        && let Some((head, length)) = H::parse(read)?
    {
        return Ok((length.saturating_sub(before), Some(head)));
    }
    within_limit(read).map(|()| (bytes.len(), None))
}

fn within_limit(read: &[u8]) -> Result<(), Malformed> {
    if read.len() > limits::HTTP_HEAD_BYTES { Err(Malformed) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Request, Response};

    const TRAFFIC: &[u8] = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";

    fn targets(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::default();
        let mut targets = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let progress = reader.read::<Request>(rest).unwrap();
                if let Some(head) = progress.head {
                    reader.body(Body::of_request(&head));
                    targets.push(head.target.to_string());
                }
                rest = &rest[progress.used..];
            }
        }
        targets
    }

    #[test]
    fn any_split_gives_the_same_heads() {
        for split in 0..TRAFFIC.len() {
            let (head, tail) = TRAFFIC.split_at(split);
            assert_eq!(targets(&[head, tail]), ["/a", "/b"], "split at {split}");
        }
        let bytes: Vec<&[u8]> = TRAFFIC.chunks(1).collect();
        assert_eq!(targets(&bytes), ["/a", "/b"]);
    }

    #[test]
    fn gap_in_a_body_keeps_the_place_and_gap_in_a_head_waits_for_the_next() {
        let mut reader = Reader::default();
        reader.read::<Request>(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n").unwrap();
        reader.body(Body::Length(5));
        assert!(reader.gap(5));
        assert!(!reader.gap(1));
        assert!(reader.read::<Request>(b"e: x\r\n\r\n").unwrap().head.is_none());
        assert!(reader.read::<Request>(b"GET / HTTP/1.1\r\n\r\n").unwrap().head.is_some());
    }

    #[test]
    fn other_protocols_are_malformed() {
        assert!(Reader::default().read::<Response>(b"SSH-2.0-OpenSSH\r\n").is_err());
        assert!(Reader::default().read::<Request>(b"*1\r\n$4\r\nPING\r\n").is_err());
    }
}
