//! The handlers that Lambda invokes, one file for each function. A handler passes its payload to the core.
//!
//! [`stepfunctions`] and [`codepipeline`] differ only in the function's name in the wide line.

pub mod codepipeline;
mod dry_run;
pub mod due;
mod events;
mod invocation;
mod panics;
mod setup;
pub mod stepfunctions;
pub mod sweep;
