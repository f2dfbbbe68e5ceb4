//! Time in microseconds.

use core::time::Duration;

use crate::time::Time;

/// A number of microseconds, since the Unix epoch or between two moments. Slots need a finer unit than milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Micros(pub u64);

impl Micros {
    pub(crate) const fn times(self, times: u32) -> Self {
        Self(self.0.saturating_mul(times as u64))
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl From<Time> for Micros {
    fn from(time: Time) -> Self {
        Self(time.as_millis().saturating_mul(1_000))
    }
}

impl From<Duration> for Micros {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }
}
