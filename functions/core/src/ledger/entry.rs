//! The one item of a subject, and what each step makes of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    InitialState, Owner, RetryMessage, State, Timing, Transition, TransitionError, transition,
};
use crate::failure::{FailureId, Subject};
use crate::time::Time;
use crate::verdict::{Decision, Reason, Verdict};

/// How early a retry message may arrive.
pub const EARLY: Duration = Duration::from_secs(60);

/// Two times of AWS that are no further apart tell no order: some have whole seconds.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// Who may act, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub owner: Owner,
    /// Until when.
    pub until: Time,
}

/// Who cancelled a queued retry, and their note on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Who.
    pub by: String,
    /// Their reason, in their own words.
    pub note: String,
}

impl Cancelled {
    /// Maximum length of [`by`](Self::by), in characters.
    pub const MAX_BY: usize = 256;
    /// Maximum length of [`note`](Self::note), in characters. With both at their maximum, dozens of cancelled attempts
    /// fit into the 400 KB of an item.
    pub const MAX_NOTE: usize = 1_024;
}

/// An earlier failure of the subject, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which failure.
    pub failure_id: FailureId,
    /// When it failed.
    pub failed_at: Time,
    /// What was decided.
    pub verdict: Verdict,
    /// Where its retry stood when the next failure came.
    pub state: State,
    /// Why, where that is not the verdict's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who cancelled its retry, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
}

/// The one item of a subject. It holds no error, cause, message, input or output: of what people wrote, only
/// why one of them cancelled a retry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose.
    pub subject: Subject,
    /// Counts the writes, from 1. A write names the revision that it replaces.
    pub revision: u64,
    /// Who wrote last.
    pub written_by: Owner,
    /// When.
    pub updated_at: Time,
    /// Counts the failures of the subject that were written down, from 1.
    pub failure_number: u32,
    /// The latest failure known.
    pub failure_id: FailureId,
    /// When it failed.
    pub failed_at: Time,
    /// Where its retry stands.
    pub state: State,
    /// What was decided when it was first handled. A duplicate gets the same.
    pub verdict: Verdict,
    /// Why it ended so, where that is not the verdict's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who cancelled its retry, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
    /// Retries used, by policy and rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rule_usage: BTreeMap<String, BTreeMap<String, u32>>,
    /// Automatic retries, over all rules.
    #[serde(default)]
    pub retries: u32,
    /// Retries of the subject that AWS counted before this entry was opened, which it does not hold: every
    /// rule counts as used that often, now and later.
    #[serde(default)]
    pub prior_retries: u32,
    /// When a queued retry is to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// When the sweep checks the entry if nothing happens: the sort key of the due index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_at: Option<Time>,
    /// Who may act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// A call was sent and its answer never came, so the retry may have happened.
    #[serde(default)]
    pub in_doubt: bool,
    /// The target is looked at before the retry, whatever the entry's age: AWS said something else of it than the
    /// failure does.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub verify_before_retry: bool,
    /// When AWS redrove it for this failure, by its own clock: RedriveExecution's `redriveDate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven: Option<Time>,
    /// Since when AWS has throttled the retry, and how often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled: Option<Throttling>,
    /// Earlier failures, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// When it may be deleted.
    pub expires_at: Time,
}

/// How long AWS has throttled the retries of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Since when.
    pub since: Time,
    /// How often it said so.
    pub times: u32,
}

/// How a failure relates to the latest one that an entry knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is that one: a duplicate.
    Same,
    /// It came after.
    Later,
    /// It came before, and is history.
    Earlier,
}

/// Who writes, when, and by which timing.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// Who.
    pub owner: &'a Owner,
    /// When.
    pub now: Time,
    /// By which timing.
    pub timing: &'a Timing,
}

/// A failure that was judged, ready to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Whose.
    pub subject: Subject,
    /// Which failure.
    pub failure_id: FailureId,
    /// When it failed.
    pub failed_at: Time,
    /// How often AWS says that the subject was retried before, by whomever.
    pub retried_before: u32,
    /// What was decided.
    pub verdict: Verdict,
    /// How long it waits for its slot, before the rule's own delay begins.
    pub slot: Duration,
    /// Observe mode: nothing is done about it, now or ever.
    pub observed: bool,
}

impl Decided {
    const fn initial_state(&self) -> InitialState {
        match self.verdict.decision {
            Decision::Retry if self.observed => InitialState::Observe,
            Decision::Retry if self.delay().is_zero() => InitialState::Act,
            Decision::Retry => InitialState::Queue,
            Decision::GiveUp | Decision::Ignore => InitialState::GiveUp,
        }
    }

    /// How long the retry is put off. What is paced keeps its pace only if all of it is put off further: the rule's
    /// delay comes on top of the wait for the slot.
    const fn delay(&self) -> Duration {
        let delay = Duration::from_secs(self.verdict.delay_seconds as u64);
        self.slot.saturating_add(delay)
    }
}

impl Entry {
    /// A subject's first entry.
    #[must_use]
    pub fn open(decided: Decided, writer: Writer<'_>) -> Self {
        let (initial, delay) = (decided.initial_state(), decided.delay());
        let mut entry = Self {
            subject: decided.subject,
            revision: 1,
            written_by: writer.owner.clone(),
            updated_at: writer.now,
            failure_number: 1,
            failure_id: decided.failure_id,
            failed_at: decided.failed_at,
            state: initial.state(),
            verdict: decided.verdict,
            reason: None,
            cancelled: None,
            rule_usage: BTreeMap::new(),
            retries: 0,
            prior_retries: decided.retried_before,
            due_at: None,
            next_check_at: None,
            lease: None,
            in_doubt: false,
            verify_before_retry: false,
            redriven: None,
            throttled: None,
            attempts: Vec::new(),
            expires_at: writer.now.plus(writer.timing.retention),
        };
        entry.begin(initial, delay, writer);
        entry
    }

    /// An entry for a subject that a person ended before any failure of it was handled: a failure that comes
    /// late must find it.
    #[must_use]
    pub fn terminated(
        subject: Subject,
        failure_id: FailureId,
        at: Time,
        writer: Writer<'_>,
    ) -> Self {
        let verdict = Verdict::ignore(Reason::Aborted);
        let retried_before = match &failure_id {
            FailureId::RedriveCount(count) => *count,
            FailureId::FailedActions(_) => 0,
        };
        let decided = Decided {
            subject,
            failure_id,
            failed_at: at,
            retried_before,
            verdict,
            slot: Duration::ZERO,
            observed: false,
        };
        Self {
            state: State::Terminated,
            ..Self::open(decided, writer)
        }
    }

    /// The same subject's later failure, judged. The earlier one becomes an attempt; a retry of it that was
    /// still queued was never made, so its charge is given back.
    ///
    /// # Errors
    /// The subject has succeeded: nothing follows.
    pub fn judge(&self, decided: Decided, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let (initial, delay) = (decided.initial_state(), decided.delay());
        let mut entry = self.stepped(Transition::Judge(initial), writer)?;
        if self.is_unsent() {
            entry.refund();
        }
        entry.attempts.push(self.attempt());
        entry.failure_number = self.failure_number.saturating_add(1);
        entry.failure_id = decided.failure_id;
        entry.failed_at = decided.failed_at;
        entry.verdict = decided.verdict;
        entry.reason = None;
        entry.cancelled = None;
        entry.in_doubt = false;
        entry.verify_before_retry = false;
        entry.redriven = None;
        entry.throttled = None;
        entry.begin(initial, delay, writer);
        Ok(entry)
    }

    /// The failure of now, as an attempt among the earlier ones.
    fn attempt(&self) -> Attempt {
        Attempt {
            failure_id: self.failure_id.clone(),
            failed_at: self.failed_at,
            verdict: self.verdict.clone(),
            state: self.state,
            reason: self.reason,
            cancelled: self.cancelled.clone(),
        }
    }

    /// Charges a retry and says when it is due and who may act.
    fn begin(&mut self, initial: InitialState, delay: Duration, writer: Writer<'_>) {
        if matches!(initial, InitialState::Act | InitialState::Queue) {
            self.charge();
        }
        match initial {
            InitialState::Act => self.grant_lease(writer),
            InitialState::Queue => self.wait(delay, delay <= writer.timing.max_queue_delay, writer),
            InitialState::GiveUp | InitialState::Observe => {}
        }
    }

    fn charge(&mut self) {
        let policy = self.verdict.policy.clone().unwrap_or_default();
        for charge in &self.verdict.rules {
            let rule_usage = self
                .rule_usage
                .entry(policy.clone())
                .or_default()
                .entry(charge.rule.clone())
                .or_default();
            *rule_usage = rule_usage.saturating_add(1);
        }
        self.retries = self.retries.saturating_add(1);
    }

    fn refund(&mut self) {
        let policy = self.verdict.policy.clone().unwrap_or_default();
        for charge in &self.verdict.rules {
            if let Some(rule_usage) = self
                .rule_usage
                .get_mut(&policy)
                .and_then(|rules| rules.get_mut(&charge.rule))
            {
                *rule_usage = rule_usage.saturating_sub(1);
            }
        }
        self.retries = self.retries.saturating_sub(1);
    }

    fn grant_lease(&mut self, writer: Writer<'_>) {
        let until = writer.now.plus(writer.timing.lease);
        self.lease = Some(Lease {
            owner: writer.owner.clone(),
            until,
        });
        self.next_check_at = Some(until);
    }

    /// Waits. What is handed to the queue is looked for when it is overdue; what the queue cannot keep so
    /// long is checked when it can.
    fn wait(&mut self, delay: Duration, queued: bool, writer: Writer<'_>) {
        let due = writer.now.plus(delay);
        self.due_at = Some(due);
        self.next_check_at = Some(if queued {
            due.plus(writer.timing.overdue_after)
        } else {
            writer
                .now
                .plus(delay.saturating_sub(writer.timing.max_queue_delay))
        });
    }

    /// The entry after a step, written by `writer`, with nothing pending.
    fn stepped(&self, step: Transition, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let state = transition(self.state, step).ok_or(TransitionError {
            state: self.state,
            step,
        })?;
        Ok(Self {
            state,
            revision: self.revision.saturating_add(1),
            written_by: writer.owner.clone(),
            updated_at: writer.now,
            due_at: None,
            next_check_at: None,
            lease: None,
            expires_at: writer.now.plus(writer.timing.retention),
            ..self.clone()
        })
    }

    /// The retry is due: `writer.owner` may act.
    ///
    /// # Errors
    /// It is not queued.
    pub fn claim(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::Claim, writer)?;
        entry.grant_lease(writer);
        Ok(entry)
    }

    /// The queue lost it, or it is time to hand it over. Answers the entry and the delay to send it with.
    ///
    /// # Errors
    /// It is not queued.
    pub fn requeue(&self, writer: Writer<'_>) -> Result<(Self, Duration), TransitionError> {
        let mut entry = self.stepped(Transition::Requeue, writer)?;
        let delay = self
            .due_at
            .map_or(Duration::ZERO, |due| due.since(writer.now));
        let queued = delay <= writer.timing.max_queue_delay;
        entry.wait(delay, queued, writer);
        Ok((entry, delay))
    }

    /// Another owner continues where the last one stopped. Whether that one acted is not known.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn take_over(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::TakeOver, writer)?;
        entry.in_doubt = true;
        entry.grant_lease(writer);
        Ok(entry)
    }

    /// AWS took the retry.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn accept(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        self.stepped(Transition::Accept, writer)
    }

    /// The answer never came. The sweep looks once the lease is over, when no late answer can change it.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn mark_in_doubt(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::MarkInDoubt, writer)?;
        entry.in_doubt = true;
        entry.next_check_at = Some(self.lease.as_ref().map_or(writer.now, |lease| lease.until));
        Ok(entry)
    }

    /// AWS was too busy: again later, for as long as `Timing` says.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn back_off(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let since = self
            .throttled
            .map_or(writer.now, |throttled| throttled.since);
        let times = self
            .throttled
            .map_or(0, |throttled| throttled.times)
            .saturating_add(1);
        if writer.now.since(since) >= writer.timing.give_up_throttled_after {
            return self.give_up(Reason::TargetBusy, !self.in_doubt, writer);
        }
        let delay = writer
            .timing
            .initial_backoff
            .saturating_mul(1 << times.saturating_sub(1).min(10));
        let mut entry = self.stepped(Transition::BackOff, writer)?;
        entry.throttled = Some(Throttling { since, times });
        entry.wait_until(delay.min(writer.timing.max_queue_delay), writer);
        Ok(entry)
    }

    /// AWS said that the subject runs, which its failure contradicts: again later, after a look.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn verify_later(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.back_off(writer)?;
        entry.verify_before_retry = true;
        Ok(entry)
    }

    /// AWS did not let us: an error of our own deployment. The entry is kept, and the sweep tries again for as
    /// long as AWS would redrive it.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn back_off_denied(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        if writer.now.since(self.failed_at) >= writer.timing.redrive_window {
            return self.give_up(Reason::NotRedrivable, !self.in_doubt, writer);
        }
        let mut entry = self.stepped(Transition::BackOff, writer)?;
        entry.wait_until(writer.timing.max_queue_delay, writer);
        Ok(entry)
    }

    /// Waits in the due index alone, without a message, so that no function feeds its own queue.
    fn wait_until(&mut self, delay: Duration, writer: Writer<'_>) {
        let due = writer.now.plus(delay);
        self.due_at = Some(due);
        self.next_check_at = Some(due);
    }

    /// It will not be retried. The charge is given back where the retry certainly did not happen.
    ///
    /// # Errors
    /// There was nothing pending.
    pub fn give_up(
        &self,
        reason: Reason,
        refund: bool,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::GiveUp, writer)?;
        entry.reason = Some(reason);
        if refund {
            entry.refund();
        }
        Ok(entry)
    }

    /// It had moved on before it was retried: AWS counts `retried` by now. In a subject's first entry they count for
    /// every rule, as if they had been there before it: an older entry may have been lost.
    ///
    /// # Errors
    /// There was nothing pending.
    pub fn target_changed(
        &self,
        retried: u32,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.give_up(Reason::TargetChanged, true, writer)?;
        if self.failure_number == 1 {
            entry.prior_retries = self.prior_retries.max(retried);
        }
        Ok(entry)
    }

    /// A person will not have it retried. The charge is given back, unless an earlier call is in doubt.
    ///
    /// # Errors
    /// It is not queued: where somebody may be acting, nothing can be called back.
    pub fn cancel(
        &self,
        cancelled: Cancelled,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::Cancel, writer)?;
        entry.reason = Some(Reason::Cancelled);
        entry.cancelled = Some(cancelled);
        if self.is_unsent() {
            entry.refund();
        }
        Ok(entry)
    }

    /// The target shows that the retry happened.
    ///
    /// # Errors
    /// There was nothing in doubt.
    pub fn confirm(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        self.stepped(Transition::Confirm, writer)
    }

    /// The subject succeeded. That a retry was acting proves that it happened.
    ///
    /// # Errors
    /// That is known already.
    pub fn recover(
        &self,
        failure_id: Option<FailureId>,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        self.finish(Transition::Recover, failure_id, writer)
    }

    /// The subject succeeded before its owner made the retry, and no earlier call is in doubt: the charge is
    /// given back.
    ///
    /// # Errors
    /// That it succeeded is known already.
    pub fn recover_unsent(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.recover(None, writer)?;
        if !self.is_unsent() {
            entry.refund();
        }
        Ok(entry)
    }

    /// A person ended the subject.
    ///
    /// # Errors
    /// It has ended already.
    pub fn terminate(
        &self,
        failure_id: Option<FailureId>,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        self.finish(Transition::Terminate, failure_id, writer)
    }

    fn finish(
        &self,
        step: Transition,
        failure_id: Option<FailureId>,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(step, writer)?;
        if self.is_unsent() {
            entry.refund();
        }
        if let Some(failure_id) = failure_id
            && self.relation(&failure_id) == Relation::Later
        {
            entry.attempts.push(self.attempt());
            entry.failure_number = self.failure_number.saturating_add(1);
            entry.failure_id = failure_id;
            // That was the earlier failure's.
            entry.reason = None;
            entry.cancelled = None;
        }
        Ok(entry)
    }

    /// How a failure relates to the latest one known here.
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
            // A subject has one kind of failure ID for ever; the other is nothing to act on.
            _ => Relation::Earlier,
        }
    }

    /// The same, of a failure that happened at `at`: what a stage's failures are called tells no order, so that one
    /// which is not in the ledger may be of before, read by a handling that was long about it. And where a
    /// person had redriven an execution, our redrive was of a later failure than it was meant for: whatever had
    /// ended before AWS took it is what it redrove.
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

    /// The action executions that failed in earlier failures of a stage.
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

    /// Returns whether the retry is charged and certainly not sent yet.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.state == State::Queued && !self.in_doubt
    }

    /// How often the subject has used a rule.
    #[must_use]
    pub fn rule_usage(&self, policy: &str, rule: &str) -> u32 {
        self.rule_usage
            .get(policy)
            .and_then(|rules| rules.get(rule))
            .copied()
            .unwrap_or_default()
    }

    /// Why it stands as it does.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason.unwrap_or(self.verdict.reason)
    }

    /// The message that brings this entry back when it is due.
    #[must_use]
    pub fn retry_message(&self) -> RetryMessage {
        RetryMessage {
            subject: self.subject.clone(),
            failure_number: self.failure_number,
        }
    }

    /// Whether a retry message brings back this very retry, and its time has come. One that comes a little early is
    /// good: the queue's clock is not ours.
    #[must_use]
    pub fn is_due(&self, retry_message: &RetryMessage, now: Time) -> bool {
        self.state == State::Queued
            && self.failure_number == retry_message.failure_number
            && self.due_at.is_none_or(|due| due <= now.plus(EARLY))
    }

    /// Whether `self` is the very write that `attempted` was: a write that is repeated because its answer
    /// was lost meets itself.
    #[must_use]
    pub fn is_write_of(&self, attempted: &Self) -> bool {
        self.revision == attempted.revision
            && self.written_by == attempted.written_by
            && self.state == attempted.state
    }
}
