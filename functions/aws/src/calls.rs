//! How often AWS was called, and how often a call had to be repeated: for the wide line.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_sfn::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use serde::Serialize;

/// Counts what the clients that it intercepts send. Clones count into one.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Counted>>);

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Requests by operation, repeated ones among them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, u32>,
    /// How many of them the SDK sent because an earlier try had failed.
    pub calls_repeated: u32,
}

impl Calls {
    /// What was sent since the last time this was asked.
    #[must_use]
    pub fn take(&self) -> Counted {
        std::mem::take(&mut *self.lock())
    }

    // Each change is one addition: a thread that panicked left nothing half done.
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
