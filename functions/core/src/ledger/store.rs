//! The contract of a store of entries.

use alloc::vec::Vec;

use super::{Entry, RetryMessage, ScanCheckpoint, Writer};
use crate::error::Error;
use crate::failure::Subject;
use crate::micros::Micros;
use crate::services::Service;
use crate::time::Time;

/// The result of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CasResult<T = Entry> {
    /// The write was stored.
    Stored,
    /// Another revision is stored, or none; nothing was changed.
    Conflict(Option<T>),
}

/// The result of claiming a due retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimResult {
    /// The retry was claimed. Holds the entry as stored now.
    Claimed(Entry),
    /// The stored entry is not the due retry of the message; nothing was changed. Holds the stored entry, if any.
    Refused(Option<Entry>),
}

/// Entries to check, the longest wait first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueEntries {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The number of due items of a newer schema. They are left alone.
    pub newer_schema: usize,
    /// The number of due items that cannot be read.
    pub unreadable: usize,
    /// The ledger has more due items than were read.
    pub more: bool,
}

impl From<Vec<Entry>> for DueEntries {
    fn from(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }
}

/// The store of entries. Every method is one call of the store.
///
/// The conditional writes of one subject, in time. Each replaces the revision that it names, so of two writers one
/// meets a conflict and gets the stored entry:
///
/// ```text
/// revision 1      2          3         4           5
///          |      |          |         |           |
///      put: open  claim_due  put:      put: judge  put: claim
///      (queued)   (acting)   settle    the next    or settle ...
///                            (retried) failure
/// ```
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait EntryStore {
    /// Reads the entry of a subject. Every write that was answered before the call is in the answer.
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error>;

    /// Stores `entry` if the stored revision is the one before `entry.revision`, or if no entry is stored and
    /// `entry.revision` is 1. Otherwise returns the stored entry. Once it has returned `Stored`, no other write of that
    /// revision is stored.
    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error>;

    /// Applies [`Entry::claim`] if [`Entry::is_due`] holds for the stored entry and the retry message.
    /// Otherwise returns the stored entry. Once it has returned `Claimed`, no other call claims that retry.
    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error>;

    /// Returns entries whose `next_check_at` is not after `now`, the longest wait first, maximum `max`.
    /// The result may miss the most recent writes.
    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error>;
}

/// The store of the checkpoint of discovery.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait CheckpointStore {
    /// Reads the checkpoint, consistently. It never expires.
    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error>;

    /// Stores `checkpoint` if the stored revision is the one before `checkpoint.revision`, or if none is stored and
    /// `checkpoint.revision` is 1. Otherwise returns the stored checkpoint.
    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error>;
}

/// The store of reserved slots.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait SlotStore {
    /// Reserves `span` of a call's time for the slots in it, and returns its start. Once it has returned, no other
    /// reservation overlaps that span.
    ///
    /// The span starts at the end of the last reservation of any process, but not before `from`.
    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error>;
}

/// All that the sweep stores. The cache of definitions is apart: it may lose what it holds.
pub trait Ledger: EntryStore + CheckpointStore + SlotStore {}

impl<L: EntryStore + CheckpointStore + SlotStore> Ledger for L {}
