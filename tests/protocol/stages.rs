//! What only stages do: several failed actions, later executions, edits, retries of their own, modes.

use redrive_core::controller::{Outcome, RunMode};
use redrive_core::error::ErrorKind;
use redrive_core::ledger::State;
use redrive_core::verdict::Reason;
use redrive_emulator::api::{Place, Service};
use redrive_emulator::codepipeline::{
    By, CodePipeline, ExecutionMode, OnFailure, Options, Outcome as Brings, ParallelState, Seed,
    StageFails, StageRetryMode,
};
use serde_json::{Value, json};

use crate::faulty_adapters::run;
use crate::scene::{NEXT_RUN, RUN, Scene, action, build, on_failure, rule, stage};

fn two(policy: &str) -> Scene {
    let fails = || [Brings::fail("JobFailed", "busy"), Brings::succeed()];
    Scene::staged(
        policy,
        build([action("Unit", fails()), action("Lint", fails())]),
    )
}

fn mode_of_the_retry(scene: &Scene) -> Option<StageRetryMode> {
    scene.region(|region| {
        region
            .codepipeline
            .retries("web", RUN, "Build")
            .last()
            .map(|it| it.mode)
    })
}

/// An emulator with other options, before anything is seeded.
fn with_options(policy: &str, options: Options, seed: Seed) -> Scene {
    let scene = Scene::new(policy, stage());
    scene.region(|region| {
        region.codepipeline = CodePipeline::new(Place::default(), options, 1);
        region.codepipeline.seed(seed).unwrap();
    });
    scene
}

fn policy(rules: &str) -> String {
    format!("version: 1\nretry:\n  automatic:\n{rules}")
}

#[test]
fn several_failed_actions_are_one_failure_and_one_retry() {
    let scene = two(&rule(2, 0));
    scene.calm(&[]);
    assert_eq!(
        (scene.effects(), scene.stands()),
        (1, (State::Recovered, Reason::Matched, 1, 1))
    );
}

#[test]
fn every_failed_action_must_find_a_rule_and_each_rule_is_charged_once() {
    let unit = "    - { id: unit, action: Unit, limit: 2, backoff: { interval_seconds: 60, jitter_strategy: NONE } }\n";
    let lint = "    - { id: lint, action: Lint, limit: 2, backoff: { interval_seconds: 120, jitter_strategy: NONE } }\n";
    let scene = two(&policy(&format!("{unit}{lint}")));
    assert_eq!(scene.handle_event(&scene.failed()).outcome, Outcome::Queued);
    let entry = scene.entry();
    assert_eq!(
        (
            entry.rule_usage("default", "unit"),
            entry.rule_usage("default", "lint"),
            entry.retries
        ),
        (1, 1, 1)
    );
    assert_eq!(entry.verdict.delay_seconds, 120, "the longest");
    scene.calm(&[]);
    assert_eq!(scene.effects(), 1);

    let scene = two(&policy(unit));
    let record = scene.handle_event(&scene.failed());
    assert_eq!(
        (record.outcome, record.reason, scene.effects()),
        (Outcome::GaveUp, Reason::Unmatched, 0)
    );
}

#[test]
fn all_actions_only_if_every_rule_says_so() {
    let line = |id: &str, mode: &str| {
        format!(
            "    - {{ id: {id}, action: {id}, retry_mode: {mode}, backoff: {{ interval_seconds: 0 }} }}\n"
        )
    };
    for (unit, lint, expected) in [
        ("ALL_ACTIONS", "ALL_ACTIONS", StageRetryMode::AllActions),
        (
            "ALL_ACTIONS",
            "FAILED_ACTIONS",
            StageRetryMode::FailedActions,
        ),
        (
            "FAILED_ACTIONS",
            "FAILED_ACTIONS",
            StageRetryMode::FailedActions,
        ),
    ] {
        let scene = two(&policy(&format!(
            "{}{}",
            line("Unit", unit),
            line("Lint", lint)
        )));
        assert_eq!(
            scene.handle_event(&scene.failed()).outcome,
            Outcome::Retried
        );
        assert_eq!(mode_of_the_retry(&scene), Some(expected));
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.entry().state),
            (1, State::Recovered)
        );
    }
}

#[test]
fn a_failed_stage_whose_actions_still_run_waits_for_them() {
    let seed = build([
        action(
            "Unit",
            [Brings::fail("JobFailed", "busy"), Brings::succeed()],
        ),
        action(
            "Lint",
            [
                Brings::fail("JobFailed", "busy").after(60_000),
                Brings::succeed(),
            ],
        ),
    ]);
    for stage_fails in [
        StageFails::WhenActionsEnded,
        StageFails::AtFirstFailedAction,
    ] {
        let scene = with_options(
            &rule(2, 0),
            Options {
                stage_fails,
                ..Options::default()
            },
            seed.clone(),
        );
        scene.wind(1);
        for event in scene.emitted() {
            // The stage's own event may come before its actions have ended: it comes again.
            match run(scene.handling_event(&event)).expect("it ends") {
                Ok(record) => assert_eq!(record.outcome, Outcome::Ignored, "{event}"),
                Err(_) => assert_eq!(stage_fails, StageFails::AtFirstFailedAction, "{event}"),
            }
        }
        assert_eq!((scene.effects(), scene.found()), (0, None));
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.stands()),
            (1, (State::Recovered, Reason::Matched, 1, 1))
        );
    }
}

#[test]
fn a_later_execution_that_took_the_stage_during_the_delay_keeps_it() {
    let scene = Scene::stage(
        &rule(2, 60),
        [Brings::fail("JobFailed", "busy"), Brings::succeed()],
    );
    scene.handle_event(&scene.failed());
    let next = Seed {
        at: scene.now().as_millis(),
        execution: NEXT_RUN.into(),
        ..build([action("Unit", [Brings::Hang])])
    };
    scene
        .region(|region| region.codepipeline.seed(next))
        .unwrap();
    scene.wind(60);
    assert_eq!(scene.deliver()[0].outcome, Outcome::GaveUp);
    assert_eq!(
        (scene.effects(), scene.stands()),
        (0, (State::GivenUp, Reason::Superseded, 0, 0))
    );
    let asked = scene.adapters.sandbox.calls();
    assert!(
        !asked.contains_key("RetryStageExecution"),
        "AWS need not refuse"
    );
}

fn edit(scene: &Scene) {
    let now = scene.now().as_millis();
    scene
        .region(|region| {
            let mut declared = region
                .codepipeline
                .call(now, "GetPipeline", &json!({ "name": "web" }))
                .unwrap();
            let mut pipeline = declared["pipeline"].take();
            let mut action = pipeline["stages"][0]["actions"][0].clone();
            action["name"] = "More".into();
            pipeline["stages"][0]["actions"]
                .as_array_mut()
                .unwrap()
                .push(action);
            region.codepipeline.seed(Seed {
                at: now,
                version: 2,
                execution: NEXT_RUN.into(),
                stages: vec![redrive_emulator::codepipeline::SeedStage {
                    name: "Build".into(),
                    actions: vec![action_named("More")],
                    ..Default::default()
                }],
                ..build([])
            })
        })
        .unwrap();
}

fn action_named(name: &str) -> redrive_emulator::codepipeline::SeedAction {
    redrive_emulator::codepipeline::SeedAction {
        status: None,
        ..action(name, [])
    }
}

#[test]
fn an_edited_pipeline_is_given_up() {
    for delay in [0, 60] {
        let scene = Scene::stage(
            &rule(2, delay),
            [Brings::fail("JobFailed", "busy"), Brings::succeed()],
        );
        let event = scene.failed();
        if delay > 0 {
            scene.handle_event(&event);
        }
        edit(&scene);
        scene.handle_event(&event);
        scene.wind(60);
        scene.deliver();
        assert_eq!(
            (scene.effects(), scene.stands()),
            (0, (State::GivenUp, Reason::StructureChanged, 0, 0))
        );
    }
}

#[test]
fn the_stages_own_retry_comes_first() {
    let ends = |fails: usize| {
        std::iter::repeat_n(Brings::fail("JobFailed", "busy"), fails).chain([Brings::succeed()])
    };
    // It helps: nothing is ours to do.
    let seed = |fails| {
        on_failure(
            build([action("Unit", ends(fails))]),
            OnFailure::Retry(StageRetryMode::FailedActions),
        )
    };
    let own = Options {
        automatic_retry_delay_ms: 1000,
        ..Options::default()
    };
    let scene = with_options(&rule(3, 0), own.clone(), seed(1));
    let record = scene.handle_event(&scene.failed());
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::Ignored, Reason::RetriesItself)
    );
    scene.calm(&[]);
    assert_eq!((scene.effects(), scene.found()), (0, None));
    assert_eq!(scene.status(), "Succeeded");
    // It does not: then it is judged, and counts as a use.
    let scene = with_options(&rule(3, 0), own, seed(9));
    scene.calm(&[]);
    assert_eq!((scene.effects(), scene.stands().1), (2, Reason::LimitSpent));
    let by = scene.region(|region| {
        region
            .codepipeline
            .retries("web", RUN, "Build")
            .iter()
            .map(|it| it.by)
            .collect::<Vec<_>>()
    });
    assert_eq!(by, [By::Automatic, By::Api, By::Api]);
}

#[test]
fn in_parallel_mode_each_execution_owns_its_stage() {
    for parallel_state in [ParallelState::Blank, ParallelState::Latest] {
        for own_retry in [false, true] {
            let mut seed = build([action("Unit", [Brings::fail("JobFailed", "busy")])]);
            seed.mode = ExecutionMode::Parallel;
            if own_retry {
                seed = on_failure(seed, OnFailure::Retry(StageRetryMode::FailedActions));
            }
            let scene = with_options(
                &rule(2, 0),
                Options {
                    parallel_state,
                    ..Options::default()
                },
                seed.clone(),
            );
            let other = Seed {
                execution: NEXT_RUN.into(),
                ..seed
            };
            let hang = |it| Seed {
                stages: vec![hanging(it)],
                ..other.clone()
            };
            scene
                .region(|region| region.codepipeline.seed(hang("Unit")))
                .unwrap();
            scene.calm(&[]);
            let ours = if own_retry { 1 } else { 2 };
            let what = format!("{parallel_state:?} {own_retry} {:?}", scene.found());
            assert_eq!(scene.effects(), ours, "{what}");
            assert_eq!(
                (scene.stands().0, scene.stands().1),
                (State::GivenUp, Reason::LimitSpent),
                "{what}"
            );
        }
    }
}

fn hanging(name: &str) -> redrive_emulator::codepipeline::SeedStage {
    let mut seed = build([action(name, [Brings::Hang])]);
    seed.stages.remove(0)
}

#[test]
fn a_rejected_approval_is_a_persons_decision() {
    let mut seed = build([action("Ask", [Brings::fail("JobFailed", "no")])]);
    seed.stages[0].actions[0].category = "Approval".into();
    seed.stages[0].actions[0].provider = "Manual".into();
    let scene = Scene::staged(&rule(2, 0), seed);
    let record = scene.handle_event(&scene.failed());
    assert_eq!(
        (record.outcome, record.reason, scene.effects()),
        (Outcome::GaveUp, Reason::ApprovalRejected, 0)
    );
}

#[test]
fn a_stopped_stage_is_not_retried() {
    for abandon in [true, false] {
        let scene = Scene::stage(
            &rule(2, 0),
            [
                Brings::fail("JobFailed", "busy").after(5000),
                Brings::succeed(),
            ],
        );
        scene.wind(1);
        let now = scene.now().as_millis();
        scene
            .region(|region| {
                region
                    .codepipeline
                    .person_stops(now, "web", RUN, abandon, "enough")
            })
            .unwrap();
        scene.calm(&[]);
        assert_eq!(
            (scene.effects(), scene.found().map(|entry| entry.state)),
            (0, None),
            "{abandon}"
        );
    }
}

#[test]
fn a_stage_that_failed_by_a_condition_has_nothing_to_retry() {
    let mut seed = build([action("Unit", [Brings::succeed()])]);
    seed.stages[0].status = Some(redrive_emulator::codepipeline::StageStatus::Failed);
    seed.stages[0].actions[0].status =
        Some(redrive_emulator::codepipeline::ActionStatus::Succeeded);
    let scene = Scene::staged(&rule(2, 0), seed);
    let event = json!({
        "version": "0", "id": "one", "detail-type": "CodePipeline Stage Execution State Change", "source": "aws.codepipeline",
        "account": "111122223333", "region": "eu-west-1", "time": scene.now().to_string(),
        "resources": ["arn:aws:codepipeline:eu-west-1:111122223333:web"],
        "detail": { "pipeline": "web", "execution-id": RUN, "state": "FAILED", "version": 1.0, "stage": "Build" },
    });
    let record = scene.handle_event(&event);
    assert_eq!(
        (record.outcome, record.reason),
        (Outcome::GaveUp, Reason::NoFailedAction)
    );
    assert_eq!(scene.handle_event(&event).outcome, Outcome::Duplicate);
}

#[test]
fn a_rollback_is_not_retried() {
    let mut seed = build([action("Unit", [Brings::fail("JobFailed", "busy")])]);
    seed.kind = redrive_emulator::codepipeline::ExecutionType::Rollback;
    let scene = Scene::staged(&rule(2, 0), seed);
    scene.calm(&[]);
    assert_eq!(
        (scene.effects(), scene.entry().state, scene.entry().reason()),
        (0, State::GivenUp, Reason::Rollback)
    );
}

#[test]
fn observe_reads_a_stage_and_touches_nothing() {
    let scene = two(&rule(2, 0));
    scene.mode.set(RunMode::Observe);
    scene.calm(&[]);
    assert_eq!((scene.effects(), scene.entry().state), (0, State::Observed));
}

/// A stage event whose failure the reads do not show yet must not be forgotten.
#[test]
fn a_stage_that_reads_late_is_not_forgotten() {
    let seed = build([action(
        "Unit",
        [Brings::fail("JobFailed", "busy"), Brings::succeed()],
    )]);
    let scene = with_options(
        &rule(2, 0),
        Options {
            state_lag_ms: 2000,
            ..Options::default()
        },
        seed,
    );
    scene.calm(&[]);
    assert_eq!(scene.effects(), 1);
}

/// The stage failed twice, and the runs of its second failure are not listed yet: what is listed is of before. Of
/// that failure the stage, an action or nothing at all may tell, and it may be long after the first.
#[test]
fn a_failure_whose_runs_are_not_listed_yet_is_not_taken_for_the_one_before() {
    let busy = || Brings::fail("JobFailed", "busy");
    for own_retry_after in [1_000, 600_000] {
        for level in ["Stage", "Action"] {
            let seed = on_failure(
                build([action("Unit", [busy(), busy(), Brings::succeed()])]),
                OnFailure::Retry(StageRetryMode::FailedActions),
            );
            let options = Options {
                automatic_retry_delay_ms: own_retry_after,
                state_lag_ms: 30_000,
                state_is_fresh: true,
                ..Options::default()
            };
            let scene = with_options(&rule(3, 0), options, seed);
            scene.wind(1);
            let first = scene.emitted();
            scene.wind(own_retry_after / 1_000 + 1);
            let second = scene.emitted();
            let told = [of(level, &first), of(level, &second)];
            for event in &told {
                let error = run(scene.handling_event(event)).unwrap().unwrap_err();
                assert_eq!(error.kind, ErrorKind::Unavailable);
            }
            assert_eq!((scene.effects(), scene.found()), (0, None));
            scene.wind(30);
            scene.calm(&told);
            assert_eq!(
                (scene.effects(), scene.stands().0, scene.status()),
                (1, State::Recovered, "Succeeded")
            );
        }
    }
}

/// The one that tells of a failure of this level.
fn of(level: &str, events: &[Value]) -> Value {
    let kind = format!("CodePipeline {level} Execution State Change");
    events
        .iter()
        .find(|event| event["detail-type"] == kind.as_str() && event["detail"]["state"] == "FAILED")
        .unwrap_or_else(|| panic!("no {kind} in {events:#?}"))
        .clone()
}
