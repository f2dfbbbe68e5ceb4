//! The answer of a function that handles events.

use redrive_core::controller::{CallResult, Outcome, Record};
use redrive_core::diagnosis::Diagnosis;
use redrive_core::failure::{FailureId, Need, Subject};
use redrive_core::ledger::State;
use redrive_core::verdict::{Reason, Verdict};
use serde::Serialize;

/// Version of the shape. A reader of a version understands every later shape with the same number.
const VERSION: u32 = 1;

/// What a function answers after an event. EventBridge drops the answer; people who invoke a function read it.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    version: u32,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    happened_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_id: Option<FailureId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    outcome: Outcome,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnosis: Vec<Diagnosis>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    looked_up: Vec<Need>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    needs: Vec<Need>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot_wait_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_result: Option<CallResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsettled: Option<String>,
}

impl From<Record> for Answer {
    fn from(record: Record) -> Self {
        Self {
            version: VERSION,
            at: record.at.to_string(),
            happened_at: record.happened_at.map(|at| at.to_string()),
            slot_wait_ms: record.slot_wait_ms(),
            subject: record.subject,
            failure_id: record.failure_id,
            verdict: record.verdict,
            outcome: record.outcome,
            reason: record.reason,
            state: record.state,
            diagnosis: record.diagnosis,
            looked_up: record.looked_up,
            needs: record.needs,
            call_result: record.call_result,
            malformed: record.malformed.map(|malformed| malformed.to_string()),
            unsettled: record.unsettled.map(|unsettled| unsettled.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples::{bare, dry_run, full};

    #[test]
    fn answer_has_its_shape() {
        let at = "2026-11-20T02:14:04Z";
        let table = [
            (
                full(),
                json!({
                    "version": 1,
                    "at": at,
                    "happened_at": "2026-11-20T02:14:02.25Z",
                    "subject": { "stage": {
                        "arn": "arn:aws:codepipeline:eu-west-1:111122223333:web/Build", "execution_id": "5f0c2f0e-1",
                    } },
                    "failure_id": { "failed_actions": ["a6050335-1", "b7160446-2"] },
                    "verdict": {
                        "decision": "retry", "reason": "matched", "policy": "nightly",
                        "rules": [{ "rule": "busy", "description": "the queue was full", "used": 1, "limit": 3 }],
                        "delay_seconds": 60, "retry_mode": "FAILED_ACTIONS",
                    },
                    "outcome": "backed_off",
                    "reason": "matched",
                    "state": "queued",
                    "diagnosis": [{ "action": "UnitTests", "looks_like": "time_out", "remedy": "wait" }],
                    "looked_up": ["pipeline_state"],
                    "needs": ["history"],
                    "slot_wait_ms": 1500,
                    "call_result": "throttled",
                    "unsettled": "PutItem: access denied",
                }),
            ),
            (
                bare(),
                json!({ "version": 1, "at": at, "outcome": "conflict", "reason": "target_changed" }),
            ),
            (
                dry_run("["),
                json!({
                    "version": 1, "at": at, "outcome": "ignored", "reason": "malformed",
                    "malformed": "line 1 column 1: the JSON ends before it is complete",
                }),
            ),
        ];
        for (record, shape) in table {
            let answer = serde_json::to_value(Answer::from(record)).unwrap();
            assert_eq!(answer, shape);
        }
    }
}
