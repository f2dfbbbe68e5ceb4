//! The reads: `GetPipelineState`, `ListActionExecutions`, `ListPipelineExecutions`.

use super::*;

#[test]
fn state_of_a_failed_stage_equals_that_of_aws() {
    let mut fixture = Fixture::new();
    fixture.until(1_000_000);
    let failure = json!({ "message": "the build broke", "summary": "hidden",
        "external_execution_id": "compile:7" });
    let id = fixture.start(
        json!({ "Build/Compile": [{ "fail": failure, "after_ms": 500 }],
        "Build/Lint": [{ "succeed": { "summary": "clean" }, "after_ms": 250 }] }),
    );
    fixture.until(1_002_000);
    let whole = fixture.done("GetPipelineState", json!({ "name": "shop" }));
    assert_eq!(whole["pipelineName"], json!("shop"));
    assert_eq!(whole["pipelineVersion"], json!(1));
    assert!(whole["created"].is_f64() && whole["updated"].is_f64());
    let view = fixture.view(&id, "Build");
    let mut build = whole["stageStates"][1].clone();
    let url = build["actionStates"][0]["latestExecution"]["externalExecutionUrl"].take();
    assert!(
        url.as_str()
            .unwrap()
            .starts_with("https://console.aws.amazon.com/codebuild/")
    );
    build["actionStates"][1]["latestExecution"]
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !key.starts_with("external"));
    let expected = json!({
        "stageName": "Build",
        "inboundExecutions": [],
        "inboundTransitionState": { "enabled": true },
        "actionStates": [
            { "actionName": "Compile", "latestExecution": {
                "actionExecutionId": view.actions[0].action_execution_id,
                "status": "Failed",
                "lastStatusChange": 1001.5,
                "externalExecutionId": "compile:7",
                "externalExecutionUrl": null,
                "errorDetails":
                    { "code": "JobFailed", "message": "the build broke" },
            } },
            { "actionName": "Lint", "latestExecution": {
                "actionExecutionId": view.actions[1].action_execution_id,
                "status": "Succeeded",
                "summary": "clean",
                "lastStatusChange": 1001.25,
            } },
            { "actionName": "Pack" },
        ],
        "latestExecution": { "pipelineExecutionId": id, "status": "Failed", "type": "STANDARD" },
    });
    assert_eq!(build, expected);
    let deploy = &whole["stageStates"][2];
    assert_eq!(deploy.get("latestExecution"), None, "it never ran");
}

#[test]
fn actions_show_the_latest_run_of_any_execution() {
    let mut fixture = Fixture::new();
    let old = fixture.start(json!({}));
    fixture.until(10_000);
    let new = fixture.start(json!({ "Build/Lint": [fail(10)] }));
    fixture.until(20_000);
    let state = fixture.state(1);
    assert_eq!(state["latestExecution"]["pipelineExecutionId"], json!(new));
    let shown = |action: usize| {
        state["actionStates"][action]["latestExecution"]["actionExecutionId"].clone()
    };
    assert_eq!(
        shown(2),
        json!(fixture.view(&old, "Build").actions[2].action_execution_id)
    );
    assert_eq!(
        shown(0),
        json!(fixture.view(&new, "Build").actions[0].action_execution_id)
    );
}

#[test]
fn what_parallel_mode_shows_is_an_option() {
    for (option, shown) in [(ParallelState::Blank, false), (ParallelState::Latest, true)] {
        let options = Options {
            parallel_state: option,
            ..Options::default()
        };
        let mut fixture = Fixture::of(shop_with("PARALLEL", 1, json!({})), options);
        let id = fixture.failed(1);
        let state = fixture.state(1);
        assert_eq!(state.get("latestExecution").is_some(), shown, "{option:?}");
        assert_eq!(
            state["actionStates"][0].get("latestExecution").is_some(),
            shown
        );
        assert_eq!(fixture.rows(json!({ "pipelineExecutionId": id })).len(), 3);
    }
}

#[test]
fn reads_lag_behind_by_option() {
    let options = Options {
        state_lag_ms: 700,
        ..Options::default()
    };
    let mut fixture = Fixture::of(shop(), options);
    let id = fixture.start(
        json!({ "Build/Compile": [fail(100), succeed(9_000)], "Build/Lint": [succeed(50)] }),
    );
    let compile = |fixture: &mut Fixture| {
        let state = fixture.state(1);
        let shown = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let run = shown(&state["actionStates"][0]["latestExecution"]["status"]);
        let rows = fixture.rows(json!({ "pipelineExecutionId": id }));
        let rows = rows
            .iter()
            .filter(|it| it["actionName"] == json!("Compile"));
        let rows: Vec<_> = rows.map(|it| shown(&it["status"])).collect();
        (
            shown(&state["latestExecution"]["status"]),
            run,
            rows.join(" "),
        )
    };
    let seen = |stage: &str, run: &str, rows: &str| (stage.into(), run.into(), rows.into());
    for (at, expected) in [
        (1_699, seen("-", "-", "")),
        (1_700, seen("InProgress", "InProgress", "InProgress")),
        (1_799, seen("InProgress", "InProgress", "InProgress")),
        (1_800, seen("Failed", "Failed", "Failed")),
    ] {
        fixture.until(at);
        assert_eq!(compile(&mut fixture), expected, "at {at}");
    }
    fixture.until(2_000);
    assert_eq!(fixture.retry("Build", &id, "FAILED_ACTIONS"), "done");
    assert_eq!(compile(&mut fixture), seen("Failed", "Failed", "Failed"));
    assert_eq!(fixture.state(1).get("retryStageMetadata"), None);
    assert_eq!(
        fixture.retry("Build", &id, "FAILED_ACTIONS"),
        "ConflictException",
        "it knows itself"
    );
    fixture.until(2_700);
    assert_eq!(
        compile(&mut fixture),
        seen("InProgress", "InProgress", "InProgress Failed")
    );
    assert_eq!(
        fixture.state(1)["retryStageMetadata"]["manualStageRetryAttempt"],
        json!(1)
    );
}

#[test]
fn every_retry_is_a_new_row() {
    let mut fixture = Fixture::new();
    let other = fixture.failed(1);
    let id = fixture.failed(2);
    for _ in 0..2 {
        assert_eq!(fixture.retry("Build", &id, "FAILED_ACTIONS"), "done");
        let later = fixture.now + 200;
        fixture.until(later);
    }
    let rows = fixture.rows(json!({ "pipelineExecutionId": id }));
    let failed: Vec<_> = rows
        .iter()
        .filter(|it| it["status"] == json!("Failed"))
        .collect();
    assert_eq!(failed.len(), 2);
    assert_ne!(
        failed[0]["actionExecutionId"],
        failed[1]["actionExecutionId"]
    );
    let row = failed[0];
    assert_eq!(row["stageName"], json!("Build"));
    assert_eq!(row["input"]["actionTypeId"]["category"], json!("Build"));
    let error = &row["output"]["executionResult"]["errorDetails"];
    assert_eq!(
        error,
        &json!({ "code": "JobFailed", "message": "no space left" })
    );
    assert!(rows.iter().all(|it| it["pipelineExecutionId"] == json!(id)));
    assert!(
        fixture
            .rows(json!(null))
            .iter()
            .any(|it| it["pipelineExecutionId"] == json!(other))
    );

    let latest = |range: &str| {
        json!({ "latestInPipelineExecution":
        { "pipelineExecutionId": id, "startTimeRange": range } })
    };
    assert_eq!(fixture.rows(latest("All")).len(), rows.len());
    let latest = fixture.rows(latest("Latest"));
    assert!(latest.iter().all(|it| it["status"] != json!("Failed")));
    assert_eq!(latest.len(), rows.len() - 2);
}

#[test]
fn pages_leave_nothing_out_and_repeat_nothing() {
    let mut fixture = Fixture::new();
    let id = fixture.failed(1);
    fixture.retry("Build", &id, "FAILED_ACTIONS");
    fixture.until(60_000);
    fixture.failed(1);
    for (operation, list, filter) in [
        (
            "ListActionExecutions",
            "actionExecutionDetails",
            json!({ "pipelineExecutionId": id }),
        ),
        (
            "ListActionExecutions",
            "actionExecutionDetails",
            json!(null),
        ),
        (
            "ListPipelineExecutions",
            "pipelineExecutionSummaries",
            json!(null),
        ),
    ] {
        let body = json!({ "pipelineName": "shop", "filter": filter });
        let whole = fixture.done(operation, body.clone());
        assert_eq!(whole.get("nextToken"), None);
        for size in 1..5 {
            let mut body = body.clone();
            body["maxResults"] = size.into();
            let mut seen = Vec::new();
            loop {
                let page = fixture.done(operation, body.clone());
                let items = page[list].as_array().unwrap();
                assert!(!items.is_empty() && items.len() <= size);
                seen.extend_from_slice(items);
                let Some(token) = page.get("nextToken") else {
                    break;
                };
                body["nextToken"] = token.clone();
            }
            assert_eq!(Value::from(seen), whole[list], "{operation} by {size}");
        }
    }
}

#[test]
fn bad_reads_are_refused_by_name() {
    let mut fixture = Fixture::new();
    let stranger = json!({ "pipelineExecutionId": STRANGER });
    let nobody = json!({ "pipelineName": "shop", "pipelineExecutionId": STRANGER });
    let latest = json!({ "pipelineName": "shop", "filter": { "latestInPipelineExecution":
        { "pipelineExecutionId": STRANGER, "startTimeRange": "Some" } } });
    for (operation, body, code) in [
        (
            "GetPipelineState",
            json!({ "name": "other" }),
            "PipelineNotFoundException",
        ),
        ("GetPipelineState", json!({}), "ValidationException"),
        (
            "GetPipelineExecution",
            nobody,
            "PipelineExecutionNotFoundException",
        ),
        (
            "GetPipeline",
            json!({ "name": "shop", "version": 9 }),
            "PipelineVersionNotFoundException",
        ),
        (
            "ListActionExecutions",
            json!({ "pipelineName": "shop", "filter": stranger }),
            "PipelineExecutionNotFoundException",
        ),
        ("ListActionExecutions", latest, "ValidationException"),
        (
            "ListActionExecutions",
            json!({ "pipelineName": "shop", "maxResults": 101 }),
            "ValidationException",
        ),
        (
            "ListPipelineExecutions",
            json!({ "pipelineName": "shop", "nextToken": "actions-3" }),
            "InvalidNextTokenException",
        ),
        (
            "OverrideStageCondition",
            json!({}),
            "UnknownOperationException",
        ),
    ] {
        assert_eq!(
            fixture.code(operation, body.clone()),
            code,
            "{operation} {body}"
        );
    }
}

#[test]
fn executions_are_listed_newest_first() {
    let mut fixture = Fixture::new();
    let old = fixture.failed(1);
    fixture.retry("Build", &old, "FAILED_ACTIONS");
    fixture.until(60_000);
    let new = fixture.failed(1);
    let ids = |fixture: &mut Fixture, filter: Value| {
        let body = json!({ "pipelineName": "shop", "filter": filter });
        let list = fixture.done("ListPipelineExecutions", body);
        let list = list["pipelineExecutionSummaries"]
            .as_array()
            .unwrap()
            .clone();
        list.iter()
            .map(|it| it["pipelineExecutionId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut fixture, json!(null)), [new.clone(), old.clone()]);
    let filter = |stage: &str| json!({ "succeededInStage": { "stageName": stage } });
    assert_eq!(ids(&mut fixture, filter("Source")), [new, old.clone()]);
    assert_eq!(ids(&mut fixture, filter("Build")), [old]);
}
