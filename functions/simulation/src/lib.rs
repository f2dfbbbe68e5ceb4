//! The core over emulated services, in virtual time: replays, simulations with faults, and storms.
//!
//! - [`memory`] is the ledger in memory.
//! - [`services`] makes the core's calls to the two services through any [`JsonApi`](services::JsonApi). The crate
//!   lists failures through the same trait.
//! - [`kernel`] is the virtual time of every simulation: clock and agenda, the services, and the core's invocations.
//! - [`replay`] plays event files through the core against the sandbox.
//! - [`faults`] injects faults into a simulation and checks the invariants after every step.
//! - [`storm`] plays a storm of failures through the core against AWS's quotas.

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

mod failure_listing;
pub mod faults;
pub mod kernel;
pub mod memory;
pub mod replay;
pub mod services;
pub mod storm;
mod triggers;
pub mod words;
