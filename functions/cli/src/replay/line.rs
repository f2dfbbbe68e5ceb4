//! The line of a row, for programs.

use redrive_core::record_fields::RecordFields;
use redrive_simulation::replay::{From, Row};
use serde::Serialize;

/// One handled event, message or entry, and the result, in the words of a function's answer.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    from: From,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(flatten)]
    record: RecordFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a str>,
}

impl<'a> core::convert::From<&'a Row> for Line<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            from: row.from,
            file: row.file.as_deref(),
            record: (&row.record).into(),
            failed: row.failed.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use redrive_core::controller::{CallResult, Outcome, Record};
    use redrive_core::diagnosis::Diagnosis;
    use redrive_core::error::{Error, ErrorKind};
    use redrive_core::event::Malformed;
    use redrive_core::failure::{FailureId, Need, Subject};
    use redrive_core::ledger::State;
    use redrive_core::time::Time;
    use redrive_core::verdict::{Reason, Verdict};
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
