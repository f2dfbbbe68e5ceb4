//! The owner of a write, and the durations of the protocol.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::services::Quotas;

/// The writer of an entry: one handling of one event, message or entry.
///
/// INVARIANT: two handlings never share a name, even for a redelivered request ID or a message twice in one batch. A
/// conflict with the owner's own write counts as stored, so two handlings with one name would both act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The durations and quotas of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// How long an owner may act before another owner takes over.
    ///
    /// INVARIANT: the lease exceeds the function timeout plus the maximum clock skew. Otherwise a worker whose clock is
    /// ahead could take over while the owner is still running.
    pub lease: Duration,
    /// How far the clocks of two functions may differ.
    pub max_clock_skew: Duration,
    /// How long after its due time a queued retry counts as lost by the queue.
    pub overdue_after: Duration,
    /// Maximum delay of the queue. AWS: `DelaySeconds` ends at 15 minutes ("SendMessage", SQS API Reference).
    pub max_queue_delay: Duration,
    /// How long AWS's answers may lag behind its events.
    pub read_lag: Duration,
    /// The age from which an event is stale: the target is read again before a retry.
    pub stale_after: Duration,
    /// The first wait after a throttled call; it doubles up to `max_queue_delay`.
    pub initial_backoff: Duration,
    /// How long a retry that AWS keeps throttling is repeated before it is given up.
    pub give_up_throttled_after: Duration,
    /// How long a process may still run with the previous policy after another policy was deployed. AWS: a Lambda
    /// invocation lasts at most 15 minutes, and an update replaces idle processes ("Quotas", Lambda Developer Guide).
    pub policy_overlap: Duration,
    /// How long after its failure AWS redrives an execution.
    pub redrive_window: Duration,
    /// How long an entry is kept after its last write. INVARIANT: longer than the redrive window.
    pub retention: Duration,
    /// The quotas of the retry calls.
    pub quotas: Quotas,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            // The function timeout of 90 s, the clock skew of 300 s, and a reserve of 30 s.
            lease: Duration::from_secs(420),
            max_clock_skew: Duration::from_secs(300),
            overdue_after: Duration::from_secs(300),
            max_queue_delay: Duration::from_secs(900),
            read_lag: Duration::from_secs(90),
            stale_after: Duration::from_secs(600),
            initial_backoff: Duration::from_secs(60),
            give_up_throttled_after: Duration::from_secs(24 * 60 * 60),
            policy_overlap: Duration::from_secs(15 * 60),
            redrive_window: Duration::from_secs(14 * 24 * 60 * 60),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            quotas: Quotas::default(),
        }
    }
}
