//! Wireless LANs: what capturing programs put before a frame, and the frame itself.
//!
//! In comes a view that begins with the header of the layer that a function is named after; out goes which layer is next.
//! Only data frames in the clear lead anywhere. A frame check sequence at the end is padding to the IP packet inside.
//! Layouts: IEEE 802.11-2020 section 9.2 and 9.3.2, <https://www.radiotap.org>, the PPI specification of CACE, and
//! <https://www.tcpdump.org/linktypes.html> for PRISM and AVS.

use super::view::View;
use super::{Layer, Rare};

/// Radiotap: version 0, length, which fields are present, and those. The only one that matters says whether the frame's
/// header is padded to a multiple of 4 bytes.
pub(super) fn radiotap(view: &mut View<'_>) -> Option<Layer> {
    const DATA_PAD: u8 = 0x20;

    let &[version, _, low, high] = view.bytes().first_chunk()?;
    if version != 0 {
        return None;
    }
    let length = usize::from(u16::from_le_bytes([low, high]));
    let padded = view.bytes().get(..length).and_then(radiotap_flags).is_some_and(|flags| flags & DATA_PAD != 0);
    view.skip(length)?;
    Some(Layer::Rare(if padded { padded_frame } else { frame }))
}

/// The field "Flags" of a radiotap header, if it has one.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    const TIME: u32 = 1 << 0;
    const FLAGS: u32 = 1 << 1;
    const MORE_WORDS: u32 = 1 << 31;

    let (words, _) = header.get(4..)?.as_chunks::<4>();
    let present = u32::from_le_bytes(*words.first()?);
    let more = words.iter().position(|&word| u32::from_le_bytes(word) & MORE_WORDS == 0)?;
    let fields = 4 + 4 * (more + 1);
    // The time stamp is eight bytes, at a multiple of eight.
    let flags = if present & TIME == 0 { fields } else { fields.next_multiple_of(8) + 8 };
    if present & FLAGS == 0 { None } else { header.get(flags).copied() }
}

/// PRISM: a message code and length in the order of the machine that captured. Some of its link type are AVS.
pub(super) fn prism(view: &mut View<'_>) -> Option<Layer> {
    const LENGTH: usize = 144;

    match *view.bytes().first_chunk()? {
        [0x80, 0x21, 0x10, _] => avs(view),
        [0x41 | 0x44, 0, 0, 0] | [0, 0, 0, 0x41 | 0x44] => view.skip(LENGTH).map(|()| FRAME),
        _ => None,
    }
}

/// AVS: a magic number with the version, and its length.
pub(super) fn avs(view: &mut View<'_>) -> Option<Layer> {
    let &[0x80, 0x21, 0x10, _, a, b, c, d] = view.bytes().first_chunk()? else { return None };
    view.skip(usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?)?;
    Some(FRAME)
}

/// Per-packet information: version 0, flags, length, and the link type of what follows.
pub(super) fn ppi(view: &mut View<'_>) -> Option<Layer> {
    let &[0, _, low, high, link_type_low, link_type_high, 0, 0] = view.bytes().first_chunk()? else { return None };
    view.skip(usize::from(u16::from_le_bytes([low, high])).max(8))?;
    Layer::first(crate::capture::LinkType(u16::from_le_bytes([link_type_low, link_type_high])))
}

const FRAME: Layer = Layer::Rare(frame as Rare);

/// A frame.
pub(super) fn frame(view: &mut View<'_>) -> Option<Layer> {
    mac_frame(view, false)
}

/// A frame whose header is padded to a multiple of 4 bytes, as some network cards do.
fn padded_frame(view: &mut View<'_>) -> Option<Layer> {
    mac_frame(view, true)
}

/// A frame: two bytes of frame control, then as much header as they say. Frames that are encrypted, in fragments or
/// without data are sound, and lead nowhere.
fn mac_frame(view: &mut View<'_>, padded: bool) -> Option<Layer> {
    const TYPE_AND_VERSION: u8 = 0x0f;
    const DATA: u8 = 0x08;
    const NO_DATA: u8 = 0x40;
    const QOS: u8 = 0x80;
    const BOTH_SYSTEMS: u8 = 0x03;
    const MORE_FRAGMENTS: u8 = 0x04;
    const PROTECTED: u8 = 0x40;
    const HT_CONTROL: u8 = 0x80;
    const SEVERAL: u8 = 0x80;

    let &[kind, flags] = view.bytes().first_chunk()?;
    if kind & (TYPE_AND_VERSION | NO_DATA) != DATA || flags & (PROTECTED | MORE_FRAGMENTS) != 0 {
        return Some(Layer::Other);
    }
    let &[.., fragment, _] = view.take::<24>()?;
    if fragment & 0x0f != 0 {
        return Some(Layer::Other);
    }
    let mut length = 24;
    if flags & BOTH_SYSTEMS == BOTH_SYSTEMS {
        view.skip(6)?;
        length += 6;
    }
    let mut several = false;
    if kind & QOS != 0 {
        let &[control, _] = view.take()?;
        several = control & SEVERAL != 0;
        let ht_control = if flags & HT_CONTROL == 0 { 0 } else { 4 };
        view.skip(ht_control)?;
        length += 2 + ht_control;
    }
    view.skip(if padded { length.next_multiple_of(4) - length } else { 0 })?;
    Some(if several { Layer::Rare(aggregate) } else { Layer::Llc })
}

/// An aggregate of several frames, of which the first is taken: addresses, length, LLC.
fn aggregate(view: &mut View<'_>) -> Option<Layer> {
    let &[.., high, low] = view.take::<14>()?;
    view.limit(usize::from(u16::from_be_bytes([high, low])));
    Some(Layer::Llc)
}

#[cfg(test)]
mod tests {
    use super::super::Decoded;
    use super::super::testing::{PAYLOAD, assert_tcp, joined, tcp4, tcp6, whole};
    use crate::capture::LinkType;

    const FRAMES: LinkType = LinkType(105);
    const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

    /// A frame with `more` behind the first 24 bytes of its header, and a check sequence.
    fn frame(kind: u8, flags: u8, more: &[u8]) -> Vec<u8> {
        joined(&[&[kind, flags], &[9; 20], &[0x10, 0x02], more, &SNAP, &tcp4(PAYLOAD), &[0xfc; 4]])
    }

    #[test]
    fn data_frames_carry_ip() {
        for flags in [0, 1, 2, 0x08, 0x18] {
            assert_tcp(FRAMES, &frame(0x08, flags, &[]));
            assert_tcp(FRAMES, &frame(0x88, flags, &[0, 0]));
        }
        let snap6 = [0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd];
        assert_tcp(FRAMES, &joined(&[&[0x08, 1], &[0; 22], &snap6, &tcp6(PAYLOAD)]));
    }

    #[test]
    fn fourth_address_and_ht_control_are_skipped() {
        assert_tcp(FRAMES, &frame(0x08, 3, &[9; 6]));
        assert_tcp(FRAMES, &frame(0x88, 3, &[0; 8]));
        assert_tcp(FRAMES, &frame(0x88, 0x81, &[0; 6]));
    }

    #[test]
    fn first_frame_of_an_aggregate_is_taken() {
        let length = (SNAP.len() + tcp4(PAYLOAD).len()) as u8;
        let subframe = joined(&[&[0x80, 0], &[9; 12], &[0, length]]);
        assert_tcp(FRAMES, &frame(0x88, 1, &subframe));
    }

    #[test]
    fn frames_that_cannot_be_read_are_sound() {
        // Beacon, acknowledgement, no data, QoS without data, protected, fragments.
        for (kind, flags) in [(0x80, 0), (0xd4, 0), (0x48, 1), (0xc8, 1), (0x08, 0x41), (0x08, 0x05)] {
            assert_eq!(whole(FRAMES, &frame(kind, flags, &[])), Decoded::Other, "{kind:#x}");
        }
        let mut fragment = frame(0x08, 1, &[]);
        fragment[22] = 0x11;
        assert_eq!(whole(FRAMES, &fragment), Decoded::Other);
    }

    #[test]
    fn radiotap_is_skipped() {
        let radiotap = LinkType(127);
        let none = [0, 0, 8, 0, 0, 0, 0, 0];
        assert_tcp(radiotap, &joined(&[&none, &frame(0x88, 1, &[0, 0])]));
        // Time stamp and flags, behind two words that say what is present.
        let mut fields = [0; 26];
        fields[2] = 26;
        fields[4..12].copy_from_slice(&[3, 0, 0, 0x80, 0, 0, 0, 0]);
        fields[24] = 0x10;
        assert_tcp(radiotap, &joined(&[&fields, &frame(0x88, 1, &[0, 0])]));
        fields[24] = 0x20;
        assert_tcp(radiotap, &joined(&[&fields, &frame(0x88, 1, &[0, 0, 0xee, 0xee])]));
        assert_eq!(whole(radiotap, &joined(&[&[1], &none[1..], &frame(0x08, 1, &[])])), Decoded::Undecoded);
    }

    #[test]
    fn prism_and_avs_are_skipped() {
        let frame = frame(0x08, 1, &[]);
        let prism = joined(&[&[0x44, 0, 0, 0, 144, 0, 0, 0], &[0; 136]]);
        assert_tcp(LinkType(119), &joined(&[&prism, &frame]));
        let avs = joined(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56]]);
        for link_type in [119, 163] {
            assert_tcp(LinkType(link_type), &joined(&[&avs, &frame]));
            assert_eq!(whole(LinkType(link_type), &frame), Decoded::Undecoded);
        }
    }

    #[test]
    fn ppi_names_what_it_carries() {
        let ppi = LinkType(192);
        assert_tcp(ppi, &joined(&[&[0, 0, 12, 0, 105, 0, 0, 0, 1, 2, 3, 4], &frame(0x08, 1, &[])]));
        assert_tcp(ppi, &joined(&[&[0, 0, 8, 0, 101, 0, 0, 0], &tcp4(PAYLOAD)]));
        let endless = [[0, 0, 8, 0, 192, 0, 0, 0]; 100];
        assert_eq!(whole(ppi, endless.as_flattened()), Decoded::Undecoded);
    }
}
