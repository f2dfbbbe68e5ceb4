//! A ledger in memory: for the sandbox and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redrive_core::definition::CachedDefinition;
use redrive_core::error::Error;
use redrive_core::failure::Subject;
use redrive_core::ledger::{
    CasResult, CheckpointStore, ClaimResult, DueEntries, Entries, Entry, EntryStore, RetryMessage,
    ScanCheckpoint, SlotStore, Writer,
};
use redrive_core::rate_limiter::Micros;
use redrive_core::reads::DefinitionCache;
use redrive_core::services::Service;
use redrive_core::time::Time;

/// A ledger in memory that threads may share.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Mutex<Entries>,
    /// Every stored definition of each machine, oldest first.
    definitions: Mutex<BTreeMap<String, Vec<CachedDefinition>>>,
}

impl Memory {
    /// Returns every entry, in the order of the subjects' keys.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().iter().cloned().collect()
    }

    /// Returns the earliest `next_check_at` of all entries.
    pub fn next_check_at(&self) -> Option<Time> {
        self.lock()
            .iter()
            .filter_map(|entry| entry.next_check_at)
            .min()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }

    /// Calls `f` with every stored definition of a machine, oldest first.
    pub(crate) fn with_definitions<R>(
        &self,
        machine: &str,
        f: impl FnOnce(&mut Vec<CachedDefinition>) -> R,
    ) -> R {
        f(lock(&self.definitions)
            .entry(machine.to_owned())
            .or_default())
    }
}

// INVARIANT: each change is one insert, so a thread that panicked with the lock held leaves whole entries behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EntryStore for Memory {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        Ok(self.lock().read(subject).cloned())
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        Ok(self.lock().put_if_revision(entry))
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        Ok(self.lock().claim_due(retry_message, writer))
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        Ok(self.lock().due_entries(now, max).into())
    }
}

impl CheckpointStore for Memory {
    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        Ok(self.lock().checkpoint().cloned())
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        Ok(self.lock().put_checkpoint(checkpoint))
    }
}

impl SlotStore for Memory {
    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        Ok(self.lock().reserve(service, from, span))
    }
}

impl DefinitionCache for Memory {
    async fn get(&self, machine: &str) -> Option<CachedDefinition> {
        self.with_definitions(machine, |stored| stored.last().cloned())
    }

    async fn put(&self, machine: &str, known: &CachedDefinition, _: Time) {
        self.with_definitions(machine, |stored| stored.push(known.clone()));
    }
}
