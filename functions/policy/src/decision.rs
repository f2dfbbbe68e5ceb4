//! Decisions and their reasons: the words that the tests of a document expect.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The decision about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The failure is retried, now or later.
    Retry,
    /// The failure was judged, and the retry refused.
    GiveUp,
    /// The failure is outside the scope of redrive.
    Ignore,
}

impl Decision {
    /// Returns the word that policies and `explain` use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::GiveUp => "give_up",
            Self::Ignore => "ignore",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)*) => {
        /// The reason for a retry, a refusal or an ignored failure. Programs match the code, people read the
        /// sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $sentence] #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code that logs, tests and the ledger carry.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Returns the sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    Matched = "matched", "a rule allows a retry";

    // Outside the scope of redrive.
    Succeeded = "succeeded", "it succeeded";
    Running = "running", "it is running";
    Aborted = "aborted", "a person ended it, and that is not undone";
    Stopping = "stopping", "a person is stopping it, and that is not undone";
    Stopped = "stopped", "a person stopped it, and that is not undone";
    Canceled = "canceled", "it was canceled because the pipeline was edited";
    Superseded = "superseded", "a later pipeline execution owns the stage";
    SupersededByStageEvent = "superseded_by_stage_event", "the event of the failed stage is judged instead";
    ActionsInProgress = "actions_in_progress", "actions of the stage still run; the stage's own event follows";
    Skipped = "skipped", "a condition skipped the stage";
    RetriesItself = "retries_itself", "the stage retries itself first (onFailure RETRY)";
    Express = "express", "Express executions cannot be redriven";
    MapRunChild = "map_run_child", "a Map Run's child is redriven by redriving its parent";
    NotRedrivable = "not_redrivable", "AWS says that it cannot be redriven";
    Unmanaged = "unmanaged", "no policy matches the target";
    OtherAccount = "other_account", "it happened in another account";
    OtherRegion = "other_region", "it happened in another region";
    OtherSource = "other_source", "the event comes from neither Step Functions nor CodePipeline";
    OtherDetailType = "other_detail_type", "the event announces no change of an execution, a stage or an action";
    NotificationRule = "notification_rule", "this is the message of a notification rule (detailType), not an event from EventBridge";
    UnknownStatus = "unknown_status", "the event has an unknown status";
    Gone = "gone", "AWS no longer knows it";
    Malformed = "malformed", "the event cannot be read";
    Off = "off", "redrive is switched off";

    // Judged and refused.
    Unmatched = "unmatched", "no rule matches";
    DeniedByPolicy = "denied_by_policy", "the document's never list forbids it";
    Forbidden = "forbidden", "the rule that matches has limit 0";
    LimitSpent = "limit_spent", "the rule that matches has spent its limit";
    BudgetSpent = "budget_spent", "budget.per_execution allows no more retries";
    CauseWithheld = "cause_withheld", "the verdict depends on an error or cause that AWS withholds from this reader";
    FailState = "fail_state", "the execution ended in a Fail state, and a redrive would end there again at once";
    JobStoppedByUser = "job_stopped_by_user", "a person stopped the job that it ran, and that is not undone";
    ParentRetries = "parent_retries", "a parent execution started it, and the retry is left to the parent";
    ApprovalRejected = "approval_rejected", "a rejected approval is a person's decision";
    Rollback = "rollback", "the pipeline execution is a rollback";
    NoFailedAction = "no_failed_action", "the stage failed by a condition and has no failed action to retry";
    StructureChanged = "structure_changed", "the pipeline was edited since then, and AWS can no longer retry the stage";

    // After the verdict.
    TargetChanged = "target_changed", "it changed before the retry was due";
    Refused = "refused", "AWS refused the retry";
    PolicyChanged = "policy_changed", "the policy or the mode changed before the retry was due";
    Cancelled = "cancelled", "a person cancelled the retry";
    TargetBusy = "target_busy", "AWS was too busy to accept the retry for 24 hours";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_reason_has_a_unique_code() {
        let mut codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let json = serde_json::to_string(reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.code()));
            assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), *reason);
        }
    }
}
