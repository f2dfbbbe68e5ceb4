//! Retry blocks of Buildkite, judged here as on their own platform. `REDRIVE_VECTORS` names the folder with the
//! vectors, and its README describes them.
//! `REDRIVE_VECTORS=FOLDER cargo test -p redrive-policy-tools --lib -- --ignored --nocapture` tries them.

#![expect(clippy::print_stderr, reason = "a test says how many passed")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use redrive_policy::node::{self, Kind, Node, Scalar};

/// Returns the node as JSON. The reader treats it the same, and it has no anchors of the surrounding document.
fn as_json(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(as_json).collect(),
        Kind::Map(entries) => entries
            .iter()
            .map(|(key, node)| (key.text.clone(), as_json(node)))
            .collect(),
        Kind::Scalar { .. } => match node.scalar().unwrap() {
            Scalar::Null => Value::Null,
            Scalar::Bool(truth) => truth.into(),
            Scalar::Int(number) => number.into(),
            Scalar::Float(number) => number.into(),
            Scalar::Text(text) => text.into(),
        },
    }
}

/// Returns a failure in normalised words for a job of Buildkite.
fn attempt(job: &Value) -> Value {
    let mut words = json!({
        "state_machine": "job",
        "exit_status": job["exit_status"],
        "signal": job["signal"],
        "signal_reason": job["signal_reason"],
    });
    let status = match (job["build_state"].as_str(), job["state"].as_str()) {
        // A cancelled build corresponds to an aborted execution.
        (Some("canceled"), _) => "ABORTED",
        (_, Some("timed_out")) => "TIMED_OUT",
        _ => "FAILED",
    };
    words["status"] = status.into();
    words
}

/// Returns the outcome of a Buildkite case under the policy.
fn outcome(case: &Value) -> String {
    let attempts: Vec<Value> = case["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(attempt)
        .collect();
    let expect: Vec<&str> = case["expect"]
        .as_array()
        .unwrap()
        .iter()
        .map(|retried| if retried == true { "retry" } else { "give_up" })
        .collect();
    let mut document =
        json!({"version": 1, "retry": case["policy"], "budget": {"per_execution": 1000}});
    if !attempts.is_empty() {
        document["tests"] = json!([{"name": case["id"], "attempts": attempts, "expect": expect}]);
    }
    match Document::parse(&document.to_string()) {
        Err(_) => "refused".into(),
        Ok(document) => {
            let verdicts = document
                .tests
                .first()
                .map(|test| runner::verdicts(&document, test))
                .unwrap_or_default();
            let retried: Vec<bool> = verdicts
                .iter()
                .map(|verdict| verdict.decision == redrive_core::verdict::Decision::Retry)
                .collect();
            json!(retried).to_string()
        }
    }
}

/// Returns the grade of a case: as required, as permitted, or wrong.
fn graded(case: &Value) -> (&'static str, String) {
    let outcome = outcome(case);
    let expected = if case["valid"] == false {
        "refused".to_string()
    } else {
        case["expect"].to_string()
    };
    if case["ambiguous"] != true {
        return (
            if outcome == expected {
                "passed"
            } else {
                "FAILED"
            },
            outcome,
        );
    }
    let recommended = match case["recommended"].as_str() {
        Some(words) if words.contains("reject") || words.contains("refuse") => {
            "refused".to_string()
        }
        _ => match &case["recommended"] {
            Value::Array(retried) => json!(retried).to_string(),
            _ => expected.clone(),
        },
    };
    let alternative = match (&case["expect_alt"], &case["alt_valid"]) {
        (_, Value::Bool(false)) => "refused".to_string(),
        (alternative, _) => alternative.to_string(),
    };
    let accepted = outcome == expected
        || outcome == alternative
        || (case["alt_valid"] == true && outcome != "refused");
    match outcome {
        _ if outcome == recommended => ("passed", outcome),
        _ if accepted => ("passed by the other reading", outcome),
        _ => ("FAILED", outcome),
    }
}

#[test]
#[ignore = "needs REDRIVE_VECTORS: a folder of test vectors"]
fn the_vectors_come_out_as_they_should() {
    let folder = std::env::var_os("REDRIVE_VECTORS").expect("REDRIVE_VECTORS names no folder");
    let folder = Path::new(&folder);
    let (mut passed, mut others, mut failed) = (0, 0, Vec::new());
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(folder.join("buildkite-cases.json")).unwrap()).unwrap();
    for case in &cases {
        match graded(case) {
            ("passed", _) => passed += 1,
            ("FAILED", outcome) => failed.push(format!("{outcome} of {case}")),
            _ => others += 1,
        }
    }
    let mut files = 0;
    for file in fs::read_dir(folder.join("buildkite")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (root, problems) = node::parse(&fs::read_to_string(&path).unwrap());
        assert_eq!(problems, [], "{name}");
        let block = as_json(&root.unwrap());
        let document = json!({"version": 1, "retry": block["retry"]}).to_string();
        let is_read = Document::parse(&document);
        files += 1;
        if is_read.is_err() == name.contains("INVALID") {
            passed += 1;
        } else {
            failed.push(format!("{name}: {:?}", is_read.err()));
        }
    }
    eprintln!(
        "vectors: of {} cases and {files} files {passed} passed, {others} more by the other reading, {} failed",
        cases.len(),
        failed.len()
    );
    assert!(files > 0 && !cases.is_empty());
    assert_eq!(failed, Vec::<String>::new());
}
