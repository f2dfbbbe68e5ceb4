//! Moments in the three forms CodePipeline writes them.

use serde_json::Value;

/// An API timestamp: seconds since the epoch, with a fraction.
pub(super) fn epoch_seconds(ms: u64) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of any real date fit 53 bits"
    )]
    let seconds = ms as f64 / 1000.0;
    Value::from(seconds)
}

/// The `time` of an event envelope: RFC 3339, whole seconds (documented, observed).
pub(super) fn rfc3339(ms: u64) -> String {
    let (date, clock, _) = parts(ms);
    format!("{date}T{clock}Z")
}

/// `start-time` and its like inside the detail of an event: RFC 3339 with milliseconds (documented).
pub(super) fn rfc3339_millis(ms: u64) -> String {
    let (date, clock, millis) = parts(ms);
    format!("{date}T{clock}.{millis:03}Z")
}

/// Howard Hinnant's `civil_from_days`, for days since 1970 only.
fn parts(ms: u64) -> (String, String, u64) {
    let (seconds, millis) = (ms / 1000, ms % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let date = format!("{year:04}-{month:02}-{day:02}");
    let clock = format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    (date, clock, millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_700_000_000_305, "2023-11-14T22:13:20.305Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339_millis(ms), text);
        }
        assert_eq!(rfc3339(1_700_000_000_305), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn api_timestamps_are_numbers_of_seconds() {
        assert_eq!(
            epoch_seconds(1_700_000_000_305).to_string(),
            "1700000000.305"
        );
    }
}
