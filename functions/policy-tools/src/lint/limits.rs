//! Limits that the budget cuts short.

use redrive_policy::{Document, Policy, Problem, Rule, Service};

use super::service::only_service;

/// Warns of limits that add up to more than the budget.
pub(super) fn budget(document: &Document, policy: &Policy, problems: &mut Vec<Problem>) {
    let most = document.per_execution;
    let both = [Service::StepFunctions, Service::CodePipeline];
    let only = only_service(&policy.scope);
    for service in both {
        if only.is_some_and(|only| only != service) {
            continue;
        }
        let rules = || {
            policy.automatic.iter().filter(move |rule| {
                let mut words = rule.conditions.all.iter().map(|condition| condition.key);
                words.all(|key| key.service().is_none_or(|own| own == service))
            })
        };
        let sum = sum_of_limits(rules());
        let mut so_far = 0_u32;
        let exceeding = rules().find(|rule| {
            so_far = so_far.saturating_add(max_of(rule));
            so_far > most
        });
        if let Some(rule) = exceeding {
            problems.push(Problem::lint(
                rule.at.0,
                format!(
                    "from this rule on the limits of policy {:?} add up to more than budget.per_execution: {sum} in all, and an execution or stage is retried at most {most} times",
                    policy.name
                ),
                format!("lower limits, or write budget: {{ per_execution: {sum} }}"),
            ));
            // The sum of the other service would be reported at the same rules.
            return;
        }
    }
}

/// Returns the maximum retries of the rules together.
pub(super) fn sum_of_limits<'r>(rules: impl Iterator<Item = &'r Rule>) -> u32 {
    rules.map(max_of).fold(0, u32::saturating_add)
}

fn max_of(rule: &Rule) -> u32 {
    rule.limit.max(rule.dynamodb_limit.unwrap_or_default())
}
