//! Wildcards that let time-outs in.

use redrive_core::failure::ExecutionStatus;
use redrive_policy::{
    ConditionKey, ConditionValue, Conditions, FailureView, Field, Match, Pattern, Problem, Rule,
};

use super::cover;
use super::sample::execution;

/// The words by which time-outs come in.
const WORDS: [ConditionKey; 4] = [
    ConditionKey::Error,
    ConditionKey::Status,
    ConditionKey::ExitStatus,
    ConditionKey::SignalReason,
];

/// A warning where a rule retries time-outs for no other reason than a wildcard, and no former rule has them.
pub(super) fn let_in(rule: &Rule, former: &[Rule], problems: &mut Vec<Problem>) {
    let timeout = || Field::Known("States.Timeout".into());
    // The execution's own, and one of its tasks'.
    for status in [ExecutionStatus::TimedOut, ExecutionStatus::Failed] {
        let timed_out = execution(status, timeout(), Field::Absent);
        let view = timed_out.view();
        let taken = former
            .iter()
            .any(|former| former.conditions.matches_by_name(&view) == Match::Yes);
        if taken || rule.conditions.matches(&view) == Match::No {
            continue;
        }
        let Some((key, value)) = wildcard(&rule.conditions, &view) else {
            continue;
        };
        problems.push(Problem::lint(
            value.at.0,
            format!(
                "{}: {:?} lets time-outs in: what took too long is run again, and may take as long again",
                key.as_str(),
                value.written
            ),
            "add not: { error: States.Timeout }, or put a rule before this one that names States.Timeout",
        ));
        return;
    }
}

/// The first wildcard that matches, unless the rule names time-outs besides.
fn wildcard<'r>(
    conditions: &'r Conditions,
    view: &FailureView<'_>,
) -> Option<(ConditionKey, &'r ConditionValue)> {
    let mut found = None;
    for condition in &conditions.all {
        let key = condition.key;
        let (true, Some(field)) = (WORDS.contains(&key), view.get(key)) else {
            continue;
        };
        for value in &condition.values {
            if !cover::value_matches(key, value, field, false) {
                continue;
            }
            if value.is_glob() || value.pattern == Pattern::AnyError {
                found = found.or(Some((key, value)));
            } else if !is_failed(key, value) {
                return None;
            }
        }
    }
    found
}

/// `status: FAILED` is not a word for a time-out, though a task's matches it.
fn is_failed(key: ConditionKey, value: &ConditionValue) -> bool {
    key == ConditionKey::Status && value.written.eq_ignore_ascii_case("FAILED")
}
