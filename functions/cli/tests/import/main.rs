//! `redrive import` as a user runs it, and what the policies that it prints come to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../command/mod.rs"]
#[expect(dead_code, reason = "one command is enough here")]
mod command;
mod jobs;
mod meaning;
mod refusals;
mod samples;
mod tables;
mod vectors;

use std::path::Path;

use redrive_core::policy::Document;
use redrive_core::verdict::{Decision, Verdict};
use redrive_policy_tools::runner::verdicts;
use serde_json::{Value, json};

use self::command::{CRATE, Ran, redrive_in};

fn import(platform: &str, file: &str, input: &str) -> Ran {
    redrive_in(
        Path::new(CRATE),
        &["import", platform, file],
        input.as_bytes(),
    )
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
        .map(|test| verdicts(&document, test))
        .unwrap()
}

fn retried(verdicts: &[Verdict]) -> Vec<bool> {
    verdicts
        .iter()
        .map(|verdict| verdict.decision == Decision::Retry)
        .collect()
}
