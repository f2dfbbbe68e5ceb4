//! The trace of a verdict: the policy, each rule, each condition, the value compared, and the reason for the result.
//!
//! [`Trace::of`] walks the document once, and [`Trace::print`] prints the trace for people. `explain --json` has it as
//! `trace`, which is null for an event that is no failure. Every key is always present:
//!
//! ```json
//! {
//!   "policy": "web",               // the policy that applies, or null
//!   "passed_over": ["etl"],        // the policies before it, without a match; all policies if none applies
//!   "not_consulted": null,         // or, for a verdict made before the rules, its reason and all rules of the policy
//!   "consulted": [{                // the tests of the execution, or of each failed action of a stage
//!     "action": "UnitTests",       // the action's name; null for an execution, or while it is not known
//!     "never": [{                  // the never list, up to the entry that forbids
//!       "entry": 0,
//!       "matches": "no",           // yes, no, unknown (to be looked up) or redacted (withheld by AWS)
//!       "conditions": []           // as below; an empty list matches everything
//!     }],
//!     "rules": [{                  // the policy's rules, up to the one that decides
//!       "rule": "image-pull",
//!       "matches": "yes",
//!       "conditions": [{
//!         "key": "category",
//!         "not": false,            // true under not, where a match excludes the failure
//!         "values": ["Build", "Test"],  // as written; any of them satisfies it
//!         "matches": "yes",
//!         "by": "Test",            // the first of the values that matched; else null
//!         "needs": null,           // the fact to look up where matches is unknown, in the words of needs
//!         "actual": [{             // one value, uncut; a mode has several
//!           "what": "category",
//!           "is": "known",         // or absent, unknown, redacted, other_service
//!           "value": "Test"        // text or a number; null unless known
//!         }]
//!       }],
//!       "must_name": null          // the error that the rule must name without a glob, or null
//!     }],
//!     "not_consulted": {           // null if every rule was consulted
//!       "reason": "decided",       // or decided_if_it_matches, never, or the verdict's own reason
//!       "by": "image-pull",        // the rule, or the entry as never[0]; null where neither was consulted
//!       "rules": ["queue-full"]
//!     }
//!   }]
//! }
//! ```

mod matching;

use std::io::Write;

use redrive_core::failure::{Field, Subject};
use redrive_core::policy::{
    ActualValue, ConditionKey, ConditionMatch, Conditions, Document, FailureView, Match, Policy,
    Rule,
};
use redrive_core::verdict::{Reason, Verdict};
use redrive_core::view::need;
use redrive_policy_tools::visible::visible;
use serde::Serialize;

use self::matching::{answer, in_a_word};
use crate::CommandError;

/// The trace of a verdict.
#[derive(Debug, Serialize)]
pub(crate) struct Trace<'a> {
    #[serde(skip)]
    target: &'a str,
    policy: Option<&'a str>,
    passed_over: Vec<&'a str>,
    not_consulted: Option<NotConsulted<'a>>,
    consulted: Vec<Consulted<'a>>,
}

/// The part of the trace for an execution, or for one failed action of a stage.
#[derive(Debug, Serialize)]
struct Consulted<'a> {
    action: Option<&'a str>,
    never: Vec<NeverTrace<'a>>,
    rules: Vec<RuleTrace<'a>>,
    not_consulted: Option<NotConsulted<'a>>,
}

/// An entry of the never list.
#[derive(Debug, Serialize)]
struct NeverTrace<'a> {
    entry: usize,
    #[serde(serialize_with = "in_a_word")]
    matches: Match,
    conditions: Vec<ConditionTrace<'a>>,
}

/// A rule in the trace.
#[derive(Debug, Serialize)]
struct RuleTrace<'a> {
    rule: &'a str,
    #[serde(serialize_with = "in_a_word")]
    matches: Match,
    conditions: Vec<ConditionTrace<'a>>,
    must_name: Option<&'a str>,
}

/// A condition in the trace.
#[derive(Debug, Serialize)]
struct ConditionTrace<'a> {
    key: &'static str,
    not: bool,
    values: Vec<&'a str>,
    #[serde(serialize_with = "in_a_word")]
    matches: Match,
    by: Option<&'a str>,
    needs: Option<&'static str>,
    actual: Vec<ValueTrace<'a>>,
}

/// A value that a condition was compared with.
#[derive(Debug, Serialize)]
struct ValueTrace<'a> {
    what: &'static str,
    is: Is,
    value: Option<Shown<'a>>,
}

/// The knowledge about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Is {
    Known,
    Absent,
    Unknown,
    Redacted,
    OtherService,
}

/// Text or a number.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Text(&'a str),
    Number(i32),
}

/// Rules that were not consulted, and the reason.
#[derive(Debug, Serialize)]
struct NotConsulted<'a> {
    reason: &'static str,
    by: Option<String>,
    rules: Vec<&'a str>,
    #[serde(skip)]
    why: String,
}

impl<'a> Trace<'a> {
    /// Traces the way to `verdict`. The verdict must be that of the document on these views.
    pub(crate) fn of(
        document: &'a Document,
        subject: &'a Subject,
        views: &[FailureView<'a>],
        verdict: &Verdict,
    ) -> Self {
        let applies = document.policy_index(subject);
        let policy = applies.and_then(|at| document.policies.get(at));
        let before = applies.unwrap_or(document.policies.len());
        let mut trace = Self {
            target: subject.target(),
            policy: policy.map(|policy| policy.name.as_str()),
            passed_over: document
                .policies
                .iter()
                .take(before)
                .map(|policy| policy.name.as_str())
                .collect(),
            not_consulted: None,
            consulted: Vec::new(),
        };
        match policy {
            None => {}
            Some(policy) if asks_rules(verdict.reason) => {
                trace.consulted = consulted(document, policy, views, verdict);
            }
            Some(policy) => {
                trace.not_consulted = Some(NotConsulted {
                    reason: verdict.reason.code(),
                    by: None,
                    rules: ids(&policy.automatic),
                    why: verdict.reason.sentence().to_owned(),
                });
            }
        }
        trace
    }

    /// Prints the trace for people. Each line begins with `indent`.
    pub(crate) fn print(&self, indent: &str, out: &mut impl Write) -> Result<(), CommandError> {
        let Some(policy) = self.policy else {
            writeln!(
                out,
                "{indent}policy   none of {} matches {}",
                self.passed_over.len(),
                visible(self.target)
            )?;
            return Ok(());
        };
        writeln!(out, "{indent}policy   {}", visible(policy))?;
        if let Some(NotConsulted { why, .. }) = &self.not_consulted {
            writeln!(out, "{indent}  no rule is consulted: {why}")?;
        }
        let several = self.consulted.len() > 1;
        for consulted in &self.consulted {
            if several {
                let action = consulted.action.unwrap_or_default();
                writeln!(out, "{indent}  action {}", visible(action))?;
            }
            for never in &consulted.never {
                let answer = answer(never.matches);
                writeln!(out, "{indent}  never[{}]: {answer}", never.entry)?;
                print_conditions(&never.conditions, indent, out)?;
            }
            for asked in &consulted.rules {
                let (rule, answer) = (visible(asked.rule), answer(asked.matches));
                writeln!(out, "{indent}  rule {rule}: {answer}")?;
                print_conditions(&asked.conditions, indent, out)?;
                if let Some(error) = asked.must_name {
                    writeln!(
                        out,
                        "{indent}    {} is matched only by a rule that names it, without a glob",
                        visible(error)
                    )?;
                }
            }
            if let Some(left) = &consulted.not_consulted {
                let (why, rules) = (visible(&left.why), visible(&left.rules.join(", ")));
                writeln!(out, "{indent}  not consulted, since {why}: {rules}")?;
            }
        }
        Ok(())
    }
}

/// Returns whether a verdict with this reason comes from the never list or the rules, not from an earlier check.
const fn asks_rules(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Matched
            | Reason::DeniedByPolicy
            | Reason::Unmatched
            | Reason::Forbidden
            | Reason::LimitSpent
            | Reason::BudgetSpent
            | Reason::CauseWithheld
    )
}

fn ids(rules: &[Rule]) -> Vec<&str> {
    rules.iter().map(|rule| rule.id.as_str()).collect()
}

/// Returns the consulted entries and rules for each view. The never list precedes the rules: an entry that forbids
/// one failed action forbids the whole stage.
fn consulted<'a>(
    document: &'a Document,
    policy: &'a Policy,
    views: &[FailureView<'a>],
    verdict: &Verdict,
) -> Vec<Consulted<'a>> {
    let mut all: Vec<Consulted<'a>> = Vec::new();
    let mut forbids = None;
    for view in views {
        let mut never = Vec::new();
        for (entry, conditions) in document.never.iter().enumerate() {
            if forbids.is_some() {
                break;
            }
            let matched = conditions.matches(view);
            if matched == Match::Yes {
                forbids = Some(entry);
            }
            never.push(NeverTrace {
                entry,
                matches: matched,
                conditions: condition_traces(conditions, view),
            });
        }
        all.push(Consulted {
            action: match view.get(ConditionKey::Action) {
                Some(Field::Known(ActualValue::Text(name))) => Some(name),
                _ => None,
            },
            never,
            rules: Vec::new(),
            not_consulted: None,
        });
    }
    for (consulted, view) in all.iter_mut().zip(views) {
        consulted.not_consulted = match forbids {
            Some(entry) => NotConsulted::some(
                "denied_by_policy",
                format!("never[{entry}]"),
                "never forbids it".into(),
                &policy.automatic,
            ),
            None => rules(policy, view, verdict, &mut consulted.rules),
        };
    }
    all
}

/// Tests the rules, up to the one that decides. Later rules are not consulted.
fn rules<'a>(
    policy: &'a Policy,
    view: &FailureView<'a>,
    verdict: &Verdict,
    asked: &mut Vec<RuleTrace<'a>>,
) -> Option<NotConsulted<'a>> {
    let mut rest = policy.automatic.as_slice();
    while let [rule, later @ ..] = rest {
        rest = later;
        let matched = rule.conditions.matches_by_name(view);
        asked.push(RuleTrace {
            rule: &rule.id,
            matches: matched,
            conditions: condition_traces(&rule.conditions, view),
            must_name: match view.get(ConditionKey::Error) {
                Some(Field::Known(ActualValue::Text(error)))
                    if matched == Match::No && rule.conditions.matches(view) != Match::No =>
                {
                    Some(error)
                }
                _ => None,
            },
        });
        // A verdict that waits for facts depends on a rule that may match.
        let hoped = verdict.rules.iter().any(|charge| charge.rule == rule.id);
        let (reason, condition) = match matched {
            Match::Yes => ("decided", ""),
            Match::Unknown(_) | Match::Redacted if hoped => {
                ("decided_if_it_matches", ", if it matches")
            }
            _ => continue,
        };
        let why = format!("rule {} decides{condition}", rule.id);
        return NotConsulted::some(reason, rule.id.clone(), why, later);
    }
    None
}

impl<'a> NotConsulted<'a> {
    /// Returns `None` where there are no such rules.
    fn some(reason: &'static str, by: String, why: String, rules: &'a [Rule]) -> Option<Self> {
        (!rules.is_empty()).then(|| Self {
            reason,
            by: Some(by),
            rules: ids(rules),
            why,
        })
    }
}

fn condition_traces<'a>(
    conditions: &'a Conditions,
    view: &FailureView<'a>,
) -> Vec<ConditionTrace<'a>> {
    let condition_match = conditions.condition_matches(view).into_iter();
    condition_match
        .map(|condition_match| ConditionTrace::new(&condition_match, view))
        .collect()
}

impl<'a> ConditionTrace<'a> {
    fn new(condition_match: &ConditionMatch<'a>, view: &FailureView<'a>) -> Self {
        let key = condition_match.condition.key;
        let values = condition_match.condition.values.iter();
        // A mode tests several values; any one suffices.
        let actual = if key == ConditionKey::Mode {
            view.of_mode()
                .into_iter()
                .map(|(what, field)| ValueTrace::new(what, Some(field)))
                .collect()
        } else {
            [ValueTrace::new(key.as_str(), condition_match.field)].into()
        };
        Self {
            key: key.as_str(),
            not: condition_match.negated,
            values: values.map(|value| value.written.as_str()).collect(),
            matches: condition_match.matched,
            by: condition_match.by.map(|value| value.written.as_str()),
            needs: match condition_match.matched {
                Match::Unknown(key) => Some(need(key, view.service).as_str()),
                _ => None,
            },
            actual,
        }
    }
}

impl<'a> ValueTrace<'a> {
    const fn new(what: &'static str, field: Option<Field<ActualValue<'a>>>) -> Self {
        let (is, value) = match field {
            None => (Is::OtherService, None),
            Some(Field::Unknown) => (Is::Unknown, None),
            Some(Field::Redacted) => (Is::Redacted, None),
            Some(Field::Absent) => (Is::Absent, None),
            Some(Field::Known(ActualValue::Text(text))) => (Is::Known, Some(Shown::Text(text))),
            Some(Field::Known(ActualValue::Number(number))) => {
                (Is::Known, Some(Shown::Number(number)))
            }
        };
        Self { what, is, value }
    }
}

fn print_conditions(
    conditions: &[ConditionTrace<'_>],
    indent: &str,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if conditions.is_empty() {
        writeln!(
            out,
            "{indent}    it has no conditions, so everything matches"
        )?;
    }
    for condition in conditions {
        let not = if condition.not { "not " } else { "" };
        writeln!(
            out,
            "{indent}    {not}{} {}: {}; saw {}",
            condition.key,
            wanted(condition),
            came(condition),
            actual(condition)
        )?;
    }
    Ok(())
}

fn wanted(condition: &ConditionTrace<'_>) -> String {
    match condition.values.join(" | ") {
        all if all.chars().count() <= 80 => visible(&all),
        _ => format!("(any of {} values)", condition.values.len()),
    }
}

/// Returns whether the condition matched, and by which of several values.
fn came(condition: &ConditionTrace<'_>) -> String {
    let excludes = if condition.not && condition.matches == Match::Yes {
        ", which excludes the failure"
    } else {
        ""
    };
    let answer = answer(condition.matches);
    match condition.by {
        Some(value) if condition.values.len() > 1 => {
            format!("{answer} by {}{excludes}", visible(value))
        }
        _ => format!("{answer}{excludes}"),
    }
}

const ABSENT: &str = "nothing: it is absent";

fn actual(condition: &ConditionTrace<'_>) -> String {
    if condition.key != ConditionKey::Mode.as_str() {
        return condition
            .actual
            .first()
            .map(actual_value)
            .unwrap_or_default();
    }
    let parts: Vec<String> = condition
        .actual
        .iter()
        .filter(|value| value.is != Is::Absent)
        .map(|value| format!("{} {}", value.what, actual_value(value)))
        .collect();
    if parts.is_empty() {
        return ABSENT.to_owned();
    }
    parts.join(", ")
}

fn actual_value(value: &ValueTrace<'_>) -> String {
    let nothing = match (value.is, &value.value) {
        (_, Some(Shown::Text(text))) => return visible(&shortened(text)),
        (_, Some(Shown::Number(number))) => return number.to_string(),
        (Is::OtherService, None) => "nothing: only the other service has it",
        (Is::Unknown, None) => "nothing yet: it must be looked up",
        (Is::Redacted, None) => "nothing: AWS withholds it",
        (Is::Absent | Is::Known, None) => ABSENT,
    };
    nothing.to_owned()
}

fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests;
