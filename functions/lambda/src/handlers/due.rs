//! The retries whose delay is over, by batches of the queue.

use std::process::ExitCode;
use std::time::Instant;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use redrive_aws::bus::Told;
use redrive_core::handle::Clock;
use redrive_core::ledger::Ticket;
use redrive_core::trouble::{Trouble, TroubleKind};

use super::invocation::{diagnostic, last_beginning, since};
use super::setup::{World, in_account, open};
use crate::clock::SystemClock;
use crate::payload::Payload;
use crate::settings::Settings;

/// Takes the retries whose delay is over.
pub async fn run() -> ExitCode {
    open(async |settings: Settings| {
        let account = in_account(settings.account, "due")?;
        let world = World::new("due", &settings.document, account)?;
        lambda_runtime::run(service_fn(|batch| world.due(batch))).await
    })
    .await
}

impl World<'_> {
    /// A batch of messages. Those that met trouble, or that there was no time for, come again, and after that go
    /// to the dead-letter queue.
    async fn due(&self, batch: LambdaEvent<Payload>) -> Result<SqsBatchResponse, Diagnostic> {
        let mut answer = SqsBatchResponse::default();
        let request_id = &batch.context.request_id;
        let until = last_beginning(&batch.context);
        let Some(messages) = batch.payload.read::<SqsEvent>() else {
            let trouble = Trouble::new(TroubleKind::Bug, "this is no batch of SQS");
            self.wide(request_id, None, 0, Told::default())
                .trouble(None, &trouble);
            return Err(diagnostic(&trouble));
        };
        for message in &messages.records {
            let done = if SystemClock.now() < until {
                self.message(message, request_id).await
            } else {
                self.no_time_for(message, request_id)
            };
            if done.is_err() {
                let mut failure = BatchItemFailure::default();
                // A message without an id cannot be told from the others: SQS then brings them all again.
                failure.item_identifier = message.message_id.clone().unwrap_or_default();
                answer.batch_item_failures.push(failure);
            }
        }
        Ok(answer)
    }

    /// A message that is left to come again, rather than taken and cut off in the middle.
    fn no_time_for(&self, message: &SqsMessage, request_id: &str) -> Result<(), Trouble> {
        let trouble = Trouble::new(TroubleKind::Unreachable, "no time was left for the message");
        let message_id = message.message_id.as_deref();
        self.wide(request_id, message_id, 0, Told::default())
            .trouble(None, &trouble);
        Err(trouble)
    }

    async fn message(&self, message: &SqsMessage, request_id: &str) -> Result<(), Trouble> {
        let began = Instant::now();
        let owner = self.owners.next(request_id);
        let ticket = Ticket::read(message.body.as_deref().unwrap_or_default());
        let done = match &ticket {
            Some(ticket) => Box::pin(self.redrive(&owner).due(ticket)).await,
            None => Err(Trouble::new(
                TroubleKind::Bug,
                "the message is no ticket of ours",
            )),
        };
        let took = since(began);
        let told = self.tell(done.iter()).await;
        let wide = self.wide(request_id, message.message_id.as_deref(), took, told);
        match done {
            Ok(record) => wide.record(&record),
            Err(trouble) => {
                wide.trouble(ticket.map(|ticket| ticket.subject).as_ref(), &trouble);
                return Err(trouble);
            }
        }
        Ok(())
    }
}
