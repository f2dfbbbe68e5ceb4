//! What only Step Functions knows.

pub(crate) mod arn;
pub mod definition;
pub(crate) mod event;
pub(crate) mod failure;
pub mod history;
pub(crate) mod reads;
