//! Hints at the probable meaning of unknown words.

use alloc::format;
use alloc::string::String;

use crate::condition_key::ConditionKey;
use crate::node::{Kind, Node, Scalar};
use crate::problem::{did_you_mean, simplified};

/// Returns the remedy where another node stands in place of a mapping.
pub(super) fn shape_hint(node: &Node, what: &str, keys: &[&str]) -> String {
    let takes = |key: &str| keys.contains(&key);
    match (&node.kind, node.scalar()) {
        (Kind::List(_), _) if takes("automatic") => "; rules belong in automatic".into(),
        (Kind::List(_), _) if what == "not" => "; the values of a condition may be a list".into(),
        (_, Some(Scalar::Null)) if what != "the document" => "; indent its content".into(),
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
            // YAML reads `error:Lambda.Unknown` as one word.
            let before = |mark| {
                let key = text.split_once(mark).map(|(key, _)| key.trim_end());
                key.is_some_and(takes)
            };
            if before(':') {
                "; a space is missing after the colon".into()
            } else if before('=') {
                "; write a colon and a space in the place of the =".into()
            } else if takes("error") && what != "a failure" {
                "; name a condition, as in { error: \"Lambda.*\" }".into()
            } else {
                String::new()
            }
        }
        _ => String::new(),
    }
}

/// Words of other programs, and the words of this language for them. Keys of conditions have theirs in their rows.
const SYNONYMS: [(&str, &str); 13] = [
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

/// Words of a `Retry` of the States language, and their places here. Its attempts are retries, as those of `limit`
/// are. Those of `max_attempts` are not.
const STATES_LANGUAGE: [(&str, &str); 6] = [
    ("ErrorEquals", "error"),
    ("MaxAttempts", "limit"),
    ("IntervalSeconds", "interval_seconds in backoff"),
    ("BackoffRate", "backoff_rate in backoff"),
    ("MaxDelaySeconds", "max_delay_seconds in backoff"),
    ("JitterStrategy", "jitter_strategy in backoff"),
];

/// The mappings that keys belong to, for keys written elsewhere.
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

fn synonyms() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = ConditionKey::ALL.into_iter().map(ConditionKey::row);
    rows.flat_map(|row| row.synonyms.iter().map(|other| (*other, row.word)))
        .chain(SYNONYMS)
}

/// Returns a hint at the probable meaning of a key that is not one of `keys`.
pub(super) fn hint(read: &str, keys: &[&str]) -> String {
    if read.starts_with("//") {
        return "; a comment begins with #".into();
    }
    if read.trim() != read.trim_ascii() {
        return "; the spaces beside it are unknown to YAML: type them again".into();
    }
    let language = STATES_LANGUAGE.iter().find(|(other, _)| *other == read);
    if let Some((_, own)) = language {
        return format!(
            "; the name here is {own}; redrive import asl converts the Retry of a machine"
        );
    }
    let simple = simplified(read);
    let synonym = synonyms()
        .find(|(other, _)| simplified(other) == simple)
        .map(|(_, own)| own);
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
        Some((key, home)) => format!("; {key:?} belongs in {home}"),
        None => String::new(),
    }
}
