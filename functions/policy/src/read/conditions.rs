//! Reading of conditions: the values that each key allows.

use alloc::format;
use alloc::vec::Vec;

use super::reader::{Reader, get};
use crate::condition::{Condition, ConditionValue, Conditions, Pattern};
use crate::condition_key::ConditionKey;
use crate::glob::Glob;
use crate::node::{Key, Node, Scalar};
use crate::problem::{At, Place, did_you_mean, one_of};
use crate::sdk_retry_mode::SdkRetryMode;
use crate::signal_reason::SignalReason;

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
    fn pattern(&mut self, condition_key: ConditionKey, node: &Node) -> Option<ConditionValue> {
        match condition_key {
            ConditionKey::ExitStatus => return self.exit_status(node),
            ConditionKey::HttpStatus => return self.http_status(node),
            ConditionKey::Mode => return self.mode(node),
            _ => {}
        }
        if let (ConditionKey::Signal, Some(Scalar::Int(number))) = (condition_key, node.scalar()) {
            self.wrong(
                node.place,
                format!("signal: expected a name, read the number {number}; write SIGKILL for 9"),
            );
            return None;
        }
        let (place, text) = self.value(node, condition_key.as_str())?;
        match condition_key {
            ConditionKey::Status => self.check_status(place, &text),
            ConditionKey::SignalReason => self.check_signal_reason(place, &text),
            _ => {}
        }
        Some(ConditionValue::text(condition_key, text, place))
    }

    fn exit_status(&mut self, node: &Node) -> Option<ConditionValue> {
        let place = node.place;
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
        let Some(number) = number.filter(|number| (-1..=255).contains(number)) else {
            let hint = match node.scalar() {
                Some(Scalar::Text(text)) if digits(text).is_none() => {
                    "; name each number in a list, or write \"*\" for 1 to 255"
                }
                _ => "",
            };
            let read = node.described();
            self.wrong(place, format!("exit_status: expected a whole number from -1 to 255, \"*\" or none, read {read}{hint}"));
            return None;
        };
        if let Some(Scalar::Text(text)) = node.scalar() {
            self.warn(place, format!("exit_status: the text {text:?} is read as the number {number}; write it without quotes"));
        }
        let number = i32::try_from(number).ok()?;
        Some(ConditionValue::new(number, Pattern::Number(number), place))
    }

    fn http_status(&mut self, node: &Node) -> Option<ConditionValue> {
        match node.scalar() {
            Some(Scalar::Text("none")) => {
                Some(ConditionValue::new("none", Pattern::None, node.place))
            }
            Some(Scalar::Int(number)) if (100..=599).contains(&number) => {
                let number = i32::try_from(number).ok()?;
                Some(ConditionValue::new(
                    number,
                    Pattern::Number(number),
                    node.place,
                ))
            }
            scalar => {
                let hint = match scalar {
                    Some(Scalar::Text(text)) if digits(text).is_some() => {
                        "; write it without quotes"
                    }
                    Some(Scalar::Text("*")) => "; leave http_status out to match any",
                    Some(Scalar::Text(_)) => "; name each number, there are no globs here",
                    _ => "",
                };
                let read = node.described();
                self.wrong(node.place, format!("http_status: expected a whole number from 100 to 599 or none, read {read}{hint}"));
                None
            }
        }
    }

    fn mode(&mut self, node: &Node) -> Option<ConditionValue> {
        let known = SdkRetryMode::ALL.map(SdkRetryMode::as_str);
        let read = node.scalar();
        let mode = SdkRetryMode::ALL
            .into_iter()
            .find(|mode| read == Some(Scalar::Text(mode.as_str())));
        let Some(mode) = mode else {
            self.one_of(node, "mode", &known);
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

    fn check_status(&mut self, place: Place, value: &str) {
        let known = ["FAILED", "TIMED_OUT"];
        let glob = Glob::new(value, true);
        if value != "none" && !known.iter().any(|known| glob.matches(known)) {
            let near = did_you_mean(value, &known);
            self.wrong(place, format!("status: expected FAILED or TIMED_OUT, read {value:?}{near}; nothing else is ever retried"));
        }
    }

    /// Warns of a reason that Buildkite does not have. It is no error: the value matches nothing, and a newer
    /// Buildkite may have it.
    fn check_signal_reason(&mut self, place: Place, value: &str) {
        let known = SignalReason::ALL.map(SignalReason::as_str);
        if ["*", "none"].contains(&value)
            || known.iter().any(|known| known.eq_ignore_ascii_case(value))
        {
            return;
        }
        let allowed = one_of(&known);
        if value.contains('*') {
            self.wrong(
                place,
                format!(
                    "signal_reason: the only glob here is \"*\", read {value:?}; name {allowed}"
                ),
            );
        } else {
            let near = did_you_mean(value, &known);
            self.warn(
                place,
                format!("signal_reason: {value:?} is none of {allowed}, so it never matches{near}"),
            );
        }
    }
}

/// Returns a number that was written as text: digits, with at most a minus before them.
fn digits(text: &str) -> Option<i64> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let plain = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
