//! Sweeps due entries and searches for unannounced failures, on a schedule.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    redrive_lambda::handlers::sweep::run().await
}
