//! The four Lambda functions. Each builds the adapters of `redrive-aws` once, and passes its events to the core.
//!
//! [`handlers`] holds the functions' handlers. [`settings`] reads the environment and the policy.
//!
//! Each handling ends with one wide line, which [`log`] writes as JSON. CloudWatch extracts the metrics from it.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod answer;
mod clock;
pub mod handlers;
pub mod log;
mod metrics;
mod payload;
#[cfg(test)]
mod samples;
pub mod settings;
mod tick;
mod wide;
