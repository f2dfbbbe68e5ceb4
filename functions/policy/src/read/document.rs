//! Reading of the document and its policies.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::reader::{Reader, get};
use crate::document::Document;
use crate::glob::Glob;
use crate::index::Index;
use crate::node::{Kind, Node, Scalar};
use crate::policy::{Manual, Nested, Policy, Scope};
use crate::problem::{At, Place};

impl Reader {
    pub(crate) fn document(&mut self, root: &Node) -> Document {
        let mut document = Document {
            never: Vec::new(),
            policies: Vec::new(),
            per_execution: 10,
            tests: Vec::new(),
            deployed: None,
            index: Index::default(),
        };
        let keys = ["version", "retry", "policies", "never", "budget", "tests"];
        if let Some(message) = foreign(root) {
            self.wrong(root.place, message);
            return document;
        }
        let Some(entries) = self.map(root, "the document", &keys) else {
            return document;
        };
        let (version, retry, policies) = (
            get(entries, "version"),
            get(entries, "retry"),
            get(entries, "policies"),
        );
        match version.map(|(_, node)| (node, node.scalar())) {
            None => self.wrong(root.place, "version is missing; write: version: 1"),
            Some((_, Some(Scalar::Int(1)))) => {}
            Some((node, _)) => {
                self.wrong(
                    node.place,
                    format!(
                        "version: expected 1, read {}; write: version: 1",
                        node.described()
                    ),
                );
            }
        }
        match (retry, policies) {
            (Some((key, _)), Some(_)) => {
                self.wrong(key.place, "retry and policies exclude each other: move retry into a policy with match: {}");
            }
            (None, None) => {
                self.wrong(
                    root.place,
                    "there is neither retry (one policy for every target) nor policies",
                );
            }
            (Some((_, node)), None) => {
                let mut policy = empty_policy("default", node.place);
                self.retry(node, &mut policy);
                document.policies.push(policy);
            }
            (None, Some((_, node))) => document.policies = self.policies(node),
        }
        if let Some((_, node)) = get(entries, "never") {
            match &node.kind {
                Kind::List(items) => {
                    document.never = items.iter().filter_map(|item| self.never(item)).collect()
                }
                _ => self.wrong(
                    node.place,
                    format!(
                        "never: expected a list of conditions, read {}; begin each entry with a dash",
                        node.described()
                    ),
                ),
            }
        }
        if let Some((_, node)) = get(entries, "budget")
            && let Some(budget) = self.map(node, "budget", &["per_execution"])
            && let Some((_, node)) = get(budget, "per_execution")
            && let Some(most) = self.whole(node, "per_execution", 0, 1000)
        {
            document.per_execution = most;
        }
        if let Some((_, node)) = get(entries, "tests") {
            document.tests = self.tests(node);
        }
        document.index = Index::new(&document.policies);
        document
    }

    fn policies(&mut self, node: &Node) -> Vec<Policy> {
        let Kind::List(items) = &node.kind else {
            self.wrong(
                node.place,
                format!(
                    "policies: expected a list, read {}; begin each policy with a dash, and its name",
                    node.described()
                ),
            );
            return Vec::new();
        };
        let mut policies: Vec<Policy> = Vec::new();
        let mut named: BTreeMap<String, usize> = BTreeMap::new();
        for item in items {
            let errors = self.errors();
            let Some(entries) = self.map(item, "a policy", &["name", "match", "retry"]) else {
                continue;
            };
            // A typo such as `macth: {}` may be the `match` of the policy.
            self.note_flaws(item.place, errors);
            let mut policy = empty_policy("", item.place);
            match get(entries, "name") {
                None => self.wrong(
                    item.place,
                    "a policy needs a name; write name: and a name for the records",
                ),
                Some((_, node)) => {
                    if let Some(name) = self.text(node, "name") {
                        if let Some(line) = named.get(&name) {
                            self.wrong(node.place, format!("name: {name:?} is taken by the policy on line {line}; names are unique"));
                        }
                        named.entry(name.clone()).or_insert(node.place.line);
                        policy.name = name;
                    }
                }
            }
            if let Some((_, node)) = get(entries, "match") {
                let errors = self.errors();
                policy.scope = self.scope(node);
                self.note_flaws(item.place, errors);
            }
            match get(entries, "retry") {
                Some((_, node)) => self.retry(node, &mut policy),
                None => self.wrong(
                    item.place,
                    "a policy needs retry; write: retry: { automatic: false } to retry nothing",
                ),
            }
            policies.push(policy);
        }
        policies
    }

    fn scope(&mut self, node: &Node) -> Scope {
        let keys = ["state_machine", "pipeline", "account", "region"];
        let Some(entries) = self.map(node, "match", &keys) else {
            return Scope::default();
        };
        let mut globs = |key: &str| -> Option<Vec<Glob>> {
            let (_, node) = get(entries, key)?;
            let values = self.texts(node, key);
            if matches!(key, "state_machine" | "pipeline") {
                for (place, text) in &values {
                    self.doubt_arn(*place, key, text);
                }
            }
            if key == "account" {
                for (place, text) in &values {
                    if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
                        let message = format!(
                            "account: expected twelve digits in quotes, read {text:?}; globs are not allowed here"
                        );
                        self.wrong(*place, message);
                    }
                }
            }
            Some(
                values
                    .iter()
                    .map(|(_, text)| Glob::new(text, false))
                    .collect(),
            )
        };
        Scope {
            state_machine: globs("state_machine"),
            pipeline: globs("pipeline"),
            account: globs("account"),
            region: globs("region"),
        }
    }
}

fn empty_policy(name: &str, place: Place) -> Policy {
    Policy {
        name: name.into(),
        scope: Scope::default(),
        automatic: Vec::new(),
        manual: Manual::default(),
        nested: Nested::default(),
        at: At(place),
    }
}

/// Returns the problem of a document of another program, recognised by one of its keys, with a remedy.
fn foreign(root: &Node) -> Option<String> {
    let Kind::Map(entries) = &root.kind else {
        return None;
    };
    let has = |key: &str| get(entries, key).is_some();
    if has("retry") || has("policies") {
        return None;
    }
    let import = |what: &str, name: &str| {
        format!(
            "this is {what}, not a policy; redrive import {name} FILE prints the policy that is equivalent to its retries"
        )
    };
    if has("steps") {
        Some(import("a Buildkite pipeline", "buildkite"))
    } else if has("States") && has("StartAt") {
        Some(import("a state machine's definition", "asl"))
    } else if has("retryStrategy") {
        Some(import("a Batch job's definition", "batch"))
    } else if has("jobs") && has("on") {
        Some("this is a GitHub Actions workflow, not a policy; write one: version: 1, and retry or policies".into())
    } else if has("AWSTemplateFormatVersion") || has("Resources") {
        Some(
            "this is a CloudFormation template, not a policy; put the policy in a file of its own"
                .into(),
        )
    } else {
        None
    }
}
