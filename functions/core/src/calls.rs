//! The meaning of AWS's answers to the two calls that retry.
//!
//! [`error_codes`](crate::error_codes) classifies an answer. This module adds the codes that each of the two calls
//! documents, and whether an answer proves that the call had no effect.

use serde::Serialize;

use redrive_policy::Service;

use crate::error_codes::{ErrorClass, of_code};
use crate::time::Time;
use crate::verdict::Reason;

/// The result of a call that retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// AWS accepted the call.
    Accepted,
    /// AWS throttled the call, is in conflict, or is at its limit of open executions: back off.
    Throttled,
    /// AWS documents this refusal for this call: final for this failure.
    Rejected(Reason),
    /// The caller lacks permission: an error of the deployment.
    AccessDenied,
    /// No answer, or an unknown one. Neither success nor failure.
    InDoubt,
}

/// The result of a call that retries, and the details of AWS's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryResponse {
    /// The result.
    pub result: CallResult,
    /// The retry may have happened, whatever the result. The result rests on a bare HTTP status, or on a code that the
    /// call does not document.
    pub in_doubt: bool,
    /// The `redriveDate` that RedriveExecution returns. RetryStageExecution returns no time.
    pub redriven: Option<Time>,
}

impl From<CallResult> for RetryResponse {
    fn from(result: CallResult) -> Self {
        Self {
            result,
            in_doubt: result == CallResult::InDoubt,
            redriven: None,
        }
    }
}

/// Returns what a service's call documents about one of its error codes. `message` is the service's, and is read only
/// where the code alone is ambiguous.
///
/// Sources: "RedriveExecution" (Step Functions API Reference) and "RetryStageExecution" (CodePipeline API Reference).
fn documented(service: Service, code: &str, message: &str) -> Option<CallResult> {
    use CallResult::{Rejected, Throttled};
    Some(match (service, code) {
        (Service::StepFunctions, "ExecutionLimitExceeded") => Throttled,
        (Service::StepFunctions, "ExecutionDoesNotExist") => Rejected(Reason::Gone),
        // AWS: "Execution … invalid for redrive as: Execution is RUNNING and cannot be redriven" (observed).
        (Service::StepFunctions, "ExecutionNotRedrivable") if message.contains("is RUNNING") => {
            Rejected(Reason::TargetChanged)
        }
        (Service::StepFunctions, "ExecutionNotRedrivable") if message.contains("is SUCCEEDED") => {
            Rejected(Reason::Succeeded)
        }
        (Service::StepFunctions, "ExecutionNotRedrivable") => Rejected(Reason::NotRedrivable),
        (Service::StepFunctions, "InvalidArn") => Rejected(Reason::Refused),
        // AWS: "The pipeline is busy handling ongoing activities. Try again later." (RetryStageExecution)
        (
            Service::CodePipeline,
            "ConflictException" | "ConcurrentPipelineExecutionsLimitExceededException",
        ) => Throttled,
        (Service::CodePipeline, "PipelineNotFoundException" | "StageNotFoundException") => {
            Rejected(Reason::Gone)
        }
        (Service::CodePipeline, "NotLatestPipelineExecutionException") => {
            Rejected(Reason::Superseded)
        }
        (Service::CodePipeline, "StageNotRetryableException") => Rejected(Reason::Refused),
        // AWS: both calls document ValidationException; ValidationError is documented for every call ("Common Error
        // Types").
        (_, "ValidationException" | "ValidationError") => Rejected(Reason::Refused),
        _ => return None,
    })
}

/// Returns what an error answer to a service's call that retries means. `status` is the HTTP status; `code` is empty
/// where the answer carries none.
///
/// INVARIANT: a rejection needs a code that the call documents, in a 4xx answer. Any other answer says nothing about
/// the effect, so the charge stays and the target is read.
#[must_use]
pub fn result_of(service: Service, code: &str, status: u16, message: &str) -> RetryResponse {
    let class = ErrorClass::of(code, status);
    let refused = !matches!(class, ErrorClass::Unavailable | ErrorClass::Throttled);
    if let Some(result) = documented(service, code, message).filter(|_| refused) {
        return result.into();
    }
    let result = match class {
        ErrorClass::Throttled => CallResult::Throttled,
        ErrorClass::AccessDenied | ErrorClass::KmsAccessDenied => CallResult::AccessDenied,
        ErrorClass::NotFound
        | ErrorClass::ExpiredPage
        | ErrorClass::Invalid
        | ErrorClass::Rejected
        | ErrorClass::Unavailable => CallResult::InDoubt,
    };
    // A fault may follow the effect, and a time-out may. The first two codes say that an earlier request is still under
    // way. The others are documented for neither call.
    let doubtful = status >= 500
        || status == 408
        || matches!(
            code,
            "PriorRequestNotComplete"
                | "TransactionInProgressException"
                | "KmsThrottlingException"
                | "ServiceQuotaExceededException"
                | "LimitExceededException"
        );
    let by_code = matches!(class, ErrorClass::Throttled | ErrorClass::AccessDenied) && !doubtful;
    RetryResponse {
        in_doubt: !(by_code && of_code(code) == Some(class)),
        ..result.into()
    }
}

#[cfg(test)]
mod tests {
    use super::CallResult::{AccessDenied, InDoubt, Rejected, Throttled};
    use redrive_policy::Service::{CodePipeline, StepFunctions};

    use super::*;

    const RUNNING: &str =
        "Execution arn invalid for redrive as: Execution is RUNNING and cannot be redriven";
    const SUCCEEDED: &str =
        "Execution arn invalid for redrive as: Execution is SUCCEEDED and cannot be redriven";
    const OLD: &str = "Execution arn invalid for redrive as: Execution redrivable period exceeded";

    #[test]
    #[rustfmt::skip]
    fn documented_codes_of_a_call_are_certain() {
        for (call, code, message, expected) in [
            (StepFunctions, "ExecutionLimitExceeded", "", Throttled),
            (StepFunctions, "ExecutionDoesNotExist", "", Rejected(Reason::Gone)),
            (StepFunctions, "ExecutionNotRedrivable", RUNNING, Rejected(Reason::TargetChanged)),
            (StepFunctions, "ExecutionNotRedrivable", SUCCEEDED, Rejected(Reason::Succeeded)),
            (StepFunctions, "ExecutionNotRedrivable", OLD, Rejected(Reason::NotRedrivable)),
            (StepFunctions, "InvalidArn", "", Rejected(Reason::Refused)),
            (StepFunctions, "ValidationException", "", Rejected(Reason::Refused)),
            (StepFunctions, "ValidationError", "", Rejected(Reason::Refused)),
            (CodePipeline, "ConflictException", "", Throttled),
            (CodePipeline, "ConcurrentPipelineExecutionsLimitExceededException", "", Throttled),
            (CodePipeline, "PipelineNotFoundException", "", Rejected(Reason::Gone)),
            (CodePipeline, "StageNotFoundException", "", Rejected(Reason::Gone)),
            (CodePipeline, "StageNotRetryableException", "", Rejected(Reason::Refused)),
            (CodePipeline, "NotLatestPipelineExecutionException", "", Rejected(Reason::Superseded)),
            (CodePipeline, "ValidationException", "", Rejected(Reason::Refused)),
        ] {
            assert_eq!(result_of(call, code, 400, message), expected.into(), "{call:?} {code}");
            // A fault may follow the effect, whatever its code. A 429 asks the caller to back off.
            for status in [200, 302, 408, 500, 503] {
                assert_eq!(result_of(call, code, status, message), InDoubt.into(), "{call:?} {code} {status}");
            }
            let busy = RetryResponse { in_doubt: true, ..Throttled.into() };
            assert_eq!(result_of(call, code, 429, message), busy, "{call:?} {code} 429");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn other_codes_and_statuses_reject_nothing() {
        // The last column says that the retry may have happened.
        for (code, status, expected, in_doubt) in [
            ("ThrottlingException", 400, Throttled, false),
            ("TooManyRequestsException", 429, Throttled, false),
            ("ThrottlingException", 408, Throttled, true),
            ("KmsThrottlingException", 400, Throttled, true),
            ("ServiceQuotaExceededException", 400, Throttled, true),
            ("LimitExceededException", 400, Throttled, true),
            ("ThrottlingException", 503, Throttled, true),
            ("SlowDown", 503, Throttled, true),
            ("PriorRequestNotComplete", 400, Throttled, true),
            ("TransactionInProgressException", 400, Throttled, true),
            ("", 429, Throttled, true),
            ("SomethingNew", 429, Throttled, true),
            ("AccessDeniedException", 400, AccessDenied, false),
            ("ExpiredTokenException", 403, AccessDenied, false),
            ("RequestTimeTooSkewed", 403, AccessDenied, false),
            ("RequestExpired", 400, AccessDenied, false),
            ("KmsAccessDeniedException", 400, AccessDenied, true),
            ("KmsInvalidStateException", 400, AccessDenied, true),
            ("", 401, AccessDenied, true),
            ("", 403, AccessDenied, true),
            ("", 407, AccessDenied, true),
            ("SomethingNew", 403, AccessDenied, true),
            ("", 200, InDoubt, true),
            ("", 301, InDoubt, true),
            ("", 400, InDoubt, true),
            ("", 404, InDoubt, true),
            ("", 408, InDoubt, true),
            ("", 502, InDoubt, true),
            ("SomethingNew", 400, InDoubt, true),
            ("RequestTimeout", 400, InDoubt, true),
            ("RequestTimeoutException", 408, InDoubt, true),
            ("RequestAbortedException", 400, InDoubt, true),
            ("SerializationException", 400, InDoubt, true),
            ("InternalFailure", 500, InDoubt, true),
            ("ServiceUnavailable", 503, InDoubt, true),
            ("InvalidName", 400, InDoubt, true),
        ] {
            for call in Service::ALL {
                let response = result_of(call, code, status, "is RUNNING");
                assert_eq!((response.result, response.in_doubt), (expected, in_doubt), "{call:?} {code} {status}");
            }
        }
        // A code of one service means nothing from the other.
        for (call, code) in [
            (StepFunctions, "ConflictException"),
            (StepFunctions, "StageNotRetryableException"),
            (StepFunctions, "StateMachineDoesNotExist"),
            (CodePipeline, "ExecutionNotRedrivable"),
            (CodePipeline, "InvalidArn"),
            (CodePipeline, "PipelineExecutionNotFoundException"),
        ] {
            assert_eq!(result_of(call, code, 400, "is RUNNING"), InDoubt.into(), "{call:?} {code}");
        }
    }
}
