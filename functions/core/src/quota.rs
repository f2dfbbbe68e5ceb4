//! A quota of a call that retries, and the share of it that is used.

use core::fmt;
use core::str::FromStr;

use crate::micros::Micros;

/// Number of processes that share a bucket. Lambda runs more only above several thousand events a second.
pub const PROCESSES: u32 = 200;

/// Share of the quota that slots use, in hundredths. The rest is for people's calls, and for retries that are late.
const HUNDREDTHS: u64 = 95;

/// The token bucket of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The bucket's size: calls at once after a long pause.
    pub burst: u32,
    /// The bucket's refill: sustained calls a second.
    pub per_second: u32,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.burst, self.per_second)
    }
}

/// The error of a text that is not a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a bucket and a refill a second above 0, as in 800/150")]
pub struct ParseQuotaError;

impl FromStr for Quota {
    type Err = ParseQuotaError;

    /// Reads the form of AWS's tables: the bucket's size and its refill a second, for example `800/150`.
    fn from_str(text: &str) -> Result<Self, ParseQuotaError> {
        let (burst, per_second) = text.split_once('/').ok_or(ParseQuotaError)?;
        let count = |digits: &str| digits.trim().parse().ok().filter(|count| *count > 0);
        Ok(Self {
            burst: count(burst).ok_or(ParseQuotaError)?,
            per_second: count(per_second).ok_or(ParseQuotaError)?,
        })
    }
}

impl Quota {
    /// Returns the time from one slot to the next.
    #[must_use]
    pub const fn step(self) -> Micros {
        let hundredths = HUNDREDTHS.saturating_mul(self.per_second as u64);
        Micros(match 100_000_000_u64.checked_div(hundredths) {
            Some(micros) => micros.saturating_add(1),
            None => u64::MAX,
        })
    }

    /// Returns how far in the past an unused slot may be reserved. Most of the burst stays reserved for unpaced retries
    /// that have not been reported yet.
    pub(crate) const fn burst_reserve(self) -> Micros {
        self.step().times(self.burst / 8)
    }

    /// Returns the number of unpaced retries that a process may make at once after a long pause.
    pub(crate) const fn share(self) -> u32 {
        let share = self.burst / PROCESSES;
        if share == 0 { 1 } else { share }
    }

    /// Returns the time from one unpaced retry of a process to the next at a sustained rate.
    pub(crate) const fn share_step(self) -> Micros {
        self.step().times(PROCESSES)
    }
}
