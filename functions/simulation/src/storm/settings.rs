//! The settings of a storm: the failures, and the account.

use redrive_core::time::Time;

use super::limits::{Limits, QuotaClass};

/// The start of every storm.
pub(super) const START: Time = Time::from_millis(1_795_000_000_000);

/// The settings of a storm: the failures, and the account.
#[derive(Debug, Clone)]
pub struct Storm {
    /// The number of executions that fail.
    pub failures: usize,
    /// The number of machines. The first machine has the most executions: the n-th machine's share is proportional to
    /// 1/√n.
    pub machines: usize,
    /// The duration of the failures, in seconds. The failures of each machine are spread evenly.
    pub seconds: u32,
    /// AWS's limits.
    pub limits: Limits,
    /// Whether retries are paced.
    pub paced: bool,
    /// The account's limit of concurrent functions.
    pub concurrency: usize,
    /// Maximum concurrent batches of due retries: MaximumConcurrency in template.yaml.
    pub due_concurrency: u64,
    /// The number of partitions of the ledger's due index, as in functions/aws/src/ledger.rs.
    pub index_shards: usize,
    /// The hour at which the storm ends, even if failures are left.
    pub hours: u32,
    /// The seed of all random choices.
    pub seed: u64,
}

impl Default for Storm {
    fn default() -> Self {
        Self {
            failures: 100_000,
            machines: 50,
            seconds: 60,
            limits: Limits::of(QuotaClass::Small),
            paced: true,
            concurrency: 1_000,
            due_concurrency: 20,
            index_shards: 8,
            hours: 24,
            seed: 0,
        }
    }
}
