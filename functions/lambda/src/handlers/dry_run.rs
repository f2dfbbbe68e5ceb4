//! A function without an account.

use std::time::Instant;

use lambda_runtime::LambdaEvent;
use redrive_aws::bus::Told;
use redrive_core::dry_run::DryRun;
use redrive_core::controller::{Clock, Record};
use redrive_core::ledger::{Pen, Terms};
use redrive_core::policy::Document;

use super::invocation::{Owners, since};
use crate::clock::SystemClock;
use crate::payload::Payload;
use crate::wide::Wide;

/// A function that is tried without an account: it tells what it would do, and calls nothing.
pub(super) struct Desk<'s> {
    function: &'static str,
    dry_run: DryRun<'s>,
    owners: Owners,
    terms: Terms,
}

impl<'s> Desk<'s> {
    pub(super) fn new(function: &'static str, document: &'s Document) -> Self {
        Self {
            function,
            dry_run: DryRun::new(document),
            owners: Owners::new(),
            terms: Terms::default(),
        }
    }

    pub(super) fn event(&self, event: &LambdaEvent<Payload>) -> Record {
        let began = Instant::now();
        let request_id = &event.context.request_id;
        let pen = Pen {
            owner: &self.owners.next(request_id),
            now: SystemClock.now(),
            terms: &self.terms,
        };
        let record = match event.payload.bytes() {
            Ok(bytes) => self.dry_run.event(bytes, pen),
            Err(malformed) => Record::malformed(pen.now, malformed.clone()),
        };
        Wide {
            function: self.function,
            request_id,
            message_id: None,
            mode: None,
            took_ms: since(began),
            counted: Default::default(),
            told: Told::default(),
            at: pen.now,
            stack: None,
        }
        .record(&record);
        record
    }
}
