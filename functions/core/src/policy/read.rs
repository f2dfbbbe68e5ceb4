//! From the tree to the model: every problem at once.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::condition::{Condition, Conditions, Word};
use super::glob::Glob;
use super::node::{self, Key, Kind, Node, Scalar};
use super::problem::{Place, Problem, Problems, did_you_mean, one_of};
use super::{Backoff, Document, JitterStrategy, Nested, Policy, Rule, Scope};
use crate::digest::short_hex;
use crate::verdict::RetryMode;

/// 14 days: how long AWS lets an execution be redriven.
const LONGEST_DELAY_SECONDS: i64 = 14 * 24 * 60 * 60;

/// Words of the language that this version does not read yet. An error tells so, instead of calling them
/// unknown, and instead of dropping what somebody relies on.
const NOT_YET: [&str; 11] = [
    "exit_status",
    "signal",
    "signal_reason",
    "state",
    "resource",
    "http_status",
    "mode",
    "max_attempts",
    "manual",
    "allowed",
    "permit_on_passed",
];

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

/// What a rule has besides its conditions.
const EFFECT_KEYS: [&str; 6] = ["not", "limit", "backoff", "retry_mode", "id", "reason"];

/// The conditions there are, and what else may stand beside them.
fn condition_keys(more: &[&'static str]) -> Vec<&'static str> {
    Word::ALL
        .iter()
        .map(|word| word.as_str())
        .chain(more.iter().copied())
        .collect()
}

pub(super) fn document(text: &str) -> Result<Document, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, problems) = node::parse(text);
    let mut reader = Reader { problems };
    let document = root.map(|root| reader.document(&root));
    match document {
        Some(document) if reader.problems.is_empty() => Ok(document),
        _ => {
            reader.problems.sort_by_key(|problem| problem.place);
            // What an anchor repeats is wrong once.
            reader.problems.dedup();
            Err(Problems(reader.problems))
        }
    }
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::new(place, message));
    }

    /// The entries of a mapping, unknown keys reported.
    fn map<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Option<&'n [(Key, Node)]> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong(
                node.place,
                format!(
                    "{what}: expected a mapping with the keys {}, read {}",
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
            let message = if NOT_YET.contains(&key.text.as_str())
                || (what == "the document" && key.text == "tests")
            {
                format!(
                    "{:?} belongs to the policy language, but this version does not read it yet: leave it out",
                    key.text
                )
            } else if RESERVED.contains(&key.text.as_str()) {
                format!(
                    "{:?} is kept for a later version of the policy language: leave it out",
                    key.text
                )
            } else {
                let near = did_you_mean(&key.text, keys);
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
        };
        let keys = ["version", "retry", "policies", "never", "budget"];
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
                let mut policy = Policy {
                    name: "default".into(),
                    scope: Scope::default(),
                    automatic: Vec::new(),
                    nested: Nested::default(),
                };
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
            let mut policy = Policy {
                name: String::new(),
                scope: Scope::default(),
                automatic: Vec::new(),
                nested: Nested::default(),
            };
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

    fn retry(&mut self, node: &Node, policy: &mut Policy) {
        let Some(entries) = self.map(node, "retry", &["automatic", "nested"]) else {
            return;
        };
        if let Some((_, node)) = get(entries, "nested") {
            match node.scalar() {
                Some(Scalar::Text("parent")) => policy.nested = Nested::Parent,
                Some(Scalar::Text("own")) => policy.nested = Nested::Own,
                _ => self.wrong(
                    node.place,
                    format!("nested: expected parent or own, read {}", node.described()),
                ),
            }
        }
        let Some((_, node)) = get(entries, "automatic") else {
            return;
        };
        match (&node.kind, node.scalar()) {
            (_, Some(Scalar::Bool(true))) => policy.automatic.push(finished(Rule::unconditional())),
            (_, Some(Scalar::Bool(false))) => {}
            (Kind::Map(_), _) => policy.automatic.extend(self.rule(node)),
            (Kind::List(items), _) => {
                let mut ids: Vec<(String, Place, bool)> = Vec::new();
                for item in items {
                    let Some(rule) = self.rule(item) else {
                        continue;
                    };
                    let written = match &item.kind {
                        Kind::Map(entries) => get(entries, "id").map(|(_, node)| node.place),
                        _ => None,
                    };
                    let place = written.unwrap_or(item.place);
                    let taken = ids
                        .iter()
                        .find(|(id, _, named)| *id == rule.id && (*named || written.is_some()));
                    if let Some((_, first, _)) = taken {
                        let line = first.line;
                        self.wrong(place, format!("id: {:?} is taken by the rule on line {line}; ids are unique in a policy", rule.id));
                    }
                    ids.push((rule.id.clone(), place, written.is_some()));
                    policy.automatic.push(rule);
                }
            }
            _ => self.wrong(
                node.place,
                format!(
                    "automatic: expected true, false, a rule or a list of rules, read {}",
                    node.described()
                ),
            ),
        }
    }

    fn rule(&mut self, node: &Node) -> Option<Rule> {
        let entries = self.map(node, "a rule", &condition_keys(&EFFECT_KEYS))?;
        let mut rule = Rule::unconditional();
        rule.conditions = self.conditions(entries);
        if let Some((_, node)) = get(entries, "limit")
            && let Some(limit) = self.whole(node, "limit", 0, 10)
        {
            rule.limit = limit;
        }
        if let Some((_, node)) = get(entries, "backoff") {
            rule.backoff = self.backoff(node);
        }
        if let Some((_, node)) = get(entries, "retry_mode") {
            match node.scalar() {
                Some(Scalar::Text("FAILED_ACTIONS")) => rule.retry_mode = RetryMode::FailedActions,
                Some(Scalar::Text("ALL_ACTIONS")) => rule.retry_mode = RetryMode::AllActions,
                _ => self.one_of(node, "retry_mode", &["FAILED_ACTIONS", "ALL_ACTIONS"]),
            }
        }
        if let Some((_, node)) = get(entries, "id") {
            rule.id = self.text(node, "id").unwrap_or_default();
        }
        rule.reason = get(entries, "reason").and_then(|(_, node)| self.text(node, "reason"));
        Some(finished(rule))
    }

    fn never(&mut self, node: &Node) -> Option<Conditions> {
        let entries = self.map(node, "never", &condition_keys(&["not"]))?;
        let conditions = self.conditions(entries);
        if entries.is_empty() {
            self.wrong(node.place, "never: an entry without conditions would forbid everything; write automatic: false instead");
        }
        Some(conditions)
    }

    fn conditions(&mut self, entries: &[(Key, Node)]) -> Conditions {
        let all = self.words(entries);
        let not = match get(entries, "not") {
            Some((_, node)) => self
                .map(node, "not", &condition_keys(&[]))
                .map(|entries| self.words(entries))
                .unwrap_or_default(),
            None => Vec::new(),
        };
        Conditions { all, not }
    }

    fn words(&mut self, entries: &[(Key, Node)]) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for word in Word::ALL {
            let Some((_, node)) = get(entries, word.as_str()) else {
                continue;
            };
            let values = self.texts(node, word.as_str());
            if word == Word::Status {
                for (place, value) in &values {
                    let known = ["FAILED", "TIMED_OUT"];
                    let glob = Glob::new(value, true);
                    if value != "none" && !known.iter().any(|known| glob.matches(known)) {
                        let near = did_you_mean(value, &known);
                        let message = format!(
                            "status: expected FAILED or TIMED_OUT, read {value:?}{near}; nothing else is ever retried"
                        );
                        self.wrong(*place, message);
                    }
                }
            }
            conditions.push(Condition::new(
                word,
                values.into_iter().map(|(_, text)| text).collect(),
            ));
        }
        conditions
    }

    fn backoff(&mut self, node: &Node) -> Backoff {
        let mut backoff = Backoff::default();
        let keys = [
            "interval_seconds",
            "backoff_rate",
            "max_delay_seconds",
            "jitter_strategy",
        ];
        let Some(entries) = self.map(node, "backoff", &keys) else {
            return backoff;
        };
        let mut seconds = |key: &str, least: i64| {
            let (_, node) = get(entries, key)?;
            self.whole(node, key, least, LONGEST_DELAY_SECONDS)
        };
        backoff.interval_seconds =
            seconds("interval_seconds", 0).unwrap_or(backoff.interval_seconds);
        let max = seconds("max_delay_seconds", 0);
        backoff.max_delay_seconds = max.unwrap_or(backoff.max_delay_seconds);
        if let Some((_, node)) = get(entries, "backoff_rate") {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a rate is small, and a large one is refused"
            )]
            let rate = match node.scalar() {
                Some(Scalar::Int(rate)) => Some(rate as f64),
                Some(Scalar::Float(rate)) => Some(rate),
                _ => None,
            };
            match rate.filter(|rate| (1.0..=100.0).contains(rate)) {
                Some(rate) => backoff.backoff_rate = rate,
                None => self.wrong(
                    node.place,
                    format!(
                        "backoff_rate: expected a number from 1 to 100, read {}",
                        node.described()
                    ),
                ),
            }
        }
        if let Some((_, node)) = get(entries, "jitter_strategy") {
            match node.scalar() {
                Some(Scalar::Text("FULL")) => backoff.jitter_strategy = JitterStrategy::Full,
                Some(Scalar::Text("NONE")) => backoff.jitter_strategy = JitterStrategy::None,
                _ => self.one_of(node, "jitter_strategy", &["FULL", "NONE"]),
            }
        }
        if let Some((key, _)) = get(entries, "interval_seconds")
            && backoff.interval_seconds > backoff.max_delay_seconds
        {
            let written = if max.is_some() { "" } else { ", the default" };
            self.wrong(
                key.place,
                format!(
                    "interval_seconds {} is above max_delay_seconds {}{written}: write both, the second not below the first",
                    backoff.interval_seconds, backoff.max_delay_seconds
                ),
            );
        }
        backoff
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
        self.wrong(
            node.place,
            format!(
                "{what}: expected a whole number from {least} to {most}, read {}",
                node.described()
            ),
        );
        None
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
        match &node.kind {
            Kind::List(items) if items.is_empty() => {
                self.wrong(node.place, format!("{what}: the list is empty, so nothing would ever match; name a value or leave {what} out"));
                Vec::new()
            }
            Kind::List(items) => items
                .iter()
                .filter_map(|item| self.value(item, what))
                .collect(),
            _ => self.value(node, what).into_iter().collect(),
        }
    }
}

fn get<'n>(entries: &'n [(Key, Node)], key: &str) -> Option<(&'n Key, &'n Node)> {
    entries
        .iter()
        .find(|(own, _)| own.text == key)
        .map(|(key, node)| (key, node))
}

impl Rule {
    fn unconditional() -> Self {
        Self {
            id: String::new(),
            conditions: Conditions::default(),
            limit: 2,
            backoff: Backoff::default(),
            retry_mode: RetryMode::FailedActions,
            reason: None,
        }
    }
}

/// Gives a rule without a written id the one that follows from its conditions.
fn finished(mut rule: Rule) -> Rule {
    if rule.id.is_empty() {
        rule.id = format!(
            "rule-{}",
            short_hex(&[rule.conditions.canonical().as_bytes()])
        );
    }
    rule
}
