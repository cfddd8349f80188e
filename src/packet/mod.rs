//! Packets: link layer, IP and TCP headers to [`Segment`]s.
//!
//! In comes one captured packet, out goes where its TCP payload lies. No copy, no allocation, no state: any number of
//! threads may decode at once. The only user of etherparse.

use std::ops::Range;

use crate::flow::{Direction, FlowKey};

/// What a captured packet turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A TCP segment.
    Segment(Segment),
    /// Something sound that is not TCP: ARP, UDP, a later fragment of an IP packet.
    Other,
    /// Headers that are damaged, cut off before TCP's ports and numbers, or of a link type that is not known.
    Undecoded,
}

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The flow that it belongs to.
    pub key: FlowKey,
    /// Which of the flow's ends sent it.
    pub direction: Direction,
    /// SYN, FIN, RST, ACK.
    pub flags: Flags,
    /// The sequence number of its first byte, or of its SYN.
    pub sequence: u32,
    /// The sequence number that its sender expects next; meaningful with [`Flags::ack`] only.
    pub acknowledgement: u32,
    /// Where its payload lies in the packet, as far as it was captured.
    pub payload: Range<u32>,
    /// Payload bytes after those, which were on the wire and not captured.
    pub cut: u32,
}

/// The flags of a TCP segment, as on the wire (RFC 9293 section 3.1): the lowest eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// The sequence number is the initial one.
    pub const SYN: Self = Self(0x02);
    /// The connection is reset.
    pub const RST: Self = Self(0x04);
    /// The acknowledgement number is meaningful.
    pub const ACK: Self = Self(0x10);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
