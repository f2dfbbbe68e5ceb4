//! The keys of conditions.

use crate::service::Service;

/// The key of a condition: what can be asked of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKey {
    /// The exit status of the process, -1 where the worker was lost.
    ExitStatus,
    /// The signal that ended the process.
    Signal,
    /// Why it was ended from outside, in Buildkite's words.
    SignalReason,
    /// FAILED or TIMED_OUT.
    Status,
    /// The error's name.
    Error,
    /// The error's cause.
    Cause,
    /// The state that failed.
    State,
    /// What that state called, for example `glue:startJobRun.sync`.
    Resource,
    /// The stage's name.
    Stage,
    /// The failed action's name.
    Action,
    /// Source, Build, Deploy, Test, Invoke, Approval or Compute.
    Category,
    /// For example CodeBuild.
    Provider,
    /// For example JobFailed.
    ErrorCode,
    /// The failed action's message.
    Summary,
    /// The HTTP status that a called service answered with.
    HttpStatus,
    /// Whether a retry mode of the AWS CLI would retry it.
    Mode,
}

impl ConditionKey {
    /// Every key there is.
    pub const ALL: [Self; 16] = [
        Self::ExitStatus,
        Self::Signal,
        Self::SignalReason,
        Self::Status,
        Self::Error,
        Self::Cause,
        Self::State,
        Self::Resource,
        Self::Stage,
        Self::Action,
        Self::Category,
        Self::Provider,
        Self::ErrorCode,
        Self::Summary,
        Self::HttpStatus,
        Self::Mode,
    ];

    /// As a policy writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExitStatus => "exit_status",
            Self::Signal => "signal",
            Self::SignalReason => "signal_reason",
            Self::Status => "status",
            Self::Error => "error",
            Self::Cause => "cause",
            Self::State => "state",
            Self::Resource => "resource",
            Self::Stage => "stage",
            Self::Action => "action",
            Self::Category => "category",
            Self::Provider => "provider",
            Self::ErrorCode => "error_code",
            Self::Summary => "summary",
            Self::HttpStatus => "http_status",
            Self::Mode => "mode",
        }
    }

    /// The service that has it; none where both do.
    #[must_use]
    pub const fn service(self) -> Option<Service> {
        match self {
            Self::Status | Self::Error | Self::Cause | Self::State | Self::Resource => {
                Some(Service::StepFunctions)
            }
            Self::Stage
            | Self::Action
            | Self::Category
            | Self::Provider
            | Self::ErrorCode
            | Self::Summary => Some(Service::CodePipeline),
            Self::ExitStatus
            | Self::Signal
            | Self::SignalReason
            | Self::HttpStatus
            | Self::Mode => None,
        }
    }

    /// Whether upper and lower case are the same to it.
    #[must_use]
    pub const fn folds_case(self) -> bool {
        matches!(
            self,
            Self::Signal
                | Self::SignalReason
                | Self::Status
                | Self::Category
                | Self::Provider
                | Self::Cause
                | Self::Summary
        )
    }
}
