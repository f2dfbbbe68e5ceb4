//! Import of `retry` blocks from Buildkite. The policy language has the same words, so legal blocks are copied.

use std::collections::BTreeSet;

use redrive_policy::node::{Key, Kind, Node, Scalar};
use redrive_policy::{Document, Place, Severity};

use super::context::{Entries, ImportContext, get, inside};
use super::draft::{Automatic, Draft, Plan, Policy, Rule};
use super::yaml;

const RETRY: [&str; 2] = ["automatic", "manual"];
const RULE: [&str; 4] = ["exit_status", "signal", "signal_reason", "limit"];
const MANUAL: [&str; 3] = ["allowed", "reason", "permit_on_passed"];

/// Reasons for which Buildkite itself never retries a step.
const REASONS_OF_ITS_AGENTS: [&str; 3] =
    ["agent_refused", "agent_incompatible", "signature_rejected"];

/// A step with a `retry` block.
struct Step<'n> {
    name: String,
    retry: &'n Node,
}

pub(super) fn draft(root: &Node, context: &mut ImportContext<'_>) -> Option<Draft> {
    let mut plan = Plan {
        head: [
            format!("From the retry blocks of {} (Buildkite).", context.file),
            "- Buildkite retries at once. A rule without backoff waits up to 30 s here, then up to 60 s, and so on to \
             900 s; backoff: { interval_seconds: 0 } waits no more than Buildkite does."
                .into(),
            "- exit_status, signal and signal_reason are known where the platform under a failure names them."
                .into(),
        ]
        .into(),
        ..Plan::default()
    };
    if let Some(block) = bare(root) {
        plan.policies.push(policy(block, context));
    } else {
        let mut steps = Vec::new();
        find(root, &mut steps, context);
        if steps.is_empty() && context.problems.is_empty() {
            context.wrong(
                root.place,
                "there is no retry block; expected a pipeline with steps, a step with retry, or a block with \
                 automatic or manual",
            );
        }
        let only = steps.len() == 1;
        let mut names = BTreeSet::new();
        for step in steps {
            let name = unique(step.name, &mut names);
            let mut policy = policy(step.retry, context);
            policy.remarks.insert(
                0,
                if only {
                    "Every target: a pipeline does not say what does the work of a step here.".into()
                } else {
                    "The name of the step: put those of the state machine and the pipeline that do its work.".to_owned()
                },
            );
            policy.scope = if only {
                "{}".into()
            } else {
                let target = yaml::text(&target(&name));
                format!("{{ state_machine: {target}, pipeline: {target} }}")
            };
            policy.name = Some(name);
            plan.policies.push(policy);
        }
    }
    plan.make_room();
    Some(plan.written())
}

/// Returns the retry block of a file that has nothing else, with or without its key.
fn bare(root: &Node) -> Option<&Node> {
    let Kind::Map(entries) = &root.kind else {
        return None;
    };
    let has = |key: &str| get(entries, key).is_some();
    if has("steps") || has("group") {
        return None;
    }
    let named = [
        "key",
        "identifier",
        "id",
        "label",
        "name",
        "command",
        "commands",
    ];
    match get(entries, "retry") {
        Some(_) if named.iter().any(|key| has(key)) => None,
        Some(retry) => Some(retry),
        None if entries.is_empty() || RETRY.iter().any(|key| has(key)) => Some(root),
        None => None,
    }
}

/// Finds the steps with a `retry` block in a pipeline and in its groups.
fn find<'n>(node: &'n Node, steps: &mut Vec<Step<'n>>, context: &mut ImportContext<'_>) {
    let entries = match &node.kind {
        Kind::List(items) => {
            for item in items {
                find(item, steps, context);
            }
            return;
        }
        Kind::Map(entries) => entries,
        // A step such as `wait`.
        Kind::Scalar { .. } => return,
    };
    // An old form of a step: { command: { label: …, retry: … } }.
    for key in ["command", "commands", "script"] {
        if let Some(inner) = get(entries, key).filter(|inner| matches!(inner.kind, Kind::Map(_))) {
            find(inner, steps, context);
        }
    }
    let retry = get(entries, "retry");
    match (get(entries, "steps"), retry) {
        (Some(inner), None) => find(inner, steps, context),
        (Some(inner), Some(retry)) => {
            context.wrong(
                retry.place,
                "retry: stands beside steps, where Buildkite has none; move it into the steps that it is for",
            );
            find(inner, steps, context);
        }
        (None, Some(retry)) => {
            let name = name(entries).unwrap_or_else(|| {
                let number = steps.len().saturating_add(1);
                format!("step-{number}")
            });
            steps.push(Step { name, retry });
        }
        (None, None) => {}
    }
}

fn name(entries: Entries<'_>) -> Option<String> {
    ["key", "identifier", "id", "label", "name"]
        .iter()
        .filter_map(|key| get(entries, key))
        .find_map(|node| match &node.kind {
            Kind::Scalar { text, .. } if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => None,
        })
}

fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let mut free = name.clone();
    let mut number = 1_usize;
    while !taken.insert(free.clone()) {
        number = number.saturating_add(1);
        free = format!("{name}-{number}");
    }
    free
}

/// Returns a name that a state machine or a pipeline can have: `hammer-Unit-tests` for `:hammer: Unit tests`.
fn target(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words: Vec<&str> = name
        .split(|c| !allowed(c))
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        return "step".into();
    }
    words.join("-")
}

fn policy(retry: &Node, context: &mut ImportContext<'_>) -> Policy {
    check(retry, context);
    let mut policy = Policy::default();
    let Kind::Map(entries) = &retry.kind else {
        return policy;
    };
    for warning in warnings(retry) {
        // The warning about this key appears in other words below.
        if !warning.1.starts_with("permit_on_passed") {
            policy.remarks.push(context.lose(warning.0, warning.1));
        }
    }
    if let Some(node) = get(entries, "automatic") {
        policy.automatic = automatic(node, context);
    }
    if let Some(node) = get(entries, "manual") {
        policy.manual = manual(node, &mut policy.remarks, context);
    }
    policy
}

/// Reports keys and values that Buildkite refuses. Buildkite has fewer keys than a policy, and the same values, which
/// the reader of policies checks.
fn check(retry: &Node, context: &mut ImportContext<'_>) {
    let before = context.problems.len();
    if let Some(entries) = context.map(retry, "retry", &RETRY) {
        if let Some(manual) = get(entries, "manual").filter(|node| is_map(node)) {
            context.map(manual, "manual", &MANUAL);
        }
        let rules = match get(entries, "automatic") {
            Some(node) => match &node.kind {
                Kind::List(rules) => rules.as_slice(),
                Kind::Map(_) => core::slice::from_ref(node),
                Kind::Scalar { .. } => &[],
            },
            None => &[],
        };
        for rule in rules {
            context.map(rule, "a rule", &RULE);
        }
    }
    let noticed: Vec<Place> = context
        .problems
        .iter()
        .skip(before)
        .map(|problem| problem.place)
        .collect();
    if let Err(problems) = Document::read_node(&document(retry)).document {
        // A problem at a known place repeats the report in the words of a policy.
        let others = problems.0.into_iter();
        context
            .problems
            .extend(others.filter(|problem| !noticed.contains(&problem.place)));
    }
}

fn warnings(retry: &Node) -> Vec<(Place, String)> {
    let warnings = Document::read_node(&document(retry)).warnings;
    warnings
        .into_iter()
        .filter(|warning| warning.severity == Severity::Warning)
        .map(|warning| (warning.place, warning.message))
        .collect()
}

/// Returns a policy document with this block in it. The nodes keep their places.
fn document(retry: &Node) -> Node {
    let place = retry.place;
    let key = |text: &str| Key {
        place,
        text: text.into(),
    };
    let version = Node {
        place,
        kind: Kind::Scalar {
            text: "1".into(),
            plain: true,
        },
    };
    Node {
        place,
        kind: Kind::Map([(key("version"), version), (key("retry"), retry.clone())].into()),
    }
}

fn is_map(node: &Node) -> bool {
    matches!(node.kind, Kind::Map(_))
}

fn truth(node: &Node) -> Option<bool> {
    match node.scalar() {
        Some(Scalar::Bool(truth)) => Some(truth),
        Some(Scalar::Text("true")) => Some(true),
        Some(Scalar::Text("false")) => Some(false),
        _ => None,
    }
}

fn automatic(node: &Node, context: &mut ImportContext<'_>) -> Automatic {
    match (&node.kind, truth(node)) {
        (_, Some(truth)) => Automatic::Truth(truth),
        (Kind::List(rules), _) => {
            Automatic::Rules(rules.iter().map(|node| rule(node, context)).collect())
        }
        (Kind::Map(_), _) => Automatic::Rules([rule(node, context)].into()),
        (Kind::Scalar { .. }, _) => Automatic::Unwritten,
    }
}

fn rule(node: &Node, context: &mut ImportContext<'_>) -> Rule {
    let mut rule = Rule {
        limit: 2,
        ..Rule::default()
    };
    for key in RULE {
        let Some(value) = inside(node, key) else {
            continue;
        };
        let values = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ => core::slice::from_ref(value),
        };
        if key == "limit" {
            if let Some(Scalar::Int(limit)) = value.scalar() {
                rule.limit = u32::try_from(limit).unwrap_or_default();
            }
        } else if key == "signal_reason" {
            never_met(values, &mut rule, context);
        }
        let words: Vec<String> = values.iter().map(|value| word(key, value)).collect();
        rule.say(key, yaml::any_of(&words));
    }
    if rule.words.is_empty() {
        rule.say("limit", "2");
    }
    rule
}

fn never_met(reasons: &[Node], rule: &mut Rule, context: &mut ImportContext<'_>) {
    for reason in reasons {
        let Some(Scalar::Text(text)) = reason.scalar() else {
            continue;
        };
        let text = text.to_ascii_lowercase();
        if REASONS_OF_ITS_AGENTS.contains(&text.as_str()) {
            rule.remarks.push(context.lose(
                reason.place,
                format!("signal_reason: {text} is said of Buildkite's agents, and never met here"),
            ));
        }
    }
}

fn word(key: &str, value: &Node) -> String {
    match value.scalar() {
        Some(Scalar::Text(text)) if key == "exit_status" && text.parse::<i16>().is_ok() => {
            text.into()
        }
        // Buildkite knows no star except one that stands alone.
        Some(Scalar::Text(text))
            if key == "signal" && text.contains(['*', '\\']) && text != "*" =>
        {
            yaml::literal(text).unwrap_or_default()
        }
        Some(Scalar::Text(text)) => yaml::text(text),
        Some(Scalar::Int(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn manual(
    node: &Node,
    remarks: &mut Vec<String>,
    context: &mut ImportContext<'_>,
) -> Option<String> {
    if let Some(truth) = truth(node) {
        return Some(truth.to_string());
    }
    let Kind::Map(entries) = &node.kind else {
        return None;
    };
    let mut words = Vec::new();
    if let Some(allowed) = get(entries, "allowed").and_then(truth) {
        words.push(format!("allowed: {allowed}"));
    }
    if let Some(Scalar::Text(reason)) = get(entries, "reason").and_then(Node::scalar) {
        words.push(format!("reason: {}", yaml::text(reason)));
    }
    if let Some(node) = get(entries, "permit_on_passed") {
        let permit = truth(node).unwrap_or_default();
        remarks.push(if permit {
            context.lose(node.place, "permit_on_passed: true is left out: neither Step Functions nor CodePipeline can retry what passed")
        } else {
            "permit_on_passed: false is left out: what passed is never retried here".into()
        });
    }
    (!words.is_empty()).then(|| format!("{{ {} }}", words.join(", ")))
}
