//! The keys of conditions.

use crate::service::Service;

/// The key of a condition: the property of a failure that the condition tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionKey {
    /// The exit status of the process, -1 where the worker was lost.
    ExitStatus,
    /// The signal that ended the process.
    Signal,
    /// The reason for which the process was ended from outside, in Buildkite's words.
    SignalReason,
    /// FAILED or TIMED_OUT.
    Status,
    /// The error's name.
    Error,
    /// The error's cause.
    Cause,
    /// The state that failed.
    State,
    /// The resource that the failed state called, for example `glue:startJobRun.sync`.
    Resource,
    /// The stage's name.
    Stage,
    /// The failed action's name.
    Action,
    /// The category of the action: Source, Build, Deploy, Test, Invoke, Approval or Compute.
    Category,
    /// The provider of the action, for example CodeBuild.
    Provider,
    /// The error code of the action, for example JobFailed.
    ErrorCode,
    /// The failed action's message.
    Summary,
    /// The HTTP status that a called service answered with.
    HttpStatus,
    /// Whether a retry mode of the AWS CLI would retry the failure.
    Mode,
}

impl ConditionKey {
    /// Every key.
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

    /// Returns the word that a policy uses.
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

    /// Returns the service that has the key, or `None` where both have it.
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

    /// Returns whether values of the key ignore case.
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
