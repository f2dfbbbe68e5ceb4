//! The tests of the emulated CodePipeline.

mod automatic;
mod declarations;
mod events;
mod faults;
mod modes;
mod retry;
mod seeds;
mod state;
mod stops;

use serde_json::{Value, json};

use super::*;
use crate::api::Service;

/// A well-formed id that no execution has.
const STRANGER: &str = "00000000-0000-4000-8000-000000000000";

/// The pipeline `shop` in an emulator, and the time on its clock.
struct Fixture {
    service: CodePipeline,
    now: u64,
}

fn action(name: &str, category: &str, provider: &str, order: u64) -> Value {
    json!({
        "name": name,
        "runOrder": order,
        "actionTypeId":
            { "category": category, "owner": "AWS", "provider": provider, "version": "1" },
    })
}

/// Returns the declaration of `shop`: Source(Fetch), Build(Compile and Lint, then Pack), Deploy(Copy).
fn shop() -> Value {
    json!({
        "name": "shop",
        "roleArn": "arn:aws:iam::111122223333:role/shop",
        "stages": [
            { "name": "Source", "actions": [action("Fetch", "Source", "S3", 1)] },
            { "name": "Build", "actions": [
                action("Compile", "Build", "CodeBuild", 1),
                action("Lint", "Test", "CodeBuild", 1),
                action("Pack", "Build", "CodeBuild", 2),
            ] },
            { "name": "Deploy", "actions": [action("Copy", "Deploy", "S3", 1)] },
        ],
    })
}

/// Returns `shop` in another mode and with further members in a stage.
fn shop_with(mode: &str, stage: usize, members: Value) -> Value {
    let mut pipeline = shop();
    pipeline["executionMode"] = mode.into();
    for (key, value) in members.as_object().unwrap() {
        pipeline["stages"][stage][key] = value.clone();
    }
    pipeline
}

fn fail(after_ms: u64) -> Value {
    json!({ "fail": { "code": "JobFailed", "message": "no space left" }, "after_ms": after_ms })
}

fn succeed(after_ms: u64) -> Value {
    json!({ "succeed": {}, "after_ms": after_ms })
}

impl Fixture {
    fn of(pipeline: Value, options: Options) -> Self {
        let service = CodePipeline::new(Place::default(), options, 7);
        let mut fixture = Self { service, now: 0 };
        fixture.done("CreatePipeline", json!({ "pipeline": pipeline }));
        fixture
    }

    fn new() -> Self {
        Self::of(shop(), Options::default())
    }

    fn call(&mut self, operation: &str, body: Value) -> Result<Value, CallError> {
        self.service.call(self.now, operation, &body)
    }

    fn done(&mut self, operation: &str, body: Value) -> Value {
        let answer = self.call(operation, body);
        answer.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// Returns the error code of a refused call, or `done`.
    fn code(&mut self, operation: &str, body: Value) -> String {
        match self.call(operation, body) {
            Ok(_) => "done".into(),
            Err(CallError::Api(error)) => error.code().to_owned(),
            Err(CallError::Raw(raw)) => format!("{} {}", raw.status, raw.body),
            Err(CallError::Lost) => "lost".into(),
        }
    }

    fn until(&mut self, now: u64) {
        self.now = now;
        self.service.advance(now);
    }

    fn start(&mut self, outcomes: Value) -> String {
        let variables = json!([{ "name": "outcomes", "value": outcomes.to_string() }]);
        let body = json!({ "name": "shop", "variables": variables });
        let answer = self.done("StartPipelineExecution", body);
        answer["pipelineExecutionId"].as_str().unwrap().to_owned()
    }

    fn retry(&mut self, stage: &str, execution: &str, mode: &str) -> String {
        let body = json!({ "pipelineName": "shop", "stageName": stage,
            "pipelineExecutionId": execution, "retryMode": mode });
        self.code("RetryStageExecution", body)
    }

    fn view(&self, execution: &str, stage: &str) -> View {
        self.service.stage("shop", execution, stage).unwrap()
    }

    fn status(&mut self, execution: &str) -> String {
        let body = json!({ "pipelineName": "shop", "pipelineExecutionId": execution });
        let answer = self.done("GetPipelineExecution", body);
        answer["pipelineExecution"]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Returns the state of a stage, by its position.
    fn state(&mut self, stage: usize) -> Value {
        self.done("GetPipelineState", json!({ "name": "shop" }))["stageStates"][stage].take()
    }

    fn rows(&mut self, filter: Value) -> Vec<Value> {
        let body = json!({ "pipelineName": "shop", "filter": filter });
        let mut answer = self.done("ListActionExecutions", body);
        serde_json::from_value(answer["actionExecutionDetails"].take()).unwrap()
    }

    /// Returns the events so far as `Pipeline FAILED`, `Build FAILED`, `Build/Compile FAILED`.
    fn emitted(&mut self) -> Vec<String> {
        let events = self.service.take_events();
        let emitted = events.iter().map(|it| {
            let detail = &it.event["detail"];
            let subject = match (detail["stage"].as_str(), detail["action"].as_str()) {
                (Some(stage), Some(action)) => format!("{stage}/{action}"),
                (Some(stage), None) => stage.to_owned(),
                _ => "Pipeline".to_owned(),
            };
            format!("{subject} {}", detail["state"].as_str().unwrap())
        });
        emitted.collect()
    }

    /// Starts an execution whose Compile fails `failures` times at once, and plays until it has failed.
    fn failed(&mut self, failures: usize) -> String {
        let mut list = vec![fail(100); failures];
        list.push(succeed(100));
        let id = self.start(json!({ "Build/Compile": list, "Build/Lint": [succeed(50)] }));
        let later = self.now + 1_100;
        self.until(later);
        assert_eq!(self.view(&id, "Build").status, StageStatus::Failed);
        id
    }
}
