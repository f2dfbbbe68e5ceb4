//! One failure: look up, decide, claim.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Clock, Controller, MAX_ATTEMPTS, Queue, RunMode, Target};
use crate::cause::Ended;
use crate::decide::{LedgerView, decide_optimistically};
use crate::diagnosis;
use crate::error::{Error, ErrorKind};
use crate::failure::{Fact, Failure, Need};
use crate::freshness::{self, Known, Step};
use crate::ledger::{self, Decided, Entry, EntryStore, SlotStore, State, Written};
use crate::policy::Document;
use crate::record::{Outcome, Record};
use crate::time::Time;
use crate::verdict::{Decision, Reason, Verdict};

impl<L: EntryStore + SlotStore, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Judges one failure, and retries, queues or gives up.
    ///
    /// # Errors
    /// AWS could not be reached; the failure should be handled again.
    pub async fn failure(&self, failure: Failure) -> Result<Record, Error> {
        let mut handling = Handling::new(failure, self.clock.now());
        if self.mode == RunMode::Off {
            return Ok(handling.record(Reason::Off));
        }
        loop {
            let now = self.clock.now();
            let step = freshness::next_step(self.document, handling.known(), now, self.timing);
            let verdict = match step {
                Step::ReadEntry => {
                    let entry = self.ledger.read(&handling.failure.subject).await?;
                    handling.read(entry);
                    continue;
                }
                Step::LookUp(need) => {
                    handling.ask(need)?;
                    match self.target.lookup(&handling.failure, need).await? {
                        Fact::Gone => Verdict::ignore(Reason::Gone),
                        Fact::NotYet => return self.not_visible_yet(handling).await,
                        Fact::Assumed => handling.assume(self.document),
                        fact => {
                            handling.learn(fact);
                            continue;
                        }
                    }
                }
                Step::SeenBefore(outcome) => return Ok(handling.seen_before(outcome)),
                Step::NotVisibleYet => return self.not_visible_yet(handling).await,
                Step::Judged(verdict) => verdict,
            };
            if let Some(record) = self.write_verdict(&mut handling, verdict).await? {
                return Ok(record);
            }
        }
    }

    /// Writes the verdict, and acts on it if that makes a claim. Returns `None` if another owner wrote first.
    async fn write_verdict(
        &self,
        handling: &mut Handling,
        verdict: Verdict,
    ) -> Result<Option<Record>, Error> {
        let mut record = Record {
            failure_id: handling.failure.failure_id(),
            diagnosis: diagnosis::of(&handling.failure),
            verdict: Some(verdict.clone()),
            ..handling.record(verdict.reason)
        };
        let judged = verdict.decision != Decision::Ignore;
        let Some(failure_id) = record.failure_id.clone().filter(|_| judged) else {
            return Ok(Some(record));
        };
        // The claim is for the time of the reserved slot.
        if verdict.decision == Decision::Retry && self.mode == RunMode::Act {
            if handling.slot.is_none() {
                handling.slot = self.slot(&handling.failure).await?;
            }
            record.slot = handling.slot;
        }
        let failure = &handling.failure;
        let decided = Decided {
            subject: failure.subject.clone(),
            failure_id,
            failed_at: failure.at,
            retried_before: failure.retried_before().unwrap_or_default(),
            verdict,
            slot: handling.slot.unwrap_or_default(),
            observed: self.mode == RunMode::Observe,
        };
        let entry = match &handling.entry {
            None => Entry::open(decided, self.writer()),
            Some(entry) => match entry.judge(decided, self.writer()) {
                Ok(entry) => entry,
                Err(_) => return Ok(Some(record.seen_before(entry, Outcome::Stale))),
            },
        };
        match ledger::write(self.ledger, entry).await? {
            Written::Claimed(claim) => self.retry(claim, false, record).await.map(Some),
            Written::Stored(entry) => self.wait(entry, record).await.map(Some),
            Written::Conflict(entry) => {
                handling.conflict(entry)?;
                Ok(None)
            }
        }
    }

    /// Returns how long the retry of a failure waits for its slot, and none where its call has no quota.
    async fn slot(&self, failure: &Failure) -> Result<Option<Duration>, Error> {
        let service = failure.subject.service();
        match self.timing.quotas.of(service) {
            None => Ok(None),
            Some(quota) => {
                let now = self.clock.now();
                self.rate_limiter
                    .wait(self.ledger, service, quota, now)
                    .await
                    .map(Some)
            }
        }
    }

    /// Returns a duplicate's record if the entry covers a failure that AWS does not show, and an error otherwise.
    ///
    /// In the first case the subject has advanced since. In the second the read is older than the event, and the event
    /// should be delivered again.
    async fn not_visible_yet(&self, handling: Handling) -> Result<Record, Error> {
        let failure = &handling.failure;
        match self.ledger.read(&failure.subject).await? {
            Some(entry) if freshness::covers(&entry, failure) => {
                let record = handling.record(entry.reason()).of(&entry);
                Ok(record.seen_before(&entry, Outcome::Duplicate))
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

/// A failure while it is handled: what is known of it so far.
struct Handling {
    began_at: Time,
    announced_at: Time,
    failure: Failure,
    ended: Vec<Ended>,
    entry: Option<Entry>,
    entry_is_read: bool,
    looked_up: Vec<Need>,
    needs: Vec<Need>,
    slot: Option<Duration>,
    conflicts: usize,
}

impl Handling {
    fn new(failure: Failure, now: Time) -> Self {
        Self {
            began_at: now,
            announced_at: failure.at,
            ended: failure.ended(),
            failure,
            entry: None,
            entry_is_read: false,
            looked_up: Vec::new(),
            needs: Vec::new(),
            slot: None,
            conflicts: 0,
        }
    }

    fn known(&self) -> Known<'_> {
        Known {
            failure: &self.failure,
            ended: &self.ended,
            ledger_view: match &self.entry {
                Some(entry) => LedgerView::Entry(entry),
                None if self.entry_is_read => LedgerView::Empty,
                None => LedgerView::NotRead,
            },
            looked_up: &self.looked_up,
        }
    }

    fn read(&mut self, entry: Option<Entry>) {
        self.entry = entry;
        self.entry_is_read = true;
    }

    /// Takes the entry that another owner wrote.
    fn conflict(&mut self, entry: Option<Entry>) -> Result<(), Error> {
        self.read(entry);
        self.conflicts = self.conflicts.saturating_add(1);
        if self.conflicts < MAX_ATTEMPTS {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the ledger entry changed at every try",
        ))
    }

    fn ask(&mut self, need: Need) -> Result<(), Error> {
        if self.looked_up.contains(&need) {
            return Err(Error::new(
                ErrorKind::Internal,
                "a fact that was looked up is asked for again",
            ));
        }
        self.looked_up.push(need);
        Ok(())
    }

    fn learn(&mut self, fact: Fact) {
        let causes = matches!(fact, Fact::Description(_) | Fact::Stage(_));
        self.failure.learn(fact);
        if causes {
            self.ended = self.failure.ended();
        }
    }

    /// Judges the failure without the facts that a dry run does not look up.
    fn assume(&mut self, document: &Document) -> Verdict {
        let (verdict, needs) = decide_optimistically(document, &self.failure);
        self.needs = needs;
        self.looked_up.clear();
        verdict
    }

    /// Returns the record of an ignored failure.
    fn record(&self, reason: Reason) -> Record {
        Record {
            happened_at: Some(self.announced_at),
            subject: Some(self.failure.subject.clone()),
            looked_up: self.looked_up.clone(),
            needs: self.needs.clone(),
            ..Record::new(self.began_at, Outcome::Ignored, reason)
        }
    }

    fn seen_before(&self, outcome: Outcome) -> Record {
        let record = Record {
            failure_id: self.failure.failure_id(),
            // The first verdict stands, whatever a dry run would look up for another one.
            needs: Vec::new(),
            ..self.record(Reason::TargetChanged)
        };
        match &self.entry {
            Some(entry) => record.seen_before(entry, outcome),
            None => record,
        }
    }
}
