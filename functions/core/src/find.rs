//! Finding what was never announced: failures that no event told of, as the services list them.
//!
//! Events are delivered at best effort, so a failure may go unheard. A tick of the search lists the targets that
//! some policy is about, and what of them has failed; whatever the ledger does not know goes through the same
//! steps as if an event had told of it, and says no more than a list does, so that the facts are looked up.
//!
//! - A list of executions is ordered by their start, and what began long ago may have failed just now. So each
//!   round lists all pages of every target, and judges what ended [since the last round
//!   began](crate::ledger::Round::through), less a margin.
//! - Targets take turns, a page each. A tick reads so many pages, hands over so many failures, and begins
//!   nothing after its time; the [`Position`] says where the next one goes on.
//! - Nothing is looked for that ended before [`Search::since`], or longer ago than AWS redrives.
//! - A service that throttles is left in peace until the next tick. An error of one target, or of one failure,
//!   has that target looked at again, and keeps no other waiting.

mod listing;
mod part;
mod report;

use alloc::boxed::Box;
use alloc::string::ToString;

pub use self::listing::{
    ListedExecution, ListedPipeline, ListedRun, ListedStage, Listing, Listings, Look, failed_stages,
};
use self::part::{Dealt, Item, Open, Part, failure};
pub use self::report::{Found, Search};
use crate::arn::Arn;
use crate::failure::{ExecutionStatus, Failure, Identity, Service};
use crate::controller::{Clock, RunMode, Queue, Record, Controller, Target};
use crate::ledger::{self, Ledger, List, Position, Relation, Targets, Turn};
use crate::reads::Page;
use crate::time::Time;
use crate::error::{Error, ErrorKind};

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Controller<'_, L, T, Q, C> {
    /// Looks for failures that were never announced, and begins no page and no failure after `until`.
    ///
    /// # Errors
    /// The position could not be read. An error of a service, a target or a failure stops none of the others.
    pub async fn find(
        &self,
        listings: &impl Listings,
        search: &Search,
        until: Time,
    ) -> Result<Found, Error> {
        let mut found = Found::default();
        if self.mode == RunMode::Off || self.clock.now() >= until {
            return Ok(found);
        }
        let stored = self.ledger.position().await?;
        let mut position = Position::go_on(stored, search.since, self.pen());
        let since = position.since;
        let Position {
            executions, stages, ..
        } = &mut position;
        let mut parts = [
            Part::new(
                Service::StepFunctions,
                executions,
                search.most_pages_of_executions,
            ),
            Part::new(Service::CodePipeline, stages, search.most_pages_of_stages),
        ];
        let seek = Seek {
            controller: self,
            listings,
            search,
            since,
            until,
        };
        // The services take turns as their targets do.
        while !parts.iter().all(|part| part.over) && !seek.is_over(&found) {
            for part in parts.iter_mut().filter(|part| !part.over) {
                seek.turn(part, &mut found).await;
            }
        }
        for part in &parts {
            found.targets = found.targets.saturating_add(part.seen.len());
            found.left = found.left.saturating_add(part.round.turns.len());
            found.more |= !part.round.is_complete();
        }
        position.end_rounds(self.pen());
        found.through = Some(position.through());
        match ledger::keep(self.ledger, &position).await {
            Ok(kept) => found.outrun = !kept,
            // What was found is written down; the next tick sees it once more.
            Err(error) => found.unread.push(("position".into(), error)),
        }
        Ok(found)
    }
}

/// One tick.
struct Seek<'s, 'w, L, T, Q, C, S> {
    controller: &'s Controller<'w, L, T, Q, C>,
    listings: &'s S,
    search: &'s Search,
    since: Time,
    until: Time,
}

impl<L: Ledger, T: Target, Q: Queue, C: Clock, S: Listings> Seek<'_, '_, L, T, Q, C, S> {
    /// Whether nothing more is begun.
    fn is_over(&self, found: &Found) -> bool {
        self.controller.clock.now() >= self.until || found.records.len() >= self.search.most_found
    }

    /// Lists more targets, or gives one of them its turn.
    async fn turn(&self, part: &mut Part<'_>, found: &mut Found) {
        if self.is_over(found) {
            return;
        }
        if part.round.wants_targets() {
            if part.may_read(found) {
                self.more_targets(part, found).await;
            }
            return;
        }
        let Some(turn) = part.round.next() else {
            part.over = true;
            return;
        };
        // The policy, or what the role allows, may have changed since it was listed.
        if !self.looks_for(part.service, &turn.target) {
            part.open.remove(&turn.target);
            part.round.done(turn);
            return;
        }
        part.seen.insert(turn.target.clone());
        let page = match part.open.remove(&turn.target) {
            Some(page) => page,
            None if !part.may_read(found) => {
                part.round.turns.push_front(turn);
                return;
            }
            None => match self.page(&turn).await {
                Ok(Listing::Shown(page)) => page,
                Ok(Listing::Gone) => {
                    part.round.done(turn);
                    return;
                }
                Ok(Listing::Expired) if turn.token.is_some() => {
                    let anew = Turn {
                        token: None,
                        ..turn
                    };
                    part.round.turns.push_back(anew);
                    return;
                }
                Ok(Listing::Expired) => {
                    let error = Error::new(ErrorKind::Internal, "a first page has no token");
                    part.could_not_read(turn, error, found);
                    return;
                }
                Err(error) if error.kind == ErrorKind::Throttled => {
                    part.throttled(found);
                    part.round.turns.push_front(turn);
                    return;
                }
                Err(error) => {
                    part.could_not_read(turn, error, found);
                    return;
                }
            },
        };
        self.deal(part, turn, page, found).await;
    }

    /// Lists the next page of targets. Those that some policy is about get their turns.
    async fn more_targets(&self, part: &mut Part<'_>, found: &mut Found) {
        let token = match &part.round.targets {
            Targets::Next(token) => Some(token.clone()),
            Targets::Unread | Targets::Read => None,
        };
        let page = match part.service {
            Service::StepFunctions => {
                let first = |arn| Turn::first(arn, List::Executions(ExecutionStatus::Failed));
                shown(self.listings.machines(token).await, first)
            }
            Service::CodePipeline => shown(
                self.listings.pipelines(token).await,
                |pipeline: ListedPipeline| {
                    let list = if pipeline.parallel {
                        List::Runs
                    } else {
                        List::Stages
                    };
                    Turn::first(pipeline.arn, list)
                },
            ),
        };
        match page {
            Ok(Listing::Shown(page)) => {
                let ours = page
                    .items
                    .into_iter()
                    .filter(|turn| self.looks_for(part.service, &turn.target));
                part.round.turns.extend(ours);
                part.round.targets = page.next.map_or(Targets::Read, Targets::Next);
            }
            Ok(Listing::Gone) => part.round.targets = Targets::Read,
            // Some have their turns twice in this round, which costs their pages and does no harm.
            Ok(Listing::Expired) => part.round.targets = Targets::Unread,
            Err(error) if error.kind == ErrorKind::Throttled => part.throttled(found),
            Err(error) => {
                part.over = true;
                let service = part.service.as_str().to_string();
                found.unread.push((service, error));
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
    async fn page(&self, turn: &Turn) -> Look<Open> {
        let token = turn.token.clone();
        let target = &turn.target;
        let page = match turn.list {
            List::Executions(status) => shown(
                self.listings.executions(target, status, token).await,
                Item::Execution,
            ),
            List::Runs => shown(self.listings.runs(target, token).await, Item::Run),
            List::Stages => Ok(self.listings.stages(target).await?.map(|stages| Page {
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
                .skip_while(|item| match (item.started(), turn.after) {
                    (Some(started), Some(after)) => started > after,
                    _ => false,
                })
                .collect(),
            next: page.next,
        }))
    }

    /// Deals with a page for as long as the turn lasts. What is left of it waits for the next turn, which comes
    /// in this tick or, after the page is listed again, in another.
    async fn deal(&self, part: &mut Part<'_>, mut turn: Turn, mut page: Open, found: &mut Found) {
        let controller = self.controller;
        let from = part.round.from(&turn.target, self.since, controller.pen());
        let mut dealt = 0;
        while let Some(item) = page.items.pop_front() {
            if item.ended() >= from {
                let enough = dealt >= self.search.most_in_a_turn || self.is_over(found);
                if enough || self.one(part, &item, &mut turn, found).await == Dealt::NotNow {
                    page.items.push_front(item);
                    break;
                }
                dealt = dealt.saturating_add(1);
            }
            turn.after = item.started().or(turn.after);
        }
        if !page.items.is_empty() {
            part.open.insert(turn.target.clone(), page);
            part.round.turns.push_back(turn);
            return;
        }
        match turn.go_on(page.next) {
            Ok(turn) => part.round.turns.push_back(turn),
            Err(turn) => part.round.done(turn),
        }
    }

    /// Deals with one thing that is listed.
    async fn one(
        &self,
        part: &mut Part<'_>,
        item: &Item,
        turn: &mut Turn,
        found: &mut Found,
    ) -> Dealt {
        let Item::Run(run) = item else {
            return self.handle_listed(part, item, turn, found).await;
        };
        if !part.may_read(found) {
            return Dealt::NotNow;
        }
        match self.listings.stages_of(&turn.target, run).await {
            Ok(Listing::Shown(stages)) => {
                for stage in stages.into_iter().map(Item::Stage) {
                    if self.handle_listed(part, &stage, turn, found).await == Dealt::NotNow {
                        return Dealt::NotNow;
                    }
                }
            }
            Ok(Listing::Gone | Listing::Expired) => {}
            Err(error) if error.kind == ErrorKind::Throttled => {
                part.throttled(found);
                return Dealt::NotNow;
            }
            Err(error) => {
                turn.record_error(run.updated);
                found.unread.push((turn.target.clone(), error));
            }
        }
        Dealt::Outcome
    }

    /// Handles one failure that a list names.
    async fn handle_listed(
        &self,
        part: &mut Part<'_>,
        item: &Item,
        turn: &mut Turn,
        found: &mut Found,
    ) -> Dealt {
        let Some((failure, identity)) = failure(item, turn) else {
            return Dealt::Outcome;
        };
        found.seen = found.seen.saturating_add(1);
        if !failure.subject.is_sound() {
            // Whoever looks again reads the same: it is told for as long as it is listed as new, and holds nothing up.
            let error = Error::new(ErrorKind::Internal, "what a list names cannot be read");
            found.unread.push((turn.target.clone(), error));
            return Dealt::Outcome;
        }
        let (subject, at) = (failure.subject.clone(), failure.at);
        // Boxed: the steps are a deep future, inside others.
        match Box::pin(self.hand_over(failure, identity)).await {
            Ok(None) => found.known = found.known.saturating_add(1),
            Ok(Some(record)) => found.records.push(record),
            Err(error) if error.kind == ErrorKind::Throttled => {
                found.errors.push((subject, error));
                part.throttled(found);
                return Dealt::NotNow;
            }
            Err(error) => {
                found.errors.push((subject, error));
                turn.record_error(at);
            }
        }
        Dealt::Outcome
    }

    /// Handles a failure, unless the ledger knows it, or a later one.
    async fn hand_over(
        &self,
        failure: Failure,
        identity: Option<Identity>,
    ) -> Result<Option<Record>, Error> {
        let controller = self.controller;
        if let Some(identity) = identity
            && let Some(entry) = controller.ledger.read(&failure.subject).await?
            && entry.relation_at(&identity, failure.at) != Relation::Later
        {
            return Ok(None);
        }
        controller.failure(failure).await.map(Some)
    }
}

/// A page of something else.
fn shown<T, U>(look: Look<Page<T>>, item: impl FnMut(T) -> U) -> Look<Page<U>> {
    Ok(look?.map(|page| Page {
        items: page.items.into_iter().map(item).collect(),
        next: page.next,
    }))
}
