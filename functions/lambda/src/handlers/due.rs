//! The function for retries whose delay is over, in batches of the queue.

use std::process::ExitCode;
use std::time::Instant;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use redrive_aws::bus::PutCounts;
use redrive_core::controller::Clock;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::ledger::RetryMessage;

use super::invocation::{diagnostic, last_beginning, since};
use super::panics;
use super::setup::{DeployedFunction, in_account, open};
use crate::clock::SystemClock;
use crate::payload::Payload;
use crate::settings::Settings;

/// Handles the messages of retries whose delay is over.
pub async fn run() -> ExitCode {
    open("due", async |settings: Settings| {
        let account = in_account(settings.account, "due")?;
        let deployed = DeployedFunction::new("due", &settings.document, account)?;
        lambda_runtime::run(service_fn(|batch| deployed.due(batch))).await
    })
    .await
}

impl DeployedFunction<'_> {
    /// Handles a batch of messages. SQS redelivers a message that met an error or for which no time was left. After
    /// several receives SQS moves the message to the dead-letter queue.
    async fn due(&self, batch: LambdaEvent<Payload>) -> Result<SqsBatchResponse, Diagnostic> {
        let mut answer = SqsBatchResponse::default();
        let request_id = &batch.context.request_id;
        panics::handling(request_id, None);
        let until = last_beginning(&batch.context);
        let Some(messages) = batch.payload.read::<SqsEvent>() else {
            let error = Error::new(ErrorKind::Internal, "the input is not a batch of SQS");
            self.wide(request_id, None, 0, PutCounts::default())
                .error(None, &error);
            return Err(diagnostic(&error));
        };
        for message in &messages.records {
            let result = if SystemClock.now() < until {
                self.message(message, request_id).await
            } else {
                self.no_time_for(message, request_id)
            };
            if result.is_err() {
                let mut failure = BatchItemFailure::default();
                // AWS: an empty itemIdentifier fails the whole batch (Handling errors for an SQS event source in
                // Lambda). After a message without an ID, SQS therefore redelivers all messages of the batch.
                failure.item_identifier = message.message_id.clone().unwrap_or_default();
                answer.batch_item_failures.push(failure);
            }
        }
        Ok(answer)
    }

    /// Returns the error of a message for which no time is left. SQS redelivers the message, so that Lambda does not
    /// interrupt its handling.
    fn no_time_for(&self, message: &SqsMessage, request_id: &str) -> Result<(), Error> {
        let error = Error::new(ErrorKind::Unavailable, "no time was left for the message");
        let message_id = message.message_id.as_deref();
        self.wide(request_id, message_id, 0, PutCounts::default())
            .error(None, &error);
        Err(error)
    }

    async fn message(&self, message: &SqsMessage, request_id: &str) -> Result<(), Error> {
        let began = Instant::now();
        let owner = self.owners.next(request_id);
        let retry_message = RetryMessage::read(message.body.as_deref().unwrap_or_default());
        let subject = retry_message
            .as_ref()
            .map(|retry_message| &retry_message.subject);
        panics::handling(request_id, subject);
        let result = match &retry_message {
            Some(retry_message) => Box::pin(self.controller(&owner).due(retry_message)).await,
            None => Err(Error::new(
                ErrorKind::Internal,
                "the message is not a retry message",
            )),
        };
        let took = since(began);
        let put_counts = self.put_decisions(result.iter()).await;
        let wide = self.wide(request_id, message.message_id.as_deref(), took, put_counts);
        match result {
            Ok(record) => {
                wide.record(&record);
                Ok(())
            }
            Err(error) => {
                wide.error(subject, &error);
                Err(error)
            }
        }
    }
}
