//! What AWS's answers to the two calls that retry mean: one table.
//!
//! Throttling, access denied and faults are not modelled on either operation, so errors are told apart by
//! their code, as it stands on the wire after any namespace.

use serde::Serialize;

use crate::time::Time;
use crate::verdict::Reason;

/// What came of a call that retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// AWS took it.
    Accepted,
    /// AWS is too busy: throttled, in conflict, or at its limit of open executions.
    Busy,
    /// AWS will not: final for this failure.
    Refused(Reason),
    /// We may not: an error of our own deployment.
    Denied,
    /// The answer never came. Neither success nor failure.
    Unknown,
}

/// What came of it, and by AWS's own clock when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acted {
    /// What came of it.
    pub outcome: Outcome,
    /// The `redriveDate` that RedriveExecution answers. RetryStageExecution answers no time.
    pub redriven: Option<Time>,
}

impl From<Outcome> for Acted {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            redriven: None,
        }
    }
}

/// Which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Step Functions' RedriveExecution.
    RedriveExecution,
    /// CodePipeline's RetryStageExecution.
    RetryStageExecution,
}

/// What an error answer means. `status` is the HTTP status, `message` the service's words, which are only
/// looked at where the code alone does not tell.
#[must_use]
pub fn outcome_of(call: Call, code: &str, status: u16, message: &str) -> Outcome {
    match (call, code) {
        (
            _,
            "ThrottlingException" | "Throttling" | "ThrottledException" | "RequestThrottledException"
            | "TooManyRequestsException" | "RequestLimitExceeded" | "RequestThrottled" | "SlowDown"
            | "BandwidthLimitExceeded" | "PriorRequestNotComplete",
        )
        // The limit of open executions: it falls as executions end.
        | (Call::RedriveExecution, "ExecutionLimitExceeded")
        // "The pipeline is busy handling ongoing activities. Try again later."
        | (Call::RetryStageExecution, "ConflictException" | "ConcurrentPipelineExecutionsLimitExceededException") => {
            Outcome::Busy
        }
        (
            _,
            "AccessDeniedException" | "AccessDenied" | "UnrecognizedClientException" | "InvalidSignatureException"
            | "SignatureDoesNotMatch" | "IncompleteSignature" | "MissingAuthenticationToken"
            | "InvalidClientTokenId" | "ExpiredTokenException" | "ExpiredToken" | "OptInRequired"
            | "NotAuthorized" | "KmsAccessDeniedException",
        ) => Outcome::Denied,
        (Call::RedriveExecution, "ExecutionDoesNotExist")
        | (Call::RetryStageExecution, "PipelineNotFoundException" | "StageNotFoundException") => {
            Outcome::Refused(Reason::Gone)
        }
        // "Execution … invalid for redrive as: Execution is RUNNING and cannot be redriven"
        (Call::RedriveExecution, "ExecutionNotRedrivable") if message.contains("is RUNNING") => {
            Outcome::Refused(Reason::MovedOn)
        }
        (Call::RedriveExecution, "ExecutionNotRedrivable") if message.contains("is SUCCEEDED") => {
            Outcome::Refused(Reason::Succeeded)
        }
        (Call::RedriveExecution, "ExecutionNotRedrivable") => Outcome::Refused(Reason::NotRedrivable),
        (Call::RetryStageExecution, "NotLatestPipelineExecutionException") => Outcome::Refused(Reason::Superseded),
        // A fault may come after the effect.
        _ if status >= 500 => Outcome::Unknown,
        _ => Outcome::Refused(Reason::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::Call::{RedriveExecution, RetryStageExecution};
    use super::*;

    #[test]
    fn every_answer_has_one_meaning() {
        let running =
            "Execution arn invalid for redrive as: Execution is RUNNING and cannot be redriven";
        let succeeded =
            "Execution arn invalid for redrive as: Execution is SUCCEEDED and cannot be redriven";
        let old = "Execution arn invalid for redrive as: Execution redrivable period exceeded";
        for (call, code, status, message, expected) in [
            (
                RedriveExecution,
                "ThrottlingException",
                400,
                "Rate exceeded",
                Outcome::Busy,
            ),
            (
                RetryStageExecution,
                "ThrottlingException",
                400,
                "Rate exceeded",
                Outcome::Busy,
            ),
            (
                RedriveExecution,
                "ExecutionLimitExceeded",
                400,
                "",
                Outcome::Busy,
            ),
            (
                RetryStageExecution,
                "ConflictException",
                400,
                "",
                Outcome::Busy,
            ),
            (
                RetryStageExecution,
                "ConcurrentPipelineExecutionsLimitExceededException",
                400,
                "",
                Outcome::Busy,
            ),
            (
                RedriveExecution,
                "AccessDeniedException",
                400,
                "",
                Outcome::Denied,
            ),
            (
                RetryStageExecution,
                "ExpiredTokenException",
                400,
                "",
                Outcome::Denied,
            ),
            (
                RedriveExecution,
                "ExecutionDoesNotExist",
                400,
                "",
                Outcome::Refused(Reason::Gone),
            ),
            (
                RetryStageExecution,
                "PipelineNotFoundException",
                400,
                "",
                Outcome::Refused(Reason::Gone),
            ),
            (
                RetryStageExecution,
                "StageNotFoundException",
                400,
                "",
                Outcome::Refused(Reason::Gone),
            ),
            (
                RedriveExecution,
                "ExecutionNotRedrivable",
                400,
                running,
                Outcome::Refused(Reason::MovedOn),
            ),
            (
                RedriveExecution,
                "ExecutionNotRedrivable",
                400,
                succeeded,
                Outcome::Refused(Reason::Succeeded),
            ),
            (
                RedriveExecution,
                "ExecutionNotRedrivable",
                400,
                old,
                Outcome::Refused(Reason::NotRedrivable),
            ),
            (
                RedriveExecution,
                "InvalidArn",
                400,
                "",
                Outcome::Refused(Reason::Refused),
            ),
            (
                RedriveExecution,
                "ValidationException",
                400,
                "",
                Outcome::Refused(Reason::Refused),
            ),
            (
                RetryStageExecution,
                "StageNotRetryableException",
                400,
                "",
                Outcome::Refused(Reason::Refused),
            ),
            (
                RetryStageExecution,
                "NotLatestPipelineExecutionException",
                400,
                "",
                Outcome::Refused(Reason::Superseded),
            ),
            // A code of the one service means nothing on the other.
            (
                RedriveExecution,
                "ConflictException",
                400,
                "",
                Outcome::Refused(Reason::Refused),
            ),
            (
                RedriveExecution,
                "InternalFailure",
                500,
                "",
                Outcome::Unknown,
            ),
            (
                RetryStageExecution,
                "ServiceUnavailable",
                503,
                "",
                Outcome::Unknown,
            ),
            (RetryStageExecution, "", 502, "", Outcome::Unknown),
            (
                RedriveExecution,
                "SomethingNew",
                400,
                "",
                Outcome::Refused(Reason::Refused),
            ),
        ] {
            assert_eq!(
                outcome_of(call, code, status, message),
                expected,
                "{call:?} {code} {status}"
            );
        }
    }
}
