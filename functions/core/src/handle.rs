//! The beats of one failure, over the traits [`Ledger`], [`Target`] and [`Queue`]:
//! parse, know, decide, claim, act, settle.
//!
//! Each public method takes one thing that happened and answers with one [`Record`]. Trouble with the world
//! is an error: the caller lets the event come again, which is safe, because whatever was claimed before is
//! found in the ledger.

use core::time::Duration;

use serde::Serialize;

use crate::calls::Call;
pub use crate::calls::{Acted, CallResult};
use crate::decide::{Answer, Spent, decide, still_allows};
use crate::diagnosis;
use crate::event::{AllowedSources, ParsedEvent, Completion, CompletionKind, self};
pub use crate::failure::Standing;
use crate::failure::{Fact, Failure, Field, Identity, Need, Service, What};
use crate::ledger::{
    self, Claim, Entry, Illegal, Judgement, Ledger, Owner, Pen, Relation, State, Terms, Ticket,
    Written,
};
use crate::pace::Pace;
use crate::policy::Document;
pub use crate::record::{Done, Record};
use crate::time::Time;
use crate::trouble::{Trouble, TroubleKind};
use crate::verdict::{Decision, Reason, Verdict};

/// What `REDRIVE_MODE` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
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
    async fn know(&self, failure: &Failure, need: Need) -> Result<Fact, Trouble>;

    /// The last look before a delayed or repeated retry: is it still the failure that the claim is for?
    async fn look(&self, claim: &Claim) -> Result<Standing, Trouble>;

    /// Retries. Called at most once for a claim.
    async fn act(&self, claim: &Claim) -> Acted;
}

/// Where messages wait for their time.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Queue {
    /// Sends a ticket that is to arrive after `delay`, at most 15 minutes.
    async fn send(&self, ticket: &Ticket, delay: Duration) -> Result<(), Trouble>;
}

/// What time it is.
pub trait Clock {
    /// Now.
    fn now(&self) -> Time;
}

/// Everything that handling needs, built once and lent for each event.
#[derive(Debug)]
pub struct Redrive<'w, L, T, Q, C> {
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
    pub mode: Mode,
    /// How long things take and last.
    pub terms: &'w Terms,
    /// The pace of this process.
    pub pace: &'w Pace,
    /// This handling, of this event, message or tick.
    pub owner: &'w Owner,
}

/// How often a write that lost is judged anew before the event is left to come again.
pub(crate) const MOST_ROUNDS: usize = 5;

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Redrive<'_, L, T, Q, C> {
    /// Handles one event.
    ///
    /// # Errors
    /// The world could not be reached; the event should come again.
    pub async fn event(&self, bytes: &[u8], sources: &AllowedSources) -> Result<Record, Trouble> {
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
    /// The world could not be reached; the failure should be handled again.
    pub async fn failure(&self, mut failure: Failure) -> Result<Record, Trouble> {
        let mut record = Record {
            happened_at: Some(failure.at),
            subject: Some(failure.subject.clone()),
            ..self.record(Done::Ignored, Reason::Off)
        };
        if self.mode == Mode::Off {
            return Ok(record);
        }
        let mut read = false;
        let mut stored: Option<Entry> = None;
        for _ in 0..MOST_ROUNDS {
            // Know and decide.
            let verdict = loop {
                let spent = match (&stored, read) {
                    (Some(entry), _) => Spent::Entry(entry),
                    (None, true) => Spent::Nothing,
                    (None, false) => Spent::Unread,
                };
                let need = match self.ask_or_decide(&failure, spent, &record) {
                    Answer::Entry => {
                        stored = self.ledger.read(&failure.subject).await?;
                        read = true;
                        // What is known already is not looked up again.
                        if let Some((entry, done)) = known(stored.as_ref(), &failure) {
                            record.identity = failure.identity();
                            return Ok(record.seen_before(entry, done));
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
                    return Err(Trouble::new(
                        TroubleKind::Bug,
                        "a fact that was looked up is asked for again",
                    ));
                }
                record.looked_up.push(need);
                match self.target.know(&failure, need).await? {
                    Fact::Gone => break Verdict::ignore(Reason::Gone),
                    Fact::NotYet => return self.not_shown_yet(&failure, record).await,
                    fact => failure.learn(fact),
                }
            };
            if self.may_read_late(&failure, verdict.because)
                || self.may_be_overtaken(&failure, stored.as_ref())
            {
                return self.not_shown_yet(&failure, record).await;
            }
            record.because = verdict.because;
            record.identity = failure.identity();
            record.diagnosis = diagnosis::of(&failure);
            record.verdict = Some(verdict.clone());
            let Some(identity) = failure
                .identity()
                .filter(|_| verdict.decision != Decision::Ignore)
            else {
                return Ok(record);
            };

            if let Some((entry, done)) = known(stored.as_ref(), &failure) {
                return Ok(record.seen_before(entry, done));
            }

            // Claim, for when there is a slot.
            let retries = verdict.decision == Decision::Retry && self.mode == Mode::Act;
            if retries && record.slot.is_none() {
                record.slot = self.slot(&failure).await?;
            }
            let judgement = Judgement {
                subject: failure.subject.clone(),
                identity,
                failed_at: failure.at,
                retried_before: failure.retried_before().unwrap_or_default(),
                verdict,
                slot: record.slot.unwrap_or_default(),
                observed: self.mode == Mode::Observe,
            };
            let entry = match &stored {
                None => Entry::open(judgement, self.pen()),
                Some(entry) => match entry.judge(judgement, self.pen()) {
                    Ok(entry) => entry,
                    Err(_) => return Ok(record.seen_before(entry, Done::Stale)),
                },
            };
            match ledger::write(self.ledger, entry).await? {
                Written::Claimed(claim) => {
                    let late = self.clock.now().since(failure.at) >= self.terms.late;
                    let look = late || claim.entry().uncertain;
                    return self.act(claim, look, record).await;
                }
                Written::Stored(entry) => return self.wait(entry, record).await,
                Written::Lost(now_stored) => {
                    stored = now_stored;
                    read = true;
                }
            }
        }
        Err(Trouble::new(
            TroubleKind::Unreachable,
            "the ledger entry changed at every try",
        ))
    }

    /// Decides, unless the event is so old that what it announced may be long past, and even its entry: then the
    /// ledger is read first, and where it knows nothing, the execution. The execution is read too where the entry
    /// was written after the failure: a retry that came after a person's may be the one of this very failure. Where
    /// AWS has not said when it took that retry, the clock of whoever wrote may be behind. A stage is read in any
    /// case.
    fn ask_or_decide(&self, failure: &Failure, spent: Spent<'_>, record: &Record) -> Answer {
        let execution = failure.subject.service() == Service::StepFunctions;
        let late = execution && self.clock.now().since(failure.at) >= self.terms.late;
        let looked = record.looked_up.contains(&Need::Description);
        match spent {
            Spent::Unread if late => Answer::Entry,
            Spent::Nothing if late && !looked => Answer::Need(Need::Description),
            Spent::Entry(entry)
                if execution
                    && !looked
                    && self.may_be_after(entry, failure)
                    && known(Some(entry), failure).is_none() =>
            {
                Answer::Need(Need::Description)
            }
            spent => decide(self.document, failure, spent),
        }
    }

    /// Whether an entry may have been written after a failure.
    fn may_be_after(&self, entry: &Entry, failure: &Failure) -> bool {
        let apart = match entry.redriven {
            Some(_) => Duration::ZERO,
            None => self.terms.clocks_apart,
        };
        entry.updated.plus(apart) > failure.at
    }

    /// How long the retry of a failure waits for its slot, if it is paced.
    async fn slot(&self, failure: &Failure) -> Result<Option<Duration>, Trouble> {
        let call = Call::of(failure.subject.service());
        match self.terms.quotas.of(call) {
            None => Ok(None),
            Some(quota) => {
                let now = self.clock.now();
                self.pace
                    .wait(self.ledger, call, quota, now)
                    .await
                    .map(Some)
            }
        }
    }

    /// Whether the FAILED event of a stage, or of an action in it, is so young that the stage may be read as it was
    /// before: CodePipeline's answers may lag behind its events, and one of them behind the other.
    fn may_read_late(&self, failure: &Failure, because: Reason) -> bool {
        let What::Stage(stage) = &failure.what else {
            return false;
        };
        let behind = matches!(&stage.standing, Field::Known(standing) if standing.runs_behind);
        // One action's failure is announced while others run.
        let early = stage.announced.is_none()
            && matches!(because, Reason::Running | Reason::ActionsInProgress);
        let age = self.clock.now().since(failure.at);
        let settle = self.terms.reads_settle;
        // What is judged by the runs of before is retried by them, however far ahead our clock is.
        (early && age < settle) || (behind && age < settle.saturating_add(self.terms.clocks_apart))
    }

    /// Whether an execution's failure may be of before the last retry, which a person's had made one of a later
    /// failure than it was meant for: the execution was read, and so shortly after that it may be shown as it was.
    fn may_be_overtaken(&self, failure: &Failure, stored: Option<&Entry>) -> bool {
        let execution = failure.subject.service() == Service::StepFunctions;
        let entry = stored.filter(|_| execution);
        entry.is_some_and(|entry| {
            (entry.state.is_claim() || entry.state == State::Retried)
                && entry.updated > failure.at
                && self.clock.now().since(entry.updated) < self.terms.reads_settle
        })
    }

    /// Whether a failure is so fresh that AWS may still show its subject as it was before.
    fn may_lag(&self, entry: &Entry) -> bool {
        let allowed = self
            .terms
            .reads_settle
            .saturating_add(self.terms.clocks_apart);
        self.clock.now().since(entry.failed_at) < allowed
    }

    /// What was announced is not shown: either the subject has moved on since, and the ledger knows the
    /// failure, or the answer is older than the event, which should come again.
    async fn not_shown_yet(&self, failure: &Failure, record: Record) -> Result<Record, Trouble> {
        let knows = |entry: &Entry| match failure.subject.service() {
            Service::StepFunctions => known(Some(entry), failure).is_some(),
            // A stage's events do not number its failures. What was written since knows of this one.
            Service::CodePipeline => entry.updated >= failure.at,
        };
        match self.ledger.read(&failure.subject).await? {
            Some(entry) if knows(&entry) => {
                Ok(record.of(&entry).seen_before(&entry, Done::Duplicate))
            }
            _ => Err(Trouble::new(
                TroubleKind::Unreachable,
                "AWS does not show yet what the event announced",
            )),
        }
    }

    /// What follows a write that claimed nothing: a message to the queue, or nothing.
    async fn wait(&self, entry: Entry, mut record: Record) -> Result<Record, Trouble> {
        record.state = Some(entry.state);
        record.because = entry.reason();
        record.done = match entry.state {
            State::Queued => {
                let delay = entry
                    .due
                    .map_or(Duration::ZERO, |due| due.since(self.clock.now()));
                if delay <= self.terms.longest_queue_delay {
                    // If this fails the retry is not lost: it is in the due index, and the sweep queues it.
                    self.queue.send(&entry.ticket(), delay).await?;
                }
                Done::Queued
            }
            State::Observed => Done::Observed,
            _ => Done::GaveUp,
        };
        Ok(record)
    }

    /// Takes a retry whose delay is over, if it is still wanted.
    ///
    /// # Errors
    /// The world could not be reached; the ticket should come again.
    pub async fn due(&self, ticket: &Ticket) -> Result<Record, Trouble> {
        let record = Record {
            subject: Some(ticket.subject.clone()),
            ..self.record(Done::Ignored, Reason::Off)
        };
        if self.mode == Mode::Off {
            // The entry waits in the due index until the mode changes.
            return Ok(record);
        }
        match ledger::take(self.ledger, ticket, self.pen()).await? {
            Ok(claim) => {
                let record = record.of(claim.entry());
                // A later event of the execution would have moved the entry, so that the take was the look, as
                // long as few events can have been lost meanwhile. A stage's retry has no token that stops a
                // second one, so the stage is looked at in any case.
                let entry = claim.entry();
                let waited = self.clock.now().since(entry.failed_at);
                let look = ticket.subject.service() == Service::CodePipeline
                    || entry.uncertain
                    || entry.verify_before_retry
                    || waited
                        > self
                            .terms
                            .longest_queue_delay
                            .saturating_add(self.terms.overdue);
                self.act(claim, look, record).await
            }
            Err(Some(entry)) => Ok(record.of(&entry).seen_before(&entry, Done::Duplicate)),
            Err(None) => Ok(Record {
                because: Reason::Gone,
                ..record
            }),
        }
    }

    /// Takes over from an owner whose lease ran out, or whose answer never came.
    ///
    /// # Errors
    /// The world could not be reached; the sweep comes again.
    pub async fn take_over(&self, entry: &Entry) -> Result<Record, Trouble> {
        let record = self.record(Done::Ignored, entry.reason()).of(entry);
        let taken = entry.take_over(self.pen()).map_err(bug)?;
        match ledger::write(self.ledger, taken).await? {
            Written::Claimed(claim) => self.act(claim, true, record).await,
            Written::Stored(entry) => Ok(Record {
                state: Some(entry.state),
                ..record
            }),
            Written::Lost(_) => Ok(Record {
                done: Done::Lost,
                ..record
            }),
        }
    }

    /// Acts on a claim, after a last look where one is needed, and settles.
    async fn act(&self, claim: Claim, look: bool, mut record: Record) -> Result<Record, Trouble> {
        let uncertain = claim.entry().uncertain;
        if look {
            // With trouble here the lease runs out, and the sweep tries again.
            let standing = self.target.look(&claim).await?;
            let pen = self.pen();
            let entry = claim.entry();
            let settled = match standing {
                Standing::Same => None,
                Standing::Moved(_) if uncertain => Some((entry.confirm(pen), Done::Confirmed)),
                Standing::Moved(retried) => Some((entry.move_on(retried, pen), Done::GaveUp)),
                Standing::Succeeded if uncertain => {
                    Some((entry.recover(None, pen), Done::Recovered))
                }
                Standing::Succeeded => Some((entry.recover_unmade(pen), Done::Recovered)),
                Standing::Over(reason) => {
                    Some((entry.give_up(reason, !uncertain, pen), Done::GaveUp))
                }
            };
            if let Some((settled, done)) = settled {
                record.done = done;
                return self.settle(settled.map_err(bug)?, record).await;
            }
            // A call that nobody ever answers in known words ends when AWS would no longer redrive it.
            let age = self.clock.now().since(claim.entry().failed_at);
            if uncertain && age >= self.terms.redrivable {
                let settled = claim
                    .entry()
                    .give_up(Reason::NotRedrivable, false, self.pen())
                    .map_err(bug)?;
                record.done = Done::GaveUp;
                return self.settle(settled, record).await;
            }
        }
        // Mode and policy of now: they can only take away.
        if self.mode != Mode::Act || !still_allows(self.document, claim.entry()) {
            let settled = claim
                .entry()
                .give_up(Reason::PolicyChanged, !uncertain, self.pen())
                .map_err(bug)?;
            record.done = Done::GaveUp;
            return self.settle(settled, record).await;
        }
        let acted = self.target.act(&claim).await;
        let result = acted.result;
        record.call_result = Some(result);
        if result == CallResult::Throttled {
            let call = Call::of(claim.entry().subject.service());
            self.pace.throttled(call, self.clock.now());
        }
        let pen = self.pen();
        // What rests on a bare status or on a strange code may have taken effect: the charge stays.
        let entry = &Entry {
            uncertain: uncertain || acted.in_doubt,
            ..claim.entry().clone()
        };
        let settled = match result {
            CallResult::Accepted => entry.accept(pen).map(|entry| Entry {
                redriven: acted.redriven,
                ..entry
            }),
            CallResult::Throttled => entry.put_off(pen),
            CallResult::AccessDenied => entry.deny(pen),
            CallResult::InDoubt => entry.lose(pen),
            CallResult::Rejected(reason) => self.rejected(&claim, entry, reason, pen).await,
        };
        let settled = settled.map_err(bug)?;
        record.done = match settled.state {
            State::Retried if result == CallResult::Accepted => Done::Retried,
            State::Retried => Done::Confirmed,
            State::Queued => Done::PutOff,
            State::Unknown => Done::Unknown,
            _ => Done::GaveUp,
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
        pen: Pen<'_>,
    ) -> Result<Entry, Illegal> {
        let running = reason == Reason::MovedOn;
        let shown = if entry.uncertain || running {
            self.target.look(claim).await.ok()
        } else {
            None
        };
        match shown {
            // An earlier call of ours may be why AWS refuses this one.
            Some(Standing::Moved(_)) if entry.uncertain => entry.confirm(pen),
            Some(Standing::Moved(retried)) => entry.move_on(retried, pen),
            // RACE: RedriveExecution against its own status. AWS may say that an execution is running whose failure it
            // has just announced, or whose retry in doubt it does not show yet.
            _ if running && (entry.uncertain || self.may_lag(entry)) => entry.verify_later(pen),
            _ => entry.give_up(reason, !entry.uncertain, pen),
        }
    }

    /// Writes down what happened. A settle that comes too late loses to a later failure or success, and a
    /// ledger that is out of reach does not undo what was done.
    async fn settle(&self, settled: Entry, mut record: Record) -> Result<Record, Trouble> {
        record.because = settled.reason();
        record.state = Some(settled.state);
        match ledger::write(self.ledger, settled).await {
            Ok(Written::Stored(_)) => {}
            Ok(Written::Claimed(claim)) => record.state = Some(claim.into_entry().state),
            Ok(Written::Lost(stored)) => record.state = stored.map(|entry| entry.state),
            Err(trouble) => record.unsettled = Some(trouble),
        }
        Ok(record)
    }

    /// Records how a subject ended.
    ///
    /// # Errors
    /// The ledger could not be reached; the event should come again.
    pub async fn completion(&self, completion: &Completion) -> Result<Record, Trouble> {
        let mut record = Record {
            happened_at: Some(completion.at),
            subject: Some(completion.subject.clone()),
            ..self.record(Done::Ignored, completion.kind.reason())
        };
        if self.mode == Mode::Off {
            record.because = Reason::Off;
            return Ok(record);
        }
        let identity = completion.redrive_count.map(Identity::RedriveCount);
        let mut stored = self.ledger.read(&completion.subject).await?;
        for _ in 0..MOST_ROUNDS {
            let entry = match (&stored, completion.kind, &identity) {
                // A person ended what is not in the ledger. A failure of before may come late, and a
                // redrive of it would undo that.
                (None, CompletionKind::Terminated, Some(identity)) => Entry::ended(
                    completion.subject.clone(),
                    identity.clone(),
                    completion.at,
                    self.pen(),
                ),
                (None, _, _) => return Ok(record),
                (Some(entry), what, _) => {
                    let older = identity
                        .as_ref()
                        .is_some_and(|identity| entry.relation(identity) == Relation::Earlier);
                    // A stage's events do not say which failure they follow; its time does.
                    // An event's time is in whole seconds.
                    let at = completion.at.plus(Duration::from_millis(999));
                    if older || (identity.is_none() && at < entry.failed_at) {
                        return Ok(record.seen_before(entry, Done::Stale));
                    }
                    let finished = match what {
                        CompletionKind::Succeeded => entry.recover(identity.clone(), self.pen()),
                        CompletionKind::Terminated => entry.end(identity.clone(), self.pen()),
                    };
                    match finished {
                        Ok(entry) => entry,
                        Err(_) => return Ok(record.seen_before(entry, Done::Duplicate)),
                    }
                }
            };
            match ledger::write(self.ledger, entry).await? {
                Written::Lost(now_stored) => stored = now_stored,
                Written::Stored(entry) => {
                    record.done = if entry.state == State::Recovered {
                        Done::Recovered
                    } else {
                        Done::Ended
                    };
                    record.identity = Some(entry.identity);
                    record.state = Some(entry.state);
                    return Ok(record);
                }
                Written::Claimed(_) => return Err(bug("a completion claims nothing")),
            }
        }
        Err(Trouble::new(
            TroubleKind::Unreachable,
            "the ledger entry changed at every try",
        ))
    }

    pub(crate) fn pen(&self) -> Pen<'_> {
        Pen {
            owner: self.owner,
            now: self.clock.now(),
            terms: self.terms,
        }
    }

    fn record(&self, done: Done, because: Reason) -> Record {
        Record::new(self.clock.now(), done, because)
    }
}

/// A failure that the ledger knows already, and what that makes of it. A duplicate gets the verdict of the
/// first time, charges nothing, and never acts.
pub(crate) fn known<'e>(stored: Option<&'e Entry>, failure: &Failure) -> Option<(&'e Entry, Done)> {
    let (entry, identity) = (stored?, failure.identity()?);
    match entry.relation_at(&identity, failure.at) {
        Relation::Same => Some((entry, Done::Duplicate)),
        Relation::Earlier => Some((entry, Done::Stale)),
        Relation::Later => None,
    }
}

/// The transition table refused a step that the code above should not have tried.
pub(crate) fn bug(what: impl core::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Bug, alloc::format!("{what}"))
}
