//! Errors of calls to the ledger, a target or the queue. Never a user's mistake, never a verdict.

use alloc::string::String;

use serde::Serialize;

/// An error of a call to the ledger, a target or the queue.
///
/// An error loses no event. The function fails, and Lambda sends the event again. After Lambda's last attempt, the
/// dead-letter queue holds the event, and the sweep finds the failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {kind}")]
pub struct Error {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The call and the error's code. INVARIANT: never a service's message, which may quote the request.
    pub call: String,
}

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Too many calls: retry later.
    #[error("throttled")]
    Throttled,
    /// The caller lacks permission: an error of the deployment.
    #[error("access denied")]
    AccessDenied,
    /// The answer is encrypted by a KMS key that the caller may not use.
    #[error("encrypted by a KMS key that may not be used")]
    KmsAccessDenied,
    /// No connection, no answer, or a fault of the service.
    #[error("not reachable")]
    Unavailable,
    /// An item of the ledger was written by a newer version of this program, and is left alone.
    #[error("written by a newer version of redrive, and left alone")]
    NewerSchema,
    /// The ledger's table is of a version before the first release.
    #[error(
        "the table is of a version before the first release; deploy a new stack, and delete the old table once its \
         retries are over"
    )]
    OldTable,
    /// A bug of this program.
    #[error("a bug in redrive, please report it")]
    Internal,
}

impl Error {
    /// Returns the error of a call.
    #[must_use]
    pub fn new(kind: ErrorKind, call: impl Into<String>) -> Self {
        Self {
            kind,
            call: call.into(),
        }
    }
}
