//! The ledger: one entry for each subject, one transition table, and the claim that permits a retry.
//!
//! INVARIANT: every write names the revision that it replaces, so that exactly one of several racing writers wins. The
//! write that claims also charges the rule. A losing writer gets the stored entry.

mod checkpoint;
mod claim;
mod entries;
mod entry;
mod retry_message;
mod state;
mod steps;
mod store;
mod timing;

pub use self::checkpoint::{List, Pass, ScanCheckpoint, TargetCursor, Targets};
pub use self::claim::{Claim, DueClaim, Written, claim_due, put_checkpoint, write};
pub use self::entries::Entries;
pub use self::entry::{
    Attempt, Cancelled, EARLY, Entry, EntryFields, Lease, Relation, Throttling, Writer,
};
pub use self::retry_message::RetryMessage;
pub use self::state::{InitialState, State, Transition, TransitionError, transition};
pub use self::steps::Decided;
pub use self::store::{
    CasResult, CheckpointStore, ClaimResult, DueEntries, EntryStore, Ledger, SlotStore,
};
pub use self::timing::{Owner, Timing};

#[cfg(test)]
mod tests;
