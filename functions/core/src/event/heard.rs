//! What an event can turn out to be.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::{Failure, Subject};
use crate::time::Time;
use crate::tolerant::{Lenient, Malformed, Slot, Text};
use crate::verdict::Reason;

/// What an event turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most of what is heard is the large one"
)]
pub enum Heard {
    /// A failure to judge.
    Failure(Failure),
    /// How a subject went on after an earlier failure.
    Sequel(Sequel),
    /// Nothing for us, and why.
    Irrelevant(Irrelevant),
    /// Not an event that can be read.
    Malformed(Malformed),
}

/// A later word on a subject that may have failed before: what tells the ledger how a retry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequel {
    /// Whose.
    pub subject: Subject,
    /// When, by the service's own clock.
    pub at: Time,
    /// How it went on.
    pub what: SequelKind,
    /// How often an execution had been redriven by then. Stages do not say.
    pub redrive_count: Option<u32>,
}

/// How a subject went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequelKind {
    /// It succeeded, after so many redrives where that is counted.
    Succeeded,
    /// A person ended it.
    Ended,
}

impl SequelKind {
    /// Why an event that says so is not judged as a failure.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Succeeded => Reason::Succeeded,
            Self::Ended => Reason::Aborted,
        }
    }
}

/// An event that is none of our business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irrelevant {
    /// Why.
    pub reason: Reason,
    /// Of whom it speaks, where that could be read.
    pub subject: Option<Subject>,
    /// When, where that could be read.
    pub at: Option<Time>,
}

/// Whose events are heard. Empty lists hear everybody's, as on a desk; a deployed function names its own
/// account and region, so that an event sent to it by mistake or malice cannot make it act elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Account ids.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
}

impl Bounds {
    /// Why an event from there is none of ours, if it is not.
    pub(crate) fn refuse(&self, account: &str, region: &str) -> Option<Reason> {
        let outside = |allowed: &[String], one: &str| {
            !allowed.is_empty() && !allowed.iter().any(|a| a == one)
        };
        if outside(&self.accounts, account) {
            Some(Reason::OtherAccount)
        } else if outside(&self.regions, region) {
            Some(Reason::OtherRegion)
        } else {
            None
        }
    }
}

/// What stands around every event's detail.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow, default, rename = "detail-type")]
    pub(crate) detail_type: Slot<Text<'a>>,
    /// The spelling of a notification rule's message, which is no EventBridge event.
    #[serde(borrow, default, rename = "detailType")]
    pub(crate) notification_type: Slot<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) source: Slot<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) account: Slot<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) region: Slot<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) time: Slot<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) resources: Lenient<Vec<Text<'a>>>,
    #[serde(borrow, default)]
    pub(crate) detail: Option<&'a RawValue>,
}

/// The account and region that the envelope names must be those of the ARN we would act on.
pub(crate) fn agree(
    what: &str,
    envelope: Option<&str>,
    arn: &str,
    place: &str,
) -> Result<(), Malformed> {
    match envelope {
        Some(said) if said != arn => Err(Malformed::new(
            place,
            format!("its {what} is not the one that the event itself names"),
        )),
        _ => Ok(()),
    }
}
