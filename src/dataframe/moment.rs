//! Moments as text, as CSV and JSON have them.

use crate::flow::Timestamp;

/// A moment as `2026-01-31T12:00:00.123456789Z`.
#[must_use]
pub fn utc_text(time: Timestamp) -> String {
    UtcText::of(time).as_str().to_owned()
}

/// The text of a moment without an allocation: tables have a handful of moments in each row.
#[derive(Clone, Copy, Debug)]
pub(super) struct UtcText {
    text: [u8; 30],
    /// Which second the text is of, since 1970.
    second: i64,
}

impl UtcText {
    pub(super) fn of(time: Timestamp) -> Self {
        let mut text = Self::default();
        text.set(time);
        text
    }

    /// Becomes that of `time`. It is cheap where that lies in the same second, as moments in the order of a table often do.
    pub(super) fn set(&mut self, time: Timestamp) {
        const SECOND: i64 = 1_000_000_000;
        let second = time.as_nanos().div_euclid(SECOND);
        if second != self.second {
            self.set_second(second);
        }
        // Both are less than a second.
        self.put::<9>(20, time.as_nanos().rem_euclid(SECOND) as u32);
    }

    fn set_second(&mut self, second: i64) {
        const DAY: i64 = 86_400;
        let day = second.div_euclid(DAY);
        if day != self.second.div_euclid(DAY) {
            let (year, month, day) = date(day);
            self.put::<4>(0, year as u32);
            self.put::<2>(5, month as u32);
            self.put::<2>(8, day as u32);
        }
        self.second = second;
        let second = second.rem_euclid(DAY) as u32;
        self.put::<2>(11, second / 3600);
        self.put::<2>(14, second / 60 % 60);
        self.put::<2>(17, second % 60);
    }

    pub(super) fn as_str(&self) -> &str {
        // Nothing but ASCII was put there.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Writes `value` at `place` with as many digits as are asked for. Years of a timestamp have four.
    fn put<const DIGITS: usize>(&mut self, place: usize, mut value: u32) {
        let digits = self.text.get_mut(place..).and_then(<[u8]>::first_chunk_mut::<DIGITS>);
        for digit in digits.into_iter().flatten().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }
}

impl Default for UtcText {
    fn default() -> Self {
        Self { text: *b"1970-01-01T00:00:00.000000000Z", second: 0 }
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day is their last, and 400 of them are an
/// era of 146,097 days.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn one_moment_after_another_is_as_it_is_alone(moments in proptest::collection::vec(proptest::num::i64::ANY, 0..20), step in 0..200_000_000_000_000_i64) {
            let mut text = UtcText::default();
            for moment in moments {
                for time in [moment, moment.saturating_add(1), moment.saturating_add(step)].map(Timestamp::from_nanos) {
                    text.set(time);
                    proptest::prop_assert_eq!(text.as_str(), utc_text(time));
                }
            }
        }
    }

    #[test]
    fn moments_are_iso_8601_with_nanoseconds() {
        let text = |nanoseconds| utc_text(Timestamp::from_nanos(nanoseconds));
        assert_eq!(text(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(text(1_769_860_800_123_456_789), "2026-01-31T12:00:00.123456789Z");
        assert_eq!(text(951_782_400_000_000_000), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(text(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(text(-i64::MAX), "1677-09-21T00:12:43.145224193Z");
    }
}
