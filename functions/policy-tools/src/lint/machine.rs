//! What a policy comes to for one state machine, whose definition is known.

use redrive_core::definition::{Fail, Machine};
use redrive_core::failure::{ExecutionStatus, FailedExecution, Field};
use redrive_policy::{Document, Match, Place, Policy, Problem, Rule, Service, TargetName};

use super::limits::sum_of_limits;
use super::sample::execution;

/// How often a task runs at the worst, as a redrive resets every `Retry` of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amplified {
    /// Where the policy stands.
    pub place: Place,
    /// The policy's name.
    pub policy: String,
    /// The state's name.
    pub state: String,
    /// Most redrives of one execution.
    pub redrives: u32,
    /// Most runs between two redrives.
    pub runs_between: u64,
    /// Most runs over all.
    pub runs: u64,
}

/// The worst case of each task of a machine of this name, under each policy that may apply to it.
#[must_use]
pub fn amplified(document: &Document, name: &str, machine: &Machine) -> Vec<Amplified> {
    let mut found = Vec::new();
    for policy in applicable(document, name) {
        for task in &machine.tasks {
            let together = machine.together.get(task.among);
            let redrives = redrives(document, policy, together.map_or(&[], Vec::as_slice));
            let runs = u64::from(redrives)
                .saturating_add(1)
                .saturating_mul(task.runs);
            found.push(Amplified {
                place: policy.at.0,
                policy: policy.name.clone(),
                state: task.name.clone(),
                redrives,
                runs_between: task.runs,
                runs,
            });
        }
    }
    found
}

/// A warning for each rule that Fail states of a machine of this name could reach.
#[must_use]
pub fn lint_machine(document: &Document, name: &str, machine: &Machine) -> Vec<Problem> {
    let mut problems = Vec::new();
    for policy in applicable(document, name) {
        for rule in policy.automatic.iter().filter(|rule| rule.limit > 0) {
            let reached: Vec<String> = machine
                .fails
                .iter()
                .filter(|fail| is_reached(rule, fail))
                .map(|fail| format!("{:?}", fail.name))
                .collect();
            if !reached.is_empty() {
                let (noun, verb) = match reached.len() {
                    1 => ("Fail state", "reaches"),
                    _ => ("Fail states", "reach"),
                };
                problems.push(Problem::lint(
                    rule.at.0,
                    format!(
                        "the {noun} {} of {name} {verb} this rule: an execution that ended in one is never retried, whatever the rule says",
                        reached.join(", ")
                    ),
                    "name errors that tasks fail with, or give the Fail state an error of its own",
                ));
            }
        }
    }
    problems.sort_by_key(|problem| problem.place);
    problems
}

fn is_reached(rule: &Rule, fail: &Fail) -> bool {
    let failed = FailedExecution {
        state: Field::Known(fail.name.clone()),
        resource: Field::Absent,
        ..execution(
            ExecutionStatus::Failed,
            fail.error.clone(),
            fail.cause.clone(),
        )
    };
    rule.conditions.matches_by_name(&failed.view()) != Match::No
}

/// The policies that may apply: which of them does may hang on account and region, which no definition tells.
fn applicable<'d>(document: &'d Document, name: &str) -> Vec<&'d Policy> {
    let mut found = Vec::new();
    let target = TargetName {
        service: Service::StepFunctions,
        account: "",
        region: "",
        name,
    };
    for policy in &document.policies {
        let scope = &policy.scope;
        let mut anywhere = scope.clone();
        (anywhere.account, anywhere.region) = (None, None);
        if anywhere.covers(target) {
            found.push(policy);
            if scope.account.is_none() && scope.region.is_none() {
                break;
            }
        }
    }
    found
}

/// Most redrives of one execution that run these states again: what all rules that can match a failure in one
/// of them may spend, within the budget.
fn redrives(document: &Document, policy: &Policy, states: &[String]) -> u32 {
    let failed = states.iter().map(|state| FailedExecution {
        state: Field::Known(state.clone()),
        ..execution(ExecutionStatus::Failed, Field::Unknown, Field::Unknown)
    });
    // The machine's own time may be out in any of them, and which it was is not said.
    let timed_out = FailedExecution {
        state: Field::Absent,
        resource: Field::Absent,
        ..execution(
            ExecutionStatus::TimedOut,
            Field::Known("States.Timeout".into()),
            Field::Absent,
        )
    };
    let failures: Vec<FailedExecution> = failed.chain([timed_out]).collect();
    let rules = policy.automatic.iter().filter(|rule| {
        failures
            .iter()
            .any(|failure| rule.conditions.matches(&failure.view()) != Match::No)
    });
    sum_of_limits(rules).min(document.per_execution)
}
