//! Detection of a repeated call whose earlier attempt may have taken effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_sfn::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;
use aws_sdk_sfn::operation::redrive_execution::RedriveExecutionError;
use redrive_core::calls::{CallResult, RetryResponse};
use redrive_core::services::Service;

use crate::answer::answered;

/// An interceptor that tracks the attempts of one RedriveExecution.
///
/// RACE: an earlier attempt whose answer was lost against the last attempt, whose answer alone the SDK returns. A
/// throttled last attempt says nothing about the earlier one.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttemptTracker(Arc<InDoubt>);

/// Flags of the attempts that were not accepted but may have taken effect.
#[derive(Debug, Default)]
struct InDoubt {
    latest: AtomicBool,
    earlier: AtomicBool,
}

impl AttemptTracker {
    /// Returns the result of the call, given the result of its last attempt.
    pub(crate) fn final_result(&self, last: RetryResponse) -> RetryResponse {
        if last.result != CallResult::Accepted && self.0.earlier.load(Ordering::Relaxed) {
            CallResult::InDoubt.into()
        } else {
            last
        }
    }
}

/// Returns whether one attempt may have taken effect. An attempt is in doubt unless the core's table knows its answer.
fn is_in_doubt(context: &FinalizerInterceptorContextRef<'_>) -> bool {
    let status = context
        .response()
        .map_or(0, |response| response.status().as_u16());
    match context.output_or_error() {
        Some(Ok(_)) => false,
        Some(Err(error)) => error
            .as_operation_error()
            .and_then(|error| error.downcast_ref::<RedriveExecutionError>())
            .is_none_or(|error| answered(Service::StepFunctions, error, status).in_doubt),
        None => true,
    }
}

impl Intercept for AttemptTracker {
    fn name(&self) -> &'static str {
        "AttemptTracker"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let latest = self.0.latest.swap(false, Ordering::Relaxed);
        self.0.earlier.fetch_or(latest, Ordering::Relaxed);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.latest.store(is_in_doubt(context), Ordering::Relaxed);
        Ok(())
    }
}
