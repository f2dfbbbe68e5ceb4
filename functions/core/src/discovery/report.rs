//! The limits and the report of one tick of the search.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::failure::{Service, Subject};
use crate::policy::Glob;
use crate::record::Record;
use crate::services;
use crate::time::Time;

/// The limits of one tick of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Failures that ended before this time are not searched. `None` stands for the moment of the first tick, so that a
    /// new deployment leaves older failures alone. A future time disables the search until then.
    pub since: Option<Time>,
    /// The scope and the limit of each service. A service without them is not searched.
    pub services: BTreeMap<Service, ServiceSearch>,
    /// Maximum number of failures of one target before the next target has its turn.
    pub max_in_a_turn: usize,
    /// Maximum number of failures that one tick handles, at the start of a storm as at its end. Each calls
    /// DescribeExecution, which refills at 10 a second.
    pub max_found: usize,
}

/// The scope and the limit of one service in a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSearch {
    /// Names of the targets that may be listed, as the role allows.
    pub targets: Glob,
    /// Maximum number of calls that list targets and failures.
    pub max_pages: usize,
}

impl ServiceSearch {
    /// Returns the scope of all targets, within the default limit of a service.
    #[must_use]
    pub fn of(service: Service) -> Self {
        Self {
            targets: Glob::new("*", false),
            max_pages: services::row(service).max_pages,
        }
    }
}

impl Search {
    /// Returns the search with another scope for a service.
    #[must_use]
    pub fn with_targets(mut self, service: Service, targets: Glob) -> Self {
        self.limits(service).targets = targets;
        self
    }

    /// Returns the search with another maximum of calls for a service.
    #[must_use]
    pub fn with_max_pages(mut self, service: Service, max_pages: usize) -> Self {
        self.limits(service).max_pages = max_pages;
        self
    }

    fn limits(&mut self, service: Service) -> &mut ServiceSearch {
        let limits = self.services.entry(service);
        limits.or_insert_with(|| ServiceSearch::of(service))
    }
}

impl Default for Search {
    fn default() -> Self {
        Self {
            since: None,
            services: Service::ALL
                .into_iter()
                .map(|service| (service, ServiceSearch::of(service)))
                .collect(),
            max_in_a_turn: 50,
            max_found: 200,
        }
    }
}

/// The report of one tick of the search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscoveryReport {
    /// Number of targets that had a turn.
    pub targets: usize,
    /// Number of calls that listed something.
    pub pages: usize,
    /// Number of listed failures that are recent enough to handle.
    pub seen: usize,
    /// Number of those failures that the ledger knew.
    pub known: usize,
    /// The outcomes of the other failures.
    pub records: Vec<Record>,
    /// Failures that met an error. A later tick finds them again.
    pub errors: Vec<(Subject, Error)>,
    /// Targets (by ARN) and lists of targets (by service) that could not be read. A later tick reads them again.
    pub unread: Vec<(String, Error)>,
    /// Services that throttled and were not called again in this tick.
    pub throttled: Vec<Service>,
    /// Number of targets whose turn is not over.
    pub left: usize,
    /// Whether a pass is incomplete, so that the next tick continues it.
    pub more: bool,
    /// The time up to which every failure since [`Search::since`] was handled.
    pub watermark: Option<Time>,
    /// Whether a concurrent tick stored its checkpoint first. The search continues from that one.
    // RACE: two concurrent ticks write the checkpoint, and the conditional write stores only the first.
    pub outrun: bool,
}
