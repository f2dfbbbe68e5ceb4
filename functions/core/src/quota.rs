//! What AWS allows of the calls that retry, and what of it is used.

use core::fmt;
use core::str::FromStr;

use crate::calls::Call;
use crate::micros::Micros;

/// By so many processes a bucket is shared. Lambda runs more only where more than some thousand events come a second.
pub const PROCESSES: u32 = 200;

/// Slots are this share of the quota, in hundredths: what is left over is for people, and for what comes late.
const HUNDREDTHS: u64 = 95;

/// What AWS allows of an API: its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many calls at once, when there have been none for long.
    pub burst: u32,
    /// So many a second for ever.
    pub per_second: u32,
}

/// The quotas of the calls that retry. None: the call is not paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Of RedriveExecution.
    pub redrive_execution: Option<Quota>,
    /// Of RetryStageExecution. AWS publishes none.
    pub retry_stage_execution: Option<Quota>,
}

impl Quotas {
    /// Nothing is paced.
    pub const NONE: Self = Self {
        redrive_execution: None,
        retry_stage_execution: None,
    };

    /// The quota of a call.
    #[must_use]
    pub const fn of(&self, call: Call) -> Option<Quota> {
        match call {
            Call::RedriveExecution => self.redrive_execution,
            Call::RetryStageExecution => self.retry_stage_execution,
        }
    }
}

impl Default for Quotas {
    /// "Quotas related to API action throttling" of Step Functions, of the regions with the lower ones.
    fn default() -> Self {
        Self {
            redrive_execution: Some(Quota {
                burst: 800,
                per_second: 150,
            }),
            retry_stage_execution: None,
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.burst, self.per_second)
    }
}

/// A text that is no quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseQuotaError;

impl FromStr for Quota {
    type Err = ParseQuotaError;

    /// As AWS's tables write it: the bucket's size and its refill a second, `800/150`.
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
    /// From one slot to the next.
    #[must_use]
    pub const fn step(self) -> Micros {
        let hundredths = HUNDREDTHS.saturating_mul(self.per_second as u64);
        Micros(match 100_000_000_u64.checked_div(hundredths) {
            Some(micros) => micros.saturating_add(1),
            None => u64::MAX,
        })
    }

    /// How far in the past an unused slot may be reserved. Most of the burst stays reserved for unpaced retries that have
    /// not been reported yet.
    pub(crate) const fn burst_reserve(self) -> Micros {
        self.step().times(self.burst / 8)
    }

    /// So many retries a process makes at once without asking, when it has made none for long.
    pub(crate) const fn share(self) -> u32 {
        let share = self.burst / PROCESSES;
        if share == 0 { 1 } else { share }
    }

    /// From one such retry to the next, for ever.
    pub(crate) const fn share_step(self) -> Micros {
        self.step().times(PROCESSES)
    }
}
