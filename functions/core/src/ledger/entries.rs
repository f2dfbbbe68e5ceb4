//! Entries in memory: the ledger's contract over a map.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{CasResult, ClaimResult, Entry, RetryMessage, ScanCheckpoint, Writer};
use crate::failure::Subject;
use crate::rate_limiter::Micros;
use crate::services::Service;
use crate::time::Time;

/// Entries by the key of their subject. A wrapper around it, with a lock or a cell, implements the contract of
/// [`Ledger`](super::Ledger).
#[derive(Debug, Clone, Default)]
pub struct Entries {
    entries: BTreeMap<String, Entry>,
    checkpoint: Option<ScanCheckpoint>,
    reserved: BTreeMap<Service, Micros>,
}

impl Entries {
    /// Returns a ledger without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            checkpoint: None,
            reserved: BTreeMap::new(),
        }
    }

    /// Returns every entry, in the order of the subjects' keys.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Implements [`EntryStore::read`](super::EntryStore::read).
    #[must_use]
    pub fn read(&self, subject: &Subject) -> Option<&Entry> {
        self.entries.get(&subject.key())
    }

    /// Removes the entry of a subject, as DynamoDB's TTL does.
    pub fn remove(&mut self, subject: &Subject) -> Option<Entry> {
        self.entries.remove(&subject.key())
    }

    /// Implements [`EntryStore::put_if_revision`](super::EntryStore::put_if_revision).
    pub fn put_if_revision(&mut self, entry: &Entry) -> CasResult {
        let key = entry.subject.key();
        let stored = self.entries.get(&key);
        let replaces = stored.map_or(0, |stored| stored.revision);
        if entry.revision.checked_sub(1) != Some(replaces) {
            return CasResult::Conflict(stored.cloned());
        }
        self.entries.insert(key, entry.clone());
        CasResult::Stored
    }

    /// Implements [`EntryStore::claim_due`](super::EntryStore::claim_due).
    pub fn claim_due(&mut self, retry_message: &RetryMessage, writer: Writer<'_>) -> ClaimResult {
        let key = retry_message.subject.key();
        let stored = self.entries.get(&key);
        let taken = stored
            .filter(|stored| stored.is_due(retry_message, writer.now))
            .and_then(|stored| stored.claim(writer).ok());
        let Some(taken) = taken else {
            return ClaimResult::Refused(stored.cloned());
        };
        self.entries.insert(key, taken.clone());
        ClaimResult::Claimed(taken)
    }

    /// Implements [`EntryStore::due_entries`](super::EntryStore::due_entries).
    #[must_use]
    pub fn due_entries(&self, now: Time, max: usize) -> Vec<Entry> {
        let mut due_entries: Vec<&Entry> = self
            .iter()
            .filter(|entry| {
                entry
                    .next_check_at
                    .is_some_and(|next_check_at| next_check_at <= now)
            })
            .collect();
        due_entries.sort_by_key(|entry| entry.next_check_at);
        due_entries.into_iter().take(max).cloned().collect()
    }

    /// Implements [`CheckpointStore::checkpoint`](super::CheckpointStore::checkpoint).
    #[must_use]
    pub const fn checkpoint(&self) -> Option<&ScanCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// Implements [`CheckpointStore::put_checkpoint`](super::CheckpointStore::put_checkpoint).
    pub fn put_checkpoint(&mut self, checkpoint: &ScanCheckpoint) -> CasResult<ScanCheckpoint> {
        let replaces = self.checkpoint.as_ref().map_or(0, |stored| stored.revision);
        if checkpoint.revision.checked_sub(1) != Some(replaces) {
            return CasResult::Conflict(self.checkpoint.clone());
        }
        self.checkpoint = Some(checkpoint.clone());
        CasResult::Stored
    }

    /// Implements [`SlotStore::reserve`](super::SlotStore::reserve).
    pub fn reserve(&mut self, service: Service, from: Micros, span: Micros) -> Micros {
        let ends = self.reserved.get(&service).copied().unwrap_or_default();
        let begins = ends.max(from);
        self.reserved.insert(service, begins.plus(span));
        begins
    }
}
