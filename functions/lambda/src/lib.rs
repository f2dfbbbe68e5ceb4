//! The four Lambda functions: they build the adapters of `redrive-aws` once, and hand each event to the core.
//!
//! [`handlers`] holds what Lambda invokes. [`settings`] reads the environment and the policy. Each handling ends with one
//! wide line, which [`log`] writes as JSON; CloudWatch reads the metrics out of it.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

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
