//! The three kinds of events, as EventBridge delivers them.
//!
//! AWS: numbers are float literals (`3.0`), `type.version` is a string, and `resources` names the pipeline without a
//! `pipeline/` segment (observed).

use serde_json::{Map, Value, json};

use super::execution::{ActionRun, Execution};
use super::shared::SharedState;
use crate::api::Emitted;
use crate::dates::{rfc3339, rfc3339_millis};

/// The state that an event announces, in the spelling of events: CANCELED, not Cancelled (documented).
pub(super) type State = &'static str;

fn common(execution: &Execution, state: State, attempt: u32) -> Map<String, Value> {
    let mut detail = Map::new();
    detail.insert(
        "pipeline".into(),
        execution.declaration.name.as_str().into(),
    );
    detail.insert("execution-id".into(), execution.id.as_str().into());
    detail.insert("state".into(), state.into());
    detail.insert(
        "version".into(),
        f64::from(execution.declaration.version).into(),
    );
    detail.insert(
        "pipeline-execution-attempt".into(),
        f64::from(attempt).into(),
    );
    detail
}

pub(super) fn pipeline(shared: &mut SharedState, execution: &Execution, state: State) {
    let mut detail = common(execution, state, execution.attempt);
    if state != "RESUMED" {
        detail.insert(
            "start-time".into(),
            rfc3339_millis(execution.started).into(),
        );
    }
    if state == "STARTED" {
        let (kind, by) = &execution.trigger;
        let trigger = json!({ "trigger-type": kind, "trigger-detail": by });
        detail.insert("execution-trigger".into(), trigger);
    }
    let reason = execution.stop.as_ref().and_then(|it| it.reason.as_deref());
    if let (Some(reason), "STOPPING") = (reason, state) {
        detail.insert("stop-execution-comments".into(), reason.into());
    }
    emit(shared, "Pipeline", execution, detail);
}

pub(super) fn stage(shared: &mut SharedState, execution: &Execution, stage: usize, state: State) {
    let zero = shared.options.first_stage_started_attempt_zero && stage == 0 && state == "STARTED";
    let mut detail = common(execution, state, if zero { 0 } else { execution.attempt });
    detail.insert("stage".into(), execution.stage_name(stage).into());
    if let (Some(run), true) = (execution.stage(stage), state != "RESUMED") {
        detail.insert("start-time".into(), rfc3339_millis(run.started).into());
    }
    if let Some(at) = execution.last_retry {
        detail.insert(
            "stage-last-retry-attempt-time".into(),
            rfc3339_millis(at).into(),
        );
    }
    emit(shared, "Stage", execution, detail);
}

pub(super) fn action(
    shared: &mut SharedState,
    execution: &Execution,
    run: &ActionRun,
    state: State,
) {
    let Some(declared) = execution.declaration.action(run.stage, run.action) else {
        return;
    };
    let attempt = if shared.options.action_events_count_attempts {
        execution.attempt
    } else {
        1
    };
    let mut detail = common(execution, state, attempt);
    detail.insert("start-time".into(), rfc3339_millis(run.started).into());
    detail.insert("stage".into(), execution.stage_name(run.stage).into());
    detail.insert("action-execution-id".into(), run.id.as_str().into());
    detail.insert("action".into(), declared.name.as_str().into());
    let region = declared.region.as_ref().unwrap_or(&shared.place.region);
    detail.insert("region".into(), region.as_str().into());
    detail.insert("type".into(), declared.type_id());
    let artifacts = |names: &[String]| {
        let list: Vec<Value> = names.iter().map(|name| artifact(execution, name)).collect();
        (!list.is_empty()).then_some(Value::from(list))
    };
    match state {
        "STARTED" => {
            if let Some(list) = artifacts(&declared.input_artifacts) {
                detail.insert("input-artifacts".into(), list);
            }
        }
        "SUCCEEDED" => {
            detail.insert("execution-result".into(), result(run));
            if let Some(list) = artifacts(&declared.output_artifacts) {
                detail.insert("output-artifacts".into(), list);
            }
        }
        "FAILED" => {
            detail.insert("execution-result".into(), result(run));
        }
        _ => {}
    }
    emit(shared, "Action", execution, detail);
}

/// Returns `execution-result`, in which every key is optional (documented). The summary is the failure's text that
/// the API shows in `errorDetails.message` (observed).
fn result(run: &ActionRun) -> Value {
    let state = run.state.now();
    let mut members = Map::new();
    let error = state.error.as_deref();
    let summary = state
        .result
        .summary
        .as_deref()
        .or_else(|| error.map(|it| it.message.as_str()));
    for (key, value) in [
        ("external-execution-url", state.result.url.as_deref()),
        (
            "external-execution-summary",
            summary.filter(|it| !it.is_empty()),
        ),
        ("external-execution-id", state.result.id.as_deref()),
        ("error-code", error.map(|it| it.code.as_str())),
    ] {
        if let Some(value) = value {
            members.insert(key.into(), value.into());
        }
    }
    Value::Object(members)
}

/// Returns an artifact's location: pipeline and artifact name cut to 20 and 10 characters (observed), then a key.
fn artifact(execution: &Execution, name: &str) -> Value {
    let cut = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    let key = format!(
        "{}/{}/{}",
        cut(&execution.declaration.name, 20),
        cut(name, 10),
        cut(&execution.id, 7)
    );
    json!({ "name": name, "s3location": { "bucket": execution.declaration.bucket, "key": key } })
}

fn emit(shared: &mut SharedState, level: &str, execution: &Execution, detail: Map<String, Value>) {
    let event = json!({
        "version": "0",
        "id": shared.ids.uuid(),
        "detail-type": format!("CodePipeline {level} Execution State Change"),
        "source": "aws.codepipeline",
        "account": shared.place.account,
        "time": rfc3339(shared.now),
        "region": shared.place.region,
        "resources": [shared.arn(&execution.declaration.name)],
        "detail": detail,
    });
    shared.events.push(Emitted {
        at: shared.now,
        event,
    });
}
