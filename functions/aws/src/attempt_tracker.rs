//! Whether a call that the SDK repeated may have taken effect by an earlier attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_sfn::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;
use aws_sdk_sfn::operation::redrive_execution::RedriveExecutionError;
use redrive_core::calls::{Call, CallResult, RetryResponse};

use crate::answer::answered;

/// Watches the attempts of one RedriveExecution. The SDK shows the answer to the last one; that one was throttled says
/// nothing of the one before it, whose answer was lost.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttemptTracker(Arc<InDoubt>);

/// Which attempts may have taken effect, though they were not accepted.
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

/// Whether one attempt may have taken effect: without an answer that the core's table knows, it may.
fn is_in_doubt(context: &FinalizerInterceptorContextRef<'_>) -> bool {
    let status = context
        .response()
        .map_or(0, |response| response.status().as_u16());
    match context.output_or_error() {
        Some(Ok(_)) => false,
        Some(Err(error)) => error
            .as_operation_error()
            .and_then(|error| error.downcast_ref::<RedriveExecutionError>())
            .is_none_or(|error| answered(Call::RedriveExecution, error, status).in_doubt),
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
