//! The ledger: one entry for each subject, one transition table, and the claim that one may act.
//!
//! Every write carries the revision that it replaces, so that of all who race exactly one wins, and the
//! count is charged in the very write that claims. Who loses learns what won.

mod claim;
mod entries;
mod entry;
mod position;
mod state;
mod store;
mod terms;
mod ticket;

pub use self::claim::{Claim, Written, keep, take, write};
pub use self::entries::Entries;
pub use self::entry::{Attempt, Busy, Cancelled, EARLY, Entry, Judgement, Lease, Pen, Relation};
pub use self::position::{List, Position, Round, Targets, Turn};
pub use self::state::{Illegal, Opening, State, Step, next};
pub use self::store::{Ledger, Swap, Take};
pub use self::terms::{Owner, Terms};
pub use self::ticket::Ticket;

#[cfg(test)]
mod tests;
