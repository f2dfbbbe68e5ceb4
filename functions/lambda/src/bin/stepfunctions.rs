//! Handles the events of executions that failed, and of retried ones that ended.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    redrive_lambda::handlers::stepfunctions::run().await
}
