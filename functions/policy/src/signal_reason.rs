//! Why work was ended from outside.

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
    /// Every reason that Buildkite has, in the order of messages.
    pub const ALL: [Self; 7] = [
        Self::AgentStop,
        Self::Cancel,
        Self::ProcessRunError,
        Self::StackError,
        Self::AgentRefused,
        Self::AgentIncompatible,
        Self::SignatureRejected,
    ];

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
