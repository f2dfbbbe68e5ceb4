//! How a subject stands now, compared with a failure.

use crate::verdict::Reason;

/// How a subject stands at a last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The failure of the claim, unchanged.
    Same,
    /// It was retried since, by whomever: it runs, or has failed anew. AWS counts so many retries by now.
    Moved(u32),
    /// It succeeded.
    Succeeded,
    /// A person ended it, or AWS will never retry it; the reason says which.
    Over(Reason),
}
