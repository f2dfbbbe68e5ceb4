use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, Field, Need, Redrivable,
    StageStanding, StageStatus, What,
};
use crate::time::Time;

mod backoff;
mod cases;
mod conditions;
mod hostile;
mod ids;
mod index;
mod lints;
mod messages;
mod modes;
mod problems;
mod reading;
mod scopes;
mod vectors;
mod warnings;
mod words;

fn read(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn wrong(text: &str) -> alloc::string::String {
    match Document::parse(text) {
        Ok(document) => panic!("{document:?} from {text}"),
        Err(problems) => problems.to_string(),
    }
}

/// The only rule of a document with that rule, written in flow style or as JSON.
fn rule(rule: &str) -> Rule {
    let document = read(&format!("{{version: 1, retry: {{automatic: {rule}}}}}"));
    let mut rules = document.policies.into_iter().next().unwrap().automatic;
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

/// The values of a rule's first condition, as written.
fn written(rule: &Rule) -> Vec<String> {
    let values = &rule.conditions.all[0].values;
    values.iter().map(|value| value.written.clone()).collect()
}

fn text(field: Option<Field<&str>>) -> Field<alloc::string::String> {
    match field {
        None | Some(Field::Absent) => Field::Absent,
        Some(Field::Unknown) => Field::Unknown,
        Some(Field::Withheld) => Field::Withheld,
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
        moved_on: None,
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

fn on_error(conditions: &str, error: Field<&str>) -> Hit {
    on(conditions, &failed(error, Field::Absent))
}

fn on(conditions: &str, execution: &FailedExecution) -> Hit {
    rule(conditions)
        .conditions
        .meet_by_name(&View::execution(execution))
}

fn on_action(conditions: &str, action: Option<&FailedAction>) -> Hit {
    let view = View::action("Verify", action);
    rule(conditions).conditions.meet_by_name(&view)
}

fn run(machine: &str) -> Subject {
    Subject::Execution {
        arn: format!("arn:aws:states:eu-west-1:111122223333:execution:{machine}:run-1"),
    }
}

fn stage_of(pipeline: &str) -> Subject {
    Subject::stage("aws", "eu-west-1", "111122223333", pipeline, "Build", "e-1")
}

/// A failure in normalised words, in flow style and without its braces, as a test of a document has it.
fn case(words: &str) -> Case {
    let text = format!(
        "{{version: 1, retry: {{}}, tests: [{{name: t, failure: {{{words}}}, expect: ignore}}]}}"
    );
    read(&text).tests.remove(0).attempts.remove(0)
}

/// How a rule with these conditions meets a failure in normalised words.
fn met(conditions: &str, words: &str) -> Hit {
    let case = case(words);
    rule(conditions).conditions.meet_by_name(&case.views()[0])
}

/// The decisions of a rule on consecutive failures in normalised words, each retried that may be.
fn decided(document: &Document, attempts: &[&str]) -> Vec<String> {
    let cases: Vec<Case> = attempts.iter().map(|words| case(words)).collect();
    let told = |verdict: crate::verdict::Verdict| {
        format!("{} {}", verdict.decision.as_str(), verdict.because)
    };
    judge(document, &cases, &[]).into_iter().map(told).collect()
}
