use serde_json::{Value, json};

use redrive_core::controller::Outcome;
use redrive_core::verdict::Reason;

use super::*;
use crate::samples::{NOW, bare, dry_run, full, observed};

fn wide(function: &'static str) -> Wide<'static> {
    Wide {
        function,
        request_id: "request",
        message_id: None,
        mode: Some(RunMode::Act),
        took_ms: 37,
        counted: Counted::default(),
        put_counts: PutCounts::default(),
        at: NOW,
        stack: Some("nightly"),
    }
}

fn json_of<F: Serialize>(line: &Line<'_, F>) -> Value {
    let text = serde_json::to_string(line).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Returns the metrics of a line with `_aws`, as name, unit and value, and checks the line.
///
/// AWS: the members and their limits (Specification: Embedded metric format).
fn metrics_of<F: Serialize>(line: &Line<'_, F>) -> Vec<(String, String, u64)> {
    let line = json_of(line);
    let aws = line["_aws"].as_object().unwrap();
    assert_eq!(aws.len(), 2, "Timestamp and CloudWatchMetrics");
    assert_eq!(aws["Timestamp"], NOW.as_millis(), "milliseconds");
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    let [directive] = directives.as_slice() else {
        panic!("{directives:?}")
    };
    assert_eq!(directive["Namespace"], "redrive");
    let sets = directive["Dimensions"].as_array().unwrap();
    for dimension in sets.iter().flat_map(|set| set.as_array().unwrap()) {
        let target = &line[dimension.as_str().unwrap()];
        assert!(target.as_str().is_some_and(|text| !text.is_empty()));
    }
    assert_eq!(sets.len(), 1);
    let metrics = directive["Metrics"].as_array().unwrap();
    assert!((1..=100).contains(&metrics.len()));
    let read = |metric: &Value| {
        assert_eq!(metric.as_object().unwrap().len(), 2);
        let name = metric["Name"].as_str().unwrap();
        let unit = metric["Unit"].as_str().unwrap();
        assert!(["Count", "Seconds", "Milliseconds"].contains(&unit));
        (
            name.to_owned(),
            unit.to_owned(),
            line[name].as_u64().unwrap(),
        )
    };
    metrics.iter().map(read).collect()
}

fn says(metrics: &[(String, String, u64)]) -> Vec<(&str, u64)> {
    let said = metrics.iter();
    said.map(|(name, _, value)| (name.as_str(), *value))
        .collect()
}

#[test]
fn wide_line_follows_the_embedded_metric_format() {
    let metrics = metrics_of(&wide("stepfunctions").line_of_record(&observed()));
    assert_eq!(says(&metrics), [("Observed", 1), ("DecisionLatency", 37)]);
    assert_eq!(metrics[1].1, "Milliseconds");
    let mut tick = Tick {
        oldest_claim_seconds: 481,
        ..Tick::default()
    };
    tick.unannounced.insert(Service::CodePipeline, 3);
    let metrics = metrics_of(&wide("sweep").line_of_tick(&tick));
    let said = [
        ("OldestClaimAge", 481),
        ("DiscoveredExecutions", 0),
        ("DiscoveredStages", 3),
    ];
    assert_eq!(says(&metrics), said);
    assert_eq!(metrics[0].1, "Seconds");
}

#[test]
fn lost_decision_is_counted_and_changes_nothing_else() {
    let put_counts = PutCounts {
        decisions_put: 0,
        decisions_lost: 1,
    };
    let (wide, record) = (
        Wide {
            put_counts,
            ..wide("stepfunctions")
        },
        observed(),
    );
    let line = wide.line_of_record(&record);
    let metrics = metrics_of(&line);
    assert_eq!(says(&metrics).last(), Some(&("DecisionsLost", 1)));
    let text = json_of(&line);
    assert_eq!(
        (&text["outcome"], &text["decisions_lost"]),
        (&"observed".into(), &1.into())
    );
}

#[test]
fn no_account_or_no_count_means_no_metrics() {
    let local = Wide {
        stack: None,
        ..wide("stepfunctions")
    };
    let nothing = Record {
        outcome: Outcome::Duplicate,
        ..observed()
    };
    for line in [
        json_of(&local.line_of_record(&observed())),
        json_of(&wide("due").line_of_record(&nothing)),
    ] {
        assert!(
            line.get("_aws").is_none() && line.get("Stack").is_none(),
            "{line}"
        );
    }
}

#[test]
fn line_of_a_record_has_its_shape() {
    let at = "2026-11-20T02:14:04Z";
    let mut counted = Counted::default();
    counted.calls.insert("PutItem".to_owned(), 2);
    counted.calls_repeated = 1;
    let every = Wide {
        message_id: Some("message"),
        counted,
        put_counts: PutCounts {
            decisions_put: 1,
            decisions_lost: 2,
        },
        ..wide("codepipeline")
    };
    let local = Wide {
        mode: None,
        stack: None,
        ..wide("stepfunctions")
    };
    let metric = |name: &str, unit: &str| json!({ "Name": name, "Unit": unit });
    let aws = |metrics: &[Value]| {
        json!({
            "Timestamp": NOW.as_millis(),
            "CloudWatchMetrics": [{ "Namespace": "redrive", "Dimensions": [["Stack"]], "Metrics": metrics }],
        })
    };
    let table = [
        (
            every,
            full(),
            json!({
                "timestamp": at, "level": "WARN", "version": 1,
                "message": "busy of policy nightly allows retry 2 of 3, in 60 s: the queue was full",
                "function": "codepipeline", "request_id": "request", "message_id": "message",
                "mode": "act", "took_ms": 37,
                "calls": { "PutItem": 2 }, "calls_repeated": 1, "decisions_put": 1, "decisions_lost": 2,
                "service": "code_pipeline", "target": "web",
                "at": at, "happened_at": "2026-11-20T02:14:02.25Z",
                "subject": { "stage": {
                    "arn": "arn:aws:codepipeline:eu-west-1:111122223333:web/Build", "execution_id": "5f0c2f0e-1",
                } },
                "failure_id": { "failed_actions": ["a6050335-1", "b7160446-2"] },
                "verdict": {
                    "decision": "retry", "reason": "matched", "policy": "nightly",
                    "rules": [{ "rule": "busy", "description": "the queue was full", "used": 1, "limit": 3 }],
                    "delay_seconds": 60, "retry_mode": "FAILED_ACTIONS",
                },
                "outcome": "backed_off", "reason": "matched", "state": "queued",
                "diagnosis": [{ "action": "UnitTests", "looks_like": "time_out", "remedy": "wait" }],
                "looked_up": ["pipeline_state"], "needs": ["history"],
                "slot_wait_ms": 1500, "call_result": "throttled", "unsettled": "PutItem: access denied",
                "_aws": aws(&[
                    metric("Throttled", "Count"), metric("Errors", "Count"), metric("AccessDenied", "Count"),
                    metric("DecisionLatency", "Milliseconds"), metric("DecisionsLost", "Count"),
                ]),
                "Stack": "nightly",
                "Throttled": 1, "Errors": 1, "AccessDenied": 1, "DecisionLatency": 37, "DecisionsLost": 2,
            }),
        ),
        (
            wide("due"),
            bare(),
            json!({
                "timestamp": at, "level": "INFO", "version": 1, "message": Reason::TargetChanged.sentence(),
                "function": "due", "request_id": "request", "mode": "act", "took_ms": 37, "calls_repeated": 0,
                "at": at, "outcome": "conflict", "reason": "target_changed",
            }),
        ),
        (
            local,
            dry_run("["),
            json!({
                "timestamp": at, "level": "WARN", "version": 1,
                "message": "the event cannot be read: line 1 column 1: the JSON ends before it is complete",
                "function": "stepfunctions", "request_id": "request", "took_ms": 37, "calls_repeated": 0,
                "at": at, "outcome": "ignored", "reason": "malformed",
                "malformed": "line 1 column 1: the JSON ends before it is complete",
            }),
        ),
    ];
    for (wide, record, shape) in table {
        assert_eq!(json_of(&wide.line_of_record(&record)), shape);
    }
}

#[test]
fn lines_of_errors_and_ticks_have_their_shapes() {
    let error = Error::new(ErrorKind::Unavailable, "PutItem");
    let subject = bare_execution();
    let local = Wide {
        stack: None,
        ..wide("sweep")
    };
    let head = json!({
        "timestamp": "2026-11-20T02:14:04Z", "version": 1,
        "function": "sweep", "request_id": "request", "mode": "act", "took_ms": 37, "calls_repeated": 0,
    });
    let with = |more: Value| {
        let mut shape = head.clone();
        let members = more.as_object().unwrap().clone();
        shape.as_object_mut().unwrap().extend(members);
        shape
    };
    assert_eq!(
        json_of(&local.line_of_error(Some(&subject), None, &error)),
        with(json!({
            "level": "ERROR", "message": "PutItem: not reachable",
            "subject": { "execution": { "arn": "arn:a" } }, "error": "PutItem", "kind": "unavailable",
        }))
    );
    assert_eq!(
        json_of(&local.line_of_error(None, Some("web"), &error)),
        with(json!({
            "level": "ERROR", "message": "PutItem: not reachable",
            "listing": "web", "error": "PutItem", "kind": "unavailable",
        }))
    );
    assert_eq!(
        json_of(&local.line_of_tick(&Tick::default())),
        with(json!({
            "level": "INFO", "message": "swept",
            "requeued": 0, "taken_over": 0, "conflicts": 0, "errors": 0, "more": false,
            "discovery": {
                "targets": 0, "pages": 0, "seen": 0, "known": 0, "outcomes": {}, "errors": 0, "left": 0, "more": false,
            },
        }))
    );
}

fn bare_execution() -> Subject {
    Subject::Execution {
        arn: "arn:a".to_owned(),
    }
}

#[test]
fn every_member_of_a_wide_line_is_in_the_readme() {
    let readme = include_str!("../../../../README.md");
    let mut counted = Counted::default();
    counted.calls.insert("PutItem".to_owned(), 1);
    let every = Wide {
        message_id: Some("m"),
        counted,
        put_counts: PutCounts {
            decisions_put: 1,
            decisions_lost: 1,
        },
        ..wide("stepfunctions")
    };
    let error = Error::new(ErrorKind::AccessDenied, "PutItem");
    let tick = Tick {
        newer_schema: 1,
        unreadable: 1,
        ..Tick::default()
    };
    let lines = [
        json_of(&every.line_of_record(&full())),
        json_of(&wide("stepfunctions").line_of_record(&observed())),
        json_of(&wide("stepfunctions").line_of_record(&dry_run("["))),
        json_of(&wide("sweep").line_of_error(full().subject.as_ref(), Some("arn"), &error)),
        json_of(&wide("sweep").line_of_tick(&tick)),
    ];
    for line in lines {
        for name in line.as_object().unwrap().keys() {
            assert!(
                readme.contains(&format!("`{name}`")),
                "{name} is not documented"
            );
        }
    }
}
