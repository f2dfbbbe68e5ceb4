//! `redrive test`: the tests in policy documents.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use redrive_core::policy::{Case, Document, Expect, Test};
use redrive_core::verdict::{Decision, Reason, Verdict};
use redrive_policy_tools::runner;
use redrive_policy_tools::visible::visible;
use serde_json::{Map, Value, json};

use crate::trace::Trace;
use crate::{CommandError, input};

pub(crate) fn run(
    policies: &[PathBuf],
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let named: Vec<&Path> = policies.iter().map(PathBuf::as_path).collect();
    input::one_from_standard_input(&named)?;
    let (mut passed, mut failed) = (0_usize, 0_usize);
    let mut unreadable: Vec<String> = Vec::new();
    for path in policies {
        let document = match input::policy(Some(path)) {
            Ok(document) => document,
            // The other documents are tested nevertheless.
            Err(CommandError::User(message)) => {
                unreadable.push(message);
                continue;
            }
            Err(other) => return Err(other),
        };
        if document.tests.is_empty() {
            let none = format!("{}: it has no tests", input::shown(path));
            if as_json {
                // Each line of the JSON output is a test.
                writeln!(io::stderr(), "redrive: {none}")?;
            } else {
                writeln!(out, "{none}; write them under tests:")?;
            }
        } else if !as_json {
            writeln!(out, "{}", input::shown(path))?;
        }
        for test in &document.tests {
            let tried = Tried::new(&document, test);
            if tried.passes {
                passed = passed.saturating_add(1);
            } else {
                failed = failed.saturating_add(1);
            }
            if as_json {
                writeln!(out, "{}", tried.json(path))?;
            } else {
                tried.print(out)?;
            }
        }
    }
    if !as_json {
        writeln!(out, "{passed} passed, {failed} failed.")?;
    }
    out.flush()?;
    match (unreadable.as_slice(), failed) {
        ([], 0) => Ok(()),
        ([], _) => Err(CommandError::Reported),
        _ => Err(CommandError::User(unreadable.join("\n"))),
    }
}

/// A test and its verdicts.
struct Tried<'a> {
    document: &'a Document,
    test: &'a Test,
    verdicts: Vec<Verdict>,
    passes: bool,
}

impl<'a> Tried<'a> {
    fn new(document: &'a Document, test: &'a Test) -> Self {
        Self {
            document,
            test,
            verdicts: runner::verdicts(document, test),
            passes: runner::passes(document, test),
        }
    }

    /// Yields each attempt with the expectation and the verdict.
    fn attempts(&self) -> impl Iterator<Item = (&'a Case, &'a Expect, &Verdict)> {
        let expected = self.test.attempts.iter().zip(&self.test.expect);
        expected
            .zip(&self.verdicts)
            .map(|((case, expect), verdict)| (case, expect, verdict))
    }

    /// Returns the result as JSON. Both lists have an entry for each attempt, in the words of a test's `expect`.
    fn json(&self, path: &Path) -> Value {
        let expected = self.attempts().map(|(_, expect, _)| {
            words(
                expect.decision,
                expect.policy.clone(),
                expect.rule.clone(),
                expect.reason.map(Reason::code),
            )
        });
        let actual = self.attempts().map(|(_, _, verdict)| {
            words(
                Some(verdict.decision),
                verdict.policy.clone(),
                verdict.rule(),
                Some(verdict.reason.code()),
            )
        });
        json!({
            "file": path.display().to_string(),
            "name": self.test.name,
            "pass": self.passes,
            "expected": expected.collect::<Vec<Value>>(),
            "actual": actual.collect::<Vec<Value>>(),
        })
    }

    fn print(&self, out: &mut impl Write) -> Result<(), CommandError> {
        let name = visible(&self.test.name);
        if self.passes {
            writeln!(out, "  passed  {name}")?;
            return Ok(());
        }
        writeln!(out, "  FAILED  {name} (line {})", self.test.at.0.line)?;
        let count = self.test.attempts.len();
        for (index, (case, expect, verdict)) in self.attempts().enumerate() {
            if runner::holds(expect, verdict) {
                continue;
            }
            if count > 1 {
                writeln!(out, "    attempt {} of {count}", index.saturating_add(1))?;
            }
            writeln!(out, "    expected {}", visible(&wanted(expect)))?;
            let why = visible(&verdict.sentence());
            writeln!(out, "    actual   {}: {why}", verdict.decision.as_str())?;
            writeln!(out, "    reason   {}", verdict.reason)?;
            let failure = runner::failure(case);
            let views = runner::views(case, &failure);
            Trace::of(self.document, &failure.subject, &views, verdict).print("    ", out)?;
        }
        Ok(())
    }
}

fn words(
    decision: Option<Decision>,
    policy: Option<String>,
    rule: Option<String>,
    reason: Option<&str>,
) -> Value {
    let decision = decision.map(|decision| decision.as_str().to_owned());
    let words = [
        ("decision", decision),
        ("policy", policy),
        ("rule", rule),
        ("reason", reason.map(str::to_owned)),
    ];
    words
        .into_iter()
        .filter_map(|(word, value)| Some((word.to_owned(), Value::from(value?))))
        .collect::<Map<String, Value>>()
        .into()
}

/// Returns `retry, policy nightly, rule throttled, reason matched`, or the part of it that is written.
fn wanted(expect: &Expect) -> String {
    let decision = expect.decision.map(|decision| decision.as_str().to_owned());
    let policy = expect.policy.as_ref().map(|name| format!("policy {name}"));
    let rule = expect.rule.as_ref().map(|id| format!("rule {id}"));
    let reason = expect.reason.map(|reason| format!("reason {reason}"));
    let parts: Vec<String> = [decision, policy, rule, reason]
        .into_iter()
        .flatten()
        .collect();
    parts.join(", ")
}
