//! Lints: warnings of effects that the author may not expect. A document with warnings can be used.

mod cover;
mod errors;
mod limits;
mod machine;
mod sample;
mod service;
mod targets;
mod timeouts;

use std::cell::OnceCell;

use redrive_policy::{
    ActualValue, Checked, Condition, ConditionKey, Conditions, Document, Field, Pattern, Policy,
    Problem, Reading, Rule, Service,
};

#[cfg(test)]
pub(crate) use self::cover::covers_by_name;
use self::errors::Known;
pub use self::machine::{Amplified, amplified, lint_machine};
#[cfg(test)]
pub(crate) use self::sample::execution;
use self::service::{both_services, name, only_service};

/// Reads a document and returns all warnings, those of [`lint`] included. Lints take too long for the cold start of a
/// function. Rules without errors are linted even if others have errors.
#[must_use]
pub fn check(text: &str) -> Checked {
    let mut reading = Reading::of(text);
    if let Some(document) = &reading.document {
        let lints = lint_reading(&reading, document);
        reading.problems.extend(lints);
    }
    reading.checked()
}

fn lint_reading(reading: &Reading, document: &Document) -> Vec<Problem> {
    // The readable rest of a flawed rule does not show what the rule covers. The rest of a flawed `match` does not
    // show what the policy takes.
    let mut sound = document.clone();
    sound
        .policies
        .retain(|policy| !reading.is_flawed(policy.at));
    sound.never.retain(|never| !reading.is_flawed(never.at));
    for policy in &mut sound.policies {
        policy.automatic.retain(|rule| !reading.is_flawed(rule.at));
    }
    sound.index_again();
    let mut flawed = document.clone();
    flawed.never.retain(|never| reading.is_flawed(never.at));
    for policy in &mut flawed.policies {
        if !reading.is_flawed(policy.at) {
            policy.automatic.retain(|rule| reading.is_flawed(rule.at));
        }
    }
    [lint(&sound), lint_words(&flawed)]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns every warning that the model gives, in the order of places. [`Checked`] has those that only reading can
/// give.
#[must_use]
pub fn lint(document: &Document) -> Vec<Problem> {
    let mut problems = lint_words(document);
    targets::unreached(document, &mut problems);
    for policy in &document.policies {
        let service = only_service(&policy.scope);
        reach(document, policy, &mut problems);
        let mut former: &[Rule] = &[];
        for (index, rule) in policy.automatic.iter().enumerate() {
            let foreign = targets::foreign(policy, rule);
            problems.extend(foreign.clone());
            // A rule that forbids, or never matches, retries no failure.
            if rule.limit > 0 && foreign.is_none() {
                if service != Some(Service::CodePipeline) {
                    timeouts::let_in(rule, former, &mut problems);
                }
                deploy(rule, &mut problems);
            }
            former = policy.automatic.get(..=index).unwrap_or(&policy.automatic);
        }
        lost_workers(policy, &mut problems);
        limits::budget(document, policy, &mut problems);
    }
    problems.sort_by_key(|problem| problem.place);
    // Each use of an anchor repeats its problem; one report is enough.
    problems.dedup();
    problems
}

/// Returns the warnings that depend only on the conditions of one rule, as they are written.
fn lint_words(document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let rules = document
        .policies
        .iter()
        .flat_map(|policy| &policy.automatic);
    let conditions = rules.map(|rule| &rule.conditions);
    // Thousands of names, read only when a condition tests an error.
    let known = OnceCell::new();
    for conditions in document.never.iter().chain(conditions) {
        words(conditions, &known, &mut problems);
    }
    problems
}

/// Warns of single conditions.
fn words(conditions: &Conditions, known: &OnceCell<Known>, problems: &mut Vec<Problem>) {
    let all = conditions.all.iter().chain(&conditions.not);
    for condition in all.filter(|condition| condition.key == ConditionKey::Error) {
        known.get_or_init(Known::read).doubt(condition, problems);
    }
    if let Some((one, other)) = both_services(conditions) {
        let mut both = [one, other];
        both.sort_by_key(|condition| condition.at.0);
        let [former, later] = both;
        problems.push(Problem::lint(
            later.at.0,
            format!(
                "{} is of {} and {} is of {}: no failure has both, so this never matches",
                later.key.as_str(),
                name(later.key.service()),
                former.key.as_str(),
                name(former.key.service())
            ),
            "write one for each service",
        ));
    }
}

/// Warns of rules that no failure reaches.
fn reach(document: &Document, policy: &Policy, problems: &mut Vec<Problem>) {
    let service = only_service(&policy.scope);
    let rules = &policy.automatic;
    for (index, rule) in rules.iter().enumerate() {
        // A rule that never matches is reported elsewhere.
        if both_services(&rule.conditions).is_some() || targets::foreign(policy, rule).is_some() {
            continue;
        }
        let never = document
            .never
            .iter()
            .find(|never| cover::covers(never, &rule.conditions, service));
        if let Some(never) = never {
            problems.push(Problem::lint(
                rule.at.0,
                format!(
                    "this rule is never reached: the entry of never on line {} matches everything that it matches",
                    never.at.0.line
                ),
                "remove the rule, or narrow that entry",
            ));
            continue;
        }
        let mut former = rules.iter().take(index);
        let covering = former
            .find(|former| cover::covers_by_name(&former.conditions, &rule.conditions, service));
        match covering {
            None => {}
            // A rule without conditions is reported once, at its own place.
            Some(former) if former.conditions.is_empty() => {}
            Some(former) => problems.push(Problem::lint(
                rule.at.0,
                format!(
                    "this rule is never reached: the rule on line {} matches everything that it matches, and when its limit is spent no later rule is consulted",
                    former.at.0.line
                ),
                "put it before that rule, or remove it",
            )),
        }
    }
    let Some((index, first)) = rules
        .iter()
        .enumerate()
        .find(|(_, rule)| rule.conditions.is_empty())
    else {
        return;
    };
    let hidden = rules
        .iter()
        .skip(index.saturating_add(1))
        .filter(|rule| cover::covers_by_name(&first.conditions, &rule.conditions, service))
        .count();
    let others = match hidden {
        0 => return,
        1 => String::from("a rule after it is"),
        many => format!("{many} rules after it are"),
    };
    problems.push(Problem::lint(
        first.at.0,
        format!("a rule without conditions matches every failure, so {others} never reached"),
        "put it last",
    ));
}

/// Warns of `exit_status: "*"` in a policy without any condition on lost workers.
fn lost_workers(policy: &Policy, problems: &mut Vec<Problem>) {
    let named = |rule: &Rule| {
        let exits = rule.conditions.all.iter();
        exits
            .filter(|condition| condition.key == ConditionKey::ExitStatus)
            .any(|condition| {
                cover::matches(condition, Field::Known(ActualValue::Number(-1)), false)
            })
    };
    if policy.automatic.iter().any(named) {
        return;
    }
    for rule in policy.automatic.iter().filter(|rule| rule.limit > 0) {
        let values = rule
            .conditions
            .all
            .iter()
            .flat_map(|condition| &condition.values);
        for value in values.filter(|value| value.pattern == Pattern::AnyFailure) {
            problems.push(Problem::lint(
                value.at.0,
                "exit_status: \"*\" is 1 to 255, or no exit status at all, and never -1, which is a lost worker",
                "write exit_status: -1 if lost workers are meant, or [-1, \"*\"] for both",
            ));
        }
    }
}

/// Warns of rules that retry deployments regardless of the error.
fn deploy(rule: &Rule, problems: &mut Vec<Problem>) {
    let names_an_error = |condition: &Condition| {
        let is_wild = |pattern: &Pattern| matches!(pattern, Pattern::Any | Pattern::AnyFailure);
        condition.key.row().describes_error
            && !condition.values.iter().any(|value| is_wild(&value.pattern))
    };
    let conditions = &rule.conditions;
    if conditions.all.iter().any(names_an_error) || both_services(conditions).is_some() {
        return;
    }
    let is_deploy = Field::Known(ActualValue::Text("Deploy"));
    let excluded = |condition: &Condition| {
        condition.key == ConditionKey::Category && cover::matches(condition, is_deploy, true)
    };
    if conditions.not.iter().any(excluded) {
        return;
    }
    let categories = conditions
        .all
        .iter()
        .filter(|condition| condition.key == ConditionKey::Category);
    let value = categories
        .flat_map(|condition| &condition.values)
        .find(|value| cover::value_matches(ConditionKey::Category, value, is_deploy, false));
    if let Some(value) = value {
        problems.push(Problem::lint(
            value.at.0,
            format!(
                "category: {} retries every failed deployment, even one that is half done",
                value.written
            ),
            "add a condition on the error: summary, error_code, exit_status, signal_reason or mode",
        ));
    }
}
