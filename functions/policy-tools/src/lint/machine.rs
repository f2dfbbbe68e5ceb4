//! Effects of a policy on one state machine with a known definition.

use redrive_core::definition::{Fail, Machine};
use redrive_core::failure::{ExecutionStatus, FailedExecution, Field};
use redrive_policy::{Document, Match, Place, Policy, Problem, Rule, Service, TargetName};

use super::limits::sum_of_limits;
use super::sample::execution;

/// The maximum runs of a task, as a redrive resets every `Retry` of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amplified {
    /// The place of the policy in its document.
    pub place: Place,
    /// The name of the policy.
    pub policy: String,
    /// The name of the state.
    pub state: String,
    /// Maximum redrives of one execution.
    pub redrives: u32,
    /// Maximum runs between two redrives.
    pub runs_between: u64,
    /// Maximum runs in total.
    pub runs: u64,
}

/// Returns the worst case of each task of a machine, under each policy that may apply to the machine's name.
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

/// Warns of each rule that Fail states of a machine of this name could reach.
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
                        "the {noun} {} of {name} {verb} this rule: an execution that ended in one is never retried, regardless of the rule",
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

/// Returns the policies that may apply. The choice may depend on account and region, which a definition does not
/// contain.
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

/// Returns the maximum redrives of one execution that run these states again. The rules that can match a failure in
/// one of the states add up, within the budget.
fn redrives(document: &Document, policy: &Policy, states: &[String]) -> u32 {
    let failed = states.iter().map(|state| FailedExecution {
        state: Field::Known(state.clone()),
        ..execution(ExecutionStatus::Failed, Field::Unknown, Field::Unknown)
    });
    // The execution may time out in any of the states, and its failure does not name the state.
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
