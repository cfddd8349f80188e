//! The bytes of an input as they are stored, before any decompression.
//!
//! In comes a reader. Out come its bytes: by large reads that are not copied, or through a small buffer in which they can
//! be looked at before they are taken. Counts what was read, which is what progress is measured in.

use std::io::{self, Read};

/// An input's bytes, some of which may have been read ahead.
pub(super) struct Raw {
    source: Box<dyn Read + Send>,
    /// What was read ahead lies from [`Self::at`] to [`Self::filled`].
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// Bytes read from the source.
    read: u64,
    /// Whether somebody asked for more when there was none.
    exhausted: bool,
}

impl Raw {
    /// What `source` gives.
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, buffer: Vec::new(), at: 0, filled: 0, read: 0, exhausted: false }
    }

    /// Bytes read from the source.
    pub(super) const fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Whether somebody asked for more when there was none.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// The next bytes, at least one unless the input is at its end; they are not taken.
    pub(super) fn ahead(&mut self) -> io::Result<&[u8]> {
        self.ahead_at_least(1)
    }

    /// The next bytes, at least `wanted` of them unless the input ends before; they are not taken.
    pub(super) fn ahead_at_least(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.filled - self.at < wanted {
            self.buffer.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.at = 0;
            if self.buffer.is_empty() {
                // The allocator has zeros cheaper than they can be written.
                self.buffer = vec![0; BUFFER_BYTES.max(wanted)];
            }
            self.buffer.resize(self.buffer.len().max(wanted), 0);
        }
        while self.filled - self.at < wanted {
            match self.source.read(self.buffer.get_mut(self.filled..).unwrap_or_default()) {
                Ok(0) => {
                    self.exhausted = true;
                    break;
                }
                Ok(more) => self.fill(more),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffer.get(self.at..self.filled).unwrap_or_default())
    }

    fn fill(&mut self, more: usize) {
        self.filled += more;
        self.read += more as u64;
    }

    /// Takes `bytes` of those that lie ahead.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.at = self.filled.min(self.at + bytes);
    }

    /// Takes `bytes`, fewer only at the end of the input: how many.
    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let mut left = bytes;
        while left > 0 {
            let here = self.ahead()?.len();
            if here == 0 {
                break;
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(here);
            self.consume(taken);
            left -= taken as u64;
        }
        Ok(bytes - left)
    }
}

impl Default for Raw {
    fn default() -> Self {
        Self::new(Box::new(io::empty()))
    }
}

impl Read for Raw {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.filled && out.len() >= BUFFER_BYTES {
            let read = self.source.read(out)?;
            self.read += read as u64;
            self.exhausted |= read == 0;
            return Ok(read);
        }
        let read = self.ahead()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

/// Bytes read ahead at once: enough that compressed input costs few calls to the system.
const BUFFER_BYTES: usize = 64 << 10;
