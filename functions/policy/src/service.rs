//! The services whose failures a policy judges.

use serde::{Deserialize, Serialize};

/// A service whose failures a policy judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// AWS Step Functions.
    StepFunctions,
    /// AWS CodePipeline.
    CodePipeline,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 2] = [Self::StepFunctions, Self::CodePipeline];

    /// Returns the word that records use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StepFunctions => "step_functions",
            Self::CodePipeline => "code_pipeline",
        }
    }
}
