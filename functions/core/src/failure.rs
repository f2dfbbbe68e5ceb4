//! One failure, whichever service it comes from, in words that a policy can use.

use alloc::string::String;

pub use redrive_policy::Field;
use serde::Serialize;

pub use crate::codepipeline::failure::{FailedAction, FailedStage, StageSnapshot, StageStatus};
pub use crate::step_functions::failure::{
    Description, ExecutionStatus, FailedExecution, Redrivable,
};
pub use crate::subject::{FailureId, Service, Subject};
pub use crate::target_state::TargetState;
use crate::time::Time;

/// A failure that may be retried, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub subject: Subject,
    /// When, by the service's own clock.
    pub at: Time,
    /// What the service says of it.
    pub detail: FailureDetail,
}

/// What each service says of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureDetail {
    /// A Step Functions execution ended badly.
    Execution(FailedExecution),
    /// A stage of a pipeline execution failed.
    Stage(FailedStage),
}

impl Failure {
    /// Which of its subject's failures this is, once that is known.
    #[must_use]
    pub fn failure_id(&self) -> Option<FailureId> {
        match &self.detail {
            FailureDetail::Execution(execution) => execution
                .redrive_count
                .known()
                .copied()
                .map(FailureId::RedriveCount),
            FailureDetail::Stage(stage) => {
                let failed = match stage.snapshot.known() {
                    Some(snapshot) => snapshot.failed.as_slice(),
                    None => core::slice::from_ref(stage.announced.as_ref()?),
                };
                Some(FailureId::FailedActions(
                    failed
                        .iter()
                        .filter_map(|action| action.id.clone())
                        .collect(),
                ))
            }
        }
    }

    /// Whether its failure ID is what the service says of it, and not only what an event of one action says.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match &self.detail {
            FailureDetail::Execution(execution) => execution.redrive_count.known().is_some(),
            FailureDetail::Stage(stage) => stage.snapshot.known().is_some(),
        }
    }

    /// How often AWS says that the subject was retried before, by whomever.
    #[must_use]
    pub fn retried_before(&self) -> Option<u32> {
        match &self.detail {
            FailureDetail::Execution(execution) => execution.redrive_count.known().copied(),
            FailureDetail::Stage(stage) => stage.snapshot.known().map(|snapshot| snapshot.retried),
        }
    }

    /// Takes in a fact that was looked up. A fact of the other service changes nothing.
    pub fn learn(&mut self, fact: Fact) {
        match (&mut self.detail, fact) {
            (FailureDetail::Execution(execution), Fact::Description(description)) => {
                execution.changed_since = description.differs_from(execution);
                execution.redrive_count = Field::Known(description.redrive_count);
                execution.redrivable = Field::Known(description.redrivable);
                for (ours, theirs) in [
                    (&mut execution.error, description.error),
                    (&mut execution.cause, description.cause),
                ] {
                    if ours.is_unknown() {
                        *ours = theirs;
                    }
                }
                if execution.parent.is_unknown() {
                    execution.parent = description.parent;
                }
                execution.redact_where_both_are_missing();
            }
            (
                FailureDetail::Execution(execution),
                Fact::Ending {
                    fail_state,
                    state,
                    resource,
                },
            ) => {
                execution.fail_state = Field::Known(fail_state);
                for (ours, theirs) in [
                    (&mut execution.state, state),
                    (&mut execution.resource, resource),
                ] {
                    if ours.is_unknown() {
                        *ours = theirs;
                    }
                }
            }
            (FailureDetail::Execution(execution), Fact::Redacted) => {
                execution.fail_state = Field::Redacted;
                execution.state = Field::Redacted;
                execution.resource = Field::Redacted;
            }
            (FailureDetail::Stage(stage), Fact::Stage(snapshot)) => {
                // What is read may be another failure than the one that was announced, and has its own time.
                self.at = snapshot.failed_at.unwrap_or(self.at);
                stage.snapshot = Field::Known(snapshot);
            }
            _ => {}
        }
    }
}

/// A fact that the core may ask for: the one call, or few calls, that bring it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// DescribeExecution: redriveCount, redriveStatus, error and cause.
    Description,
    /// GetExecutionHistory, from the end to where the failed state was entered: its name and what it called.
    /// Whether it was a Fail state shows too, so that this goes before [`History`](Self::History).
    FailedState,
    /// Whether the execution ended in a Fail state: by the machine's definition where that can tell, otherwise
    /// by GetExecutionHistory, a few events from the end.
    History,
    /// GetPipelineState and ListActionExecutions: the stage now, and its failed actions.
    PipelineState,
}

impl Need {
    /// The name that `explain` prints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Description => "description",
            Self::FailedState => "failed_state",
            Self::History => "history",
            Self::PipelineState => "pipeline_state",
        }
    }

    /// The calls that bring it, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Description => {
                "DescribeExecution shows redriveCount, redriveStatus, error and cause"
            }
            Self::FailedState => {
                "GetExecutionHistory shows the state that failed and what it called"
            }
            Self::History => {
                "GetExecutionHistory shows whether the execution ended in a Fail state"
            }
            Self::PipelineState => {
                "GetPipelineState and ListActionExecutions show the stage and its failed actions"
            }
        }
    }
}

/// A fact that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Answers [`Need::Description`].
    Description(Description),
    /// Answers [`Need::History`], and [`Need::FailedState`] where the history was read so far.
    Ending {
        /// The execution ended in a Fail state.
        fail_state: bool,
        /// The state that failed; absent where the history does not tell, unknown where it was not asked.
        state: Field<String>,
        /// What that state called; absent if it called nothing, unknown where the history was not asked.
        resource: Field<String>,
    },
    /// The history is encrypted by a KMS key that this reader may not use.
    Redacted,
    /// Answers [`Need::PipelineState`].
    Stage(StageSnapshot),
    /// The subject is gone: no such execution, pipeline or stage any more.
    Gone,
    /// The answer does not show yet what the event announced: reads may lag behind events.
    NotYet,
}

#[cfg(test)]
mod tests;
