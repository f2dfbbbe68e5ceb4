//! The ways in which executions share stages.

use super::*;

fn fixture(mode: &str) -> Fixture {
    Fixture::of(shop_with(mode, 1, json!({})), Options::default())
}

#[test]
fn a_newer_waiting_execution_supersedes_an_older_one() {
    let mut fixture = fixture("SUPERSEDED");
    let first = fixture.start(json!({ "Source/Fetch": [succeed(1_000)] }));
    let second = fixture.start(json!({}));
    let third = fixture.start(json!({}));
    assert_eq!(fixture.status(&second), "Superseded");
    assert_eq!(fixture.status(&third), "InProgress");
    let state = fixture.state(0);
    assert_eq!(
        state["latestExecution"]["pipelineExecutionId"],
        json!(first)
    );
    assert_eq!(
        state["inboundExecution"]["pipelineExecutionId"],
        json!(third)
    );
    let emitted = fixture.emitted();
    assert_eq!(
        emitted
            .iter()
            .filter(|it| *it == "Pipeline SUPERSEDED")
            .count(),
        1
    );
    assert_eq!(
        fixture.retry("Source", &second, "FAILED_ACTIONS"),
        "StageNotRetryableException"
    );
    fixture.until(60_000);
    assert_eq!(
        (fixture.status(&first), fixture.status(&third)),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[test]
fn queued_executions_enter_in_their_order() {
    let mut fixture = fixture("QUEUED");
    let ids: Vec<_> = (0..3).map(|_| fixture.start(json!({}))).collect();
    let waiting = fixture.state(0)["inboundExecutions"].take();
    let waiting: Vec<_> = waiting
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["pipelineExecutionId"])
        .collect();
    assert_eq!(waiting, [&json!(ids[1]), &json!(ids[2])]);
    fixture.until(1_500);
    assert_eq!(
        fixture.view(&ids[1], "Source").status,
        StageStatus::InProgress
    );
    assert!(fixture.service.stage("shop", &ids[2], "Source").is_none());
    fixture.until(60_000);
    for id in &ids {
        assert_eq!(fixture.status(id), "Succeeded");
    }
}

#[test]
fn parallel_executions_do_not_wait() {
    let mut fixture = fixture("PARALLEL");
    let ids: Vec<_> = (0..3).map(|_| fixture.start(json!({}))).collect();
    for id in &ids {
        assert_eq!(fixture.view(id, "Source").status, StageStatus::InProgress);
    }
    fixture.until(4_000);
    for id in &ids {
        assert_eq!(fixture.status(id), "Succeeded");
    }
}

#[test]
fn failure_admits_the_waiting_execution_before_a_delayed_retry() {
    for mode in ["SUPERSEDED", "QUEUED"] {
        let mut fixture = fixture(mode);
        let slow = json!({ "Build/Compile": [fail(5_000), succeed(10)] });
        let old = fixture.start(slow);
        fixture.until(1_500);
        let new = fixture.start(json!({}));
        fixture.until(3_000);
        assert!(
            fixture.service.stage("shop", &new, "Build").is_none(),
            "{mode}: it waits"
        );
        assert_eq!(
            fixture.state(1)["inboundExecution"]["pipelineExecutionId"],
            json!(new)
        );
        fixture.until(6_000);
        assert_eq!(fixture.view(&old, "Build").status, StageStatus::Failed);
        assert_eq!(fixture.view(&new, "Build").status, StageStatus::InProgress);
        let code = fixture.retry("Build", &old, "FAILED_ACTIONS");
        assert_eq!(code, "NotLatestPipelineExecutionException", "{mode}");
        assert_eq!(fixture.status(&old), "Failed");
    }
}

#[test]
fn an_overtaken_execution_becomes_superseded_by_option() {
    let options = Options {
        overtaken_execution_becomes_superseded: true,
        ..Options::default()
    };
    let mut fixture = Fixture::of(shop(), options);
    let old = fixture.failed(1);
    fixture.start(json!({}));
    assert_eq!(fixture.status(&old), "Failed");
    fixture.until(3_000);
    assert_eq!(fixture.status(&old), "Superseded");
    assert!(
        fixture
            .emitted()
            .contains(&"Pipeline SUPERSEDED".to_owned())
    );
}

#[test]
fn a_retried_stage_is_locked_again() {
    let mut fixture = fixture("QUEUED");
    let old = fixture.start(json!({ "Build/Compile": [fail(10), succeed(9_000)] }));
    fixture.until(2_500);
    assert_eq!(fixture.retry("Build", &old, "FAILED_ACTIONS"), "done");
    let new = fixture.start(json!({}));
    fixture.until(8_000);
    assert!(fixture.service.stage("shop", &new, "Build").is_none());
    fixture.until(60_000);
    assert_eq!(
        (fixture.status(&old), fixture.status(&new)),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[test]
fn a_disabled_transition_keeps_executions_out() {
    for (stage, kind) in [("Build", "Inbound"), ("Source", "Outbound")] {
        let mut fixture = fixture("SUPERSEDED");
        let body = json!({ "pipelineName": "shop", "stageName": stage, "transitionType": kind,
            "reason": "freeze" });
        fixture.done("DisableStageTransition", body.clone());
        let id = fixture.start(json!({}));
        fixture.until(5_000);
        assert_eq!(fixture.status(&id), "InProgress");
        let state = fixture.state(1);
        assert_eq!(state["inboundTransitionState"]["enabled"], json!(false));
        assert_eq!(
            state["inboundTransitionState"]["disabledReason"],
            json!("freeze")
        );
        assert_eq!(state["inboundExecution"]["pipelineExecutionId"], json!(id));
        let code = fixture.retry("Build", &id, "FAILED_ACTIONS");
        assert_eq!(
            code, "StageNotRetryableException",
            "an inbound execution has no failed actions"
        );
        fixture.done("EnableStageTransition", body);
        assert_eq!(fixture.view(&id, "Build").status, StageStatus::InProgress);
        assert_eq!(
            fixture.state(1)["inboundTransitionState"],
            json!({ "enabled": true })
        );
    }
}

#[test]
fn a_rollback_is_a_new_execution_of_one_stage() {
    let mut fixture = fixture("SUPERSEDED");
    let good = fixture.start(json!({}));
    fixture.until(10_000);
    let bad = fixture.start(json!({ "Deploy/Copy": [fail(10)] }));
    fixture.until(20_000);
    let roll = |fixture: &mut Fixture, stage: &str, target: &str| {
        let body = json!({ "pipelineName": "shop", "stageName": stage,
            "targetPipelineExecutionId": target });
        fixture.call("RollbackStage", body)
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
        let refused = roll(&mut fixture, stage, target).unwrap_err();
        assert!(
            matches!(refused, CallError::Api(error) if error.code() == code),
            "{stage} {code}"
        );
    }
    let answer = roll(&mut fixture, "Deploy", &good).unwrap();
    let id = answer["pipelineExecutionId"].as_str().unwrap().to_owned();
    assert!(id != good && id != bad);
    fixture.until(30_000);
    let body = json!({ "pipelineName": "shop", "pipelineExecutionId": id });
    let execution = fixture.done("GetPipelineExecution", body)["pipelineExecution"].take();
    assert_eq!(execution["executionType"], json!("ROLLBACK"));
    assert_eq!(execution["status"], json!("Succeeded"));
    assert_eq!(execution["trigger"]["triggerType"], json!("ManualRollback"));
    assert_eq!(
        execution["rollbackMetadata"]["rollbackTargetPipelineExecutionId"],
        json!(good)
    );
    assert_eq!(
        fixture.state(2)["latestExecution"]["type"],
        json!("ROLLBACK")
    );
    let code = fixture.retry("Deploy", &bad, "FAILED_ACTIONS");
    assert_eq!(code, "NotLatestPipelineExecutionException");
    let outdated = roll(&mut fixture, "Deploy", &id).unwrap_err();
    assert!(matches!(outdated, CallError::Api(error) if error.message.contains("a rollback")));

    let answer = roll(&mut fixture, "Build", &good).unwrap();
    let id = answer["pipelineExecutionId"].as_str().unwrap();
    let busy = roll(&mut fixture, "Build", &good).unwrap_err();
    assert!(matches!(busy, CallError::Api(error) if error.message.contains("running")));
    fixture.until(60_000);
    assert_eq!(fixture.status(id), "Succeeded");
    assert!(
        fixture.service.stage("shop", id, "Deploy").is_none(),
        "it goes no further"
    );
}

#[test]
fn a_rollback_goes_on_in_the_script_of_its_target() {
    let mut fixture = fixture("SUPERSEDED");
    let target = fixture.start(json!({ "Deploy/Copy": [succeed(10), fail(10), succeed(10)] }));
    fixture.until(10_000);
    let body = json!({ "pipelineName": "shop", "stageName": "Deploy",
        "targetPipelineExecutionId": target });
    // Each rollback continues the script where the target stands.
    for until in [20_000, 30_000] {
        let id = fixture.done("RollbackStage", body.clone())["pipelineExecutionId"].take();
        fixture.until(until);
        assert_eq!(fixture.status(id.as_str().unwrap()), "Failed");
    }
    assert_eq!(fixture.status(&target), "Succeeded");
}
