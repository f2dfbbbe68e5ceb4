//! The part of a stage that a retry runs again.

use serde::{Deserialize, Serialize};

/// The mode in which CodePipeline retries a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StageRetryMode {
    /// Only the actions that failed.
    #[default]
    FailedActions,
    /// The stage from its first action.
    AllActions,
}

impl StageRetryMode {
    /// Returns the word that the API and policies use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailedActions => "FAILED_ACTIONS",
            Self::AllActions => "ALL_ACTIONS",
        }
    }
}
