//! The parts of the core that are specific to Step Functions.

pub(crate) mod arn;
pub mod definition;
pub(crate) mod event;
pub(crate) mod failure;
pub mod history;
pub(crate) mod reads;
