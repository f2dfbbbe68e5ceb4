//! What Step Functions says of a failure.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::policy::Field;
use crate::target_state::TargetState;
use crate::time::Time;
use crate::verdict::Reason;

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
    pub changed_since: Option<Reason>,
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

impl Description {
    /// How the execution stands to a claim on its failure after `redrive_count` redrives. None: it is shown as
    /// it was before that failure.
    #[must_use]
    pub fn target_state(&self, redrive_count: u32) -> Option<TargetState> {
        if self.is_before(redrive_count) {
            return None;
        }
        Some(match self.status.as_str() {
            "SUCCEEDED" => TargetState::Succeeded,
            _ if self.redrive_count != redrive_count => TargetState::Advanced(self.redrive_count),
            "ABORTED" => TargetState::Terminated(Reason::Aborted),
            "FAILED" | "TIMED_OUT" if self.redrivable == Redrivable::Yes => TargetState::Unchanged,
            _ => TargetState::Terminated(Reason::NotRedrivable),
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
    pub(crate) fn differs_from(&self, failed: &FailedExecution) -> Option<Reason> {
        match self.status.as_str() {
            "RUNNING" | "PENDING_REDRIVE" => Some(Reason::Running),
            "SUCCEEDED" => Some(Reason::Succeeded),
            "ABORTED" => Some(Reason::Aborted),
            _ => failed
                .redrive_count
                .known()
                .is_some_and(|count| *count != self.redrive_count)
                .then_some(Reason::TargetChanged),
        }
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
    pub(crate) fn redact_where_both_are_missing(&mut self) {
        if self.status == ExecutionStatus::Failed
            && self.error == Field::Absent
            && self.cause == Field::Absent
        {
            self.error = Field::Redacted;
            self.cause = Field::Redacted;
        }
    }
}
