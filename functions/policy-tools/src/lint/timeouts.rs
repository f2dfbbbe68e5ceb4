//! Wildcards that match time-outs.

use redrive_core::failure::ExecutionStatus;
use redrive_policy::{
    ConditionKey, ConditionValue, Conditions, FailureView, Field, Match, Pattern, Problem, Rule,
};

use super::cover;
use super::sample::execution;

/// Keys whose wildcards can match a time-out.
const WORDS: [ConditionKey; 4] = [
    ConditionKey::Error,
    ConditionKey::Status,
    ConditionKey::ExitStatus,
    ConditionKey::SignalReason,
];

/// Warns of a rule that retries time-outs only because of a wildcard, if no former rule takes them.
pub(super) fn let_in(rule: &Rule, former: &[Rule], problems: &mut Vec<Problem>) {
    let timeout = || Field::Known("States.Timeout".into());
    // The time-out of the execution, and that of one of its tasks.
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
                "{}: {:?} matches time-outs too: a run that took too long may take as long again",
                key.as_str(),
                value.written
            ),
            "add not: { error: States.Timeout }, or put a rule before this one that names States.Timeout",
        ));
        return;
    }
}

/// Returns the first wildcard that matches, unless the rule also names time-outs.
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

/// Returns whether a condition is `status: FAILED`. It does not name a time-out, though the time-out of a task
/// matches it.
fn is_failed(key: ConditionKey, value: &ConditionValue) -> bool {
    key == ConditionKey::Status && value.written.eq_ignore_ascii_case("FAILED")
}
