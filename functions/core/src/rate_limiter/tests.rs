use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use alloc::string::ToString;

use super::*;
use crate::error::ErrorKind;
use crate::ledger::Entries;

const SERVICE: Service = Service::StepFunctions;
const QUOTA: Quota = Quota {
    burst: 800,
    per_second: 150,
};

/// A ledger that counts reservations, and may be unreachable.
#[derive(Default)]
struct Slots {
    entries: RefCell<Entries>,
    writes: Cell<u32>,
    down: Cell<bool>,
}

impl SlotStore for Slots {
    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        if self.down.get() {
            return Err(Error::new(ErrorKind::Unavailable, "UpdateItem"));
        }
        self.writes.set(self.writes.get() + 1);
        Ok(self.entries.borrow_mut().reserve(service, from, span))
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn millis(ms: u64) -> Time {
    Time::from_millis(1_795_000_000_000 + ms)
}

fn wait(rate_limiter: &RateLimiter, slots: &Slots, quota: Quota, now: Time) -> Duration {
    ready(rate_limiter.wait(slots, SERVICE, quota, now)).unwrap()
}

#[test]
fn a_calm_day_asks_the_ledger_for_nothing() {
    let (rate_limiter, slots) = (RateLimiter::default(), Slots::default());
    for minute in 0..1_440 {
        for _ in 0..4 {
            let now = millis(minute * 60_000);
            assert_eq!(wait(&rate_limiter, &slots, QUOTA, now), Duration::ZERO);
        }
    }
    assert_eq!(slots.writes.get(), 0);
}

#[test]
fn exhausted_share_reserves_slots_and_reports_unpaced_retries() {
    let (rate_limiter, slots) = (RateLimiter::default(), Slots::default());
    for _ in 0..5 {
        assert_eq!(
            wait(&rate_limiter, &slots, QUOTA, millis(0)),
            Duration::ZERO
        );
    }
    assert_eq!(slots.writes.get(), 1);
    // Four unpaced retries, and five slots: the number of retries in this second.
    let from = Micros::from(millis(0)).minus(QUOTA.burst_reserve());
    let reserved = slots
        .entries
        .borrow_mut()
        .reserve(SERVICE, Micros(0), Micros(0));
    assert_eq!(reserved, from.plus(QUOTA.step().times(9)));
    // The reserved slots serve the next four retries.
    for _ in 0..4 {
        wait(&rate_limiter, &slots, QUOTA, millis(1));
    }
    assert_eq!(slots.writes.get(), 1);
    wait(&rate_limiter, &slots, QUOTA, millis(1));
    assert_eq!(slots.writes.get(), 2);
}

/// AWS's token bucket.
struct Bucket {
    quota: Quota,
    tokens: f64,
    at: f64,
    throttled: u32,
}

impl Bucket {
    fn take(&mut self, at: f64) {
        let refill = (at - self.at) * f64::from(self.quota.per_second);
        self.tokens = (self.tokens + refill).min(f64::from(self.quota.burst));
        self.at = at;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
        } else {
            self.throttled += 1;
        }
    }
}

/// Returns the times of a storm's retries and the number of reservations. The failures go to the processes in turn.
fn storm(processes: usize, quota: Quota, failures: u64, a_second: u64) -> (Vec<f64>, u32) {
    let slots = Slots::default();
    let paces: Vec<RateLimiter> = (0..processes).map(|_| RateLimiter::default()).collect();
    let mut retries: Vec<f64> = (0..failures)
        .map(|n| {
            let ms = n * 1_000 / a_second;
            let rate_limiter = &paces[usize::try_from(n).unwrap() % processes];
            let wait = wait(rate_limiter, &slots, quota, millis(ms));
            f64::from(u32::try_from(ms).unwrap()) / 1_000.0 + wait.as_secs_f64()
        })
        .collect();
    retries.sort_by(f64::total_cmp);
    (retries, slots.writes.get())
}

#[test]
fn a_storm_is_spread_and_hardly_ever_refused() {
    for quota in [
        QUOTA,
        Quota {
            burst: 1_300,
            per_second: 300,
        },
    ] {
        for processes in [1, 40, 200] {
            let (retries, writes) = storm(processes, quota, 50_000, 1_700);
            let mut bucket = Bucket {
                quota,
                tokens: f64::from(quota.burst),
                at: 0.0,
                throttled: 0,
            };
            for at in &retries {
                bucket.take(*at);
            }
            let throttled = bucket.throttled;
            assert!(throttled < 50, "{throttled}, {quota} among {processes}");
            let least = f64::from(50_000 - quota.burst) / f64::from(quota.per_second);
            let took = retries.last().unwrap() / least;
            assert!(took < 1.1, "{took} times the least, among {processes}");
            // One reservation holds several slots.
            assert!(writes < 50_000 / 5, "{writes} writes");
        }
    }
}

#[test]
fn unused_slots_expire() {
    let (rate_limiter, slots) = (RateLimiter::default(), Slots::default());
    for _ in 0..12 {
        wait(&rate_limiter, &slots, QUOTA, millis(0));
    }
    let writes = slots.writes.get();
    // The process has used its share again, and its reserved slots are stale.
    for _ in 0..5 {
        wait(&rate_limiter, &slots, QUOTA, millis(600_000));
    }
    assert_eq!(slots.writes.get(), writes + 1);
}

#[test]
fn who_was_throttled_is_careful_for_a_minute() {
    let (rate_limiter, slots) = (RateLimiter::default(), Slots::default());
    rate_limiter.throttled(SERVICE, millis(0));
    wait(&rate_limiter, &slots, QUOTA, millis(1));
    assert_eq!(slots.writes.get(), 1);
    wait(&rate_limiter, &slots, QUOTA, millis(60_001));
    assert_eq!(slots.writes.get(), 1);
}

#[test]
fn unreachable_ledger_gives_no_slot_and_loses_nothing() {
    let (rate_limiter, slots) = (RateLimiter::default(), Slots::default());
    for _ in 0..4 {
        wait(&rate_limiter, &slots, QUOTA, millis(0));
    }
    slots.down.set(true);
    assert!(ready(rate_limiter.wait(&slots, SERVICE, QUOTA, millis(1))).is_err());
    slots.down.set(false);
    wait(&rate_limiter, &slots, QUOTA, millis(1));
    let reserved = slots
        .entries
        .borrow_mut()
        .reserve(SERVICE, Micros(0), Micros(0));
    let from = Micros::from(millis(1)).minus(QUOTA.burst_reserve());
    // Four unpaced retries, and six retries of this second.
    assert_eq!(reserved, from.plus(QUOTA.step().times(10)));
}

#[test]
fn a_quota_is_written_as_in_the_tables_of_aws() {
    assert_eq!("800/150".parse(), Ok(QUOTA));
    assert_eq!(QUOTA.to_string(), "800/150");
    for wrong in [
        "", "800", "800/", "/150", "0/150", "800/0", "-1/5", "a/b", "1/2/3",
    ] {
        assert_eq!(wrong.parse::<Quota>(), Err(ParseQuotaError), "{wrong}");
    }
}

#[test]
fn the_least_quota_still_lets_one_through() {
    let least = Quota {
        burst: 1,
        per_second: 1,
    };
    let (rate_limiter, slots) = (RateLimiter::default(), Slots::default());
    let waits: Vec<u64> = (0..4)
        .map(|_| wait(&rate_limiter, &slots, least, millis(0)).as_secs())
        .collect();
    // The first retry is the process's share. The second has the first slot after it.
    assert_eq!(waits, [0, 1, 2, 3]);
}
