//! The claim that one may act, and the writes that make one.

use alloc::string::String;

use super::{Entry, Ledger, Pen, Position, State, Swap, Take, Ticket};
use crate::digest;
use crate::failure::Identity;
use crate::error::Error;

/// The proof that one may act: an entry in the state `acting`, written by its owner. Only [`write()`] and
/// [`take`] make one, and a [`Target`](crate::controller::Target) acts on nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim(pub(super) Entry);

impl Claim {
    fn new(entry: Entry, won_back: bool) -> Self {
        Self(Entry {
            uncertain: entry.uncertain || won_back,
            ..entry
        })
    }

    /// The entry as it stands in the ledger.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.0
    }

    /// The `clientToken` for RedriveExecution: from the ARN *and* redriveCount, so that every copy of one
    /// failure has the same and the next failure has another. A token used before answers 200 and restarts
    /// nothing. 64 characters, the most that AWS takes.
    #[must_use]
    pub fn client_token(&self) -> String {
        let count = match &self.0.identity {
            Identity::RedriveCount(count) => *count,
            Identity::FailedActions(_) => 0,
        };
        digest::hex(&[
            b"clientToken",
            self.0.subject.arn().as_bytes(),
            &count.to_be_bytes(),
        ])
    }

    pub(crate) fn into_entry(self) -> Entry {
        self.0
    }
}

/// What a write came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// It was stored, and the owner may act.
    Claimed(Claim),
    /// It was stored.
    Stored(Entry),
    /// Somebody else was first. What is stored now.
    Lost(Option<Entry>),
}

/// Writes an entry. One that is refused because it is stored already, by this owner, is won: its answer was
/// lost and the write was repeated. Whether the owner acted in between it cannot know, so that such a claim
/// is in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn write<L: Ledger>(ledger: &L, entry: Entry) -> Result<Written, Error> {
    let won_back = match ledger.swap(&entry).await? {
        Swap::Stored => false,
        Swap::Stale(Some(stored)) if stored.is_write_of(&entry) => true,
        Swap::Stale(stored) => return Ok(Written::Lost(stored)),
    };
    Ok(if entry.state == State::Acting {
        Written::Claimed(Claim::new(entry, won_back))
    } else {
        Written::Stored(entry)
    })
}

/// Keeps a position, and answers whether it is kept. As with [`write()`], one that meets itself is.
///
/// # Errors
/// The ledger could not be reached.
pub async fn keep<L: Ledger>(ledger: &L, position: &Position) -> Result<bool, Error> {
    Ok(match ledger.keep(position).await? {
        Swap::Stored => true,
        Swap::Stale(stored) => stored
            .is_some_and(|stored| stored.revision == position.revision && stored.by == position.by),
    })
}

/// Takes what a ticket names. A ticket that comes twice is void the second time. As with [`write()`], a take
/// that meets itself is won, in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn take<L: Ledger>(
    ledger: &L,
    ticket: &Ticket,
    pen: Pen<'_>,
) -> Result<Result<Claim, Option<Entry>>, Error> {
    Ok(match ledger.take(ticket, pen).await? {
        Take::Taken(entry) => Ok(Claim::new(entry, false)),
        Take::Refused(Some(stored))
            if stored.failure == ticket.failure
                && stored.by == *pen.owner
                && stored.state == State::Acting =>
        {
            Ok(Claim::new(stored, true))
        }
        Take::Refused(stored) => Err(stored),
    })
}
