//! The code that the two handlers of events share.

use std::process::ExitCode;
use std::time::Instant;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use redrive_aws::bus::PutCounts;
use redrive_core::controller::{Clock, Record};
use redrive_core::event::subject_of;

use super::dry_run::DryRunFunction;
use super::invocation::{diagnostic, since};
use super::setup::{DeployedFunction, open};
use crate::clock::SystemClock;
use crate::payload::Payload;
use crate::settings::Settings;

/// Handles the events of one service. `function` is the function's name in the wide line.
pub(super) async fn run(function: &'static str) -> ExitCode {
    open(async |settings: Settings| match settings.account {
        Some(account) => {
            let deployed = DeployedFunction::new(function, &settings.document, account)?;
            lambda_runtime::run(service_fn(|event| deployed.event(event))).await
        }
        None => {
            let dry_run = DryRunFunction::new(function, &settings.document);
            lambda_runtime::run(service_fn(async |event| {
                Ok::<_, Error>(dry_run.event(&event))
            }))
            .await
        }
    })
    .await
}

impl DeployedFunction<'_> {
    /// Handles one event of EventBridge. Lambda invokes the function again after an error.
    async fn event(&self, event: LambdaEvent<Payload>) -> Result<Record, Diagnostic> {
        let began = Instant::now();
        let request_id = &event.context.request_id;
        let bytes = match event.payload.bytes() {
            Ok(bytes) => bytes,
            Err(malformed) => {
                let record = Record::malformed(SystemClock.now(), malformed.clone());
                self.wide(request_id, None, since(began), PutCounts::default())
                    .record(&record);
                return Ok(record);
            }
        };
        let owner = self.owners.next(request_id);
        // The future is boxed, since the nested futures of the controller and the SDK exceed the compiler's limits.
        let result = Box::pin(self.controller(&owner).event(bytes, &self.sources)).await;
        let took = since(began);
        let put_counts = self.put_decisions(result.iter()).await;
        let wide = self.wide(request_id, None, took, put_counts);
        match result {
            Ok(record) => {
                wide.record(&record);
                Ok(record)
            }
            Err(error) => {
                wide.error(subject_of(bytes).as_ref(), &error);
                Err(diagnostic(&error))
            }
        }
    }
}
