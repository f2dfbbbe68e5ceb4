//! The policy document: its model, and which policy and rule a failure meets.
//!
//! [`Document::parse`] reads YAML 1.2 or JSON and reports every problem at once. Exactly one policy applies
//! to a target, the first whose `match` matches; in it the first rule whose conditions match is *the* rule.
//! Policies are never merged, and when the rule's limit is spent no later rule is consulted.

mod backoff;
mod case;
mod condition;
mod glob;
mod index;
mod lint;
mod mode;
pub mod node;
mod problem;
mod read;
mod view;
mod word;

use alloc::string::String;
use alloc::vec::Vec;

pub use self::backoff::{Backoff, JitterStrategy};
pub use self::case::{Case, Expect, Test, judge};
pub use self::condition::{Condition, Conditions, Hit, Pattern, Seen, Value};
pub use self::glob::Glob;
use self::index::Index;
pub use self::lint::{Amplified, amplified, lint, lint_machine};
pub use self::mode::Mode;
pub use self::problem::{At, Place, Problem, Problems, Severity, did_you_mean, one_of};
pub use self::view::{Saw, View};
pub use self::word::Word;
use crate::failure::{Service, Subject};
use crate::verdict::RetryMode;

/// A whole document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Conditions under which nothing is ever retried, read before every policy.
    pub never: Vec<Conditions>,
    /// The policies, in the order of the document.
    pub policies: Vec<Policy>,
    /// Most automatic retries of one execution or one stage, over all rules.
    pub per_execution: u32,
    /// Failures with the decision expected of them.
    pub tests: Vec<Test>,
    index: Index,
}

/// What reading a document came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The document, or everything that keeps it from being used.
    pub document: Result<Document, Problems>,
    /// What may not do what its author expects, in the order of places. There are warnings beside errors too.
    pub warnings: Vec<Problem>,
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
        read::document(text)
    }

    /// Reads a document that is a tree already, as one that was made of another's retry blocks is: its problems
    /// keep the places of its nodes.
    #[must_use]
    pub fn read_node(root: &node::Node) -> Checked {
        read::tree(root)
    }

    /// Reads a document, with all warnings: those of [`lint`] too, which take longer than a function should
    /// begin with. Where there are errors, the rules that are free of them are linted all the same.
    #[must_use]
    pub fn check(text: &str) -> Checked {
        read::checked(text)
    }

    /// The one policy that applies to a subject: the first whose `match` matches.
    #[must_use]
    pub fn policy_for(&self, subject: &Subject) -> Option<&Policy> {
        let at = self.policy_index(subject)?;
        self.policies.get(at)
    }

    /// Where in [`policies`](Self::policies) that one stands. What it costs does not grow with the number of
    /// policies whose `match` names other targets.
    #[must_use]
    pub fn policy_index(&self, subject: &Subject) -> Option<usize> {
        let (service, account, region, name) = (
            subject.service(),
            subject.account(),
            subject.region(),
            subject.target(),
        );
        self.first_for(service, account, region, name)
    }

    /// Whether some policy applies to a target, by its name.
    #[must_use]
    pub fn manages(&self, service: Service, account: &str, region: &str, name: &str) -> bool {
        self.first_for(service, account, region, name).is_some()
    }

    fn first_for(
        &self,
        service: Service,
        account: &str,
        region: &str,
        name: &str,
    ) -> Option<usize> {
        self.index.first(service, account, name, |at| {
            self.policies
                .get(at)
                .is_some_and(|policy| policy.scope.names(service, account, region, name))
        })
    }
}

/// One policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Unique in its document; `default` for the only one of a document with `retry:`.
    pub name: String,
    /// The targets it applies to.
    pub scope: Scope,
    /// The rules for automatic retries. None: nothing is automatic.
    pub automatic: Vec<Rule>,
    /// What people may do with redrive's own commands.
    pub manual: Manual,
    /// Who judges a child that a parent execution started.
    pub nested: Nested,
    /// Where it stands.
    pub at: At,
}

/// `retry.manual`: what redrive's own commands let people do. The services' consoles do not ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manual {
    /// Whether they may retry by hand.
    pub allowed: bool,
    /// Words for those who may not.
    pub reason: Option<String>,
    /// Legal as in Buildkite, and idle: neither service can retry what passed.
    pub permit_on_passed: bool,
}

impl Default for Manual {
    fn default() -> Self {
        Self {
            allowed: true,
            reason: None,
            permit_on_passed: false,
        }
    }
}

/// Who judges an execution that names its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nested {
    /// The parent is redriven and starts the child anew.
    #[default]
    Parent,
    /// The child is judged itself: nobody waits for it.
    Own,
}

/// `match`: all that is written must match; `state_machine` and `pipeline` are alternatives by service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    pub(crate) state_machine: Option<Vec<Glob>>,
    pub(crate) pipeline: Option<Vec<Glob>>,
    pub(crate) account: Option<Vec<Glob>>,
    pub(crate) region: Option<Vec<Glob>>,
}

impl Scope {
    /// Whether a subject's target is covered.
    #[must_use]
    pub fn covers(&self, subject: &Subject) -> bool {
        self.names(
            subject.service(),
            subject.account(),
            subject.region(),
            subject.target(),
        )
    }

    fn names(&self, service: Service, account: &str, region: &str, name: &str) -> bool {
        let any = |globs: &Option<Vec<Glob>>, value: &str| {
            globs
                .as_ref()
                .is_none_or(|globs| globs.iter().any(|glob| glob.matches(value)))
        };
        let (own, other) = match service {
            Service::StepFunctions => (&self.state_machine, &self.pipeline),
            Service::CodePipeline => (&self.pipeline, &self.state_machine),
        };
        let target = match (own, other) {
            (Some(_), _) => any(own, name),
            // Only the other service's targets are named.
            (None, Some(_)) => false,
            (None, None) => true,
        };
        target && any(&self.account, account) && any(&self.region, region)
    }
}

/// Conditions, and what to do when they match.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The id as written, or `rule-` and a hash of the canonical conditions. Not of limit, backoff or
    /// position: to reorder rules or to change a limit keeps the counts.
    pub id: String,
    /// When it matches.
    pub conditions: Conditions,
    /// The id was written, and does not follow from the conditions.
    pub named: bool,
    /// Retries it may spend on one subject, 0 to 10; 0 forbids.
    pub limit: u32,
    /// The same for DynamoDB's errors where a mode knows better: `legacy`, with neither `limit` nor
    /// `max_attempts` written.
    pub dynamodb_limit: Option<u32>,
    /// The mode that its defaults come from.
    pub mode: Option<Mode>,
    /// How long to wait.
    pub backoff: Backoff,
    /// How a stage is retried.
    pub retry_mode: RetryMode,
    /// Words for people.
    pub reason: Option<String>,
    /// Where it stands.
    pub at: At,
}

impl Rule {
    /// Retries that it may spend on a subject with this failure.
    #[must_use]
    pub fn limit_for(&self, view: &View<'_>) -> u32 {
        match self.dynamodb_limit {
            Some(limit) if mode::is_dynamodbs(view.error()) => limit,
            _ => self.limit,
        }
    }
}

#[cfg(test)]
mod tests;
