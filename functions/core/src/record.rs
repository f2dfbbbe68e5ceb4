//! What became of one thing that was handled: the log line, the metric and the report.
//!
//! A record holds nothing of an error, a cause, a message, an input or an output.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::Serialize;

use crate::calls::CallResult;
use crate::diagnosis::Diagnosis;
use crate::error::Error;
use crate::event::{Ignored, Malformed};
use crate::failure::{FailureId, Need, Subject};
use crate::ledger::{Entry, State};
use crate::time::Time;
use crate::verdict::{Reason, Verdict};

/// What became of one thing that was handled: the log line, the metric and the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// When it was received.
    #[serde(serialize_with = "text")]
    pub at: Time,
    /// When it happened, by the service's own clock.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "text_if_any"
    )]
    pub happened_at: Option<Time>,
    /// Of whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Which failure of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_id: Option<FailureId>,
    /// What was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason, where it is not the verdict's.
    pub reason: Reason,
    /// Where the retry stands in the ledger now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// What the failed actions of a stage look like, when they were judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnosis: Vec<Diagnosis>,
    /// What had to be looked up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub looked_up: Vec<Need>,
    /// What a dry run did not look up, and the verdict depends on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// How long the retry waits for its slot, in milliseconds, if it waits for one.
    #[serde(
        rename = "slot_wait_ms",
        skip_serializing_if = "no_wait",
        serialize_with = "millis"
    )]
    pub slot: Option<Duration>,
    /// What AWS said to the retry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_result: Option<CallResult>,
    /// Where an event could not be read, and why.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "text_if_any"
    )]
    pub malformed: Option<Malformed>,
    /// Why what was done could not be written down. The sweep finds out.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "text_if_any"
    )]
    pub unsettled: Option<Error>,
}

fn text<S: serde::Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Whether there is no wait to tell of.
fn no_wait(wait: &Option<Duration>) -> bool {
    wait.is_none_or(|wait| wait.is_zero())
}

fn millis<S: serde::Serializer>(wait: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(wait.unwrap_or_default().as_millis())
}

fn text_if_any<S: serde::Serializer>(
    value: &Option<impl fmt::Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// The outcome of handling an event, a message or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// AWS took the retry.
    Retried,
    /// The retry waits for its time.
    Queued,
    /// AWS was busy, or did not let us: the retry waits for another time.
    BackedOff,
    /// The retry was sent, and its answer never came.
    InDoubt,
    /// Judged and refused, or refused by AWS.
    GaveUp,
    /// What would have been done is written down, and nothing else.
    Observed,
    /// Nothing, since it was never ours.
    Ignored,
    /// Nothing, since this very failure was handled before.
    Duplicate,
    /// Nothing, since the subject has moved on since.
    Stale,
    /// A retry ended well.
    Recovered,
    /// A person terminated the retried execution or stage.
    Terminated,
    /// Nothing: another function wrote first.
    Conflict,
    /// A retry in doubt turned out to have happened.
    Confirmed,
}

impl Outcome {
    /// As records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retried => "retried",
            Self::Queued => "queued",
            Self::BackedOff => "backed_off",
            Self::InDoubt => "in_doubt",
            Self::GaveUp => "gave_up",
            Self::Observed => "observed",
            Self::Ignored => "ignored",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Recovered => "recovered",
            Self::Terminated => "terminated",
            Self::Conflict => "conflict",
            Self::Confirmed => "confirmed",
        }
    }
}

impl Record {
    /// A record of what was done about something, for a reason.
    pub(crate) const fn new(at: Time, outcome: Outcome, reason: Reason) -> Self {
        Self {
            at,
            happened_at: None,
            subject: None,
            failure_id: None,
            verdict: None,
            outcome,
            reason,
            state: None,
            diagnosis: Vec::new(),
            looked_up: Vec::new(),
            needs: Vec::new(),
            slot: None,
            call_result: None,
            malformed: None,
            unsettled: None,
        }
    }

    /// Why, in one sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match (&self.verdict, &self.malformed) {
            (_, Some(malformed)) => alloc::format!("the event cannot be read: {malformed}"),
            (Some(verdict), None) if verdict.reason == self.reason => verdict.sentence(),
            _ => self.reason.sentence().to_string(),
        }
    }

    /// A record of an event that is none of our business.
    pub(crate) fn ignored(at: Time, ignored: Ignored) -> Self {
        Self {
            happened_at: ignored.at,
            subject: ignored.subject,
            ..Self::new(at, Outcome::Ignored, ignored.reason)
        }
    }

    /// A record of an event that cannot be read.
    #[must_use]
    pub fn malformed(at: Time, malformed: Malformed) -> Self {
        Self {
            malformed: Some(malformed),
            ..Self::new(at, Outcome::Ignored, Reason::Malformed)
        }
    }

    /// The same of what an entry is about.
    pub(crate) fn of(self, entry: &Entry) -> Self {
        Self {
            happened_at: Some(entry.failed_at),
            subject: Some(entry.subject.clone()),
            failure_id: Some(entry.failure_id.clone()),
            verdict: Some(entry.verdict.clone()),
            reason: entry.reason(),
            ..self
        }
    }

    /// The same of something that the ledger knows already: the verdict is that of the first time.
    pub(crate) fn seen_before(self, entry: &Entry, outcome: Outcome) -> Self {
        let same = outcome == Outcome::Duplicate
            || self
                .failure_id
                .as_ref()
                .is_none_or(|failure_id| *failure_id == entry.failure_id);
        Self {
            outcome,
            reason: if same {
                entry.reason()
            } else {
                Reason::TargetChanged
            },
            verdict: same.then(|| entry.verdict.clone()),
            state: Some(entry.state),
            ..self
        }
    }
}
