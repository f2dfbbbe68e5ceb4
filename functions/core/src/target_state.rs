//! The current state of a target, compared with a failure.

use crate::verdict::Reason;

/// The state that a read before a retry shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// The failure of the claim, unchanged.
    Unchanged,
    /// Somebody retried the target since: it runs, or has failed again. Holds the number of retries that AWS counts.
    Advanced(u32),
    /// The target succeeded.
    Succeeded,
    /// A person ended the target, or AWS no longer retries it; the reason says which.
    Terminated(Reason),
}
