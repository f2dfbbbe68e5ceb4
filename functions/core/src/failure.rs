//! One failure of either service, in the terms of a policy.

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

/// A failure that may be retried, with the facts known so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The execution or stage that failed.
    pub subject: Subject,
    /// The time of the failure, by the service's own clock.
    pub at: Time,
    /// The facts of the service.
    pub detail: FailureDetail,
}

/// The facts of a failure, for each service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureDetail {
    /// A Step Functions execution failed.
    Execution(FailedExecution),
    /// A stage of a pipeline execution failed.
    Stage(FailedStage),
}

impl Failure {
    /// Returns the ID of this failure among its subject's failures, once it is known.
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

    /// Returns whether the failure ID is the service's own, and not only derived from one action's event.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match &self.detail {
            FailureDetail::Execution(execution) => execution.redrive_count.known().is_some(),
            FailureDetail::Stage(stage) => stage.snapshot.known().is_some(),
        }
    }

    /// Returns the number of earlier retries of the subject that AWS counts, including retries by people.
    #[must_use]
    pub fn retried_before(&self) -> Option<u32> {
        match &self.detail {
            FailureDetail::Execution(execution) => execution.redrive_count.known().copied(),
            FailureDetail::Stage(stage) => stage.snapshot.known().map(|snapshot| snapshot.retried),
        }
    }

    /// Adds a fact that was looked up. A fact of the other service changes nothing.
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
                // The snapshot may show another failure than the announced one, with its own time.
                self.at = snapshot.failed_at.unwrap_or(self.at);
                stage.snapshot = Field::Known(snapshot);
            }
            _ => {}
        }
    }
}

/// A fact that a decision may require, and the calls that look it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// DescribeExecution: redriveCount, redriveStatus, error and cause.
    Description,
    /// GetExecutionHistory, from the end back to the entry of the failed state: the state's name and its resource.
    /// The answer also shows whether it was a Fail state, so this need precedes [`History`](Self::History).
    FailedState,
    /// Whether the execution ended in a Fail state. The machine's definition answers where it can, otherwise
    /// GetExecutionHistory does, a few events from the end.
    History,
    /// GetPipelineState and ListActionExecutions: the stage now, and its failed actions.
    PipelineState,
}

impl Need {
    /// Returns the name that `explain` prints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Description => "description",
            Self::FailedState => "failed_state",
            Self::History => "history",
            Self::PipelineState => "pipeline_state",
        }
    }

    /// Returns the calls that look the fact up, as a sentence for people.
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
    /// Answers [`Need::History`], and [`Need::FailedState`] where the history was read back to that state.
    Ending {
        /// The execution ended in a Fail state.
        fail_state: bool,
        /// The state that failed; absent where the history does not show it, unknown where the history was not read.
        state: Field<String>,
        /// The resource that the state called; absent if it called none, unknown where the history was not read.
        resource: Field<String>,
    },
    /// The history is encrypted by a KMS key that this reader may not use.
    Redacted,
    /// Answers [`Need::PipelineState`].
    Stage(StageSnapshot),
    /// The execution, pipeline or stage no longer exists.
    Gone,
    /// The read does not yet show the failure that the event announced: reads may lag behind events.
    NotYet,
    /// A dry run looks nothing up. What is unknown takes its most favourable value.
    Assumed,
}

#[cfg(test)]
mod tests;
