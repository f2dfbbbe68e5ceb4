//! The function for the ticks of the schedule.

use std::process::ExitCode;
use std::time::Instant;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use redrive_aws::bus::PutCounts;
use redrive_aws::failure_listing::Lists;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::sweep::MAX_OF_A_TICK;

use super::invocation::{diagnostic, last_beginning, since};
use super::panics;
use super::setup::{DeployedFunction, in_account, open};
use crate::metrics;
use crate::payload::Payload;
use crate::settings::Settings;
use crate::tick::{DiscoverySummary, Tick};

/// Sweeps due entries and searches for unannounced failures.
pub async fn run() -> ExitCode {
    open("sweep", async |settings: Settings| {
        let account = in_account(settings.account, "sweep")?;
        let deployed = DeployedFunction::new("sweep", &settings.document, account)?;
        lambda_runtime::run(service_fn(|tick| deployed.sweep(tick))).await
    })
    .await
}

impl DeployedFunction<'_> {
    /// Handles one tick of the schedule. The sweep of due entries runs first. The search for unannounced failures
    /// uses the remaining time. The next tick continues both.
    async fn sweep(&self, tick: LambdaEvent<Payload>) -> Result<Tick, Diagnostic> {
        let began = Instant::now();
        let request_id = &tick.context.request_id;
        panics::handling(request_id, None);
        let until = last_beginning(&tick.context);
        let owner = self.owners.next(request_id);
        let swept = Box::pin(self.controller(&owner).sweep(MAX_OF_A_TICK, until)).await;
        let swept = swept.map_err(|error| {
            self.wide(request_id, None, since(began), PutCounts::default())
                .error(None, &error);
            diagnostic(&error)
        })?;
        let owner = self.owners.next(request_id);
        let lists = Lists::new(&self.target, &self.place.account, &self.place.region);
        let report = Box::pin(
            self.controller(&owner)
                .discover(&lists, &self.search, until),
        )
        .await;
        let took = since(began);
        let records = report.as_ref().map_or(&[][..], |report| &report.records);
        let put_counts = self
            .put_decisions(swept.records.iter().chain(records))
            .await;
        let wide = self.wide(request_id, None, took, put_counts);
        // The line of the tick holds the counts of requests and decisions. The other lines hold none.
        let one = self.wide(request_id, None, took, PutCounts::default());
        for record in &swept.records {
            one.record(record);
        }
        for (subject, error) in &swept.errors {
            one.error(Some(subject), error);
        }
        // One line for all: they return with each tick, until their version is deployed or a person mends them.
        for (count, kind) in [
            (swept.newer_schema, ErrorKind::NewerSchema),
            (swept.unreadable, ErrorKind::Internal),
        ] {
            if count > 0 {
                let what = format!("BatchGetItem ({count} due items cannot be read)");
                one.error(None, &Error::new(kind, what));
            }
        }
        if let Ok(report) = &report {
            for record in &report.records {
                one.record(record);
            }
            for (subject, error) in &report.errors {
                one.error(Some(subject), error);
            }
            for (listing, error) in &report.unread {
                one.unread(listing, error);
            }
        }
        let tick = Tick {
            requeued: swept.requeued,
            taken_over: swept.records.len(),
            conflicts: swept.conflicts,
            errors: swept.errors.len(),
            newer_schema: swept.newer_schema,
            unreadable: swept.unreadable,
            more: swept.more,
            discovery: report
                .as_ref()
                .map(DiscoverySummary::from)
                .unwrap_or_default(),
            oldest_claim_seconds: swept.oldest_claim.unwrap_or_default().as_secs(),
            unannounced: metrics::unannounced(records),
        };
        wide.tick(&tick);
        match report {
            Ok(_) => Ok(tick),
            Err(error) => {
                one.error(None, &error);
                Err(diagnostic(&error))
            }
        }
    }
}
