//! The ledger: one entry for each subject, one transition table, and the claim that one may act.
//!
//! Every write carries the revision that it replaces, so that of all who race exactly one wins, and the
//! count is charged in the very write that claims. Who loses learns what won.

mod checkpoint;
mod claim;
mod entries;
mod entry;
mod retry_message;
mod state;
mod store;
mod timing;

pub use self::checkpoint::{List, Pass, ScanCheckpoint, TargetCursor, Targets};
pub use self::claim::{Claim, Written, claim_due, put_checkpoint, write};
pub use self::entries::Entries;
pub use self::entry::{
    Attempt, Cancelled, Decided, EARLY, Entry, Lease, Relation, Throttling, Writer,
};
pub use self::retry_message::RetryMessage;
pub use self::state::{InitialState, State, Transition, TransitionError, transition};
pub use self::store::{CasResult, ClaimResult, Ledger};
pub use self::timing::{Owner, Timing};

#[cfg(test)]
mod tests;
