//! CodePipeline as a target: RetryStageExecution, and the calls that read the state of a stage.

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::config::Builder;
use aws_sdk_codepipeline::config::http::HttpResponse;
use aws_sdk_codepipeline::config::retry::RetryConfig;
use aws_sdk_codepipeline::error::SdkError;
use aws_sdk_codepipeline::operation::list_action_executions::{
    ListActionExecutionsError, ListActionExecutionsOutput,
};
use aws_sdk_codepipeline::types::{
    ActionExecutionDetail, ActionExecutionFilter, ActionExecutionStatus, ExecutionMode,
    ExecutionType, PipelineDeclaration, PipelineExecutionStatus, PipelineExecutionSummary,
    Result as OnFailure, StageDeclaration, StageExecutionStatus, StageRetryMode as AwsRetryMode,
    StageState as Stage,
};
use redrive_core::calls::{CallResult, RetryResponse};
use redrive_core::discovery::{ListResult, ListedPipeline, ListedRun, ListedStage, failed_stages};
use redrive_core::failure::{FailedAction, Field, Subject};
use redrive_core::ledger::Claim;
use redrive_core::pipeline::{ActionRun, Declaration, PipelineExecution, StageState};
use redrive_core::reads::{Page, Pipelines, Read};
use redrive_core::services::Service;
use redrive_core::time::Time;
use redrive_core::verdict::{Reason, StageRetryMode};

use crate::answer::{look, read, read_whole, retry_response};
use crate::stepfunctions::time;

/// An adapter for CodePipeline.
#[derive(Debug)]
pub struct CodePipeline {
    client: Client,
}

impl CodePipeline {
    /// Returns the adapter of a client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Calls RetryStageExecution.
    ///
    /// AWS: the request has no idempotency token (RetryStageExecution). INVARIANT: the SDK sends it once, since a
    /// second attempt could be a second retry.
    pub(crate) async fn retry(&self, claim: &Claim) -> RetryResponse {
        let entry = claim.entry();
        let Subject::Stage { arn, execution_id } = &entry.subject else {
            return CallResult::Rejected(Reason::Gone).into();
        };
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let mode = match entry.verdict.retry_mode {
            StageRetryMode::FailedActions => AwsRetryMode::FailedActions,
            StageRetryMode::AllActions => AwsRetryMode::AllActions,
        };
        let sent = self
            .client
            .retry_stage_execution()
            .pipeline_name(entry.subject.target())
            .stage_name(arn.rsplit('/').next().unwrap_or_default())
            .pipeline_execution_id(execution_id)
            .retry_mode(mode)
            .customize()
            .config_override(once)
            .send()
            .await;
        retry_response(Service::CodePipeline, &sent, |answer| {
            answer.pipeline_execution_id.is_some()
        })
    }
}

impl CodePipeline {
    /// Reads a page of ListPipelines, which returns names. `anything` is the prefix of the pipelines' ARNs.
    pub(crate) async fn pipelines(
        &self,
        anything: &str,
        token: Option<String>,
    ) -> ListResult<Page<ListedPipeline>> {
        let page = self
            .client
            .list_pipelines()
            .max_results(100)
            .set_next_token(token)
            .send()
            .await;
        Ok(look("ListPipelines", page)?.map(|page| Page {
            items: page
                .pipelines
                .unwrap_or_default()
                .into_iter()
                .map(|pipeline| ListedPipeline {
                    arn: format!("{anything}:{}", pipeline.name.unwrap_or_default()),
                    parallel: pipeline.execution_mode == Some(ExecutionMode::Parallel),
                })
                .collect(),
            next: page.next_token,
        }))
    }

    /// Reads the failed stages of a pipeline from GetPipelineState.
    pub(crate) async fn stages(&self, pipeline: &str) -> ListResult<Vec<ListedStage>> {
        let shown = self
            .client
            .get_pipeline_state()
            .name(name(pipeline))
            .send()
            .await;
        Ok(look("GetPipelineState", shown)?.map(|shown| {
            let stages = shown.stage_states.unwrap_or_default();
            stages.into_iter().filter_map(failed_stage).collect()
        }))
    }

    /// Reads the failed executions on a page of ListPipelineExecutions.
    pub(crate) async fn listed_runs(
        &self,
        pipeline: &str,
        token: Option<String>,
    ) -> ListResult<Page<ListedRun>> {
        let page = self
            .client
            .list_pipeline_executions()
            .pipeline_name(name(pipeline))
            .set_next_token(token)
            .send()
            .await;
        Ok(look("ListPipelineExecutions", page)?.map(|page| Page {
            items: page
                .pipeline_execution_summaries
                .unwrap_or_default()
                .into_iter()
                .filter(|run| run.status == Some(PipelineExecutionStatus::Failed))
                .map(listed_run)
                .collect(),
            next: page.next_token,
        }))
    }

    /// Reads the stages that failed in an execution from the first page of ListActionExecutions.
    pub(crate) async fn stages_of(
        &self,
        pipeline: &str,
        run: &ListedRun,
    ) -> ListResult<Vec<ListedStage>> {
        let page = self.action_runs(pipeline, &run.execution_id, None).await;
        Ok(look("ListActionExecutions", page)?.map(|page| {
            let runs: Vec<ActionRun> = page
                .action_execution_details()
                .iter()
                .map(action_run)
                .collect();
            failed_stages(run, &runs)
        }))
    }

    async fn action_runs(
        &self,
        pipeline: &str,
        execution_id: &str,
        token: Option<String>,
    ) -> Result<ListActionExecutionsOutput, SdkError<ListActionExecutionsError, HttpResponse>> {
        let filter = ActionExecutionFilter::builder()
            .pipeline_execution_id(execution_id)
            .build();
        self.client
            .list_action_executions()
            .pipeline_name(name(pipeline))
            .filter(filter)
            .set_next_token(token)
            .send()
            .await
    }
}

impl Pipelines for CodePipeline {
    async fn state(&self, pipeline: &str, stage: &str) -> Read<StageState> {
        let shown = self
            .client
            .get_pipeline_state()
            .name(name(pipeline))
            .send()
            .await;
        let shown = read_whole("GetPipelineState", shown, |shown| {
            shown.pipeline_name.is_some()
        })?;
        Ok(shown.and_then(|shown| {
            let version = unsigned(shown.pipeline_version);
            let mut stages = shown.stage_states.unwrap_or_default().into_iter();
            stages
                .find(|now| now.stage_name.as_deref() == Some(stage))
                .map(|now| stage_state(version, now))
        }))
    }

    async fn declaration(&self, pipeline: &str, version: Option<u64>) -> Read<Declaration> {
        let shown = self
            .client
            .get_pipeline()
            .name(name(pipeline))
            .set_version(version.and_then(|version| i32::try_from(version).ok()))
            .send()
            .await;
        let shown = read_whole("GetPipeline", shown, |shown| shown.pipeline.is_some())?;
        Ok(shown
            .and_then(|shown| shown.pipeline)
            .map(|pipeline| declaration(&pipeline)))
    }

    async fn execution(&self, pipeline: &str, execution_id: &str) -> Read<PipelineExecution> {
        let shown = self
            .client
            .get_pipeline_execution()
            .pipeline_name(name(pipeline))
            .pipeline_execution_id(execution_id)
            .send()
            .await;
        let shown = read_whole("GetPipelineExecution", shown, |shown| {
            shown.pipeline_execution.is_some()
        })?;
        Ok(shown
            .and_then(|shown| shown.pipeline_execution)
            .map(|execution| PipelineExecution {
                status: execution.status.map(|status| status.as_str().to_owned()),
                rollback: execution.execution_type == Some(ExecutionType::Rollback),
            }))
    }

    async fn runs(
        &self,
        pipeline: &str,
        execution_id: &str,
        token: Option<String>,
    ) -> Read<Page<ActionRun>> {
        let page = self.action_runs(pipeline, execution_id, token).await;
        Ok(read("ListActionExecutions", page)?.map(|page| Page {
            items: page
                .action_execution_details()
                .iter()
                .map(action_run)
                .collect(),
            next: page.next_token,
        }))
    }
}

/// Returns the name in a pipeline's ARN.
fn name(pipeline: &str) -> &str {
    pipeline.rsplit(':').next().unwrap_or_default()
}

fn unsigned<T: TryFrom<i32>>(number: Option<i32>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}

/// Returns the latest status change of a stage's actions.
fn changed(stage: &Stage) -> Option<Time> {
    stage
        .action_states()
        .iter()
        .filter_map(|action| action.latest_execution()?.last_status_change().map(time))
        .max()
}

/// Returns a stage if its latest execution failed in it. A stage without any action run has no time of failure and
/// nothing to retry, so it returns none.
fn failed_stage(stage: Stage) -> Option<ListedStage> {
    let ended = changed(&stage)?;
    let latest = stage.latest_execution?;
    let runs: Vec<_> = stage
        .action_states
        .unwrap_or_default()
        .into_iter()
        .filter_map(|action| action.latest_execution)
        .collect();
    (latest.status == StageExecutionStatus::Failed).then(|| ListedStage {
        stage: stage.stage_name.unwrap_or_default(),
        execution_id: latest.pipeline_execution_id,
        ended,
        failed: runs
            .into_iter()
            .filter(|run| run.status == Some(ActionExecutionStatus::Failed))
            .filter_map(|run| run.action_execution_id)
            .collect(),
    })
}

fn listed_run(run: PipelineExecutionSummary) -> ListedRun {
    ListedRun {
        execution_id: run.pipeline_execution_id.unwrap_or_default(),
        started: run.start_time.as_ref().map(time).unwrap_or_default(),
        updated: run.last_update_time.as_ref().map(time).unwrap_or_default(),
    }
}

fn stage_state(pipeline_version: Option<u64>, now: Stage) -> StageState {
    let changed = changed(&now);
    let metadata = now.retry_stage_metadata.as_ref();
    let attempts = |count: Option<i32>| unsigned(count).unwrap_or_default();
    let latest = now.latest_execution;
    StageState {
        pipeline_version,
        latest_status: latest
            .as_ref()
            .map(|latest| latest.status.as_str().to_owned()),
        rollback: latest
            .as_ref()
            .and_then(|latest| latest.r#type.as_ref())
            .map(|kind| *kind == ExecutionType::Rollback),
        latest_execution_id: latest.map(|latest| latest.pipeline_execution_id),
        changed,
        automatic_attempts: attempts(metadata.and_then(|it| it.auto_stage_retry_attempt)),
        manual_attempts: attempts(metadata.and_then(|it| it.manual_stage_retry_attempt)),
    }
}

fn declaration(pipeline: &PipelineDeclaration) -> Declaration {
    let retries = |stage: &&StageDeclaration| {
        stage
            .on_failure
            .as_ref()
            .is_some_and(|on_failure| on_failure.result == Some(OnFailure::Retry))
    };
    Declaration {
        parallel: pipeline.execution_mode == Some(ExecutionMode::Parallel),
        retry_themselves: pipeline
            .stages
            .iter()
            .filter(retries)
            .map(|stage| stage.name.clone())
            .collect(),
    }
}

fn action_run(run: &ActionExecutionDetail) -> ActionRun {
    let action_type = run
        .input
        .as_ref()
        .and_then(|input| input.action_type_id.as_ref());
    let result = run
        .output
        .as_ref()
        .and_then(|output| output.execution_result.as_ref());
    let details = result.and_then(|result| result.error_details.as_ref());
    let summary = details
        .and_then(|details| details.message.clone())
        .or_else(|| result.and_then(|result| result.external_execution_summary.clone()));
    ActionRun {
        stage: run.stage_name.clone().unwrap_or_default(),
        action: FailedAction {
            action: run.action_name.clone().unwrap_or_default(),
            id: run.action_execution_id.clone(),
            category: Field::from_option(action_type.map(|kind| kind.category.as_str().to_owned())),
            provider: Field::from_option(action_type.map(|kind| kind.provider.clone())),
            error_code: Field::from_option(details.and_then(|details| details.code.clone())),
            summary: Field::from_option(summary),
        },
        updated: run.last_update_time.as_ref().map(time),
        status: run
            .status
            .as_ref()
            .map(|status| status.as_str().to_owned())
            .unwrap_or_default(),
        pipeline_version: unsigned(run.pipeline_version),
    }
}
