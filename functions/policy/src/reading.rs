//! Reading of a document from text. All problems are reported at once.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::document::Document;
use crate::node::{self, Node};
use crate::problem::{At, Place, Problem, Problems, Severity};
use crate::read::Reader;

/// The result of reading a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The document, or all errors that keep it from being used.
    pub document: Result<Document, Problems>,
    /// Warnings: parts that may not do what the author expects, in the order of places. Errors do not suppress
    /// warnings.
    pub warnings: Vec<Problem>,
}

/// A document as far as it could be read, with all its problems. Checks use it to examine the parts without errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The document without its unreadable parts. `None` means that the text is not YAML.
    pub document: Option<Document>,
    /// Errors and warnings, in no order.
    pub problems: Vec<Problem>,
    flawed: BTreeSet<Place>,
}

impl Reading {
    /// Reads a document from its text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (root, problems) = node::parse(text);
        Self::whole(root.as_ref(), problems)
    }

    /// Reads a document from its tree.
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

    /// Returns whether a rule, an entry of `never` or the `match` of a policy at this place has errors. A flawed part
    /// was not read as its author meant it.
    #[must_use]
    pub fn is_flawed(&self, at: At) -> bool {
        self.flawed.contains(&at.0)
    }

    /// Returns the document if there is no error, and its problems in the order of places.
    #[must_use]
    pub fn checked(mut self) -> Checked {
        self.problems.sort_by_key(|problem| problem.place);
        // Each use of an anchor repeats its problem; one report is enough.
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

    /// Reads a document from its tree, for example one made from another document's retry blocks. The problems keep
    /// the places of the nodes.
    #[must_use]
    pub fn read_node(root: &Node) -> Checked {
        Reading::of_node(root).checked()
    }
}
