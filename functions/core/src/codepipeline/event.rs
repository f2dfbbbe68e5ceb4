//! Parses the events of CodePipeline: Pipeline, Stage and Action Execution State Change.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use serde::Deserialize;

use crate::arn::{Arn, is_name, partition_of};
use crate::event::parsed::{
    AllowedSources, Completion, CompletionKind, Envelope, Ignored, ParsedEvent, agree,
};
use crate::failure::{FailedAction, FailedStage, Failure, FailureDetail, Field, Subject};
use crate::time::Time;
use crate::tolerant::{Malformed, Number, Object, Slot, Text};
use crate::verdict::Reason;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Detail<'a> {
    #[serde(borrow, default)]
    pipeline: Slot<Text<'a>>,
    #[serde(borrow, default)]
    execution_id: Slot<Text<'a>>,
    #[serde(borrow, default)]
    state: Slot<Text<'a>>,
    #[serde(borrow, default)]
    stage: Slot<Text<'a>>,
    #[serde(borrow, default)]
    stage_last_retry_attempt_time: Slot<Text<'a>>,
    #[serde(default)]
    pipeline_execution_attempt: Slot<Number>,
    #[serde(borrow, default)]
    action: Slot<Text<'a>>,
    #[serde(borrow, default)]
    action_execution_id: Slot<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    action_type: Slot<Object<ActionType<'a>>>,
    #[serde(borrow, default)]
    execution_result: Slot<Object<ExecutionResult<'a>>>,
}

#[derive(Deserialize)]
struct ActionType<'a> {
    #[serde(borrow, default)]
    category: Slot<Text<'a>>,
    #[serde(borrow, default)]
    provider: Slot<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ExecutionResult<'a> {
    #[serde(borrow, default)]
    external_execution_summary: Slot<Text<'a>>,
    #[serde(borrow, default)]
    error_code: Slot<Text<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Pipeline,
    Stage,
    Action,
}

impl Level {
    pub(crate) fn of(detail_type: &str) -> Option<Self> {
        Some(match detail_type {
            "CodePipeline Pipeline Execution State Change" => Self::Pipeline,
            "CodePipeline Stage Execution State Change" => Self::Stage,
            "CodePipeline Action Execution State Change" => Self::Action,
            _ => return None,
        })
    }
}

pub(crate) fn parse(
    envelope: &Envelope<'_>,
    detail: &Detail<'_>,
    level: Level,
    sources: &AllowedSources,
) -> Result<ParsedEvent, Malformed> {
    let name = |slot: &Slot<Text<'_>>, place: &str| -> Result<String, Malformed> {
        let text = slot.require(place)?;
        // A text that is no valid name must not become part of an ARN.
        if is_name(text) {
            Ok(text.to_owned())
        } else {
            Err(Malformed::new(
                place,
                "it is not a name of 1 to 100 letters, digits and . @ - _",
            ))
        }
    };
    let resource = envelope
        .resources
        .0
        .as_ref()
        .and_then(|resources| resources.first())
        .map(Text::as_str);
    let arn = resource.and_then(|text| Arn::parse(text).ok());
    let account = match (envelope.account.known(), arn) {
        (Some(account), _) => account,
        (None, Some(arn)) => arn.account,
        (None, None) => return Err(Malformed::new("account", "it is missing")),
    };
    let region = match (envelope.region.known(), arn) {
        (Some(region), _) => region,
        (None, Some(arn)) => arn.region,
        (None, None) => return Err(Malformed::new("region", "it is missing")),
    };
    let partition = arn.map_or_else(|| partition_of(region), |arn| arn.partition);
    // The parts of the event become an ARN to act on, so they must form a valid one.
    let pipeline = name(&detail.pipeline, "detail.pipeline")?;
    Arn::parse(&format!(
        "arn:{partition}:codepipeline:{region}:{account}:{pipeline}"
    ))
    .map_err(|why| Malformed::new("account, region", format!("they make no ARN: {why}")))?;
    if let Some(arn) = arn {
        agree("account", Some(account), arn.account, "resources[0]")?;
        agree("region", Some(region), arn.region, "resources[0]")?;
    }
    let at = envelope.time.known().and_then(Time::parse);
    if let Some(reason) = sources.reason_to_ignore(account, region) {
        return Ok(ParsedEvent::Ignored(Ignored {
            reason,
            subject: None,
            at,
        }));
    }
    let state = detail.state.require("detail.state")?;
    // Every stage event after a retry contains the time of the last retry.
    let retried = detail.stage_last_retry_attempt_time.known().is_some()
        || detail
            .pipeline_execution_attempt
            .get()
            .is_some_and(|attempt| attempt.as_f64() > 1.0);
    let completion = match (level, state) {
        (Level::Stage, "SUCCEEDED") if retried => Some(CompletionKind::Succeeded),
        (Level::Stage, "STOPPED" | "CANCELED") if retried => Some(CompletionKind::Terminated),
        _ => None,
    };
    if let (None, Some(reason)) = (completion, no_failure(level, state)) {
        // The event is ignored anyway, so its names may be malformed.
        let names = (name(&detail.stage, ""), name(&detail.execution_id, ""));
        let subject = match names {
            (Ok(stage), Ok(execution_id)) if level != Level::Pipeline => Some(Subject::stage(
                partition,
                region,
                account,
                &pipeline,
                &stage,
                &execution_id,
            )),
            _ => None,
        };
        return Ok(ParsedEvent::Ignored(Ignored {
            reason,
            subject,
            at,
        }));
    }
    let execution_id = name(&detail.execution_id, "detail.execution-id")?;
    let stage = name(&detail.stage, "detail.stage")?;
    let subject = Subject::stage(partition, region, account, &pipeline, &stage, &execution_id);
    let Some(at) = at else {
        return Err(Malformed::new("time", "it is missing, or no time"));
    };
    if let Some(kind) = completion {
        return Ok(ParsedEvent::Completion(Completion {
            subject,
            at,
            kind,
            redrive_count: None,
        }));
    }

    let announced = if level == Level::Action {
        let action_type = detail.action_type.get();
        let result = detail.execution_result.get();
        let of = |slot: Option<&Slot<Text<'_>>>| {
            Field::from_option(slot.and_then(Slot::known).map(ToOwned::to_owned))
        };
        Some(FailedAction {
            action: name(&detail.action, "detail.action")?,
            id: detail.action_execution_id.known().map(ToOwned::to_owned),
            category: of(action_type.map(|t| &t.0.category)),
            provider: of(action_type.map(|t| &t.0.provider)),
            error_code: of(result.map(|r| &r.0.error_code)),
            summary: of(result.map(|r| &r.0.external_execution_summary)),
        })
    } else {
        None
    };
    let failed = FailedStage {
        announced,
        snapshot: Field::Unknown,
    };
    Ok(ParsedEvent::Failure(Failure {
        subject,
        at,
        detail: FailureDetail::Stage(failed),
    }))
}

/// Returns the reason to ignore an event with this state. Returns `None` if the state is a failure to judge.
fn no_failure(level: Level, state: &str) -> Option<Reason> {
    Some(match state {
        // A pipeline's own FAILED event adds nothing to its stage's FAILED event.
        "FAILED" if level == Level::Pipeline => Reason::SupersededByStageEvent,
        "FAILED" => return None,
        "SUCCEEDED" => Reason::Succeeded,
        "STARTED" | "RESUMED" => Reason::Running,
        "STOPPING" => Reason::Stopping,
        "STOPPED" | "ABANDONED" => Reason::Stopped,
        "CANCELED" => Reason::Canceled,
        "SUPERSEDED" => Reason::Superseded,
        _ => Reason::UnknownStatus,
    })
}
