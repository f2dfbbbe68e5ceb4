//! The message of a queued retry.

use serde::{Deserialize, Serialize};

use crate::failure::Subject;

/// A message of the queue: the subject and the number of the failure, and nothing else of the failure.
///
/// RACE: a slow queue against the sweep, which sends the message once more. The message names no revision, so the first
/// message to arrive claims the retry, and the other one finds it claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryMessage {
    /// The subject of the retry.
    pub subject: Subject,
    /// [`Entry::failure_number`](super::EntryFields::failure_number). A later failure of the subject makes the message void.
    pub failure_number: u32,
}

impl RetryMessage {
    /// Reads a message of the queue. Returns none for any other message, and for a subject that cannot be retried.
    #[must_use]
    pub fn read(message: &str) -> Option<Self> {
        let retry_message: Self = serde_json::from_str(message).ok()?;
        retry_message.subject.is_sound().then_some(retry_message)
    }
}
