//! The one item of a subject, and what each step makes of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Illegal, Opening, Owner, State, Step, Terms, Ticket, next};
use crate::failure::{Identity, Subject};
use crate::time::Time;
use crate::verdict::{Decision, Reason, Verdict};

/// How much too early a ticket may come.
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
    pub identity: Identity,
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
    pub by: Owner,
    /// When.
    pub updated: Time,
    /// Counts the failures of the subject that were written down, from 1.
    pub failure: u32,
    /// The latest failure known.
    pub identity: Identity,
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
    pub uses: BTreeMap<String, BTreeMap<String, u32>>,
    /// Automatic retries, over all rules.
    #[serde(default)]
    pub retries: u32,
    /// Retries of the subject that AWS counted before this entry was opened, which it does not hold: every
    /// rule counts as used that often, now and later.
    #[serde(default)]
    pub before: u32,
    /// When a queued retry is to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// When somebody must look if nothing happens: the key of the due index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Time>,
    /// Who may act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// A call was sent whose answer never came, so the retry may have happened.
    #[serde(default)]
    pub uncertain: bool,
    /// The target is looked at before the retry, whatever the entry's age: AWS said something else of it than the
    /// failure does.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub verify_before_retry: bool,
    /// When AWS redrove it for this failure, by its own clock: RedriveExecution's `redriveDate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven: Option<Time>,
    /// Since when AWS has been too busy, and how often it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<Busy>,
    /// Earlier failures, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// When it may be deleted.
    pub expires: Time,
}

/// How long a target has been busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
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

/// Who writes, when, and on what terms.
#[derive(Debug, Clone, Copy)]
pub struct Pen<'a> {
    /// Who.
    pub owner: &'a Owner,
    /// When.
    pub now: Time,
    /// On what terms.
    pub terms: &'a Terms,
}

/// A failure that was judged, ready to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whose.
    pub subject: Subject,
    /// Which failure.
    pub identity: Identity,
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

impl Judgement {
    const fn opening(&self) -> Opening {
        match self.verdict.decision {
            Decision::Retry if self.observed => Opening::Observe,
            Decision::Retry if self.delay().is_zero() => Opening::Act,
            Decision::Retry => Opening::Queue,
            Decision::GiveUp | Decision::Ignore => Opening::GiveUp,
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
    pub fn open(judgement: Judgement, pen: Pen<'_>) -> Self {
        let (opening, delay) = (judgement.opening(), judgement.delay());
        let mut entry = Self {
            subject: judgement.subject,
            revision: 1,
            by: pen.owner.clone(),
            updated: pen.now,
            failure: 1,
            identity: judgement.identity,
            failed_at: judgement.failed_at,
            state: opening.state(),
            verdict: judgement.verdict,
            reason: None,
            cancelled: None,
            uses: BTreeMap::new(),
            retries: 0,
            before: judgement.retried_before,
            due: None,
            wake: None,
            lease: None,
            uncertain: false,
            verify_before_retry: false,
            redriven: None,
            busy: None,
            attempts: Vec::new(),
            expires: pen.now.plus(pen.terms.keep),
        };
        entry.begin(opening, delay, pen);
        entry
    }

    /// An entry for a subject that a person ended before any failure of it was handled: a failure that comes
    /// late must find it.
    #[must_use]
    pub fn ended(subject: Subject, identity: Identity, at: Time, pen: Pen<'_>) -> Self {
        let verdict = Verdict::ignore(Reason::Aborted);
        let retried_before = match &identity {
            Identity::RedriveCount(count) => *count,
            Identity::FailedActions(_) => 0,
        };
        let judgement = Judgement {
            subject,
            identity,
            failed_at: at,
            retried_before,
            verdict,
            slot: Duration::ZERO,
            observed: false,
        };
        Self {
            state: State::Ended,
            ..Self::open(judgement, pen)
        }
    }

    /// The same subject's later failure, judged. The earlier one becomes an attempt; a retry of it that was
    /// still queued was never made, so its charge is given back.
    ///
    /// # Errors
    /// The subject has succeeded: nothing follows.
    pub fn judge(&self, judgement: Judgement, pen: Pen<'_>) -> Result<Self, Illegal> {
        let (opening, delay) = (judgement.opening(), judgement.delay());
        let mut entry = self.stepped(Step::Judge(opening), pen)?;
        if self.is_unmade() {
            entry.give_back();
        }
        entry.attempts.push(self.attempt());
        entry.failure = self.failure.saturating_add(1);
        entry.identity = judgement.identity;
        entry.failed_at = judgement.failed_at;
        entry.verdict = judgement.verdict;
        entry.reason = None;
        entry.cancelled = None;
        entry.uncertain = false;
        entry.verify_before_retry = false;
        entry.redriven = None;
        entry.busy = None;
        entry.begin(opening, delay, pen);
        Ok(entry)
    }

    /// The failure of now, as an attempt among the earlier ones.
    fn attempt(&self) -> Attempt {
        Attempt {
            identity: self.identity.clone(),
            failed_at: self.failed_at,
            verdict: self.verdict.clone(),
            state: self.state,
            reason: self.reason,
            cancelled: self.cancelled.clone(),
        }
    }

    /// Charges a retry and says when it is due and who may act.
    fn begin(&mut self, opening: Opening, delay: Duration, pen: Pen<'_>) {
        if matches!(opening, Opening::Act | Opening::Queue) {
            self.charge();
        }
        match opening {
            Opening::Act => self.lend(pen),
            Opening::Queue => self.wait(delay, delay <= pen.terms.longest_queue_delay, pen),
            Opening::GiveUp | Opening::Observe => {}
        }
    }

    fn charge(&mut self) {
        let policy = self.verdict.policy.clone().unwrap_or_default();
        for charge in &self.verdict.rules {
            let uses = self
                .uses
                .entry(policy.clone())
                .or_default()
                .entry(charge.rule.clone())
                .or_default();
            *uses = uses.saturating_add(1);
        }
        self.retries = self.retries.saturating_add(1);
    }

    fn give_back(&mut self) {
        let policy = self.verdict.policy.clone().unwrap_or_default();
        for charge in &self.verdict.rules {
            if let Some(uses) = self
                .uses
                .get_mut(&policy)
                .and_then(|rules| rules.get_mut(&charge.rule))
            {
                *uses = uses.saturating_sub(1);
            }
        }
        self.retries = self.retries.saturating_sub(1);
    }

    fn lend(&mut self, pen: Pen<'_>) {
        let until = pen.now.plus(pen.terms.lease);
        self.lease = Some(Lease {
            owner: pen.owner.clone(),
            until,
        });
        self.wake = Some(until);
    }

    /// Waits. What is handed to the queue is looked for when it is overdue; what the queue cannot keep so
    /// long is woken when it can.
    fn wait(&mut self, delay: Duration, queued: bool, pen: Pen<'_>) {
        let due = pen.now.plus(delay);
        self.due = Some(due);
        self.wake = Some(if queued {
            due.plus(pen.terms.overdue)
        } else {
            pen.now
                .plus(delay.saturating_sub(pen.terms.longest_queue_delay))
        });
    }

    /// The entry after a step, written by `pen`, with nothing pending.
    fn stepped(&self, step: Step, pen: Pen<'_>) -> Result<Self, Illegal> {
        let state = next(self.state, step).ok_or(Illegal {
            state: self.state,
            step,
        })?;
        Ok(Self {
            state,
            revision: self.revision.saturating_add(1),
            by: pen.owner.clone(),
            updated: pen.now,
            due: None,
            wake: None,
            lease: None,
            expires: pen.now.plus(pen.terms.keep),
            ..self.clone()
        })
    }

    /// The retry is due: `pen.owner` may act.
    ///
    /// # Errors
    /// It is not queued.
    pub fn take(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.stepped(Step::Take, pen)?;
        entry.lend(pen);
        Ok(entry)
    }

    /// The queue lost it, or it is time to hand it over. Answers the entry and the delay to send it with.
    ///
    /// # Errors
    /// It is not queued.
    pub fn requeue(&self, pen: Pen<'_>) -> Result<(Self, Duration), Illegal> {
        let mut entry = self.stepped(Step::Requeue, pen)?;
        let delay = self.due.map_or(Duration::ZERO, |due| due.since(pen.now));
        let queued = delay <= pen.terms.longest_queue_delay;
        entry.wait(delay, queued, pen);
        Ok((entry, delay))
    }

    /// Another owner continues where the last one stopped. Whether that one acted is not known.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn take_over(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.stepped(Step::TakeOver, pen)?;
        entry.uncertain = true;
        entry.lend(pen);
        Ok(entry)
    }

    /// AWS took the retry.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn accept(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        self.stepped(Step::Accept, pen)
    }

    /// The answer never came. The sweep looks once the lease is over, when no late answer can change it.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn lose(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.stepped(Step::Lose, pen)?;
        entry.uncertain = true;
        entry.wake = Some(self.lease.as_ref().map_or(pen.now, |lease| lease.until));
        Ok(entry)
    }

    /// AWS was too busy: again later, for as long as the terms say.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn put_off(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        let since = self.busy.map_or(pen.now, |busy| busy.since);
        let times = self.busy.map_or(0, |busy| busy.times).saturating_add(1);
        if pen.now.since(since) >= pen.terms.give_up_busy {
            return self.give_up(Reason::TargetBusy, !self.uncertain, pen);
        }
        let delay = pen
            .terms
            .busy
            .saturating_mul(1 << times.saturating_sub(1).min(10));
        let mut entry = self.stepped(Step::PutOff, pen)?;
        entry.busy = Some(Busy { since, times });
        entry.rest(delay.min(pen.terms.longest_queue_delay), pen);
        Ok(entry)
    }

    /// AWS said that the subject runs, which its failure contradicts: again later, after a look.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn verify_later(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.put_off(pen)?;
        entry.verify_before_retry = true;
        Ok(entry)
    }

    /// AWS did not let us: an error of our own deployment. The entry is kept, and the sweep tries again for as
    /// long as AWS would redrive it.
    ///
    /// # Errors
    /// Nobody was acting.
    pub fn deny(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        if pen.now.since(self.failed_at) >= pen.terms.redrivable {
            return self.give_up(Reason::NotRedrivable, !self.uncertain, pen);
        }
        let mut entry = self.stepped(Step::PutOff, pen)?;
        entry.rest(pen.terms.longest_queue_delay, pen);
        Ok(entry)
    }

    /// Waits in the due index alone: nobody sends a message, so that no function feeds its own queue.
    fn rest(&mut self, delay: Duration, pen: Pen<'_>) {
        let due = pen.now.plus(delay);
        self.due = Some(due);
        self.wake = Some(due);
    }

    /// It will not be retried. The charge is given back where the retry certainly did not happen.
    ///
    /// # Errors
    /// There was nothing pending.
    pub fn give_up(&self, reason: Reason, give_back: bool, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.stepped(Step::GiveUp, pen)?;
        entry.reason = Some(reason);
        if give_back {
            entry.give_back();
        }
        Ok(entry)
    }

    /// It had moved on before it was retried: AWS counts `retried` by now. In a subject's first entry they count for
    /// every rule, as if they had been there before it: an older entry may have been lost.
    ///
    /// # Errors
    /// There was nothing pending.
    pub fn target_changed(&self, retried: u32, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.give_up(Reason::TargetChanged, true, pen)?;
        if self.failure == 1 {
            entry.before = self.before.max(retried);
        }
        Ok(entry)
    }

    /// A person will not have it retried. The charge is given back, unless an earlier call is in doubt.
    ///
    /// # Errors
    /// It is not queued: where somebody may be acting, nothing can be called back.
    pub fn cancel(&self, cancelled: Cancelled, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.stepped(Step::Cancel, pen)?;
        entry.reason = Some(Reason::Cancelled);
        entry.cancelled = Some(cancelled);
        if self.is_unmade() {
            entry.give_back();
        }
        Ok(entry)
    }

    /// The target shows that the retry happened.
    ///
    /// # Errors
    /// There was nothing in doubt.
    pub fn confirm(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        self.stepped(Step::Confirm, pen)
    }

    /// The subject succeeded. That a retry was acting proves that it happened.
    ///
    /// # Errors
    /// That is known already.
    pub fn recover(&self, identity: Option<Identity>, pen: Pen<'_>) -> Result<Self, Illegal> {
        self.finish(Step::Recover, identity, pen)
    }

    /// The subject succeeded before its owner made the retry, and no earlier call is in doubt: the charge is
    /// given back.
    ///
    /// # Errors
    /// That it succeeded is known already.
    pub fn recover_unmade(&self, pen: Pen<'_>) -> Result<Self, Illegal> {
        let mut entry = self.recover(None, pen)?;
        if !self.is_unmade() {
            entry.give_back();
        }
        Ok(entry)
    }

    /// A person ended the subject.
    ///
    /// # Errors
    /// It has ended already.
    pub fn end(&self, identity: Option<Identity>, pen: Pen<'_>) -> Result<Self, Illegal> {
        self.finish(Step::End, identity, pen)
    }

    fn finish(
        &self,
        step: Step,
        identity: Option<Identity>,
        pen: Pen<'_>,
    ) -> Result<Self, Illegal> {
        let mut entry = self.stepped(step, pen)?;
        if self.is_unmade() {
            entry.give_back();
        }
        if let Some(identity) = identity
            && self.relation(&identity) == Relation::Later
        {
            entry.attempts.push(self.attempt());
            entry.failure = self.failure.saturating_add(1);
            entry.identity = identity;
            // That was the earlier failure's.
            entry.reason = None;
            entry.cancelled = None;
        }
        Ok(entry)
    }

    /// How a failure relates to the latest one known here.
    #[must_use]
    pub fn relation(&self, identity: &Identity) -> Relation {
        match (&self.identity, identity) {
            (Identity::RedriveCount(ours), Identity::RedriveCount(theirs)) => {
                match theirs.cmp(ours) {
                    core::cmp::Ordering::Less => Relation::Earlier,
                    core::cmp::Ordering::Equal => Relation::Same,
                    core::cmp::Ordering::Greater => Relation::Later,
                }
            }
            (Identity::FailedActions(ours), Identity::FailedActions(theirs)) => {
                let before = |attempt: &Attempt| match &attempt.identity {
                    Identity::FailedActions(ids) => !ids.is_disjoint(theirs),
                    Identity::RedriveCount(_) => false,
                };
                if ours == theirs || !ours.is_disjoint(theirs) {
                    Relation::Same
                } else if self.attempts.iter().any(before) {
                    Relation::Earlier
                } else {
                    Relation::Later
                }
            }
            // A subject has one kind of identity for ever; the other is nothing to act on.
            _ => Relation::Earlier,
        }
    }

    /// The same, of a failure that happened at `at`: what a stage's failures are called tells no order, so that one
    /// which is not in the ledger may be of before, read by a handling that was long about it. And where a
    /// person had redriven an execution, our redrive was of a later failure than it was meant for: whatever had
    /// ended before AWS took it is what it redrove.
    #[must_use]
    pub fn relation_at(&self, identity: &Identity, at: Time) -> Relation {
        match (self.relation(identity), identity) {
            (Relation::Later, Identity::FailedActions(_)) if at < self.failed_at => {
                Relation::Earlier
            }
            (Relation::Later, Identity::RedriveCount(_))
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
        let identities = self.attempts.iter().map(|attempt| &attempt.identity);
        identities
            .filter_map(|identity| match identity {
                Identity::FailedActions(ids) => Some(ids),
                Identity::RedriveCount(_) => None,
            })
            .flatten()
            .map(String::as_str)
            .collect()
    }

    /// Whether its retry is charged, and certainly was not made yet.
    #[must_use]
    pub fn is_unmade(&self) -> bool {
        self.state == State::Queued && !self.uncertain
    }

    /// How often the subject has used a rule.
    #[must_use]
    pub fn uses(&self, policy: &str, rule: &str) -> u32 {
        self.uses
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
    pub fn ticket(&self) -> Ticket {
        Ticket {
            subject: self.subject.clone(),
            failure: self.failure,
        }
    }

    /// Whether a ticket brings back this very retry, and its time has come. One that comes a little early is
    /// good: the queue's clock is not ours.
    #[must_use]
    pub fn is_due(&self, ticket: &Ticket, now: Time) -> bool {
        self.state == State::Queued
            && self.failure == ticket.failure
            && self.due.is_none_or(|due| due <= now.plus(EARLY))
    }

    /// Whether `self` is the very write that `attempted` was: a write that is repeated because its answer
    /// was lost meets itself.
    #[must_use]
    pub fn is_write_of(&self, attempted: &Self) -> bool {
        self.revision == attempted.revision
            && self.by == attempted.by
            && self.state == attempted.state
    }
}
