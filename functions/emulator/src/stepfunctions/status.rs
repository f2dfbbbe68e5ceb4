//! The status of an execution between two transitions.

use std::sync::Arc;

use super::history::Failure;

/// The status of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// `RUNNING`
    Running,
    /// `SUCCEEDED`
    Succeeded,
    /// `FAILED`
    Failed,
    /// `TIMED_OUT`
    TimedOut,
    /// `ABORTED`
    Aborted,
    /// `PENDING_REDRIVE`: only for children of a Map Run that is being redriven (documented).
    PendingRedrive,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Aborted,
        Self::PendingRedrive,
    ];

    /// Returns the spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
            Self::PendingRedrive => "PENDING_REDRIVE",
        }
    }

    /// Returns whether nothing more happens without a redrive.
    pub const fn is_closed(self) -> bool {
        !matches!(self, Self::Running | Self::PendingRedrive)
    }
}

/// The originator of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A call of RedriveExecution.
    Api,
    /// [`person_redrives`](super::StepFunctions::person_redrives).
    Person,
    /// The redrive of the parent that owns the Map Run.
    MapRun,
}

/// A redrive that restarted an execution. A replayed token makes no redrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The time: the `redriveDate`.
    pub at: u64,
    /// The client token, if there was one.
    pub token: Option<String>,
    /// The `redriveCount` after the redrive.
    pub count: u64,
    /// The originator.
    pub by: By,
}

/// The status and its members between two transitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) since: u64,
    pub(super) status: Status,
    pub(super) stop: Option<u64>,
    pub(super) failure: Failure,
    pub(super) output: Option<Arc<str>>,
    pub(super) redrive_count: u64,
    pub(super) redrive_date: Option<u64>,
}

/// Whether an execution can be redriven, and the reason if not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redrivable {
    Yes,
    ByMapRun,
    No(String),
}

impl Redrivable {
    /// Returns `redriveStatus` and `redriveStatusReason`.
    pub(super) fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Yes => ("REDRIVABLE", None),
            Self::ByMapRun => ("REDRIVABLE_BY_MAP_RUN", None),
            Self::No(reason) => ("NOT_REDRIVABLE", Some(reason)),
        }
    }
}
