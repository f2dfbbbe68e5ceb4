//! The real state of a subject, and a call that retries a subject.

use redrive_core::controller::RunMode;
use redrive_core::failure::{FailureId, Subject};
use redrive_core::time::Time;
use serde_json::Value;

use super::workload::STAGE;

/// A call that retries, with the claim and the decision behind it.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    pub(super) operation: String,
    pub(super) body: Value,
    pub(super) subject: Subject,
    pub(super) failure_id: FailureId,
    /// The claim: the revision of the entry, and its writer.
    pub(super) claim: (u64, String),
    /// The charges: the policy, and each rule with its limit.
    pub(super) charges: (String, Vec<(String, u32)>),
    /// The maximum number of retries of one subject.
    pub(super) per_execution: u32,
    /// The mode of the function that retries.
    pub(super) mode: RunMode,
    /// Whether the invocation has read the target, where its entry demands that.
    pub(super) verified: bool,
    /// The time up to which the function could know of changes to the subject.
    pub(super) read_at: Time,
    /// The owner that makes the call.
    pub(super) by: String,
}

/// The real state of a subject, whatever the services' answers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Truth {
    /// The current failure.
    pub(super) failed: Option<FailureId>,
    /// Whether the subject has succeeded.
    pub(super) succeeded: bool,
    /// The reason why no retry is allowed now.
    pub(super) hands_off: Option<&'static str>,
    /// The number of our retries that took effect.
    pub(super) ours: usize,
    /// The number of restarts by anybody, automatic retries included.
    pub(super) restarts: u64,
    /// The status, as the service names it.
    pub(super) word: &'static str,
}

/// Returns the short name of a subject.
pub(super) fn name(subject: &Subject) -> String {
    match subject {
        Subject::Execution { arn } => arn.rsplit(':').take(2).collect::<Vec<_>>().join(" of "),
        Subject::Stage { .. } => format!("{} of {}", STAGE, subject.target()),
    }
}
