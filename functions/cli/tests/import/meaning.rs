//! What imported policies decide, attempt by attempt.

use serde_json::{Value, json};

use crate::{judged, policy, retried};

/// Decisions on consecutive failures, `+` for each that is retried.
#[track_caller]
fn decides(policy: &str, attempts: &[Value], expected: &str) {
    let expected: Vec<bool> = expected.chars().map(|c| c == '+').collect();
    assert_eq!(
        retried(&judged(policy, attempts, &expected)),
        expected,
        "{policy}"
    );
}

fn task(error: &str, state: &str) -> Value {
    json!({"state_machine": "m", "error": error, "state": state})
}

#[test]
fn retriers_keep_order_limits_and_states() {
    let machine = json!({"States": {
        "A": {"Type": "Task", "Retry": [
            {"ErrorEquals": ["E", "F*"], "MaxAttempts": 1},
            {"ErrorEquals": ["G"], "MaxAttempts": 0},
            {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2},
        ]},
        "B": {"Type": "Map", "Iterator": {"States": {"C": {"Type": "Task"}}}, "Retry": [{"ErrorEquals": ["H"]}]},
    }});
    let policy = policy("asl", &machine.to_string()).unwrap();
    decides(
        &policy,
        &[task("E", "A"), task("E", "A"), task("F*", "A")],
        "+--",
    );
    decides(
        &policy,
        &[task("Fx", "A"), task("F*", "A"), task("G", "A")],
        "++-",
    );
    decides(&policy, &[task("E", "B"), task("H", "A")], "-+");
    decides(
        &policy,
        &[
            task("H", "B"),
            task("H", "C"),
            task("H", "B"),
            task("H", "C"),
        ],
        "+++-",
    );
    for error in ["States.Runtime", "States.DataLimitExceeded"] {
        decides(&policy, &[task(error, "A")], "-");
    }
}

#[test]
fn states_timeout_includes_a_missing_heartbeat() {
    let machine =
        "States:\n  A:\n    Type: Task\n    Retry:\n      - ErrorEquals: [States.Timeout]\n";
    let policy = policy("asl", machine).unwrap();
    for (error, expected) in [
        ("States.Timeout", "+"),
        ("States.HeartbeatTimeout", "+"),
        ("States.TaskFailed", "-"),
    ] {
        decides(&policy, &[task(error, "A")], expected);
    }
}

#[test]
fn a_machine_s_waits_are_the_retrier_s() {
    for (retrier, waits) in [
        (
            json!({"ErrorEquals": ["E"], "MaxAttempts": 4}),
            &[1, 2, 4, 8][..],
        ),
        (
            json!({"ErrorEquals": ["E"], "IntervalSeconds": 3, "BackoffRate": 1}),
            &[3, 3, 3],
        ),
        (
            json!({"ErrorEquals": ["E"], "IntervalSeconds": 100, "BackoffRate": 10, "MaxDelaySeconds": 5000}),
            &[100, 1000, 5000],
        ),
        (
            json!({"ErrorEquals": ["E"], "IntervalSeconds": 1000, "BackoffRate": 3.0}),
            &[1000, 3000, 9000],
        ),
        (
            json!({"ErrorEquals": ["E"], "IntervalSeconds": 9, "MaxDelaySeconds": 5}),
            &[5, 5, 5],
        ),
    ] {
        let policy = policy("asl", &retrier.to_string()).unwrap();
        let attempts = vec![task("E", "A"); waits.len()];
        let verdicts = judged(&policy, &attempts, &vec![true; waits.len()]);
        let waited: Vec<u32> = verdicts
            .iter()
            .map(|verdict| verdict.delay_seconds)
            .collect();
        assert_eq!(waited, waits, "{policy}");
    }
}

/// A job's end: exit code, reason, status reason.
fn job(exit: Option<i32>, reason: Option<&str>, status: &str, spaced: bool) -> Value {
    let mut container = json!({});
    if let Some(reason) = reason {
        container["Reason"] = reason.into();
    }
    let mut cause = json!({"Container": container, "StatusReason": status}).to_string();
    if spaced {
        cause = cause.replace("\":", "\": ");
    }
    json!({"state_machine": "m", "error": "States.TaskFailed", "cause": cause, "exit_status": exit})
}

#[test]
fn batch_attempts_count_over_all_entries() {
    let strategy = json!({"attempts": 3, "evaluateOnExit": [
        {"action": "RETRY", "onExitCode": "1"},
        {"action": "RETRY", "onStatusReason": "Host EC2*"},
        {"action": "EXIT", "onExitCode": "2*"},
    ]});
    let policy = policy("batch", &strategy.to_string()).unwrap();
    for spaced in [false, true] {
        let end = |exit, status| job(exit, None, status, spaced);
        let (one, lost) = (end(Some(1), "x"), end(None, "Host EC2 (i-1) terminated."));
        decides(&policy, &[one.clone(), lost.clone(), one.clone()], "++-");
        decides(&policy, &[lost, end(Some(25), "x")], "+-");
        // What no entry matches.
        decides(&policy, &[end(Some(3), "x"), end(None, "x"), one], "++-");
        decides(
            &policy,
            &[end(
                Some(137),
                "Job attempt duration exceeded timeout of 60 seconds",
            )],
            "-",
        );
    }
}

#[test]
fn all_patterns_of_a_batch_entry_must_match() {
    let strategy = json!({"attempts": 10, "evaluateOnExit": [
        {"action": "RETRY", "onReason": "Docker*", "onStatusReason": "Task failed", "onExitCode": "12*"},
        {"action": "EXIT", "onReason": "*"},
    ]});
    let policy = policy("batch", &strategy.to_string()).unwrap();
    for spaced in [false, true] {
        for (exit, reason, status, expected) in [
            (12, Some("DockerTimeoutError: x"), "Task failed", "+"),
            (127, Some("Docker"), "Task failed", "+"),
            (112, Some("Docker"), "Task failed", "-"),
            (12, Some("A Docker"), "Task failed", "-"),
            (12, Some("Docker"), "Task failed to start", "-"),
            (12, None, "Task failed", "-"),
            (1, None, "Essential container in task exited", "-"),
        ] {
            decides(
                &policy,
                &[job(Some(exit), reason, status, spaced)],
                expected,
            );
        }
    }
}

#[test]
fn star_for_a_batch_exit_code_needs_an_exit_code() {
    let strategy =
        json!({"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onExitCode": "*"}]});
    let policy = policy("batch", &strategy.to_string()).unwrap();
    for (exit, expected) in [
        (Some(0), "-"),
        (Some(255), "-"),
        (Some(-1), "+"),
        (None, "+"),
    ] {
        decides(&policy, &[job(exit, None, "x", false)], expected);
    }
}

#[test]
fn buildkite_rules_decide_as_before() {
    let pipeline = "\
steps:
  - group: all
    steps:
      - key: a
        retry: { automatic: [{ exit_status: 1, limit: 1 }, { signal: 'SIG*', limit: 3 }, { exit_status: '*' }] }
  - key: b
    retry: { automatic: true }
";
    let policy = policy("buildkite", pipeline).unwrap();
    let ended = |machine: &str, exit: i32, signal: Value| json!({"state_machine": machine, "exit_status": exit, "signal": signal});
    let plain = |machine, exit| ended(machine, exit, Value::Null);
    decides(&policy, &[plain("a", 1), plain("a", 1)], "+-");
    decides(
        &policy,
        &[plain("a", 2), plain("a", 3), plain("a", 4)],
        "++-",
    );
    decides(&policy, &[plain("a", -1)], "-");
    decides(
        &policy,
        &[plain("b", -1), plain("b", 1), plain("b", 1)],
        "++-",
    );
    // A star within a word is none in Buildkite.
    decides(
        &policy,
        &[
            ended("a", 9, json!("SIGKILL")),
            ended("a", 9, json!("SIGKILL")),
            ended("a", 9, json!("SIGKILL")),
        ],
        "++-",
    );
}

#[test]
fn names_in_a_file_stay_names() {
    let evil = "a\\nversion: 2\\u001b[31m # x: \\\"'";
    let pipeline = format!("steps: [{{ label: \"{evil}\", retry: {{ automatic: true }} }}]");
    let policy = policy("buildkite", &pipeline).unwrap();
    assert!(!policy.contains('\u{1b}'));
    assert_eq!(policy.matches("\nversion:").count(), 1, "{policy}");
    let parsed = redrive_core::policy::Document::parse(&policy).unwrap();
    assert_eq!(parsed.policies[0].name, "a\nversion: 2\u{1b}[31m # x: \"'");
    // In a comment it ends no line.
    let evil = format!(
        "{{\"States\": {{\"A\": {{\"Type\": \"Map\", \"ItemProcessor\": {{\"ProcessorConfig\": {{\"Mode\": \"DISTRIBUTED\"}}, \
         \"States\": {{\"{evil}\": {{\"Type\": \"Task\", \"Retry\": [{{\"ErrorEquals\": [\"E\"]}}]}}}}}}}}}}}}"
    );
    let ran = crate::import("asl", "-", &evil);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'));
    assert_eq!(
        (
            ran.out.matches("\nversion:").count(),
            ran.err.lines().count()
        ),
        (1, 1)
    );
    assert!(
        ran.out.contains("# the Retry of a\\nversion: 2\\u{1b}[31m"),
        "{}",
        ran.out
    );
}

#[test]
fn import_reports_a_fail_state_within_a_parallel() {
    let policy = policy("asl", include_str!("samples/branches.asl.json")).unwrap();
    decides(
        &policy,
        &[task("E", "Each"), task("E", "Book"), task("E", "Ship")],
        "++-",
    );
    decides(&policy, &[task("E", "NoPrinter")], "-");
    assert!(policy.contains("Fail states are left out"), "{policy}");
}

#[test]
fn what_batch_answers_with_null_is_not_written() {
    let answer = json!({"jobDefinitions": [{
        "jobDefinitionName": "render",
        "retryStrategy": {"attempts": 2, "evaluateOnExit": [
            {"action": "EXIT", "onExitCode": "1", "onReason": null, "onStatusReason": null},
        ]},
        "parameters": null,
    }]});
    let policy = policy("batch", &answer.to_string()).unwrap();
    let job = |exit_status: u8| json!({"state_machine": "m", "exit_status": exit_status});
    decides(&policy, &[job(2), job(2)], "+-");
    decides(&policy, &[job(1)], "-");
    let nothing = json!({"attempts": 2, "evaluateOnExit": null});
    let policy = crate::policy("batch", &nothing.to_string()).unwrap();
    decides(&policy, &[job(1), job(2)], "+-");
}
