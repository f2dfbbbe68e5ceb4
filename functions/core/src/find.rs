//! Finding what was never announced: failures that no event told of, as the services list them.
//!
//! Events are delivered at best effort, so a failure may go unheard. A tick of the search lists the targets that
//! some policy is about, and what of them has failed; whatever the ledger does not know goes through the same
//! beats as if an event had told of it, and says no more than a list does, so that the facts are looked up.
//!
//! - A list of executions is ordered by their start, and what began long ago may have failed just now. So each
//!   round lists all pages of every target, and judges what ended [since the last round
//!   began](crate::ledger::Round::through), less a margin.
//! - Targets take turns, a page each. A tick reads so many pages, hands over so many failures, and begins
//!   nothing after its time; the [`Position`] says where the next one goes on.
//! - Nothing is looked for that ended before [`Search::since`], or longer ago than AWS redrives.
//! - A service that throttles is left in peace until the next tick. Trouble with one target, or with one failure,
//!   has that target looked at again, and keeps no other waiting.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::arn::{Arn, ExecutionArn, ExecutionKind};
use crate::failure::{
    ExecutionStatus, FailedExecution, FailedStage, Failure, Field, Identity, Service, Subject, What,
};
use crate::handle::{Clock, Mode, Queue, Record, Redrive, Target};
use crate::ledger::{self, Ledger, List, Position, Relation, Round, Targets, Turn};
use crate::pipeline::ActionRun;
use crate::policy::Glob;
use crate::reads::Page;
use crate::time::Time;
use crate::trouble::{Trouble, TroubleKind};

/// What a call that lists brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing<T> {
    /// What was asked for.
    Shown(T),
    /// What was asked about does not exist, or has nothing that is listed.
    Gone,
    /// The page's token is not taken, or not any more: both services' tokens expire.
    Expired,
}

impl<T> Listing<T> {
    /// The same of something that is made of what is shown.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Listing<U> {
        match self {
            Self::Shown(shown) => Listing::Shown(make(shown)),
            Self::Gone => Listing::Gone,
            Self::Expired => Listing::Expired,
        }
    }
}

/// What a call that lists brings, or trouble with it.
pub type Look<T> = Result<Listing<T>, Trouble>;

/// The calls that list what failed, in one account and region. Each method is one call.
#[expect(
    async_fn_in_trait,
    reason = "the functions run on one thread, so that futures need not be Send"
)]
pub trait Listings {
    /// ListStateMachines: the ARNs of those of type STANDARD. Nothing redrives the others.
    async fn machines(&self, token: Option<String>) -> Look<Page<String>>;

    /// ListExecutions of a machine, those that ended so, the latest start first, in pages of the most that AWS
    /// gives, 1,000.
    async fn executions(
        &self,
        machine: &str,
        status: ExecutionStatus,
        token: Option<String>,
    ) -> Look<Page<ListedExecution>>;

    /// ListPipelines.
    async fn pipelines(&self, token: Option<String>) -> Look<Page<ListedPipeline>>;

    /// GetPipelineState: the stages whose latest execution has failed in them.
    async fn stages(&self, pipeline: &str) -> Look<Vec<ListedStage>>;

    /// ListPipelineExecutions: those that failed, the latest start first.
    async fn runs(&self, pipeline: &str, token: Option<String>) -> Look<Page<ListedRun>>;

    /// ListActionExecutions of one pipeline execution: the stages that [failed in it](failed_stages).
    async fn stages_of(&self, pipeline: &str, run: &ListedRun) -> Look<Vec<ListedStage>>;
}

/// What ListExecutions says of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedExecution {
    /// Its ARN.
    pub arn: String,
    /// `startDate`.
    pub started: Time,
    /// `stopDate`.
    pub stopped: Option<Time>,
    /// `redriveCount`.
    pub redrive_count: Option<u32>,
    /// `stateMachineVersionArn`.
    pub version_arn: Option<String>,
}

/// What ListPipelines says of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPipeline {
    /// Its ARN.
    pub arn: String,
    /// Its `executionMode` is PARALLEL.
    pub parallel: bool,
}

/// What ListPipelineExecutions says of a failed execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRun {
    /// `pipelineExecutionId`.
    pub execution_id: String,
    /// `startTime`.
    pub started: Time,
    /// `lastUpdateTime`.
    pub updated: Time,
}

/// A stage that failed in a pipeline execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedStage {
    /// Its name.
    pub stage: String,
    /// The pipeline execution.
    pub execution_id: String,
    /// When its last action ended.
    pub ended: Time,
    /// The action executions that failed.
    pub failed: BTreeSet<String>,
}

/// The stages of a pipeline execution of which an action's latest run has failed. `runs` are rows of
/// ListActionExecutions, the latest first: the stage in which an execution failed is the last that it entered.
#[must_use]
pub fn failed_stages(run: &ListedRun, runs: &[ActionRun]) -> Vec<ListedStage> {
    let mut latest: BTreeMap<(&str, &str), &ActionRun> = BTreeMap::new();
    for run in runs {
        latest
            .entry((&run.stage, &run.action.action))
            .or_insert(run);
    }
    let mut stages: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for run in latest.values().filter(|run| run.status == "Failed") {
        let failed = stages.entry(&run.stage).or_default();
        failed.extend(run.action.id.clone());
    }
    stages
        .into_iter()
        .map(|(stage, failed)| ListedStage {
            stage: stage.to_string(),
            execution_id: run.execution_id.clone(),
            ended: run.updated,
            failed,
        })
        .collect()
}

/// How far back a tick looks, and how much it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Nothing that ended before is looked for. None: the moment of the first tick, so that a new deployment
    /// touches nothing of before it. A day to come: nothing until then.
    pub since: Option<Time>,
    /// Names of the state machines that may be listed: those that the role allows.
    pub machines: Glob,
    /// Names of the pipelines that may be listed.
    pub pipelines: Glob,
    /// So many pages of Step Functions are read in a tick. ListExecutions refills at 2 a second in most regions:
    /// a tick each minute takes half of that, and leaves the other half to whoever else lists.
    pub most_pages_of_executions: usize,
    /// So many calls list what CodePipeline has, whose rates are not published; others were throttled when they
    /// asked about 160 pipelines in a row.
    pub most_pages_of_stages: usize,
    /// So many failures of one target are dealt with before the next has its turn.
    pub most_in_a_turn: usize,
    /// So many failures are handed over in a tick, the first step of a storm as well as the last. Each asks
    /// DescribeExecution, which refills at 10 a second.
    pub most_found: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            since: None,
            machines: Glob::new("*", false),
            pipelines: Glob::new("*", false),
            most_pages_of_executions: 60,
            most_pages_of_stages: 30,
            most_in_a_turn: 50,
            most_found: 200,
        }
    }
}

/// What one tick of the search saw, did, and left for later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Targets that had a turn.
    pub targets: usize,
    /// Calls that listed something.
    pub pages: usize,
    /// Failures that were listed and of an age to be dealt with.
    pub seen: usize,
    /// Those of them that the ledger knew.
    pub known: usize,
    /// What became of the others.
    pub records: Vec<Record>,
    /// Those that met trouble; they are found again.
    pub troubled: Vec<(Subject, Trouble)>,
    /// Targets, by their ARN, and lists of targets, by their service, that could not be read; they are read again.
    pub unread: Vec<(String, Trouble)>,
    /// Services that throttled and were left in peace.
    pub throttled: Vec<Service>,
    /// Targets whose turn is not over.
    pub left: usize,
    /// A round is not complete: the next tick goes on with it.
    pub more: bool,
    /// Every failure that ended between [`Search::since`] and then was looked at.
    pub through: Option<Time>,
    /// Another tick ran at the same time and was first to say how far the search has come: it goes on from there.
    pub outrun: bool,
}

/// Something listed that is to be dealt with.
enum Item {
    Execution(ListedExecution),
    Stage(ListedStage),
    Run(ListedRun),
}

impl Item {
    /// When it ended.
    fn ended(&self) -> Time {
        match self {
            Self::Execution(execution) => execution.stopped.unwrap_or(execution.started),
            Self::Stage(stage) => stage.ended,
            Self::Run(run) => run.updated,
        }
    }

    /// When it started, where its list is ordered by that.
    const fn started(&self) -> Option<Time> {
        match self {
            Self::Execution(execution) => Some(execution.started),
            Self::Stage(_) => None,
            Self::Run(run) => Some(run.started),
        }
    }
}

/// A page that was read and is not dealt with yet: it is not read again within the tick.
struct Open {
    items: VecDeque<Item>,
    next: Option<String>,
}

/// The part of a tick that is about one service.
struct Part<'p> {
    service: Service,
    round: &'p mut Round,
    /// Pages it may still read.
    pages: usize,
    /// Nothing more is done about it in this tick.
    over: bool,
    /// Pages by the target's ARN.
    open: BTreeMap<String, Open>,
    seen: BTreeSet<String>,
}

impl<'p> Part<'p> {
    fn new(service: Service, round: &'p mut Round, pages: usize) -> Self {
        Self {
            service,
            round,
            pages,
            over: false,
            open: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Counts a page that is about to be read, if one may be.
    fn may_read(&mut self, found: &mut Found) -> bool {
        match self.pages.checked_sub(1) {
            Some(left) => {
                self.pages = left;
                found.pages = found.pages.saturating_add(1);
                true
            }
            None => {
                self.over = true;
                false
            }
        }
    }

    fn throttled(&mut self, found: &mut Found) {
        self.over = true;
        found.throttled.push(self.service);
    }

    /// A target could not be read: it is looked at again in the next round, from where it was.
    fn could_not_read(&mut self, mut turn: Turn, trouble: Trouble, found: &mut Found) {
        turn.trouble(self.round.reached(&turn.target));
        // A service that does not answer is not asked about each of its targets in turn.
        self.over |= trouble.kind == TroubleKind::Unreachable;
        found.unread.push((turn.target.clone(), trouble));
        self.round.done(turn);
    }
}

/// Whether something listed is dealt with.
#[derive(PartialEq, Eq)]
enum Dealt {
    Done,
    NotNow,
}

impl<L: Ledger, T: Target, Q: Queue, C: Clock> Redrive<'_, L, T, Q, C> {
    /// Looks for failures that were never announced, and begins no page and no failure after `until`.
    ///
    /// # Errors
    /// The position could not be read. Trouble with a service, a target or a failure stops none of the others.
    pub async fn find(
        &self,
        listings: &impl Listings,
        search: &Search,
        until: Time,
    ) -> Result<Found, Trouble> {
        let mut found = Found::default();
        if self.mode == Mode::Off || self.clock.now() >= until {
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
            redrive: self,
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
            Err(trouble) => found.unread.push(("position".into(), trouble)),
        }
        Ok(found)
    }
}

/// One tick.
struct Seek<'s, 'w, L, T, Q, C, S> {
    redrive: &'s Redrive<'w, L, T, Q, C>,
    listings: &'s S,
    search: &'s Search,
    since: Time,
    until: Time,
}

impl<L: Ledger, T: Target, Q: Queue, C: Clock, S: Listings> Seek<'_, '_, L, T, Q, C, S> {
    /// Whether nothing more is begun.
    fn is_over(&self, found: &Found) -> bool {
        self.redrive.clock.now() >= self.until || found.records.len() >= self.search.most_found
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
                    let trouble = Trouble::new(TroubleKind::Bug, "a first page has no token");
                    part.could_not_read(turn, trouble, found);
                    return;
                }
                Err(trouble) if trouble.kind == TroubleKind::Throttled => {
                    part.throttled(found);
                    part.round.turns.push_front(turn);
                    return;
                }
                Err(trouble) => {
                    part.could_not_read(turn, trouble, found);
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
            Err(trouble) if trouble.kind == TroubleKind::Throttled => part.throttled(found),
            Err(trouble) => {
                part.over = true;
                let service = part.service.as_str().to_string();
                found.unread.push((service, trouble));
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
        let document = self.redrive.document;
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
        let redrive = self.redrive;
        let from = part.round.from(&turn.target, self.since, redrive.pen());
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
            return self.hear(part, item, turn, found).await;
        };
        if !part.may_read(found) {
            return Dealt::NotNow;
        }
        match self.listings.stages_of(&turn.target, run).await {
            Ok(Listing::Shown(stages)) => {
                for stage in stages.into_iter().map(Item::Stage) {
                    if self.hear(part, &stage, turn, found).await == Dealt::NotNow {
                        return Dealt::NotNow;
                    }
                }
            }
            Ok(Listing::Gone | Listing::Expired) => {}
            Err(trouble) if trouble.kind == TroubleKind::Throttled => {
                part.throttled(found);
                return Dealt::NotNow;
            }
            Err(trouble) => {
                turn.trouble(run.updated);
                found.unread.push((turn.target.clone(), trouble));
            }
        }
        Dealt::Done
    }

    /// Hears of one failure by its list.
    async fn hear(
        &self,
        part: &mut Part<'_>,
        item: &Item,
        turn: &mut Turn,
        found: &mut Found,
    ) -> Dealt {
        let Some((failure, identity)) = failure(item, turn) else {
            return Dealt::Done;
        };
        found.seen = found.seen.saturating_add(1);
        if !failure.subject.is_sound() {
            // Whoever looks again reads the same: it is told for as long as it is listed as new, and holds nothing up.
            let trouble = Trouble::new(TroubleKind::Bug, "what a list names cannot be read");
            found.unread.push((turn.target.clone(), trouble));
            return Dealt::Done;
        }
        let (subject, at) = (failure.subject.clone(), failure.at);
        // Boxed: the beats are a deep future, in the midst of others.
        match Box::pin(self.hand_over(failure, identity)).await {
            Ok(None) => found.known = found.known.saturating_add(1),
            Ok(Some(record)) => found.records.push(record),
            Err(trouble) if trouble.kind == TroubleKind::Throttled => {
                found.troubled.push((subject, trouble));
                part.throttled(found);
                return Dealt::NotNow;
            }
            Err(trouble) => {
                found.troubled.push((subject, trouble));
                turn.trouble(at);
            }
        }
        Dealt::Done
    }

    /// Hands a failure to the beats, unless the ledger knows it, or a later one.
    async fn hand_over(
        &self,
        failure: Failure,
        identity: Option<Identity>,
    ) -> Result<Option<Record>, Trouble> {
        let redrive = self.redrive;
        if let Some(identity) = identity
            && let Some(entry) = redrive.ledger.read(&failure.subject).await?
            && entry.relation_at(&identity, failure.at) != Relation::Later
        {
            return Ok(None);
        }
        redrive.failure(failure).await.map(Some)
    }
}

/// A page of something else.
fn shown<T, U>(look: Look<Page<T>>, item: impl FnMut(T) -> U) -> Look<Page<U>> {
    Ok(look?.map(|page| Page {
        items: page.items.into_iter().map(item).collect(),
        next: page.next,
    }))
}

/// What is listed, as a failure of which nothing else is known, and which of its subject's failures it is.
fn failure(item: &Item, turn: &Turn) -> Option<(Failure, Option<Identity>)> {
    match (item, turn.list) {
        (Item::Execution(listed), List::Executions(status)) => {
            let read = ExecutionArn::parse(&listed.arn);
            if read.is_ok_and(|read| read.kind != ExecutionKind::Standard) {
                return None;
            }
            let redrive_count = listed.redrive_count.map_or(Field::Unknown, Field::Known);
            let mut failed = FailedExecution {
                status,
                redrive_count,
                redrivable: Field::Unknown,
                started: Some(listed.started),
                state_machine_arn: Some(turn.target.clone()),
                version_arn: listed.version_arn.clone(),
                error: Field::Unknown,
                cause: Field::Unknown,
                parent: Field::Unknown,
                fail_state: Field::Unknown,
                state: Field::Unknown,
                resource: Field::Unknown,
                moved_on: None,
            };
            if status == ExecutionStatus::TimedOut {
                failed.read_as_time_out();
            }
            let failure = Failure {
                subject: Subject::Execution {
                    arn: listed.arn.clone(),
                },
                at: item.ended(),
                what: What::Execution(failed),
            };
            Some((failure, listed.redrive_count.map(Identity::RedriveCount)))
        }
        (Item::Stage(listed), List::Stages | List::Runs) => {
            let failure = Failure {
                subject: Subject::Stage {
                    arn: alloc::format!("{}/{}", turn.target, listed.stage),
                    execution_id: listed.execution_id.clone(),
                },
                at: listed.ended,
                what: What::Stage(FailedStage {
                    announced: None,
                    standing: Field::Unknown,
                }),
            };
            let identity = Identity::FailedActions(listed.failed.clone());
            Some((failure, Some(identity)))
        }
        _ => None,
    }
}
