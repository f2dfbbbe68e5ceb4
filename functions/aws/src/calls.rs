//! Counts of the requests to AWS and of their repetitions, for the wide line.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_sfn::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use serde::Serialize;

/// An interceptor that counts the requests of its clients. Clones share one count.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Counted>>);

/// Counts of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Requests by operation, including repetitions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, u32>,
    /// Requests that the SDK sent because an earlier attempt had failed.
    pub calls_repeated: u32,
}

impl Calls {
    /// Returns the counts since the previous `take`, and resets them.
    #[must_use]
    pub fn take(&self) -> Counted {
        std::mem::take(&mut *self.lock())
    }

    // Each change of a count is one addition, so a thread that panicked leaves no count half changed.
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = bag.load::<Metadata>().map_or("?", |call| call.name());
        let again = bag
            .load::<RequestAttempts>()
            .is_some_and(|attempts| attempts.attempts() > 1);
        let mut counted = self.lock();
        let calls = counted.calls.entry(operation.to_owned()).or_default();
        *calls = calls.saturating_add(1);
        if again {
            counted.calls_repeated = counted.calls_repeated.saturating_add(1);
        }
        Ok(())
    }
}
