//! A ledger in memory: for a desk, for tests, and for a function that is tried without an account.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redrive_core::failure::Subject;
use redrive_core::ledger::{Entry, Ledger, Pen, Swap, Take, Ticket};
use redrive_core::time::Time;
use redrive_core::trouble::Trouble;

/// Entries by the key of their subject. It may be shared by threads.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Mutex<BTreeMap<String, Entry>>,
}

impl Memory {
    /// Every entry, by the key of its subject.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().values().cloned().collect()
    }

    /// When the first of its entries wakes.
    pub fn next_wake(&self) -> Option<Time> {
        self.lock().values().filter_map(|entry| entry.wake).min()
    }

    // A thread that panicked while it held the lock left whole entries behind: each change is one insert.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for Memory {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Trouble> {
        Ok(self.lock().get(&subject.key()).cloned())
    }

    async fn swap(&self, entry: &Entry) -> Result<Swap, Trouble> {
        let mut entries = self.lock();
        let key = entry.subject.key();
        let stored = entries.get(&key);
        let replaces = stored.map_or(0, |stored| stored.revision);
        if entry.revision.checked_sub(1) != Some(replaces) {
            return Ok(Swap::Stale(stored.cloned()));
        }
        entries.insert(key, entry.clone());
        Ok(Swap::Stored)
    }

    async fn take(&self, ticket: &Ticket, pen: Pen<'_>) -> Result<Take, Trouble> {
        let mut entries = self.lock();
        let key = ticket.subject.key();
        let stored = entries.get(&key);
        let taken = stored
            .filter(|stored| stored.is_due(ticket, pen.now))
            .and_then(|stored| stored.take(pen).ok());
        let Some(taken) = taken else {
            return Ok(Take::Refused(stored.cloned()));
        };
        entries.insert(key, taken.clone());
        Ok(Take::Taken(taken))
    }

    async fn waking(&self, now: Time, most: usize) -> Result<Vec<Entry>, Trouble> {
        let mut waking: Vec<Entry> = self
            .lock()
            .values()
            .filter(|entry| entry.wake.is_some_and(|wake| wake <= now))
            .cloned()
            .collect();
        waking.sort_by_key(|entry| entry.wake);
        waking.truncate(most);
        Ok(waking)
    }
}
