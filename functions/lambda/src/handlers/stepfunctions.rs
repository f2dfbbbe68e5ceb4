//! Executions of Step Functions that failed, and how retried ones ended.

use std::process::ExitCode;

/// Handles the events of Step Functions.
pub async fn run() -> ExitCode {
    super::events::run("stepfunctions").await
}
