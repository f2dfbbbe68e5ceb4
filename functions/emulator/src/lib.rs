//! AWS Step Functions and AWS CodePipeline emulated, as far as failures and retries go: in process and over HTTP.
//!
//! - [`stepfunctions`] and [`codepipeline`] emulate the documented and observed behaviour of the two services.
//!   Behaviour that is neither is an option. Both are passive: they receive calls and the time, and return answers
//!   and the events of EventBridge.
//! - [`region`] holds both services of one account and region.
//! - [`serve`] answers the AWS JSON protocols over HTTP, for real SDKs and the AWS CLI.
//!
//! README.md lists which behaviour is documented, which is observed, and which is an option.

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
pub mod region;
pub mod serve;
pub mod stepfunctions;

/// Compiles and runs the example of README.md as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
