//! Whether a call that the SDK repeated may have taken effect by an earlier try.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_sfn::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;
use redrive_core::calls::Outcome;

/// Watches the tries of one call. The SDK shows the answer to the last one; that one was throttled says nothing of
/// the one before it, whose answer was lost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tries(Arc<InDoubt>);

/// Which tries brought no answer, or a fault, which may come after the effect.
#[derive(Debug, Default)]
struct InDoubt {
    latest: AtomicBool,
    earlier: AtomicBool,
}

impl Tries {
    /// What the call came to, of which the last try came to this.
    pub(crate) fn weigh(&self, last: Outcome) -> Outcome {
        if last != Outcome::Accepted && self.0.earlier.load(Ordering::Relaxed) {
            Outcome::Unknown
        } else {
            last
        }
    }
}

impl Intercept for Tries {
    fn name(&self) -> &'static str {
        "Tries"
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
        let in_doubt = context
            .response()
            .is_none_or(|response| response.status().is_server_error());
        self.0.latest.store(in_doubt, Ordering::Relaxed);
        Ok(())
    }
}
