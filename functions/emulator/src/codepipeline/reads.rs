//! The operations that only read.

use serde_json::{Map, Value, json};

use super::CodePipeline;
use super::execution::{
    ActionRun, ActionStatus, Execution, ExecutionStatus, RetryMetadata, StageRun,
};
use super::operations::pipeline_not_found;
use super::options::ParallelState;
use super::params::{Params, is_uuid};
use super::pipeline::{ExecutionMode, Lane, Pipeline, invalid};
use super::world::World;
use crate::api::ApiError;
use crate::dates::epoch_seconds;

fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.into(), value.into());
    }
}

impl CodePipeline {
    fn named(&self, name: &str) -> Result<&Pipeline, ApiError> {
        self.pipelines
            .get(name)
            .ok_or_else(|| pipeline_not_found(name))
    }

    pub(super) fn get_pipeline(&self, params: Params<'_>) -> Result<Value, ApiError> {
        let pipeline = self.named(params.name("name")?)?;
        let declaration = match params.0.get("version") {
            None | Some(Value::Null) => &pipeline.declaration,
            Some(version) => {
                let wanted = version.as_u64().filter(|it| *it >= 1);
                let wanted =
                    wanted.ok_or_else(|| invalid("version", "an integer of at least 1"))?;
                let found = u32::try_from(wanted)
                    .ok()
                    .and_then(|it| pipeline.versions.get(&it));
                found.ok_or_else(|| {
                    let what = format!("Pipeline '{}' has no version {wanted}.", pipeline.name);
                    ApiError::new("PipelineVersionNotFoundException", what)
                })?
            }
        };
        Ok(json!({
            "pipeline": declaration.raw,
            "metadata": {
                "pipelineArn": self.world.arn(&pipeline.name),
                "created": epoch_seconds(pipeline.created),
                "updated": epoch_seconds(pipeline.updated),
            },
        }))
    }

    pub(super) fn list_pipelines(&self, params: Params<'_>) -> Result<Value, ApiError> {
        let most = params.max_results(1000)?;
        let from = params.position("pipelines")?.unwrap_or(0);
        let mut rest = self.pipelines.values().skip(from);
        let list: Vec<Value> = rest.by_ref().take(most).map(Pipeline::summary).collect();
        let next = rest
            .next()
            .map(|_| format!("pipelines-{}", from + list.len()));
        let mut answer = Map::from_iter([("pipelines".to_owned(), Value::from(list))]);
        put(&mut answer, "nextToken", next);
        Ok(answer.into())
    }

    pub(super) fn get_pipeline_state(&self, params: Params<'_>) -> Result<Value, ApiError> {
        let pipeline = self.named(params.name("name")?)?;
        let stages = pipeline.declaration.stages.iter().filter_map(|stage| {
            let lane = pipeline.lanes.get(&stage.name)?;
            let names = stage.actions.iter().map(|it| it.name.as_str());
            Some(stage_state(&self.world, pipeline, &stage.name, lane, names))
        });
        Ok(json!({
            "pipelineName": &*pipeline.name,
            "pipelineVersion": pipeline.declaration.version,
            "stageStates": stages.collect::<Vec<_>>(),
            "created": epoch_seconds(pipeline.created),
            "updated": epoch_seconds(pipeline.updated),
        }))
    }

    pub(super) fn get_pipeline_execution(&self, params: Params<'_>) -> Result<Value, ApiError> {
        let pipeline = self.named(params.name("pipelineName")?)?;
        let execution = found(pipeline, params.uuid("pipelineExecutionId")?)?;
        let mut answer = common(execution);
        answer.insert("pipelineName".into(), (*pipeline.name).into());
        answer.insert(
            "pipelineVersion".into(),
            execution.declaration.version.into(),
        );
        answer.insert("artifactRevisions".into(), json!([]));
        let variables = execution.variables.iter();
        let variables =
            variables.map(|(name, value)| json!({"name": name, "resolvedValue": value}));
        answer.insert("variables".into(), variables.collect());
        Ok(json!({ "pipelineExecution": answer }))
    }

    pub(super) fn list_pipeline_executions(&self, params: Params<'_>) -> Result<Value, ApiError> {
        let pipeline = self.named(params.name("pipelineName")?)?;
        let most = params.max_results(100)?;
        let below = params
            .position("executions")?
            .map_or(Ok(u64::MAX), u64::try_from)
            .unwrap_or(u64::MAX);
        let stage = params
            .0
            .pointer("/filter/succeededInStage/stageName")
            .and_then(Value::as_str);
        let mut rest = pipeline
            .executions
            .range(..below)
            .rev()
            .filter(|(_, execution)| {
                stage.is_none_or(|stage| {
                    let index = execution.declaration.stage(stage).map(|(index, _)| index);
                    let run = index.and_then(|it| execution.stage(it));
                    run.is_some_and(|it| it.status() == super::StageStatus::Succeeded)
                })
            });
        let mut list = Vec::new();
        let mut last = 0;
        for (number, execution) in rest.by_ref().take(most) {
            list.push(summary(execution));
            last = *number;
        }
        let mut answer = Map::new();
        put(
            &mut answer,
            "nextToken",
            rest.next().map(|_| format!("executions-{last}")),
        );
        answer.insert("pipelineExecutionSummaries".into(), list.into());
        Ok(answer.into())
    }

    pub(super) fn list_action_executions(&self, params: Params<'_>) -> Result<Value, ApiError> {
        let pipeline = self.named(params.name("pipelineName")?)?;
        let most = params.max_results(100)?;
        let below = params.position("actions")?.unwrap_or(usize::MAX);
        let (wanted, latest_only) = filter(params)?;
        let moment = self.world.shown();
        let visible = |run: &&ActionRun| run.row < below && run.state.at(moment).is_some();
        let mut list = Vec::new();
        let (mut last, mut more) = (0, false);
        let mut take = |execution: &Execution, run: &ActionRun| {
            more = list.len() == most;
            if !more {
                list.push(row(&self.world, execution, run, moment));
                last = run.row;
            }
            !more
        };
        if let Some(id) = wanted {
            let execution = found(pipeline, id)?;
            let mut seen = std::collections::BTreeSet::new();
            // Newest first, so the first row of an action is its latest.
            let newest_first = execution.runs.iter().rev().filter(|run| {
                run.state.at(moment).is_some()
                    && (!latest_only || seen.insert((run.stage, run.action)))
            });
            for run in newest_first.filter(visible) {
                if !take(execution, run) {
                    break;
                }
            }
        } else {
            let end = below.min(pipeline.rows.len());
            for (number, index) in pipeline.rows.iter().take(end).rev() {
                let Some(execution) = pipeline.executions.get(number) else {
                    continue;
                };
                let run = execution.runs.get(*index).filter(visible);
                if run.is_some_and(|run| !take(execution, run)) {
                    break;
                }
            }
        }
        let mut answer = Map::new();
        put(
            &mut answer,
            "nextToken",
            more.then(|| format!("actions-{last}")),
        );
        answer.insert("actionExecutionDetails".into(), list.into());
        Ok(answer.into())
    }
}

/// The execution a filter asks for, and whether only the latest run of each action is wanted.
fn filter(params: Params<'_>) -> Result<(Option<&str>, bool), ApiError> {
    let filter = match params.0.get("filter") {
        None | Some(Value::Null) => return Ok((None, false)),
        Some(filter) => Params(filter),
    };
    let id = filter.optional_text("pipelineExecutionId")?;
    let latest = filter
        .0
        .get("latestInPipelineExecution")
        .filter(|it| !it.is_null())
        .map(Params);
    let Some(latest) = latest else {
        if id.is_some_and(|it| !is_uuid(it)) {
            return Err(invalid("filter.pipelineExecutionId", "a lower-case UUID"));
        }
        return Ok((id, false));
    };
    if id.is_some() {
        return Err(invalid(
            "filter",
            "one of pipelineExecutionId and latestInPipelineExecution",
        ));
    }
    let of = latest.uuid("pipelineExecutionId")?;
    match latest.text("startTimeRange")? {
        "Latest" => Ok((Some(of), true)),
        "All" => Ok((Some(of), false)),
        _ => Err(invalid(
            "filter.latestInPipelineExecution.startTimeRange",
            "one of [Latest, All]",
        )),
    }
}

fn found<'a>(pipeline: &'a Pipeline, id: &str) -> Result<&'a Execution, ApiError> {
    pipeline
        .find(id)
        .map(|(_, execution)| execution)
        .ok_or_else(|| {
            ApiError::new(
                "PipelineExecutionNotFoundException",
                format!("Pipeline '{}' has no execution '{id}'.", pipeline.name),
            )
        })
}

fn common(execution: &Execution) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("pipelineExecutionId".into(), execution.id.as_str().into());
    members.insert("status".into(), execution.status.as_str().into());
    members.insert(
        "executionMode".into(),
        execution.declaration.mode.as_str().into(),
    );
    members.insert("executionType".into(), execution.kind.as_str().into());
    let (kind, by) = &execution.trigger;
    members.insert(
        "trigger".into(),
        json!({ "triggerType": kind, "triggerDetail": by }),
    );
    if let Some(target) = &execution.rollback_target {
        let metadata = json!({ "rollbackTargetPipelineExecutionId": target });
        members.insert("rollbackMetadata".into(), metadata);
    }
    members
}

fn summary(execution: &Execution) -> Value {
    let mut members = common(execution);
    members.insert("startTime".into(), epoch_seconds(execution.started));
    members.insert("lastUpdateTime".into(), epoch_seconds(execution.updated));
    members.insert("sourceRevisions".into(), json!([]));
    let reason = execution.stop.as_ref().and_then(|it| it.reason.as_deref());
    put(
        &mut members,
        "stopTrigger",
        reason.map(|it| json!({ "reason": it })),
    );
    members.into()
}

/// One stage of `GetPipelineState`, as it was a moment ago if reads lag.
fn stage_state<'a>(
    world: &World,
    pipeline: &Pipeline,
    name: &str,
    lane: &Lane,
    actions: impl Iterator<Item = &'a str>,
) -> Value {
    let moment = if world.options.state_is_fresh {
        world.now
    } else {
        world.shown()
    };
    let blank = pipeline.declaration.mode == ExecutionMode::Parallel
        && world.options.parallel_state == ParallelState::Blank;
    let mut members = Map::new();
    members.insert("stageName".into(), name.into());
    let brief = |execution: &Execution, status: &str| {
        let mut brief = Map::new();
        brief.insert("pipelineExecutionId".into(), execution.id.as_str().into());
        brief.insert("status".into(), status.into());
        if world.options.state_shows_execution_type {
            brief.insert("type".into(), execution.kind.as_str().into());
        }
        Value::Object(brief)
    };
    let waiting = lane
        .inbound
        .at(moment)
        .filter(|_| !blank)
        .map_or(&[][..], Vec::as_slice);
    let waiting = waiting.iter().filter_map(|it| pipeline.executions.get(it));
    let waiting: Vec<Value> = waiting
        .map(|it| brief(it, ExecutionStatus::InProgress.as_str()))
        .collect();
    put(&mut members, "inboundExecution", waiting.first().cloned());
    members.insert("inboundExecutions".into(), waiting.into());
    let transition = match lane
        .transition
        .at(moment)
        .and_then(|it| it.disabled.as_ref())
    {
        None => json!({ "enabled": true }),
        Some((reason, by, at)) => json!({
            "enabled": false,
            "lastChangedBy": by,
            "lastChangedAt": epoch_seconds(*at),
            "disabledReason": reason,
        }),
    };
    members.insert("inboundTransitionState".into(), transition);
    let actions = actions.map(|action| {
        let mut state = Map::from_iter([("actionName".to_owned(), Value::from(action))]);
        let latest = lane
            .runs
            .get(action)
            .and_then(|it| it.at(moment))
            .filter(|_| !blank);
        let run = latest.and_then(|(number, index)| {
            let execution = pipeline.executions.get(number)?;
            latest_execution(execution, execution.runs.get(*index)?, moment)
        });
        put(&mut state, "latestExecution", run);
        Value::Object(state)
    });
    members.insert("actionStates".into(), actions.collect());
    let latest = lane.latest.at(moment).copied().flatten().filter(|_| !blank);
    let execution = latest.and_then(|it| pipeline.executions.get(&it));
    let index = execution
        .and_then(|it| it.declaration.stage(name))
        .map(|(index, _)| index);
    if let (Some(execution), Some(index)) = (execution, index)
        && let Some(state) = execution
            .stage(index)
            .and_then(|it: &StageRun| it.state.at(moment))
    {
        members.insert(
            "latestExecution".into(),
            brief(execution, state.status.as_str()),
        );
        put(
            &mut members,
            "retryStageMetadata",
            retry_metadata(state.retry),
        );
        for (key, outcome) in [
            ("beforeEntryConditionState", &state.before_entry),
            ("onSuccessConditionState", &state.on_success),
        ] {
            if let Some((met, why)) = outcome {
                let mut latest = Map::new();
                latest.insert(
                    "status".into(),
                    if *met { "Succeeded" } else { "Failed" }.into(),
                );
                put(&mut latest, "summary", why.as_deref());
                members.insert(key.into(), json!({ "latestExecution": latest }));
            }
        }
    }
    members.into()
}

/// Absent when the stage was never retried (observed).
fn retry_metadata(retry: RetryMetadata) -> Option<Value> {
    let trigger = retry.latest_retry_trigger?;
    let mut members = Map::new();
    let counted = |count: u32| (count > 0).then_some(count);
    put(
        &mut members,
        "autoStageRetryAttempt",
        counted(retry.auto_stage_retry_attempt),
    );
    put(
        &mut members,
        "manualStageRetryAttempt",
        counted(retry.manual_stage_retry_attempt),
    );
    members.insert("latestRetryTrigger".into(), trigger.as_str().into());
    Some(members.into())
}

fn latest_execution(execution: &Execution, run: &ActionRun, moment: u64) -> Option<Value> {
    let state = run.state.at(moment)?;
    let declared = execution.declaration.action(run.stage, run.action)?;
    let mut members = Map::new();
    members.insert("actionExecutionId".into(), run.id.as_str().into());
    members.insert("status".into(), state.status.as_str().into());
    let ended = state.status != ActionStatus::InProgress;
    let changed = if ended {
        run.state.since()
    } else {
        run.started
    };
    members.insert("lastStatusChange".into(), epoch_seconds(changed));
    // On a CodeBuild failure the text is in errorDetails.message and nowhere else (observed).
    let hidden = declared.provider == "CodeBuild" && state.status == ActionStatus::Failed;
    put(
        &mut members,
        "summary",
        state.result.summary.as_deref().filter(|_| !hidden),
    );
    put(
        &mut members,
        "externalExecutionId",
        state.result.id.as_deref(),
    );
    put(
        &mut members,
        "externalExecutionUrl",
        state.result.url.as_deref(),
    );
    put(
        &mut members,
        "errorDetails",
        error_details(state.error.as_deref()),
    );
    if declared.is_approval() && !ended {
        members.insert("token".into(), run.id.as_str().into());
    }
    Some(members.into())
}

fn error_details(error: Option<&super::ErrorDetails>) -> Option<Value> {
    error.map(|it| json!({ "code": it.code, "message": it.message }))
}

/// One row of `ListActionExecutions`.
fn row(world: &World, execution: &Execution, run: &ActionRun, moment: u64) -> Value {
    let state = run.state.at(moment).unwrap_or_else(|| run.state.now());
    let Some(declared) = execution.declaration.action(run.stage, run.action) else {
        return Value::Null;
    };
    let mut result = Map::new();
    let error = state.error.as_deref();
    let summary = state
        .result
        .summary
        .as_deref()
        .or_else(|| error.map(|it| it.message.as_str()));
    put(
        &mut result,
        "externalExecutionId",
        state.result.id.as_deref(),
    );
    put(&mut result, "externalExecutionSummary", summary);
    put(
        &mut result,
        "externalExecutionUrl",
        state.result.url.as_deref(),
    );
    put(&mut result, "errorDetails", error_details(error));
    let ended = state.status != ActionStatus::InProgress;
    let updated = if ended {
        run.state.since()
    } else {
        run.started
    };
    let region = declared.region.as_ref().unwrap_or(&world.place.region);
    json!({
        "pipelineExecutionId": execution.id,
        "actionExecutionId": run.id,
        "pipelineVersion": execution.declaration.version,
        "stageName": execution.stage_name(run.stage),
        "actionName": declared.name,
        "startTime": epoch_seconds(run.started),
        "lastUpdateTime": epoch_seconds(updated),
        "status": state.status.as_str(),
        "input": {
            "actionTypeId": declared.type_id(),
            "configuration": declared.configuration,
            "resolvedConfiguration": declared.configuration,
            "region": region,
            "inputArtifacts": named(&declared.input_artifacts),
        },
        "output": {
            "outputArtifacts": named(if ended { &declared.output_artifacts } else { &[] }),
            "executionResult": result,
            "outputVariables": {},
        },
    })
}

fn named(artifacts: &[String]) -> Vec<Value> {
    artifacts.iter().map(|it| json!({ "name": it })).collect()
}
