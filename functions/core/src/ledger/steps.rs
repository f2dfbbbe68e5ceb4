//! The steps that change an entry. Each returns the entry as it is written next.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::entry::{
    Attempt, Cancelled, EARLY, Entry, EntryFields, Lease, Relation, Throttling, Writer,
};
use super::{InitialState, State, Transition, TransitionError, transition};
use crate::failure::{FailureId, Subject};
use crate::time::Time;
use crate::verdict::{Decision, Reason, Verdict};

/// A judged failure, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The subject.
    pub subject: Subject,
    /// The ID of the failure.
    pub failure_id: FailureId,
    /// The time of the failure.
    pub failed_at: Time,
    /// The number of earlier retries of the subject that AWS counts, including retries by people.
    pub retried_before: u32,
    /// The verdict on the failure.
    pub verdict: Verdict,
    /// The wait for the slot, before the rule's own delay begins.
    pub slot: Duration,
    /// Whether the verdict was made in observe mode: the failure is never retried.
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

    /// Returns the delay of the retry: the wait for the slot plus the rule's delay.
    ///
    /// INVARIANT: the rule's delay is added to every slot. Otherwise paced retries would lose their spacing.
    const fn delay(&self) -> Duration {
        let delay = Duration::from_secs(self.verdict.delay_seconds as u64);
        self.slot.saturating_add(delay)
    }
}

impl Entry {
    /// Returns a subject's first entry.
    #[must_use]
    pub fn open(decided: Decided, writer: Writer<'_>) -> Self {
        let (initial, delay) = (decided.initial_state(), decided.delay());
        let mut entry = Self(EntryFields {
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
            charged: false,
            prior_retries: decided.retried_before,
            due_at: None,
            next_check_at: None,
            lease: None,
            in_doubt: false,
            verify_before_retry: false,
            outdated_since: None,
            redriven: None,
            throttled: None,
            attempts: Vec::new(),
            expires_at: writer.now.plus(writer.timing.retention),
        });
        entry.begin(initial, delay, writer);
        entry
    }

    /// Returns an entry for a subject that a person terminated before any of its failures was handled.
    ///
    /// INVARIANT: a late event of an earlier failure finds this entry, so that no redrive undoes the person's stop.
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
        let mut entry = Self::open(decided, writer);
        entry.0.state = State::Terminated;
        entry
    }

    /// Returns the entry with a later judged failure of its subject. The earlier failure becomes an attempt.
    ///
    /// A retry of the earlier failure that was still queued was never sent, so its charge is refunded.
    ///
    /// # Errors
    /// The subject has succeeded: no failure follows.
    pub fn judge(&self, decided: Decided, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let (initial, delay) = (decided.initial_state(), decided.delay());
        let mut entry = self.stepped(Transition::Judge(initial), writer)?;
        if self.is_unsent() {
            entry.refund();
        }
        entry.0.attempts.push(self.attempt());
        entry.0.failure_number = self.failure_number.saturating_add(1);
        entry.0.failure_id = decided.failure_id;
        entry.0.failed_at = decided.failed_at;
        entry.0.verdict = decided.verdict;
        entry.0.reason = None;
        entry.0.cancelled = None;
        entry.0.in_doubt = false;
        entry.0.verify_before_retry = false;
        entry.0.outdated_since = None;
        entry.0.redriven = None;
        entry.0.throttled = None;
        // A charge that was not refunded stays with the earlier failure.
        entry.0.charged = false;
        entry.begin(initial, delay, writer);
        Ok(entry)
    }

    /// Returns the current failure as an attempt.
    fn attempt(&self) -> Attempt {
        Attempt {
            failure_id: self.failure_id.clone(),
            failed_at: self.failed_at,
            // Only a retry that is still to be made asks which policy made its verdict.
            verdict: Verdict {
                policy_version: None,
                ..self.verdict.clone()
            },
            state: self.state,
            reason: self.reason,
            cancelled: self.cancelled.clone(),
            in_doubt: self.in_doubt,
        }
    }

    /// Charges a retry, and grants the lease or sets the due time.
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

    /// Charges the rules of the verdict with this retry.
    fn charge(&mut self) {
        let fields = &mut self.0;
        let usage = fields
            .rule_usage
            .entry(fields.verdict.policy.clone().unwrap_or_default())
            .or_default();
        for charge in &fields.verdict.rules {
            let used = usage.entry(charge.rule.clone()).or_default();
            *used = used.saturating_add(1);
        }
        fields.retries = fields.retries.saturating_add(1);
        fields.charged = true;
    }

    /// Returns the charge of this retry, if it was made.
    fn refund(&mut self) {
        let fields = &mut self.0;
        if !fields.charged {
            return;
        }
        let policy = fields.verdict.policy.clone().unwrap_or_default();
        for charge in &fields.verdict.rules {
            if let Some(used) = fields
                .rule_usage
                .get_mut(&policy)
                .and_then(|rules| rules.get_mut(&charge.rule))
            {
                *used = used.saturating_sub(1);
            }
        }
        fields.retries = fields.retries.saturating_sub(1);
        fields.charged = false;
    }

    fn grant_lease(&mut self, writer: Writer<'_>) {
        let until = writer.now.plus(writer.timing.lease);
        self.0.lease = Some(Lease {
            owner: writer.owner.clone(),
            until,
        });
        self.0.next_check_at = Some(until);
    }

    /// Sets the due time and the next check of a queued retry.
    ///
    /// A retry in the queue is checked once it is overdue. A delay beyond the queue's maximum is checked once its rest
    /// fits.
    fn wait(&mut self, delay: Duration, queued: bool, writer: Writer<'_>) {
        let due = writer.now.plus(delay);
        self.0.due_at = Some(due);
        self.0.next_check_at = Some(if queued {
            due.plus(writer.timing.overdue_after)
        } else {
            writer
                .now
                .plus(delay.saturating_sub(writer.timing.max_queue_delay))
        });
    }

    /// Returns the entry after a step, written by `writer`, without due time, next check and lease.
    fn stepped(&self, step: Transition, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let state = transition(self.state, step).ok_or(TransitionError {
            state: self.state,
            step,
        })?;
        Ok(Self(EntryFields {
            state,
            revision: self.revision.saturating_add(1),
            written_by: writer.owner.clone(),
            updated_at: writer.now,
            due_at: None,
            next_check_at: None,
            lease: None,
            expires_at: writer.now.plus(writer.timing.retention),
            ..self.0.clone()
        }))
    }

    /// Returns the entry of a due retry, with a lease for `writer.owner`.
    ///
    /// # Errors
    /// The retry is not queued.
    pub fn claim(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::Claim, writer)?;
        entry.grant_lease(writer);
        Ok(entry)
    }

    /// Returns the entry to send to the queue, and the message's delay. The queue lost the message, or its delay now
    /// fits.
    ///
    /// # Errors
    /// The retry is not queued.
    pub fn requeue(&self, writer: Writer<'_>) -> Result<(Self, Duration), TransitionError> {
        let mut entry = self.stepped(Transition::Requeue, writer)?;
        let delay = self
            .due_at
            .map_or(Duration::ZERO, |due| due.since(writer.now));
        let queued = delay <= writer.timing.max_queue_delay;
        entry.wait(delay, queued, writer);
        Ok((entry, delay))
    }

    /// Returns the entry with a lease for another owner.
    ///
    /// Whether the last owner acted is unknown, so the retry is in doubt.
    ///
    /// # Errors
    /// No owner was acting, and no retry was in doubt.
    pub fn take_over(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::TakeOver, writer)?;
        entry.0.in_doubt = true;
        entry.grant_lease(writer);
        Ok(entry)
    }

    /// Returns the entry with the doubt that an answer left: the call may have taken effect. The next step writes it.
    #[must_use]
    pub fn doubted(&self, in_doubt: bool) -> Self {
        let mut entry = self.clone();
        entry.0.in_doubt |= in_doubt;
        entry
    }

    /// Returns the entry after AWS accepted the retry, with RedriveExecution's `redriveDate`.
    ///
    /// # Errors
    /// No owner was acting.
    pub fn accept(
        &self,
        redriven: Option<Time>,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::Accept, writer)?;
        entry.0.redriven = redriven;
        Ok(entry)
    }

    /// Returns the entry after a call without an answer.
    ///
    /// The sweep checks the entry once the lease is over. INVARIANT: no late answer can change the entry after that.
    ///
    /// # Errors
    /// No owner was acting.
    pub fn mark_in_doubt(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::MarkInDoubt, writer)?;
        entry.0.in_doubt = true;
        entry.0.next_check_at = Some(self.lease.as_ref().map_or(writer.now, |lease| lease.until));
        Ok(entry)
    }

    /// Returns the entry after a throttled call: queued again, or given up after `give_up_throttled_after`.
    ///
    /// # Errors
    /// No owner was acting.
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
        // RACE: this retry in doubt against the read before the next one. The read must show what this call did, however
        // early a message claims.
        let least = if self.in_doubt {
            let timing = writer.timing;
            timing.read_lag + timing.max_clock_skew + EARLY
        } else {
            Duration::ZERO
        };
        let mut entry = self.stepped(Transition::BackOff, writer)?;
        entry.0.throttled = Some(Throttling { since, times });
        entry.wait_until(delay.min(writer.timing.max_queue_delay).max(least), writer);
        Ok(entry)
    }

    /// Returns the entry after AWS said that the subject runs, which its failure contradicts.
    ///
    /// The retry waits, and the target is read before it.
    ///
    /// # Errors
    /// No owner was acting.
    pub fn verify_later(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.back_off(writer)?;
        entry.0.verify_before_retry = true;
        Ok(entry)
    }

    /// Returns the entry after AWS denied access: an error of the deployment.
    ///
    /// The sweep tries again for as long as AWS would redrive the subject.
    ///
    /// # Errors
    /// No owner was acting.
    pub fn back_off_denied(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        if writer.now.since(self.failed_at) >= writer.timing.redrive_window {
            return self.give_up(Reason::NotRedrivable, !self.in_doubt, writer);
        }
        let mut entry = self.stepped(Transition::BackOff, writer)?;
        entry.wait_until(writer.timing.max_queue_delay, writer);
        Ok(entry)
    }

    /// Returns the entry after a process refused it whose policy is older than the verdict's.
    ///
    /// The sweep tries again soon, until a process with the verdict's policy claims the retry.
    ///
    /// # Errors
    /// No owner was acting.
    pub fn wait_for_policy(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::BackOff, writer)?;
        entry.0.outdated_since = self.outdated_since.or(Some(writer.now));
        entry.wait_until(writer.timing.initial_backoff, writer);
        Ok(entry)
    }

    /// Sets a due time without a message.
    ///
    /// INVARIANT: only the sweep continues the entry, so that no function feeds its own queue.
    fn wait_until(&mut self, delay: Duration, writer: Writer<'_>) {
        let due = writer.now.plus(delay);
        self.0.due_at = Some(due);
        self.0.next_check_at = Some(due);
    }

    /// Returns the entry after its retry was given up.
    ///
    /// INVARIANT: `refund` is true only if the retry certainly did not happen.
    ///
    /// # Errors
    /// No retry was queued, and no owner was acting.
    pub fn give_up(
        &self,
        reason: Reason,
        refund: bool,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::GiveUp, writer)?;
        entry.0.reason = Some(reason);
        if refund {
            entry.refund();
        }
        Ok(entry)
    }

    /// Returns the entry after somebody else retried the subject first. `retried` is AWS's count of retries now.
    ///
    /// At a subject's first failure this count applies to every rule, like retries before the entry: an older entry may
    /// have been lost.
    ///
    /// # Errors
    /// No retry was queued, and no owner was acting.
    pub fn target_changed(
        &self,
        retried: u32,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.give_up(Reason::TargetChanged, true, writer)?;
        if self.failure_number == 1 {
            entry.0.prior_retries = self.prior_retries.max(retried);
        }
        Ok(entry)
    }

    /// Returns the entry after a person cancelled its queued retry.
    ///
    /// The charge is refunded, unless an earlier call is in doubt.
    ///
    /// # Errors
    /// The retry is not queued: an owner that may be acting cannot be stopped.
    pub fn cancel(
        &self,
        cancelled: Cancelled,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        let mut entry = self.stepped(Transition::Cancel, writer)?;
        entry.0.reason = Some(Reason::Cancelled);
        entry.0.cancelled = Some(cancelled);
        if self.is_unsent() {
            entry.refund();
        }
        Ok(entry)
    }

    /// Returns the entry after the target showed that the retry in doubt happened.
    ///
    /// # Errors
    /// No owner was acting.
    pub fn confirm(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        self.stepped(Transition::Confirm, writer)
    }

    /// Returns the entry after the subject succeeded. A success event while an owner acts counts as the retry's, so the
    /// charge stays; [`recover_unsent`](Self::recover_unsent) is for a success that was read before the call.
    ///
    /// # Errors
    /// The entry holds the success already.
    pub fn recover(
        &self,
        failure_id: Option<FailureId>,
        writer: Writer<'_>,
    ) -> Result<Self, TransitionError> {
        self.finish(Transition::Recover, failure_id, writer)
    }

    /// Returns the entry after the subject succeeded before its owner sent the retry.
    ///
    /// The charge is refunded, since no earlier call is in doubt; that of a queued retry [`recover`](Self::recover) has
    /// refunded already.
    ///
    /// # Errors
    /// The entry holds the success already.
    pub fn recover_unsent(&self, writer: Writer<'_>) -> Result<Self, TransitionError> {
        let mut entry = self.recover(None, writer)?;
        if !self.is_unsent() {
            entry.refund();
        }
        Ok(entry)
    }

    /// Returns the entry after a person terminated the subject.
    ///
    /// # Errors
    /// The subject has succeeded, or was terminated already.
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
            entry.0.attempts.push(self.attempt());
            entry.0.failure_number = self.failure_number.saturating_add(1);
            entry.0.failure_id = failure_id;
            // Reason and cancellation belong to the earlier failure.
            entry.0.reason = None;
            entry.0.cancelled = None;
            entry.0.charged = false;
        }
        Ok(entry)
    }
}
