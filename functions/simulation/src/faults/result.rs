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
    /// The first invariant that was broken, and how.
    pub broken: Option<String>,
    /// What happened, line by line, if it was asked for.
    pub trace: Vec<String>,
    /// How often each fault class occurred.
    pub faults: BTreeMap<FaultClass, u32>,
    /// Every reason that was given for anything.
    pub reasons: BTreeSet<Reason>,
    /// How entries moved.
    pub moves: BTreeSet<Move>,
    /// Failures that were written down.
    pub failures: u32,
    /// Retries that took effect.
    pub retries: usize,
    /// What a person did between our last read and our call, which no invariant covers.
    pub exempt: u32,
    /// The longest time from a failure that is retried until it was written down.
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
                "seed {} broke an invariant: {broken}\nplay it again with: redrive simulate --seed {}",
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
