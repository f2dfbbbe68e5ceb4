//! AWS's limits: a bucket of tokens for each API, and a write rate for each partition of the ledger.

use std::collections::BTreeMap;

use redrive_core::failure::Subject;
use redrive_core::rate_limiter::Quota;

/// The class of a region's quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaClass {
    /// us-east-1, us-west-2 and eu-west-1.
    Large,
    /// Every other region.
    Small,
}

/// The quotas of a region, by the name of the API.
// AWS: each API action has a token bucket with a refill rate (Quotas related to API action throttling).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits(BTreeMap<&'static str, Quota>);

/// The name of an API, and its bucket in the large regions and in the others.
type Row = (&'static str, (u32, u32), (u32, u32));

const TABLE: [Row; 7] = [
    (REDRIVE, (1300, 300), (800, 150)),
    ("DescribeExecution", (300, 15), (250, 10)),
    ("GetExecutionHistory", (400, 20), (400, 20)),
    ("DescribeStateMachine", (200, 20), (200, 20)),
    ("DescribeStateMachineForExecution", (200, 20), (200, 20)),
    ("ListExecutions", (200, 5), (100, 2)),
    ("ListStateMachines", (100, 5), (100, 5)),
];

pub(super) const REDRIVE: &str = "RedriveExecution";

/// The write quota of one item, and of one partition of an index. The simulation does not count on burst capacity.
// AWS: one partition takes 1,000 writes a second (Best practices for designing and using partition keys effectively).
const PARTITION: Quota = Quota {
    burst: 1000,
    per_second: 1000,
};

impl Limits {
    /// Returns the limits of a class of regions.
    pub fn of(class: QuotaClass) -> Self {
        let bucket = |(name, large, small): Row| {
            let (burst, per_second) = match class {
                QuotaClass::Large => large,
                QuotaClass::Small => small,
            };
            (name, Quota { burst, per_second })
        };
        Self(TABLE.map(bucket).into())
    }

    /// Returns the limits divided by a number, for a storm that is smaller by that factor.
    #[must_use]
    pub fn divided_by(mut self, by: u32) -> Self {
        let part = |of: u32| of.checked_div(by).unwrap_or(of).max(1);
        for quota in self.0.values_mut() {
            quota.burst = part(quota.burst);
            quota.per_second = part(quota.per_second);
        }
        self
    }

    /// Returns the bucket of RedriveExecution.
    pub fn redrive_execution(&self) -> Quota {
        let none = Quota {
            burst: 1,
            per_second: 1,
        };
        self.0.get(REDRIVE).copied().unwrap_or(none)
    }
}

/// A bucket of tokens that refills with time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    quota: Quota,
    /// Millionths of a token.
    tokens: u64,
    /// The time of the count, in microseconds.
    at: u64,
}

const TOKEN: u64 = 1_000_000;

impl Bucket {
    fn full(quota: Quota) -> Self {
        Self {
            quota,
            tokens: u64::from(quota.burst) * TOKEN,
            at: 0,
        }
    }

    fn take(&mut self, tokens: u32, now: u64) -> bool {
        let came = now
            .saturating_sub(self.at)
            .saturating_mul(u64::from(self.quota.per_second));
        let most = u64::from(self.quota.burst) * TOKEN;
        self.tokens = self.tokens.saturating_add(came).min(most);
        self.at = now;
        match self.tokens.checked_sub(u64::from(tokens) * TOKEN) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

/// The buckets of a storm, with the tokens that are left.
#[derive(Debug)]
pub(super) struct Gates {
    apis: BTreeMap<&'static str, Bucket>,
    shards: Vec<Bucket>,
    items: BTreeMap<&'static str, Bucket>,
}

impl Gates {
    pub(super) fn new(limits: &Limits, shards: usize) -> Self {
        Self {
            apis: limits
                .0
                .iter()
                .map(|(name, quota)| (*name, Bucket::full(*quota)))
                .collect(),
            shards: vec![Bucket::full(PARTITION); shards],
            items: BTreeMap::new(),
        }
    }

    /// Returns whether a call of an API passes. An API without a bucket is never throttled.
    pub(super) fn api(&mut self, name: &str, now: u64) -> bool {
        self.apis
            .get_mut(name)
            .is_none_or(|bucket| bucket.take(1, now))
    }

    /// Returns whether a write to a shared item passes.
    pub(super) fn item(&mut self, name: &'static str, now: u64) -> bool {
        self.items
            .entry(name)
            .or_insert_with(|| Bucket::full(PARTITION))
            .take(1, now)
    }

    /// Returns whether an entry's writes to its partition of the due index pass.
    pub(super) fn index(&mut self, subject: &Subject, writes: u32, now: u64) -> bool {
        let shard = usize::try_from(subject.part_of(self.shards.len() as u64));
        self.shards
            .get_mut(shard.unwrap_or_default())
            .is_none_or(|bucket| bucket.take(writes, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_gives_its_burst_and_then_its_refill() {
        let mut gates = Gates::new(&Limits::of(QuotaClass::Small), 1);
        let (second, mut now) = (1_000_000, 5_000_000_u64);
        let taken = |gates: &mut Gates, now| (0..2000).filter(|_| gates.api(REDRIVE, now)).count();
        assert_eq!(taken(&mut gates, now), 800);
        assert_eq!(taken(&mut gates, now), 0);
        now += second;
        assert_eq!(taken(&mut gates, now), 150);
        now += 1000 * second;
        assert_eq!(taken(&mut gates, now), 800);
        assert!(gates.api("SendMessage", now));
    }
}
