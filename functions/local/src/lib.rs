//! The world on a desk: what the functions meet in an account, emulated closely enough to be trusted.
//!
//! - [`stepfunctions`] and [`codepipeline`] emulate the two services after what is documented and observed of
//!   them; where neither is, their behaviour is an option. They are passive: time and calls go in, answers
//!   and the events of EventBridge come out.
//! - [`memory`] is the ledger in memory.
//! - [`services`] speaks to the two as the core asks, over any wire, and lists what failed.
//! - [`desk`] puts them together as the core's `Target`, `Queue` and `Clock`.
//! - [`replay`] plays event files through the core against the desk.
//! - [`storm`] plays a storm of failures through the core, against AWS's quotas.
//! - [`serve`] answers the AWS JSON protocols over HTTP, for real SDKs and the AWS CLI.

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

pub mod api;
mod called;
pub mod codepipeline;
mod dates;
pub mod desk;
mod listings;
pub mod memory;
pub mod rehearse;
pub mod replay;
pub mod serve;
pub mod services;
pub mod stepfunctions;
pub mod storm;
pub mod words;
