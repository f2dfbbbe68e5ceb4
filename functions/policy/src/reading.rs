//! From text to a document: every problem at once.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::document::Document;
use crate::node::{self, Node};
use crate::problem::{At, Place, Problem, Problems, Severity};
use crate::read::Reader;

/// What reading a document came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The document, or everything that keeps it from being used.
    pub document: Result<Document, Problems>,
    /// What may not do what its author expects, in the order of places. There are warnings beside errors too.
    pub warnings: Vec<Problem>,
}

/// A document as far as it could be read, and all that was said of it. For checks that look at what is free of errors
/// beside what is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The document without what could not be read of it. None: its text is not YAML.
    pub document: Option<Document>,
    /// Errors and warnings, in no order.
    pub problems: Vec<Problem>,
    flawed: BTreeSet<Place>,
}

impl Reading {
    /// Reads a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (root, problems) = node::parse(text);
        Self::whole(root.as_ref(), problems)
    }

    /// Reads what is a tree already.
    #[must_use]
    pub fn of_node(root: &Node) -> Self {
        Self::whole(Some(root), Vec::new())
    }

    fn whole(root: Option<&Node>, problems: Vec<Problem>) -> Self {
        let mut reader = Reader::new(problems);
        let document = root.map(|root| reader.document(root));
        let (problems, flawed) = reader.into_parts();
        Self {
            document,
            problems,
            flawed,
        }
    }

    /// Whether what stands there, a rule, an entry of `never` or the `match` of a policy, has errors: what was read
    /// of it is not what is meant.
    #[must_use]
    pub fn is_flawed(&self, at: At) -> bool {
        self.flawed.contains(&at.0)
    }

    /// The document if there is no error, and its problems in the order of places.
    #[must_use]
    pub fn checked(mut self) -> Checked {
        self.problems.sort_by_key(|problem| problem.place);
        // What an anchor repeats is wrong once.
        self.problems.dedup();
        let (errors, warnings): (Vec<Problem>, Vec<Problem>) = self
            .problems
            .into_iter()
            .partition(|problem| problem.severity == Severity::Error);
        Checked {
            document: match self.document {
                Some(document) if errors.is_empty() => Ok(document),
                _ => Err(Problems(errors)),
            },
            warnings,
        }
    }
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// All problems at once, each with its place, what was read and what is allowed.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        Self::read(text).document
    }

    /// Reads a document, with the warnings that reading alone can give.
    #[must_use]
    pub fn read(text: &str) -> Checked {
        Reading::of(text).checked()
    }

    /// Reads a document that is a tree already, as one that was made of another's retry blocks is: its problems
    /// keep the places of its nodes.
    #[must_use]
    pub fn read_node(root: &Node) -> Checked {
        Reading::of_node(root).checked()
    }
}
