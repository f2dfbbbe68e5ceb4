//! What the protocol knows of each service: one row each. A service is added here first; the compiler then names the
//! places that read and call it.

use alloc::collections::BTreeMap;

pub use redrive_policy::Service;

use crate::failure::Need;
use crate::quota::Quota;

/// What the protocol knows of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceRow {
    /// AWS's name of the call that retries.
    pub retry_call: &'static str,
    /// The default quota of that call. None: the call is not paced.
    pub quota: Option<Quota>,
    /// Whether that call takes a token, so that AWS makes a repeated call once.
    pub takes_token: bool,
    /// Whether an event numbers its failure. If not, the subject is read before any write of its entry.
    pub numbers_failures: bool,
    /// The read that shows which failure the subject has now.
    pub read: Need,
    /// Maximum number of calls in a tick that list targets and failures.
    pub max_pages: usize,
}

/// Returns what the protocol knows of a service.
#[must_use]
pub const fn row(service: Service) -> ServiceRow {
    match service {
        Service::StepFunctions => ServiceRow {
            retry_call: "RedriveExecution",
            // AWS: a bucket of 800 and a refill of 150 a second in the regions with the lower values ("Quotas related
            // to API action throttling", Step Functions).
            quota: Some(Quota {
                burst: 800,
                per_second: 150,
            }),
            takes_token: true,
            numbers_failures: true,
            read: Need::Description,
            // ListExecutions refills at 2 a second in most regions. A tick each minute uses half of that and leaves
            // half to other callers.
            max_pages: 60,
        },
        Service::CodePipeline => ServiceRow {
            retry_call: "RetryStageExecution",
            // AWS publishes none.
            quota: None,
            // AWS: no client token stops a second call ("RetryStageExecution", CodePipeline API Reference).
            takes_token: false,
            numbers_failures: false,
            read: Need::PipelineState,
            // AWS publishes no rates. Others were throttled when they called for about 160 pipelines in a row.
            max_pages: 30,
        },
    }
}

/// The quotas of the calls that retry. A service without one is not paced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas(pub BTreeMap<Service, Quota>);

impl Quotas {
    /// No quotas: no call is paced.
    pub const NONE: Self = Self(BTreeMap::new());

    /// Returns the quota of a service's call.
    #[must_use]
    pub fn of(&self, service: Service) -> Option<Quota> {
        self.0.get(&service).copied()
    }
}

impl Default for Quotas {
    fn default() -> Self {
        let quota = |service| Some((service, row(service).quota?));
        Self(Service::ALL.into_iter().filter_map(quota).collect())
    }
}
