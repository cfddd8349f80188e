//! Where a layer lies in a packet, and on which network.
//!
//! In go the captured bytes and how many there were on the wire; layers narrow the view as they learn more. The end of a
//! view is where it ended on the wire, which may lie past the captured bytes.

use std::ops::Range;

/// A part of a packet: what a layer finds before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View<'a> {
    /// The captured bytes of the whole packet.
    packet: &'a [u8],
    /// Where this part begins. Never past `end`.
    start: usize,
    /// Where this part ended on the wire.
    end: usize,
    /// The networks that were entered so far: see [`Self::scope`].
    scope: u32,
}

impl<'a> View<'a> {
    /// The whole of `packet`, which had `original` bytes on the wire.
    pub(super) fn new(packet: &'a [u8], original: u32) -> Self {
        Self { packet, start: 0, end: packet.len().max(original as usize), scope: 0 }
    }

    /// The captured bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.packet.get(self.captured()).unwrap_or_default()
    }

    /// The first `N` bytes, if they were captured.
    pub(super) fn header<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes().first_chunk()
    }

    /// Where the captured bytes lie in the packet.
    pub(super) fn captured(&self) -> Range<usize> {
        let captured = self.packet.len();
        self.start.min(captured)..self.end.min(captured)
    }

    /// How many bytes there were on the wire.
    pub(super) const fn wire_length(&self) -> usize {
        self.end - self.start
    }

    /// What lies behind the first `length` bytes; `None` if there were fewer on the wire.
    pub(super) fn skip(self, length: usize) -> Option<Self> {
        (length <= self.wire_length()).then(|| Self { start: self.start + length, ..self })
    }

    /// The first `length` bytes, or all if there are fewer.
    pub(super) fn limit(self, length: usize) -> Self {
        Self { end: self.start + length.min(self.wire_length()), ..self }
    }

    /// This part as one of the VLAN `id`. Number 0 is no VLAN but a priority (IEEE 802.1Q section 9.6).
    pub(super) const fn in_vlan(self, id: u16) -> Self {
        if id == 0 {
            return self;
        }
        // Two tags fit; a third one is mixed with the first, which is still better than no difference.
        Self { scope: self.scope.rotate_left(12) ^ id as u32, ..self }
    }

    /// This part as one of the overlay network `id`, a number that is the same in both directions.
    pub(super) const fn in_overlay(self, id: u32) -> Self {
        // An odd multiplier keeps different numbers different, and unlike VLAN ids, which are small.
        Self { scope: (self.scope.rotate_left(7) ^ id.rotate_left(1) ^ 1).wrapping_mul(0x9e37_79b1), ..self }
    }

    /// What tells equal addresses of different networks apart: 0 for none, the id of a VLAN, `outer << 12 | inner` for
    /// two, a mixture with the numbers of overlay networks.
    pub(super) const fn scope(&self) -> u32 {
        self.scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_ends_where_it_ended_on_the_wire() {
        let view = View::new(&[1, 2, 3, 4], 10);
        assert_eq!((view.bytes(), view.wire_length()), (&[1, 2, 3, 4][..], 10));
        let inner = view.skip(2).unwrap().limit(5);
        assert_eq!((inner.bytes(), inner.wire_length()), (&[3, 4][..], 5));
        let beyond = inner.skip(4).unwrap();
        assert_eq!((beyond.bytes(), beyond.captured(), beyond.wire_length()), (&[][..], 4..4, 1));
        assert_eq!(beyond.skip(2), None);
    }

    #[test]
    fn an_original_length_below_the_captured_one_is_not_believed() {
        assert_eq!(View::new(&[1, 2, 3, 4], 2).wire_length(), 4);
    }

    #[test]
    fn networks_have_different_scopes() {
        let view = View::new(&[], 0);
        assert_eq!(view.in_vlan(0).scope(), 0);
        assert_eq!(view.in_vlan(100).scope(), 100);
        assert_eq!(view.in_vlan(100).in_vlan(7).scope(), 100 << 12 | 7);
        let overlay = view.in_overlay(100).scope();
        for other in
            [view, view.in_vlan(100), view.in_overlay(0), view.in_overlay(101), view.in_overlay(100).in_vlan(1)]
        {
            assert_ne!(overlay, other.scope());
        }
    }
}
