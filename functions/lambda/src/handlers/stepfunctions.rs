//! The function for failed executions of Step Functions, and for retried executions that ended.

use std::process::ExitCode;

/// Handles the events of Step Functions.
pub async fn run() -> ExitCode {
    super::events::run("stepfunctions").await
}
