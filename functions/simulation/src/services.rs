//! The calls that the core makes to the two services, as JSON requests and answers.

use redrive_core::arn::Arn;
use redrive_core::calls::{CallResult, RetryResponse, result_of};
use redrive_core::definition::Revision;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::error_codes::ErrorClass;
use redrive_core::event::parent_in;
use redrive_core::failure::{Description, FailedAction, Field, Redrivable, Subject};
use redrive_core::history::{HistoryEvent, integration};
use redrive_core::ledger::Claim;
use redrive_core::pipeline::{ActionRun, Declaration, PipelineExecution, StageState};
use redrive_core::reads::{DefinitionCache, Executions, LocalCache, Page, Pipelines, Read, Reads};
use redrive_core::services::Service;
use redrive_core::time::Time;
use redrive_core::verdict::StageRetryMode;
use redrive_emulator::api::{CallError, Place};
use redrive_emulator::region::ServiceKind as Which;
use serde_json::{Value, json};

/// An API that takes JSON requests and answers in JSON.
#[expect(
    async_fn_in_trait,
    reason = "the sandbox is one thread, so that futures need not be Send"
)]
pub trait JsonApi {
    /// Calls the service of an ARN, in its account and region.
    async fn call(&self, arn: &str, operation: &str, body: &Value) -> Result<Value, CallError>;

    /// Returns the account and region whose targets are listed.
    fn place(&self) -> Place {
        Place::default()
    }
}

/// A client with typed answers over a JSON API.
#[derive(Debug)]
pub struct JsonClient<'w, W>(pub &'w W);

impl<W: JsonApi> JsonClient<'_, W> {
    /// Returns the core's look-ups over these services, with this process's cache and the shared cache.
    pub fn reads<'r, S: DefinitionCache>(
        &'r self,
        local_cache: &'r LocalCache,
        definition_cache: &'r S,
        now: Time,
    ) -> Reads<'r, Self, Self, S> {
        Reads {
            executions: self,
            pipelines: self,
            local_cache,
            definition_cache,
            now,
        }
    }
}

/// Returns the service of an ARN.
pub fn service_of(arn: &str) -> Which {
    match Arn::parse(arn) {
        Ok(arn) if arn.service == "codepipeline" => Which::CodePipeline,
        _ => Which::StepFunctions,
    }
}

/// Makes the one call that retries a claim's subject.
pub async fn retry(api: &impl JsonApi, claim: &Claim) -> RetryResponse {
    let subject = &claim.entry().subject;
    let (call, operation, body) = match subject {
        Subject::Execution { arn } => (
            Service::StepFunctions,
            "RedriveExecution",
            json!({ "executionArn": arn, "clientToken": claim.client_token() }),
        ),
        Subject::Stage { arn, execution_id } => {
            let mode: StageRetryMode = claim.entry().verdict.retry_mode;
            let body = json!({
                "pipelineName": subject.target(),
                "stageName": arn.rsplit('/').next(),
                "pipelineExecutionId": execution_id,
                "retryMode": mode.as_str(),
            });
            (Service::CodePipeline, "RetryStageExecution", body)
        }
    };
    match api.call(subject.arn(), operation, &body).await {
        Ok(answer) => RetryResponse {
            redriven: time(&answer, "redriveDate"),
            ..CallResult::Accepted.into()
        },
        Err(error) => error
            .answered()
            .map_or(CallResult::InDoubt.into(), |error| {
                result_of(call, error.code(), error.status, &error.message)
            }),
    }
}

impl<W: JsonApi> JsonClient<'_, W> {
    /// Makes a call that reads. `None` means that the service knows no such thing.
    async fn read(&self, arn: &str, operation: &str, body: &Value) -> Read<Value> {
        match self.0.call(arn, operation, body).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match failed(operation, error) {
                (ErrorClass::NotFound, _) => Ok(None),
                (_, error) => Err(error),
            },
        }
    }
}

/// Returns the class and the error of a call that failed.
pub(crate) fn failed(operation: &str, error: CallError) -> (ErrorClass, Error) {
    let Some(error) = error.answered() else {
        let error = Error::new(ErrorKind::Unavailable, operation);
        return (ErrorClass::Unavailable, error);
    };
    let class = ErrorClass::of_answer(operation, error.code(), error.status);
    let what = format!("{operation} {}", error.code());
    (class, Error::new(class.into(), what.trim_end()))
}

impl<W: JsonApi> Executions for JsonClient<'_, W> {
    async fn describe(&self, arn: &str) -> Read<Description> {
        let body = json!({ "executionArn": arn });
        let answer = self.read(arn, "DescribeExecution", &body).await?;
        Ok(answer.map(|answer| Description {
            status: text(&answer, "status").unwrap_or_default(),
            redrive_count: count(&answer, "redriveCount"),
            redrivable: match answer.get("redriveStatus").and_then(Value::as_str) {
                Some("REDRIVABLE") => Redrivable::Yes,
                Some("REDRIVABLE_BY_MAP_RUN") => Redrivable::ByMapRun,
                _ => Redrivable::No,
            },
            error: Field::from_option(text(&answer, "error")),
            cause: Field::from_option(text(&answer, "cause")),
            parent: match answer.get("input").and_then(Value::as_str) {
                Some(input) => Field::from_option(parent_in(input)),
                None => Field::Redacted,
            },
        }))
    }

    async fn revision_id(&self, machine: &str) -> Read<String> {
        let body = json!({ "stateMachineArn": machine });
        let shown = self.read(machine, "DescribeStateMachine", &body).await?;
        Ok(shown.and_then(|shown| text(&shown, "revisionId")))
    }

    async fn revision(&self, arn: &str) -> Read<Revision> {
        let body = json!({ "executionArn": arn });
        let shown = self
            .read(arn, "DescribeStateMachineForExecution", &body)
            .await?;
        Ok(shown.as_ref().and_then(revision))
    }

    async fn history(
        &self,
        arn: &str,
        most: u32,
        token: Option<String>,
    ) -> Read<Page<HistoryEvent>> {
        let mut body = json!({
            "executionArn": arn,
            "reverseOrder": true,
            "maxResults": most,
            "includeExecutionData": false,
        });
        go_on(&mut body, token);
        let answer = self.read(arn, "GetExecutionHistory", &body).await?;
        Ok(answer.map(|answer| page(&answer, "events", history_event)))
    }
}

impl<W: JsonApi> Pipelines for JsonClient<'_, W> {
    async fn state(&self, pipeline: &str, stage: &str) -> Read<StageState> {
        let body = json!({ "name": name(pipeline) });
        let shown = self.read(pipeline, "GetPipelineState", &body).await?;
        Ok(shown.and_then(|shown| {
            let now = list(&shown, "stageStates")
                .iter()
                .find(|now| now.get("stageName").and_then(Value::as_str) == Some(stage))?;
            let latest = now.get("latestExecution").unwrap_or(&Value::Null);
            let metadata = now.get("retryStageMetadata").unwrap_or(&Value::Null);
            Some(StageState {
                pipeline_version: shown.get("pipelineVersion").and_then(Value::as_u64),
                latest_execution_id: text(latest, "pipelineExecutionId"),
                latest_status: text(latest, "status"),
                rollback: text(latest, "type").map(|kind| kind == "ROLLBACK"),
                changed: changed(now),
                automatic_attempts: count(metadata, "autoStageRetryAttempt"),
                manual_attempts: count(metadata, "manualStageRetryAttempt"),
            })
        }))
    }

    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration> {
        let body = json!({ "name": name(pipeline), "version": version });
        let shown = self.read(pipeline, "GetPipeline", &body).await?;
        let shown = shown.as_ref().and_then(|shown| shown.get("pipeline"));
        Ok(shown.map(|declared| Declaration {
            parallel: text(declared, "executionMode").as_deref() == Some("PARALLEL"),
            retry_themselves: list(declared, "stages")
                .iter()
                .filter(|stage| {
                    stage.pointer("/onFailure/result").and_then(Value::as_str) == Some("RETRY")
                })
                .filter_map(|stage| text(stage, "name"))
                .collect(),
        }))
    }

    async fn execution(&self, pipeline: &str, execution_id: &str) -> Read<PipelineExecution> {
        let body = json!({ "pipelineName": name(pipeline), "pipelineExecutionId": execution_id });
        let shown = self.read(pipeline, "GetPipelineExecution", &body).await?;
        Ok(shown.map(|shown| {
            let said = |key: &str| shown.pointer(key).and_then(Value::as_str);
            PipelineExecution {
                status: said("/pipelineExecution/status").map(str::to_owned),
                rollback: said("/pipelineExecution/executionType") == Some("ROLLBACK"),
            }
        }))
    }

    async fn runs(
        &self,
        pipeline: &str,
        execution_id: &str,
        token: Option<String>,
    ) -> Read<Page<ActionRun>> {
        let mut body = json!({
            "pipelineName": name(pipeline),
            "filter": { "pipelineExecutionId": execution_id },
        });
        go_on(&mut body, token);
        let answer = self.read(pipeline, "ListActionExecutions", &body).await?;
        Ok(answer.map(|answer| page(&answer, "actionExecutionDetails", action_run)))
    }
}

/// Returns the name in a pipeline's ARN.
pub(crate) fn name(pipeline: &str) -> Option<&str> {
    pipeline.rsplit(':').next()
}

/// Adds the token of the next page to a request.
pub(crate) fn go_on(body: &mut Value, token: Option<String>) {
    if let (Some(token), Some(body)) = (token, body.as_object_mut()) {
        body.insert("nextToken".into(), token.into());
    }
}

pub(crate) fn page<T>(answer: &Value, key: &str, item: impl FnMut(&Value) -> T) -> Page<T> {
    Page {
        items: list(answer, key).iter().map(item).collect(),
        next: text(answer, "nextToken"),
    }
}

fn revision(shown: &Value) -> Option<Revision> {
    let updated = shown.get("updateDate").and_then(Value::as_f64)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a date after 1970"
    )]
    let since = Time::from_millis((updated * 1000.0) as u64);
    Revision::read(
        text(shown, "revisionId"),
        since,
        &text(shown, "definition")?,
    )
}

fn history_event(event: &Value) -> HistoryEvent {
    let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
    let word = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let called = word("/taskScheduledEventDetails/resourceType")
        .zip(word("/taskScheduledEventDetails/resource"))
        .map(|(resource_type, resource)| integration(resource_type, resource));
    let whole = word("/lambdaFunctionScheduledEventDetails/resource")
        .or_else(|| word("/activityScheduledEventDetails/resource"));
    HistoryEvent {
        id: number("/id").unwrap_or_default(),
        previous: number("/previousEventId").unwrap_or_default(),
        kind: text(event, "type").unwrap_or_default(),
        redrive_count: number("/executionRedrivenEventDetails/redriveCount")
            .and_then(|count| u32::try_from(count).ok()),
        state: word("/stateEnteredEventDetails/name")
            .or_else(|| word("/evaluationFailedEventDetails/state"))
            .map(str::to_owned),
        resource: called.or_else(|| whole.map(str::to_owned)),
    }
}

pub(crate) fn action_run(run: &Value) -> ActionRun {
    let result = run
        .pointer("/output/executionResult")
        .unwrap_or(&Value::Null);
    let details = result.get("errorDetails").unwrap_or(&Value::Null);
    let action_type = run.pointer("/input/actionTypeId").unwrap_or(&Value::Null);
    ActionRun {
        stage: text(run, "stageName").unwrap_or_default(),
        action: FailedAction {
            action: text(run, "actionName").unwrap_or_default(),
            id: text(run, "actionExecutionId"),
            category: Field::from_option(text(action_type, "category")),
            provider: Field::from_option(text(action_type, "provider")),
            error_code: Field::from_option(text(details, "code")),
            summary: Field::from_option(
                text(details, "message").or_else(|| text(result, "externalExecutionSummary")),
            ),
        },
        updated: time(run, "lastUpdateTime"),
        status: text(run, "status").unwrap_or_default(),
        pipeline_version: run.get("pipelineVersion").and_then(Value::as_u64),
    }
}

/// Reads a date of the API: seconds since the epoch, with a fraction.
pub(crate) fn time(value: &Value, key: &str) -> Option<Time> {
    let seconds = value.get(key)?.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a date after 1970"
    )]
    Some(Time::from_millis((seconds * 1000.0).round() as u64))
}

/// Returns the time of the last change to the runs of a stage's actions, as GetPipelineState shows it.
pub(crate) fn changed(stage: &Value) -> Option<Time> {
    list(stage, "actionStates")
        .iter()
        .filter_map(|action| time(action.get("latestExecution")?, "lastStatusChange"))
        .max()
}

pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

pub(crate) fn count(value: &Value, key: &str) -> u32 {
    value
        .get(key)
        .and_then(Value::as_u64)
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default()
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}
