//! The steps of the protocol, played in the sandbox: what is lost, doubled, reordered, late, throttled or killed
//! changes neither how often a target is retried nor whether the ledger says why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod answers;
mod calls;
mod cancels;
mod delays;
mod discovery;
mod duplicates;
mod failed_states;
mod faulty_adapters;
mod kills;
mod limits;
mod lost;
mod modes;
mod never;
mod people;
mod poison;
mod races;
mod rate_limit;
mod refusals;
mod scene;
mod secrets;
mod stages;
mod won_back;
