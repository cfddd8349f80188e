//! Frame headers (RFC 6455 section 5.2) and unmasking (section 5.3).

/// The longest frame header: 2 bytes, a 64-bit length, a masking key.
pub const MAX_HEADER: usize = 14;

/// What a frame is, the low four bits of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// The next part of a fragmented message.
    Continuation,
    /// A text message, or its first part.
    Text,
    /// A binary message, or its first part.
    Binary,
    /// The sender closes.
    Close,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// One that has no meaning yet.
    Reserved(u8),
}

impl Opcode {
    /// The opcode in the low four bits of `byte`.
    #[must_use]
    pub const fn from_bits(byte: u8) -> Self {
        match byte & 0x0f {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            other => Self::Reserved(other),
        }
    }

    /// Whether it is of a control frame, known or not (RFC 6455 section 5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Reserved(bits) => bits >= 8,
        }
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last part of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3, as the bits 4, 2 and 1.
    pub reserved: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key; `None` if the payload is not masked.
    pub mask: Option<[u8; 4]>,
    /// Length of the payload in bytes, as it is written: a sound one is below 2^63.
    pub payload: u64,
    /// Whether the length is written in as few bytes as it can be.
    pub minimal: bool,
    /// Length of the header itself in bytes.
    pub size: usize,
}

/// RSV1 in [`Header::reserved`]: the message is compressed, where that was negotiated (RFC 7692 section 6).
pub const RSV1: u8 = 0b100;

impl Header {
    /// Reads the header at the beginning of `bytes`, or `None` if it goes on behind them.
    #[must_use]
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
        let (payload, minimal, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                let length = u64::from(u16::from_be_bytes(*length));
                (length, length > 125, rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                let length = u64::from_be_bytes(*length);
                (length, length > 0xffff, rest)
            }
            length => (u64::from(length), true, rest),
        };
        let masked = second & 0x80 != 0;
        let mask = if masked { Some(*rest.first_chunk::<4>()?) } else { None };
        let size = bytes.len() - rest.len() + if masked { 4 } else { 0 };
        let (fin, reserved, opcode) = Self::first_byte(first);
        Some(Self { fin, reserved, opcode, mask, payload, minimal, size })
    }

    /// FIN, the reserved bits and the opcode, which are in the first byte.
    pub(super) const fn first_byte(byte: u8) -> (bool, u8, Opcode) {
        (byte & 0x80 != 0, byte >> 4 & 0b111, Opcode::from_bits(byte))
    }

    /// Whether the payload's length is one that a frame can have.
    #[must_use]
    pub const fn has_sound_length(&self) -> bool {
        self.payload >> 63 == 0
    }
}

/// Unmasks `masked`, which begins `position` bytes into its frame's payload, into `plain`, which must be as long.
///
/// In wide pieces, which compilers turn into the widest words there are.
pub fn unmask(masked: &[u8], key: [u8; 4], position: u64, plain: &mut [u8]) {
    const WIDE: usize = 64;
    let wide = repeated::<WIDE>(rotated(key, position));
    for (piece, plain) in masked.as_chunks().0.iter().zip(plain.as_chunks_mut().0) {
        unmask_wide(piece, &wide, plain);
    }
    // The rest, with bytes before it that are unmasked already.
    if let (Some(last), Some(plain)) = (masked.last_chunk(), plain.last_chunk_mut()) {
        let wide = repeated::<WIDE>(rotated(key, position + masked.len() as u64));
        unmask_wide(last, &wide, plain);
    } else {
        unmask_narrow(masked, rotated(key, position), plain);
    }
}

#[inline]
fn unmask_wide<const WIDE: usize>(masked: &[u8; WIDE], key: &[u8; WIDE], plain: &mut [u8; WIDE]) {
    for ((plain, byte), key) in plain.iter_mut().zip(masked).zip(key) {
        *plain = byte ^ key;
    }
}

fn unmask_narrow(masked: &[u8], key: [u8; 4], plain: &mut [u8]) {
    let (words, tail) = masked.as_chunks::<4>();
    let (plain_words, plain_tail) = plain.as_chunks_mut::<4>();
    for (word, plain) in words.iter().zip(plain_words) {
        *plain = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for ((byte, plain), key) in tail.iter().zip(plain_tail).zip(key) {
        *plain = byte ^ key;
    }
}

/// Whether a payload is ASCII once it is unmasked, which it need not be for that. One that is not masked has a key of
/// zeros; where that is known when this is compiled, it costs nothing.
#[inline(always)]
pub(super) fn is_ascii(masked: &[u8], key: [u8; 4]) -> bool {
    const WIDE: usize = 32;
    let Some(last) = masked.last_chunk::<WIDE>() else { return is_ascii_narrow(masked, key) };
    let last_key = u64::from_ne_bytes(repeated(rotated(key, masked.len() as u64)));
    let key = u64::from_ne_bytes(repeated(key));
    let mut seen = [0; WIDE / 8];
    for piece in masked.as_chunks::<WIDE>().0 {
        for (seen, word) in seen.iter_mut().zip(piece.as_chunks().0) {
            *seen |= u64::from_ne_bytes(*word) ^ key;
        }
    }
    // The rest, with bytes before it that were seen already.
    let words = last.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word) ^ last_key);
    let all = words.chain(seen).fold(0, |all, word| all | word);
    all.to_ne_bytes().is_ascii()
}

fn is_ascii_narrow(masked: &[u8], key: [u8; 4]) -> bool {
    let (words, tail) = masked.as_chunks::<4>();
    let key_word = u32::from_ne_bytes(key);
    let seen = words.iter().fold(0, |seen, word| seen | (u32::from_ne_bytes(*word) ^ key_word));
    let tail_seen = tail.iter().zip(key).fold(0, |seen, (byte, key)| seen | (byte ^ key));
    seen.to_ne_bytes().is_ascii() && tail_seen.is_ascii()
}

fn repeated<const WIDE: usize>(key: [u8; 4]) -> [u8; WIDE] {
    let mut wide = [0; WIDE];
    wide.as_chunks_mut().0.fill(key);
    wide
}

/// The key as it applies from `position` on.
fn rotated(key: [u8; 4], position: u64) -> [u8; 4] {
    // Only the two lowest bits count.
    u32::from_be_bytes(key).rotate_left((position % 4) as u32 * 8).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_all_three_forms_are_read() {
        let small = Header::parse(&[0x81, 0x85, 1, 2, 3, 4]).unwrap();
        assert_eq!((small.payload, small.size, small.mask, small.minimal), (5, 6, Some([1, 2, 3, 4]), true));
        let medium = Header::parse(&[0x02, 126, 1, 0]).unwrap();
        assert_eq!((medium.payload, medium.size, medium.fin, medium.minimal), (256, 4, false, true));
        let large = Header::parse(&[0xc8, 127, 0, 0, 0, 1, 0, 0, 0, 0]).unwrap();
        assert_eq!((large.payload, large.size, large.reserved, large.opcode), (1 << 32, 10, RSV1, Opcode::Close));
        assert!(!Header::parse(&[0x81, 126, 0, 125]).unwrap().minimal);
        assert!(!Header::parse(&[0x81, 127, 0, 0, 0, 0, 0, 0, 255, 255]).unwrap().minimal);
        assert!(!Header::parse(&[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]).unwrap().has_sound_length());
    }

    #[test]
    fn every_incomplete_header_wants_more() {
        let whole = [0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
        for length in 0..whole.len() {
            assert_eq!(Header::parse(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(Header::parse(&whole).map(|header| header.size), Some(MAX_HEADER));
    }

    /// Bytes of every length up to a few wide pieces, and their key.
    fn masked() -> impl Iterator<Item = (Vec<u8>, [u8; 4])> {
        (0..200).map(|length| ((0..length).collect(), [0x12, 0x34, 0x56, 0x78]))
    }

    fn byte_by_byte(masked: &[u8], key: [u8; 4]) -> Vec<u8> {
        masked.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    }

    #[test]
    fn unmasking_in_pieces_equals_byte_by_byte() {
        for (masked, key) in masked() {
            for split in 0..=masked.len() {
                let mut plain = vec![0; masked.len()];
                let (head, tail) = plain.split_at_mut(split);
                unmask(&masked[..split], key, 0, head);
                unmask(&masked[split..], key, split as u64, tail);
                assert_eq!(plain, byte_by_byte(&masked, key), "{} bytes split at {split}", masked.len());
            }
        }
    }

    #[test]
    fn masked_ascii_is_known_wherever_a_byte_is_none() {
        for key in [[0; 4], [0x12, 0xfe, 0x56, 0x78], [0x80; 4]] {
            for length in 0..200 {
                let ascii = byte_by_byte(&vec![b'a'; length], key);
                assert!(is_ascii(&ascii, key), "{length} bytes");
                for place in 0..length {
                    let mut other = ascii.clone();
                    other[place] ^= 0x80;
                    assert!(!is_ascii(&other, key), "byte {place} of {length}");
                }
            }
        }
    }
}
