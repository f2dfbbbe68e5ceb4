//! The calls that list failures, over any JSON API.

use std::collections::BTreeSet;

use redrive_core::discovery::{
    FailureListing, ListResult, ListedExecution, ListedPipeline, ListedRun, ListedStage, Listing,
    failed_stages,
};
use redrive_core::error_codes::ErrorClass;
use redrive_core::failure::ExecutionStatus;
use redrive_core::reads::Page;
use serde_json::{Value, json};

use crate::services::{
    JsonApi, JsonClient, action_run, changed, count, failed, go_on, list, name, page, text, time,
};

impl<W: JsonApi> JsonClient<'_, W> {
    async fn look(&self, arn: &str, operation: &str, body: &Value) -> ListResult<Value> {
        match self.0.call(arn, operation, body).await {
            Ok(answer) => Ok(Listing::Page(answer)),
            Err(error) => match failed(operation, error) {
                (ErrorClass::NotFound, _) => Ok(Listing::Gone),
                (ErrorClass::ExpiredPage, _) => Ok(Listing::Expired),
                (_, error) => Err(error),
            },
        }
    }

    /// Returns an ARN prefix in the account and region whose targets are listed.
    fn anything(&self, service: &str) -> String {
        let place = self.0.place();
        format!(
            "arn:{}:{service}:{}:{}",
            place.partition, place.region, place.account
        )
    }
}

impl<W: JsonApi> FailureListing for JsonClient<'_, W> {
    async fn machines(&self, token: Option<String>) -> ListResult<Page<String>> {
        let mut body = json!({ "maxResults": 100 });
        go_on(&mut body, token);
        let anything = format!("{}:stateMachine", self.anything("states"));
        let answer = self.look(&anything, "ListStateMachines", &body).await?;
        Ok(answer.map(|answer| Page {
            items: list(&answer, "stateMachines")
                .iter()
                .filter(|machine| text(machine, "type").as_deref() == Some("STANDARD"))
                .filter_map(|machine| text(machine, "stateMachineArn"))
                .collect(),
            next: text(&answer, "nextToken"),
        }))
    }

    async fn executions(
        &self,
        machine: &str,
        status: ExecutionStatus,
        token: Option<String>,
    ) -> ListResult<Page<ListedExecution>> {
        let mut body = json!({
            "stateMachineArn": machine,
            "statusFilter": status.as_str(),
            "maxResults": 1000,
        });
        go_on(&mut body, token);
        let answer = self.look(machine, "ListExecutions", &body).await?;
        Ok(answer.map(|answer| {
            page(&answer, "executions", |execution| ListedExecution {
                arn: text(execution, "executionArn").unwrap_or_default(),
                started: time(execution, "startDate").unwrap_or_default(),
                stopped: time(execution, "stopDate"),
                redrive_count: Some(count(execution, "redriveCount")),
                version_arn: text(execution, "stateMachineVersionArn"),
            })
        }))
    }

    async fn pipelines(&self, token: Option<String>) -> ListResult<Page<ListedPipeline>> {
        let mut body = json!({ "maxResults": 100 });
        go_on(&mut body, token);
        let anything = self.anything("codepipeline");
        let somewhere = format!("{anything}:any");
        let answer = self.look(&somewhere, "ListPipelines", &body).await?;
        Ok(answer.map(|answer| {
            page(&answer, "pipelines", |pipeline| ListedPipeline {
                arn: format!("{anything}:{}", text(pipeline, "name").unwrap_or_default()),
                parallel: text(pipeline, "executionMode").as_deref() == Some("PARALLEL"),
            })
        }))
    }

    async fn stages(&self, pipeline: &str) -> ListResult<Vec<ListedStage>> {
        let body = json!({ "name": name(pipeline) });
        let answer = self.look(pipeline, "GetPipelineState", &body).await?;
        Ok(answer.map(|answer| {
            list(&answer, "stageStates")
                .iter()
                .filter_map(failed_stage)
                .collect()
        }))
    }

    async fn runs(&self, pipeline: &str, token: Option<String>) -> ListResult<Page<ListedRun>> {
        let mut body = json!({ "pipelineName": name(pipeline) });
        go_on(&mut body, token);
        let answer = self.look(pipeline, "ListPipelineExecutions", &body).await?;
        Ok(answer.map(|answer| Page {
            items: list(&answer, "pipelineExecutionSummaries")
                .iter()
                .filter(|run| text(run, "status").as_deref() == Some("Failed"))
                .map(|run| ListedRun {
                    execution_id: text(run, "pipelineExecutionId").unwrap_or_default(),
                    started: time(run, "startTime").unwrap_or_default(),
                    updated: time(run, "lastUpdateTime").unwrap_or_default(),
                })
                .collect(),
            next: text(&answer, "nextToken"),
        }))
    }

    async fn stages_of(&self, pipeline: &str, run: &ListedRun) -> ListResult<Vec<ListedStage>> {
        let body = json!({
            "pipelineName": name(pipeline),
            "filter": { "pipelineExecutionId": run.execution_id },
        });
        let answer = self.look(pipeline, "ListActionExecutions", &body).await?;
        Ok(answer.map(|answer| {
            let runs: Vec<_> = list(&answer, "actionExecutionDetails")
                .iter()
                .map(action_run)
                .collect();
            failed_stages(run, &runs)
        }))
    }
}

/// Returns a stage of GetPipelineState, if the execution that it shows has failed in it. A stage in which no action
/// ever ran shows no time of failure and has nothing to retry, so it is left out.
fn failed_stage(stage: &Value) -> Option<ListedStage> {
    let latest = stage.get("latestExecution")?;
    let failed = latest.get("status").and_then(Value::as_str) == Some("Failed");
    let runs: Vec<&Value> = list(stage, "actionStates")
        .iter()
        .filter_map(|action| action.get("latestExecution"))
        .collect();
    let ended = changed(stage)?;
    failed.then(|| ListedStage {
        stage: text(stage, "stageName").unwrap_or_default(),
        execution_id: text(latest, "pipelineExecutionId").unwrap_or_default(),
        ended,
        failed: runs
            .iter()
            .filter(|run| text(run, "status").as_deref() == Some("Failed"))
            .filter_map(|run| text(run, "actionExecutionId"))
            .collect::<BTreeSet<_>>(),
    })
}
