//! Moments as text, as CSV and JSON have them.

use std::ops::Range;

use crate::flow::Timestamp;

/// A moment as `2026-01-31T12:00:00.123456789Z`.
#[must_use]
pub fn utc_text(time: Timestamp) -> String {
    UtcText::of(time).as_str().to_owned()
}

/// The text of a moment without an allocation: tables have a handful of moments in each row.
#[derive(Clone, Copy, Debug)]
pub(super) struct UtcText([u8; 30]);

impl UtcText {
    pub(super) fn of(time: Timestamp) -> Self {
        const SECOND: i64 = 1_000_000_000;
        let seconds = time.as_nanos().div_euclid(SECOND);
        let nanoseconds = time.as_nanos().rem_euclid(SECOND);
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let mut text = Self(*b"0000-00-00T00:00:00.000000000Z");
        text.put(0..4, year);
        text.put(5..7, month);
        text.put(8..10, day);
        text.put(11..13, second / 3600);
        text.put(14..16, second / 60 % 60);
        text.put(17..19, second % 60);
        text.put(20..29, nanoseconds);
        text
    }

    pub(super) fn as_str(&self) -> &str {
        // Nothing but ASCII was put there.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Writes `value`, which is not negative, with as many digits as `place` has. Years of a timestamp have four.
    fn put(&mut self, place: Range<usize>, mut value: i64) {
        for digit in self.0.iter_mut().take(place.end).skip(place.start).rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
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
