//! The TCP header (RFC 9293 section 3.1): its ports, numbers and flags, and where the payload begins.
//!
//! In comes what IP carries, without padding; out goes a [`Segment`]. Options are skipped, captured or not.

use super::view::View;
use super::{Addresses, Flags, Segment};
use crate::flow::{Endpoint, FlowKey};

/// The segment in `view`; `None` if its fixed header was not captured or is damaged.
#[inline(always)]
pub(super) fn segment(mut view: View<'_>, addresses: &Addresses) -> Option<Segment> {
    // By hand, since etherparse refuses a header whose options were cut off, and all that matters lies before them.
    let &[s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, ..] = view.take::<FIXED_HEADER>()?;
    let header_length = usize::from(offset >> 4) * 4;
    view.skip(header_length.checked_sub(FIXED_HEADER)?)?;

    let source = Endpoint::from_v6(addresses.source, u16::from_be_bytes([s0, s1]));
    let destination = Endpoint::from_v6(addresses.destination, u16::from_be_bytes([d0, d1]));
    let (key, direction) = FlowKey::of(source, destination);
    Some(Segment {
        key,
        scope: view.scope(),
        direction,
        flags: Flags(flags),
        sequence: u32::from_be_bytes([q0, q1, q2, q3]),
        acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
        header: u8::try_from(header_length).ok()?,
        payload: view.captured(),
        cut: view.cut(),
    })
}

/// Bytes of a header without options.
const FIXED_HEADER: usize = 20;

#[cfg(test)]
mod tests {
    use super::super::testing::{RAW, ipv4, joined, payload, segment, tcp4, whole};
    use super::super::{Decoded, Flags, decode};
    use crate::flow::Direction;

    /// A TCP header with a given number of words and flags, without its options.
    fn header(words: u8, flags: u8) -> [u8; 20] {
        [0xc3, 0x50, 0, 80, 0, 0, 3, 0xe8, 0, 0, 7, 0xd0, words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]
    }

    #[test]
    fn fields_are_those_of_the_header() {
        let packet = ipv4(6, &joined(&[&header(5, 0x18), b"data"]));
        let segment = segment(RAW, &packet);
        assert_eq!((segment.sequence, segment.acknowledgement), (1000, 2000));
        assert_eq!(segment.flags, Flags(0x18));
        assert!(segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::SYN));
        assert_eq!(segment.key.sender(segment.direction).to_string(), "192.0.2.1:50000");
        assert_eq!(segment.key.sender(segment.direction.opposite()).to_string(), "192.0.2.2:80");
        assert_eq!(segment.direction, Direction::FromLow);
        assert_eq!(payload(&packet, &segment), b"data");
    }

    #[test]
    fn a_segment_without_payload_is_a_segment() {
        let segment = segment(RAW, &tcp4(b""));
        assert_eq!((segment.payload, segment.cut), (40..40, 0));
    }

    #[test]
    fn options_are_not_payload() {
        let packet = ipv4(6, &joined(&[&header(8, 0x10), &[1; 12], b"data"]));
        assert_eq!(payload(&packet, &segment(RAW, &packet)), b"data");
    }

    #[test]
    fn options_cut_by_the_snap_length_leave_the_segment() {
        let packet = ipv4(6, &joined(&[&header(8, 0x10), &[1; 12], b"data"]));
        for captured in 40..=52 {
            let Decoded::Segment(segment) = decode(RAW, &packet[..captured], packet.len() as u32) else { panic!() };
            assert!(segment.payload.is_empty() && segment.payload.end as usize == captured);
            assert_eq!((segment.cut, segment.sequence), (4, 1000));
        }
        assert_eq!(decode(RAW, &packet[..39], packet.len() as u32), Decoded::Undecoded);
    }

    #[test]
    fn a_data_offset_below_the_fixed_header_is_damage() {
        for words in 0..5 {
            assert_eq!(whole(RAW, &ipv4(6, &joined(&[&header(words, 0x10), b"data"]))), Decoded::Undecoded);
        }
    }

    #[test]
    fn a_data_offset_past_the_ip_packet_is_damage() {
        assert_eq!(whole(RAW, &ipv4(6, &joined(&[&header(7, 0x10), b"data"]))), Decoded::Undecoded);
    }
}
