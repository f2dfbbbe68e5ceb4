//! The form of pipelines, executions and action runs in answers.

use serde_json::{Map, Value, json};

use super::declaration::ExecutionMode;
use super::execution::{
    ActionRun, ActionStatus, Execution, ExecutionStatus, RetryMetadata, StageRun,
};
use super::options::ParallelState;
use super::pipeline::{Lane, Pipeline};
use super::script::ErrorDetails;
use super::shared::SharedState;
use crate::dates::epoch_seconds;

pub(super) fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.into(), value.into());
    }
}

pub(super) fn common(execution: &Execution) -> Map<String, Value> {
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

pub(super) fn summary(execution: &Execution) -> Value {
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

/// Returns one stage of `GetPipelineState`, as of a moment ago if reads lag.
pub(super) fn stage_state<'a>(
    shared: &SharedState,
    pipeline: &Pipeline,
    name: &str,
    lane: &Lane,
    actions: impl Iterator<Item = &'a str>,
) -> Value {
    let moment = if shared.options.state_is_fresh {
        shared.now
    } else {
        shared.shown()
    };
    let blank = pipeline.declaration.mode == ExecutionMode::Parallel
        && shared.options.parallel_state == ParallelState::Blank;
    let mut members = Map::new();
    members.insert("stageName".into(), name.into());
    let brief = |execution: &Execution, status: &str| {
        let mut brief = Map::new();
        brief.insert("pipelineExecutionId".into(), execution.id.as_str().into());
        brief.insert("status".into(), status.into());
        if shared.options.state_shows_execution_type {
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

/// Returns `retryStageMetadata`, which is absent if the stage was never retried (observed).
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
    // AWS: the text of a CodeBuild failure is in errorDetails.message and nowhere else (observed).
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

fn error_details(error: Option<&ErrorDetails>) -> Option<Value> {
    error.map(|it| json!({ "code": it.code, "message": it.message }))
}

/// Returns one row of `ListActionExecutions`.
pub(super) fn row(
    shared: &SharedState,
    execution: &Execution,
    run: &ActionRun,
    moment: u64,
) -> Value {
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
    let region = declared.region.as_ref().unwrap_or(&shared.place.region);
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
