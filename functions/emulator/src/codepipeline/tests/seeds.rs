//! Ready-made executions.

use super::*;

const FIRST: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const SECOND: &str = "bbbbbbbb-0000-4000-8000-000000000000";

fn seed(execution: &str, version: u32) -> Seed {
    let done = |name: &str, category: &str| SeedAction {
        name: name.into(),
        category: category.into(),
        status: Some(ActionStatus::Succeeded),
        ..SeedAction::default()
    };
    let compile = SeedAction {
        name: "Compile".into(),
        status: Some(ActionStatus::Failed),
        action_execution_id: Some(SECOND.replace('b', "c")),
        error: Some(ErrorDetails {
            code: "JobFailed".into(),
            message: "no space left".into(),
        }),
        outcomes: vec![Outcome::succeed().after(10)],
        ..SeedAction::default()
    };
    Seed {
        at: 5_000,
        pipeline: "shop".into(),
        version,
        execution: execution.into(),
        stages: vec![
            SeedStage {
                name: "Source".into(),
                status: Some(StageStatus::Succeeded),
                actions: vec![done("Fetch", "Source")],
                ..SeedStage::default()
            },
            SeedStage {
                name: "Build".into(),
                status: Some(StageStatus::Failed),
                actions: vec![compile],
                ..SeedStage::default()
            },
            SeedStage {
                name: "Deploy".into(),
                actions: vec![SeedAction {
                    name: "Copy".into(),
                    ..SeedAction::default()
                }],
                ..SeedStage::default()
            },
        ],
        ..Seed::default()
    }
}

fn empty(options: Options) -> Fixture {
    Fixture {
        service: CodePipeline::new(Place::default(), options, 7),
        now: 5_000,
    }
}

#[test]
fn seeded_failure_exists_at_once_and_continues_when_retried() {
    let mut fixture = empty(Options {
        state_lag_ms: 2_000,
        ..Options::default()
    });
    fixture.service.seed(seed(FIRST, 3)).unwrap();
    assert!(fixture.emitted().is_empty(), "seeding emits nothing");
    let whole = fixture.done("GetPipelineState", json!({ "name": "shop" }));
    assert_eq!(whole["pipelineVersion"], json!(3));
    let build = &whole["stageStates"][1];
    assert_eq!(build["latestExecution"]["status"], json!("Failed"));
    let run = &build["actionStates"][0]["latestExecution"];
    assert_eq!(run["actionExecutionId"], json!(SECOND.replace('b', "c")));
    assert_eq!(run["errorDetails"]["message"], json!("no space left"));
    assert_eq!(whole["stageStates"][2].get("latestExecution"), None);
    assert_eq!(fixture.retry("Build", FIRST, "FAILED_ACTIONS"), "done");
    assert_eq!(
        fixture.service.retries("shop", FIRST, "Build")[0].failed,
        [SECOND.replace('b', "c")]
    );
    fixture.until(60_000);
    assert_eq!(fixture.status(FIRST), "Succeeded");
    assert!(fixture.emitted().contains(&"Deploy SUCCEEDED".to_owned()));
}

#[test]
fn a_seed_carries_its_retries() {
    let mut fixture = empty(Options::default());
    let mut seed = seed(FIRST, 1);
    seed.stages[1].on_failure = Some(OnFailure::Retry(StageRetryMode::AllActions));
    seed.stages[1].retry = RetryMetadata {
        auto_stage_retry_attempt: 1,
        manual_stage_retry_attempt: 2,
        latest_retry_trigger: Some(RetryTrigger::ManualStageRetry),
    };
    seed.stages[1].actions[0].outcomes = vec![Outcome::fail("JobFailed", "again").after(10)];
    fixture.service.seed(seed).unwrap();
    let shown = json!({ "autoStageRetryAttempt": 1, "manualStageRetryAttempt": 2,
        "latestRetryTrigger": "ManualStageRetry" });
    assert_eq!(fixture.state(1)["retryStageMetadata"], shown);
    let declared = fixture.done("GetPipeline", json!({ "name": "shop" }));
    assert_eq!(
        declared["pipeline"]["stages"][1]["onFailure"]["result"],
        json!("RETRY")
    );
    assert_eq!(fixture.retry("Build", FIRST, "FAILED_ACTIONS"), "done");
    assert_eq!(fixture.view(FIRST, "Build").attempt, 5);
    fixture.until(60_000);
    assert_eq!(
        fixture.view(FIRST, "Build").status,
        StageStatus::Failed,
        "no second automatic retry"
    );
}

#[test]
fn a_seed_of_an_older_structure_is_not_retryable() {
    for (second, first_code) in [
        (3, "NotLatestPipelineExecutionException"),
        (4, "StageNotRetryableException"),
    ] {
        let mut fixture = empty(Options::default());
        fixture.service.seed(seed(FIRST, 3)).unwrap();
        fixture.service.seed(seed(SECOND, second)).unwrap();
        assert_eq!(fixture.retry("Build", FIRST, "FAILED_ACTIONS"), first_code);
        assert_eq!(fixture.retry("Build", SECOND, "FAILED_ACTIONS"), "done");
    }
    let mut fixture = empty(Options::default());
    fixture.service.seed(seed(FIRST, 3)).unwrap();
    fixture.service.seed(seed(SECOND, 2)).unwrap();
    assert_eq!(
        fixture.retry("Build", SECOND, "FAILED_ACTIONS"),
        "StageNotRetryableException"
    );
}

#[test]
fn a_seed_extends_the_pipeline() {
    let mut fixture = empty(Options::default());
    fixture.service.seed(seed(FIRST, 1)).unwrap();
    let mut wider = seed(SECOND, 1);
    let lint = SeedAction {
        name: "Lint".into(),
        ..SeedAction::default()
    };
    wider.stages[1].actions.push(lint);
    wider.stages.push(SeedStage {
        name: "Verify".into(),
        actions: vec![SeedAction {
            name: "Probe".into(),
            ..SeedAction::default()
        }],
        ..SeedStage::default()
    });
    fixture.service.seed(wider).unwrap();
    assert_eq!(fixture.state(3)["stageName"], json!("Verify"));
    assert_eq!(
        fixture.state(1)["actionStates"][1]["actionName"],
        json!("Lint")
    );
    assert_eq!(fixture.retry("Build", SECOND, "FAILED_ACTIONS"), "done");
    fixture.until(60_000);
    assert_eq!(
        fixture.view(SECOND, "Verify").status,
        StageStatus::Succeeded
    );
}

#[test]
fn a_seeded_action_in_progress_ends_by_its_outcome() {
    let mut fixture = empty(Options::default());
    let mut seed = seed(FIRST, 1);
    seed.status = ExecutionStatus::InProgress;
    seed.stages[1].status = Some(StageStatus::InProgress);
    seed.stages[1].actions[0].status = Some(ActionStatus::InProgress);
    seed.stages[1].actions[0].error = None;
    seed.stages[1].actions[0].outcomes = vec![Outcome::Succeed {
        after_ms: Some(10),
        result: ExternalResult {
            id: Some("compile:7".into()),
            ..ExternalResult::default()
        },
    }];
    fixture.service.seed(seed).unwrap();
    assert_eq!(fixture.service.next_at(), Some(5_010));
    fixture.until(60_000);
    let run = fixture.state(1)["actionStates"][0]["latestExecution"].take();
    assert_eq!(run["externalExecutionId"], json!("compile:7"));
    assert_eq!(fixture.status(FIRST), "Succeeded");
}

#[test]
fn a_bad_seed_changes_nothing() {
    let mut fixture = empty(Options::default());
    let mut nameless = seed(FIRST, 1);
    nameless.stages[1].name = "two words".into();
    assert!(fixture.service.seed(nameless.clone()).is_err());
    assert!(fixture.service.seed(seed("1", 1)).is_err());
    assert_eq!(
        fixture.done("ListPipelines", json!({})),
        json!({ "pipelines": [] })
    );
    fixture.service.seed(seed(FIRST, 1)).unwrap();
    assert!(
        fixture.service.seed(seed(FIRST, 1)).is_err(),
        "it is there already"
    );
    nameless.execution = SECOND.into();
    assert!(fixture.service.seed(nameless).is_err());
    assert_eq!(fixture.status(FIRST), "Failed", "the pipeline is as it was");
}

#[test]
fn thousands_of_executions_are_cheap() {
    let mut fixture = empty(Options {
        state_lag_ms: 300,
        ..Options::default()
    });
    for number in 0..3_000_u32 {
        let id = format!("{number:08x}-0000-4000-8000-000000000000");
        let mut seed = seed(&id, 1);
        seed.mode = ExecutionMode::Parallel;
        fixture.service.seed(seed).unwrap();
        assert_eq!(fixture.retry("Build", &id, "FAILED_ACTIONS"), "done");
    }
    fixture.until(60_000);
    assert_eq!(
        fixture.status("00000bb7-0000-4000-8000-000000000000"),
        "Succeeded"
    );
}
