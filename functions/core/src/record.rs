//! The result of handling one event, message or entry.
//!
//! A record has no form of its own outside the program. The log line, the decision event, the function's answer and the
//! line of a replay are made from it, each in its own shape.
//!
//! INVARIANT: a record holds nothing of an error, a cause, a message, an input or an output.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
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

/// The result of handling one event, message or entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The time of handling.
    pub at: Time,
    /// The time of the failure or completion, by the service's own clock.
    pub happened_at: Option<Time>,
    /// The subject of the record.
    pub subject: Option<Subject>,
    /// The failure of the subject.
    pub failure_id: Option<FailureId>,
    /// The verdict, if the failure was judged.
    pub verdict: Option<Verdict>,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason of the outcome: the verdict's, or a later one.
    pub reason: Reason,
    /// The state of the ledger entry now.
    pub state: Option<State>,
    /// The diagnosis of a stage's failed actions at the time of the verdict.
    pub diagnosis: Vec<Diagnosis>,
    /// The facts that were looked up.
    pub looked_up: Vec<Need>,
    /// The facts that a dry run did not look up, and on which the verdict depends.
    pub needs: Vec<Need>,
    /// The wait of the retry for its slot, if the retry needs a slot.
    pub slot: Option<Duration>,
    /// The result of the retry call.
    pub call_result: Option<CallResult>,
    /// The place in a malformed event, and the fault.
    pub malformed: Option<Malformed>,
    /// The error that kept the settled entry from being written. The sweep finds the result later.
    pub unsettled: Option<Error>,
}

/// The outcome of handling an event, a message or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// AWS accepted the retry.
    Retried,
    /// The retry waits until it is due.
    Queued,
    /// AWS was busy or denied access: the retry waits for another attempt.
    BackedOff,
    /// The retry was sent, and no answer was received.
    InDoubt,
    /// The policy, a check or AWS refused the retry.
    GaveUp,
    /// The verdict is written in observe mode; no retry follows.
    Observed,
    /// Nothing was done: the event is not for this program.
    Ignored,
    /// Nothing was done: this failure was handled before.
    Duplicate,
    /// Nothing was done: the subject has advanced since.
    Stale,
    /// The subject succeeded after its failure.
    Recovered,
    /// A person terminated the retried execution or stage.
    Terminated,
    /// Nothing was done: another owner wrote first.
    Conflict,
    /// A retry in doubt turned out to have happened.
    Confirmed,
}

impl Outcome {
    /// Returns the name that records use.
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
    /// Returns a record with an outcome and a reason, and everything else empty.
    #[must_use]
    pub const fn new(at: Time, outcome: Outcome, reason: Reason) -> Self {
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

    /// Returns the reason as one sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match (&self.verdict, &self.malformed) {
            (_, Some(malformed)) => alloc::format!("the event cannot be read: {malformed}"),
            (Some(verdict), None) if verdict.reason == self.reason => verdict.sentence(),
            _ => self.reason.sentence().to_string(),
        }
    }

    /// Returns the wait for the slot in milliseconds, and none where the retry does not wait.
    #[must_use]
    pub fn slot_wait_ms(&self) -> Option<u64> {
        self.slot
            .filter(|wait| !wait.is_zero())
            .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns the record of an ignored event.
    pub(crate) fn ignored(at: Time, ignored: Ignored) -> Self {
        Self {
            happened_at: ignored.at,
            subject: ignored.subject,
            ..Self::new(at, Outcome::Ignored, ignored.reason)
        }
    }

    /// Returns the record of a malformed event.
    #[must_use]
    pub fn malformed(at: Time, malformed: Malformed) -> Self {
        Self {
            malformed: Some(malformed),
            ..Self::new(at, Outcome::Ignored, Reason::Malformed)
        }
    }

    /// Returns the record with the subject, failure, verdict and reason of an entry.
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

    /// Returns the record of a failure or completion that the ledger knows already, with the entry's first verdict.
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
