//! Reading of `retry`: its rules, their effects, and the permissions of people.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use super::conditions::condition_keys;
use super::reader::{Reader, get};
use crate::backoff::{Backoff, JitterStrategy};
use crate::condition::{Condition, Conditions, Pattern};
use crate::digest::short_hex;
use crate::node::{Key, Kind, Node, Scalar};
use crate::policy::{Manual, Nested, Policy, Rule};
use crate::problem::{At, Place};
use crate::sdk_retry_mode::SdkRetryMode;
use crate::stage_retry_mode::StageRetryMode;

/// Maximum 14 days. AWS: an execution is redrivable for 14 days after its end (RedriveExecution).
const LONGEST_DELAY_SECONDS: i64 = 14 * 24 * 60 * 60;

/// Keys of a rule besides its conditions.
const EFFECT_KEYS: [&str; 7] = [
    "not",
    "limit",
    "max_attempts",
    "backoff",
    "retry_mode",
    "id",
    "description",
];

impl Reader {
    pub(super) fn retry(&mut self, node: &Node, policy: &mut Policy) {
        let Some(entries) = self.map(node, "retry", &["automatic", "manual", "nested"]) else {
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
        if let Some((_, node)) = get(entries, "manual") {
            policy.manual = self.manual(node);
        }
        let Some((_, node)) = get(entries, "automatic") else {
            return;
        };
        match (&node.kind, self.truth(node, "automatic")) {
            (_, Some(true)) => policy
                .automatic
                .push(finished(Rule::unconditional(node.place))),
            (_, Some(false)) => {}
            (Kind::Map(_), _) => policy.automatic.extend(self.rule(node)),
            (Kind::List(items), _) => {
                let mut ids: BTreeMap<String, (Place, bool)> = BTreeMap::new();
                for item in items {
                    let Some(rule) = self.rule(item) else {
                        continue;
                    };
                    let written = match &item.kind {
                        Kind::Map(entries) => get(entries, "id").map(|(_, node)| node.place),
                        _ => None,
                    };
                    let place = written.unwrap_or(item.place);
                    match ids.get_mut(&rule.id) {
                        None => {
                            ids.insert(rule.id.clone(), (place, rule.named));
                        }
                        // Rules with the same conditions may share a generated id.
                        Some((first, named)) if *named || rule.named => {
                            let line = first.line;
                            self.wrong(place, format!("id: {:?} is taken by the rule on line {line}; ids are unique in a policy", rule.id));
                        }
                        Some(_) => {}
                    }
                    policy.automatic.push(rule);
                }
            }
            _ => {
                // YAML 1.1 had further words for booleans.
                let hint = match node.scalar() {
                    Some(Scalar::Text("yes" | "on")) => "; write true".into(),
                    Some(Scalar::Text("no" | "off")) => "; write false".into(),
                    Some(Scalar::Int(number)) => format!("; write {{ limit: {number} }}"),
                    _ => String::new(),
                };
                self.wrong(
                    node.place,
                    format!(
                        "automatic: expected true, false, a rule or a list of rules, read {}{hint}",
                        node.described()
                    ),
                );
            }
        }
    }

    fn rule(&mut self, node: &Node) -> Option<Rule> {
        let errors = self.errors();
        let entries = self.map(node, "a rule", &condition_keys(&EFFECT_KEYS))?;
        let mut rule = Rule::unconditional(node.place);
        rule.conditions = self.conditions(node.place, entries);
        rule.mode = rule.conditions.all.iter().find_map(first_mode);
        self.limit(entries, &mut rule);
        if let Some(mode) = rule.mode {
            rule.backoff = mode.backoff();
        }
        if let Some((_, node)) = get(entries, "backoff") {
            rule.backoff = self.backoff(node, rule.mode);
        }
        if let Some((_, node)) = get(entries, "retry_mode") {
            match node.scalar() {
                Some(Scalar::Text("FAILED_ACTIONS")) => {
                    rule.retry_mode = StageRetryMode::FailedActions
                }
                Some(Scalar::Text("ALL_ACTIONS")) => rule.retry_mode = StageRetryMode::AllActions,
                _ => self.one_of(node, "retry_mode", &["FAILED_ACTIONS", "ALL_ACTIONS"]),
            }
        }
        if let Some((_, node)) = get(entries, "id") {
            rule.id = self.text(node, "id").unwrap_or_default();
            rule.named = true;
        }
        rule.description =
            get(entries, "description").and_then(|(_, node)| self.text(node, "description"));
        self.note_flaws(node.place, errors);
        Some(finished(rule))
    }

    /// Reads `limit` or `max_attempts`, else takes the limit of the mode.
    fn limit(&mut self, entries: &[(Key, Node)], rule: &mut Rule) {
        let (limit, attempts) = (get(entries, "limit"), get(entries, "max_attempts"));
        if let Some(mode) = rule.mode {
            rule.limit = mode.limit();
            rule.dynamodb_limit = match (limit, attempts) {
                (None, None) => mode.dynamodb_limit(),
                _ => None,
            };
        }
        if let Some((_, node)) = limit
            && let Some(limit) = self.whole(node, "limit", 0, 10)
        {
            rule.limit = limit;
        }
        let Some((key, node)) = attempts else {
            return;
        };
        let attempts = self.whole(node, "max_attempts", 1, 11);
        if limit.is_some() {
            self.wrong(key.place, "max_attempts and limit exclude each other: max_attempts includes the first call, limit counts only the retries; keep one");
        } else if get(entries, "mode").is_none() {
            self.wrong(key.place, "max_attempts is allowed only beside mode; without mode write limit, which is max_attempts minus the first call");
        } else if let Some(attempts) = attempts {
            rule.limit = attempts.saturating_sub(1);
        }
    }

    fn manual(&mut self, node: &Node) -> Manual {
        let mut manual = Manual::default();
        let mut forbidden_at = None;
        if let Some(allowed) = self.truth(node, "manual") {
            manual.allowed = allowed;
            forbidden_at = Some(node.place);
        } else if let Kind::Map(_) = node.kind {
            let keys = ["allowed", "reason", "permit_on_passed"];
            let entries = self.map(node, "manual", &keys).unwrap_or_default();
            let mut truth = |key: &str| {
                let (_, node) = get(entries, key)?;
                let truth = self.truth(node, key);
                if truth.is_none() {
                    let read = node.described();
                    self.wrong(
                        node.place,
                        format!("{key}: expected true or false, read {read}"),
                    );
                }
                truth.map(|truth| (truth, node.place))
            };
            if let Some((allowed, place)) = truth("allowed") {
                manual.allowed = allowed;
                forbidden_at = Some(place);
            }
            if let Some((permit, place)) = truth("permit_on_passed") {
                manual.permit_on_passed = permit;
                if permit {
                    self.warn(place, "permit_on_passed: true has no effect: neither Step Functions nor CodePipeline can retry a success");
                }
            }
            manual.reason = get(entries, "reason").and_then(|(_, node)| self.text(node, "reason"));
        } else {
            self.wrong(
                node.place,
                format!(
                    "manual: expected true, false or a mapping with the keys allowed, reason or permit_on_passed, read {}",
                    node.described()
                ),
            );
        }
        if let (false, Some(place)) = (manual.allowed, forbidden_at) {
            self.warn(place, "manual: false applies only to redrive's own commands; the consoles and APIs of Step Functions and CodePipeline can still retry");
        }
        manual
    }

    fn backoff(&mut self, node: &Node, mode: Option<SdkRetryMode>) -> Backoff {
        let mut backoff = mode.map_or_else(Backoff::default, SdkRetryMode::backoff);
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
            let written = match (max, mode) {
                (Some(_), _) => String::new(),
                (None, None) => ", the default".into(),
                (None, Some(mode)) => format!(", which mode {} sets", mode.as_str()),
            };
            self.wrong(
                key.place,
                format!(
                    "interval_seconds {} is above max_delay_seconds {}{written}: write both, with max_delay_seconds not below interval_seconds",
                    backoff.interval_seconds, backoff.max_delay_seconds
                ),
            );
        }
        backoff
    }
}

/// Returns the first mode that a condition names. Where a rule names several modes, the first supplies its defaults.
fn first_mode(condition: &Condition) -> Option<SdkRetryMode> {
    condition
        .values
        .iter()
        .find_map(|value| match value.pattern {
            Pattern::Mode(mode) => Some(mode),
            _ => None,
        })
}

impl Rule {
    fn unconditional(place: Place) -> Self {
        Self {
            id: String::new(),
            named: false,
            conditions: Conditions {
                at: At(place),
                ..Conditions::default()
            },
            limit: 2,
            dynamodb_limit: None,
            mode: None,
            at: At(place),
            backoff: Backoff::default(),
            retry_mode: StageRetryMode::FailedActions,
            description: None,
        }
    }
}

/// Completes a rule: without a written id, the id follows from its conditions.
fn finished(mut rule: Rule) -> Rule {
    if rule.id.is_empty() {
        rule.id = format!(
            "rule-{}",
            short_hex(&[rule.conditions.canonical().as_bytes()])
        );
    }
    rule
}
