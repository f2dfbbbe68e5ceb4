//! Finding what was never announced: failures that no event told of, as the services list them.
//!
//! Events are delivered at best effort, so a failure may go unheard. A tick of the search lists the targets that
//! some policy is about, and what of them has failed; whatever the ledger does not know goes through the same
//! steps as if an event had told of it, and says no more than a list does, so that the facts are looked up.
//!
//! - A list of executions is ordered by their start, and what began long ago may have failed just now. So each
//!   pass lists all pages of every target, and judges what ended [since the last pass
//!   began](crate::ledger::Pass::watermark), less a margin.
//! - Targets take turns, a page each. A tick reads so many pages, hands over so many failures, and begins
//!   nothing after its time; the [`ScanCheckpoint`] says where the next one goes on.
//! - Nothing is looked for that ended before [`Search::since`], or longer ago than AWS redrives.
//! - A service that throttles is left in peace until the next tick. An error of one target, or of one failure,
//!   has that target looked at again, and keeps no other waiting.

mod listing;
mod report;
mod service_scan;

use alloc::boxed::Box;
use alloc::string::ToString;

pub use self::listing::{
    FailureListing, ListResult, ListedExecution, ListedPipeline, ListedRun, ListedStage, Listing,
    failed_stages,
};
pub use self::report::{DiscoveryReport, Search};
use self::service_scan::{Dealt, Item, Open, ServiceScan, failure};
use crate::arn::Arn;
use crate::controller::{Clock, Controller, Queue, Record, RunMode, Target};
use crate::error::{Error, ErrorKind};
use crate::failure::{ExecutionStatus, Failure, FailureId, Service};
use crate::ledger::{self, Ledger, List, Relation, ScanCheckpoint, TargetCursor, Targets};
use crate::reads::Page;
use crate::time::Time;

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Looks for failures that were never announced, and begins no page and no failure after `until`.
    ///
    /// # Errors
    /// The checkpoint could not be read. An error of a service, a target or a failure stops none of the others.
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
        let ScanCheckpoint {
            executions, stages, ..
        } = &mut checkpoint;
        let mut service_scans = [
            ServiceScan::new(
                Service::StepFunctions,
                executions,
                search.max_pages_of_executions,
            ),
            ServiceScan::new(Service::CodePipeline, stages, search.max_pages_of_stages),
        ];
        let scan = Scan {
            controller: self,
            listing,
            search,
            since,
            until,
        };
        // The services take turns as their targets do.
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
            // What was found is written down; the next tick sees it once more.
            Err(error) => report.unread.push(("checkpoint".into(), error)),
        }
        Ok(report)
    }
}

/// One tick.
struct Scan<'s, 'w, L, T, Q, C, S> {
    controller: &'s Controller<'w, L, T, Q, C>,
    listing: &'s S,
    search: &'s Search,
    since: Time,
    until: Time,
}

impl<L: Ledger, T: Target, Q: Queue, C: Clock, S: FailureListing> Scan<'_, '_, L, T, Q, C, S> {
    /// Whether nothing more is begun.
    fn is_over(&self, report: &DiscoveryReport) -> bool {
        self.controller.clock.now() >= self.until || report.records.len() >= self.search.max_found
    }

    /// Lists more targets, or gives one of them its turn.
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
        // The policy, or what the role allows, may have changed since it was listed.
        if !self.looks_for(service_scan.service, &cursor.target) {
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
                    let anew = TargetCursor {
                        token: None,
                        ..cursor
                    };
                    service_scan.pass.cursors.push_back(anew);
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

    /// Lists the next page of targets. Those that some policy is about get their turns.
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
                let ours = page
                    .items
                    .into_iter()
                    .filter(|cursor| self.looks_for(service_scan.service, &cursor.target));
                service_scan.pass.cursors.extend(ours);
                service_scan.pass.targets = page.next.map_or(Targets::Read, Targets::Next);
            }
            Ok(Listing::Gone) => service_scan.pass.targets = Targets::Read,
            // Some have their turns twice in this pass, which costs their pages and does no harm.
            Ok(Listing::Expired) => service_scan.pass.targets = Targets::Unread,
            Err(error) if error.kind == ErrorKind::Throttled => service_scan.throttled(report),
            Err(error) => {
                service_scan.over = true;
                let service = service_scan.service.as_str().to_string();
                report.unread.push((service, error));
            }
        }
    }

    /// Whether a target is one to look at: a policy is about it, and the role allows it.
    fn looks_for(&self, service: Service, target: &str) -> bool {
        let Ok(arn) = Arn::parse(target) else {
            return false;
        };
        let name = arn.resource.rsplit(':').next().unwrap_or_default();
        let allowed = match service {
            Service::StepFunctions => &self.search.machines,
            Service::CodePipeline => &self.search.pipelines,
        };
        let document = self.controller.document;
        allowed.matches(name) && document.manages(service, arn.account, arn.region, name)
    }

    /// Reads the page of a turn.
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
            // Only the first ones can have been dealt with. In an order that nobody promised, some are dealt
            // with twice rather than never.
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

    /// Deals with a page for as long as the turn lasts. What is left of it waits for the next turn, which comes
    /// in this tick or, after the page is listed again, in another.
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

    /// Deals with one thing that is listed.
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

    /// Handles one failure that a list names.
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
            // Whoever looks again reads the same: it is told for as long as it is listed as new, and holds nothing up.
            let error = Error::new(ErrorKind::Internal, "what a list names cannot be read");
            report.unread.push((cursor.target.clone(), error));
            return Dealt::Outcome;
        }
        let (subject, at) = (failure.subject.clone(), failure.at);
        // Boxed: the steps are a deep future, inside others.
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

    /// Handles a failure, unless the ledger knows it, or a later one.
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

/// A page of something else.
fn map_page<T, U>(listed: ListResult<Page<T>>, item: impl FnMut(T) -> U) -> ListResult<Page<U>> {
    Ok(listed?.map(|page| Page {
        items: page.items.into_iter().map(item).collect(),
        next: page.next,
    }))
}
