//! The trace of a verdict in `redrive explain --json`, with every key.

use serde_json::{Value, json};

use crate::redrive_with;

fn explain(policy: &str, event: &str) -> Value {
    let event = format!("events/{event}.json");
    let arguments = ["explain", "--policy", "-", "--json", &event];
    let mut lines = redrive_with(&arguments, policy.as_bytes()).lines();
    assert_eq!(lines.len(), 1, "one line");
    lines.remove(0)
}

fn trace(policy: &str, event: &str) -> Value {
    explain(policy, event)["trace"].take()
}

#[test]
fn trace_ends_at_the_deciding_rule() {
    let policy = "
version: 1
policies:
  - name: etl
    match: {state_machine: 'etl-*'}
    retry: {automatic: true}
  - name: mail
    match: {state_machine: 'billing-*'}
    retry:
      automatic:
        - {id: memory, exit_status: [137, 139], summary: '*'}
        - {id: throttled, mode: [legacy, standard], not: {http_status: 500}}
        - {id: rest}
        - {id: more, error: X}
";
    assert_eq!(
        trace(policy, "sfn-05-lambda-too-many-requests"),
        json!({
            "policy": "mail",
            "passed_over": ["etl"],
            "not_consulted": null,
            "consulted": [{
                "action": null,
                "never": [],
                "rules": [
                    {
                        "rule": "memory",
                        "matches": "no",
                        "conditions": [
                            {
                                "key": "exit_status",
                                "not": false,
                                "values": ["137", "139"],
                                "matches": "no",
                                "by": null,
                                "needs": null,
                                "actual": [{"what": "exit_status", "is": "absent", "value": null}],
                            },
                            {
                                "key": "summary",
                                "not": false,
                                "values": ["*"],
                                "matches": "no",
                                "by": null,
                                "needs": null,
                                "actual": [{"what": "summary", "is": "other_service", "value": null}],
                            },
                        ],
                        "must_name": null,
                    },
                    {
                        "rule": "throttled",
                        "matches": "yes",
                        "conditions": [
                            {
                                "key": "mode",
                                "not": false,
                                "values": ["legacy", "standard"],
                                "matches": "yes",
                                "by": "legacy",
                                "needs": null,
                                "actual": [
                                    {"what": "error", "is": "known", "value": "TooManyRequestsException"},
                                    {"what": "Error Code", "is": "known", "value": "TooManyRequestsException"},
                                    {"what": "http_status", "is": "known", "value": 429},
                                ],
                            },
                            {
                                "key": "http_status",
                                "not": true,
                                "values": ["500"],
                                "matches": "no",
                                "by": null,
                                "needs": null,
                                "actual": [{"what": "http_status", "is": "known", "value": 429}],
                            },
                        ],
                        "must_name": null,
                    },
                ],
                "not_consulted": {"reason": "decided", "by": "throttled", "rules": ["rest", "more"]},
            }],
        })
    );
}

#[test]
fn forbidding_never_entry_consults_no_rule() {
    let policy = "
version: 1
never: [{http_status: 404}, {error: 'S3.*'}, {error: X}]
retry: {automatic: [{id: r}, {id: s}]}
";
    assert_eq!(
        trace(policy, "sfn-14-access-denied"),
        json!({
            "policy": "default",
            "passed_over": [],
            "not_consulted": null,
            "consulted": [{
                "action": null,
                "never": [
                    {
                        "entry": 0,
                        "matches": "no",
                        "conditions": [{
                            "key": "http_status",
                            "not": false,
                            "values": ["404"],
                            "matches": "no",
                            "by": null,
                            "needs": null,
                            "actual": [{"what": "http_status", "is": "known", "value": 403}],
                        }],
                    },
                    {
                        "entry": 1,
                        "matches": "yes",
                        "conditions": [{
                            "key": "error",
                            "not": false,
                            "values": ["S3.*"],
                            "matches": "yes",
                            "by": "S3.*",
                            "needs": null,
                            "actual": [{"what": "error", "is": "known", "value": "S3.S3Exception"}],
                        }],
                    },
                ],
                "rules": [],
                "not_consulted": {"reason": "denied_by_policy", "by": "never[1]", "rules": ["r", "s"]},
            }],
        })
    );
}

#[test]
fn trace_names_the_fact_to_look_up() {
    let line = explain(
        "version: 1\nretry: {automatic: [{id: load, state: 'Load*'}, {id: rest}]}",
        "sfn-05-lambda-too-many-requests",
    );
    assert_eq!(
        line["trace"],
        json!({
            "policy": "default",
            "passed_over": [],
            "not_consulted": null,
            "consulted": [{
                "action": null,
                "never": [],
                "rules": [{
                    "rule": "load",
                    "matches": "unknown",
                    "conditions": [{
                        "key": "state",
                        "not": false,
                        "values": ["Load*"],
                        "matches": "unknown",
                        "by": null,
                        "needs": "failed_state",
                        "actual": [{"what": "state", "is": "unknown", "value": null}],
                    }],
                    "must_name": null,
                }],
                "not_consulted": {"reason": "decided_if_it_matches", "by": "load", "rules": ["rest"]},
            }],
        })
    );
    let needs = line["needs"].as_array().unwrap();
    assert!(needs.contains(&json!("failed_state")), "{needs:?}");
}

#[test]
fn unmatched_target_lists_all_policies() {
    let policy = "
version: 1
policies:
  - {name: etl, match: {state_machine: 'etl-*'}, retry: {automatic: true}}
  - {name: web, match: {pipeline: '*'}, retry: {automatic: true}}
";
    let line = explain(policy, "sfn-05-lambda-too-many-requests");
    assert_eq!(line["verdict"]["reason"], "unmanaged");
    assert_eq!(
        line["trace"],
        json!({
            "policy": null,
            "passed_over": ["etl", "web"],
            "not_consulted": null,
            "consulted": [],
        })
    );
}

#[test]
fn redacted_value_is_traced_and_no_rule_decides() {
    let line = explain(
        "version: 1\nretry: {automatic: [{id: named, error: X}, {id: lost, exit_status: -1}]}",
        "sfn-22-cause-withheld",
    );
    assert_eq!(line["verdict"]["reason"], "cause_withheld");
    let redacted = |rule: &str, word: &str, value: &str| {
        json!({
            "rule": rule,
            "matches": "redacted",
            "conditions": [{
                "key": word,
                "not": false,
                "values": [value],
                "matches": "redacted",
                "by": null,
                "needs": null,
                "actual": [{"what": word, "is": "redacted", "value": null}],
            }],
            "must_name": null,
        })
    };
    assert_eq!(
        line["trace"],
        json!({
            "policy": "default",
            "passed_over": [],
            "not_consulted": null,
            "consulted": [{
                "action": null,
                "never": [],
                "rules": [
                    redacted("named", "error", "X"),
                    redacted("lost", "exit_status", "-1"),
                ],
                "not_consulted": null,
            }],
        })
    );
}

#[test]
fn verdict_before_the_rules_has_its_reason() {
    let policy = "version: 1\nnever: [{error: X}]\nretry: {automatic: [{id: r}, {id: s}]}";
    assert_eq!(
        trace(policy, "sfn-16-nested-child"),
        json!({
            "policy": "default",
            "passed_over": [],
            "not_consulted": {"reason": "parent_retries", "by": null, "rules": ["r", "s"]},
            "consulted": [],
        })
    );
    for no_failure in ["sfn-03-recovered", "sfn-18-succeeded", "malformed-08-empty"] {
        assert_eq!(trace(policy, no_failure), Value::Null, "{no_failure}");
    }
}

#[test]
fn trace_names_the_error_that_a_rule_must_name() {
    let policy = "version: 1\nretry: {automatic: [{id: any, error: 'States.*'}, {id: named, error: States.Runtime}]}";
    let trace = trace(policy, "sfn-13-states-runtime");
    let rules = trace["consulted"][0]["rules"].as_array().unwrap();
    let traced: Vec<_> = rules
        .iter()
        .map(|rule| {
            (
                &rule["rule"],
                &rule["matches"],
                &rule["conditions"][0]["matches"],
                &rule["must_name"],
            )
        })
        .collect();
    let (no, yes) = (json!("no"), json!("yes"));
    assert_eq!(
        traced,
        [
            (&json!("any"), &no, &yes, &json!("States.Runtime")),
            (&json!("named"), &yes, &yes, &Value::Null),
        ]
    );
}

/// The text has the beginning of a long cause, the JSON all of it.
#[test]
fn a_value_is_whole_in_json() {
    let policy = "version: 1\nretry: {automatic: [{id: r, cause: '*'}]}";
    let line = explain(policy, "sfn-05-lambda-too-many-requests");
    let seen = &line["trace"]["consulted"][0]["rules"][0]["conditions"][0]["actual"][0]["value"];
    assert_eq!(seen, &line["failure"]["cause"]);
    assert!(seen.as_str().unwrap().len() > 100, "{seen}");
}
