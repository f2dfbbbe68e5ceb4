//! What a store of entries must do.

use alloc::vec::Vec;

use super::{Entry, RetryMessage, ScanCheckpoint, Writer};
use crate::calls::Call;
use crate::error::Error;
use crate::failure::Subject;
use crate::micros::Micros;
use crate::time::Time;

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CasResult<T = Entry> {
    /// It was stored.
    Stored,
    /// Another revision is stored, or none; nothing was changed.
    Conflict(Option<T>),
}

/// What taking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimResult {
    /// It was taken; the entry as it stands now.
    Claimed(Entry),
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
    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error>;

    /// Applies [`Entry::claim`] if [`Entry::is_due`] says that the retry message brings back the stored entry.
    /// Otherwise answers what is stored.
    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error>;

    /// Entries whose `next_check_at` is not after `now`, those first that have waited longest, `max` at the most.
    /// It may miss the last moments' writes.
    async fn due_entries(&self, now: Time, max: usize) -> Result<Vec<Entry>, Error>;

    /// The checkpoint of the search for what was never announced, read consistently. It never expires.
    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error>;

    /// Stores `checkpoint` if the stored revision is the one before `checkpoint.revision`, or if nothing is stored
    /// and that is 1. Otherwise answers what is stored.
    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error>;

    /// Reserves `span` of a call's time, for as many slots as lie in it, and answers when it begins: where the last
    /// reservation of anybody ends, but not before `from`.
    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Error>;
}
