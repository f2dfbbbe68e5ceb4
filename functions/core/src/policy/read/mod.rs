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
    read(text, no_lints)
}

/// The same, with the lints.
pub(super) fn checked(text: &str) -> Checked {
    read(text, lints)
}

/// What is said of a document besides what reading it says. A function that never asks for the lints does not carry
/// them: hence an argument, and no flag.
type Lints = fn(&Reader, &Document) -> Vec<Problem>;

fn no_lints(_: &Reader, _: &Document) -> Vec<Problem> {
    Vec::new()
}

fn lints(reader: &Reader, document: &Document) -> Vec<Problem> {
    // What is left of a flawed rule says nothing of what the rule covers, and that of a flawed match nothing of
    // what the policy takes.
    let mut sound = document.clone();
    sound.policies.retain(|policy| !reader.is_flawed(policy.at));
    sound.never.retain(|never| !reader.is_flawed(never.at));
    for policy in &mut sound.policies {
        policy.automatic.retain(|rule| !reader.is_flawed(rule.at));
    }
    sound.index = Index::new(&sound.policies);
    let mut flawed = document.clone();
    flawed.never.retain(|never| reader.is_flawed(never.at));
    for policy in &mut flawed.policies {
        if !reader.is_flawed(policy.at) {
            policy.automatic.retain(|rule| reader.is_flawed(rule.at));
        }
    }
    [lint(&sound), lint_words(&flawed)]
        .into_iter()
        .flatten()
        .collect()
}

fn read(text: &str, lints: Lints) -> Checked {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, problems) = node::parse(text);
    whole(root.as_ref(), problems, lints)
}

pub(super) fn tree(root: &Node) -> Checked {
    whole(Some(root), Vec::new(), no_lints)
}

fn whole(root: Option<&Node>, problems: Vec<Problem>, lints: Lints) -> Checked {
    let mut reader = Reader {
        problems,
        flawed: BTreeSet::new(),
    };
    let document = root.map(|root| reader.document(root));
    if let Some(document) = &document {
        let lints = lints(&reader, document);
        reader.problems.extend(lints);
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
    /// Where rules and entries of `never` stand that have errors, and policies whose `match` has: what was read of
    /// them is not what is meant.
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
            let hint = shape_hint(node, what, keys);
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
            // `macth: {}` would be its match.
            self.note_flaws(item.place, errors);
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

    /// A target is matched by its name, which has no colon.
    fn doubt_arn(&mut self, place: Place, what: &str, text: &str) {
        let name = text.rsplit(':').next().unwrap_or_default();
        if text.starts_with("arn:") {
            self.warn(place, format!("{what}: {text:?} is an ARN, and no name is one, so it never matches; write {name:?}"));
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
            Some(Scalar::Text(_)) if what.ends_with("_seconds") => {
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
            read => {
                let hint = match read {
                    Some(Scalar::Null) => format!("; name a value, or leave {what} out"),
                    _ => String::new(),
                };
                self.wrong(
                    node.place,
                    format!("{what}: expected text, read {}{hint}", node.described()),
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

/// What to do where something else stands in a mapping's place.
fn shape_hint(node: &Node, what: &str, keys: &[&str]) -> String {
    let takes = |key: &str| keys.contains(&key);
    match (&node.kind, node.scalar()) {
        (Kind::List(_), _) if takes("automatic") => "; rules stand in automatic".into(),
        (Kind::List(_), _) if what == "not" => "; the values of a condition may be a list".into(),
        (_, Some(Scalar::Null)) if what != "the document" => "; indent what belongs to it".into(),
        (_, Some(Scalar::Bool(truth))) if takes("automatic") => {
            format!("; write {{ automatic: {truth} }}")
        }
        (_, Some(Scalar::Int(number))) => {
            let number_of = ["per_execution", "interval_seconds"];
            match number_of.into_iter().find(|key| takes(key)) {
                Some(key) => format!("; write {{ {key}: {number} }}"),
                None if takes("automatic") => {
                    format!("; write {{ automatic: {{ limit: {number} }} }}")
                }
                None => String::new(),
            }
        }
        (_, Some(Scalar::Text(text))) => {
            // `error:Lambda.Unknown` is one word to YAML.
            let before = |mark| {
                let key = text.split_once(mark).map(|(key, _)| key.trim_end());
                key.is_some_and(takes)
            };
            if before(':') {
                "; a space is missing behind the colon".into()
            } else if before('=') {
                "; write a colon and a space in the place of the =".into()
            } else if takes("error") && what != "a failure" {
                "; name what is asked for, as in { error: \"Lambda.*\" }".into()
            } else {
                String::new()
            }
        }
        _ => String::new(),
    }
}

/// What a document of another program is, by a key that it has, and what to do about it.
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
            "this is {what}, and no policy; redrive import {name} FILE prints the policy that means what its retries mean"
        )
    };
    if has("steps") {
        Some(import("a Buildkite pipeline", "buildkite"))
    } else if has("States") && has("StartAt") {
        Some(import("a state machine's definition", "asl"))
    } else if has("retryStrategy") {
        Some(import("a Batch job's definition", "batch"))
    } else if has("jobs") && has("on") {
        Some("this is a GitHub Actions workflow, and no policy; write one: version: 1, and retry or policies".into())
    } else if has("AWSTemplateFormatVersion") || has("Resources") {
        Some(
            "this is a CloudFormation template, and no policy; the policy is a file of its own"
                .into(),
        )
    } else {
        None
    }
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
const SYNONYMS: [(&str, &str); 22] = [
    ("exit_code", "exit_status"),
    ("exit", "exit_status"),
    ("status_code", "http_status"),
    ("http_code", "http_status"),
    ("error_name", "error"),
    ("state_name", "state"),
    ("stage_name", "stage"),
    ("action_name", "action"),
    ("message", "summary"),
    ("max_retries", "limit"),
    ("retries", "limit"),
    ("attempts", "limit"),
    ("max", "limit"),
    ("rate", "backoff_rate"),
    ("delay", "interval_seconds"),
    ("wait", "interval_seconds"),
    ("jitter", "jitter_strategy"),
    ("rules", "automatic"),
    ("rule", "automatic"),
    ("policy", "policies"),
    ("unless", "not"),
    ("except", "not"),
];

/// What a `Retry` of the States language says, and where it stands here. Its attempts are retries, as those of
/// `limit` are and those of `max_attempts` are not.
const STATES_LANGUAGE: [(&str, &str); 6] = [
    ("ErrorEquals", "error"),
    ("MaxAttempts", "limit"),
    ("IntervalSeconds", "interval_seconds in backoff"),
    ("BackoffRate", "backoff_rate in backoff"),
    ("MaxDelaySeconds", "max_delay_seconds in backoff"),
    ("JitterStrategy", "jitter_strategy in backoff"),
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
    if read.starts_with("//") {
        return "; a comment begins with #".into();
    }
    if read.trim() != read.trim_ascii() {
        return "; the spaces beside it are none that YAML knows: type them anew".into();
    }
    let language = STATES_LANGUAGE.iter().find(|(other, _)| *other == read);
    if let Some((_, own)) = language {
        return format!(
            "; what the States language calls so is {own} here, and redrive import asl brings a machine's Retry along"
        );
    }
    let simple = simplified(read);
    let synonym = SYNONYMS
        .iter()
        .find(|(other, _)| simplified(other) == simple)
        .map(|(_, own)| *own);
    if let Some(own) = synonym.filter(|own| keys.contains(own)) {
        return format!("; did you mean {own:?}?");
    }
    let near = did_you_mean(read, keys);
    if !near.is_empty() {
        return near;
    }
    let meant = synonym.map_or_else(|| simple.clone(), simplified);
    let home = HOMES.iter().find(|(key, _)| simplified(key) == meant);
    // "max_delay" is short for "max_delay_seconds".
    let home = home.or_else(|| {
        let starts = |key: &str| simple.len() >= 4 && simplified(key).starts_with(&simple);
        HOMES.iter().find(|(key, _)| starts(key))
    });
    match home {
        Some((key, home)) => format!("; {key:?} stands in {home}"),
        None => String::new(),
    }
}
