//! The AWS adapters: the core's traits in an account.
//!
//! Today that is the [`ledger`] on DynamoDB, and [`target`]: [`stepfunctions`] and [`codepipeline`], as the core
//! looks at them and acts on them; [`failure_listing`] is how it finds what no event told of. [`bus`] tells
//! others what was decided. [`table`] says what the ledger's table is made of, and makes one for tests and
//! locally; [`http`] is the one HTTP client that the SDK's clients share.
//! [`environment`] makes those clients from the variables of a process.
//!
//! Nothing here decides anything: an error of a service becomes a
//! [`Error`](redrive_core::error::Error), which says what kind it is, which call met it and the error's
//! code, and never a message, since a service may quote what was sent.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

/// The SDK's client of DynamoDB, which who makes a [`ledger::DynamoDb`] needs.
pub use aws_sdk_dynamodb;

mod answer;
mod attempt_tracker;
pub mod bus;
pub mod calls;
pub mod codepipeline;
pub mod environment;
mod error;
pub mod failure_listing;
pub mod http;
pub mod ledger;
pub mod queue;
pub mod stepfunctions;
pub mod table;
pub mod target;
