//! Subjects: how one really stands, and a call that retries one.

use redrive_core::controller::RunMode;
use redrive_core::failure::{FailureId, Subject};
use redrive_core::time::Time;
use serde_json::Value;

use super::workload::STAGE;

/// A call that retries, and on what grounds.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    pub(super) operation: String,
    pub(super) body: Value,
    pub(super) subject: Subject,
    pub(super) failure_id: FailureId,
    /// The claim: the revision of the entry, and who wrote it.
    pub(super) claim: (u64, String),
    /// What is charged: the policy, and each rule with its limit.
    pub(super) charges: (String, Vec<(String, u32)>),
    /// The most retries of one subject.
    pub(super) per_execution: u32,
    /// The mode of the function that retries.
    pub(super) mode: RunMode,
    /// What had happened by then, the function could know.
    pub(super) read_at: Time,
    /// By whom.
    pub(super) by: String,
}

/// How a subject really stands, whatever anybody shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Truth {
    /// The failure it has now.
    pub(super) failed: Option<FailureId>,
    /// It has succeeded.
    pub(super) succeeded: bool,
    /// Why nobody may retry it now.
    pub(super) hands_off: Option<&'static str>,
    /// How often we restarted it.
    pub(super) ours: usize,
    /// How often anybody did, or it did itself.
    pub(super) restarts: u64,
    /// In one word.
    pub(super) word: &'static str,
}

/// The short name of a subject.
pub(super) fn name(subject: &Subject) -> String {
    match subject {
        Subject::Execution { arn } => arn.rsplit(':').take(2).collect::<Vec<_>>().join(" of "),
        Subject::Stage { .. } => format!("{} of {}", STAGE, subject.target()),
    }
}
