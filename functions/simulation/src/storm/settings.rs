//! What fails in a storm, and in which account.

use redrive_core::time::Time;

use super::limits::{Limits, QuotaClass};

/// When every storm begins.
pub(super) const START: Time = Time::from_millis(1_795_000_000_000);

/// What fails, and in which account.
#[derive(Debug, Clone)]
pub struct Storm {
    /// So many executions.
    pub failures: usize,
    /// Of so many machines, the first of which has the most: the n-th one's part is as 1 to the root of n.
    pub machines: usize,
    /// Within so many seconds, those of each machine evenly.
    pub seconds: u32,
    /// What AWS allows.
    pub limits: Limits,
    /// Whether retries are paced.
    pub paced: bool,
    /// So many functions the account runs at once.
    pub concurrency: usize,
    /// So many batches of due retries are worked on at once: MaximumConcurrency in template.yaml.
    pub due_concurrency: u64,
    /// Partitions of the ledger's index of what waits, as in functions/aws/src/ledger.rs.
    pub index_shards: usize,
    /// It is over after so many hours, whatever is left.
    pub hours: u32,
    /// What else is left to chance.
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
