//! The rate limiter of retries, which keeps AWS's token buckets from running empty during a storm of failures.
//!
//! AWS: each API of an account and region has a token bucket ("Quotas related to API action throttling", Step
//! Functions). AWS throttles a call that finds the bucket empty. The limiter therefore spreads a storm instead of
//! refusing retries. Each retry gets a *slot*, and a retry whose slot lies ahead is queued until then. One conditional
//! write in the ledger reserves slots and returns their time.
//!
//! In normal operation no process reads the ledger for this. Each process makes unpaced retries within its share of
//! the bucket. INVARIANT: while at most [`PROCESSES`] processes keep to their shares, their sum stays within the quota.
//!
//! A process that has used its share, or that AWS throttles, reserves slots: several in one write when it is busy. The
//! reservation also covers the unpaced retries that the process made before.

use alloc::collections::BTreeMap;
use core::cell::RefCell;
use core::time::Duration;

use crate::error::Error;
use crate::ledger::SlotStore;
pub use crate::micros::Micros;
pub use crate::quota::{PROCESSES, ParseQuotaError, Quota};
pub use crate::services::Quotas;
use crate::services::Service;
use crate::time::Time;

/// Maximum number of slots in one reservation. From 20 retries a second, a process writes once in 20 retries.
const MAX_SLOTS_AT_ONCE: u32 = 20;

/// A shorter wait counts as none: a retry may precede its slot by this much.
const SOON: Duration = Duration::from_secs(1);

/// Age from which past slots of an old reservation are discarded. Used all at once they would be a burst.
const STALE: Duration = Duration::from_secs(2);

/// How long a process makes no unpaced retry after AWS throttled it.
const THROTTLED_FOR: Duration = Duration::from_secs(60);

/// The rate limiter of one process, for all its calls. One instance lives as long as the function's environment.
#[derive(Debug, Default)]
pub struct RateLimiter {
    paths: RefCell<BTreeMap<Service, Path>>,
}

/// The pace of one call in one process.
#[derive(Debug, Clone, Copy, Default)]
struct Path {
    /// The time at which the process's own share is full again.
    full_at: Micros,
    /// The end of the time without unpaced retries: AWS throttled the process, or its slots lie ahead.
    throttled_until: Micros,
    /// The number of unpaced retries that no reservation covers yet.
    unreported: u32,
    /// The next reserved slot, the number of reserved slots, and the time of their reservation.
    slot: Micros,
    slots: u32,
    reserved: Micros,
    /// The second of the last retry, the number of retries in it, and the number in the second before.
    second: u64,
    retries: u32,
    retries_before: u32,
}

impl Path {
    /// Counts a retry, and returns the retries a second: the larger count of this second and the one before.
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

    /// Takes an unpaced retry from the process's share, and returns whether one was left.
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

    /// Takes a reserved slot, if one is left.
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
    /// Returns how long a retry waits for its slot: zero, or at least one second.
    ///
    /// # Errors
    /// The ledger could not be reached.
    pub async fn wait<L: SlotStore>(
        &self,
        ledger: &L,
        service: Service,
        quota: Quota,
        now: Time,
    ) -> Result<Duration, Error> {
        let moment = Micros::from(now);
        let mut path = self.path(service);
        let busy = path.count(now);
        let at_hand = if path.take_local(quota, moment) {
            Some(moment)
        } else {
            path.take_slot(quota, moment)
        };
        self.keep(service, path);
        let slot = match at_hand {
            Some(slot) => slot,
            None => {
                let slots = busy.min(MAX_SLOTS_AT_ONCE);
                // The first slots of the reservation cover the unreported retries.
                let span = quota.step().times(slots.saturating_add(path.unreported));
                let from = moment.minus(quota.burst_reserve());
                let begins = ledger.reserve(service, from, span).await?;
                let first = begins.plus(quota.step().times(path.unreported));
                // RACE: this handling against another handling of the same process. The other may have changed the path
                // during the reservation.
                let meanwhile = self.path(service);
                let path = Path {
                    unreported: meanwhile.unreported.saturating_sub(path.unreported),
                    slot: first.plus(quota.step()),
                    slots: slots.saturating_sub(1),
                    reserved: moment,
                    throttled_until: meanwhile.throttled_until.max(first),
                    ..meanwhile
                };
                self.keep(service, path);
                first
            }
        };
        let wait = Duration::from_micros(slot.minus(moment).0);
        Ok(if wait < SOON { Duration::ZERO } else { wait })
    }

    /// Records that AWS throttled a call: the process makes no unpaced retry for a while.
    pub fn throttled(&self, service: Service, now: Time) {
        let mut path = self.path(service);
        path.throttled_until = path
            .throttled_until
            .max(Micros::from(now).plus(THROTTLED_FOR.into()));
        self.keep(service, path);
    }

    fn path(&self, service: Service) -> Path {
        self.paths
            .borrow()
            .get(&service)
            .copied()
            .unwrap_or_default()
    }

    fn keep(&self, service: Service, path: Path) {
        self.paths.borrow_mut().insert(service, path);
    }
}

#[cfg(test)]
mod tests;
