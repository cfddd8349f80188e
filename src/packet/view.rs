//! How far the headers of a packet were read, and what they said so far.
//!
//! In go the captured bytes and how many there were on the wire; layers take their headers from the front and cut
//! padding off the end. The end is where the layer ended on the wire, which may lie past the captured bytes.

use std::ops::Range;

/// What is left of a packet for the next layer.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The captured bytes of the next layer. They end where it ended on the wire, or before.
    bytes: &'a [u8],
    /// Where in the packet they begin.
    start: u32,
    /// How many bytes there were on the wire from there on: never fewer than [`Self::bytes`].
    wire: u32,
    /// The networks that were entered so far: see [`Self::scope`].
    scope: u32,
}

impl<'a> View<'a> {
    /// The whole of `packet`, which had `original` bytes on the wire. Nothing is left of one that is larger than any.
    #[inline]
    pub(super) fn new(packet: &'a [u8], original: u32) -> Self {
        match u32::try_from(packet.len()) {
            Ok(captured) => Self { bytes: packet, start: 0, wire: original.max(captured), scope: 0 },
            Err(_) => Self { bytes: &[], start: 0, wire: 0, scope: 0 },
        }
    }

    /// The captured bytes.
    #[inline]
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the captured bytes lie in the packet.
    #[inline]
    pub(super) fn captured(&self) -> Range<u32> {
        self.start..self.start + self.captured_length()
    }

    /// How many bytes were captured.
    #[inline]
    fn captured_length(&self) -> u32 {
        // They are part of a packet whose length fits.
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// How many bytes there were on the wire.
    #[inline]
    pub(super) const fn wire_length(&self) -> usize {
        self.wire as usize
    }

    /// How many of those were not captured.
    #[inline]
    pub(super) fn cut(&self) -> u32 {
        self.wire - self.captured_length()
    }

    /// Takes the first `N` bytes, if they were captured.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (header, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        self.start += const { N as u32 };
        self.wire -= const { N as u32 };
        Some(header)
    }

    /// Drops the first `length` bytes, captured or not; `None` if there were fewer on the wire.
    #[inline]
    pub(super) fn skip(&mut self, length: usize) -> Option<()> {
        self.wire = self.wire.checked_sub(u32::try_from(length).ok()?)?;
        match self.bytes.split_at_checked(length) {
            Some((_, rest)) => {
                self.bytes = rest;
                self.start += length as u32;
            }
            None => {
                self.start += self.captured_length();
                self.bytes = &[];
            }
        }
        Some(())
    }

    /// Keeps the first `length` bytes, or all if there are fewer.
    #[inline]
    pub(super) fn limit(&mut self, length: usize) {
        self.wire = u32::try_from(length).map_or(self.wire, |length| self.wire.min(length));
        self.bytes = self.bytes.get(..length).unwrap_or(self.bytes);
    }

    /// Notes that the whole lies in networks with this [`Self::scope`].
    pub(super) const fn enter(&mut self, scope: u32) {
        self.scope = scope;
    }

    /// Notes that what is left belongs to the VLAN `id`. Number 0 is no VLAN but a priority (IEEE 802.1Q section 9.6).
    pub(super) fn enter_vlan(&mut self, id: u16) {
        if id != 0 {
            // Two tags fit; a third one is mixed with the first, which is still better than no difference.
            self.scope = self.scope.rotate_left(12) ^ u32::from(id);
        }
    }

    /// Notes that what is left belongs to the overlay network `id`, a number that is the same in both directions.
    pub(super) fn enter_overlay(&mut self, id: u32) {
        // An odd multiplier keeps different numbers different, and unlike VLAN ids, which are small.
        self.scope = (self.scope.rotate_left(7) ^ id.rotate_left(1) ^ 1).wrapping_mul(0x9e37_79b1);
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

    /// The scope of what lies in these networks, the outermost first; overlays are marked.
    fn scope(networks: &[(bool, u16)]) -> u32 {
        let mut view = View::new(&[], 0);
        for &(overlay, id) in networks {
            if overlay {
                view.enter_overlay(id.into());
            } else {
                view.enter_vlan(id);
            }
        }
        view.scope()
    }

    #[test]
    fn a_view_ends_where_it_ended_on_the_wire() {
        let mut view = View::new(&[1, 2, 3, 4], 10);
        assert_eq!((view.bytes(), view.wire_length()), (&[1, 2, 3, 4][..], 10));
        assert_eq!(view.take(), Some(&[1, 2]));
        view.limit(5);
        assert_eq!((view.bytes(), view.wire_length()), (&[3, 4][..], 5));
        assert_eq!(view.take::<3>(), None);
        assert_eq!(view.skip(4), Some(()));
        assert_eq!((view.bytes(), view.captured(), view.wire_length()), (&[][..], 4..4, 1));
        assert_eq!(view.skip(2), None);
    }

    #[test]
    fn an_original_length_below_the_captured_one_is_not_believed() {
        assert_eq!(View::new(&[1, 2, 3, 4], 2).wire_length(), 4);
    }

    #[test]
    fn networks_have_different_scopes() {
        assert_eq!(scope(&[(false, 0)]), 0);
        assert_eq!(scope(&[(false, 100)]), 100);
        assert_eq!(scope(&[(false, 100), (false, 7)]), 100 << 12 | 7);
        let overlay = scope(&[(true, 100)]);
        for other in [&[][..], &[(false, 100)], &[(true, 0)], &[(true, 101)], &[(true, 100), (false, 1)]] {
            assert_ne!(overlay, scope(other));
        }
    }
}
