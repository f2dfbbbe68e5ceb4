//! One failure: look up, decide, claim.

use core::time::Duration;

use super::{Clock, Controller, MAX_ATTEMPTS, Queue, RunMode, Target};
use crate::calls::Call;
use crate::decide::{Answer, LedgerView, decide};
use crate::diagnosis;
use crate::error::{Error, ErrorKind};
use crate::failure::{Fact, Failure, FailureDetail, Field, Need, Service};
use crate::ledger::{self, Decided, Entry, Ledger, Relation, State, Written};
use crate::record::{Outcome, Record};
use crate::verdict::{Decision, Reason, Verdict};

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Judges one failure, and retries, queues or gives up.
    ///
    /// # Errors
    /// AWS could not be reached; the failure should be handled again.
    pub async fn failure(&self, mut failure: Failure) -> Result<Record, Error> {
        let mut record = Record {
            happened_at: Some(failure.at),
            subject: Some(failure.subject.clone()),
            ..self.record(Outcome::Ignored, Reason::Off)
        };
        if self.mode == RunMode::Off {
            return Ok(record);
        }
        let mut read = false;
        let mut stored: Option<Entry> = None;
        for _ in 0..MAX_ATTEMPTS {
            // Look up and decide.
            let verdict = loop {
                let ledger_view = match (&stored, read) {
                    (Some(entry), _) => LedgerView::Entry(entry),
                    (None, true) => LedgerView::Empty,
                    (None, false) => LedgerView::NotRead,
                };
                let need = match self.ask_or_decide(&failure, ledger_view, &record) {
                    Answer::Entry => {
                        stored = self.ledger.read(&failure.subject).await?;
                        read = true;
                        // A failure that the ledger knows needs no lookup.
                        if let Some((entry, outcome)) = known(stored.as_ref(), &failure) {
                            record.failure_id = failure.failure_id();
                            return Ok(record.seen_before(entry, outcome));
                        }
                        continue;
                    }
                    // INVARIANT: an entry holds what a read showed, not only what an event said. A stage is read first,
                    // and so is an execution whose event does not number its failure.
                    Answer::Verdict(verdict)
                        if verdict.decision == Decision::GiveUp && !failure.is_read() =>
                    {
                        match failure.subject.service() {
                            Service::StepFunctions => Need::Description,
                            Service::CodePipeline => Need::PipelineState,
                        }
                    }
                    Answer::Verdict(verdict) => break verdict,
                    Answer::Need(need) => need,
                };
                if record.looked_up.contains(&need) {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        "a fact that was looked up is asked for again",
                    ));
                }
                record.looked_up.push(need);
                match self.target.lookup(&failure, need).await? {
                    Fact::Gone => break Verdict::ignore(Reason::Gone),
                    Fact::NotYet => return self.not_shown_yet(&failure, record).await,
                    fact => failure.learn(fact),
                }
            };
            if self.may_read_late(&failure, verdict.reason)
                || self.may_be_overtaken(&failure, stored.as_ref())
            {
                return self.not_shown_yet(&failure, record).await;
            }
            record.reason = verdict.reason;
            record.failure_id = failure.failure_id();
            record.diagnosis = diagnosis::of(&failure);
            record.verdict = Some(verdict.clone());
            let Some(failure_id) = failure
                .failure_id()
                .filter(|_| verdict.decision != Decision::Ignore)
            else {
                return Ok(record);
            };

            if let Some((entry, outcome)) = known(stored.as_ref(), &failure) {
                return Ok(record.seen_before(entry, outcome));
            }

            // Claim, for the time of the reserved slot.
            let retries = verdict.decision == Decision::Retry && self.mode == RunMode::Act;
            if retries && record.slot.is_none() {
                record.slot = self.slot(&failure).await?;
            }
            let decided = Decided {
                subject: failure.subject.clone(),
                failure_id,
                failed_at: failure.at,
                retried_before: failure.retried_before().unwrap_or_default(),
                verdict,
                slot: record.slot.unwrap_or_default(),
                observed: self.mode == RunMode::Observe,
            };
            let entry = match &stored {
                None => Entry::open(decided, self.writer()),
                Some(entry) => match entry.judge(decided, self.writer()) {
                    Ok(entry) => entry,
                    Err(_) => return Ok(record.seen_before(entry, Outcome::Stale)),
                },
            };
            match ledger::write(self.ledger, entry).await? {
                Written::Claimed(claim) => {
                    let late = self.clock.now().since(failure.at) >= self.timing.stale_after;
                    let verify = late || claim.entry().in_doubt;
                    return self.retry(claim, verify, record).await;
                }
                Written::Stored(entry) => return self.wait(entry, record).await,
                Written::Conflict(now_stored) => {
                    stored = now_stored;
                    read = true;
                }
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the ledger entry changed at every try",
        ))
    }

    /// Decides, unless the ledger or the execution must be read first.
    ///
    /// A stale event may announce a failure long past, and its entry may have expired. The ledger is read first, and
    /// without an entry the execution is described.
    ///
    /// RACE: our redrive against a person's redrive. Ours may follow the person's, and so be the retry of this very
    /// failure. The execution is therefore also described where the entry may have been written after the failure.
    ///
    /// A stage needs none of this, since a stage is read before any write of its entry.
    fn ask_or_decide(
        &self,
        failure: &Failure,
        ledger_view: LedgerView<'_>,
        record: &Record,
    ) -> Answer {
        let execution = failure.subject.service() == Service::StepFunctions;
        let late = execution && self.clock.now().since(failure.at) >= self.timing.stale_after;
        let looked = record.looked_up.contains(&Need::Description);
        match ledger_view {
            LedgerView::NotRead if late => Answer::Entry,
            LedgerView::Empty if late && !looked => Answer::Need(Need::Description),
            LedgerView::Entry(entry)
                if execution
                    && !looked
                    && self.may_be_after(entry, failure)
                    && known(Some(entry), failure).is_none() =>
            {
                Answer::Need(Need::Description)
            }
            ledger_view => decide(self.document, failure, ledger_view),
        }
    }

    /// Returns whether an entry may have been written after a failure. Without AWS's `redriveDate`, the writer's clock
    /// may be behind by `max_clock_skew`.
    fn may_be_after(&self, entry: &Entry, failure: &Failure) -> bool {
        let apart = match entry.redriven {
            Some(_) => Duration::ZERO,
            None => self.timing.max_clock_skew,
        };
        entry.updated_at.plus(apart) > failure.at
    }

    /// Returns how long the retry of a failure waits for its slot, and none where its call has no quota.
    async fn slot(&self, failure: &Failure) -> Result<Option<Duration>, Error> {
        let call = Call::of(failure.subject.service());
        match self.timing.quotas.of(call) {
            None => Ok(None),
            Some(quota) => {
                let now = self.clock.now();
                self.rate_limiter
                    .wait(self.ledger, call, quota, now)
                    .await
                    .map(Some)
            }
        }
    }

    /// Returns whether the FAILED event of a stage or action is so recent that a read may show an earlier state.
    ///
    /// RACE: CodePipeline's reads against its events. A read may lag behind an event, and one read behind the other.
    fn may_read_late(&self, failure: &Failure, reason: Reason) -> bool {
        let FailureDetail::Stage(stage) = &failure.detail else {
            return false;
        };
        let behind = matches!(&stage.snapshot, Field::Known(snapshot) if snapshot.runs_behind);
        // AWS announces one action's failure while other actions run.
        let early = stage.announced.is_none()
            && matches!(reason, Reason::Running | Reason::ActionsInProgress);
        let age = self.clock.now().since(failure.at);
        let lag = self.timing.read_lag;
        // A stage judged by stale action runs would be retried for the wrong failure. Allow for clock skew as well.
        (early && age < lag) || (behind && age < lag.saturating_add(self.timing.max_clock_skew))
    }

    /// Returns whether an execution's failure may precede the last retry of its entry.
    ///
    /// RACE: our redrive against a person's redrive. After the person's, ours restarts a later failure than intended.
    /// Within `read_lag` of that write, a read may still show the execution's earlier state.
    fn may_be_overtaken(&self, failure: &Failure, stored: Option<&Entry>) -> bool {
        let execution = failure.subject.service() == Service::StepFunctions;
        let entry = stored.filter(|_| execution);
        entry.is_some_and(|entry| {
            (entry.state.is_claim() || entry.state == State::Retried || entry.in_doubt)
                && entry.updated_at > failure.at
                && self.clock.now().since(entry.updated_at) < self.timing.read_lag
        })
    }

    /// Returns a duplicate's record if the ledger knows a failure that AWS does not show, and an error otherwise.
    ///
    /// In the first case the subject has advanced since. In the second the read is older than the event, and the event
    /// should be delivered again.
    async fn not_shown_yet(&self, failure: &Failure, record: Record) -> Result<Record, Error> {
        let knows = |entry: &Entry| match failure.subject.service() {
            Service::StepFunctions => known(Some(entry), failure).is_some(),
            // A stage's events do not number its failures. An entry written since the failure includes it.
            Service::CodePipeline => entry.updated_at >= failure.at,
        };
        match self.ledger.read(&failure.subject).await? {
            Some(entry) if knows(&entry) => {
                Ok(record.of(&entry).seen_before(&entry, Outcome::Duplicate))
            }
            _ => Err(Error::new(
                ErrorKind::Unavailable,
                "AWS does not show yet what the event announced",
            )),
        }
    }

    /// Completes the record after a write without a claim, and sends the message of a queued retry.
    async fn wait(&self, entry: Entry, mut record: Record) -> Result<Record, Error> {
        record.state = Some(entry.state);
        record.reason = entry.reason();
        record.outcome = match entry.state {
            State::Queued => {
                let delay = entry
                    .due_at
                    .map_or(Duration::ZERO, |due| due.since(self.clock.now()));
                if delay <= self.timing.max_queue_delay {
                    // A failed send loses no retry: the due index holds the entry, and the sweep requeues it.
                    self.queue.send(&entry.retry_message(), delay).await?;
                }
                Outcome::Queued
            }
            State::Observed => Outcome::Observed,
            _ => Outcome::GaveUp,
        };
        Ok(record)
    }
}

/// Returns the stored entry and the outcome if the ledger already knows a failure.
///
/// INVARIANT: a duplicate gets the first verdict, charges nothing, and never acts.
pub(crate) fn known<'e>(
    stored: Option<&'e Entry>,
    failure: &Failure,
) -> Option<(&'e Entry, Outcome)> {
    let (entry, failure_id) = (stored?, failure.failure_id()?);
    match entry.relation_at(&failure_id, failure.at) {
        Relation::Same => Some((entry, Outcome::Duplicate)),
        Relation::Earlier => Some((entry, Outcome::Stale)),
        Relation::Later => None,
    }
}
