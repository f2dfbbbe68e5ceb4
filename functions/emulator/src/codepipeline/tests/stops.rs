//! Stops, and updates of the structure, while an execution runs.

use super::*;

fn stop(fixture: &mut Fixture, id: &str, abandon: bool) -> String {
    let body = json!({ "pipelineName": "shop", "pipelineExecutionId": id, "abandon": abandon,
        "reason": "wrong branch" });
    fixture.code("StopPipelineExecution", body)
}

#[test]
fn stop_and_wait_lets_actions_end() {
    let mut fixture = Fixture::new();
    let id =
        fixture.start(json!({ "Build/Compile": [fail(1_000)], "Build/Lint": [succeed(3_000)] }));
    fixture.until(1_500);
    assert_eq!(stop(&mut fixture, &id, false), "done");
    assert_eq!(fixture.status(&id), "Stopping");
    assert_eq!(fixture.view(&id, "Build").status, StageStatus::Stopping);
    assert_eq!(
        fixture.retry("Build", &id, "FAILED_ACTIONS"),
        "ConflictException"
    );
    assert_eq!(
        stop(&mut fixture, &id, false),
        "DuplicatedStopRequestException"
    );
    fixture.service.take_events();
    fixture.until(2_500);
    assert_eq!(
        fixture.emitted(),
        ["Build/Compile FAILED"],
        "an action may fail while it is stopping"
    );
    fixture.until(10_000);
    assert_eq!(
        fixture.emitted(),
        ["Build/Lint SUCCEEDED", "Build STOPPED", "Pipeline STOPPED"]
    );
    assert_eq!(fixture.view(&id, "Build").status, StageStatus::Stopped);
    assert_eq!(
        stop(&mut fixture, &id, true),
        "PipelineExecutionNotStoppableException"
    );
}

#[test]
fn stop_and_abandon_gives_actions_up() {
    for first_wait in [false, true] {
        let mut fixture = Fixture::new();
        let id = fixture.start(json!({ "Build/Lint": [{ "hang": {} }] }));
        fixture.until(1_500);
        if first_wait {
            assert_eq!(stop(&mut fixture, &id, false), "done");
        }
        fixture.service.take_events();
        fixture
            .service
            .person_stops(1_600, "shop", &id, true, "wrong branch")
            .unwrap();
        let view = fixture.view(&id, "Build");
        assert_eq!(view.status, StageStatus::Stopped);
        assert_eq!(view.actions[0].status, Some(ActionStatus::Abandoned));
        let mut expected = vec![
            "Pipeline STOPPING",
            "Build STOPPING",
            "Build/Compile ABANDONED",
            "Build/Lint ABANDONED",
            "Build STOPPED",
            "Pipeline STOPPED",
        ];
        if first_wait {
            expected.drain(..2);
        }
        let events = fixture.service.shared.events.clone();
        assert_eq!(fixture.emitted(), expected);
        if !first_wait {
            let comments = &events[0].event["detail"]["stop-execution-comments"];
            assert_eq!(comments, &json!("wrong branch"));
        }
        fixture.until(10_000);
        assert!(
            fixture.emitted().is_empty(),
            "an abandoned action announces nothing"
        );
    }
}

#[test]
fn whether_a_stopped_stage_is_retried_is_an_option() {
    let refused = "StageNotRetryableException";
    for (option, failed_actions, all_actions) in [
        (StoppedRetry::EitherMode, "done", "done"),
        (StoppedRetry::AllActionsOnly, refused, "done"),
        (StoppedRetry::Never, refused, refused),
    ] {
        for (mode, code) in [
            ("FAILED_ACTIONS", failed_actions),
            ("ALL_ACTIONS", all_actions),
        ] {
            let options = Options {
                retry_of_stopped_stage: option,
                ..Options::default()
            };
            let mut fixture = Fixture::of(shop(), options);
            let id = fixture.start(json!({}));
            fixture.until(1_500);
            stop(&mut fixture, &id, true);
            assert_eq!(fixture.retry("Build", &id, mode), code, "{option:?} {mode}");
            fixture.until(60_000);
            let status = if code == "done" {
                "Succeeded"
            } else {
                "Stopped"
            };
            assert_eq!(fixture.status(&id), status, "{option:?} {mode}");
        }
    }
}

#[test]
fn a_stopped_inbound_execution_cannot_be_retried() {
    let mut fixture = Fixture::of(shop_with("QUEUED", 1, json!({})), Options::default());
    fixture.start(json!({ "Source/Fetch": [{ "hang": {} }] }));
    let waiting = fixture.start(json!({}));
    assert_eq!(stop(&mut fixture, &waiting, false), "done");
    assert_eq!(fixture.status(&waiting), "Stopped");
    assert_eq!(fixture.state(0)["inboundExecutions"], json!([]));
    for mode in ["FAILED_ACTIONS", "ALL_ACTIONS"] {
        assert_eq!(
            fixture.retry("Source", &waiting, mode),
            "StageNotRetryableException"
        );
    }
}

#[test]
fn a_stop_lets_the_waiting_execution_in() {
    let mut fixture = Fixture::new();
    let first = fixture.start(json!({ "Source/Fetch": [{ "hang": {} }] }));
    let second = fixture.start(json!({}));
    stop(&mut fixture, &first, true);
    assert_eq!(
        fixture.view(&second, "Source").status,
        StageStatus::InProgress
    );
}

#[test]
fn a_stop_drops_a_pending_automatic_retry() {
    let on_failure = json!({ "onFailure": { "result": "RETRY" } });
    let options = Options {
        automatic_retry_delay_ms: 5_000,
        automatic_retry_announces_failure: false,
        ..Options::default()
    };
    let mut fixture = Fixture::of(shop_with("SUPERSEDED", 1, on_failure), options);
    let id = fixture.start(json!({ "Build/Compile": [fail(10)], "Build/Lint": [succeed(10)] }));
    fixture.until(2_000);
    assert_eq!(stop(&mut fixture, &id, false), "done");
    fixture.until(60_000);
    assert_eq!(fixture.status(&id), "Stopped");
    assert!(fixture.service.retries("shop", &id, "Build").is_empty());
}

#[test]
fn new_structure_cancels_running_executions() {
    let mut fixture = Fixture::new();
    let old = fixture.failed(1);
    let running = fixture.start(json!({}));
    let waiting = fixture.start(json!({}));
    fixture.service.take_events();
    let mut pipeline = shop();
    pipeline["stages"][2]["actions"][0]["name"] = "Ship".into();
    let answer = fixture.done("UpdatePipeline", json!({ "pipeline": pipeline }));
    assert_eq!(answer["pipeline"]["version"], json!(2));
    assert_eq!(
        fixture.emitted(),
        [
            "Source/Fetch CANCELED",
            "Source CANCELED",
            "Pipeline CANCELED",
            "Pipeline CANCELED"
        ]
    );
    for id in [&running, &waiting] {
        assert_eq!(fixture.status(id), "Cancelled");
        assert_eq!(
            fixture.retry("Source", id, "ALL_ACTIONS"),
            "StageNotRetryableException"
        );
    }
    assert_eq!(fixture.status(&old), "Failed");
    fixture.until(10_000);
    assert!(fixture.emitted().is_empty());
    let next = fixture.start(json!({}));
    fixture.until(60_000);
    assert_eq!(fixture.status(&next), "Succeeded", "the stages are free");
}

#[test]
fn an_update_that_changes_no_stage_cancels_nothing() {
    let mut fixture = Fixture::new();
    let id = fixture.start(json!({}));
    fixture.done("UpdatePipeline", json!({ "pipeline": shop() }));
    fixture.until(60_000);
    assert_eq!(fixture.status(&id), "Succeeded");
}
