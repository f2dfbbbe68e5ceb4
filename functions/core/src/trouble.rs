//! Trouble: the world could not be reached. Never a user's error, never a verdict.

use alloc::string::String;
use core::fmt;

use serde::Serialize;

/// Why a call to the ledger, a target or the queue brought nothing.
///
/// The event is not lost by it: the function fails, its event comes again, and after that the dead-letter
/// queue and the sweep have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// Which call, and the error's code. Never a message of a service, which may quote what was sent.
    pub call: String,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// Too many calls: later.
    Throttled,
    /// We may not: our own deployment is wrong.
    Denied,
    /// What is encrypted by a key that we may not use.
    Withheld,
    /// No connection, no answer, or a fault of the service.
    Unreachable,
    /// The program does what it must not: a bug.
    Bug,
}

impl Trouble {
    /// Trouble with a call.
    #[must_use]
    pub fn new(kind: TroubleKind, call: impl Into<String>) -> Self {
        Self {
            kind,
            call: call.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TroubleKind::Throttled => "throttled",
            TroubleKind::Denied => "access denied",
            TroubleKind::Withheld => "encrypted by a KMS key that may not be used",
            TroubleKind::Unreachable => "not reachable",
            TroubleKind::Bug => "a bug in redrive, please report it",
        };
        write!(f, "{}: {kind}", self.call)
    }
}

impl core::error::Error for Trouble {}
