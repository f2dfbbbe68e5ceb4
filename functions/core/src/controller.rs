//! The steps of one failure, over the traits [`Ledger`], [`Target`] and [`Queue`]:
//! parse, look up, decide, claim, retry, settle.
//!
//! Each public method takes one event, message or entry and returns one [`Record`]. On an error of a call, the caller
//! has the event delivered again. Redelivery is safe because the ledger holds every earlier claim.

use core::time::Duration;

use serde::Serialize;

use crate::calls::Call;
pub use crate::calls::{CallResult, RetryResponse};
use crate::decide::{Answer, LedgerView, decide, still_allows};
use crate::diagnosis;
use crate::error::{Error, ErrorKind};
use crate::event::{self, AllowedSources, Completion, CompletionKind, ParsedEvent};
pub use crate::failure::TargetState;
use crate::failure::{Fact, Failure, FailureDetail, FailureId, Field, Need, Service};
use crate::ledger::{
    self, Claim, Decided, Entry, Ledger, Owner, Relation, RetryMessage, State, Timing,
    TransitionError, Writer, Written,
};
use crate::policy::Document;
use crate::rate_limiter::RateLimiter;
pub use crate::record::{Outcome, Record};
use crate::time::Time;
use crate::verdict::{Decision, Reason, Verdict};

/// The value of `REDRIVE_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// Decide and record; make no call that changes a target.
    #[default]
    Observe,
    /// Retry.
    Act,
    /// Accept every event without reading or writing anything.
    Off,
}

/// A service whose executions or stages are retried.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Target {
    /// Looks up one fact about a failure.
    async fn lookup(&self, failure: &Failure, need: Need) -> Result<Fact, Error>;

    /// Reads the target before a delayed or repeated retry, and compares it with the failure of the claim.
    async fn current_state(&self, claim: &Claim) -> Result<TargetState, Error>;

    /// Sends the retry to AWS. INVARIANT: called at most once for a claim. A failure may be claimed again after AWS
    /// refused the call or a lease ran out.
    async fn retry(&self, claim: &Claim) -> RetryResponse;
}

/// The queue of delayed retry messages.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Queue {
    /// Sends a retry message for delivery after `delay`, maximum 15 minutes.
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error>;
}

/// The source of the current time.
pub trait Clock {
    /// Returns the current time.
    fn now(&self) -> Time;
}

/// The protocol over one ledger, target, queue and clock.
#[derive(Debug)]
pub struct Controller<'w, L, T, Q, C> {
    /// The ledger.
    pub ledger: &'w L,
    /// Step Functions and CodePipeline.
    pub target: &'w T,
    /// The queue of delayed retries.
    pub queue: &'w Q,
    /// The clock.
    pub clock: &'w C,
    /// The policy in force.
    pub document: &'w Document,
    /// The mode in force.
    pub mode: RunMode,
    /// Leases, delays and lags.
    pub timing: &'w Timing,
    /// The rate limiter of this process.
    pub rate_limiter: &'w RateLimiter,
    /// The name of this handling of one event, message or entry.
    pub owner: &'w Owner,
}

/// Maximum write attempts for one event. After that many conflicts, AWS delivers the event again.
pub(crate) const MAX_ATTEMPTS: usize = 5;

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Handles one event.
    ///
    /// # Errors
    /// AWS could not be reached; the event should be delivered again.
    pub async fn event(&self, bytes: &[u8], sources: &AllowedSources) -> Result<Record, Error> {
        match event::parse(bytes, sources) {
            ParsedEvent::Failure(failure) => self.failure(failure).await,
            ParsedEvent::Completion(completion) => self.completion(&completion).await,
            ParsedEvent::Ignored(ignored) => Ok(Record::ignored(self.clock.now(), ignored)),
            ParsedEvent::Malformed(malformed) => Ok(Record::malformed(self.clock.now(), malformed)),
        }
    }

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

    /// Returns whether a failure is so recent that AWS may still show its subject's earlier state.
    fn may_lag(&self, entry: &Entry) -> bool {
        let allowed = self
            .timing
            .read_lag
            .saturating_add(self.timing.max_clock_skew);
        self.clock.now().since(entry.failed_at) < allowed
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

    /// Claims a queued retry whose delay is over, and retries if mode and policy still allow it.
    ///
    /// # Errors
    /// AWS could not be reached; the retry message should be delivered again.
    pub async fn due(&self, retry_message: &RetryMessage) -> Result<Record, Error> {
        let record = Record {
            subject: Some(retry_message.subject.clone()),
            ..self.record(Outcome::Ignored, Reason::Off)
        };
        if self.mode == RunMode::Off {
            // The entry waits in the due index until the mode changes.
            return Ok(record);
        }
        match ledger::claim_due(self.ledger, retry_message, self.writer()).await? {
            Ok(claim) => {
                let record = record.of(claim.entry());
                // A later event of the execution would have changed the entry, so the claim itself proves the state of
                // the target. After a long wait lost events weaken that proof, and the execution is read.
                // AWS: a stage's retry takes no client token that stops a second one ("RetryStageExecution",
                // CodePipeline API Reference). A stage is therefore always read.
                let entry = claim.entry();
                let waited = self.clock.now().since(entry.failed_at);
                let verify = retry_message.subject.service() == Service::CodePipeline
                    || entry.in_doubt
                    || entry.verify_before_retry
                    || waited
                        > self
                            .timing
                            .max_queue_delay
                            .saturating_add(self.timing.overdue_after);
                self.retry(claim, verify, record).await
            }
            Err(Some(entry)) => Ok(record.of(&entry).seen_before(&entry, Outcome::Duplicate)),
            Err(None) => Ok(Record {
                reason: Reason::Gone,
                ..record
            }),
        }
    }

    /// Takes over an entry whose lease ran out, or whose call got no answer.
    ///
    /// # Errors
    /// AWS could not be reached; a later sweep tries again.
    pub async fn take_over(&self, entry: &Entry) -> Result<Record, Error> {
        let record = self.record(Outcome::Ignored, entry.reason()).of(entry);
        let taken = entry.take_over(self.writer()).map_err(bug)?;
        match ledger::write(self.ledger, taken).await? {
            Written::Claimed(claim) => self.retry(claim, true, record).await,
            Written::Stored(entry) => Ok(Record {
                state: Some(entry.state),
                ..record
            }),
            Written::Conflict(_) => Ok(Record {
                outcome: Outcome::Conflict,
                ..record
            }),
        }
    }

    /// Retries a claim, after reading the target where `verify` says so, and settles.
    async fn retry(&self, claim: Claim, verify: bool, mut record: Record) -> Result<Record, Error> {
        let in_doubt = claim.entry().in_doubt;
        if verify {
            // After an error here the lease runs out, and the sweep takes the entry over.
            let target_state = self.target.current_state(&claim).await?;
            let writer = self.writer();
            let entry = claim.entry();
            // A retry that stays in doubt is given up once AWS would no longer redrive the execution.
            let expired = writer.now.since(entry.failed_at) >= self.timing.redrive_window;
            let settled = match target_state {
                TargetState::Unchanged if in_doubt && expired => Some((
                    entry.give_up(Reason::NotRedrivable, false, writer),
                    Outcome::GaveUp,
                )),
                TargetState::Unchanged => None,
                TargetState::Advanced(_) if in_doubt => {
                    Some((entry.confirm(writer), Outcome::Confirmed))
                }
                TargetState::Advanced(retried) => {
                    Some((entry.target_changed(retried, writer), Outcome::GaveUp))
                }
                TargetState::Succeeded if in_doubt => {
                    Some((entry.recover(None, writer), Outcome::Recovered))
                }
                TargetState::Succeeded => Some((entry.recover_unsent(writer), Outcome::Recovered)),
                TargetState::Terminated(reason) => {
                    Some((entry.give_up(reason, !in_doubt, writer), Outcome::GaveUp))
                }
            };
            if let Some((settled, outcome)) = settled {
                record.outcome = outcome;
                return self.settle(settled.map_err(bug)?, record).await;
            }
        }
        // INVARIANT: the current mode and policy can withdraw a retry, never add one.
        if self.mode != RunMode::Act || !still_allows(self.document, claim.entry()) {
            let settled = claim
                .entry()
                .give_up(Reason::PolicyChanged, !in_doubt, self.writer())
                .map_err(bug)?;
            record.outcome = Outcome::GaveUp;
            return self.settle(settled, record).await;
        }
        let response = self.target.retry(&claim).await;
        let result = response.result;
        record.call_result = Some(result);
        if result == CallResult::Throttled {
            let call = Call::of(claim.entry().subject.service());
            self.rate_limiter.throttled(call, self.clock.now());
        }
        let writer = self.writer();
        // A result from a bare HTTP status or an undocumented code may hide a retry that took effect. The charge stays.
        let entry = &Entry {
            in_doubt: in_doubt || response.in_doubt,
            ..claim.entry().clone()
        };
        let settled = match result {
            CallResult::Accepted => entry.accept(writer).map(|entry| Entry {
                redriven: response.redriven,
                ..entry
            }),
            CallResult::Throttled => entry.back_off(writer),
            CallResult::AccessDenied => entry.back_off_denied(writer),
            CallResult::InDoubt => entry.mark_in_doubt(writer),
            CallResult::Rejected(reason) => self.rejected(&claim, entry, reason, writer).await,
        };
        let settled = settled.map_err(bug)?;
        record.outcome = match settled.state {
            State::Retried if result == CallResult::Accepted => Outcome::Retried,
            State::Retried => Outcome::Confirmed,
            State::Queued => Outcome::BackedOff,
            State::InDoubt => Outcome::InDoubt,
            _ => Outcome::GaveUp,
        };
        drop(claim);
        self.settle(settled, record).await
    }

    /// Gives up a retry that AWS rejects, unless the target shows, or may yet show, that the subject has advanced.
    async fn rejected(
        &self,
        claim: &Claim,
        entry: &Entry,
        reason: Reason,
        writer: Writer<'_>,
    ) -> Result<Entry, TransitionError> {
        let running = reason == Reason::TargetChanged;
        let shown = if entry.in_doubt || running {
            Some(self.target.current_state(claim).await)
        } else {
            None
        };
        match shown {
            // RACE: this call against our earlier call in doubt. The earlier one may be why AWS rejects this one.
            Some(Ok(TargetState::Advanced(_))) if entry.in_doubt => entry.confirm(writer),
            Some(Ok(TargetState::Advanced(retried))) => entry.target_changed(retried, writer),
            // Without a read nobody knows what the earlier call did: the sweep reads again.
            Some(Err(_)) if entry.in_doubt => entry.mark_in_doubt(writer),
            // RACE: RedriveExecution against the execution's status. AWS may say that an execution runs whose failure
            // it has just announced, or whose status does not yet show the retry in doubt.
            _ if running && (entry.in_doubt || self.may_lag(entry)) => entry.verify_later(writer),
            _ => entry.give_up(reason, !entry.in_doubt, writer),
        }
    }

    /// Writes the settled entry and completes the record.
    ///
    /// A late settle loses to the write of a later failure or success. An unreachable ledger does not undo the retry,
    /// so its error goes into [`Record::unsettled`].
    async fn settle(&self, settled: Entry, mut record: Record) -> Result<Record, Error> {
        record.reason = settled.reason();
        record.state = Some(settled.state);
        match ledger::write(self.ledger, settled).await {
            Ok(Written::Stored(_)) => {}
            Ok(Written::Claimed(claim)) => record.state = Some(claim.into_entry().state),
            Ok(Written::Conflict(stored)) => record.state = stored.map(|entry| entry.state),
            Err(error) => record.unsettled = Some(error),
        }
        Ok(record)
    }

    /// Records that a subject succeeded or was terminated.
    ///
    /// # Errors
    /// The ledger could not be reached; the event should be delivered again.
    pub async fn completion(&self, completion: &Completion) -> Result<Record, Error> {
        let mut record = Record {
            happened_at: Some(completion.at),
            subject: Some(completion.subject.clone()),
            ..self.record(Outcome::Ignored, completion.kind.reason())
        };
        if self.mode == RunMode::Off {
            record.reason = Reason::Off;
            return Ok(record);
        }
        let failure_id = completion.redrive_count.map(FailureId::RedriveCount);
        let mut stored = self.ledger.read(&completion.subject).await?;
        for _ in 0..MAX_ATTEMPTS {
            let entry = match (&stored, completion.kind, &failure_id) {
                // RACE: a person's stop against the event of an earlier failure. The stop is written even without an
                // entry, since a redrive for a late event would undo it.
                (None, CompletionKind::Terminated, Some(failure_id)) => Entry::terminated(
                    completion.subject.clone(),
                    failure_id.clone(),
                    completion.at,
                    self.writer(),
                ),
                (None, _, _) => return Ok(record),
                (Some(entry), what, _) => {
                    let older = failure_id
                        .as_ref()
                        .is_some_and(|failure_id| entry.relation(failure_id) == Relation::Earlier);
                    // A stage's event does not name the failure that it follows, so its time decides.
                    // AWS: an event's `time` has whole seconds, so the last millisecond of that second counts.
                    let at = completion.at.plus(Duration::from_millis(999));
                    if older || (failure_id.is_none() && at < entry.failed_at) {
                        return Ok(record.seen_before(entry, Outcome::Stale));
                    }
                    let finished = match what {
                        CompletionKind::Succeeded => {
                            entry.recover(failure_id.clone(), self.writer())
                        }
                        CompletionKind::Terminated => {
                            entry.terminate(failure_id.clone(), self.writer())
                        }
                    };
                    match finished {
                        Ok(entry) => entry,
                        Err(_) => return Ok(record.seen_before(entry, Outcome::Duplicate)),
                    }
                }
            };
            match ledger::write(self.ledger, entry).await? {
                Written::Conflict(now_stored) => stored = now_stored,
                Written::Stored(entry) => {
                    record.outcome = if entry.state == State::Recovered {
                        Outcome::Recovered
                    } else {
                        Outcome::Terminated
                    };
                    record.failure_id = Some(entry.failure_id);
                    record.state = Some(entry.state);
                    return Ok(record);
                }
                Written::Claimed(_) => return Err(bug("a completion claims nothing")),
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the ledger entry changed at every try",
        ))
    }

    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer {
            owner: self.owner,
            now: self.clock.now(),
            timing: self.timing,
        }
    }

    fn record(&self, outcome: Outcome, reason: Reason) -> Record {
        Record::new(self.clock.now(), outcome, reason)
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

/// Returns the error for a step that this program should never have tried.
pub(crate) fn bug(what: impl core::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, alloc::format!("{what}"))
}
