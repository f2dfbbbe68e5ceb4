//! The claim that permits a retry, and the writes that create one.

use alloc::string::String;

use super::{
    CasResult, CheckpointStore, ClaimResult, Entry, EntryStore, RetryMessage, ScanCheckpoint,
    State, Writer,
};
use crate::digest;
use crate::error::Error;
use crate::failure::FailureId;

/// The permission to retry: an entry in the state `acting`, written by its owner.
///
/// INVARIANT: only [`write()`] and [`claim_due`] create a claim, and a [`Target`](crate::controller::Target) retries
/// nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim(pub(super) Entry);

impl Claim {
    fn new(entry: &Entry, won_back: bool) -> Self {
        Self(entry.doubted(won_back))
    }

    /// Returns the entry as stored in the ledger.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.0
    }

    /// Returns the `clientToken` for RedriveExecution, a digest of the ARN *and* redriveCount.
    ///
    /// INVARIANT: every copy of one failure has the same token, and the next failure has another.
    /// AWS: a token used before returns 200 and restarts nothing.
    /// AWS: a token has maximum 64 characters ("RedriveExecution", Step Functions API Reference).
    #[must_use]
    pub fn client_token(&self) -> String {
        let count = match &self.0.failure_id {
            FailureId::RedriveCount(count) => *count,
            FailureId::FailedActions(_) => 0,
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

/// The result of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// The entry was stored, and the owner may act.
    Claimed(Claim),
    /// The entry was stored, without a claim.
    Stored(Entry),
    /// Another owner wrote first. Holds the stored entry, if any.
    Conflict(Option<Entry>),
}

/// Writes an entry.
///
/// RACE: a write against its own repetition after a lost answer. The repetition conflicts with the owner's own stored
/// entry, and counts as stored. Whether the owner acted in between is unknown, so such a claim is in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn write<L: EntryStore>(ledger: &L, entry: Entry) -> Result<Written, Error> {
    let won_back = match ledger.put_if_revision(&entry).await? {
        CasResult::Stored => false,
        CasResult::Conflict(Some(stored)) if stored.is_write_of(&entry) => true,
        CasResult::Conflict(stored) => return Ok(Written::Conflict(stored)),
    };
    Ok(if entry.state == State::Acting {
        Written::Claimed(Claim::new(&entry, won_back))
    } else {
        Written::Stored(entry)
    })
}

/// Writes a checkpoint, and returns whether it is stored. As with [`write()`], a conflict with the same write counts as
/// stored.
///
/// # Errors
/// The ledger could not be reached.
pub async fn put_checkpoint<L: CheckpointStore>(
    ledger: &L,
    checkpoint: &ScanCheckpoint,
) -> Result<bool, Error> {
    Ok(match ledger.put_checkpoint(checkpoint).await? {
        CasResult::Stored => true,
        CasResult::Conflict(stored) => stored.is_some_and(|stored| {
            stored.revision == checkpoint.revision && stored.written_by == checkpoint.written_by
        }),
    })
}

/// The result of claiming a due retry for its owner.
#[derive(Debug, PartialEq, Eq)]
pub enum DueClaim {
    /// The owner may act.
    Claimed(Claim),
    /// The retry is not due, or is no longer queued. Holds the stored entry.
    Refused(Entry),
    /// The ledger has no entry of the subject.
    Gone,
}

/// Claims the retry that a message names. A second delivery of the message is void.
///
/// As with [`write()`], a conflict with the owner's own claim counts as claimed, in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn claim_due<L: EntryStore>(
    ledger: &L,
    retry_message: &RetryMessage,
    writer: Writer<'_>,
) -> Result<DueClaim, Error> {
    Ok(match ledger.claim_due(retry_message, writer).await? {
        ClaimResult::Claimed(entry) => DueClaim::Claimed(Claim::new(&entry, false)),
        ClaimResult::Refused(Some(stored))
            if stored.failure_number == retry_message.failure_number
                && stored.written_by == *writer.owner
                && stored.state == State::Acting =>
        {
            DueClaim::Claimed(Claim::new(&stored, true))
        }
        ClaimResult::Refused(Some(stored)) => DueClaim::Refused(stored),
        ClaimResult::Refused(None) => DueClaim::Gone,
    })
}
