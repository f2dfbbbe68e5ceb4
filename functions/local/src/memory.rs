//! A ledger in memory: for a desk and for tests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use redrive_core::calls::Call;
use redrive_core::failure::Subject;
use redrive_core::ledger::{Entries, Entry, Ledger, Pen, Position, Swap, Take, Ticket};
use redrive_core::pace::Micros;
use redrive_core::time::Time;
use redrive_core::trouble::Trouble;

/// Entries that may be shared by threads.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Mutex<Entries>,
}

impl Memory {
    /// Every entry, by the key of its subject.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().iter().cloned().collect()
    }

    /// When the first of its entries wakes.
    pub fn next_wake(&self) -> Option<Time> {
        self.lock().iter().filter_map(|entry| entry.wake).min()
    }

    // A thread that panicked while it held the lock left whole entries behind: each change is one insert.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for Memory {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Trouble> {
        Ok(self.lock().read(subject).cloned())
    }

    async fn swap(&self, entry: &Entry) -> Result<Swap, Trouble> {
        Ok(self.lock().swap(entry))
    }

    async fn take(&self, ticket: &Ticket, pen: Pen<'_>) -> Result<Take, Trouble> {
        Ok(self.lock().take(ticket, pen))
    }

    async fn waking(&self, now: Time, most: usize) -> Result<Vec<Entry>, Trouble> {
        Ok(self.lock().waking(now, most))
    }

    async fn position(&self) -> Result<Option<Position>, Trouble> {
        Ok(self.lock().position().cloned())
    }

    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Trouble> {
        Ok(self.lock().reserve(call, from, span))
    }

    async fn keep(&self, position: &Position) -> Result<Swap<Position>, Trouble> {
        Ok(self.lock().keep(position))
    }
}
