//! CodePipeline as a target: RetryStageExecution, and the calls that tell how a stage stands.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::config::Builder;
use aws_sdk_codepipeline::config::retry::RetryConfig;
use aws_sdk_codepipeline::types::{
    ActionExecutionDetail, ActionExecutionFilter, ExecutionMode, ExecutionType,
    PipelineDeclaration, Result as OnFailure, StageRetryMode,
};
use redrive_core::calls::{Call, Outcome};
use redrive_core::failure::{Fact, FailedAction, Field, Standing, Subject};
use redrive_core::ledger::Claim;
use redrive_core::pipeline::{ActionRun, StageState, standing};
use redrive_core::trouble::{Trouble, TroubleKind};
use redrive_core::verdict::{Reason, RetryMode};

use crate::answer::{outcome, read};

/// The service, and the declarations that were read of its pipelines.
#[derive(Debug)]
pub struct CodePipeline {
    client: Client,
    /// By the pipeline's ARN; one version at a time, since a pipeline is in one.
    declared: RefCell<BTreeMap<String, Declared>>,
}

/// What only GetPipeline shows.
#[derive(Debug, Clone, Default)]
struct Declared {
    version: i32,
    parallel: bool,
    /// Stages with `onFailure: {result: RETRY}`.
    retry_themselves: BTreeSet<String>,
}

/// So many pipelines are remembered; an account has a thousand.
const MOST_PIPELINES: usize = 10_000;

impl CodePipeline {
    /// No declaration is known yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            declared: RefCell::default(),
        }
    }

    /// GetPipelineState, ListActionExecutions, and GetPipeline once for each version.
    pub(crate) async fn stage(&self, subject: &Subject) -> Result<Fact, Trouble> {
        let Subject::Stage { arn, execution_id } = subject else {
            return Ok(Fact::Gone);
        };
        let (pipeline, stage) = (subject.target(), arn.rsplit('/').next().unwrap_or_default());
        let state = self.client.get_pipeline_state().name(pipeline).send().await;
        let Some(state) = read("GetPipelineState", state)? else {
            return Ok(Fact::Gone);
        };
        let stages = state.stage_states.unwrap_or_default();
        let Some(now) = stages
            .into_iter()
            .find(|now| now.stage_name.as_deref() == Some(stage))
        else {
            return Ok(Fact::Gone);
        };
        let Some(declared) = self.declared(arn, pipeline, state.pipeline_version).await? else {
            return Ok(Fact::Gone);
        };
        let runs = self.runs(pipeline, stage, execution_id).await?;
        let latest = now.latest_execution;
        let metadata = now.retry_stage_metadata;
        let attempts = |count: Option<i32>| {
            count
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or_default()
        };
        let state = StageState {
            pipeline_version: state
                .pipeline_version
                .and_then(|version| u64::try_from(version).ok()),
            parallel: declared.parallel,
            latest_execution_id: latest
                .as_ref()
                .map(|latest| latest.pipeline_execution_id.clone()),
            latest_status: latest
                .as_ref()
                .map(|latest| latest.status.as_str().to_owned()),
            rollback: latest.is_some_and(|latest| latest.r#type == Some(ExecutionType::Rollback)),
            automatic_attempts: attempts(
                metadata
                    .as_ref()
                    .and_then(|metadata| metadata.auto_stage_retry_attempt),
            ),
            manual_attempts: attempts(
                metadata
                    .as_ref()
                    .and_then(|metadata| metadata.manual_stage_retry_attempt),
            ),
            retries_on_failure: declared.retry_themselves.contains(stage),
        };
        Ok(standing(&state, &runs, execution_id).map_or(Fact::NotYet, Fact::Stage))
    }

    async fn declared(
        &self,
        arn: &str,
        pipeline: &str,
        version: Option<i32>,
    ) -> Result<Option<Declared>, Trouble> {
        let key = arn.rsplit_once('/').map_or(arn, |(pipeline, _)| pipeline);
        let known = self
            .declared
            .borrow()
            .get(key)
            .filter(|known| Some(known.version) == version)
            .cloned();
        if known.is_some() {
            return Ok(known);
        }
        let shown = self
            .client
            .get_pipeline()
            .name(pipeline)
            .set_version(version)
            .send()
            .await;
        let Some(pipeline) = read("GetPipeline", shown)?.and_then(|shown| shown.pipeline) else {
            return Ok(None);
        };
        let declared = Declared::read(&pipeline);
        let mut all = self.declared.borrow_mut();
        if all.len() >= MOST_PIPELINES {
            all.clear();
        }
        all.insert(key.to_owned(), declared.clone());
        Ok(Some(declared))
    }

    /// The runs of a stage's actions in one execution, newest first.
    async fn runs(
        &self,
        pipeline: &str,
        stage: &str,
        execution_id: &str,
    ) -> Result<Vec<ActionRun>, Trouble> {
        let filter = ActionExecutionFilter::builder()
            .pipeline_execution_id(execution_id)
            .build();
        let mut runs = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .client
                .list_action_executions()
                .pipeline_name(pipeline)
                .filter(filter.clone())
                .set_next_token(token)
                .send()
                .await;
            let Some(page) = read("ListActionExecutions", page)? else {
                return Ok(runs);
            };
            let details = page.action_execution_details.unwrap_or_default();
            runs.extend(
                details
                    .iter()
                    .filter(|run| run.stage_name.as_deref() == Some(stage))
                    .map(action_run),
            );
            token = page.next_token;
            if token.is_none() {
                return Ok(runs);
            }
        }
    }

    pub(crate) async fn look(
        &self,
        subject: &Subject,
        ids: &BTreeSet<String>,
    ) -> Result<Standing, Trouble> {
        match self.stage(subject).await? {
            Fact::Stage(now) => Ok(now.compared(ids)),
            Fact::NotYet => Err(Trouble::new(
                TroubleKind::Unreachable,
                "ListActionExecutions does not show the stage yet",
            )),
            _ => Ok(Standing::Over(Reason::Gone)),
        }
    }

    /// RetryStageExecution, sent once: it has no token, so that a second try could be a second retry.
    pub(crate) async fn retry(&self, claim: &Claim) -> Outcome {
        let entry = claim.entry();
        let Subject::Stage { arn, execution_id } = &entry.subject else {
            return Outcome::Refused(Reason::Gone);
        };
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let mode = match entry.verdict.retry_mode {
            RetryMode::FailedActions => StageRetryMode::FailedActions,
            RetryMode::AllActions => StageRetryMode::AllActions,
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
        outcome(Call::RetryStageExecution, sent)
    }
}

impl Declared {
    fn read(pipeline: &PipelineDeclaration) -> Self {
        let retries = |stage: &&aws_sdk_codepipeline::types::StageDeclaration| {
            stage
                .on_failure
                .as_ref()
                .is_some_and(|on_failure| on_failure.result == Some(OnFailure::Retry))
        };
        Self {
            version: pipeline.version.unwrap_or_default(),
            parallel: pipeline.execution_mode == Some(ExecutionMode::Parallel),
            retry_themselves: pipeline
                .stages
                .iter()
                .filter(retries)
                .map(|stage| stage.name.clone())
                .collect(),
        }
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
        action: FailedAction {
            action: run.action_name.clone().unwrap_or_default(),
            id: run.action_execution_id.clone(),
            category: Field::from_option(action_type.map(|kind| kind.category.as_str().to_owned())),
            provider: Field::from_option(action_type.map(|kind| kind.provider.clone())),
            error_code: Field::from_option(details.and_then(|details| details.code.clone())),
            summary: Field::from_option(summary),
        },
        status: run
            .status
            .as_ref()
            .map(|status| status.as_str().to_owned())
            .unwrap_or_default(),
        pipeline_version: run
            .pipeline_version
            .and_then(|version| u64::try_from(version).ok()),
    }
}
