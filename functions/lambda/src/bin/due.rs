//! Handles the queue's messages of retries whose delay is over.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    redrive_lambda::handlers::due::run().await
}
