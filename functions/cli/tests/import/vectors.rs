//! Retry configurations of others, imported and judged as their own platform judges them. `REDRIVE_VECTORS`
//! names the folder; its README says what is in it.
//! `REDRIVE_VECTORS=FOLDER cargo test -p redrive-cli --test import -- --ignored --nocapture` tries them.

#![expect(clippy::print_stderr, reason = "a test says how many cases passed")]

use std::path::PathBuf;

use redrive_core::verdict::Verdict;
use serde_json::{Value, json};

use crate::jobs::{End, TOLD, judged_both_ways};
use crate::{judged, policy, retried};

fn folder() -> PathBuf {
    std::env::var_os("REDRIVE_VECTORS")
        .expect("REDRIVE_VECTORS names no folder")
        .into()
}

fn cases(name: &str) -> Vec<Value> {
    let cases: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap();
    assert!(!cases.is_empty());
    cases
}

/// What a case came to: nothing was refused that is legal, and each verdict is as it should be.
struct Came {
    refused: bool,
    as_expected: bool,
    as_alternative: bool,
    what: String,
}

fn booleans(list: &Value) -> Vec<bool> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|item| item.as_bool().unwrap_or_else(|| item["retry"] == true))
        .collect()
}

/// Imports `text`, and judges `attempts` by the expectation and by its alternative.
fn came(
    platform: &str,
    text: &str,
    case: &Value,
    attempts: &[Value],
    holds: impl Fn(&[Verdict], &Value) -> bool,
) -> Came {
    let Some(policy) = policy(platform, text) else {
        return Came {
            refused: true,
            as_expected: false,
            as_alternative: false,
            what: "refused".into(),
        };
    };
    let by = |expected: &Value| {
        let verdicts = judged(&policy, attempts, &booleans(expected));
        let told = verdicts
            .iter()
            .map(|verdict| (verdict.decision.as_str(), verdict.delay_seconds))
            .collect::<Vec<_>>();
        (holds(&verdicts, expected), format!("{told:?}"))
    };
    let (as_expected, what) = by(&case["expect"]);
    Came {
        refused: false,
        as_expected,
        as_alternative: case["expect_alt"].is_array() && by(&case["expect_alt"]).0,
        what,
    }
}

/// Counts of a set of cases.
#[derive(Default)]
struct Count {
    passed: Vec<String>,
    other: Vec<String>,
    cannot: Vec<String>,
    failed: Vec<String>,
}

impl Count {
    fn take(&mut self, case: &Value, came: &Came) {
        let id = case["id"].as_str().unwrap().to_owned();
        let told = format!("{id}: {}", came.what);
        let invalid = case["valid"] == false;
        let recommends_refusal = case["recommended"]
            .as_str()
            .is_some_and(|words| words.contains("reject") || words.contains("refuse"));
        let ambiguous = case["ambiguous"] == true;
        let expected = if invalid || recommends_refusal {
            came.refused
        } else {
            came.as_expected
        };
        let other = ambiguous
            && (came.as_alternative
                || came.as_expected
                || case["alt_valid"] == !came.refused
                || (invalid && case["alt_valid"].is_null() && !came.refused));
        if expected {
            self.passed.push(id);
        } else if other {
            self.other.push(told);
        } else if let Some(reason) = cannot_hold(case) {
            self.cannot.push(format!("{told}: {reason}"));
        } else {
            self.failed.push(format!("{told} of {case}"));
        }
    }

    fn tell(&self, what: &str) {
        eprintln!(
            "{what}: {} passed, {} by the other reading {:?}, {} cannot hold {:?}, {} failed",
            self.passed.len(),
            self.other.len(),
            self.other,
            self.cannot.len(),
            self.cannot,
            self.failed.len()
        );
        assert_eq!(self.failed, Vec::<String>::new(), "{what}");
    }
}

/// Why a case asks for what a redrive does not have.
fn cannot_hold(case: &Value) -> Option<&'static str> {
    if case["redrive_before"].is_array() {
        return Some("a redrive resets a Retry's count, and never a rule's");
    }
    let retriers = case["retry"].as_array().into_iter().flatten();
    if retriers
        .clone()
        .any(|retrier| retrier["MaxAttempts"].as_f64() > Some(10.0))
    {
        return Some("a rule retries at most 10 times");
    }
    match case["needs"].as_str() {
        Some("terminated") => {
            Some("the cause of a terminated job holds the words of who terminated it, and no mark")
        }
        Some(_) => Some("a failure here has no such key"),
        None => None,
    }
}

#[test]
#[ignore = "needs REDRIVE_VECTORS: a folder of test vectors"]
fn the_cases_of_the_states_language_hold() {
    let mut count = Count::default();
    for case in cases("asl-cases.json") {
        let errors = case["errors"].as_array().unwrap();
        // In a machine, and as a list of retriers alone.
        let machine = json!({
            "StartAt": "Work",
            "States": {"Work": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retry": case["retry"], "End": true}},
        });
        for text in [machine.to_string(), case["retry"].to_string()] {
            let attempts: Vec<Value> = errors
                .iter()
                .map(|error| json!({"state_machine": "job", "error": error, "state": "Work"}))
                .collect();
            let came = came("asl", &text, &case, &attempts, |verdicts, expected| {
                let waits = expected.as_array().unwrap().iter().zip(verdicts);
                retried(verdicts) == booleans(expected)
                    && waits
                        .filter(|(wait, _)| wait["retry"] == true)
                        .all(|(wait, verdict)| is_within(&wait["delay_s"], verdict.delay_seconds))
            });
            count.take(&case, &came);
        }
    }
    count.tell("asl, each twice");
}

/// Whether a wait is as long as it should be, its part of a second left aside.
fn is_within(delay: &Value, waited: u32) -> bool {
    let waited = f64::from(waited);
    match delay {
        Value::Number(seconds) => (waited - seconds.as_f64().unwrap().floor()).abs() < 0.5,
        Value::Array(bounds) => {
            let [least, most] = [0, 1].map(|at| bounds[at].as_f64().unwrap());
            least.floor() <= waited && waited <= most
        }
        _ => true,
    }
}

/// A job's end as Step Functions tells it.
fn job(attempt: &Value) -> Value {
    let mut container = json!({"Command": ["run"], "Image": "job"});
    let mut cause = json!({"JobName": "job", "Status": "FAILED"});
    for (from, key) in [("exitCode", "ExitCode"), ("reason", "Reason")] {
        if !attempt[from].is_null() {
            container[key] = attempt[from].clone();
        }
    }
    if !attempt["statusReason"].is_null() {
        cause["StatusReason"] = attempt["statusReason"].clone();
    }
    cause["Attempts"] = json!([{"Container": container, "StatusReason": cause["StatusReason"]}]);
    cause["Container"] = container;
    let is_lost = attempt["exitCode"].is_null()
        && attempt["statusReason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("Host EC2"));
    let exit_status = if is_lost {
        json!(-1)
    } else {
        attempt["exitCode"].clone()
    };
    json!({
        "state_machine": "job",
        "error": "States.TaskFailed",
        "cause": cause.to_string(),
        "exit_status": exit_status,
    })
}

#[test]
#[ignore = "needs REDRIVE_VECTORS: a folder of test vectors"]
fn the_cases_of_batch_hold() {
    let mut count = Count::default();
    for case in cases("batch-cases.json") {
        // Alone, and in a job definition.
        let definition = json!({"jobDefinitionName": "job", "retryStrategy": case["policy"]});
        for text in [case["policy"].to_string(), definition.to_string()] {
            let attempts: Vec<Value> = case["attempts"]
                .as_array()
                .unwrap()
                .iter()
                .map(job)
                .collect();
            let came = came("batch", &text, &case, &attempts, |verdicts, expected| {
                retried(verdicts) == booleans(expected)
            });
            count.take(&case, &came);
        }
    }
    count.tell("batch, each twice");
}

/// The same cases with exit code, reason and status reason read from the cause of an event.
///
/// One kind of case comes out otherwise than in Batch, and is no failure: a lost host ("Host EC2*") whose process
/// left an exit code all the same. Here that is `exit_status: -1`, since the machine ended the work and not the
/// program, so that no entry by `onExitCode` sees that code.
#[test]
#[ignore = "needs REDRIVE_VECTORS: a folder of test vectors"]
fn batch_cases_hold_with_the_end_from_the_cause() {
    let mut count = Count::default();
    let mut read_as_lost = Vec::new();
    for case in cases("batch-cases.json") {
        let Some(policy) = policy("batch", &case["policy"].to_string()) else {
            // Refused, which the other test judges.
            continue;
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let attempts = case["attempts"].as_array().unwrap().iter();
        let ends: Vec<End> = attempts
            .map(|attempt| End {
                exit_code: attempt["exitCode"]
                    .as_i64()
                    .map(|code| i32::try_from(code).unwrap()),
                reason: text(&attempt["reason"]),
                status_reason: text(&attempt["statusReason"]),
            })
            .collect();
        for told in TOLD {
            let by = |expected: &Value| {
                let expected = booleans(expected);
                let verdicts = judged_both_ways(&policy, &ends, told, &[], &expected);
                let retried = retried(&verdicts);
                (retried == expected, format!("{retried:?}"))
            };
            let (as_expected, what) = by(&case["expect"]);
            let came = Came {
                refused: false,
                as_expected,
                as_alternative: case["expect_alt"].is_array() && by(&case["expect_alt"]).0,
                what,
            };
            let is_lost = |end: &End| end.is_host_lost() && end.exit_code.is_some();
            let asks_code = case["policy"].to_string().contains("\"onExitCode\"");
            if !came.as_expected && !came.as_alternative && asks_code && ends.iter().any(is_lost) {
                read_as_lost.push(case["id"].clone());
            } else {
                count.take(&case, &came);
            }
        }
    }
    eprintln!("batch, a lost host with an exit code, read as -1: {read_as_lost:?}");
    count.tell("batch by its cause, each told in two ways");
}

/// A failure of ours for a job of Buildkite's.
fn failure(job: &Value) -> Value {
    let status = match (job["build_state"].as_str(), job["state"].as_str()) {
        // A cancelled build is what an aborted execution is.
        (Some("canceled"), _) => "ABORTED",
        (_, Some("timed_out")) => "TIMED_OUT",
        _ => "FAILED",
    };
    json!({
        "state_machine": "job",
        "status": status,
        "exit_status": job["exit_status"],
        "signal": job["signal"],
        "signal_reason": job["signal_reason"],
    })
}

#[test]
#[ignore = "needs REDRIVE_VECTORS: a folder of test vectors"]
fn the_cases_of_buildkite_hold() {
    let mut count = Count::default();
    for case in cases("buildkite-cases.json") {
        // A block alone, and in the only step of a pipeline.
        let block = json!({"retry": case["policy"]});
        let pipeline =
            json!({"steps": [{"key": "job", "command": "x", "retry": case["policy"]}, "wait"]});
        for text in [
            case["policy"].to_string(),
            block.to_string(),
            pipeline.to_string(),
        ] {
            let attempts: Vec<Value> = case["attempts"]
                .as_array()
                .unwrap()
                .iter()
                .map(failure)
                .collect();
            let came = came(
                "buildkite",
                &text,
                &case,
                &attempts,
                |verdicts, expected| retried(verdicts) == booleans(expected),
            );
            count.take(&case, &came);
        }
    }
    count.tell("buildkite, each three times");
}

#[test]
#[ignore = "needs REDRIVE_VECTORS: a folder of test vectors"]
fn buildkite_files_are_read_or_refused_as_documented() {
    let mut files = 0;
    for file in std::fs::read_dir(folder().join("buildkite")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let policy = policy("buildkite", &std::fs::read_to_string(&path).unwrap());
        assert_eq!(policy.is_none(), name.contains("INVALID"), "{name}");
        files += 1;
    }
    eprintln!("buildkite files: {files}");
}
