//! Import of `Retry` from the Amazon States Language: one rule for each retrier, limited to the states of that
//! retrier.

use redrive_policy::node::{Kind, Node, Scalar};
use redrive_policy::{did_you_mean, one_of};

use super::asl_machine::{has_fail, is_distributed, is_fail, machines};
use super::context::{Entries, ImportContext, get, inside};
use super::draft::{Automatic, Draft, Plan, Policy, Rule};
use super::yaml;

const RETRIER: [&str; 7] = [
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Comment",
];

/// Types of states that may have a `Retry`.
const RETRIED: [&str; 3] = ["Task", "Parallel", "Map"];

/// Limits of the States Language.
const MOST: i64 = 99_999_999;
const LONGEST_DELAY: i64 = 31_622_400;

/// Limits of the policy language: delays of 14 days, and the maximum limit and backoff rate of a rule.
const LONGEST_WAIT: i64 = 14 * 24 * 60 * 60;
const HIGHEST_LIMIT: i64 = 10;
const HIGHEST_RATE: f64 = 100.0;

/// The state of the walk through the states of a machine.
struct Walk<'d, 'f> {
    context: &'d mut ImportContext<'f>,
    rules: Vec<Rule>,
    /// Remarks above the policy.
    remarks: Vec<String>,
    /// Whether some state has a `Retry`, imported or not.
    found: bool,
}

pub(super) fn draft(root: &Node, context: &mut ImportContext<'_>) -> Option<Draft> {
    let file = context.file;
    let mut walk = Walk {
        context,
        rules: Vec::new(),
        remarks: Vec::new(),
        found: false,
    };
    walk.root(root);
    if !walk.found && walk.context.problems.is_empty() {
        walk.context.wrong(
            root.place,
            "there is no Retry; expected a state machine with States, a state with Retry, or a list of retriers with \
             ErrorEquals",
        );
    }
    let mut plan = Plan {
        head: head(file),
        policies: [Policy {
            name: Some(policy_name(file)),
            scope: "{ state_machine: \"*\" }".into(),
            remarks: walk.remarks,
            automatic: Automatic::Rules(walk.rules),
            manual: None,
        }]
        .into(),
        ..Plan::default()
    };
    if let Some(policy) = plan.policies.first_mut() {
        policy
            .remarks
            .insert(0, "Every state machine: a definition does not say what it is called where it runs; name it here.".into());
    }
    plan.make_room();
    Some(plan.written())
}

fn head(file: &str) -> Vec<String> {
    [
        &format!("From the Retry of {file} (Amazon States Language). A redrive is no retry of a task:"),
        "- It comes when the machine's own Retry is spent, and resets every Retry of the machine, so that these limits \
         multiply: up to (limit + 1) x (MaxAttempts + 1) runs of a state. Take from the machine what you move here.",
        "- A Retry counts anew whenever its state is entered and after each redrive. The counts here are those of the \
         whole execution, and nothing resets them.",
        "- A retried Parallel or Map starts all of its branches anew; a redrive only those that did not succeed.",
        "- The waits are whole seconds, rounded down.",
        "- States.ALL matches neither States.Runtime nor States.DataLimitExceeded, here as there.",
        "- An execution that runs out of its own TimeoutSeconds has failed with States.Timeout here.",
    ]
    .map(str::to_owned)
    .into()
}

/// Returns `order-intake` for `machines/order-intake.asl.json`.
fn policy_name(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let name = name.split('.').next().unwrap_or(name);
    let is_name = name.chars().any(char::is_alphanumeric);
    if is_name { name } else { "imported" }.into()
}

impl Walk<'_, '_> {
    fn root(&mut self, root: &Node) {
        match &root.kind {
            Kind::List(_) => self.retry(root, &[], None),
            Kind::Map(entries) => {
                let definition = ["definition", "Definition"]
                    .iter()
                    .find_map(|key| get(entries, key));
                match (get(entries, "States"), definition) {
                    (Some(_), _) => {
                        self.machine(root, true);
                    }
                    (None, Some(node)) if matches!(node.kind, Kind::Map(_)) => self.root(node),
                    (None, Some(node)) => self.context.wrong(
                        node.place,
                        "this definition is text within JSON; take it out, as --query definition --output text of the AWS \
                         CLI does, and import that",
                    ),
                    (None, None) if get(entries, "ErrorEquals").is_some() => {
                        self.found = true;
                        self.retrier(root, &[], None, true);
                    }
                    (None, None) => {
                        self.state("", root, true);
                    }
                }
            }
            Kind::Scalar { .. } => {}
        }
    }

    /// Reads a machine, or one within a state. Returns the names of all its states that may be redriven, nested ones
    /// included.
    fn machine(&mut self, node: &Node, reachable: bool) -> Vec<String> {
        let Some(states) = inside(node, "States") else {
            return Vec::new();
        };
        let Kind::Map(states) = &states.kind else {
            self.context
                .expected(states, "States", "a mapping of names to states");
            return Vec::new();
        };
        let mut names = Vec::new();
        for (name, state) in states {
            if !is_fail(state) {
                names.push(name.text.clone());
            }
            names.extend(self.state(&name.text, state, reachable));
        }
        names
    }

    /// Reads a state, and returns the names of the states within it. Inner states are read first, since their Retry
    /// takes precedence.
    fn state(&mut self, name: &str, node: &Node, reachable: bool) -> Vec<String> {
        let Kind::Map(entries) = &node.kind else {
            self.context
                .expected(node, "a state", "a mapping with Type");
            return Vec::new();
        };
        let mut within = Vec::new();
        let branches = get(entries, "Branches");
        if let Some(Kind::List(branches)) = branches.map(|node| &node.kind) {
            for branch in branches {
                within.extend(self.machine(branch, reachable));
            }
        }
        for key in ["Iterator", "ItemProcessor"] {
            let Some(processor) = get(entries, key) else {
                continue;
            };
            if is_distributed(processor) {
                // The children are executions of their own. They are redriven with their parent, and never judged.
                self.machine(processor, false);
            } else {
                within.extend(self.machine(processor, reachable));
            }
        }
        let Some(retry) = get(entries, "Retry") else {
            return within;
        };
        self.found = true;
        let kind = get(entries, "Type").and_then(Node::scalar);
        let kind = match kind {
            Some(Scalar::Text(kind)) => kind,
            // A state without its machine may lack the type.
            None if name.is_empty() => "Task",
            _ => "",
        };
        if !RETRIED.contains(&kind) {
            self.context.wrong(
                retry.place,
                format!(
                    "Retry: only states of the types {} have one, and {name:?} is {kind:?}; take it out",
                    one_of(&RETRIED)
                ),
            );
        }
        if !reachable {
            let lost = self.context.lose(
                retry.place,
                format!(
                    "the Retry of {name} is left out: it is in a distributed Map, whose child executions are redriven \
                     with their parent and never judged themselves"
                ),
            );
            self.remarks.push(lost);
            // The Retry is read nevertheless, so that its mistakes are reported.
            let kept = self.rules.len();
            self.retry(retry, &[], None);
            self.rules.truncate(kept);
            return within;
        }
        let first = self.rules.len();
        let mut states = Vec::new();
        if !name.is_empty() {
            states.push(name.to_owned());
            states.extend(within.iter().cloned());
        }
        let around = (!within.is_empty()).then_some(kind);
        self.retry(retry, &states, around);
        if machines(entries).any(has_fail) {
            // The remark appears once, at the first rule of the state.
            if let Some(rule) = self.rules.get_mut(first) {
                rule.remarks.insert(
                    0,
                    "Fail states are left out: an execution that ended in one is never redriven, as it would fail again \
                     at once."
                        .into(),
                );
            }
        }
        within
    }

    fn retry(&mut self, node: &Node, states: &[String], around: Option<&str>) {
        self.found = true;
        let retriers = self.context.list(node, "Retry");
        let last = retriers.len().saturating_sub(1);
        for (at, retrier) in retriers.iter().enumerate() {
            let around = around.filter(|_| at == 0);
            self.retrier(retrier, states, around, at == last);
        }
    }

    fn retrier(&mut self, node: &Node, states: &[String], around: Option<&str>, last: bool) {
        let Some(entries) = self.context.map(node, "a retrier", &RETRIER) else {
            return;
        };
        let mut rule = Rule::default();
        let errors = self.errors(node, entries, last, &mut rule);
        let named = self.states(node, states, &mut rule);
        if errors.is_empty() || (named.is_empty() && !states.is_empty()) {
            // The remarks of a rule that cannot be written are kept.
            self.remarks.append(&mut rule.remarks);
        }
        let attempts = self.number(entries, "MaxAttempts", 0, MOST).unwrap_or(3);
        let limit = attempts.min(HIGHEST_LIMIT);
        if let Some(kind) = around {
            rule.remarks.push(format!(
                "A {kind} retries what fails within it. A redrive is asked by the state that failed, so that those within \
                 are named too; when a rule of one of them is spent, this one is not asked."
            ));
        }
        if limit > 0 {
            let runs = limit
                .saturating_add(1)
                .saturating_mul(attempts.saturating_add(1));
            rule.remarks.push(format!(
                "With the machine's own Retry left in: up to ({limit} + 1) x ({attempts} + 1) = {runs} runs."
            ));
        }
        if attempts > limit {
            let place = get(entries, "MaxAttempts").map_or(node.place, |node| node.place);
            rule.remarks.push(self.context.lose(
                place,
                format!("MaxAttempts {attempts} becomes limit {limit}: a rule retries at most {HIGHEST_LIMIT} times"),
            ));
        }
        rule.limit = u32::try_from(limit).unwrap_or_default();
        let backoff = self.backoff(node, entries, limit, &mut rule);
        if errors.is_empty() || (named.is_empty() && !states.is_empty()) {
            return;
        }
        rule.say("error", yaml::any_of(&errors));
        if !named.is_empty() {
            rule.say("state", yaml::any_of(&named));
        }
        rule.say("limit", limit.to_string());
        if let Some(backoff) = backoff {
            rule.say("backoff", backoff);
        }
        if let Some(Scalar::Text(comment)) = get(entries, "Comment").and_then(Node::scalar)
            && !comment.is_empty()
        {
            rule.say("description", yaml::text(comment));
        }
        self.rules.push(rule);
    }

    /// Returns the states of a retrier, as values of `state`.
    fn states(&mut self, retrier: &Node, states: &[String], rule: &mut Rule) -> Vec<String> {
        let mut named = Vec::new();
        for state in states {
            match yaml::literal(state) {
                Some(state) => named.push(state),
                None => rule.remarks.push(self.context.lose(
                    retrier.place,
                    format!(
                        "the state {state} is left out: {state} means that there is no state here"
                    ),
                )),
            }
        }
        named
    }

    /// Returns the names that a retrier matches, as values of `error`.
    fn errors(
        &mut self,
        retrier: &Node,
        entries: Entries<'_>,
        last: bool,
        rule: &mut Rule,
    ) -> Vec<String> {
        let Some(node) = get(entries, "ErrorEquals") else {
            self.context.wrong(
                retrier.place,
                "a retrier needs ErrorEquals, a list of error names; write [\"States.ALL\"] to match any",
            );
            return Vec::new();
        };
        let items = self.context.list(node, "ErrorEquals");
        if items.is_empty() && matches!(node.kind, Kind::List(_)) {
            self.context.wrong(
                node.place,
                "ErrorEquals: the list is empty; name an error, or States.ALL for any",
            );
        }
        let mut names = Vec::new();
        for item in items {
            let Some(name) = self.context.text(item, "ErrorEquals") else {
                continue;
            };
            names.push(name);
            if name == "States.ALL" && items.len() > 1 {
                self.context.wrong(item.place, "ErrorEquals: States.ALL stands alone in its list; give it a retrier of its own, the last one");
            } else if name == "States.ALL" && !last {
                self.context.wrong(item.place, "ErrorEquals: States.ALL stands in the last retrier, since none after it would be asked; move this one to the end");
            }
        }
        let mut errors = Vec::new();
        for (name, item) in names.iter().zip(items) {
            match yaml::literal(name) {
                Some(error) => errors.push(error),
                None => rule.remarks.push(self.context.lose(
                    item.place,
                    format!(
                        "the error {name} is left out: {name} means that there is no error here"
                    ),
                )),
            }
        }
        if names.contains(&"States.Timeout") && !names.contains(&"States.HeartbeatTimeout") {
            errors.push("States.HeartbeatTimeout".into());
            rule.remarks.push(
                "States.Timeout is a heartbeat that stayed away too, in the States Language."
                    .into(),
            );
        }
        errors
    }

    /// Returns the four words of `backoff`, with the defaults of the States Language, or none where nothing is
    /// retried.
    fn backoff(
        &mut self,
        retrier: &Node,
        entries: Entries<'_>,
        limit: i64,
        rule: &mut Rule,
    ) -> Option<String> {
        let interval = self
            .number(entries, "IntervalSeconds", 1, MOST)
            .unwrap_or(1);
        let cap = self.number(entries, "MaxDelaySeconds", 1, LONGEST_DELAY);
        let rate = self.rate(entries).unwrap_or(2.0);
        let jitter = self.jitter(entries).unwrap_or("NONE");
        if limit == 0 {
            return None;
        }
        let longest = longest(interval, rate, cap, limit);
        if longest > as_float(LONGEST_WAIT) {
            rule.remarks.push(self.context.lose(
                retrier.place,
                format!("the longest wait, {longest:.0} s, becomes {LONGEST_WAIT} s: AWS lets an execution be redriven for 14 days"),
            ));
        }
        if rate > HIGHEST_RATE {
            rule.remarks.push(self.context.lose(
                retrier.place,
                format!("BackoffRate {rate:?} becomes {HIGHEST_RATE:?}, the highest there is here"),
            ));
        }
        let cap = cap.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        Some(format!(
            "{{ interval_seconds: {}, backoff_rate: {:?}, max_delay_seconds: {cap}, jitter_strategy: {jitter} }}",
            // A policy refuses an interval above the cap, which would never be waited for.
            interval.min(cap),
            rate.min(HIGHEST_RATE),
        ))
    }

    fn rate(&mut self, entries: Entries<'_>) -> Option<f64> {
        let node = get(entries, "BackoffRate")?;
        let rate = match node.scalar() {
            Some(Scalar::Int(rate)) => as_float(rate),
            Some(Scalar::Float(rate)) => rate,
            _ => f64::NAN,
        };
        if rate.is_finite() && rate >= 1.0 {
            return Some(rate);
        }
        self.context
            .expected(node, "BackoffRate", "a number of at least 1.0");
        None
    }

    fn jitter(&mut self, entries: Entries<'_>) -> Option<&'static str> {
        let node = get(entries, "JitterStrategy")?;
        match node.scalar() {
            Some(Scalar::Text("FULL")) => return Some("FULL"),
            Some(Scalar::Text("NONE")) => return Some("NONE"),
            Some(Scalar::Text(text)) => {
                let near = did_you_mean(text, &["FULL", "NONE"]);
                self.context.wrong(
                    node.place,
                    format!("JitterStrategy: expected FULL or NONE, read the text {text:?}{near}"),
                );
            }
            _ => self
                .context
                .expected(node, "JitterStrategy", "FULL or NONE"),
        }
        None
    }

    fn number(&mut self, entries: Entries<'_>, key: &str, least: i64, most: i64) -> Option<i64> {
        self.context.whole(get(entries, key)?, key, least, most)
    }
}

/// Returns the wait before the last retry, in seconds.
fn longest(interval: i64, rate: f64, cap: Option<i64>, limit: i64) -> f64 {
    let mut wait = as_float(interval);
    for _ in 1..limit {
        wait *= rate;
    }
    cap.map_or(wait, |cap| wait.min(as_float(cap)))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53, or refused")]
const fn as_float(number: i64) -> f64 {
    number as f64
}
