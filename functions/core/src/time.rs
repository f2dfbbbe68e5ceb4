//! Points in time. The core has no clock, so callers pass the time in.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since the Unix epoch, in UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The latest time that can be represented.
    pub const END: Self = Self(u64::MAX);

    /// Returns the time `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Returns the milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Reads RFC 3339, for example `2026-11-20T02:14:05Z`. A time before 1970 is rejected.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(timestamp.as_millisecond()).ok().map(Self)
    }

    /// Returns the time `span` later, saturating at [`Time::END`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// Returns the time `span` earlier, saturating at the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// Returns how much later `self` is than `earlier`. Returns zero if it is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Formats the time as RFC 3339 in UTC.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        {
            Some(timestamp) => write!(f, "{timestamp}"),
            None => write!(f, "{} ms after 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        for text in [
            "2026-11-20T02:14:05Z",
            "2026-11-20T02:14:05.123Z",
            "1970-01-01T00:00:00Z",
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Time::parse("2026-11-20T03:14:05+01:00"),
            Time::parse("2026-11-20T02:14:05Z")
        );
        for nonsense in ["", "yesterday", "1969-12-31T23:59:59Z", "2026-11-20"] {
            assert_eq!(Time::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_ends_of_time_are_walls() {
        let last = Time::from_millis(u64::MAX);
        assert_eq!(last.plus(Duration::from_secs(1)), last);
        assert_eq!(
            Time::default().minus(Duration::from_secs(1)),
            Time::default()
        );
        assert_eq!(Time::default().since(last), Duration::ZERO);
        assert_eq!(last.to_string(), "18446744073709551615 ms after 1970");
    }
}
