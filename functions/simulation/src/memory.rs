//! A ledger in memory: for a desk and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redrive_core::calls::Call;
use redrive_core::definition::Known;
use redrive_core::failure::Subject;
use redrive_core::ledger::{Entries, Entry, Ledger, Pen, Position, Swap, Take, Ticket};
use redrive_core::pace::Micros;
use redrive_core::reads::Shelf;
use redrive_core::time::Time;
use redrive_core::error::Error;

/// Entries that may be shared by threads.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Mutex<Entries>,
    known: Mutex<BTreeMap<String, Known>>,
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

    fn lock(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }
}

// A thread that panicked while it held the lock left whole entries behind: each change is one insert.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger for Memory {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        Ok(self.lock().read(subject).cloned())
    }

    async fn swap(&self, entry: &Entry) -> Result<Swap, Error> {
        Ok(self.lock().swap(entry))
    }

    async fn take(&self, ticket: &Ticket, pen: Pen<'_>) -> Result<Take, Error> {
        Ok(self.lock().take(ticket, pen))
    }

    async fn waking(&self, now: Time, most: usize) -> Result<Vec<Entry>, Error> {
        Ok(self.lock().waking(now, most))
    }

    async fn position(&self) -> Result<Option<Position>, Error> {
        Ok(self.lock().position().cloned())
    }

    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Error> {
        Ok(self.lock().reserve(call, from, span))
    }

    async fn keep(&self, position: &Position) -> Result<Swap<Position>, Error> {
        Ok(self.lock().keep(position))
    }
}

impl Shelf for Memory {
    async fn recall(&self, machine: &str) -> Option<Known> {
        lock(&self.known).get(machine).cloned()
    }

    async fn note(&self, machine: &str, known: &Known, _: Time) {
        lock(&self.known).insert(machine.to_owned(), known.clone());
    }
}
