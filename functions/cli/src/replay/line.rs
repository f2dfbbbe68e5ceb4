//! The line of a row, for programs.

use redrive_core::controller::{CallResult, Outcome};
use redrive_core::diagnosis::Diagnosis;
use redrive_core::failure::{FailureId, Need, Subject};
use redrive_core::ledger::State;
use redrive_core::verdict::{Reason, Verdict};
use redrive_simulation::replay::{From, Row};
use serde::Serialize;

/// One handled event, message or entry, and the result, in the words of a function's answer.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    from: From,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    slot_wait_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_result: Option<CallResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsettled: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a str>,
}

impl<'a> core::convert::From<&'a Row> for Line<'a> {
    fn from(row: &'a Row) -> Self {
        let record = &row.record;
        Self {
            from: row.from,
            file: row.file.as_deref(),
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
            slot_wait_ms: record.slot_wait_ms(),
            call_result: record.call_result,
            malformed: record.malformed.as_ref().map(ToString::to_string),
            unsettled: record.unsettled.as_ref().map(ToString::to_string),
            failed: row.failed.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use redrive_core::controller::Record;
    use redrive_core::error::{Error, ErrorKind};
    use redrive_core::event::Malformed;
    use redrive_core::time::Time;
    use serde_json::json;

    use super::*;

    #[test]
    fn line_of_a_replay_has_its_shape() {
        let at = Time::parse("2026-11-20T02:14:04Z").unwrap();
        let full = Record {
            happened_at: Some(at.minus(Duration::from_millis(1_750))),
            subject: Some(Subject::Execution {
                arn: "arn:a".to_owned(),
            }),
            failure_id: Some(FailureId::RedriveCount(0)),
            verdict: Some(Verdict::give_up(Reason::Unmatched, "nightly")),
            state: Some(State::GivenUp),
            diagnosis: vec![Diagnosis {
                action: "UnitTests".to_owned(),
                looks_like: redrive_core::diagnosis::Kind::Build,
                remedy: "read",
            }],
            looked_up: vec![Need::History],
            slot: Some(Duration::from_millis(1_500)),
            call_result: Some(CallResult::Throttled),
            malformed: Some(Malformed {
                place: "detail".to_owned(),
                problem: "it is missing".to_owned(),
            }),
            unsettled: Some(Error::new(ErrorKind::Throttled, "PutItem")),
            ..Record::new(at, Outcome::GaveUp, Reason::Unmatched)
        };
        let table = [
            (
                Row {
                    from: From::File,
                    file: Some("a.json".to_owned()),
                    record: full,
                    failed: Some("My.Error".to_owned()),
                },
                json!({
                    "from": "file", "file": "a.json", "failed": "My.Error",
                    "at": "2026-11-20T02:14:04Z", "happened_at": "2026-11-20T02:14:02.25Z",
                    "subject": { "execution": { "arn": "arn:a" } },
                    "failure_id": { "redrive_count": 0 },
                    "verdict": {
                        "decision": "give_up", "reason": "unmatched", "policy": "nightly",
                        "delay_seconds": 0, "retry_mode": "FAILED_ACTIONS",
                    },
                    "outcome": "gave_up", "reason": "unmatched", "state": "given_up",
                    "diagnosis": [{ "action": "UnitTests", "looks_like": "build", "remedy": "read" }],
                    "looked_up": ["history"], "slot_wait_ms": 1500, "call_result": "throttled",
                    "malformed": "detail: it is missing", "unsettled": "PutItem: throttled",
                }),
            ),
            (
                Row {
                    from: From::Sweep,
                    file: None,
                    record: Record::new(at, Outcome::Conflict, Reason::TargetChanged),
                    failed: None,
                },
                json!({
                    "from": "sweep", "at": "2026-11-20T02:14:04Z",
                    "outcome": "conflict", "reason": "target_changed",
                }),
            ),
        ];
        for (row, shape) in table {
            let line: Line<'_> = (&row).into();
            assert_eq!(serde_json::to_value(line).unwrap(), shape);
        }
    }
}
