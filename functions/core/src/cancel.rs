//! A person takes back a retry that waits for its time.
//!
//! It is one conditional write, like everything that changes an entry: against an owner that takes the same
//! retry one of the two wins, and the other changes nothing. The message that still waits in the queue finds
//! the entry given up, and is void.

use crate::controller::{MAX_ATTEMPTS, bug};
use crate::error::{Error, ErrorKind};
use crate::failure::Subject;
use crate::ledger::{self, Cancelled, Entry, Ledger, State, Writer, Written};
use crate::verdict::Reason;

/// What cancelling came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancel {
    /// The retry was given up now; the entry as it stands.
    Cancelled(Entry),
    /// A person had cancelled it before; nothing was written.
    Already(Entry),
    /// No retry is queued; nothing was written.
    NotQueued(Entry),
    /// The ledger knows nothing of the subject.
    Unheard,
}

/// Gives up the retry of a subject that is queued now, whichever of its failures it is for: who loses against
/// another write reads what won and judges anew.
///
/// # Errors
/// The ledger could not be reached, or the entry changed at every try.
pub async fn cancel<L: Ledger>(
    ledger: &L,
    subject: &Subject,
    cancelled: &Cancelled,
    writer: Writer<'_>,
) -> Result<Cancel, Error> {
    let mut stored = ledger.read(subject).await?;
    for _ in 0..MAX_ATTEMPTS {
        let Some(entry) = stored else {
            return Ok(Cancel::Unheard);
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
