//! The AWS adapters, which implement the core's traits in an account.
//!
//! - [`ledger`] stores entries in DynamoDB.
//! - [`target`] joins [`stepfunctions`] and [`codepipeline`], through which the core reads and retries targets.
//! - [`failure_listing`] lists failures that no event announced.
//! - [`queue`] sends retry messages to SQS.
//! - [`bus`] publishes decisions on an event bus.
//! - [`table`] defines the ledger's table, and creates one for tests and locally.
//! - [`environment`] builds the SDK's clients from the variables of a process.
//! - [`http`] builds the one HTTP client that they share, and [`calls`] counts their requests.
//!
//! The adapters decide nothing. They turn an error of a service into an [`Error`](redrive_core::error::Error).
//! That error holds its kind, the call and the service's code. It holds no message, since a message may quote the
//! request.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

/// The SDK's crate for DynamoDB. Its client is an argument of [`ledger::DynamoDb::new`].
pub use aws_sdk_dynamodb;

mod answer;
mod attempt_tracker;
pub mod bus;
pub mod calls;
pub mod codepipeline;
pub mod empty_answer;
pub mod environment;
mod error;
pub mod failure_listing;
pub mod http;
pub mod ledger;
pub mod queue;
pub mod stepfunctions;
pub mod table;
pub mod target;
