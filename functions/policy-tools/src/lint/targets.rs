//! Policies that no target reaches, and rules with conditions that no target of their policy can match.

use std::collections::BTreeSet;

use redrive_policy::{
    ConditionKey, Document, Glob, Policy, Problem, Rule, Scope, Service, TargetName, one_of,
};

use super::service::{both_services, name, only_service};

/// Warns of each policy whose targets are all taken by former policies.
pub(super) fn unreached(document: &Document, problems: &mut Vec<Problem>) {
    // `strange` occurs in no glob, so only a star matches it. A former policy that takes a target with `strange` in
    // place of each star takes every target.
    let Some(strange) = ('\u{e000}'..=char::MAX).find(|c| !is_written(document, *c)) else {
        return;
    };
    for (at, policy) in document.policies.iter().enumerate().skip(1) {
        let Some(taking) = taking(document, at, &policy.scope, strange) else {
            continue;
        };
        let taking: Vec<&Policy> = taking
            .into_iter()
            .filter_map(|at| document.policies.get(at))
            .collect();
        let named: Vec<String> = taking
            .iter()
            .map(|policy| format!("{:?} on line {}", policy.name, policy.at.0.line))
            .collect();
        let (named, them) = match named.as_slice() {
            [one] => (format!("policy {one} matches"), "it"),
            several => (
                format!("the policies {} together match", several.join(" and ")),
                "them",
            ),
        };
        problems.push(Problem::lint(
            policy.at.0,
            format!(
                "policy {:?} is never reached: {named} every target that it matches, and the first match applies",
                policy.name
            ),
            format!("put it before {them}, or remove it"),
        ));
    }
}

/// Returns the former policies that take all targets of a scope, or `None` where a target is left.
fn taking(document: &Document, at: usize, scope: &Scope, strange: char) -> Option<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    let texts = |globs: &Option<Vec<Glob>>| -> Vec<String> {
        match globs {
            Some(globs) => globs.iter().map(|glob| glob.filled(strange)).collect(),
            None => [String::from(strange)].into(),
        }
    };
    // The empty account stands for the accounts that no policy names.
    let accounts = match &scope.account {
        Some(_) => texts(&scope.account),
        None => [String::new()].into(),
    };
    let regions = texts(&scope.region);
    for (service, names) in [
        (Service::StepFunctions, &scope.state_machine),
        (Service::CodePipeline, &scope.pipeline),
    ] {
        if only_service(scope).is_some_and(|only| only != service) {
            continue;
        }
        for name in texts(names) {
            for account in &accounts {
                for region in &regions {
                    let first = document.policy_index(TargetName {
                        service,
                        account,
                        region,
                        name: &name,
                    })?;
                    if first >= at {
                        return None;
                    }
                    found.insert(first);
                }
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

fn is_written(document: &Document, c: char) -> bool {
    document.policies.iter().any(|policy| {
        let Scope {
            state_machine,
            pipeline,
            account,
            region,
        } = &policy.scope;
        [state_machine, pipeline, account, region]
            .into_iter()
            .flatten()
            .flatten()
            .any(|glob| glob.has(c))
    })
}

/// Warns of a rule with a condition that only failures of the other service can match.
pub(super) fn foreign(policy: &Policy, rule: &Rule) -> Option<Problem> {
    let only = only_service(&policy.scope)?;
    // A rule with conditions of both services is reported elsewhere.
    if both_services(&rule.conditions).is_some() {
        return None;
    }
    let condition = rule
        .conditions
        .all
        .iter()
        .find(|condition| condition.key.service().is_some_and(|own| own != only))?;
    let (matched, others) = match only {
        Service::StepFunctions => ("state machines", "pipelines"),
        Service::CodePipeline => ("pipelines", "state machines"),
    };
    let own: Vec<&str> = ConditionKey::of_service(Some(only))
        .map(ConditionKey::as_str)
        .collect();
    Some(Problem::lint(
        condition.at.0,
        format!(
            "{} is of {}, and policy {:?} matches only {matched}: this rule never matches",
            condition.key.as_str(),
            name(condition.key.service()),
            policy.name
        ),
        format!(
            "use {} instead, or move the rule to a policy whose match names {others}",
            one_of(&own)
        ),
    ))
}
