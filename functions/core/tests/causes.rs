//! What is read from causes as they were captured.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![expect(clippy::disallowed_methods, reason = "a test reads files")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use redrive_core::cause::Ended;
use redrive_core::failure::{ExecutionStatus, FailedAction, Field};
use redrive_core::policy::ConditionKey;
use serde_json::Value;

/// Every JSON file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|is| is == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The fields in columns; a point where there is none.
fn columns(ended: &Ended, text: &str) -> String {
    let values = ended.values(text);
    let mut line = String::new();
    for key in ConditionKey::of_texts() {
        let cell = match values.get(key) {
            Field::Known(value) => value.to_string(),
            _ => ".".into(),
        };
        write!(line, "{cell:18} ").unwrap();
    }
    let person = ended.by_person == Field::Known(true);
    line + if person { "person" } else { "." }
}

fn text(value: &Value, key: &str) -> Field<String> {
    Field::from_option(value[key].as_str().map(String::from))
}

/// Each failure in a sample: a word for it, and how it ended.
fn endings(sample: &Value, found: &mut Vec<(String, String)>) {
    match sample {
        Value::Array(list) => list.iter().for_each(|one| endings(one, found)),
        Value::Object(members) => {
            let (error, cause) = ["error", "Error"]
                .iter()
                .zip(["cause", "Cause"])
                .map(|(error, cause)| (text(sample, error), text(sample, cause)))
                .find(|(error, cause)| error.known().is_some() || cause.known().is_some())
                .unwrap_or((Field::Absent, Field::Absent));
            let status = match sample["status"].as_str() {
                Some("TIMED_OUT") => ExecutionStatus::TimedOut,
                _ => ExecutionStatus::Failed,
            };
            if error != cause || status == ExecutionStatus::TimedOut {
                let name = error.known().cloned().unwrap_or_default();
                let ended = Ended::execution(status, error.as_text(), cause.as_text());
                let text = cause.known().map_or("", String::as_str);
                found.push((name, columns(&ended, text)));
            }
            // A task as ECS describes it, which Step Functions would hand on as the cause.
            if members.contains_key("stopCode") {
                let cause = sample.to_string();
                let ended = Ended::execution(
                    ExecutionStatus::Failed,
                    Field::Known("States.TaskFailed"),
                    Field::Known(&cause),
                );
                found.push(("(an ECS task)".into(), columns(&ended, &cause)));
            }
            let result = sample
                .get("execution-result")
                .filter(|result| result["error-code"].is_string())
                .map(|result| {
                    (
                        text(result, "external-execution-summary"),
                        "error-code",
                        result,
                    )
                });
            let details = sample
                .get("errorDetails")
                .map(|details| (text(details, "message"), "code", details));
            let pair = members
                .contains_key("summary")
                .then(|| (text(sample, "summary"), "error_code", sample))
                .filter(|_| members.contains_key("retry_hint"));
            for (summary, code, place) in [result, details, pair].into_iter().flatten() {
                let provider = match text(&sample["type"], "provider") {
                    Field::Known(provider) => Field::Known(provider),
                    _ => text(sample, "provider"),
                };
                let name = provider.known().cloned().unwrap_or_default();
                let action = FailedAction {
                    provider,
                    error_code: text(place, code),
                    summary,
                    ..FailedAction::default()
                };
                found.push((name, columns(&Ended::action(&action), "")));
            }
            members.values().for_each(|one| endings(one, found));
        }
        _ => {}
    }
}

/// `REDRIVE_CORPUS=FOLDER cargo test -p redrive-core --test causes -- --ignored --nocapture`
#[test]
#[ignore = "needs REDRIVE_CORPUS: a folder of captured samples"]
fn the_fields_of_every_captured_cause_are_printed() {
    let folder = std::env::var_os("REDRIVE_CORPUS").expect("REDRIVE_CORPUS names no folder");
    let mut table = String::new();
    for path in files(Path::new(&folder)) {
        let sample = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        endings(&sample, &mut found);
        let file = path.file_stem().unwrap().to_string_lossy();
        for (name, ended) in found {
            let name: String = name.chars().take(34).collect();
            writeln!(table, "{file:56.56} {name:34} {ended}").unwrap();
        }
    }
    assert!(!table.is_empty(), "no failure among the samples");
    #[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
    {
        let keys: String = ConditionKey::of_texts()
            .map(|key| format!("{:18} ", key.as_str()))
            .collect();
        println!("{:56} {:34} {keys}person", "sample", "error or provider");
        print!("{table}");
    }
}
