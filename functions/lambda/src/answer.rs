//! The answer of a function that handles events.

use redrive_core::controller::Record;
use redrive_core::record_fields::RecordFields;
use serde::{Serialize, Serializer};

/// Version of the shape. A reader of a version understands every later shape with the same number.
const VERSION: u32 = 1;

/// What a function answers after an event. EventBridge drops the answer; people who invoke a function read it.
#[derive(Debug)]
pub(crate) struct Answer(Record);

impl From<Record> for Answer {
    fn from(record: Record) -> Self {
        Self(record)
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape<'a> {
            version: u32,
            #[serde(flatten)]
            fields: RecordFields<'a>,
        }
        let shape = Shape {
            version: VERSION,
            fields: (&self.0).into(),
        };
        shape.serialize(serializer)
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
