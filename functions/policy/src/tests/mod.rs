//! Tests of the language on documents.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;

mod backoff;
mod hostile;
mod ids;
mod index;
mod problems;
mod reading;
mod scopes;
mod warnings;

fn read(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn wrong(text: &str) -> String {
    match Document::parse(text) {
        Ok(document) => panic!("{document:?} from {text}"),
        Err(problems) => problems.to_string(),
    }
}

/// Returns the only rule of a document with that rule, written in flow style or as JSON.
fn rule(rule: &str) -> Rule {
    let document = read(&format!("{{version: 1, retry: {{automatic: {rule}}}}}"));
    let mut rules = document.policies.into_iter().next().unwrap().automatic;
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

/// Returns the values of a rule's first condition, as written.
fn written(rule: &Rule) -> Vec<String> {
    let values = &rule.conditions.all[0].values;
    values.iter().map(|value| value.written.clone()).collect()
}

fn run(machine: &str) -> TargetName<'_> {
    TargetName {
        service: Service::StepFunctions,
        account: "111122223333",
        region: "eu-west-1",
        name: machine,
    }
}

fn stage_of(pipeline: &str) -> TargetName<'_> {
    TargetName {
        service: Service::CodePipeline,
        ..run(pipeline)
    }
}
