//! The function for failed stages of pipelines, and for retried stages that ended.

use std::process::ExitCode;

/// Handles the events of CodePipeline.
pub async fn run() -> ExitCode {
    super::events::run("codepipeline").await
}
