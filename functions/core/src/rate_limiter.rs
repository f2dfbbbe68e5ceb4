//! The pace of a storm: when a retry may be made, so that AWS's buckets never run dry.
//!
//! AWS keeps a bucket of tokens for each API of an account and region, and throttles who finds it empty. A storm of
//! failures is therefore spread and not refused: a retry gets a *slot*, and one that has to wait for its slot is
//! queued until then. Slots are reserved in the ledger, where one conditional write answers *when*.
//!
//! On a calm day nobody asks the ledger. Each process makes so many retries freely as are its share of the bucket:
//! as long as [`PROCESSES`] of them keep to their shares, all together keep to the quota. A process that comes to
//! the end of its share, or that AWS throttles, reserves slots, some at once when it is busy, and says how many
//! retries it made freely before.

use alloc::collections::BTreeMap;
use core::cell::RefCell;
use core::time::Duration;

use crate::calls::Call;
use crate::error::Error;
use crate::failure::Service;
use crate::ledger::Ledger;
pub use crate::micros::Micros;
pub use crate::quota::{PROCESSES, ParseQuotaError, Quota, Quotas};
use crate::time::Time;

/// So many slots a process reserves at once at the most: with 20 retries a second and more, one write in twenty.
const MAX_SLOTS_AT_ONCE: u32 = 20;

/// A wait as short as this is none: so far before its slot a retry may come.
const SOON: Duration = Duration::from_secs(1);

/// Past slots that a process reserved longer ago are given up: used all at once they would be a burst.
const STALE: Duration = Duration::from_secs(2);

/// For so long after AWS throttled a process it makes no retry freely.
const THROTTLED_FOR: Duration = Duration::from_secs(60);

/// What one process knows of the pace of its calls. One for as long as the function lives.
#[derive(Debug, Default)]
pub struct RateLimiter {
    paths: RefCell<BTreeMap<Call, Path>>,
}

/// What a process knows of the pace of one call.
#[derive(Debug, Clone, Copy, Default)]
struct Path {
    /// When its own share will be whole again.
    full_at: Micros,
    /// It was throttled, or its slots lie ahead: nothing is free until then.
    throttled_until: Micros,
    /// Retries it made freely that the ledger does not know of.
    unreported: u32,
    /// The next slot it has reserved, how many it has, and since when.
    slot: Micros,
    slots: u32,
    reserved: Micros,
    /// The second in which it retried last, how often in it, and in the one before.
    second: u64,
    retries: u32,
    retries_before: u32,
}

impl Path {
    /// Counts a retry, and answers how many there are in a second.
    fn count(&mut self, now: Time) -> u32 {
        let second = now.as_millis() / 1_000;
        if second != self.second {
            let follows = second == self.second.saturating_add(1);
            self.retries_before = if follows { self.retries } else { 0 };
            self.retries = 0;
            self.second = second;
        }
        self.retries = self.retries.saturating_add(1);
        self.retries.max(self.retries_before)
    }

    /// Takes a retry of its own share, if there is one left.
    fn take_local(&mut self, quota: Quota, now: Micros) -> bool {
        let step = quota.share_step();
        let whole = self.full_at.max(now).plus(step);
        let free = now >= self.throttled_until && whole <= now.plus(step.times(quota.share()));
        if free {
            self.full_at = whole;
            self.unreported = self.unreported.saturating_add(1);
        }
        free
    }

    /// Takes a slot that it has reserved, if there is one left.
    fn take_slot(&mut self, quota: Quota, now: Micros) -> Option<Micros> {
        let stale = now.minus(STALE.into());
        if self.slot < stale && self.reserved < stale {
            self.slots = 0;
        }
        self.slots = self.slots.checked_sub(1)?;
        let slot = self.slot;
        self.slot = slot.plus(quota.step());
        Some(slot)
    }
}

impl RateLimiter {
    /// How long a retry has to wait for its slot: not at all, or at least a second.
    ///
    /// # Errors
    /// The ledger could not be reached.
    pub async fn wait<L: Ledger>(
        &self,
        ledger: &L,
        call: Call,
        quota: Quota,
        now: Time,
    ) -> Result<Duration, Error> {
        let moment = Micros::from(now);
        let mut path = self.path(call);
        let busy = path.count(now);
        let at_hand = if path.take_local(quota, moment) {
            Some(moment)
        } else {
            path.take_slot(quota, moment)
        };
        self.keep(call, path);
        let slot = match at_hand {
            Some(slot) => slot,
            None => {
                let slots = busy.min(MAX_SLOTS_AT_ONCE);
                // What was made freely has had its slots; they come first.
                let span = quota.step().times(slots.saturating_add(path.unreported));
                let from = moment.minus(quota.burst_reserve());
                let begins = ledger.reserve(call, from, span).await?;
                let first = begins.plus(quota.step().times(path.unreported));
                // Another handling of this process may have gone on meanwhile.
                let meanwhile = self.path(call);
                let path = Path {
                    unreported: meanwhile.unreported.saturating_sub(path.unreported),
                    slot: first.plus(quota.step()),
                    slots: slots.saturating_sub(1),
                    reserved: moment,
                    throttled_until: meanwhile.throttled_until.max(first),
                    ..meanwhile
                };
                self.keep(call, path);
                first
            }
        };
        let wait = Duration::from_micros(slot.minus(moment).0);
        Ok(if wait < SOON { Duration::ZERO } else { wait })
    }

    /// AWS throttled a call: for a while nothing is free.
    pub fn throttled(&self, call: Call, now: Time) {
        let mut path = self.path(call);
        path.throttled_until = path
            .throttled_until
            .max(Micros::from(now).plus(THROTTLED_FOR.into()));
        self.keep(call, path);
    }

    fn path(&self, call: Call) -> Path {
        self.paths.borrow().get(&call).copied().unwrap_or_default()
    }

    fn keep(&self, call: Call, path: Path) {
        self.paths.borrow_mut().insert(call, path);
    }
}

impl Call {
    /// The call that retries what a service runs.
    #[must_use]
    pub const fn of(service: Service) -> Self {
        match service {
            Service::StepFunctions => Self::RedriveExecution,
            Service::CodePipeline => Self::RetryStageExecution,
        }
    }

    /// AWS's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RedriveExecution => "RedriveExecution",
            Self::RetryStageExecution => "RetryStageExecution",
        }
    }
}

#[cfg(test)]
mod tests;
