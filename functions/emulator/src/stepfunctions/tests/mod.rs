//! The tests of the emulated service.

mod answers;
mod driving;
mod histories;
mod redriving;

use serde_json::{Value, json};

use super::{Options, Outcome, Script, StepFunctions};
use crate::api::{ApiError, CallError, Place, Service};

/// 2026-03-01T12:00:00.250Z
pub(super) const T: u64 = 1_772_366_400_250;
pub(super) const MINUTE: u64 = 60 * 1000;
pub(super) const DAY: u64 = 24 * 60 * MINUTE;

pub(super) const ORDERS: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:orders";

/// Returns a definition with a Pass, three Tasks of different kinds, and a Fail state.
pub(super) fn orders() -> Value {
    json!({ "StartAt": "Prepare", "States": {
        "Prepare": { "Type": "Pass", "Next": "Load" },
        "Load": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Next": "Check",
                  "Catch": [{ "ErrorEquals": ["Orders.Bad"], "Next": "Reject" }] },
        "Check": { "Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:111122223333:function:check", "Next": "Book" },
        "Book": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Next": "Sign" },
        "Sign": { "Type": "Task", "Resource": "arn:aws:states:eu-west-1:111122223333:activity:sign", "End": true },
        "Reject": { "Type": "Fail", "Error": "Orders.Rejected", "Cause": "no such order" },
    }})
}

pub(super) fn empty() -> StepFunctions {
    StepFunctions::new(Place::default(), Options::default(), 7)
}

/// Returns an account with the machine `orders`.
pub(super) fn account() -> StepFunctions {
    let mut aws = empty();
    create(&mut aws, "orders", &orders());
    aws
}

pub(super) fn create(aws: &mut StepFunctions, name: &str, definition: &Value) -> Value {
    let role = "arn:aws:iam::111122223333:role/states";
    let body = json!({ "name": name, "definition": definition.to_string(), "roleArn": role });
    ok(aws.call(T - DAY, "CreateStateMachine", &body))
}

pub(super) fn ok(answer: Result<Value, CallError>) -> Value {
    answer.expect("an answer")
}

pub(super) fn refused(answer: Result<Value, CallError>) -> ApiError {
    match answer {
        Err(CallError::Api(error)) => error,
        other => panic!("expected an error answer, got {other:?}"),
    }
}

/// Starts an execution of `machine` at `T` with scripted outcomes, and returns its ARN.
pub(super) fn start(
    aws: &mut StepFunctions,
    machine: &str,
    name: &str,
    outcomes: &Value,
) -> String {
    let input = json!({ "outcomes": outcomes }).to_string();
    let machine = format!("arn:aws:states:eu-west-1:111122223333:stateMachine:{machine}");
    let body = json!({ "stateMachineArn": machine, "name": name, "input": input });
    ok(aws.call(T, "StartExecution", &body))["executionArn"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Returns an execution that failed at `Load` at `T + 1000`, and that fails so in every run.
pub(super) fn failed(aws: &mut StepFunctions) -> String {
    let arn = start(
        aws,
        "orders",
        "one",
        &json!([{ "fail": { "state": "Load", "error": "S3.Slow", "cause": "wait" } }]),
    );
    aws.advance(T + 1000);
    arn
}

pub(super) fn redrive(
    aws: &mut StepFunctions,
    now: u64,
    arn: &str,
    token: &str,
) -> Result<Value, CallError> {
    aws.call(
        now,
        "RedriveExecution",
        &json!({ "executionArn": arn, "clientToken": token }),
    )
}

pub(super) fn describe(aws: &mut StepFunctions, now: u64, arn: &str) -> Value {
    ok(aws.call(now, "DescribeExecution", &json!({ "executionArn": arn })))
}

/// Returns type and previousEventId of every event.
pub(super) fn history(aws: &mut StepFunctions, now: u64, arn: &str) -> Vec<(String, u64)> {
    let events = ok(aws.call(
        now,
        "GetExecutionHistory",
        &json!({ "executionArn": arn, "maxResults": 1000 }),
    ));
    let events = events["events"].as_array().unwrap();
    let line = |event: &Value| {
        (
            event["type"].as_str().unwrap().to_owned(),
            event["previousEventId"].as_u64().unwrap(),
        )
    };
    events.iter().map(line).collect()
}

pub(super) fn lines(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected
        .iter()
        .map(|(name, previous)| ((*name).to_owned(), *previous))
        .collect()
}

pub(super) fn slow() -> Script {
    Script::new([Outcome::fail("S3.Slow", "wait")])
}
