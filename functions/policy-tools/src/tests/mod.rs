//! Tests of lints, and of documents judged as the functions judge failures.

use redrive_core::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, FailureDetail, Need,
    Redrivable, StageSnapshot, Subject,
};
use redrive_core::time::Time;
use redrive_core::view;
use redrive_policy::{
    ActualValue, Backoff, Case, ConditionKey, Document, FailureView, Field, Glob, JitterStrategy,
    Manual, Rule, SdkRetryMode, Service, Severity, one_of,
};

use crate::lint::{amplified, check, covers_by_name, execution, lint, lint_machine};
use crate::runner::{self, judge};

mod cases;
mod conditions;
mod lints;
mod messages;
mod modes;
mod vectors;
mod words;

/// The match of a rule, with the fact that an open result depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Unknown(Need),
    Redacted,
}

impl Match {
    fn of(matched: redrive_policy::Match, service: Service) -> Self {
        match matched {
            redrive_policy::Match::Yes => Self::Yes,
            redrive_policy::Match::No => Self::No,
            redrive_policy::Match::Unknown(key) => Self::Unknown(view::need(key, service)),
            redrive_policy::Match::Redacted => Self::Redacted,
        }
    }
}

impl From<bool> for Match {
    fn from(matched: bool) -> Self {
        if matched { Self::Yes } else { Self::No }
    }
}

fn read(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn wrong(text: &str) -> String {
    match Document::parse(text) {
        Ok(document) => panic!("{document:?} from {text}"),
        Err(problems) => problems.to_string(),
    }
}

/// Returns the only rule of a document with that rule, written in flow style or as JSON.
fn rule(rule: &str) -> Rule {
    let document = read(&format!("{{version: 1, retry: {{automatic: {rule}}}}}"));
    let mut rules = document.policies.into_iter().next().unwrap().automatic;
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

fn text(field: Option<Field<&str>>) -> Field<String> {
    match field {
        None | Some(Field::Absent) => Field::Absent,
        Some(Field::Unknown) => Field::Unknown,
        Some(Field::Redacted) => Field::Redacted,
        Some(Field::Known(text)) => Field::Known(text.into()),
    }
}

fn failed(error: Field<&str>, cause: Field<&str>) -> FailedExecution {
    FailedExecution {
        status: ExecutionStatus::Failed,
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error: text(Some(error)),
        cause: text(Some(cause)),
        parent: Field::Absent,
        fail_state: Field::Known(false),
        state: Field::Unknown,
        resource: Field::Unknown,
        changed_since: None,
    }
}

fn failed_action() -> FailedAction {
    FailedAction {
        action: "UnitTests".into(),
        id: Some("a-1".into()),
        category: Field::Known("Test".into()),
        provider: Field::Known("CodeBuild".into()),
        error_code: Field::Known("JobFailed".into()),
        summary: Field::Known("Reason: exit status 1".into()),
    }
}

fn by_name(conditions: &str, view: &FailureView<'_>) -> Match {
    Match::of(
        rule(conditions).conditions.matches_by_name(view),
        view.service,
    )
}

fn on_error(conditions: &str, error: Field<&str>) -> Match {
    on(conditions, &failed(error, Field::Absent))
}

fn on(conditions: &str, execution: &FailedExecution) -> Match {
    by_name(conditions, &execution.view())
}

fn on_action(conditions: &str, action: Option<&FailedAction>) -> Match {
    by_name(conditions, &view::of_action("Verify", action))
}

fn stage_of(pipeline: &str) -> Subject {
    Subject::stage("aws", "eu-west-1", "111122223333", pipeline, "Build", "e-1")
}

/// Returns a failure in normalised words, in flow style without braces, as a document's test has it.
fn case(words: &str) -> Case {
    let text = format!(
        "{{version: 1, retry: {{}}, tests: [{{name: t, failure: {{{words}}}, expect: ignore}}]}}"
    );
    read(&text).tests.remove(0).attempts.remove(0)
}

/// Returns the match of a rule with these conditions on a failure in normalised words.
fn met(conditions: &str, words: &str) -> Match {
    let case = case(words);
    let failure = runner::failure(&case);
    by_name(conditions, &runner::views(&case, &failure)[0])
}

/// Returns the decisions on consecutive failures in normalised words. Every failure that may be retried is retried.
fn decided(document: &Document, attempts: &[&str]) -> Vec<String> {
    let cases: Vec<Case> = attempts.iter().map(|words| case(words)).collect();
    let words = |verdict: redrive_core::verdict::Verdict| {
        format!("{} {}", verdict.decision.as_str(), verdict.reason)
    };
    judge(document, &cases, &[])
        .into_iter()
        .map(words)
        .collect()
}
