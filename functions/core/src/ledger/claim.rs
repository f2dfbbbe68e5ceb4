//! The claim that one may act, and the writes that make one.

use alloc::string::String;

use super::{CasResult, ClaimResult, Entry, Ledger, RetryMessage, ScanCheckpoint, State, Writer};
use crate::digest;
use crate::error::Error;
use crate::failure::FailureId;

/// The proof that one may act: an entry in the state `acting`, written by its owner. Only [`write()`] and
/// [`claim_due`] make one, and a [`Target`](crate::controller::Target) acts on nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim(pub(super) Entry);

impl Claim {
    fn new(entry: Entry, won_back: bool) -> Self {
        Self(Entry {
            in_doubt: entry.in_doubt || won_back,
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

/// What a write came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// It was stored, and the owner may act.
    Claimed(Claim),
    /// It was stored.
    Stored(Entry),
    /// Somebody else was first. What is stored now.
    Conflict(Option<Entry>),
}

/// Writes an entry. One that is refused because it is stored already, by this owner, is won: its answer was
/// lost and the write was repeated. Whether the owner acted in between it cannot know, so that such a claim
/// is in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn write<L: Ledger>(ledger: &L, entry: Entry) -> Result<Written, Error> {
    let won_back = match ledger.put_if_revision(&entry).await? {
        CasResult::Stored => false,
        CasResult::Conflict(Some(stored)) if stored.is_write_of(&entry) => true,
        CasResult::Conflict(stored) => return Ok(Written::Conflict(stored)),
    };
    Ok(if entry.state == State::Acting {
        Written::Claimed(Claim::new(entry, won_back))
    } else {
        Written::Stored(entry)
    })
}

/// Keeps a checkpoint, and answers whether it is kept. As with [`write()`], one that meets itself is.
///
/// # Errors
/// The ledger could not be reached.
pub async fn put_checkpoint<L: Ledger>(
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

/// Takes what a retry message names. A retry message that comes twice is void the second time. As with [`write()`], a claim
/// that meets itself is won, in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn claim_due<L: Ledger>(
    ledger: &L,
    retry_message: &RetryMessage,
    writer: Writer<'_>,
) -> Result<Result<Claim, Option<Entry>>, Error> {
    Ok(match ledger.claim_due(retry_message, writer).await? {
        ClaimResult::Claimed(entry) => Ok(Claim::new(entry, false)),
        ClaimResult::Refused(Some(stored))
            if stored.failure_number == retry_message.failure_number
                && stored.written_by == *writer.owner
                && stored.state == State::Acting =>
        {
            Ok(Claim::new(stored, true))
        }
        ClaimResult::Refused(stored) => Err(stored),
    })
}
