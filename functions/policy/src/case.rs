//! The tests of a document: failures in normalised words, and the verdicts expected on them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::condition_key::ConditionKey;
use crate::decision::{Decision, Reason};
use crate::field::Field;
use crate::problem::At;
use crate::service::Service;
use crate::signal_reason::SignalReason;

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
    /// FAILED, TIMED_OUT or ABORTED.
    pub status: Option<String>,
    /// The exit status.
    pub exit_status: Option<Field<i16>>,
    /// The reason for which the process was ended from outside.
    pub signal_reason: Option<Field<SignalReason>>,
    /// The HTTP status.
    pub http_status: Option<Field<u16>>,
    /// The properties that are texts.
    pub texts: BTreeMap<ConditionKey, Field<String>>,
    /// The place of the failure in its document.
    pub at: At,
}

impl Case {
    /// Returns a failure of a target with no property set.
    pub(crate) const fn new(service: Service, target: String, at: At) -> Self {
        Self {
            service,
            target,
            account: None,
            region: None,
            status: None,
            exit_status: None,
            signal_reason: None,
            http_status: None,
            texts: BTreeMap::new(),
            at,
        }
    }

    pub(crate) fn set_absent(&mut self, key: ConditionKey) {
        match key {
            ConditionKey::ExitStatus => self.exit_status = Some(Field::Absent),
            ConditionKey::SignalReason => self.signal_reason = Some(Field::Absent),
            ConditionKey::HttpStatus => self.http_status = Some(Field::Absent),
            key => {
                self.texts.insert(key, Field::Absent);
            }
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
        match (self.service, self.texts.get(&ConditionKey::Stage)) {
            (Service::CodePipeline, Some(Field::Known(stage))) => stage,
            _ => "",
        }
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
