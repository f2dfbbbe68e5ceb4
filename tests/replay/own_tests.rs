//! `redrive test`: the tests in policy documents.

use serde_json::json;

use crate::{redrive, redrive_with, top};

const FAILING: &str = "\
version: 1
never: [{cause: '*denied*'}]
policies:
  - name: etl
    match: {state_machine: 'etl-*'}
    retry:
      automatic:
        - {id: throttled, mode: standard, limit: 1}
        - {id: memory, exit_status: 137, signal: KILL}
        - {id: lost, exit_status: -1}
tests:
  - name: one throttle
    failure: {state_machine: etl-a, error: DynamoDB.ThrottlingException}
    expect: retry
  - name: two throttles
    attempts:
      - {state_machine: etl-a, error: DynamoDB.ThrottlingException}
      - {state_machine: etl-a, error: DynamoDB.ThrottlingException}
    expect: [retry, {decision: retry, rule: throttled}]
  - name: out of memory
    failure: {state_machine: etl-a, error: States.TaskFailed, exit_status: 137, signal: SIGKILL}
    expect: {decision: give_up, policy: etl, reason: unmatched}
  - name: nobody's
    failure: {state_machine: web, error: X}
    expect: give_up
";

#[test]
fn the_shipped_policy_keeps_its_promises() {
    let out = redrive(&["test", "infra/policy.yaml"]).well();
    assert!(out.ends_with(" passed, 0 failed.\n"), "{out}");
    assert!(!out.contains("FAILED"), "{out}");
}

/// A change of an untested rule would go unnoticed.
#[test]
fn each_rule_of_the_shipped_policy_has_a_test() {
    let lines = redrive(&["test", "infra/policy.yaml", "--json"]).lines();
    let text = std::fs::read_to_string(top().join("infra/policy.yaml")).unwrap();
    let (rules, _) = text.split_once("\ntests:").unwrap();
    let mut policy = "";
    let mut count = 0;
    for line in rules.lines() {
        if let Some(name) = line.trim().strip_prefix("- name: ") {
            policy = name;
        }
        let Some(id) = line.trim().strip_prefix("- id: ") else {
            continue;
        };
        count += 1;
        let retries = lines
            .iter()
            .flat_map(|line| line["actual"].as_array().unwrap())
            .any(|actual| {
                actual["decision"] == "retry" && actual["policy"] == policy && actual["rule"] == id
            });
        assert!(retries, "no test retries by rule {id} of policy {policy}");
    }
    assert!(count >= 10, "{count}");
    for reason in [
        "denied_by_policy",
        "unmatched",
        "limit_spent",
        "budget_spent",
        "aborted",
        "approval_rejected",
    ] {
        let shown = lines
            .iter()
            .flat_map(|line| line["actual"].as_array().unwrap())
            .any(|actual| actual["reason"] == reason);
        assert!(shown, "no test ends with {reason}");
    }
}

#[test]
fn failed_test_shows_expectation_verdict_and_trace() {
    let ran = redrive_with(&["test", "-"], FAILING.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert_eq!(
        ran.out,
        "\
-
  passed  one throttle
  FAILED  two throttles (line 15)
    attempt 2 of 2
    expected retry, rule throttled
    actual   give_up: throttled of policy etl has spent its 1 retry
    reason   limit_spent
    policy   etl
      never[0]: does not match
        cause *denied*: does not match; saw nothing: it is absent
      rule throttled: matches
        mode standard: matches; saw error ThrottlingException
      not consulted, since rule throttled decides: memory, lost
  FAILED  out of memory (line 20)
    expected give_up, policy etl, reason unmatched
    actual   retry: memory of policy etl allows retry 1 of 2, in DELAY s
    reason   matched
    policy   etl
      never[0]: does not match
        cause *denied*: does not match; saw nothing: it is absent
      rule throttled: does not match
        mode standard: does not match; saw error TaskFailed
      rule memory: matches
        exit_status 137: matches; saw 137
        signal KILL: matches; saw SIGKILL
      not consulted, since rule memory decides: lost
  FAILED  nobody's (line 23)
    expected give_up
    actual   ignore: no policy matches the target
    reason   unmanaged
    policy   none of 1 matches web
1 passed, 3 failed.
"
        .replace("DELAY", delay(&ran.out))
    );
}

/// The delay of a retry is drawn, and always the same. Other tests check its value.
fn delay(out: &str) -> &str {
    let (_, after) = out.split_once("allows retry 1 of 2, in ").unwrap();
    after.split_once(' ').unwrap().0
}

#[test]
fn json_line_of_a_test_has_the_same_result() {
    let ran = redrive_with(&["test", "--json", "-"], FAILING.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[1],
        json!({
            "file": "-",
            "name": "two throttles",
            "pass": false,
            "expected": [{"decision": "retry"}, {"decision": "retry", "rule": "throttled"}],
            "actual": [
                {"decision": "retry", "policy": "etl", "rule": "throttled", "reason": "matched"},
                {"decision": "give_up", "policy": "etl", "rule": "throttled", "reason": "limit_spent"},
            ],
        })
    );
    let passes: Vec<&serde_json::Value> = lines.iter().map(|line| &line["pass"]).collect();
    assert_eq!(passes, [true, false, false, false]);
}

#[test]
fn document_without_tests_is_reported_and_passes() {
    let bare = b"version: 1\nretry: {automatic: true}";
    assert_eq!(
        redrive_with(&["test", "-"], bare).well(),
        "-: it has no tests; write them under tests:\n0 passed, 0 failed.\n"
    );
    let ran = redrive_with(&["test", "--json", "-"], bare);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (0, "", "redrive: -: it has no tests\n")
    );
}

/// Mistakes in one document hide neither each other nor the results of other documents.
#[test]
fn document_with_errors_reports_all_and_fails() {
    let wrong = b"version: 1\nretry: {automatic: [{limt: 3}, {limit: 11}]}";
    let ran = redrive_with(&["test", "-", "infra/policy.yaml"], wrong);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("redrive: the policy has 2 problems:\n-:2:22: "),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("\n-:2:40: limit: "), "{}", ran.err);
    assert!(ran.out.starts_with("infra/policy.yaml\n"), "{}", ran.out);
    assert!(ran.out.ends_with(" passed, 0 failed.\n"), "{}", ran.out);
}
