//! `redrive import` as a user runs it, and what the policies that it prints come to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod meaning;
mod refusals;
mod samples;
mod vectors;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use redrive_core::policy::{Document, Test};
use redrive_core::verdict::{Decision, Verdict};
use serde_json::{Value, json};

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// What a run of the command printed, and how it ended.
#[derive(Debug)]
struct Ran {
    out: String,
    err: String,
    code: i32,
}

fn import(platform: &str, file: &str, input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_redrive"))
        .args(["import", platform, file])
        .current_dir(top())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

/// The policy that is printed for a text, or none if it is refused with a place.
fn policy(platform: &str, text: &str) -> Option<String> {
    let ran = import(platform, "-", text);
    if ran.code == 0 {
        return Some(ran.out);
    }
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    let placed = |line: &str| {
        let mut parts = line.strip_prefix("-:").unwrap_or_default().split(':');
        parts
            .by_ref()
            .take(2)
            .all(|part| part.parse::<u32>().is_ok())
    };
    assert!(ran.err.lines().skip(1).all(placed), "{}", ran.err);
    None
}

/// The core's verdicts on consecutive failures in normalised words, each retried that is expected to be.
fn judged(policy: &str, attempts: &[Value], expected: &[bool]) -> Vec<Verdict> {
    if attempts.is_empty() {
        return Vec::new();
    }
    let decision = |retried: &bool| if *retried { "retry" } else { "give_up" };
    let tests = json!([{
        "name": "attempts",
        "attempts": attempts,
        "expect": expected.iter().map(decision).collect::<Vec<_>>(),
    }]);
    let text = format!("{policy}tests: {tests}\n");
    let document = Document::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    document
        .tests
        .first()
        .map(|test: &Test| test.judge(&document))
        .unwrap()
}

fn retried(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts
        .iter()
        .map(|verdict| verdict.decision == Decision::Retry)
        .collect()
}
