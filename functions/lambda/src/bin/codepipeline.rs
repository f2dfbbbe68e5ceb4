//! Handles the events of failed stages, and of retried stages that ended.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    redrive_lambda::handlers::codepipeline::run().await
}
