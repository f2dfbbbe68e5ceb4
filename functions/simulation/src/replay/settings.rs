//! How to replay.

use redrive_core::controller::RunMode;
use redrive_core::policy::Document;

use super::story::{Definitions, Then};

/// How to replay.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The policy that is tried.
    pub document: Document,
    /// The mode that is tried.
    pub mode: RunMode,
    /// What a retried run comes to where no file tells.
    pub then: Then,
    /// State machines by name, in the Amazon States Language.
    pub definitions: Definitions,
}
