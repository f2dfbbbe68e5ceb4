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
    /// An event that cannot be read.
    Malformed(Malformed),
}

impl ParsedEvent {
    /// Returns the subject, if the event has one that can be read.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Failure(failure) => Some(&failure.subject),
            Self::Completion(completion) => Some(&completion.subject),
            Self::Ignored(ignored) => ignored.subject.as_ref(),
            Self::Malformed(_) => None,
        }
    }
}

/// The completion of a subject that may have failed before. With it, the ledger records how a retry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The subject.
    pub subject: Subject,
    /// The time of completion, by the service's own clock.
    pub at: Time,
    /// How the subject ended.
    pub kind: CompletionKind,
    /// How often an execution had been redriven by then. Stages have no such count.
    pub redrive_count: Option<u32>,
}

/// The kind of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// The subject succeeded.
    Succeeded,
    /// A person ended the subject.
    Terminated,
}

impl CompletionKind {
    /// Returns the reason for not judging the completion as a failure.
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
    /// The reason.
    pub reason: Reason,
    /// Its subject, if it can be read.
    pub subject: Option<Subject>,
    /// Its time, if it can be read.
    pub at: Option<Time>,
}

/// The accounts and regions whose events are handled. An empty list allows all, for local use.
///
/// A deployed function allows its own account and region. So an event sent by mistake or malice cannot make it act
/// elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSources {
    /// The allowed account ids.
    pub accounts: Vec<String>,
    /// The allowed regions.
    pub regions: Vec<String>,
}

impl AllowedSources {
    /// Returns why an event from this account and region is ignored, if it is.
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

/// The keys around an event's detail.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow, default, rename = "detail-type")]
    pub(crate) detail_type: Slot<Text<'a>>,
    /// The spelling in a message of a notification rule, which is no EventBridge event.
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

/// Checks that the envelope's account or region is that of the ARN to act on.
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
