//! The findings of an import: mistakes in the file, and parts that no policy can express.

use redrive_policy::node::{Key, Kind, Node, Scalar};
use redrive_policy::{Place, Problem, did_you_mean, one_of};

/// The context of importing one file: its name and its findings.
pub(super) struct ImportContext<'a> {
    /// The name of the file, as the user wrote it.
    pub(super) file: &'a str,
    /// Mistakes in the file. With a mistake, no policy is written.
    pub(super) problems: Vec<Problem>,
    /// Parts of the file that the policy does not express, for standard error.
    pub(super) lost: Vec<Problem>,
}

/// The entries of a mapping.
pub(super) type Entries<'n> = &'n [(Key, Node)];

impl<'a> ImportContext<'a> {
    pub(super) const fn new(file: &'a str) -> Self {
        Self {
            file,
            problems: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Records a mistake.
    pub(super) fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::new(place, message));
    }

    /// Records a part that the policy does not express, and returns the text for a comment.
    pub(super) fn lose(&mut self, place: Place, message: impl Into<String>) -> String {
        let message = message.into();
        self.lost.push(Problem::new(place, message.clone()));
        message
    }

    /// Returns the entries of a mapping, and records keys that are not in `keys`.
    pub(super) fn map<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        keys: &[&str],
    ) -> Option<Entries<'n>> {
        let Kind::Map(entries) = &node.kind else {
            self.expected(node, what, &format!("a mapping with {}", one_of(keys)));
            return None;
        };
        for (key, _) in entries {
            if !keys.contains(&key.text.as_str()) {
                let near = did_you_mean(&key.text, keys);
                let message = format!(
                    "{what}: unknown key {:?}; the keys here are {}{near}",
                    key.text,
                    one_of(keys)
                );
                self.wrong(key.place, message);
            }
        }
        Some(entries)
    }

    /// Returns the items of a list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            _ => {
                self.expected(node, what, "a list");
                &[]
            }
        }
    }

    /// Returns a whole number between two bounds.
    pub(super) fn whole(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<i64> {
        match node.scalar() {
            Some(Scalar::Int(number)) if (least..=most).contains(&number) => Some(number),
            _ => {
                let allowed = format!("a whole number from {least} to {most}");
                self.expected(node, what, &allowed);
                None
            }
        }
    }

    /// Returns one text.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match node.scalar() {
            Some(Scalar::Text(text)) => Some(text),
            _ => {
                self.expected(node, what, "text");
                None
            }
        }
    }

    /// Records a value of the wrong kind.
    pub(super) fn expected(&mut self, node: &Node, what: &str, allowed: &str) {
        let read = node.described();
        self.wrong(
            node.place,
            format!("{what}: expected {allowed}, read {read}"),
        );
    }
}

/// Returns the value of a key.
pub(super) fn get<'n>(entries: Entries<'n>, key: &str) -> Option<&'n Node> {
    entries
        .iter()
        .find(|(own, _)| own.text == key)
        .map(|(_, node)| node)
}

/// Returns the value of a key of a mapping.
pub(super) fn inside<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.kind {
        Kind::Map(entries) => get(entries, key),
        _ => None,
    }
}
