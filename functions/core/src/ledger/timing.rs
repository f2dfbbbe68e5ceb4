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
pub struct Timing {
    /// How long an owner may act before another takes over. INVARIANT: it exceeds the
    /// function timeout plus the maximum clock skew. Otherwise a worker whose clock is ahead could take over while the
    /// owner is still running.
    pub lease: Duration,
    /// How far the clocks of two functions may differ.
    pub max_clock_skew: Duration,
    /// How long after its time a queued retry counts as lost by the queue.
    pub overdue_after: Duration,
    /// The longest delay that the queue itself keeps: SQS DelaySeconds ends at 15 minutes.
    pub max_queue_delay: Duration,
    /// How long AWS's answers may lag behind its events.
    pub read_lag: Duration,
    /// The age from which an event is stale: the target is read again before anything is done.
    pub stale_after: Duration,
    /// The first wait after a throttled call; it doubles up to `max_queue_delay`.
    pub initial_backoff: Duration,
    /// When a target that is throttled all the time is given up.
    pub give_up_throttled_after: Duration,
    /// How long AWS redrives an execution.
    pub redrive_window: Duration,
    /// How long an entry is kept after its last write: longer than AWS redrives.
    pub retention: Duration,
    /// How many retries AWS takes.
    pub quotas: Quotas,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            // The 90 s that a function may run, the clocks, and some to spare.
            lease: Duration::from_secs(420),
            max_clock_skew: Duration::from_secs(300),
            overdue_after: Duration::from_secs(300),
            max_queue_delay: Duration::from_secs(900),
            read_lag: Duration::from_secs(90),
            stale_after: Duration::from_secs(600),
            initial_backoff: Duration::from_secs(60),
            give_up_throttled_after: Duration::from_secs(24 * 60 * 60),
            redrive_window: Duration::from_secs(14 * 24 * 60 * 60),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            quotas: Quotas::default(),
        }
    }
}
