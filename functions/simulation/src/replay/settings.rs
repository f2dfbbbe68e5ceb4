//! The settings of a replay.

use redrive_core::controller::RunMode;
use redrive_core::policy::Document;

use super::story::{Definitions, Then};

/// The settings of a replay.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The policy under trial.
    pub document: Document,
    /// The mode under trial.
    pub mode: RunMode,
    /// The outcome of a retried run that no file describes.
    pub then: Then,
    /// Definitions of state machines by name, in the Amazon States Language.
    pub definitions: Definitions,
}
