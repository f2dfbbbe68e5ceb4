//! One tick of the reconciliation. The sweep requeues queued retries of the due index, and takes over entries that an
//! owner left unsettled.

use alloc::vec::Vec;
use core::time::Duration;

use crate::controller::{Clock, Controller, Outcome, Queue, Record, RunMode, Target, bug};
use crate::error::Error;
use crate::failure::Subject;
use crate::ledger::{self, Entry, EntryStore, SlotStore, State, Written};
use crate::time::Time;

/// Maximum number of entries that one tick handles, if its time allows.
pub const MAX_OF_A_TICK: usize = 2_000;

/// The result of one tick.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// The number of retries sent to the queue, because their delay now fits or because the queue had lost them.
    pub requeued: usize,
    /// The records of the entries that were taken over.
    pub records: Vec<Record>,
    /// The number of entries that another writer changed meanwhile.
    pub conflicts: usize,
    /// Entries that met an error; a later tick checks them again.
    pub errors: Vec<(Subject, Error)>,
    /// The age of the oldest unsettled claim whose lease had run out when the tick began.
    /// An age above a lease plus the time between two ticks is a fault.
    pub oldest_claim: Option<Duration>,
    /// The number of due items that a newer version of this program wrote. They are left alone.
    pub newer_schema: usize,
    /// The number of due items that cannot be read.
    pub unreadable: usize,
    /// More entries were due than the tick could read or had time for.
    pub more: bool,
}

impl<L: EntryStore + SlotStore, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Handles maximum `max` due entries, and starts none after `until`. The rest waits for the next tick.
    ///
    /// # Errors
    /// The due index could not be read. An error of one entry stops none of the others.
    pub async fn sweep(&self, max: usize, until: Time) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        if self.mode == RunMode::Off {
            return Ok(swept);
        }
        let now = self.clock.now();
        let due = self.ledger.due_entries(now, max).await?;
        let due_entries = due.entries;
        swept.newer_schema = due.newer_schema;
        swept.unreadable = due.unreadable;
        swept.more = due.more || due_entries.len() >= max;
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
                // RACE: the due index against a settle. A ledger may still list an entry without a pending step.
                _ => Ok(()),
            };
            if let Err(error) = result {
                swept.errors.push((entry.subject.clone(), error));
            }
        }
        Ok(swept)
    }

    /// Requeues an entry: writes first, so that the next tick does not send the message again, and then sends.
    ///
    /// After a failed send, the entry becomes overdue once more.
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
