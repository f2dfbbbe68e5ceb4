//! The summary of many simulations, and everything that none of them reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use redrive_core::ledger::State;
use redrive_core::verdict::Reason;

use super::invariants::{Move, may_move};
use super::{FaultClass, SimulationResult};

/// Maximum number of broken seeds that a summary keeps.
const MAX_BROKEN: usize = 100;

/// The combined results of many simulations.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The number of simulations.
    pub seeds: u64,
    /// The number of occurrences of each fault class.
    pub faults: BTreeMap<FaultClass, u64>,
    /// Every reason that a verdict, a record or an entry gave.
    pub reasons: BTreeSet<Reason>,
    /// The moves of entries.
    pub moves: BTreeSet<Move>,
    /// The number of recorded failures.
    pub failures: u64,
    /// The number of retries that took effect.
    pub retries: u64,
    /// The number of retries for a changed subject where a person acted between our last read and our call.
    pub exempt: u64,
    /// The longest time from a failure that is retried to its record in the ledger.
    pub longest_wait: Duration,
    /// The seeds that broke an invariant, each with the invariant.
    pub broken: Vec<(u64, String)>,
}

impl Summary {
    /// Adds the result of one simulation.
    pub fn add(&mut self, result: SimulationResult) {
        self.merge(result.into());
    }

    /// Adds another summary.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        for (class, times) in other.faults {
            *self.faults.entry(class).or_default() += times;
        }
        self.reasons.extend(other.reasons);
        self.moves.extend(other.moves);
        self.failures += other.failures;
        self.retries += other.retries;
        self.exempt += other.exempt;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.broken.extend(other.broken);
        self.broken.sort();
        self.broken.truncate(MAX_BROKEN);
    }

    /// Returns the average number of faults in a simulation.
    #[expect(clippy::cast_precision_loss, reason = "an average for people")]
    pub fn faults_per_seed(&self) -> f64 {
        self.faults.values().sum::<u64>() as f64 / self.seeds.max(1) as f64
    }

    /// Returns everything possible that never happened: fault classes, reasons, and moves of entries.
    pub fn unreached(&self) -> Vec<String> {
        let faults = FaultClass::ALL
            .iter()
            .filter(|class| !self.faults.contains_key(class))
            .map(|class| format!("the fault {}", class.name()));
        let reasons = Reason::ALL
            .iter()
            .filter(|reason| !self.reasons.contains(reason))
            .map(|reason| format!("the reason {reason}"));
        let froms = || std::iter::once(None).chain(State::ALL.into_iter().map(Some));
        let moves = froms()
            .flat_map(|from| State::ALL.map(|to| (from, to)))
            .flat_map(|(from, to)| [true, false].map(|same| (from, to, same)))
            // A new entry has no earlier failure.
            .filter(|(from, to, same)| may_move(*from, *to, *same) && (from.is_some() || !same))
            .filter(|way| !self.moves.contains(way))
            .map(|(from, to, same)| {
                let from = from.map_or("nothing", State::as_str);
                let of = if same { "one" } else { "a later" };
                format!(
                    "the transition from {from} to {} for {of} failure",
                    to.as_str()
                )
            });
        faults.chain(reasons).chain(moves).collect()
    }
}

impl From<SimulationResult> for Summary {
    fn from(one: SimulationResult) -> Self {
        let faults = one.faults.into_iter();
        Self {
            seeds: 1,
            faults: faults
                .map(|(class, times)| (class, u64::from(times)))
                .collect(),
            reasons: one.reasons,
            moves: one.moves,
            failures: u64::from(one.failures),
            retries: one.retries as u64,
            exempt: u64::from(one.exempt),
            longest_wait: one.longest_wait,
            broken: one.broken.map(|why| (one.seed, why)).into_iter().collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} seeds: {} failures, {} retries, {:.1} faults a seed",
            self.seeds,
            self.failures,
            self.retries,
            self.faults_per_seed()
        )?;
        writeln!(
            f,
            "a person overtook {} retries between the last read and the call; no other retry hit another failure",
            self.exempt
        )?;
        writeln!(
            f,
            "the longest time from a retried failure to its record: {} s",
            self.longest_wait.as_secs()
        )?;
        for class in FaultClass::ALL {
            let times = self.faults.get(class).copied().unwrap_or_default();
            writeln!(f, "  {times:>9}  {:<18} {}", class.name(), class.words())?;
        }
        let unreached = self.unreached();
        if unreached.is_empty() {
            writeln!(
                f,
                "every fault, every reason and every transition was reached"
            )?;
        } else {
            writeln!(f, "never reached: {}", unreached.join(", "))?;
        }
        match self.broken.len() {
            0 => write!(f, "no invariant was broken"),
            many => {
                writeln!(f, "{many} seeds broke an invariant:")?;
                for (seed, why) in self.broken.iter().take(10) {
                    writeln!(f, "  {seed}: {why}")?;
                }
                write!(
                    f,
                    "repeat one with: redrive simulate --seed {}",
                    self.broken.first().map_or(0, |(seed, _)| *seed)
                )
            }
        }
    }
}
