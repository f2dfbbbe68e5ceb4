//! Reading of single nodes, and the collection of their problems.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::hints::{hint, shape_hint};
use crate::node::{Key, Kind, Node, Scalar};
use crate::problem::{Place, Problem, Severity, did_you_mean, one_of};

/// Words reserved for later versions of the language.
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

pub(crate) struct Reader {
    problems: Vec<Problem>,
    /// Places of rules and entries of `never` with errors, and of policies whose `match` has errors. A flawed part
    /// was not read as its author meant it.
    flawed: BTreeSet<Place>,
}

impl Reader {
    pub(crate) const fn new(problems: Vec<Problem>) -> Self {
        Self {
            problems,
            flawed: BTreeSet::new(),
        }
    }

    /// Returns the problems and the flawed places.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, BTreeSet<Place>) {
        (self.problems, self.flawed)
    }

    /// Records that the part at `place` is flawed, if there are more errors than `before`.
    pub(super) fn note_flaws(&mut self, place: Place, before: usize) {
        if self.errors() > before {
            self.flawed.insert(place);
        }
    }

    pub(super) fn errors(&self) -> usize {
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        self.problems.iter().filter(is_error).count()
    }

    pub(super) fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::new(place, message));
    }

    pub(super) fn warn(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::warning(place, message));
    }

    /// Returns the entries of a mapping, and reports unknown keys.
    pub(super) fn map<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        keys: &[&str],
    ) -> Option<&'n [(Key, Node)]> {
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
                    "{:?} is reserved for a later version of the policy language: remove it",
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

    /// Warns of an ARN. A target is matched by its name, which has no colon.
    pub(super) fn doubt_arn(&mut self, place: Place, what: &str, text: &str) {
        let name = text.rsplit(':').next().unwrap_or_default();
        if text.starts_with("arn:") {
            self.warn(
                place,
                format!(
                    "{what}: {text:?} is an ARN, not a name, so it never matches; write {name:?}"
                ),
            );
        }
    }

    pub(super) fn one_of(&mut self, node: &Node, what: &str, words: &[&str]) {
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

    pub(super) fn whole(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<u32> {
        if let Some(Scalar::Int(number)) = node.scalar()
            && (least..=most).contains(&number)
        {
            return u32::try_from(number).ok();
        }
        let hint = match node.scalar() {
            Some(Scalar::Text(text)) if text.parse::<i64>().is_ok() => "; write it without quotes",
            Some(Scalar::Text(_)) if what.ends_with("_seconds") => {
                "; write the seconds without a unit"
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

    /// Reads true or false. The schema of Buildkite allows them as text too.
    pub(super) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
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

    /// Reads one text. A plain number is not text: the zero of `account: 0123` would be lost.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.scalar() {
            Some(Scalar::Text(text)) if !text.is_empty() => Some(text.to_string()),
            Some(Scalar::Int(_) | Scalar::Float(_) | Scalar::Bool(_)) => {
                self.wrong(
                    node.place,
                    format!(
                        "{what}: expected text, read {}; put it in quotes if text is meant",
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

    /// Reads one value of a condition. The empty text is a valid value, different from an absent one.
    pub(super) fn value(&mut self, node: &Node, what: &str) -> Option<(Place, String)> {
        match node.scalar() {
            Some(Scalar::Text("")) => Some((node.place, String::new())),
            _ => self.text(node, what).map(|text| (node.place, text)),
        }
    }

    /// Reads a text, or a list of at least one text.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<(Place, String)> {
        let items = self.items(node, what);
        items
            .iter()
            .filter_map(|item| self.value(item, what))
            .collect()
    }

    /// Returns a scalar as its own list, or the items of a list. An empty list is reported.
    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) if items.is_empty() => {
                self.wrong(node.place, format!("{what}: the list is empty, so nothing can match; name a value or leave {what} out"));
                &[]
            }
            Kind::List(items) => items,
            _ => core::slice::from_ref(node),
        }
    }
}

pub(super) fn get<'n>(entries: &'n [(Key, Node)], key: &str) -> Option<(&'n Key, &'n Node)> {
    entries
        .iter()
        .find(|(own, _)| own.text == key)
        .map(|(key, node)| (key, node))
}
