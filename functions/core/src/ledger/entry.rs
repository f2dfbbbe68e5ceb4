//! The one item of a subject. Its changes are in [`steps`](super::steps).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Owner, RetryMessage, State, Timing};
use crate::failure::{FailureId, Subject};
use crate::time::Time;
use crate::verdict::{Reason, Verdict};

/// How early a retry message may arrive.
pub const EARLY: Duration = Duration::from_secs(60);

/// Two times of AWS this close have no order. AWS: some times have whole seconds.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// The permission of an owner to act, until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The owner that may act.
    pub owner: Owner,
    /// The end of the lease.
    pub until: Time,
}

/// The cancellation of a queued retry by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// The person's name.
    pub by: String,
    /// The person's reason, in free text.
    pub note: String,
}

impl Cancelled {
    /// Maximum length of [`by`](Self::by), in characters.
    pub const MAX_BY: usize = 256;
    /// Maximum length of [`note`](Self::note), in characters. With both fields at their maximum, dozens of cancelled
    /// attempts fit into the 400 KB of a DynamoDB item.
    pub const MAX_NOTE: usize = 1_024;
}

/// An earlier failure of the subject, and the state of its retry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The ID of the failure.
    pub failure_id: FailureId,
    /// The time of the failure.
    pub failed_at: Time,
    /// The verdict on the failure.
    pub verdict: Verdict,
    /// The state of its retry when the next failure was written.
    pub state: State,
    /// The reason of the state, where it is not the verdict's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The cancellation of its retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
    /// The retry may have taken effect, whatever the state says.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub in_doubt: bool,
}

/// The one item of a subject.
///
/// INVARIANT: its fields can be read anywhere and changed only by the steps of the ledger, which follow the transition
/// table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entry(pub(super) EntryFields);

impl Deref for Entry {
    type Target = EntryFields;

    fn deref(&self) -> &EntryFields {
        &self.0
    }
}

/// Tests forge entries. No other build can.
#[cfg(test)]
impl core::ops::DerefMut for Entry {
    fn deref_mut(&mut self) -> &mut EntryFields {
        &mut self.0
    }
}

/// The fields of an [`Entry`].
///
/// INVARIANT: they hold no error, cause, message, input or output. The only text by people is the name and note of a
/// cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryFields {
    /// The subject.
    pub subject: Subject,
    /// The number of writes, from 1. A write names the revision that it replaces.
    pub revision: u64,
    /// The owner of the last write.
    pub written_by: Owner,
    /// The time of the last write.
    pub updated_at: Time,
    /// The number of the subject's failures in the ledger, from 1.
    pub failure_number: u32,
    /// The ID of the latest known failure.
    pub failure_id: FailureId,
    /// The time of the latest failure.
    pub failed_at: Time,
    /// The state of its retry.
    pub state: State,
    /// The verdict of the first handling. A duplicate gets the same.
    pub verdict: Verdict,
    /// The reason of the state, where it is not the verdict's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The cancellation of its retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
    /// Retries used, by policy and rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rule_usage: BTreeMap<String, BTreeMap<String, u32>>,
    /// The number of automatic retries, over all rules.
    #[serde(default)]
    pub retries: u32,
    /// Whether the retry of the latest failure is charged to the rules of its verdict. INVARIANT: only the write that
    /// charges sets it, and only the write that refunds clears it, so that no charge is returned twice.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub charged: bool,
    /// Retries that AWS counted before this entry was opened. Every rule counts as used that often, now and later.
    #[serde(default)]
    pub prior_retries: u32,
    /// The due time of a queued retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// The time at which the sweep checks an unchanged entry: the sort key of the due index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_at: Option<Time>,
    /// The lease of the owner that may act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The retry may have taken effect, in whichever state the entry is: a call got no known answer, or an owner died.
    /// INVARIANT: its charge is not refunded.
    #[serde(default)]
    pub in_doubt: bool,
    /// The target is read before the retry, at any age of the entry, because AWS's last answer contradicts the failure.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub verify_before_retry: bool,
    /// The time at which a process first refused the retry whose policy is older than the verdict's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outdated_since: Option<Time>,
    /// The time at which AWS redrove the subject for this failure, by AWS's clock: RedriveExecution's `redriveDate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven: Option<Time>,
    /// The throttling of the retry by AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<Throttling>,
    /// Earlier failures, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The time from which DynamoDB's TTL may delete the entry.
    pub expires_at: Time,
}

/// The throttling of a subject's retry by AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// The time of the first throttled call.
    pub since: Time,
    /// The number of throttled calls.
    pub times: u32,
}

/// The relation of a failure to the latest one of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same failure: a duplicate.
    Same,
    /// A later failure.
    Later,
    /// An earlier failure, already superseded.
    Earlier,
}

/// The owner, time and timing of a write.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The owner.
    pub owner: &'a Owner,
    /// The time of the write.
    pub now: Time,
    /// The durations in force.
    pub timing: &'a Timing,
}

impl Entry {
    /// Returns the entry that a store holds.
    #[must_use]
    pub const fn restored(fields: EntryFields) -> Self {
        Self(fields)
    }

    /// Returns how a failure relates to the latest one of this entry, by its ID.
    #[must_use]
    pub fn relation(&self, failure_id: &FailureId) -> Relation {
        match (&self.failure_id, failure_id) {
            (FailureId::RedriveCount(ours), FailureId::RedriveCount(theirs)) => {
                match theirs.cmp(ours) {
                    core::cmp::Ordering::Less => Relation::Earlier,
                    core::cmp::Ordering::Equal => Relation::Same,
                    core::cmp::Ordering::Greater => Relation::Later,
                }
            }
            (FailureId::FailedActions(ours), FailureId::FailedActions(theirs)) => {
                let before = |attempt: &Attempt| match &attempt.failure_id {
                    FailureId::FailedActions(ids) => !ids.is_disjoint(theirs),
                    FailureId::RedriveCount(_) => false,
                };
                if ours == theirs || !ours.is_disjoint(theirs) {
                    Relation::Same
                } else if self.attempts.iter().any(before) {
                    Relation::Earlier
                } else {
                    Relation::Later
                }
            }
            // INVARIANT: a subject has one kind of failure ID. A failure with the other kind is never retried.
            _ => Relation::Earlier,
        }
    }

    /// Returns how a failure at the time `at` relates to the latest one of this entry.
    ///
    /// RACE: a slow handling against a fast one. The IDs of a stage's failures have no order. A failure that the ledger
    /// lacks may be an earlier one that the slow handling read, so its time decides.
    ///
    /// RACE: our redrive against a person's redrive. After the person's, ours restarts a later failure than intended.
    /// Every failure that ended before AWS accepted our redrive is covered by that redrive.
    #[must_use]
    pub fn relation_at(&self, failure_id: &FailureId, at: Time) -> Relation {
        match (self.relation(failure_id), failure_id) {
            (Relation::Later, FailureId::FailedActions(_)) if at < self.failed_at => {
                Relation::Earlier
            }
            (Relation::Later, FailureId::RedriveCount(_))
                if self
                    .redriven
                    .is_some_and(|redriven| at.plus(SAME_MOMENT) < redriven) =>
            {
                Relation::Earlier
            }
            (relation, _) => relation,
        }
    }

    /// Returns the action executions that failed in earlier failures of a stage.
    #[must_use]
    pub fn failed_earlier(&self) -> BTreeSet<&str> {
        let failure_ids = self.attempts.iter().map(|attempt| &attempt.failure_id);
        failure_ids
            .filter_map(|failure_id| match failure_id {
                FailureId::FailedActions(ids) => Some(ids),
                FailureId::RedriveCount(_) => None,
            })
            .flatten()
            .map(String::as_str)
            .collect()
    }

    /// Returns whether the retry waits in the queue and was certainly not sent yet.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.state == State::Queued && !self.in_doubt
    }

    /// Returns whether the next write of a failure or completion refunds the charge of this retry.
    #[must_use]
    pub fn is_refundable(&self) -> bool {
        self.charged && self.is_unsent()
    }

    /// Returns how often the subject has used a rule.
    #[must_use]
    pub fn rule_usage(&self, policy: &str, rule: &str) -> u32 {
        self.rule_usage
            .get(policy)
            .and_then(|rules| rules.get(rule))
            .copied()
            .unwrap_or_default()
    }

    /// Returns the reason of the state.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason.unwrap_or(self.verdict.reason)
    }

    /// Returns the queue's message for this entry's retry.
    #[must_use]
    pub fn retry_message(&self) -> RetryMessage {
        RetryMessage {
            subject: self.subject.clone(),
            failure_number: self.failure_number,
        }
    }

    /// Returns whether a retry message is for this entry's queued retry, and the retry is due.
    ///
    /// A message may arrive [`EARLY`], since the queue's clock differs from ours.
    #[must_use]
    pub fn is_due(&self, retry_message: &RetryMessage, now: Time) -> bool {
        self.state == State::Queued
            && self.failure_number == retry_message.failure_number
            && self.due_at.is_none_or(|due| due <= now.plus(EARLY))
    }

    /// Returns whether `self` is the stored result of the write `attempted`.
    ///
    /// RACE: a write against its own repetition after a lost answer. The repetition conflicts with the first one.
    #[must_use]
    pub fn is_write_of(&self, attempted: &Self) -> bool {
        self.revision == attempted.revision
            && self.written_by == attempted.written_by
            && self.state == attempted.state
    }
}
