//! How executions share stages.

use super::*;

fn desk(mode: &str) -> Desk {
    Desk::of(shop_with(mode, 1, json!({})), Options::default())
}

#[test]
fn a_newer_waiting_execution_supersedes_an_older_one() {
    let mut desk = desk("SUPERSEDED");
    let first = desk.start(json!({ "Source/Fetch": [succeed(1_000)] }));
    let second = desk.start(json!({}));
    let third = desk.start(json!({}));
    assert_eq!(desk.status(&second), "Superseded");
    assert_eq!(desk.status(&third), "InProgress");
    let state = desk.state(0);
    assert_eq!(
        state["latestExecution"]["pipelineExecutionId"],
        json!(first)
    );
    assert_eq!(
        state["inboundExecution"]["pipelineExecutionId"],
        json!(third)
    );
    let told = desk.told();
    assert_eq!(
        told.iter()
            .filter(|it| *it == "Pipeline SUPERSEDED")
            .count(),
        1
    );
    assert_eq!(
        desk.retry("Source", &second, "FAILED_ACTIONS"),
        "StageNotRetryableException"
    );
    desk.until(60_000);
    assert_eq!(
        (desk.status(&first), desk.status(&third)),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[test]
fn queued_executions_enter_in_their_order() {
    let mut desk = desk("QUEUED");
    let ids: Vec<_> = (0..3).map(|_| desk.start(json!({}))).collect();
    let waiting = desk.state(0)["inboundExecutions"].take();
    let waiting: Vec<_> = waiting
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["pipelineExecutionId"])
        .collect();
    assert_eq!(waiting, [&json!(ids[1]), &json!(ids[2])]);
    desk.until(1_500);
    assert_eq!(desk.view(&ids[1], "Source").status, StageStatus::InProgress);
    assert!(desk.service.stage("shop", &ids[2], "Source").is_none());
    desk.until(60_000);
    for id in &ids {
        assert_eq!(desk.status(id), "Succeeded");
    }
}

#[test]
fn parallel_executions_do_not_wait() {
    let mut desk = desk("PARALLEL");
    let ids: Vec<_> = (0..3).map(|_| desk.start(json!({}))).collect();
    for id in &ids {
        assert_eq!(desk.view(id, "Source").status, StageStatus::InProgress);
    }
    desk.until(4_000);
    for id in &ids {
        assert_eq!(desk.status(id), "Succeeded");
    }
}

#[test]
fn a_failure_lets_the_waiting_execution_in_and_the_delayed_retry_is_too_late() {
    for mode in ["SUPERSEDED", "QUEUED"] {
        let mut desk = desk(mode);
        let slow = json!({ "Build/Compile": [fail(5_000), succeed(10)] });
        let old = desk.start(slow);
        desk.until(1_500);
        let new = desk.start(json!({}));
        desk.until(3_000);
        assert!(
            desk.service.stage("shop", &new, "Build").is_none(),
            "{mode}: it waits"
        );
        assert_eq!(
            desk.state(1)["inboundExecution"]["pipelineExecutionId"],
            json!(new)
        );
        desk.until(6_000);
        assert_eq!(desk.view(&old, "Build").status, StageStatus::Failed);
        assert_eq!(desk.view(&new, "Build").status, StageStatus::InProgress);
        let code = desk.retry("Build", &old, "FAILED_ACTIONS");
        assert_eq!(code, "NotLatestPipelineExecutionException", "{mode}");
        assert_eq!(desk.status(&old), "Failed");
    }
}

#[test]
fn an_overtaken_execution_becomes_superseded_by_option() {
    let options = Options {
        overtaken_execution_becomes_superseded: true,
        ..Options::default()
    };
    let mut desk = Desk::of(shop(), options);
    let old = desk.failed(1);
    desk.start(json!({}));
    assert_eq!(desk.status(&old), "Failed");
    desk.until(3_000);
    assert_eq!(desk.status(&old), "Superseded");
    assert!(desk.told().contains(&"Pipeline SUPERSEDED".to_owned()));
}

#[test]
fn a_retried_stage_is_locked_again() {
    let mut desk = desk("QUEUED");
    let old = desk.start(json!({ "Build/Compile": [fail(10), succeed(9_000)] }));
    desk.until(2_500);
    assert_eq!(desk.retry("Build", &old, "FAILED_ACTIONS"), "done");
    let new = desk.start(json!({}));
    desk.until(8_000);
    assert!(desk.service.stage("shop", &new, "Build").is_none());
    desk.until(60_000);
    assert_eq!(
        (desk.status(&old), desk.status(&new)),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[test]
fn a_disabled_transition_keeps_executions_out() {
    for (stage, kind) in [("Build", "Inbound"), ("Source", "Outbound")] {
        let mut desk = desk("SUPERSEDED");
        let body = json!({ "pipelineName": "shop", "stageName": stage, "transitionType": kind,
            "reason": "freeze" });
        desk.done("DisableStageTransition", body.clone());
        let id = desk.start(json!({}));
        desk.until(5_000);
        assert_eq!(desk.status(&id), "InProgress");
        let state = desk.state(1);
        assert_eq!(state["inboundTransitionState"]["enabled"], json!(false));
        assert_eq!(
            state["inboundTransitionState"]["disabledReason"],
            json!("freeze")
        );
        assert_eq!(state["inboundExecution"]["pipelineExecutionId"], json!(id));
        let code = desk.retry("Build", &id, "FAILED_ACTIONS");
        assert_eq!(
            code, "StageNotRetryableException",
            "an inbound execution has no failed actions"
        );
        desk.done("EnableStageTransition", body);
        assert_eq!(desk.view(&id, "Build").status, StageStatus::InProgress);
        assert_eq!(
            desk.state(1)["inboundTransitionState"],
            json!({ "enabled": true })
        );
    }
}

#[test]
fn a_rollback_is_a_new_execution_of_one_stage() {
    let mut desk = desk("SUPERSEDED");
    let good = desk.start(json!({}));
    desk.until(10_000);
    let bad = desk.start(json!({ "Deploy/Copy": [fail(10)] }));
    desk.until(20_000);
    let roll = |desk: &mut Desk, stage: &str, target: &str| {
        let body = json!({ "pipelineName": "shop", "stageName": stage,
            "targetPipelineExecutionId": target });
        desk.call("RollbackStage", body)
    };
    for (stage, target, code) in [
        ("Source", &good, "UnableToRollbackStageException"),
        ("Deploy", &bad, "UnableToRollbackStageException"),
        ("Nowhere", &good, "StageNotFoundException"),
        (
            "Deploy",
            &STRANGER.to_owned(),
            "PipelineExecutionNotFoundException",
        ),
    ] {
        let refused = roll(&mut desk, stage, target).unwrap_err();
        assert!(
            matches!(refused, CallError::Api(error) if error.code() == code),
            "{stage} {code}"
        );
    }
    let answer = roll(&mut desk, "Deploy", &good).unwrap();
    let id = answer["pipelineExecutionId"].as_str().unwrap().to_owned();
    assert!(id != good && id != bad);
    desk.until(30_000);
    let body = json!({ "pipelineName": "shop", "pipelineExecutionId": id });
    let execution = desk.done("GetPipelineExecution", body)["pipelineExecution"].take();
    assert_eq!(execution["executionType"], json!("ROLLBACK"));
    assert_eq!(execution["status"], json!("Succeeded"));
    assert_eq!(execution["trigger"]["triggerType"], json!("ManualRollback"));
    assert_eq!(
        execution["rollbackMetadata"]["rollbackTargetPipelineExecutionId"],
        json!(good)
    );
    assert_eq!(desk.state(2)["latestExecution"]["type"], json!("ROLLBACK"));
    let code = desk.retry("Deploy", &bad, "FAILED_ACTIONS");
    assert_eq!(code, "NotLatestPipelineExecutionException");
    let outdated = roll(&mut desk, "Deploy", &id).unwrap_err();
    assert!(matches!(outdated, CallError::Api(error) if error.message.contains("a rollback")));

    let answer = roll(&mut desk, "Build", &good).unwrap();
    let id = answer["pipelineExecutionId"].as_str().unwrap();
    let busy = roll(&mut desk, "Build", &good).unwrap_err();
    assert!(matches!(busy, CallError::Api(error) if error.message.contains("running")));
    desk.until(60_000);
    assert_eq!(desk.status(id), "Succeeded");
    assert!(
        desk.service.stage("shop", id, "Deploy").is_none(),
        "it goes no further"
    );
}

#[test]
fn a_rollback_goes_on_in_the_script_of_its_target() {
    let mut desk = desk("SUPERSEDED");
    let target = desk.start(json!({ "Deploy/Copy": [succeed(10), fail(10), succeed(10)] }));
    desk.until(10_000);
    let body = json!({ "pipelineName": "shop", "stageName": "Deploy",
        "targetPipelineExecutionId": target });
    // Each rollback from where the target stands.
    for until in [20_000, 30_000] {
        let id = desk.done("RollbackStage", body.clone())["pipelineExecutionId"].take();
        desk.until(until);
        assert_eq!(desk.status(id.as_str().unwrap()), "Failed");
    }
    assert_eq!(desk.status(&target), "Succeeded");
}
