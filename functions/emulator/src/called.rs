//! The emulator's record of calls, as JSON: the target and the real effect of each call, even if its answer was lost.

use serde_json::{Map, Value};

use crate::codepipeline::{self, CallOutcome};
use crate::region::Region;
use crate::stepfunctions::{self, Effect};

/// Returns every call of a region, the calls of each service oldest first.
///
/// Each call has `at` in milliseconds since the epoch, `operation`, `effect` and `answered`. If present, a call also
/// has `arn`, `clientToken`, `pipelineName`, `stageName`, `pipelineExecutionId` and the code of the `error`.
pub(crate) fn of(region: &Region) -> Vec<Value> {
    let executions = region.stepfunctions.calls().iter().map(of_execution);
    let stages = region.codepipeline.calls().iter();
    let stages = stages
        .filter(|call| call.by == codepipeline::By::Api)
        .map(of_stage);
    executions.chain(stages).collect()
}

fn of_execution(call: &stepfunctions::Call) -> Value {
    let (effect, error) = match &call.effect {
        Effect::Done => ("done", None),
        Effect::Replayed => ("replayed", None),
        Effect::Refused(code) => ("refused", Some(code.as_str())),
        Effect::NotReceived => ("not_received", None),
    };
    line(
        call.at,
        effect,
        call.answered,
        [
            ("operation", Some(&*call.operation)),
            ("arn", call.arn.as_deref()),
            ("clientToken", call.token.as_deref()),
            ("error", error),
        ],
    )
}

fn of_stage(call: &codepipeline::Call) -> Value {
    let (effect, error, answered) = match &call.outcome {
        CallOutcome::Done => ("done", None, true),
        CallOutcome::Refused(code) => ("refused", Some(code.as_str()), true),
        CallOutcome::RequestLost => ("not_received", None, false),
        CallOutcome::AnswerLost(Ok(())) => ("done", None, false),
        CallOutcome::AnswerLost(Err(code)) => ("refused", Some(code.as_str()), false),
    };
    line(
        call.at,
        effect,
        answered,
        [
            ("operation", Some(call.operation.as_str())),
            ("pipelineName", call.pipeline.as_deref()),
            ("stageName", call.stage.as_deref()),
            ("pipelineExecutionId", call.execution.as_deref()),
            ("error", error),
        ],
    )
}

fn line<const N: usize>(
    at: u64,
    effect: &str,
    answered: bool,
    words: [(&str, Option<&str>); N],
) -> Value {
    let mut line: Map<String, Value> = words
        .into_iter()
        .filter_map(|(name, word)| Some((name.to_owned(), word?.into())))
        .collect();
    line.insert("at".into(), at.into());
    line.insert("effect".into(), effect.into());
    line.insert("answered".into(), answered.into());
    Value::Object(line)
}
