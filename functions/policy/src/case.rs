//! A document's own tests: failures in normalised words, and what is expected of the verdicts on them.

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
    /// What it shows.
    pub name: String,
    /// Consecutive failures of one subject; one where the test names a single failure.
    pub attempts: Vec<Case>,
    /// What is expected of each.
    pub expect: Vec<Expect>,
    /// Where it stands.
    pub at: At,
}

/// What must hold of a verdict: all that is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// What is decided.
    pub decision: Option<Decision>,
    /// The policy's name.
    pub policy: Option<String>,
    /// The rule's id; of several rules any one.
    pub rule: Option<String>,
    /// The verdict's reason.
    pub reason: Option<Reason>,
}

/// A failure in normalised words: what a test says of it, and nothing else.
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
    /// Why it was ended from outside.
    pub signal_reason: Option<Field<SignalReason>>,
    /// The HTTP status.
    pub http_status: Option<Field<u16>>,
    /// The words that are texts.
    pub texts: BTreeMap<ConditionKey, Field<String>>,
    /// Where it stands.
    pub at: At,
}

impl Case {
    /// A failure of a target of which nothing is said.
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

    /// The account, where none is said a made-up one.
    #[must_use]
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("000000000000")
    }

    /// The region, where none is said us-east-1.
    #[must_use]
    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }

    /// The stage of a pipeline.
    #[must_use]
    pub fn stage(&self) -> &str {
        match (self.service, self.texts.get(&ConditionKey::Stage)) {
            (Service::CodePipeline, Some(Field::Known(stage))) => stage,
            _ => "",
        }
    }

    /// Whether two are failures of one subject.
    pub(crate) fn is_of_subject_of(&self, other: &Self) -> bool {
        self.service == other.service
            && self.target == other.target
            && self.account() == other.account()
            && self.region() == other.region()
            && self.stage() == other.stage()
    }
}
