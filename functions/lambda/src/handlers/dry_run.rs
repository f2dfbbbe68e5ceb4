//! The function without an account.

use std::time::Instant;

use lambda_runtime::LambdaEvent;
use redrive_aws::bus::PutCounts;
use redrive_core::controller::Clock;
use redrive_core::dry_run::DryRun;
use redrive_core::error::Error;
use redrive_core::event::AllowedSources;
use redrive_core::ledger::{Timing, Writer};
use redrive_core::policy::Document;

use super::invocation::{Owners, since};
use super::panics;
use crate::answer::Answer;
use crate::clock::SystemClock;
use crate::payload::Payload;
use crate::wide::Wide;

/// A function without an account, which reports its decisions and calls nothing.
pub(super) struct DryRunFunction<'s> {
    function: &'static str,
    dry_run: DryRun<'s>,
    owners: Owners,
    timing: Timing,
}

impl<'s> DryRunFunction<'s> {
    pub(super) fn new(function: &'static str, document: &'s Document) -> Self {
        Self {
            function,
            dry_run: DryRun::new(document),
            owners: Owners::new(),
            timing: Timing::default(),
        }
    }

    pub(super) async fn event(&self, event: &LambdaEvent<Payload>) -> Result<Answer, Error> {
        let began = Instant::now();
        let request_id = &event.context.request_id;
        panics::handling(request_id, None);
        let writer = Writer {
            owner: &self.owners.next(request_id),
            now: SystemClock.now(),
            timing: &self.timing,
        };
        let event = event.payload.event(&AllowedSources::default());
        panics::handling(request_id, event.subject());
        let record = self.dry_run.event(event, writer).await?;
        Wide {
            function: self.function,
            request_id,
            message_id: None,
            mode: None,
            took_ms: since(began),
            counted: Default::default(),
            put_counts: PutCounts::default(),
            at: writer.now,
            stack: None,
        }
        .record(&record);
        Ok(record.into())
    }
}
