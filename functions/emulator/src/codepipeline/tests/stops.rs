//! Stops, and updates of the structure, while an execution runs.

use super::*;

fn stop(desk: &mut Desk, id: &str, abandon: bool) -> String {
    let body = json!({ "pipelineName": "shop", "pipelineExecutionId": id, "abandon": abandon,
        "reason": "wrong branch" });
    desk.code("StopPipelineExecution", body)
}

#[test]
fn stop_and_wait_lets_actions_end() {
    let mut desk = Desk::new();
    let id = desk.start(json!({ "Build/Compile": [fail(1_000)], "Build/Lint": [succeed(3_000)] }));
    desk.until(1_500);
    assert_eq!(stop(&mut desk, &id, false), "done");
    assert_eq!(desk.status(&id), "Stopping");
    assert_eq!(desk.view(&id, "Build").status, StageStatus::Stopping);
    assert_eq!(
        desk.retry("Build", &id, "FAILED_ACTIONS"),
        "ConflictException"
    );
    assert_eq!(
        stop(&mut desk, &id, false),
        "DuplicatedStopRequestException"
    );
    desk.service.take_events();
    desk.until(2_500);
    assert_eq!(
        desk.told(),
        ["Build/Compile FAILED"],
        "an action may fail while it is stopping"
    );
    desk.until(10_000);
    assert_eq!(
        desk.told(),
        ["Build/Lint SUCCEEDED", "Build STOPPED", "Pipeline STOPPED"]
    );
    assert_eq!(desk.view(&id, "Build").status, StageStatus::Stopped);
    assert_eq!(
        stop(&mut desk, &id, true),
        "PipelineExecutionNotStoppableException"
    );
}

#[test]
fn stop_and_abandon_gives_actions_up() {
    for first_wait in [false, true] {
        let mut desk = Desk::new();
        let id = desk.start(json!({ "Build/Lint": [{ "hang": {} }] }));
        desk.until(1_500);
        if first_wait {
            assert_eq!(stop(&mut desk, &id, false), "done");
        }
        desk.service.take_events();
        desk.service
            .person_stops(1_600, "shop", &id, true, "wrong branch")
            .unwrap();
        let view = desk.view(&id, "Build");
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
        let events = desk.service.world.events.clone();
        assert_eq!(desk.told(), expected);
        if !first_wait {
            let comments = &events[0].event["detail"]["stop-execution-comments"];
            assert_eq!(comments, &json!("wrong branch"));
        }
        desk.until(10_000);
        assert!(
            desk.told().is_empty(),
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
            let mut desk = Desk::of(shop(), options);
            let id = desk.start(json!({}));
            desk.until(1_500);
            stop(&mut desk, &id, true);
            assert_eq!(desk.retry("Build", &id, mode), code, "{option:?} {mode}");
            desk.until(60_000);
            let status = if code == "done" {
                "Succeeded"
            } else {
                "Stopped"
            };
            assert_eq!(desk.status(&id), status, "{option:?} {mode}");
        }
    }
}

#[test]
fn a_stopped_inbound_execution_cannot_be_retried() {
    let mut desk = Desk::of(shop_with("QUEUED", 1, json!({})), Options::default());
    desk.start(json!({ "Source/Fetch": [{ "hang": {} }] }));
    let waiting = desk.start(json!({}));
    assert_eq!(stop(&mut desk, &waiting, false), "done");
    assert_eq!(desk.status(&waiting), "Stopped");
    assert_eq!(desk.state(0)["inboundExecutions"], json!([]));
    for mode in ["FAILED_ACTIONS", "ALL_ACTIONS"] {
        assert_eq!(
            desk.retry("Source", &waiting, mode),
            "StageNotRetryableException"
        );
    }
}

#[test]
fn a_stop_lets_the_waiting_execution_in() {
    let mut desk = Desk::new();
    let first = desk.start(json!({ "Source/Fetch": [{ "hang": {} }] }));
    let second = desk.start(json!({}));
    stop(&mut desk, &first, true);
    assert_eq!(desk.view(&second, "Source").status, StageStatus::InProgress);
}

#[test]
fn a_stop_drops_a_pending_automatic_retry() {
    let on_failure = json!({ "onFailure": { "result": "RETRY" } });
    let options = Options {
        automatic_retry_delay_ms: 5_000,
        automatic_retry_announces_failure: false,
        ..Options::default()
    };
    let mut desk = Desk::of(shop_with("SUPERSEDED", 1, on_failure), options);
    let id = desk.start(json!({ "Build/Compile": [fail(10)], "Build/Lint": [succeed(10)] }));
    desk.until(2_000);
    assert_eq!(stop(&mut desk, &id, false), "done");
    desk.until(60_000);
    assert_eq!(desk.status(&id), "Stopped");
    assert!(desk.service.retries("shop", &id, "Build").is_empty());
}

#[test]
fn a_new_structure_cancels_what_is_running() {
    let mut desk = Desk::new();
    let old = desk.failed(1);
    let running = desk.start(json!({}));
    let waiting = desk.start(json!({}));
    desk.service.take_events();
    let mut pipeline = shop();
    pipeline["stages"][2]["actions"][0]["name"] = "Ship".into();
    let answer = desk.done("UpdatePipeline", json!({ "pipeline": pipeline }));
    assert_eq!(answer["pipeline"]["version"], json!(2));
    assert_eq!(
        desk.told(),
        [
            "Source/Fetch CANCELED",
            "Source CANCELED",
            "Pipeline CANCELED",
            "Pipeline CANCELED"
        ]
    );
    for id in [&running, &waiting] {
        assert_eq!(desk.status(id), "Cancelled");
        assert_eq!(
            desk.retry("Source", id, "ALL_ACTIONS"),
            "StageNotRetryableException"
        );
    }
    assert_eq!(desk.status(&old), "Failed");
    desk.until(10_000);
    assert!(desk.told().is_empty());
    let next = desk.start(json!({}));
    desk.until(60_000);
    assert_eq!(desk.status(&next), "Succeeded", "the stages are free");
}

#[test]
fn an_update_that_changes_no_stage_cancels_nothing() {
    let mut desk = Desk::new();
    let id = desk.start(json!({}));
    desk.done("UpdatePipeline", json!({ "pipeline": shop() }));
    desk.until(60_000);
    assert_eq!(desk.status(&id), "Succeeded");
}
