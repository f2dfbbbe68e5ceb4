//! What a failure costs: the calls to the ledger, the queue and the services.

use std::collections::BTreeMap;

use redrive_core::handle::Done;
use redrive_local::codepipeline::Outcome as Brings;
use redrive_local::stepfunctions::Outcome as Ends;

use crate::scene::{Scene, rule, with};

fn of_aws(scene: &Scene) -> BTreeMap<String, usize> {
    scene.world.desk.calls()
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
    assert_eq!(scene.hear(&event).done, Done::Retried);
    assert_eq!(scene.world.calls(), ["swap", "act", "swap"]);
    assert_eq!(of_aws(&scene), counted(&[("RedriveExecution", 1)]));
}

#[test]
fn a_failure_costs_one_history_more() {
    let [scene, _] = Scene::both(&rule(2, 0));
    assert_eq!(scene.hear(&scene.failed()).done, Done::Retried);
    assert_eq!(scene.world.calls(), ["know", "swap", "act", "swap"]);
    assert_eq!(
        of_aws(&scene),
        counted(&[("GetExecutionHistory", 1), ("RedriveExecution", 1)])
    );
}

#[test]
fn a_delayed_retry_costs_five_calls() {
    let scene = Scene::execution(&rule(2, 60), [Ends::time_out(), Ends::succeed()]);
    assert_eq!(scene.hear(&scene.ended("TIMED_OUT")).done, Done::Queued);
    scene.wind(60);
    assert_eq!(scene.deliver()[0].done, Done::Retried);
    assert_eq!(scene.world.calls(), ["swap", "send", "take", "act", "swap"]);
    assert_eq!(of_aws(&scene), counted(&[("RedriveExecution", 1)]));
}

#[test]
fn a_failure_that_is_not_retried_costs_one_call() {
    let policy = "{version: 1, retry: {automatic: [{error: Nothing.Like.It}]}}";
    let scene = Scene::execution(policy, [Ends::fail("Glue.Throttled", "busy")]);
    assert_eq!(scene.hear(&scene.failed()).done, Done::GaveUp);
    assert_eq!(scene.world.calls(), ["swap"]);
    assert!(of_aws(&scene).is_empty());
}

#[test]
fn a_retried_failure_reads_the_entry_first() {
    let scene = Scene::execution(&rule(2, 0), [Ends::time_out()]);
    scene.hear(&scene.ended("TIMED_OUT"));
    scene.world.reset();
    assert_eq!(scene.hear(&scene.ended("TIMED_OUT")).done, Done::Retried);
    assert_eq!(scene.world.calls(), ["read", "swap", "act", "swap"]);
}

#[test]
fn a_spent_limit_asks_for_no_history() {
    let scene = Scene::execution(&rule(1, 0), [Ends::fail("Glue.Throttled", "busy")]);
    scene.hear(&scene.failed());
    scene.world.reset();
    assert_eq!(scene.hear(&scene.failed()).done, Done::GaveUp);
    assert_eq!(scene.world.calls(), ["read", "swap"]);
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
        let record = scene.hear(&event);
        assert_eq!((record.done, record.because.code()), (Done::Ignored, why));
    }
    assert!(scene.world.calls().is_empty());
    assert_eq!(scene.found(), None);
}

#[test]
fn a_stage_is_read_before_the_claim_and_looked_at_after_a_delay() {
    let reads = [
        ("GetPipeline", 1),
        ("GetPipelineState", 1),
        ("ListActionExecutions", 1),
        ("RetryStageExecution", 1),
    ];
    for (delay, calls, each) in [
        (0, vec!["know", "swap", "act", "swap"], 1),
        (
            60,
            vec!["know", "swap", "send", "take", "look", "act", "swap"],
            2,
        ),
    ] {
        let scene = Scene::stage(
            &rule(2, delay),
            [Brings::fail("JobFailed", "busy"), Brings::succeed()],
        );
        scene.hear(&scene.failed());
        scene.wind(60);
        scene.deliver();
        assert_eq!(scene.world.calls(), calls);
        let expected = reads.map(|(name, times)| {
            (
                name,
                if name.starts_with("Retry") {
                    times
                } else {
                    each
                },
            )
        });
        assert_eq!(of_aws(&scene), counted(&expected));
        assert_eq!(scene.effects(), 1);
    }
}

#[test]
fn an_idle_sweep_costs_one_call() {
    let [scene, _] = Scene::both(&rule(2, 60));
    scene.hear(&scene.failed());
    scene.world.reset();
    assert_eq!(scene.sweep(), redrive_core::sweep::Swept::default());
    assert_eq!(scene.world.calls(), ["waking"]);
}
