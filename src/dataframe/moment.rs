//! Moments as text, as CSV and JSON have them.

use crate::flow::Timestamp;

/// A moment as `2026-01-31T12:00:00.123456789Z`.
#[must_use]
pub fn utc_text(time: Timestamp) -> String {
    const SECOND: i64 = 1_000_000_000;
    let seconds = time.as_nanos().div_euclid(SECOND);
    let nanoseconds = time.as_nanos().rem_euclid(SECOND);
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
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
