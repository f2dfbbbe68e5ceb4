//! Who writes, and how long things take and last.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quota::Quotas;

/// Who writes: one handling of one event, message or entry. Two never share a name, not even when an event
/// comes again under the same request id or a message stands twice in one batch: a write that meets itself
/// counts as won, so two handlings with one name would both act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long things take and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long an owner may act before another takes over. Longer than a function may run and two clocks may
    /// differ, together: who takes over too early, as his clock is ahead, would act beside the owner.
    pub lease: Duration,
    /// How far the clocks of two functions may be apart.
    pub clocks_apart: Duration,
    /// How long after its time a queued retry counts as lost by the queue.
    pub overdue: Duration,
    /// The longest delay that the queue itself keeps: SQS DelaySeconds ends at 15 minutes.
    pub longest_queue_delay: Duration,
    /// How long CodePipeline's answers may lag behind its events.
    pub reads_settle: Duration,
    /// How old an event may be before the target is looked at again: what it announced may be long past.
    pub late: Duration,
    /// The first wait after a call that AWS was too busy to take; it doubles up to `longest_queue_delay`.
    pub busy: Duration,
    /// When a busy target is given up.
    pub give_up_busy: Duration,
    /// How long AWS redrives an execution.
    pub redrivable: Duration,
    /// How long an entry is kept after its last write: longer than AWS redrives.
    pub keep: Duration,
    /// How many retries AWS takes.
    pub quotas: Quotas,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            // The 90 s that a function may run, the clocks, and some to spare.
            lease: Duration::from_secs(420),
            clocks_apart: Duration::from_secs(300),
            overdue: Duration::from_secs(300),
            longest_queue_delay: Duration::from_secs(900),
            reads_settle: Duration::from_secs(90),
            late: Duration::from_secs(600),
            busy: Duration::from_secs(60),
            give_up_busy: Duration::from_secs(24 * 60 * 60),
            redrivable: Duration::from_secs(14 * 24 * 60 * 60),
            keep: Duration::from_secs(30 * 24 * 60 * 60),
            quotas: Quotas::default(),
        }
    }
}
