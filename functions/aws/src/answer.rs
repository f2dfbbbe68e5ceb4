//! Conversion of the SDK's results into the core's types.
//!
//! Only the code and the status of an error are used. The message may quote the request. It reaches only
//! [`result_of`], where it distinguishes two refusals.
//!
//! The SDK returns an unreadable answer as [`SdkError::ResponseError`], or as [`SdkError::ServiceError`] without a
//! code. Both mean the same here.

use std::error::Error as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use redrive_core::calls::{CallResult, RetryResponse, result_of};
use redrive_core::discovery::{ListResult, Listing};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::error_codes::ErrorClass;
use redrive_core::services::Service;

/// Returns the code and the HTTP status of an error. A missing code is empty, and a missing status is 0.
fn code_and_status<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> (&str, u16) {
    let status = error
        .raw_response()
        .map_or(0, |response| response.status().as_u16());
    (error.code().unwrap_or_default(), status)
}

/// Returns whether the request certainly was not sent. The SDK could not build it, or had no credentials to sign it.
pub(crate) fn is_unsent<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(failure) => {
            let mut cause = failure
                .as_connector_error()
                .and_then(|error| error.source());
            while let Some(error) = cause {
                if error.is::<CredentialsError>() {
                    return true;
                }
                cause = error.source();
            }
            false
        }
        _ => false,
    }
}

/// Returns the class of an error of one operation, by its name.
pub(crate) fn class<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> ErrorClass
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if is_unsent(error) {
        return ErrorClass::AccessDenied;
    }
    let (code, status) = code_and_status(error);
    ErrorClass::of_answer(operation, code, status)
}

/// Returns the answer of a call that reads, or none where the requested resource does not exist.
pub(crate) fn read<T, E>(
    call: &str,
    result: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Option<T>, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let error = match result {
        Ok(answer) => return Ok(Some(answer)),
        Err(error) => error,
    };
    match class(call, &error) {
        ErrorClass::NotFound => Ok(None),
        class => Err(call_error(call, class, &error)),
    }
}

/// Returns the answer of a call that reads, if it holds what the operation documents.
///
/// The SDK reads an object without the documented members as an empty answer: "nothing there".
///
/// # Errors
/// The call failed, or its answer lacks them: something else than the service may have answered.
pub(crate) fn read_whole<T, E>(
    call: &str,
    result: Result<T, SdkError<E, HttpResponse>>,
    is_whole: impl FnOnce(&T) -> bool,
) -> Result<Option<T>, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match read(call, result)? {
        Some(answer) if !is_whole(&answer) => {
            let what = format!("{call} (an answer that cannot be read)");
            Err(Error::new(ErrorKind::Unavailable, what))
        }
        answer => Ok(answer),
    }
}

/// Returns the error of a call. It names the call and the error's code.
pub(crate) fn call_error<E>(
    call: &str,
    class: ErrorClass,
    error: &SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata,
{
    let what = match code_and_status(error).0 {
        "" => call.to_owned(),
        code => format!("{call} {code}"),
    };
    Error::new(ErrorKind::from(class), what)
}

/// Returns the answer of a call that lists.
pub(crate) fn look<T, E>(call: &str, result: Result<T, SdkError<E, HttpResponse>>) -> ListResult<T>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Err(error) = &result
        && class(call, error) == ErrorClass::ExpiredPage
    {
        return Ok(Listing::Expired);
    }
    Ok(read(call, result)?.map_or(Listing::Gone, Listing::Page))
}

/// Returns the result of a call that retries. `is_whole` checks that a readable answer holds the documented fields.
/// An empty object, for example, is no answer of the service.
pub(crate) fn retry_response<T, E>(
    service: Service,
    result: &Result<T, SdkError<E, HttpResponse>>,
    is_whole: impl FnOnce(&T) -> bool,
) -> RetryResponse
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match result {
        Ok(answer) if is_whole(answer) => CallResult::Accepted.into(),
        Ok(_) => CallResult::InDoubt.into(),
        Err(error) if is_unsent(error) => CallResult::AccessDenied.into(),
        Err(error) => answered(service, error, code_and_status(error).1),
    }
}

/// Returns the result of a call that retries, for an error that the SDK could read.
pub(crate) fn answered(
    service: Service,
    error: &impl ProvideErrorMetadata,
    status: u16,
) -> RetryResponse {
    let code = error.code().unwrap_or_default();
    let message = error.message().unwrap_or_default();
    result_of(service, code, status, message)
}
