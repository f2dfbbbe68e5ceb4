//! Events: their order, their envelope, their members.

use super::*;

#[test]
fn run_emits_its_events_in_order() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    fixture.retry("Build", &id, "FAILED_ACTIONS");
    fixture.until(10_000);
    assert_eq!(
        fixture.emitted(),
        [
            "Pipeline STARTED",
            "Source STARTED",
            "Source/Fetch STARTED",
            "Source/Fetch SUCCEEDED",
            "Source SUCCEEDED",
            "Build STARTED",
            "Build/Compile STARTED",
            "Build/Lint STARTED",
            "Build/Lint SUCCEEDED",
            "Build FAILED",
            "Build/Compile FAILED",
            "Pipeline FAILED",
            "Pipeline RESUMED",
            "Build RESUMED",
            "Build/Compile STARTED",
            "Build/Compile SUCCEEDED",
            "Build/Pack STARTED",
            "Build/Pack SUCCEEDED",
            "Build SUCCEEDED",
            "Deploy STARTED",
            "Deploy/Copy STARTED",
            "Deploy/Copy SUCCEEDED",
            "Deploy SUCCEEDED",
            "Pipeline SUCCEEDED",
        ]
    );
}

#[test]
fn the_order_at_a_failure_is_an_option() {
    for (order, expected) in [
        (
            FailureOrder::StageFirst,
            ["Build FAILED", "Build/Compile FAILED", "Pipeline FAILED"],
        ),
        (
            FailureOrder::ActionFirst,
            ["Build/Compile FAILED", "Build FAILED", "Pipeline FAILED"],
        ),
    ] {
        let mut fixture = Fixture::of(
            shop(),
            Options {
                failure_order: order,
                ..Options::default()
            },
        );
        fixture.failed(1);
        let emitted = fixture.emitted();
        assert_eq!(emitted[emitted.len() - 3..], expected);
    }
}

/// Returns the event of `subject` in its latest `state`.
fn event(fixture: &Fixture, stage: Option<&str>, action: Option<&str>, state: &str) -> Value {
    let found = fixture.service.shared.events.iter().rev().find(|it| {
        let detail = &it.event["detail"];
        detail["stage"].as_str() == stage
            && detail["action"].as_str() == action
            && detail["state"] == json!(state)
    });
    found
        .unwrap_or_else(|| panic!("no {stage:?} {action:?} {state}"))
        .event
        .clone()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn events_have_the_shape_of_eventbridge() {
    let mut pipeline = shop();
    pipeline["stages"][0]["actions"][0]["outputArtifacts"] = json!([{ "name": "SourceArtifact" }]);
    pipeline["stages"][1]["actions"][0]["inputArtifacts"] = json!([{ "name": "SourceArtifact" }]);
    pipeline["artifactStore"] = json!({ "type": "S3", "location": "bucket" });
    let mut fixture = Fixture::of(pipeline, Options::default());
    fixture.until(1_700_000_000_981);
    let result = json!({ "code": "JobFailed", "message": "no space left",
        "external_execution_id": "compile:7", "external_execution_url": "https://example.com/7" });
    let id = fixture.start(json!({ "Build/Compile": [{ "fail": result, "after_ms": 1_000 }] }));
    fixture.until(1_700_000_003_000);

    let failed = event(&fixture, Some("Build"), Some("Compile"), "FAILED");
    let detail = json!({
        "pipeline": "shop",
        "execution-id": id,
        "start-time": "2023-11-14T22:13:21.981Z",
        "stage": "Build",
        "action-execution-id": fixture.view(&id, "Build").actions[0].action_execution_id,
        "execution-result": {
            "external-execution-url": "https://example.com/7",
            "external-execution-summary": "no space left",
            "external-execution-id": "compile:7",
            "error-code": "JobFailed",
        },
        "action": "Compile",
        "state": "FAILED",
        "region": "eu-west-1",
        "type": { "owner": "AWS", "provider": "CodeBuild", "category": "Build", "version": "1" },
        "version": 1.0,
        "pipeline-execution-attempt": 1.0,
    });
    assert_eq!(failed["detail"], detail);
    let mut envelope = failed;
    envelope["detail"].take();
    let unique = envelope["id"].take();
    assert_eq!(unique.as_str().map(str::len), Some(36));
    let expected = json!({
        "version": "0",
        "id": null,
        "detail-type": "CodePipeline Action Execution State Change",
        "source": "aws.codepipeline",
        "account": "111122223333",
        "time": "2023-11-14T22:13:22Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:codepipeline:eu-west-1:111122223333:shop"],
        "detail": null,
    });
    assert_eq!(envelope, expected);

    let artifact = json!([{ "name": "SourceArtifact", "s3location": {
        "bucket": "bucket", "key": format!("shop/SourceArti/{}", id.get(..7).unwrap()) } }]);
    let fetched = event(&fixture, Some("Source"), Some("Fetch"), "SUCCEEDED");
    assert_eq!(fetched["detail"]["output-artifacts"], artifact);
    assert_eq!(fetched["detail"]["execution-result"], json!({}));
    let compiling = event(&fixture, Some("Build"), Some("Compile"), "STARTED");
    assert_eq!(compiling["detail"]["input-artifacts"], artifact);
    assert_eq!(compiling["detail"].get("execution-result"), None);

    let stage = event(&fixture, Some("Build"), None, "FAILED");
    assert_eq!(
        stage["detail-type"],
        json!("CodePipeline Stage Execution State Change")
    );
    let mut members = keys(&stage["detail"]);
    members.sort_unstable();
    let expected = [
        "execution-id",
        "pipeline",
        "pipeline-execution-attempt",
        "stage",
        "start-time",
        "state",
        "version",
    ];
    assert_eq!(members, expected);

    let started = event(&fixture, None, None, "STARTED");
    assert_eq!(
        started["detail-type"],
        json!("CodePipeline Pipeline Execution State Change")
    );
    let trigger = &started["detail"]["execution-trigger"];
    assert_eq!(trigger["trigger-type"], json!("StartPipelineExecution"));
    let ended = event(&fixture, None, None, "FAILED");
    assert_eq!(ended["detail"].get("execution-trigger"), None);
}

#[test]
fn numbers_are_float_literals() {
    let mut fixture = Fixture::new();
    fixture.done("UpdatePipeline", json!({ "pipeline": shop() }));
    fixture.failed(1);
    for emitted in fixture.service.take_events() {
        let text = emitted.event["detail"].to_string();
        assert!(text.contains(r#""version":2.0"#), "{text}");
        assert!(
            text.contains(r#""pipeline-execution-attempt":1.0"#),
            "{text}"
        );
    }
}

#[test]
fn a_retry_marks_every_later_stage_event() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    fixture.service.take_events();
    fixture.until(1_700_000_000_305);
    fixture.retry("Build", &id, "FAILED_ACTIONS");
    fixture.until(1_700_000_100_000);
    let resumed = event(&fixture, Some("Build"), None, "RESUMED");
    assert_eq!(resumed["detail"].get("start-time"), None);
    for emitted in fixture.service.take_events() {
        let detail = &emitted.event["detail"];
        assert_eq!(detail["pipeline-execution-attempt"], json!(2.0));
        let stage = detail.get("action").is_none() && detail.get("stage").is_some();
        let mark = stage.then(|| json!("2023-11-14T22:13:20.305Z"));
        assert_eq!(
            detail.get("stage-last-retry-attempt-time"),
            mark.as_ref(),
            "{detail}"
        );
    }
}

#[test]
fn attempts_in_events_follow_the_options() {
    let options = Options {
        action_events_count_attempts: false,
        first_stage_started_attempt_zero: true,
        ..Options::default()
    };
    let mut fixture = Fixture::of(shop(), options);
    let id = fixture.failed(1);
    fixture.retry("Build", &id, "FAILED_ACTIONS");
    fixture.until(10_000);
    let attempt = |event: Value| event["detail"]["pipeline-execution-attempt"].clone();
    assert_eq!(
        attempt(event(&fixture, Some("Source"), None, "STARTED")),
        json!(0.0)
    );
    assert_eq!(
        attempt(event(&fixture, Some("Build"), None, "STARTED")),
        json!(1.0)
    );
    assert_eq!(
        attempt(event(&fixture, Some("Build"), None, "SUCCEEDED")),
        json!(2.0)
    );
    assert_eq!(
        attempt(event(&fixture, Some("Deploy"), Some("Copy"), "STARTED")),
        json!(1.0)
    );
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed| {
        let mut service = CodePipeline::new(Place::default(), Options::default(), seed);
        service
            .call(0, "CreatePipeline", &json!({ "pipeline": shop() }))
            .unwrap();
        service
            .call(5, "StartPipelineExecution", &json!({ "name": "shop" }))
            .unwrap();
        service.advance(60_000);
        service.take_events()
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}
