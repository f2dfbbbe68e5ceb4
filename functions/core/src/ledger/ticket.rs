//! What travels through the queue.

use serde::{Deserialize, Serialize};

use crate::failure::Subject;

/// What travels through the queue: whose retry, and of which failure. Nothing of the failure itself.
///
/// It names no revision: when a queue is slow and the sweep sends a retry once more, whichever message comes
/// first brings it, and the other finds it taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Whose.
    pub subject: Subject,
    /// [`Entry::failure`](super::Entry::failure). If the subject has failed anew, the ticket is void.
    pub failure: u32,
}

impl Ticket {
    /// Reads a message of the queue. None: it is no ticket, or its subject is none that can be retried.
    #[must_use]
    pub fn read(message: &str) -> Option<Self> {
        let ticket: Self = serde_json::from_str(message).ok()?;
        ticket.subject.is_sound().then_some(ticket)
    }
}
