//! The parsed forms of an event.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::{Failure, Subject};
use crate::time::Time;
use crate::tolerant::{Lenient, Malformed, Slot, Text};
use crate::verdict::Reason;

/// A parsed event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most events are the large one")]
pub enum ParsedEvent {
    /// A failure to judge.
    Failure(Failure),
    /// The completion of a subject after an earlier failure.
    Completion(Completion),
    /// An event to ignore, and why.
    Ignored(Ignored),
    /// Not an event that can be read.
    Malformed(Malformed),
}

/// The completion of a subject that may have failed before. It tells the ledger how a retry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Whose.
    pub subject: Subject,
    /// When, by the service's own clock.
    pub at: Time,
    /// How it ended.
    pub kind: CompletionKind,
    /// How often an execution had been redriven by then. Stages do not say.
    pub redrive_count: Option<u32>,
}

/// How a subject ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// It succeeded, after so many redrives where that is counted.
    Succeeded,
    /// A person ended it.
    Terminated,
}

impl CompletionKind {
    /// Why an event that says so is not judged as a failure.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Succeeded => Reason::Succeeded,
            Self::Terminated => Reason::Aborted,
        }
    }
}

/// An event to ignore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Why.
    pub reason: Reason,
    /// Its subject, where that could be read.
    pub subject: Option<Subject>,
    /// When, where that could be read.
    pub at: Option<Time>,
}

/// The accounts and regions whose events are handled. An empty list allows all of them, for local use. A
/// deployed function names its own account and region: an event sent to it by mistake or malice cannot make
/// it act elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSources {
    /// Account ids.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
}

impl AllowedSources {
    /// Returns why an event from there is ignored, if it is.
    pub(crate) fn reason_to_ignore(&self, account: &str, region: &str) -> Option<Reason> {
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
