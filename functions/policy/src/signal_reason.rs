//! The reasons for which a process is ended from outside.

/// Buildkite's `signal_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignalReason {
    /// The machine was taken away, for example by a Spot interruption, a termination or a scale-in.
    AgentStop,
    /// A time-out.
    Cancel,
    /// The process could not be started.
    ProcessRunError,
    /// No capacity was available to run the process.
    StackError,
    /// Legal in a policy; no failure of AWS has this reason.
    AgentRefused,
    /// Legal in a policy; no failure of AWS has this reason.
    AgentIncompatible,
    /// Legal in a policy; no failure of AWS has this reason.
    SignatureRejected,
}

impl SignalReason {
    /// Every reason that Buildkite has, in the order of the messages.
    pub const ALL: [Self; 7] = [
        Self::AgentStop,
        Self::Cancel,
        Self::ProcessRunError,
        Self::StackError,
        Self::AgentRefused,
        Self::AgentIncompatible,
        Self::SignatureRejected,
    ];

    /// The words of all reasons, in the same order.
    pub const WORDS: [&'static str; Self::ALL.len()] = {
        let [a, b, c, d, e, f, g] = Self::ALL;
        [
            a.as_str(),
            b.as_str(),
            c.as_str(),
            d.as_str(),
            e.as_str(),
            f.as_str(),
            g.as_str(),
        ]
    };

    /// Returns the word that a policy uses.
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
