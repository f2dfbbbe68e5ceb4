//! WIP
#![no_std]
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

extern crate alloc;

pub mod arn;
pub mod calls;
pub mod decide;
mod digest;
pub mod event;
pub mod failure;
pub mod handle;
pub mod history;
pub mod ledger;
pub mod pipeline;
pub mod policy;
pub mod sweep;
pub mod time;
mod tolerant;
pub mod trouble;
pub mod verdict;
