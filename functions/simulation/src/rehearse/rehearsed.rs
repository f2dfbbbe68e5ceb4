//! What one rehearsal came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use redrive_core::verdict::Reason;

use super::promises::Move;
use super::weather::Class;

/// What a rehearsal came to.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// The seed.
    pub seed: u64,
    /// The first promise that was broken, and how.
    pub broken: Option<String>,
    /// What happened, line by line, if it was asked for.
    pub trace: Vec<String>,
    /// How often each class of faults came.
    pub faults: BTreeMap<Class, u32>,
    /// Every reason that was given for anything.
    pub reasons: BTreeSet<Reason>,
    /// How entries moved.
    pub moves: BTreeSet<Move>,
    /// Failures that were written down.
    pub failures: u32,
    /// Retries that took effect.
    pub retries: usize,
    /// What a person did between our last read and our call, which no promise covers.
    pub exempt: u32,
    /// The longest time from a failure that is retried until it was written down.
    pub longest_wait: Duration,
}

impl fmt::Display for Rehearsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        match &self.broken {
            Some(broken) => write!(
                f,
                "seed {} broke a promise: {broken}\nplay it again with: redrive rehearse --seed {}",
                self.seed, self.seed
            ),
            None => write!(f, "seed {} kept every promise", self.seed),
        }
    }
}

impl Rehearsed {
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
