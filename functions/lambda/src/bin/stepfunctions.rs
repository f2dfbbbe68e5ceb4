//! Handles the events of failed executions, and of retried executions that ended.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    redrive_lambda::handlers::stepfunctions::run().await
}
