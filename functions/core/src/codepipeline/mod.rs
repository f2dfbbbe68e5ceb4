//! The parts of the core that are specific to CodePipeline.

pub(crate) mod event;
pub(crate) mod failure;
pub mod pipeline;
pub(crate) mod reads;
