//! The tests of a document: failures in normalised words, and the verdicts expected on them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::condition_key::ConditionKey;
use crate::decision::{Decision, Reason};
use crate::failure_view::ActualValue;
use crate::field::Field;
use crate::problem::At;
use crate::service::Service;

/// One of a document's tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The name, which states the purpose of the test.
    pub name: String,
    /// Consecutive failures of one subject. The list has one entry where the test describes a single failure.
    pub attempts: Vec<Case>,
    /// The expectation for each failure.
    pub expect: Vec<Expect>,
    /// The place of the test in its document.
    pub at: At,
}

/// The expectations of a verdict. Every field that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// The expected decision.
    pub decision: Option<Decision>,
    /// The name of the expected policy.
    pub policy: Option<String>,
    /// The id of the expected rule. Where several rules have the id, any of them satisfies.
    pub rule: Option<String>,
    /// The expected reason of the verdict.
    pub reason: Option<Reason>,
}

/// A failure in normalised words: only the properties that a test states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The service that runs the target.
    pub service: Service,
    /// The state machine or the pipeline.
    pub target: String,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The values that the test states.
    pub values: BTreeMap<ConditionKey, Field<CaseValue>>,
    /// The place of the failure in its document.
    pub at: At,
}

/// A value that a test states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseValue {
    /// A name, a message or a word.
    Text(String),
    /// An exit status or an HTTP status.
    Number(i32),
}

impl CaseValue {
    /// Returns the value as conditions see it.
    #[must_use]
    pub fn as_actual(&self) -> ActualValue<'_> {
        match self {
            Self::Text(text) => ActualValue::Text(text),
            Self::Number(number) => ActualValue::Number(*number),
        }
    }
}

impl Case {
    /// Returns a failure of a target with no property set.
    pub(crate) const fn new(service: Service, target: String, at: At) -> Self {
        Self {
            service,
            target,
            account: None,
            region: None,
            values: BTreeMap::new(),
            at,
        }
    }

    /// Returns the value that the test states for a key, or `None` where it states none.
    #[must_use]
    pub fn get(&self, key: ConditionKey) -> Option<Field<ActualValue<'_>>> {
        Some(match self.values.get(&key)? {
            Field::Unknown => Field::Unknown,
            Field::Redacted => Field::Redacted,
            Field::Absent => Field::Absent,
            Field::Known(value) => Field::Known(value.as_actual()),
        })
    }

    /// Returns the text that the test states for a key.
    #[must_use]
    pub fn text(&self, key: ConditionKey) -> Option<&str> {
        match self.values.get(&key) {
            Some(Field::Known(CaseValue::Text(text))) => Some(text),
            _ => None,
        }
    }

    /// Returns the account, by default a made-up one.
    #[must_use]
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("000000000000")
    }

    /// Returns the region, by default us-east-1.
    #[must_use]
    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }

    /// Returns the stage of a pipeline, or an empty text.
    #[must_use]
    pub fn stage(&self) -> &str {
        let stage = self.text(ConditionKey::Stage);
        let own = stage.filter(|_| self.service == Service::CodePipeline);
        own.unwrap_or_default()
    }

    /// Returns whether two failures have the same subject.
    pub(crate) fn is_of_subject_of(&self, other: &Self) -> bool {
        self.service == other.service
            && self.target == other.target
            && self.account() == other.account()
            && self.region() == other.region()
            && self.stage() == other.stage()
    }
}
