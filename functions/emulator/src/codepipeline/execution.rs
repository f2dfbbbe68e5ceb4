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
            /// As the API writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
    };
}

statuses! {
    /// `PipelineExecutionStatus` (model).
    ExecutionStatus {
        /// The structure was updated while it ran.
        Cancelled,
        /// It runs, or waits to enter a stage.
        InProgress,
        /// A person stopped it.
        Stopped,
        /// A stop waits for actions to end.
        Stopping,
        /// It went through all its stages.
        Succeeded,
        /// A newer execution took its place while it waited.
        Superseded,
        /// A stage failed.
        Failed,
    }
}

statuses! {
    /// `StageExecutionStatus` (model).
    StageStatus {
        /// The structure was updated while it ran.
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
        /// It runs.
        InProgress,
        /// Given up by a stop, or because the structure was updated.
        Abandoned,
        /// It succeeded.
        Succeeded,
        /// It failed; for an approval also: rejected.
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
    /// As the API writes it.
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
    /// `RetryStageExecution`; that API calls count as manual is an inference.
    ManualStageRetry,
}

impl RetryTrigger {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AutomatedStageRetry => "AutomatedStageRetry",
            Self::ManualStageRetry => "ManualStageRetry",
        }
    }
}

/// `retryStageMetadata`: the only count of retries per stage that AWS gives (model).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryMetadata {
    /// `autoStageRetryAttempt`, at most 1 (documented); left out of answers at 0.
    pub auto_stage_retry_attempt: u32,
    /// `manualStageRetryAttempt`; left out of answers at 0.
    pub manual_stage_retry_attempt: u32,
    /// `latestRetryTrigger`; none if the stage was never retried.
    pub latest_retry_trigger: Option<RetryTrigger>,
}

/// On whose behalf something happened.
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

/// A retry of a stage that took effect, whatever its caller came to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// When, in milliseconds since the epoch.
    pub at: u64,
    /// What was asked for.
    pub mode: StageRetryMode,
    /// By whom.
    pub by: By,
    /// `pipeline-execution-attempt` from now on.
    pub attempt: u32,
    /// The failed (or, in a stopped stage, abandoned) action executions it was about.
    pub failed: Vec<String>,
}

/// What waits to happen to a failed stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    AutomaticRetry,
    Rollback,
}

/// How a condition came out: whether it was met, and the words for people.
pub(super) type ConditionOutcome = (bool, Option<String>);

/// What answers show of a stage.
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
    /// The latest run of each action by its place in the stage; none before it ran in this round.
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

/// What answers show of an action execution.
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
    /// Place among all rows of the pipeline.
    pub(super) row: usize,
    pub(super) started: u64,
    /// Whether it belongs to a retry of its stage.
    pub(super) retried: bool,
    pub(super) state: Lagged<RunState>,
}

impl ActionRun {
    pub(super) fn status(&self) -> ActionStatus {
        self.state.now().status
    }
}

/// `StopPipelineExecution` as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) abandon: bool,
    pub(super) reason: Option<String>,
}

/// One execution of a pipeline.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) id: String,
    /// The structure it runs by.
    pub(super) declaration: Arc<Declaration>,
    pub(super) status: ExecutionStatus,
    pub(super) kind: ExecutionType,
    pub(super) rollback_target: Option<String>,
    /// A rollback runs this stage and no other.
    pub(super) only_stage: Option<usize>,
    pub(super) trigger: (&'static str, String),
    pub(super) variables: Vec<(String, String)>,
    pub(super) script: Script,
    pub(super) started: u64,
    pub(super) updated: u64,
    /// `pipeline-execution-attempt`.
    pub(super) attempt: u32,
    /// `stage-last-retry-attempt-time`: on every later stage event of the execution (documented).
    pub(super) last_retry: Option<u64>,
    /// The stage it is in.
    pub(super) position: Option<usize>,
    /// The stage it waits to enter.
    pub(super) waiting: Option<usize>,
    pub(super) stop: Option<Stop>,
    /// One for each declared stage; none before the execution entered it.
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

    /// The latest runs of the actions of a stage, in the order of declaration.
    pub(super) fn current(&self, stage: usize) -> impl Iterator<Item = (usize, &ActionRun)> {
        let indexes = self
            .stage(stage)
            .map_or(&[][..], |it| it.current.as_slice());
        indexes
            .iter()
            .flatten()
            .filter_map(|index| Some((*index, self.runs.get(*index)?)))
    }

    /// Whether an action of the stage stands at `status` in its latest run.
    pub(super) fn any(&self, stage: usize, status: ActionStatus) -> bool {
        self.current(stage).any(|(_, run)| run.status() == status)
    }
}
