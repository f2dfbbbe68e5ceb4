//! The operations that only read.

use serde_json::{Map, Value, json};

use super::CodePipeline;
use super::answers::{common, put, row, stage_state, summary};
use super::declaration::invalid;
use super::execution::{ActionRun, Execution};
use super::operations::pipeline_not_found;
use super::params::{Params, is_uuid};
use super::pipeline::Pipeline;
use crate::api::ApiError;
use crate::dates::epoch_seconds;

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
                "pipelineArn": self.shared.arn(&pipeline.name),
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
            Some(stage_state(
                &self.shared,
                pipeline,
                &stage.name,
                lane,
                names,
            ))
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
        let moment = self.shared.shown();
        let visible = |run: &&ActionRun| run.row < below && run.state.at(moment).is_some();
        let mut list = Vec::new();
        let (mut last, mut more) = (0, false);
        let mut take = |execution: &Execution, run: &ActionRun| {
            more = list.len() == most;
            if !more {
                list.push(row(&self.shared, execution, run, moment));
                last = run.row;
            }
            !more
        };
        if let Some(id) = wanted {
            let execution = found(pipeline, id)?;
            let mut seen = std::collections::BTreeSet::new();
            // The rows are newest first, so the first row of an action is its latest.
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

/// Returns the execution in a filter, and whether the filter wants only the latest run of each action.
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
