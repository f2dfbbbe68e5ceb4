//! The members that all forms of a record share: the log line, the decision event, the answer, the line of a replay.

use alloc::string::{String, ToString};

use serde::Serialize;

use crate::calls::CallResult;
use crate::diagnosis::Diagnosis;
use crate::failure::{FailureId, Need, Subject};
use crate::ledger::State;
use crate::record::{Outcome, Record};
use crate::verdict::{Reason, Verdict};

/// The members of a record, as its forms serialize them. A member without a value is left out.
#[derive(Debug, Serialize)]
pub struct RecordFields<'a> {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    happened_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_id: Option<&'a FailureId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Verdict>,
    outcome: Outcome,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    diagnosis: &'a [Diagnosis],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    looked_up: &'a [Need],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    needs: &'a [Need],
    #[serde(skip_serializing_if = "Option::is_none")]
    slot_wait_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_result: Option<CallResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsettled: Option<String>,
}

impl<'a> From<&'a Record> for RecordFields<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            at: record.at.to_string(),
            happened_at: record.happened_at.map(|at| at.to_string()),
            subject: record.subject.as_ref(),
            failure_id: record.failure_id.as_ref(),
            verdict: record.verdict.as_ref(),
            outcome: record.outcome,
            reason: record.reason,
            state: record.state,
            diagnosis: &record.diagnosis,
            looked_up: &record.looked_up,
            needs: &record.needs,
            slot_wait_ms: record.slot_wait_ms(),
            call_result: record.call_result,
            malformed: record.malformed.as_ref().map(ToString::to_string),
            unsettled: record.unsettled.as_ref().map(ToString::to_string),
        }
    }
}
