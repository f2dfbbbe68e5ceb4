//! One tick of the reconciliation: what waits in the due index is handed to the queue, and what an owner
//! left behind is taken over.

use alloc::vec::Vec;
use core::time::Duration;

use crate::controller::{Clock, Controller, Outcome, Queue, Record, RunMode, Target, bug};
use crate::error::Error;
use crate::failure::Subject;
use crate::ledger::{self, Entry, Ledger, State, Written};
use crate::time::Time;

/// So many entries one tick looks after, if it has the time.
pub const MAX_OF_A_TICK: usize = 2_000;

/// What one tick did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Queued retries that were handed to the queue, because it was time or because the queue had lost them.
    pub requeued: usize,
    /// Entries that were taken over.
    pub records: Vec<Record>,
    /// Entries that somebody else had moved meanwhile.
    pub conflicts: usize,
    /// Entries that met an error; they are checked again.
    pub errors: Vec<(Subject, Error)>,
    /// The age of the oldest claim that nobody had settled when the tick began: of those whose lease had run out.
    /// One that is older than a lease and the time between two ticks should not be.
    pub oldest_claim: Option<Duration>,
    /// More was waiting than the tick was allowed to see, or had time for.
    pub more: bool,
}

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Looks after at most `max` entries whose time has come, and begins with none after `until`: what is left
    /// waits for the next tick.
    ///
    /// # Errors
    /// The due index could not be read. An error of one entry stops none of the others.
    pub async fn sweep(&self, max: usize, until: Time) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        if self.mode == RunMode::Off {
            return Ok(swept);
        }
        let now = self.clock.now();
        let due_entries = self.ledger.due_entries(now, max).await?;
        swept.more = due_entries.len() >= max;
        let claims = due_entries.iter().filter(|entry| entry.state.is_claim());
        swept.oldest_claim = claims.map(|entry| now.since(entry.updated_at)).max();
        for entry in due_entries {
            if self.clock.now() >= until {
                swept.more = true;
                break;
            }
            let result = match entry.state {
                State::Queued => self.hand_over(&entry, &mut swept).await,
                State::Acting | State::InDoubt => self.take_over(&entry).await.map(|record| {
                    if record.outcome == Outcome::Conflict {
                        swept.conflicts = swept.conflicts.saturating_add(1);
                    } else {
                        swept.records.push(record);
                    }
                }),
                // Nothing is pending: the index was behind.
                _ => Ok(()),
            };
            if let Err(error) = result {
                swept.errors.push((entry.subject, error));
            }
        }
        Ok(swept)
    }

    /// Writes first, so that the next tick does not send it again, and then sends. If the sending fails it is
    /// overdue once more.
    async fn hand_over(&self, entry: &Entry, swept: &mut Swept) -> Result<(), Error> {
        let (queued, delay) = entry.requeue(self.writer()).map_err(bug)?;
        match ledger::write(self.ledger, queued).await? {
            Written::Stored(entry) => {
                if delay <= self.timing.max_queue_delay {
                    self.queue.send(&entry.retry_message(), delay).await?;
                    swept.requeued = swept.requeued.saturating_add(1);
                }
                Ok(())
            }
            Written::Conflict(_) => {
                swept.conflicts = swept.conflicts.saturating_add(1);
                Ok(())
            }
            Written::Claimed(_) => Err(bug("a queued entry claims nothing")),
        }
    }
}
