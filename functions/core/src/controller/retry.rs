//! One claim: read the target where that is due, retry, settle.

use super::{Clock, Controller, Queue, RunMode, Target, bug};
use crate::calls::CallResult;
use crate::decide::{is_outdated, still_allows};
use crate::error::Error;
use crate::failure::TargetState;
use crate::freshness;
use crate::ledger::{
    self, Claim, DueClaim, Entry, EntryStore, RetryMessage, SlotStore, State, TransitionError,
    Written,
};
use crate::record::{Outcome, Record};
use crate::verdict::Reason;

impl<L: EntryStore + SlotStore, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
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
            DueClaim::Claimed(claim) => {
                let record = record.of(claim.entry());
                self.retry(claim, true, record).await
            }
            DueClaim::Refused(entry) => {
                Ok(record.of(&entry).seen_before(&entry, Outcome::Duplicate))
            }
            DueClaim::Gone => Ok(Record {
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

    /// Retries a claim, after reading the target where that is due, and settles. `queued` is whether the claim follows
    /// a wait.
    pub(super) async fn retry(
        &self,
        claim: Claim,
        queued: bool,
        mut record: Record,
    ) -> Result<Record, Error> {
        let in_doubt = claim.entry().in_doubt;
        let now = self.clock.now();
        if freshness::verify_before_retry(claim.entry(), queued, now, self.timing) {
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
        // INVARIANT: the current mode and policy can withdraw a retry, never add one. A policy older than the verdict's
        // withdraws nothing.
        let acts = self.mode == RunMode::Act;
        if !acts || !still_allows(self.document, claim.entry()) {
            let (entry, writer) = (claim.entry(), self.writer());
            let waits = acts && is_outdated(self.document, entry, writer.now, self.timing);
            let (settled, outcome) = if waits {
                (entry.wait_for_policy(writer), Outcome::BackedOff)
            } else {
                let reason = Reason::PolicyChanged;
                (entry.give_up(reason, !in_doubt, writer), Outcome::GaveUp)
            };
            record.outcome = outcome;
            return self.settle(settled.map_err(bug)?, record).await;
        }
        let response = self.target.retry(&claim).await;
        let result = response.result;
        record.call_result = Some(result);
        if result == CallResult::Throttled {
            let service = claim.entry().subject.service();
            self.rate_limiter.throttled(service, self.clock.now());
        }
        let writer = self.writer();
        // A result from a bare HTTP status or an undocumented code may hide a retry that took effect. The charge stays.
        let entry = &claim.entry().doubted(response.in_doubt);
        let settled = match result {
            CallResult::Accepted => entry.accept(response.redriven, writer),
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
        writer: ledger::Writer<'_>,
    ) -> Result<Entry, TransitionError> {
        let running = reason == Reason::TargetChanged;
        let may_lag = freshness::may_lag(entry, writer.now, self.timing);
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
            _ if running && (entry.in_doubt || may_lag) => entry.verify_later(writer),
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
}
