//! What Lambda invokes: a file for each function, which hands to the core what it is handed.
//!
//! [`stepfunctions`] and [`codepipeline`] differ only in the name that their wide lines bear.

pub mod codepipeline;
mod dry_run;
pub mod due;
mod events;
mod invocation;
mod setup;
pub mod stepfunctions;
pub mod sweep;
