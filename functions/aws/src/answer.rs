//! From the SDK's results to the core's words.
//!
//! Only an error's code and status are used; its message may quote what was sent, and goes no further than
//! the one place in the core where it tells two refusals apart.

use aws_sdk_sfn::config::http::HttpResponse;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use redrive_core::calls::{Call, Outcome, outcome_of};
use redrive_core::find::{Listing, Look};
use redrive_core::reads::is_gone;
use redrive_core::trouble::{Trouble, TroubleKind};

use crate::trouble::kind;

/// The answer of a call that reads. None: what was asked about does not exist.
pub(crate) fn read<T, E: ProvideErrorMetadata>(
    call: &str,
    result: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Option<T>, Trouble> {
    let error = match result {
        Ok(answer) => return Ok(Some(answer)),
        Err(error) => error,
    };
    let code = error.code().unwrap_or_default().to_owned();
    let kind = match &error {
        SdkError::ServiceError(_) if is_gone(&code) => return Ok(None),
        SdkError::ServiceError(_) => kind(&code),
        // It was never sent: no credentials, or no endpoint.
        SdkError::ConstructionFailure(_) => TroubleKind::Denied,
        _ => TroubleKind::Unreachable,
    };
    let what = if code.is_empty() {
        call.to_owned()
    } else {
        format!("{call} {code}")
    };
    Err(Trouble::new(kind, what))
}

/// The answer of a call that lists.
pub(crate) fn look<T, E: ProvideErrorMetadata>(
    call: &str,
    result: Result<T, SdkError<E, HttpResponse>>,
) -> Look<T> {
    if let Err(SdkError::ServiceError(answer)) = &result
        && matches!(
            answer.err().code(),
            Some("InvalidToken" | "InvalidNextTokenException")
        )
    {
        return Ok(Listing::Expired);
    }
    Ok(read(call, result)?.map_or(Listing::Gone, Listing::Shown))
}

/// What a call that retries came to. Whatever is not an answer of the service is unknown: the request may
/// have arrived.
pub(crate) fn outcome<T, E: ProvideErrorMetadata>(
    call: Call,
    result: Result<T, SdkError<E, HttpResponse>>,
) -> Outcome {
    match result {
        Ok(_) => Outcome::Accepted,
        // It was never sent: no credentials, or no endpoint.
        Err(SdkError::ConstructionFailure(_)) => Outcome::Denied,
        Err(error @ SdkError::ServiceError(_)) => {
            let status = error
                .raw_response()
                .map_or(0, |response| response.status().as_u16());
            let code = error.code().unwrap_or_default().to_owned();
            let message = error.message().unwrap_or_default().to_owned();
            outcome_of(call, &code, status, &message)
        }
        Err(_) => Outcome::Unknown,
    }
}
