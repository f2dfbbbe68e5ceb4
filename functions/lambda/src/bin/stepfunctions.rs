//! Hears that a Step Functions execution failed, or how a retried one ended.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    redrive_lambda::handlers::stepfunctions::run().await
}
