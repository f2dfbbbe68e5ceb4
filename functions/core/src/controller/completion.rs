//! One success or termination of a subject.

use core::time::Duration;

use super::{Clock, Controller, MAX_ATTEMPTS, Queue, RunMode, Target, bug};
use crate::error::{Error, ErrorKind};
use crate::event::{Completion, CompletionKind};
use crate::failure::FailureId;
use crate::ledger::{self, Entry, EntryStore, Relation, SlotStore, State, Written};
use crate::record::{Outcome, Record};
use crate::verdict::Reason;

impl<L: EntryStore + SlotStore, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
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
                    record.failure_id = Some(entry.failure_id.clone());
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
}
