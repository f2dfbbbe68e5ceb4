//! Wildcards that let time-outs in.

use redrive_core::failure::ExecutionStatus;
use redrive_policy::{Conditions, Field, Hit, Pattern, Problem, Rule, Value, View, Word};

use super::cover;
use super::sample::execution;

/// The words by which time-outs come in.
const WORDS: [Word; 4] = [
    Word::Error,
    Word::Status,
    Word::ExitStatus,
    Word::SignalReason,
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
            .any(|former| former.conditions.meet_by_name(&view) == Hit::Yes);
        if taken || rule.conditions.meet(&view) == Hit::No {
            continue;
        }
        let Some((word, value)) = wildcard(&rule.conditions, &view) else {
            continue;
        };
        problems.push(Problem::lint(
            value.at.0,
            format!(
                "{}: {:?} lets time-outs in: what took too long is run again, and may take as long again",
                word.as_str(),
                value.written
            ),
            "add not: { error: States.Timeout }, or put a rule before this one that names States.Timeout",
        ));
        return;
    }
}

/// The first wildcard that matches, unless the rule names time-outs besides.
fn wildcard<'r>(conditions: &'r Conditions, view: &View<'_>) -> Option<(Word, &'r Value)> {
    let mut found = None;
    for condition in &conditions.all {
        let word = condition.word;
        let (true, Some(field)) = (WORDS.contains(&word), view.get(word)) else {
            continue;
        };
        for value in &condition.values {
            if !cover::value_meets(word, value, field, false) {
                continue;
            }
            if value.is_glob() || value.pattern == Pattern::AnyError {
                found = found.or(Some((word, value)));
            } else if !is_failed(word, value) {
                return None;
            }
        }
    }
    found
}

/// `status: FAILED` is not a word for a time-out, though a task's matches it.
fn is_failed(word: Word, value: &Value) -> bool {
    word == Word::Status && value.written.eq_ignore_ascii_case("FAILED")
}
