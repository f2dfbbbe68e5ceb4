//! The operations that change something, and the dispatch of all operations.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::CodePipeline;
use super::declaration::{Declaration, StageRetryMode, invalid};
use super::execution::{ActionStatus, By, Execution, Stop};
use super::params::Params;
use super::pipeline::{Pipeline, Transition};
use super::script::{ErrorDetails, ExternalResult, Outcome, Script};
use super::shared::SharedState;
use crate::api::ApiError;
use crate::dates::epoch_seconds;

pub(super) fn pipeline_not_found(name: &str) -> ApiError {
    let message =
        format!("Account does not have a pipeline with the name '{name}' in this Region.");
    ApiError::new("PipelineNotFoundException", message)
}

fn stage_not_found(stage: &str) -> ApiError {
    ApiError::new(
        "StageNotFoundException",
        format!("The pipeline has no stage '{stage}'."),
    )
}

impl CodePipeline {
    pub(super) fn operate(
        &mut self,
        operation: &str,
        body: &Value,
        by: By,
    ) -> Result<Value, ApiError> {
        let params = Params(body);
        match operation {
            "CreatePipeline" => self.create_pipeline(body),
            "GetPipeline" => self.get_pipeline(params),
            "UpdatePipeline" => self.update_pipeline(body),
            "DeletePipeline" => {
                self.pipelines.remove(params.name("name")?);
                Ok(json!({}))
            }
            "ListPipelines" => self.list_pipelines(params),
            "StartPipelineExecution" => self.start_pipeline_execution(params),
            "StopPipelineExecution" => self.stop_pipeline_execution(params),
            "RetryStageExecution" => self.retry_stage_execution(params, by),
            "GetPipelineState" => self.get_pipeline_state(params),
            "GetPipelineExecution" => self.get_pipeline_execution(params),
            "ListPipelineExecutions" => self.list_pipeline_executions(params),
            "ListActionExecutions" => self.list_action_executions(params),
            "PutApprovalResult" => self.put_approval_result(params, body),
            "RollbackStage" => self.rollback_stage(params),
            "DisableStageTransition" => self.change_transition(params, true),
            "EnableStageTransition" => self.change_transition(params, false),
            other => Err(ApiError::new(
                "UnknownOperationException",
                format!("CodePipeline_20150709.{other}"),
            )),
        }
    }

    fn opened(&mut self, name: &str) -> Result<(&mut SharedState, &mut Pipeline), ApiError> {
        let pipeline = self
            .pipelines
            .get_mut(name)
            .ok_or_else(|| pipeline_not_found(name))?;
        Ok((&mut self.shared, pipeline))
    }

    fn create_pipeline(&mut self, body: &Value) -> Result<Value, ApiError> {
        let given = body
            .get("pipeline")
            .ok_or_else(|| invalid("pipeline", "not null"))?;
        let declaration = Declaration::read(given, 1)?;
        if self.pipelines.contains_key(&declaration.name) {
            return Err(ApiError::new(
                "PipelineNameInUseException",
                format!(
                    "A pipeline with the name '{}' already exists.",
                    declaration.name
                ),
            ));
        }
        let answer = json!({ "pipeline": declaration.raw });
        let name = declaration.name.clone();
        self.pipelines
            .insert(name, Pipeline::new(Arc::new(declaration), self.shared.now));
        Ok(answer)
    }

    fn update_pipeline(&mut self, body: &Value) -> Result<Value, ApiError> {
        let given = body
            .get("pipeline")
            .ok_or_else(|| invalid("pipeline", "not null"))?;
        let mut declaration = Declaration::read(given, 1)?;
        let name = declaration.name.clone();
        // AWS: the model lists no PipelineNotFoundException here, so a wrong name is an invalid structure.
        let pipeline = self.pipelines.get_mut(&name).ok_or_else(|| {
            ApiError::new(
                "InvalidStructureException",
                format!("No pipeline named '{name}'."),
            )
        })?;
        declaration.version = pipeline.declaration.version.saturating_add(1);
        if let Some(raw) = declaration.raw.as_object_mut() {
            raw.insert("version".into(), declaration.version.into());
        }
        let answer = json!({ "pipeline": declaration.raw });
        pipeline.update(&mut self.shared, declaration);
        Ok(answer)
    }

    /// Reads the variables. `outcomes` is the emulator's own, and every other variable must be declared.
    fn variables(
        params: Params<'_>,
        declaration: &Declaration,
    ) -> Result<(Vec<(String, String)>, Script), ApiError> {
        let mut script = Script::default();
        let mut given = Map::new();
        let list = match params.0.get("variables") {
            None | Some(Value::Null) => &[][..],
            Some(list) => list
                .as_array()
                .ok_or_else(|| invalid("variables", "a list"))?
                .as_slice(),
        };
        for variable in list {
            let variable = Params(variable);
            let (name, value) = (variable.text("name")?, variable.text("value")?);
            if name == "outcomes" {
                script = Script::parse(value, declaration)
                    .map_err(|what| ApiError::new("ValidationException", what))?;
            } else if declaration
                .variables
                .iter()
                .any(|(declared, _)| declared == name)
            {
                given.insert(name.into(), value.into());
            } else {
                let what = format!("The pipeline declares no variable '{name}'.");
                return Err(ApiError::new("ValidationException", what));
            }
        }
        let mut resolved = Vec::new();
        for (name, default) in &declaration.variables {
            let value = given
                .get(name)
                .and_then(Value::as_str)
                .or(default.as_deref());
            let Some(value) = value else {
                let what = format!("Variable '{name}' has no default value and was not given.");
                return Err(ApiError::new("ValidationException", what));
            };
            resolved.push((name.clone(), value.to_owned()));
        }
        Ok((resolved, script))
    }

    fn start_pipeline_execution(&mut self, params: Params<'_>) -> Result<Value, ApiError> {
        let name = params.name("name")?;
        let token = params.optional_text("clientRequestToken")?;
        let (shared, pipeline) = self.opened(name)?;
        if let Some(id) = token.and_then(|token| pipeline.tokens.get(token)) {
            return Ok(json!({ "pipelineExecutionId": id }));
        }
        let declaration = Arc::clone(&pipeline.declaration);
        let (variables, script) = Self::variables(params, &declaration)?;
        pipeline.check_limit(shared, declaration.mode)?;
        let trigger = ("StartPipelineExecution", shared.user_arn("release"));
        let mut execution = Execution::new(shared, declaration, trigger);
        execution.variables = variables;
        execution.script = script;
        let id = pipeline.begin(shared, execution, 0);
        if let Some(token) = token {
            pipeline.tokens.insert(token.to_owned(), id.clone());
        }
        Ok(json!({ "pipelineExecutionId": id }))
    }

    fn stop_pipeline_execution(&mut self, params: Params<'_>) -> Result<Value, ApiError> {
        let name = params.name("pipelineName")?;
        let id = params.uuid("pipelineExecutionId")?;
        let abandon = params.flag("abandon")?;
        let reason = params.optional_text("reason")?.map(str::to_owned);
        if reason.as_ref().is_some_and(|it| it.chars().count() > 200) {
            return Err(invalid("reason", "length less than or equal to 200"));
        }
        let (shared, pipeline) = self.opened(name)?;
        pipeline.stop(shared, id, Stop { abandon, reason })?;
        Ok(json!({ "pipelineExecutionId": id }))
    }

    fn retry_stage_execution(&mut self, params: Params<'_>, by: By) -> Result<Value, ApiError> {
        let name = params.name("pipelineName")?;
        let stage = params.name("stageName")?;
        let id = params.uuid("pipelineExecutionId")?;
        let mode = params.choice(
            "retryMode",
            StageRetryMode::parse,
            "one of [FAILED_ACTIONS, ALL_ACTIONS]",
        )?;
        let (shared, pipeline) = self.opened(name)?;
        if pipeline.declaration.stage(stage).is_none() {
            return Err(stage_not_found(stage));
        }
        pipeline.retry_stage(shared, stage, id, mode, by)?;
        Ok(json!({ "pipelineExecutionId": id }))
    }

    fn put_approval_result(&mut self, params: Params<'_>, body: &Value) -> Result<Value, ApiError> {
        let name = params.name("pipelineName")?;
        let stage = params.name("stageName")?;
        let action = params.name("actionName")?;
        let token = params.uuid("token")?;
        let result = Params(body.get("result").unwrap_or(&Value::Null));
        let summary = result.text("summary")?.to_owned();
        if summary.chars().count() > 512 {
            return Err(invalid(
                "result.summary",
                "length less than or equal to 512",
            ));
        }
        let approved = result.choice(
            "status",
            |text| match text {
                "Approved" => Some(true),
                "Rejected" => Some(false),
                _ => None,
            },
            "one of [Approved, Rejected]",
        )?;
        let (shared, pipeline) = self.opened(name)?;
        let Some((_, declared)) = pipeline.declaration.stage(stage) else {
            return Err(stage_not_found(stage));
        };
        if declared.actions.iter().all(|it| it.name != action) {
            let what = format!("Stage '{stage}' has no action '{action}'.");
            return Err(ApiError::new("ActionNotFoundException", what));
        }
        let invalid_token = || {
            ApiError::new(
                "InvalidApprovalTokenException",
                "The token belongs to no approval that waits.",
            )
        };
        let (number, index) = *pipeline.approvals.get(token).ok_or_else(invalid_token)?;
        let execution = pipeline.executions.get(&number).ok_or_else(invalid_token)?;
        let run = execution.runs.get(index).ok_or_else(invalid_token)?;
        let declared = execution.declaration.action(run.stage, run.action);
        if execution.stage_name(run.stage) != stage || declared.is_none_or(|it| it.name != action) {
            return Err(invalid_token());
        }
        match run.status() {
            ActionStatus::InProgress => {}
            ActionStatus::Abandoned => return Err(invalid_token()),
            ActionStatus::Succeeded | ActionStatus::Failed => {
                return Err(ApiError::new(
                    "ApprovalAlreadyCompletedException",
                    "The approval has its answer already.",
                ));
            }
        }
        let outcome = if approved {
            // AWS: an approval names the approver, and a rejection has the reviewer's text (observed).
            let by = format!("Approved by {}", shared.user_arn("reviewer"));
            let result = ExternalResult {
                summary: Some(by),
                ..ExternalResult::default()
            };
            Outcome::Succeed {
                after_ms: None,
                result,
            }
        } else {
            let error = ErrorDetails {
                code: "JobFailed".into(),
                message: summary.clone(),
            };
            let result = ExternalResult {
                summary: Some(summary),
                ..ExternalResult::default()
            };
            Outcome::Fail {
                after_ms: None,
                error,
                result,
            }
        };
        pipeline.end_action(shared, number, index, outcome);
        Ok(json!({ "approvedAt": epoch_seconds(shared.now) }))
    }

    fn rollback_stage(&mut self, params: Params<'_>) -> Result<Value, ApiError> {
        let name = params.name("pipelineName")?;
        let stage = params.name("stageName")?;
        let target = params.uuid("targetPipelineExecutionId")?;
        let (shared, pipeline) = self.opened(name)?;
        if pipeline.declaration.stage(stage).is_none() {
            return Err(stage_not_found(stage));
        }
        let trigger = ("ManualRollback", shared.user_arn("release"));
        let id = pipeline.roll_back(shared, stage, target, trigger)?;
        Ok(json!({ "pipelineExecutionId": id }))
    }

    /// Enables or disables a transition. An outbound transition is the next stage's inbound one.
    fn change_transition(&mut self, params: Params<'_>, disable: bool) -> Result<Value, ApiError> {
        let name = params.name("pipelineName")?;
        let stage = params.name("stageName")?;
        let kind = params.text("transitionType")?;
        let outbound = match kind {
            "Inbound" => false,
            "Outbound" => true,
            _ => return Err(invalid("transitionType", "one of [Inbound, Outbound]")),
        };
        let reason = if disable {
            Some(params.text("reason")?)
        } else {
            None
        };
        if reason.is_some_and(|it| it.is_empty() || it.len() > 300) {
            return Err(invalid("reason", "between 1 and 300 characters"));
        }
        let (shared, pipeline) = self.opened(name)?;
        let declaration = Arc::clone(&pipeline.declaration);
        let (index, _) = declaration
            .stage(stage)
            .ok_or_else(|| stage_not_found(stage))?;
        let target = declaration
            .stages
            .get(if outbound { index + 1 } else { index });
        let Some(lane) = target.and_then(|it| pipeline.lanes.get_mut(&it.name)) else {
            return Ok(json!({}));
        };
        let disabled = reason.map(|it| (it.to_owned(), shared.user_arn("release"), shared.now));
        lane.transition.set(
            shared.now,
            shared.options.state_lag_ms,
            Transition { disabled },
        );
        let first = lane.inbound.now().first().copied();
        let waiting = first.and_then(|it| Some((it, pipeline.executions.get(&it)?.waiting?)));
        if let (Some((number, stage)), false) = (waiting, disable) {
            pipeline.admit(shared, number, stage);
        }
        Ok(json!({}))
    }
}
