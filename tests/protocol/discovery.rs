//! What no event told of is found: by lists, fairly, within bounds, and not twice.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use redrive_core::controller::{Outcome, RunMode};
use redrive_core::discovery::{DiscoveryReport, Search};
use redrive_core::error::ErrorKind;
use redrive_core::failure::Service as Which;
use redrive_core::ledger::{CheckpointStore, State};
use redrive_core::policy::Glob;
use redrive_core::time::Time;
use redrive_core::verdict::Reason;
use redrive_emulator::api::{CallError, Service};
use redrive_emulator::codepipeline::{ExecutionMode, Outcome as Brings, Seed as StageSeed};
use redrive_emulator::stepfunctions::{Outcome as Ends, Script, Seed, Status};
use redrive_simulation::kernel::Sandbox;
use redrive_simulation::services::JsonApi;
use serde_json::{Value, json};

use crate::faulty_adapters::{Break, Step, race, run};
use crate::scene::{ARN, NEXT_RUN, NOW, RUN, Scene, action, build, refusal, rule, stage};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// What happens before a call of this number.
type Happening<'d> = Box<dyn FnMut(usize) + 'd>;

/// A sandbox whose lists have small pages, and whose calls take time.
struct Paged<'d> {
    sandbox: &'d Sandbox<Step>,
    page: usize,
    takes: Duration,
    /// The calls that list, each with what it asks about.
    asked: RefCell<Vec<(String, String)>>,
    /// What happens just before a call is carried out.
    before: RefCell<Option<Happening<'d>>>,
}

impl<'d> Paged<'d> {
    fn new(scene: &'d Scene, page: usize) -> Self {
        Self {
            sandbox: &scene.adapters.sandbox,
            page,
            takes: Duration::ZERO,
            asked: RefCell::default(),
            before: RefCell::default(),
        }
    }

    fn asked(&self, operation: &str) -> Vec<String> {
        let asked = self.asked.borrow();
        let about = asked.iter().filter(|(name, _)| name == operation);
        about.map(|(_, about)| about.clone()).collect()
    }
}

impl JsonApi for Paged<'_> {
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError> {
        let number = self.asked.borrow().len();
        if let Some(before) = self.before.borrow_mut().as_mut() {
            before(number);
        }
        let about = arn.rsplit(':').next().unwrap().to_owned();
        self.asked.borrow_mut().push((operation.into(), about));
        let mut body = body.clone();
        if operation == "ListExecutions" || operation == "ListPipelineExecutions" {
            body["maxResults"] = self.page.into();
        }
        let answer = self.sandbox.answer(arn, operation, &body);
        let now = self.sandbox.now();
        self.sandbox.agenda.wind(now.plus(self.takes));
        answer
    }
}

fn since(time: Time) -> Search {
    Search {
        since: Some(time),
        ..Search::default()
    }
}

/// So long before the scene.
fn ago(seconds: u64) -> Time {
    NOW.minus(Duration::from_secs(seconds))
}

fn arn(machine: &str, name: impl std::fmt::Display) -> String {
    format!("arn:aws:states:eu-west-1:111122223333:execution:{machine}:{name}")
}

/// A scene in which nothing has happened.
fn empty(policy: &str) -> Scene {
    Scene::new(policy, stage())
}

/// An execution that failed so long before the scene, and would hang if it were redriven.
fn failed(scene: &Scene, arn: &str, seconds: u64) {
    failed_at(scene, arn, ago(seconds));
}

fn failed_at(scene: &Scene, arn: &str, stop: Time) {
    let stop = stop.as_millis();
    seeded(
        scene,
        Seed {
            error: Some("Glue.Throttled".into()),
            outcomes: Script::new([Ends::hang()]),
            ..Seed::new(arn, Status::Failed, stop - 1_000, stop)
        },
    );
}

fn seeded(scene: &Scene, seed: Seed) {
    scene
        .region(|region| region.stepfunctions.seed(seed))
        .unwrap();
}

/// How often an execution was redriven.
fn redrives(scene: &Scene, arn: &str) -> usize {
    scene.region(|region| region.stepfunctions.execution(arn).unwrap().redrives.len())
}

fn calls(scene: &Scene, operation: &str) -> usize {
    let calls = scene.adapters.sandbox.calls();
    calls.get(operation).copied().unwrap_or_default()
}

fn tick(scene: &Scene, api: &impl JsonApi, search: &Search) -> DiscoveryReport {
    run(scene.finding(api, search)).unwrap().unwrap()
}

fn outcomes(found: &DiscoveryReport) -> Vec<Outcome> {
    found.records.iter().map(|record| record.outcome).collect()
}

/// Both services, each with one failure that nobody was told of.
fn unheard() -> [Scene; 2] {
    let scenes = Scene::both(&rule(2, 0));
    for scene in &scenes {
        scene.failed();
    }
    scenes
}

#[test]
fn a_failure_that_was_never_announced_is_found_and_retried_once() {
    for scene in unheard() {
        let found = scene.find(&since(NOW));
        assert_eq!((found.seen, found.known), (1, 0));
        assert_eq!(outcomes(&found), [Outcome::Retried]);
        assert_eq!(found.records[0].happened_at, Some(scene.now()));
        assert_eq!((found.left, found.more, found.outrun), (0, false, false));
        assert_eq!(scene.effects(), 1);
        scene.adapters.reset();
        assert_eq!(outcomes(&scene.find(&since(NOW))), []);
        assert_eq!(scene.adapters.calls(), ["checkpoint", "put_checkpoint"]);
        // It succeeds, of which nobody is told either.
        scene.wind(1);
        scene.emitted();
        assert_eq!(scene.find(&since(NOW)).seen, 0);
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn each_failure_in_a_row_of_unannounced_ones_is_found_until_the_limit() {
    for scene in Scene::both_for_ever(&rule(2, 0)) {
        let mut outcome = Vec::new();
        for _ in 0..5 {
            scene.wind(60);
            outcome.extend(outcomes(&scene.find(&since(NOW))));
        }
        assert_eq!(
            outcome,
            [Outcome::Retried, Outcome::Retried, Outcome::GaveUp]
        );
        assert_eq!(
            (scene.effects(), scene.stands()),
            (2, (State::GivenUp, Reason::LimitSpent, 2, 2))
        );
    }
}

#[test]
fn one_that_timed_out_is_found_too() {
    let scene = empty(&rule(1, 0));
    let started = ago(60).as_millis();
    seeded(
        &scene,
        Seed::new(ARN, Status::TimedOut, started, NOW.as_millis()),
    );
    let found = scene.find(&since(ago(HOUR)));
    assert_eq!(outcomes(&found), [Outcome::Retried]);
    assert!(found.records[0].looked_up.len() == 1, "its description");
}

#[test]
fn a_found_failure_with_a_delay_waits_like_any_other() {
    for scene in Scene::both(&rule(2, 60)) {
        scene.failed();
        assert_eq!(outcomes(&scene.find(&since(NOW))), [Outcome::Queued]);
        assert_eq!(scene.find(&since(NOW)).known, 1);
        scene.wind(60);
        assert_eq!(scene.deliver()[0].outcome, Outcome::Retried);
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn a_failure_is_handled_once_whether_announced_or_found() {
    for scene in Scene::both(&rule(2, 60)) {
        let event = scene.failed();
        scene.handle_event(&event);
        let found = scene.find(&since(NOW));
        assert_eq!((found.seen, found.known, found.records.len()), (1, 1, 0));
        assert_eq!(scene.stands(), (State::Queued, Reason::Matched, 1, 1));
    }
    for scene in Scene::both(&rule(2, 0)) {
        let event = scene.failed();
        assert_eq!(outcomes(&scene.find(&since(NOW))), [Outcome::Retried]);
        let late = scene.handle_event(&event);
        assert!(matches!(
            late.outcome,
            Outcome::Duplicate | Outcome::Ignored
        ));
        scene.calm(&[event]);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Recovered, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn a_failure_found_while_its_event_is_handled_is_retried_once() {
    for slow in ["read", "know", "put_if_revision", "act"] {
        for event_first in [true, false] {
            for scene in Scene::both(&rule(2, 0)) {
                let event = scene.failed();
                let search = since(NOW);
                let sandbox = &scene.adapters.sandbox;
                scene.next_breaks(slow, Break::SlowBefore);
                if event_first {
                    let _ = race(
                        scene.handling_event(&event),
                        scene.finding(sandbox, &search),
                    );
                } else {
                    let _ = race(
                        scene.finding(sandbox, &search),
                        scene.handling_event(&event),
                    );
                }
                assert_eq!(scene.effects(), 1, "{slow} {event_first}");
                scene.calm(&[event]);
                assert_eq!(
                    (scene.effects(), scene.stands()),
                    (1, (State::Recovered, Reason::Matched, 1, 1)),
                    "{slow} {event_first}"
                );
            }
        }
    }
}

#[test]
fn nothing_older_than_14_days_is_looked_at() {
    let scene = empty(&rule(1, 0));
    let (old, young) = (arn("etl", "old"), arn("etl", "young"));
    failed(&scene, &old, 14 * DAY + 60);
    failed(&scene, &young, 14 * DAY - 60);
    let found = scene.find(&since(ago(400 * DAY)));
    assert_eq!((found.seen, found.records.len()), (1, 1));
    assert_eq!((redrives(&scene, &old), redrives(&scene, &young)), (0, 1));
}

#[test]
fn since_says_from_when_on_it_is_looked() {
    let scene = empty(&rule(1, 0));
    let (before, after) = (arn("etl", "before"), arn("etl", "after"));
    failed(&scene, &before, 3 * DAY + 1);
    failed(&scene, &after, 3 * DAY);
    assert_eq!(scene.find(&since(ago(3 * DAY))).records.len(), 1);
    assert_eq!(
        (redrives(&scene, &before), redrives(&scene, &after)),
        (0, 1)
    );
    // A later day changes nothing; an earlier one is looked at, though all after it was looked at.
    scene.wind(60);
    assert_eq!(scene.find(&since(ago(DAY))).seen, 0);
    scene.wind(60);
    assert_eq!(scene.find(&since(ago(4 * DAY))).records.len(), 1);
    assert_eq!(redrives(&scene, &before), 1);
}

#[test]
fn a_since_to_come_is_waited_for() {
    let scene = empty(&rule(1, 0));
    failed(&scene, ARN, 60);
    let monday = since(NOW.plus(Duration::from_secs(HOUR)));
    assert_eq!(scene.find(&monday).seen, 0);
    // Who takes it back means now.
    assert_eq!(scene.find(&Search::default()).seen, 0);
    scene.wind(30 * 60);
    let later = arn("etl", "later");
    failed_at(&scene, &later, scene.now());
    assert_eq!(scene.find(&Search::default()).records.len(), 1);
    assert_eq!((redrives(&scene, ARN), redrives(&scene, &later)), (0, 1));
}

#[test]
fn the_first_run_on_an_old_account_begins_with_now() {
    let scene = empty(&rule(1, 0));
    for number in 0..50 {
        failed(&scene, &arn("etl", number), 365 * DAY - number * 7 * DAY);
    }
    failed(&scene, ARN, 1);
    scene
        .region(|region| {
            region.codepipeline.seed(StageSeed {
                at: ago(60).as_millis(),
                ..build([action("Unit", [Brings::fail("JobFailed", "busy")])])
            })
        })
        .unwrap();
    for _ in 0..3 {
        let found = scene.find(&Search::default());
        assert_eq!((found.targets, found.seen), (2, 0));
        scene.wind(60);
    }
    assert!(scene.adapters.sandbox.ledger.entries().is_empty());
    for spared in [
        "DescribeExecution",
        "RedriveExecution",
        "RetryStageExecution",
    ] {
        assert_eq!(calls(&scene, spared), 0, "{spared}");
    }
    // What fails from then on is found.
    let later = arn("etl", "later");
    failed_at(&scene, &later, scene.now());
    assert_eq!(scene.find(&Search::default()).records.len(), 1);
}

#[test]
fn switched_off_it_reads_and_writes_nothing_and_finds_it_later() {
    for scene in Scene::both(&rule(2, 0)) {
        assert_eq!(scene.find(&Search::default()).seen, 0);
        scene.mode.set(RunMode::Off);
        scene.adapters.reset();
        scene.failed();
        let before = scene.adapters.sandbox.calls();
        for _ in 0..3 {
            scene.wind(2 * DAY);
            assert_eq!(scene.find(&Search::default()), DiscoveryReport::default());
        }
        assert_eq!(scene.adapters.calls(), [""; 0]);
        assert_eq!(scene.adapters.sandbox.calls(), before);
        scene.mode.set(RunMode::Act);
        assert_eq!(
            outcomes(&scene.find(&Search::default())),
            [Outcome::Retried]
        );
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn observing_records_what_it_finds_and_that_is_final() {
    for scene in unheard() {
        scene.mode.set(RunMode::Observe);
        assert_eq!(outcomes(&scene.find(&since(NOW))), [Outcome::Observed]);
        scene.mode.set(RunMode::Act);
        assert_eq!(scene.find(&since(NOW)).known, 1);
        assert_eq!((scene.effects(), scene.entry().state), (0, State::Observed));
    }
}

#[test]
fn many_pages_are_read_over_many_ticks_and_each_failure_is_found_once() {
    let scene = empty(&rule(1, 0));
    let arns: Vec<String> = (0..35).map(|number| arn("etl", number)).collect();
    for (number, arn) in arns.iter().enumerate() {
        failed(&scene, arn, 60 + number as u64);
    }
    let api = Paged::new(&scene, 10);
    let search = since(ago(HOUR)).with_max_pages(Which::StepFunctions, 2);
    let mut ticks = Vec::new();
    let began = scene.now();
    for _ in 0..6 {
        let found = tick(&scene, &api, &search);
        let watermark = found.watermark.unwrap();
        assert_eq!(
            watermark < began,
            found.more,
            "not before all was looked at"
        );
        ticks.push((found.records.len(), found.left, found.more));
        scene.wind(60);
        if !found.more {
            break;
        }
    }
    // One page of targets, four of those that failed, one of those that timed out. What was redriven has left
    // the lists, and no other was passed over by that.
    assert_eq!(
        ticks,
        [(10, 1, true), (20, 1, true), (5, 0, false)],
        "found, left, more"
    );
    assert!(arns.iter().all(|arn| redrives(&scene, arn) == 1));
    assert_eq!(api.asked("ListExecutions").len(), 5);
}

#[test]
fn with_hardly_any_time_it_still_comes_to_an_end() {
    let scene = empty(&rule(1, 0));
    let arns: Vec<String> = (0..25).map(|number| arn("etl", number)).collect();
    for (number, arn) in arns.iter().enumerate() {
        failed(&scene, arn, 60 + number as u64);
    }
    let mut api = Paged::new(&scene, 10);
    api.takes = Duration::from_secs(1);
    let mut ticks = 0;
    loop {
        ticks += 1;
        assert!(ticks < 20);
        // Two calls that list, and then it is over.
        let until = scene.now().plus(Duration::from_millis(1_500));
        scene.sweep_until.set(until);
        let before = api.asked.borrow().len();
        let found = tick(&scene, &api, &since(ago(HOUR)));
        assert!(api.asked.borrow().len() - before <= 2);
        if !found.more {
            break;
        }
        scene.wind(60);
    }
    assert!(arns.iter().all(|arn| redrives(&scene, arn) == 1));
}

#[test]
fn nothing_is_begun_when_the_time_is_over() {
    for scene in unheard() {
        scene.adapters.reset();
        let before = scene.adapters.sandbox.calls();
        scene.sweep_until.set(scene.now());
        assert_eq!(scene.find(&since(NOW)), DiscoveryReport::default());
        assert_eq!(scene.adapters.calls(), [""; 0]);
        assert_eq!(scene.adapters.sandbox.calls(), before);
    }
}

#[test]
fn a_page_that_was_not_finished_is_finished_by_the_next_tick() {
    let scene = empty(&rule(1, 0));
    let arns: Vec<String> = (0..20).map(|number| arn("etl", number)).collect();
    for (number, arn) in arns.iter().enumerate() {
        // Some started in the same moment.
        failed(&scene, arn, 60 + number as u64 / 3);
    }
    // Some were handled, and stay in the list.
    scene
        .document
        .replace(crate::scene::document(&rule(1, 600)));
    assert_eq!(
        scene
            .find(&Search {
                max_found: 5,
                ..since(ago(HOUR))
            })
            .records
            .len(),
        5
    );
    scene.document.replace(crate::scene::document(&rule(1, 0)));
    let mut found = Vec::new();
    for _ in 0..4 {
        let tick = scene.find(&Search {
            max_found: 6,
            ..since(ago(HOUR))
        });
        found.push(tick.records.len());
        let again = found.last() == Some(&0) || tick.known <= 3;
        assert!(again, "what started later was dealt with");
        scene.wind(60);
    }
    assert_eq!(found, [6, 6, 3, 0]);
    let entries = scene.adapters.sandbox.ledger.entries();
    let subjects: BTreeSet<_> = entries.iter().map(|entry| entry.subject.key()).collect();
    assert_eq!(subjects.len(), 20);
}

#[test]
fn a_machine_with_many_pages_keeps_no_other_waiting() {
    let scene = empty(&rule(1, 0));
    for number in 0..300 {
        failed(&scene, &arn("a-large-one", number), 60 + number);
    }
    let others = ["b", "c", "d"].map(|machine| arn(machine, "only"));
    for other in &others {
        failed(&scene, other, 60);
    }
    let api = Paged::new(&scene, 10);
    // The list of machines, and one page of each.
    let search = since(ago(HOUR)).with_max_pages(Which::StepFunctions, 5);
    let found = tick(&scene, &api, &search);
    assert_eq!((found.targets, found.records.len()), (4, 13));
    assert!(others.iter().all(|arn| redrives(&scene, arn) == 1));
    assert_eq!(api.asked("ListExecutions"), ["a-large-one", "b", "c", "d"]);
    // And so it goes on: what is small is done with, what is large has the rest.
    let mut ticks = 1;
    while tick(&scene, &api, &search).more {
        ticks += 1;
        scene.wind(1);
    }
    assert_eq!(ticks, 7, "1 + 4 x 2 + 30 calls, 5 a tick");
    let entries = scene.adapters.sandbox.ledger.entries();
    assert_eq!(entries.len(), 303);
}

#[test]
fn a_target_with_many_failures_on_a_page_keeps_no_other_waiting() {
    let scene = empty(&rule(1, 0));
    for number in 0..60 {
        failed(&scene, &arn("a-large-one", number), 60 + number);
    }
    failed(&scene, &arn("b", "only"), 60);
    let found = scene.find(&Search {
        max_in_a_turn: 20,
        max_found: 21,
        ..since(ago(HOUR))
    });
    assert_eq!((found.records.len(), found.more), (21, true));
    assert_eq!(redrives(&scene, &arn("b", "only")), 1);
    let rest = scene.find(&Search {
        max_in_a_turn: 20,
        ..since(ago(HOUR))
    });
    assert_eq!((rest.records.len(), rest.more), (40, false));
    // Pipelines, what failed and what timed out of the large one, what timed out of the other.
    assert_eq!(
        rest.pages, 4,
        "a page that was read is not read for each turn"
    );
}

#[test]
fn a_service_that_throttles_is_left_in_peace_and_the_other_is_not() {
    for operation in ["ListStateMachines", "ListExecutions", "DescribeExecution"] {
        let scene = empty(&rule(1, 0));
        for machine in ["a", "b"] {
            failed(&scene, &arn(machine, "one"), 60);
        }
        scene
            .region(|region| {
                region.codepipeline.seed(StageSeed {
                    at: ago(60).as_millis(),
                    ..build([action("Unit", [Brings::fail("JobFailed", "busy")])])
                })
            })
            .unwrap();
        scene.emitted();
        scene.region(|region| {
            region
                .stepfunctions
                .inject(operation, refusal("ThrottlingException"))
        });
        let found = scene.find(&since(ago(HOUR)));
        assert_eq!(found.throttled, [Which::StepFunctions], "{operation}");
        assert_eq!(scene.effects(), 1, "{operation}: the stage's");
        assert_eq!(found.records.len(), 1, "{operation}");
        assert!(found.more && found.unread.is_empty(), "{operation}");
        assert_eq!(calls(&scene, "RedriveExecution"), 0, "{operation}");
        let next = scene.find(&since(ago(HOUR)));
        assert_eq!(outcomes(&next), [Outcome::Retried; 2], "{operation}");
        assert!(!next.more, "{operation}");
    }
}

#[test]
fn pages_are_counted_though_they_are_throttled_in_the_middle() {
    let scene = empty(&rule(1, 0));
    for number in 0..30 {
        failed(&scene, &arn("etl", number), 60 + number);
    }
    let api = Paged::new(&scene, 10);
    *api.before.borrow_mut() = Some(Box::new(|number| {
        // The second page.
        if number == 3 {
            scene.region(|region| {
                region
                    .stepfunctions
                    .inject("ListExecutions", refusal("ThrottlingException"))
            });
        }
    }));
    let found = tick(&scene, &api, &since(ago(HOUR)));
    assert_eq!((found.records.len(), found.left), (10, 1));
    let next = tick(&scene, &api, &since(ago(HOUR)));
    assert_eq!((next.records.len(), next.more), (20, false));
}

#[test]
fn a_failure_that_met_error_is_found_again_however_late() {
    for call in ["read", "know", "put_if_revision"] {
        for scene in unheard() {
            scene.next_breaks(call, Break::Before);
            let found = scene.find(&since(NOW));
            assert_eq!((found.records.len(), found.errors.len()), (0, 1), "{call}");
            let failed_at = scene.now();
            for _ in 0..2 {
                scene.wind(DAY);
                scene.next_breaks(call, Break::Before);
                let found = scene.find(&since(NOW));
                assert_eq!(found.errors.len(), 1, "{call}");
                assert_eq!(found.watermark, Some(failed_at), "no further than that");
            }
            scene.wind(DAY);
            let again = scene.find(&since(NOW));
            assert_eq!(outcomes(&again), [Outcome::Retried], "{call}");
            assert!(again.errors.is_empty());
            assert_eq!(again.watermark, Some(scene.now()));
            assert_eq!(scene.effects(), 1);
        }
    }
}

#[test]
fn a_target_that_cannot_be_read_is_read_from_there_again_and_holds_no_other_back() {
    for (code, kind) in [
        ("AccessDeniedException", ErrorKind::AccessDenied),
        ("InternalFailure", ErrorKind::Unavailable),
    ] {
        let scene = empty(&rule(1, 0));
        failed(&scene, &arn("a", "one"), 60);
        failed(&scene, &arn("b", "one"), 60);
        let refuse = |scene: &Scene| {
            scene.region(|region| region.stepfunctions.inject("ListExecutions", refusal(code)));
        };
        refuse(&scene);
        let mut found = scene.find(&since(ago(HOUR)));
        // What does not answer is not asked about each of its targets in turn.
        let asked = usize::from(kind == ErrorKind::AccessDenied) + 1;
        assert_eq!(found.targets, asked, "{code}");
        while found.more {
            assert_eq!(found.unread.len(), 1);
            assert_eq!(found.unread[0].1.kind, kind);
            found = scene.find(&since(ago(HOUR)));
        }
        let redriven = |machine| redrives(&scene, &arn(machine, "one"));
        assert_eq!((redriven("a"), redriven("b")), (0, 1));
        assert_eq!(found.watermark, Some(ago(HOUR)));
        let checkpoint = || {
            let checkpoint = run(scene.adapters.sandbox.ledger.checkpoint());
            checkpoint.unwrap().unwrap().unwrap().passes[&Which::StepFunctions].clone()
        };
        assert_eq!(
            (checkpoint().watermark, checkpoint().lagging.len()),
            (NOW, 1)
        );
        // Long after, and though it could not be read a second time.
        scene.wind(DAY);
        refuse(&scene);
        while scene.find(&since(ago(HOUR))).more {}
        scene.wind(DAY);
        while scene.find(&since(ago(HOUR))).more {}
        assert_eq!((redriven("a"), redriven("b")), (1, 1));
        assert!(checkpoint().lagging.is_empty());
    }
}

#[test]
fn a_list_of_targets_that_cannot_be_read_is_said_and_read_again() {
    for (which, operation) in [
        (Which::StepFunctions, "ListStateMachines"),
        (Which::CodePipeline, "ListPipelines"),
    ] {
        for scene in unheard() {
            scene.region(|region| match which {
                Which::StepFunctions => region.stepfunctions.inject(operation, refusal("Broken")),
                Which::CodePipeline => region.codepipeline.inject(operation, refusal("Broken")),
            });
            let found = scene.find(&since(NOW));
            let ours = scene.is_stage() == (which == Which::CodePipeline);
            assert_eq!(found.unread[0].0, which.as_str());
            assert!(found.more);
            assert_eq!(found.records.len(), usize::from(!ours));
            scene.find(&since(NOW));
            assert_eq!(scene.effects(), 1);
        }
    }
}

#[test]
fn what_is_not_ours_is_not_even_listed() {
    let ours = "version: 1
policies:
  - match: { state_machine: \"ours-*\" }
    name: ours
    retry: { automatic: { id: any, limit: 1, backoff: { interval_seconds: 0 } } }
";
    let scene = empty(ours);
    failed(&scene, &arn("ours-1", "one"), 60);
    failed(&scene, &arn("ours-not-allowed", "one"), 60);
    failed(&scene, &arn("theirs", "one"), 60);
    // A child of a Map Run, whose machine bears a label.
    failed(&scene, &arn("ours-1/Each", "child"), 60);
    scene.region(|region| {
        let body = json!({
            "name": "ours-1-express", "type": "EXPRESS", "roleArn": "arn:aws:iam::111122223333:role/any",
            "definition": json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } }).to_string(),
        });
        let now = NOW.as_millis();
        region.stepfunctions.call(now, "CreateStateMachine", &body).unwrap();
        region.codepipeline.seed(StageSeed { at: ago(60).as_millis(), ..build([action("Unit", [])]) }).unwrap();
    });
    let api = Paged::new(&scene, 10);
    let search = since(ago(HOUR)).with_targets(Which::StepFunctions, Glob::new("ours-1*", false));
    let found = tick(&scene, &api, &search);
    assert_eq!(
        (found.targets, outcomes(&found)),
        (1, vec![Outcome::Retried])
    );
    assert_eq!(api.asked("ListExecutions"), ["ours-1", "ours-1"]);
    assert_eq!(api.asked("GetPipelineState"), [""; 0]);
    assert_eq!(redrives(&scene, &arn("ours-1", "one")), 1);
    assert_eq!(scene.adapters.sandbox.ledger.entries().len(), 1);
}

#[test]
fn each_failed_execution_of_a_parallel_pipeline_is_found() {
    for state in [
        redrive_emulator::codepipeline::ParallelState::Blank,
        redrive_emulator::codepipeline::ParallelState::Latest,
    ] {
        let scene = empty(&rule(1, 0));
        scene.region(|region| {
            let options = redrive_emulator::codepipeline::Options {
                parallel_state: state,
                ..redrive_emulator::codepipeline::Options::default()
            };
            region.codepipeline =
                redrive_emulator::codepipeline::CodePipeline::new(Default::default(), options, 1);
            for (execution, ends) in [
                (RUN, vec![Brings::fail("JobFailed", "busy"), Brings::Hang]),
                (
                    NEXT_RUN,
                    vec![Brings::fail("JobFailed", "busy"), Brings::Hang],
                ),
                (
                    "5f0c2f0e-0000-4000-8000-000000000003",
                    vec![Brings::succeed()],
                ),
            ] {
                let mut seed = build([action("Unit", ends)]);
                seed.mode = ExecutionMode::Parallel;
                seed.execution = execution.into();
                region.codepipeline.seed(seed).unwrap();
            }
        });
        scene.wind(60);
        scene.emitted();
        // One call lists the runs of each that failed; in one tick there is not enough for them.
        let search = since(NOW).with_max_pages(Which::CodePipeline, 3);
        let found = scene.find(&search);
        assert_eq!(
            (outcomes(&found), found.more),
            (vec![Outcome::Retried], true)
        );
        let next = scene.find(&search);
        assert_eq!(
            (outcomes(&next), next.more),
            (vec![Outcome::Retried], false)
        );
        for execution in [RUN, NEXT_RUN] {
            let retries =
                scene.region(|region| region.codepipeline.retries("web", execution, "Build").len());
            assert_eq!(retries, 1, "{state:?} {execution}");
        }
        scene.wind(60);
        assert_eq!(scene.find(&search).seen, 0);
    }
}

#[test]
fn a_run_whose_actions_cannot_be_listed_is_looked_at_again() {
    let mut seed = build([action(
        "Unit",
        [Brings::fail("JobFailed", "busy"), Brings::Hang],
    )]);
    seed.mode = ExecutionMode::Parallel;
    let scene = Scene::staged(&rule(1, 0), seed);
    scene.failed();
    for _ in 0..3 {
        scene.fault("ListActionExecutions", refusal("InternalFailure"));
        let found = scene.find(&since(NOW));
        assert_eq!((found.unread.len(), found.records.len()), (1, 0));
        scene.wind(DAY);
    }
    assert_eq!(outcomes(&scene.find(&since(NOW))), [Outcome::Retried]);
    assert_eq!(scene.effects(), 1);
}

#[test]
fn two_ticks_at_once_find_each_failure_once_and_never_go_back() {
    for slow in ["checkpoint", "put_if_revision", "put_checkpoint"] {
        for scene in unheard() {
            let sandbox = &scene.adapters.sandbox;
            let search = since(NOW);
            scene.next_breaks(slow, Break::SlowBefore);
            let (one, other) = race(
                scene.finding(sandbox, &search),
                scene.finding(sandbox, &search),
            );
            let (one, other) = (one.unwrap(), other.unwrap());
            let retried: Vec<Outcome> = [outcomes(&one), outcomes(&other)].concat();
            let count = |outcome| retried.iter().filter(|it| **it == outcome).count();
            assert_eq!(count(Outcome::Retried), 1, "{slow}: {retried:?}");
            assert_eq!(scene.effects(), 1, "{slow}");
            let outrun = usize::from(one.outrun) + usize::from(other.outrun);
            // The one that read the checkpoint late goes on from what the other kept.
            assert_eq!(outrun, usize::from(slow != "checkpoint"), "{slow}");
        }
    }
}

#[test]
fn who_is_outrun_does_not_take_the_position_back() {
    let scene = empty(&rule(1, 0));
    let sandbox = &scene.adapters.sandbox;
    scene.find(&since(NOW));
    let ahead = Cell::new(None);
    scene.next_breaks("put_checkpoint", Break::SlowBefore);
    let (late, _) = race(scene.finding(sandbox, &since(NOW)), async {
        scene.wind(HOUR);
        scene.finding(sandbox, &since(NOW)).await.unwrap();
        ahead.set(
            run(scene.adapters.sandbox.ledger.checkpoint())
                .unwrap()
                .unwrap(),
        );
    });
    assert!(late.unwrap().outrun);
    let now = run(scene.adapters.sandbox.ledger.checkpoint())
        .unwrap()
        .unwrap();
    assert_eq!(now.unwrap(), ahead.take().unwrap());
}

#[test]
fn a_position_that_cannot_be_kept_loses_nothing() {
    for kind in [Break::Before, Break::After] {
        for scene in unheard() {
            scene.next_breaks("put_checkpoint", kind);
            let found = scene.find(&since(NOW));
            assert_eq!(outcomes(&found), [Outcome::Retried]);
            assert_eq!(found.unread[0].0, "checkpoint");
            scene.wind(60);
            scene.find(&since(NOW));
            assert_eq!(scene.effects(), 1);
        }
    }
    for scene in unheard() {
        scene.next_breaks("checkpoint", Break::Before);
        assert!(
            run(scene.finding(&scene.adapters.sandbox, &since(NOW)))
                .unwrap()
                .is_err()
        );
        assert_eq!(outcomes(&scene.find(&since(NOW))), [Outcome::Retried]);
    }
}

#[test]
fn a_tick_that_is_killed_anywhere_loses_nothing() {
    for number in 0..20 {
        for kind in [Break::DeadBefore, Break::DeadAfter] {
            for scene in unheard() {
                scene.adapters.reset();
                scene
                    .adapters
                    .plan(crate::faulty_adapters::Which::Number(number), kind);
                let ended = run(scene.finding(&scene.adapters.sandbox, &since(NOW))).is_some();
                assert_eq!(ended, !scene.adapters.broke.get());
                if ended {
                    assert_eq!(scene.effects(), 1);
                    continue;
                }
                scene.wind(HOUR);
                scene.find(&since(NOW));
                scene.calm(&[]);
                assert_eq!(scene.effects(), 1, "{number} {kind:?}");
            }
        }
    }
}

#[test]
fn what_is_deleted_in_the_middle_of_a_round_ends_its_turn() {
    let scene = empty(&rule(1, 0));
    for number in 0..30 {
        failed(&scene, &arn("a", number), 60 + number);
    }
    failed(&scene, &arn("b", "one"), 60);
    let pipelines = |name: &str| StageSeed {
        at: ago(60).as_millis(),
        pipeline: name.into(),
        ..build([action("Unit", [Brings::fail("JobFailed", "busy")])])
    };
    scene.region(|region| {
        region.codepipeline.seed(pipelines("api")).unwrap();
        region.codepipeline.seed(pipelines("web")).unwrap();
    });
    scene.emitted();
    let api = Paged::new(&scene, 10);
    let search = since(ago(HOUR))
        .with_max_pages(Which::StepFunctions, 2)
        .with_max_pages(Which::CodePipeline, 1);
    assert!(tick(&scene, &api, &search).more);
    scene.region(|region| {
        let now = NOW.as_millis();
        let machine =
            json!({ "stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:a" });
        region
            .stepfunctions
            .call(now, "DeleteStateMachine", &machine)
            .unwrap();
        region
            .codepipeline
            .call(now, "DeletePipeline", &json!({ "name": "api" }))
            .unwrap();
    });
    scene.wind(60);
    let later = scene.now();
    let watermark = (0..12).map(|_| tick(&scene, &api, &search).watermark.unwrap());
    assert!(watermark.max() >= Some(later), "its passes come to an end");
    assert_eq!(redrives(&scene, &arn("b", "one")), 1);
    assert_eq!(scene.effects(), 1, "the stage of the other pipeline");
    let entries = scene.adapters.sandbox.ledger.entries();
    assert!(entries.iter().all(|entry| entry.state != State::Acting));
}

#[test]
fn a_page_whose_token_expired_is_come_to_again() {
    let scene = empty(&rule(1, 0));
    let arns: Vec<String> = (0..30).map(|number| arn("etl", number)).collect();
    for (number, arn) in arns.iter().enumerate() {
        failed(&scene, arn, 60 + number as u64);
    }
    let api = Paged::new(&scene, 10);
    let search = since(ago(HOUR)).with_max_pages(Which::StepFunctions, 2);
    assert_eq!(tick(&scene, &api, &search).left, 1);
    // A token is good for 24 hours.
    scene.wind(25 * HOUR);
    let mut ticks = 0;
    while tick(&scene, &api, &search).more {
        ticks += 1;
        assert!(ticks < 10);
    }
    assert!(arns.iter().all(|arn| redrives(&scene, arn) == 1));
}

#[test]
fn what_fails_behind_the_search_is_found_by_the_next_round() {
    let scene = empty(&rule(1, 0));
    for number in 0..30 {
        failed(&scene, &arn("etl", number), 60 + number);
    }
    // It began long before the others and ends while they are looked at, and so does one that comes first.
    let (long, young) = (arn("etl", "long"), arn("etl", "young"));
    for (name, start) in [(&long, ago(DAY)), (&young, ago(1))] {
        let runs = NOW.since(start).as_millis() as u64 + 30_000;
        seeded(
            &scene,
            Seed {
                outcomes: Script::new([
                    Ends::fail("Glue.Throttled", "busy").after(runs),
                    Ends::hang(),
                ]),
                ..Seed::new(name, Status::Running, start.as_millis(), 0)
            },
        );
    }
    let api = Paged::new(&scene, 10);
    let search = since(ago(HOUR)).with_max_pages(Which::StepFunctions, 3);
    for _ in 0..4 {
        tick(&scene, &api, &search);
        scene.wind(60);
        scene.emitted();
    }
    assert_eq!((redrives(&scene, &long), redrives(&scene, &young)), (1, 1));
}
