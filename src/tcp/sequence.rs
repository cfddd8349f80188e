//! Sequence numbers: 32 bits that wrap around (RFC 9293 section 3.4).

/// A TCP sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceNumber(pub u32);

impl SequenceNumber {
    /// The sequence number `count` further on.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The sequence number `count` further back.
    #[must_use]
    pub const fn minus(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }

    /// How far it lies after `other`, negative if before: the shorter way around the circle.
    #[must_use]
    pub const fn after(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_wraps_around() {
        assert_eq!(SequenceNumber(5).after(SequenceNumber(u32::MAX - 4)), 10);
        assert_eq!(SequenceNumber(u32::MAX - 4).after(SequenceNumber(5)), -10);
        assert_eq!(SequenceNumber(u32::MAX).plus(2), SequenceNumber(1));
        assert_eq!(SequenceNumber(1).minus(2), SequenceNumber(u32::MAX));
    }
}
