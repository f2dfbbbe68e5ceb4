//! From the tree to the model: every problem at once.

mod cases;
mod rules;
mod words;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::glob::Glob;
use super::index::Index;
use super::lint::{lint, lint_words};
use super::node::{self, Key, Kind, Node, Scalar};
use super::problem::{At, Place, Problem, Problems, Severity, did_you_mean, one_of, simplified};
use super::{Checked, Document, Manual, Nested, Policy, Scope};

/// Words kept for later versions of the language.
const RESERVED: [&str; 8] = [
    "fleet",
    "per_target",
    "breaker",
    "approval",
    "window",
    "give_up",
    "tags",
    "notify",
];

pub(super) fn document(text: &str) -> Checked {
    read(text, false)
}

/// The same, with the lints.
pub(super) fn checked(text: &str) -> Checked {
    read(text, true)
}

fn read(text: &str, with_lints: bool) -> Checked {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, problems) = node::parse(text);
    whole(root.as_ref(), problems, with_lints)
}

pub(super) fn tree(root: &Node) -> Checked {
    whole(Some(root), Vec::new(), false)
}

fn whole(root: Option<&Node>, problems: Vec<Problem>, with_lints: bool) -> Checked {
    let mut reader = Reader {
        problems,
        flawed: BTreeSet::new(),
    };
    let document = root.map(|root| reader.document(root));
    if with_lints && let Some(document) = &document {
        let part = |flawed: bool| {
            let mut part = document.clone();
            part.never
                .retain(|never| reader.is_flawed(never.at) == flawed);
            for policy in &mut part.policies {
                policy
                    .automatic
                    .retain(|rule| reader.is_flawed(rule.at) == flawed);
            }
            part
        };
        // What is left of a flawed rule says nothing of what the rule covers.
        let lints = [lint(&part(false)), lint_words(&part(true))];
        reader.problems.extend(lints.into_iter().flatten());
    }
    reader.problems.sort_by_key(|problem| problem.place);
    // What an anchor repeats is wrong once.
    reader.problems.dedup();
    let (errors, warnings): (Vec<Problem>, Vec<Problem>) = reader
        .problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error);
    Checked {
        document: match document {
            Some(document) if errors.is_empty() => Ok(document),
            _ => Err(Problems(errors)),
        },
        warnings,
    }
}

struct Reader {
    problems: Vec<Problem>,
    /// Where rules and entries of `never` stand that have errors: what was read of them is not what is meant.
    flawed: BTreeSet<Place>,
}

impl Reader {
    fn is_flawed(&self, at: At) -> bool {
        self.flawed.contains(&at.0)
    }

    /// Remembers that what stands at `place` is flawed, if there are more errors than `before`.
    fn note_flaws(&mut self, place: Place, before: usize) {
        if self.errors() > before {
            self.flawed.insert(place);
        }
    }

    fn errors(&self) -> usize {
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        self.problems.iter().filter(is_error).count()
    }

    fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::new(place, message));
    }

    fn warn(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::warning(place, message));
    }

    /// The entries of a mapping, unknown keys reported.
    fn map<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Option<&'n [(Key, Node)]> {
        let Kind::Map(entries) = &node.kind else {
            let hint = match (&node.kind, node.scalar()) {
                (Kind::List(_), _) if keys.contains(&"automatic") => "; rules stand in automatic",
                (_, Some(Scalar::Text(text))) if lacks_space(text, keys) => {
                    "; a space is missing behind the colon"
                }
                _ => "",
            };
            self.wrong(
                node.place,
                format!(
                    "{what}: expected a mapping with the keys {}, read {}{hint}",
                    one_of(keys),
                    node.described()
                ),
            );
            return None;
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !keys.contains(&key.text.as_str()))
        {
            let message = if RESERVED.contains(&key.text.as_str()) {
                format!(
                    "{:?} is kept for a later version of the policy language: leave it out",
                    key.text
                )
            } else {
                let near = hint(&key.text, keys);
                format!(
                    "{what}: unknown key {:?}; the keys here are {}{near}",
                    key.text,
                    one_of(keys)
                )
            };
            self.wrong(key.place, message);
        }
        Some(entries)
    }

    fn document(&mut self, root: &Node) -> Document {
        let mut document = Document {
            never: Vec::new(),
            policies: Vec::new(),
            per_execution: 10,
            tests: Vec::new(),
            index: Index::default(),
        };
        let keys = ["version", "retry", "policies", "never", "budget", "tests"];
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
                    format!("version: expected 1, read {}", node.described()),
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
                        "never: expected a list of conditions, read {}",
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
                format!("policies: expected a list, read {}", node.described()),
            );
            return Vec::new();
        };
        let mut policies: Vec<Policy> = Vec::new();
        let mut named: BTreeMap<String, usize> = BTreeMap::new();
        for item in items {
            let Some(entries) = self.map(item, "a policy", &["name", "match", "retry"]) else {
                continue;
            };
            let mut policy = empty_policy("", item.place);
            match get(entries, "name") {
                None => self.wrong(
                    item.place,
                    "a policy needs a name; write: name: and a word that the records will carry",
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
                policy.scope = self.scope(node);
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

    fn one_of(&mut self, node: &Node, what: &str, words: &[&str]) {
        let near = match node.scalar() {
            Some(Scalar::Text(text)) => did_you_mean(text, words),
            _ => String::new(),
        };
        self.wrong(
            node.place,
            format!(
                "{what}: expected {}, read {}{near}",
                one_of(words),
                node.described()
            ),
        );
    }

    fn whole(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<u32> {
        if let Some(Scalar::Int(number)) = node.scalar()
            && (least..=most).contains(&number)
        {
            return u32::try_from(number).ok();
        }
        let hint = match node.scalar() {
            Some(Scalar::Text(text)) if text.parse::<i64>().is_ok() => "; write it without quotes",
            Some(Scalar::Text(text))
                if what.ends_with("_seconds") && text.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                "; write the seconds alone, without a unit"
            }
            _ => "",
        };
        self.wrong(
            node.place,
            format!(
                "{what}: expected a whole number from {least} to {most}, read {}{hint}",
                node.described()
            ),
        );
        None
    }

    /// true or false; Buildkite's own schema allows them as text too.
    fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        let (truth, written) = match node.scalar() {
            Some(Scalar::Bool(truth)) => return Some(truth),
            Some(Scalar::Text("true")) => (true, "true"),
            Some(Scalar::Text("false")) => (false, "false"),
            _ => return None,
        };
        self.warn(
            node.place,
            format!("{what}: the text {written:?} is read as {written}; write it without quotes"),
        );
        Some(truth)
    }

    /// One text. A plain number is not text: `account: 0123` would not be what was meant.
    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.scalar() {
            Some(Scalar::Text(text)) if !text.is_empty() => Some(text.to_string()),
            Some(Scalar::Int(_) | Scalar::Float(_) | Scalar::Bool(_)) => {
                self.wrong(
                    node.place,
                    format!(
                        "{what}: expected text, read {}; put it in quotes if it is meant",
                        node.described()
                    ),
                );
                None
            }
            _ => {
                self.wrong(
                    node.place,
                    format!("{what}: expected text, read {}", node.described()),
                );
                None
            }
        }
    }

    /// One value of a condition. The empty text is a value like any other: empty is not absent.
    fn value(&mut self, node: &Node, what: &str) -> Option<(Place, String)> {
        match node.scalar() {
            Some(Scalar::Text("")) => Some((node.place, String::new())),
            _ => self.text(node, what).map(|text| (node.place, text)),
        }
    }

    /// A text or a list of texts, at least one.
    fn texts(&mut self, node: &Node, what: &str) -> Vec<(Place, String)> {
        let items = self.items(node, what);
        items
            .iter()
            .filter_map(|item| self.value(item, what))
            .collect()
    }

    /// A scalar, or the items of a list that has any.
    fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) if items.is_empty() => {
                self.wrong(node.place, format!("{what}: the list is empty, so nothing would ever match; name a value or leave {what} out"));
                &[]
            }
            Kind::List(items) => items,
            _ => core::slice::from_ref(node),
        }
    }
}

/// `error:Lambda.Unknown` is one word to YAML.
fn lacks_space(text: &str, keys: &[&str]) -> bool {
    text.split_once(':')
        .is_some_and(|(key, _)| keys.contains(&key))
}

fn get<'n>(entries: &'n [(Key, Node)], key: &str) -> Option<(&'n Key, &'n Node)> {
    entries
        .iter()
        .find(|(own, _)| own.text == key)
        .map(|(key, node)| (key, node))
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

/// What others call something, and what it is called here.
const SYNONYMS: [(&str, &str); 15] = [
    ("exit_code", "exit_status"),
    ("exit", "exit_status"),
    ("status_code", "http_status"),
    ("http_code", "http_status"),
    ("ErrorEquals", "error"),
    ("error_name", "error"),
    ("state_name", "state"),
    ("stage_name", "stage"),
    ("action_name", "action"),
    ("message", "summary"),
    ("max_retries", "limit"),
    ("retries", "limit"),
    ("rate", "backoff_rate"),
    ("delay", "interval_seconds"),
    ("rules", "automatic"),
];

/// Where a key stands that was written somewhere else.
const HOMES: [(&str, &str); 20] = [
    ("interval_seconds", "backoff"),
    ("backoff_rate", "backoff"),
    ("max_delay_seconds", "backoff"),
    ("jitter_strategy", "backoff"),
    ("automatic", "retry"),
    ("manual", "retry"),
    ("nested", "retry"),
    ("allowed", "manual"),
    ("permit_on_passed", "manual"),
    ("per_execution", "budget"),
    ("state_machine", "match"),
    ("pipeline", "match"),
    ("account", "match"),
    ("region", "match"),
    ("match", "a policy"),
    ("limit", "a rule"),
    ("max_attempts", "a rule"),
    ("backoff", "a rule"),
    ("retry_mode", "a rule"),
    ("never", "the document"),
];

/// What may have been meant by a key that is not one of `keys`.
fn hint(read: &str, keys: &[&str]) -> String {
    let simple = simplified(read);
    let synonym = SYNONYMS
        .iter()
        .find(|(other, own)| simplified(other) == simple && keys.contains(own));
    if let Some((_, own)) = synonym {
        return format!("; did you mean {own:?}?");
    }
    let near = did_you_mean(read, keys);
    let home = HOMES.iter().find(|(key, _)| simplified(key) == simple);
    match home {
        Some((key, home)) if near.is_empty() => format!("; {key:?} stands in {home}"),
        _ => near,
    }
}
