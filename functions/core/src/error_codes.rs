//! The meaning of AWS's error answers: one table for every call.
//!
//! The retry calls ([`calls::result_of`](crate::calls::result_of)), all other calls of the functions and the
//! emulator's in-process clients classify errors by this table. A code without a row says nothing about the effect of
//! a call: the class is [`ErrorClass::Unavailable`], unless the HTTP status says more.

use crate::error::ErrorKind;

/// The class of an error answer, independent of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Too many calls: back off.
    Throttled,
    /// Credentials, signature, clock or permissions of the caller: an error of the deployment.
    AccessDenied,
    /// A KMS key that the caller may not use, or that cannot be used now.
    KmsAccessDenied,
    /// The resource that the call names does not exist.
    NotFound,
    /// The token of a list's next page is no longer valid.
    ExpiredPage,
    /// The request itself is wrong, and repeating it does not help.
    Invalid,
    /// A refusal that one operation documents. Final only as an answer to that operation.
    Rejected,
    /// A fault, a timeout, or an unknown answer: the call may have taken effect.
    Unavailable,
}

/// Codes of one class, from one source.
struct Row {
    class: ErrorClass,
    source: &'static str,
    codes: &'static [&'static str],
}

/// "Common Error Types" of the API references, the same page for Step Functions and CodePipeline.
const COMMON: &str = "Common Error Types (AWS API references)";
/// The lists of botocore, the library of the AWS CLI: `_retry.json` (legacy) and `retries/standard.py`.
const RETRY_LISTS: &str = "retry lists of botocore and of the AWS SDKs";
/// Errors of Signature Version 4 that services return and that the common page omits.
const SIGNING: &str = "Troubleshoot Signature Version 4 (IAM User Guide)";
const STATES: &str = "service model of Step Functions";
const PIPELINES: &str = "service model of CodePipeline";
const DYNAMODB: &str = "Error handling with DynamoDB (Developer Guide)";

// INVARIANT: each code has one row. Where lists overlap, the first source keeps the code.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { class: ErrorClass::Throttled, source: RETRY_LISTS, codes: &[
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
        "TooManyRequestsException", "ProvisionedThroughputExceededException", "TransactionInProgressException",
        "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "SlowDown",
        "PriorRequestNotComplete", "EC2ThrottledException",
    ] },
    // AWS: LimitExceededException is a quota in some services and throttling in the SDKs' lists. No call of this
    // program creates a resource that such a quota counts, so the SDKs' lists apply.
    Row { class: ErrorClass::Throttled, source: STATES, codes: &["KmsThrottlingException", "ServiceQuotaExceededException"] },
    Row { class: ErrorClass::Unavailable, source: RETRY_LISTS, codes: &[
        "RequestTimeout", "RequestTimeoutException", "BadDigest", "IDPCommunicationError", "ReplicatedWriteConflictException",
    ] },
    Row { class: ErrorClass::Unavailable, source: COMMON, codes: &[
        "InternalFailure", "ServiceUnavailable", "RequestAbortedException", "MalformedHttpRequestException",
        "RequestEntityTooLargeException", "UnknownOperationException",
    ] },
    Row { class: ErrorClass::AccessDenied, source: COMMON, codes: &[
        "AccessDeniedException", "ExpiredTokenException", "IncompleteSignature", "NotAuthorized", "OptInRequired",
        "RequestExpired", "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken",
    ] },
    Row { class: ErrorClass::AccessDenied, source: SIGNING, codes: &[
        "AccessDenied", "ExpiredToken", "IncompleteSignatureException", "InvalidSignatureException",
        "MissingAuthenticationTokenException", "RequestTimeTooSkewed", "SignatureDoesNotMatch",
    ] },
    Row { class: ErrorClass::KmsAccessDenied, source: STATES, codes: &["KmsAccessDeniedException", "KmsInvalidStateException"] },
    Row { class: ErrorClass::Invalid, source: COMMON, codes: &["ValidationError"] },
    Row { class: ErrorClass::Invalid, source: DYNAMODB, codes: &["ValidationException", "SerializationException"] },
    Row { class: ErrorClass::NotFound, source: STATES, codes: &[
        "ExecutionDoesNotExist", "StateMachineDoesNotExist", "ActivityDoesNotExist", "TaskDoesNotExist", "ResourceNotFound",
    ] },
    Row { class: ErrorClass::NotFound, source: PIPELINES, codes: &[
        "PipelineNotFoundException", "PipelineExecutionNotFoundException", "PipelineVersionNotFoundException",
        "StageNotFoundException", "ActionExecutionNotFoundException", "ActionNotFoundException",
        "ActionTypeNotFoundException", "JobNotFoundException", "WebhookNotFoundException",
    ] },
    Row { class: ErrorClass::ExpiredPage, source: STATES, codes: &["InvalidToken"] },
    Row { class: ErrorClass::ExpiredPage, source: PIPELINES, codes: &["InvalidNextTokenException"] },
    Row { class: ErrorClass::Rejected, source: STATES, codes: &[
        "ActivityAlreadyExists", "ActivityLimitExceeded", "ActivityWorkerLimitExceeded", "ConflictException",
        "ExecutionAlreadyExists", "ExecutionLimitExceeded", "ExecutionNotRedrivable", "InvalidArn", "InvalidDefinition",
        "InvalidEncryptionConfiguration", "InvalidExecutionInput", "InvalidLoggingConfiguration", "InvalidName",
        "InvalidOutput", "InvalidTracingConfiguration", "MissingRequiredParameter", "StateMachineAlreadyExists",
        "StateMachineDeleting", "StateMachineLimitExceeded", "StateMachineTypeNotSupported", "TaskTimedOut", "TooManyTags",
    ] },
    Row { class: ErrorClass::Rejected, source: PIPELINES, codes: &[
        "ApprovalAlreadyCompletedException", "ConcurrentModificationException",
        "ConcurrentPipelineExecutionsLimitExceededException", "ConditionNotOverridableException",
        "DuplicatedStopRequestException", "InvalidActionDeclarationException", "InvalidApprovalTokenException",
        "InvalidArnException", "InvalidBlockerDeclarationException", "InvalidClientTokenException", "InvalidJobException",
        "InvalidJobStateException", "InvalidNonceException", "InvalidStageDeclarationException",
        "InvalidStructureException", "InvalidTagsException", "InvalidWebhookAuthenticationParametersException",
        "InvalidWebhookFilterPatternException", "NotLatestPipelineExecutionException",
        "OutputVariablesSizeExceededException", "PipelineExecutionNotStoppableException",
        "PipelineExecutionOutdatedException", "PipelineNameInUseException", "RequestFailedException",
        "StageNotRetryableException", "TooManyTagsException", "UnableToRollbackStageException",
    ] },
    // A missing table, queue or bus is an error of the deployment, and the caller names the resource.
    Row { class: ErrorClass::Unavailable, source: PIPELINES, codes: &["ResourceNotFoundException"] },
];

impl ErrorClass {
    /// Returns what an answer means by its code and HTTP status. `code` is empty where the answer carries none.
    ///
    /// Throttling keeps its meaning in a 5xx: some services throttle with 503 or 509. Every other refusal must be a
    /// 4xx other than 408, since a fault may follow the effect.
    #[must_use]
    pub fn of(code: &str, status: u16) -> Self {
        match (of_code(code), status) {
            (Some(Self::Throttled), 400..) | (_, 429) => Self::Throttled,
            (_, 408) => Self::Unavailable,
            (Some(class), 400..=499) => class,
            (None, 401 | 403 | 407) => Self::AccessDenied,
            _ => Self::Unavailable,
        }
    }

    /// Returns the class of an error answer to one operation. Only a code that the operation documents says that the
    /// thing does not exist.
    #[must_use]
    pub fn of_answer(operation: &str, code: &str, status: u16) -> Self {
        match Self::of(code, status) {
            Self::NotFound if !documents_missing(operation, code) => Self::Unavailable,
            class => class,
        }
    }
}

/// Returns whether an operation documents a code as its word for a missing thing. A missing version of a pipeline is
/// left out: CodePipeline names the version itself, so that a read of it only lags.
fn documents_missing(operation: &str, code: &str) -> bool {
    let documented: &[&str] = match operation {
        "DescribeExecution" | "DescribeStateMachineForExecution" | "GetExecutionHistory" => {
            &["ExecutionDoesNotExist"]
        }
        "DescribeStateMachine" => &["StateMachineDoesNotExist"],
        "ListExecutions" => &["StateMachineDoesNotExist", "ResourceNotFound"],
        "GetPipeline" | "GetPipelineState" | "ListPipelineExecutions" => {
            &["PipelineNotFoundException"]
        }
        "GetPipelineExecution" | "ListActionExecutions" => &[
            "PipelineNotFoundException",
            "PipelineExecutionNotFoundException",
        ],
        _ => &[],
    };
    documented.contains(&code)
}

/// Returns the class of a code alone, and none where no row names it.
#[must_use]
pub fn of_code(code: &str) -> Option<ErrorClass> {
    let row = ROWS.iter().find(|row| row.codes.contains(&code))?;
    Some(row.class)
}

/// Returns every row: class, source and codes.
pub fn rows() -> impl Iterator<Item = (ErrorClass, &'static str, &'static [&'static str])> {
    ROWS.iter().map(|row| (row.class, row.source, row.codes))
}

impl From<ErrorClass> for ErrorKind {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Throttled => Self::Throttled,
            ErrorClass::AccessDenied => Self::AccessDenied,
            ErrorClass::KmsAccessDenied => Self::KmsAccessDenied,
            ErrorClass::Invalid => Self::Internal,
            ErrorClass::NotFound
            | ErrorClass::ExpiredPage
            | ErrorClass::Rejected
            | ErrorClass::Unavailable => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    #[rustfmt::skip]
    fn only_a_documented_code_says_that_a_thing_is_missing() {
        use ErrorClass::{NotFound, Unavailable};
        for (operation, code, status, expected) in [
            ("DescribeExecution", "ExecutionDoesNotExist", 400, NotFound),
            ("DescribeExecution", "ExecutionDoesNotExist", 503, Unavailable),
            ("DescribeExecution", "ResourceNotFound", 404, Unavailable),
            ("DescribeExecution", "StateMachineDoesNotExist", 400, Unavailable),
            ("ListExecutions", "StateMachineDoesNotExist", 400, NotFound),
            ("GetPipelineState", "PipelineNotFoundException", 400, NotFound),
            ("GetPipelineState", "JobNotFoundException", 400, Unavailable),
            ("GetPipeline", "PipelineVersionNotFoundException", 400, Unavailable),
            ("ListActionExecutions", "PipelineExecutionNotFoundException", 400, NotFound),
            ("SendMessage", "ResourceNotFound", 400, Unavailable),
        ] {
            assert_eq!(ErrorClass::of_answer(operation, code, status), expected, "{operation} {code} {status}");
        }
    }

    #[test]
    fn each_code_has_one_row() {
        let mut seen = BTreeSet::new();
        for code in rows().flat_map(|(_, _, codes)| codes) {
            assert!(seen.insert(code), "{code} stands twice");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn code_and_status_give_the_class() {
        use ErrorClass::{AccessDenied, ExpiredPage, Invalid, KmsAccessDenied, NotFound, Rejected, Throttled, Unavailable};
        for (code, status, expected) in [
            ("ThrottlingException", 400, Throttled),
            ("EC2ThrottledException", 503, Throttled),
            ("BandwidthLimitExceeded", 509, Throttled),
            ("", 429, Throttled),
            ("SomethingNew", 429, Throttled),
            ("ValidationException", 429, Throttled),
            ("KmsThrottlingException", 400, Throttled),
            ("ThrottlingException", 200, Unavailable),
            ("RequestTimeoutException", 408, Unavailable),
            ("RequestTimeout", 400, Unavailable),
            ("RequestAbortedException", 400, Unavailable),
            ("ValidationException", 408, Unavailable),
            ("AccessDeniedException", 400, AccessDenied),
            ("RequestTimeTooSkewed", 403, AccessDenied),
            ("RequestExpired", 400, AccessDenied),
            ("MissingAuthenticationTokenException", 400, AccessDenied),
            ("IncompleteSignatureException", 400, AccessDenied),
            ("", 401, AccessDenied),
            ("", 403, AccessDenied),
            ("", 407, AccessDenied),
            ("SomethingNew", 403, AccessDenied),
            ("AccessDeniedException", 500, Unavailable),
            ("KmsAccessDeniedException", 400, KmsAccessDenied),
            ("ExecutionDoesNotExist", 400, NotFound),
            ("ExecutionDoesNotExist", 200, Unavailable),
            ("InvalidNextTokenException", 400, ExpiredPage),
            ("ValidationException", 400, Invalid),
            ("StageNotRetryableException", 400, Rejected),
            ("StageNotRetryableException", 500, Unavailable),
            ("ResourceNotFoundException", 400, Unavailable),
            ("SomethingNew", 400, Unavailable),
            ("", 200, Unavailable),
            ("", 301, Unavailable),
            ("", 400, Unavailable),
            ("", 404, Unavailable),
            ("", 500, Unavailable),
        ] {
            assert_eq!(ErrorClass::of(code, status), expected, "{code} {status}");
        }
    }
}
