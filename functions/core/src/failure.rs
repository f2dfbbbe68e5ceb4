//! One failure, whichever service it comes from, in words that a policy can use.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

pub use redrive_policy::Field;
use serde::{Deserialize, Serialize};

pub use crate::subject::{Identity, Service, Subject};
use crate::time::Time;
use crate::verdict::Reason;

/// A failure that may be retried, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub subject: Subject,
    /// When, by the service's own clock.
    pub at: Time,
    /// What the service says of it.
    pub what: What,
}

/// What each service says of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A Step Functions execution ended badly.
    Execution(FailedExecution),
    /// A stage of a pipeline execution failed.
    Stage(FailedStage),
}

/// How a redrivable execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// An error that no state caught.
    Failed,
    /// The machine's own `TimeoutSeconds` ran out. Neither the event nor DescribeExecution has an error then.
    TimedOut,
}

impl ExecutionStatus {
    /// As AWS writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// A Step Functions execution that ended FAILED or TIMED_OUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedExecution {
    /// How it ended.
    pub status: ExecutionStatus,
    /// How often it had been redriven when it failed. Events of before redrives existed do not say.
    pub redrive_count: Field<u32>,
    /// Whether AWS would redrive it; no judgement of ours (Fail states carry REDRIVABLE too).
    pub redrivable: Field<Redrivable>,
    /// When it was first started; a redrive does not change that.
    pub started: Option<Time>,
    /// The state machine's ARN, unqualified.
    pub state_machine_arn: Option<String>,
    /// The version it was started by, where it was.
    pub version_arn: Option<String>,
    /// The error's name, at most 256 characters. TIMED_OUT reads as `States.Timeout`.
    pub error: Field<String>,
    /// The error's cause, at most 32,768 characters. It may hold secrets: match it, never print it.
    pub cause: Field<String>,
    /// The execution that started this one, where its input says so. An event leaves out an input of more
    /// than 248 KiB; DescribeExecution has it.
    pub parent: Field<String>,
    /// Whether it ended in a Fail state, in which a redrive would end at once again.
    pub fail_state: Field<bool>,
    /// The state that failed, by its name in the definition: the innermost one, where a Parallel or Map
    /// failed with it. A TIMED_OUT execution has none: the machine's own time ran out, whatever ran then.
    pub state: Field<String>,
    /// What that state called, for example `glue:startJobRun.sync` or `aws-sdk:s3:getObject`; of a Task
    /// whose Resource is a Lambda function or an activity, its ARN. Absent for a state that called nothing.
    pub resource: Field<String>,
    /// What DescribeExecution showed if it was no longer this failure: the execution runs, succeeded, was
    /// aborted, or has failed anew since.
    pub moved_on: Option<Reason>,
}

/// What `redriveStatus` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redrivable {
    /// REDRIVABLE.
    Yes,
    /// NOT_REDRIVABLE.
    No,
    /// REDRIVABLE_BY_MAP_RUN: redriving the parent redrives it.
    ByMapRun,
}

/// A stage whose failure was announced, and what CodePipeline says of it once asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStage {
    /// The failed action that the event itself describes, when it was an action's event.
    pub announced: Option<FailedAction>,
    /// The stage as CodePipeline shows it now.
    pub standing: Field<StageStanding>,
}

/// A stage as read from CodePipeline: the truth that an event only announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageStanding {
    /// The stage's status in this pipeline execution.
    pub status: StageStatus,
    /// The pipeline execution is a rollback, by a person or by the pipeline.
    pub rollback: bool,
    /// The pipeline execution is being stopped, or was.
    pub stopped: bool,
    /// A later execution has entered the stage. In PARALLEL mode none ever does.
    pub superseded: bool,
    /// The pipeline was edited since this execution started.
    pub structure_changed: bool,
    /// Actions of the stage that still run.
    pub in_progress: u32,
    /// Whether runs of its actions are listed: they may be late, or no longer there, and an entry condition fails a
    /// stage without any.
    pub listed: bool,
    /// Retries were counted whose runs are not listed: what failed last may be among those.
    pub runs_behind: bool,
    /// The action executions in which they do.
    pub running: BTreeSet<String>,
    /// How often the stage was retried in this execution, by whomever: what `retryStageMetadata` says.
    pub retried: u32,
    /// The stage retries itself once (`onFailure: RETRY`), and has not done so yet.
    pub retries_itself: bool,
    /// The failed actions, the latest run of each.
    pub failed: Vec<FailedAction>,
    /// When the last of them failed.
    pub failed_at: Option<Time>,
}

/// A stage's status, as CodePipeline names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStatus {
    /// The only one in which a stage is retried.
    Failed,
    /// It runs, perhaps since somebody retried it.
    InProgress,
    /// It succeeded after all.
    Succeeded,
    /// A person stops it.
    Stopping,
    /// A person stopped it.
    Stopped,
    /// The pipeline was edited under it.
    Cancelled,
    /// A condition skipped it.
    Skipped,
}

/// One failed action of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailedAction {
    /// The action's name.
    pub action: String,
    /// `action-execution-id`; absent in events of before 2023.
    pub id: Option<String>,
    /// Source, Build, Deploy, Test, Invoke, Approval or Compute.
    pub category: Field<String>,
    /// For example CodeBuild.
    pub provider: Field<String>,
    /// For example JobFailed. The code hardly classifies, the summary does.
    pub error_code: Field<String>,
    /// `errorDetails.message`, or `external-execution-summary` of the event. It may hold secrets.
    pub summary: Field<String>,
}

impl Failure {
    /// Which of its subject's failures this is, once that is known.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        match &self.what {
            What::Execution(execution) => execution
                .redrive_count
                .known()
                .copied()
                .map(Identity::RedriveCount),
            What::Stage(stage) => {
                let failed = match stage.standing.known() {
                    Some(standing) => standing.failed.as_slice(),
                    None => core::slice::from_ref(stage.announced.as_ref()?),
                };
                Some(Identity::FailedActions(
                    failed
                        .iter()
                        .filter_map(|action| action.id.clone())
                        .collect(),
                ))
            }
        }
    }

    /// Whether its identity is what the service says of it, and not only what an event of one action says.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match &self.what {
            What::Execution(execution) => execution.redrive_count.known().is_some(),
            What::Stage(stage) => stage.standing.known().is_some(),
        }
    }

    /// How often AWS says that the subject was retried before, by whomever.
    #[must_use]
    pub fn retried_before(&self) -> Option<u32> {
        match &self.what {
            What::Execution(execution) => execution.redrive_count.known().copied(),
            What::Stage(stage) => stage.standing.known().map(|standing| standing.retried),
        }
    }

    /// Takes in a fact that was looked up. A fact of the other service changes nothing.
    pub fn learn(&mut self, fact: Fact) {
        match (&mut self.what, fact) {
            (What::Execution(execution), Fact::Description(description)) => {
                execution.moved_on = description.differs_from(execution);
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
                execution.withhold_where_both_are_missing();
            }
            (
                What::Execution(execution),
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
            (What::Execution(execution), Fact::Withheld) => {
                execution.fail_state = Field::Withheld;
                execution.state = Field::Withheld;
                execution.resource = Field::Withheld;
            }
            (What::Stage(stage), Fact::Stage(standing)) => {
                // What is read may be another failure than the one that was announced, and has its own time.
                self.at = standing.failed_at.unwrap_or(self.at);
                stage.standing = Field::Known(standing);
            }
            _ => {}
        }
    }
}

impl Description {
    /// How the execution stands to a claim on its failure after `redrive_count` redrives. None: it is shown as
    /// it was before that failure.
    #[must_use]
    pub fn standing(&self, redrive_count: u32) -> Option<Standing> {
        if self.is_before(redrive_count) {
            return None;
        }
        Some(match self.status.as_str() {
            "SUCCEEDED" => Standing::Succeeded,
            _ if self.redrive_count != redrive_count => Standing::Moved(self.redrive_count),
            "ABORTED" => Standing::Over(Reason::Aborted),
            "FAILED" | "TIMED_OUT" if self.redrivable == Redrivable::Yes => Standing::Same,
            _ => Standing::Over(Reason::NotRedrivable),
        })
    }

    /// Whether it is shown as it was before its failure after `redrive_count` redrives: DescribeExecution is
    /// eventually consistent. What runs after so many redrives has not failed after them.
    #[must_use]
    pub fn is_before(&self, redrive_count: u32) -> bool {
        let runs = matches!(self.status.as_str(), "RUNNING" | "PENDING_REDRIVE");
        self.redrive_count < redrive_count || (runs && self.redrive_count == redrive_count)
    }

    /// Why an execution is no longer the failure that an event announced, if it is not.
    fn differs_from(&self, failed: &FailedExecution) -> Option<Reason> {
        match self.status.as_str() {
            "RUNNING" | "PENDING_REDRIVE" => Some(Reason::Running),
            "SUCCEEDED" => Some(Reason::Succeeded),
            "ABORTED" => Some(Reason::Aborted),
            _ => failed
                .redrive_count
                .known()
                .is_some_and(|count| *count != self.redrive_count)
                .then_some(Reason::MovedOn),
        }
    }
}

impl StageStanding {
    /// How the stage stands to a claim on the failure of the actions `ids`, before which those of `earlier`
    /// failed. None: it is shown as it was before that failure, since CodePipeline's answers may lag behind.
    #[must_use]
    pub fn compared(&self, ids: &BTreeSet<String>, earlier: &BTreeSet<&str>) -> Option<Standing> {
        let failed = || self.failed.iter().filter_map(|action| action.id.as_ref());
        let failed_in = failed().any(|id| ids.contains(id));
        let was = |id: &String| earlier.contains(id.as_str());
        let before =
            || !self.running.is_disjoint(ids) || self.running.iter().any(was) || failed().any(was);
        Some(match self.not_ours() {
            Some(Reason::Succeeded) => Standing::Succeeded,
            // What failed is not run again by itself, so that an action beside it has not ended yet.
            Some(Reason::Running | Reason::ActionsInProgress)
                if failed_in || before() || !self.listed =>
            {
                return None;
            }
            Some(Reason::Running | Reason::ActionsInProgress) => Standing::Moved(self.retried),
            Some(reason) => Standing::Over(reason),
            None if self.structure_changed => Standing::Over(Reason::StructureChanged),
            None if self.rollback => Standing::Over(Reason::Rollback),
            // Who claimed has seen actions fail.
            None if !self.listed => return None,
            None if failed_in => Standing::Same,
            None if before() => return None,
            // Other actions failed: it was retried since.
            None => Standing::Moved(self.retried),
        })
    }
}

impl FailedExecution {
    /// What TIMED_OUT itself says.
    pub(crate) fn read_as_time_out(&mut self) {
        self.error = Field::Known(String::from("States.Timeout"));
        self.cause = Field::from_option(self.cause.known().cloned());
        // The machine's own time ran out: it ended in no state at all, and no state failed. Which states
        // ran then the history does not say either: its ExecutionTimedOut follows from none of them.
        self.fail_state = Field::Known(false);
        self.state = Field::Absent;
        self.resource = Field::Absent;
    }

    /// FAILED with neither error nor cause is not a failure without an error: every FAILED execution has
    /// one, and a reader without the KMS key is not shown it.
    pub(crate) fn withhold_where_both_are_missing(&mut self) {
        if self.status == ExecutionStatus::Failed
            && self.error == Field::Absent
            && self.cause == Field::Absent
        {
            self.error = Field::Withheld;
            self.cause = Field::Withheld;
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
    Withheld,
    /// Answers [`Need::PipelineState`].
    Stage(StageStanding),
    /// The subject is gone: no such execution, pipeline or stage any more.
    Gone,
    /// The answer does not show yet what the event announced: reads may lag behind events.
    NotYet,
}

/// How a subject stands at a last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The failure of the claim, unchanged.
    Same,
    /// It was retried since, by whomever: it runs, or has failed anew. AWS counts so many retries by now.
    Moved(u32),
    /// It succeeded.
    Succeeded,
    /// A person ended it, or AWS will never retry it; the reason says which.
    Over(Reason),
}

/// What DescribeExecution adds to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `status` as AWS writes it, for example RUNNING.
    pub status: String,
    /// How often it was redriven.
    pub redrive_count: u32,
    /// `redriveStatus`.
    pub redrivable: Redrivable,
    /// The error's name.
    pub error: Field<String>,
    /// The error's cause.
    pub cause: Field<String>,
    /// The execution that started it, by its input.
    pub parent: Field<String>,
}

#[cfg(test)]
mod tests;
