//! Reads how the work ended from an error's name alone.

use redrive_policy::{ConditionKey, SignalReason};

use super::extracted::Extracted;

/// Errors of the interpreter itself. Their causes quote the state's input, which may contain an earlier failure.
/// Nothing in them describes this failure.
const INTERPRETER: [&str; 7] = [
    "States.DataLimitExceeded",
    "States.IntrinsicFailure",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.Runtime",
];

/// Returns how the work ended, if the name decides it and no cause could add to it.
pub(super) fn decides(error: &str) -> Option<Extracted> {
    match error {
        // AWS: newer runtimes report Lambda's time-out as Sandbox.Timedout (Troubleshoot execution issues in Lambda).
        "States.Timeout" | "Sandbox.Timedout" => {
            return Some(Extracted::reason(SignalReason::Cancel));
        }
        // A worker without heartbeats counts as lost.
        "States.HeartbeatTimeout" => {
            return Some(Extracted::default().with(ConditionKey::ExitStatus, Some(-1_i16)));
        }
        _ if INTERPRETER.contains(&error) => return Some(Extracted::default()),
        _ => {}
    }
    // For example States.Http.StatusCode.503 of an HTTP Task, ApiGateway.403, EKS.401.
    let (service, code) = error.rsplit_once('.')?;
    let whole =
        service == "States.Http.StatusCode" || (!service.is_empty() && !service.contains('.'));
    let http_status = whole.then(|| status(code)).flatten();
    if http_status.is_some() || error.starts_with("States.Http.") {
        return Some(Extracted::default().with(ConditionKey::HttpStatus, http_status));
    }
    None
}

/// Parses three digits that are an HTTP status.
pub(super) fn status(digits: &str) -> Option<u16> {
    let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    three
        .then(|| digits.parse().ok())
        .flatten()
        .and_then(status_of)
}

/// Returns the number if it is in the range of HTTP statuses.
pub(super) fn status_of(code: i64) -> Option<u16> {
    u16::try_from(code)
        .ok()
        .filter(|code| (100..600).contains(code))
}

/// Returns whether an error may be that of a job which a person stopped.
///
/// Step Functions reports every failed job for which it waits as States.TaskFailed. A call that a service refused
/// (`Lambda.X`, `DynamoDB.X`) started no job. A name without a dot is an author's own, so it excludes nothing.
pub(super) fn may_be_stopped(error: &str) -> bool {
    /// Prefixes of the errors of services for whose jobs Step Functions waits.
    const RUN_JOBS: [&str; 12] = [
        "AmazonECS",
        "Athena",
        "Batch",
        "CodeBuild",
        "ECS",
        "EMR",
        "EMRContainers",
        "EMRServerless",
        "ElasticMapReduce",
        "Glue",
        "Sfn",
        "StepFunctions",
    ];
    match error.split_once('.') {
        None => true,
        Some(("States", name)) => name == "TaskFailed",
        Some((service, _)) => RUN_JOBS
            .iter()
            .any(|runs| runs.eq_ignore_ascii_case(service)),
    }
}
