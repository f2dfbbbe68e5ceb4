//! The withdrawal of a queued retry by a person.
//!
//! RACE: a cancellation against an owner that claims the same retry. Both are conditional writes, like every change of
//! an entry: one wins, and the other changes nothing.
//!
//! The message that still waits in the queue finds the entry given up, and is void.

use crate::controller::{MAX_ATTEMPTS, bug};
use crate::error::{Error, ErrorKind};
use crate::failure::Subject;
use crate::ledger::{self, Cancelled, Entry, EntryStore, State, Writer, Written};
use crate::verdict::Reason;

/// The result of a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancel {
    /// The retry was given up now. Holds the entry as stored.
    Cancelled(Entry),
    /// A person had cancelled the retry before; nothing was written.
    Already(Entry),
    /// No retry is queued; nothing was written.
    NotQueued(Entry),
    /// The ledger has no entry for the subject.
    NoEntry,
}

/// Gives up the queued retry of a subject, whichever of its failures the retry is for.
///
/// After a conflict with another write, the cancellation is checked again against the stored entry.
///
/// # Errors
/// The ledger could not be reached, or the entry changed at every try.
pub async fn cancel<L: EntryStore>(
    ledger: &L,
    subject: &Subject,
    cancelled: &Cancelled,
    writer: Writer<'_>,
) -> Result<Cancel, Error> {
    let mut stored = ledger.read(subject).await?;
    for _ in 0..MAX_ATTEMPTS {
        let Some(entry) = stored else {
            return Ok(Cancel::NoEntry);
        };
        if entry.state == State::GivenUp && entry.reason() == Reason::Cancelled {
            return Ok(Cancel::Already(entry));
        }
        let Ok(given_up) = entry.cancel(cancelled.clone(), writer) else {
            return Ok(Cancel::NotQueued(entry));
        };
        match ledger::write(ledger, given_up).await? {
            Written::Stored(entry) => return Ok(Cancel::Cancelled(entry)),
            Written::Conflict(now_stored) => stored = now_stored,
            Written::Claimed(_) => return Err(bug("a cancelled entry claims nothing")),
        }
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        "the ledger entry changed at every try",
    ))
}
