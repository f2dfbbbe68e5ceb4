//! Finds failures that no event announced, as the services list them.
//!
//! Events are delivered at best effort, so the event of a failure may be lost. A tick of the search lists the targets
//! of the policies and their failures. Failures that the ledger does not know take the same steps as announced ones. A
//! list says little about a failure, so the facts are looked up.
//!
//! - A list of executions is ordered by start, and an execution that started long ago may have failed just now. So
//!   each pass lists all pages of every target. It judges executions that ended [since the last pass
//!   began](crate::ledger::Pass::watermark), less a margin.
//! - Targets take turns, one page each. A tick has a maximum number of pages and of failures, and begins nothing after
//!   its time. The [`ScanCheckpoint`] says where the next tick continues.
//! - Failures that ended before [`Search::since`], or longer ago than AWS redrives, are not searched.
//! - A service that throttles is not called again until the next tick. After an error of one target, or of one failure,
//!   that target is listed again. The other targets do not wait.

mod listing;
mod report;
mod service_scan;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

pub use self::listing::{
    FailureListing, ListResult, ListedExecution, ListedPipeline, ListedRun, ListedStage, Listing,
    failed_stages,
};
pub use self::report::{DiscoveryReport, Search, ServiceSearch};
use self::service_scan::{Dealt, Item, Open, ServiceScan, failure};
use crate::arn::Arn;
use crate::controller::{Clock, Controller, Queue, Record, RunMode, Target};
use crate::error::{Error, ErrorKind};
use crate::failure::{ExecutionStatus, Failure, FailureId, Service};
use crate::ledger::{self, Ledger, List, Relation, ScanCheckpoint, TargetCursor, Targets};
use crate::reads::Page;
use crate::time::Time;

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Searches failures that were never announced. It begins no page and no failure after `until`.
    ///
    /// # Errors
    /// The checkpoint could not be read. An error of one service, target or failure does not stop the others.
    pub async fn discover(
        &self,
        listing: &impl FailureListing,
        search: &Search,
        until: Time,
    ) -> Result<DiscoveryReport, Error> {
        let mut report = DiscoveryReport::default();
        if self.mode == RunMode::Off || self.clock.now() >= until {
            return Ok(report);
        }
        let stored = self.ledger.checkpoint().await?;
        let mut checkpoint = ScanCheckpoint::go_on(stored, search.since, self.writer());
        let since = checkpoint.since;
        let passes = checkpoint.passes.iter_mut();
        let mut service_scans: Vec<ServiceScan<'_>> = passes
            .filter_map(|(service, pass)| {
                let limits = search.services.get(service)?;
                Some(ServiceScan::new(*service, pass, limits))
            })
            .collect();
        let scan = Scan {
            controller: self,
            listing,
            search,
            since,
            until,
        };
        // The services take turns, as their targets do.
        while !service_scans.iter().all(|service_scan| service_scan.over) && !scan.is_over(&report)
        {
            for service_scan in service_scans
                .iter_mut()
                .filter(|service_scan| !service_scan.over)
            {
                scan.next_page(service_scan, &mut report).await;
            }
        }
        for service_scan in &service_scans {
            report.targets = report.targets.saturating_add(service_scan.seen.len());
            report.left = report.left.saturating_add(service_scan.pass.cursors.len());
            report.more |= !service_scan.pass.is_complete();
        }
        checkpoint.end_passes(self.writer());
        report.watermark = Some(checkpoint.watermark());
        match ledger::put_checkpoint(self.ledger, &checkpoint).await {
            Ok(kept) => report.outrun = !kept,
            // The failures found are in the ledger. The next tick lists them once more.
            Err(error) => report.unread.push(("checkpoint".into(), error)),
        }
        Ok(report)
    }
}

/// The context of one tick.
struct Scan<'s, 'w, L, T, Q, C, S> {
    controller: &'s Controller<'w, L, T, Q, C>,
    listing: &'s S,
    search: &'s Search,
    since: Time,
    until: Time,
}

impl<L: Ledger, T: Target, Q: Queue, C: Clock, S: FailureListing> Scan<'_, '_, L, T, Q, C, S> {
    /// Returns whether the tick may begin nothing more.
    fn is_over(&self, report: &DiscoveryReport) -> bool {
        self.controller.clock.now() >= self.until || report.records.len() >= self.search.max_found
    }

    /// Lists more targets, or reads a page of the next target.
    async fn next_page(&self, service_scan: &mut ServiceScan<'_>, report: &mut DiscoveryReport) {
        if self.is_over(report) {
            return;
        }
        if service_scan.pass.wants_targets() {
            if service_scan.may_read(report) {
                self.more_targets(service_scan, report).await;
            }
            return;
        }
        let Some(cursor) = service_scan.pass.next() else {
            service_scan.over = true;
            return;
        };
        // The policy or the role's permissions may have changed since the target was listed.
        if !self.looks_for(service_scan, &cursor.target) {
            service_scan.open.remove(&cursor.target);
            service_scan.pass.done(cursor);
            return;
        }
        service_scan.seen.insert(cursor.target.clone());
        let page = match service_scan.open.remove(&cursor.target) {
            Some(page) => page,
            None if !service_scan.may_read(report) => {
                service_scan.pass.cursors.push_front(cursor);
                return;
            }
            None => match self.page(&cursor).await {
                Ok(Listing::Page(page)) => page,
                Ok(Listing::Gone) => {
                    service_scan.pass.done(cursor);
                    return;
                }
                Ok(Listing::Expired) if cursor.token.is_some() => {
                    let restarted = TargetCursor {
                        token: None,
                        ..cursor
                    };
                    service_scan.pass.cursors.push_back(restarted);
                    return;
                }
                Ok(Listing::Expired) => {
                    let error = Error::new(ErrorKind::Internal, "a first page has no token");
                    service_scan.could_not_read(cursor, error, report);
                    return;
                }
                Err(error) if error.kind == ErrorKind::Throttled => {
                    service_scan.throttled(report);
                    service_scan.pass.cursors.push_front(cursor);
                    return;
                }
                Err(error) => {
                    service_scan.could_not_read(cursor, error, report);
                    return;
                }
            },
        };
        self.deal(service_scan, cursor, page, report).await;
    }

    /// Lists the next page of targets and queues those that some policy manages.
    async fn more_targets(&self, service_scan: &mut ServiceScan<'_>, report: &mut DiscoveryReport) {
        let token = match &service_scan.pass.targets {
            Targets::Next(token) => Some(token.clone()),
            Targets::Unread | Targets::Read => None,
        };
        let page = match service_scan.service {
            Service::StepFunctions => {
                let first =
                    |arn| TargetCursor::first(arn, List::Executions(ExecutionStatus::Failed));
                map_page(self.listing.machines(token).await, first)
            }
            Service::CodePipeline => map_page(
                self.listing.pipelines(token).await,
                |pipeline: ListedPipeline| {
                    let list = if pipeline.parallel {
                        List::Runs
                    } else {
                        List::Stages
                    };
                    TargetCursor::first(pipeline.arn, list)
                },
            ),
        };
        match page {
            Ok(Listing::Page(page)) => {
                let mut ours = page.items;
                ours.retain(|cursor| self.looks_for(service_scan, &cursor.target));
                service_scan.pass.cursors.extend(ours);
                service_scan.pass.targets = page.next.map_or(Targets::Read, Targets::Next);
            }
            Ok(Listing::Gone) => service_scan.pass.targets = Targets::Read,
            // Some targets have a second turn in this pass. That costs their pages and is otherwise harmless.
            Ok(Listing::Expired) => service_scan.pass.targets = Targets::Unread,
            Err(error) if error.kind == ErrorKind::Throttled => service_scan.throttled(report),
            Err(error) => {
                service_scan.over = true;
                let service = service_scan.service.as_str().to_string();
                report.unread.push((service, error));
            }
        }
    }

    /// Returns whether a target is searched. Some policy must manage it, and the role must allow it.
    fn looks_for(&self, service_scan: &ServiceScan<'_>, target: &str) -> bool {
        let Ok(arn) = Arn::parse(target) else {
            return false;
        };
        let name = arn.resource.rsplit(':').next().unwrap_or_default();
        let service = service_scan.service;
        let document = self.controller.document;
        service_scan.targets.matches(name)
            && document.manages(service, arn.account, arn.region, name)
    }

    /// Reads the next page of a target.
    async fn page(&self, cursor: &TargetCursor) -> ListResult<Open> {
        let token = cursor.token.clone();
        let target = &cursor.target;
        let page = match cursor.list {
            List::Executions(status) => map_page(
                self.listing.executions(target, status, token).await,
                Item::Execution,
            ),
            List::Runs => map_page(self.listing.runs(target, token).await, Item::Run),
            List::Stages => Ok(self.listing.stages(target).await?.map(|stages| Page {
                items: stages.into_iter().map(Item::Stage).collect(),
                next: None,
            })),
        }?;
        Ok(page.map(|page| Open {
            // Only the first items can have been handled before. AWS promises no order among equal starts, so an item
            // may be handled twice rather than never.
            items: page
                .items
                .into_iter()
                .skip_while(|item| match (item.started(), cursor.after) {
                    (Some(started), Some(after)) => started > after,
                    _ => false,
                })
                .collect(),
            next: page.next,
        }))
    }

    /// Handles a page until the turn ends. The rest of the page waits for the target's next turn. If that turn is in
    /// another tick, the page is listed again.
    async fn deal(
        &self,
        service_scan: &mut ServiceScan<'_>,
        mut cursor: TargetCursor,
        mut page: Open,
        report: &mut DiscoveryReport,
    ) {
        let controller = self.controller;
        let from = service_scan
            .pass
            .from(&cursor.target, self.since, controller.writer());
        let mut dealt = 0;
        while let Some(item) = page.items.pop_front() {
            if item.ended() >= from {
                let enough = dealt >= self.search.max_in_a_turn || self.is_over(report);
                if enough
                    || self.one(service_scan, &item, &mut cursor, report).await == Dealt::NotNow
                {
                    page.items.push_front(item);
                    break;
                }
                dealt = dealt.saturating_add(1);
            }
            cursor.after = item.started().or(cursor.after);
        }
        if !page.items.is_empty() {
            service_scan.open.insert(cursor.target.clone(), page);
            service_scan.pass.cursors.push_back(cursor);
            return;
        }
        match cursor.go_on(page.next) {
            Ok(cursor) => service_scan.pass.cursors.push_back(cursor),
            Err(cursor) => service_scan.pass.done(cursor),
        }
    }

    /// Handles one listed item.
    async fn one(
        &self,
        service_scan: &mut ServiceScan<'_>,
        item: &Item,
        cursor: &mut TargetCursor,
        report: &mut DiscoveryReport,
    ) -> Dealt {
        let Item::Run(run) = item else {
            return self.handle_listed(service_scan, item, cursor, report).await;
        };
        if !service_scan.may_read(report) {
            return Dealt::NotNow;
        }
        match self.listing.stages_of(&cursor.target, run).await {
            Ok(Listing::Page(stages)) => {
                for stage in stages.into_iter().map(Item::Stage) {
                    if self
                        .handle_listed(service_scan, &stage, cursor, report)
                        .await
                        == Dealt::NotNow
                    {
                        return Dealt::NotNow;
                    }
                }
            }
            Ok(Listing::Gone | Listing::Expired) => {}
            Err(error) if error.kind == ErrorKind::Throttled => {
                service_scan.throttled(report);
                return Dealt::NotNow;
            }
            Err(error) => {
                cursor.record_error(run.updated);
                report.unread.push((cursor.target.clone(), error));
            }
        }
        Dealt::Outcome
    }

    /// Handles one listed failure.
    async fn handle_listed(
        &self,
        service_scan: &mut ServiceScan<'_>,
        item: &Item,
        cursor: &mut TargetCursor,
        report: &mut DiscoveryReport,
    ) -> Dealt {
        let Some((failure, failure_id)) = failure(item, cursor) else {
            return Dealt::Outcome;
        };
        report.seen = report.seen.saturating_add(1);
        if !failure.subject.is_sound() {
            // A later listing reads the same, so the target is not searched again for it. The error is reported for as
            // long as the item is listed as new.
            let error = Error::new(ErrorKind::Internal, "what a list names cannot be read");
            report.unread.push((cursor.target.clone(), error));
            return Dealt::Outcome;
        }
        let (subject, at) = (failure.subject.clone(), failure.at);
        // Boxed, because the steps form a large future inside others.
        match Box::pin(self.hand_over(failure, failure_id)).await {
            Ok(None) => report.known = report.known.saturating_add(1),
            Ok(Some(record)) => report.records.push(record),
            Err(error) if error.kind == ErrorKind::Throttled => {
                report.errors.push((subject, error));
                service_scan.throttled(report);
                return Dealt::NotNow;
            }
            Err(error) => {
                report.errors.push((subject, error));
                cursor.record_error(at);
            }
        }
        Dealt::Outcome
    }

    /// Handles a failure, unless the ledger knows it or a later one.
    async fn hand_over(
        &self,
        failure: Failure,
        failure_id: Option<FailureId>,
    ) -> Result<Option<Record>, Error> {
        let controller = self.controller;
        if let Some(failure_id) = failure_id
            && let Some(entry) = controller.ledger.read(&failure.subject).await?
            && entry.relation_at(&failure_id, failure.at) != Relation::Later
        {
            return Ok(None);
        }
        controller.failure(failure).await.map(Some)
    }
}

/// Maps the items of a listed page.
fn map_page<T, U>(listed: ListResult<Page<T>>, item: impl FnMut(T) -> U) -> ListResult<Page<U>> {
    Ok(listed?.map(|page| Page {
        items: page.items.into_iter().map(item).collect(),
        next: page.next,
    }))
}
