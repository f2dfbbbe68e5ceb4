//! What a store of entries must do.

use alloc::vec::Vec;

use super::{Entry, Pen, Position, Ticket};
use crate::calls::Call;
use crate::failure::Subject;
use crate::micros::Micros;
use crate::time::Time;
use crate::error::Error;

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap<T = Entry> {
    /// It was stored.
    Stored,
    /// Another revision is stored, or none; nothing was changed.
    Stale(Option<T>),
}

/// What taking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// It was taken; the entry as it stands now.
    Taken(Entry),
    /// It was not queued in that revision; nothing was changed.
    Refused(Option<Entry>),
}

/// Where entries are kept. Every method is one call of the store.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Ledger {
    /// The entry of a subject, read consistently.
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error>;

    /// Stores `entry` if the stored revision is the one before `entry.revision`, or if nothing is stored and
    /// that is 1. Otherwise answers what is stored.
    async fn swap(&self, entry: &Entry) -> Result<Swap, Error>;

    /// Applies [`Entry::take`] if [`Entry::is_due`] says that the ticket brings back the stored entry.
    /// Otherwise answers what is stored.
    async fn take(&self, ticket: &Ticket, pen: Pen<'_>) -> Result<Take, Error>;

    /// Entries whose `wake` is not after `now`, those first that have waited longest, `most` at the most.
    /// It may miss the last moments' writes.
    async fn waking(&self, now: Time, most: usize) -> Result<Vec<Entry>, Error>;

    /// The position of the search for what was never announced, read consistently. It never expires.
    async fn position(&self) -> Result<Option<Position>, Error>;

    /// Stores `position` if the stored revision is the one before `position.revision`, or if nothing is stored
    /// and that is 1. Otherwise answers what is stored.
    async fn keep(&self, position: &Position) -> Result<Swap<Position>, Error>;

    /// Reserves `span` of a call's time, for as many slots as lie in it, and answers when it begins: where the last
    /// reservation of anybody ends, but not before `from`.
    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Error>;
}
