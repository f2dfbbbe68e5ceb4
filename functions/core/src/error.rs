//! Errors of calls to the ledger, a target or the queue. Never a user's mistake, never a verdict.

use alloc::string::String;
use core::fmt;

use serde::Serialize;

/// An error of a call to the ledger, a target or the queue.
///
/// An error loses no event. The function fails, and Lambda sends the event again. After Lambda's last attempt, the
/// dead-letter queue holds the event, and the sweep finds the failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The call and the error's code. INVARIANT: never a service's message, which may quote the request.
    pub call: String,
}

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Too many calls: retry later.
    Throttled,
    /// The caller lacks permission: an error of the deployment.
    AccessDenied,
    /// The answer is encrypted by a KMS key that the caller may not use.
    KmsAccessDenied,
    /// No connection, no answer, or a fault of the service.
    Unavailable,
    /// An item of the ledger was written by a newer version of this program, and is left alone.
    NewerSchema,
    /// The ledger's table is of a version before the first release.
    OldTable,
    /// A bug of this program.
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ErrorKind::Throttled => "throttled",
            ErrorKind::AccessDenied => "access denied",
            ErrorKind::KmsAccessDenied => "encrypted by a KMS key that may not be used",
            ErrorKind::Unavailable => "not reachable",
            ErrorKind::NewerSchema => {
                "written by a newer version of redrive, and left alone; deploy that version"
            }
            ErrorKind::OldTable => {
                "the table is of a version before the first release; deploy a new stack, and delete the old table once \
                 its retries are over"
            }
            ErrorKind::Internal => "a bug in redrive, please report it",
        };
        write!(f, "{}: {kind}", self.call)
    }
}

impl core::error::Error for Error {}
