//! Entries in memory: the ledger's rules over a map.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Entry, Pen, Position, Swap, Take, Ticket};
use crate::calls::Call;
use crate::failure::Subject;
use crate::pace::Micros;
use crate::time::Time;

/// Entries by the key of their subject. Whoever lends it out, behind a lock or not, has a
/// [`Ledger`](super::Ledger) that keeps the contract.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    entries: BTreeMap<String, Entry>,
    position: Option<Position>,
    reserved: BTreeMap<Call, Micros>,
}

impl Entries {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            position: None,
            reserved: BTreeMap::new(),
        }
    }

    /// Every entry, by the key of its subject.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// [`Ledger::read`](super::Ledger::read).
    #[must_use]
    pub fn read(&self, subject: &Subject) -> Option<&Entry> {
        self.entries.get(&subject.key())
    }

    /// Forgets a subject, as TTL does.
    pub fn remove(&mut self, subject: &Subject) -> Option<Entry> {
        self.entries.remove(&subject.key())
    }

    /// [`Ledger::swap`](super::Ledger::swap).
    pub fn swap(&mut self, entry: &Entry) -> Swap {
        let key = entry.subject.key();
        let stored = self.entries.get(&key);
        let replaces = stored.map_or(0, |stored| stored.revision);
        if entry.revision.checked_sub(1) != Some(replaces) {
            return Swap::Stale(stored.cloned());
        }
        self.entries.insert(key, entry.clone());
        Swap::Stored
    }

    /// [`Ledger::take`](super::Ledger::take).
    pub fn take(&mut self, ticket: &Ticket, pen: Pen<'_>) -> Take {
        let key = ticket.subject.key();
        let stored = self.entries.get(&key);
        let taken = stored
            .filter(|stored| stored.is_due(ticket, pen.now))
            .and_then(|stored| stored.take(pen).ok());
        let Some(taken) = taken else {
            return Take::Refused(stored.cloned());
        };
        self.entries.insert(key, taken.clone());
        Take::Taken(taken)
    }

    /// [`Ledger::waking`](super::Ledger::waking).
    #[must_use]
    pub fn waking(&self, now: Time, most: usize) -> Vec<Entry> {
        let mut waking: Vec<&Entry> = self
            .iter()
            .filter(|entry| entry.wake.is_some_and(|wake| wake <= now))
            .collect();
        waking.sort_by_key(|entry| entry.wake);
        waking.into_iter().take(most).cloned().collect()
    }

    /// [`Ledger::position`](super::Ledger::position).
    #[must_use]
    pub const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// [`Ledger::keep`](super::Ledger::keep).
    pub fn keep(&mut self, position: &Position) -> Swap<Position> {
        let replaces = self.position.as_ref().map_or(0, |stored| stored.revision);
        if position.revision.checked_sub(1) != Some(replaces) {
            return Swap::Stale(self.position.clone());
        }
        self.position = Some(position.clone());
        Swap::Stored
    }

    /// [`Ledger::reserve`](super::Ledger::reserve).
    pub fn reserve(&mut self, call: Call, from: Micros, span: Micros) -> Micros {
        let ends = self.reserved.get(&call).copied().unwrap_or_default();
        let begins = ends.max(from);
        self.reserved.insert(call, begins.plus(span));
        begins
    }
}
