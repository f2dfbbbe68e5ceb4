//! The ledger: one entry for each subject, one transition table, and the claim that one may act.
//!
//! Every write carries the revision that it replaces, so that of all who race exactly one wins, and the
//! count is charged in the very write that claims. Who loses learns what won.

mod entries;
mod entry;
mod position;
mod state;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::entries::Entries;
pub use self::entry::{Attempt, Busy, Cancelled, EARLY, Entry, Judgement, Lease, Pen, Relation};
pub use self::position::{List, Position, Round, Targets, Turn};
pub use self::state::{Illegal, Opening, State, Step, next};
use crate::calls::Call;
use crate::digest;
use crate::failure::{Identity, Subject};
use crate::pace::{Micros, Quotas};
use crate::time::Time;
use crate::trouble::Trouble;

/// Who writes: one handling of one event, message or entry. Two never share a name, not even when an event
/// comes again under the same request id or a message stands twice in one batch: a write that meets itself
/// counts as won, so two handlings with one name would both act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long things take and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long an owner may act before another takes over. Longer than a function may run and two clocks may
    /// differ, together: who takes over too early, as his clock is ahead, would act beside the owner.
    pub lease: Duration,
    /// How far the clocks of two functions may be apart.
    pub clocks_apart: Duration,
    /// How long after its time a queued retry counts as lost by the queue.
    pub overdue: Duration,
    /// The longest delay that the queue itself keeps: SQS DelaySeconds ends at 15 minutes.
    pub longest_queue_delay: Duration,
    /// How long CodePipeline's answers may lag behind its events.
    pub reads_settle: Duration,
    /// How old an event may be before the target is looked at again: what it announced may be long past.
    pub late: Duration,
    /// The first wait after a call that AWS was too busy to take; it doubles up to `longest_queue_delay`.
    pub busy: Duration,
    /// When a busy target is given up.
    pub give_up_busy: Duration,
    /// How long AWS redrives an execution.
    pub redrivable: Duration,
    /// How long an entry is kept after its last write: longer than AWS redrives.
    pub keep: Duration,
    /// How many retries AWS takes.
    pub quotas: Quotas,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            // The 90 s that a function may run, the clocks, and some to spare.
            lease: Duration::from_secs(420),
            clocks_apart: Duration::from_secs(300),
            overdue: Duration::from_secs(300),
            longest_queue_delay: Duration::from_secs(900),
            reads_settle: Duration::from_secs(90),
            late: Duration::from_secs(600),
            busy: Duration::from_secs(60),
            give_up_busy: Duration::from_secs(24 * 60 * 60),
            redrivable: Duration::from_secs(14 * 24 * 60 * 60),
            keep: Duration::from_secs(30 * 24 * 60 * 60),
            quotas: Quotas::default(),
        }
    }
}

/// What travels through the queue: whose retry, and of which failure. Nothing of the failure itself.
///
/// It names no revision: when a queue is slow and the sweep sends a retry once more, whichever message comes
/// first brings it, and the other finds it taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Whose.
    pub subject: Subject,
    /// [`Entry::failure`]. If the subject has failed anew, the ticket is void.
    pub failure: u32,
}

impl Ticket {
    /// Reads a message of the queue. None: it is no ticket, or its subject is none that can be retried.
    #[must_use]
    pub fn read(message: &str) -> Option<Self> {
        let ticket: Self = serde_json::from_str(message).ok()?;
        ticket.subject.is_sound().then_some(ticket)
    }
}

/// The proof that one may act: an entry in the state `acting`, written by its owner. Only [`write()`] and
/// [`take`] make one, and a [`Target`](crate::handle::Target) acts on nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim(Entry);

impl Claim {
    fn new(entry: Entry, won_back: bool) -> Self {
        Self(Entry {
            uncertain: entry.uncertain || won_back,
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
        let count = match &self.0.identity {
            Identity::RedriveCount(count) => *count,
            Identity::FailedActions(_) => 0,
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

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap<T = Entry> {
    /// It was stored.
    Stored,
    /// Another revision is stored, or none; nothing was changed.
    Stale(Option<T>),
}

/// What taking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// It was taken; the entry as it stands now.
    Taken(Entry),
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
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Trouble>;

    /// Stores `entry` if the stored revision is the one before `entry.revision`, or if nothing is stored and
    /// that is 1. Otherwise answers what is stored.
    async fn swap(&self, entry: &Entry) -> Result<Swap, Trouble>;

    /// Applies [`Entry::take`] if [`Entry::is_due`] says that the ticket brings back the stored entry.
    /// Otherwise answers what is stored.
    async fn take(&self, ticket: &Ticket, pen: Pen<'_>) -> Result<Take, Trouble>;

    /// Entries whose `wake` is not after `now`, those first that have waited longest, `most` at the most.
    /// It may miss the last moments' writes.
    async fn waking(&self, now: Time, most: usize) -> Result<Vec<Entry>, Trouble>;

    /// The position of the search for what was never announced, read consistently. It never expires.
    async fn position(&self) -> Result<Option<Position>, Trouble>;

    /// Stores `position` if the stored revision is the one before `position.revision`, or if nothing is stored
    /// and that is 1. Otherwise answers what is stored.
    async fn keep(&self, position: &Position) -> Result<Swap<Position>, Trouble>;

    /// Reserves `span` of a call's time, for as many slots as lie in it, and answers when it begins: where the last
    /// reservation of anybody ends, but not before `from`.
    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Trouble>;
}

/// What a write came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// It was stored, and the owner may act.
    Claimed(Claim),
    /// It was stored.
    Stored(Entry),
    /// Somebody else was first. What is stored now.
    Lost(Option<Entry>),
}

/// Writes an entry. One that is refused because it is stored already, by this owner, is won: its answer was
/// lost and the write was repeated. Whether the owner acted in between it cannot know, so that such a claim
/// is in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn write<L: Ledger>(ledger: &L, entry: Entry) -> Result<Written, Trouble> {
    let won_back = match ledger.swap(&entry).await? {
        Swap::Stored => false,
        Swap::Stale(Some(stored)) if stored.is_write_of(&entry) => true,
        Swap::Stale(stored) => return Ok(Written::Lost(stored)),
    };
    Ok(if entry.state == State::Acting {
        Written::Claimed(Claim::new(entry, won_back))
    } else {
        Written::Stored(entry)
    })
}

/// Keeps a position, and answers whether it is kept. As with [`write()`], one that meets itself is.
///
/// # Errors
/// The ledger could not be reached.
pub async fn keep<L: Ledger>(ledger: &L, position: &Position) -> Result<bool, Trouble> {
    Ok(match ledger.keep(position).await? {
        Swap::Stored => true,
        Swap::Stale(stored) => stored
            .is_some_and(|stored| stored.revision == position.revision && stored.by == position.by),
    })
}

/// Takes what a ticket names. A ticket that comes twice is void the second time. As with [`write()`], a take
/// that meets itself is won, in doubt.
///
/// # Errors
/// The ledger could not be reached.
pub async fn take<L: Ledger>(
    ledger: &L,
    ticket: &Ticket,
    pen: Pen<'_>,
) -> Result<Result<Claim, Option<Entry>>, Trouble> {
    Ok(match ledger.take(ticket, pen).await? {
        Take::Taken(entry) => Ok(Claim::new(entry, false)),
        Take::Refused(Some(stored))
            if stored.failure == ticket.failure
                && stored.by == *pen.owner
                && stored.state == State::Acting =>
        {
            Ok(Claim::new(stored, true))
        }
        Take::Refused(stored) => Err(stored),
    })
}

#[cfg(test)]
mod tests;
