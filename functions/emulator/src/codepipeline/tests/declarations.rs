//! Pipelines and scripts: accepted ones, refused ones, and the messages of the refusals.

use super::*;

#[test]
fn a_pipeline_has_versions() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.code("CreatePipeline", json!({ "pipeline": shop() })),
        "PipelineNameInUseException"
    );
    fixture.done(
        "UpdatePipeline",
        json!({ "pipeline": shop_with("QUEUED", 1, json!({})) }),
    );
    for (version, mode) in [
        (json!(1), "SUPERSEDED"),
        (json!(2), "QUEUED"),
        (json!(null), "QUEUED"),
    ] {
        let answer = fixture.done("GetPipeline", json!({ "name": "shop", "version": version }));
        assert_eq!(
            answer["pipeline"]["executionMode"],
            json!(mode),
            "{version}"
        );
        assert!(
            answer["metadata"]["pipelineArn"]
                .as_str()
                .unwrap()
                .ends_with(":111122223333:shop")
        );
    }
    let list = fixture.done("ListPipelines", json!({}));
    assert_eq!(list["pipelines"][0]["version"], json!(2));
    fixture.done("DeletePipeline", json!({ "name": "shop" }));
    assert_eq!(
        fixture.code("GetPipeline", json!({ "name": "shop" })),
        "PipelineNotFoundException"
    );
    assert_eq!(
        fixture.done("ListPipelines", json!({})),
        json!({ "pipelines": [] })
    );
}

#[test]
fn deleted_pipeline_does_not_affect_a_later_one() {
    let mut fixture = Fixture::new();
    let old = fixture.start(json!({ "Source/Fetch": [fail(500)] }));
    fixture.done("DeletePipeline", json!({ "name": "shop" }));
    fixture.done("CreatePipeline", json!({ "pipeline": shop() }));
    let new = fixture.start(json!({}));
    fixture.until(60_000);
    assert_eq!(fixture.status(&new), "Succeeded");
    assert_eq!(
        fixture.retry("Source", &old, "FAILED_ACTIONS"),
        "NotLatestPipelineExecutionException"
    );
}

#[test]
fn bad_pipelines_are_refused_by_name() {
    let change = |pointer: &str, value: Value| {
        let mut pipeline = shop();
        pipeline["name"] = "other".into();
        *pipeline.pointer_mut(pointer).unwrap() = value;
        pipeline
    };
    for (pipeline, code) in [
        (change("/name", json!("two words")), "ValidationException"),
        (change("/roleArn", json!(null)), "ValidationException"),
        (change("/stages", json!([])), "InvalidStructureException"),
        (
            change("/stages/1/name", json!("Source")),
            "InvalidStructureException",
        ),
        (
            change("/stages/1/actions", json!([])),
            "InvalidStageDeclarationException",
        ),
        (
            change("/stages/1/actions/1/name", json!("Compile")),
            "InvalidStageDeclarationException",
        ),
        (
            change("/stages/1/actions/0/actionTypeId/category", json!("Bake")),
            "InvalidActionDeclarationException",
        ),
        (
            change("/stages/1/actions/0/actionTypeId/category", json!("Source")),
            "InvalidStructureException",
        ),
        (
            change("/stages/0/actions/0/actionTypeId/category", json!("Build")),
            "InvalidStructureException",
        ),
    ] {
        assert_eq!(desk_code(&pipeline), code, "{pipeline}");
    }
}

fn desk_code(pipeline: &Value) -> String {
    Fixture::new().code("CreatePipeline", json!({ "pipeline": pipeline }))
}

#[test]
fn invalid_script_is_refused_with_the_reason() {
    let mut fixture = Fixture::new();
    for (script, words) in [
        ("{", "EOF"),
        (r#"{"Build/Compile": {}}"#, "expected a sequence"),
        (r#"{"Build/Compile": []}"#, "empty list"),
        (
            r#"{"Build/Compile": [{}]}"#,
            "exactly one of succeed, fail and hang",
        ),
        (
            r#"{"Build/Compile": [{"succeed": {}, "hang": {}}]}"#,
            "exactly one of",
        ),
        (
            r#"{"Build/Compile": [{"explode": {}}]}"#,
            "unknown field `explode`",
        ),
        (
            r#"{"Build/Compile": [{"fail": {"msg": ""}}]}"#,
            "unknown field `msg`",
        ),
        (r#"{"Build/Bake": [{"hang": {}}]}"#, "no action \"Bake\""),
        (r#"{"Bake/Compile": [{"hang": {}}]}"#, "no stage \"Bake\""),
        (r#"{"Build": [{"hang": {}}]}"#, "write Stage/Action"),
        (
            r#"{"Build#onSuccess": [{"fail": {}}]}"#,
            "declares no such condition",
        ),
        (
            r#"{"Build#onFailure": [{"fail": {}}]}"#,
            "neither beforeEntry nor onSuccess",
        ),
    ] {
        let variables = json!([{ "name": "outcomes", "value": script }]);
        let body = json!({ "name": "shop", "variables": variables });
        let Err(CallError::Api(error)) = fixture.call("StartPipelineExecution", body) else {
            panic!("{script} was taken");
        };
        assert_eq!(error.code(), "ValidationException");
        assert!(error.message.contains(words), "{script}: {}", error.message);
    }
    assert!(fixture.emitted().is_empty(), "nothing began");
}

#[test]
fn variables_are_declared_or_refused() {
    let mut pipeline = shop();
    pipeline["variables"] =
        json!([{ "name": "region", "defaultValue": "north" }, { "name": "who" }]);
    let mut fixture = Fixture::of(pipeline, Options::default());
    let start = |list: Value| json!({ "name": "shop", "variables": list });
    let missing = fixture.code("StartPipelineExecution", start(json!([])));
    assert_eq!(missing, "ValidationException");
    let unknown = start(json!([{ "name": "who", "value": "me" }, { "name": "x", "value": "1" }]));
    assert_eq!(
        fixture.code("StartPipelineExecution", unknown),
        "ValidationException"
    );
    let good = start(json!([{ "name": "who", "value": "me" }]));
    let id = fixture.done("StartPipelineExecution", good)["pipelineExecutionId"].take();
    let body = json!({ "pipelineName": "shop", "pipelineExecutionId": id });
    let execution = fixture.done("GetPipelineExecution", body)["pipelineExecution"].take();
    let resolved = json!([{ "name": "region", "resolvedValue": "north" },
        { "name": "who", "resolvedValue": "me" }]);
    assert_eq!(execution["variables"], resolved);
}

#[test]
fn a_start_with_a_token_is_done_once() {
    let mut fixture = Fixture::new();
    let body = json!({ "name": "shop", "clientRequestToken": "once" });
    let first = fixture.done("StartPipelineExecution", body.clone());
    assert_eq!(fixture.done("StartPipelineExecution", body), first);
}

#[test]
fn the_last_outcome_repeats() {
    let mut fixture = Fixture::new();
    let id = fixture.start(json!({ "Source/Fetch": [succeed(1)], "Build/Compile": [fail(5)], "Build/Lint": [succeed(1)] }));
    for _ in 0..4 {
        let later = fixture.now + 10;
        fixture.until(later);
        assert_eq!(fixture.retry("Build", &id, "FAILED_ACTIONS"), "done");
    }
    let outcomes = vec![Outcome::succeed().after(1)];
    assert!(
        fixture
            .service
            .set_outcomes("shop", &id, "Build", "Compile", outcomes)
    );
    assert!(
        !fixture
            .service
            .set_outcomes("shop", &id, "Build", "Bake", Vec::new())
    );
    let later = fixture.now + 10;
    fixture.until(later);
    assert_eq!(
        fixture.view(&id, "Build").status,
        StageStatus::Failed,
        "a run keeps its outcome"
    );
    fixture.retry("Build", &id, "FAILED_ACTIONS");
    fixture.until(60_000);
    assert_eq!(fixture.status(&id), "Succeeded");
}

#[test]
fn what_is_due_next_is_known() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.service.next_at(), None);
    fixture.start(json!({ "Source/Fetch": [succeed(250)], "Build/Compile": [{ "hang": {} }], "Build/Lint": [{ "hang": {} }] }));
    assert_eq!(fixture.service.next_at(), Some(250));
    fixture.until(249);
    assert_eq!(fixture.service.next_at(), Some(250));
    fixture.until(250);
    assert_eq!(fixture.service.next_at(), None, "the build hangs");
}
