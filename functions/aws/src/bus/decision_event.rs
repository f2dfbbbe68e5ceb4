//! The decision event: the detail of an event on the bus.

use redrive_core::controller::{Outcome, Record, RunMode};
use redrive_core::failure::{Service, Subject};
use redrive_core::record_fields::RecordFields;
use serde::Serialize;

/// Version of the shape. A reader of a version understands every later shape with the same number.
const VERSION: u32 = 1;

/// A decision about a failure, and its outcome. INVARIANT: nothing of a failure's error, cause, message, input or output.
#[derive(Debug, Serialize)]
pub(super) struct DecisionEvent<'a> {
    version: u32,
    function: &'static str,
    mode: RunMode,
    service: Service,
    target: &'a str,
    message: String,
    #[serde(flatten)]
    fields: RecordFields<'a>,
    /// Serialized among the fields.
    #[serde(skip)]
    pub(super) subject: &'a Subject,
}

impl<'a> DecisionEvent<'a> {
    /// Returns the event of a record, if the record is of a decision about a failure.
    pub(super) fn of(function: &'static str, mode: RunMode, record: &'a Record) -> Option<Self> {
        let subject = record
            .subject
            .as_ref()
            .filter(|_| is_decision(record.outcome))?;
        Some(Self {
            version: VERSION,
            function,
            mode,
            service: subject.service(),
            target: subject.target(),
            message: record.sentence(),
            fields: record.into(),
            subject,
        })
    }
}

/// Returns whether an outcome is a decision about a failure. An ignored event is none, and neither is an event that a
/// function handled before.
const fn is_decision(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Retried
        | Outcome::Queued
        | Outcome::BackedOff
        | Outcome::InDoubt
        | Outcome::GaveUp
        | Outcome::Observed
        | Outcome::Recovered
        | Outcome::Terminated
        | Outcome::Confirmed => true,
        Outcome::Ignored | Outcome::Duplicate | Outcome::Stale | Outcome::Conflict => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redrive_core::calls::CallResult;
    use redrive_core::diagnosis::{Diagnosis, Kind};
    use redrive_core::error::{Error, ErrorKind};
    use redrive_core::failure::{FailureId, Need};
    use redrive_core::ledger::State;
    use redrive_core::time::Time;
    use redrive_core::verdict::{Charge, Reason, Verdict};
    use serde_json::{Value, json};

    use super::*;

    const SAMPLE: &str = include_str!("../../../../events/redrive-01-gave-up.json");

    fn gave_up() -> Record {
        let at = Time::parse("2026-11-20T04:16:04Z").unwrap();
        let looks_like = Kind::SourceAccess;
        Record {
            happened_at: Time::parse("2026-11-20T04:16:02Z"),
            subject: Some(Subject::stage(
                "aws",
                "eu-west-1",
                "111122223333",
                "etl-catalogue",
                "Source",
                "f6212831-d333-4c45-947b-c0aea8c119b6",
            )),
            failure_id: Some(FailureId::FailedActions(
                ["a6050335-3791-49c6-8006-0f922f93ca52".to_owned()].into(),
            )),
            verdict: Some(Verdict::give_up(Reason::DeniedByPolicy, "codepipeline")),
            state: Some(State::GivenUp),
            diagnosis: vec![Diagnosis {
                action: "FetchDrop".to_owned(),
                looks_like,
                remedy: looks_like.remedy(),
            }],
            looked_up: vec![Need::PipelineState],
            ..Record::new(at, Outcome::GaveUp, Reason::DeniedByPolicy)
        }
    }

    #[test]
    fn each_decision_has_its_shape() {
        let subject = Subject::Execution {
            arn: "arn:aws:states:eu-west-1:111122223333:execution:etl-orders:run-7".to_owned(),
        };
        let verdict = Verdict {
            policy: Some("nightly".to_owned()),
            rules: vec![Charge {
                rule: "throttled".to_owned(),
                description: None,
                used: 0,
                limit: 2,
            }],
            delay_seconds: 60,
            ..Verdict::bare(redrive_core::verdict::Decision::Retry, Reason::Matched)
        };
        let retried = Record {
            subject: Some(subject),
            failure_id: Some(FailureId::RedriveCount(1)),
            verdict: Some(verdict),
            outcome: Outcome::Retried,
            reason: Reason::Matched,
            state: Some(State::Acting),
            diagnosis: Vec::new(),
            looked_up: vec![Need::Description, Need::History],
            slot: Some(Duration::from_millis(1_500)),
            call_result: Some(CallResult::Accepted),
            unsettled: Some(Error::new(ErrorKind::Throttled, "PutItem")),
            ..gave_up()
        };
        let recovered = Record {
            subject: retried.subject.clone(),
            slot: Some(Duration::ZERO),
            ..Record::new(gave_up().at, Outcome::Recovered, Reason::Succeeded)
        };
        let sample: Value = serde_json::from_str(SAMPLE).unwrap();
        let head = json!({
            "version": 1, "function": "due", "mode": "act", "service": "step_functions", "target": "etl-orders",
            "at": "2026-11-20T04:16:04Z",
            "subject": { "execution": { "arn": "arn:aws:states:eu-west-1:111122223333:execution:etl-orders:run-7" } },
        });
        let with = |more: Value| {
            let mut all = head.clone();
            all.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            all
        };
        let table = [
            ("codepipeline", gave_up(), sample["detail"].clone()),
            (
                "due",
                retried,
                with(json!({
                    "message": "throttled of policy nightly allows retry 1 of 2, in 60 s",
                    "happened_at": "2026-11-20T04:16:02Z",
                    "failure_id": { "redrive_count": 1 },
                    "verdict": {
                        "decision": "retry", "reason": "matched", "policy": "nightly",
                        "rules": [{ "rule": "throttled", "used": 0, "limit": 2 }],
                        "delay_seconds": 60, "retry_mode": "FAILED_ACTIONS",
                    },
                    "outcome": "retried", "reason": "matched", "state": "acting",
                    "looked_up": ["description", "history"],
                    "slot_wait_ms": 1500,
                    "call_result": "accepted",
                    "unsettled": "PutItem: throttled",
                })),
            ),
            (
                "due",
                recovered,
                with(json!({
                    "message": Reason::Succeeded.sentence(), "outcome": "recovered", "reason": "succeeded",
                })),
            ),
        ];
        for (function, record, shape) in table {
            let event = DecisionEvent::of(function, RunMode::Act, &record).unwrap();
            assert_eq!(serde_json::to_value(&event).unwrap(), shape);
        }
    }

    #[test]
    fn ignored_events_and_duplicates_are_no_decision() {
        let is_put = |outcome, subject| {
            let record = Record {
                outcome,
                subject,
                ..gave_up()
            };
            DecisionEvent::of("codepipeline", RunMode::Act, &record).is_some()
        };
        let stage = gave_up().subject;
        for outcome in [
            Outcome::Retried,
            Outcome::Queued,
            Outcome::GaveUp,
            Outcome::Recovered,
        ] {
            assert!(is_put(outcome, stage.clone()), "{outcome:?}");
            assert!(!is_put(outcome, None), "{outcome:?}");
        }
        for outcome in [
            Outcome::Ignored,
            Outcome::Duplicate,
            Outcome::Stale,
            Outcome::Conflict,
        ] {
            assert!(!is_put(outcome, stage.clone()), "{outcome:?}");
        }
    }
}
