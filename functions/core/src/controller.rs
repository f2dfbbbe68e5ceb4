//! The steps of one failure, over the traits [`Ledger`], [`Target`] and [`Queue`]:
//! parse, look up, decide, claim, retry, settle.
//!
//! Each public method takes one thing that happened and answers with one [`Record`]. An error of a
//! call is returned: the caller lets the event come again, which is safe, because whatever was claimed before is
//! found in the ledger.

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
    /// Decide and record, and call nothing that changes a target.
    #[default]
    Observe,
    /// Retry.
    Act,
    /// Answer every event without reading or writing anything.
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

    /// Calls AWS to retry. INVARIANT: called at most once for a claim.
    async fn retry(&self, claim: &Claim) -> RetryResponse;
}

/// Where messages wait for their time.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Queue {
    /// Sends a retry message that is to arrive after `delay`, at most 15 minutes.
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error>;
}

/// What time it is.
pub trait Clock {
    /// Now.
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
    /// How long things take and last.
    pub timing: &'w Timing,
    /// The rate limiter of this process.
    pub rate_limiter: &'w RateLimiter,
    /// This handling, of this event, message or tick.
    pub owner: &'w Owner,
}

/// Maximum number of writes for one event. After that many conflicts the event comes again.
pub(crate) const MAX_ATTEMPTS: usize = 5;

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Handles one event.
    ///
    /// # Errors
    /// AWS could not be reached; the event should come again.
    pub async fn event(&self, bytes: &[u8], sources: &AllowedSources) -> Result<Record, Error> {
        match event::parse(bytes, sources) {
            ParsedEvent::Failure(failure) => self.failure(failure).await,
            ParsedEvent::Completion(completion) => self.completion(&completion).await,
            ParsedEvent::Ignored(ignored) => Ok(Record::ignored(self.clock.now(), ignored)),
            ParsedEvent::Malformed(malformed) => Ok(Record::malformed(self.clock.now(), malformed)),
        }
    }

    /// Judges one failure and does what follows.
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
                        // What is known already is not looked up again.
                        if let Some((entry, outcome)) = known(stored.as_ref(), &failure) {
                            record.failure_id = failure.failure_id();
                            return Ok(record.seen_before(entry, outcome));
                        }
                        continue;
                    }
                    // What is written down is the truth, not what an event said of it: a stage is read
                    // first, and an execution whose event does not number its failure.
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

            // Claim, for when there is a slot.
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

    /// Decides, unless the event is so old that what it announced may be long past, and even its entry: then the
    /// ledger is read first, and where it knows nothing, the execution. The execution is read too where the entry
    /// was written after the failure: a retry that came after a person's may be the one of this very failure. Where
    /// AWS has not said when it took that retry, the clock of whoever wrote may be behind. A stage is read in any
    /// case.
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

    /// Whether an entry may have been written after a failure.
    fn may_be_after(&self, entry: &Entry, failure: &Failure) -> bool {
        let apart = match entry.redriven {
            Some(_) => Duration::ZERO,
            None => self.timing.max_clock_skew,
        };
        entry.updated_at.plus(apart) > failure.at
    }

    /// How long the retry of a failure waits for its slot, if it is paced.
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

    /// Whether the FAILED event of a stage, or of an action in it, is so young that the stage may be read as it was
    /// before: CodePipeline's answers may lag behind its events, and one of them behind the other.
    fn may_read_late(&self, failure: &Failure, reason: Reason) -> bool {
        let FailureDetail::Stage(stage) = &failure.detail else {
            return false;
        };
        let behind = matches!(&stage.snapshot, Field::Known(snapshot) if snapshot.runs_behind);
        // One action's failure is announced while others run.
        let early = stage.announced.is_none()
            && matches!(reason, Reason::Running | Reason::ActionsInProgress);
        let age = self.clock.now().since(failure.at);
        let settle = self.timing.read_lag;
        // What is judged by the runs of before is retried by them, however far ahead our clock is.
        (early && age < settle)
            || (behind && age < settle.saturating_add(self.timing.max_clock_skew))
    }

    /// Whether an execution's failure may be of before the last retry, which a person's had made one of a later
    /// failure than it was meant for: the execution was read, and so shortly after that it may be shown as it was.
    fn may_be_overtaken(&self, failure: &Failure, stored: Option<&Entry>) -> bool {
        let execution = failure.subject.service() == Service::StepFunctions;
        let entry = stored.filter(|_| execution);
        entry.is_some_and(|entry| {
            (entry.state.is_claim() || entry.state == State::Retried)
                && entry.updated_at > failure.at
                && self.clock.now().since(entry.updated_at) < self.timing.read_lag
        })
    }

    /// Whether a failure is so fresh that AWS may still show its subject as it was before.
    fn may_lag(&self, entry: &Entry) -> bool {
        let allowed = self
            .timing
            .read_lag
            .saturating_add(self.timing.max_clock_skew);
        self.clock.now().since(entry.failed_at) < allowed
    }

    /// What was announced is not shown: either the subject has moved on since, and the ledger knows the
    /// failure, or the answer is older than the event, which should come again.
    async fn not_shown_yet(&self, failure: &Failure, record: Record) -> Result<Record, Error> {
        let knows = |entry: &Entry| match failure.subject.service() {
            Service::StepFunctions => known(Some(entry), failure).is_some(),
            // A stage's events do not number its failures. What was written since knows of this one.
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

    /// What follows a write that claimed nothing: a message to the queue, or nothing.
    async fn wait(&self, entry: Entry, mut record: Record) -> Result<Record, Error> {
        record.state = Some(entry.state);
        record.reason = entry.reason();
        record.outcome = match entry.state {
            State::Queued => {
                let delay = entry
                    .due_at
                    .map_or(Duration::ZERO, |due| due.since(self.clock.now()));
                if delay <= self.timing.max_queue_delay {
                    // If this fails the retry is not lost: it is in the due index, and the sweep queues it.
                    self.queue.send(&entry.retry_message(), delay).await?;
                }
                Outcome::Queued
            }
            State::Observed => Outcome::Observed,
            _ => Outcome::GaveUp,
        };
        Ok(record)
    }

    /// Takes a retry whose delay is over, if it is still wanted.
    ///
    /// # Errors
    /// AWS could not be reached; the retry message should come again.
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
                // A later event of the execution would have moved the entry, so that the claim was the look, as
                // long as few events can have been lost meanwhile. A stage's retry has no token that stops a
                // second one, so the stage is looked at in any case.
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

    /// Takes over from an owner whose lease ran out, or whose answer never came.
    ///
    /// # Errors
    /// AWS could not be reached; the sweep comes again.
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
            // After an error here the lease runs out, and the sweep tries again.
            let target_state = self.target.current_state(&claim).await?;
            let writer = self.writer();
            let entry = claim.entry();
            let settled = match target_state {
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
            // A call that nobody ever answers in known words ends when AWS would no longer redrive it.
            let age = self.clock.now().since(claim.entry().failed_at);
            if in_doubt && age >= self.timing.redrive_window {
                let settled = claim
                    .entry()
                    .give_up(Reason::NotRedrivable, false, self.writer())
                    .map_err(bug)?;
                record.outcome = Outcome::GaveUp;
                return self.settle(settled, record).await;
            }
        }
        // Mode and policy of now: they can only take away.
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
        // What rests on a bare status or on a strange code may have taken effect: the charge stays.
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

    /// Gives up what AWS refuses to retry, unless AWS itself shows that the subject has moved on, or may yet show it.
    async fn rejected(
        &self,
        claim: &Claim,
        entry: &Entry,
        reason: Reason,
        writer: Writer<'_>,
    ) -> Result<Entry, TransitionError> {
        let running = reason == Reason::TargetChanged;
        let shown = if entry.in_doubt || running {
            self.target.current_state(claim).await.ok()
        } else {
            None
        };
        match shown {
            // An earlier call of ours may be why AWS refuses this one.
            Some(TargetState::Advanced(_)) if entry.in_doubt => entry.confirm(writer),
            Some(TargetState::Advanced(retried)) => entry.target_changed(retried, writer),
            // RACE: RedriveExecution against its own status. AWS may say that an execution is running whose failure it
            // has just announced, or whose retry in doubt it does not show yet.
            _ if running && (entry.in_doubt || self.may_lag(entry)) => entry.verify_later(writer),
            _ => entry.give_up(reason, !entry.in_doubt, writer),
        }
    }

    /// Writes down what happened. A settle that comes too late loses to a later failure or success, and a
    /// ledger that is out of reach does not undo what was done.
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

    /// Records how a subject ended.
    ///
    /// # Errors
    /// The ledger could not be reached; the event should come again.
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
                // A person ended what is not in the ledger. A failure of before may come late, and a
                // redrive of it would undo that.
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
                    // A stage's events do not say which failure they follow; its time does.
                    // An event's time is in whole seconds.
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

/// A failure that the ledger knows already, and what that makes of it. A duplicate gets the verdict of the
/// first time, charges nothing, and never acts.
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

/// The transition table refused a step that the code above should not have tried.
pub(crate) fn bug(what: impl core::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, alloc::format!("{what}"))
}
