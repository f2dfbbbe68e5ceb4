//! Reading of conditions: the values that each key allows.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::reader::{Reader, get};
use crate::condition::{Condition, ConditionValue, Conditions, Pattern};
use crate::condition_key::ConditionKey;
use crate::condition_row::ValueKind;
use crate::glob::Glob;
use crate::node::{Key, Node, Scalar};
use crate::problem::{At, Place, did_you_mean, one_of};
use crate::sdk_retry_mode::SdkRetryMode;

/// Returns the keys of all conditions, and the keys in `more` that may stand beside them.
pub(super) fn condition_keys(more: &[&'static str]) -> Vec<&'static str> {
    ConditionKey::ALL
        .iter()
        .map(|condition_key| condition_key.as_str())
        .chain(more.iter().copied())
        .collect()
}

impl Reader {
    pub(super) fn never(&mut self, node: &Node) -> Option<Conditions> {
        let errors = self.errors();
        let entries = self.map(node, "never", &condition_keys(&["not"]))?;
        let conditions = self.conditions(node.place, entries);
        if entries.is_empty() {
            self.wrong(node.place, "never: an entry without conditions would forbid everything; write automatic: false instead");
        }
        self.note_flaws(node.place, errors);
        Some(conditions)
    }

    pub(super) fn conditions(&mut self, place: Place, entries: &[(Key, Node)]) -> Conditions {
        let all = self.condition_list(entries);
        let not = match get(entries, "not") {
            Some((_, node)) => self
                .map(node, "not", &condition_keys(&[]))
                .map(|entries| self.condition_list(entries))
                .unwrap_or_default(),
            None => Vec::new(),
        };
        Conditions {
            all,
            not,
            at: At(place),
        }
    }

    fn condition_list(&mut self, entries: &[(Key, Node)]) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for condition_key in ConditionKey::ALL {
            let Some((key, node)) = get(entries, condition_key.as_str()) else {
                continue;
            };
            let items = self.items(node, condition_key.as_str());
            conditions.push(Condition {
                key: condition_key,
                values: items
                    .iter()
                    .filter_map(|item| self.pattern(condition_key, item))
                    .collect(),
                at: At(key.place),
            });
        }
        conditions
    }

    /// Reads one value of a condition.
    fn pattern(&mut self, key: ConditionKey, node: &Node) -> Option<ConditionValue> {
        match key.row().values {
            ValueKind::Number {
                min,
                max,
                as_buildkite,
            } => {
                let range = min..=max;
                return if as_buildkite {
                    self.exit_status(key, range, node)
                } else {
                    self.plain_number(key, range, node)
                };
            }
            ValueKind::Mode => return self.mode(node),
            ValueKind::Signal => {
                if let Some(Scalar::Int(number)) = node.scalar() {
                    let word = key.as_str();
                    self.wrong(
                        node.place,
                        format!(
                            "{word}: expected a name, read the number {number}; write SIGKILL for 9"
                        ),
                    );
                    return None;
                }
            }
            ValueKind::Text { .. } | ValueKind::Closed { .. } | ValueKind::Open { .. } => {}
        }
        let (place, text) = self.value(node, key.as_str())?;
        match key.row().values {
            ValueKind::Closed { words, refusal, .. } => {
                self.check_closed(key, words, refusal, place, &text);
            }
            ValueKind::Open { words } => self.check_open(key, words, place, &text),
            _ => {}
        }
        Some(ConditionValue::text(key, text, place))
    }

    /// Reads a number in the forms that Buildkite's `exit_status` allows.
    fn exit_status(
        &mut self,
        key: ConditionKey,
        range: RangeInclusive<i32>,
        node: &Node,
    ) -> Option<ConditionValue> {
        let (place, word) = (node.place, key.as_str());
        let number = match node.scalar() {
            Some(Scalar::Text("*")) => {
                return Some(ConditionValue::new("*", Pattern::AnyFailure, place));
            }
            Some(Scalar::Text("none")) => {
                return Some(ConditionValue::new("none", Pattern::None, place));
            }
            Some(Scalar::Int(number)) => Some(number),
            Some(Scalar::Text(text)) => digits(text),
            _ => None,
        };
        let Some(number) = number.and_then(|number| within(&range, number)) else {
            let hint = match node.scalar() {
                Some(Scalar::Text(text)) if digits(text).is_none() => {
                    "; name each number in a list, or write \"*\" for 1 to 255"
                }
                _ => "",
            };
            let (min, max, read) = (range.start(), range.end(), node.described());
            self.wrong(place, format!("{word}: expected a whole number from {min} to {max}, \"*\" or none, read {read}{hint}"));
            return None;
        };
        if let Some(Scalar::Text(text)) = node.scalar() {
            self.warn(place, format!("{word}: the text {text:?} is read as the number {number}; write it without quotes"));
        }
        Some(ConditionValue::new(number, Pattern::Number(number), place))
    }

    fn plain_number(
        &mut self,
        key: ConditionKey,
        range: RangeInclusive<i32>,
        node: &Node,
    ) -> Option<ConditionValue> {
        let (place, word) = (node.place, key.as_str());
        let number = match node.scalar() {
            Some(Scalar::Text("none")) => {
                return Some(ConditionValue::new("none", Pattern::None, place));
            }
            Some(Scalar::Int(number)) => within(&range, number),
            _ => None,
        };
        let Some(number) = number else {
            let hint = match node.scalar() {
                Some(Scalar::Text(text)) if digits(text).is_some() => {
                    "; write it without quotes".to_string()
                }
                Some(Scalar::Text("*")) => format!("; leave {word} out to match any"),
                Some(Scalar::Text(_)) => "; name each number, there are no globs here".to_string(),
                _ => String::new(),
            };
            let (min, max, read) = (range.start(), range.end(), node.described());
            self.wrong(
                place,
                format!(
                    "{word}: expected a whole number from {min} to {max} or none, read {read}{hint}"
                ),
            );
            return None;
        };
        Some(ConditionValue::new(number, Pattern::Number(number), place))
    }

    fn mode(&mut self, node: &Node) -> Option<ConditionValue> {
        let known = SdkRetryMode::ALL.map(SdkRetryMode::as_str);
        let read = node.scalar();
        let mode = SdkRetryMode::ALL
            .into_iter()
            .find(|mode| read == Some(Scalar::Text(mode.as_str())));
        let Some(mode) = mode else {
            self.one_of(node, ConditionKey::Mode.as_str(), &known);
            return None;
        };
        if mode == SdkRetryMode::Adaptive {
            self.warn(
                node.place,
                "mode: adaptive behaves as standard: redrive does not pace retries yet",
            );
        }
        Some(ConditionValue::new(
            mode.as_str(),
            Pattern::Mode(mode),
            node.place,
        ))
    }

    fn check_closed(
        &mut self,
        key: ConditionKey,
        words: &[&str],
        refusal: &str,
        place: Place,
        value: &str,
    ) {
        let glob = Glob::new(value, true);
        if value != "none" && !words.iter().any(|word| glob.matches(word)) {
            let (key, allowed) = (key.as_str(), one_of(words));
            let near = did_you_mean(value, words);
            self.wrong(
                place,
                format!("{key}: expected {allowed}, read {value:?}{near}; {refusal}"),
            );
        }
    }

    /// Warns of an unknown word. It is no error: the value matches nothing, and a newer Buildkite may have it.
    fn check_open(&mut self, key: ConditionKey, words: &[&str], place: Place, value: &str) {
        let known = |word: &&str| word.eq_ignore_ascii_case(value);
        if ["*", "none"].contains(&value) || words.iter().any(known) {
            return;
        }
        let (key, allowed) = (key.as_str(), one_of(words));
        if value.contains('*') {
            self.wrong(
                place,
                format!("{key}: the only glob here is \"*\", read {value:?}; name {allowed}"),
            );
        } else {
            let near = did_you_mean(value, words);
            self.warn(
                place,
                format!("{key}: {value:?} is none of {allowed}, so it never matches{near}"),
            );
        }
    }
}

fn within(range: &RangeInclusive<i32>, number: i64) -> Option<i32> {
    let number = i32::try_from(number).ok()?;
    range.contains(&number).then_some(number)
}

/// Returns a number that was written as text: digits, with at most a minus before them.
fn digits(text: &str) -> Option<i64> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let plain = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
