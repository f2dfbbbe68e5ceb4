//! A stage's automatic reactions to its own failure, and failures by a condition.

use super::*;

fn retrying(mode: &str) -> Value {
    let on_failure = json!({ "result": "RETRY", "retryConfiguration": { "retryMode": mode } });
    shop_with("SUPERSEDED", 1, json!({ "onFailure": on_failure }))
}

fn script(failures: usize) -> Value {
    let mut list = vec![fail(100); failures];
    list.push(succeed(100));
    json!({ "Build/Compile": list, "Build/Lint": [succeed(50)] })
}

#[test]
fn the_automatic_retry_happens_exactly_once() {
    for (failures, status) in [(1, "Succeeded"), (2, "Failed"), (3, "Failed")] {
        let mut fixture = Fixture::of(retrying("FAILED_ACTIONS"), Options::default());
        let id = fixture.start(script(failures));
        fixture.until(60_000);
        assert_eq!(fixture.status(&id), status, "{failures} failures");
        let view = fixture.view(&id, "Build");
        assert_eq!(view.retry.auto_stage_retry_attempt, 1);
        assert_eq!(view.retries.len(), 1);
        assert_eq!(view.retries[0].by, By::Automatic);
        let shown = json!({ "autoStageRetryAttempt": 1,
            "latestRetryTrigger": "AutomatedStageRetry" });
        assert_eq!(fixture.state(1)["retryStageMetadata"], shown);
    }
}

#[test]
fn a_manual_retry_after_the_automatic_one_counts_by_itself() {
    let mut fixture = Fixture::of(retrying("ALL_ACTIONS"), Options::default());
    let id = fixture.start(script(2));
    fixture.until(10_000);
    assert_eq!(fixture.retry("Build", &id, "FAILED_ACTIONS"), "done");
    let shown = json!({ "autoStageRetryAttempt": 1, "manualStageRetryAttempt": 1,
        "latestRetryTrigger": "ManualStageRetry" });
    assert_eq!(fixture.state(1)["retryStageMetadata"], shown);
    assert_eq!(fixture.view(&id, "Build").attempt, 3);
}

#[test]
fn automatic_retry_events_are_an_option() {
    for (announces, resumed) in [(true, true), (true, false), (false, true), (false, false)] {
        let options = Options {
            automatic_retry_announces_failure: announces,
            automatic_retry_emits_resumed: resumed,
            automatic_retry_counts_attempt: resumed,
            ..Options::default()
        };
        let mut fixture = Fixture::of(retrying("FAILED_ACTIONS"), options);
        let id = fixture.start(script(1));
        fixture.until(60_000);
        let emitted = fixture.emitted();
        for (what, expected) in [
            ("Build FAILED", announces),
            ("Pipeline FAILED", announces),
            ("Build RESUMED", resumed),
            ("Pipeline RESUMED", resumed),
            ("Build/Compile FAILED", true),
        ] {
            assert_eq!(emitted.iter().any(|it| it == what), expected, "{what}");
        }
        assert_eq!(
            fixture.view(&id, "Build").attempt,
            if resumed { 2 } else { 1 }
        );
    }
}

#[test]
fn caller_may_retry_before_a_delayed_automatic_retry() {
    for (pending, code) in [
        (None, "done"),
        (Some(RetryRefusal::Conflict), "ConflictException"),
        (
            Some(RetryRefusal::StageNotRetryable),
            "StageNotRetryableException",
        ),
    ] {
        for announces in [true, false] {
            let options = Options {
                automatic_retry_delay_ms: 5_000,
                automatic_retry_announces_failure: announces,
                retry_while_automatic_retry_pending: pending,
                ..Options::default()
            };
            let mut fixture = Fixture::of(retrying("FAILED_ACTIONS"), options);
            let id = fixture.start(script(1));
            fixture.until(2_000);
            let status = if announces {
                StageStatus::Failed
            } else {
                StageStatus::InProgress
            };
            assert_eq!(fixture.view(&id, "Build").status, status);
            assert_eq!(fixture.retry("Build", &id, "FAILED_ACTIONS"), code);
            fixture.until(60_000);
            let retries: Vec<_> = fixture
                .service
                .retries("shop", &id, "Build")
                .iter()
                .map(|it| it.by)
                .collect();
            let expected = if pending.is_none() {
                By::Api
            } else {
                By::Automatic
            };
            assert_eq!(retries, [expected], "one of them, not both");
            assert_eq!(fixture.status(&id), "Succeeded");
        }
    }
}

#[test]
fn stage_awaiting_its_automatic_retry_admits_no_execution() {
    let options = Options {
        automatic_retry_delay_ms: 5_000,
        ..Options::default()
    };
    let mut fixture = Fixture::of(retrying("FAILED_ACTIONS"), options);
    let old = fixture.start(script(1));
    fixture.until(1_050);
    let new = fixture.start(json!({}));
    fixture.until(5_000);
    assert!(fixture.service.stage("shop", &new, "Build").is_none());
    fixture.until(60_000);
    assert_eq!(
        (fixture.status(&old), fixture.status(&new)),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[test]
fn automatic_rollback_takes_over_the_stage() {
    let on_failure = json!({ "onFailure": { "result": "ROLLBACK" } });
    let pipeline = shop_with("SUPERSEDED", 2, on_failure);
    let options = Options {
        automatic_rollback_delay_ms: 2_000,
        ..Options::default()
    };
    let mut fixture = Fixture::of(pipeline.clone(), options.clone());
    let good = fixture.start(json!({}));
    fixture.until(10_000);
    let bad = fixture.start(json!({ "Deploy/Copy": [fail(10), succeed(10)] }));
    fixture.until(20_000);
    assert_eq!(fixture.status(&bad), "Failed");
    let state = fixture.state(2);
    assert_eq!(state["latestExecution"]["type"], json!("ROLLBACK"));
    assert_eq!(state["latestExecution"]["status"], json!("Succeeded"));
    let list = fixture.done("ListPipelineExecutions", json!({ "pipelineName": "shop" }));
    let newest = &list["pipelineExecutionSummaries"][0];
    assert_eq!(newest["trigger"]["triggerType"], json!("AutomatedRollback"));
    assert_eq!(
        newest["rollbackMetadata"]["rollbackTargetPipelineExecutionId"],
        json!(good)
    );
    assert_eq!(
        fixture.retry("Deploy", &bad, "FAILED_ACTIONS"),
        "NotLatestPipelineExecutionException"
    );

    for (pending, code) in [
        (None, "done"),
        (Some(RetryRefusal::Conflict), "ConflictException"),
    ] {
        let options = Options {
            retry_while_rollback_pending: pending,
            ..options.clone()
        };
        let mut fixture = Fixture::of(pipeline.clone(), options);
        fixture.start(json!({}));
        fixture.until(10_000);
        let bad = fixture.start(json!({ "Deploy/Copy": [fail(10), succeed(10)] }));
        fixture.until(14_000);
        assert_eq!(fixture.retry("Deploy", &bad, "FAILED_ACTIONS"), code);
        fixture.until(60_000);
        let kind = if pending.is_none() {
            "STANDARD"
        } else {
            "ROLLBACK"
        };
        assert_eq!(fixture.state(2)["latestExecution"]["type"], json!(kind));
    }
}

#[test]
fn a_stage_may_fail_without_a_failed_action() {
    let condition = |result: &str| json!({ "conditions": [{ "result": result, "rules": [] }] });
    for (key, script, shown) in [
        (
            "beforeEntry",
            "Build#beforeEntry",
            "beforeEntryConditionState",
        ),
        ("onSuccess", "Build#onSuccess", "onSuccessConditionState"),
    ] {
        let pipeline = shop_with("SUPERSEDED", 1, json!({ key: condition("FAIL") }));
        let mut fixture = Fixture::of(pipeline, Options::default());
        let id = fixture.start(json!({ script: [{ "fail": { "message": "closed" } }] }));
        fixture.until(10_000);
        assert_eq!(fixture.status(&id), "Failed");
        let state = fixture.state(1);
        assert_eq!(state["latestExecution"]["status"], json!("Failed"));
        let latest = json!({ "latestExecution": { "status": "Failed", "summary": "closed" } });
        assert_eq!(state[shown], latest);
        let view = fixture.view(&id, "Build");
        assert!(
            view.actions
                .iter()
                .all(|it| it.status != Some(ActionStatus::Failed))
        );
        for mode in ["FAILED_ACTIONS", "ALL_ACTIONS"] {
            assert_eq!(
                fixture.retry("Build", &id, mode),
                "StageNotRetryableException"
            );
        }
    }
    let pipeline = shop_with("SUPERSEDED", 1, json!({ "beforeEntry": condition("SKIP") }));
    let mut fixture = Fixture::of(pipeline, Options::default());
    let id = fixture.start(json!({ "Build#beforeEntry": [{ "fail": {} }] }));
    fixture.until(10_000);
    assert_eq!(fixture.view(&id, "Build").status, StageStatus::Skipped);
    assert_eq!(fixture.status(&id), "Succeeded");
}

#[test]
fn a_success_condition_may_roll_back() {
    let condition = json!({ "conditions": [{ "result": "ROLLBACK", "rules": [] }] });
    let pipeline = shop_with("SUPERSEDED", 2, json!({ "onSuccess": condition }));
    let mut fixture = Fixture::of(pipeline, Options::default());
    let good = fixture.start(json!({}));
    fixture.until(10_000);
    let bad = fixture.start(json!({ "Deploy#onSuccess": [{ "fail": { "message": "alarm" } }] }));
    fixture.until(20_000);
    assert_eq!(
        (fixture.status(&good), fixture.status(&bad)),
        ("Succeeded".into(), "Failed".into())
    );
    let latest = fixture.state(2)["latestExecution"].take();
    assert_eq!(latest["type"], json!("ROLLBACK"));
    assert_eq!(latest["status"], json!("Succeeded"));
}

#[test]
fn automatic_retry_of_all_actions_waits_for_running_ones() {
    for (mode, runs, at) in [
        ("FAILED_ACTIONS", [2, 1, 0], 1_100),
        ("ALL_ACTIONS", [2, 2, 0], 4_000),
    ] {
        let options = Options {
            stage_fails: StageFails::AtFirstFailedAction,
            ..Options::default()
        };
        let mut fixture = Fixture::of(retrying(mode), options);
        let list = json!([fail(100), succeed(9_000)]);
        let id = fixture.start(json!({ "Build/Compile": list, "Build/Lint": [succeed(3_000)] }));
        fixture.until(5_000);
        let view = fixture.view(&id, "Build");
        assert_eq!(view.retries[0].at, at, "{mode}");
        assert_eq!(
            view.actions.iter().map(|it| it.runs).collect::<Vec<_>>(),
            runs,
            "{mode}"
        );
    }
}
