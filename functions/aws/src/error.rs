//! Conversion of DynamoDB's errors into the core's [`Error`].

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use redrive_core::error::{Error, ErrorKind};

use crate::answer;

/// Returns the error of a call of DynamoDB. It holds the call and the code. It holds no message, since a message may
/// quote an item.
pub(crate) fn of<E>(call: &str, table: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let unreachable = |what: &str| Error::new(ErrorKind::Unavailable, format!("{call} {what}"));
    match (error, answer::class(call, error)) {
        (_, class) if answer::is_unsent(error) => {
            Error::new(class.into(), format!("{call} (no credentials: not sent)"))
        }
        (SdkError::ServiceError(answer), class) => match answer.err().code() {
            Some(code @ "ResourceNotFoundException") => {
                unreachable(&format!("{code}: there is no table {table}, or no index"))
            }
            Some(code) => Error::new(class.into(), format!("{call} {code}")),
            None => {
                let status = answer.raw().status().as_u16();
                Error::new(class.into(), format!("{call} HTTP {status}"))
            }
        },
        (SdkError::TimeoutError(_), _) => unreachable("(no answer in time)"),
        (SdkError::DispatchFailure(_), _) => unreachable("(no connection)"),
        (SdkError::ResponseError(_), class) => Error::new(
            class.into(),
            format!("{call} (an answer that cannot be read)"),
        ),
        _ => unreachable("(not sent)"),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_dynamodb::operation::put_item::PutItemError;

    use super::*;

    const SECRET: &str =
        "the item holds arn:aws:states:eu-west-1:111122223333:execution:etl:secret";

    fn answered(status: u16, code: Option<&str>) -> SdkError<PutItemError> {
        let mut meta = ErrorMetadata::builder().message(SECRET);
        if let Some(code) = code {
            meta = meta.code(code);
        }
        SdkError::service_error(
            PutItemError::generic(meta.build()),
            HttpResponse::new(status.try_into().unwrap(), SECRET.into()),
        )
    }

    #[test]
    fn dynamodb_error_has_its_kind_and_no_item() {
        use ErrorKind::{AccessDenied, Internal, Throttled, Unavailable};
        let table = [
            (
                400,
                Some("ProvisionedThroughputExceededException"),
                Throttled,
                "PutItem ProvisionedThroughputExceededException",
            ),
            (
                400,
                Some("RequestLimitExceeded"),
                Throttled,
                "PutItem RequestLimitExceeded",
            ),
            (
                400,
                Some("ThrottlingException"),
                Throttled,
                "PutItem ThrottlingException",
            ),
            (400, Some("Throttling"), Throttled, "PutItem Throttling"),
            (
                400,
                Some("LimitExceededException"),
                Throttled,
                "PutItem LimitExceededException",
            ),
            (
                400,
                Some("AccessDeniedException"),
                AccessDenied,
                "PutItem AccessDeniedException",
            ),
            (
                400,
                Some("UnrecognizedClientException"),
                AccessDenied,
                "PutItem UnrecognizedClientException",
            ),
            (
                400,
                Some("ExpiredTokenException"),
                AccessDenied,
                "PutItem ExpiredTokenException",
            ),
            (
                400,
                Some("InvalidSignatureException"),
                AccessDenied,
                "PutItem InvalidSignatureException",
            ),
            (
                400,
                Some("MissingAuthenticationToken"),
                AccessDenied,
                "PutItem MissingAuthenticationToken",
            ),
            (
                400,
                Some("ValidationException"),
                Internal,
                "PutItem ValidationException",
            ),
            (
                400,
                Some("SerializationException"),
                Internal,
                "PutItem SerializationException",
            ),
            (
                400,
                Some("ResourceNotFoundException"),
                Unavailable,
                "PutItem ResourceNotFoundException: there is no table redrive, or no index",
            ),
            (
                400,
                Some("TransactionConflictException"),
                Unavailable,
                "PutItem TransactionConflictException",
            ),
            (
                400,
                Some("SomethingNew"),
                Unavailable,
                "PutItem SomethingNew",
            ),
            (
                500,
                Some("InternalServerError"),
                Unavailable,
                "PutItem InternalServerError",
            ),
            (
                503,
                Some("ServiceUnavailable"),
                Unavailable,
                "PutItem ServiceUnavailable",
            ),
            (503, None, Unavailable, "PutItem HTTP 503"),
        ];
        for (status, code, kind, call) in table {
            let error = of("PutItem", "redrive", &answered(status, code));
            assert_eq!(error, Error::new(kind, call));
        }
        let unanswered: [(SdkError<PutItemError>, &str); 3] = [
            (
                SdkError::timeout_error(SECRET),
                "PutItem (no answer in time)",
            ),
            (
                SdkError::dispatch_failure(ConnectorError::io(SECRET.into())),
                "PutItem (no connection)",
            ),
            (
                SdkError::response_error(
                    SECRET,
                    HttpResponse::new(200.try_into().unwrap(), SECRET.into()),
                ),
                "PutItem (an answer that cannot be read)",
            ),
        ];
        for (error, call) in unanswered {
            assert_eq!(
                of("PutItem", "redrive", &error),
                Error::new(Unavailable, call)
            );
        }
    }
}
