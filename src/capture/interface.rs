//! The interfaces of a pcapng section: what they make of a packet's time and bytes.
//!
//! In comes an interface description block, out goes an [`Interface`].

use pcap_parser::{InterfaceDescriptionBlock, OptionCode, PcapNGOption};

use super::order::ByteOrder;
use super::walk::On;
use super::{InterfaceDescription, LinkType};
use crate::flow::Timestamp;
use crate::limits;

/// What a section says of one interface.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) on: On,
    /// Bytes of a packet that are captured at most; 0 for all.
    pub(super) snaplen: u32,
    pub(super) drops: Drops,
    units: Units,
    /// Nanoseconds from the epoch to the zero of its clock.
    offset: i128,
}

/// Packets that an interface has dropped, as the file says in two ways, which may both be there and tell of the same ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drops {
    /// From the beginning of the capture to the latest statistics.
    statistics: u64,
    /// Of those packets that say how many were dropped before them, the sum.
    before_packets: u64,
}

impl Drops {
    /// The interface had dropped so many by its latest statistics.
    pub(super) const fn statistics(&mut self, dropped: u64) {
        self.statistics = dropped;
    }

    /// It dropped so many since its packet before.
    pub(super) const fn before_packet(&mut self, dropped: u64) {
        self.before_packets = self.before_packets.saturating_add(dropped);
    }

    /// How many it dropped at least.
    pub(super) fn total(&self) -> u64 {
        self.statistics.max(self.before_packets)
    }
}

/// How units of an interface's clock become nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Units {
    /// One unit is so many nanoseconds.
    Longer(u64),
    /// So many units are one nanosecond.
    Shorter(u64),
    /// Two to that power are one second.
    PowerOfTwo(u32),
}

impl Interface {
    /// The interface that `block` describes, of that `number` in the file.
    pub(super) fn of(block: &InterfaceDescriptionBlock<'_>, order: ByteOrder, number: u16) -> Self {
        // pcap-parser reads both options too, but the offset in little-endian order always.
        let resolution = option(&block.options, OptionCode::IfTsresol).and_then(<[u8]>::first);
        let offset = option(&block.options, OptionCode::IfTsoffset).and_then(|value| value.try_into().ok());
        Self {
            on: On { link_type: link_type(block), interface: number },
            snaplen: block.snaplen,
            drops: Drops::default(),
            units: Units::of(resolution.copied().unwrap_or(MICROSECONDS)),
            offset: offset.map_or(0, |bytes| i128::from(order.u64(bytes).cast_signed()) * NANOS_PER_SECOND),
        }
    }

    /// The moment that its clock shows as `units`. What lies beyond a [`Timestamp`] becomes the nearest one.
    #[inline]
    pub(super) fn time(&self, units: u64) -> Timestamp {
        // What nearly every clock shows needs no larger numbers.
        if let (Units::Longer(nanoseconds), 0) = (self.units, self.offset)
            && let Some(moment) = units.checked_mul(nanoseconds)
            && let Ok(moment) = i64::try_from(moment)
        {
            return Timestamp::from_nanos(moment);
        }
        let moment = self.units.nanoseconds(units) + self.offset;
        Timestamp::from_nanos(i64::try_from(moment).unwrap_or(if moment.is_negative() { i64::MIN } else { i64::MAX }))
    }
}

impl Units {
    /// What the option `if_tsresol` means: a negative power of 10, or of 2 if the highest bit is set.
    const fn of(resolution: u8) -> Self {
        let power = (resolution & 0x7f) as u32;
        if resolution & 0x80 != 0 {
            Self::PowerOfTwo(power)
        } else if power <= 9 {
            Self::Longer(10_u64.pow(9 - power))
        } else {
            // More than 64 bits of units in a nanosecond are taken for 64 bits: no time is that long.
            Self::Shorter(10_u64.saturating_pow(power - 9))
        }
    }

    /// How long `units` are, rounded down. Below 2^94.
    #[inline]
    const fn nanoseconds(self, units: u64) -> i128 {
        match self {
            Self::Longer(nanoseconds) => units as i128 * nanoseconds as i128,
            Self::Shorter(per_nanosecond) => (units / per_nanosecond) as i128,
            Self::PowerOfTwo(power) => (units as i128 * NANOS_PER_SECOND) >> power,
        }
    }
}

/// What `block` says for those who write packets of that interface again.
pub(super) fn description(block: &InterfaceDescriptionBlock<'_>) -> InterfaceDescription {
    let text = |code| {
        let bytes = option(&block.options, code)?;
        let kept = bytes.get(..limits::INTERFACE_NAME_BYTES).unwrap_or(bytes);
        let text = String::from_utf8_lossy(kept);
        let text = text.trim_end_matches(['\0', '\u{fffd}']);
        (!text.is_empty()).then(|| text.into())
    };
    InterfaceDescription {
        link_type: link_type(block),
        snaplen: block.snaplen,
        resolution: option(&block.options, OptionCode::IfTsresol)
            .and_then(<[u8]>::first)
            .copied()
            .unwrap_or(MICROSECONDS),
        name: text(OptionCode::IfName),
        description: text(OptionCode::IfDescription),
    }
}

/// Without the bits above 16, which say how long a frame check sequence is.
const fn link_type(block: &InterfaceDescriptionBlock<'_>) -> LinkType {
    let [a, b, ..] = block.linktype.0.to_le_bytes();
    LinkType(u16::from_le_bytes([a, b]))
}

/// The value of the first option of that `code` which is not empty.
pub(super) fn option<'a>(options: &'a [PcapNGOption<'_>], code: OptionCode) -> Option<&'a [u8]> {
    let mut values = options.iter().filter(|option| option.code == code).filter_map(|option| option.as_bytes().ok());
    values.find(|value| !value.is_empty())
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The resolution of an interface that names none: 10^-6 s.
const MICROSECONDS: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(resolution: u8, offset: i64) -> Interface {
        let offset = i128::from(offset) * NANOS_PER_SECOND;
        let on = On { link_type: LinkType(1), interface: 0 };
        Interface { on, snaplen: 0, drops: Drops::default(), units: Units::of(resolution), offset }
    }

    fn nanos(resolution: u8, offset: i64, units: u64) -> i64 {
        interface(resolution, offset).time(units).as_nanos()
    }

    #[test]
    fn resolutions_are_powers_of_ten_or_two() {
        assert_eq!(nanos(0, 0, 5), 5_000_000_000);
        assert_eq!(nanos(6, 0, 5), 5_000);
        assert_eq!(nanos(9, 0, 5), 5);
        assert_eq!(nanos(12, 0, 5_999), 5);
        assert_eq!(nanos(0x80, 0, 5), 5_000_000_000);
        assert_eq!(nanos(0x81, 0, 5), 2_500_000_000);
        assert_eq!(nanos(0x80 | 32, 0, 1 << 31), 500_000_000);
    }

    #[test]
    fn offsets_go_both_ways() {
        assert_eq!(nanos(9, 3, 5), 3_000_000_005);
        assert_eq!(nanos(9, -3, 5), -2_999_999_995);
    }

    #[test]
    fn extremes_saturate() {
        for resolution in 0..=u8::MAX {
            for units in [0, 1, u64::MAX / 2, u64::MAX] {
                for offset in [0, i64::MIN, i64::MAX] {
                    let _ = nanos(resolution, offset, units);
                }
            }
        }
        assert_eq!(nanos(0, 0, u64::MAX), i64::MAX);
        assert_eq!(nanos(6, i64::MIN, 0), -i64::MAX);
        assert_eq!(nanos(127, 0, u64::MAX - 1), 0);
        assert_eq!(nanos(0xff, 0, u64::MAX), 0);
    }
}
