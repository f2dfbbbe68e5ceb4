//! The ledger: one entry for each subject, one transition table, and the claim that one may act.
//!
//! Every write carries the revision that it replaces, so that of all who race exactly one wins, and the
//! count is charged in the very write that claims. Who loses learns what won.

mod claim;
mod entries;
mod entry;
mod checkpoint;
mod state;
mod store;
mod timing;
mod retry_message;

pub use self::claim::{Claim, Written, put_checkpoint, claim_due, write};
pub use self::entries::Entries;
pub use self::entry::{Attempt, Throttling, Cancelled, EARLY, Entry, Decided, Lease, Writer, Relation};
pub use self::checkpoint::{List, ScanCheckpoint, Pass, Targets, TargetCursor};
pub use self::state::{TransitionError, InitialState, State, Transition, transition};
pub use self::store::{Ledger, CasResult, ClaimResult};
pub use self::timing::{Owner, Timing};
pub use self::retry_message::RetryMessage;

#[cfg(test)]
mod tests;
