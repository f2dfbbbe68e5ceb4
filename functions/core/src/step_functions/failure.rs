//! A failed Step Functions execution, as events and read calls describe it.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::policy::Field;
use crate::target_state::TargetState;
use crate::time::Time;
use crate::verdict::Reason;

/// The status of a failed execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// No state caught an error.
    Failed,
    /// The machine's own `TimeoutSeconds` ran out. Neither the event nor DescribeExecution has an error in that case.
    TimedOut,
}

impl ExecutionStatus {
    /// Returns the status as AWS writes it.
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
    /// The status in which it ended.
    pub status: ExecutionStatus,
    /// How often it had been redriven when it failed. Events from before AWS introduced redrives have no count.
    pub redrive_count: Field<u32>,
    /// Whether AWS would redrive it. It is no verdict: executions that ended in a Fail state are REDRIVABLE too.
    pub redrivable: Field<Redrivable>,
    /// When it was first started. A redrive does not change that time.
    pub started: Option<Time>,
    /// The state machine's ARN, unqualified.
    pub state_machine_arn: Option<String>,
    /// The version that started it, if any.
    pub version_arn: Option<String>,
    /// The error's name, maximum 256 characters. A TIMED_OUT execution has `States.Timeout`.
    pub error: Field<String>,
    /// The error's cause, maximum 32,768 characters. It may contain secrets, so rules match it and no output prints it.
    pub cause: Field<String>,
    /// The parent execution, if the input names one. An event omits an input of more than 248 KiB, which
    /// DescribeExecution still has.
    pub parent: Field<String>,
    /// Whether it ended in a Fail state. A redrive would end at once in the same state.
    pub fail_state: Field<bool>,
    /// The name of the state that failed. If a Parallel or Map failed with it, this is the innermost state. A TIMED_OUT
    /// execution has none, because the machine's own time ran out.
    pub state: Field<String>,
    /// The resource that the state called, for example `glue:startJobRun.sync` or `aws-sdk:s3:getObject`. For a Lambda
    /// function or an activity, it is the ARN. It is absent for a state that called nothing.
    pub resource: Field<String>,
    /// Why the execution no longer has this failure, if DescribeExecution shows that. It runs, succeeded, was aborted,
    /// or has another failure since.
    pub changed_since: Option<Reason>,
}

/// The value of `redriveStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redrivable {
    /// REDRIVABLE.
    Yes,
    /// NOT_REDRIVABLE.
    No,
    /// REDRIVABLE_BY_MAP_RUN. Redriving the parent redrives it.
    ByMapRun,
}

/// The parts of a DescribeExecution answer that an event may lack.
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
    /// The parent execution, if its input names one.
    pub parent: Field<String>,
}

impl Description {
    /// Returns how the execution relates to a claim on its failure after `redrive_count` redrives. Returns `None` if
    /// the answer shows a state from before that failure.
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

    /// Returns whether the answer shows a state from before the failure after `redrive_count` redrives. An execution
    /// that still runs after that many redrives has not failed yet.
    // AWS: DescribeExecution is eventually consistent (DescribeExecution, Step Functions API Reference).
    #[must_use]
    pub fn is_before(&self, redrive_count: u32) -> bool {
        let runs = matches!(self.status.as_str(), "RUNNING" | "PENDING_REDRIVE");
        self.redrive_count < redrive_count || (runs && self.redrive_count == redrive_count)
    }

    /// Returns why the execution no longer has the failure that an event announced, if so.
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
    /// Sets the fields that the status TIMED_OUT implies.
    pub(crate) fn read_as_time_out(&mut self) {
        self.error = Field::Known(String::from("States.Timeout"));
        self.cause = Field::from_option(self.cause.known().cloned());
        // The machine's own time ran out, so it ended in no state and no state failed. The history does not show which
        // states ran then, because its ExecutionTimedOut follows from none of them.
        self.fail_state = Field::Known(false);
        self.state = Field::Absent;
        self.resource = Field::Absent;
    }

    /// Marks error and cause as redacted if a FAILED execution has neither. Every FAILED execution has an error, but
    /// AWS hides it from readers without the KMS key.
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
