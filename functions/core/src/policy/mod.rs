//! The policy document: its model, and which policy and rule a failure meets.
//!
//! [`Document::parse`] reads YAML 1.2 or JSON and reports every problem at once. Exactly one policy applies
//! to a target, the first whose `match` matches; in it the first rule whose conditions match is *the* rule.
//! Policies are never merged, and when the rule's limit is spent no later rule is consulted.

mod condition;
mod glob;
mod node;
mod problem;
mod read;

use alloc::string::String;
use alloc::vec::Vec;

pub use self::condition::{Condition, Conditions, Hit, Seen, View, Word};
pub use self::glob::Glob;
pub use self::problem::{Place, Problem, Problems};
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
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// All problems at once, each with its place, what was read and what is allowed.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        read::document(text)
    }

    /// The one policy that applies to a subject: the first whose `match` matches.
    #[must_use]
    pub fn policy_for(&self, subject: &Subject) -> Option<&Policy> {
        self.policies
            .iter()
            .find(|policy| policy.scope.covers(subject))
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
    /// Who judges a child that a parent execution started.
    pub nested: Nested,
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
        let any = |globs: &Option<Vec<Glob>>, value: &str| {
            globs
                .as_ref()
                .is_none_or(|globs| globs.iter().any(|glob| glob.matches(value)))
        };
        let (own, other) = match subject.service() {
            Service::StepFunctions => (&self.state_machine, &self.pipeline),
            Service::CodePipeline => (&self.pipeline, &self.state_machine),
        };
        let target = match (own, other) {
            (Some(_), _) => any(own, subject.target()),
            // Only the other service's targets are named.
            (None, Some(_)) => false,
            (None, None) => true,
        };
        target && any(&self.account, subject.account()) && any(&self.region, subject.region())
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
    /// Retries it may spend on one subject, 0 to 10; 0 forbids.
    pub limit: u32,
    /// How long to wait.
    pub backoff: Backoff,
    /// How a stage is retried.
    pub retry_mode: RetryMode,
    /// Words for people.
    pub reason: Option<String>,
}

/// Step Functions' own four words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Seconds before the first retry.
    pub interval_seconds: u32,
    /// By how much each further wait grows.
    pub backoff_rate: f64,
    /// Seconds that no wait exceeds, up to 14 days.
    pub max_delay_seconds: u32,
    /// Whether the wait is drawn from `[0, delay]`.
    pub jitter_strategy: JitterStrategy,
}

/// Whether waits are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JitterStrategy {
    /// Uniform in `[0, delay]`.
    #[default]
    Full,
    /// The delay itself.
    None,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            interval_seconds: 30,
            backoff_rate: 2.0,
            max_delay_seconds: 900,
            jitter_strategy: JitterStrategy::Full,
        }
    }
}

impl Backoff {
    /// The wait before a rule's `n`-th use, counted from 1, in whole seconds rounded down:
    /// `min(interval_seconds * backoff_rate^(n-1), max_delay_seconds)`, or under FULL jitter the part of it
    /// that `draw` gives, `draw` being uniform over all its values and the same for the same failure.
    #[must_use]
    pub fn delay_seconds(&self, n: u32, draw: u64) -> u32 {
        let max = f64::from(self.max_delay_seconds);
        let mut delay = f64::from(self.interval_seconds).min(max);
        for _ in 1..n {
            if delay >= max {
                break;
            }
            delay = (delay * self.backoff_rate).min(max);
        }
        if self.jitter_strategy == JitterStrategy::Full {
            // 53 bits are what a float holds exactly: a fraction in [0, 1].
            #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
            let fraction = (draw >> 11) as f64 / ((1_u64 << 53) - 1) as f64;
            delay *= fraction;
        } else {
            // 100 * 1.15 is 114.99999999999999 to a float, and 115 to a person.
            delay += 1e-6;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 14 days"
        )]
        let whole = delay as u32;
        whole
    }
}

#[cfg(test)]
mod tests;
