//! Executions, their way through stages, and the runs of their actions.

use std::sync::Arc;

use super::declaration::{Declaration, StageRetryMode};
use super::lagged::Lagged;
use super::script::{ErrorDetails, ExternalResult, Script};

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Returns the spelling of the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
    };
}

statuses! {
    /// `PipelineExecutionStatus` (model).
    ExecutionStatus {
        /// The structure was updated during the execution.
        Cancelled,
        /// The execution runs, or waits to enter a stage.
        InProgress,
        /// A person stopped the execution.
        Stopped,
        /// A stop waits for actions to end.
        Stopping,
        /// The execution went through all its stages.
        Succeeded,
        /// A newer execution replaced the waiting one.
        Superseded,
        /// A stage failed.
        Failed,
    }
}

statuses! {
    /// `StageExecutionStatus` (model).
    StageStatus {
        /// The structure was updated during the stage.
        Cancelled,
        /// Actions run.
        InProgress,
        /// An action or a condition failed.
        Failed,
        /// A person stopped the execution here.
        Stopped,
        /// A stop waits for actions to end.
        Stopping,
        /// All actions succeeded.
        Succeeded,
        /// The entry condition skipped it.
        Skipped,
    }
}

statuses! {
    /// `ActionExecutionStatus` (model); there is no Cancelled.
    ActionStatus {
        /// The action runs.
        InProgress,
        /// The action was given up by a stop, or because the structure was updated.
        Abandoned,
        /// The action succeeded.
        Succeeded,
        /// The action failed, or the approval was rejected.
        Failed,
    }
}

/// `executionType` (model).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecutionType {
    /// An ordinary execution.
    #[default]
    Standard,
    /// A rollback of one stage.
    Rollback,
}

impl ExecutionType {
    /// Returns the spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Rollback => "ROLLBACK",
        }
    }
}

/// `latestRetryTrigger` (model).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryTrigger {
    /// The stage's own `onFailure`.
    AutomatedStageRetry,
    /// `RetryStageExecution`. It is an inference that API calls count as manual.
    ManualStageRetry,
}

impl RetryTrigger {
    /// Returns the spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AutomatedStageRetry => "AutomatedStageRetry",
            Self::ManualStageRetry => "ManualStageRetry",
        }
    }
}

/// `retryStageMetadata`, the only count of retries per stage that AWS offers (model).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryMetadata {
    /// `autoStageRetryAttempt`, at most 1 (documented). Answers omit a 0.
    pub auto_stage_retry_attempt: u32,
    /// `manualStageRetryAttempt`. Answers omit a 0.
    pub manual_stage_retry_attempt: u32,
    /// `latestRetryTrigger`; none if the stage was never retried.
    pub latest_retry_trigger: Option<RetryTrigger>,
}

/// The originator of a call or a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A call through [`Service::call`](crate::api::Service::call).
    Api,
    /// A person at the console: a driver method such as
    /// [`CodePipeline::person_retries`](super::CodePipeline::person_retries).
    Person,
    /// CodePipeline itself, for `onFailure`.
    Automatic,
}

/// A retry of a stage that took effect, whether or not its caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The time, in milliseconds since the epoch.
    pub at: u64,
    /// The requested mode.
    pub mode: StageRetryMode,
    /// The originator.
    pub by: By,
    /// The `pipeline-execution-attempt` from this retry on.
    pub attempt: u32,
    /// The failed action executions that the retry was for; in a stopped stage also the abandoned ones.
    pub failed: Vec<String>,
}

/// The automatic step that waits to happen to a failed stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    AutomaticRetry,
    Rollback,
}

/// The outcome of a condition: whether it was met, and the message for people.
pub(super) type ConditionOutcome = (bool, Option<String>);

/// The state of a stage, as answers show it.
#[derive(Debug, Clone)]
pub(super) struct StageState {
    pub(super) status: StageStatus,
    pub(super) retry: RetryMetadata,
    pub(super) before_entry: Option<ConditionOutcome>,
    pub(super) on_success: Option<ConditionOutcome>,
}

/// One execution in one stage.
#[derive(Debug, Clone)]
pub(super) struct StageRun {
    pub(super) started: u64,
    pub(super) state: Lagged<StageState>,
    /// The latest run of each action, by its position in the stage; none before the action ran in this round.
    pub(super) current: Vec<Option<usize>>,
    pub(super) retries: Vec<Retry>,
    pub(super) pending: Option<Pending>,
}

impl StageRun {
    pub(super) fn new(now: u64, actions: usize) -> Self {
        let state = StageState {
            status: StageStatus::InProgress,
            retry: RetryMetadata::default(),
            before_entry: None,
            on_success: None,
        };
        Self {
            started: now,
            state: Lagged::new(now, state),
            current: vec![None; actions],
            retries: Vec::new(),
            pending: None,
        }
    }

    pub(super) fn status(&self) -> StageStatus {
        self.state.now().status
    }
}

/// The state of an action execution, as answers show it.
#[derive(Debug, Clone)]
pub(super) struct RunState {
    pub(super) status: ActionStatus,
    pub(super) error: Option<Arc<ErrorDetails>>,
    pub(super) result: Arc<ExternalResult>,
}

/// One run of one action: a row of `ListActionExecutions`.
#[derive(Debug, Clone)]
pub(super) struct ActionRun {
    pub(super) id: String,
    pub(super) stage: usize,
    pub(super) action: usize,
    /// The position among all rows of the pipeline.
    pub(super) row: usize,
    pub(super) started: u64,
    /// Whether the run belongs to a retry of its stage.
    pub(super) retried: bool,
    pub(super) state: Lagged<RunState>,
}

impl ActionRun {
    pub(super) fn status(&self) -> ActionStatus {
        self.state.now().status
    }
}

/// The parameters of `StopPipelineExecution`.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) abandon: bool,
    pub(super) reason: Option<String>,
}

/// One execution of a pipeline.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) id: String,
    /// The structure of the execution.
    pub(super) declaration: Arc<Declaration>,
    pub(super) status: ExecutionStatus,
    pub(super) kind: ExecutionType,
    pub(super) rollback_target: Option<String>,
    /// The only stage that a rollback runs.
    pub(super) only_stage: Option<usize>,
    pub(super) trigger: (&'static str, String),
    pub(super) variables: Vec<(String, String)>,
    pub(super) script: Script,
    pub(super) started: u64,
    pub(super) updated: u64,
    /// `pipeline-execution-attempt`.
    pub(super) attempt: u32,
    /// `stage-last-retry-attempt-time`, which is on every later stage event of the execution (documented).
    pub(super) last_retry: Option<u64>,
    /// The stage in which the execution is.
    pub(super) position: Option<usize>,
    /// The stage that the execution waits to enter.
    pub(super) waiting: Option<usize>,
    pub(super) stop: Option<Stop>,
    /// The runs of the declared stages; none before the execution entered the stage.
    pub(super) stages: Vec<Option<StageRun>>,
    pub(super) runs: Vec<ActionRun>,
}

impl Execution {
    pub(super) fn stage(&self, stage: usize) -> Option<&StageRun> {
        self.stages.get(stage)?.as_ref()
    }

    pub(super) fn stage_mut(&mut self, stage: usize) -> Option<&mut StageRun> {
        self.stages.get_mut(stage)?.as_mut()
    }

    pub(super) fn stage_name(&self, stage: usize) -> &str {
        self.declaration
            .stages
            .get(stage)
            .map_or("", |it| it.name.as_str())
    }

    /// Returns the latest runs of a stage's actions, in the order of declaration.
    pub(super) fn current(&self, stage: usize) -> impl Iterator<Item = (usize, &ActionRun)> {
        let indexes = self
            .stage(stage)
            .map_or(&[][..], |it| it.current.as_slice());
        indexes
            .iter()
            .flatten()
            .filter_map(|index| Some((*index, self.runs.get(*index)?)))
    }

    /// Returns whether an action of the stage has `status` in its latest run.
    pub(super) fn any(&self, stage: usize, status: ActionStatus) -> bool {
        self.current(stage).any(|(_, run)| run.status() == status)
    }
}
