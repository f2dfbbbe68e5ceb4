//! Which state failed and what it had called, as the SDK reads it out of a history.

use redrive_core::controller::Target;
use redrive_core::event::{self, AllowedSources, ParsedEvent};
use redrive_core::failure::{Fact, Failure, Field, Need};
use redrive_core::reads::Executions;
use serde_json::{Value, json};

use crate::Scene;

fn parsed(event: &Value) -> Failure {
    match event::parse(event.to_string().as_bytes(), &AllowedSources::default()) {
        ParsedEvent::Failure(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// A task with this resource in a Map in a Parallel, and a Fail state behind it.
fn within(resource: &str) -> Value {
    let item = json!({ "StartAt": "Ship", "States": {
        "Ship": { "Type": "Task", "Resource": resource, "End": true,
                  "Catch": [{ "ErrorEquals": ["Own.Lost"], "Next": "Lost" }] },
        "Lost": { "Type": "Fail", "Error": "Parcel.Lost" },
    }});
    json!({ "StartAt": "Both", "States": { "Both": { "Type": "Parallel", "End": true, "Branches": [
        { "StartAt": "Each", "States": { "Each": { "Type": "Map", "ItemProcessor": item, "End": true } } },
    ]}}})
}

fn ended(fail_state: bool, state: &str, resource: Option<&str>) -> Fact {
    Fact::Ending {
        fail_state,
        state: Field::Known(state.into()),
        resource: Field::from_option(resource.map(Into::into)),
    }
}

#[tokio::test]
async fn the_state_that_failed_is_read_with_what_it_called_before_and_after_a_redrive() {
    let function = "arn:aws:lambda:eu-west-1:111122223333:function:check";
    let activity = "arn:aws:states:eu-west-1:111122223333:activity:sign";
    let glue = "arn:aws:states:::glue:startJobRun.sync";
    #[rustfmt::skip]
    let table = [
        (glue, "Ship", "Glue.Slow", ended(false, "Ship", Some("glue:startJobRun.sync"))),
        ("arn:aws:states:::aws-sdk:s3:getObject", "Ship", "States.Timeout", ended(false, "Ship", Some("aws-sdk:s3:getObject"))),
        (function, "Ship", "Error", ended(false, "Ship", Some(function))),
        (activity, "Ship", "Error", ended(false, "Ship", Some(activity))),
        (glue, "Ship", "States.QueryEvaluationError", ended(false, "Ship", None)),
        (glue, "Lost", "Parcel.Lost", ended(true, "Lost", None)),
    ];
    for (resource, state, error, expected) in table {
        let scene = Scene::new();
        let fails = json!({ "fail": { "state": state, "error": error, "cause": "secret" } });
        let arn = scene.execution(within(resource), json!([fails])).await;
        for redrives in [0, 1] {
            if redrives > 0 {
                let redrive = scene.sfn.redrive_execution().execution_arn(&arn);
                redrive.send().await.unwrap();
                scene.wind(2);
            }
            let failure = parsed(scene.events("FAILED").last().unwrap());
            let known = scene.services.lookup(&failure, Need::FailedState).await;
            assert_eq!(known.unwrap(), expected, "{state} {error} {redrives}");
        }
    }
}

#[tokio::test]
async fn a_history_is_read_on_to_where_the_state_was_entered_and_only_for_names() {
    let scene = Scene::new();
    let fails = json!({ "fail": { "error": "Own.Busy", "cause": "secret" } });
    let arn = scene.execution(crate::task(), json!([fails])).await;
    for _ in 0..2 {
        let redrive = scene.sfn.redrive_execution().execution_arn(&arn);
        redrive.send().await.unwrap();
        scene.wind(2);
    }
    let failure = parsed(scene.events("FAILED").last().unwrap());
    let known = scene.services.lookup(&failure, Need::FailedState).await;
    assert_eq!(known.unwrap(), ended(false, "Load", Some("lambda:invoke")));
    assert_eq!(scene.calls("GetExecutionHistory"), 2);
    // The machine's definition was of no use to it.
    assert_eq!(scene.calls("DescribeStateMachineForExecution"), 0);

    let page = scene.services.stepfunctions.history(&arn, 1000, None).await;
    let kept = format!("{:?}", page.unwrap().unwrap().items);
    assert!(kept.contains("Load") && kept.contains("lambda:invoke"));
    assert!(!kept.contains("secret") && !kept.contains("Own.Busy") && !kept.contains("outcomes"));
}
