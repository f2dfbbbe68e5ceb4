//! Times in the formats of the two services.

use jiff::Timestamp;
use serde_json::Value;

/// Returns an API timestamp: seconds since the epoch, with a fraction (observed).
pub(crate) fn epoch_seconds(ms: u64) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of any real date fit 53 bits"
    )]
    let seconds = ms as f64 / 1000.0;
    Value::from(seconds)
}

/// Returns the `time` of an event envelope: RFC 3339, whole seconds (documented, observed).
pub(crate) fn rfc3339(ms: u64) -> String {
    i64::try_from(ms / 1000)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(
            || format!("{ms} ms after 1970"),
            |moment| moment.to_string(),
        )
}

/// Returns a time inside the detail of an event, such as `start-time`: RFC 3339 with milliseconds (documented).
pub(crate) fn rfc3339_millis(ms: u64) -> String {
    format!("{}.{:03}Z", rfc3339(ms).trim_end_matches('Z'), ms % 1000)
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
