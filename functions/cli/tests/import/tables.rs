//! What the three platforms document of their retries, a line each: imported, and judged failure by failure.

use redrive_core::verdict::Decision;
use serde_json::{Value, json};

use crate::{judged, policy, retried};

/// A word of a table; `-` is what is absent.
fn word(text: Option<&str>) -> Value {
    match text {
        None | Some("-") => Value::Null,
        Some(text) => text.parse::<i64>().map_or_else(|_| text.into(), Into::into),
    }
}

/// The decisions of an imported policy on these attempts, `+` for each that is retried.
fn decided(platform: &str, text: &str, attempts: &[Value], expected: &str) -> String {
    let policy = policy(platform, text).unwrap_or_else(|| panic!("{text} is refused"));
    let expected: Vec<bool> = expected.chars().map(|c| c == '+').collect();
    assert_eq!(attempts.len(), expected.len(), "{text}");
    let verdicts = judged(&policy, attempts, &expected);
    let sign = |retried| if retried { '+' } else { '-' };
    retried(&verdicts).into_iter().map(sign).collect()
}

#[test]
fn buildkite_retries_decide_as_documented() {
    let five_or_any = "[{exit_status: 5, limit: 2}, {exit_status: '*', limit: 4}]";
    let refused_or_any =
        "[{exit_status: -1, signal_reason: agent_refused, limit: 3}, {exit_status: '*', limit: 2}]";
    let all_three = "{exit_status: 143, signal: term, signal_reason: agent_stop, limit: 1}";
    // `automatic`, and attempts: exit status, signal and reason of each.
    for (automatic, attempts, expected) in [
        ("true", "1 2 3", "++-"),
        ("'true'", "1 1 1", "++-"),
        ("false", "1", "-"),
        ("'false'", "1", "-"),
        ("[]", "1", "-"),
        ("{}", "1 2 3", "++-"),
        ("{limit: 0}", "7", "-"),
        ("{limit: 10}", "7 7 7 7 7 7 7 7 7 7 7", "++++++++++-"),
        // The star is 1 to 255.
        ("{exit_status: '*'}", "0", "-"),
        ("{exit_status: '*'}", "-1", "-"),
        ("{exit_status: '*'}", "255 1 128", "++-"),
        ("{exit_status: 0}", "0 1 0", "+-+"),
        ("{exit_status: [1, 5, 42, 255]}", "42 41 255 1", "+-+-"),
        ("{exit_status: [1, 1], limit: 1}", "1 1", "+-"),
        ("{exit_status: '3', limit: 1}", "3 3", "+-"),
        ("{exit_status: 255}", "-1", "-"),
        (five_or_any, "5 5 5", "++-"),
        (five_or_any, "5 1 5 1 1 1 1", "++++++-"),
        (refused_or_any, "-1/-/agent_refused -1", "+-"),
        (refused_or_any, "1/-/agent_refused 2 3", "++-"),
        // A rule that is spent, or forbids, is not helped by those after it.
        (
            "[{exit_status: [1, 2], limit: 1}, {exit_status: 2, limit: 5}]",
            "1 2",
            "+-",
        ),
        (
            "[{exit_status: 2, limit: 1}, {exit_status: [1, 2], limit: 5}]",
            "2 1 2",
            "++-",
        ),
        (
            "[{signal: kill, limit: 0}, {limit: 3}]",
            "137/SIGKILL 137",
            "-+",
        ),
        // The same rule in other words.
        (
            "[{exit_status: [5], limit: 1}, {exit_status: 5, limit: 3}]",
            "5 5",
            "+-",
        ),
        (
            "{signal: SIGKILL, limit: 3}",
            "137/kill 137/KILL 137/Sigkill 137",
            "+++-",
        ),
        (
            "{signal: [SIGINT, hup], limit: 2}",
            "1/SIGHUP 1/int 1/int",
            "++-",
        ),
        ("{signal: '*'}", "1 143/SIGTERM 1", "++-"),
        ("{signal: none}", "1 137/SIGKILL", "+-"),
        ("{signal: [none, kill]}", "1 137/SIGKILL 143/SIGTERM", "++-"),
        ("{signal_reason: none}", "1 143/SIGTERM/agent_stop", "+-"),
        ("{signal_reason: '*'}", "1 1/-/cancel 1", "++-"),
        (
            "{signal_reason: [stack_error, none]}",
            "-1/-/stack_error 1 -1/-/cancel",
            "++-",
        ),
        (
            all_three,
            "143/SIGTERM/agent_stop 143/SIGTERM/agent_stop",
            "+-",
        ),
        (
            all_three,
            "143/SIGTERM 143/-/agent_stop 1/SIGTERM/agent_stop",
            "---",
        ),
    ] {
        let attempts: Vec<Value> = attempts
            .split(' ')
            .map(|attempt| {
                let mut words = attempt.split('/');
                json!({
                    "state_machine": "m",
                    "exit_status": word(words.next()),
                    "signal": word(words.next()),
                    "signal_reason": word(words.next()),
                })
            })
            .collect();
        let text = format!("retry: {{automatic: {automatic}}}");
        let decided = decided("buildkite", &text, &attempts, expected);
        assert_eq!(decided, expected, "{text} on {attempts:?}");
    }
}

#[test]
fn retriers_wait_as_specified() {
    let e = |more: &str| format!("[{{ErrorEquals: [E]{more}}}]");
    let two = "[{ErrorEquals: [A, B], IntervalSeconds: 1, BackoffRate: 2.0, MaxAttempts: 2}, \
               {ErrorEquals: [C], IntervalSeconds: 5}]"
        .to_owned();
    let but = |first: &str| format!("[{first}, {{ErrorEquals: [States.ALL], IntervalSeconds: 9}}]");
    // The retriers, the errors, and what is waited after each.
    for (retry, errors, expected) in [
        ("[]".to_owned(), "E", "-"),
        (e(""), "E E E E", "1 2 4 -"),
        (e(", MaxAttempts: 0"), "E", "-"),
        (
            e(", IntervalSeconds: 3, BackoffRate: 1, MaxAttempts: 2"),
            "E E E",
            "3 3 -",
        ),
        (
            e(", IntervalSeconds: 3, BackoffRate: 1.5"),
            "E E E",
            "3 4 6",
        ),
        (
            e(", MaxAttempts: 5, MaxDelaySeconds: 5"),
            "E E E E E E",
            "1 2 4 5 5 -",
        ),
        (e(", IntervalSeconds: 10, MaxDelaySeconds: 4"), "E E", "4 4"),
        (
            e(", IntervalSeconds: 7, BackoffRate: 1.1, MaxAttempts: 4"),
            "E E E E",
            "7 7 8 9",
        ),
        // Each retrier counts for itself.
        (two.clone(), "A B C B", "1 2 5 -"),
        (two.clone(), "A C B C C C", "1 5 2 10 20 -"),
        (two, "D", "-"),
        (but("{ErrorEquals: [E], MaxAttempts: 0}"), "E F F", "- 9 18"),
        (
            but("{ErrorEquals: [States.TaskFailed]}"),
            "States.Timeout E States.Permissions",
            "9 1 2",
        ),
        (
            but("{ErrorEquals: [States.Timeout]}"),
            "States.HeartbeatTimeout E",
            "1 9",
        ),
        (
            but("{ErrorEquals: [States.HeartbeatTimeout]}"),
            "States.Timeout",
            "9",
        ),
        (
            but("{ErrorEquals: [E]}"),
            "States.Runtime States.DataLimitExceeded",
            "- -",
        ),
        // Names are no patterns, and their case matters.
        (
            "[{ErrorEquals: ['Lambda.*', '*', Lambda]}]".to_owned(),
            "Lambda.X lambda * Lambda.*",
            "- - 1 2",
        ),
        (
            r"[{ErrorEquals: ['a\b', 'a\*']}]".to_owned(),
            r"a\b a\* ab a\x",
            "1 2 - -",
        ),
        (
            "[{ErrorEquals: ['null', 'true', '1']}]".to_owned(),
            "1 null true",
            "1 2 4",
        ),
    ] {
        let errors: Vec<Value> = errors
            .split(' ')
            .map(|error| json!({"state_machine": "m", "error": error}))
            .collect();
        let waits: Vec<&str> = expected.split(' ').collect();
        assert_eq!(errors.len(), waits.len(), "{retry}");
        let retried: Vec<bool> = waits.iter().map(|wait| *wait != "-").collect();
        let policy = policy("asl", &retry).unwrap();
        let waited: Vec<String> = judged(&policy, &errors, &retried)
            .iter()
            .map(|verdict| match verdict.decision {
                Decision::Retry => verdict.delay_seconds.to_string(),
                _ => "-".into(),
            })
            .collect();
        assert_eq!(waited, waits, "{retry}");
    }
}

#[test]
fn evaluate_on_exit_decides_as_documented() {
    let host = "-|-|Host EC2 (instance i-1) terminated.";
    let documented = "[{action: RETRY, onReason: AGENT}, \
                      {action: RETRY, onStatusReason: Task failed to start}, {action: EXIT, onReason: '*'}]";
    let spot = "[{action: RETRY, onStatusReason: 'Host EC2*'}, {action: EXIT, onReason: '*'}]";
    let all = "[{action: RETRY, onExitCode: 1, onReason: 'Bad*', onStatusReason: 'Essential*'}, \
               {action: EXIT, onReason: '*'}]";
    // Attempts in all, the entries, and attempts: exit code, reason and status reason of each.
    #[rustfmt::skip]
    let table = [
        (1, "[]", "1", "-"),
        (3, "[]", "1;-|-|gone;2", "++-"),
        (3, documented, "-|AGENT;-|-|Task failed to start;-|AGENT", "++-"),
        (3, documented, "1|-|Essential container in task exited", "-"),
        (3, spot, host, "+"),
        (3, spot, "137|OutOfMemoryError: Container killed|Essential container in task exited", "-"),
        // What no entry matches is tried again.
        (3, "[{action: EXIT, onExitCode: 1}]", "1;2", "-+"),
        (3, "[{action: EXIT, onExitCode: '13*'}]", "1;13;137;213", "+--+"),
        (3, "[{action: EXIT, onExitCode: '01'}]", "1", "+"),
        (3, "[{action: EXIT, onExitCode: '0*'}]", "0;10", "-+"),
        (3, "[{action: EXIT, onExitCode: '*'}]", "1", "-"),
        (3, "[{action: EXIT, onReason: abc}]", "1|abc;1|abcd;1|xabc", "-++"),
        (3, "[{action: EXIT, onReason: 'abc*'}]", "1|abc;1|abcd;1|xabc", "--+"),
        (3, "[{action: EXIT, onReason: 'a.b:c d'}]", "1|a.b:c d;1|axb:c d", "-+"),
        (3, "[{action: EXIT, onStatusReason: abc}]", "1|abc|-;1|-|abc", "+-"),
        (4, all, "1|Bad day|Essential container in task exited", "+"),
        (4, all, "2|Bad day|Essential;1|Good day|Essential;1|Bad day|other", "---"),
        (3, "[{action: exit, onReason: '*'}, {action: RETRY, onExitCode: 1}]", "1", "-"),
        // The attempts are those of the job, whichever entry let it be tried again.
        (2, "[{action: RETRY, onExitCode: 1}, {action: RETRY, onExitCode: 2}]", "1;2", "+-"),
        (9, "[{action: RETRY, onReason: '*'}]", "137|-|Job attempt duration exceeded timeout", "-"),
    ];
    for (most, entries, attempts, expected) in table {
        let attempts: Vec<Value> = attempts
            .split(';')
            .map(|attempt| {
                let mut words = attempt.split('|').map(|text| word(Some(text)));
                let mut next = || words.next().unwrap_or_default();
                let (exit, reason, status_reason) = (next(), next(), next());
                let mut cause = json!({"Status": "FAILED", "Container": {}});
                for (key, value) in [("ExitCode", exit), ("Reason", reason)] {
                    if !value.is_null() {
                        cause["Container"][key] = value;
                    }
                }
                if !status_reason.is_null() {
                    cause["StatusReason"] = status_reason;
                }
                json!({"state_machine": "m", "error": "States.TaskFailed", "cause": cause.to_string()})
            })
            .collect();
        let text = format!("retryStrategy: {{attempts: {most}, evaluateOnExit: {entries}}}");
        let decided = decided("batch", &text, &attempts, expected);
        assert_eq!(decided, expected, "{text} on {attempts:?}");
    }
}
