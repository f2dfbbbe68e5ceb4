//! Names of errors that are nearly those that the States language or a common service has.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::policy::condition::{Condition, Pattern};
use crate::policy::mode::Mode;
use crate::policy::problem::{Problem, simplified, within};
use crate::policy::word::Word;

/// The names that the States language has.
const STATES: [&str; 17] = [
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];

/// What stands before the dot in the names of common services, in both dialects.
const SERVICES: [&str; 42] = [
    "ApiGateway",
    "Athena",
    "Batch",
    "Bedrock",
    "BedrockRuntime",
    "CloudFormation",
    "CloudWatch",
    "CloudWatchLogs",
    "CodeBuild",
    "DynamoDB",
    "DynamoDb",
    "EC2",
    "ECS",
    "EKS",
    "EMR",
    "EMRServerless",
    "Ec2",
    "Ecs",
    "Eks",
    "Emr",
    "EventBridge",
    "Firehose",
    "Glue",
    "Iam",
    "Kinesis",
    "Kms",
    "Lambda",
    "MediaConvert",
    "Rds",
    "Redshift",
    "RedshiftData",
    "Runtime",
    "S3",
    "SNS",
    "SQS",
    "SageMaker",
    "SecretsManager",
    "Sfn",
    "Sns",
    "Sqs",
    "Ssm",
    "StepFunctions",
];

/// What stands after it, beside what the modes of the AWS CLI retry.
const NAMES: [&str; 32] = [
    "AWSLambdaException",
    "AccessDeniedException",
    "AmazonECSException",
    "BatchException",
    "ClientException",
    "ClientExecutionTimeoutException",
    "ConcurrentModificationException",
    "ConcurrentRunsExceededException",
    "ConditionalCheckFailedException",
    "ConflictException",
    "ExitError",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceException",
    "InvalidParameterException",
    "ModelTimeoutException",
    "OutOfMemoryError",
    "RequestTimeTooSkewed",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "SdkClientException",
    "ServerException",
    "ServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransientException",
    "UnauthorizedOperation",
    "ValidationError",
    "ValidationException",
];

/// A warning for each value of `error` that is nearly a known name, and is none.
pub(super) fn unknown(condition: &Condition, problems: &mut Vec<Problem>) {
    if condition.word != Word::Error {
        return;
    }
    for value in &condition.values {
        let Pattern::Glob(_) = value.pattern else {
            continue;
        };
        if let Some(meant) = meant(&value.written) {
            problems.push(Problem::lint(
                value.at.0,
                format!(
                    "error: {:?} is no name that the States language or a common service has, so it may never match",
                    value.written
                ),
                format!("did you mean {meant:?}?"),
            ));
        }
    }
}

/// The known name that a name or glob is nearly.
fn meant(written: &str) -> Option<String> {
    let (head, rest) = match written.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", written),
    };
    if rest.contains(['*', '\\']) || (head.is_empty() && STATES.contains(&rest)) {
        return None;
    }
    if head.is_empty()
        && let Some(name) = near(rest, &STATES, 2).or_else(|| bare(rest))
    {
        return Some(name.to_string());
    }
    match rest.split_once('.') {
        None => Some(format!("{head}{}", last(rest)?)),
        Some((service, name)) if head.is_empty() && !name.contains('.') => {
            // A three-letter service is one letter away from half of the others.
            let allowed = usize::from(service.len() >= 5);
            let service = (!SERVICES.contains(&service))
                .then(|| near(service, &SERVICES, allowed))
                .flatten()
                .map(|known| (service, known));
            match (service, last(name)) {
                (None, None) => None,
                (Some((_, known)), meant) => Some(format!("{known}.{}", meant.unwrap_or(name))),
                (None, Some(meant)) => Some(format!(
                    "{}.{meant}",
                    rest.split('.').next().unwrap_or_default()
                )),
            }
        }
        Some(_) => None,
    }
}

/// `Timeout` for `States.Timeout`.
fn bare(read: &str) -> Option<&'static str> {
    let read = simplified(read);
    STATES
        .into_iter()
        .find(|name| name.strip_prefix("States.").map(simplified) == Some(read.clone()))
}

fn last(name: &str) -> Option<&'static str> {
    let modes = Mode::ALL.into_iter().flat_map(Mode::errors);
    let known: Vec<&'static str> = NAMES.iter().chain(modes).copied().collect();
    if known.contains(&name) || name.len() < 8 {
        return None;
    }
    near(name, &known, 2)
}

/// The closest of the known, if it is close enough to be meant.
fn near(read: &str, known: &[&'static str], most: usize) -> Option<&'static str> {
    within(&simplified(read), known, most)
}
