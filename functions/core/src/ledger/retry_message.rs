//! What travels through the queue.

use serde::{Deserialize, Serialize};

use crate::failure::Subject;

/// A message of the queue: it names the subject and the number of the failure, and holds nothing of the failure.
///
/// It names no revision: when a queue is slow and the sweep sends a retry once more, whichever message comes
/// first brings it, and the other finds it taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryMessage {
    /// Whose.
    pub subject: Subject,
    /// [`Entry::failure_number`](super::Entry::failure_number). If the subject has failed anew, the retry message is void.
    pub failure_number: u32,
}

impl RetryMessage {
    /// Reads a message of the queue. None: it is no retry message, or its subject is none that can be retried.
    #[must_use]
    pub fn read(message: &str) -> Option<Self> {
        let retry_message: Self = serde_json::from_str(message).ok()?;
        retry_message.subject.is_sound().then_some(retry_message)
    }
}
