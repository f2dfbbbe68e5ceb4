use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use super::*;
use crate::codepipeline::reads::MAX_PAGES_OF_RUNS;
use crate::definition::tests::{self as definitions, MACHINE};
use crate::definition::{CachedDefinition, Revision};
use crate::failure::{Description, FailedAction, FailedStage, Field, Subject};
use crate::history::HistoryEvent;
use crate::ledger::{Decided, Owner, Timing, Writer};
use crate::pipeline::{ActionRun, Declaration, PipelineExecution, StageState};
use crate::step_functions::reads::ALL_EVENTS;
use crate::verdict::Verdict;

const ARN: &str = "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1";
const NO_FAIL: &str = r#"{"States":{"A":{"Type":"Task","End":true}}}"#;
const FAILS: &str = r#"{"States":{"F":{"Type":"Fail","Error":"Own.Error"}}}"#;

/// Both emulated services. They answer with the given data in pages, and record the calls.
#[derive(Default)]
struct Aws {
    definition: Cell<&'static str>,
    /// Id and type. Each event follows from the one before it. Each state has the name Work, each call has the resource
    /// `glue:startJobRun`.
    history: Vec<(u64, &'static str)>,
    /// Stage and action of each run. Each run is a page of its own.
    runs: Vec<(&'static str, &'static str)>,
    /// The latest change of each run.
    updated: Option<Time>,
    /// Whether the last page names another one, for ever.
    endless: bool,
    version: Cell<Option<u64>>,
    /// Whether GetPipelineState shows no execution as the stage's owner.
    unowned: bool,
    /// Whether GetPipelineState omits the type of the execution.
    untyped: bool,
    execution: Option<PipelineExecution>,
    /// Whether the stage succeeded meanwhile.
    over: bool,
    /// The machine's revision id and update date.
    revision: Cell<(&'static str, u64)>,
    local_cache: LocalCache,
    definition_cache: Notes,
    calls: RefCell<Vec<String>>,
}

/// An emulated shared cache.
#[derive(Default)]
struct Notes {
    known: RefCell<BTreeMap<String, CachedDefinition>>,
    calls: RefCell<Vec<&'static str>>,
    /// Whether the cache is unavailable.
    down: Cell<bool>,
}

impl DefinitionCache for Notes {
    async fn get(&self, machine: &str) -> Option<CachedDefinition> {
        self.calls.borrow_mut().push("recall");
        let known = self.known.borrow().get(machine).cloned();
        known.filter(|_| !self.down.get())
    }

    async fn put(&self, machine: &str, known: &CachedDefinition, _: Time) {
        self.calls.borrow_mut().push("note");
        if !self.down.get() {
            let mut noted = self.known.borrow_mut();
            noted.insert(machine.into(), known.clone());
        }
    }
}

impl Aws {
    fn calls(&self) -> Vec<String> {
        self.calls.take()
    }

    fn called(&self, call: &str, asked: &str) {
        self.calls
            .borrow_mut()
            .push(alloc::format!("{call} {asked}").trim().into());
    }

    /// Returns the page of a token, which counts the items so far. A token is valid only with the page size of its
    /// first request.
    fn page<T: Clone>(&self, all: &[T], token: Option<String>, most: usize) -> Page<T> {
        let from = token.map_or(0, |token| {
            let (from, asked) = token.split_once(" of ").unwrap();
            assert_eq!(asked, most.to_string());
            from.parse().unwrap()
        });
        let items: Vec<T> = all.iter().skip(from).take(most).cloned().collect();
        let to = from + items.len();
        let next = (to < all.len() || self.endless).then(|| alloc::format!("{to} of {most}"));
        Page { items, next }
    }

    fn reads(&self, now: u64) -> Reads<'_, Self, Self, Notes> {
        self.reads_by(&self.local_cache, now)
    }

    /// Returns the reads of a process with this cache.
    fn reads_by<'r>(
        &'r self,
        local_cache: &'r LocalCache,
        now: u64,
    ) -> Reads<'r, Self, Self, Notes> {
        Reads {
            executions: self,
            pipelines: self,
            local_cache,
            definition_cache: &self.definition_cache,
            now: Time::from_millis(now),
        }
    }

    fn lookup(&self, failure: &Failure, need: Need, now: u64) -> Result<Fact, Error> {
        done(self.reads(now).lookup(failure, need))
    }
}

/// Polls a future once. No emulated call waits.
fn done<R>(reading: impl Future<Output = R>) -> R {
    match pin!(reading).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

impl Executions for Aws {
    async fn describe(&self, _: &str) -> Read<Description> {
        self.called("DescribeExecution", "");
        Ok(None)
    }

    async fn revision_id(&self, _: &str) -> Read<String> {
        self.called("DescribeStateMachine", "");
        Ok(Some(self.revision.get().0.into()))
    }

    async fn revision(&self, _: &str) -> Read<Revision> {
        self.called("DescribeStateMachineForExecution", "");
        let (id, since) = self.revision.get();
        let since = Time::from_millis(since);
        Ok(Revision::read(
            Some(id.into()),
            since,
            self.definition.get(),
        ))
    }

    async fn history(&self, _: &str, most: u32, token: Option<String>) -> Read<Page<HistoryEvent>> {
        self.called("GetExecutionHistory", &most.to_string());
        let event = |(id, kind): &(u64, &str)| HistoryEvent {
            id: *id,
            previous: id - 1,
            kind: (*kind).into(),
            redrive_count: None,
            state: kind.ends_with("StateEntered").then(|| "Work".into()),
            resource: kind
                .ends_with("Scheduled")
                .then(|| "glue:startJobRun".into()),
        };
        let events: Vec<HistoryEvent> = self.history.iter().map(event).collect();
        Ok(Some(self.page(&events, token, most as usize)))
    }
}

impl Pipelines for Aws {
    async fn state(&self, pipeline: &str, stage: &str) -> Read<StageState> {
        assert_eq!(pipeline, "arn:aws:codepipeline:eu-west-1:111122223333:web");
        self.called("GetPipelineState", "");
        Ok((stage == "Build").then(|| StageState {
            pipeline_version: self.version.get(),
            latest_execution_id: (!self.unowned).then(|| "e1".into()),
            latest_status: Some(if self.over { "Succeeded" } else { "Failed" }.into()),
            rollback: (!self.untyped).then_some(false),
            ..StageState::default()
        }))
    }

    async fn declaration(&self, _: &str, version: Option<u64>) -> Read<Declaration> {
        let asked = version.map(|version| version.to_string());
        self.called("GetPipeline", &asked.unwrap_or_default());
        Ok(Some(Declaration::default()))
    }

    async fn execution(&self, _: &str, execution_id: &str) -> Read<PipelineExecution> {
        self.called("GetPipelineExecution", execution_id);
        Ok(self.execution.clone())
    }

    async fn runs(&self, _: &str, _: &str, token: Option<String>) -> Read<Page<ActionRun>> {
        self.called("ListActionExecutions", "");
        let run = |(stage, id): &(&str, &str)| ActionRun {
            stage: (*stage).into(),
            action: FailedAction {
                action: (*id).into(),
                id: Some((*id).into()),
                ..FailedAction::default()
            },
            status: "Failed".into(),
            updated: self.updated,
            pipeline_version: None,
        };
        let runs: Vec<ActionRun> = self.runs.iter().map(run).collect();
        Ok(Some(self.page(&runs, token, 1)))
    }
}

/// Returns the failure of an execution that started after its machine's definition had settled.
fn execution() -> Failure {
    Failure {
        subject: Subject::Execution { arn: ARN.into() },
        at: Time::default(),
        detail: FailureDetail::Execution(definitions::execution(100_000, None)),
    }
}

fn stage(name: &str) -> Failure {
    Failure {
        subject: Subject::stage("aws", "eu-west-1", "111122223333", "web", name, "e1"),
        at: Time::default(),
        detail: FailureDetail::Stage(FailedStage {
            announced: None,
            snapshot: Field::Unknown,
        }),
    }
}

/// Returns the history, from its end, of an execution that failed in nested states.
fn nested(levels: u64) -> Vec<(u64, &'static str)> {
    let mut events = vec![(levels + 2, "ExecutionFailed")];
    events.extend((2..levels + 2).rev().map(|id| (id, "ParallelStateFailed")));
    events.push((1, "FailStateEntered"));
    events
}

/// Returns the history, from its end, of a task that its Retry ran `times` times.
fn tried(times: u64) -> Vec<(u64, &'static str)> {
    let mut events = vec![(2 * times + 2, "ExecutionFailed")];
    for try_ in (1..=times).rev() {
        events.push((2 * try_ + 1, "TaskFailed"));
        events.push((2 * try_, "TaskScheduled"));
    }
    events.push((1, "TaskStateEntered"));
    events
}

fn ended(fail_state: bool, state: Field<&str>, resource: Field<&str>) -> Fact {
    let own = |field: Field<&str>| match field {
        Field::Known(text) => Field::Known(text.into()),
        Field::Unknown => Field::Unknown,
        Field::Redacted => Field::Redacted,
        Field::Absent => Field::Absent,
    };
    Fact::Ending {
        fail_state,
        state: own(state),
        resource: own(resource),
    }
}

const WORK: Field<&str> = Field::Known("Work");
const GLUE: Field<&str> = Field::Known("glue:startJobRun");

const PAGES: [&str; 4] = [
    "GetExecutionHistory 10",
    "GetExecutionHistory 1000",
    "GetExecutionHistory 1000",
    "GetExecutionHistory 1000",
];

#[test]
fn history_is_read_backwards_until_the_end_is_known() {
    for (history, pages, fact) in [
        // The need is not the state, but a state on the way is kept.
        (
            vec![(9, "ExecutionFailed"), (8, "TaskFailed")],
            1,
            ended(false, Field::Unknown, Field::Unknown),
        ),
        (tried(1), 1, ended(false, WORK, GLUE)),
        (tried(5), 1, ended(false, Field::Unknown, Field::Unknown)),
        (nested(8), 1, ended(true, WORK, Field::Absent)),
        (nested(9), 2, ended(true, WORK, Field::Absent)),
        (nested(2000), 4, ended(true, WORK, Field::Absent)),
    ] {
        let aws = Aws {
            definition: Cell::new(FAILS),
            history,
            ..Aws::default()
        };
        assert_eq!(aws.lookup(&execution(), Need::History, 0).unwrap(), fact);
        let mut expected = vec!["DescribeStateMachineForExecution"];
        expected.extend(&PAGES[..pages]);
        assert_eq!(aws.calls(), expected);
    }
}

#[test]
fn failed_state_is_read_back_to_its_entry() {
    for (history, pages, fact) in [
        (tried(4), 1, ended(false, WORK, GLUE)),
        (tried(5), 2, ended(false, WORK, GLUE)),
        (tried(1000), 4, ended(false, WORK, GLUE)),
        (nested(9), 2, ended(true, WORK, Field::Absent)),
    ] {
        for definition in [NO_FAIL, FAILS] {
            let aws = Aws {
                definition: Cell::new(definition),
                history: history.clone(),
                ..Aws::default()
            };
            let mut failure = execution();
            // A definition without Fail states answers without the history. It does not show which state failed.
            let known = aws.lookup(&failure, Need::History, 0).unwrap();
            if definition == NO_FAIL {
                assert_eq!(known, ended(false, Field::Unknown, Field::Unknown));
                failure.learn(known);
            }
            aws.calls();
            let shown = aws.lookup(&failure, Need::FailedState, 0).unwrap();
            assert_eq!(shown, fact);
            assert_eq!(aws.calls(), PAGES[..pages]);
        }
    }
}

#[test]
fn later_history_read_undoes_no_known_fact() {
    let mut failure = execution();
    failure.learn(ended(false, WORK, Field::Absent));
    failure.learn(ended(false, Field::Unknown, Field::Unknown));
    let FailureDetail::Execution(failed) = failure.detail else {
        panic!("an execution")
    };
    assert_eq!(
        (failed.fail_state, failed.state, failed.resource),
        (
            Field::Known(false),
            Field::Known("Work".into()),
            Field::Absent
        )
    );
}

#[test]
fn history_without_the_end_is_unknown_and_bounded() {
    for (endless, pages) in [(false, 1), (true, 26)] {
        for (need, before) in [(Need::History, 1), (Need::FailedState, 0)] {
            let aws = Aws {
                definition: Cell::new(FAILS),
                history: vec![(5, "TaskStateEntered")],
                endless,
                ..Aws::default()
            };
            let fact = aws.lookup(&execution(), need, 0).unwrap();
            assert_eq!(fact, Fact::NotYet);
            assert_eq!(aws.calls().len(), before + pages);
        }
    }
    // All pages together hold the longest history.
    assert!(ALL_EVENTS.0 * u32::try_from(ALL_EVENTS.1).unwrap() >= 25_000);
}

/// Returns the failure of an execution that failed as soon as it started.
fn started(ms: u64) -> Failure {
    let mut failure = execution();
    failure.at = Time::from_millis(ms);
    if let FailureDetail::Execution(failed) = &mut failure.detail {
        failed.started = Some(failure.at);
    }
    failure
}

const LEARNED: &[&str] = &["DescribeStateMachineForExecution"];
const CONFIRMED: &[&str] = &["DescribeStateMachine"];
const BOTH: &[&str] = &["DescribeStateMachine", "DescribeStateMachineForExecution"];
const NOTHING: &[&str] = &[];

#[test]
fn confirmed_machine_is_not_described_for_a_minute() {
    let aws = Aws {
        definition: Cell::new(NO_FAIL),
        ..Aws::default()
    };
    for (start, calls, definition_cache) in [
        (100_000, LEARNED, vec!["recall", "note"]),
        (100_000, CONFIRMED, vec!["recall", "note"]),
        (160_000, NOTHING, vec![]),
        (160_001, CONFIRMED, vec!["recall", "note"]),
        // The execution started within a confirmed period.
        (100_000, NOTHING, vec![]),
    ] {
        let fact = aws.lookup(&started(start), Need::History, start).unwrap();
        assert_eq!(fact, ended(false, Field::Unknown, Field::Unknown));
        assert_eq!(aws.calls(), calls, "{start}");
        assert_eq!(
            aws.definition_cache.calls.take(),
            definition_cache,
            "{start}"
        );
    }
}

/// Three processes with different clocks look up failures in turn.
#[test]
fn what_one_process_learned_another_does_not_ask_for() {
    for skews in [[0, 0, 0], [299, -299, 0], [-299, 299, 0]] {
        let aws = Aws {
            definition: Cell::new(NO_FAIL),
            ..Aws::default()
        };
        let processes = [(); 3].map(|()| LocalCache::default());
        for (process, start, calls) in [
            (0, 3_600_000, LEARNED),
            (1, 3_600_000, CONFIRMED),
            (2, 3_600_000, NOTHING),
            (0, 3_660_000, NOTHING),
            // A minute later one process must confirm. The others read its confirmation from the cache.
            (2, 3_660_001, CONFIRMED),
            (1, 3_720_001, NOTHING),
            (0, 3_720_001, NOTHING),
            (0, 3_720_002, CONFIRMED),
        ] {
            let now = (start + 500u64).saturating_add_signed(1_000 * skews[process]);
            let reads = aws.reads_by(&processes[process], now);
            let fact = done(reads.lookup(&started(start), Need::History)).unwrap();
            assert_eq!(fact, ended(false, Field::Unknown, Field::Unknown));
            assert_eq!(aws.calls(), calls, "{process} {start} {skews:?}");
        }
    }
}

#[test]
fn update_invalidates_the_cached_definition() {
    // The clock of the confirming process may be ahead of, or behind, the reader's clock.
    for skews in [[0, 0], [299, -299], [-299, 299]] {
        let aws = Aws {
            definition: Cell::new(NO_FAIL),
            history: vec![(5, "ExecutionFailed"), (4, "FailStateEntered")],
            ..Aws::default()
        };
        let processes = [(); 2].map(|()| LocalCache::default());
        let lookup = |process: usize, start: u64| {
            let now = (start + 500).saturating_add_signed(1_000 * skews[process]);
            let reads = aws.reads_by(&processes[process], now);
            let fact = done(reads.lookup(&started(start), Need::History)).unwrap();
            let mut calls = aws.calls();
            calls.retain(|call| !call.starts_with("GetExecutionHistory"));
            (fact == ended(true, WORK, Field::Absent), calls)
        };
        let asked = |calls: &[&str]| {
            calls
                .iter()
                .map(|call| (*call).into())
                .collect::<Vec<String>>()
        };
        for start in [3_600_000, 3_600_001] {
            lookup(0, start);
        }
        aws.revision.set(("r2", 3_610_000));
        aws.definition.set(FAILS);
        // The execution started a minute after the last confirmation, so the definition may have changed.
        assert_eq!(lookup(1, 3_670_000), (true, asked(BOTH)), "{skews:?}");
        // A process with the previous definition learns of the update from the cache.
        assert_eq!(lookup(0, 3_670_000), (true, asked(CONFIRMED)), "{skews:?}");
        assert_eq!(lookup(1, 3_670_000), (true, vec![]), "{skews:?}");
        // An outdated definition from a lagging cache replaces nothing.
        let mut old = aws.definition_cache.known.borrow()[MACHINE].clone();
        old.revision = Revision::read(Some("r1".into()), Time::default(), NO_FAIL).unwrap();
        old.confirmed = Some(Time::from_millis(3_730_002));
        aws.definition_cache
            .known
            .borrow_mut()
            .insert(MACHINE.into(), old);
        assert_eq!(lookup(1, 3_730_002), (true, asked(CONFIRMED)), "{skews:?}");
    }
}

#[test]
fn a_time_that_cannot_have_been_confirms_nothing() {
    for (confirmed, calls) in [
        (99_999, NOTHING),
        (100_000, NOTHING),
        (100_001, CONFIRMED),
        (u64::MAX, CONFIRMED),
    ] {
        let aws = Aws::default();
        aws.revision.set(("r1", 0));
        let revision = Revision::read(Some("r1".into()), Time::default(), NO_FAIL).unwrap();
        let known = CachedDefinition {
            revision,
            confirmed: Some(Time::from_millis(confirmed)),
        };
        aws.definition_cache
            .known
            .borrow_mut()
            .insert(MACHINE.into(), known);
        let fact = aws.lookup(&started(100_000), Need::History, 0).unwrap();
        assert_eq!(fact, ended(false, Field::Unknown, Field::Unknown));
        assert_eq!(aws.calls(), calls, "{confirmed}");
    }
}

#[test]
fn old_execution_bypasses_the_cache() {
    let aws = Aws {
        definition: Cell::new(NO_FAIL),
        ..Aws::default()
    };
    aws.revision.set(("r2", 500_000));
    for start in [600_000, 600_000] {
        aws.lookup(&started(start), Need::History, start).unwrap();
    }
    aws.calls();
    aws.definition_cache.calls.take();
    for revision in [("r1", 0), ("r2", 500_000)] {
        aws.revision.set(revision);
        aws.lookup(&started(530_000), Need::History, 600_000)
            .unwrap();
        assert_eq!(aws.calls(), LEARNED);
        assert_eq!(aws.definition_cache.calls.take(), [""; 0]);
    }
    // An old execution's definition removes no confirmation.
    aws.lookup(&started(660_000), Need::History, 660_000)
        .unwrap();
    assert_eq!(aws.calls(), NOTHING);
}

#[test]
fn missing_cache_reads_the_definition_in_each_process() {
    let aws = Aws {
        definition: Cell::new(NO_FAIL),
        ..Aws::default()
    };
    aws.definition_cache.down.set(true);
    for _ in 0..2 {
        let process = LocalCache::default();
        for calls in [LEARNED, CONFIRMED, NOTHING] {
            let reads = aws.reads_by(&process, 100_000);
            let fact = done(reads.lookup(&started(100_000), Need::History)).unwrap();
            assert_eq!(fact, ended(false, Field::Unknown, Field::Unknown));
            assert_eq!(aws.calls(), calls);
        }
    }
}

#[test]
fn a_pipelines_declaration_is_read_once_for_each_version() {
    let aws = Aws::default();
    for (version, expected) in [
        (Some(3), Some("GetPipeline 3")),
        (Some(3), None),
        (Some(4), Some("GetPipeline 4")),
        (Some(4), None),
        // No version is shown, so the declaration is not cached.
        (None, Some("GetPipeline")),
        (None, Some("GetPipeline")),
        (Some(4), None),
    ] {
        aws.version.set(version);
        aws.lookup(&stage("Build"), Need::PipelineState, 0).unwrap();
        let calls = aws.calls();
        let read = calls
            .iter()
            .find(|call| call.split(" ").next() == Some("GetPipeline"));
        assert_eq!(read.map(String::as_str), expected, "{version:?}");
    }
}

#[test]
fn stage_is_judged_by_its_runs_of_all_pages() {
    let aws = Aws {
        runs: vec![("Build", "unit"), ("Test", "load"), ("Build", "lint")],
        ..Aws::default()
    };
    let fact = aws.lookup(&stage("Build"), Need::PipelineState, 0).unwrap();
    let Fact::Stage(snapshot) = fact else {
        panic!("{fact:?}")
    };
    let failed = snapshot.failed.iter().map(|action| action.action.as_str());
    assert_eq!(failed.collect::<Vec<_>>(), ["unit", "lint"]);
}

#[test]
fn endless_list_of_runs_is_an_error() {
    let aws = Aws {
        runs: vec![("Build", "unit")],
        endless: true,
        ..Aws::default()
    };
    let error = aws
        .lookup(&stage("Build"), Need::PipelineState, 0)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(aws.calls().len(), 2 + MAX_PAGES_OF_RUNS);
}

#[test]
fn execution_without_type_in_the_state_is_read() {
    let said = |status: &str, rollback| {
        Some(PipelineExecution {
            status: Some(status.into()),
            rollback,
        })
    };
    #[rustfmt::skip]
    let table = [
        // GetPipelineState shows the execution and its type, so GetPipelineExecution is not called.
        (false, false, said("Stopped", true), Some((false, None))),
        (true, false, said("Failed", true), Some((true, None))),
        (true, false, said("Failed", false), Some((false, None))),
        (false, true, said("Failed", false), Some((false, None))),
        (false, true, said("Stopped", false), Some((false, Some(Reason::Stopped)))),
        (false, true, said("Stopping", false), Some((false, Some(Reason::Stopped)))),
        (false, true, said("Superseded", false), Some((false, Some(Reason::Superseded)))),
        (true, false, None, None),
    ];
    for (untyped, unowned, execution, expected) in table {
        let aws = Aws {
            runs: vec![("Build", "unit")],
            untyped,
            unowned,
            execution: execution.clone(),
            ..Aws::default()
        };
        let fact = aws.lookup(&stage("Build"), Need::PipelineState, 0).unwrap();
        let actual = match &fact {
            Fact::Stage(snapshot) => Some((snapshot.rollback, snapshot.not_ours())),
            _ => None,
        };
        assert_eq!(actual, expected, "{untyped} {unowned} {execution:?}");
        let asked = aws.calls().contains(&"GetPipelineExecution e1".into());
        assert_eq!(asked, untyped || unowned);
    }
    // A stage that is not retried anyway needs no further call.
    let aws = Aws {
        untyped: true,
        over: true,
        runs: vec![("Build", "unit")],
        ..Aws::default()
    };
    let fact = aws.lookup(&stage("Build"), Need::PipelineState, 0);
    assert!(matches!(fact, Ok(Fact::Stage(_))), "{fact:?}");
    assert!(!aws.calls().contains(&"GetPipelineExecution e1".into()));
}

#[test]
fn a_stage_that_is_gone_costs_one_call() {
    let aws = Aws::default();
    let fact = aws
        .lookup(&stage("Removed"), Need::PipelineState, 0)
        .unwrap();
    assert_eq!(fact, Fact::Gone);
    assert_eq!(aws.calls(), ["GetPipelineState"]);
}

/// Returns an entry about a failure.
fn entry(subject: Subject, failure_id: FailureId) -> Entry {
    let decided = Decided {
        subject,
        failure_id,
        failed_at: Time::default(),
        retried_before: 0,
        verdict: Verdict::ignore(Reason::Matched),
        slot: core::time::Duration::ZERO,
        observed: false,
    };
    let writer = Writer {
        owner: &Owner("a".into()),
        now: Time::default(),
        timing: &Timing::default(),
    };
    Entry::open(decided, writer)
}

#[test]
fn last_read_distinguishes_gone_from_not_yet_shown() {
    let aws = Aws {
        unowned: true,
        ..Aws::default()
    };
    let ids = FailureId::FailedActions(["unit".into()].into());
    for (subject, failure_id) in [
        (execution().subject, FailureId::RedriveCount(0)),
        (stage("Removed").subject, ids.clone()),
    ] {
        let target_state = done(aws.reads(0).current_state(&entry(subject, failure_id))).unwrap();
        assert_eq!(target_state, TargetState::Terminated(Reason::Gone));
    }
    let entry = entry(stage("Build").subject, ids);
    let error = done(aws.reads(0).current_state(&entry)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[test]
fn runs_older_than_the_failure_do_not_show_that_the_stage_advanced() {
    let read = |failed: &str, updated: u64| {
        let aws = Aws {
            runs: vec![("Build", "unit")],
            updated: Some(Time::from_millis(updated)),
            ..Aws::default()
        };
        let ids = FailureId::FailedActions([failed.into()].into());
        let mut entry = entry(stage("Build").subject, ids);
        entry.failed_at = Time::from_millis(1000);
        done(aws.reads(0).current_state(&entry))
    };
    assert_eq!(read("unit", 999), Ok(TargetState::Unchanged));
    assert_eq!(read("lint", 1000), Ok(TargetState::Advanced(0)));
    assert_eq!(read("lint", 999).unwrap_err().kind, ErrorKind::Unavailable);
}
