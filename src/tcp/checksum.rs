//! TCP checksums (RFC 9293 section 3.1): segments that were damaged on their way were dropped by their receiver, and what
//! counts is the retransmission.
//!
//! Captures made on the sending host hold segments whose checksum the network card fills in later, and captures behind an
//! address translation may hold one direction with checksums of other addresses. So each direction is learned: a wrong
//! checksum says something only where they are right as a rule. It says nothing of a segment that is larger than those
//! which travel: a network card has made it of several, and its checksum is that of one of them, or none.

use crate::flow::FlowKey;

/// What a segment's checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Right,
    /// Left to the network card: it holds the sum of the pseudo-header alone, or nothing.
    Unfilled,
    Wrong,
}

/// What was learned of one direction's checksums. The counts stop at their limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Experience {
    right: u8,
    wrong: u8,
    unfilled: u8,
    /// Length of the longest segment with a right checksum, header included.
    longest: u16,
}

impl Experience {
    /// Whether checksums of this direction need to be looked at. Not where none was ever right and the network card fills
    /// them in: it does for the next segment, too.
    pub(super) const fn is_worth_having(&self) -> bool {
        self.right > 0 || self.unfilled < UNFILLED_AS_A_RULE
    }

    /// Whether a segment of `length` bytes with this checksum was damaged; learns from it.
    pub(super) fn is_damaged(&mut self, checksum: Checksum, length: usize) -> bool {
        match checksum {
            Checksum::Unfilled => {
                self.unfilled = self.unfilled.saturating_add(1);
                false
            }
            Checksum::Right => {
                self.right = self.right.saturating_add(1);
                self.longest = self.longest.max(u16::try_from(length).unwrap_or(u16::MAX));
                false
            }
            Checksum::Wrong if length > usize::from(self.longest.max(ETHERNET)) => false,
            Checksum::Wrong => {
                // Two right ones are a connection's SYN and first acknowledgement. One random wrong checksum in 65,536
                // would be right, so that right ones are proof that this direction fills them in.
                let meaningful = self.right >= 2 && u16::from(self.right) >= 8 * u16::from(self.wrong);
                self.wrong = self.wrong.saturating_add(1);
                meaningful
            }
        }
    }
}

/// The checksum of the segment `tcp`, header and payload, of the flow `key`.
pub(super) fn checksum(key: &FlowKey, tcp: &[u8]) -> Option<Checksum> {
    let field = u16::from_le_bytes(*tcp.get(16..18)?.first_chunk()?);
    let length = u32::try_from(tcp.len()).ok()?;
    // The mapped form of an IPv4 address adds 0xffff, which is nothing in this arithmetic.
    let [low, high] = [key.low(), key.high()].map(|end| sum_of_words(end.octets().as_chunks().0));
    let addresses = low + high + u64::from(PROTOCOL.swap_bytes());
    let pseudo_header = addresses + u64::from(length.swap_bytes());
    let total = folded(pseudo_header + sum(tcp));
    Some(if total == 0xffff {
        Checksum::Right
    } else if field == 0 || field == folded(pseudo_header) || field == folded(addresses) {
        Checksum::Unfilled
    } else {
        Checksum::Wrong
    })
}

/// Bytes of the longest TCP segment in an Ethernet frame of the usual size.
const ETHERNET: u16 = 1480;

/// Unfilled checksums without a right one after which no more are looked at.
const UNFILLED_AS_A_RULE: u8 = 16;

/// TCP's protocol number.
const PROTOCOL: u16 = 6;

/// The sum of 16-bit words, not folded yet; an odd last byte is the first of its word. The words are taken as little
/// endian, as most processors have them: a sum is then the right one with its bytes swapped (RFC 1071 section 2 (B)).
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let last = match *rest {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    sum_of_words(words) + u64::from(u32::from_le_bytes(last))
}

fn sum_of_words(words: &[[u8; 4]]) -> u64 {
    words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum()
}

/// The sum with its carries added, until it fits.
fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;
    use crate::flow::Endpoint;

    fn key() -> FlowKey {
        FlowKey::of(Endpoint::from_v4([10, 0, 0, 1], 5000), Endpoint::from_v4([10, 0, 0, 2], 80)).0
    }

    /// A segment with a right checksum.
    fn segment(payload: &[u8]) -> Vec<u8> {
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(5000, 80, 1234, 1000).ack(99);
        let mut packet = Vec::new();
        builder.write(&mut packet, payload).unwrap();
        packet.split_off(20)
    }

    #[test]
    fn right_and_wrong_are_told_apart_at_every_length() {
        for length in 0..70 {
            let payload: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(37)).collect();
            let mut tcp = segment(&payload);
            assert_eq!(checksum(&key(), &tcp), Some(Checksum::Right), "{length} bytes");
            if let Some(last) = tcp.get_mut(20..).and_then(<[u8]>::last_mut) {
                *last ^= 4;
                assert_eq!(checksum(&key(), &tcp), Some(Checksum::Wrong), "{length} bytes");
            }
        }
    }

    #[test]
    fn ipv6_counts_its_whole_addresses() {
        let (source, destination) = ([0x20; 16], [0xfd; 16]);
        let builder = PacketBuilder::ipv6(source, destination, 64).tcp(5000, 80, 1234, 1000);
        let mut packet = Vec::new();
        builder.write(&mut packet, b"payload").unwrap();
        let key = FlowKey::of(Endpoint::from_v6(source, 5000), Endpoint::from_v6(destination, 80)).0;
        assert_eq!(checksum(&key, &packet[40..]), Some(Checksum::Right));
    }

    #[test]
    fn checksums_left_to_the_network_card_are_known() {
        let mut tcp = segment(b"payload");
        let pseudo_header = 0x0a00 + 1 + 0x0a00 + 2 + 6 + u16::try_from(tcp.len()).unwrap();
        tcp[16..18].copy_from_slice(&pseudo_header.to_be_bytes());
        assert_eq!(checksum(&key(), &tcp), Some(Checksum::Unfilled));
        tcp[16..18].fill(0);
        assert_eq!(checksum(&key(), &tcp), Some(Checksum::Unfilled));
    }

    #[test]
    fn wrong_ones_say_nothing_where_they_are_the_rule() {
        let mut experience = Experience::default();
        assert!((0..100).all(|_| !experience.is_damaged(Checksum::Wrong, 60)));
        assert!(!experience.is_damaged(Checksum::Right, 60));
        assert!(!experience.is_damaged(Checksum::Wrong, 60));
    }

    #[test]
    fn wrong_one_among_right_ones_is_damage() {
        let mut experience = Experience::default();
        assert!(!experience.is_damaged(Checksum::Right, 60));
        assert!(!experience.is_damaged(Checksum::Right, 60));
        assert!(experience.is_damaged(Checksum::Wrong, 60));
        assert!(!experience.is_damaged(Checksum::Unfilled, 60));
    }

    #[test]
    fn wrong_one_of_a_segment_that_never_travelled_says_nothing() {
        let mut experience = Experience { right: 100, ..Experience::default() };
        assert!(!experience.is_damaged(Checksum::Wrong, 1481));
        assert!(experience.is_damaged(Checksum::Wrong, 1480));
        assert!(!experience.is_damaged(Checksum::Right, 8980));
        assert!(experience.is_damaged(Checksum::Wrong, 8980), "jumbo frames travel here");
    }

    #[test]
    fn directions_that_the_network_card_fills_in_are_not_looked_at_for_long() {
        let mut experience = Experience::default();
        for _ in 0..UNFILLED_AS_A_RULE {
            assert!(experience.is_worth_having());
            experience.is_damaged(Checksum::Unfilled, 60);
        }
        assert!(!experience.is_worth_having());
        let mixed = Experience { right: 1, unfilled: u8::MAX, ..Experience::default() };
        assert!(mixed.is_worth_having(), "the other end's segments may be merged");
    }

    #[test]
    fn segment_without_a_whole_header_has_none() {
        assert_eq!(checksum(&key(), &segment(b"")[..17]), None);
    }
}
