//! The core over emulated services, in virtual time: replays, rehearsals and storms.
//!
//! - [`memory`] is the ledger in memory.
//! - [`services`] speaks to the two services as the core asks, over any wire, and lists what failed.
//! - [`desk`] puts them together as the core's `Target`, `Queue` and `Clock`.
//! - [`replay`] plays event files through the core against the desk.
//! - [`rehearse`] plays what can go wrong, and looks at the promises after every step.
//! - [`storm`] plays a storm of failures through the core, against AWS's quotas.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

pub mod desk;
mod kernel;
mod failure_listing;
pub mod memory;
pub mod rehearse;
pub mod replay;
mod rules;
pub mod services;
pub mod storm;
pub mod words;
