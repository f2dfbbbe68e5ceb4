//! The output of `redrive explain` for one event.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use redrive_core::policy::ConditionKey;
use serde_json::{Value, json};

use crate::{Ran, redrive, redrive_with, samples, top};

const POLICY: &str = "infra/policy.yaml";

fn explain(event: &str) -> Value {
    let mut lines = redrive(&[
        "explain",
        "--policy",
        POLICY,
        "--json",
        &format!("events/{event}.json"),
    ])
    .lines();
    assert_eq!(lines.len(), 1, "one line");
    lines.remove(0)
}

#[test]
fn event_is_explained_in_words_of_a_policy() {
    let line = explain("sfn-05-lambda-too-many-requests");
    assert_eq!(line["event"], "failure");
    assert_eq!(line["failure"]["state_machine"], "billing-mailer");
    assert_eq!(line["failure"]["status"], "FAILED");
    assert_eq!(line["failure"]["error"], "Lambda.TooManyRequestsException");
    assert_eq!(line["failure"]["redrive_count"], 0);
    assert_eq!(line["failure"]["http_status"], 429);
    assert_eq!(line["failure"]["exit_status"], Value::Null);
    assert_eq!(
        line["failure"]["error_codes"],
        json!(["TooManyRequestsException"])
    );
    assert_eq!(line["malformed"], Value::Null);
    let verdict = &line["verdict"];
    assert_eq!(
        (
            &verdict["decision"],
            &verdict["reason"],
            &verdict["policy"],
            &verdict["rules"][0]["rule"]
        ),
        (
            &json!("retry"),
            &json!("matched"),
            &json!("step-functions"),
            &json!("throttled")
        ),
    );
    let delay = verdict["delay_seconds"].as_u64().unwrap();
    assert!(delay <= 60, "{delay}");
    assert_eq!(line["needs"], json!(["history"]));
    assert_eq!(
        explain("sfn-05-lambda-too-many-requests"),
        line,
        "the same event, the same delay"
    );
}

#[test]
fn each_kind_of_event_has_its_explanation() {
    #[rustfmt::skip]
    let table = [
        ("sfn-01-throttled", "failure", "retry", "matched", json!(["history"])),
        ("sfn-03-recovered", "completion", "ignore", "succeeded", json!([])),
        ("sfn-09-timed-out", "failure", "give_up", "unmatched", json!([])),
        ("sfn-10-task-timeout", "failure", "retry", "matched", json!(["history"])),
        ("sfn-11-aborted-by-operator", "ignored", "ignore", "aborted", json!([])),
        ("sfn-13-states-runtime", "failure", "give_up", "unmatched", json!([])),
        ("sfn-14-access-denied", "failure", "give_up", "denied_by_policy", json!([])),
        ("sfn-15-map-run-child", "failure", "ignore", "map_run_child", json!([])),
        ("sfn-16-nested-child", "failure", "give_up", "parent_retries", json!([])),
        ("sfn-18-succeeded", "ignored", "ignore", "succeeded", json!([])),
        // Nothing is in this event but that it failed: everything is asked for.
        ("sfn-20-shape-before-redrive", "failure", "retry", "matched", json!(["description", "history"])),
        ("sfn-21-other-partition", "failure", "retry", "matched", json!(["history"])),
        ("sfn-22-cause-withheld", "failure", "give_up", "cause_withheld", json!([])),
        ("sfn-25-redrivable-period-exceeded", "failure", "ignore", "not_redrivable", json!([])),
        ("cp-01-image-pull-action-failed", "failure", "retry", "matched", json!(["pipeline_state"])),
        ("cp-02-image-pull-stage-failed", "failure", "retry", "matched", json!(["pipeline_state"])),
        ("cp-04-image-pull-pipeline-failed", "ignored", "ignore", "superseded_by_stage_event", json!([])),
        ("cp-07-image-pull-stage-succeeded", "completion", "ignore", "succeeded", json!([])),
        ("cp-15-unit-test-action-failed", "failure", "give_up", "unmatched", json!([])),
        ("cp-17-unit-test-notification-rule", "ignored", "ignore", "notification_rule", json!([])),
        ("cp-24-approval-rejected-action-failed", "failure", "give_up", "approval_rejected", json!([])),
        ("cp-28-stopped-stage-stopped", "ignored", "ignore", "stopped", json!([])),
        ("malformed-01-truncated", "malformed", "ignore", "malformed", json!([])),
        ("malformed-05-other-source", "ignored", "ignore", "other_source", json!([])),
    ];
    for (event, kind, decision, reason, needs) in table {
        let line = explain(event);
        let verdict = &line["verdict"];
        assert_eq!(
            (
                &line["event"],
                &verdict["decision"],
                &verdict["reason"],
                &line["needs"]
            ),
            (&json!(kind), &json!(decision), &json!(reason), &needs),
            "{event}: {line}",
        );
        assert_eq!(line["failure"].is_null(), kind != "failure", "{event}");
        assert!(!verdict["message"].as_str().unwrap().is_empty(), "{event}");
    }
}

/// The contract of `explain --json`: its keys. Every line has all of them.
#[test]
fn every_sample_is_explained_with_the_same_keys() {
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let words = |words: &str| -> BTreeSet<String> {
        words.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let of_both = "service account region exit_status signal signal_reason http_status error_codes unknown redacted";
    let of_execution =
        "state_machine execution status error cause container redrive_count redrive_status parent";
    let of_stage = "pipeline stage execution_id action category provider error_code summary";
    for name in samples() {
        let line = explain(name.trim_end_matches(".json"));
        assert_eq!(
            keys(&line),
            words("event subject malformed failure verdict trace needs"),
            "{name}"
        );
        let verdict = &line["verdict"];
        assert_eq!(
            keys(verdict),
            words("decision reason message policy rules delay_seconds retry_mode"),
            "{name}"
        );
        for rule in verdict["rules"].as_array().unwrap() {
            assert_eq!(keys(rule), words("rule description used limit"), "{name}");
        }
        if !line["malformed"].is_null() {
            assert_eq!(
                keys(&line["malformed"]),
                words("place problem help"),
                "{name}"
            );
        }
        let failure = &line["failure"];
        if !failure.is_null() {
            let of_one = match failure["service"].as_str().unwrap() {
                "step_functions" => of_execution,
                _ => of_stage,
            };
            assert_eq!(keys(failure), &words(of_both) | &words(of_one), "{name}");
            for list in ["unknown", "redacted"] {
                for word in failure[list].as_array().unwrap() {
                    assert!(failure[word.as_str().unwrap()].is_null(), "{name}: {word}");
                }
            }
        }
    }
}

#[test]
fn every_sample_is_explained_for_people_too() {
    for name in samples() {
        let out = redrive(&["explain", "--policy", POLICY, &format!("events/{name}")]).well();
        assert!(
            out.starts_with("event    ")
                && out.contains("\nverdict  ")
                && out.contains("\nreason   "),
            "{out}"
        );
    }
}

/// Where the event shows the rule, the predicted verdict is the actual one.
#[test]
fn predicted_delay_is_the_actual_delay() {
    let replayed = redrive(&["replay", "events", "--json"]).lines();
    for (event, asked) in [
        (
            "sfn-05-lambda-too-many-requests",
            "sfn-05-lambda-too-many-requests",
        ),
        (
            "cp-01-image-pull-action-failed",
            "cp-02-image-pull-stage-failed",
        ),
        (
            "cp-08-fails-twice-action-failed",
            "cp-09-fails-twice-stage-failed",
        ),
    ] {
        let kept = replayed
            .iter()
            .find(|row| row["file"] == format!("{asked}.json"))
            .unwrap();
        assert_eq!(
            explain(event)["verdict"]["delay_seconds"],
            kept["verdict"]["delay_seconds"],
            "{event}"
        );
    }
}

#[test]
fn unknown_value_is_not_shown_as_absent() {
    let old = explain("sfn-20-shape-before-redrive");
    let of_texts = || ConditionKey::of_texts().map(ConditionKey::as_str);
    let unknown = ["error", "cause", "redrive_count", "redrive_status"]
        .into_iter()
        .chain(of_texts())
        .chain(["error_codes"]);
    assert_eq!(
        old["failure"]["unknown"],
        json!(unknown.collect::<Vec<_>>())
    );
    assert_eq!(old["failure"]["redacted"], json!([]));
    assert_eq!(old["failure"]["redrive_count"], Value::Null);
    let redacted = explain("sfn-22-cause-withheld");
    let withheld = ["error", "cause"]
        .into_iter()
        .chain(of_texts())
        .chain(["error_codes"]);
    assert_eq!(
        redacted["failure"]["redacted"],
        json!(withheld.collect::<Vec<_>>())
    );
    let timeout = explain("sfn-10-task-timeout");
    assert_eq!(timeout["failure"]["cause"], Value::Null);
    assert!(
        timeout["failure"]
            .as_object()
            .unwrap()
            .contains_key("cause"),
        "absent is null"
    );
}

#[test]
fn an_event_may_come_from_standard_input() {
    let event = std::fs::read(top().join("events/sfn-01-throttled.json")).unwrap();
    let from_file = redrive(&[
        "explain",
        "--policy",
        POLICY,
        "--json",
        "events/sfn-01-throttled.json",
    ])
    .well();
    let from_input = redrive_with(&["explain", "--policy", POLICY, "--json", "-"], &event).well();
    assert_eq!(from_input, from_file);
}

/// A terminal obeys escape sequences, so those of an event are escaped.
#[test]
fn an_event_cannot_speak_to_the_terminal() {
    let event = r#"{"source":"aws.states","detail-type":"Step Functions Execution Status Change",
        "account":"111122223333","region":"eu-west-1","time":"2026-11-20T02:14:05Z","detail":{
        "executionArn":"arn:aws:states:eu-west-1:111122223333:execution:etl:run","status":"FAILED",
        "error":"\u001b[2J\u001b[31mowned\u009b\u202e","cause":"line\nverdict  retry: all is well","redriveCount":0,
        "redriveStatus":"REDRIVABLE"}}"#;
    let Ran { out, .. } = redrive_with(&["explain", "--policy", POLICY, "-"], event.as_bytes());
    assert!(!out.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{out:?}");
    assert_eq!(out.matches("\nverdict  ").count(), 1, "{out}");
    let arguments = ["explain", "--json", "--policy", POLICY, "-"];
    let Ran { out, .. } = redrive_with(&arguments, event.as_bytes());
    assert!(!out.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{out:?}");
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        line["failure"]["error"],
        "\u{1b}[2J\u{1b}[31mowned\u{9b}\u{202e}"
    );
    let Ran { out, .. } = redrive_with(&["replay", "-"], event.as_bytes());
    assert!(!out.contains('\u{1b}'), "{out:?}");
}

/// The trace of `explain` under a policy.
fn trace(policy: &str, event: &str) -> Vec<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(format!("redrive-words-{}-{}.yaml", unique.0, unique.1));
    std::fs::write(&path, policy).unwrap();
    let event = format!("events/{event}.json");
    let ran = redrive(&["explain", "--policy", path.to_str().unwrap(), &event]);
    std::fs::remove_file(&path).unwrap();
    ran.well()
        .lines()
        .skip_while(|line| !line.starts_with("policy"))
        .take_while(|line| !line.starts_with("verdict"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_condition_is_printed_with_its_value() {
    assert_eq!(
        trace(
            "version: 1\nretry: {automatic: [{id: r, mode: [legacy, standard], not: {state: 'Load*'}}, {id: s}]}",
            "sfn-05-lambda-too-many-requests"
        ),
        [
            "policy   default",
            "  rule r: not known yet",
            "    mode legacy | standard: matches by legacy; saw error TooManyRequestsException, Error Code TooManyRequestsException, http_status 429",
            "    not state Load*: not known yet; saw nothing yet: it must be looked up",
            "  not consulted, since rule r decides, if it matches: s",
        ]
    );
    assert_eq!(
        trace(
            "version: 1
never: [{http_status: [401, 403]}]
retry:
  automatic:
    - {id: page, summary: '*'}
    - {id: memory, exit_status: 137, signal: SIGKILL}
    - {id: reasons, signal_reason: [cancel, process_run_error]}
    - {id: lost, exit_status: '*', not: {signal_reason: agent_stop}}
    - {id: rest}
    - {id: none}",
            "sfn-08-batch-host-terminated"
        ),
        [
            "policy   default",
            "  never[0]: does not match",
            "    http_status 401 | 403: does not match; saw nothing: it is absent",
            "  rule page: does not match",
            "    summary *: does not match; saw nothing: only the other service has it",
            "  rule memory: does not match",
            "    exit_status 137: does not match; saw -1",
            "    signal SIGKILL: does not match; saw nothing: it is absent",
            "  rule reasons: does not match",
            "    signal_reason cancel | process_run_error: does not match; saw agent_stop",
            "  rule lost: does not match",
            "    exit_status *: does not match; saw -1",
            "    not signal_reason agent_stop: matches, which excludes the failure; saw agent_stop",
            "  rule rest: matches",
            "    it has no conditions, so everything matches",
            "  not consulted, since rule rest decides: none",
        ]
    );
}

#[test]
fn what_is_decided_before_the_rules_consults_none() {
    let rule =
        "version: 1\nnever: [{error: S3.*}, {error: X}]\nretry: {automatic: [{id: r}, {id: s}]}";
    assert_eq!(
        trace(rule, "sfn-16-nested-child"),
        [
            "policy   default",
            "  no rule is consulted: a parent execution started it, and the retry is left to the parent"
        ]
    );
    assert_eq!(
        trace(rule, "sfn-14-access-denied"),
        [
            "policy   default",
            "  never[0]: matches",
            "    error S3.*: matches; saw S3.S3Exception",
            "  not consulted, since never forbids it: r, s",
        ]
    );
}

#[test]
fn explain_marks_an_error_that_rules_must_name() {
    assert_eq!(
        trace(
            "version: 1\nretry: {automatic: [{id: any, error: 'States.*'}, {id: named, error: [States.Runtime, X]}]}",
            "sfn-13-states-runtime"
        ),
        [
            "policy   default",
            "  rule any: does not match",
            "    error States.*: matches; saw States.Runtime",
            "    States.Runtime is matched only by a rule that names it, without a glob",
            "  rule named: matches",
            "    error States.Runtime | X: matches by States.Runtime; saw States.Runtime",
        ]
    );
}
