//! For the tests: a sender's compressor.

use flate2::{Compress, Compression, FlushCompress};

/// The compressor of one direction, which takes its context over until told otherwise.
pub(super) struct Packer(Compress);

impl Packer {
    pub(super) fn new(window_bits: u8) -> Self {
        Self(Compress::new_with_window_bits(Compression::default(), false, window_bits))
    }

    /// The payload of a message that says `plain`.
    pub(super) fn pack(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut rest = plain;
        loop {
            packed.reserve(1 << 16);
            let taken = self.0.total_in();
            self.0.compress_vec(rest, &mut packed, FlushCompress::Sync).unwrap();
            rest = &rest[(self.0.total_in() - taken) as usize..];
            if rest.is_empty() && packed.len() < packed.capacity() {
                break;
            }
        }
        if packed.is_empty() {
            // There was nothing to flush (RFC 7692 section 7.2.3.6).
            return vec![0];
        }
        let length = packed.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().len();
        packed.truncate(length);
        packed
    }

    /// What comes next refers to nothing before.
    pub(super) fn forget(&mut self) {
        self.0.reset();
    }
}

/// The payload of a message of so many MiB that all have the same value.
pub(super) fn bomb(size: usize) -> Vec<u8> {
    let mut packer = Packer::new(15);
    let first = packer.pack(&[b'a'; 1 << 20]);
    let next = packer.pack(&[b'a'; 1 << 20]);
    (1..size).fold(first, |bomb, _| [&bomb[..], &[0, 0, 0xff, 0xff], &next].concat())
}

/// Text of `length` bytes that has much in common with that of other numbers, and something of its own.
pub(super) fn text(number: usize, length: usize) -> String {
    let mut text = String::new();
    let mut state = number as u32;
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!("{{\"number\":{number},\"value\":{state},\"name\":\"something\"}}"));
    }
    text.truncate(length);
    text
}
