//! The code that the two handlers of events share.

use std::process::ExitCode;
use std::time::Instant;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};

use super::dry_run::DryRunFunction;
use super::invocation::{diagnostic, since};
use super::panics;
use super::setup::{DeployedFunction, open};
use crate::answer::Answer;
use crate::payload::Payload;
use crate::settings::Settings;

/// Handles the events of one service. `function` is the function's name in the wide line.
pub(super) async fn run(function: &'static str) -> ExitCode {
    open(function, async |settings: Settings| {
        match settings.account {
            Some(account) => {
                let deployed = DeployedFunction::new(function, &settings.document, account)?;
                lambda_runtime::run(service_fn(|event| deployed.event(event))).await
            }
            None => {
                let dry_run = DryRunFunction::new(function, &settings.document);
                lambda_runtime::run(service_fn(async |event| {
                    Ok::<_, Error>(dry_run.event(&event).await?)
                }))
                .await
            }
        }
    })
    .await
}

impl DeployedFunction<'_> {
    /// Handles one event of EventBridge. Lambda invokes the function again after an error.
    async fn event(&self, event: LambdaEvent<Payload>) -> Result<Answer, Diagnostic> {
        let began = Instant::now();
        let request_id = &event.context.request_id;
        panics::handling(request_id, None);
        let owner = self.owners.next(request_id);
        let event = event.payload.event(&self.sources);
        let subject = event.subject().cloned();
        panics::handling(request_id, subject.as_ref());
        // The future is boxed, since the nested futures of the controller and the SDK exceed the compiler's limits.
        let result = Box::pin(self.controller(&owner).parsed(event)).await;
        let took = since(began);
        let put_counts = self.put_decisions(result.iter()).await;
        let wide = self.wide(request_id, None, took, put_counts);
        match result {
            Ok(record) => {
                wide.record(&record);
                Ok(record.into())
            }
            Err(error) => {
                wide.error(subject.as_ref(), &error);
                Err(diagnostic(&error))
            }
        }
    }
}
