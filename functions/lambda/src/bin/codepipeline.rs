//! Hears that a stage of a pipeline failed, or how a retried one ended.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    redrive_lambda::handlers::codepipeline::run().await
}
