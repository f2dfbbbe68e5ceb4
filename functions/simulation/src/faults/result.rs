//! The result of one simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use redrive_core::verdict::Reason;

use super::fault_plan::FaultClass;
use super::invariants::Move;

/// The result of one simulation.
#[derive(Debug, Clone)]
pub struct SimulationResult {
    /// The seed.
    pub seed: u64,
    /// The first broken invariant, with details.
    pub broken: Option<String>,
    /// The trace, line by line, if it was requested.
    pub trace: Vec<String>,
    /// The number of occurrences of each fault class.
    pub faults: BTreeMap<FaultClass, u32>,
    /// Every reason that a verdict, a record or an entry gave.
    pub reasons: BTreeSet<Reason>,
    /// The moves of entries.
    pub moves: BTreeSet<Move>,
    /// The number of recorded failures.
    pub failures: u32,
    /// The number of retries that took effect.
    pub retries: usize,
    /// The number of retries that no invariant covers, since a person acted between our last read and our call.
    pub exempt: u32,
    /// The longest time from a failure that is retried to its record in the ledger.
    pub longest_wait: Duration,
}

impl fmt::Display for SimulationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        match &self.broken {
            Some(broken) => write!(
                f,
                "seed {} broke an invariant: {broken}\nrepeat it with: redrive simulate --seed {}",
                self.seed, self.seed
            ),
            None => write!(f, "seed {} kept every invariant", self.seed),
        }
    }
}

impl SimulationResult {
    pub(super) const fn nothing(seed: u64) -> Self {
        Self {
            seed,
            broken: None,
            trace: Vec::new(),
            faults: BTreeMap::new(),
            reasons: BTreeSet::new(),
            moves: BTreeSet::new(),
            failures: 0,
            retries: 0,
            exempt: 0,
            longest_wait: Duration::ZERO,
        }
    }
}
