//! What only CodePipeline knows.

pub(crate) mod event;
pub(crate) mod failure;
pub mod pipeline;
pub(crate) mod reads;
