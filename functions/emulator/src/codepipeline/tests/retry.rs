//! `RetryStageExecution`: its effects and its refusals.

use super::*;

const FAILED: &str = "FAILED_ACTIONS";
const ALL: &str = "ALL_ACTIONS";

#[test]
fn retry_continues_the_same_execution_to_its_end() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    let body = json!({ "pipelineName": "shop", "stageName": "Build",
        "pipelineExecutionId": id, "retryMode": FAILED });
    let answer = fixture.done("RetryStageExecution", body);
    assert_eq!(answer, json!({ "pipelineExecutionId": id }));
    assert_eq!(fixture.status(&id), "InProgress");
    assert_eq!(fixture.view(&id, "Build").status, StageStatus::InProgress);
    fixture.until(10_000);
    assert_eq!(fixture.status(&id), "Succeeded");
    assert_eq!(fixture.view(&id, "Deploy").status, StageStatus::Succeeded);
}

#[test]
fn failed_actions_alone_run_again_with_new_ids() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    let before = fixture.view(&id, "Build");
    assert_eq!(fixture.retry("Build", &id, FAILED), "done");
    fixture.until(10_000);
    let after = fixture.view(&id, "Build");
    let runs = |view: &View| view.actions.iter().map(|it| it.runs).collect::<Vec<_>>();
    assert_eq!(
        (runs(&before), runs(&after)),
        (vec![1, 1, 0], vec![2, 1, 1])
    );
    assert_ne!(
        before.actions[0].action_execution_id,
        after.actions[0].action_execution_id
    );
    assert_eq!(
        before.actions[1].action_execution_id,
        after.actions[1].action_execution_id
    );
}

#[test]
fn all_actions_run_again_from_the_first() {
    let mut fixture = Fixture::new();
    let id = fixture.start(json!({ "Build/Pack": [fail(10), succeed(10)] }));
    fixture.until(5_000);
    assert_eq!(fixture.view(&id, "Build").status, StageStatus::Failed);
    assert_eq!(fixture.retry("Build", &id, ALL), "done");
    let states = fixture
        .view(&id, "Build")
        .actions
        .into_iter()
        .map(|it| it.status);
    let working = Some(ActionStatus::InProgress);
    assert_eq!(states.collect::<Vec<_>>(), [working, working, None]);
    fixture.until(20_000);
    let runs: Vec<_> = fixture
        .view(&id, "Build")
        .actions
        .iter()
        .map(|it| it.runs)
        .collect();
    assert_eq!(runs, [2, 2, 2]);
    assert_eq!(fixture.status(&id), "Succeeded");
}

#[test]
fn retries_are_counted_and_recorded() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(2);
    let hit = fixture.view(&id, "Build").actions[0]
        .action_execution_id
        .clone()
        .unwrap();
    assert_eq!(fixture.state(1).get("retryStageMetadata"), None);
    for expected in 1..=2_u32 {
        assert_eq!(fixture.retry("Build", &id, FAILED), "done");
        let view = fixture.view(&id, "Build");
        assert_eq!(view.retry.manual_stage_retry_attempt, expected);
        assert_eq!(view.attempt, expected + 1);
        let shown = json!({ "manualStageRetryAttempt": expected,
            "latestRetryTrigger": "ManualStageRetry" });
        assert_eq!(fixture.state(1)["retryStageMetadata"], shown);
        let later = fixture.now + 500;
        fixture.until(later);
    }
    let retries = fixture.service.retries("shop", &id, "Build");
    let first = Retry {
        at: 1_100,
        mode: StageRetryMode::FailedActions,
        by: By::Api,
        attempt: 2,
        failed: vec![hit.clone()],
    };
    assert_eq!(retries[0], first);
    assert_eq!(retries.len(), 2);
    assert_ne!(retries[1].failed, [hit]);
}

#[test]
fn a_second_retry_in_flight_is_refused() {
    for (answer, code) in [
        (RetryRefusal::Conflict, "ConflictException"),
        (
            RetryRefusal::StageNotRetryable,
            "StageNotRetryableException",
        ),
    ] {
        let options = Options {
            duplicate_retry_answer: answer,
            ..Options::default()
        };
        let mut fixture = Fixture::of(shop(), options);
        let id = fixture.failed(1);
        assert_eq!(fixture.retry("Build", &id, FAILED), "done");
        assert_eq!(fixture.retry("Build", &id, FAILED), code);
        assert_eq!(fixture.retry("Build", &id, ALL), code);
        assert_eq!(fixture.service.retries("shop", &id, "Build").len(), 1);
    }
}

#[test]
fn a_stage_without_failed_actions_is_not_retryable() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    assert_eq!(
        fixture.retry("Source", &id, FAILED),
        "StageNotRetryableException"
    );
    assert_eq!(
        fixture.retry("Deploy", &id, FAILED),
        "StageNotRetryableException",
        "never entered"
    );
    fixture.retry("Build", &id, FAILED);
    fixture.until(10_000);
    for mode in [FAILED, ALL] {
        assert_eq!(
            fixture.retry("Build", &id, mode),
            "StageNotRetryableException",
            "it succeeded"
        );
    }
    let running = fixture.start(json!({}));
    assert_eq!(
        fixture.retry("Source", &running, FAILED),
        "StageNotRetryableException",
        "it runs"
    );
}

#[test]
fn failed_actions_are_retried_while_others_work_on() {
    let mut fixture = Fixture::new();
    let lint = json!([succeed(5_000)]);
    let id =
        fixture.start(json!({ "Build/Compile": [fail(100), succeed(100)], "Build/Lint": lint }));
    fixture.until(1_200);
    assert_eq!(fixture.view(&id, "Build").status, StageStatus::InProgress);
    assert_eq!(fixture.retry("Build", &id, ALL), "ConflictException");
    assert_eq!(fixture.retry("Build", &id, FAILED), "done");
    let working = fixture
        .view(&id, "Build")
        .actions
        .iter()
        .map(|it| it.runs)
        .collect::<Vec<_>>();
    assert_eq!(working, [2, 1, 0]);
    assert!(
        !fixture.emitted().contains(&"Build RESUMED".to_owned()),
        "it never failed"
    );
    fixture.until(20_000);
    assert_eq!(fixture.status(&id), "Succeeded");
    assert!(!fixture.emitted().contains(&"Build FAILED".to_owned()));
}

#[test]
fn failed_early_retry_can_be_retried_before_the_stage_ends() {
    let mut fixture = Fixture::new();
    let lint = json!([succeed(5_000)]);
    let id = fixture.start(json!({ "Build/Compile": [fail(100)], "Build/Lint": lint }));
    fixture.until(1_200);
    assert_eq!(fixture.retry("Build", &id, FAILED), "done");
    assert_eq!(fixture.retry("Build", &id, FAILED), "ConflictException");
    fixture.until(1_400);
    assert_eq!(fixture.retry("Build", &id, FAILED), "done");
}

#[test]
fn a_stage_can_fail_with_its_first_action_by_option() {
    let options = Options {
        stage_fails: StageFails::AtFirstFailedAction,
        ..Options::default()
    };
    let mut fixture = Fixture::of(shop(), options);
    let lint = json!([succeed(5_000)]);
    let id =
        fixture.start(json!({ "Build/Compile": [fail(100), succeed(100)], "Build/Lint": lint }));
    fixture.until(1_200);
    let view = fixture.view(&id, "Build");
    assert_eq!(view.status, StageStatus::Failed);
    assert_eq!(view.actions[1].status, Some(ActionStatus::InProgress));
    assert_eq!(fixture.retry("Build", &id, ALL), "ConflictException");
    assert_eq!(fixture.retry("Build", &id, FAILED), "done");
    fixture.until(20_000);
    assert_eq!(fixture.status(&id), "Succeeded");
}

#[test]
fn a_changed_structure_ends_the_right_to_retry() {
    for (identical_ends, changed, code) in [
        (true, true, "StageNotRetryableException"),
        (true, false, "StageNotRetryableException"),
        (false, true, "StageNotRetryableException"),
        (false, false, "done"),
    ] {
        let options = Options {
            identical_update_ends_retry: identical_ends,
            ..Options::default()
        };
        let mut fixture = Fixture::of(shop(), options);
        let id = fixture.failed(1);
        let mut pipeline = shop();
        if changed {
            pipeline["stages"][2]["name"] = "Ship".into();
        }
        fixture.done("UpdatePipeline", json!({ "pipeline": pipeline }));
        assert_eq!(
            fixture.retry("Build", &id, FAILED),
            code,
            "{identical_ends} {changed}"
        );
    }
}

#[test]
fn a_newer_execution_owns_the_stage() {
    for mode in ["SUPERSEDED", "QUEUED"] {
        let mut fixture = Fixture::of(shop_with(mode, 1, json!({})), Options::default());
        let old = fixture.failed(1);
        let new = fixture.start(json!({ "Build/Compile": [fail(10)] }));
        assert_eq!(fixture.view(&new, "Source").status, StageStatus::InProgress);
        assert_eq!(
            fixture.retry("Source", &old, FAILED),
            "NotLatestPipelineExecutionException"
        );
        fixture.until(2_110);
        let code = fixture.retry("Build", &old, FAILED);
        assert_eq!(
            code, "NotLatestPipelineExecutionException",
            "{mode}: it runs there"
        );
        fixture.until(20_000);
        let code = fixture.retry("Build", &old, FAILED);
        assert_eq!(
            code, "NotLatestPipelineExecutionException",
            "{mode}: it failed there"
        );
        assert_eq!(fixture.retry("Build", &new, FAILED), "done");
    }
}

#[test]
fn parallel_executions_keep_their_own_stages() {
    let mut fixture = Fixture::of(shop_with("PARALLEL", 1, json!({})), Options::default());
    let old = fixture.failed(1);
    let new = fixture.failed(1);
    for id in [&old, &new] {
        assert_eq!(fixture.retry("Build", id, FAILED), "done");
    }
    fixture.until(20_000);
    assert_eq!(
        (fixture.status(&old), fixture.status(&new)),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[test]
fn full_pipeline_refuses_another_execution() {
    let limit = "ConcurrentPipelineExecutionsLimitExceededException";
    for (mode, code) in [
        ("QUEUED", limit),
        ("PARALLEL", limit),
        ("SUPERSEDED", "done"),
    ] {
        let options = Options {
            concurrent_execution_limit: Some(1),
            ..Options::default()
        };
        let mut fixture = Fixture::of(shop_with(mode, 1, json!({})), options);
        let id = fixture.failed(1);
        fixture.start(json!({ "Source/Fetch": [{ "hang": {} }] }));
        assert_eq!(fixture.retry("Build", &id, FAILED), code, "{mode}");
        assert_eq!(
            fixture.code("StartPipelineExecution", json!({ "name": "shop" })),
            code,
            "{mode}"
        );
    }
}

#[test]
fn bad_requests_are_refused_by_name() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    let good = json!({ "pipelineName": "shop", "stageName": "Build",
        "pipelineExecutionId": id, "retryMode": FAILED });
    for (key, value, code) in [
        ("pipelineName", json!("other"), "PipelineNotFoundException"),
        ("pipelineName", json!("no spaces"), "ValidationException"),
        ("pipelineName", json!(null), "ValidationException"),
        ("stageName", json!("Test"), "StageNotFoundException"),
        ("stageName", json!(3), "ValidationException"),
        (
            "pipelineExecutionId",
            json!(STRANGER),
            "NotLatestPipelineExecutionException",
        ),
        (
            "pipelineExecutionId",
            json!(STRANGER.replace('8', "G")),
            "ValidationException",
        ),
        ("retryMode", json!("SOME_ACTIONS"), "ValidationException"),
        ("retryMode", json!(null), "ValidationException"),
    ] {
        let mut body = good.clone();
        body[key] = value;
        assert_eq!(
            fixture.code("RetryStageExecution", body.clone()),
            code,
            "{body}"
        );
    }
    assert_eq!(fixture.code("RetryStageExecution", good), "done");
}

#[test]
fn a_source_stage_is_retried_like_any_other() {
    let mut fixture = Fixture::new();
    let id = fixture.start(json!({ "Source/Fetch": [fail(10), succeed(10)] }));
    fixture.until(100);
    assert_eq!(fixture.retry("Source", &id, FAILED), "done");
    fixture.until(20_000);
    assert_eq!(fixture.status(&id), "Succeeded");
}

#[test]
fn retried_approval_has_a_new_token() {
    let mut pipeline = shop();
    pipeline["stages"][2]["actions"][0] = action("Approve", "Approval", "Manual", 1);
    let mut fixture = Fixture::of(pipeline, Options::default());
    let id = fixture.start(json!({}));
    fixture.until(10_000);
    let token = |fixture: &mut Fixture| {
        let latest = fixture.state(2)["actionStates"][0]["latestExecution"].take();
        latest["token"].as_str().map(str::to_owned)
    };
    let answer = |fixture: &mut Fixture, token: &str, status: &str| {
        let body = json!({ "pipelineName": "shop", "stageName": "Deploy", "actionName": "Approve",
            "token": token, "result": { "summary": "not today", "status": status } });
        fixture.code("PutApprovalResult", body)
    };
    let first = token(&mut fixture).unwrap();
    assert_eq!(
        answer(&mut fixture, STRANGER, "Approved"),
        "InvalidApprovalTokenException"
    );
    assert_eq!(
        answer(&mut fixture, &first, "Perhaps"),
        "ValidationException"
    );
    assert_eq!(answer(&mut fixture, &first, "Rejected"), "done");
    assert_eq!(
        answer(&mut fixture, &first, "Approved"),
        "ApprovalAlreadyCompletedException"
    );
    let latest = fixture.state(2)["actionStates"][0]["latestExecution"].take();
    assert_eq!(
        latest["errorDetails"],
        json!({ "code": "JobFailed", "message": "not today" })
    );
    assert_eq!(token(&mut fixture), None);
    assert_eq!(fixture.retry("Deploy", &id, FAILED), "done");
    let second = token(&mut fixture).unwrap();
    assert_ne!(first, second);
    assert_eq!(answer(&mut fixture, &second, "Approved"), "done");
    assert_eq!(fixture.status(&id), "Succeeded");
}

#[test]
fn a_person_may_be_faster() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    let mode = StageRetryMode::AllActions;
    fixture
        .service
        .person_retries(1_200, "shop", "Build", &id, mode)
        .unwrap();
    assert_eq!(fixture.retry("Build", &id, FAILED), "ConflictException");
    assert_eq!(
        fixture.service.retries("shop", &id, "Build")[0].by,
        By::Person
    );
    let calls: Vec<_> = fixture.service.calls().iter().rev().take(2).collect();
    assert_eq!(
        (calls[1].by, &calls[1].outcome),
        (By::Person, &CallOutcome::Done)
    );
    assert_eq!(
        calls[0].outcome,
        CallOutcome::Refused("ConflictException".into())
    );
}
