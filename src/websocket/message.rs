//! A data message that is under way: its payload goes through here piece by piece and is never stored.

use crate::limits;

use super::frame::unmask;
use super::utf8::TextCheck;

/// A data message.
#[derive(Debug)]
pub(super) struct Message<M> {
    /// Its number, from 0.
    pub(super) number: u64,
    /// The stream offset of its first byte of payload.
    pub(super) begin: u64,
    pub(super) text: bool,
    pub(super) compressed: bool,
    pub(super) bytes: u64,
    /// Whether the payload is checked: text that no extension has changed.
    pub(super) check: Option<TextCheck<M>>,
}

/// Where in the stream a message is.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessagePlace {
    begin: u64,
    compressed: bool,
}

impl MessagePlace {
    /// The stream offset that the message's byte at `byte_offset` has at least. In a message of one frame that is not
    /// compressed it is exact; headers of further frames push the byte back.
    pub(super) const fn at_least(self, byte_offset: u64) -> u64 {
        if self.compressed { self.begin } else { self.begin + byte_offset }
    }
}

impl<M: Copy> Message<M> {
    /// Where in the stream it is.
    pub(super) const fn place(&self) -> MessagePlace {
        MessagePlace { begin: self.begin, compressed: self.compressed }
    }

    /// The next part of its payload, which begins `position` bytes into its frame. `last` says that nothing follows.
    pub(super) fn payload(&mut self, bytes: &[u8], mask: Option<[u8; 4]>, position: u64, last: bool, mark: M) {
        let first = self.bytes == 0;
        self.bytes += bytes.len() as u64;
        let Some(check) = &mut self.check else { return };
        let Some(key) = mask else {
            // The common case: a whole message that is valid leaves nothing behind.
            if !(first && last && simdutf8::basic::from_utf8(bytes).is_ok()) {
                check.piece(bytes, mark);
            }
            return;
        };
        let mut plain = [0; limits::PIECE_BYTES];
        let whole = first && last && bytes.len() <= plain.len();
        for (index, piece) in bytes.chunks(limits::PIECE_BYTES).enumerate() {
            let skipped = (index * limits::PIECE_BYTES) as u64;
            let Some(plain) = plain.get_mut(..piece.len()) else { continue };
            unmask(piece, key, position + skipped, plain);
            if !(whole && simdutf8::basic::from_utf8(plain).is_ok()) {
                check.piece(plain, mark);
            }
        }
    }

    pub(super) fn gap(&mut self, length: u64) {
        self.bytes += length;
        if length > 0
            && let Some(check) = &mut self.check
        {
            check.gap();
        }
    }
}
