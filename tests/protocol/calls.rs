//! What a failure costs: the calls to the ledger, the queue and the services.

use std::collections::BTreeMap;

use redrive_core::controller::Outcome;
use redrive_emulator::codepipeline::Outcome as Brings;
use redrive_emulator::stepfunctions::{Outcome as Ends, Script, Seed, Status};

use crate::scene::{ARN, NOW, Scene, rule, with};

fn of_aws(scene: &Scene) -> BTreeMap<String, usize> {
    scene.adapters.sandbox.calls()
}

fn counted(calls: &[(&str, usize)]) -> BTreeMap<String, usize> {
    calls
        .iter()
        .map(|(name, times)| ((*name).to_owned(), *times))
        .collect()
}

#[test]
fn a_time_out_retried_at_once_costs_three_calls() {
    let scene = Scene::execution(&rule(2, 0), [Ends::time_out(), Ends::succeed()]);
    let event = scene.ended("TIMED_OUT");
    assert_eq!(scene.handle_event(&event).outcome, Outcome::Retried);
    assert_eq!(
        scene.adapters.calls(),
        ["put_if_revision", "act", "put_if_revision"]
    );
    assert_eq!(of_aws(&scene), counted(&[("RedriveExecution", 1)]));
}

#[test]
fn the_first_failure_of_a_machine_costs_a_look_at_its_definition() {
    let [scene, _] = Scene::both(&rule(2, 0));
    assert_eq!(
        scene.handle_event(&scene.failed()).outcome,
        Outcome::Retried
    );
    assert_eq!(
        scene.adapters.calls(),
        ["know", "put_if_revision", "act", "put_if_revision"]
    );
    assert_eq!(
        of_aws(&scene),
        counted(&[
            ("DescribeStateMachineForExecution", 1),
            ("RedriveExecution", 1)
        ])
    );
}

/// Describe and history calls are ten to twenty times scarcer than redrives: a storm must not need one each.
#[test]
fn a_thousand_failures_of_one_machine_need_its_definition_once() {
    let scene = Scene::execution(
        &rule(2, 0),
        [Ends::fail("Glue.Throttled", "busy"), Ends::succeed()],
    );
    let machine = "arn:aws:states:eu-west-1:111122223333:stateMachine:storm";
    let now = scene.now().as_millis();
    for number in 0..1000 {
        let arn = format!("arn:aws:states:eu-west-1:111122223333:execution:storm:{number}");
        // The first makes the machine; the others start when its definition has settled.
        let start = if number == 0 {
            now - 600_000
        } else {
            now - 60_000
        };
        let seed = Seed {
            error: Some("Glue.Throttled".into()),
            outcomes: Script::new([Ends::succeed()]),
            ..Seed::new(&arn, Status::Failed, start, now)
        };
        scene
            .region(|region| region.stepfunctions.seed(seed))
            .unwrap();
        let event = serde_json::json!({
            "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
            "account": "111122223333", "region": "eu-west-1",
            "detail": {
                "executionArn": arn, "stateMachineArn": machine, "status": "FAILED", "startDate": start,
                "stopDate": now, "error": "Glue.Throttled", "cause": "busy", "redriveCount": 0,
                "redriveStatus": "REDRIVABLE",
            },
        });
        let outcome = scene.handle_event(&event).outcome;
        assert!(
            matches!(outcome, Outcome::Retried | Outcome::Queued),
            "{number}"
        );
    }
    // Those at the end wait for their slots.
    scene.wind(10);
    let waited = scene.deliver();
    assert!((1..800).contains(&waited.len()), "{}", waited.len());
    let calls = of_aws(&scene);
    assert_eq!(calls["RedriveExecution"], 1000);
    let scarce: usize = calls
        .iter()
        .filter(|(name, _)| *name != "RedriveExecution")
        .map(|(_, times)| times)
        .sum();
    assert!(scarce < 10, "{calls:?}");
}

#[test]
fn a_machine_with_a_fail_state_is_asked_for_its_history() {
    let failed = Seed {
        error: Some("Own.Error".into()),
        ended_in_fail_state: true,
        failed_state: Some("Refuse".into()),
        ..Seed::new(ARN, Status::Failed, NOW.as_millis() - 1000, NOW.as_millis())
    };
    let scene = Scene::seeded(&rule(5, 0), failed);
    scene.handle_event(&scene.emitted_copy());
    assert_eq!(
        of_aws(&scene),
        counted(&[
            ("DescribeStateMachineForExecution", 1),
            ("GetExecutionHistory", 1)
        ])
    );
}

#[test]
fn a_delayed_retry_costs_five_calls() {
    let scene = Scene::execution(&rule(2, 60), [Ends::time_out(), Ends::succeed()]);
    assert_eq!(
        scene.handle_event(&scene.ended("TIMED_OUT")).outcome,
        Outcome::Queued
    );
    scene.wind(60);
    assert_eq!(scene.deliver()[0].outcome, Outcome::Retried);
    assert_eq!(
        scene.adapters.calls(),
        [
            "put_if_revision",
            "send",
            "claim_due",
            "act",
            "put_if_revision"
        ]
    );
    assert_eq!(of_aws(&scene), counted(&[("RedriveExecution", 1)]));
}

#[test]
fn a_failure_that_is_not_retried_costs_one_call() {
    let policy = "{version: 1, retry: {automatic: [{error: Nothing.Like.It}]}}";
    let scene = Scene::execution(policy, [Ends::fail("Glue.Throttled", "busy")]);
    assert_eq!(scene.handle_event(&scene.failed()).outcome, Outcome::GaveUp);
    assert_eq!(scene.adapters.calls(), ["put_if_revision"]);
    assert!(of_aws(&scene).is_empty());
}

#[test]
fn a_retried_failure_reads_the_entry_first() {
    let scene = Scene::execution(&rule(2, 0), [Ends::time_out()]);
    scene.handle_event(&scene.ended("TIMED_OUT"));
    scene.adapters.reset();
    assert_eq!(
        scene.handle_event(&scene.ended("TIMED_OUT")).outcome,
        Outcome::Retried
    );
    assert_eq!(
        scene.adapters.calls(),
        ["read", "put_if_revision", "act", "put_if_revision"]
    );
}

#[test]
fn a_spent_limit_asks_for_no_history() {
    let scene = Scene::execution(&rule(1, 0), [Ends::fail("Glue.Throttled", "busy")]);
    scene.handle_event(&scene.failed());
    scene.adapters.reset();
    assert_eq!(scene.handle_event(&scene.failed()).outcome, Outcome::GaveUp);
    assert_eq!(scene.adapters.calls(), ["read", "put_if_revision"]);
}

#[test]
fn what_is_irrelevant_costs_nothing() {
    let [scene, _] = Scene::both(&rule(2, 0));
    let failed = scene.failed();
    let express = "arn:aws:states:eu-west-1:111122223333:express:etl:run-1:5f0c2f0e-0000-4000-8000-000000000001";
    let child = "arn:aws:states:eu-west-1:111122223333:execution:etl/Each:run-1";
    for (event, why) in [
        (with(&failed, "status", "RUNNING"), "running"),
        (with(&failed, "status", "SUCCEEDED"), "succeeded"),
        (with(&failed, "status", "ABORTED"), "aborted"),
        (with(&failed, "status", "SOMETHING_NEW"), "unknown_status"),
        (with(&failed, "executionArn", express), "express"),
        (with(&failed, "executionArn", child), "map_run_child"),
        (
            with(&failed, "redriveStatus", "NOT_REDRIVABLE"),
            "not_redrivable",
        ),
        (
            with(&failed, "redriveStatus", "REDRIVABLE_BY_MAP_RUN"),
            "map_run_child",
        ),
        (with(&failed, "executionArn", "nonsense"), "malformed"),
    ] {
        let record = scene.handle_event(&event);
        assert_eq!(
            (record.outcome, record.reason.code()),
            (Outcome::Ignored, why)
        );
    }
    assert!(scene.adapters.calls().is_empty());
    assert_eq!(scene.found(), None);
}

#[test]
fn a_stage_is_read_before_the_claim_and_looked_at_after_a_delay() {
    let asked = [
        "GetPipeline",
        "GetPipelineState",
        "ListActionExecutions",
        "RetryStageExecution",
    ];
    for (delay, calls, each) in [
        (
            0,
            vec!["know", "put_if_revision", "act", "put_if_revision"],
            1,
        ),
        (
            60,
            vec![
                "know",
                "put_if_revision",
                "send",
                "claim_due",
                "look",
                "act",
                "put_if_revision",
            ],
            2,
        ),
    ] {
        let scene = Scene::stage(
            &rule(2, delay),
            [Brings::fail("JobFailed", "busy"), Brings::succeed()],
        );
        scene.handle_event(&scene.failed());
        scene.wind(60);
        scene.deliver();
        assert_eq!(scene.adapters.calls(), calls);
        // GetPipeline is read once for each version.
        let expected = asked.map(|name| match name {
            "GetPipelineState" | "ListActionExecutions" => (name, each),
            _ => (name, 1),
        });
        assert_eq!(of_aws(&scene), counted(&expected));
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn an_idle_sweep_costs_one_call() {
    let [scene, _] = Scene::both(&rule(2, 60));
    scene.handle_event(&scene.failed());
    scene.adapters.reset();
    assert_eq!(scene.sweep(), redrive_core::sweep::Swept::default());
    assert_eq!(scene.adapters.calls(), ["due_entries"]);
}
