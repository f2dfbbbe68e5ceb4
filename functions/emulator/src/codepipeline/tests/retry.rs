//! `RetryStageExecution`: what it does and when it refuses.

use super::*;

const FAILED: &str = "FAILED_ACTIONS";
const ALL: &str = "ALL_ACTIONS";

#[test]
fn a_retry_goes_on_with_the_same_execution_to_its_end() {
    let mut desk = Desk::new();
    let id = desk.failed(1);
    let body = json!({ "pipelineName": "shop", "stageName": "Build",
        "pipelineExecutionId": id, "retryMode": FAILED });
    let answer = desk.done("RetryStageExecution", body);
    assert_eq!(answer, json!({ "pipelineExecutionId": id }));
    assert_eq!(desk.status(&id), "InProgress");
    assert_eq!(desk.view(&id, "Build").status, StageStatus::InProgress);
    desk.until(10_000);
    assert_eq!(desk.status(&id), "Succeeded");
    assert_eq!(desk.view(&id, "Deploy").status, StageStatus::Succeeded);
}

#[test]
fn failed_actions_alone_run_again_with_new_ids() {
    let mut desk = Desk::new();
    let id = desk.failed(1);
    let before = desk.view(&id, "Build");
    assert_eq!(desk.retry("Build", &id, FAILED), "done");
    desk.until(10_000);
    let after = desk.view(&id, "Build");
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
    let mut desk = Desk::new();
    let id = desk.start(json!({ "Build/Pack": [fail(10), succeed(10)] }));
    desk.until(5_000);
    assert_eq!(desk.view(&id, "Build").status, StageStatus::Failed);
    assert_eq!(desk.retry("Build", &id, ALL), "done");
    let states = desk
        .view(&id, "Build")
        .actions
        .into_iter()
        .map(|it| it.status);
    let working = Some(ActionStatus::InProgress);
    assert_eq!(states.collect::<Vec<_>>(), [working, working, None]);
    desk.until(20_000);
    let runs: Vec<_> = desk
        .view(&id, "Build")
        .actions
        .iter()
        .map(|it| it.runs)
        .collect();
    assert_eq!(runs, [2, 2, 2]);
    assert_eq!(desk.status(&id), "Succeeded");
}

#[test]
fn retries_are_counted_and_recorded() {
    let mut desk = Desk::new();
    let id = desk.failed(2);
    let hit = desk.view(&id, "Build").actions[0]
        .action_execution_id
        .clone()
        .unwrap();
    assert_eq!(desk.state(1).get("retryStageMetadata"), None);
    for expected in 1..=2_u32 {
        assert_eq!(desk.retry("Build", &id, FAILED), "done");
        let view = desk.view(&id, "Build");
        assert_eq!(view.retry.manual_stage_retry_attempt, expected);
        assert_eq!(view.attempt, expected + 1);
        let shown = json!({ "manualStageRetryAttempt": expected,
            "latestRetryTrigger": "ManualStageRetry" });
        assert_eq!(desk.state(1)["retryStageMetadata"], shown);
        let later = desk.now + 500;
        desk.until(later);
    }
    let retries = desk.service.retries("shop", &id, "Build");
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
        let mut desk = Desk::of(shop(), options);
        let id = desk.failed(1);
        assert_eq!(desk.retry("Build", &id, FAILED), "done");
        assert_eq!(desk.retry("Build", &id, FAILED), code);
        assert_eq!(desk.retry("Build", &id, ALL), code);
        assert_eq!(desk.service.retries("shop", &id, "Build").len(), 1);
    }
}

#[test]
fn a_stage_without_failed_actions_is_not_retryable() {
    let mut desk = Desk::new();
    let id = desk.failed(1);
    assert_eq!(
        desk.retry("Source", &id, FAILED),
        "StageNotRetryableException"
    );
    assert_eq!(
        desk.retry("Deploy", &id, FAILED),
        "StageNotRetryableException",
        "never entered"
    );
    desk.retry("Build", &id, FAILED);
    desk.until(10_000);
    for mode in [FAILED, ALL] {
        assert_eq!(
            desk.retry("Build", &id, mode),
            "StageNotRetryableException",
            "it succeeded"
        );
    }
    let running = desk.start(json!({}));
    assert_eq!(
        desk.retry("Source", &running, FAILED),
        "StageNotRetryableException",
        "it runs"
    );
}

#[test]
fn failed_actions_are_retried_while_others_work_on() {
    let mut desk = Desk::new();
    let lint = json!([succeed(5_000)]);
    let id = desk.start(json!({ "Build/Compile": [fail(100), succeed(100)], "Build/Lint": lint }));
    desk.until(1_200);
    assert_eq!(desk.view(&id, "Build").status, StageStatus::InProgress);
    assert_eq!(desk.retry("Build", &id, ALL), "ConflictException");
    assert_eq!(desk.retry("Build", &id, FAILED), "done");
    let working = desk
        .view(&id, "Build")
        .actions
        .iter()
        .map(|it| it.runs)
        .collect::<Vec<_>>();
    assert_eq!(working, [2, 1, 0]);
    assert!(
        !desk.told().contains(&"Build RESUMED".to_owned()),
        "it never failed"
    );
    desk.until(20_000);
    assert_eq!(desk.status(&id), "Succeeded");
    assert!(!desk.told().contains(&"Build FAILED".to_owned()));
}

#[test]
fn an_early_retry_that_fails_again_may_be_retried_before_the_stage_ends() {
    let mut desk = Desk::new();
    let lint = json!([succeed(5_000)]);
    let id = desk.start(json!({ "Build/Compile": [fail(100)], "Build/Lint": lint }));
    desk.until(1_200);
    assert_eq!(desk.retry("Build", &id, FAILED), "done");
    assert_eq!(desk.retry("Build", &id, FAILED), "ConflictException");
    desk.until(1_400);
    assert_eq!(desk.retry("Build", &id, FAILED), "done");
}

#[test]
fn a_stage_can_fail_with_its_first_action_by_option() {
    let options = Options {
        stage_fails: StageFails::AtFirstFailedAction,
        ..Options::default()
    };
    let mut desk = Desk::of(shop(), options);
    let lint = json!([succeed(5_000)]);
    let id = desk.start(json!({ "Build/Compile": [fail(100), succeed(100)], "Build/Lint": lint }));
    desk.until(1_200);
    let view = desk.view(&id, "Build");
    assert_eq!(view.status, StageStatus::Failed);
    assert_eq!(view.actions[1].status, Some(ActionStatus::InProgress));
    assert_eq!(desk.retry("Build", &id, ALL), "ConflictException");
    assert_eq!(desk.retry("Build", &id, FAILED), "done");
    desk.until(20_000);
    assert_eq!(desk.status(&id), "Succeeded");
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
        let mut desk = Desk::of(shop(), options);
        let id = desk.failed(1);
        let mut pipeline = shop();
        if changed {
            pipeline["stages"][2]["name"] = "Ship".into();
        }
        desk.done("UpdatePipeline", json!({ "pipeline": pipeline }));
        assert_eq!(
            desk.retry("Build", &id, FAILED),
            code,
            "{identical_ends} {changed}"
        );
    }
}

#[test]
fn a_newer_execution_owns_the_stage() {
    for mode in ["SUPERSEDED", "QUEUED"] {
        let mut desk = Desk::of(shop_with(mode, 1, json!({})), Options::default());
        let old = desk.failed(1);
        let new = desk.start(json!({ "Build/Compile": [fail(10)] }));
        assert_eq!(desk.view(&new, "Source").status, StageStatus::InProgress);
        assert_eq!(
            desk.retry("Source", &old, FAILED),
            "NotLatestPipelineExecutionException"
        );
        desk.until(2_110);
        let code = desk.retry("Build", &old, FAILED);
        assert_eq!(
            code, "NotLatestPipelineExecutionException",
            "{mode}: it runs there"
        );
        desk.until(20_000);
        let code = desk.retry("Build", &old, FAILED);
        assert_eq!(
            code, "NotLatestPipelineExecutionException",
            "{mode}: it failed there"
        );
        assert_eq!(desk.retry("Build", &new, FAILED), "done");
    }
}

#[test]
fn parallel_executions_keep_their_own_stages() {
    let mut desk = Desk::of(shop_with("PARALLEL", 1, json!({})), Options::default());
    let old = desk.failed(1);
    let new = desk.failed(1);
    for id in [&old, &new] {
        assert_eq!(desk.retry("Build", id, FAILED), "done");
    }
    desk.until(20_000);
    assert_eq!(
        (desk.status(&old), desk.status(&new)),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[test]
fn a_full_pipeline_takes_no_further_execution() {
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
        let mut desk = Desk::of(shop_with(mode, 1, json!({})), options);
        let id = desk.failed(1);
        desk.start(json!({ "Source/Fetch": [{ "hang": {} }] }));
        assert_eq!(desk.retry("Build", &id, FAILED), code, "{mode}");
        assert_eq!(
            desk.code("StartPipelineExecution", json!({ "name": "shop" })),
            code,
            "{mode}"
        );
    }
}

#[test]
fn bad_requests_are_refused_by_name() {
    let mut desk = Desk::new();
    let id = desk.failed(1);
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
            desk.code("RetryStageExecution", body.clone()),
            code,
            "{body}"
        );
    }
    assert_eq!(desk.code("RetryStageExecution", good), "done");
}

#[test]
fn a_source_stage_is_retried_like_any_other() {
    let mut desk = Desk::new();
    let id = desk.start(json!({ "Source/Fetch": [fail(10), succeed(10)] }));
    desk.until(100);
    assert_eq!(desk.retry("Source", &id, FAILED), "done");
    desk.until(20_000);
    assert_eq!(desk.status(&id), "Succeeded");
}

#[test]
fn a_retried_approval_asks_anew() {
    let mut pipeline = shop();
    pipeline["stages"][2]["actions"][0] = action("Approve", "Approval", "Manual", 1);
    let mut desk = Desk::of(pipeline, Options::default());
    let id = desk.start(json!({}));
    desk.until(10_000);
    let token = |desk: &mut Desk| {
        let latest = desk.state(2)["actionStates"][0]["latestExecution"].take();
        latest["token"].as_str().map(str::to_owned)
    };
    let answer = |desk: &mut Desk, token: &str, status: &str| {
        let body = json!({ "pipelineName": "shop", "stageName": "Deploy", "actionName": "Approve",
            "token": token, "result": { "summary": "not today", "status": status } });
        desk.code("PutApprovalResult", body)
    };
    let first = token(&mut desk).unwrap();
    assert_eq!(
        answer(&mut desk, STRANGER, "Approved"),
        "InvalidApprovalTokenException"
    );
    assert_eq!(answer(&mut desk, &first, "Perhaps"), "ValidationException");
    assert_eq!(answer(&mut desk, &first, "Rejected"), "done");
    assert_eq!(
        answer(&mut desk, &first, "Approved"),
        "ApprovalAlreadyCompletedException"
    );
    let latest = desk.state(2)["actionStates"][0]["latestExecution"].take();
    assert_eq!(
        latest["errorDetails"],
        json!({ "code": "JobFailed", "message": "not today" })
    );
    assert_eq!(token(&mut desk), None);
    assert_eq!(desk.retry("Deploy", &id, FAILED), "done");
    let second = token(&mut desk).unwrap();
    assert_ne!(first, second);
    assert_eq!(answer(&mut desk, &second, "Approved"), "done");
    assert_eq!(desk.status(&id), "Succeeded");
}

#[test]
fn a_person_may_be_faster() {
    let mut desk = Desk::new();
    let id = desk.failed(1);
    let mode = StageRetryMode::AllActions;
    desk.service
        .person_retries(1_200, "shop", "Build", &id, mode)
        .unwrap();
    assert_eq!(desk.retry("Build", &id, FAILED), "ConflictException");
    assert_eq!(desk.service.retries("shop", &id, "Build")[0].by, By::Person);
    let calls: Vec<_> = desk.service.calls().iter().rev().take(2).collect();
    assert_eq!(
        (calls[1].by, &calls[1].outcome),
        (By::Person, &CallOutcome::Done)
    );
    assert_eq!(
        calls[0].outcome,
        CallOutcome::Refused("ConflictException".into())
    );
}
