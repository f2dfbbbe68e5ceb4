//! Import of `retryStrategy` from AWS Batch: a rule for each entry of `evaluateOnExit`, and one for all other
//! failures.

use redrive_policy::node::{Kind, Node, Scalar};

use super::context::{Entries, ImportContext, get};
use super::draft::{Automatic, Draft, Plan, Policy, Rule};
use super::yaml;

/// Keys as the API writes them. CloudFormation capitalises the first letter.
const STRATEGY: [&str; 2] = ["attempts", "evaluateOnExit"];
const ENTRY: [&str; 4] = ["action", "onExitCode", "onReason", "onStatusReason"];

const MAX_ATTEMPTS: i64 = 10;
const MAX_ENTRIES: usize = 5;
const LONGEST_PATTERN: usize = 512;

/// The status reason that Batch gives a job that exceeds its timeout.
const TIMED_OUT: &str = "Job attempt duration exceeded timeout*";

pub(super) fn draft(root: &Node, context: &mut ImportContext<'_>) -> Option<Draft> {
    let strategy = strategy(root, context)?;
    let entries = map(strategy, "retryStrategy", &STRATEGY, context)?;
    let exits = either(entries, "evaluateOnExit");
    let attempts = match (either(entries, "attempts"), exits) {
        (Some(node), _) => context
            .whole(node, "attempts", 1, MAX_ATTEMPTS)
            .unwrap_or(1),
        (None, None) => 1,
        (None, Some(exits)) => {
            context.wrong(
                exits.place,
                format!(
                    "evaluateOnExit needs attempts beside it, a whole number from 1 to {MAX_ATTEMPTS}"
                ),
            );
            1
        }
    };
    let limit = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default();
    let mut policy = Policy {
        name: Some("batch".into()),
        scope: "{ state_machine: \"*\" }".into(),
        remarks: [
            "Every state machine: name those that submit the job. A rule of a machine with other tasks needs \
             resource: \"batch:submitJob.sync\" too."
                .into(),
        ]
        .into(),
        ..Policy::default()
    };
    let mut rules = Vec::new();
    if limit > 0 {
        let mut timed_out = Rule {
            remarks: ["Batch never retries a job that ran out of its timeout.".into()].into(),
            ..Rule::default()
        };
        timed_out.say("cause", globs(&[("StatusReason", TIMED_OUT)]));
        timed_out.say("limit", "0");
        rules.push(timed_out);
    }
    let all_matched =
        exits.is_some_and(|exits| evaluate(exits, limit, &mut rules, &mut policy.remarks, context));
    if !all_matched {
        let remark = match exits {
            Some(_) => "Batch retries a failure that no entry matches; redrive would not.",
            None => "Batch retries every failure while attempts are left.",
        };
        let mut rest = Rule {
            remarks: [remark.into()].into(),
            ..Rule::default()
        };
        rest.say("limit", limit.to_string());
        rules.push(rest);
    }
    policy.automatic = Automatic::Rules(rules);
    let plan = Plan {
        head: head(context.file, attempts, limit),
        budget: Some((
            limit,
            "attempts counts all attempts of a job, regardless of the entry that allowed them. A budget applies to the whole \
             document: give this policy a document of its own, or consider the other policies."
                .into(),
        )),
        policies: [policy].into(),
    };
    Some(plan.written())
}

fn head(file: &str, attempts: i64, limit: u32) -> Vec<String> {
    [
        format!("From the retryStrategy of {file} (AWS Batch): attempts {attempts} is limit {limit}."),
        "- Batch retries at once, and a rule without backoff waits up to 30 s, then up to 60 s. A redrive submits the job \
         again with all of its own attempts: set them to 1 in the job definition."
            .into(),
        "- onReason and onStatusReason match the cause, which is Batch's description of the job with all of its \
         attempts, and ignore case."
            .into(),
        "- An exit code beyond 255 has no exit_status here, and a lost host has -1.".into(),
        "- Neither retries a job that a person terminated. Batch shows only that person's own words, so a rule may \
         mistake it for another failure."
            .into(),
    ]
    .into()
}

/// Returns the retry strategy of the file.
fn strategy<'n>(root: &'n Node, context: &mut ImportContext<'_>) -> Option<&'n Node> {
    if let Kind::Map(entries) = &root.kind {
        if let Some(strategy) = either(entries, "retryStrategy") {
            return Some(strategy);
        }
        if STRATEGY.iter().any(|key| either(entries, key).is_some()) {
            return Some(root);
        }
        // These keys hold the strategy in a resource of CloudFormation, in a Task state, and in the answer of
        // describe-job-definitions.
        for key in ["properties", "parameters", "arguments"] {
            if let Some(inner) = either(entries, key) {
                return strategy(inner, context);
            }
        }
        if let Some(definitions) = get(entries, "jobDefinitions") {
            return match context.list(definitions, "jobDefinitions") {
                [only] => strategy(only, context),
                several => {
                    let count = several.len();
                    context.wrong(
                        definitions.place,
                        format!("jobDefinitions: expected one job definition, read {count}; import them one by one"),
                    );
                    None
                }
            };
        }
    }
    context.wrong(
        root.place,
        "there is no retryStrategy; expected a job definition with one, or attempts and evaluateOnExit",
    );
    None
}

/// Writes a rule for each entry. Returns whether one of the entries matches every failure.
fn evaluate(
    exits: &Node,
    limit: u32,
    rules: &mut Vec<Rule>,
    remarks: &mut Vec<String>,
    context: &mut ImportContext<'_>,
) -> bool {
    let items = context.list(exits, "evaluateOnExit");
    if items.len() > MAX_ENTRIES {
        context.wrong(
            exits.place,
            format!(
                "evaluateOnExit: expected at most {MAX_ENTRIES} entries, read {}",
                items.len()
            ),
        );
    }
    let mut all_matched = false;
    for item in items {
        let Some(entries) = map(item, "an entry", &ENTRY, context) else {
            continue;
        };
        let retries = action(item, entries, context).unwrap_or_default();
        let mut rule = Rule::default();
        if all_matched {
            rule.remarks
                .push("Never reached, as in Batch: an entry above matches everything.".into());
        }
        let matched = conditions(entries, &mut rule, context);
        match matched {
            Matched::Everything => {
                rule.remarks.push("This matches every failure.".into());
                all_matched = true;
            }
            Matched::Some => {}
            Matched::Nothing(remark) => {
                remarks.push(remark);
                continue;
            }
        }
        let limit = if retries { limit } else { 0 };
        rule.say("limit", limit.to_string());
        rules.push(rule);
    }
    all_matched
}

fn action(item: &Node, entries: Entries<'_>, context: &mut ImportContext<'_>) -> Option<bool> {
    let Some(node) = either(entries, "action") else {
        context.wrong(item.place, "an entry needs action: RETRY or EXIT");
        return None;
    };
    match node.scalar() {
        Some(Scalar::Text(text)) if text.eq_ignore_ascii_case("RETRY") => Some(true),
        Some(Scalar::Text(text)) if text.eq_ignore_ascii_case("EXIT") => Some(false),
        _ => {
            context.expected(node, "action", "RETRY or EXIT");
            None
        }
    }
}

/// The failures that an entry matches.
enum Matched {
    Everything,
    Some,
    /// No failure of this language; the text gives the reason.
    Nothing(String),
}

fn conditions(entries: Entries<'_>, rule: &mut Rule, context: &mut ImportContext<'_>) -> Matched {
    let mut reasons = Vec::new();
    for (key, field) in [("onReason", "Reason"), ("onStatusReason", "StatusReason")] {
        let is_allowed =
            |c: char| c.is_ascii_alphanumeric() || ".:".contains(c) || c.is_whitespace();
        let allowed = "letters, digits, periods, colons and white space";
        // `*` matches any reason, and an absent one.
        if let Some(text) =
            pattern(entries, key, allowed, is_allowed, context).filter(|text| text != "*")
        {
            reasons.push((field, text));
        }
    }
    let exit_code = pattern(
        entries,
        "onExitCode",
        "digits",
        |c| c.is_ascii_digit(),
        context,
    );
    match exit_code.as_deref() {
        None => {}
        Some("*") => {
            rule.remarks.push(
                "Any exit code; a job that has none has nothing for the star to match.".into(),
            );
            rule.say("not", "{ exit_status: [none, -1] }");
        }
        Some(text) => {
            let statuses = exit_statuses(text);
            if statuses.is_empty() {
                let place = either(entries, "onExitCode").map(|node| node.place);
                return Matched::Nothing(context.lose(
                    place.unwrap_or_default(),
                    format!("the entry with onExitCode {text} is left out: no exit status from 0 to 255 reads so"),
                ));
            }
            rule.say("exit_status", yaml::any_of(&statuses));
        }
    }
    let reasons: Vec<(&str, &str)> = reasons
        .iter()
        .map(|(field, text)| (*field, text.as_str()))
        .collect();
    if !reasons.is_empty() {
        rule.say("cause", globs(&reasons));
    }
    if rule.words.is_empty() {
        Matched::Everything
    } else {
        Matched::Some
    }
}

/// Returns the pattern of an entry: some characters, with a star at the end if only the start must match.
fn pattern(
    entries: Entries<'_>,
    key: &str,
    allowed: &str,
    is_allowed: impl Fn(char) -> bool,
    context: &mut ImportContext<'_>,
) -> Option<String> {
    let node = either(entries, key)?;
    let text = match (node.scalar(), &node.kind) {
        (Some(Scalar::Text(text)), _) => text,
        // An unquoted number in YAML. CloudFormation reads it as text.
        (Some(Scalar::Int(_)), Kind::Scalar { text, .. }) => text,
        _ => {
            context.expected(node, key, "text");
            return None;
        }
    };
    let start = text.strip_suffix('*').unwrap_or(text);
    let length = text.chars().count();
    if !start.chars().all(is_allowed) || text.is_empty() || length > LONGEST_PATTERN {
        context.expected(
            node,
            key,
            &format!(
                "{allowed}, with * at the end if only the start must match, at most {LONGEST_PATTERN} characters"
            ),
        );
        return None;
    }
    Some(text.to_owned())
}

/// Returns the exit statuses whose decimal text matches.
fn exit_statuses(pattern: &str) -> Vec<String> {
    let matches = |status: &String| match pattern.strip_suffix('*') {
        Some(start) => status.starts_with(start),
        None => status == pattern,
    };
    (0..=255_u8)
        .map(|status| status.to_string())
        .filter(matches)
        .collect()
}

/// Returns globs that find all reasons in a cause. The cause may be the JSON of a job, with or without spaces, its
/// keys in either order. For a single reason, the cause may also be the plain text.
fn globs(reasons: &[(&str, &str)]) -> String {
    let mut globs = Vec::new();
    for space in ["", " "] {
        let found: Vec<String> = reasons
            .iter()
            .map(|(field, pattern)| {
                let (start, end) = match pattern.strip_suffix('*') {
                    Some(start) => (start, ""),
                    None => (*pattern, "\""),
                };
                format!("\"{field}\":{space}\"{}{end}", in_json(start))
            })
            .collect();
        globs.push(format!("*{}*", found.join("*")));
        if found.len() > 1 {
            let turned: Vec<&str> = found.iter().rev().map(String::as_str).collect();
            globs.push(format!("*{}*", turned.join("*")));
        }
    }
    match reasons {
        // As a plain value, `none` would mean that there is no cause.
        [(_, pattern)] if *pattern != "none" => globs.push((*pattern).to_owned()),
        _ => {}
    }
    let globs: Vec<String> = globs.iter().map(|glob| yaml::text(glob)).collect();
    yaml::any_of(&globs)
}

/// Returns the text as JSON writes it, with each backslash escaped for a glob. Among the characters of a pattern,
/// only white space needs it.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_matches('"').replace('\\', "\\\\")
}

/// Returns the value of a key, in the spelling of the API or of CloudFormation. SDKs write null for an absent value.
fn either<'n>(entries: Entries<'n>, key: &str) -> Option<&'n Node> {
    get(entries, key)
        .or_else(|| get(entries, &capitalised(key)))
        .filter(|node| node.scalar() != Some(Scalar::Null))
}

fn capitalised(key: &str) -> String {
    let mut chars = key.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// Returns the entries of a mapping with these keys, in the spelling that the mapping uses.
fn map<'n>(
    node: &'n Node,
    what: &str,
    keys: &[&str],
    context: &mut ImportContext<'_>,
) -> Option<Entries<'n>> {
    let is_capital = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase());
    let by_cloudformation = match &node.kind {
        Kind::Map(entries) => entries.iter().any(|(key, _)| is_capital(&key.text)),
        _ => false,
    };
    let keys: Vec<String> = keys
        .iter()
        .map(|key| {
            if by_cloudformation {
                capitalised(key)
            } else {
                (*key).to_owned()
            }
        })
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    context.map(node, what, &keys)
}
