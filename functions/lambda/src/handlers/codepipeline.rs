//! Stages of pipelines that failed, and how retried ones ended.

use std::process::ExitCode;

/// Handles the events of CodePipeline.
pub async fn run() -> ExitCode {
    super::events::run("codepipeline").await
}
